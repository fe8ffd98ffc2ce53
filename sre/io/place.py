"""A place in wav.scp: a file, one channel of a file (`x.sph [channel 1]`), or a command (`… |`)."""

import os
import re
from pathlib import Path

CHANNEL = re.compile(r"(.*\S) \[channel (mix|\d+)\]", re.DOTALL)


def is_pipe(location: str) -> bool:
    """Whether a place in wav.scp is a command, `… |`."""
    return location.rstrip().endswith("|")


def split_channel(location: str) -> tuple[str, str | None]:
    """Return a place without the channel that stands behind it, and that channel: a number from 0 on, or mix.

    The channel is None where none stands there, and where that is the name of a file.
    """
    found = CHANNEL.fullmatch(location)
    return (found[1], found[2]) if found and not os.path.exists(location) else (location, None)


def exists(location: str) -> bool:
    """Whether the file of a place exists."""
    return os.path.exists(split_channel(location)[0])


def openable(location: str, scp_folder: Path) -> str:
    """Return a wav.scp entry as a path that opens: relative to the scp's folder if it is there, else as written."""
    beside = location if is_pipe(location) else os.path.join(scp_folder, location)
    return beside if exists(beside) else location
