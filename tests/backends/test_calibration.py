import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from sre import SreError
from sre.backends.calibration import Calibration, fit_calibration
from sre.metrics.rates import act_dcf, bayes_threshold, cllr, min_cllr, min_dcf


def gaussian_llrs(rng, trials, m=6.0, share=0.1):
    """Scores N(m/2, m) of targets and N(-m/2, m) of nontargets, which are their own LLRs."""
    target = rng.random(trials) < share
    return rng.normal(np.where(target, m / 2, -m / 2), np.sqrt(m)), target


def scikit(scores, target, p_target, ridge):
    """(K,) weights and the offset of the same objective, on standardised scores."""
    mean, std = scores.mean(axis=0), scores.std(axis=0)
    shares = np.where(target, p_target / target.sum(), (1 - p_target) / (~target).sum())
    model = LogisticRegression(C=1 / ridge, tol=1e-12, max_iter=1000, solver="newton-cholesky")
    model.fit((scores - mean) / std, target, sample_weight=shares)
    weights = model.coef_[0] / std
    return weights, model.intercept_[0] - np.log(p_target / (1 - p_target)) - mean @ weights


@pytest.mark.parametrize("p_target", [0.5, 0.05, 0.001])
@pytest.mark.parametrize("systems", [1, 3])
def test_scikit_learn_agrees(p_target, systems):
    rng = np.random.default_rng(systems)
    llrs, target = gaussian_llrs(rng, 5000)
    scores = 0.1 * llrs[:, None] + rng.normal(3, np.linspace(0.1, 0.5, systems), (5000, systems))
    ours = fit_calibration(scores, target, p_target)
    weights, offset = scikit(scores, target, p_target, ridge=1e-6)
    np.testing.assert_allclose(ours.weights, weights, rtol=1e-6)
    assert ours.offset == pytest.approx(offset, rel=1e-6)


def test_scores_that_are_llrs_stay_as_they_are():
    llrs, target = gaussian_llrs(np.random.default_rng(0), 10**5, m=4)
    for scores in (llrs, llrs / 30 + 0.4):
        fitted = fit_calibration(scores, target)
        assert np.polyfit(llrs, fitted.apply(scores), 1) == pytest.approx([1, 0], abs=0.05)


@given(
    st.integers(0, 10**6),
    st.floats(0.2, 40),
    st.floats(-3, 3),
    st.floats(-50, 50),
    st.integers(1, 3),
    st.sampled_from([0.5, 0.05, 0.001]),
)
@settings(max_examples=100, deadline=None)
def test_affine_maps_of_the_scores_change_nothing(seed, m, log10_scale, shift, systems, p_target):
    """From scores without use (m = 0.2) to scores that tell all trials apart (m = 40)."""
    rng = np.random.default_rng(seed)
    target = np.arange(60) < 12
    scores = rng.normal(np.where(target, m / 2, -m / 2)[:, None], np.sqrt(m), (60, systems))
    assume(systems > 1 or scores[target].mean() > scores[~target].mean())  # not upside down
    scale = 10 ** (log10_scale + np.arange(systems))
    mapped = scale * (scores + shift)
    llrs = fit_calibration(scores, target, p_target).apply(scores)
    np.testing.assert_allclose(fit_calibration(mapped, target, p_target).apply(mapped), llrs, rtol=0, atol=1e-9)


def test_held_out_scores_become_llrs():
    rng = np.random.default_rng(1)
    llrs, target = gaussian_llrs(rng, 60_000)
    scores = 0.05 * llrs + 0.3  # about as cosines are
    development, held_out = slice(0, 30_000), slice(30_000, None)
    fitted = fit_calibration(scores[development], target[development])
    scores, target = scores[held_out], target[held_out]
    after = fitted.apply(scores)
    assert cllr(after, target) < 1.02 * min_cllr(after, target) < 0.5 * cllr(scores, target)
    for p in (0.05, 0.01):
        assert act_dcf(after, target, p) < 1.1 * min_dcf(scores, target, p)[0] < act_dcf(scores, target, p)


