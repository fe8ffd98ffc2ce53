"""What a model keeps of a voice: embeddings of its utterances, and how good the audio of each was."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sre import SreError

QUALITIES = ("speech_s", "snr_db")


@dataclass(frozen=True)
class Voiceprint:
    """K utterances of one speaker, or of one test.

    vectors : (K, D) float32; of a package with several networks D is the sum of theirs, in their order
    qualities : (K,) float64 each: "speech_s", seconds of the frames that the network saw, and "snr_db"; NaN: not known
    names : (K,) str, where each is from
    """

    vectors: np.ndarray
    qualities: dict[str, np.ndarray]
    names: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def of(cls, vectors: np.ndarray, names: Sequence[str] = ()) -> "Voiceprint":
        """Return the voiceprint of (D,) or (K, D) embeddings of which no more is known.

        Raises SreError for another shape, and for values that are not finite.
        """
        vectors = np.atleast_2d(np.asarray(vectors, np.float32))
        if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
            raise SreError(
                f"embeddings of shape {vectors.shape}: a voice has (D,) or (K, D) finite numbers; embed it again"
            )
        unknown = {name: np.full(len(vectors), np.nan) for name in QUALITIES}
        return cls(vectors, unknown, np.array(list(names) or [""] * len(vectors), dtype=str))

    @classmethod
    def joined(cls, parts: Sequence["Voiceprint"]) -> "Voiceprint":
        """Return the utterances of several voiceprints, at least one, as one."""
        qualities = {name: np.concatenate([part.qualities[name] for part in parts]) for name in QUALITIES}
        vectors, names = (np.concatenate([getattr(part, name) for part in parts]) for name in ("vectors", "names"))
        return cls(vectors, qualities, names)
