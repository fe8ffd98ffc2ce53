"""Conditions of trial lists: the same trials of noisy, reverberant or short speech, as a recipe asks for them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sre import SreError
from sre.io.forms import built, form_of, wrong_part
from sre.io.text import canonical

SNR, ROOM, SECONDS = "snr", "room", "seconds"
KINDS = (SNR, ROOM, SECONDS)


@dataclass(frozen=True)
class Condition:
    """What was done to the utterances of a list, on both sides of each trial.

    of : the list whose trials they are
    kind : snr, noise was added; room, they were played in a room; seconds, they were cut to a length
    value : dB of snr, seconds of seconds; 0 of room
    categories : of noises of snr, or of rooms, of which one was drawn for each utterance
    seed : of that draw
    held_out : share of these noises or rooms that is held out of training, of which alone was drawn; 0: of all
    """

    of: str
    kind: str
    value: float = 0.0
    categories: list[str] = field(default_factory=list)
    seed: int = 1
    held_out: float = 0.0

    @property
    def suffix(self) -> str:
        """What the names of the list and of its split end in: snr10, snrm5 (-5 dB), room, 4s, 1p5s."""
        number = f"{self.value:g}".replace("-", "m").replace(".", "p")
        return {SNR: f"snr{number}", ROOM: "room", SECONDS: f"{number}s"}[self.kind]

    @property
    def title(self) -> str:
        """What a table heads it: 10 dB, room, 4 s."""
        return {SNR: f"{self.value:g} dB", ROOM: "room", SECONDS: f"{self.value:g} s"}[self.kind]

    @property
    def place(self) -> tuple[int, float]:
        """The key by which conditions are sorted: falling SNR, the room, falling length."""
        return KINDS.index(self.kind), -self.value

    @property
    def text(self) -> str:
        """The condition as canonical JSON, which `read_condition` reads."""
        return canonical(asdict(self))

    @property
    def distort(self) -> list[dict[str, Any]]:
        """The steps of `augment.distort` that make it: one noise at the SNR, or a room."""
        noise = {"kind": "noise", "snr": [self.value, self.value], "count": [1, 1]} if self.kind == SNR else {}
        return [{"probability": 1.0, "one_of": [{"kind": "room", "categories": self.categories, **noise}]}]


def read_condition(content: dict[str, Any]) -> Condition:
    """Return the condition of its JSON. Raises SreError naming what is not of its form."""
    if what := wrong_part(content, form_of(Condition) | {"kind": KINDS}):
        raise SreError(f"no condition of a list: {what}; write of, a list's name, and kind, {' or '.join(KINDS)}")
    return built(Condition, content)


def asked_conditions(asked: Mapping[str, Any], of: str) -> list[Condition]:
    """Return the conditions of a list that a recipe's resolved `conditions` asks for, in the order of the report."""
    seed, held_out = asked["seed"], asked["held_out"]
    found = [Condition(of, SNR, value, asked["noises"], seed, held_out) for value in asked["snr"]]
    found += [Condition(of, ROOM, 0.0, asked["rooms"], seed, held_out)] if asked["rooms"] else []
    found += [Condition(of, SECONDS, value) for value in asked["seconds"]]
    return sorted(found, key=lambda condition: condition.place)


def without_sources(config: Mapping[str, Any], has_versions: bool) -> list[str]:
    """Return sentences on conditions of a checked config that cannot be made, and on versions for +qmf and +pool."""
    if not config or not config["embeddings"]:
        return []
    asked, found = config["conditions"], list[str]()
    if asked["snr"] or asked["rooms"] or asked["seconds"]:
        found.append("conditions: embeddings from elsewhere are of no other speech; take conditions or embeddings out")
    if has_versions:
        found.append("systems: embeddings from elsewhere are not cut; take +qmf and +pool out, or embeddings")
    return found
