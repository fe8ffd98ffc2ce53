import json
import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import det_curve, log_loss, roc_curve

from sre import SreError
from sre.io.trials import align_scores
from sre.metrics.rates import (
    NIST_PLANS,
    P_TARGETS,
    act_dcf,
    bayes_threshold,
    c_primary,
    check_scores,
    cllr,
    det_points,
    eer,
    eer_convex_hull,
    fa_at_miss,
    min_cllr,
    min_dcf,
    miss_at_fa,
    operating_points,
    summarise,
)
from sre.metrics.sorted_scores import SortedScores
from steps import compute_metrics


def arrays(rows):
    scores, target = zip(*rows, strict=True)
    return np.array(scores, np.float64), np.array(target)


# few distinct values, so most cases have ties within and across the classes
lists = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=3, max_size=40).filter(
    lambda rows: len({target for _, target in rows}) == 2 and len({score for score, _ in rows}) > 1
)


def brute_force_points(scores, target):
    points = []
    for threshold in [*sorted(set(scores.tolist())), np.inf]:
        accepted = [score >= threshold for score in scores]
        misses = sum(t and not a for t, a in zip(target, accepted, strict=True))
        false_alarms = sum(a and not t for t, a in zip(target, accepted, strict=True))
        points.append((threshold, misses / sum(target), false_alarms / sum(~target)))
    return points


@given(lists)
@settings(max_examples=200, deadline=None)
def test_brute_force_over_all_thresholds(rows):
    scores, target = arrays(rows)
    expected = brute_force_points(scores, target)
    np.testing.assert_array_equal(np.transpose(operating_points(scores, target)), expected)
    rate, threshold = eer(scores, target)
    for (_, m0, f0), (_, m1, f1) in pairwise(expected):
        if m0 < f0 and m1 >= f1:
            weight = (f0 - m0) / ((f0 - m0) + (m1 - f1))
            assert rate == pytest.approx(f0 + weight * (f1 - f0), abs=1e-12)
    assert threshold in scores
    for p, c_miss, c_fa in ((0.01, 1, 1), (0.5, 1, 1), (0.05, 10, 2)):
        costs = [c_miss * p * m + c_fa * (1 - p) * f for _, m, f in expected]
        cost, threshold = min_dcf(scores, target, p, c_miss, c_fa)
        assert cost == pytest.approx(min(costs) / min(c_miss * p, c_fa * (1 - p)), abs=1e-12)
        assert threshold == expected[int(np.argmin(costs))][0]


@pytest.mark.parametrize("decimals", [1, 8])
def test_scikit_learn_agrees(decimals):
    rng = np.random.default_rng(decimals)
    target = rng.random(3000) < 0.2
    scores = np.round(rng.normal(size=3000) + 1.5 * target, decimals)
    fa, hit, _ = roc_curve(target, scores, drop_intermediate=False)
    gap = 1 - hit - fa  # falls from 1 to -1
    at = int(np.argmax(gap <= 0))
    weight = gap[at - 1] / (gap[at - 1] - gap[at])
    expected = fa[at - 1] + weight * (fa[at] - fa[at - 1])
    assert eer(scores, target)[0] == pytest.approx(expected, abs=1e-12)
    fa, miss, _ = det_curve(target, scores)
    cost = np.min(0.05 * miss + 0.95 * fa) / 0.05
    assert min_dcf(scores, target, 0.05)[0] == pytest.approx(min(cost, 1), abs=1e-12)


