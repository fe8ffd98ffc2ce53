"""The steps of `augment.distort` in a model's YAML, as types: what is drawn, how often, within which ranges."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar

from sre import SreError

Range = tuple[float, float]  # the least and the greatest; what is drawn between them is uniform


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of distortion.

    Attributes
    ----------
    weight : share of the draws among the kinds of its step, relative to their weights
    """

    kind: ClassVar[str]
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class NoiseOptions(Kind):
    """Files of a manifest are added at a signal-to-noise ratio.

    Attributes
    ----------
    categories : of the manifest, (): all; the files of all of them are drawn with the same probability
    snr : dB, power of the wave over the power of all that is added
    count : least and greatest number of files that are summed, each at the same power: babble has 3 to 7
    """

    kind = "noise"
    categories: tuple[str, ...] = ()
    snr: Range
    count: tuple[int, int] = (1, 1)


@dataclass(frozen=True, kw_only=True)
class RoomOptions(Kind):
    """The wave is convolved with a room impulse response of a manifest.

    Attributes
    ----------
    categories : of the manifest, (): all; the responses of all of them are drawn with the same probability
    """

    kind = "room"
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VolumeOptions(Kind):
    """The wave is made louder or softer.

    Attributes
    ----------
    gain_db : dB
    """

    kind = "volume"
    gain_db: Range


@dataclass(frozen=True, kw_only=True)
class PitchOptions(Kind):
    """The pitch is shifted, and the duration kept.

    Attributes
    ----------
    semitones : twelfths of an octave; below 0 is lower
    """

    kind = "pitch"
    semitones: Range


@dataclass(frozen=True, kw_only=True)
class CodecOptions(Kind):
    """The wave is coded and decoded.

    Attributes
    ----------
    names : codecs, each drawn with the same probability
    """

    kind = "codec"
    names: tuple[str, ...]


KINDS: dict[str, type[Kind]] = {
    kind.kind: kind for kind in (NoiseOptions, RoomOptions, VolumeOptions, PitchOptions, CodecOptions)
}


@dataclass(frozen=True)
class Step:
    """With `probability`, one of the kinds is drawn by weight and applied."""

    probability: float
    one_of: tuple[Kind, ...]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like another."""
    return get_close_matches(name, list(known), 1, 0.0)[0]


def steps_of(config: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Return the steps of a checked `augment.distort`. Raises SreError for an unknown kind or key."""
    return tuple(Step(float(step["probability"]), tuple(map(_kind_of, step["one_of"]))) for step in config)


def _kind_of(config: Mapping[str, Any]) -> Kind:
    given: dict[str, Any] = {key: value for key, value in config.items() if key != "kind"}
    given |= {key: tuple(value) for key, value in given.items() if isinstance(value, list)}
    options = KINDS.get(config["kind"])
    if options is None:
        raise SreError(
            f"augment.distort: '{config['kind']}' is no kind; the nearest is '{nearest(config['kind'], KINDS)}'"
        )
    names = [field.name for field in fields(options)]
    for key in given.keys() - set(names):
        raise SreError(f"augment.distort: {options.kind} has no '{key}'; the nearest is '{nearest(key, names)}'")
    try:
        return options(**given)
    except TypeError as error:
        raise SreError(f"augment.distort: {options.kind}: {error}; docs/augmentation.md lists its keys") from None
