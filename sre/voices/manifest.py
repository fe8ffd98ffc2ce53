"""What a package tells beside its arrays: networks, systems, lists that it was measured on, and where it is from.

A system is of one network: a back-end, perhaps with a norm; or it is combined from systems before it, by weights and an
offset: a calibration of one, a fusion of several. The last one is what the package was made for.
"""

from dataclasses import dataclass, field
from typing import Any

from sre.io.forms import NONE, Form, form_of
from sre.models.bundle import ONE_INIT


@dataclass(frozen=True)
class NetworkPart:
    """A network, its arrays apart.

    name : of the model in its recipe
    sha256 : of the final.pt that it was taken from
    extraction : keys of a recipe's `extraction` that are not their defaults
    config, feature_config, num_features, speakers, copies, init, heard : as of a Bundle
    head : whether the weights of the loss are there, and with them the speakers' names
    """

    name: str
    config: dict[str, Any]
    feature_config: dict[str, Any]
    num_features: int
    sha256: str = ""
    extraction: dict[str, Any] = field(default_factory=dict)
    head: bool = False
    speakers: list[str] | None = None
    copies: list[float] = field(default_factory=lambda: [1.0])
    init: list[dict[str, str]] = field(default_factory=list)
    heard: list[str] | None = None


@dataclass(frozen=True)
class NormPart:
    """A score normalisation; top_n None: the method's own. members : ids of the cohort's, a row of its array each.

    The method "none" leaves scores as they are: its cohort is for the quality measure cohort_mean.
    """

    method: str
    members: list[str]
    top_n: int | None = None
    cohort: str = ""


@dataclass(frozen=True)
class SystemPart:
    """A system, its arrays apart.

    network : place of its network; None of one that is combined
    backend : kind, chain and facts as a back-end's file has them
    of : places of the systems that it is combined from: LLR = scores of these @ weights + offset
    quality_measures : of both sides of a trial, beside the score of the first; the weights of their columns follow, as
        sre.backends.quality names them. quality_ranges : of each, the least and the most that it was fitted on
    fitted_on : the list that weights and offset were fitted on; facts : of that fit
    """

    name: str
    network: int | None = None
    backend: dict[str, Any] = field(default_factory=dict)
    norm: NormPart | None = None
    of: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    offset: float = 0.0
    fitted_on: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    quality_measures: list[str] = field(default_factory=list)
    quality_ranges: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class ListPart:
    """A trial list on which the last system was measured; metrics as metrics.json has them, with intervals.

    speakers : of the list, behind the intervals; None: not known. The rates at every threshold are in an array.
    """

    name: str
    role: str
    targets: int
    nontargets: int
    metrics: dict[str, Any] = field(default_factory=dict)
    speakers: int | None = None
    trials_sha256: str = ""
    condition: str = ""


@dataclass(frozen=True)
class DataPart:
    """What a network was trained on: its name, and how much there was."""

    network: int
    name: str
    speakers: int | None = None
    utterances: int | None = None
    hours: float | None = None


@dataclass(frozen=True)
class Manifest:
    """All that a package tells.

    name : of the experiment, the run and the system
    threshold_list : of `lists`, the one whose thresholds are taken where nobody names another
    training_data, licence : what it was made of, and how it may be used; "": nobody said
    sources : name of each file that it was made from -> its SHA-256
    tensors : group of arrays -> their SHA-256
    code : version of sre that made it
    """

    name: str
    networks: list[NetworkPart]
    systems: list[SystemPart]
    lists: list[ListPart] = field(default_factory=list)
    threshold_list: str = ""
    training_data: list[DataPart] = field(default_factory=list)
    licence: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, str] = field(default_factory=dict)
    code: str = ""


FORM: Form = form_of(Manifest) | {"networks": [form_of(NetworkPart) | {"init?": (NONE, [ONE_INIT])}]}
