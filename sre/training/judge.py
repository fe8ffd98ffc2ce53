"""What a network is worth after an epoch: loss, accuracy and EER on what is held out of its training."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

import numpy as np
import torch
from torch import Tensor

from sre import SreError
from sre.losses.base import Head
from sre.machine.device import autocast
from sre.machine.log import warn
from sre.models.base import Network
from sre.training.batches import by_speaker
from sre.training.on_vectors import WatchedList
from sre.training.options import TrainingOptions
from sre.training.ranks import ALONE, Ranks
from sre.training.summary import Epoch
from sre.training.validation import held_out_eer, loss_and_accuracy

REMEDY = {
    "valid_loss": "raise validation.utterances, which speakers with 5 utterances or more give, or take the EER",
    "valid_eer": "raise validation.speakers, which 10 speakers or more give, or take the loss",
    "batches": "raise validation.speakers, or take the EER",
}


@dataclass
class Judge:
    """The validation of `network` and `head`. Each rank embeds its part of the chunks, and then judges all of them.

    valid : (V, T, F) chunks of unseen utterances of trained speakers, of which a rank has its slice, and all their (V,)
        classes; or None
    held_out : (H, T, F) chunks of unseen speakers, of which a rank has its slice, and all their (H,) names; or None
    batches : of a loss that compares chunks, rows of `held_out`: the same in each epoch
    lists : trial lists whose EER is told, of a network on embeddings
    """

    network: Network
    head: Head
    options: TrainingOptions
    device: torch.device
    valid: tuple[Tensor, Tensor] | None
    held_out: tuple[Tensor, np.ndarray] | None
    ranks: Ranks = ALONE
    lists: Sequence[WatchedList] = ()
    batches: list[np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        o = self.options
        names = np.array([]) if self.held_out is None or self.head.classifies else self.held_out[1]
        self.batches = list(fixed_batches(names, o.chunks_per_speaker, o.batch_size, o.sampler == "triplets"))

    def lacks(self, column: str) -> str:
        """Return why there is no such value after an epoch, and what to do; "" where there is one."""
        if column == "valid_eer":
            return "" if self.held_out else f"no speaker is held out; {REMEDY[column]}"
        if self.head.classifies:
            return "" if self.valid else f"no utterance is held out; {REMEDY[column]}"
        loss = f"the loss compares {self.options.chunks_per_speaker or 2} chunks of a speaker with those of others"
        return "" if self.batches else f"{loss}, and no two held-out speakers have as many; {REMEDY['batches']}"

    def __call__(self) -> Epoch:
        """Return valid_loss, valid_accuracy and valid_eer, None where there is nothing to judge by."""
        self.network.eval(), self.head.eval()
        loss = accuracy = None
        with autocast(self.device, self.options.precision):
            if self.valid and self.head.classifies:  # else logits are of a batch, not of a chunk
                chunks, labels = self.valid
                inputs = self._embedded(mean_of_frames, chunks, len(labels)) if self.head.needs_inputs else None
                embeddings = self._embedded(self.network, chunks, len(labels))
                loss, accuracy = loss_and_accuracy(self.head, embeddings, labels, inputs)
            elif self.batches:
                loss = self._loss_of_batches()
            told: Epoch = {"valid_loss": loss, "valid_accuracy": accuracy, "valid_eer": self._eer()}
            return reduce(or_, (one.columns(self._of_vectors) for one in self.lists), told)

    @torch.inference_mode()
    def _loss_of_batches(self) -> float:
        """Return the mean loss of the batches, at the full margin from the first epoch on."""
        assert self.held_out
        chunks, names = self.held_out
        speakers = torch.from_numpy(np.unique(names, return_inverse=True)[1]).to(self.device)
        embeddings = self._embedded(self.network, chunks, len(names))
        total, margin = 0.0, self.head.margin
        self.head.margin = self.options.margin
        with fixed_draws():
            for rows in map(torch.from_numpy, self.batches):
                rows = rows.to(self.device)
                total += float(self.head(embeddings[rows], speakers[rows])[0]) * len(rows)
        self.head.margin = margin
        return total / sum(map(len, self.batches))

    @torch.inference_mode()
    def _of_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Return what the network makes of (N, F) embeddings, (N, D) float32."""
        parts = torch.from_numpy(vectors).unsqueeze(1).split(1024)
        return torch.cat([self.network.embed(part.to(self.device)).float().cpu() for part in parts]).numpy()

    @torch.inference_mode()
    def _embedded(self, embed: Callable[[Tensor], Tensor], chunks: Tensor, n: int) -> Tensor:
        """Return the (n, D) embeddings of all ranks' chunks, in float32."""
        if not len(chunks):  # of fewer chunks than ranks
            return self.ranks.gathered(torch.zeros(0, self.network.embedding_dim, device=self.device), n)
        return self.ranks.gathered(torch.cat([embed(part).float() for part in chunks.split(64)]), n)

    def _eer(self) -> float | None:
        """Return the EER in per cent; None without held-out speakers, or if embeddings are all equal or not finite."""
        try:
            if not self.held_out:
                return None
            chunks, names = self.held_out
            return held_out_eer(self._embedded(self.network.embed, chunks, len(names)), names)
        except SreError as error:
            warn(f"no EER of held-out speakers: {error}")
            return None


def mean_of_frames(chunks: Tensor) -> Tensor:
    """Return (B, F) of (B, T, F)."""
    return chunks.mean(dim=1)


def fixed_batches(names: Sequence[str] | np.ndarray, count: int, size: int, triplets: bool) -> Iterator[np.ndarray]:
    """Yield (B,) rows of (H,) names of speakers, as a loss that compares chunks takes them.

    A batch has `count` chunks of each of at most size / count speakers, at least two, and a chunk is in one batch.
    triplets : three rows each instead, two of a speaker and one of the next
    """
    if not len(names):
        return
    count = 2 if triplets else count
    groups = [rows[: len(rows) // count * count].reshape(-1, count) for rows in by_speaker(np.asarray(names))]
    for turn in range(max(map(len, groups), default=0)):
        there = [of_speaker[turn] for of_speaker in groups if len(of_speaker) > turn]
        for begin in range(0, len(there), max(2, size // count)):
            batch = there[begin : begin + max(2, size // count)]
            if len(batch) < 2:
                continue
            others = batch[1:] + batch[:1]
            yield np.concatenate(
                [(*own, other[0]) for own, other in zip(batch, others, strict=True)] if triplets else batch
            )


@contextmanager
def fixed_draws() -> Iterator[None]:
    """Let the CPU's generator draw the same each time, and then go on as if nothing had been drawn."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(0)  # torch.manual_seed would seed GPUs too
    try:
        yield
    finally:
        torch.set_rng_state(before)
