"""sre explain: what it says of real reasons of Snakemake, and of a real dry run of recipe mini."""

import fcntl
import json
import re
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from sre import SreError
from sre.cli.arguments import Parser
from sre.cli.explain import add
from sre.config.stages import STAGES
from sre.experiments.explain import describe, jobs_of

RUN = "exp/mini/xvector"
RECORD = {
    "command": ["python", "-m", "steps.x"], "inputs": {}, "outputs": {}, "begun": "2026-01-01T00:00:00+00:00",
    "peak_memory_mib": 1, "code": "", "python": "", "packages": {}, "device": "",
}  # fmt: skip


def planned(rule: str, output: str, reason: str, folder: Path, log: str = "") -> dict:
    """As the process that runs Snakemake reports a job."""
    log = log or f"{RUN}/log/{rule}.log"
    return {
        "job": {
            "rule": rule, "input": [], "output": output.split(), "log": [log], "reason": reason, "folder": str(folder)
        }
    }  # fmt: skip


def explained(events: list[dict]) -> list[str]:
    """With single spaces, and checked against the total as Snakemake counts it."""
    jobs = jobs_of([*events, {"total": len(events)}])
    return [" ".join(line.split()) for line in describe(jobs)]


def test_a_learning_rate_was_changed(tmp_path: Path) -> None:
    (tmp_path / RUN / "log").mkdir(parents=True)
    (tmp_path / RUN / "final.pt").touch()
    record = {**RECORD, "seconds": 2.5}  # of the end of a training that was resumed
    (tmp_path / RUN / "log/train_embedding.json").write_text(json.dumps(record))
    (tmp_path / RUN / "train_summary.json").write_text('{"training_s": 3725.0}')
    params = (
        "Params have changed since last execution: Union of exclusive params before and now across all output:"
        """ before: '{"lr":0.1, "note":"a; b"}' now: '{"lr":0.2, "note":"a; b"}' """
    )
    scps = [f"{RUN}/embeddings/{n}.scp" for n in (1, 2)]
    missing = "Missing output files: {}; Input files updated by another job: " + f"{RUN}/final.pt"
    lines = explained(
        [
            planned("train_embedding", f"{RUN}/final.pt {RUN}/train_summary.json", params, tmp_path),
            *(planned("extract_embeddings", scp, missing.format(scp), tmp_path) for scp in scps),
            planned("all", "", "Input files updated by another job: exp/mini/report.tsv", tmp_path),
        ]
    )
    changed = "its config changed: lr 0.1 -> 0.2"
    assert lines[1:] == [
        f"train train_embedding 1 {changed} hours of GPU (minutes for small corpora) 1:02:05",
        "embed extract_embeddings 2 never made minutes",
        f"train_embedding: {RUN}/final.pt exists and will be made again, because {changed}",
        "total: 3 jobs (data 0, feats 0, train 1, embed 2, score 0, report 0), last time 1:02:05 (1 of 3 jobs)",
    ]


def test_what_nobody_forced_was_begun_by_another_run(tmp_path: Path) -> None:
    """Its mark may be gone already when it is looked for."""
    job = planned("train_backend", f"{RUN}/backends/plda.npz", "Forced execution", tmp_path)
    assert jobs_of([job, {"total": 1}], False)[0].begun == "it was broken off"
    assert jobs_of([job, {"total": 1}], True)[0].begun == ""


