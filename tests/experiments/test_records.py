"""Records of jobs: what stands in them, when they stand, and which of them is a file's."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sre import SreError
from sre.config.stages import GATED
from sre.experiments.records import Record, RecordedJob, find_job, job_of, read_record
from sre.io.atomic import sha256_text

ROOT = Path(__file__).resolve().parents[2]
COPY = "import sys, pathlib\npathlib.Path(sys.argv[2]).write_text(pathlib.Path(sys.argv[1]).read_text().upper())\n"


def start(folder: Path, module: str, *arguments: str, attempt: int = 1) -> subprocess.Popen:
    """A job of the module's text, which reads a.txt and should make b.txt."""
    (folder / "job.py").write_text(module)
    (folder / "a.txt").write_text("text\n")
    command = [
        sys.executable,
        "-m",
        "steps.record_job",
        "log/job.1.log",
        "--inputs",
        "a.txt",
        "gone.txt",
        ".",
        "--outputs",
        "b.txt",
        "--attempt",
        str(attempt),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*command, "--", "job", *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE)


def test_record_of_a_job(tmp_path: Path) -> None:
    assert start(tmp_path, COPY, "a.txt", "b.txt").wait() == 0
    record = json.loads((tmp_path / "log/job.1.json").read_text())
    assert record["command"] == ["python", "-m", "job", "a.txt", "b.txt"]
    assert (record["version"], record["step"], record["settings"]) == (1, "job", {})
    assert record["inputs"] == {"a.txt": {"bytes": 5, "sha256": sha256_text("text\n")}, "gone.txt": None, ".": {}}
    assert record["outputs"] == {"b.txt": {"bytes": 5, "sha256": sha256_text("TEXT\n")}}
    assert 0 <= record["seconds"] < 60
    assert 5 < record["peak_memory_mib"] < 10_000
    assert record["code"].startswith("0.") and record["packages"]["numpy"] and record["begun"].endswith("+00:00")


@pytest.mark.parametrize(("module", "status"), [("import sys\nsys.exit(3)", 3), ("1 / 0", 1)])
def test_a_job_that_fails_leaves_no_record_and_takes_the_old_one(tmp_path: Path, module: str, status: int) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log/job.1.json").write_text("{}")
    assert start(tmp_path, module).wait() == status
    assert [path.name for path in (tmp_path / "log").iterdir()] == ["job.1.log"]
    assert (tmp_path / "log/job.1.log").read_text().startswith("$ python -m job\n")


def test_what_a_job_refuses_is_not_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "log/job.1.log"
    log.parent.mkdir()
    for said, status in (("$ x\nerror: too few; take more\n", 1), ("$ x\nTraceback …\nKeyError: 1\n", 0)):
        log.write_text(said)
        assert start(tmp_path, "print('done')", attempt=2).wait() == status
        assert ("done" in log.read_text()) == (status == 0) and ("error: too few" in log.read_text()) == (status == 1)


def test_a_job_that_is_killed_leaves_no_record(tmp_path: Path) -> None:
    job = start(tmp_path, "import time\nopen('b.txt', 'w').write('half')\nprint('begun', flush=True)\ntime.sleep(60)")
    log = tmp_path / "log/job.1.log"
    while not (log.is_file() and "begun\n" in log.read_text()):
        assert job.poll() is None
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert find_job(tmp_path / "b.txt") is None


def test_the_command_is_timed_without_the_hashing(tmp_path: Path) -> None:
    with open(tmp_path / "b.txt", "wb") as file:
        file.truncate(900 << 20)
    begun = time.monotonic()
    assert start(tmp_path, "pass").wait() == 0
    record = json.loads((tmp_path / "log/job.1.json").read_text())
    assert record["outputs"]["b.txt"]["bytes"] == 900 << 20
    assert record["seconds"] < 0.3 < time.monotonic() - begun


