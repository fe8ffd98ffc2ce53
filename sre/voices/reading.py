"""Features that were made elsewhere, from files or as arrays, made ready for the networks of a model.

Shapes: T frames, F features.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.datadir.importers.arrays import FEATURES, load
from sre.datadir.importers.row import ARRAYS, PICKLES
from sre.features.cmn import normalise
from sre.features.deltas import add_deltas
from sre.features.trim import GIVEN_SHIFT_S, frames_left
from sre.io.audio import AudioError
from sre.voices.hearing import Heard, Source

FILES = ARRAYS | PICKLES
TRIED = 1000  # frames
NO_SOUND = (
    "its network takes features from elsewhere, which are not made of sound here; give files of features"
    f" ({', '.join(sorted(FILES))}), or a data directory with feats.scp"
)


@dataclass(frozen=True)
class Reading:
    """What reads for a model whose networks take features from elsewhere, as their training read them.

    path : of the model, by which errors name it
    configs : the feature config of each network
    columns : those of the features that each network is given, without deltas
    Raises SreError, naming the model's file, for a feature config that cannot be used.
    """

    path: Path
    configs: Sequence[Mapping[str, Any]]
    columns: Sequence[int]

    def __post_init__(self) -> None:
        """Read noise, which shows a config's faults before there are features."""
        try:
            for config, columns in zip(self.configs, self.columns, strict=True):
                with suppress(AudioError):
                    self._prepared(np.random.default_rng(0).normal(size=(TRIED, columns)).astype(np.float32), config)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise SreError(f"{self.path}: its feature config cannot be used ({error!r}); get the file again") from None

    def hear(self, source: Source, name: str = "", channel: str | int | None = None) -> Heard:
        """Return the features of a .npy array or a pickle (sre data import has both), or the reason why there are none.

        Raises SreError for samples, of which no features are made here.
        """
        del channel  # of sound
        if not isinstance(source, str | Path):
            raise SreError(f"{self.path}: {NO_SOUND}")
        path = Path(source)
        if path.suffix.lower() not in FILES:
            return Heard(name or str(source), reason=NO_SOUND)
        try:
            return self.taken(name or str(source), load(path, FEATURES))
        except SreError as error:
            return Heard(name or str(source), reason=str(error).removeprefix(f"{path}: "))

    def taken(self, name: str, feats: np.ndarray) -> Heard:
        """Return named (T, F) features as the networks take them, or the reason why they cannot."""
        raw, made = feats.astype(np.float32), []
        if not np.isfinite(raw).all():
            return Heard(name, reason="NaN or infinite values")
        for config, columns in zip(self.configs, self.columns, strict=True):
            if raw.shape[1] != columns:
                reason = f"{raw.shape[1]} columns, and the network takes {columns}; make them as for its training"
                return Heard(name, reason=reason)
            try:
                made.append(self._prepared(raw, config))
            except AudioError as error:
                return Heard(name, reason=str(error))
        return Heard(name, made, len(made[0]) * GIVEN_SHIFT_S)

    def _prepared(self, raw: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
        """Return (T', F') of (T, F) float32. Raises AudioError where trim leaves too little."""
        first, count = frames_left(config.get("trim"), len(raw))
        return add_deltas(normalise(raw[first : first + count], config), config)
