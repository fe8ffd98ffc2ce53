"""The errors of one score file, analysed: by condition, speaker, utterance, pair and trial."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sre import SreError
from sre.io.trials import align_scores
from sre.metrics.rates import eer
from sre.scoring.breakdown import breakdown, conditions
from sre.scoring.described import DescribedTrials, ErrorRow, read_described
from sre.scoring.worst import confusing_pairs, trial_errors, worst_speakers, worst_utterances


@dataclass
class Analysis:
    """What `breakdown` and the functions of sre/scoring/worst.py say of one system on one list."""

    described: DescribedTrials
    threshold: float
    breakdown: list[ErrorRow]
    speakers: list[ErrorRow]
    utterances: list[ErrorRow]
    pairs: list[ErrorRow]
    errors: pd.DataFrame


def analyse(
    scores: Path,
    trials: Path,
    enroll_map: str | Path | None,
    data_dir: Path,
    threshold: float | None = None,
    draws: int = 0,
    seed: int = 1,
) -> Analysis:
    """Return all of it for a score file; the threshold, if none is given, is that of the EER over the whole list.

    Raises SreError for files that cannot be read or do not belong together, and as `check_scores`.
    """
    values, labelled = align_scores(scores, trials)
    try:
        at_eer = eer(values, labelled.target)[1]
    except SreError as error:
        raise SreError(f"{scores}: {error}") from None
    described = read_described(labelled, enroll_map, data_dir)
    threshold = at_eer if threshold is None else threshold
    rows = breakdown(values, described, conditions(described), threshold, draws, seed)
    given = values, described, threshold
    speakers, utterances, pairs = (part(*given) for part in (worst_speakers, worst_utterances, confusing_pairs))
    return Analysis(described, threshold, rows, speakers, utterances, pairs, trial_errors(*given))
