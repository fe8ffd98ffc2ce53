"""The section on noise and duration, and its table in RESULTS, of made-up results of two models."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from test_published import SPEAKERS, score

from sre.config.conditions import Condition
from sre.io.trials import write_trials
from sre.metrics.bootstrap import interval
from steps import make_report, make_results

CONDITIONS = [Condition("main", "snr", 10, ["noise"]), Condition("main", "snr", 0, ["noise"])]
CONDITIONS += [Condition("main", "room", 0, ["small"]), Condition("main", "seconds", 2)]
GAPS = {"snr10": 1.5, "snr0": 0.4, "room": 1.0, "2s": 1.2}
RUNS = (("xvector", "xvector", 1), ("xvector_s2", "xvector", 2), ("resnet", "resnet", 1))


@pytest.fixture(scope="module")
def exp(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """An experiment with its report, and the draws of xvector's EERs by run and condition."""
    folder = tmp_path_factory.mktemp("exp")
    names = [f"{speaker}_{n}" for speaker in range(SPEAKERS) for n in range(3)]
    write_trials(folder / "main", [(a, b, a[0] == b[0]) for a in names for b in names if a < b])
    draws = {}
    for run, model, seed in RUNS:
        score(folder, run, model, seed, 2.0)
        for condition in CONDITIONS:
            draws[f"{run} {condition.suffix}"] = score(folder, run, model, seed, GAPS[condition.suffix], condition)
    files = sorted(map(str, folder.glob("*/scores/*/metrics.json")))
    make_report.main([str(folder), "--metrics", *files, "--primary", "cosine"])
    return folder, draws


def section(folder: Path) -> str:
    return (folder / "report.md").read_text().partition("## Noise and duration")[2].partition("\n## ")[0]


def eer(folder: Path, run: str, name: str) -> float:
    path = folder / run / "scores" / name / "metrics.json"
    return json.loads(path.read_text())["systems"]["cosine"]["metrics"]["eer"]


def test_the_table_has_the_mean_over_the_seeds_with_its_interval(exp: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, draws = exp
    text = section(folder)
    assert "| system | clean, whole | 10 dB | 0 dB | room | 2 s |" in text
    eers = [eer(folder, run, "main_snr0") for run in ("xvector", "xvector_s2")]
    mean = np.mean(eers)
    low, high = interval(mean, np.mean([draws["xvector snr0"], draws["xvector_s2 snr0"]], axis=0), SPEAKERS)
    cell = f"{mean:.2f} ± {np.std(eers, ddof=1):.2f} ({low:.2f} to {high:.2f})"
    assert re.search(rf"\| xvector cosine \|.*\| {re.escape(cell)} \|", text)
    assert "Both sides of a trial, enrolment and test, are changed alike." in text
    assert "To each utterance one file of the category `noise` is added, the same at all SNRs." in text
    added = mean - np.mean([eer(folder, run, "main") for run in ("xvector", "xvector_s2")])
    assert f"| 0 dB | xvector cosine | {cell} | {added:+.2f} (" in text


def test_two_figures_with_a_line_a_model(exp: tuple[Path, dict[str, np.ndarray]]) -> None:
    page = (exp[0] / "report.html").read_text()
    figures = re.findall(r'aria-label="(EER on main against [^"]*)"', page)
    assert [re.sub(" of both.*", "", text) for text in figures] == [
        "EER on main against the signal-to-noise ratio",
        "EER on main against the length",
    ]
    assert all(f"over the {SPEAKERS} speakers" in text for text in figures)


def test_the_other_sections_are_of_clean_speech(exp: tuple[Path, dict[str, np.ndarray]]) -> None:
    """Nothing is chosen on the conditions; their lines are in report.tsv after the others."""
    folder, _ = exp
    text = (folder / "report.md").read_text()
    before = text.partition("#### Every run")[0]
    assert "snr" not in before and "room" not in before
    assert "main_snr0" in text.partition("#### Every run")[2].partition("\n## ")[0]
    lines = list(csv.DictReader((folder / "report.tsv").open(), delimiter="\t"))
    roles = [line["role"] for line in lines]
    assert roles == ["evaluation"] * 6 + ["condition"] * 24
    references = {(line["trials"], line["model"]) for line in lines if line["reference"]}
    of_main = {model for trials, model in references if trials == "main"}
    assert len(references) == 5 and {model for _, model in references} == of_main  # the same on all lists


def test_results_have_one_table_of_the_conditions(exp: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    make_results.main([str(exp[0]), str(tmp_path / "x.json"), "--command", "snakemake -j8"])
    marks = ("begin summary x.json", "end summary x.json", "begin x.json", "end x.json")
    page = tmp_path / "RESULTS.md"
    page.write_text("".join(f"<!-- {mark} -->\n" for mark in marks))
    make_results.main(["--update", str(page)])
    text = page.read_text()
    assert text.count("### ") == 1 and "| x | snr" not in text
    table = text.partition("EER, %, of main where both sides")[2].splitlines()
    assert table[2] == "| model | system | clean, whole | 10 dB | 0 dB | room | 2 s |" and len(table[4:6]) == 2
    mean = np.mean([eer(exp[0], run, "main_room") for run in ("xvector", "xvector_s2")])
    assert f"| {mean:.2f} (" in next(line for line in table if line.startswith("| xvector "))
    assert sum("against the reference" in line for line in table) == 1


def test_without_conditions_there_is_no_such_section(exp: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    files = sorted(map(str, exp[0].glob("*/scores/main/metrics.json")))
    make_report.main([str(tmp_path), "--metrics", *files])
    assert "Noise and duration" not in (tmp_path / "report.md").read_text() + (tmp_path / "report.html").read_text()
