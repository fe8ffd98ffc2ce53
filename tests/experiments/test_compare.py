"""`sre compare` on made-up experiments whose replicates are known."""

import json
from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.cli.compare import print_comparison as compare

COLUMNS = ["eer", "min_dcf_0.05", "min_dcf_0.01"]
DRAWS = {"by": "speaker", "speakers": 100, "replicates": 400, "seed": 1, "level": 0.95, "columns": COLUMNS}
LUCK = np.random.default_rng(1).normal(size=(400, 1)) * [1.0, 0.01, 0.01]  # of a draw: the same for all systems
BETTER, WORSE = {"good": 5.0, "same": 8.0}, {"good": 8.0, "same": 8.0}


def write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_experiment(
    folder: Path,
    eers: dict[str, float],
    model: str = "net",
    seed: int = 1,
    trials: str = "main",
    draws: dict | None = DRAWS,
    digest: str = "a" * 64,
    lr: float = 0.1,
    noise: int = 0,
    **recorded: object,
) -> Path:
    """One run: systems with these EERs, whose draws are LUCK and a noise that is each system's own."""
    run = f"{model}_s{seed}"
    scores, systems = folder / run / "scores" / trials, {}
    for system, eer in eers.items():
        random = np.random.default_rng([noise, seed, len(system), int(10 * eer)])
        values = [eer, eer / 10, eer / 20]
        systems[system] = {
            "status": "ok",
            "scores": f"{system}.scores",
            "scores_sha256": f"{system} {eer} {noise} {seed}",
        }
        systems[system]["metrics"] = dict(zip(COLUMNS, values, strict=True)) | {"targets": 9, "nontargets": 9}
        scores.mkdir(parents=True, exist_ok=True)
        np.save(scores / f"{system}.replicates.npy", values + LUCK + random.normal(size=(400, 3)) * [0.3, 0.003, 0.003])
    result = {
        "run": run,
        "model": model,
        "seed": seed,
        "trials": trials,
        "trials_file": trials,
        "trials_sha256": digest,
    }
    write_json(scores / "metrics.json", result | {"bootstrap": draws, "systems": systems})
    write_json(
        folder / run / "train_summary.json",
        {"code": "1.0", "config": {"seed": seed, "training": {"lr": lr, "epochs": 3}}},
    )
    job = {"systems": {system: {"backend": system, "norm": None, "of": None} for system in eers}}
    record = {"command": ["python", "-m", "steps.score_systems", json.dumps(job)], "outputs": {}, "inputs": {}}
    record |= {"begun": "2024-11-02T03:04:05+00:00", "seconds": 1.0, "peak_memory_mib": 9, "python": "3"}
    write_json(
        folder / run / "log/score.json",
        record | {"code": "1.0", "device": "abacus", "packages": {"numpy": "2"}} | recorded,
    )
    return folder


def rows(text: str) -> dict[tuple[str, str], str]:
    """(system, rate) -> what stands at the end of its line, from the interval on."""
    lines = [line.split() for line in text.splitlines() if line.startswith("B  ")]
    return {
        (line[3], line[4].rstrip(",")): " ".join(line[line.index("%") + 1 :] if "%" in line else line[5:])
        for line in lines
    }


