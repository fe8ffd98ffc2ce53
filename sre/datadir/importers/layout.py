"""Which part of a path is the speaker, the session, and more: by default, by a place, or by a pattern.

A pattern is of the last parts of a path without its suffix: `{speaker}/{session}/{utterance}`. A field is as short as
it can be, so that `{speaker}_{device}_*` fits SV0250_3_02_N3430; a field that stands twice is the same text. `*` is
anything within a part. Fields other than speaker, session, gender and utterance become tables, as utt2device.
"""

import os
import re
from collections.abc import Callable
from typing import NamedTuple

from sre import SreError
from sre.datadir.importers.row import ARRAYS, AUDIO, NOTHING, PICKLES, Asked, Row, table_name

TOKEN = re.compile(r"\{(\w*)\}|(\*)")
SPEAKERS = {"gender": "spk2gender"}  # fields that are of the speaker
SUFFIXES = AUDIO | ARRAYS | PICKLES
PLAIN = {"speaker", "session", "utterance"}


class Place(NamedTuple):
    """What a path tells: speaker, session, and tables."""

    speaker: str = ""
    session: str = ""
    tables: dict[str, str] = {}


Layout = Callable[[str], Place | None]


def layout_of(asked: Asked) -> Layout:
    """Return the function from a path to what it tells; None: the pattern does not fit, or the path has no such part.

    By default the first folder is the speaker, and the folders below it are the session. Raises SreError for a pattern
    without speaker (unless unlabelled ones are wanted) or with a brace that is not closed.
    """
    if asked.pattern is not None:
        return _by_pattern(asked.pattern, asked.unlabelled)
    if asked.speaker_part is not None:
        return _by_part(asked.speaker_part)
    return _by_folders


def row_of(file: str, layout: Layout) -> Row | None:
    """Return the row of a file that is known by its path alone."""
    place = layout(file)
    return None if place is None else Row(file, place.speaker, place.session, tables=place.tables or NOTHING)


def without_suffix(path: str) -> str:
    """Return a path without the suffix of an audio file or an array."""
    stem, suffix = os.path.splitext(path)
    return stem if suffix.lower() in SUFFIXES else path


def _by_folders(path: str) -> Place:
    speaker, *session = path.removeprefix("./").split("/")[:-1] or [""]
    return Place(speaker, "-".join(session), {})


def _by_part(at: int) -> Layout:
    def place(path: str) -> Place | None:
        parts = without_suffix(path).split("/")
        return Place(parts[at], "", {}) if -len(parts) <= at < len(parts) and parts[at] else None

    return place


def _by_pattern(pattern: str, unlabelled: bool) -> Layout:
    regex = re.compile(rf"(?:.*/)?{_regex(pattern)}", re.DOTALL)
    known = set(regex.groupindex)
    if "speaker" not in known and not unlabelled:
        raise SreError(
            f"pattern '{pattern}': it has no {{speaker}}; write it as {{speaker}}/*, or ask for unlabelled ones"
        )
    others = {name: SPEAKERS.get(name) or table_name(name) for name in known - PLAIN}

    def place(path: str) -> Place | None:
        found = regex.fullmatch(without_suffix(path))
        if found is None:
            return None
        told = found.groupdict("")
        return Place(
            told.get("speaker", ""), told.get("session", ""), {table: told[name] for name, table in others.items()}
        )

    return place


def _regex(pattern: str) -> str:
    """Return the regular expression of a pattern. Raises SreError for what is none."""
    parts, at, named = [], 0, set()
    for token in TOKEN.finditer(pattern):
        parts.append(_literal(pattern, pattern[at : token.start()]))
        name, at = token[1], token.end()
        if token[2] or not name:
            parts.append("[^/]*")
        elif name in named:
            parts.append(f"(?P={name})")
        elif name.isidentifier() and name.isascii():
            parts.append(f"(?P<{name}>[^/]+?)")
            named.add(name)
        else:
            raise SreError(
                f"pattern '{pattern}': '{name}' is no name of a field; begin it with a letter, as {{speaker}}"
            )
    return "".join([*parts, _literal(pattern, pattern[at:])])


def _literal(pattern: str, text: str) -> str:
    if set(text) & set("{}"):
        raise SreError(f"pattern '{pattern}': a brace that names no field; write {{speaker}}, {{session}}, … or *")
    return re.escape(text)
