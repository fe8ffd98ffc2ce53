"""The one reader of YAML: what people write by hand, each fault a sentence.

A plain word is null, true, false, an integer, a float (also 1e-3) or else text: YAML 1.2's rules, for by those of
1.1, PyYAML's own, 2024_11 is 202411, 010 is 8, 12:30 is 750, no is false and 1e-3 is text. `sre.config.schema` takes
yes, "0.05" or 2024 for what a key wants.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from sre import SreError
from sre.io.text import read_json, read_text

MAX_DEPTH = 30  # no config has more than 8
MAX_VALUES = 100_000  # after anchors are followed; ten lines of them can stand for a billion
DEEP = "cannot be read (nested too deeply, or in itself); mend it"
CORE = {  # tag -> what such words look like, how they begin
    "null": (re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    "bool": (re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    "int": (re.compile(r"-?(?:0|[1-9][0-9]*)$"), list("-0123456789")),
    "float": (
        re.compile(
            r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$|\.nan$"
        ),
        list("-+0123456789."),
    ),
    "merge": (re.compile(r"<<$"), ["<"]),
}


class _KeyFault(yaml.MarkedYAMLError):
    """The error of a key that is no text or stands twice; its text says what to do."""


class PlainLoader(yaml.SafeLoader):
    """A loader whose keys are text, and stand once in their mapping."""

    yaml_implicit_resolvers: dict = {}

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _KeyFault(None, None, "a key is no word; write key: value", key.start_mark)
            if key.value in lines:
                problem = f"the key '{key.value}' is in line {lines[key.value]} too; take one out"
                raise _KeyFault(None, None, problem, key.start_mark)
            lines[key.value] = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:merge":
                key.tag = "tag:yaml.org,2002:str"
        return node


class _TextLoader(PlainLoader):
    """A loader whose words are text but for null: what they are is for the schema to say."""

    yaml_implicit_resolvers: dict = {}


for tag, (pattern, first) in CORE.items():
    PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, first)
    if tag in ("null", "merge"):
        _TextLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, first)


def read_yaml(path: str | Path) -> dict:
    """Read a YAML file of `key: value` lines, or a .json file.

    Raises SreError naming file and line where it is missing, not UTF-8, not YAML, has a key twice or no keys.
    """
    if Path(path).suffix == ".json":
        config = _bounded(read_json(path, "mend it"), str(path))
    else:
        config = parse_yaml(read_text(path, "no such file; check the name"), str(path))
    if not isinstance(config, dict):
        raise SreError(f"{path}: expected `key: value` lines{_found(config)}")
    return config


def _found(config: object) -> str:
    if config is None:
        return ", it is empty; write them, or leave the file out"
    if isinstance(config, list):
        return ", it is a list; write a key before it"
    return f", found '{str(config)[:40]}'; a blank belongs behind the colon"


def parse_yaml(text: str, where: str, words: bool = False) -> Any:
    """Return the value of a YAML text; with `words` all but null stays text. Raises SreError beginning with `where`."""
    return load_text(text, where, _TextLoader if words else PlainLoader)


def load_text(text: str, where: str, loader: type[PlainLoader]) -> Any:
    """Return the value of a YAML text as a loader has it. Raises SreError beginning with `where`."""
    try:
        value = yaml.load(text, loader)
    except yaml.MarkedYAMLError as error:
        raise SreError(_sentence(error, where)) from None
    except yaml.YAMLError as error:
        raise SreError(f"{where}: not YAML ({' '.join(str(error).split())}); mend it") from None
    except RecursionError:
        raise SreError(f"{where}: {DEEP}") from None
    except ValueError as error:  # an integer of thousands of digits
        raise SreError(f"{where}: cannot be read ({error}); mend it") from None
    return _bounded(value, where)


def merged(base: dict, over: dict) -> dict:
    """Return `base` with what `over` says in its place, mappings key by key."""
    both = dict(base)
    for key, value in over.items():
        inner = isinstance(value, dict) and isinstance(both.get(key), dict)
        both[key] = merged(both[key], value) if inner else value
    return both


def _bounded(value: Any, where: str) -> Any:
    """Return the value itself. Raises SreError if it is too deep, or too large once anchors are followed."""
    try:
        count, depth = _extent(value, {})
    except RecursionError:
        depth = MAX_DEPTH + 1
    if depth > MAX_DEPTH:
        raise SreError(f"{where}: {DEEP}")
    if count > MAX_VALUES:
        raise SreError(f"{where}: its anchors stand for more than {MAX_VALUES} values; write out what you need")
    return value


def _sentence(error: yaml.MarkedYAMLError, where: str) -> str:
    mark = error.problem_mark or error.context_mark
    problem = " ".join(str(part) for part in (error.context, error.problem) if part)
    line = f":{mark.line + 1}" if mark else ""
    if isinstance(error, _KeyFault):
        return f"{where}{line}: {problem}"
    cure = "indent with blanks, not with tabs" if r"'\t'" in problem else "mend that line, or the one before"
    return f"{where}{line}: not YAML ({problem}); {cure}"


def _extent(value: object, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return how many values `value` has, with all that anchors repeat, and how deep; RecursionError for a circle."""
    if not isinstance(value, dict | list):
        return 1, 0
    if id(value) not in known:
        parts = [_extent(part, known) for part in (value.values() if isinstance(value, dict) else value)]
        known[id(value)] = 1 + sum(count for count, _ in parts), 1 + max((depth for _, depth in parts), default=0)
    return known[id(value)]
