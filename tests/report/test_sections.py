"""Blocks on paper, in each of their three forms; and what the sections say of results that are made up."""

import re
import types
from dataclasses import replace
from pathlib import Path

import pytest
from test_report import make_comparison, page_text, run_report, write_json

from sre.experiments.read import Trained
from sre.experiments.records import Record
from sre.io.text import read_json
from sre.report import build
from sre.report.blocks import Beside, Bullets, Cell, Figure, Figures, Fold, Line, Part, Section, Table, Terms, Text
from sre.report.html import page
from sre.report.jobs import step_costs
from sre.report.markdown import markdown
from sre.report.sections import data
from sre.report.sections.cost import cost_table, trainings_table
from sre.report.sections.errors import with_links
from sre.report.sections.provenance import backend_facts
from sre.report.terminal import text_table
from sre.scoring.identification import IdentificationResult, UnheardResult
from sre.training.gate_files import FeatureCounts, FeaturesChecked, Gates, ListCounts, SplitCounts
from sre.training.summary import TrainSummary

EXTENDING = Path(__file__).resolve().parents[2] / "docs/extending.md"


def results() -> Table:
    """Two lists; a system without a note, one that failed; a column that is empty in all lines."""
    good = [Cell("plda", badges=["best"]), Cell("8.25", "5.10 to 11.40"), Cell("worse", "+1.2 (+0.4 to +2.0)"), "", ""]
    lines = [Line(good, "reference"), Line(["cosine"], "failed", "it broke; mend it")]
    head = ["system", "EER, %", "against", "on development", "note"]
    return Table("Ranked", head, [Part("main", "12 trials", lines), Part("other", "", lines[:1])])


def test_a_table_in_its_three_forms() -> None:
    text = markdown("t", [Section("Results", [results()])])
    assert "| system | EER, % | against |\n| --- | --: | --- |\n" in text
    assert "**main**: 12 trials\n\n" in text and "| cosine | it broke; mend it |  |\n" in text
    assert "| plda (best) | 8.25 (5.10 to 11.40) | worse: +1.2 (+0.4 to +2.0) |" in text
    html = page("t", [Section("Results", [results()])])
    assert '<tr class="reference"><th scope="row" class="word">plda <span class="badge">best</span></th>' in html
    assert '<td class="n word">8.25<small>5.10 to 11.40</small></td>' in html
    assert '<td class="note" colspan="2">it broke; mend it</td>' in html and "on development" not in html
    assert text_table(results()).splitlines() == [
        "system         EER, %                against",
        "main: 12 trials",
        "  plda (best)  8.25 (5.10 to 11.40)  worse: +1.2 (+0.4 to +2.0)",
        "  cosine  it broke; mend it",
        "other:",
        "  plda (best)  8.25 (5.10 to 11.40)  worse: +1.2 (+0.4 to +2.0)",
    ]


def test_a_table_in_which_everything_failed() -> None:
    table = Table("Ranked", ["system", "EER, %", "note"], [Part("main", "", [Line(["plda"], "failed", "it broke")])])
    assert '<td class="note" colspan="1">it broke</td>' in page("t", [Section("Results", [table])])
    assert "| system | EER, % |\n| --- | --- |\n| plda | it broke |\n" in markdown("t", [Section("Results", [table])])


def test_a_narrow_terminal_loses_small_words_first_and_then_the_last_columns() -> None:
    assert text_table(results(), 50).splitlines()[2] == "  plda (best)  8.25 (5.10 to 11.40)  worse"
    assert text_table(results(), 40).splitlines()[2] == "  plda (best)  8.25 (5.10 to 11.40)"
    assert all(len(line) <= 40 for line in text_table(results(), 40).splitlines())


def test_other_blocks_in_both_forms() -> None:
    blocks = [
        Text("**EER** of `a_b` is 5 %."),
        Bullets(["one", "two"]),
        Terms([("EER", "a rate")]),
        Fold("More", [Beside([Text("left"), Figures([Figure("a < b", "<svg></svg>")])])]),
    ]
    html = page("t & u", [Section("", blocks), Section("Empty", [])])
    assert "<strong>EER</strong> of <code>a_b</code> is 5\N{NO-BREAK SPACE}%." in html
    assert "<li>one</li>\n<li>two</li>" in html and "<dt>EER</dt><dd>a rate</dd>" in html
    assert '<details>\n<summary>More</summary>\n<div class="beside">' in html
    assert "<svg></svg><figcaption>a &lt; b</figcaption>" in html and "t &amp; u" in html and "Empty" not in html
    text = markdown("t & u", [Section("", blocks), Section("Empty", [])])
    assert text.startswith("# t & u\n\n**EER** of `a_b` is 5 %.\n\n- one\n- two\n\n- **EER**: a rate\n\n#### More\n")
    assert text.endswith("left\n\n- Figure in `report.html`: a < b\n") and "Empty" not in text


