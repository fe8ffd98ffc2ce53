"""Decisions: thresholds that are best on a list, and `sre decide` on a list without labels."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre import SreError
from sre.cli import command
from sre.io.trials import read_trials, write_scores, write_trials
from sre.metrics.choices import best_f1, best_gmean
from sre.metrics.rates import bayes_threshold, eer, summarise
from sre.scoring.decisions import Rule, bayes_rule, given_rule, tuned_rule
from steps import analyse_errors, calibrate, compute_thresholds

LABELLED = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=20).filter(
    lambda rows: len({score for score, _ in rows}) > 1 and len({target for _, target in rows}) == 2
)


def test_on_paper() -> None:
    """Accepted from 2 on: 2 targets of 3, no nontarget. From 1 on: all 3 and 1 of 2."""
    scores, target = np.array([3.0, 2.0, 1.0, 1.0, 0.0]), np.array([True, True, True, False, False])
    assert best_f1(scores, target) == (pytest.approx(6 / 7), 1.0)
    assert best_gmean(scores, target) == (pytest.approx(np.sqrt(2 / 3)), 2.0)


@given(LABELLED)
def test_they_are_the_best_of_all_thresholds(rows: list) -> None:
    scores, target = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    thresholds = [*np.unique(scores), np.inf]

    def f1(accepted: np.ndarray) -> float:
        precision, recall = target[accepted].mean() if accepted.any() else 0.0, accepted[target].mean()
        return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0

    def gmean(accepted: np.ndarray) -> float:
        return float(np.sqrt(accepted[target].mean() * (~accepted)[~target].mean()))

    by_hand = {
        best_f1: [f1(scores >= at) for at in thresholds],
        best_gmean: [gmean(scores >= at) for at in thresholds],
    }
    for best, values in by_hand.items():
        value, threshold = best(scores, target)
        assert value == pytest.approx(max(values))
        assert values[thresholds.index(threshold)] == pytest.approx(max(values))
        assert all(value > other + 1e-9 for at, other in zip(thresholds, values, strict=True) if at < threshold)


@given(st.floats(-1e6, 1e6))
def test_a_score_is_accepted_at_its_own_threshold(score: float) -> None:
    """Also where its text is that of a float32, which as a double is another number."""
    text = np.format_float_positional(np.float32(score), unique=True, trim="0")
    assert given_rule(float(text)).accepts(np.array([float(text)])).all()
    assert not given_rule(float(np.nextafter(np.float32(score), np.float32(np.inf)))).accepts(np.array([score])).any()


@pytest.fixture
def there(tmp_path: Path, monkeypatch) -> Iterator[np.ndarray]:
    """A labelled list `eval`, the same without labels and in another order, `blind`, and scores of it; and `dev`."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(5)
    for name in ("dev", "eval"):
        rows = [(f"{name}{e}_0", f"{name}{t}_1", e == t) for e in range(12) for t in range(12)]
        write_trials(name, rows)
        trials = read_trials(name)
        write_scores(f"{name}.scores", trials, np.round(3 * trials.target + draw.normal(size=144), 1))  # with ties
    lines = [" ".join(line.split()[:2]) for line in Path("eval").read_text().splitlines()]
    draw.shuffle(lines)
    Path("blind").write_text("\n".join(lines) + "\n")
    Path("data").mkdir()
    Path("data/utt2spk").write_text("".join(f"eval{n}_{u} eval{n}\n" for n in range(12) for u in (0, 1)))
    return read_trials("eval").target


