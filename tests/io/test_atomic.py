"""What the system refuses is a sentence, and what stood there stays."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from sre import FileError, SreError
from sre.backends import Cosine, save
from sre.io.ark import write_ark
from sre.io.atomic import atomic_folder, atomic_output, locked
from sre.io.tables import write_table
from sre.models import bundle as bundles
from sre.training.summary import write_history

ROOT = Path(__file__).resolve().parents[2]
BIG = np.ones(10_000)


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may become larger, as on a full disk; Python ignores the signal that this sends."""
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_array(path: Path) -> None:
    with atomic_output(path, "wb") as file:
        np.save(file, BIG)  # its error has no number


WRITERS = {
    "table": lambda path: write_table(path, {f"u{n}": "x" for n in range(5000)}),
    "array": write_array,
    "archive": lambda path: write_ark(path, path.with_suffix(".scp"), [("a", BIG)]),
    "checkpoint": lambda path: bundles.save(path, {"network": torch.ones(10_000)}),
    "history": lambda path: write_history(path, [{"epoch": n} for n in range(2000)]),
    "back-end": lambda path: save(path, Cosine(facts={"x": "y" * 10_000})),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("size", [0, 100, 5000])
def test_no_room(tmp_path: Path, write: Callable[[Path], object], size: int) -> None:
    path = tmp_path / "x.bin"
    path.write_text("what was there")
    with (
        room(size),
        pytest.raises(FileError, match="x.bin: cannot be written .*; make room there, then the same command"),
    ):
        write(path)
    assert [file.name for file in tmp_path.iterdir()] == ["x.bin"]
    assert path.read_text() == "what was there"
    write(path)
    assert path.stat().st_size > 5000


@pytest.mark.parametrize(
    "name, reason",
    [
        ("folder", "Is a directory"),
        ("file/x", "Not a directory: .*/file|File exists: .*/file"),
        ("n" * 300, "File name too long"),
        ("a\0b", "embedded null (byte|character)"),
    ],
)
def test_places_that_cannot_be_written(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=f"cannot be written \\(.*({reason})"):
        write_table(tmp_path / name, {"a": "b"})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]


def test_errors_of_other_files_are_not_called_unwritable(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory: .*gone"), atomic_output(tmp_path / "x"):
        open(tmp_path / "gone")  # noqa: SIM115
    with pytest.raises(OSError, match="odd"), atomic_output(tmp_path / "x"):
        raise OSError(errno.EIO, "odd")
    assert not list(tmp_path.iterdir())


def test_a_lock_on_a_full_disk(tmp_path: Path) -> None:
    with room(0), locked(tmp_path / "lock"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"), locked(tmp_path / "file/lock"):
        pass


@pytest.mark.parametrize("size", [40, 160])
def test_a_log_on_a_full_disk(tmp_path: Path, size: int) -> None:
    """What cannot be said in it is said on the terminal."""
    (tmp_path / "job.py").write_text(
        "from sre.machine.log import run\nfrom sre.io.tables import write_table\n"
        "run(lambda: write_table('t', {f'u{n}': 'x' for n in range(500)}))\n"
    )
    command = [sys.executable, "-m", "steps.record_job", "x.log", "--outputs", "t", "--", "job"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )
    said = done.stderr + (tmp_path / "x.log").read_text()
    assert done.returncode == 1 and "Traceback" not in said
    assert "error: t: cannot be written (File too large); make room there, then the same command goes on" in said


def test_a_folder_is_there_as_a_whole_or_not(tmp_path: Path) -> None:
    with pytest.raises(SreError), atomic_folder(tmp_path / "x") as folder:
        (folder / "a").write_text("half")
        raise SreError("broken off")
    assert list(tmp_path.iterdir()) == []
    code = (
        "import os, sys; from sre.io.atomic import atomic_folder\nwith atomic_folder(sys.argv[1]) as f:\n"
        " (f / 'a').touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], cwd=ROOT)
    assert [path.name.startswith(".x.tmp.") for path in tmp_path.iterdir()] == [True]
    (tmp_path / "x").mkdir()
    (tmp_path / "x/notes").write_text("mine")
    with atomic_folder(tmp_path / "x") as folder:
        (folder / "a").write_text("whole")
        assert not (tmp_path / "x/a").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"x"}
    assert {path.name: path.read_text() for path in (tmp_path / "x").iterdir()} == {"a": "whole", "notes": "mine"}
