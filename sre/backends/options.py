"""What a back-end is asked for, typed: `Asked` is all of a config, `Options` the part that its scores depend on.

The defaults are those of the schema, so that a config of Python code may be as short as one of a recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from sre import SreError
from sre.io.forms import built, form_of, wrong_part


@dataclass(frozen=True)
class Adaptation:
    """PLDA's unsupervised adaptation: a method of `sre.backends.adapt.adapt`, and its weights."""

    method: str
    within: float = 0.75
    between: float = 0.25


@dataclass(frozen=True)
class Asked:
    """A back-end's config, key by key as docs/backends.md describes it; each kind takes what it knows."""

    type: str
    chain: tuple[str, ...] = ("centre", "length_norm")
    enrol: str = "mean"
    rank: int = 0
    nu: float = 2.0
    iterations: int = 10
    scale: bool = True
    num_utts: bool = True
    adapt: Adaptation | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Asked":
        """Return a config with its defaults.

        Raises SreError for a key that is none, and for a config without a type.
        """
        given = _known(cls, config, "back-end")
        if adapt := given.get("adapt"):
            _known(Adaptation, adapt, "back-end: adapt")
        return built(cls, given)


def _known(kind: type, given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The given keys and values. Raises SreError where one is no field of `kind`, or its first field is missing."""
    names = [field.name for field in fields(kind)]
    if unknown := [name for name in given if name not in names]:
        raise SreError(f"{what}: '{unknown[0]}' is no key of it; there are {', '.join(names)}")
    if names[0] not in given:
        raise SreError(f"{what}: it has no {names[0]}; give one, as docs/backends.md describes it")
    return dict(given)


@dataclass(frozen=True)
class Options:
    """What the scores of a fitted back-end depend on besides its arrays.

    enrol : what a model of several utterances is:
      mean         what the back-end makes of their mean (cosine: of unit vectors; PLDA: as Kaldi, told their number)
      by_the_book  PLDA: the joint likelihood of all of them, each through the chain
      score_mean, score_max   the mean, or the largest, of the scores of each
    """

    enrol: str = "mean"

    @classmethod
    def asked(cls, asked: Asked) -> Self:
        """Return the part of a config that scores depend on."""
        return cls(**{field.name: getattr(asked, field.name) for field in fields(cls)})

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """Return the options among a file's facts. Raises ValueError where one is missing or of another form."""
        for field in fields(cls):
            if wrong_part(facts.get(field.name), form_of(field.type)):
                raise ValueError(f"its fact {field.name} is {facts.get(field.name)!r}")
        return built(cls, facts)


@dataclass(frozen=True)
class PldaOptions(Options):
    """PLDA's options.

    scale : embeddings are scaled, in the space where W is 1, to the length that they have on average
    num_utts : with enrol `mean`, the number of utterances counts (Kaldi's --num-utts)
    """

    scale: bool = True
    num_utts: bool = True


@dataclass(frozen=True)
class HeavyTailedOptions(Options):
    """Heavy-tailed PLDA's options; nu : the degrees of freedom of the residual's Student's t."""

    nu: float = 2.0