def decided(*options: object) -> list[dict[str, str]]:
    command(["decide", "eval.scores", "blind", "out.csv", *map(str, options)])
    with open("out.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def scores_in(path: str) -> np.ndarray:
    return np.array([float(line.split()[2]) for line in Path(path).read_text().splitlines()])


def errors_by(rows: list[dict[str, str]]) -> set[tuple[str, str]]:
    """The pairs that were decided against the labels."""
    lines = [line.split() for line in Path("eval").read_text().splitlines()]
    target = {(enrol, test): label == "target" for enrol, test, label in lines}
    return {
        (row["enrol"], row["test"])
        for row in rows
        if (row["decision"] == "accept") != target[row["enrol"], row["test"]]
    }


def test_without_labels_it_decides_as_the_report_does_with_them(there: np.ndarray) -> None:
    """The errors of the report's errors.csv are those of its threshold, at the EER."""
    analyse_errors.main(["eval.scores", "eval", "--data", "data", "errors"])
    with open("errors/errors.csv", encoding="utf-8", newline="") as file:
        known = {(row["enrol"], row["test"]) for row in csv.DictReader(file)}
    rows = decided("--metric", "eer", "--dev", "eval.scores", "eval")
    assert '"' not in Path("out.csv").read_text()
    assert [f"{row['enrol']} {row['test']}" for row in rows] == Path("blind").read_text().splitlines()
    assert known and errors_by(rows) == known


def test_its_costs_are_those_of_the_reported_act_dcf(there: np.ndarray) -> None:
    scores = scores_in("eval.scores")
    reported = summarise(scores, there)["act_dcf_0.05"]
    wrong = errors_by(decided("--p-target", 0.05))
    misses = sum(pair[0].partition("_")[0] == pair[1].partition("_")[0] for pair in wrong)
    cost = (0.05 * misses / 12 + 0.95 * (len(wrong) - misses) / 132) / 0.05
    assert cost == pytest.approx(reported) and wrong


@pytest.mark.parametrize("metric, best", [("f1", best_f1), ("gmean", best_gmean), ("eer", eer)])
def test_the_threshold_is_that_of_the_development_list(there: np.ndarray, metric: str, best, capsys) -> None:
    trials = read_trials("dev")
    scores = scores_in("dev.scores")
    rows = decided("--metric", metric, "--dev", "dev.scores", "dev", "--json")
    told = json.loads(capsys.readouterr().out)
    threshold = best(scores.astype(np.float32), trials.target)[1]
    assert told["threshold"] == pytest.approx(threshold) and told["accepted"] < told["trials"] == 144
    assert {row["decision"] == "accept" for row in rows if np.float32(row["score"]) >= np.float32(threshold)} == {True}
    accepted = scores.astype(np.float32) >= np.float32(threshold)
    assert told["development"]["p_fa"] == pytest.approx(accepted[~trials.target].mean())


def test_false_alarms_of_the_development_list_are_at_most_as_asked(there: np.ndarray, capsys) -> None:
    decided("--far", 0.01, "--dev", "dev.scores", "dev", "--json")
    assert json.loads(capsys.readouterr().out)["development"]["p_fa"] <= 0.01
    high = np.where(read_trials("dev").target, 0.0, 1.0)
    rule = tuned_rule(high, read_trials("dev"), "dev", "far", 0.001)
    assert rule.threshold == np.inf and "no score" in rule.text and not rule.accepts(high).any()


def test_a_table_of_thresholds(there: np.ndarray) -> None:
    compute_thresholds.main(["dev.scores", "dev", "table.csv"])
    with open("table.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shares = [float(row["rule"].removeprefix("far_")) for row in rows[3:]]
    assert [row["rule"] for row in rows[:3]] == ["eer", "f1", "gmean"]
    np.testing.assert_allclose(shares, np.linspace(0.05, 0, 50), rtol=1e-5)
    trials, scores = read_trials("dev"), scores_in("dev.scores")
    for row in rows:
        accepted, target = scores.astype(np.float32) >= np.float32(row["threshold"]), trials.target
        assert float(row["p_miss"]) == pytest.approx((~accepted)[target].mean(), abs=1e-6)
        assert float(row["p_fa"]) == pytest.approx(accepted[~target].mean(), abs=1e-6)
        both = 2 * (accepted & target).sum() / (accepted.sum() + target.sum())
        assert float(row["f1"]) == pytest.approx(both, abs=1e-5)
        assert float(row["gmean"]) == pytest.approx(
            np.sqrt(accepted[target].mean() * (~accepted)[~target].mean()), abs=1e-5
        )
    assert all(float(row["p_fa"]) <= share for row, share in zip(rows[3:], shares, strict=True))
    assert max(float(row["f1"]) for row in rows) == float(rows[1]["f1"])
    compute_thresholds.main(["dev.scores", "dev", "two.csv", "--far", "0.01", "--far", "0"])
    assert [line.partition(",")[0] for line in Path("two.csv").read_text().splitlines()[4:]] == ["far_0.01", "far_0"]


def test_a_calibration_gives_llrs_by_which_is_decided(there: np.ndarray) -> None:
    calibrate.main(["dev.scores", "dev", "cal.json"])
    told = json.loads(Path("cal.json").read_text())
    rows = decided("--p-target", 0.05, "--calibration", "cal.json")
    assert list(rows[0]) == ["enrol", "test", "score", "llr", "decision"]
    for row in rows:
        assert float(row["llr"]) == pytest.approx(told["weights"][0] * float(row["score"]) + told["offset"], abs=1e-4)
        assert (row["decision"] == "accept") == (float(row["llr"]) >= bayes_threshold(0.05))


def test_labels_are_told_of_and_decide_nothing(there: np.ndarray, capsys) -> None:
    blind = {(row["enrol"], row["test"]): row["decision"] for row in decided("--threshold", 1.5)}
    capsys.readouterr()
    command(["decide", "eval.scores", "eval", "seen.csv", "--threshold", "1.5"])
    with open("seen.csv", encoding="utf-8", newline="") as file:
        assert {(row["enrol"], row["test"]): row["decision"] for row in csv.DictReader(file)} == blind
    assert "by the labels of the list itself: P_miss " in capsys.readouterr().out


def test_files_in_the_place_of_ids(there: np.ndarray) -> None:
    utts = sorted({utt for line in Path("blind").read_text().splitlines() for utt in line.split()})
    Path("data/utt2source").write_text("".join(f"{utt} wav/{utt}.wav\n" for utt in utts))
    by_id, by_file = decided("--threshold", 1.5), decided("--threshold", 1.5, "--sources", "data")
    wanted = [row | {side: f"wav/{row[side]}.wav" for side in ("enrol", "test")} for row in by_id]
    assert by_file == wanted
    Path("data/utt2source").write_text("".join(f"{utt} wav/{utt}.wav\n" for utt in utts[1:]))
    with pytest.raises(SreError, match=f"data/utt2source: 1 ids of the trials are not in it, e.g. {utts[0]}"):
        decided("--threshold", 1.5, "--sources", "data")


def test_names_with_commas_and_quotes_are_read_back(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("blind").write_text('a,b "x"\n')
    Path("eval.scores").write_text('a,b "x" 2\n')
    assert decided("--threshold", 2) == [{"enrol": "a,b", "test": '"x"', "score": "2", "decision": "accept"}]


@pytest.mark.parametrize(
    "options, sentence",
    [
        ([], "from which score on. give --threshold, --p-target, or --far or --metric with --dev"),
        (["--far", "0.1"], "--far needs a labelled list; give --dev DEV_SCORES DEV_TRIALS"),
        (["--metric", "f1"], "--metric needs a labelled list; give --dev DEV_SCORES DEV_TRIALS"),
        (["--threshold", "1", "--dev", "dev.scores", "dev"], "--dev is for --far or --metric, and neither is given"),
        (["--threshold", "1", "--c-fa", "2"], "--c-fa is for --p-target, which is not given"),
        (["--p-target", "1"], "a share between 0 and 1 is needed; write 1 % as 0.01"),
        (["--threshold", "nan"], "a number is needed"),
        (["--threshold", "1", "--far", "0.1"], "not allowed with argument"),
        (["--metric", "eer", "--dev", "dev.scores", "blind"], "blind: its lines are `enrol test` without a label"),
        (["--metric", "eer", "--dev", "eval.scores", "dev"], "eval.scores: 144 of 144 trials of dev have no score"),
    ],
)
def test_what_is_wrong_is_one_sentence(there: np.ndarray, options: list[str], sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        decided(*options)
    assert not Path("out.csv").exists()


def test_a_trial_without_a_score_is_named(there: np.ndarray) -> None:
    Path("blind").write_text("eval0_0 eval0_1\nnobody eval0_1\n")
    with pytest.raises(SreError, match="1 of 2 trials of blind have no score, e.g. nobody eval0_1"):
        decided("--threshold", 1)


def test_rules_in_words() -> None:
    assert bayes_rule(
        0.01, c_fa=10
    ).text == "accepted is score >= 6.89770, that of Bayes for P_target 0.01, C_miss 1 and C_fa 10".replace(
        "6.89770", "6.8977"
    )
    assert Rule(np.inf, "x").text == "accepted is no score, x"


@pytest.mark.filterwarnings("error")
def test_a_threshold_beyond_float32_rejects_or_accepts_all() -> None:
    scores = np.array([-1.0, 3e38])
    assert not given_rule(1e39).accepts(scores).any() and given_rule(-1e39).accepts(scores).all()
