"""The sound files that the project writes: one channel, 16 bits, whole or not there."""

import io
from pathlib import Path

import numpy as np
import soundfile

from sre.io.atomic import atomic_output

FORMS = ("flac", "wav")
LARGEST = 32767.5  # of int16's scale; more is clipped


def write_audio(path: Path, samples: np.ndarray, sample_rate: int) -> bool:
    """Write (N,) samples on int16's scale as FLAC or WAV, by the suffix; return whether some were clipped.

    sample_rate : Hz
    """
    content = io.BytesIO()  # libsndfile does not say that a disk is full
    whole = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    soundfile.write(content, whole, sample_rate, format=path.suffix[1:].upper(), subtype="PCM_16")
    with atomic_output(path, "wb") as file:
        file.write(content.getbuffer())
    return bool(np.abs(samples).max(initial=0) > LARGEST)
