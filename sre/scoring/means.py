"""Means of embeddings, of an utterance over its crops and of a speaker over its utterances; legend: D embedding."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends.sides import length_normalise
from sre.io.ids import shown
from sre.io.record import read_record
from sre.io.tables import invert

Means = dict[str, np.ndarray]  # of each utterance or speaker, (D,) float64


def means_of_crops(path: Path, places: Mapping[str, str]) -> Means:
    """Return the mean of each utterance's embeddings, of which an scp has one or a matrix with one a crop.

    Raises SreError naming an utterance whose mean has no direction, or another length than others.
    """
    means = {
        utt: np.atleast_2d(read_record(utt, place, scp=path)).mean(axis=0, dtype=np.float64)
        for utt, place in places.items()
    }
    dimension = len(next(iter(means.values())))
    for utt, mean in means.items():
        if len(mean) != dimension or not mean.any():
            what = f"{len(mean)} values, others {dimension}" if len(mean) != dimension else "a mean of length 0"
            raise SreError(f"{path}: {shown(utt)} has {what}; extract it again")
    return means


def single_and_multi(means: Means, utt2spk: Mapping[str, str]) -> dict[str, Means]:
    """Return S. Jung's embeddings of one utterance, and his targets, which are of all utterances of a speaker.

    single : of each utterance, of length 1
    multi_b : of each speaker the mean of these, shorter than 1
    multi_c : of each speaker the mean of the utterances' means, of length 1
    """
    single, spk2utt = {utt: _unit(mean) for utt, mean in means.items()}, invert(utt2spk)
    multi_b = {speaker: np.mean([single[utt] for utt in utts], axis=0) for speaker, utts in spk2utt.items()}
    multi_c = {speaker: _unit(np.mean([means[utt] for utt in utts], axis=0)) for speaker, utts in spk2utt.items()}
    return {"single": single, "multi_b": multi_b, "multi_c": multi_c}


def _unit(vector: np.ndarray) -> np.ndarray:
    return length_normalise(vector[None])[0]
