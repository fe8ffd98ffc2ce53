"""Trial lists that tests make."""

from collections.abc import Iterable

import numpy as np

from sre.io.trials import LabelledTrials, Trials


def index_trials(enrol: Iterable[str], test: Iterable[str], target: np.ndarray | None = None) -> Trials:
    """Return the pairs of two equally long lists of ids, labelled where labels are given."""
    sides = [np.unique(np.array(list(ids), dtype=object), return_inverse=True) for ids in (enrol, test)]
    (enrol_ids, enrol_index), (test_ids, test_index) = ((ids, index.astype(np.int32)) for ids, index in sides)
    kind = Trials if target is None else LabelledTrials
    return kind(enrol_ids, test_ids, enrol_index, test_index, target)
