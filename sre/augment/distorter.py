"""The Distorter: the steps of `augment.distort`, applied to a wave with draws from a given generator."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from sre import SreError
from sre.augment.codec import check_codecs, coded
from sre.augment.manifest import Manifest
from sre.augment.noise import SILENT, babble, mix, power
from sre.augment.options import (
    CodecOptions,
    Kind,
    NoiseOptions,
    PitchOptions,
    RoomOptions,
    Step,
    VolumeOptions,
)
from sre.augment.pitch import shift_pitch
from sre.augment.rooms import reverberate

GREATEST = 32767.0  # of int16
TRIES = 10  # for a noise that is not silent


class Distorter:
    """Distort waves; files are opened when they are drawn, so a copy of it can be sent to another process.

    Raises SreError where a step needs noises or rooms that are not given, or a category or codec that is not there.

    Attributes
    ----------
    left_out : reason -> how many distortions this process has left out
    """

    def __init__(
        self,
        steps: Sequence[Step],
        noises: Manifest | None = None,
        rooms: Manifest | None = None,
        sample_rate: int = 16000,
    ) -> None:
        self.steps, self.sample_rate = tuple(steps), sample_rate
        self.noises, self.rooms = noises, rooms
        self.left_out: Counter[str] = Counter()
        self._ids: dict[Kind, list[str]] = {}
        for kind in [kind for step in self.steps for kind in step.one_of]:
            if isinstance(kind, NoiseOptions):
                self._ids[kind] = _given(noises, "noise", "musan", "--noises").ids(kind.categories)
            elif isinstance(kind, RoomOptions):
                self._ids[kind] = _given(rooms, "room", "rirs", "--rooms").ids(kind.categories)
            elif isinstance(kind, CodecOptions):
                check_codecs(kind.names, sample_rate)

    def __call__(self, wave: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Return (S,) float32 on int16's scale distorted: (S,) float32.

        If a distortion takes the wave beyond int16's range, the whole is made softer until it fits: no sample is
        clipped. Else its level is kept, on which an energy-based VAD depends. A wave that nothing is done to is
        returned as it is. Raises AudioError where a file of a manifest cannot be read.
        """
        clean = wave
        for step in self.steps:
            if draw.random() < step.probability:
                wave = self._apply(_drawn(step.one_of, draw.random()), wave, draw)
        if wave is clean:
            return wave
        peak = float(np.abs(wave).max())
        return wave * np.float32(GREATEST / peak) if peak > GREATEST else wave

    def _apply(self, kind: Kind, wave: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        if isinstance(kind, NoiseOptions):
            return self._with_noise(kind, wave, draw)
        if isinstance(kind, RoomOptions):
            assert self.rooms is not None
            rooms, key, rate = self.rooms, self._one(kind, draw), self.sample_rate
            return reverberate(wave, *rooms.room(key, rate), lambda size: rooms.room_spectrum(key, rate, size))
        if isinstance(kind, VolumeOptions):
            return wave * np.float32(10 ** (draw.uniform(*kind.gain_db) / 20))
        if isinstance(kind, PitchOptions):
            return shift_pitch(wave, draw.uniform(*kind.semitones), self.sample_rate)
        assert isinstance(kind, CodecOptions)
        return coded(wave, kind.names[int(draw.integers(len(kind.names)))], self.sample_rate)

    def _one(self, kind: Kind, draw: np.random.Generator) -> str:
        ids = self._ids[kind]
        return ids[int(draw.integers(len(ids)))]

    def _with_noise(self, kind: NoiseOptions, wave: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Return the wave with noise; as it is, and counted, where it is silent or no noise with sound was drawn."""
        assert self.noises is not None
        snr, count = draw.uniform(*kind.snr), int(draw.integers(kind.count[0], kind.count[1] + 1))
        if power(wave) < SILENT:
            self.left_out["noise, as they are silent"] += 1
            return wave
        for _ in range(TRIES):
            drawn = [(self._one(kind, draw), draw.random()) for _ in range(count)]
            noise = babble(self.noises.piece(key, at, len(wave), self.sample_rate) for key, at in drawn)
            mixed = None if noise is None else mix(wave, noise, snr)
            if mixed is not None:
                return mixed
        self.left_out[f"noise, as {TRIES} silent ones were drawn"] += 1
        return wave


def _given(manifest: Manifest | None, kind: str, key: str, option: str) -> Manifest:
    if manifest is None:
        raise SreError(
            f"augment.distort has the kind {kind}, and there are no files for it; set {key} in the recipe"
            f" ({option} of a command), or take {kind} out"
        )
    return manifest


def _drawn(kinds: Sequence[Kind], share: float) -> Kind:
    """Return the kind at a share, in [0, 1), of the sum of all weights."""
    edges = np.cumsum([kind.weight for kind in kinds])
    return kinds[min(int(np.searchsorted(edges, share * edges[-1], side="right")), len(kinds) - 1)]
