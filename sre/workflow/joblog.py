"""What a job's log tells while the job runs and after it: progress, what was done, warnings, why it failed."""

import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 1 << 14  # of a log: progress stands near its end
MOST_BYTES = 1 << 26
DAY_S = 86400
STALLED_S = 90.0  # a job that says nothing for longer does not go on as before
SAID = re.compile(r"\d\d:\d\d:\d\d (.*)")
PROGRESS = re.compile(r"(.+?): (\d+) of (\d+) (\S+), (\S+) \S+/s, ETA (at most )?\S+ ?(.*)")
CLOSED = re.compile(r"[^ ].*?: (\d+ \S+) in [\d:]+, (.*)")
ERROR = re.compile(r"(?:[\w.-]+\.py: )?error: ")


@dataclass(frozen=True)
class Progress:
    """What the log said `age` seconds ago; what is done since then follows from its rate.

    at_most : the total may not be reached
    """

    done: float
    total: float
    unit: str
    rate: float
    note: str
    age: float
    at_most: bool = False

    @property
    def now(self) -> float:
        return min(self.done + self.rate * min(self.age, STALLED_S), self.total)

    @property
    def remaining_s(self) -> float | None:
        return (self.total - self.now) / self.rate if self.rate > 0 else None


def read(log: Path, most: int = TAIL_BYTES) -> str:
    """Return the log's last bytes as text; "" where there is none yet."""
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - most))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def said(text: str) -> list[str]:
    """Return the dated lines without their time."""
    return [found[1] for line in text.splitlines() if (found := SAID.fullmatch(line))]


def progress(text: str) -> Progress | None:
    """Return the last progress that the log's text has; None where it has none."""
    for line in reversed(text.splitlines()):
        found = SAID.fullmatch(line)
        if counted := PROGRESS.fullmatch(found[1]) if found else None:
            _, done, total, unit, rate, at_most, note = counted.groups()
            return Progress(
                float(done), float(total), unit, float(rate), note.strip(), _age(line[:8]), at_most is not None
            )
    return None


def _age(at: str) -> float:
    """Return the seconds since a time of the day, of this day or the one before; 0 by a clock that is ahead."""
    hours, minutes, seconds = map(int, at.split(":"))
    now = time.localtime()
    age = (now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec - (hours * 3600 + minutes * 60 + seconds)) % DAY_S
    return age if age < DAY_S / 2 else 0.0


def last(text: str) -> str:
    """Return the last line that the job printed, e.g. for whom it waits; "" where there is none."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("$ ")]
    return SAID.sub(r"\1", lines[-1]) if lines else ""


def warnings(text: str) -> list[str]:
    return list(dict.fromkeys(line.removeprefix("warning: ") for line in said(text) if line.startswith("warning: ")))


def outcome(text: str) -> str:
    """Return how much was done in a few words: the last that the job said, without the file's name and the time."""
    lines = [line for line in said(text) if not line.startswith("warning: ") and ": SHA-256 " not in line]
    if lines and (counted := CLOSED.fullmatch(lines[-1])):
        return ", ".join(counted.groups())
    return re.sub(r"^([^ ]+|[^:]*/.*?): ", "", lines[-1]) if lines else ""


def stopped(text: str) -> str | None:
    """Return where a training that was interrupted goes on, as it said itself."""
    found = re.search(r"goes on from (step \d+ of \d+)", text)
    return found[1] if found else None


def refusal(text: str) -> str | None:
    """Return the sentence with which the job refused to do its work, the last of its log; None where it did not."""
    lines = text.rstrip().splitlines()
    begins = [number for number, line in enumerate(lines) if ERROR.match(line)]
    return ERROR.sub("", "\n".join(lines[begins[-1] :])) if begins else None


def failure(text: str, status: int | None = None) -> str:
    """Return the sentence of a job that failed; status as a shell gives it, more than 128 for a signal."""
    if said := refusal(text):
        return said
    lines = text.rstrip().splitlines()
    if status and status > 128:
        name = next((one.name for one in signal.Signals if one == status - 128), str(status - 128))
        cause = ": the machine had no memory left, or somebody ended it" if name == "SIGKILL" else ""
        return f"the job was ended by {name}{cause}"
    if "Traceback (most recent call last)" in text:
        return f"{lines[-1]} (a fault of the program; the log has where)"
    return lines[-1] if lines and not lines[-1].startswith("$ ") else "the job ended without a word"


def printed(text: str) -> list[str]:
    """Return the lines without a date: what the job wrote to stdout, without its command."""
    return [line for line in text.splitlines() if not SAID.fullmatch(line) and not line.startswith("$ ")]
