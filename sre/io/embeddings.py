"""Embeddings read from archives: ids and vectors."""

from pathlib import Path

import numpy as np

from sre import SreError
from sre.io.ark import read_vectors
from sre.io.ids import alike, shown


def read_embeddings(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of several scps or arks as one: sorted (N,) ids and (N, D) float32; the same id twice is an error."""
    parts = [read_vectors(path) for path in dict.fromkeys(paths)]
    if len(parts) == 1:
        return parts[0]
    if len({matrix.shape[1] for _, matrix in parts}) > 1:
        raise SreError(f"{', '.join(map(str, paths))}: embeddings of unequal dimensions; these are of several models")
    ids, matrix = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    order = np.argsort(ids, kind="stable")
    ids, matrix = ids[order], matrix[order]
    twice = ids[1:] == ids[:-1]
    if twice.any():
        raise SreError(f"{paths[0]}: embedding '{ids[1:][twice][0]}' is in two of the given files; give one of them")
    return ids, matrix


def speakers_of(ids: np.ndarray, utt2spk: dict[str, str], source: Path) -> np.ndarray:
    missing = [utt for utt in ids if utt not in utt2spk]
    if missing:
        example = shown(missing[0]) + alike(missing[0], utt2spk)
        raise SreError(f"{source}: {len(missing)} embeddings have no speaker, e.g. {example}; give their utt2spk")
    return np.array([utt2spk[utt] for utt in ids])