def lowest_segment(p_miss, p_fa):
    """Where a line between two operating points, of all pairs, meets the diagonal first."""
    gap = p_miss - p_fa
    i, j = np.nonzero((gap[:, None] <= 0) & (gap[None, :] > 0))
    return np.min(p_miss[i] - gap[i] / (gap[j] - gap[i]) * (p_miss[j] - p_miss[i]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_thousand_lists_with_ties_by_broadcasting_and_by_scikit_learn(dtype):
    """Lists whose numbers lie among the highest eighth of the nontargets, which is sorted first, and others."""
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        target = rng.permutation(np.arange(rng.integers(3, 150)) < rng.integers(1, 3))
        separation, decimals = rng.choice([-1, 0, 2, 4]), rng.integers(0, 3)
        scores = np.round(rng.normal(size=len(target)) + separation * target, decimals).astype(dtype)
        if scores.min() == scores.max():
            continue
        fa, hit, thresholds = roc_curve(target, scores, drop_intermediate=False)
        p_miss, p_fa = 1 - hit[::-1], fa[::-1]  # thresholds ascend
        brute = np.append(np.unique(scores), np.inf)
        accepted = scores >= brute[:, None]
        np.testing.assert_allclose(p_miss, 1 - accepted[:, target].mean(1), atol=1e-12)
        np.testing.assert_allclose(p_fa, accepted[:, ~target].mean(1), atol=1e-12)
        after = np.argmax(accepted[:, target].mean(1) + accepted[:, ~target].mean(1) <= 1 + 1e-12)
        gap = (p_miss - p_fa)[after - 1 : after + 1]
        expected = p_miss[after - 1] - gap[0] / (gap[1] - gap[0]) * (p_miss[after] - p_miss[after - 1])
        ranked = SortedScores(scores, target)
        for point in ((0.01, 1, 1), (0.05, 1, 1), (0.3, 1, 1), (0.05, 10, 2)):
            w_miss, w_fa = point[0] * point[1], (1 - point[0]) * point[2]
            costs = (w_miss * p_miss + w_fa * p_fa) / min(w_miss, w_fa)
            cost, threshold = ranked.min_dcf(*point)
            assert cost == pytest.approx(costs.min(), abs=1e-12)
            assert threshold == brute[np.argmax(costs <= costs.min() + 1e-12)]
            at_bayes = np.argmax(brute >= bayes_threshold(*point))
            assert ranked.act_dcf(*point) == pytest.approx(costs[at_bayes], abs=1e-12)
        assert ranked.eer()[0] == pytest.approx(expected, abs=1e-12)
        assert ranked.eer_convex_hull() == pytest.approx(lowest_segment(p_miss, p_fa), abs=1e-12)
        for share in (0.01, 0.1, 0.5):
            assert miss_at_fa(scores, target, share)[0] == pytest.approx(p_miss[p_fa <= share + 1e-12].min(), abs=1e-12)
            assert fa_at_miss(scores, target, share)[0] == pytest.approx(p_fa[p_miss <= share + 1e-12].min(), abs=1e-12)


def test_rates_at_a_rate_on_paper():
    """Targets 4 3 1 0, nontargets 3 2 1 1 1: a bound that is met exactly is met."""
    scores, target = np.array([4.0, 3, 1, 0, 3, 2, 1, 1, 1]), np.array([1] * 4 + [0] * 5, bool)
    assert miss_at_fa(scores, target, 0.2) == (0.5, 3.0)
    assert miss_at_fa(scores, target, 0.19) == (0.75, 4.0)
    assert fa_at_miss(scores, target, 0.5) == (0.2, 3.0)
    assert fa_at_miss(scores, target, 0.49) == (1.0, 1.0)
    assert miss_at_fa(np.array([1.0, 2]), np.array([True, False]), 0.5) == (1.0, np.inf)


def test_the_hull_on_paper():
    """From (0, 2/3) to (1/2, 0) of (P_miss, P_fa), under the point (1/2, 1/3): 2/3 - 4/3 x = x at x = 2/7."""
    scores, target = np.array([4.0, 1, 3, 2, 0]), np.array([1, 1, 0, 0, 0], bool)
    assert eer_convex_hull(scores, target) == pytest.approx(2 / 7)
    assert eer(scores, target)[0] == 0.5
    assert eer_convex_hull(np.array([0.0, 1]), np.array([True, False])) == 0.5


@pytest.mark.parametrize("plan", NIST_PLANS)
def test_c_primary_as_nist_writes_it(plan):
    """The mean of P_miss + beta P_fa."""
    rng = np.random.default_rng(5)
    target = rng.random(5000) < 0.1
    llrs = rng.normal(np.where(target, 4, -4), 2.5)
    _, p_miss, p_fa = operating_points(llrs, target)
    least = actual = 0
    for p_target in NIST_PLANS[plan]:
        beta = (1 - p_target) / p_target
        accepted = llrs >= np.log(beta)
        least += np.min(p_miss + beta * p_fa) / len(NIST_PLANS[plan])
        actual += ((~accepted[target]).mean() + beta * accepted[~target].mean()) / len(NIST_PLANS[plan])
    assert c_primary(llrs, target, plan) == (pytest.approx(least), pytest.approx(actual))


def test_a_bayes_threshold_is_not_rounded_to_float32():
    threshold = bayes_threshold(0.01)
    near = np.float32(threshold)
    under, over = (near, np.nextafter(near, np.float32(9))) if near < threshold else (np.nextafter(near, -near), near)
    scores, target = np.array([under, over, -1, -2], np.float32), np.array([1, 1, 0, 0], bool)
    assert act_dcf(scores, target, 0.01) == 0.5


def test_kaldi_agrees(shared):
    """Its EER is at a target's score, without interpolation: it may differ by the share of one target."""
    folder = shared / "reference/kaldi-backend"
    for line in (folder / "metrics.txt").read_text().splitlines():
        system, rate, *costs = line.split()
        scores, trials = align_scores(folder / f"scores.{system}", folder / "trials")
        target = trials.target
        assert [f"{min_dcf(scores, target, p)[0]:.4f}" for p in (0.01, 0.05)] == costs
        assert 100 * eer(scores, target)[0] == pytest.approx(float(rate), abs=100 / target.sum())


@given(lists)
@settings(max_examples=50, deadline=None)
def test_a_monotone_map_changes_no_rate(rows):
    scores, target = arrays(rows)
    mapped = np.exp(scores / 2) - 7
    assert eer(mapped, target)[0] == eer(scores, target)[0]
    assert min_dcf(mapped, target, 0.01)[0] == min_dcf(scores, target, 0.01)[0]
    assert eer(mapped, target)[1] == pytest.approx(np.exp(eer(scores, target)[1] / 2) - 7)


@given(lists, st.sampled_from([(0.01, 1, 1), (0.3, 1, 1), (0.05, 10, 2)]))
@settings(max_examples=100, deadline=None)
def test_the_cost_at_the_bayes_threshold_trial_by_trial(rows, application):
    scores, target = arrays(rows)
    p, c_miss, c_fa = application
    # accept where the expected cost of accepting is no more than that of rejecting
    odds = [np.exp(score) * p / (1 - p) for score in scores]
    accepted = [c_fa * (1 / (1 + o)) <= c_miss * (o / (1 + o)) for o in odds]
    misses = sum(t and not a for t, a in zip(target, accepted, strict=True)) / sum(target)
    false_alarms = sum(a and not t for t, a in zip(target, accepted, strict=True)) / sum(~target)
    cost = (c_miss * p * misses + c_fa * (1 - p) * false_alarms) / min(c_miss * p, c_fa * (1 - p))
    assert act_dcf(scores, target, *application) == pytest.approx(cost, abs=1e-12)
    assert act_dcf(scores, target, *application) >= min_dcf(scores, target, *application)[0]


def test_bayes_thresholds():
    assert bayes_threshold(0.5) == 0
    assert bayes_threshold(0.01) == pytest.approx(np.log(99))
    # only the effective prior counts: C_miss = 10 at P_target 0.01 is P_target 10/109 at equal costs
    assert bayes_threshold(0.01, 10, 1) == pytest.approx(bayes_threshold(10 / 109))
    scores, target = np.array([0.0, 1, -1, 0]), np.array([1, 1, 0, 0], bool)
    assert act_dcf(scores, target, 0.5) == 0.5  # at the threshold is accepted


@given(lists)
@settings(max_examples=100, deadline=None)
def test_cllr_is_the_log_loss_at_equal_priors(rows):
    scores, target = arrays(rows)
    each = np.where(target, 0.5 / target.sum(), 0.5 / (~target).sum())
    expected = log_loss(target, 1 / (1 + np.exp(-scores)), sample_weight=each) / np.log(2)
    assert cllr(scores, target) == pytest.approx(expected, rel=1e-9)


def test_cllr_of_extreme_scores():
    scores, target = np.array([1e4, -1e4], np.float32), np.array([True, False])
    assert cllr(scores, target) == 0
    assert cllr(-scores, target) == pytest.approx(1e4 / np.log(2))


def bits(pairs):
    """Least Cllr of (target share, nontarget share) bins with one LLR each, highest scores last."""
    return -sum(share * np.log2(share / sum(pair)) for pair in pairs for share in pair if share) / 2


@given(lists)
@settings(max_examples=200, deadline=None)
def test_min_cllr_is_the_least_over_all_ways_to_pool_neighbours(rows):
    """PAV against dynamic programming: a pooled list costs no less than its best non-decreasing pooling."""
    scores, target = arrays(rows)
    values = sorted(set(scores.tolist()))
    shares = [(np.mean(scores[target] == v), np.mean(scores[~target] == v)) for v in values]
    best = {0: [(0.0, -1.0)]}  # scores used -> (cost, posterior of the last pool)
    for end in range(1, len(values) + 1):
        best[end] = []
        for start in range(end):
            pool = tuple(np.sum(shares[start:end], axis=0))
            posterior = pool[0] / sum(pool)
            costs = [cost for cost, last in best[start] if last <= posterior + 1e-12]
            best[end] += [(min(costs) + bits([pool]), posterior)] if costs else []
    least = min(cost for cost, _ in best[len(values)])
    assert min_cllr(scores, target) == pytest.approx(least, abs=1e-12)
    assert min_cllr(scores, target) <= min(1, cllr(scores, target)) + 1e-12
    assert min_cllr(np.exp(scores / 2) - 7, target) == min_cllr(scores, target)


def test_min_cllr_on_paper():
    """A target and a nontarget at 1 cost a bit each, of two of each; perfect costs nothing, reversed all."""
    scores, target = np.array([2.0, 1, 1, 0]), np.array([1, 1, 0, 0], bool)
    assert min_cllr(scores, target) == 0.5
    scores = np.array([0.9, 0.8, 0.2, 0.1])
    assert min_cllr(scores, target) == 0
    assert min_cllr(-scores, target) == pytest.approx(1)


def test_the_summary_reads_any_scores_as_llrs():
    rng = np.random.default_rng(3)
    target = rng.random(2000) < 0.3
    llrs = rng.normal(np.where(target, 4, -4), np.sqrt(8))
    good, scaled = summarise(llrs, target, calibrated=True), summarise(llrs / 20, target)
    for p in P_TARGETS:
        assert good[f"act_dcf_{p}"] == act_dcf(llrs, target, p)
        assert scaled[f"act_dcf_{p}"] == 1  # no score reaches a threshold: as good as rejecting all
    assert good["cllr"] == cllr(llrs, target) < scaled["cllr"] == cllr(llrs / 20, target)
    assert good["min_cllr"] == scaled["min_cllr"] == min_cllr(llrs, target)
    assert (good["calibrated"], scaled["calibrated"]) == (True, False)
    json.dumps(good, allow_nan=False)


def test_on_paper():
    """Targets 4 3 1, nontargets 2 0: at 2 P_miss 1/3, P_fa 1/2; at 3 P_miss 1/3, P_fa 0."""
    scores, target = np.array([4.0, 3, 1, 2, 0]), np.array([1, 1, 1, 0, 0], bool)
    assert eer(scores, target) == (pytest.approx(1 / 3), 2.0)
    assert min_dcf(scores, target, 0.5) == (pytest.approx(1 / 3), 3.0)


def test_on_paper_tied_scores():
    """Both kinds at 1: from (0, 1) at 0, over (0, 1/2) at 1, to (1/2, 0) at 2; the middle is 1/4."""
    scores, target = np.array([2.0, 1, 1, 0]), np.array([1, 1, 0, 0], bool)
    assert eer(scores, target)[0] == 0.25
    assert min_dcf(scores, target, 0.01) == (0.5, 2.0)


def test_on_paper_perfect_and_reversed():
    scores, target = np.array([0.9, 0.8, 0.2, 0.1]), np.array([1, 1, 0, 0], bool)
    assert eer(scores, target) == (0.0, 0.8)
    assert eer(-scores, target)[0] == 1.0
    assert min_dcf(-scores, target, 0.01) == (1.0, np.inf)
    assert summarise(-scores, target)["threshold_min_dcf_0.01"] is None


@pytest.mark.parametrize(
    ("scores", "target", "said"),
    [
        ([np.nan, 0.2, 0.3], [1, 0, 0], "1 of 3 scores are not finite, the first is nan in trial"),
        ([np.inf, 0.2, 0.3], [1, 0, 0], "1 of 3 scores are not finite, the first is inf in trial"),
        ([0.1, 0.2, 0.3], [1, 1, 1], "all 3 trials are target trials"),
        ([0.1, 0.2, 0.3], [0, 0, 0], "all 3 trials are nontarget trials"),
        ([0.5, 0.5, 0.5], [1, 0, 0], "all 3 scores are equal: the model has collapsed"),
        ([], [], "there are no scores"),
    ],
)
@pytest.mark.parametrize("step", [1, -1])
def test_meaningless_scores_are_refused(scores, target, said, step):
    scores, target = np.array(scores, np.float32)[::step], np.array(target, bool)[::step]
    for function in (check_scores, eer, eer_convex_hull, summarise, det_points, cllr, min_cllr):
        with pytest.raises(SreError, match=said):
            function(scores, target)


def test_det_points_keep_the_ends_and_the_eer():
    rng = np.random.default_rng(0)
    target = rng.random(200_000) < 0.1
    scores = (rng.normal(size=200_000) + 2 * target).astype(np.float32)
    thresholds, p_miss, p_fa = operating_points(scores, target)
    few = det_points(scores, target, 300)
    assert 150 < len(few[0]) <= 300
    assert (few[1][0], few[2][0], few[1][-1], few[2][-1]) == (0, 1, 1, 0)
    kept = np.isin(thresholds, few[0])
    assert kept[np.argmax(p_miss >= p_fa)] and kept[np.argmax(p_miss >= p_fa) - 1]
    np.testing.assert_array_equal(np.transpose(few), np.transpose((thresholds, p_miss, p_fa))[kept])


def test_ten_million_scores_in_seconds_and_under_1_gb():
    rng = np.random.default_rng(0)
    target = rng.random(10**7) < 0.1
    scores = rng.random(10**7, np.float32) + target
    begun = time.process_time()
    tracemalloc.start()  # what summarise takes beside its input
    summary = summarise(scores, target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - begun < 5
    assert peak < 1e9
    assert summary["targets"] + summary["nontargets"] == 10**7


def test_compute_metrics_prints_names_and_values_only(tmp_path, capsys):
    scores = [("a", "x", 0.9), ("a", "y", 0.4), ("b", "x", 0.5), ("b", "y", 0.1)]
    (tmp_path / "s").write_text("".join(f"{e} {t} {s}\n" for e, t, s in reversed(scores)))
    (tmp_path / "kaldi").write_text("a x target\na y target\nb x nontarget\nb y nontarget\n")
    (tmp_path / "vox").write_text("1 a x\n1 a y\n0 b x\n0 b y\n")
    printed = []
    for name in ("kaldi", "vox"):
        out = tmp_path / f"{name}.json"
        compute_metrics.main([str(tmp_path / "s"), str(tmp_path / name), "--out", str(out)])
        printed.append(capsys.readouterr().out)
        written = json.loads(out.read_text())
        assert (written["eer"], written["trials"], len(written["trials_sha256"])) == (50.0, name, 64)
    assert printed[0] == printed[1]
    pairs = dict(line.split(" ") for line in printed[0].splitlines())
    assert list(pairs) == ["EER", "minDCF(0.01)", "minDCF(0.05)", "minDCF(0.001)", "targets", "nontargets"]
    assert [float(value) for value in pairs.values()] == [50, 0.5, 0.5, 0.5, 2, 2]


def test_compute_metrics_names_the_file_that_collapsed(tmp_path):
    (tmp_path / "s").write_text("a x 1\nb x 1\n")
    (tmp_path / "t").write_text("a x target\nb x nontarget\n")
    with pytest.raises(SreError, match="/s: all 2 scores are equal"):
        compute_metrics.main([str(tmp_path / "s"), str(tmp_path / "t")])


def test_compute_metrics_at_any_operating_point(tmp_path, capsys):
    """Scores as WeSpeaker writes them, in another order than the list."""
    rng = np.random.default_rng(2)
    target = rng.random(300) < 0.2
    scores = np.round(rng.normal(np.where(target, 3, -3), 2.5), 5)
    labels = np.where(target, "target", "nontarget")
    lines = [f"e{n % 7} t{n} {scores[n]:.5f} {labels[n]}\n" for n in rng.permutation(300)]
    (tmp_path / "s").write_text("".join(lines))
    (tmp_path / "t").write_text("".join(f"e{n % 7} t{n} {labels[n]}\n" for n in range(300)))
    command = [str(tmp_path / "s"), str(tmp_path / "t"), "--out", str(tmp_path / "json")]
    compute_metrics.main(
        [*command, "--operating-point", "0.01,10,1", "--operating-point", "0.5,1,1", "--plan", "sre16"]
    )
    shown = dict(line.split(" ") for line in capsys.readouterr().out.splitlines())
    expected = {
        "minDCF(0.01,10,1)": min_dcf(scores, target, 0.01, 10, 1)[0],
        "actDCF(0.01,10,1)": act_dcf(scores, target, 0.01, 10, 1),
        "minDCF(0.5,1,1)": min_dcf(scores, target, 0.5)[0],
        "actDCF(0.5,1,1)": act_dcf(scores, target, 0.5),
        "C_primary_min(sre16)": c_primary(scores, target, "sre16")[0],
        "C_primary_act(sre16)": c_primary(scores, target, "sre16")[1],
    }
    assert {name: float(shown[name]) for name in list(shown)[6:]} == pytest.approx(expected, abs=1e-6)
    written = json.loads((tmp_path / "json").read_text())
    assert {name: written[name] for name in expected} == pytest.approx(expected)
    compute_metrics.main([*command, "--all"])
    shown = dict(line.split(" ") for line in capsys.readouterr().out.splitlines())
    summary = summarise(scores, target)
    assert list(shown)[:6] == ["EER", "minDCF(0.01)", "minDCF(0.05)", "minDCF(0.001)", "targets", "nontargets"]
    assert {name: float(shown[name]) for name in summary if name != "calibrated"} == pytest.approx(
        {name: value for name, value in summary.items() if name != "calibrated"}, abs=1e-6
    )


@pytest.mark.parametrize(
    "text", ["0.01", "0.01,1,1,1", "1,1,1", "0,1,1", "0.01,-1,1", "0.01,1,inf", "a,b,c", "nan,1,1"]
)
def test_compute_metrics_refuses_what_is_no_operating_point(text):
    with pytest.raises(SreError, match=f"argument --operating-point: {text}: P_TARGET is between 0 and 1"):
        compute_metrics.main([__file__, __file__, f"--operating-point={text}"])
