"""Ids of utterances and recordings: those of the source, or made from paths; without blanks, unique, readable.

What cannot be seen in a name is `_`. A made id is the name of the file where that begins with the speaker and the
session, else the path below the folder that all files share, with `-` for `/`, begun with the speaker. It ends with the
milliseconds of a part. Where two would be the same, the second in the order of paths gets `-2`. The same source gives
the same ids.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from sre import SreError
from sre.datadir.importers.layout import without_suffix
from sre.datadir.importers.row import Row
from sre.io.ids import is_plain, shown, unseen


def plain(name: str) -> str:
    """Return a name with `_` for each blank, and for what cannot be seen."""
    if is_plain(name):
        return name
    hidden = set(unseen(name))
    return "".join("_" if char in hidden else char for char in name)


def shared_folder(files: Sequence[str]) -> str:
    """Return the folder that all paths begin with, with a slash at its end; "" where there is none."""
    if not files:
        return ""
    first, last = min(files), max(files)
    common = next(
        (at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[: first.rfind("/", 0, common) + 1]


def from_path(file: str, shared: str) -> str:
    """Return the id that a path makes; folders that its name begins with, as LibriSpeech's do, are not said again."""
    *folders, name = [part for part in without_suffix(file[len(shared) :]).split("/") if part not in ("", ".", "..")]
    for at in range(len(folders)):
        if _begins(name, "-".join(folders[at:])):
            folders = folders[:at]
            break
    return plain("-".join([*folders, name]))


def from_name(row: Row, speaker: str) -> str:
    """Return the name of a file that begins with the speaker and the session, as 61-70968-0000 does; else ""."""
    name = plain(without_suffix(row.file[row.file.rfind("/") + 1 :]))
    if not speaker or not _begins(name, speaker):
        return ""
    return name if _begins(name[len(speaker) + 1 :], plain(row.session)) or not row.session else ""


def _begins(name: str, head: str) -> bool:
    return name.startswith(head) and not name[len(head) : len(head) + 1].isalnum()


def milliseconds(row: Row) -> str:
    """Return what ends the id of a part of a file: -0001500-0003250."""
    end = "end" if row.end is None else f"{round(row.end * 1000):07}"
    return f"-{round(row.start * 1000):07}-{end}" if row.part else ""


def speakers_of(rows: Iterable[Row]) -> dict[str, str]:
    """Return speaker as in the source -> its id. Raises SreError where two would be one."""
    ids = {name: plain(name) for name in dict.fromkeys(row.speaker for row in rows)}
    owners: dict[str, str] = {}
    for name, spk in ids.items():
        if spk in owners:
            raise SreError(f"speakers '{shown(owners[spk])}' and '{shown(name)}' would both be named {spk}; rename one")
        owners[spk] = name
    return ids


def utterance_ids(rows: Sequence[Row], speakers: dict[str, str], shared: str) -> tuple[list[str], list[str]]:
    """Return the ids of rows, which are in the order of their paths, and those that had to be made distinct."""
    names = {row.file: from_name(row, speakers[row.speaker]) for row in rows if not row.utterance}
    count = Counter(names.values())  # a name that files of several folders have tells them apart no more
    wanted = [
        _wanted(
            row, speakers[row.speaker], name if (name := names.get(row.file, "")) and count[name] == 1 else "", shared
        )
        for row in rows
    ]
    return distinct(wanted)


def _wanted(row: Row, speaker: str, name: str, shared: str) -> str:
    if row.utterance:
        return plain(row.utterance)
    made = (name or from_path(row.file, shared)) + milliseconds(row)
    if row.channel is not None:
        made += f"_{'abcdefgh'[row.channel : row.channel + 1] or row.channel}"
    return made if not speaker or _begins(made, speaker) else f"{speaker}-{made}"


def distinct(wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the names with `-2`, `-3`, … behind those that have stood before, and the names made so."""
    wanted = list(wanted)
    taken, ids, changed = set(wanted), [], []
    if len(taken) == len(wanted):
        return wanted, []
    used: set[str] = set()
    for name in wanted:
        if name in used:
            number = 2
            while (other := f"{name}-{number}") in taken:
                number += 1
            taken.add(other)
            changed.append(other)
            name = other
        used.add(name)
        ids.append(name)
    return ids, changed
