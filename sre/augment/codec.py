"""Speech through a codec, coded and decoded in memory by libsndfile. Legend: S samples, on int16's scale."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile

from sre import SreError
from sre.augment.options import nearest
from sre.augment.speed import resampled

FULL_SCALE = np.float32(32768)
LARGEST = np.float32(32767 / 32768)  # that 16 bits have
TELEPHONE = 8000  # Hz


@dataclass(frozen=True)
class Codec:
    """A codec of libsndfile.

    Attributes
    ----------
    format, subtype : libsndfile's names
    sample_rate : Hz; None: that of the wave
    """

    format: str
    subtype: str
    sample_rate: int | None = None


CODECS = {
    "mulaw": Codec("WAV", "ULAW", TELEPHONE),
    "alaw": Codec("WAV", "ALAW", TELEPHONE),
    "g721": Codec("AU", "G721_32", TELEPHONE),
    "gsm": Codec("WAV", "GSM610", TELEPHONE),
    "mp3": Codec("MP3", "MPEG_LAYER_III"),
    "vorbis": Codec("OGG", "VORBIS"),
    "opus": Codec("OGG", "OPUS"),
}


def check_codecs(names: Sequence[str], sample_rate: int, where: str = "") -> None:
    """Raise SreError for an unknown codec, or one that the installed libsndfile does not have at that rate (Hz).

    where : comes before the sentence
    """
    for name in names:
        if name not in CODECS:
            raise SreError(
                f"{where}'{name}' is no codec; the nearest is '{nearest(name, CODECS)}', there are {', '.join(CODECS)}"
            )
        try:
            coded(np.sin(np.arange(4000, dtype=np.float32)) * 1000, name, sample_rate)
        except (soundfile.LibsndfileError, ValueError) as error:  # ValueError: a format that soundfile does not know
            reason = getattr(error, "error_string", str(error)).strip(" .")
            version = f"libsndfile {soundfile.__libsndfile_version__}"
            raise SreError(
                f"{where}codec {name} at {sample_rate} Hz: {version} has it not ({reason}); take it out, or install"
                " another"
            ) from None


def coded(wave: np.ndarray, name: str, sample_rate: int) -> np.ndarray:
    """Return (S,) float32 as it sounds after the codec: (S,) float32, sample t where it was.

    mulaw, alaw (ITU-T G.711), g721 (ADPCM, 32 kbit/s) and gsm (GSM 06.10, 13 kbit/s) are at 8 kHz: the wave is
    resampled to it and back, so that nothing is left above 4 kHz. mp3, vorbis and opus are at the wave's rate, with
    libsndfile's default quality. libsndfile takes the delay of a codec out. A wave beyond int16's range is made softer
    before.
    """
    codec = CODECS[name]
    rate = codec.sample_rate or sample_rate
    peak = float(np.abs(wave).max()) / FULL_SCALE
    sent = resampled(wave * (1 / FULL_SCALE if peak <= LARGEST else LARGEST / peak / FULL_SCALE), rate, sample_rate)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(sent, -LARGEST, LARGEST), rate, format=codec.format, subtype=codec.subtype)
    buffer.seek(0)
    heard, _ = soundfile.read(buffer, dtype="float32")
    heard = resampled(heard[: len(sent)], sample_rate, rate)  # codecs of frames fill the last one
    if len(heard) < len(wave):
        heard = np.pad(heard, (0, len(wave) - len(heard)))
    return heard[: len(wave)] * FULL_SCALE
