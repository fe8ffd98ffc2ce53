"""What a training asks of its loss. Shapes: B chunks of a batch, D embedding, N speakers, M chunks of each of them."""

from operator import attrgetter

import torch
from torch import Tensor, nn

from sre.losses.partial import Part


class Head(nn.Module):
    """A loss: (B, D) embeddings and (B,) class indices -> loss and logits, in float32 or better, also under autocast.

    A subclass says what it needs, as class attributes, and so does its entry of $defs/losses in
    recipes/config.schema.yaml, where configs are checked. Its options are keyword arguments.

    classifies : it has a class for each training speaker, and is built from embedding_dim (D) and num_speakers (N).
        Each row of its logits judges one chunk by itself, so that they tell accuracy on single chunks.
    takes : which of "scale", "margin", "sampled" and "sharded" of a model's `loss` it takes (schema: x-takes). It is
        built with the scale, and the trainer's schedule sets its attribute `margin`. A config that gives what it does
        not take is refused.
    by_class : names in its state dict of the tensors that have rows of classes, as many for each, in their order
    part : the classes that an update computes with here, where these are not all
    needs_batches : it compares the chunks of a batch, and needs training.chunks_per_speaker (schema: x-needs-batches)
    needs_inputs : it looks at what the network gets too, which are vectors (schema: x-needs-inputs). Before a training
        `take` is given those of all utterances that are trained on.

    Beside the margin a trainer sets `chunks_per_speaker`: as many chunks each speaker of a batch has. 0: a loss that
    compares them counts.
    """

    classifies = True
    takes: tuple[str, ...] = ()
    by_class: tuple[str, ...] = ()
    part: Part | None = None
    needs_batches = False
    needs_inputs = False
    margin = 0.0
    chunks_per_speaker = 0

    @property
    def is_sharded(self) -> bool:
        """Whether it has a part of the classes here and the ranks of a training have the others: all use it together,
        on the embeddings of all of them.
        """
        return self.part is not None and self.part.sharded

    def rows(self) -> list[nn.Parameter]:
        """Return the tensors `by_class`, (N K, ...) each, K of a class."""
        return [attrgetter(name)(self) for name in self.by_class]

    def begin(self, speakers: Tensor, step: int) -> None:
        """Take the classes of an update, of the (B,) class indices of its whole batch on the CPU."""
        if self.part:
            self.part.begin(speakers, step)

    def take(self, inputs: Tensor, speakers: Tensor) -> None:
        """Take (n, F) vectors of utterances that are trained on, and their (n,) classes, where it needs_inputs."""

    def forward(self, embeddings: Tensor, speakers: Tensor, inputs: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the mean loss and the logits, without margin; of each row the largest should be at `targets`.

        inputs : (B, F), what the network got, where the loss needs_inputs
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.loss(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)), speakers)

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss and the logits of (B, D) embeddings in float32 or better."""
        raise NotImplementedError

    def targets(self, speakers: Tensor) -> Tensor:
        """Return the right column of each row of the logits."""
        return speakers
