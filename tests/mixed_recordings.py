"""A folder of recordings as people have them: mixed formats, rates and channels, and a few broken files.

python tests/mixed_recordings.py ../shared/corpora OUT    # 20 speakers of LibriSpeech's test-other and VoxCeleb1's dev
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from scipy.signal import resample_poly

from sre.io.commands import need_ffmpeg

KINDS = (  # suffix, Hz, channels
    ("wav", 16000, 1), ("flac", 48000, 1), ("mp3", 44100, 2), ("m4a", 22050, 1), ("ogg", 16000, 2), ("wav", 8000, 1),
    ("flac", 16000, 2), ("mp3", 24000, 1), ("m4a", 48000, 2), ("ogg", 32000, 1),
)  # fmt: skip


class Spoken(NamedTuple):
    """An utterance: the path that it gets, without suffix; (N,) samples in -1 .. 1; their rate in Hz."""

    path: str
    samples: np.ndarray
    rate: int


def write_mixed(out: Path, utterances: Iterable[Spoken]) -> list[Path]:
    """Write each utterance in one of KINDS, in turn; return the files."""
    files = []
    for (suffix, rate, channels), (path, samples, own) in zip(cycle(KINDS), utterances, strict=False):
        file = out / f"{path}.{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        wave = resample_poly(samples, rate, own).clip(-0.99, 0.99)
        wave = np.stack([wave, 0.5 * wave], axis=1) if channels > 1 else wave
        if suffix == "m4a":
            soundfile.write(file.with_suffix(".tmp.wav"), wave, rate)
            command = [need_ffmpeg(str(file)), "-v", "error", "-y", "-i", file.with_suffix(".tmp.wav"), file]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
            file.with_suffix(".tmp.wav").unlink()
        else:
            soundfile.write(file, wave, rate)
        files.append(file)
    return files


def break_files(files: Iterable[Path]) -> None:
    """Break files in three ways, in turn: empty, cut in the middle, no sound."""
    for number, file in enumerate(files):
        whole = file.read_bytes()
        file.write_bytes([b"", whole[: len(whole) // 2], b"no sound at all" * 9][number % 3])


def of_corpora(corpora: Path, most: int) -> Iterator[Spoken]:
    """Yield `most` utterances of each of 10 speakers of LibriSpeech's test-other and 10 of VoxCeleb1's dev."""
    for name, pattern in (("LibriSpeech/test-other", "*.flac"), ("voxceleb1-layout/dev/wav", "*.wav")):
        root = corpora / name
        for speaker in sorted(path for path in root.iterdir() if path.is_dir())[:10]:
            for file in islice(sorted(speaker.rglob(pattern)), most):
                samples, rate = soundfile.read(file)
                yield Spoken(str(file.relative_to(root).with_suffix("")), samples, rate)


def main() -> None:
    corpora, out = map(Path, sys.argv[1:])
    files = write_mixed(out, of_corpora(corpora, 10))
    break_files(files[7::90])
    print(f"{out}: {len(files)} files, {len(files[7::90])} of them broken")


if __name__ == "__main__":
    main()
