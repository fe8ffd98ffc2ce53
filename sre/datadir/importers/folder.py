"""A folder of audio files: which of its paths' parts is the speaker is said by a layout (layout.py)."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from sre import SreError
from sre.datadir.importers.layout import layout_of, row_of
from sre.datadir.importers.row import AUDIO, Asked, Row
from sre.io.ids import shown
from sre.machine.log import say


def files_below(root: Path, suffixes: frozenset[str], others: Counter[str] | None = None) -> Iterator[str]:
    """Yield the paths, relative to `root`, of files with these suffixes, folder after folder in bytewise order.

    Links are followed, each folder once; names that begin with a dot are passed over. `others` counts the suffixes of
    the rest. Raises SreError for a folder that cannot be read.
    """
    waiting, linked = [""], _Linked(root)
    while waiting:
        below = waiting.pop()
        prefix = f"{below}/" if below else ""
        folders, files = [], []
        try:
            with os.scandir(root / below) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):  # which of two links is taken is not chance
                    suffix = os.path.splitext(entry.name)[1].lower()
                    if entry.name.startswith("."):
                        continue
                    if _is_dir(entry):
                        if not entry.is_symlink() or linked.is_new(entry.path):
                            folders.append(prefix + entry.name)
                    elif suffix in suffixes:
                        files.append(prefix + entry.name)
                    elif others is not None:
                        others[suffix or "without suffix"] += 1
        except OSError as error:
            raise SreError(f"{root / below}: cannot be read ({error.strerror}); change its permissions") from None
        yield from files
        waiting += reversed(folders)


def _is_dir(entry: os.DirEntry) -> bool:
    """Return whether it is a folder, or leads to one; a link that leads to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


class _Linked:
    """The folders that links have led to, lest one is read twice or for ever."""

    def __init__(self, root: Path) -> None:
        self.read: set[str] = set()
        self.above: set[str] = set()
        self._add(os.path.realpath(root))

    def _add(self, path: str) -> None:
        self.read.add(path)
        self.above.update(map(str, Path(path).parents))

    def is_new(self, link: str) -> bool:
        """Return whether a link's folder is neither within, nor around, one that is read."""
        path = os.path.realpath(link)
        if path in self.read or path in self.above or not self.read.isdisjoint(map(str, Path(path).parents)):
            return False
        self._add(path)
        return True


def read(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row a file. Raises SreError where the layout fits none of them."""
    yield from rows_below(source, asked, AUDIO)


def rows_below(source: Path, asked: Asked, suffixes: frozenset[str]) -> Iterator[Row]:
    """Yield a row for each file with such a suffix; those that the layout does not fit have no speaker."""
    layout, others = layout_of(asked), Counter[str]()
    taken, unfit = 0, []
    for file in files_below(source, suffixes, others):
        row = row_of(file, layout)
        if row is None:
            unfit.append(file)
            continue
        taken += 1
        yield row
    if unfit and not taken:
        said = f"pattern '{asked.pattern}'" if asked.pattern else f"part {asked.speaker_part} of its path"
        raise SreError(f"{source}: {said} fits none of {len(unfit)} files, e.g. {shown(unfit[0])}; give another")
    yield from (Row(file) for file in unfit)
    if others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(5))
        say(f"{source}: {others.total()} other files are passed over ({kinds})")


def write(out: Path, rows: Iterable[Row]) -> int:
    """Write OUT/SPEAKER/[SESSION/]UTTERANCE.wav (or its suffix) as links to the files; return their number.

    Raises SreError for parts and channels of files, and where there is something of that name.
    """
    count = 0
    for row in rows:
        if row.part or row.channel is not None:
            raise SreError(f"{out}: links are to whole files, {row.utterance} is a part of one; use csv or nemo")
        suffix = os.path.splitext(row.file)[1]
        parts = [name.replace("/", "_") for name in (row.speaker, row.session, row.utterance + suffix) if name]
        path = out.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.symlink_to(os.path.abspath(row.file))
        except FileExistsError:
            raise SreError(f"{path}: is there already; delete {out}, or name another folder") from None
        count += 1
    return count
