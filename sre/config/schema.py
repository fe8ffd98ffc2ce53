"""recipes/config.schema.yaml: values of the type that keys want, every error at once with its remedy, defaults.

A value that was typed goes through `typed` (brackets, quotes, null). Every config goes through `check`: words become
the types that are wanted (`_as_wanted`), the whole is validated, and defaults are filled in (`_filled`).
"""

import difflib
import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema

from sre import SreError
from sre.io.yaml_text import parse_yaml, read_yaml

WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
NULLS = ("null", "none", "~", "")
LARGEST = 2**53  # an integer above it is no other number's float
OCTAL = re.compile(r"[-+]?0[0-9_]")  # 010 is 8 for some, 10 for others
SHOWN = 200  # characters of a message of jsonschema, which repeats the value
_read = cache(read_yaml)  # a tenth of a second
CLOSE = 0.8  # of names that may be meant, from 0 to 1
NAME = r"^[a-z0-9_]+\Z"  # the schema's pattern of what becomes a file name


class Place(NamedTuple):
    """A path that a config names: its dotted key, and what it is: path (a folder), file, or data-dir (of Kaldi)."""

    key: str
    path: str
    kind: str


class Schema:
    """The schema of configs: `check` raises one SreError with all that is wrong, else returns a filled copy."""

    def __init__(self, path: str | Path) -> None:
        self.root = _read(Path(path))

    def part(self, *pointer: str) -> dict:
        """Return the part of the schema at a path of keys."""
        part = self.root
        for key in pointer:
            part = part[key]
        return self._resolved(part)

    def _resolved(self, part: dict) -> dict:
        return self.root["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part

    def inner(self, part: dict, key: str) -> dict:
        """Return what the schema says of `key` in a value of `part`; {} if it says nothing."""
        others = part.get("additionalProperties")
        return self._resolved(part.get("properties", {}).get(key, others if isinstance(others, dict) else {}))

    def paths(self, config: dict, part: dict | None = None, place: str = "") -> Iterator["Place"]:
        """Yield the paths that a resolved config names: what the schema gives a format to."""
        part = self.root if part is None else part
        for key, value in config.items():
            inner = self.inner(part, key)
            if isinstance(value, dict):
                yield from self.paths(value, inner, f"{place}{key}.")
            elif isinstance(value, str) and "format" in inner:
                yield Place(f"{place}{key}", value, inner["format"])

    def check(self, config: dict, where: str, *pointer: str) -> dict:
        """Check `config` against the schema's part at `pointer` (none: a recipe). `where` names it in the errors."""
        part = self.part(*pointer)
        config = self._as_wanted(config, part)
        # the part's references are resolved from the whole schema
        validator = jsonschema.Draft202012Validator({"$defs": self.root["$defs"], **part})
        errors = sorted(validator.iter_errors(config), key=lambda e: [str(p) for p in e.absolute_path])
        problems = list(_out_of_range(config))
        problems += [problem for error in errors for problem in self._explain(error, part, config)]
        if problems:
            raise SreError(
                f"{where}: {len(problems)} problem{'s' * (len(problems) > 1)}:" + "".join(f"\n  {p}" for p in problems)
            )
        return self._filled(config, part)

    def _as_wanted(self, value: Any, part: dict) -> Any:
        """Return a copy of `value`: 'yes', "0.05", 2024, a word are true, 0.05, text, a list if these are wanted."""
        part = self._resolved(part)
        types = types_of(part)
        if isinstance(value, dict):
            return {key: self._as_wanted(item, self.inner(part, key)) for key, item in value.items()}
        if types == {"array"} and isinstance(value, str):
            value = [word.strip() for word in value.split(",") if word.strip()]
        elif types == {"array"} and isinstance(value, int | float):
            value = [value]
        if isinstance(value, list):
            return [self._as_wanted(item, part.get("items", {})) for item in value]
        if isinstance(value, str) and types and (types & {"integer", "number"} or "string" not in types):
            return _from_word(value, types)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if whole and "string" in types and not types & {"integer", "number"}:
            return str(value)
        return value

    def typed(self, text: str, part: dict, where: str) -> Any:
        """Return what was typed for a value of `part`: null, a YAML in brackets, or text, which `check` converts.

        Raises SreError that begins with `where` for brackets that do not close.
        """
        types, bare = types_of(part), text.strip()
        if "null" in types and bare.lower() in NULLS:
            return None
        if bare[:1] in ("[", "{") and types != {"string"} and types != {"string", "null"}:
            return parse_yaml(bare, where, words=True)
        if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"":
            return bare[1:-1]
        return text

    def _filled(self, value: Any, schema: dict) -> Any:
        schema = self._resolved(schema)
        if isinstance(value, float) and value.is_integer() and schema.get("type") == "integer":
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and schema.get("type") == "number":
            value = float(value)
        if isinstance(value, list) and "items" in schema:
            return [self._filled(item, schema["items"]) for item in value]
        if not isinstance(value, dict):
            return value
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        filled, kind = {}, value.get("type", value.get("kind", properties.get("type", {}).get("default")))
        for key in {**properties, **value}:
            part = properties.get(key, others if isinstance(others, dict) else {})
            if key in value or ("default" in part and kind in part.get("x-of", [kind])):
                default = part.get("x-defaults", {}).get(kind, part.get("default"))
                filled[key] = self._filled(value.get(key, default), part)
                usual = part.get("x-later") and default == part["default"]  # a type with another one always says it
                if usual and filled[key] == self._filled(default, part):
                    del filled[key]
        return filled

    def _explain(self, error: jsonschema.ValidationError, part: dict, config: dict) -> Iterator[str]:
        place = ".".join(str(step) for step in error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.instance, dict):
            known = error.schema.get("properties", {})
            for key in error.instance:
                if key not in known:
                    yield self._unknown(key, place, known, self._places(part, config))
        elif error.validator == "enum" and isinstance(error.instance, str):
            near = difflib.get_close_matches(error.instance, [str(v) for v in error.validator_value], 1, 0.0)
            yield f"{place}: '{error.instance}' is none of {error.validator_value}; the nearest is '{near[0]}'"
        elif error.validator == "pattern" and error.validator_value.startswith("^("):
            forms = [re.sub(r"\[.*", "NUMBER", form) for form in error.validator_value[2:-3].split("|")]
            yield f"{place}: '{error.instance}' is none of {', '.join(forms)}"
        else:
            message = error.message if len(error.message) <= SHOWN else f"{error.message[:SHOWN]} …"
            if error.instance is None or isinstance(error.instance, bool):  # as YAML writes it
                message = message.replace(str(error.instance), json.dumps(error.instance), 1)
            yield f"{place or 'config'}: {message}{_remedy(error)}"

    def _unknown(self, key: str, place: str, known: dict, places: dict[str, list[str]]) -> str:
        full = f"{place}.{key}" if place else key
        if ":" in key:
            return f"unknown key '{full}'; a blank belongs behind the colon"
        near = difflib.get_close_matches(key, [*known, *places], 1, 0.0)
        if not near:
            return f"unknown key '{full}'"
        if near[0] in known:
            return f"unknown key '{full}'; the nearest valid one is '{near[0]}'"
        own = difflib.get_close_matches(key, known, 1, CLOSE)
        also = f"; '{own[0]}' is the nearest here" if own else ""
        there = " or ".join(places[near[0]])
        return f"unknown key '{full}'; {'it is' if near[0] == key else 'the nearest is'} {there}{also}"

    def _places(self, part: dict, config: dict) -> dict[str, list[str]]:
        """Return key -> its places in `part`; for a recipe also what to type for it, and for a model's keys."""
        found: dict[str, list[str]] = {}
        recipe = part is self.root

        def walk(part: dict, path: str, value: object, form: str = "{}") -> None:
            for key, inner in part.get("properties", {}).items():
                here = f"{path}{key}"
                if form.format(here) not in found.setdefault(key, []):
                    found[key].append(form.format(here))
                walk(self._resolved(inner), f"{here}.", value.get(key) if isinstance(value, dict) else None, form)
            if isinstance(others := part.get("additionalProperties"), dict):
                names = list(value) if isinstance(value, dict) and value else ["NAME"]
                for name in names:
                    found.setdefault(name, []).append(form.format(f"{path}{name}.KEY"))
                walk(self._resolved(others), f"{path}{names[0]}.", None, form)

        walk(part, "", config, "set={}=VALUE" if recipe else "'{}'")
        if recipe:
            named = config.get("models")
            models = [Path(name).stem for name in named if isinstance(name, str)] if isinstance(named, list) else []
            model, form = models[0] if models else "MODEL", "a model's: set={}=VALUE"
            for name in models:
                found.setdefault(name, []).append(form.format(f"{name}.KEY"))
            walk(self.part("$defs", "model"), f"{model}.", None, form)
            for kind, path in (("architectures", "options"), ("losses", "loss.options")):
                for options in self.part("$defs", kind).values():
                    walk(options, f"{model}.{path}.", None, form)
        return found


def types_of(part: dict) -> set[str]:
    """Return the names of the JSON types that a part of the schema allows; none: it does not say."""
    if "enum" in part:
        return {"string" if isinstance(value, str) else "integer" for value in part["enum"]}
    types = part.get("type", [])
    return {types} if isinstance(types, str) else set(types)


def works_on(schema: Schema, *pointer: str) -> list[str]:
    """Return the feature types that an option of $defs works on: `x-types` in the schema."""
    part = schema.part("$defs", pointer[0])
    for key in pointer[1:]:
        part = schema.inner(part, key)
    return part["x-types"]


def _from_word(word: str, types: set[str]) -> object:
    """Return a word as null, a boolean or a number if that is wanted and can be read, else as it is."""
    bare = word.strip()
    if "null" in types and bare.lower() in NULLS:
        return None
    if "boolean" in types:
        return WORDS.get(bare.lower(), word)
    if types & {"integer", "number"} and not OCTAL.match(bare):
        for number in (lambda text: int(text, 0), float):
            try:
                return number(bare)
            except ValueError:
                continue
    return word


def _out_of_range(value: object, place: str = "") -> Iterator[str]:
    """Yield a sentence for each number that is in no range: JSON has no nan, and comparisons do not find it."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _out_of_range(part, f"{place}.{key}" if place else str(key))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place}: {value} is no finite number"
    elif isinstance(value, int) and abs(value) > LARGEST:
        yield f"{place}: an integer of more than {LARGEST} is too large"


def _remedy(error: jsonschema.ValidationError) -> str:
    value, wanted = error.instance, error.validator_value
    if error.validator == "pattern" and wanted == NAME:
        return "; it names files: write small letters, digits and _"
    if error.validator == "pattern" and wanted == "^all$":
        return "; write a whole number, or all"
    if error.validator == "pattern" and "+" in str(value):
        return "; write backend, backend+norm or backend+norm+cal, without blanks"
    if error.validator == "minItems" and value:
        return f"; {wanted} are the least"
    if error.validator != "type":
        return ""
    if "string" in wanted and "integer" not in wanted and isinstance(value, bool | float):
        return "; put it into quotes"
    if isinstance(value, str) and "object" in wanted:
        return "; a blank belongs behind the colon" if ":" in value else "; write {KEY: VALUE}"
    if not isinstance(value, str) or not types_of({"type": wanted}) & {"integer", "number"}:
        return ""
    if "=" in value:
        return "; several at once are 'set=[KEY=VALUE, KEY=VALUE]'"
    if re.fullmatch(r"[-+]?\d+,\d+", value):
        return "; write a point for the comma"
    return "; leave out the 0 in front" if OCTAL.match(value) else ""