def test_a_real_and_a_null_difference(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for seed in (1, 2):
        write_experiment(tmp_path / "a", WORSE, seed=seed)
        write_experiment(tmp_path / "b", BETTER, seed=seed, noise=1, lr=0.2, code="1.1")
    compare([tmp_path / "a", tmp_path / "b"])
    text = capsys.readouterr().out
    found = rows(text)
    assert found["good", "EER"].startswith("8.000 5.000 -3.000 -3.") and found["good", "EER"].endswith("< 0.001 better")
    assert found["same", "EER"].startswith("8.000 8.000 +0.000 -0.") and found["same", "EER"].endswith(
        "1.000 no difference shown"
    )
    # luck is shared, and noises of 0.3 are averaged over two seeds, then subtracted: 1.98 standard deviations of 0.3
    low, high = (float(found["same", "EER"].split()[n]) for n in (3, 5))
    assert (high - low) / 2 == pytest.approx(1.984 * 0.3, rel=0.15)
    compare([tmp_path / "b", tmp_path / "a"])
    assert rows(capsys.readouterr().out)["good", "EER"].endswith("< 0.001 worse")
    assert "training net training.lr: A 0.1; B 0.2\n" in text
    assert "code: A 1.0; B 1.0 | 1.1\n" in text
    assert "the same: device; list main; packages; python; seeds net; system good, same\n" in text
    assert "corrected\nfor 4 comparisons" in text


def test_p_is_corrected_for_the_whole_table(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A difference of 2.4 standard deviations is one alone, and none among ten nulls."""
    null = {f"null{'x' * n}": 9.0 for n in range(10)}
    slight = {"slight": 8.0}, {"slight": 8.0 - 2.4 * 0.3 * 2**0.5}
    write_experiment(tmp_path / "a", slight[0])
    write_experiment(tmp_path / "b", slight[1], noise=1)
    compare([tmp_path / "a", tmp_path / "b"])
    assert rows(capsys.readouterr().out)["slight", "EER"].endswith("better")
    write_experiment(tmp_path / "a", slight[0] | null)
    write_experiment(tmp_path / "b", slight[1] | null, noise=1)
    compare([tmp_path / "a", tmp_path / "b"])
    assert rows(capsys.readouterr().out)["slight", "EER"].endswith("no difference shown")


def test_identical_scores_and_equal_setups_with_other_scores(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in "ab":
        write_experiment(tmp_path / name, WORSE)
    compare([tmp_path / "a", tmp_path / "b"])
    text = capsys.readouterr().out
    assert (
        "Identical scores: all 2 systems" in text and rows(text)["good", "EER"] == "8.000 8.000 +0.000 identical scores"
    )
    write_experiment(tmp_path / "b", WORSE, noise=1)
    compare([tmp_path / "a", tmp_path / "b"])
    assert "Nothing recorded differs, and yet the scores of 2 of 2 systems do." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"digest": "b" * 64}, "no test: other trials"),
        ({"draws": None}, "no test: no replicates in the other"),
        ({"draws": DRAWS | {"seed": 2}}, "no test: other draws"),
    ],
)
def test_where_there_is_no_test_the_rates_stand_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture, other: dict, reason: str
) -> None:
    write_experiment(tmp_path / "a", WORSE)
    write_experiment(tmp_path / "b", BETTER, noise=1, **other)
    compare([tmp_path / "a", tmp_path / "b"])
    assert rows(capsys.readouterr().out)["good", "EER"] == f"8.000 5.000 -3.000 {reason}"


def test_lists_are_known_by_their_digest_and_models_by_map(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_experiment(tmp_path / "a", WORSE)
    write_experiment(tmp_path / "b", BETTER, model="wide", trials="renamed", noise=1)
    compare([tmp_path / "a", tmp_path / "b"], ["net=wide"])
    text = capsys.readouterr().out
    assert rows(text)["good", "EER"].endswith("better") and "list main name: A main; B renamed" in text
    compare([tmp_path / "a", tmp_path / "b"])
    assert "Nothing is in both to compare" in capsys.readouterr().out


def test_few_speakers_and_old_results_are_said_aloud(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    few = DRAWS | {"speakers": 6}
    write_experiment(tmp_path / "a", WORSE, draws=few)
    write_experiment(tmp_path / "b", BETTER, draws=few, noise=1)
    (tmp_path / "b/net_s1/log/score.json").unlink()
    compare([tmp_path / "a", tmp_path / "b"])
    text = capsys.readouterr().out
    assert "(here 6) intervals of minDCF are too short" in text
    assert "only in A, or only recorded there: device, packages, python, system good, system same" in text


def test_failed_seeds_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for seed in (1, 2):
        write_experiment(tmp_path / "a", WORSE, seed=seed)
        write_experiment(tmp_path / "b", BETTER, seed=seed, noise=1)
    for seed, systems in ((1, ["good"]), (2, ["good", "same"])):
        path = tmp_path / f"b/net_s{seed}/scores/main/metrics.json"
        result = json.loads(path.read_text())
        result["systems"] |= {system: {"status": "failed", "reason": "too few speakers"} for system in systems}
        path.write_text(json.dumps(result))
    compare([tmp_path / "a", tmp_path / "b"])
    text = capsys.readouterr().out
    assert set(rows(text)) == {("same", "EER"), ("same", "minDCF(0.01)")}
    assert "In B main net good failed in 2 of 2 seeds: too few speakers" in text
    assert "In B main net same failed in 1 of 2 seeds: too few speakers" in text and "and not in" not in text


def test_errors_name_what_is_there(tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path / "a", WORSE)
    for folders, renamed, reason in (
        ([experiment], [], "1 experiment is given"),
        ([experiment, tmp_path], [], "no RUN/scores/LIST/metrics.json in it"),
        ([experiment, experiment], ["net"], "--map net: write A=B"),
        ([experiment, experiment], ["net=nett"], "--map net=nett: one of the two is not there; the models are"),
    ):
        with pytest.raises(SreError, match=reason):
            compare(folders, renamed)


def test_what_one_side_lacks_is_told_in_short_lines(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    many = {f"system{n}": 9.0 for n in range(9)}
    for folder, systems in (("a", many | WORSE), ("b", WORSE)):
        write_experiment(tmp_path / folder, systems)
    write_experiment(tmp_path / "a", WORSE, model="other")
    write_experiment(tmp_path / "a", WORSE, trials="second", digest="b" * 64)
    compare([tmp_path / "a", tmp_path / "b"])
    text = capsys.readouterr().out
    lines = text[text.index("In A and not in B:") :].splitlines()
    assert lines == [
        "In A and not in B:",
        "  net on main: 9 systems, system0, system1, system2, …",
        "  list second: net good, net same",
        "  model other on main: good, same",
    ]
