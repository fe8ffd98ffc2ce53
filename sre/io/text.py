"""The one reader of text and JSON files: UTF-8, a byte order mark and CRLF accepted, each fault a sentence."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sre import SreError

Form = Mapping[str, type | tuple[type, ...]]
NUMBER = (int, float)
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
    except (ValueError, RecursionError) as error:
        raise SreError(f"{path}: damaged or cut short, not JSON ({error}); {cure}") from None


def read_object(path: str | Path, form: Form | None = None, cure: str = "make it again") -> dict[str, Any]:
    """Read a JSON object. Raises SreError as `read_json` does, and as `check_form` where it is of another form."""
    return check_form(path, read_json(path, cure), form or {}, cure)


def check_form(where: str | Path, found: Any, form: Form, cure: str) -> dict[str, Any]:
    """Return `found` if it is an object whose keys have values of these types; raises SreError naming the key."""
    if not isinstance(found, dict):
        raise SreError(f"{where}: {type(found).__name__} where a JSON object is needed; {cure}")
    if missing := [key for key in form if key not in found]:
        raise SreError(f"{where}: no {', '.join(missing)} in it; {cure}")
    if wrong := [key for key, types in form.items() if not isinstance(found[key], types)]:
        raise SreError(f"{where}: its {wrong[0]} is {str(found[wrong[0]])[:40]!r}, which is not of its type; {cure}")
    return found
