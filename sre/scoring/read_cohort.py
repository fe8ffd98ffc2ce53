"""Training embeddings and cohorts, read from files and held against the evaluation."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sre.backends.cohort import CohortRule
from sre.datadir.missing import check_promised
from sre.io.embeddings import Embeddings
from sre.io.tables import read_utt2spk
from sre.machine.log import say, warn
from sre.scoring.evaluation import Evaluation


def read_training(paths: Sequence[Path], utt2spk: Path) -> Embeddings:
    """Read training embeddings with their speakers.

    Raises SreError where one has no speaker, or too many utterances of utt2spk have no embedding.
    """
    embeddings, known = Embeddings.read(paths), read_utt2spk(utt2spk)
    training = embeddings.with_speakers(known, utt2spk)
    check_promised(", ".join(map(str, paths)), utt2spk, known, training.ids, utt2spk.parent)
    return training


def read_cohort(
    path: Path, rule: CohortRule, evaluation: Evaluation, cohort_utt2spk: Path | None, utt2spk: Path | None
) -> tuple[Embeddings, Evaluation]:
    """Return the cohort's members and the evaluation with speakers that are named as theirs.

    cohort_utt2spk : the speakers of the cohort. Without it the members are utterances; each is of the speaker that
        utt2spk names, else a speaker of its own.
    utt2spk : the speakers of the trials, which are left out of their cohort
    """
    if cohort_utt2spk:
        training = read_training([path], cohort_utt2spk)
        if unknown := sum((side == "").sum() for side in evaluation.speakers or ()):
            say(
                f"the speakers of {unknown} models and tests are not known: if they are in the cohort, they are not"
                " left out of their own trials; give --utt2spk"
            )
        return rule.choose(training), evaluation
    embeddings, known = Embeddings.read([path]), read_utt2spk(utt2spk) if utt2spk else {}
    owners = np.array([known.get(utt, utt) for utt in embeddings.ids])
    chosen = replace(rule, of="utterances").choose(replace(embeddings, speakers=owners))
    models = evaluation.models()
    speakers = {name: known.get(utts[0], utts[0] if len(utts) == 1 else "") for name, utts in models.items()}
    inside = [name for name, utts in models.items() if not speakers[name] and np.isin(utts, chosen.ids).any()]
    if inside:
        warn(
            f"{path}: utterances of {len(inside)} models are in the cohort, e.g. of {inside[0]}, and are not"
            " left out of their trials; give --cohort-utt2spk"
        )
    tests = [known.get(utt, utt) for utt in evaluation.trials.test_ids]
    return chosen, replace(evaluation, speakers=(np.array(list(speakers.values())), np.array(tests)))
