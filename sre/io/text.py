"""The one reader of text and JSON files: UTF-8, a byte order mark and CRLF accepted, each fault a sentence."""

import json
from pathlib import Path
from typing import Any

from sre import SreError

NO_FILE = "no such file; check the path, or run the stage that makes it"


def read_text(path: str | Path, missing: str = NO_FILE) -> str:
    """Read a UTF-8 text file; a byte order mark at its beginning is dropped and every line ends in `\\n`.

    `missing` is said where there is no such file. Raises SreError naming the file where it is missing, a folder,
    unreadable or not UTF-8 (with the number of the line).
    """
    try:
        data = Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise SreError(f"{path}: {missing}") from None
    except IsADirectoryError:
        raise SreError(f"{path}: is a folder; give the file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise SreError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SreError(
            f"{path}:{line}: not UTF-8 text (byte 0x{data[error.start]:02x});"
            f" convert it, e.g. iconv -f LATIN1 -t UTF-8 {path}"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: str | Path, cure: str = "make it again") -> Any:
    """Read a JSON file. Raises SreError naming the file and the `cure` where it is missing or not JSON."""
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise SreError(f"{path}: damaged or cut short, not JSON ({error}); {cure}") from None
