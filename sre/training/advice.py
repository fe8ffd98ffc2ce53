"""What to do where a training waits for its data for much of the time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

MUCH = 0.3  # of the time: below that a faster reader gains little


@dataclass(frozen=True)
class Reading:
    """How a training reads its chunks.

    source : features, audio or embeddings, as the model's config says
    in_memory : they were read once and are kept
    processes : that read beside the training; 0: the training's own
    cores : that it may use
    """

    source: str
    in_memory: bool
    processes: int
    cores: int

    @classmethod
    def told(cls, content: Mapping[str, Any]) -> Self | None:
        """Return what a train_summary.json tells; None where it does not tell all of it."""
        names = [one.name for one in fields(cls)]
        return cls(*(content[name] for name in names)) if all(name in content for name in names) else None

    def as_dict(self) -> dict[str, Any]:
        """Return what train_summary.json has of it."""
        return asdict(self)


def on_waiting(share: float | None, utt_per_s: float | None, reading: Reading | None) -> str | None:
    """Return a sentence where more than MUCH of the time was waiting for data; what to do depends on the reading.

    share : of the time that was waiting for data, 0 to 1
    """
    if share is None or share <= MUCH:
        return None
    rate = f" at {utt_per_s:.3g} utt/s" if utt_per_s else ""
    return f"{100 * share:.0f} % of the time was waiting for data{rate}: {_remedy(reading)}"


def _remedy(reading: Reading | None) -> str:
    if reading is None:
        return "read from a local disk, or with more cores"
    kind = reading.source
    if reading.in_memory and not reading.processes:
        return (
            f"{kind} are in memory, and the training's own process cuts and changes the chunks; changing speeds"
            " (augment.speeds) takes the most of that"
        )
    by = (
        f"{reading.processes} processes on {reading.cores} cores" if reading.processes else "the training's own process"
    )
    more = "give it more cores" if reading.processes >= reading.cores else "give it a faster processor"
    if reading.in_memory:
        return f"{kind} is in memory, and {by} change speeds and distort it; {more}, or lower prob of augment.distort"
    if kind == "audio":
        return f"{by} read and decode audio; put it on a local disk, as WAV at the rate of the features, or {more}"
    return f"{by} read {kind}; put them on a local disk, or {more}"
