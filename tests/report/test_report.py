import html.parser
import json

import numpy as np
import pytest

from sre import SreError
from sre.io.atomic import sha256_file
from sre.io.trials import read_trials, write_scores, write_trials
from sre.metrics import summarise
from steps import make_report

TARGETS, NONTARGETS = 300, 1500
# run, model, seed, {system: how far the target scores lie above the nontarget scores; None: it failed}
RUNS = (
    ("resnet34", "resnet34", 1, {"cosine": 3.2, "cosine+asnorm": 3.4, "plda": 2.8}),
    ("xvector", "xvector", 1, {"cosine": 2.4, "plda": 2.0, "plda+asnorm": None}),
    ("xvector_s2", "xvector", 2, {"cosine": 2.6, "plda": 2.1, "plda+asnorm": None}),
    ("xvector_s3", "xvector", 3, {"cosine": 2.5, "plda": None, "plda+asnorm": None}),
)
REASON = "PLDA needs 10 speakers and got 4 <of them>; train on more"


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def make_list(folder, name):
    pairs = [(f"spk{n % 50:03}", f"utt{n // 50:03}", n < TARGETS) for n in range(TARGETS + NONTARGETS)]
    write_trials(folder / name, pairs)
    return read_trials(folder / name)


def make_job(folder, trials_name, trials, run, model, seed, systems):
    """A made-up product of one score job; scores are named relative to its folder."""
    job = folder / run / "scores" / trials_name
    rng = np.random.default_rng(seed + len(run) + len(trials_name))
    outcomes = {}
    for system, gap in systems.items():
        if gap is None:
            outcomes[system] = {"status": "failed", "reason": REASON}
            continue
        scores = (rng.normal(size=len(trials)) + gap * trials.target).astype(np.float32)
        job.mkdir(parents=True, exist_ok=True)
        write_scores(job / f"{system}.scores", trials, scores)
        outcomes[system] = {"status": "ok", "scores": f"{system}.scores"}
        outcomes[system] |= {
            "metrics": summarise(scores, trials.target),
            "backend": {"lda_dim": {"asked": 128}},
        }
    content = {"model": model, "seed": seed, "run": run, "trials": trials_name, "systems": outcomes}
    content |= {"trials_sha256": sha256_file(folder / trials_name), "config_sha256": "c" * 64, "wall_s": 1.25}
    return write_json(job / "metrics.json", content | {"trials_file": str(folder / trials_name)})


def make_training(folder, run, epochs=6):
    lines = []
    for epoch in range(1, epochs + 1):
        line = {"epoch": epoch, "loss": 5 / epoch, "accuracy": 90 - 80 / epoch, "lr": 0.1 * 0.6**epoch}
        line |= {"margin": min(0.2, 0.05 * epoch), "valid_accuracy": None, "valid_eer": 9 + 5 / epoch}
        lines.append(json.dumps(line | {"utt_per_s": 100.0, "data_wait": 0.1, "seconds": 3.0}) + "\n")
    summary = {"parameters": 4_200_000, "speakers": 40, "dropped": {"too_short": 3}, "torch": "2.11.0"}
    path = write_json(folder / run / "train_summary.json", summary)
    path.with_name("history.jsonl").write_text("".join(lines))
    return path


def run_report(folder, out="report", extra=()):
    metrics = sorted(map(str, folder.glob("*/scores/*/metrics.json")))
    summaries = sorted(map(str, folder.glob("*/train_summary.json")))
    make_report.main([str(folder / out), "--metrics", *metrics, "--summaries", *summaries, *extra])
    return folder / out


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exp")
    for name in ("eval", "eval_enroll5"):
        trials = make_list(folder, name)
        for run in RUNS:
            make_job(folder, name, trials, *run)
    for run, *_ in RUNS:
        make_training(folder, run)
    data = [{"split": "train", "utterances": 3000, "speakers": 100, "rejected": 2}]
    write_json(folder / "notes.json", {"notes": ["Long utterances were cut into 4 s pieces."], "data": data})
    options = ["--primary", "xvector/cosine", "--title", "Made up & so on"]
    run_report(folder, extra=[*options, "--notes", str(folder / "notes.json")])
    return folder


def systems(folder):
    for path in sorted(folder.glob("*/scores/*/metrics.json")):
        job = json.loads(path.read_text())
        for system, outcome in job["systems"].items():
            yield job, system, outcome


def tsv_rows(folder):
    head, *lines = (line.split("\t") for line in (folder / "report.tsv").read_text().splitlines())
    return [dict(zip(head, line, strict=True)) for line in lines]


