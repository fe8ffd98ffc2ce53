"""RESULTS tables: those of the recipes are what their JSON says, and a JSON is what the scores' metrics say."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.config.conditions import Condition
from sre.io.atomic import sha256_file
from sre.io.trials import read_trials, write_scores, write_trials
from sre.machine.environment import environment
from sre.metrics.bootstrap import Bootstrap, interval, intervals
from sre.metrics.rates import summarise
from sre.report.pages import PART
from sre.report.published import render, rendered
from sre.report.summaries import TABLES, summary, systems
from sre.scoring.identification import IdentificationResult, UnheardResult
from sre.scoring.replicates import replicates_of
from steps import make_report, make_results

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
PLACE = re.compile(r"(?<![\w.}])/\w+/[^\s\"]*")  # an absolute path
PAGES = sorted([*RECIPES.glob("*/RESULTS*.md"), *RECIPES.glob("*/results/*.md")])
SPEAKERS = 8


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(RECIPES)) for page in PAGES])
def test_tables_of_a_recipe_are_those_of_its_json(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    again = rendered(text, lambda name: json.loads((page.parent / name).read_text(encoding="utf-8")))
    assert again == text, f"run: python -m steps.make_results --update {page.relative_to(RECIPES.parent)}"
    by_hand = PART.sub("", text)
    assert not [line for line in by_hand.splitlines() if line.startswith("|") and "EER" in line]


def test_no_json_names_a_place_of_a_machine() -> None:
    found = {path.name: PLACE.findall(path.read_text()) for path in RECIPES.glob("*/results/*.json")}
    assert found and not any(found.values()), found


def test_each_json_is_shown_once() -> None:
    """In a page of its own; in one line or more of a table of several, which is what its RESULTS begins with."""
    parts = [(page, part[1].split()) for page in PAGES for part in PART.finditer(page.read_text(encoding="utf-8"))]
    whole = sorted(page.parent / name for page, (name, *more) in parts if not more and name not in TABLES)
    summaries = sorted(page.parent / name for page, (_, *names) in parts for name in names)
    assert whole == summaries == sorted(RECIPES.glob("*/results/*.json")) and whole
    for page in RECIPES.glob("*/RESULTS*.md"):
        third = page.read_text(encoding="utf-8").split("\n", 3)[2]
        assert third.startswith(("<!-- begin summary ", "<!-- begin systems ")), page


def score(folder: Path, run: str, model: str, seed: int, gap: float, condition: Condition | None = None) -> np.ndarray:
    """What a score job leaves of one working and one failed system; the draws of the EER."""
    name = f"{condition.of}_{condition.suffix}" if condition else "main"
    trials, job = read_trials(folder / "main"), folder / run / "scores" / name
    draw = np.random.default_rng(len(model) + seed)
    scores = (draw.normal(size=len(trials)) + gap * trials.target).astype(np.float32)
    speakers = (ids[places] for ids, places in ((trials.enrol_ids, trials.enrol), (trials.test_ids, trials.test)))
    bootstrap = Bootstrap.of_speakers(*(np.char.partition(some.astype(str), "_")[:, 0] for some in speakers), 50, 1)
    draws = bootstrap.replicates(scores.astype(float), trials.target)
    metrics = summarise(scores, trials.target)
    metrics["intervals"] = intervals(metrics, draws, SPEAKERS)
    job.mkdir(parents=True)
    write_scores(job / "cosine.scores", trials, scores)
    np.save(replicates_of(job / "cosine.scores"), np.stack(list(draws.values()), axis=1))
    good = {"status": "ok", "scores": "cosine.scores", "metrics": metrics, "backend": {}}
    systems = {"cosine": good, "plda": {"status": "failed", "reason": "PLDA needs 10 speakers and got 4"}}
    content = {"model": model, "run": run, "seed": seed, "role": "evaluation", "trials": name, "systems": systems}
    content |= {"role": "condition", "condition": asdict(condition)} if condition else {}
    content |= {"trials_file": str(folder / "main"), "trials_sha256": sha256_file(folder / "main")}
    content |= {"config_sha256": "c" * 64, "wall_s": 1.5, "bootstrap": bootstrap.facts(), "environment": environment()}
    (job / "metrics.json").write_text(json.dumps(content))
    summary = {"parameters": 1000, "macs_2s": 25_000_000, "training_s": 60.0 * seed, "utterances_per_s_8s": 8.0 / seed}
    summary["device"] = "cpu, 2 cores"
    (folder / run / "train_summary.json").write_text(json.dumps(summary))
    return draws["eer"]


def rank_1(rate: float) -> dict:
    return {"rank_1": rate, "rank_5": 1.0, "intervals": {"rank_1": [rate - 0.1, 1.0]}}


UNHEARD = UnheardResult(speakers=20, utterances=60, ways={"classifier": rank_1(0.9), "nearest_mean": rank_1(0.8)})


@pytest.fixture(scope="module")
def exp(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """An experiment with its report: one model of two seeds, one of one; the mean of the draws of the former's EER."""
    folder = tmp_path_factory.mktemp("exp")
    names = [f"{speaker}_{n}" for speaker in range(SPEAKERS) for n in range(3)]
    write_trials(folder / "main", [(a, b, a[0] == b[0]) for a in names for b in names if a < b])
    draws = [score(folder, run, "xvector", seed, 2.0) for run, seed in (("xvector", 1), ("xvector_s2", 2))]
    score(folder, "resnet", "resnet", 1, 1.0)
    lists = {"main": {"cosine": rank_1(0.5)}}
    IdentificationResult("xvector", "xvector", 1, 50, UNHEARD, lists).write(folder / "xvector/identification.json")
    files = sorted(map(str, folder.glob("*/scores/*/metrics.json")))
    make_report.main([str(folder), "--metrics", *files, "--primary", "xvector/cosine"])
    return folder, np.mean(draws, axis=0)


