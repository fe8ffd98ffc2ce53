"""A split's features: feats.scp with utt2num_frames, the config that made them, and a VAD where that config asks."""

import json
from pathlib import Path

import numpy as np

from sre import SreError
from sre.features.cmn import subtract_sliding_mean, subtract_utterance_mean
from sre.io.ark import read_record, read_scp
from sre.io.tables import read_table


class FeatureStore:
    """Reads (T, F) float32 matrices, normalised and without unvoiced frames as their config says.

    Attributes
    ----------
    config : the features' resolved config; {"type": "given", "cmn": "none"} where no `config` stands beside the scp
    num_frames : utterance -> frames (voiced frames where there is a VAD)
    """

    def __init__(self, scp: str | Path) -> None:
        self.scp = Path(scp)
        self.places = read_scp(self.scp)
        folder = self.scp.parent
        config = folder / "config"
        self.config = json.loads(config.read_text()) if config.is_file() else {"type": "given", "cmn": "none"}
        self.vad = read_scp(folder / "vad.scp") if self.config.get("vad") else None
        if self.vad is not None:  # utterances without a voiced frame are in vad_rejected.tsv
            self.places = {utt: place for utt, place in self.places.items() if utt in self.vad}
        counts = folder / ("utt2num_frames" if self.vad is None else "utt2num_voiced")
        if counts.is_file():
            self.num_frames = {utt: int(count) for utt, count in read_table(counts).items()}
        else:
            self.num_frames = {utt: len(self.raw(utt)) for utt in self.places}
        unknown = [utt for utt in self.places if utt not in self.num_frames]
        if unknown:
            raise SreError(f"{counts}: no count for '{unknown[0]}' of {self.scp}; make the features again")

    def raw(self, utt: str) -> np.ndarray:
        if utt not in self.places:
            raise SreError(f"{self.scp}: utterance '{utt}' has no features; see rejected.tsv beside it for the reason")
        return read_record(utt, self.places[utt])

    def load(self, utt: str) -> np.ndarray:
        """(T, F) features as the network sees them: sliding CMN before unvoiced frames are dropped, as Kaldi."""
        feats = self.raw(utt)
        if self.vad is None and len(feats) != self.num_frames[utt]:
            raise SreError(
                f"{self.places[utt]}: '{utt}' has {len(feats)} frames, utt2num_frames says {self.num_frames[utt]};"
                " make the features again"
            )
        cmn = self.config.get("cmn", "none")
        if cmn == "sliding":
            feats = subtract_sliding_mean(feats, self.config.get("cmn_window", 300))
        elif cmn == "utterance":
            feats = subtract_utterance_mean(feats)
        if self.vad is not None:
            feats = feats[read_record(utt, self.vad[utt]) > 0]
        return feats
