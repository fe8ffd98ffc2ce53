"""Command lines: one parser for all of them, and the types of their arguments.

What a command is given is checked here once, before it loads or computes anything: each fault is one sentence with the
name of the argument. `type=` is one of the functions below, or what `whole` and `number` return.
"""

import argparse
import difflib
import json
import math
import os
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sre import SreError
from sre.datadir.layout import UTT_TABLES

MOST = 2**31 - 1
MOST_PROCESSES = 1024


class Parser(argparse.ArgumentParser):
    """argparse whose errors are an SreError, with the nearest option for one that is unknown."""

    has_commands = False

    def __init__(self, **given: Any) -> None:
        spec = getattr(sys.modules["__main__"], "__spec__", None)  # of python -m; else the program's name is known
        prog = f"python -m {spec.name}" if spec and spec.name != "sre.cli.__main__" else None
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, "prog": prog} | given)

    def add_subparsers(self, **given: Any) -> argparse._SubParsersAction:
        self.has_commands = True
        return super().add_subparsers(**given)

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        args = sys.argv[1:] if args is None else list(args)
        if self.prefix_chars == "-" and not self.has_commands:
            self._check_options(args)
        found, rest = super().parse_known_args(args, namespace)
        self._check_outputs(found)
        return found, rest

    def _check_options(self, args: Sequence[str]) -> None:
        """argparse blames a positional or a missing option where one is misspelt; raises SreError that names it."""
        known = [option for option in self._option_string_actions if option.startswith("--")]
        for text in args:
            if text == "--":
                return
            name = text.partition("=")[0]
            if name.startswith("--") and " " not in name and not any(option.startswith(name) for option in known):
                near = difflib.get_close_matches(name[2:], [option[2:] for option in known], 1, 0.5)
                self.error(f"unknown option {name}" + "".join(f"; the nearest is --{one}" for one in near))

    def _check_outputs(self, found: argparse.Namespace) -> None:
        """Raise SreError where a file to write is one that is read, a table of a data directory, or one written too."""
        given = [(action.type, path) for action in self._actions for path in _paths(getattr(found, action.dest, None))]
        outputs = [path for kind, path in given if kind is output_file]
        for number, path in enumerate(outputs):
            others = [other for kind, other in given if kind in (input_file, existing)] + outputs[:number]
            if UTT_TABLES.fullmatch(path.name):
                others += [folder / path.name for kind, folder in given if kind is input_folder]
            if any(os.path.realpath(path) == os.path.realpath(other) for other in others):
                self.error(f"{path}: would be written over what is given beside it; give another name for the output")

    def error(self, message: str) -> NoReturn:
        raise SreError(message if ";" in message else f"{message}; see --help")


def whole(least: int = 0, most: int = MOST, zero: str = "") -> Callable[[str], int]:
    """Return the type of whole numbers from `least` to `most`, and 0 where `zero` tells what it means."""
    allowed = f"of {least} or more" if most == MOST else f"from {least} to {most}"
    allowed += f" (0: {zero})" if zero else ""

    def convert(text: str) -> int:
        value = int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None
        if value is None or not (least <= value <= most or (zero and not value)):
            raise ArgumentTypeError(f"{_shown(text)} was given, and a whole number {allowed} is needed")
        return value

    return convert


count = whole(1)  # of what there must be one of
seed = whole(0)
processes = whole(1, MOST_PROCESSES)


def finite(text: str) -> float:
    """Any number but NaN and infinity."""
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ArgumentTypeError(f"{_shown(text)} was given, and a number is needed")
    return value


def number(least: float, most: float) -> Callable[[str], float]:
    """Return the type of numbers from `least` to `most`."""

    def convert(text: str) -> float:
        if not least <= (value := finite(text)) <= most:
            raise ArgumentTypeError(f"{_shown(text)} was given, and a number from {least:g} to {most:g} is needed")
        return value

    return convert


def share(text: str) -> float:
    """A number from 0 to 1, of a whole."""
    if not 0 <= (value := finite(text)) <= 1:
        raise ArgumentTypeError(f"{_shown(text)} was given, and a share from 0 to 1 is needed; write 1 % as 0.01")
    return value


def channel(text: str) -> str:
    """Type of an argument: a channel, from 0 on, or mix."""
    if text != "mix" and not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"'{text}' is no channel; write a number from 0 on, or mix for the mean of all")
    return text


