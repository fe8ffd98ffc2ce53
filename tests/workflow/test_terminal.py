"""Runs of Snakemake as a person sees them, on embeddings from elsewhere; their paths have whatever a name may have."""

import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from sre.io.ark import write_ark
from sre.io.tables import write_table

PROJECT = Path(__file__).resolve().parents[2]
NASTY = 'it\'s "a" $(touch MADE1) `touch MADE2`;touch MADE3 & é*'
FILES = ("Snakefile", "recipes", "steps", "sre", "local", "profiles")


def split(folder: Path, prefix: str, seed: int) -> list[str]:
    """Twelve speakers with five embeddings of dimension 8 each; returns the utterances."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    centres = 2 * draw.normal(size=(12, 8))
    names = [(f"{prefix}{s:02}-{n}", s) for s in range(12) for n in range(5)]
    vectors = [(utt, (centres[s] + draw.normal(size=8)).astype(np.float32)) for utt, s in names]
    write_ark(folder / "e.ark", folder / "e.scp", vectors)
    write_table(folder / "utt2spk", {utt: utt.split("-")[0] for utt, _ in names})
    return [utt for utt, _ in names]


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Arguments of a run; data, root, working directory, project and environment are in folders of nasty names."""
    data = tmp_path / f"data {NASTY}"
    split(data / "train", "t", 1)
    utts = split(data / "eval", "e", 2)
    pairs = [(a, b, "target" if a[:3] == b[:3] else "nontarget") for a in utts[::2] for b in utts[1::2]]
    (data / "trials").write_text("".join(f"{a} {b} {label}\n" for a, b, label in pairs))
    embeddings = {part: str(data / part / "e.scp") for part in ("train", "eval")}
    config = {
        "recipe": "custom", "name": "case", "models": [], "systems": ["cosine_centred"],
        "bootstrap": {"replicates": 20},
        "train_data": str(data / "train"), "eval_data": str(data / "eval"), "trials": str(data / "trials"),
        "root": str(tmp_path / f"root {NASTY}"), "embeddings": {"given": embeddings},
    }  # fmt: skip
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    project = tmp_path / f"project {NASTY}"
    project.mkdir()
    for name in FILES:
        (shutil.copytree if (PROJECT / name).is_dir() else shutil.copy)(PROJECT / name, project / name)
    (tmp_path / f"venv {NASTY}").symlink_to(sys.prefix)
    (tmp_path / f"work {NASTY}").mkdir()
    for module in ("json", "numpy", "steps"):  # in the working directory: no module of a job
        (tmp_path / f"work {NASTY}/{module}.py").write_text("raise SystemExit('run by a job')")
    python = tmp_path / f"venv {NASTY}" / "bin/python"
    return [str(python), "-P", "-m", "snakemake", "-s", str(project / "Snakefile"), "-j2", "--configfile",
            str(tmp_path / "case.yaml")]  # fmt: skip


def run(given: list[str], *more: str) -> tuple[int, str]:
    work = Path(given[-1]).parent / f"work {NASTY}"
    done = subprocess.run([*given, *more], cwd=work, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def on_terminal(given: list[str], *more: str, interrupt: str = "", columns: int = 100) -> tuple[int, list[str]]:
    """Exit status, and the lines that stay on a terminal; Ctrl-C is typed three times when `interrupt` is shown."""
    work = Path(given[-1]).parent / f"work {NASTY}"
    process, terminal = pty.fork()
    if not process:
        os.chdir(work)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.environ["TERM"] = "xterm"
        os.environ.pop("COLUMNS", None)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # which nohup and a job in the background ignore, and so would we
        os.execv(given[0], [*given, *more])
    shown, typed = b"", not interrupt
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            break
        shown += piece
        if not piece:
            break
        if not typed and interrupt.encode() in shown:
            for _ in range(3):
                os.write(terminal, b"\x03")
                time.sleep(0.2)
            typed = True
    _, status = os.waitpid(process, 0)
    lines = shown.decode().replace("\r\n", "\n").split("\n")
    return os.waitstatus_to_exitcode(status), [line.split("\r\033[K")[-1] for line in lines if line]


def nothing_else_was_written(folder: Path) -> bool:
    work = {path.name for path in (folder / f"work {NASTY}").iterdir()}
    beside = {f"{name} {NASTY}" for name in ("data", "project", "root", "venv", "work")} | {"case.yaml"}
    return (
        not list(folder.rglob("MADE*"))
        and work <= {".snakemake", "json.py", "numpy.py", "steps.py"}
        and {path.name for path in folder.iterdir()} <= beside
    )


def test_a_dry_run_of_nasty_paths_shows_what_snakemake_shows(given: list[str], tmp_path: Path) -> None:
    code, output = run(given, "-n")
    assert code == 0 and "Job stats:" in output and "rule check_recipe" in output
    assert not (tmp_path / f"root {NASTY}").exists() and nothing_else_was_written(tmp_path)


@pytest.mark.slow
def test_a_run_in_nasty_paths_ends_with_the_table_and_the_page(given: list[str], tmp_path: Path) -> None:
    code, lines = on_terminal(given)
    assert code == 0, lines
    root = tmp_path / f"root {NASTY}"
    assert lines[-1] == f"{root}/exp/case/report.html"
    assert any(line.startswith("  given cosine_centred") for line in lines)
    assert len(lines) < 2 * 10 + 5 and max(len(line) for line in lines[1:-1]) <= 100
    assert nothing_else_was_written(tmp_path)
    code, output = run(given)
    assert code == 0 and "nothing to do" in output and output.rstrip().endswith("report.html")
    assert "\033" not in output
    (root / "exp/case/given/scores/case_trials/metrics.json").unlink()  # as after a failed job: the report is old
    code, output = run(given, "-n")
    assert code == 0 and "rule score_systems:" in output and "rule make_report:" in output


@pytest.mark.slow
def test_a_failed_job_ends_a_run_with_its_sentence_and_its_log(given: list[str], tmp_path: Path) -> None:
    trials = tmp_path / f"data {NASTY}" / "trials"
    trials.write_text(trials.read_text() + "e00-0 nobody nontarget\n")
    code, output = run(given)
    lines = output.rstrip().splitlines()
    assert code == 1 and "nobody" in lines[-2] and lines[-2].startswith("error: check_recipe: ")
    assert lines[-1] == f"its log: {tmp_path}/root {NASTY}/exp/case/log/check_recipe.log"
    assert "Traceback" not in output and "steps.record_job" not in output
    assert Path(lines[-1].removeprefix("its log: ")).read_text().startswith("$ python -m steps.check_recipe ")


def test_ctrl_c_is_one_line(given: list[str]) -> None:
    code, lines = on_terminal(given, interrupt="steps to do")
    said = [line for line in lines if line.strip("^C")]
    assert code != 0 and said[-1].startswith("stopped; the same command goes on from step ")
    assert not any("Error" in line or "Traceback" in line for line in lines)


def test_inputs_of_the_future_are_named_before_any_job(given: list[str], tmp_path: Path) -> None:
    table = tmp_path / f"data {NASTY}" / "train/utt2spk"
    os.utime(table, (table.stat().st_mtime + 9000,) * 2)
    code, output = run(given)
    assert code == 1 and output.splitlines()[-1].startswith("error: 1 input has a time ahead") and "touch" in output
    assert not list((tmp_path / f"root {NASTY}").rglob("*.log"))
