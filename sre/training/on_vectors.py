"""What a training on embeddings is given beside them, and the targets of its loss.

It is given sessions, trial lists to look at, and the softmax that its loss starts from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from sre import SreError
from sre.backends.cosine import Cosine
from sre.backends.sides import Pairs, scores_of_pairs
from sre.datadir.datadir import read_originals, read_sessions
from sre.io.atomic import sha256_file, sha256_text
from sre.io.embeddings import Embeddings
from sre.io.text import canonical
from sre.io.trials import LabelledTrials, read_enroll_map, read_trials
from sre.losses import HEADS
from sre.losses.base import Head
from sre.machine.log import warn
from sre.metrics.rates import eer
from sre.models.bundle import load_bundle
from sre.training.options import TrainingConfig
from sre.training.phases import Base
from sre.training.sources import Source
from sre.training.summary import Epoch

SOFTMAX = ("softmax", "softmax_angular_prototypical")  # losses of extractors that have a plain softmax
PIECE = 4096  # utterances whose vectors are copied at once


@dataclass(frozen=True)
class ListFiles:
    """A trial list to look at: its files, and the embeddings of its utterances that the network gets."""

    name: str
    trials: Path
    embeddings: Path
    enroll_map: Path | None = None


@dataclass(frozen=True)
class Beside:
    """What a training on embeddings is given beside them.

    sessions : utterance -> session within its speaker, for sampler sessions
    lists : whose EER is told after each epoch
    classifier : final.pt of the network whose embeddings are read, for head: extractor
    """

    sessions: Mapping[str, str] = field(default_factory=dict)
    lists: Sequence[ListFiles] = ()
    classifier: Path | None = None

    @classmethod
    def of(
        cls,
        config: dict,
        folders: Sequence[Path],
        classifier: Path | None,
        trials: Mapping[str, Path],
        embeddings: Mapping[str, Path],
        enroll_maps: Mapping[str, Path],
    ) -> "Beside":
        """Return it for a model's resolved config, with the sessions of data dirs if the sampler asks for them.

        trials, embeddings, enroll_maps : name of a list -> its file
        Raises SreError where the config asks for something else.
        """
        if HEADS[config["loss"]["type"]].needs_inputs and read_originals(folders):
            raise SreError("distorted copies would be part of the targets of what they are copies of; set copies: []")
        if bool(classifier) != (config.get("head") == "extractor"):
            raise SreError("--classifier and head: extractor of the model need each other; give both, or none")
        if bool(trials) != config["validation"].get("lists", False):
            raise SreError("--list and validation.lists of the model need each other; give both, or none")
        if trials.keys() != embeddings.keys() or enroll_maps.keys() - trials.keys():
            raise SreError(
                "--list, --list-embeddings and --list-enroll name different lists; give the first two of each"
            )
        sessions = read_sessions(folders) if config["training"].get("sampler") == "sessions" else {}
        lists = [ListFiles(name, path, embeddings[name], enroll_maps.get(name)) for name, path in trials.items()]
        return cls(sessions, lists, classifier)

    @property
    def sha256s(self) -> list[str]:
        """The SHA-256 of each of what the weights of a training, or its history, depend on."""
        of_lists = [path for one in self.lists for path in (one.trials, one.embeddings, one.enroll_map)]
        sessions = [sha256_text(canonical(dict(self.sessions)))] if self.sessions else []
        return [*sessions, *(sha256_file(path) for path in (*of_lists, self.classifier) if path)]

    def session_codes(self, utts: Sequence[str], speakers: np.ndarray) -> np.ndarray:
        """Return the (n,) session of each utterance as a number, of its (n,) speaker's class.

        Raises SreError where one has no session.
        """
        if lost := [utt for utt in utts if utt not in self.sessions]:
            raise SreError(
                f"training.sampler sessions: {len(lost)} of {len(utts)} training utterances have no session, e.g."
                f" {lost[0]}; write utt2session into the data directory"
            )
        names = [f"{speaker} {self.sessions[utt]}" for utt, speaker in zip(utts, speakers.tolist(), strict=True)]
        return np.unique(names, return_inverse=True)[1]

    def prepare(
        self,
        asked: TrainingConfig,
        source: Source,
        head: Head,
        labels: torch.Tensor,
        speakers: Sequence[str],
        device: torch.device,
    ) -> None:
        """Give a loss what it starts from and its targets, and the source the sessions that a sampler asks for.

        labels : (N,) class of each utterance of the source, which are places among `speakers`
        Raises SreError where something of that is not there, or does not fit.
        """
        self._start(head, asked, speakers)
        if head.needs_inputs:
            take_targets(head, source, labels, device)
        if asked.training.sampler == "sessions":
            source.sessions = self.session_codes([utt for _, utt in source.utts], labels.numpy())

    def _start(self, head: Head, asked: TrainingConfig, speakers: Sequence[str]) -> None:
        """Give the softmax of a loss the rows of the extractor's, of speakers that both have, with head: extractor.

        Raises SreError where no file is given, or the extractor's loss is another or has other sizes.
        """
        if asked.head != "extractor":
            return
        if self.classifier is None:
            raise SreError("head: extractor needs the final.pt of the network whose embeddings are read: --classifier")
        path = self.classifier
        base = Base(path, path.parent.name, sha256_file(path), load_bundle(path, with_head=True))
        found = (base.bundle.config.get("loss") or {}).get("type")
        loss = found if found in SOFTMAX else SOFTMAX[0]
        base.start_head(head, replace(asked, loss=replace(asked.loss, type=loss)), speakers, [1.0])


def take_targets(head: Head, source: Source, labels: torch.Tensor, device: torch.device) -> None:
    """Give a loss that needs_inputs the vectors of all utterances that are trained on, of (n,) classes.

    Raises SreError as `take` does.
    """
    head.to(device)
    for rows in torch.arange(len(source)).split(PIECE):
        vectors = torch.stack([source.middle(row, 1)[0] for row in rows.tolist()])
        head.take(vectors.to(device), labels[rows].to(device))


@dataclass
class WatchedList:
    """A trial list, whose EER by plain cosine a training tells: of the embeddings that the network gets, and gives."""

    name: str
    trials: LabelledTrials
    embeddings: Embeddings
    groups: list[np.ndarray]  # the rows of each model's utterances
    tests: np.ndarray  # the row of each test
    before: float = field(init=False)

    def __post_init__(self) -> None:
        self.before = self._eer(self.embeddings.vectors)

    @classmethod
    def read(cls, files: ListFiles) -> "WatchedList":
        """Read a list and its embeddings. Raises SreError where one has no embedding, or there is no EER."""
        trials, embeddings = read_trials(files.trials), Embeddings.read([files.embeddings])
        models = read_enroll_map(files.enroll_map, trials).values()
        groups = [embeddings.rows(np.array(utts, dtype=object), f"{files.trials}: utterances") for utts in models]
        return cls(files.name, trials, embeddings, groups, embeddings.rows(trials.test_ids, f"{files.trials}: tests"))

    def columns(self, embed: Callable[[np.ndarray], np.ndarray]) -> Epoch:
        """Return the columns of history.jsonl of this list, in per cent: with the network `embed`, and without it."""
        now = None
        try:
            now = self._eer(embed(self.embeddings.vectors))
        except SreError as error:
            warn(f"no EER of {self.name}: {error}")
        return {f"eer_{self.name}": now, f"input_eer_{self.name}": self.before}

    def _eer(self, vectors: np.ndarray) -> float:
        enrol, test = Cosine().enrol(vectors, self.groups), Cosine().test(vectors[self.tests])
        pairs = Pairs(enrol, test, self.trials.enrol, self.trials.test)
        return 100 * eer(scores_of_pairs(pairs), self.trials.target)[0]