def test_the_json_has_the_numbers_and_the_table_shows_them(exp, tmp_path: Path) -> None:
    folder, draws = exp
    out, page = tmp_path / "results/x.json", tmp_path / "RESULTS.md"
    make_results.main([str(folder), str(out), "--command", "snakemake -j8"])
    make_results.main([str(folder), str(out)])  # it keeps its command
    made = json.loads(out.read_text())
    files = {run: json.loads((folder / run / "scores/main/metrics.json").read_text()) for run in made["trainings"]}
    metrics = {run: file["systems"]["cosine"]["metrics"] for run, file in files.items()}
    assert made["identified"] == {"xvector": {"unheard": asdict(UNHEARD), "lists": {"main": {"cosine": rank_1(0.5)}}}}
    good = [row for row in made["rows"] if row["system"] == "cosine"]
    assert len(made["rows"]) == 6 and {row["run"] for row in good} == {"resnet", "xvector", "xvector_s2"}
    for row in good:
        assert row["metrics"].items() <= metrics[row["run"]].items()
        assert row["intervals"] == metrics[row["run"]]["intervals"]
        assert row["marks"] == ([] if row["run"] == "resnet" else ["primary", "best"])
    (mean,) = made["means"]
    eers = [metrics[run]["eer"] for run in ("xvector", "xvector_s2")]
    assert mean["metrics"]["eer"] == pytest.approx(np.mean(eers))
    assert mean["intervals"]["eer"] == pytest.approx(interval(np.mean(eers), draws, SPEAKERS, 100.0))

    page.write_text("words\n<!-- begin results/x.json -->\n<!-- end results/x.json -->\nmore words\n")
    make_results.main(["--update", str(page)])
    once = page.read_text()
    make_results.main(["--update", str(page)])
    assert page.read_text() == once and once.startswith("words\n<!-- begin") and once.endswith("-->\nmore words\n")
    assert "```\nsnakemake -j8\n```" in once and files["resnet"]["trials_sha256"] in once
    assert "of 8 speakers" in once and "xvector: 1,000 parameters, trained in 1.0 to 2.0 minutes" in once
    (line,) = [line for line in once.splitlines() if line.startswith("| xvector | cosine (primary, best)")]
    low, high = mean["intervals"]["eer"]
    value = f"**{np.mean(eers):.3f} ({min(eers):.3f} to {max(eers):.3f})** | {low:.3f} to {high:.3f}"
    assert value in line and line.endswith("| 1 2 |  |")
    quoted = f"| xvector | 0.001 | 0.025 | 1.5 | 6.0 | cosine | {np.mean(eers):.2f} ({low:.2f} to {high:.2f}) |"
    assert quoted in once.splitlines()
    assert re.search(r"^\| resnet \| plda \|[ |]+\| PLDA needs 10 speakers and got 4 \|$", once, re.M)


def facts_of(name: str, eers: dict[tuple[str, str], list[float]]) -> dict:
    """An experiment's JSON: (model, marked system) -> EERs of its seeds on the list NAME_main; one interval for all."""
    rows, means = [], []
    for (model, system), values in eers.items():
        names = {"model": model, "system": system.split()[0], "list": f"{name}_main"}
        marks = system.split()[1:]
        rows += [names | {"metrics": {"eer": eer}, "intervals": {"eer": [1, 9]}, "marks": marks} for eer in values]
        mean = {"metrics": {"eer": float(np.mean(values))}, "intervals": {"eer": [2, 8]}}
        means += [names | mean] * (len(values) > 1)
    size = {"targets": 1000, "nontargets": 20000}
    lists = [
        {"name": f"{name}_main", "role": "evaluation"} | size,
        {"name": f"{name}_dev", "role": "development"} | size,
    ]
    return {"name": name, "lists": lists, "rows": rows, "means": means}


