"""The one reader of text and JSON files: UTF-8, a byte order mark and CRLF accepted, each fault a sentence.

Fields are parted by blanks and tabs, lines by line feeds and nothing else: `str.split` and `str.splitlines` part at
U+3000, U+0085 and their like too, which people have in file names.
"""

import json
import re
import shlex
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sre import SreError
from sre.io.forms import Form, check_form

NO_FILE = "no such file; check the path, or run the stage that makes it"
BLANKS = " \t"
FIELD = re.compile(r"[^ \t]+")


def read_bytes(path: str | Path, missing: str = NO_FILE) -> bytes:
    """Read a file; `missing` is said where there is none. Raises SreError naming it, also for a folder."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise SreError(f"{path}: {missing}") from None
    except IsADirectoryError:
        raise SreError(f"{path}: is a folder; give the file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise SreError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def read_text(path: str | Path, missing: str = NO_FILE, errors: str = "strict") -> str:
    """Read a UTF-8 text file; a byte order mark at its beginning is dropped and every line ends in `\\n`.

    `missing` is said where there is no such file; `errors` as of bytes.decode. Raises SreError naming the file where it
    is missing, a folder, unreadable, not UTF-8 or no text at all (with the number of the line).
    """
    data = read_bytes(path, missing)
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise SreError(f"{path}: UTF-16 text, UTF-8 is needed; convert it: {_iconv('UTF-16', path)}")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise SreError(f"{path}:{line}: a zero byte, so this is no text file, or a damaged one; give the text file")
    try:
        text = data.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SreError(
            f"{path}:{line}: not UTF-8 text (byte 0x{data[error.start]:02x}); convert it, e.g. {_iconv('LATIN1', path)}"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _iconv(coding: str, path: str | Path) -> str:
    name = shlex.quote(str(path))
    return f"iconv -f {coding} -t UTF-8 {name} -o {name}.utf8"


def lines_of(text: str) -> list[str]:
    """Return the lines of what `read_text` gave, without their ends; an empty text has none."""
    return text.removesuffix("\n").split("\n") if text else []


def fields(line: str) -> list[str]:
    """Return what stands between blanks and tabs."""
    return FIELD.findall(line)


def key_and_rest(line: str) -> tuple[str, str]:
    """Return the first field of a line, and what follows it without the blanks around; both may be empty."""
    line = line.strip(BLANKS)
    key, _, rest = line.partition(" ")
    if "\t" in key:
        key, _, rest = line.partition("\t")
    return key, rest.strip(BLANKS)


def number(text: str, kind: type = float) -> float:
    """Parse an int or float written with ASCII digits alone. Raises ValueError for anything else, as `1_0`."""
    if "_" in text or not text.isascii():
        raise ValueError(f"'{text}' is no number")
    return kind(text)


def exact(value: float) -> str:
    """Return a number's shortest text with six digits, or as many as name it: never another number's name."""
    text = f"{value:g}"
    return text if float(text) == value else repr(float(value))


def read_json(path: str | Path, cure: str = "make it again") -> Any:
    """Read a JSON file. Raises SreError naming the file and the `cure` where it is missing or not JSON."""
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SreError(f"{path}: damaged or cut short, not JSON ({error}); {cure}") from None


def read_object(path: str | Path, form: Form | None = None, cure: str = "make it again") -> dict[str, Any]:
    """Read a JSON object. Raises SreError as `read_json` does, and naming what is not of the form (see forms.py)."""
    return check_form(path, read_json(path, cure), form or {}, cure)


def read_versioned(path: str | Path, form: Form, version: int, cure: str) -> dict[str, Any]:
    """Read a JSON object whose "version" is the number of its form; without one it is of the form before.

    Raises SreError as `read_object` does, and where the version is above `version`, the newest that is known here.
    """
    return check_form(path, check_version(path, read_object(path, None, cure), version, cure), form, cure)


def check_version(path: str | Path, content: dict[str, Any], version: int, cure: str) -> dict[str, Any]:
    """Return what is in an object beside its "version". Raises SreError where that is above `version`, or no number."""
    found = content.get("version", 0)
    if not isinstance(found, int) or found > version:
        raise SreError(f"{path}: of version {found}, and this sre reads it up to {version}; update sre, or {cure}")
    return {name: value for name, value in content.items() if name != "version"}


def flatten(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (`outer.inner`, value) of each value in nested objects; a list is one value."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from flatten(value, f"{name}.{key}" if name else key)
    else:
        yield name, content


def canonical(config: object) -> str:
    """Return one text for one meaning: sorted keys, 0.10 as 0.1; what hashes and Snakemake's params compare."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