def test_a_fusion_beats_both_systems():
    rng = np.random.default_rng(2)
    target = rng.random(40_000) < 0.1
    scores = np.where(target, 1.5, -1.5)[:, None] * [1, 0.1] + rng.normal(
        0, np.sqrt(3) * np.array([1, 0.1]), (40_000, 2)
    )
    development, held_out = slice(0, 20_000), slice(20_000, None)
    fused = fit_calibration(scores[development], target[development])
    costs = [cllr(fused.apply(scores[held_out]), target[held_out])]
    for system in (0, 1):
        alone = fit_calibration(scores[development, system], target[development])
        costs.append(cllr(alone.apply(scores[held_out, system]), target[held_out]))
    assert costs[0] < 0.85 * min(costs[1:])
    # independent LLRs add up: 2 · 1.5 / 3 = 1 for the first system, ten times that for the second
    assert fused.weights == pytest.approx([1, 10], rel=0.1)


def test_one_system_twice_shares_its_weight():
    llrs, target = gaussian_llrs(np.random.default_rng(3), 2000)
    alone, twice = (fit_calibration(s, target) for s in (llrs, np.column_stack((llrs, llrs))))
    assert twice.weights[0] == pytest.approx(twice.weights[1])
    assert twice.apply(np.column_stack((llrs, llrs))) == pytest.approx(alone.apply(llrs), abs=1e-3)


@pytest.mark.parametrize("trials", [2, 40, 4000])
def test_separable_scores_have_a_finite_solution(trials):
    target = np.arange(trials) >= trials // 2
    scores = np.arange(trials) + 0.5 * trials * target
    fitted = fit_calibration(scores, target)
    llrs = fitted.apply(scores)
    assert fitted.facts["separable"] and np.abs(llrs).max() < 1e5
    assert llrs[target].min() > bayes_threshold(0.05) > llrs[~target].max()
    weights, offset = scikit(scores[:, None], target, 0.05, ridge=1e-6)
    assert (fitted.weights[0], fitted.offset) == pytest.approx((weights[0], offset), rel=1e-4)


def test_the_facts_say_what_was_gained():
    llrs, target = gaussian_llrs(np.random.default_rng(4), 3000)
    facts = fit_calibration(3 * llrs + 5, target, p_target=0.01).facts
    assert (facts["targets"], facts["nontargets"]) == (target.sum(), (~target).sum())
    assert facts["cross_entropy"] < facts["cross_entropy_before"] and not facts["separable"]
    # at P_target 0.5 the objective is Cllr
    facts = fit_calibration(llrs, target, p_target=0.5).facts
    assert facts["cross_entropy_before"] / np.log(2) == pytest.approx(cllr(llrs, target))


def test_through_json_and_back():
    llrs, target = gaussian_llrs(np.random.default_rng(5), 1000)
    scores = np.column_stack((llrs, llrs**2))
    fitted = fit_calibration(scores, target)
    read = Calibration.from_dict(json.loads(json.dumps(fitted.as_dict(), allow_nan=False)))
    assert read.facts == fitted.facts
    np.testing.assert_array_equal(read.apply(scores), fitted.apply(scores))


LABELS = [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("scores", "target", "said"),
    [
        ([0.3, np.nan, 0.2, 0.1], LABELS, "^1 of 4 scores are not finite, the first is nan in trial 2"),
        ([0.3, 0.4, 0.2, 0.1], [1, 1, 1, 1], "^all 4 trials are target trials"),
        ([0.3, 0.3, 0.3, 0.3], LABELS, "^all 4 scores are equal"),
        ([[1, 7], [2, 7], [0, 7], [0, 7]], LABELS, "^system 2 of 2: all 4 scores are equal"),
        ([[1, 7], [2, np.inf], [0, 7], [0, 7]], LABELS, "^system 2 of 2: 1 of 4 scores are not finite"),
        ([0.1, 0.2, 0.3, 0.4], LABELS, "^the scores are upside down"),
        ([], [], "^there are no scores"),
        ([[], []], [1, 0], "one column of scores a system"),
    ],
)
def test_what_cannot_be_calibrated(scores, target, said):
    with pytest.raises(SreError, match=said):
        fit_calibration(np.array(scores), np.array(target, bool))


def test_a_fusion_wants_as_many_scores_as_it_was_fitted_on():
    with pytest.raises(SreError, match="of 2 systems was given 1 scores a trial"):
        Calibration(np.ones(2), 0.0).apply(np.zeros(5))