def write_record(path: Path, begun: str, outputs: list[str], **more: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    of_a_job = {"command": ["python", "-m", "steps.x"], "inputs": {}, "seconds": 1, "peak_memory_mib": 1}
    of_a_job |= {"code": "0.1", "python": "3", "packages": {}, "device": "cpu"}
    path.write_text(json.dumps({**of_a_job, "begun": begun, "outputs": dict.fromkeys(outputs), **more}))


def test_the_newest_record_of_a_file_is_its_own(tmp_path: Path) -> None:
    file = "exp/run/final.pt"
    write_record(tmp_path / "exp/log/x.json", "2026-01-02T00:00:00+00:00", [file], device="new")
    write_record(tmp_path / "exp/run/log/x.json", "2026-01-01T00:00:00+00:00", [file], device="old")
    write_record(
        tmp_path / "exp/run/log/y.json", "2026-01-03T00:00:00+00:00", ["exp/other/final.pt"], device="another's"
    )
    (tmp_path / "exp/run/log/z.json").write_text("[1, 2]")
    job = find_job(tmp_path / file)
    assert (job.path, job.record.device) == (tmp_path / "exp/log/x.json", "new")
    assert job.root == tmp_path  # from whatever folder one asks


@pytest.mark.parametrize("root", ["", "one/", "{}/one/", "../one/"])
def test_records_move_with_their_tree(tmp_path: Path, root: str) -> None:
    """Whatever the root was called: from its own folder, by a name, wholly, from another folder."""
    root = root.format(tmp_path)
    write_record(tmp_path / "one/exp/log/x.json", "2026-01-01", [f"{root}exp/run/report.tsv"])
    (tmp_path / "one").rename(tmp_path / "two")
    job = job_of(tmp_path / "two/exp/run/report.tsv")
    assert job.at(f"{root}data/list") == tmp_path / "two/data/list"
    assert job.now(f"{root}data/list") == str(tmp_path / "two/data/list")
    assert job.at("/elsewhere/list") == Path("/elsewhere/list")


def test_a_record_of_a_tree_that_stays(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for root in ("", f"{tmp_path}/"):
        write_record(tmp_path / "exp/log/x.json", "2026-01-01", [f"{root}exp/report.tsv"])
        job = job_of(tmp_path / "exp/report.tsv")
        assert [job.at(name) for name in (f"{root}data", "/other")] == [tmp_path / "data", Path("/other")]
        assert [job.now(name) for name in (f"{root}data", "lists/a")] == [f"{root}data", "lists/a"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert job.at("recipes/mini").is_dir()  # what Snakemake was given from the project's folder


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"device": None}, "device is 'None', which is of another kind"),
        ({"inputs": []}, "inputs is"),
        ({"outputs": {"exp/report.tsv": 3}}, "outputs.exp/report.tsv is '3'"),
        ({"begun": "yesterday"}, "command or time is of another form"),
        ({"command": []}, "command or time is of another form"),
        (None, "command is missing"),
        ("{", "damaged or cut short, not JSON"),
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, change: object, sentence: str) -> None:
    record = tmp_path / "exp/log/x.json"
    write_record(record, "2026-01-01", ["exp/report.tsv"])
    if isinstance(change, dict):
        record.write_text(json.dumps(json.loads(record.read_text()) | change))
    elif change is None:
        record.write_text('{"outputs": {"exp/report.tsv": null}}')
    elif isinstance(change, str):
        record.write_text(change)
    with pytest.raises(SreError, match=f"x.json: .*{sentence}.*; delete it"):
        job_of(tmp_path / "exp/report.tsv")


def test_errors_are_of_the_report_and_speech_of_the_corpus_that_a_job_made(tmp_path: Path) -> None:
    write_record(tmp_path / "exp/log/report.json", "2026-01-01", ["exp/report.tsv"])
    write_record(tmp_path / "data/log/corpus.json", "2026-01-01", ["data/corpus/SPEAKERS.TXT"])
    assert job_of(tmp_path / "exp/errors/main/errors.csv").path.name == "report.json"
    assert job_of(tmp_path / "data/corpus/test/61/70/61-70.flac").path.name == "corpus.json"
    assert job_of(tmp_path / "data/given/test/61/70/61-70.flac") is None


