"""`sre trace` on a small experiment whose jobs are recorded: its chain, and what is no longer as it was."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from trial_lists import index_trials

from sre import SreError
from sre.cli.trace import print_trace as trace
from sre.io.atomic import sha256_file
from sre.io.trials import read_trials, write_scores, write_trials
from sre.metrics.bootstrap import intervals
from sre.metrics.rates import summarise
from steps.record_job import main as record_job

COPY = """
import pathlib, sys
for path in [path for path in sys.argv[2:] if path[0] != "{"]:
    pathlib.Path(path).write_text(pathlib.Path(sys.argv[1]).read_text())
"""
RUN, SCORES = "exp/tiny/net", "exp/tiny/net/scores/main"
ROW = "exp/tiny/net/main/cosine"


def job(log: str, inputs: list[str], outputs: list[str], *arguments: str) -> None:
    record_job(
        [
            log.replace(".log", ".json"),
            "--inputs",
            *inputs,
            "--outputs",
            *outputs,
            "--",
            "copying",
            inputs[0],
            *outputs,
            *arguments,
        ]
    )


def write_row(folder: Path) -> None:
    """metrics.json, scores and a line of report.tsv of one system."""
    pairs = [(f"e{n % 7}", f"t{n}", n % 3 == 0) for n in range(60)]
    write_trials("data/trials/main", pairs)
    trials = read_trials("data/trials/main")
    scores = (np.random.default_rng(1).normal(size=60) + trials.target).astype(np.float32).astype(np.float64)
    folder.mkdir(parents=True)
    write_scores(folder / "cosine.scores", trials, scores)
    metrics, draws = summarise(scores, trials.target), np.random.default_rng(2).normal(20, 5, size=(100, 1))
    np.save(folder / "cosine.replicates.npy", draws)
    metrics["intervals"] = intervals(metrics, {"eer": draws[:, 0]}, 20) | {"min_dcf_0.01": None}
    done = {"status": "ok", "scores": "cosine.scores", "scores_sha256": sha256_file(folder / "cosine.scores")}
    done["replicates_sha256"] = sha256_file(folder / "cosine.replicates.npy")
    failed = {"status": "failed", "reason": "too few speakers"}
    result = {"run": "net", "model": "net", "seed": 1, "trials": "main", "trials_file": "data/trials/main"}
    result |= {"trials_sha256": sha256_file("data/trials/main"), "config_sha256": "c0", "role": "evaluation"}
    result |= {"bootstrap": {"by": "speaker", "speakers": 20, "replicates": 100, "seed": 1, "columns": ["eer"]}}
    result |= {"systems": {"cosine": done | {"metrics": metrics}, "plda": failed}}
    (folder / "result.json").write_text(json.dumps(result))
    line = {"run": "net", "trials": "main", "system": "cosine", "eer": f"{metrics['eer']:.6g}"}
    Path("exp/tiny/report.tsv").write_text("\t".join(line) + "\n" + "\t".join(line.values()) + "\n")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.argv", ["pytest"])
    Path("copying.py").write_text(COPY)
    Path("corpus").mkdir()
    Path("corpus/utt2spk").write_text("a s\nb s\n")
    for folder in ("data/tiny/feats", "data/trials", f"{RUN}/embeddings"):
        Path(folder).mkdir(parents=True)
    write_row(Path(SCORES))
    job("data/tiny/log/prepare.log", ["corpus/utt2spk"], ["data/tiny/utt2spk"])
    for shard in "12":
        shards = f"{RUN}/embeddings/embeddings.{shard}"
        job(f"{RUN}/log/extract.{shard}.log", ["data/tiny/utt2spk"], [f"{shards}.scp", f"{shards}.ark"])
    inputs = [f"{RUN}/embeddings/embeddings.{shard}.scp" for shard in "12"]
    job(
        f"{RUN}/log/score.main.log",
        [f"{SCORES}/result.json", *inputs, "data/tiny/utt2spk", "data/trials/main"],
        [f"{SCORES}/metrics.json"],
        '{"config": "' + 100 * "x" + '"}',
    )
    return tmp_path


def failure(what: str) -> str:
    with pytest.raises(SreError) as error:
        trace(what)
    return str(error.value)


def test_a_row_is_followed_to_what_was_given(tree: Path, capsys: pytest.CaptureFixture) -> None:
    trace(ROW)
    text = capsys.readouterr().out
    assert text.startswith("net cosine on main: model net, seed 1\n  EER ")
    assert re.search(r"EER \d+\.\d{4} % \(\d+\.\d{4} to \d+\.\d{4}\), minDCF\(0.01\) [\d.]+, ", text)
    assert "20 target and 40 nontarget trials of data/trials/main" in text
    assert "100 draws of the 20 speakers" in text
    assert "numbers and intervals recomputed: the same" in text
    assert (
        "| python -m copying exp/tiny/net/scores/main/result.json exp/tiny/net/scores/main/metrics.json {…}\n" in text
    )
    assert "embeddings.1.scp … exp/tiny/net/embeddings/embeddings.2.scp (2 files of 2 jobs alike)" in text
    made = (
        r"    data/tiny/utt2spk\n    \| python .*\n    \| 20.* s, \d+ MiB, .*, code 0.*\n {6}corpus/utt2spk \(given\)\n"
    )
    assert re.search(made, text)
    assert text.count("corpus/utt2spk (given)") == 1 and "data/tiny/utt2spk (see above)" in text
    assert "no record of how data/trials/main was made" not in text  # no log/ is there, so it was given
    assert text.endswith(" jobs: none has changed\n") and len(text.splitlines()) < 30


def test_long_shows_commands_and_packages(tree: Path, capsys: pytest.CaptureFixture) -> None:
    trace(ROW, long=True)
    text = capsys.readouterr().out
    assert 100 * "x" in text and "numpy " in text


def test_a_changed_a_missing_and_a_remade_file(tree: Path, capsys: pytest.CaptureFixture) -> None:
    Path("corpus/utt2spk").write_text("a s\nb t\n")  # of the same length
    Path(f"{RUN}/embeddings/embeddings.1.ark").unlink()
    assert "0 differences in its numbers, 2 files" in failure(ROW)
    text = capsys.readouterr().out
    assert "corpus/utt2spk: changed since it was read for this" in text
    assert "embeddings.1.ark: missing since it was made" in text
    job("data/tiny/log/prepare.log", ["corpus/utt2spk"], ["data/tiny/utt2spk"])  # again, of what is there now
    Path(f"{RUN}/embeddings/embeddings.1.ark").write_text("a s\nb s\n")
    assert "1 files" in failure(ROW)
    text = capsys.readouterr().out
    assert "data/tiny/utt2spk: changed since it was read for this" in text and "corpus/utt2spk: changed" not in text


def tamper(**metrics: float) -> None:
    path = Path(f"{SCORES}/metrics.json")
    result = json.loads(path.read_text())
    result["systems"]["cosine"]["metrics"] |= metrics
    path.write_text(json.dumps(result))


def test_a_number_that_is_not_of_its_scores(tree: Path, capsys: pytest.CaptureFixture) -> None:
    tamper(eer=1.5)
    assert "1 differences in its numbers, 1 files" in failure(ROW)
    text = capsys.readouterr().out
    assert re.search(r"! recomputed: eer is \d+\.\d+, metrics.json has 1.5\n", text)
    assert "metrics.json: changed since it was made" in text
    assert "recomputed: the same" not in text


def test_intervals_that_are_not_of_their_draws(tree: Path, capsys: pytest.CaptureFixture) -> None:
    tamper(intervals={"eer": [1.0, 50.0], "min_dcf_0.01": None})
    assert "2 differences in its numbers" in failure(ROW)
    assert re.search(r"! recomputed: eer_low is \d+\.\d+, metrics.json has 1.0\n", capsys.readouterr().out)
    np.save(f"{SCORES}/cosine.replicates.npy", np.zeros((100, 1)))
    assert "1 differences in its numbers" in failure(ROW)
    assert "cosine.replicates.npy: changed, it is not what metrics.json is of" in capsys.readouterr().out


def test_scores_that_are_not_those_of_metrics_json(tree: Path, capsys: pytest.CaptureFixture) -> None:
    trials = index_trials(["e0"], ["t0"], None)
    write_scores(f"{SCORES}/cosine.scores", trials, np.ones(1))
    assert "2 differences" in failure(f"{SCORES}/cosine.scores")
    text = capsys.readouterr().out
    assert "cosine.scores: changed, it is not what metrics.json is of" in text
    assert "cannot be recomputed" in text and "59 of 60 trials" in text


def test_a_line_of_the_report(tree: Path, capsys: pytest.CaptureFixture) -> None:
    trace("exp/tiny/report.tsv:2")
    assert "none has changed" in capsys.readouterr().out
    report = Path("exp/tiny/report.tsv")
    report.write_text(report.read_text().replace(report.read_text().split("\t")[-1], "1.5\n"))
    assert "1 differences" in failure("exp/tiny/report.tsv:2")
    assert "! report.tsv has eer 1.5, metrics.json " in capsys.readouterr().out
    assert failure("exp/tiny/report.tsv:1") == "exp/tiny/report.tsv: no row in line 1; its rows are lines 2 to 2"


def test_files_without_records(tree: Path, capsys: pytest.CaptureFixture) -> None:
    Path(f"{RUN}/final.pt").write_text("weights")
    summary = {"code": "0.0.9", "device": "abacus", "config": {"seed": 1}}
    Path(f"{RUN}/train_summary.json").write_text(json.dumps(summary))
    trace(f"{RUN}/final.pt")
    text = capsys.readouterr().out
    assert f"no record of how {RUN}/final.pt was made (made before records were kept, or by hand)" in text
    assert "code 0.0.9, abacus" in text
    trace("corpus/utt2spk")
    assert capsys.readouterr().out == "  corpus/utt2spk (given)\n"


def test_a_failed_system_says_why_and_scores_kept_say_since_when(tree: Path, capsys: pytest.CaptureFixture) -> None:
    trace("exp/tiny/net/main/plda")
    assert "failed: too few speakers" in capsys.readouterr().out
    line = {"run": "net", "trials": "main", "system": "plda", "status": "ok", "eer": "3.1"}
    Path("exp/tiny/report.tsv").write_text("\t".join(line) + "\n" + "\t".join(line.values()) + "\n")
    assert "1 differences" in failure("exp/tiny/report.tsv:2")  # made before it failed
    os.utime(f"{SCORES}/cosine.scores", (0, 0))
    trace(ROW)
    assert "kept by this job from an earlier one of 1970-01-01 00:00:00 UTC" in capsys.readouterr().out


def test_what_is_not_there(tree: Path) -> None:
    assert failure("exp/tiny/net/main/cosin").endswith("the nearest row is exp/tiny/net/main/cosine")
    assert failure("exp/tiny/nett/main/plda").endswith("the nearest row is exp/tiny/net/main/plda")
    assert failure("nothing").startswith("nothing: no such file, and no row")
    assert "exp/none has no scores" in failure("exp/none/net/main/cosine")


def test_from_another_folder(tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir("/")
    trace(str(tree / ROW))
    assert "recomputed: the same" in (text := capsys.readouterr().out) and "none has changed" in text


def test_a_folder_gives_its_rows(tree: Path, capsys: pytest.CaptureFixture) -> None:
    for folder in ("exp/tiny", "exp/tiny/net", SCORES):
        trace(folder)
        head, cosine, plda = capsys.readouterr().out.splitlines()
        assert head.split() == ["row,", "for", "sre", "trace", "ROW", "EER,", "%", "code"]
        assert re.fullmatch(r"exp/tiny/net/main/cosine +\d+\.\d{3}", cosine)
        assert re.fullmatch(r"exp/tiny/net/main/plda +failed +too few speakers", plda)
    assert failure("corpus").startswith("corpus: a folder without RUN/scores/LIST/metrics.json; give exp/NAME")
