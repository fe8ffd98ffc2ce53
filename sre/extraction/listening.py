"""From a recording to the features that a network takes, as extraction from audio makes them, without a data directory.

Shapes: S samples, T frames, F features.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.features.cmn import normalise
from sre.features.deltas import add_deltas
from sre.features.extractor import Extractor, extractor_of
from sre.features.trim import trimmed
from sre.features.types import FEATURE_TYPES, options_of, vad_listens
from sre.features.vad import by_energy, decider
from sre.features.waves import Sound, shortest_s
from sre.io.audio import RATES, AudioError, Recording
from sre.io.text import canonical


class Listener:
    """Makes the features of one feature config; it may be used by several threads.

    num_features : F; None: not known before there is speech
    Raises SreError, naming the model's file, where these features are not made of audio here.
    """

    def __init__(self, path: str | Path, config: Mapping[str, Any]) -> None:
        if str(config.get("type")) not in FEATURE_TYPES or not isinstance(config.get("sample_rate"), int):
            raise SreError(
                f"{path}: its network takes features that were not made of audio here ({canonical(config)[:200]});"
                " give features in their place: files (.npy, or pickles) or data directories with feats.scp"
            )
        self.config = dict(config)
        self.sample_rate: int = config["sample_rate"]
        try:
            if self.sample_rate not in RATES:
                raise ValueError(f"sample_rate {self.sample_rate}")
            self.options = options_of(config)
            self.frame_shift_s = self.options.frame_shift / 1000
            self.shortest_s = shortest_s(config)
            self.extractor, self.decide  # noqa: B018, made by one thread, before several use them
            self.num_features = self._tried()
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise SreError(f"{path}: its feature config cannot be used ({error!r}); get the file again") from None

    def _tried(self) -> int | None:
        """Return F of features of noise, which show a config's faults before there is audio; None: none are made."""
        noise = np.random.default_rng(0).normal(0, 0.1, self.sample_rate).astype(np.float32)
        with suppress(AudioError):
            return self.features(self.samples(Recording(noise, self.sample_rate))).shape[1]
        return None

    @cached_property
    def extractor(self) -> Extractor:
        return extractor_of(self.options)

    @cached_property
    def decide(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """What decides by audio which frames are voiced; None where the features' energy does, or nothing."""
        vad = self.config.get("vad")
        return decider(vad, self.config) if vad and vad_listens(self.config) else None

    def samples(self, recording: Recording) -> np.ndarray:
        """Return (S,) float32 on int16's scale at the features' rate, without what the config trims.

        Raises AudioError where too little is left.
        """
        wave = Sound(recording, self.sample_rate).piece(0.0, None, self.shortest_s)
        return trimmed(wave, self.config.get("trim"), self.sample_rate, self.shortest_s)

    def features(self, wave: np.ndarray) -> np.ndarray:
        """Return (T, F) features as the network takes them, of what `samples` gave.

        Raises AudioError where no frame is voiced.
        """
        raw = self.extractor([wave])[0].numpy()
        feats, vad = add_deltas(normalise(raw, self.config), self.config), self.config.get("vad")
        if not vad:
            return feats
        voiced = self.decide(wave) if self.decide else by_energy(raw, vad)
        if not voiced.any():
            raise AudioError("no voiced frame: the voice activity detection finds no speech in it")
        return feats[voiced]
