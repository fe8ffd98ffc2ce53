"""Identification rates against a loop over searches, and on paper."""

import json
from pathlib import Path

import numpy as np
import pytest
from trial_lists import index_trials

from sre import SreError
from sre.metrics.bootstrap import Bootstrap, interval
from sre.metrics.identification import Searches, identification_rates
from steps import compute_identification


def by_a_loop(search: list[int], scores: np.ndarray, target: np.ndarray, ranks: list[int], fpirs: list[float]) -> dict:
    ranked, impostors, models = [], [], []
    for test in sorted(set(search)):
        here = [n for n, of in enumerate(search) if of == test]
        mates = [scores[n] for n in here if target[n]]
        others = [scores[n] for n in here if not target[n]]
        models.append(len(here))
        if mates:
            ranked.append((1 + sum(score >= max(mates) for score in others), max(mates)))
        else:
            impostors.append(max(others))
    counts = {"searches": len(models), "mated": len(ranked), "nonmated": len(impostors)}
    counts |= {"models_min": min(models), "models_max": max(models)}
    rates = {f"rank_{k}": sum(rank <= k for rank, _ in ranked) / len(ranked) for k in ranks if k < max(models)}
    for share in fpirs if impostors else ():
        allowed = [t for t in (*scores, np.inf) if sum(top >= t for top in impostors) / len(impostors) <= share]
        missed = [sum(rank > 1 or score < t for rank, score in ranked) / len(ranked) for t in allowed]
        rates[f"fnir_at_fpir_{share}"] = min(missed)
    return counts | rates


def test_a_loop_over_searches_agrees() -> None:
    for seed in range(300):
        rng = np.random.default_rng(seed)
        cells = rng.permutation(12 * 15)[: rng.integers(20, 180)]
        search, speaker = cells % 15, cells // 15 // 2  # two models a speaker
        target = speaker == search  # tests 6 to 14 are of nobody enrolled
        scores = np.round(rng.normal(size=len(cells)) + 2 * target, rng.integers(0, 3))
        if target.all() or not target.any() or scores.min() == scores.max():
            continue
        trials = index_trials(map(str, cells // 15), (f"{test:02}" for test in search), target)
        found = identification_rates(trials, scores)
        expected = by_a_loop(search.tolist(), scores, target, [1, 5, 10], [0.01, 0.1])
        assert {name: value for name, value in found.items() if "threshold" not in name} == pytest.approx(expected)


LIST = """a x target 0.9
b x nontarget 0.5
a y nontarget 0.4
b y target 0.4
a z nontarget 0.3
b z nontarget 0.6
"""


def files(folder: Path, text: str) -> list[str]:
    rows = [line.split() for line in text.splitlines()]
    (folder / "t").write_text("".join(f"{e} {t} {label}\n" for e, t, label, _ in rows))
    (folder / "s").write_text("".join(f"{e} {t} {score}\n" for e, t, _, score in reversed(rows)))
    return [str(folder / "s"), str(folder / "t")]


def test_on_paper(tmp_path: Path, capsys) -> None:
    """y's mate ties with another model, so it is second; z, of nobody enrolled, reaches 0.6: the threshold is 0.9."""
    compute_identification.main([*files(tmp_path, LIST), "--out", str(tmp_path / "json")])
    shown = dict(line.split(" ") for line in capsys.readouterr().out.splitlines())
    expected = {"searches": 3, "mated": 2, "nonmated": 1, "models_min": 2, "models_max": 2, "rank_1": 0.5}
    expected |= {"fnir_at_fpir_0.01": 0.5, "threshold_fpir_0.01": 0.9}
    expected |= {"fnir_at_fpir_0.1": 0.5, "threshold_fpir_0.1": 0.9}
    assert {name: float(value) for name, value in shown.items()} == expected
    written = json.loads((tmp_path / "json").read_text())
    assert {name: written[name] for name in expected} == expected
    assert (written["trials"], len(written["trials_sha256"])) == ("t", 64)


def test_without_a_threshold(tmp_path: Path, capsys) -> None:
    compute_identification.main(files(tmp_path, LIST.replace("z nontarget 0.6", "z nontarget 0.95")))
    assert "fnir_at_fpir_0.01 1.000000\nthreshold_fpir_0.01 inf\n" in capsys.readouterr().out


def test_all_mated_searches_have_no_fpir(tmp_path: Path, capsys) -> None:
    compute_identification.main(files(tmp_path, "".join(LIST.splitlines(keepends=True)[:4])))
    said = capsys.readouterr()
    assert "rank_1 0.5" in said.out and "fpir" not in said.out
    assert "each test has its target model in the list, so there is no FPIR" in said.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "a x target 1\nb y nontarget 0\na z target 2\n",
            "s: each of the 3 test utterances is tried against one model",
        ),
        ("a x target 1\nb x nontarget 1\n", "s: all 2 scores are equal"),
        ("a x nontarget 1\nb x nontarget 2\n", "s: all 2 trials are nontarget trials"),
    ],
)
def test_nothing_to_identify(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        compute_identification.main(files(tmp_path, text))


def test_intervals_are_of_searches_repeated_by_speaker() -> None:
    """A draw is the searches with those of each speaker as often as it was drawn."""
    rng = np.random.default_rng(4)
    speaker, model = np.repeat(np.arange(12), 5), np.tile(np.arange(8), (60, 1))
    target = model == speaker[:, None]
    scores = rng.normal(size=target.shape) + 1.2 * target
    trials = index_trials(map(str, model.ravel()), (f"{n:02}" for n in np.repeat(np.arange(60), 8)), target.ravel())
    searches = Searches.of(trials, scores.ravel())
    found = searches.with_intervals(speaker, 200, seed=3)
    drawn = Bootstrap.of_speakers(speaker, speaker, 200, seed=3)
    expected = {name: [] for name in ("rank_1", "rank_5", "fnir_at_fpir_0.01", "fnir_at_fpir_0.1")}
    for counts in drawn.counts:
        rows = np.repeat(np.arange(60), counts[speaker])
        again = np.repeat(np.arange(len(rows)), 8)
        values = scores[rows].ravel(), target[rows].ravel()
        rates = by_a_loop(again.tolist(), *values, [1, 5], [0.01, 0.1])
        for name, draws in expected.items():
            draws.append(rates[name])
    for name, draws in expected.items():
        assert found["intervals"][name] == pytest.approx(interval(found[name], np.array(draws), 12, 1.0))


def test_probes_among_models() -> None:
    """As a list of all pairs; equal scores count against the system."""
    rng = np.random.default_rng(0)
    scores, right = rng.integers(0, 4, size=(700, 6)).astype(float), rng.integers(0, 6, size=700)
    rows = np.arange(700)
    found = Searches.among(lambda probes: scores[probes[:, 0]], rows[:, None], right)
    expected = 1 + (scores >= scores[rows, right][:, None]).sum(axis=1) - 1
    np.testing.assert_array_equal(found.rank, expected)
    assert found.rates(np.ones(700))["rank_1"] == pytest.approx((expected == 1).mean())
    assert found.with_intervals(np.zeros(700), 100, 1)["intervals"] == {"rank_1": None, "rank_5": None}
