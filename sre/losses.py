"""Training heads: (B, D) embeddings and (B,) speaker indices -> mean cross-entropy, always in float32."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Softmax(nn.Module):
    """Plain softmax over speakers; a margin is ignored."""

    margin = 0.0

    def __init__(self, embedding_dim: int, num_speakers: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding_dim, num_speakers)

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the (B, N) logits without margin."""
        logits = self.linear(embeddings.float())
        return functional.cross_entropy(logits, speakers), logits


class AAMSoftmax(nn.Module):
    """Additive angular margin softmax. J. Deng et al., ArcFace, CVPR 2019.

    The target's logit is s cos(theta + m); where theta > pi - m, s (cos(theta) - 1 - cos(pi - m)), which goes on
    falling without a jump (WeSpeaker's form). `margin` is set by the trainer's schedule.
    """

    def __init__(self, embedding_dim: int, num_speakers: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_speakers, embedding_dim))
        nn.init.xavier_uniform_(self.weight)
        self.scale, self.margin = scale, 0.0

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the (B, N) scaled cosines without margin."""
        cosine = functional.linear(functional.normalize(embeddings.float()), functional.normalize(self.weight))
        target = cosine.gather(1, speakers[:, None])  # (B, 1)
        sine = (1 - target.square()).clamp(min=1e-7).sqrt()
        pushed = target * math.cos(self.margin) - sine * math.sin(self.margin)  # cos(theta + m)
        edge = math.cos(math.pi - self.margin)
        pushed = torch.where(target > edge, pushed, target - 1 - edge)
        loss = functional.cross_entropy(self.scale * cosine.scatter(1, speakers[:, None], pushed), speakers)
        return loss, self.scale * cosine


def build_head(embedding_dim: int, num_speakers: int, type: str, scale: float) -> Softmax | AAMSoftmax:
    if type == "softmax":
        return Softmax(embedding_dim, num_speakers)
    return AAMSoftmax(embedding_dim, num_speakers, scale)