def test_the_section_of_the_docs_is_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file and the line that docs/extending.md shows."""
    text = EXTENDING.read_text(encoding="utf-8")
    source = re.search(r"`sre/report/sections/seeds.py`:\n\n```\n(.*?)```", text, re.DOTALL)[1]
    seeds = types.ModuleType("seeds")
    exec(source, seeds.__dict__)
    line = re.search(r"`(\(\"Seeds\".*?\)),`", text)[1]
    monkeypatch.setattr(build, "SECTIONS", [*build.SECTIONS, eval(line, {"seeds": seeds})])
    out = run_report(make_comparison(tmp_path))
    assert "<h2>Seeds</h2>" in page_text(out) and "<td>2 of 2</td>" in page_text(out)
    assert "\n## Seeds\n\nSeeds that were scored.\n\n| list | system | scored |\n" in (out / "report.md").read_text()


def test_what_to_watch_for(tmp_path: Path, capsys) -> None:
    """A calibration that costs more than deciding unheard, an LDA that was cut, a PLDA of few speakers."""
    for path in make_comparison(tmp_path).glob("xvector/scores/*/metrics.json"):
        job = read_json(path)
        job["systems"]["cosine+cal"]["metrics"]["act_dcf_0.05"] = 1.625
        job["systems"]["plda"]["backend"] = {"lda_dim": 7, "lda_dim_asked": 128, "speakers": 8}
        write_json(path, job)
    text = page_text(run_report(tmp_path))
    said = "On eval, decisions by <code>xvector cosine+cal</code> (actDCF(0.05) 1.62) cost more than deciding without"
    assert said in text and "costs 1: its calibration was fitted on dev and does not hold on eval." in text
    assert "warning: " + said.replace("<code>", "'").replace("</code>", "'") in capsys.readouterr().err
    assert (
        "LDA of <code>xvector plda</code> has 7 dimensions and not 128 as asked: the training data of 8 speakers"
        in text
    )
    assert "The back-end <code>xvector plda</code> was fitted on 8 speakers for 7 dimensions." in text


def test_who_was_named_right(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Shares become per cent; a way without rates has its reason, and what is easy about the utterances is told."""
    rates = {"rank_1": 0.9, "rank_5": 1.0, "intervals": {"rank_1": [0.8, 1.0], "rank_5": None}}
    reasons = {"classifier": "its loss 'triplet' has no class for each speaker"}
    unheard = UnheardResult(12, 40, 6, 0, 30, {"nearest_mean": rates}, reasons)
    searched = {"searches": 50, "mated": 30, "nonmated": 20, "models_max": 12, "fnir_at_fpir_0.1": 0.25}
    lists = {"eval": {"plda": searched | {"rank_1": 0.5, "intervals": {"rank_1": None}}}}
    IdentificationResult("xvector", "xvector", 1, 100, unheard, lists).write(tmp_path / "identification.json")
    named = ["--identification", str(tmp_path / "identification.json")]
    out = run_report(make_comparison(tmp_path), extra=named)
    text = (out / "report.md").read_text()
    assert "## Identification\n" in text
    assert "| xvector | classifier | its loss 'triplet' has no class for each speaker |" in text
    assert "| xvector | nearest mean | 90.00 (80.00 to 100.00) | 100.00 | 40 | 12 |" in text
    assert "30 of the utterances are of a session or recording that was trained on" in text
    assert "| xvector plda | 50.00 | 25.00 | 50 | 20 | 12 |" in text
    said = capsys.readouterr().out
    assert "xvector: 90.00 % (80.00 to 100.00) of 40 unheard utterances among 12 speakers named right by the" in said
    assert "## Identification" not in (run_report(tmp_path, "other") / "report.md").read_text()


def test_a_back_end_is_told_with_its_type() -> None:
    """As the record of its job has it; the command of an old record may have named a file in place of a config."""
    jobs = [replace(job("train_backend", "b", 1), settings={"backends": {"mine": {"type": "plda"}, "old": "old.yaml"}})]
    rows = [
        types.SimpleNamespace(run="r", system=name, list_name="l", outcome=types.SimpleNamespace(backend={"rank": 2}))
        for name in ("mine+asnorm", "old")
    ]
    assert backend_facts(rows, jobs) == [["r", "mine+asnorm", "l", "type plda, rank 2"], ["r", "old", "l", "rank 2"]]


def job(step: str, output: str, seconds: float) -> Record:
    return Record([], {}, {output: None}, "", seconds, 100 + seconds, "", "", {}, "cpu", step)


