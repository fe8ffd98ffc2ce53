"""A split's features: feats.scp with utt2num_frames, the config that made them, and a VAD where that config asks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.features.cmn import normalise
from sre.features.deltas import add_deltas
from sre.features.types import FROM_ELSEWHERE
from sre.io.atomic import atomic_output
from sre.io.bulk import read_counts, read_places
from sre.io.name_tables import absent, kept_in, share_names
from sre.io.record import count_rows, read_record, read_rows
from sre.io.text import canonical, read_object

CURE = "delete it and make the features again"
READING = ("cmn", "cmn_window", "cmn_variance", "delta_order", "delta_window")  # what a config says of reading alone
WITHOUT_CONFIG = {"type": FROM_ELSEWHERE, "cmn": "none"}  # features without a config beside them


def read_config(path: Path) -> dict[str, Any]:
    """Read the resolved config beside a feats.scp. Raises SreError where it is damaged, or not of its form."""
    config = read_object(path, {"type": str}, CURE)
    cmn, window, vad = config.get("cmn", "none"), config.get("cmn_window", 1), config.get("vad")
    variance = config.get("cmn_variance", "none")
    if cmn not in ("none", "utterance", "sliding"):
        raise SreError(f"{path}: cmn {cmn!r} is none of none, utterance, sliding; {CURE}")
    if type(order := config.get("delta_order", 0)) is not int or type(config.get("delta_window", 2)) is not int:
        raise SreError(f"{path}: delta_order {order!r} or its delta_window is no whole number; {CURE}")
    if variance not in ("none", "kaldi", "nemo", "instance_norm"):
        raise SreError(f"{path}: cmn_variance {variance!r} is none of none, kaldi, nemo, instance_norm; {CURE}")
    if type(window) is not int or window < 1:
        raise SreError(f"{path}: cmn_window {window!r} is no number of frames; {CURE}")
    if not isinstance(vad, dict | None):
        raise SreError(f"{path}: vad {vad!r} is no object; {CURE}")
    return config


def reading_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a feature config says of reading alone, which also features from elsewhere can have."""
    return {key: config[key] for key in READING if key in config}


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write the resolved config beside a feats.scp, which `read_config` reads."""
    with atomic_output(path) as file:
        file.write(canonical(config) + "\n")


class FeatureStore:
    """Reads (T, F) float32 matrices, normalised and without unvoiced frames as their config says.

    Attributes
    ----------
    config : the features' resolved config; {"type": "given", "cmn": "none"} where no `config` stands beside the scp
    num_frames : utterance -> frames (voiced frames where there is a VAD)
    """

    holds = "features"  # as errors name it

    def __init__(self, scp: str | Path) -> None:
        self.scp = Path(scp)
        self.places = read_places(self.scp)
        folder = self.scp.parent
        config = folder / "config"
        self.config: dict[str, Any] = read_config(config) if config.exists() else dict(WITHOUT_CONFIG)
        self.vad = read_places(folder / "vad.scp") if self.config.get("vad") else None
        if self.vad is not None:  # utterances without a voiced frame are in vad_rejected.tsv
            self.places = kept_in(self.places, self.vad)
        counts = folder / ("utt2num_frames" if self.vad is None else "utt2num_voiced")
        self.num_frames: Mapping[str, int]
        if counts.is_file():
            self.num_frames = read_counts(counts)
        else:
            self.num_frames = {utt: count_rows(utt, place, self.scp) for utt, place in self.places.items()}
        if unknown := absent(self.places, self.num_frames):
            raise SreError(f"{counts}: no count for '{unknown[0]}' of {self.scp}; make the features again")
        share_names(self.places, self.num_frames, self.vad)

    @property
    def hours(self) -> float:
        """The hours of its frames, with a VAD of the voiced ones."""
        shift = self.config.get("frame_shift", 10.0)  # features from elsewhere tell none
        return sum(self.num_frames[utt] for utt in self.places) * shift / 3.6e6

    def raw(self, utt: str) -> np.ndarray:
        """Read (T, F) features as they are in the archive. Raises SreError where there are none of the utterance."""
        if utt not in self.places:
            raise SreError(f"{self.scp}: utterance '{utt}' has no features; see rejected.tsv beside it for the reason")
        return read_record(utt, self.places[utt], "matrix", self.scp)

    def rows(self, utt: str, start: int, count: int) -> np.ndarray:
        """Read (count, F) rows from `start` of what `raw` gives, and nothing else of a binary archive.

        Raises SreError as `raw` does, and where rows or frames are not as many as utt2num_frames says.
        """
        if utt not in self.places:
            return self.raw(utt)
        total = self.num_frames[utt] if self.vad is None else None  # num_frames are the voiced ones
        return read_rows(utt, self.places[utt], start, count, self.scp, total)

    def has_pieces(self, mean_taken: bool) -> bool:
        """Return whether a piece of what `load` gives is that of `rows`.

        mean_taken : the piece's own mean is taken off afterwards, so that the utterance's makes no difference
        """
        config = self.config
        means = ("none", "utterance") if mean_taken else ("none",)
        plain = config.get("cmn_variance", "none") == "none" and not config.get("delta_order", 0)
        return self.vad is None and plain and config.get("cmn", "none") in means

    def load(self, utt: str) -> np.ndarray:
        """Return (T, F) features as the network sees them: normalised, then with deltas, as Kaldi's recipes have it.

        Unvoiced frames are dropped at the end.
        """
        feats = self.raw(utt)
        if self.vad is None and len(feats) != self.num_frames[utt]:
            raise SreError(
                f"{self.scp}: '{utt}' has {len(feats)} frames, utt2num_frames says {self.num_frames[utt]};"
                " make the features again"
            )
        if not feats.size:
            raise SreError(f"{self.scp}: record '{utt}' is a matrix of {feats.shape}: no frames; take '{utt}' out")
        feats = add_deltas(normalise(feats, self.config), self.config)
        if self.vad is not None:
            feats = feats[self._voiced(utt, self.vad, len(feats))]
        return feats

    def _voiced(self, utt: str, places: Mapping[str, str], frames: int) -> np.ndarray:
        """Return (T,) bool. Raises SreError where the VAD is not of these frames."""
        scp = self.scp.parent / "vad.scp"
        voiced = read_record(utt, places[utt], "vector", scp) > 0
        if len(voiced) != frames:
            raise SreError(f"{scp}: '{utt}' has {len(voiced)} decisions for {frames} frames; make the VAD again")
        if np.count_nonzero(voiced) != self.num_frames[utt]:
            raise SreError(
                f"{scp}: '{utt}' has {np.count_nonzero(voiced)} voiced frames, utt2num_voiced says"
                f" {self.num_frames[utt]}; make the VAD again"
            )
        return voiced


def find_feats(data_dir: Path, features: str | None, remedy: str = "make them, or give --feats") -> Path:
    """Return the feats.scp of a data dir: the one made under the features' name, or its own.

    Raises SreError, which ends with the remedy, where there is neither.
    """
    candidates = [data_dir / "feats.scp"]
    if features:
        candidates.insert(0, data_dir / "feats" / features / "feats.scp")
    for path in candidates:
        if path.is_file():
            return path
    raise SreError(f"{data_dir}: no features; looked for {' and '.join(map(str, candidates))}: {remedy}")