class Page(html.parser.HTMLParser):
    """Checks that tags nest; collects the cells of table rows, ids and references."""

    VOID = ("meta", "br", "path", "use", "rect")

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.ids, self.refs = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.refs += [v for k, v in attributes.items() if k in ("href", "src", "xlink:href")]
        if tag == "svg":
            assert attributes["role"] == "img" and attributes["aria-label"]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, text):
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += text


def test_every_number_of_the_json_is_in_the_three_tables(exp):
    rows = {(row["run"], row["system"], row["trials"]): row for row in tsv_rows(exp / "report")}
    cells = [row for row in Page((exp / "report/report.html").read_text()).rows if len(row) == 8]
    markdown = (exp / "report/report.md").read_text()
    assert len(rows) == len(list(systems(exp))) == 24
    for job, system, outcome in systems(exp):
        row = rows[job["run"], system, job["trials"]]
        if outcome["status"] == "failed":
            assert (row["status"], row["eer"], row["note"]) == ("failed", "", REASON)
            assert [job["run"], system, "", "", "", "", str(job["seed"]), REASON] in cells
            assert REASON in markdown
            continue
        metrics = outcome["metrics"]
        for key in ("eer", "min_dcf_0.01", "min_dcf_0.05", "min_dcf_0.001", "eer_threshold", "targets"):
            assert float(row[key]) == pytest.approx(metrics[key], rel=1e-5)
        shown = [f"{metrics['eer']:.3f}", *(f"{metrics[f'min_dcf_{p}']:.4f}" for p in (0.01, 0.05, 0.001))]
        assert any(c[0] == job["run"] and c[1].split()[0] == system and c[2:6] == shown for c in cells)
        assert " | ".join(shown[1:]) in markdown


def test_mean_and_range_over_seeds(exp):
    eers = [
        outcome["metrics"]["eer"]
        for job, system, outcome in systems(exp)
        if (job["model"], system, job["trials"]) == ("xvector", "cosine", "eval")
    ]
    expected = f"{np.mean(eers):.3f} ({min(eers):.3f} to {max(eers):.3f})"
    assert len(eers) == 3
    table = (exp / "report/report.md").read_text().split("## eval_enroll5")[0]
    assert f"| *xvector, mean of 3* | cosine (primary) | {expected} |" in table
    (incomplete,) = [line for line in table.splitlines() if "2 of 3 seeds" in line]
    assert incomplete.startswith("| *xvector, mean of 2* | plda |") and "| 1 2 |" in incomplete


def test_page_is_self_contained_and_sound(exp):
    text = (exp / "report/report.html").read_text()
    page = Page(text)
    assert "http:" not in text and "https:" not in text and "<script" not in text and "@import" not in text
    assert all(ref.startswith("#") and ref[1:] in page.ids for ref in page.refs)
    assert len(page.ids) == len(set(page.ids))
    assert len(text) < 3_000_000
    assert "Made up &amp; so on" in text and "4 &lt;of them&gt;" in text
    assert "Long utterances were cut into 4 s pieces." in text
    assert ["train", "3000", "100", "2"] in page.rows
    assert ["dropped.too_short", "3", "3", "3", "3"] in page.rows
    assert text.count("This is the expected case for embeddings trained with a margin loss") == 1
    assert str(exp) not in text


def test_same_inputs_same_bytes(exp):
    first, second = (run_report(exp, name, ["--primary", "cosine"]) for name in ("one", "two"))
    for name in ("report.tsv", "report.md", "report.html"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_table_is_printed(exp, capsys):
    out = run_report(exp, "printed")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == str(out / "report.html")
    best = min(
        (outcome["metrics"]["eer"], system)
        for job, system, outcome in systems(exp)
        if job["trials"] == "eval" and job["run"] == "resnet34"
    )
    (marked,) = [line for line in lines if line.startswith("eval ") and " best" in line]
    assert marked.split()[1:4] == ["resnet34", best[1], f"{best[0]:.3f}"]


def test_all_failed_still_makes_a_report(tmp_path):
    make_job(tmp_path, "eval", make_list(tmp_path, "eval"), "xvector", "xvector", 1, {"plda": None})
    text = (run_report(tmp_path) / "report.html").read_text()
    assert "4 &lt;of them&gt;" in text and "No system was scored on this list" in text


def test_two_lists_of_one_name_are_refused(tmp_path):
    trials = make_list(tmp_path, "eval")
    for run in RUNS[:2]:
        path = make_job(tmp_path, "eval", trials, *run)
    path.write_text(path.read_text().replace(sha256_file(tmp_path / "eval"), "0" * 64))
    with pytest.raises(SreError, match="trial list eval: scored in two versions"):
        run_report(tmp_path)


def test_an_unknown_primary_system_is_refused(exp):
    with pytest.raises(SreError, match="primary system 'cosin' is in no metrics file; write one of cosine"):
        run_report(exp, "none", ["--primary", "cosin"])
