"""The bootstrap against lists with their trials repeated, and the statistics against SciPy and statements on paper."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from sre import SreError
from sre.metrics.bootstrap import COLUMNS, OWN, Bootstrap, holm, interval, intervals, paired
from sre.metrics.rates import summarise
from steps import compute_metrics

NAMES = np.array(["anna", "bert", "carl", "dora"])


def random_list(seed: int, trials: int, speakers: int = 4) -> tuple[np.ndarray, ...]:
    """(P,) scores with ties, target, and the speakers of both sides."""
    draw = np.random.default_rng(seed)
    first, second = draw.integers(speakers, size=(2, trials))
    target = first == second
    return np.round(draw.normal(size=trials) + 1.5 * target, 1), target, NAMES[first], NAMES[second]


@given(st.integers(0, 10**6), st.integers(8, 60))
@settings(max_examples=100, deadline=None)
def test_a_draw_is_the_list_with_its_trials_repeated(seed: int, trials: int) -> None:
    scores, target, enrol, test = random_list(seed, trials)
    assume(0 < target.sum() < trials and len(np.unique(scores)) > 1)
    bootstrap = Bootstrap.of_speakers(enrol, test, 5, seed)
    found = bootstrap.replicates(scores, target)
    names = np.unique([enrol, test])
    for draw, counts in enumerate(bootstrap.counts):
        w_enrol, w_test = counts[np.searchsorted(names, enrol)], counts[np.searchsorted(names, test)]
        rows = np.repeat(np.arange(trials), np.where(target, w_enrol, w_enrol * w_test))
        kinds = len(np.unique(target[rows]))
        if kinds < 2 or len(np.unique(scores[rows])) < 2:
            assert kinds == 2 or np.isnan([found[name][draw] for name in COLUMNS]).all()
            continue
        expected = summarise(scores[rows], target[rows])
        for name in COLUMNS:
            assert found[name][draw] == pytest.approx(expected[name], rel=1e-12, abs=1e-12), name


@given(st.integers(0, 10**6), st.integers(20, 80), st.sampled_from([0.05, 0.01]))
@settings(max_examples=60, deadline=None)
def test_draws_of_min_dcf_have_the_variance_of_dyads_and_the_bias(seed: int, trials: int, p: float) -> None:
    scores, target, enrol, test = random_list(seed, trials)
    assume(1 < target.sum() < trials - 1 and len(np.unique(scores)) > 1)
    bootstrap, name = Bootstrap.of_speakers(enrol, test, 40, seed), f"min_dcf_{p}"
    found = bootstrap.replicates(scores, target)
    plain, corrected = found[name], found[OWN[name]]
    costs = {t: dcf(scores, target, np.ones(trials), p, t) for t in [*np.unique(scores), np.inf]}
    threshold = min(costs, key=costs.get)
    assume(np.isfinite(plain).all() and np.diff(sorted(costs.values()))[0] > 1e-9)

    speakers = np.unique([enrol, test])
    w_enrol, w_test = (bootstrap.counts[:, np.searchsorted(speakers, side)] for side in (enrol, test))
    draws = [dcf(scores, target, w, p, threshold) for w in np.where(target, w_enrol, w_enrol * w_test)]
    if np.ptp(draws) < 1e-12:  # rejecting all costs 1 in each draw
        np.testing.assert_array_equal(corrected, plain)
        return
    wrong = (scores < threshold) == target
    h = np.zeros(trials)  # what each trial adds to the deviation of the cost
    for kind, weight in {True: 1.0, False: (1 - p) / p}.items():
        rows = target == kind
        h[rows] = weight * (wrong[rows] - wrong[rows].mean()) / rows.sum()
    dyads = [{a, b} for a, b in zip(enrol, test, strict=True)]
    sharing = np.array([[bool(one & other) for other in dyads] for one in dyads])
    same = np.array([[one == other for other in dyads] for one in dyads])
    variance = max(h @ same @ h, h @ sharing @ h * len(speakers) / (len(speakers) - 1))
    bias = np.mean(draws - plain)
    assert np.std(corrected, ddof=1) == pytest.approx(np.sqrt(variance + bias**2), rel=1e-9)
    assert np.mean(corrected) == pytest.approx(costs[threshold], rel=1e-9)


def dcf(scores: np.ndarray, target: np.ndarray, weights: np.ndarray, p: float, threshold: float) -> float:
    """Normalised cost of weighted trials, by definition."""
    p_miss = np.average(scores[target] < threshold, weights=weights[target])
    return p_miss + (1 - p) / p * np.average(scores[~target] >= threshold, weights=weights[~target])


def test_of_trials_draws_as_many_of_each_kind_as_there_are() -> None:
    scores, target, *_ = random_list(1, 400)
    bootstrap = Bootstrap.of_trials(len(scores), 2000, 1)
    for draw in range(3):
        assert [w.sum() for w in bootstrap._drawn_trials(draw, 30, 370)] == [30, 370]
    # P_miss at a fixed threshold is a binomial's share, whose deviation is known
    few = scores[target] < 0.5
    draws = [bootstrap._drawn_trials(n, len(few))[0] @ few / len(few) for n in range(2000)]
    assert np.std(draws) == pytest.approx(np.sqrt(few.mean() * (1 - few.mean()) / len(few)), rel=0.06)
    assert bootstrap.facts()["by"] == "trial" and bootstrap.speakers is None
    assert np.isfinite(bootstrap.replicates(scores, target)["eer"]).all()


def test_some_trials_only() -> None:
    scores, target, enrol, test = random_list(3, 200)
    keep = (enrol == "anna") | (scores > 0.3)
    whole = Bootstrap.of_speakers(enrol, test, 20, 1)
    part = whole.replicates(scores, target, keep)
    other = Bootstrap(whole.first[keep], whole.second[keep], whole.counts, 20, 1).replicates(scores[keep], target[keep])
    np.testing.assert_array_equal(np.stack(list(part.values())), np.stack(list(other.values())))


def test_draws_do_not_depend_on_the_system_or_the_names_of_the_order() -> None:
    scores, target, enrol, test = random_list(4, 100)
    by_name = Bootstrap.of_speakers(enrol, test, 50, 7)
    by_number = Bootstrap.of_speakers(np.searchsorted(NAMES, enrol), np.searchsorted(NAMES, test), 50, 7)
    np.testing.assert_array_equal(by_name.counts, by_number.counts)
    again = by_name.replicates(-scores, target)
    assert (again["eer"] != by_name.replicates(scores, target)["eer"]).any()
    np.testing.assert_array_equal(again["eer"], by_number.replicates(-scores, target)["eer"])


def test_interval_and_its_bounds() -> None:
    draws = np.random.default_rng(0).normal(5, 0.5, size=1000)
    low, high = interval(5.2, draws, 11)
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 10, 5.2, draws.std(ddof=1)))
    assert interval(0.3, draws, 11, most=1.0) == [0.0, 1.0]
    trials = interval(5.2, draws, None)
    assert trials == pytest.approx(stats.norm.interval(0.95, 5.2, draws.std(ddof=1)))


def test_min_dcf_has_its_own_draws_but_those_of_older_versions_do_not() -> None:
    scores, target, enrol, test = random_list(6, 400)
    draws, metrics = Bootstrap.of_speakers(enrol, test, 100, 1).replicates(scores, target), summarise(scores, target)
    old = {name: draws[name] for name in COLUMNS}
    for name in ("eer", "min_dcf_0.05"):
        of, most = draws[OWN.get(name, name)], 100.0 if name == "eer" else 1.0
        assert intervals(metrics, draws, 4)[name] == interval(metrics[name], of, 4, most)
        assert intervals(metrics, old, 4)[name] == interval(metrics[name], old[name], 4, most)


def test_no_interval_where_nothing_can_be_said() -> None:
    draws = np.random.default_rng(0).normal(5, 0.5, size=100)
    assert interval(0.0, np.zeros(100), 20) is None  # not one error in any draw
    assert interval(5, np.where(np.arange(100) < 6, np.nan, draws), 20) is None
    assert interval(5, np.where(np.arange(100) < 5, np.nan, draws), 20) is not None
    assert paired(0.0, np.zeros(100), 20) is None


def test_paired_agrees_with_its_interval() -> None:
    draws = np.random.default_rng(1).normal(0.3, 0.1, size=1000)
    for difference in (0.1, 0.19, 0.25, -0.4):
        low, high, p = paired(difference, draws, 15)
        assert (low > 0 or high < 0) == (p < 0.05)
    low, high, p = paired(difference, draws, 15)
    assert p == pytest.approx(2 * stats.t.sf(0.4 / draws.std(ddof=1), 14))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_against_its_definition(p: list[float]) -> None:
    order = np.argsort(p, kind="stable")
    expected, largest = np.empty(len(p)), 0.0
    for rank, which in enumerate(order):
        largest = max(largest, (len(p) - rank) * p[which])
        expected[which] = min(1, largest)
    np.testing.assert_allclose(holm(p), expected, rtol=1e-15)
    assert (holm(p) >= p).all()


def test_one_speaker_is_refused() -> None:
    with pytest.raises(SreError, match="1 speaker in the trial list"):
        Bootstrap.of_speakers(np.array(["a", "a"]), np.array(["a", "a"]), 10, 1)


def test_intervals_of_anybodys_score_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    scores, target, enrol, test = random_list(5, 300)
    pairs = [(f"{e}-{n}", f"{t}-{n}") for n, (e, t) in enumerate(zip(enrol, test, strict=True))]
    kinds = np.where(target, "target", "nontarget")
    write = {"scores": scores, "trials": kinds}
    for name, values in write.items():
        lines = [f"{a} {b} {value}\n" for (a, b), value in zip(pairs, values, strict=True)]
        (tmp_path / name).write_text("".join(lines))
    (tmp_path / "utt2spk").write_text(
        "".join(f"{utt} {utt[:4]}\n" for utt in sorted({utt for pair in pairs for utt in pair}))
    )
    compute_metrics.main([*(str(tmp_path / name) for name in write), "--utt2spk", str(tmp_path / "utt2spk")])
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    draws = Bootstrap.of_speakers(enrol, test, 1000, 1).replicates(scores, target)["eer"]
    expected = interval(float(printed["EER"]), draws, 4)
    assert [float(printed[f"EER_{end}"]) for end in ("low", "high")] == pytest.approx(expected, abs=1e-5)
    assert float(printed["minDCF(0.05)_low"]) < float(printed["minDCF(0.05)"]) < float(printed["minDCF(0.05)_high"])


def test_an_interval_in_two_units_is_refused() -> None:
    draws = np.random.default_rng(0).normal(16, 2, 200)
    low, high = interval(16.0, draws, 50)
    assert (low + high) / 2 == pytest.approx(16.0)
    np.testing.assert_allclose(interval(0.16, draws / 100, 50), [low / 100, high / 100])
    with pytest.raises(
        SreError, match="the rate 0.16 is a share, its draws from .* are per cent; give 100 times the rate"
    ):
        interval(0.16, draws, 50)
    with pytest.raises(SreError, match="the rate 16 is per cent, its draws .* are shares; give 0.01 times the rate"):
        interval(16.0, draws / 100, 50)
    with pytest.raises(SreError, match="a rate of nan has no interval"):
        interval(float("nan"), draws, 50)