def test_costs_of_less_than_a_second_share_a_line() -> None:
    jobs = [job("train_embedding", "root/exp/mini/xvector/final.pt", 65)]
    jobs += [job("make_mfcc", f"root/data/train/feats.{n}.scp", 2) for n in (1, 2)]
    jobs += [job("join_features", "data/train/feats.scp", 0.1), job("check_recipe", "exp/mini/gates.json", 0.2)]
    assert [(cost.step, cost.subject, cost.jobs) for cost in step_costs(jobs)][:2] == [
        ("train_embedding", "xvector", 1),
        ("make_mfcc", "train", 2),  # and not `work`, the folder of the root
    ]
    table = cost_table(jobs, {}).without_empty()
    assert table.head == ["step", "of", "jobs", "time, sum", "peak memory, MiB"] and "on cpu" in table.caption
    assert [list(line.cells) for line in table.lines] == [
        ["train_embedding", "xvector", "1", "1:05", "165"],
        ["make_mfcc", "train", "2", "0:04", "102"],
        ["under a second: join_features, check_recipe", "", "2", "0:00", "100"],
    ]
    resumed = {"xvector": Trained("xvector", TrainSummary(training_s=3600.0), [])}
    assert list(cost_table(jobs, resumed).lines[0].cells)[3] == "1:00:00"  # not its last part alone


def test_what_trainings_took_of_their_devices() -> None:
    old = Trained("old", TrainSummary(training_s=3600.0, peak_memory_mib=900.0), [])
    assert [list(line.cells) for line in trainings_table({"old": old}).lines] == [["old", "1", "900"]]
    told = {"num_devices": 4, "device_s": 36000.0, "peak_gpu_mib": 70123.0, "gpu_busy": 0.934, "energy_j": 2.52e7}
    new = Trained("new", TrainSummary(training_s=9000.0, runs=2, **told), [])
    table = trainings_table({"old": old, "new": new, "elsewhere": Trained("elsewhere", TrainSummary(), [])})
    assert table.head == [
        "training", "devices", "device hours", "process, MiB", "GPU, MiB", "GPU busy", "energy, kWh",
    ]  # fmt: skip
    assert [list(line.cells) for line in table.lines] == [
        ["old", "", "1", "900", "", "", ""],
        ["new", "4", "10", "", "70123", "93 %", "7"],
        ["all trainings", "", "11", "", "", "", ""],  # whose energy is not known
    ]
    assert trainings_table({"elsewhere": Trained("elsewhere", TrainSummary(), [])}) is None


def test_what_became_of_the_data() -> None:
    """What a stage leaves comes into the next one; a summary of before tells no hours."""
    splits = [SplitCounts("train", 9, 3, 0.5, 1, {"too short": 1}), SplitCounts("cut", 40, 3, cut=True)]
    gates = Gates([], splits, {"main": ListCounts(3, 7000, 2, 7003)})
    checked = FeaturesChecked([FeatureCounts("train", "fbank40", 8, 1, {"silent": 1}, 3, 0.45)])
    counts = {"utterances_found": 8, "dropped_short": 2, "utterances": 4, "speakers": 2, "held_out_speakers": 1}
    runs = {
        name: Trained(name, TrainSummary(hours=hours, **counts), []) for name, hours in (("new", 0.2), ("old", None))
    }
    held_out = "held out for validation, among them all of 1 speakers"
    filtered = ["8", "6", "", "", "2", "2 are shorter than filter.min_frames"]
    assert data.lines(gates, checked, runs) == [
        ["data", "train", "10", "9", "3", "0.50", "1", "1 too short"],
        ["data", "cut", "", "40", "3", "", "0", ""],
        ["feats fbank40", "train", "9", "8", "3", "0.45", "1", "1 silent"],
        ["train: filters", "new", *filtered],
        ["train: held out", "new", "6", "4", "2", "0.20", "2", held_out],
        ["train: filters", "old", *filtered],
        ["train: held out", "old", "6", "4", "2", "", "2", held_out],
    ]
    assert data.list_lines(gates) == [["main", "3", "7,000", "2"]]


def test_files_that_a_browser_plays_are_linked_from_the_page(tmp_path: Path) -> None:
    for folder in ("data", "exp/mini"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/a b.wav").touch()
    files = [f"{tmp_path}/exp/../data/a b.wav", f"{tmp_path}/data/missing.wav", "feats.ark:17"]
    (row,) = with_links([files], tmp_path / "exp/mini")
    assert row[0].link == row[0].text == "../../data/a b.wav" and row[1:] == files[1:]
    html = page("t", [Section("Files", [Table.of("Files", ["file", "other"], [["x", row[0]]])])])
    assert '<a href="../../data/a%20b.wav">../../data/a b.wav</a>' in html
