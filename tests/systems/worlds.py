"""The folders in which the commands of docs/systems.md are tested: a function a system, of the name of its config.

A function is given a scratch checkout of the project, beside which ../shared stands. The commands of its section then
run there, in the page's order. It does what makes them short, and returns a World:

- The models of the checkout are its own. `change(project / "recipes/systems/models/x.yaml", training={"epochs": 1})`
  replaces keys of a YAML. Where a user has a corpus, give a small one.
- World.places: a place that the page writes -> the one that the test has, as
  {"/data/LibriSpeech": str(CORPORA / "LibriSpeech")}. What begins with /data/ in a command must be in one of them.
- World.config: KEY=VALUE entries that each snakemake command gets in front of those of its own --config.

What a command names otherwise is relative to the project's root. -jN of the page is -j2 in the test. A command has to
exit with 0. The commands of a section together may take about 75 s.
"""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from sre.io.yaml_text import merged, read_yaml


@dataclass(frozen=True)
class World:
    """What differs between the page's commands and those that are tested."""

    places: dict[str, str] = field(default_factory=dict)
    config: list[str] = field(default_factory=list)


def change(path: Path, **keys: object) -> None:
    """Replace keys of a YAML file; mappings are merged."""
    path.write_text(yaml.safe_dump(merged(read_yaml(path), keys)), encoding="utf-8")


# Section 1 of the page


def speakernet(project: Path) -> World:
    """Return the world of the section on SpeakerNet."""
    return World()


# Section 2 of the page


def scratch_lstm(project: Path) -> World:
    """Return the world of the section on LSTM from scratch."""
    return World()


# Section 3 of the page


def voice_verification(project: Path) -> World:
    """Return the world of the section on the voice verification."""
    return World()


# Section 4 of the page


def enhancement(project: Path) -> World:
    """Return the world of the section on the embedding enhancement."""
    return World()


# Section 5 of the page


def dvector(project: Path) -> World:
    """Return the world of the section on the d-vector tutorial."""
    return World()
