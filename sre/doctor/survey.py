"""What a corpus has, counted by its folders, before anything is made of it; and what it should have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Counts:
    """How much a part of a corpus has; hours are None where nobody knows them yet, and 0 where it is no sound."""

    speakers: int
    utterances: int
    hours: float | None = None


@dataclass(frozen=True)
class Part:
    """A part of a corpus.

    split : the folder of data/ that it goes into; "" for noises and rooms
    trained : whether networks are trained on it
    official : what was published; None for a part that nobody has published
    """

    name: str
    split: str
    found: Counts
    trained: bool = False
    official: Counts | None = None


@dataclass(frozen=True)
class ListFile:
    """A trial list: its number of trials and its MD5, and those that were published; None: none were."""

    name: str
    path: Path
    trials: int
    official_trials: int | None = None
    md5: str = ""
    official_md5: str | None = None


@dataclass
class Survey:
    """What is in the folder of a corpus.

    recordings : some of its recordings, from which the mean length of an utterance is estimated
    by_ffmpeg : how many recordings ffmpeg decodes
    notes : sentences on what a person should know of it
    stops : sentences on what would stop the recipe
    """

    parts: list[Part] = field(default_factory=list)
    lists: list[ListFile] = field(default_factory=list)
    recordings: list[str] = field(default_factory=list)
    by_ffmpeg: int = 0
    notes: list[str] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Root:
    """A key of a recipe's config that names a corpus.

    count : makes the survey of the corpus that a resolved config names; raises SreError for what is no such corpus
    get : how to get it, a sentence
    needed : whether the recipe ends without it
    replaced_by : the key that takes its place; where that is given, it is not needed
    """

    key: str
    count: Callable[[Mapping[str, Any]], Survey]
    get: str
    needed: bool = True
    replaced_by: str = ""
