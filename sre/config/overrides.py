"""A recipe's config from its parts: its config.yaml, then --configfile, then --config, typed by the schema.

--config name=2024_11 'seeds=[1, 2]' models=xvector 'xvector={training: {lr: 0.05}}'
--config set=xvector.training.lr=0.05 'set=[audio.resample=yes, bootstrap.replicates=200]'
"""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from sre import SreError
from sre.config.resolve import read_merged, recipe_file
from sre.config.schema import Schema
from sre.config.stages import STAGES
from sre.io.yaml_text import MAX_DEPTH, merged, read_yaml

SET = "set"  # set=a.b.c=VALUE: one key, wherever it is


def read_config(recipes: Path, files: Sequence[Path], entries: Sequence[str], alone: bool = False) -> dict:
    """Return the merged config, not yet checked.

    files, entries : of Snakemake's --configfile and --config, as they were typed
    alone : without the recipe's own config.yaml, Snakemake's --replace-workflow-config

    Raises SreError for an unknown recipe, a file that cannot be read and an entry that is no KEY=VALUE.
    """
    given = merged(read_merged(files), read_entries(Schema(recipes / "config.schema.yaml"), entries))
    file = recipe_file(recipes, given.get("recipe", "mini"))
    return given if alone else merged(read_yaml(file), given)


def read_entries(schema: Schema, entries: Sequence[str]) -> dict:
    """Return what KEY=VALUE entries say, mappings merged. Raises SreError if two of them give one key two values."""
    config: dict = {}
    for entry in entries:
        key, equals, text = entry.partition("=")
        if not equals:
            raise SreError(f"--config {entry}: write KEY=VALUE")
        for path, value in _settings(entry, text) if key == SET else [([key], text)]:
            nested = schema.typed(value, _part(schema, path), f"--config {_short(entry)}")
            for name in reversed(path):
                nested = {name: nested}
            if twice := _conflict(config, nested):
                raise SreError(f"--config {_short(entry)}: {twice} is given another value before; leave one out")
            config = merged(config, nested)
    return config


def _conflict(config: dict, more: dict, place: str = "") -> str:
    """Return the dotted key that has another value in both; '' if there is none."""
    for key in config.keys() & more.keys():
        old, new = config[key], more[key]
        if isinstance(old, dict) and isinstance(new, dict):
            if found := _conflict(old, new, f"{place}{key}."):
                return found
        elif old != new:
            return f"{place}{key}"
    return ""


def _short(entry: str) -> str:
    return entry if len(entry) < 80 else f"{entry[:80]}…"


def _settings(entry: str, text: str) -> list[tuple[list[str], str]]:
    """Return the (path, value) pairs of `a.b=1` or `[a.b=1, c=2]`."""
    bare = text.strip()
    found = []
    for setting in _pieces(bare[1:-1]) if bare[:1] == "[" and bare[-1:] == "]" else [bare]:
        path, equals, value = setting.strip().partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys) or len(keys) > MAX_DEPTH:
            raise SreError(
                f"--config {_short(entry)}: write set=KEY.KEY=VALUE, e.g. set=xvector.training.lr=0.05, or several as"
                " 'set=[KEY=VALUE, KEY=VALUE]'"
            )
        found.append((keys, value))
    return found


def _pieces(text: str) -> list[str]:
    """Split a text at the commas that are in no brackets and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote or letter in "'\"":
            quote = "" if letter == quote else quote or letter
        depth += (letter in "[{") - (letter in "]}") if not quote else 0
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _part(schema: Schema, path: Sequence[str]) -> dict:
    """Return the part of the schema that describes a key. If its first word is no key of a recipe, it names a model."""
    is_recipes = path[0] in schema.part()["properties"]
    part = schema.part() if is_recipes else schema.part("$defs", "model")
    for key in path if is_recipes else path[1:]:
        part = schema.inner(part, key)
    return part


def check_once(arguments: Sequence[str]) -> None:
    """Raise SreError if --config is given twice: Snakemake forgets all but the last."""
    own = list(arguments)[: arguments.index("--") if "--" in arguments else None]
    given = [word for word in own if re.fullmatch(r"--config(=.*)?|-[npkFft]*C.*", word, re.DOTALL)]
    if len(given) > 1:
        raise SreError(f"--config is given {len(given)} times, and Snakemake takes the last; write all behind one")


def check_command(arguments: Sequence[str]) -> None:
    """Raise SreError for what Snakemake ends on with a traceback, before it has read the Snakefile."""
    from snakemake.cli import get_argument_parser

    check_once(arguments)
    known, _ = get_argument_parser().parse_known_args(list(arguments))
    for path in known.configfile:
        read_yaml(path)
    for entry in known.config or ():
        key, equals, text = entry.partition("=")
        if not equals:
            raise SreError(f"--config {entry}: write KEY=VALUE")
        if not re.fullmatch(r"[a-zA-Z_][\w-]*\w", key):
            cure = f"{SET}={key.strip()}={text.strip()}" if key.strip() else "KEY=VALUE"
            raise SreError(f"--config {entry}: Snakemake takes no such key; write {cure}")
        if (bare := text.strip("'\"")) and re.match(r"\s*(#|$)", bare):
            raise SreError(f"--config {entry}: Snakemake takes no such value; write {SET}={entry}")


def read_command(recipes: Path, arguments: Sequence[str]) -> dict:
    """Return the merged config of a command line of Snakemake, not yet checked.

    A target that is no stage and no path is a recipe's name, recipe=NAME. Raises SreError as `check_command` and
    `read_config` do.
    """
    from snakemake.cli import get_argument_parser

    check_command(arguments)
    known, _ = get_argument_parser().parse_known_args(list(arguments))
    files = [Path(file) for file in known.configfile or ()]
    named = [f"recipe={name}" for name in known.targets if name not in (*STAGES, "all") and "/" not in name]
    return read_config(recipes, files, [*named, *(known.config or ())], known.replace_workflow_config)


def check_targets(arguments: Sequence[str], rules: Sequence[str]) -> None:
    """Raise SreError for a target, or a name behind --until or -R, that is no rule and, without /, no file of ours."""
    from snakemake.cli import get_argument_parser

    stages = "data feats train embed score report"
    known, _ = get_argument_parser().parse_known_args(list(arguments))
    for name in sorted({*known.targets, *known.until, *known.omit_from, *known.forcerun}):
        if "/" not in name and name not in rules:
            near = difflib.get_close_matches(name, rules, 1, 0.0)[0]
            raise SreError(f"'{name}' is no stage and no rule; the nearest is '{near}'. Stages: {stages}")