def operating_point(text: str) -> tuple[str, tuple[float, float, float]]:
    """'0.01,10,1' -> its name, as it was written, and P_target, C_miss, C_fa."""
    try:
        numbers = [finite(part) for part in text.split(",") if part.isascii()]
    except ArgumentTypeError:
        numbers = []
    if len(numbers) == 1 + text.count(",") == 3 and 0 < numbers[0] < 1:
        p_target, c_miss, c_fa = numbers
        weights = c_miss * p_target, c_fa * (1 - p_target)
        if min(weights) > 0 and max(weights) / min(weights) < math.inf:
            return "".join(text.split()), (p_target, c_miss, c_fa)
    raise ArgumentTypeError(f"{text}: P_TARGET is between 0 and 1, costs are above 0; write it like 0.01,10,1")


def nist_plan(text: str) -> str:
    """Return the name of an evaluation of NIST's; the type of an argument."""
    from sre.metrics.rates import NIST_PLANS

    if text not in NIST_PLANS:
        raise ArgumentTypeError(f"{text[:60]!r} is none of {', '.join(NIST_PLANS)}; give one of these")
    return text


def shard(text: str) -> tuple[int, int]:
    """'2/8' -> (2, 8)."""
    parts = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not parts or not 1 <= int(parts[1]) <= int(parts[2]):
        raise ArgumentTypeError(f"{_shown(text)} was given; write K/N with K from 1 to N")
    return int(parts[1]), int(parts[2])


def input_file(text: str) -> Path:
    """A path that can be read; also a pipe, as `<(…)` of a shell."""
    path = _path(text)
    if _is(path.is_dir):
        raise ArgumentTypeError(f"{path}: is a folder; give the file in it")
    if not _is(path.exists):
        raise ArgumentTypeError(f"{path}: no such file; check the path, or run the stage that makes it")
    if not os.access(path, os.R_OK):
        raise ArgumentTypeError(f"{path}: cannot be read; change its permissions")
    return path


def input_folder(text: str) -> Path:
    path = _path(text)
    if not _is(path.exists):
        raise ArgumentTypeError(f"{path}: no such folder; check the path, or run the stage that makes it")
    if not _is(path.is_dir):
        raise ArgumentTypeError(f"{path}: is a file; give the folder that it is in")
    if not os.access(path, os.R_OK | os.X_OK):
        raise ArgumentTypeError(f"{path}: cannot be read; change its permissions")
    return path


def existing(text: str) -> Path:
    """A file or a folder."""
    path = _path(text)
    if not _is(path.exists):
        raise ArgumentTypeError(f"{path}: no such file or folder; check the path")
    return path


def output_file(text: str) -> Path:
    """A path to write to, whose folder need not be there."""
    path = _path(text)
    if _is(path.is_dir) or text.endswith("/"):
        raise ArgumentTypeError(f"{text}: is a folder; give the name of the file to write")
    if _is(path.exists) and not path.is_file():
        raise ArgumentTypeError(f"{path}: is no ordinary file, which would be replaced; give another name")
    _check_place(path.parent, path)
    return path


def output_folder(text: str) -> Path:
    """A folder to write to, which need not be there."""
    path = _path(text)
    if _is(path.exists) and not path.is_dir():
        raise ArgumentTypeError(f"{path}: is a file; give the name of a folder")
    _check_place(path, path)
    return path


def json_object(text: str) -> dict:
    """The object of a JSON text."""
    try:
        value = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ArgumentTypeError(f"{_shown(text)}: not JSON ({error}); write it like '{{\"key\": 1}}'") from None
    if not isinstance(value, dict):
        raise ArgumentTypeError(f"{_shown(text)}: not a JSON object; write it like '{{\"key\": 1}}'")
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict:
    if twice := [key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number])]:
        raise ValueError(f"key '{twice[0]}' stands twice")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _paths(value: Any) -> list[Path]:
    """Return the paths in an argument's value."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Path)]


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ArgumentTypeError("the path is empty; give one" if not text else "the path has a zero byte")
    return Path(text)


def _is(what: Callable[[], bool]) -> bool:
    """path.exists and the like, of any path."""
    try:
        return what()
    except OSError as error:  # a name too long, a folder that must not be entered
        raise ArgumentTypeError(f"{error.filename}: {error.strerror}; check the path") from None


def _check_place(folder: Path, path: Path) -> None:
    """Raise where nothing can be written into `folder`, which may have to be made."""
    above = next(place for place in (folder, *folder.parents) if _is(place.exists) or place == place.parent)
    if not above.is_dir():
        raise ArgumentTypeError(f"{path}: {above} is a file and no folder; check the path")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ArgumentTypeError(f"{path}: nothing can be written into {above}; change its permissions")


def _shown(text: str) -> str:
    """Return the text as it was typed, in one line of a bounded length."""
    text = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"') or "nothing"
    return text if len(text) <= 60 else f"{text[:57]}…"
