"""Files that exist are whole: write beside, fsync, rename. And one process at a time per work folder."""

import fcntl
import glob
import hashlib
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np


@contextmanager
def atomic_output(path: str | Path, mode: str = "w") -> Iterator[IO]:
    """Open a temporary file beside `path`; it takes the name only after it was written and fsynced.

    An exception, or a kill, leaves whatever stood at `path` before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporaries = f".{path.name}.tmp.{socket.gethostname()}."
    for left in path.parent.glob(f"{glob.escape(temporaries)}*"):
        if not is_alive(left.name.removeprefix(temporaries)):
            left.unlink(missing_ok=True)  # of a process of this machine that was killed
    temporary = path.with_name(f"{temporaries}{os.getpid()}")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with open(temporary, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_alive(pid: str) -> bool:
    """Whether the process runs on this machine; True where that cannot be told."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        return True
    return True


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold an flock on the file `path`; the kernel releases it when the process ends, so it is never stale.

    Waits for another holder, and says so: after `kill -9` of the workflow its orphaned jobs live on.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            print(f"{path}: waiting for process {holder}, which works there", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds an flock on the file `path`."""
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def sha256_file(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_arrays(matrix: np.ndarray, names: np.ndarray) -> str:
    """Of a matrix and the names of its rows."""
    digest = hashlib.sha256(np.ascontiguousarray(matrix).data)
    digest.update(" ".join(names).encode())
    return digest.hexdigest()
