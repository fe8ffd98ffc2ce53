import html.parser
import json

import numpy as np
import pytest

from sre import SreError
from sre.io.atomic import sha256_file
from sre.io.trials import read_trials, write_scores, write_trials
from sre.metrics.rates import summarise
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


def make_comparison(folder, roles=("development", None)):
    """Two models, seeds 1 and 2 of one, on a development and an evaluation list whose best systems differ."""
    # resnet's cosine is best on development over both seeds, not on evaluation, nor with its seed 2
    gaps = {"cosine": (2.9, 2.3), "plda": (2.6, 3.4), "cosine+cal": (2.9, 2.3), "fusion": (2.6, 3.0)}
    for number, name in enumerate(("dev", "eval")):
        trials = make_list(folder, name)
        for run, model, seed in (("resnet", "resnet", 1), ("resnet_s2", "resnet", 2), ("xvector", "xvector", 1)):
            some = {system: pair[number] - (seed == 2) * (system == "cosine") * 0.4 for system, pair in gaps.items()}
            some["cosine"] += 0.8 * (seed == 1 and model == "resnet") - 1.5 * (model == "xvector")
            path = make_job(folder, name, trials, run, model, seed, some)
            job = json.loads(path.read_text())
            fit = {"facts": {"p_target": 0.05}, "trials": "dev"}
            job["systems"]["cosine+cal"]["calibration"] = fit | {
                "weights": [7.5],
                "offset": -1.25,
                "inputs": ["cosine"],
            }
            fused = fit | {"weights": [0.75, -0.125], "offset": 0.5, "inputs": ["cosine", "plda"]}
            job["systems"]["fusion"]["calibration"] = fused
            write_json(path, job | ({"role": roles[number]} if roles[number] else {}))
    return folder


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
    data = [{"split": "train", "utterances": 3000, "speakers": 100, "rejected": 2, "reasons": {"too short": 2}}]
    write_json(folder / "notes.json", {"notes": ["Long utterances were cut into 4 s pieces."], "data": data})
    options = ["--primary", "xvector/cosine", "--title", "Made up & so on"]
    run_report(folder, extra=[*options, "--notes", str(folder / "notes.json")])
    return folder


