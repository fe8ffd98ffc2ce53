"""`sre clean` lists what can go, and removes only that, and only with --yes."""

import os
import sys
from pathlib import Path

import pytest

from sre import SreError
from sre.cli.clean import clean
from sre.io.atomic import atomic_output, locked

HOST_PID = "no-such-host.1"


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A training that is done, one that has begun again, and a temporary file of a process of another machine."""
    monkeypatch.chdir(tmp_path)
    for run in ("done", "begun"):
        folder = Path("exp/mini", run)
        (folder / "checkpoints/0123").mkdir(parents=True)
        (folder / "checkpoints/0123/step_000000001.pt").write_bytes(bytes(2_000_000))
        (folder / "final.pt").write_bytes(bytes(500_000))
    later = Path("exp/mini/done/final.pt").stat().st_mtime + 10
    os.utime("exp/mini/done/final.pt", (later, later))
    os.utime("exp/mini/begun/final.pt", (1, 1))
    Path(f"exp/mini/.report.tsv.tmp.{HOST_PID}").touch()
    Path("exp/mini/begun/.train.lock").touch()
    return Path("exp/mini")


def test_it_lists_and_then_removes(experiment: Path, capsys: pytest.CaptureFixture) -> None:
    clean([])
    shown = capsys.readouterr()
    assert shown.out.startswith("exp/mini: 2.0 of 5.0 MB can go\n")
    assert "2.0  1      exp/mini/done/checkpoints/0123 (checkpoints of a training that is done)\n" in shown.out
    assert "begun" not in shown.out and "nothing was removed" in shown.err
    assert Path("exp/mini/done/checkpoints/0123").is_dir()
    clean([experiment], yes=True)
    assert not Path("exp/mini/done/checkpoints").exists() and Path("exp/mini/done/final.pt").is_file()
    assert Path("exp/mini/begun/checkpoints/0123/step_000000001.pt").is_file()
    assert Path(f"exp/mini/.report.tsv.tmp.{HOST_PID}").is_file()
    capsys.readouterr()
    clean([experiment], yes=True)
    assert capsys.readouterr().out == "exp/mini: 0.0 of 3.0 MB can go\n"


def test_a_running_training_keeps_its_checkpoints(experiment: Path, capsys: pytest.CaptureFixture) -> None:
    with locked(Path("exp/mini/done/.train.lock")):
        clean([experiment], yes=True)
    assert Path("exp/mini/done/checkpoints/0123").is_dir()
    assert "checkpoints" not in capsys.readouterr().out


def test_what_a_killed_process_left(experiment: Path, capsys: pytest.CaptureFixture) -> None:
    with atomic_output(experiment / "report.md"):
        clean([experiment])  # it is being written
        (temporary,) = experiment.glob(".report.md.tmp.*")
    assert "report.md" not in capsys.readouterr().out
    dead = temporary.with_name(temporary.name.rpartition(".")[0] + ".999999999")
    dead.touch()
    clean([experiment], yes=True)
    assert not dead.exists() and "left by a process that was killed" in capsys.readouterr().out


def test_what_a_killed_process_left_among_the_data(experiment: Path, capsys: pytest.CaptureFixture) -> None:
    with atomic_output(Path("data/train/feats/x/feats.1.ark")):
        (temporary,) = Path("data").rglob(".*.tmp.*")
        clean([])
    assert "data:" not in capsys.readouterr().out  # nothing of it can go
    dead = temporary.with_name(temporary.name.rpartition(".")[0] + ".999999999")
    dead.write_bytes(bytes(300_000))
    clean([experiment], yes=True)
    assert dead.exists()  # of the experiment alone
    clean([], yes=True)
    assert not dead.exists() and Path("data/train/feats/x/feats.1.ark").is_file()
    assert "data: 0.3 of 0.3 MB can go\n" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "goes"), [("y", True), ("Yes", True), ("", False), ("n", False), (EOFError, False)])
def test_it_asks_a_person(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, answer: str | type[EOFError], goes: bool
) -> None:
    asked = []

    def told(question: str) -> str:
        asked.append(question)
        if not isinstance(answer, str):
            raise answer
        return answer

    monkeypatch.setattr("builtins.input", told)
    clean([experiment])  # no terminal: pytest has taken both ends
    assert asked == []
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    clean([experiment])
    assert asked == ["Remove 2.0 MB in 1 places? [y/N] "]
    assert Path("exp/mini/done/checkpoints").exists() is not goes


def test_other_folders_are_refused(experiment: Path) -> None:
    with pytest.raises(SreError, match="^exp: no experiment, which has gates.json or RUN/final.pt; give exp/NAME$"):
        clean([Path("exp")], yes=True)
    os.chdir("exp")
    with pytest.raises(SreError, match="^exp: no experiment in it"):
        clean([])
