"""Noises and room impulse responses: a data directory with wav.scp, utt2category and reco2dur, read piece by piece.

`local.prepare_musan` and `local.prepare_rirs` write such directories.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import rfft

from sre import SreError
from sre.augment.options import nearest
from sre.augment.speed import resampled
from sre.datadir.datadir import read_data_dir
from sre.io.audio_piece import first_channel
from sre.io.tables import read_table

CACHE_BYTES = 64 << 20  # of room impulse responses, and of their spectra, that a process keeps
ROUNDED_S = 0.002  # reco2dur is written in milliseconds
LONGEST_ROOM_S = 10  # of a room impulse response; what is longer is cut
TAIL = 1e-6  # of a response's energy, -60 dB, which may be cut off at its end
FULL_SCALE = np.float32(32768)


class Manifest:
    """The sound files of a data directory by their categories. Only tables are read until a file is asked for.

    Raises SreError where wav.scp, utt2category or reco2dur is missing, or a file has no category or duration.

    Attributes
    ----------
    path : of the data directory
    categories : name -> ids of its files, in bytewise order
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        wav = read_data_dir(path, need_speakers=False).wav if (self.path / "wav.scp").is_file() else None
        if wav is None:
            raise SreError(f"{path}: no wav.scp in it; give a folder that local.prepare_musan or prepare_rirs has made")
        self.wav = wav
        category = _complete(self.path / "utt2category", wav)
        self.seconds = {key: float(text) for key, text in _complete(self.path / "reco2dur", wav).items()}
        self.categories: dict[str, list[str]] = {}
        for key in sorted(wav):
            self.categories.setdefault(category[key], []).append(key)
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_rooms", "_room_bytes", "_spectra")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def _forget(self) -> None:
        self._rooms: OrderedDict[str, tuple[np.ndarray, int]] = OrderedDict()
        self._room_bytes = 0
        self._spectra: dict[tuple[str, int, int], np.ndarray] = {}

    def ids(self, categories: Sequence[str]) -> list[str]:
        """Return the ids of the files of some categories, () for all. Raises SreError naming the nearest one."""
        for name in categories:
            if name not in self.categories:
                there = ", ".join(sorted(self.categories))
                raise SreError(
                    f"{self.path}: no category '{name}' in it; the nearest is '{nearest(name, self.categories)}',"
                    f" there are {there}"
                )
        return [key for name in dict.fromkeys(categories or self.categories) for key in self.categories[name]]

    def piece(self, key: str, share: float, count: int, sample_rate: int) -> np.ndarray:
        """Return (count,) float32 on int16's scale of a file, which is repeated where it is shorter.

        share : in [0, 1): where in the file the piece begins; of a short file, at which of its samples
        sample_rate : Hz, of what is returned. Raises AudioError where the file cannot be read.
        """
        spare = int((self.seconds[key] - ROUNDED_S) * sample_rate) - count
        start = int(share * (spare + 1)) if spare > 0 else 0
        wave = _at_rate(*first_channel(self.wav[key], start, count, sample_rate), sample_rate)
        if len(wave) == 0:
            raise SreError(f"{self.wav[key]}: no samples in it; take it out of {self.path}/wav.scp")
        if len(wave) < count:
            wave = np.resize(np.roll(wave, -int(share * len(wave))), count)
        return wave[:count] * FULL_SCALE

    def room(self, key: str, sample_rate: int) -> tuple[np.ndarray, int]:
        """Return a room impulse response (R,) float32, without its last -60 dB, and the sample of its direct path.

        Raises AudioError where the file cannot be read, SreError where it is silent.
        """
        if key in self._rooms:
            self._rooms.move_to_end(key)
            return self._rooms[key]
        wave, rate = first_channel(self.wav[key], 0, LONGEST_ROOM_S * sample_rate, sample_rate)
        response = _trimmed(_at_rate(wave, rate, sample_rate))
        if len(response) == 0:
            raise SreError(f"{self.wav[key]}: a silent room impulse response; take it out of {self.path}/wav.scp")
        self._rooms[key] = response, direct_path(response, sample_rate)
        self._room_bytes += response.nbytes
        while self._room_bytes > CACHE_BYTES and len(self._rooms) > 1:
            self._room_bytes -= self._rooms.popitem(last=False)[1][0].nbytes
        return self._rooms[key]

    def room_spectrum(self, key: str, sample_rate: int, size: int) -> np.ndarray:
        """Return the spectrum (size // 2 + 1,) complex64 of what `room` returns, kept if those of all rooms can be."""
        if (kept := self._spectra.get((key, sample_rate, size))) is not None:
            return kept
        spectrum = rfft(self.room(key, sample_rate)[0], size)
        if max(len(self._spectra) + 1, len(self.wav)) * spectrum.nbytes <= CACHE_BYTES:
            self._spectra[key, sample_rate, size] = spectrum
        return spectrum


def direct_path(response: np.ndarray, sample_rate: int) -> int:
    """Return the sample of (R,) at which the direct path is heard.

    A response begins where it first comes within 20 dB of its greatest sample (ISO 3382); the direct path is the
    greatest within a millisecond from there. Reflections that come together may be stronger than it.
    """
    level = np.abs(response)
    begin = int(np.argmax(level >= 0.1 * level.max()))
    return begin + int(level[begin : begin + max(sample_rate // 1000, 1)].argmax())


def _complete(path: Path, wav: Mapping[str, str]) -> dict[str, str]:
    table = read_table(path)
    if missing := sorted(wav.keys() - table.keys()):
        raise SreError(f"{path}: {len(missing)} files of wav.scp are not in it, e.g. {missing[0]}; prepare it again")
    return table


def _at_rate(wave: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    return wave if rate == sample_rate else resampled(wave, sample_rate, rate)


def _trimmed(response: np.ndarray) -> np.ndarray:
    """Return (R,) without the end that has less than TAIL of the energy; a silent one is empty."""
    left = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]  # energy from each sample on
    if len(left) == 0 or left[0] <= 0:
        return response[:0]
    return response[: int(np.searchsorted(-left, -TAIL * left[0]))].copy()
