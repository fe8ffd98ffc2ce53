"""The start of a training from another one: its network's weights, rows of its loss, and parts that stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sre import SreError
from sre.features.types import EMBEDDINGS, FROM_ELSEWHERE
from sre.io.atomic import sha256_file
from sre.io.text import canonical
from sre.losses import build_head
from sre.losses.base import Head
from sre.losses.partial import Part
from sre.machine.log import say, warn
from sre.models.base import Network, part_of
from sre.models.bundle import Bundle, load_bundle
from sre.training.options import TrainingConfig
from sre.training.ranks import Ranks
from sre.training.sources import Source

SHOWN = 3  # differences that are named
NEW_HEAD = "set head: new"


@dataclass(frozen=True)
class Base:
    """The trained model that a training starts from.

    name : its model, or the path of its file, as the config says it
    sha256 : of the file
    """

    path: Path
    name: str
    sha256: str
    bundle: Bundle

    @classmethod
    def read(cls, asked: TrainingConfig, path: Path | None) -> "Base | None":
        """Read the final.pt that a config starts from, at `path`, or where its init says; None where it starts afresh.

        Raises SreError where nothing says where the file is.
        """
        if asked.init is None:
            return None
        if path is None:
            path = Path(asked.init)
            if "/" not in asked.init and path.suffix != ".pt":
                raise SreError(f"init is the model '{asked.init}'; give its final.pt by --init FILE")
        bundle = load_bundle(path, with_head=asked.head != "new")
        return cls(path, asked.init, sha256_file(path), bundle)

    @property
    def chain(self) -> list[dict[str, str]]:
        """What a training from it started from, the nearest first."""
        own = {"name": self.name, "sha256": self.sha256, "config_sha256": self.bundle.config_sha256}
        return [own, *self.bundle.init]

    def heard(self, speakers: Sequence[str]) -> list[str] | None:
        """Return all that a training from it on these speakers has heard; None, said, where nobody knows."""
        if self.bundle.heard is None:
            warn(f"{self.path}: which speakers it was trained on is not known, nor is it of what is trained from it")
            return None
        return sorted({*self.bundle.heard, *speakers})

    @property
    def words(self) -> str:
        """Its network in words, as a model's YAML has to name it."""
        config, made = self.bundle.config, self.bundle.feature_config
        options = canonical(config["options"])
        features = f"{self.bundle.num_features} features of type {made.get('type')}"
        return f"{config['architecture']} with options {options} on {features}"

    def start_network(self, network: Network, asked: TrainingConfig, feature_config: Mapping) -> None:
        """Give the network the weights of the base.

        feature_config : of the features that are trained on
        Raises SreError where the model is another than the base is, or has other features.
        """
        config, made = self.bundle.config, self.bundle.feature_config
        if asked.architecture != config["architecture"]:
            raise SreError(f"{self.path}: it is {self.words}, and the model is {asked.architecture}; write what it is")
        state = network.state_dict()
        for key in [*state, *self.bundle.network]:
            here, there = (_shape(one.get(key)) for one in (state, self.bundle.network))
            if here != there:
                raise SreError(
                    f"{self.path}: its weight '{key}' is {there}, and {here} in the model; it is {self.words}: write"
                    " these options and features"
                )
        vectors = made.get("type") == feature_config.get("type") == EMBEDDINGS  # of any network, but for their size
        if feature_config.get("type") == FROM_ELSEWHERE != made.get("type"):
            raise SreError(
                f"{self.path}: it was trained on features of type {made.get('type')}, and how these were made is not"
                " known; make features of its config from the audio"
            )
        if not vectors and made != feature_config:
            raise SreError(
                f"{self.path}: it was trained on other features ({_differing(feature_config, made)}); name features of"
                " its config"
            )
        if config["options"] != asked.network:  # a dropout, say
            warn(f"{self.path}: it was trained with other options ({_differing(asked.network, config['options'])})")
        network.load_state_dict(self.bundle.network)

    def classes(self, asked: TrainingConfig, speakers: Sequence[str], copies: Sequence[float]) -> list[float]:
        """Return the copies that the loss is to have classes for: those of the base, with head: keep.

        Raises SreError where it cannot be kept for these speakers and copies.
        """
        if asked.head != "keep":
            return list(copies)
        known, found = self.bundle.copies, self.bundle.speakers or []
        if list(speakers) != found:
            both = len({*speakers} & {*found})
            raise SreError(
                f"{self.path}: head: keep needs its {len(found)} speakers in their order, and there are"
                f" {len(speakers)}, of which it knows {both}; set head: by_speaker"
            )
        if list(copies) != known[: len(copies)]:
            raise SreError(
                f"{self.path}: head: keep has classes of the speeds {_words(known)}, and these are {_words(copies)};"
                " set head: by_speaker, or take augment.speeds away"
            )
        return known

    def start_head(self, head: Head, asked: TrainingConfig, speakers: Sequence[str], copies: Sequence[float]) -> None:
        """Give the loss the weights of the base's, of the speakers and copies that both have.

        Raises SreError where these are of another loss, or not there.
        """
        if asked.head == "new":
            say(f"the network starts as in {self.path}, and the loss afresh (head: new)")
            return
        theirs = self._head_of(asked.loss.type)
        place = {name: row for row, name in enumerate(self.bundle.speakers or ())}
        blocks = [
            (copy, self.bundle.copies.index(speed)) for copy, speed in enumerate(copies) if speed in self.bundle.copies
        ]
        rows = [(row, place[name]) for row, name in enumerate(speakers) if name in place]
        own = torch.tensor([copy * len(speakers) + row for copy, _ in blocks for row, _ in rows], dtype=torch.long)
        other = torch.tensor([block * len(place) + row for _, block in blocks for _, row in rows], dtype=torch.long)
        state = head.state_dict()
        for key, value in state.items():
            if key in head.by_class:
                rows_of = value.unflatten(0, (len(copies) * len(speakers), -1))
                wanted = (len(self.bundle.copies) * len(place) * rows_of.shape[1], *value.shape[1:])
            else:
                wanted = tuple(value.shape)
            if (there := _shape(theirs.get(key))) != _shape_of(wanted):
                raise SreError(
                    f"{self.path}: the weight '{key}' of its loss is {there}, where {_shape_of(wanted)} is needed;"
                    f" {NEW_HEAD}, or the loss's options of it"
                )
            if key in head.by_class:
                rows_of[own] = theirs[key].unflatten(0, (-1, rows_of.shape[1]))[other]
            else:
                value.copy_(theirs[key])
        if head.by_class:
            say(
                f"{len(own)} of {len(copies) * len(speakers)} classes of the loss start as in {self.path};"
                f" it knows {len(rows)} of the speakers, and {len(speakers) - len(rows)} are new"
            )

    def _head_of(self, loss: str) -> dict[str, Tensor]:
        found = (self.bundle.config.get("loss") or {}).get("type")
        if self.bundle.head is None:
            raise SreError(
                f"{self.path}: no weights of its loss in it, as in older bundles and imported ones; {NEW_HEAD}"
            )
        if found != loss:
            raise SreError(f"{self.path}: its loss is {found}, and the model's {loss}; {NEW_HEAD}")
        return self.bundle.head


