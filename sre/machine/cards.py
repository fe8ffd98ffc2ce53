"""Cards (GPUs): a job takes those that are free, and no two jobs of a machine share one.

A lock a card lies in a folder that is common to all users. The kernel frees it when its holder ends, however that was.
"""

import fcntl
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sre import SreError
from sre.machine.log import say

VISIBLE = "CUDA_VISIBLE_DEVICES"  # of CUDA: the cards that a process sees; Slurm sets it to those of a job
TAKEN = "SRE_CARDS_TAKEN"  # of a job that has its cards, for the processes that it starts
SHARED = Path("/var/tmp")  # not TMPDIR, which may be of a user or of a job
LOCKS = Path(os.environ.get("SRE_CARD_LOCKS") or (SHARED if SHARED.is_dir() else tempfile.gettempdir())) / "sre-cards"
LEAST_MIB = 2048.0  # free memory that is asked where nobody knows how much a job needs
PAUSE_S = 5.0  # between two looks at cards that are not free
DEVICE = re.compile(r"(?P<gpu>GPU (?P<index>\d+): .*|\s+MIG .*)\(UUID: (?P<uuid>\S+)\)")  # a line of nvidia-smi -L

_held: list[IO[str]] = []  # open locks of this process


@dataclass(frozen=True)
class Card:
    """A card or a part of one (MIG).

    name : as CUDA_VISIBLE_DEVICES has it
    uuid : what its lock is named by
    free_mib : None where nobody tells, as of a part
    """

    name: str
    uuid: str
    free_mib: float | None = None


def given() -> list[Card]:
    """Return the cards that this job may take: those of CUDA_VISIBLE_DEVICES where it is set, else all."""
    known, asked = _known(), os.environ.get(VISIBLE)
    if asked is None:
        return list({card.uuid: card for card in known.values()}.values())
    cards: list[Card] = []
    for name in filter(None, asked.replace(" ", "").split(",")):
        found = next((card for key, card in known.items() if name == key or _begins(name, key)), None)
        if name == "-1" or (known and not found and not _is_uuid(name)):
            break  # as CUDA does: it sees those before
        cards.append(Card(name, found.uuid, found.free_mib) if found else Card(name, name))
    return cards


def _is_uuid(name: str) -> bool:
    return name.startswith(("GPU-", "MIG-"))


def _begins(name: str, uuid: str) -> bool:
    return _is_uuid(name) and uuid.startswith(name)


def _known() -> dict[str, Card]:
    """Return the machine's cards by index and by UUID. A card in parts is its parts, and its index is the first one."""
    told = nvidia_smi("--query-gpu=uuid,memory.free", "--format=csv,noheader,nounits")
    free = {uuid: mib for uuid, _, mib in (line.partition(", ") for line in told)}
    cards: dict[str, Card] = {}
    index = whole = ""
    for found in filter(None, map(DEVICE.match, nvidia_smi("-L"))):
        uuid = found["uuid"]
        if found["gpu"].startswith("GPU"):
            index = whole = found["index"]
            cards[index] = cards[uuid] = Card(uuid, uuid, _number(free.get(uuid, "")))
            continue
        if whole:  # its first part
            del cards[cards[whole].uuid]
            cards[index], whole = Card(uuid, uuid), ""
        cards[uuid] = Card(uuid, uuid)
    if not cards:  # a container without nvidia-smi
        numbers = sorted(int(path.name[6:]) for path in Path("/dev").glob("nvidia[0-9]*"))
        cards = {str(number): Card(str(number), str(number)) for number in numbers}
    return cards


def nvidia_smi(*arguments: str) -> list[str]:
    """Return the lines that nvidia-smi prints; none without it, or where it fails."""
    try:
        done = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # [N/A]
        return None


def take(count: int | None = 1, least_mib: float = LEAST_MIB, own: int | None = None) -> None:
    """Take `count` of the cards that are given to this job, all for None, and let CUDA see only these.

    It has to come before CUDA begins in this process. A job that waits for cards says whose they are. Without any card
    on the machine, or in a job that has its cards, nothing is done.
    least_mib : free memory that each must have, in MiB
    own : take that one of the cards, and let CUDA see all as before; for a rank of torchrun
    Raises SreError where fewer cards are given, or not the one of such a rank.
    """
    told = ""
    while TAKEN not in os.environ and (cards := given()):
        if own is not None and own >= len(cards):
            raise SreError(
                f"process {own} of this machine (LOCAL_RANK) finds {len(cards)} cards"
                f" ({VISIBLE}={os.environ.get(VISIBLE, '')}); start one process a card, and let each see all of them"
            )
        cards = cards if own is None else cards[own : own + 1]
        wanted = len(cards) if count is None else count
        if wanted > len(cards):
            raise SreError(
                f"{wanted} cards are asked for and this job is given {len(cards)}"
                f" ({VISIBLE}={os.environ.get(VISIBLE, '')}); lower training.devices, or give it more"
            )
        taken, why = _try(cards, wanted, least_mib)
        if taken:
            if own is None:
                os.environ[VISIBLE] = ",".join(card.name for card in taken)
            os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # the indices are nvidia-smi's and Slurm's
            os.environ[TAKEN] = str(os.getpid())
            return
        if told != (told := f"waits for {f'{wanted} cards' if wanted > 1 else 'a card'}: {'; '.join(why)}"):
            say(told)
        time.sleep(PAUSE_S)


def _try(cards: Sequence[Card], wanted: int, least_mib: float) -> tuple[list[Card], list[str]]:
    """Lock `wanted` cards, those with the most free memory, and return them in their order.

    Return none, and why each other card is not free, where there are not as many.
    """
    locked: dict[Card, IO[str]] = {}
    why = []
    with _open("all") as all_cards:  # else two jobs that want two each may have one each, again and again
        fcntl.flock(all_cards, fcntl.LOCK_EX)
        for card in sorted(cards, key=lambda card: -(card.free_mib or 0)):
            if len(locked) == wanted:
                break
            lock = _open(card.uuid)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                why.append(f"{card.name} is that of job {lock.read().strip() or 'unknown'}")
                lock.close()
                continue
            if card.free_mib is not None and card.free_mib < least_mib:
                why.append(f"{card.name} has {card.free_mib:.0f} MiB free, and {least_mib:.0f} are needed")
                lock.close()
                continue
            locked[card] = lock
        if len(locked) < wanted:
            for lock in locked.values():
                lock.close()
            return [], sorted(why)
        for lock in locked.values():
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
    _held.extend(locked.values())
    return [card for card in cards if card in locked], []


def holder_of(uuid: str) -> str:
    """Return the number of the job that has a card, "" of a free one; makes no lock."""
    path = _lock_of(uuid)
    if not path.is_file():
        return ""
    with open(path, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read().strip() or "unknown"
    return ""


def _lock_of(name: str) -> Path:
    return LOCKS / f"{re.sub('[^A-Za-z0-9-]', '_', name)}.lock"


def _open(name: str) -> IO[str]:
    """Open a lock file, which any user may lock; the first one makes it."""
    path = _lock_of(name)
    if not LOCKS.is_dir():
        LOCKS.mkdir(exist_ok=True)
        LOCKS.chmod(0o1777)
    with suppress(FileExistsError):  # O_CREAT of another user's file is refused in such a folder
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.fchmod(number, 0o666)
        os.close(number)
    return open(path, "r+")
