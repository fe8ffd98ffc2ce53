"""Files that exist are whole: write beside, fsync, rename. And one process at a time per work folder."""

import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from sre import FileError
from sre.machine.log import say

NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def atomic_output(path: str | Path, mode: str = "w") -> Iterator[IO]:
    """Open a temporary file beside `path`; it takes the name only after it was written and fsynced.

    An exception, or a kill, leaves whatever stood at `path` before. Raises FileError where the system refuses: no room,
    a quota, a file too large, a read-only or forbidden folder, a name too long, a folder of that name, a device.
    """
    path = Path(path)
    with _refusals(path):
        if path.exists() and not (path.is_file() or path.is_dir()):  # /dev/null would become a file, for everybody
            raise FileError(f"{path}: is a device or a pipe, which a file would replace; give another name")
        temporary = _temporary(path)
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
    try:
        with _refusals(path):
            file = open(temporary, mode, encoding=encoding, newline=newline)  # noqa: SIM115, closing it may fail, too
        try:
            yield file
            with _refusals(path):
                file.flush()
                os.fsync(file.fileno())
                file.close()
                os.replace(temporary, path)
        except OSError as error:  # of the body: only what writing alone meets, the rest may be of a file that it reads
            if error.filename is None and _no_room(error):
                raise refused(path, error) from None
            raise
        finally:
            with suppress(OSError):  # what is in its buffer has no room either
                file.close()
    finally:
        with suppress(OSError, ValueError):  # ValueError: a zero byte
            temporary.unlink(missing_ok=True)
    _sync(path.parent)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty folder beside `path`, whose files stand in `path` once all of them are written.

    They come at once where `path` is no folder yet, or an empty one, else one by one in the order of their times. An
    exception leaves nothing, and what a kill leaves the next call for the same path removes. Raises FileError as
    `atomic_output` does.
    """
    path = Path(os.path.abspath(path))
    with _refusals(path):
        temporary = _temporary(path, folder=True)
        temporary.mkdir()
    try:
        yield temporary
        with _refusals(path):
            try:
                os.replace(temporary, path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                for file in sorted(temporary.iterdir(), key=lambda file: file.stat().st_mtime_ns):
                    os.replace(file, path / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync(path.parent)


def link(source: Path, path: Path) -> None:
    """Give a file of ours a second name, which takes the place of what stood there; its time is now.

    Where the file system has no such links, it is copied. Raises FileError as `atomic_output` does.
    """
    with _refusals(path):
        temporary = _temporary(path)
        try:
            os.link(source, temporary)
        except OSError:
            with atomic_output(path, "wb") as file, open(source, "rb") as content:
                shutil.copyfileobj(content, file)
        else:
            os.utime(temporary)
            os.replace(temporary, path)
            temporary.unlink(missing_ok=True)  # it stays where both are names of one file
        _sync(path.parent)


def _sync(folder: Path) -> None:
    with suppress(OSError):  # some file systems sync no folders
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def write_json(path: str | Path, content: object, end: str = "", **options: Any) -> None:
    """Write an object as JSON with sorted names, whole, and `end` after it; `options` are json.dump's."""
    with atomic_output(path) as file:
        json.dump(content, file, indent=1, sort_keys=True, **options)
        file.write(end)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise refused(path, error) from None
    except ValueError as error:  # a name with a zero byte, or that is no UTF-8
        raise FileError(f"{str(path)!r}: cannot be written ({error}); give another name") from None


def _no_room(error: OSError) -> bool:
    """Return whether the disk is full; numpy gives no error number, and says "8000 requested and 512 written"."""
    return error.errno in NO_ROOM or (error.errno is None and str(error).endswith(" written"))


def refused(path: str | Path, error: OSError) -> FileError:
    """Return the error for a file that the system does not let us write."""
    reason = error.strerror or str(error)
    if error.filename and str(error.filename) != str(path):
        reason += f": {error.filename}"
    cure = "make room there" if _no_room(error) else "mend that"
    return FileError(f"{path}: cannot be written ({reason}); {cure}, then the same command goes on")


def _temporary(path: Path, folder: bool = False) -> Path:
    """Return a temporary name beside `path`, of a file or folder; delete what killed processes of this machine left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not folder:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    beginning = f".{path.name}.tmp.{socket.gethostname()}."
    for left in path.parent.glob(f"{glob.escape(beginning)}*"):
        if not is_alive(left.name.removeprefix(beginning)):
            with suppress(OSError):
                left.unlink(missing_ok=True) if left.is_file() else shutil.rmtree(left)
    return path.with_name(f"{beginning}{os.getpid()}")


def is_alive(pid: str) -> bool:
    """Return whether the process runs on this machine; True if that cannot be told."""
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
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+")  # noqa: SIM115, closed below
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            say(f"{path}: waiting for process {holder}, which works there")
            fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(OSError):  # on a full disk the lock holds without the number
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        yield


def is_locked(path: Path) -> bool:
    """Return whether a process holds an flock on the file `path`. Raises OSError if that cannot be told."""
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_arrays(matrix: np.ndarray, names: np.ndarray) -> str:
    """Return the SHA-256 of a matrix (N, D) and of the names (N,) of its rows, in hexadecimal."""
    digest = hashlib.sha256(np.ascontiguousarray(matrix).data)
    digest.update(" ".join(names).encode())
    return digest.hexdigest()
