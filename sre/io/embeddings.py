"""Embeddings with their ids and, where these are known, their speakers: what always travels together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sre import SreError
from sre.io.ark import read_vectors
from sre.io.ids import alike, shown

NO_EMBEDDING = "extract it, or take its trials out of the list"


@dataclass(frozen=True)
class Embeddings:
    """N embeddings of one model.

    ids : (N,) utterances (of means: speakers), sorted, each once
    vectors : (N, D) float32, or float64 where they are means
    speakers : (N,) names; None: nobody knows them
    """

    ids: np.ndarray
    vectors: np.ndarray
    speakers: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def read(cls, paths: Sequence[Path]) -> "Embeddings":
        """Read several scps or arks as one set, without speakers.

        Raises SreError where their dimensions differ, or an id is in two of them.
        """
        parts = [read_vectors(path) for path in dict.fromkeys(paths)]
        if len(parts) == 1:
            return cls(*parts[0])
        if len({matrix.shape[1] for _, matrix in parts}) > 1:
            where = ", ".join(map(str, paths))
            raise SreError(f"{where}: embeddings of unequal dimensions; these are of several models")
        ids, matrix = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        order = np.argsort(ids, kind="stable")
        ids, matrix = ids[order], matrix[order]
        twice = ids[1:] == ids[:-1]
        if twice.any():
            raise SreError(
                f"{paths[0]}: embedding '{ids[1:][twice][0]}' is in two of the given files; give one of them"
            )
        return cls(ids, matrix)

    def with_speakers(self, utt2spk: Mapping[str, str], source: Path) -> "Embeddings":
        """Return them with the speakers of utt2spk. Raises SreError, naming its file, where one has no speaker."""
        missing = [utt for utt in self.ids if utt not in utt2spk]
        if missing:
            example = shown(missing[0]) + alike(missing[0], utt2spk)
            raise SreError(f"{source}: {len(missing)} embeddings have no speaker, e.g. {example}; give their utt2spk")
        return replace(self, speakers=np.array([utt2spk[utt] for utt in self.ids]))

    def subset(self, rows: np.ndarray) -> "Embeddings":
        """Return some of them: `rows` is an ascending index array, or (N,) bool."""
        speakers = None if self.speakers is None else self.speakers[rows]
        return Embeddings(self.ids[rows], self.vectors[rows], speakers)

    def rows(self, wanted: np.ndarray, what: str, cure: str = NO_EMBEDDING) -> np.ndarray:
        """Return the row of each wanted id.

        Raises SreError that begins with `what`, names an id without an embedding, and ends with the cure.
        """
        position = np.searchsorted(self.ids, wanted)
        found = position < len(self.ids)
        found[found] = self.ids[position[found]] == wanted[found]
        if not found.all():
            lost = wanted[~found]
            example = shown(lost[0]) + alike(lost[0], self.ids.tolist())
            raise SreError(f"{what}: {len(lost)} of {len(wanted)} have no embedding, e.g. {example}; {cure}")
        return position
