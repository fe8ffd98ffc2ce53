"""Who leads, what is shown to differ from it, and whether the report says so: on draws that are known."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_report import Page, make_list, page_text, run_report, tsv_rows, write_json

from sre import SreError
from sre.experiments.read import load_results
from sre.io.atomic import sha256_file
from sre.io.trials import write_scores
from sre.metrics.bootstrap import intervals
from sre.metrics.rates import summarise
from sre.metrics.speakers import bootstrap_of
from sre.report.ranking import group_interval, rank
from sre.report.rows import group_rows, make_rows
from sre.scoring.replicates import replicates_of
from steps import make_report

SPEAKERS = 50
# run, model, seed, {system: (gap on dev, gap on eval)}
RUNS = (
    ("tdnn", "tdnn", 1, {"cosine": (3.0, 2.5), "plda": (2.0, 1.2)}),
    ("tdnn_s2", "tdnn", 2, {"cosine": (3.1, 2.4), "plda": (2.1, 1.1)}),
    ("resnet", "resnet", 1, {"cosine": (2.5, 4.5), "plda": (2.7, 2.45), "lda": (2.0, None)}),
)


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranked")
    for number, (name, role) in enumerate((("dev", "development"), ("eval", "evaluation"))):
        trials = make_list(folder, name)
        speakers = [np.array([id_[-2:] for id_ in ids]) for ids in (trials.enrol_ids, trials.test_ids)]
        drawn = bootstrap_of(trials, tuple(speakers), 300, 1)
        for run, model, seed, systems in RUNS:
            job, outcomes = folder / run / "scores" / name, {}
            for system, gaps in systems.items():
                gap = gaps[number]
                if gap is None:
                    outcomes[system] = {"status": "failed", "reason": "it broke; mend it"}
                    continue
                draw = np.random.default_rng(len(system) + seed + len(name))
                scores = (draw.normal(size=len(trials)) + gap * trials.target).astype(np.float32)
                job.mkdir(parents=True, exist_ok=True)
                write_scores(job / f"{system}.scores", trials, scores)
                draws, metrics = drawn.replicates(scores, trials.target), summarise(scores, trials.target)
                np.save(replicates_of(job / f"{system}.scores"), np.stack(list(draws.values()), axis=1))
                metrics["intervals"] = intervals(metrics, draws, drawn.speakers)
                outcomes[system] = {"status": "ok", "scores": f"{system}.scores", "metrics": metrics}
            facts = {"model": model, "seed": seed, "run": run, "trials": name, "systems": outcomes, "role": role}
            facts |= {"trials_sha256": sha256_file(folder / name), "trials_file": str(folder / name)}
            write_json(job / "metrics.json", facts | {"bootstrap": drawn.facts()})
    return folder


def ranked(folder, metric="eer"):
    results = load_results(sorted(folder.glob("*/scores/*/metrics.json")))
    return rank(group_rows(make_rows(results), metric), metric)


def test_the_reference_is_chosen_on_development_and_the_rest_ranked_by_it(exp):
    lists = ranked(exp)
    names = [standing.group.name for standing in lists["eval"]]
    assert names[:2] == [("tdnn", "cosine"), ("resnet", "plda")] and names[-1] == ("resnet", "lda")
    assert [standing.reference for standing in lists["eval"]] == [True] + [False] * 4
    developed = [standing.on_development for standing in lists["eval"][:-1]]
    assert developed == sorted(developed)
    assert ranked(exp, "min_dcf_0.01")["eval"][0].group.name == ("tdnn", "cosine")


def test_what_differs_from_the_reference_and_what_is_not_shown_to(exp):
    standings = {standing.group.name: standing for standing in ranked(exp)["eval"]}
    verdicts = {name: one.difference and one.difference.verdict for name, one in standings.items()}
    assert verdicts == {
        ("tdnn", "cosine"): None,  # the reference
        ("tdnn", "plda"): "worse",
        ("resnet", "cosine"): "better",
        ("resnet", "plda"): "no difference shown",
        ("resnet", "lda"): None,  # failed
    }
    worse, reference = standings["tdnn", "plda"], standings["tdnn", "cosine"]
    assert worse.difference.value == pytest.approx(worse.group.mean("eer") - reference.group.mean("eer"))
    assert 0 < worse.difference.low < worse.difference.value < worse.difference.high


def test_interval_of_one_seed_is_that_of_its_metrics_file_and_of_two_is_of_their_mean(exp):
    standings = {standing.group.name: standing.group for standing in ranked(exp)["eval"]}
    one, two = standings["resnet", "plda"], standings["tdnn", "cosine"]
    assert group_interval(one, "eer") == pytest.approx(one.done[0].metrics["intervals"]["eer"])
    low, high = group_interval(two, "eer")
    assert (low + high) / 2 == pytest.approx(two.mean("eer"))
    widths = [bounds[1] - bounds[0] for bounds in (row.metrics["intervals"]["eer"] for row in two.done)]
    assert high - low < max(widths)


def test_other_draws_are_not_compared(exp, tmp_path):
    results = load_results(sorted(exp.glob("*/scores/*/metrics.json")))
    seeds = [replace(one.bootstrap, seed=1 + (one.run == "resnet")) for one in results]
    results = [replace(one, bootstrap=drawn) for one, drawn in zip(results, seeds, strict=True)]
    standings = rank(group_rows(make_rows(results)), "eer")["eval"]
    tested = {standing.group.name for standing in standings if standing.difference}
    assert tested == {("tdnn", "plda")}


def test_the_report_answers_a_newcomer(exp):
    out = run_report(exp)
    page = page_text(out)
    assert "the number to quote is <strong>EER " in page and "because it is the first on the development list." in page
    assert "the number to quote is **EER " in (out / "report.md").read_text()
    said = "1 is demonstrably better, 1 is demonstrably worse and 1 is not demonstrably different."
    assert f"Of the 3 other systems, compared with it, {said}" in page
    assert f"300 target and 1,500 nontarget trials of {SPEAKERS} speakers" in page
    assert re.search("The lowest on this list is EER .* of <code>resnet cosine</code>", page) and "Only" not in page
    rows = {(row["run"], row["system"], row["trials"]): row for row in tsv_rows(out)}
    verdicts = {name[:2]: row["verdict"] for name, row in rows.items() if name[2] == "eval"}
    assert verdicts["tdnn_s2", "plda"] == "worse" and verdicts["resnet", "cosine"] == "better"
    metrics = json.loads((exp / "resnet/scores/eval/metrics.json").read_text())["systems"]["plda"]["metrics"]
    bounds = [float(rows["resnet", "plda", "eval"][f"eer_{end}"]) for end in ("low", "high")]
    assert bounds == pytest.approx(metrics["intervals"]["eer"], rel=1e-5)
    assert any(row[0] == "resnet plda chosen" and "no difference shown" in row[2] for row in Page(page).rows)
    lines = (out / "report.tsv").read_text().splitlines()
    for row in Page(page).rows:  # the line of report.tsv that stands beside each run is its own
        if len(row) > 9 and row[0].isdigit():
            assert lines[int(row[0]) - 1].split("\t")[0] == row[1]


def test_a_primary_system_is_the_reference(exp):
    results = load_results(sorted(exp.glob("*/scores/*/metrics.json")))
    standings = rank(group_rows(make_rows(results, "plda")), "eer")["eval"]
    assert [one.group.name for one in standings if one.reference] == [("resnet", "plda")]  # ranks above tdnn's
    assert standings[0].group.name == ("tdnn", "cosine") and standings[0].difference


def test_without_a_development_list_the_page_says_so(exp, tmp_path):
    for run in ("tdnn", "tdnn_s2", "resnet"):
        shutil.copytree(exp / run / "scores/eval", tmp_path / run / "scores/eval")
    files = sorted(map(str, tmp_path.glob("*/scores/*/metrics.json")))
    make_report.main([str(tmp_path), "--metrics", *files, "--primary", "plda", "--metric", "act_dcf_0.01"])
    make_report.main([str(tmp_path), "--metrics", *files, "--primary", "plda"])
    page = page_text(tmp_path)
    assert "Ranked by EER on the list itself" in page
    assert "and its model ranks highest on this very list, which flatters it" in page
    assert re.search("The lowest on this list is EER .* of <code>resnet cosine</code>", page)


def test_a_score_file_in_the_working_directory_is_none_of_the_runs(exp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cosine.scores").write_text("a b 1\n")
    assert [row.scores for row in ranked(exp)["eval"][0].group.done] == [
        exp / run / "scores/eval/cosine.scores" for run in ("tdnn", "tdnn_s2")
    ]
    ranked(exp)  # finds the draws, too


def test_lost_draws_are_named(exp, tmp_path):
    (exp / "resnet/scores/eval/plda.replicates.npy").rename(tmp_path / "kept.npy")
    with pytest.raises(
        SreError, match=r"plda.replicates.npy: the bootstrap's draws cannot be read .*; delete the metrics.json"
    ):
        ranked(exp)
    (tmp_path / "kept.npy").rename(exp / "resnet/scores/eval/plda.replicates.npy")