def page_text(folder):
    """The page, its no-break spaces as spaces."""
    return (folder / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")


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
        self.feed(text.replace("\N{NO-BREAK SPACE}", " "))
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
    cells = Page((exp / "report/report.html").read_text()).rows
    markdown = (exp / "report/report.md").read_text()
    assert len(rows) == len(list(systems(exp))) == 24
    for job, system, outcome in systems(exp):
        row = rows[job["run"], system, job["trials"]]
        if outcome["status"] == "failed":
            assert (row["status"], row["eer"], row["note"]) == ("failed", "", REASON)
            assert [job["run"], system, str(job["seed"]), REASON] in [row[1:] for row in cells]
            assert REASON in markdown
            continue
        metrics = outcome["metrics"]
        for key in ("eer", "min_dcf_0.01", "min_dcf_0.05", "min_dcf_0.001", "eer_threshold", "targets"):
            assert float(row[key]) == pytest.approx(metrics[key], rel=1e-5)
        shown = [f"{metrics['eer']:.3f}", *(f"{metrics[f'min_dcf_{p}']:.4f}" for p in (0.01, 0.05, 0.001))]
        assert any(c[1] == job["run"] and c[2].split()[:1] == [system] and c[4:8] == shown for c in cells if c[7:])
        assert " | ".join(shown[1:]) in markdown


def test_mean_and_range_over_seeds(exp):
    eers = [
        outcome["metrics"]["eer"]
        for job, system, outcome in systems(exp)
        if (job["model"], system, job["trials"]) == ("xvector", "cosine", "eval")
    ]
    expected = f"{np.mean(eers):.3f} ({min(eers):.3f} to {max(eers):.3f})"
    assert len(eers) == 3
    table = (exp / "report/report.md").read_text().split("#### Every run")[1].split("**eval_enroll5**")[0]
    assert f"| xvector, mean of 3 | cosine (primary) | 1 2 3 | {expected} |" in table
    (incomplete,) = [line for line in table.splitlines() if "2 of 3 seeds" in line]
    assert incomplete.startswith("|  | xvector, mean of 2 | plda | 1 2 |")


def test_page_is_self_contained_and_sound(exp):
    text = page_text(exp / "report")
    page = Page(text)
    assert "http:" not in text and "https:" not in text and "<script" not in text and "@import" not in text
    assert all(ref.startswith("#") and ref[1:] in page.ids for ref in page.refs)
    assert len(page.ids) == len(set(page.ids))
    assert len(text) < 3_000_000
    assert "Made up &amp; so on" in text and "4 &lt;of them&gt;" in text
    assert "Long utterances were cut into 4 s pieces." in text
    assert ["data", "train", "3,002", "3,000", "100", "2", "2 too short"] in page.rows  # no hours are known
    assert ["dropped.too_short", "3", "3", "3", "3"] in page.rows
    assert text.count("This is the expected case for embeddings trained with a margin loss") == 1
    assert text.count(str(exp)) == 1 and f"sre trace {exp}/report/report.tsv:LINE" in text


def test_same_inputs_same_bytes(exp):
    made = []
    for _ in range(2):
        out = run_report(exp, "again", ["--primary", "cosine"])
        made.append([(out / name).read_bytes() for name in ("report.tsv", "report.md", "report.html")])
    assert made[0] == made[1]


def test_the_table_is_printed(exp, capsys):
    out = run_report(exp, "printed")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == str(out / "report.html")
    best = min(
        (outcome["metrics"]["eer"], system)
        for job, system, outcome in systems(exp)
        if job["trials"] == "eval" and job["run"] == "resnet34"
    )
    assert lines[1] == "eval: 300 target and 1,500 nontarget trials" and max(map(len, lines[:-1])) <= 120
    (marked,) = [
        line for line in lines[: lines.index("eval_enroll5: 300 target and 1,500 nontarget trials")] if "(best" in line
    ]
    assert marked.split()[:4] == ["resnet34", best[1], "(best)", f"{best[0]:.2f}"]


def test_all_failed_still_makes_a_report(tmp_path):
    make_job(tmp_path, "eval", make_list(tmp_path, "eval"), "xvector", "xvector", 1, {"plda": None})
    text = page_text(run_report(tmp_path))
    assert "4 &lt;of them&gt;" in text and "No system was scored on this list" in text


def test_two_lists_of_one_name_are_refused(tmp_path):
    trials = make_list(tmp_path, "eval")
    for run in RUNS[:2]:
        path = make_job(tmp_path, "eval", trials, *run)
    path.write_text(path.read_text().replace(sha256_file(tmp_path / "eval"), "0" * 64))
    with pytest.raises(SreError, match="trial list eval: scored in two versions"):
        run_report(tmp_path)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = make_comparison(tmp_path_factory.mktemp("comparison"))
    run_report(folder)
    return folder


def mean_eers(folder, trials, model):
    eers = {}
    for job, system, outcome in systems(folder):
        if (job["trials"], job["model"]) == (trials, model):
            eers.setdefault(system, []).append(outcome["metrics"]["eer"])
    return {system: np.mean(values) for system, values in eers.items()}


def test_what_is_chosen_on_development_is_marked_on_evaluation(comparison):
    markdown = (comparison / "report/report.md").read_text()
    evaluation, development = markdown.split("#### Every run")[0].split("**dev (development)**")
    assert "(best)" not in development and "(chosen" not in development
    chosen = {model: min(eers := mean_eers(comparison, "dev", model), key=eers.get) for model in ("resnet", "xvector")}
    best = {model: min(mean_eers(comparison, "eval", model).values()) for model in chosen}
    assert chosen["resnet"] == "cosine" != chosen["xvector"]
    marked = [line.split()[1:3] for line in evaluation.splitlines() if "(chosen" in line]
    assert {tuple(name) for name in marked} == set(chosen.items())
    (line,) = [line for line in evaluation.splitlines() if "best)" in line]
    assert f" {min(best.values()):.2f} " in line
    rows = [row for row in tsv_rows(comparison / "report") if row["chosen"]]
    assert {(row["model"], row["system"], row["role"]) for row in rows} == {(*c, "evaluation") for c in chosen.items()}
    text = page_text(comparison / "report")
    assert text.count('<span class="badge">chosen</span>') == 2 * 2  # ranked, and every run
    said = "<strong>EER 12.07 %</strong> (without an interval) of <code>xvector cosine+cal</code>"
    assert f"the number to quote is {said}, because it is the first on the development list." in text


def test_calibration_before_and_after(comparison):
    page = Page((comparison / "report/report.html").read_text())
    tables = [(comparison / "report/report.md").read_text().replace("| ", "|").replace(" |", "|")]
    tables.append("".join(f"|{'|'.join(row)}|\n" for row in page.rows))
    for table in tables:
        for path in comparison.glob("*/scores/*/metrics.json"):
            job = json.loads(path.read_text())
            before, after, fused = (job["systems"][s]["metrics"] for s in ("cosine", "cosine+cal", "fusion"))
            changes = [f"{before[key]:.4f} → {after[key]:.4f}" for key in ("act_dcf_0.05", "cllr")]
            cells = [job["run"], "cosine+cal", *changes, f"{after['min_cllr']:.4f}", "-1.25", "7.5"]
            assert "|".join(["", *cells, "dev, P_target 0.05", ""]) in table
            rates = [f"{fused[key]:.4f}" for key in ("act_dcf_0.05", "cllr", "min_cllr")]
            assert "|".join([job["run"], "fusion", *rates, "0.5", "cosine 0.75, plda -0.125"]) in table
    assert "2.9444 for P_target 0.05, 4.5951 for P_target 0.01, 6.9068 for P_target 0.001" in tables[0]


def test_metrics_of_older_versions_leave_their_cells_empty(tmp_path):
    make_comparison(tmp_path)
    for path in tmp_path.glob("*/scores/*/metrics.json"):
        job = json.loads(path.read_text())
        for outcome in job["systems"].values():
            outcome["metrics"] = {k: v for k, v in outcome["metrics"].items() if "act_dcf" not in k and "cllr" not in k}
        write_json(path, job)
    page = Page((run_report(tmp_path) / "report.html").read_text())
    (head,) = [row for row in page.rows if row[:3] == ["line", "run", "system"]]
    assert head[3:] == ["seed", "EER, %", "minDCF(0.01)", "minDCF(0.05)", "minDCF(0.001)"]
    assert len([row for row in page.rows if len(row) == len(head) and row[0].isdigit()]) == 2 * 3 * 4


def test_a_list_has_one_role(tmp_path):
    path = make_comparison(tmp_path) / "xvector/scores/dev/metrics.json"
    write_json(path, json.loads(path.read_text()) | {"role": "evaluation"})
    with pytest.raises(SreError, match="trial list dev: a development list in some metrics files"):
        run_report(tmp_path)


def test_an_unknown_primary_system_is_refused(exp):
    with pytest.raises(SreError, match="primary system 'cosin' is in no metrics file; write one of cosine"):
        run_report(exp, "none", ["--primary", "cosin"])
