"""Quality measures of both sides of a trial, as inputs of a calibration beside the score (QMF).

J. Thienpondt et al., The IDLab VoxSRC-20 submission, ICASSP 2021, "quality measure functions"; M. I. Mandasari et al.,
Quality measure functions for calibration of speaker recognition systems, IEEE TASLP 2013.

A side of several utterances has the mean of their measures. A trial has the smaller and the larger of its two sides',
so that it does not matter which side is enrolled. Duration and SNR are also multiplied by the score, as scores of short
or noisy speech have another slope: ours, by three splits of the development speakers of recipe ko_qmf (Cllr 0.426, else
0.434). Measures beyond the range that a calibration was fitted on count as its ends: a slope does not go on for ever.
Legend: N utterances, E models, P trials, D dimensions.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from sre import SreError
from sre.backends.sides import Groups, group_means
from sre.io.quality import SNR_DB, SPEECH_S

DURATION, SNR, NORM, COHORT_MEAN = "duration", "snr", "norm", "cohort_mean"
MEASURES = (DURATION, SNR, NORM, COHORT_MEAN)
MULTIPLIED = {DURATION, SNR}  # measures that also change the slope
NEAREST = 300  # cohort members of cohort_mean where the system has no norm that says how many
Ranges = Sequence[Sequence[float]]  # of each measure, the least and the most that a calibration was fitted on
Qualities = Mapping[str, np.ndarray]  # speech_s and snr_db of sre.io.quality: (N,), NaN where it is not known


def side_measures(
    measures: Sequence[str], vectors: np.ndarray, qualities: Qualities, groups: Groups
) -> dict[str, np.ndarray]:
    """Return measure -> (E,) of each model, of those that its utterances have; cohort_mean is none of these.

    vectors : (N, D) embeddings
    groups : the rows of each model's utterances
    duration is the natural logarithm of the seconds of speech, snr in dB, norm the logarithm of the embedding's length.
    Raises SreError where an utterance's duration or SNR is not known.
    """
    each = [measure for measure in measures if measure != COHORT_MEAN]
    return {measure: group_means(_of_utterances(measure, vectors, qualities), groups) for measure in each}


def _of_utterances(measure: str, vectors: np.ndarray, qualities: Qualities) -> np.ndarray:
    if measure == NORM:
        values = np.linalg.norm(vectors.astype(np.float64), axis=1)
        return _logarithm(measure, values)
    measured = np.asarray(qualities.get(SPEECH_S if measure == DURATION else SNR_DB, np.full(len(vectors), np.nan)))
    return _logarithm(measure, measured) if measure == DURATION else _known(measure, measured)


def _logarithm(measure: str, values: np.ndarray) -> np.ndarray:
    return np.log(_known(measure, np.where(values > 0, values, np.nan)))


def _known(measure: str, values: np.ndarray) -> np.ndarray:
    if unknown := int(np.count_nonzero(~np.isfinite(values))):
        needs = " (which needs audio)" if measure == SNR else ""
        raise SreError(
            f"the quality measure {measure}{needs} is not known of {unknown} of {len(values)} utterances;"
            " measure it (in Python: give voiceprints of audio), or take it out of quality.measures"
        )
    return values.astype(np.float64)


def ranges_of(
    measures: Sequence[str], of_enrol: Mapping[str, np.ndarray], of_test: Mapping[str, np.ndarray]
) -> list[list[float]]:
    """Return the least and the most of each measure on either side of trials, (P,) each."""
    both = [np.concatenate([of_enrol[measure], of_test[measure]]) for measure in measures]
    return [[float(values.min()), float(values.max())] for values in both]


def trial_measures(
    measures: Sequence[str],
    of_enrol: Mapping[str, np.ndarray],
    of_test: Mapping[str, np.ndarray],
    scores: np.ndarray,
    ranges: Ranges,
) -> np.ndarray:
    """Return (P, Q): of each measure the smaller and the larger of a trial's two sides, and both times the score.

    The products are of MULTIPLIED alone. scores : (P,)
    of_enrol, of_test : measure -> (P,) of each trial's model and of its test; (E, 1) and (1, T) with (E, T) scores
    """
    columns: list[np.ndarray] = []
    for measure, (least, most) in zip(measures, ranges, strict=True):
        one, other = (np.clip(side[measure], least, most) for side in (of_enrol, of_test))
        both = [np.minimum(one, other), np.maximum(one, other)]
        columns += both + [scores * values for values in both] * (measure in MULTIPLIED)
    return np.stack(columns, axis=-1) if columns else np.empty((*scores.shape, 0))


def column_names(measures: Sequence[str]) -> list[str]:
    """Return the names of the columns of `trial_measures`."""
    names: list[str] = []
    for measure in measures:
        both = [f"{which} {measure}" for which in ("least", "most")]
        names += both + [f"score x {name}" for name in both] * (measure in MULTIPLIED)
    return names
