"""steps.calibrate, steps.fuse and steps.apply_calibration on score files of any origin."""

import json
from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.backends.calibration import fit_calibration
from sre.io.trials import read_scores, write_scores, write_trials
from sre.io.trials import read_trials as read_list
from steps import apply_calibration, calibrate, compute_metrics, fuse


def call(main, *arguments: object) -> None:
    main([str(argument) for argument in arguments])


@pytest.fixture
def there(tmp_path: Path, monkeypatch) -> dict[str, np.ndarray]:
    """Lists `dev` and `eval`, with scores of two systems, a and b, whose lines are in other orders."""
    monkeypatch.chdir(tmp_path)
    draw, found = np.random.default_rng(3), {}
    for name in ("dev", "eval"):
        rows = [(f"m{n % 20}", f"{name}{n}", n % 5 == 0) for n in range(400)]
        write_trials(name, rows)
        trials = read_list(name)
        for system, gap in (("a", 1.5), ("b", 2.0)):
            scores = (gap * trials.target + draw.normal(size=400)).astype(np.float32).astype(float)
            write_scores(f"{system}.{name}", trials, scores)
            found[f"{system}.{name}"] = scores
            lines = Path(f"{system}.{name}").read_text().splitlines(keepends=True)
            draw.shuffle(lines)
            Path(f"{system}.{name}").write_text("".join(lines))
        found[name] = trials.target
    return found


def by_pair(path: str) -> dict[tuple[str, str], float]:
    trials, scores = read_scores(path)
    return dict(
        zip(zip(trials.enrol_ids[trials.enrol], trials.test_ids[trials.test], strict=True), scores, strict=True)
    )


def test_one_system(there: dict, capsys) -> None:
    call(calibrate.main, "a.dev", "dev", "cal.json", "--p-target", 0.1, "--apply", "a.eval", "eval.llr")
    fitted = fit_calibration(there["a.dev"], there["dev"], 0.1)
    told = json.loads(Path("cal.json").read_text())
    np.testing.assert_allclose([*told["weights"], told["offset"]], [*fitted.weights, fitted.offset], rtol=1e-6)
    assert (told["scores"], told["trials"], told["facts"]["p_target"]) == (["a.dev"], "dev", 0.1)
    raw, llrs = by_pair("a.eval"), by_pair("eval.llr")
    assert raw.keys() == llrs.keys()
    expected = [fitted.weights[0] * score + fitted.offset for score in raw.values()]
    np.testing.assert_allclose([llrs[pair] for pair in raw], expected, rtol=1e-5, atol=1e-6)
    printed = capsys.readouterr().out
    assert "Cllr " in printed and " -> " in printed and f"offset {fitted.offset:.6g}" in printed


def test_two_systems_and_later(there: dict) -> None:
    call(fuse.main, "a.dev", "b.dev", "dev", "fusion.json", "--apply", "a.eval", "b.eval", "at_once")
    call(apply_calibration.main, "fusion.json", "a.eval", "b.eval", "later")
    assert Path("at_once").read_bytes() == Path("later").read_bytes()
    columns = np.stack([there["a.dev"], there["b.dev"]], axis=1)
    fitted = fit_calibration(columns, there["dev"])
    a, b, fused = by_pair("a.eval"), by_pair("b.eval"), by_pair("later")
    expected = [fitted.weights @ (a[pair], b[pair]) + fitted.offset for pair in fused]
    np.testing.assert_allclose(list(fused.values()), expected, rtol=1e-5, atol=1e-6)
    call(apply_calibration.main, "fusion.json", "b.eval", "a.eval", "swapped")
    assert by_pair("swapped") != fused


def test_trials_that_are_missing_are_named(there: dict) -> None:
    lines = Path("b.dev").read_text().splitlines(keepends=True)
    lost = next(line for line in lines if line.startswith("m3 "))
    Path("few").write_text("".join(line for line in lines if line != lost))
    pair = " ".join(lost.split()[:2])
    with pytest.raises(SreError, match=f"^few: 1 of 400 trials of dev have no score, e.g. {pair}, and 0 scores"):
        call(fuse.main, "a.dev", "few", "dev", "fusion.json")
    call(fuse.main, "a.dev", "b.dev", "dev", "fusion.json")
    with pytest.raises(SreError, match=f"^few: 1 of 400 trials of a.dev have no score, e.g. {pair}, and 0 scores"):
        call(apply_calibration.main, "fusion.json", "a.dev", "few", "out")


@pytest.mark.parametrize(
    "main, words, sentence",
    [
        (fuse.main, ["a.dev", "dev", "f.json"], "one score file is no fusion; give two or more, or run steps.calib"),
        (
            calibrate.main,
            ["a.dev", "dev", "c.json", "--apply", "a.eval"],
            "argument --apply: 1 files were given, and 1",
        ),
        (calibrate.main, ["a.dev", "dev", "c.json", "--apply", "no", "out"], "argument --apply: no: no such file"),
        (
            calibrate.main,
            ["dev", "a.dev", "c.json"],
            "dev has trials, give|a.dev has scores and dev trials; give the sc",
        ),
        (calibrate.main, ["b.eval", "dev", "c.json"], "b.eval: 400 of 400 trials of dev have no score, e.g. m0 dev0"),
        (apply_calibration.main, ["dev", "a.eval", "out"], "dev: damaged or cut short, not JSON"),
        (calibrate.main, ["a.dev", "dev", "c.json", "--p-target", "1"], "number from 1e-06 to 0.999999 is needed"),
    ],
)
def test_what_is_wrong_is_one_sentence(there: dict, main, words: list[str], sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        call(main, *words)
    assert not Path("c.json").exists() and not Path("out").exists()


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"version": 2}, "cal.json: of version 2, and this sre reads it up to 1"),
        ({"weights": [1.0, 2.0]}, "cal.json: not one weight for each score file that it names; fit it again"),
        ({"weights": []}, "cal.json: a calibration without finite weights and offset"),
        ({"offset": float("nan")}, "cal.json: a calibration without finite weights and offset"),
        ({"offset": "0"}, "cal.json: offset is '0', which is of another kind"),
    ],
)
def test_a_calibration_of_another_form_is_refused(there: dict, change: dict, sentence: str) -> None:
    call(calibrate.main, "a.dev", "dev", "cal.json")
    Path("cal.json").write_text(json.dumps(json.loads(Path("cal.json").read_text()) | change))
    with pytest.raises(SreError, match=sentence):
        call(apply_calibration.main, "cal.json", "a.eval", "out")


def test_what_costs_more_than_deciding_unheard_is_said(there: dict, capsys) -> None:
    """Scores that claim targets everywhere; and not where nobody asked for what takes scores for LLRs."""
    trials = read_list("eval")
    write_scores("high", trials, 8 + there["a.eval"])
    call(compute_metrics.main, "high", "eval", "--operating-point", "0.05,1,1")
    said = (
        "high: taken for log-likelihood ratios, these scores cost more than deciding without listening, which costs 1"
    )
    assert said in capsys.readouterr().err
    call(compute_metrics.main, "high", "eval")
    assert "without listening" not in capsys.readouterr().err
    call(calibrate.main, "a.dev", "dev", "cal.json", "--apply", "a.eval", "eval.llr")
    call(compute_metrics.main, "eval.llr", "eval", "--operating-point", "0.05,1,1", "--all")
    assert "without listening" not in capsys.readouterr().err
