"""YAML of toolkits that build objects from it: read as plain data, and nothing is built.

HyperPyYAML of SpeechBrain has tags, `!new:package.Class` before its arguments, and names of other values, `<n_mels>`;
3D-Speaker's has these names too, OmegaConf's of NeMo `${preprocessor.features}`.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from sre import SreError
from sre.io.text import read_text
from sre.io.yaml_text import PlainLoader, load_text

TAG = "!"  # the key of a mapping that was tagged
DEEPEST = 10  # names that stand for names
WHOLE = re.compile(r"<([\w.]+)>\Z|\$\{([\w.]+)\}\Z")


class _Loader(PlainLoader):
    """A loader to which a tag is one more key of its mapping."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    tag = TAG + suffix
    if isinstance(node, yaml.MappingNode):
        return {TAG: tag, **loader.construct_mapping(node, deep=True)}
    if isinstance(node, yaml.SequenceNode):
        return {TAG: tag, "arguments": loader.construct_sequence(node, deep=True)}
    return node.value if node.value else {TAG: tag}


_Loader.add_multi_constructor(TAG, _tagged)


def parse_tagged(text: str, where: str) -> dict:
    """Return the mapping of a YAML text, with tags as keys "!" and names of values replaced by these.

    A name that stands for nothing, or within a text, stays. Raises SreError beginning with `where` where it is no YAML.
    """
    config = load_text(text, where, _Loader)
    if not isinstance(config, dict):
        raise SreError(f"{where}: no `key: value` lines in it; get the file again")
    return {key: _named(value, config, 0) for key, value in config.items()}


def read_tagged(path: Path) -> dict:
    """Read such a file. Raises SreError where it is missing or no YAML."""
    return parse_tagged(read_text(path, "no such file; check the name"), str(path))


def _named(value: Any, config: dict, depth: int) -> Any:
    if isinstance(value, dict):
        return {key: _named(part, config, depth) for key, part in value.items()}
    if isinstance(value, list):
        return [_named(part, config, depth) for part in value]
    found = WHOLE.match(value) if isinstance(value, str) else None
    if not found or depth > DEEPEST:
        return value
    meant = _at((found[1] or found[2]).removeprefix("model."), config)
    return value if meant is None else _named(meant, config, depth + 1)


def _at(name: str, config: Any) -> Any:
    for key in name.split("."):
        config = config.get(key) if isinstance(config, dict) else None
    return config
