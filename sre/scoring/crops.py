"""Scores of two utterances by the embeddings of their crops, a matrix each; legend: P trials, N crops, D embedding."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends.sides import BLOCK_BYTES, length_normalise
from sre.io.ark import read_scp
from sre.io.ids import alike, shown
from sre.io.record import read_record
from sre.io.trials import Trials


def mean_cosine(enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the mean cosine of each crop with each: two (P, N, D) of unit vectors -> (P,).

    It is the cosine of the mean vectors times both their lengths, which are below 1 where crops differ.
    """
    return np.einsum("pd,pd->p", enrol.mean(axis=1), test.mean(axis=1))


def mean_cosine_in_place(enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the mean cosine of the first crop with the first, the second with the second, …, as `mean_cosine`."""
    return np.einsum("pnd,pnd->p", enrol, test) / enrol.shape[1]


def minus_mean_distance(enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return minus the mean distance of each crop to each, as `mean_cosine` (ClovaAI's voxceleb_trainer)."""
    return -np.sqrt(np.maximum(2 - 2 * enrol @ test.transpose(0, 2, 1), 0)).mean(axis=(1, 2))


RULES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "cosine": mean_cosine,
    "cosine_in_place": mean_cosine_in_place,
    "distance": minus_mean_distance,
}


def read_crops(path: Path, wanted: Sequence[str]) -> np.ndarray:
    """Return the crops of each wanted utterance, of unit length: (U, N, D) float64.

    Raises SreError where one has none, or another number of crops, or a crop of length 0.
    """
    places, found = read_scp(path), list[np.ndarray]()
    if missing := [utt for utt in wanted if utt not in places]:
        example = shown(missing[0]) + alike(missing[0], places)
        raise SreError(f"{path}: {len(missing)} of {len(wanted)} have no embeddings, e.g. {example}; extract them too")
    for utt in wanted:
        matrix = np.atleast_2d(read_record(utt, places[utt], None, path))
        if found and matrix.shape != found[0].shape:
            shapes = [" x ".join(map(str, one.shape)) for one in (matrix, found[0])]
            raise SreError(
                f"{path}: the crops of {shown(utt)} are {shapes[0]}, those of {shown(wanted[0])} are {shapes[1]};"
                " extract all of them with the same model, --crops and --crop-frames, and --keep"
            )
        if not matrix.any(axis=1).all():
            raise SreError(f"{path}: a crop of {shown(utt)} has length 0, so it has no direction; look at its audio")
        found.append(matrix)
    crops = np.stack(found).astype(np.float64)
    return length_normalise(crops.reshape(-1, crops.shape[2])).reshape(crops.shape)


def score_crops(trials: Trials, path: Path, rule: str) -> np.ndarray:
    """Return the (P,) scores of trials of utterances by one of RULES; the scp has a matrix of crops of each."""
    utts = np.union1d(trials.enrol_ids, trials.test_ids)
    crops = read_crops(path, utts.tolist())
    enrol, test = (np.searchsorted(utts, ids) for ids in (trials.enrol_ids, trials.test_ids))
    scores, step = np.empty(len(trials)), max(1, BLOCK_BYTES // crops[0].nbytes)
    for start in range(0, len(trials), step):
        part = slice(start, start + step)
        scores[part] = RULES[rule](crops[enrol[trials.enrol[part]]], crops[test[trials.test[part]]])
    return scores