def test_what_follows_is_explained_by_where_it_begins(tmp_path: Path) -> None:
    """A training that only comes after other jobs is the one whose cause its owner wants to hear."""
    (tmp_path / RUN).mkdir(parents=True)
    (tmp_path / RUN / "final.pt").touch()
    (tmp_path / "data/log").mkdir(parents=True)
    (tmp_path / "data/log/3.json").write_text(json.dumps({**RECORD, "seconds": 7.0}))
    shards = [
        planned(
            "make_features", f"data/feats.{n}.scp", "Updated input files: data/wav.scp, data/utt2spk", tmp_path, log
        )
        for n, log in ((1, "data/log/1.log"), (2, "data/log/2.log"))
    ]
    made_before = planned(
        "compute_vad", "data/vad.scp", "Missing output files: data/vad.scp", tmp_path, "data/log/3.log"
    )
    broken_off = planned("make_report", "exp/report.tsv", "Incomplete output files: exp/report.tsv", tmp_path)
    after = "Input files updated by another job: "
    lines = explained(
        [
            planned("train_embedding", f"{RUN}/final.pt", after + "data/feats.scp, data/vad.scp", tmp_path),
            planned("join_features", "data/feats.scp", after + "data/feats.2.scp, data/feats.1.scp", tmp_path),
            *shards,
            made_before,
            broken_off,
            planned("score_systems", "exp/scores", "Some reason of a later Snakemake", tmp_path),
        ]
    )
    newer = "its input is newer: data/utt2spk and 1 more"
    assert lines[1:] == [
        "feats join_features 1 comes after make_features minutes",
        f"feats make_features 2 {newer} minutes",
        "feats compute_vad 1 missing: data/vad.scp minutes 0:07",
        "train train_embedding 1 comes after compute_vad, join_features hours of GPU (minutes for small corpora)",
        "score score_systems 1 Some reason of a later Snakemake seconds",
        "report make_report 1 it was broken off seconds",
        f"train_embedding: {RUN}/final.pt exists and will be made again, because compute_vad runs"
        f" (missing: data/vad.scp) and make_features runs ({newer})",
        "total: 7 jobs (data 0, feats 4, train 1, embed 0, score 1, report 1), last time 0:07 (1 of 7 jobs)",
    ]


@pytest.mark.parametrize("reason", ["Forced execution", "Missing output files: {}", "Incomplete output files: {}"])
def test_after_a_kill_and_beside_another_snakemake(reason: str, tmp_path: Path) -> None:
    """Snakemake says "Forced execution" of what it makes again because it was broken off."""
    (tmp_path / RUN).mkdir(parents=True)
    final = f"{RUN}/final.pt"
    job = planned("train_embedding", final, reason.format(final), tmp_path)
    marks = tmp_path / ".snakemake/incomplete"
    marks.mkdir(parents=True)
    (marks / urlsafe_b64encode(final.encode()).decode()).touch()
    assert "it was broken off" in explained([job])[1]
    with open(tmp_path / ".sre.lock", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another snakemake is at it, or it was broken off" in explained([job])[1]
    other = planned("train_embedding", final.replace("xvector", "other"), "Forced execution", tmp_path)
    assert "forced by -R, -f or -F" in explained([other])[1]


def test_nothing_to_do_and_a_dry_run_that_is_not_understood(tmp_path: Path) -> None:
    assert describe(jobs_of([{"idle": True}])) == ["nothing to do"]
    job = planned("make_report", "exp/report.tsv", "Forced execution", tmp_path)
    with pytest.raises(SreError, match="counts 2 jobs and has described 1"):
        jobs_of([{"total": 2}, job])
    with pytest.raises(SreError, match="planned nothing"):
        jobs_of([])


def test_mini_in_an_empty_root_from_another_folder(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    parser = Parser()
    add(parser.add_subparsers(), "")

    def call(*arguments: str) -> list[str]:
        args = parser.parse_args(["explain", *arguments])
        args.do(args.arguments)
        return capsys.readouterr().out.splitlines()

    final = tmp_path / "exp/mini/xvector/final.pt"
    final.parent.mkdir(parents=True)
    final.touch()
    *table, again, total = call("-j8", "--until", "embed", "--config", f"root={tmp_path}")
    cells = [re.split(r"  +", line) for line in table[1:]]
    assert {row[0] for row in cells} == set(STAGES) - {"score", "report"}
    assert ["train", "train_embedding", "1"] in [row[:3] for row in cells]
    assert total.startswith(f"total: {sum(int(row[2]) for row in cells)} jobs (data ") and "score 0" in total
    missing = f"missing: {final.with_name('train_summary.json')}"
    assert again == f"train_embedding: {final} exists and will be made again, because {missing}"
    with pytest.raises(SreError, match="^config of recipe mini: 1 problem:\n  unknown key 'systms'"):
        call("--config", "systms=[cosine]")
    with pytest.raises(SreError, match="unrecognized arguments: --untill"):
        call("--untill", "train")
