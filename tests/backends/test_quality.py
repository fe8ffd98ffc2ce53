"""Quality measures of both sides of a trial, and the calibration that takes them beside the score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre import SreError
from sre.backends.calibration import Calibration, fit_calibration
from sre.backends.quality import MEASURES, column_names, ranges_of, side_measures, trial_measures
from sre.metrics.rates import cllr

SEEN = {"speech_s": np.array([1.0, np.e, np.e**2]), "snr_db": np.array([0.0, 10.0, 20.0])}


def test_a_side_of_several_utterances_has_the_mean_of_their_measures() -> None:
    vectors = np.array([[3, 4], [0, 1], [0, -1]], np.float32)
    found = side_measures(MEASURES, vectors, SEEN, [np.array([0]), np.array([1, 2])])
    assert set(found) == {"duration", "snr", "norm"}  # cohort_mean is no measure of an utterance
    np.testing.assert_allclose(found["duration"], [0, 1.5])
    np.testing.assert_allclose(found["snr"], [0, 15])
    np.testing.assert_allclose(found["norm"], [np.log(5), 0], atol=1e-12)


@pytest.mark.parametrize(
    ("measure", "qualities", "sentence"),
    [
        ("duration", {"speech_s": np.array([1.0, np.nan, 2.0])}, "duration is not known of 1 of 3 utterances"),
        ("duration", {"speech_s": np.array([1.0, 0.0, 2.0])}, "duration is not known of 1 of 3"),
        ("snr", {}, "snr \\(which needs audio\\) is not known of 3 of 3 utterances; measure it"),
    ],
)
def test_what_was_not_measured_is_no_number(measure: str, qualities: dict, sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        side_measures([measure], np.ones((3, 2), np.float32), qualities, np.arange(3)[:, None])


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_it_does_not_matter_which_side_is_enrolled(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    measures = MEASURES[:count]
    sides = [{measure: draw.normal(size=7) for measure in measures} for _ in range(2)]
    scores = draw.normal(size=7)
    ranges = ranges_of(measures, *sides)
    columns = trial_measures(measures, *sides, scores, ranges)
    np.testing.assert_array_equal(columns, trial_measures(measures, *sides[::-1], scores, ranges))
    names = column_names(measures)
    assert columns.shape == (7, 2 * count + 2 * min(count, 2)) == (7, len(names))
    for least, most in ((n, n + 1) for n, name in enumerate(names) if name.startswith("least")):
        assert (columns[:, least] <= columns[:, most]).all()
    np.testing.assert_array_equal(columns[:, names.index("score x most duration")], scores * columns[:, 1])


def test_beyond_the_range_of_the_fit_its_ends_count() -> None:
    one, other = {"snr": np.array([-50.0, 5.0])}, {"snr": np.array([7.0, 99.0])}
    columns = trial_measures(["snr"], one, other, np.array([2.0, -1.0]), [[0.0, 20.0]])
    assert columns.tolist() == [[0, 7, 0, 14], [5, 20, -5, -20]]


def shifted(trials: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that are LLRs but for an offset that falls with the quality: (P,), their labels, and (P, 2) qualities."""
    draw = np.random.default_rng(seed)
    target = draw.random(trials) < 0.2
    llrs = draw.normal(np.where(target, 3, -3), np.sqrt(6))
    quality = draw.normal(size=(trials, 2))
    return llrs - 2 * quality[:, 0], target, quality


def test_measures_take_away_what_quality_shifts() -> None:
    scores, target, quality = shifted()
    plain, with_quality = fit_calibration(scores, target), fit_calibration(scores, target, measures=quality)
    np.testing.assert_allclose(with_quality.weights, [1, 2, 0], atol=0.25)  # held back a little
    scores, target, quality = shifted(seed=1)
    columns = np.column_stack([scores, quality])
    assert cllr(with_quality.apply(columns), target) < cllr(plain.apply(scores), target) - 0.05
    again = Calibration.from_dict(with_quality.as_dict())
    np.testing.assert_array_equal(again.apply(columns), with_quality.apply(columns))
    with pytest.raises(SreError, match="of 3 systems was given 1 scores a trial; .* and their quality measures"):
        with_quality.apply(scores)


def test_without_measures_it_is_the_calibration_of_before() -> None:
    scores, target, _ = shifted(2000)
    plain, none = fit_calibration(scores, target), fit_calibration(scores, target, measures=np.empty((2000, 0)))
    assert plain.as_dict() == none.as_dict()


def test_a_measure_of_few_trials_is_held_back() -> None:
    """One that is of chance alone has less weight than without its ridge."""
    draw = np.random.default_rng(2)
    target = np.arange(20) < 10
    scores, quality = draw.normal(np.where(target, 1, -1)), draw.normal(size=(20, 1))
    free = fit_calibration(np.column_stack([scores, quality]), target)
    held = fit_calibration(scores, target, measures=quality)
    assert abs(held.weights[1]) < abs(free.weights[1])


def test_a_measure_that_cannot_be_fitted() -> None:
    scores, target, quality = shifted(2000)
    quality[:, 1] = 7
    with pytest.raises(SreError, match="a quality measure is the same of all trials that it is fitted on; give them"):
        fit_calibration(scores, target, measures=quality)
    quality[3, 1] = np.nan
    with pytest.raises(SreError, match="a quality measure is not known of all trials"):
        fit_calibration(scores, target, measures=quality)
    with pytest.raises(SreError, match="upside down"):
        fit_calibration(-scores, target, measures=quality[:, :1])
