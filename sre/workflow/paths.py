"""What paths a recipe may have, how a shell gets them, and what times inputs may have."""

import os
import re
import shlex
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sre import SreError
from sre.config.schema import Place
from sre.machine.log import clock

AHEAD_S = 1.0  # no job ends sooner than this after its start
FEW = 5  # paths that are written out in a command


def check_paths(places: Iterable[Place], project: Path) -> None:
    """Raise SreError where a path of a config, or the project's folder, is one that jobs cannot use.

    Blanks, quotes, $, ;, * and letters of any script are good: each path is a single quoted word to every shell.
    """
    faults = [f"{key}: {fault}" for key, path, _ in places if (fault := _fault(path))]
    if ":" in str(project):
        faults.append(f"{project}: Python cannot be told of a folder with a colon in its name; move the project")
    if faults:
        raise SreError("\n".join(faults))


def check_inputs(places: Iterable[Place]) -> None:
    """Raise SreError where lists, models or embeddings that a config names are missing.

    Snakemake does not look for them where what was once made of others is there.
    """
    wanted = {"data-dir": "utt2spk", "file": ""}  # of a folder that only may be there, nothing
    named = [(key, Path(path, wanted[kind])) for key, path, kind in places if kind in wanted]
    if faults := [f"{key}: {path}: no such file; mend the path" for key, path in named if not path.is_file()]:
        raise SreError("\n".join(faults))


def absent_folders(places: Iterable[Place]) -> list[str]:
    """Return a sentence for each folder of a corpus that is not there: what was once made of it needs it no more."""
    kinds = {"path": (os.path.isdir, "folder"), "source": (os.path.exists, "folder or list")}
    return [
        f"{key}: {path}: no such {kinds[kind][1]}; what is made already is used, and nothing new can be made of it"
        for key, path, kind in places
        if kind in kinds and key != "root" and not kinds[kind][0](path)
    ]


def check_logs(rules: Iterable[Any]) -> None:
    """Raise SreError for a rule of Snakemake whose shell is a `job` and that has no log, which names its record."""
    for rule in rules:
        if "record_job" in (rule.shellcmd or "") and not rule.log:
            raise SreError(f"rule {rule.name} has no log; add log: and a path such as '{{data}}/log/{rule.name}.log'")


def check_root(folders: Iterable[Path]) -> None:
    """Raise SreError where folders under the root can neither be there nor be made: below a file, a name too long."""
    for folder in folders:
        try:
            if not stat.S_ISDIR(os.stat(folder).st_mode):
                raise SreError(f"{folder}: is a file, and should be a folder; move it away, or give another root")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SreError(f"{folder}: {error.strerror}; give another root or name") from None


def check_submitted(folders: Iterable[Path]) -> None:
    """Raise SreError for a quote in root, project or working directory where jobs are submitted to a cluster.

    Snakemake puts the names of files between quotes for the shell that begins such a job, and does not escape theirs.
    """
    for folder in folders:
        if "'" in str(folder):
            raise SreError(f"{folder}: a cluster's jobs cannot work in a folder with ' in its name; rename it")


def _fault(path: str) -> str | None:
    shown = repr(path)
    try:
        path.encode()
    except UnicodeEncodeError:
        return f"{shown} is not UTF-8; rename the folder or file"
    if not path:
        return "the path is empty; give one, or take the key out"
    if "{" in path or "}" in path:
        return f"{shown} has {{ or }}, which Snakemake takes for a wildcard; rename it, or use a link of another name"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
        return f"{shown} has a line break or another control character, which no table can hold; rename it"
    if path[0] == "~":
        return f"{shown}: only shells know what ~ is; write the whole path"
    if path[0] in "- " or path[-1] == " ":
        return f"{shown} begins with a minus, or begins or ends with a blank; rename it, or write its whole path"
    return None


def quoted(line: str) -> str:
    """Return a shell line of Snakemake in which each {value} is quoted: no shell sees more than a word in it.

    {value:u} stays unquoted: several options at once, which we have made of numbers and of names.
    """
    return re.sub(r"\{([^{}:]+)\}", r"{\1:q}", line)


def check_times(inputs: Iterable[str]) -> None:
    """Raise SreError where inputs that exist have a time ahead of now: what is made of them would seem too old."""
    now = time.time()
    ahead = {path: times - now for path in inputs if (times := _time(path)) > now + AHEAD_S}
    if not ahead:
        return
    first = max(sorted(ahead), key=ahead.__getitem__)
    paths = sorted(ahead)
    some = paths if len(paths) <= FEW else sorted({os.path.dirname(path) or "." for path in paths})
    touch = f"find {shlex.join(some)} -newermt now -exec touch -h {{}} +"
    if len(paths) <= FEW:
        links = [path for path in paths if os.path.islink(path)]
        touch = f"touch {shlex.join(paths)}" + (f"; touch -h {shlex.join(links)}" if links else "")
    which = "1 input has" if len(ahead) == 1 else f"{len(ahead)} inputs have"
    raise SreError(
        f"{which} a time ahead of this machine's clock, e.g. {first} by {clock(ahead[first])},"
        f" and what is made of them would always seem too old; give them the time of now: {touch}"
    )


def _time(path: str) -> float:
    """Return the later time of a link and of what it is to; 0 where there is no such file."""
    try:
        return max(os.stat(path).st_mtime, os.lstat(path).st_mtime)
    except OSError:
        return 0.0
