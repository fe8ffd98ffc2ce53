"""Closed-set identification: which of the speakers that a network was trained on is it, by the weights of its loss?

Legend: T probes, D embedding, S speakers, C copies of each (speeds, which are classes of their own), K best.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sre import SreError
from sre.losses import HEADS, build_head
from sre.losses.base import Head
from sre.losses.classification import OverClasses
from sre.models.base import Network
from sre.models.bundle import CURE, Bundle


@dataclass(frozen=True)
class Classes:
    """What a classifier says of T probes.

    posteriors : (T, S), of the softmax over all classes; those of a speaker's speeds are added
    similarities : (T, S), to the nearest class of each speaker: the cosine, or the logit of a loss that has none
    """

    posteriors: np.ndarray
    similarities: np.ndarray

    def best(self, top: int) -> np.ndarray:
        """Return the (T, K) speakers with the highest posteriors, best first; of equal ones the first."""
        return np.argsort(-self.posteriors, axis=1, kind="stable")[:, :top]


class Classifier:
    """The classes of a bundle's loss.

    network : of the bundle, in evaluation mode; it makes of an embedding what the loss has learnt to tell
    speakers : S, in the order of the classes; places : their numbers by name
    Raises SreError where the bundle has no such weights.
    """

    def __init__(self, bundle: Bundle, network: Network, path: str | Path) -> None:
        if bundle.head is None or not bundle.speakers:
            raise SreError(
                f"{path}: the weights of its loss are not in it, so it cannot tell its training speakers; give a"
                " final.pt of a training, or enrol voices for `sre identify`"
            )
        self.speakers, self.copies, self.network = bundle.speakers, len(bundle.copies), network
        self.places = {speaker: place for place, speaker in enumerate(self.speakers)}
        self.head = _head_of(bundle, network.embedding_dim, self.copies * len(self.speakers), path)

    @torch.inference_mode()
    def classify(self, vectors: np.ndarray) -> Classes:
        """Return what is known of (T, D) embeddings."""
        device, head = next(self.network.parameters()).device, self.head
        x = self.network.for_loss(torch.from_numpy(np.asarray(vectors, np.float32)).to(device)).cpu()
        similarity = head.similarity(x, head.rows())  # (T, C S)
        logits = head(x, torch.zeros(len(x), dtype=torch.long))[1]  # (T, C S), without margin
        of_copies = logits.double().softmax(dim=1).unflatten(1, (self.copies, -1))  # (T, C, S)
        nearest = similarity.unflatten(1, (self.copies, -1)).amax(dim=1)
        return Classes(of_copies.sum(dim=1).numpy(), nearest.numpy())


def _head_of(bundle: Bundle, dimension: int, classes: int, path: str | Path) -> OverClasses:
    """Return the loss with its weights. Raises SreError for one without classes, and for weights of another form."""
    loss = bundle.config.get("loss") or {}
    name = str(loss.get("type")) if isinstance(loss, dict) else ""
    if name not in HEADS or not issubclass(HEADS[name], OverClasses):
        raise SreError(f"{path}: its loss '{name}' has no class for each speaker; enrol voices for `sre identify`")
    assert bundle.head is not None
    try:
        head: Head = build_head(dimension, classes, name, loss["scale"], **loss["options"])
        head.load_state_dict(bundle.head)
    except Exception as error:  # as of a network, PyTorch and constructors raise many kinds
        reason = " ".join(str(error).split())[:200]
        raise SreError(f"{path}: the weights of its loss are not those of {name} ({reason}); {CURE}") from None
    assert isinstance(head, OverClasses)
    return head.eval()