def classes_of(asked: TrainingConfig, features: Source, speakers: Sequence[str], base: Base | None) -> list[float]:
    """Return the speeds of which each speaker has a class of the loss."""
    copies = [1.0, *features.augmentation.speeds]
    return base.classes(asked, speakers, copies) if base else copies


def make_head(
    asked: TrainingConfig,
    embedding_dim: int,
    features: Source,
    speakers: Sequence[str],
    base: Base | None,
    ranks: Ranks,
) -> Head:
    """Return the loss of a training on these speakers, with what it takes of the base, and its part of classes."""
    loss, copies = asked.loss, classes_of(asked, features, speakers, base)
    classes = len(copies) * len(speakers)
    head = build_head(embedding_dim, classes, loss.type, loss.scale, **loss.options)
    if base:
        base.start_head(head, asked, speakers, copies)
    if loss.sampled < 1 or loss.sharded and ranks.size > 1:
        head.part = Part(head.rows(), classes, ranks, loss.sampled, loss.sharded, asked.training.seed)
    return head


def freeze(network: Network, head: Head, names: Sequence[str]) -> list[nn.Module]:
    """Return the parts of a network by their names, after their weights were taken out of the training.

    Raises SreError as `part_of`, and where no weight is left to train, of the loss neither.
    """
    parts = [part_of(network, name, "freeze") for name in names]
    for part in parts:
        part.requires_grad_(False)
    if not any(weight.requires_grad for whole in (network, head) for weight in whole.parameters()):
        raise SreError("freeze: no weight is left to train; take a part out")
    if names:
        weights = list(network.parameters())
        still = sum(weight.numel() for weight in weights if not weight.requires_grad)
        say(f"{', '.join(names)} frozen: {still:,} of the network's {sum(map(torch.numel, weights)):,} parameters stay")
    return parts


def _shape(value: Tensor | None) -> str:
    return "not there" if value is None else _shape_of(value.shape)


def _shape_of(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes)) or "a number"


def _words(copies: Sequence[float]) -> str:
    return ", ".join(f"{speed:g}" for speed in copies)


def _differing(here: Mapping, there: Mapping) -> str:
    """Return where two configs differ: 'num_mel_bins 40 here, 80 there'."""
    keys = [key for key in {**there, **here} if here.get(key, "nothing") != there.get(key, "nothing")]
    told = [f"{key} {here.get(key, 'nothing')} here, {there.get(key, 'nothing')} there" for key in keys]
    return "; ".join(told[:SHOWN]) + f" and {len(told) - SHOWN} more" * (len(told) > SHOWN)
