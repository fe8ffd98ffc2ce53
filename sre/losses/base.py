"""What a training asks of its loss. Shapes: B chunks of a batch, D embedding, N speakers, M chunks of each of them."""

import torch
from torch import Tensor, nn


class Head(nn.Module):
    """(B, D) embeddings and (B,) class indices -> loss and logits, in float32 or better, also under autocast.

    margin : set by the trainer's schedule; losses that have none ignore it
    classifies : each row of the logits judges one chunk by itself, so that they tell accuracy on single chunks
    """

    margin = 0.0
    classifies = True

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss and the logits, without margin; of each row the largest should be at `targets`."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.loss(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)), speakers)

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def targets(self, speakers: Tensor) -> Tensor:
        """The right column of each row of the logits."""
        return speakers