def test_a_summary_has_a_line_a_list() -> None:
    """Of the lower of two models; the primary system before the chosen one; the mean of seeds before its range."""
    one = facts_of("one", {("a", "cosine chosen"): [3.0], ("a", "plda primary"): [5.0], ("b", "plda primary"): [4.0]})
    two = facts_of("two", {("a", "cosine"): [1.0, 2.0], ("a", "plda chosen"): [5.0, 7.0]})
    no_choice = facts_of("none", {("a", "cosine"): [1.0]})
    assert summary([one, two, no_choice]).strip().splitlines()[2:] == [
        "| one | main | 1,000 + 20,000 | b (lowest of 2) | plda | 4.00 | 1.00 to 9.00 |  |",
        "| two | main | 1,000 + 20,000 | a | plda | 6.00 | 2.00 to 8.00 | 5.00 to 7.00 |",
    ]
    assert "none has a primary or a chosen system" in summary([no_choice])


def test_a_table_of_systems_has_rates_accuracies_and_costs() -> None:
    """A line for each model and list; the accuracy is the mean of the seeds, and its interval that of one run."""
    one = facts_of("one", {("a", "cosine primary"): [3.0], ("b", "cosine primary"): [4.0, 6.0]})
    for row, run in zip(one["rows"], ("a", "b", "b_s2"), strict=True):
        row["run"] = run
        row["metrics"]["min_dcf_0.01"] = 0.5
    cost = {"parameters": 1_500_000, "training_s": 60.0, "device": "a chip"}
    one["trainings"] = {"a": cost, "b": cost, "b_s2": cost | {"training_s": 180.0, "device": "another"}}
    heard = asdict(UNHEARD)
    of_lists = {"one_main": {"cosine": rank_1(0.7)}}
    one["identified"] = {
        "a": {"unheard": heard, "lists": of_lists},
        "b": {"unheard": heard | {"ways": {"nearest_mean": rank_1(0.5)}}, "lists": {}},
        "b_s2": {"unheard": heard | {"ways": {"nearest_mean": rank_1(0.6)}}, "lists": {}},
    }
    lists = "one | main | 1,000 + 20,000"
    assert systems([one]).strip().splitlines()[2:] == [
        f"| {lists} | a | cosine | 3.00 | 1.00 to 9.00 | 0.5000 | 60, 20 | 90.0 (80.0 to 100.0) |"
        " 80.0 (70.0 to 100.0) | 70.0 (60.0 to 100.0) | 1.500 | 1.0 | a chip |",
        f"| {lists} | b | cosine | 5.00 | 2.00 to 8.00 |  | 60, 20 |  | 55.0 |  | 1.500 | 2.0 | a chip and another |",
    ]
    without = facts_of("two", {("a", "cosine primary"): [3.0]}) | {"trainings": {}}
    without["rows"][0]["run"] = "a"
    assert systems([without]).strip().splitlines()[2:] == [
        "| two | main | 1,000 + 20,000 | a | cosine | 3.00 | 1.00 to 9.00 |"
    ]


def test_scores_that_changed_after_the_report_are_refused(exp, tmp_path: Path) -> None:
    folder, _ = exp
    path = folder / "resnet/scores/main/metrics.json"
    whole = path.read_text()
    changed = json.loads(whole)
    changed["systems"]["cosine"]["metrics"]["eer"] += 1
    path.write_text(json.dumps(changed))
    try:
        with pytest.raises(SreError, match="not those of the scores; make the report again"):
            make_results.main([str(folder), str(tmp_path / "x.json"), "--command", "x"])
    finally:
        path.write_text(whole)


def test_a_fusion_of_models_is_no_line_of_their_costs() -> None:
    """It has no training, and the whole table of the models was left out for it."""
    results = json.loads((RECIPES / "custom/results/ko_models.json").read_text(encoding="utf-8"))
    of_one = [row for row in results["rows"] if row["model"] == results["rows"][0]["model"]]
    fused = [row | {"run": "both", "model": "a+b"} for row in of_one]
    before, after = render(results), render(results | {"rows": results["rows"] + fused, "fused": ["both"]})
    heading = "| model | parameters, M | MACs of 2 s, G |"
    assert after.partition(heading)[2].partition("###")[0] == before.partition(heading)[2].partition("###")[0] != ""
    assert "| a+b |" in after


def test_a_part_without_its_end_is_refused() -> None:
    with pytest.raises(SreError, match="results/x.json"):
        rendered("<!-- begin results/x.json -->\n<!-- end results/y.json -->\n", lambda name: {})