def test_score_files_are_of_the_job_that_made_metrics_json(tmp_path: Path) -> None:
    write_record(tmp_path / "exp/log/score.json", "2026-01-01", ["exp/scores/metrics.json"])
    for name in ("cosine.scores", "cosine.metrics.json", "cosine.replicates.npy", "speakers_all.cohort"):
        assert job_of(tmp_path / "exp/scores" / name).path.name == "score.json"
    assert job_of(tmp_path / "exp/scores/other.txt") is None


def made(step: str, inputs: dict, **more: dict) -> Record:
    """The record of a job of which only step, inputs and settings count."""
    return Record([], inputs, {}, "", 0.0, 0.0, "", "", {}, "", step=step, **more)


def score_job() -> RecordedJob:
    """Of cosine and plda, calibrated on a development list or not."""
    known = {name: {"backend": name, "norm": None, "of": None} for name in ("cosine", "plda")}
    known |= {f"{name}+cal": {"backend": None, "norm": None, "of": [name]} for name in ("cosine", "plda")}
    inputs = ["trials", "eval.scp", "backends/cosine.npz", "backends/plda.npz", "scores/dev/metrics.json"]
    record = made("score_systems", dict.fromkeys(inputs), settings={"systems": known})
    return RecordedJob(Path("x.json"), record, Path())


def test_a_system_depends_on_its_own_backend_only() -> None:
    job = score_job()
    assert list(job.inputs("cosine")) == ["trials", "eval.scp", "backends/cosine.npz"]
    calibrated = ["trials", "eval.scp", "backends/plda.npz", "scores/dev/metrics.json"]
    assert list(job.inputs("plda+cal")) == calibrated
    assert list(job.inputs()) == list(job.record.inputs)


@pytest.mark.parametrize("step", GATED)
def test_a_job_does_not_depend_on_its_gates(step: str) -> None:
    record = made(step, {"exp/x/gates.json": {}, "data/utt2spk": {}})
    assert list(RecordedJob(Path("x.json"), record, Path()).inputs()) == ["data/utt2spk"]


def test_a_record_without_step_and_settings_is_read_by_its_command(tmp_path: Path) -> None:
    """Of the version before, whose readers took the command line apart."""
    file = tmp_path / "log/x.json"
    systems = {"plda": {"backend": "plda", "norm": None, "of": None}}
    command = ["python", "-m", "steps.score_systems", json.dumps({"systems": systems})]
    write_record(file, "2026-01-01", [], command=command)
    record = read_record(file)
    assert (record.step, record.systems, record.backends) == ("score_systems", systems, {})
    for config, told in (('{"type": "plda"}', {"type": "plda"}), ("lda_plda", "lda_plda")):
        command = ["python", "-m", "steps.train_backend", config, "--embeddings", "a.scp", "exp/plda.npz"]
        write_record(tmp_path / f"log/{told}.json", "2026-01-01", [], command=command)
        assert read_record(tmp_path / f"log/{told}.json").backends == {"plda": told}
    write_record(tmp_path / "log/dev.json", "2026-01-01", [], command=[*command, "--leave-out", "some"])
    assert read_record(tmp_path / "log/dev.json").backends == {}


def test_a_record_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path / "log/x.json", "2026-01-01", [], version=99)
    with pytest.raises(SreError, match="x.json: of version 99, and .* up to 1; update sre, or delete it"):
        read_record(tmp_path / "log/x.json")


def test_a_step_tells_its_settings(tmp_path: Path) -> None:
    told = "from sre.machine.environment import note_settings\nnote_settings(backends={'plda': {'type': 'plda'}})"
    assert start(tmp_path, told).wait() == 0
    assert read_record(tmp_path / "log/job.1.json").backends == {"plda": {"type": "plda"}}
