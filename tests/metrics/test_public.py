"""What `sre.metrics` offers to Python code: its examples, light to load, and an EER with its interval in one call."""

import doctest
import subprocess
import sys

import numpy as np
import pytest

from sre import SreError, metrics
from sre.metrics import Bootstrap, eer, eer_with_interval, interval


def test_the_examples() -> None:
    tried = doctest.testmod(metrics)
    assert tried.attempted > 15 and not tried.failed


def test_all_names_are_there_and_nothing_heavy_is_loaded() -> None:
    heavy = "{'torch', 'pandas', 'pyarrow', 'matplotlib', 'scipy.optimize'}"
    code = f"import sys; from sre.metrics import *; eer; sys.exit(', '.join({heavy} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def list_of(speakers: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    names = np.repeat([f"s{n:02}" for n in range(speakers)], 3)
    first, second = np.triu_indices(len(names), 1)
    target = names[first] == names[second]
    return 2 * target + np.random.default_rng(1).normal(size=len(target)), target, (names[first], names[second])


def test_an_eer_with_its_interval() -> None:
    scores, target, speakers = list_of(20)
    rate, bounds = eer_with_interval(scores, target, speakers, replicates=100, seed=3)
    drawn = Bootstrap.of_speakers(*speakers, 100, 3)
    assert rate == 100 * eer(scores, target)[0]
    assert bounds == interval(rate, drawn.replicates(scores, target)["eer"], 20, 100.0)
    by_trial = eer_with_interval(scores.tolist(), target.tolist(), replicates=100)[1]
    assert by_trial[1] - by_trial[0] < bounds[1] - bounds[0]


def test_an_eer_without_one() -> None:
    scores, target, speakers = list_of(2)
    assert eer_with_interval(10 * target + scores, target, speakers, 50) == (0.0, None)
    with pytest.raises(SreError, match="error rates need both kinds"):
        eer_with_interval(scores, np.ones(len(scores), bool), speakers)
