"""Embeddings of another network as a split's features: one frame an utterance."""

from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.features.types import EMBEDDINGS
from sre.io.ark import read_vectors
from sre.io.atomic import sha256_arrays
from sre.io.name_tables import Counts
from sre.io.names import Names


class VectorStore:
    """Has (1, D) float32 matrices, as a FeatureStore reads (T, F) from disk; all are in memory.

    Attributes
    ----------
    scp : of the embeddings
    config : {"type": "embeddings", "of": name of the network, "dimension": D}
    places : utterance -> its row
    num_frames : utterance -> 1
    """

    holds = "embeddings"
    vad = None

    def __init__(self, scp: str | Path, of: str) -> None:
        self.scp = Path(scp)
        ids, self.vectors = read_vectors(self.scp)
        names = Names.of(ids)
        self.places = Counts(names, np.arange(len(ids), dtype=np.int32))
        self.num_frames = Counts(names, np.ones(len(ids), np.int32))
        self.config: dict[str, Any] = {"type": EMBEDDINGS, "of": of, "dimension": self.vectors.shape[1]}

    @property
    def sha256(self) -> str:
        """The SHA-256 of the vectors and of whose they are."""
        return sha256_arrays(self.vectors, np.array(list(self.places), dtype=str))

    def raw(self, utt: str) -> np.ndarray:
        """Return (1, D). Raises SreError where the utterance has no embedding."""
        if utt not in self.places:
            raise SreError(f"{self.scp}: utterance '{utt}' has no embedding; extract it, or take it out")
        return self.vectors[self.places[utt], None].astype(np.float32)

    def load(self, utt: str) -> np.ndarray:
        """Return (1, D) as the network sees it."""
        return self.raw(utt)
