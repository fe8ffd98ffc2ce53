"""Losses with a class for each training speaker: the logits are (B, N), N all speakers."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.losses.base import Head
from sre.losses.partial import Part


class OverClasses(Head):
    """The cross entropy of logits over classes, which may be a part of all speakers (sre/losses/partial.py: C)."""

    takes: tuple[str, ...] = (
        "sampled",
        "sharded",
    )

    def similarity(self, embeddings: Tensor, rows: Sequence[Tensor]) -> Tensor:
        """Return how near embeddings are to classes, (B, D) -> (B, C), by rows of the tensors `by_class`."""
        raise NotImplementedError

    def logits(self, similarity: Tensor, embeddings: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (B, C) logits with margin and without, of (B, 1) columns of the targets."""
        return similarity, similarity

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        if self.part:
            return self._of_part(self.part, embeddings, speakers)
        logits, plain = self.logits(self.similarity(embeddings, self.rows()), embeddings, speakers[:, None])
        return functional.cross_entropy(logits, speakers), plain

    def _of_part(self, part: Part, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss over the classes of an update, or in eval mode over all; and (B, 2) logits: other, target."""
        rows = [part.averaged()] if self.training else part.blocks()
        similarity = torch.cat([self.similarity(embeddings, some) for some in rows], dim=1)
        column = part.columns(speakers, self.training)[:, None]
        logits, plain = self.logits(functional.pad(similarity, (0, 1)), embeddings, column)  # (B, C + 1)
        return part.cross_entropy(logits, plain, column)

    def targets(self, speakers: Tensor) -> Tensor:
        return torch.ones_like(speakers) if self.part else speakers


class Softmax(OverClasses):
    """Plain softmax over speakers."""

    by_class: tuple[str, ...] = ("linear.weight", "linear.bias")

    def __init__(self, embedding_dim: int, num_speakers: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding_dim, num_speakers)

    def similarity(self, embeddings: Tensor, rows: Sequence[Tensor]) -> Tensor:
        return functional.linear(embeddings, *rows)


class CosineHead(OverClasses):
    """Softmax of scaled cosines; `pushed` says what the margin makes of the target's."""

    takes: tuple[str, ...] = ("scale", "margin", "sampled", "sharded")
    by_class = ("weight",)

    def __init__(self, embedding_dim: int, num_speakers: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_speakers, embedding_dim))
        nn.init.xavier_uniform_(self.weight)
        self.scale = scale

    def similarity(self, embeddings: Tensor, rows: Sequence[Tensor]) -> Tensor:
        """Return the cosines to each class."""
        return functional.linear(functional.normalize(embeddings), functional.normalize(rows[0]))

    def pushed(self, target: Tensor) -> Tensor:
        """Return the (B, 1) cosines of the targets with the margin."""
        raise NotImplementedError

    def logits(self, similarity: Tensor, embeddings: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        with_margin = similarity.scatter(1, column, self.pushed(similarity.gather(1, column)))
        return self.scale * with_margin, self.scale * similarity


class AMSoftmax(CosineHead):
    """Additive margin softmax, the target's logit s (cos(theta) - m). F. Wang et al., Signal Proc. Letters 2018."""

    def pushed(self, target: Tensor) -> Tensor:
        return target - self.margin


class ARMSoftmax(CosineHead):
    """Additive margin softmax in which only those of the other speakers have a gradient that break the margin.

    The target's logit is s (cos(theta) - m). That of another speaker is s cos where it is at least as large, else 0.
    After L. Li et al., Real additive margin softmax, ICASSP 2022; the form is that of ARmSoftmax, the "reverse
    margin", in github hiimmuc/SpeakerVerification.
    """

    takes = ("scale", "margin")  # each 0 counts in the softmax, and a rank does not know the logits of all targets

    def pushed(self, target: Tensor) -> Tensor:
        return target - self.margin

    def logits(self, similarity: Tensor, embeddings: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        with_margin, plain = super().logits(similarity, embeddings, column)
        return with_margin.where(with_margin >= with_margin.gather(1, column), 0.0), plain


def turned(cosine: Tensor, angle: float) -> Tensor:
    """Return cos(theta + angle) of cos(theta); its gradient stays finite where theta is 0 or pi."""
    sine = (1 - cosine.square()).clamp(min=1e-7).sqrt()
    return cosine * math.cos(angle) - sine * math.sin(angle)


class AAMSoftmax(CosineHead):
    """Additive angular margin softmax. J. Deng et al., ArcFace, CVPR 2019.

    The target's logit is s cos(theta + m); where theta > pi - m, s (cos(theta) - 1 - cos(pi - m)), which goes on
    falling without a jump (WeSpeaker's form).
    """

    def pushed(self, target: Tensor) -> Tensor:
        edge = math.cos(math.pi - self.margin)
        return torch.where(target > edge, turned(target, self.margin), target - 1 - edge)


class SubcentreAAM(AAMSoftmax):
    """AAM with K sub-centres a speaker (J. Deng et al., ECCV 2020) and the inter-top-k penalty (M. Zhao et al., MQMHA
    and inter-topk penalty, ICASSP 2022).

    A speaker's cosine is that of its nearest sub-centre; the `top_k` nearest other speakers get cos(theta - penalty).

    Parameters
    ----------
    centres : K
    top_k : 0 turns the penalty off (WeSpeaker, in large-margin fine-tuning)
    penalty : radians at margin 0.2, and in proportion to the margin (WeSpeaker's form)
    """

    def __init__(
        self,
        embedding_dim: int,
        num_speakers: int,
        scale: float,
        centres: int = 3,
        top_k: int = 5,
        penalty: float = 0.06,
    ) -> None:
        super().__init__(embedding_dim, num_speakers * centres, scale)
        self.centres, self.top_k, self.penalty = centres, min(top_k, num_speakers - 1), penalty

    def similarity(self, embeddings: Tensor, rows: Sequence[Tensor]) -> Tensor:
        return super().similarity(embeddings, rows).unflatten(1, (-1, self.centres)).amax(dim=2)  # (B, C K) -> (B, C)

    def logits(self, similarity: Tensor, embeddings: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        if self.part:
            hardest = self.part.hardest(similarity, column, self.top_k)
        else:
            hardest = similarity.detach().scatter(1, column, -math.inf).topk(self.top_k).indices  # (B, top_k)
        nearer = turned(similarity.gather(1, hardest), -self.penalty * self.margin / 0.2)
        pushed = self.pushed(similarity.gather(1, column))
        with_margin = similarity.scatter(1, column, pushed).scatter(1, hardest, nearer)
        return self.scale * with_margin, self.scale * similarity


class SphereFace(CosineHead):
    """Angular softmax: m theta for the target's theta. W. Liu et al., SphereFace, CVPR 2017.

    The target's logit is ||x|| (lambda cos(theta) + psi(theta)) / (1 + lambda), psi(theta) = (-1)^k cos(m theta) - 2 k
    for theta in [k pi / m, (k + 1) pi / m]. `margin` is psi's weight 1 / (1 + lambda), so that the trainer's schedule
    anneals lambda from infinity; the authors end at lambda 5, margin 1/6.

    multiple : m
    """

    takes = ("margin", "sampled", "sharded")

    def __init__(self, embedding_dim: int, num_speakers: int, multiple: int = 4) -> None:
        super().__init__(embedding_dim, num_speakers, scale=1.0)
        self.multiple = multiple

    def pushed(self, target: Tensor) -> Tensor:
        before, now = torch.ones_like(target), target
        for _ in range(self.multiple - 1):
            before, now = now, 2 * target * now - before  # cos(m theta), Chebyshev's recursion
        theta = target.detach().clamp(-1, 1).acos()
        k = (self.multiple * theta / math.pi).floor().clamp(max=self.multiple - 1)
        psi = (1 - 2 * (k % 2)) * now - 2 * k
        return target + self.margin * (psi - target)

    def logits(self, similarity: Tensor, embeddings: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        length = embeddings.norm(dim=1, keepdim=True)  # (B, 1)
        with_margin = similarity.scatter(1, column, self.pushed(similarity.gather(1, column)))
        return length * with_margin, length * similarity


class SphereFace2(CosineHead):
    """A binary decision for each speaker. Y. Wen et al., SphereFace2, ICLR 2022; B. Han et al., ICASSP 2023 (type C).

    lambda log(1 + exp(-s (g(cos_y) - m) - b)) + (1 - lambda) sum_j log(1 + exp(s (g(cos_j) + m) + b)),
    g(z) = 2 ((z + 1) / 2)^t - 1, b learnt.

    balance : lambda, the weight of the target's decision
    t : an integer; a larger one spreads the similarities of other speakers
    """

    takes = ("scale", "margin")  # a sum over a sample of the classes would be another loss

    def __init__(self, embedding_dim: int, num_speakers: int, scale: float, balance: float = 0.7, t: int = 3) -> None:
        super().__init__(embedding_dim, num_speakers, scale)
        self.bias = nn.Parameter(torch.zeros(()))
        self.balance, self.t = balance, t

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        cosine, column = self.similarity(embeddings, self.rows()), speakers[:, None]
        g = 2 * ((cosine + 1) / 2) ** self.t - 1
        positive = functional.softplus(-self.scale * (g.gather(1, column) - self.margin) - self.bias)  # (B, 1)
        negative = functional.softplus(self.scale * (g + self.margin) + self.bias).scatter(1, column, 0.0)
        loss = self.balance * positive.squeeze(1) + (1 - self.balance) * negative.sum(dim=1)
        return loss.mean(), self.scale * cosine


class Circle(CosineHead):
    """Circle loss with class labels. Y. Sun et al., CVPR 2020, equations 6 and 8.

    Softmax with the target's logit s [1 + m - cos]+ (cos - 1 + m), the others' s [cos + m]+ (cos - m). The weights in
    brackets are constants to the gradient, as in the paper's equation 10; the paper has s 256, m 0.25.
    """

    def logits(self, similarity: Tensor, embeddings: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        cosine, m = similarity, self.margin
        target = cosine.gather(1, column)
        positive = (1 + m - target.detach()).relu() * (target - 1 + m)  # (B, 1)
        negative = (cosine.detach() + m).relu() * (cosine - m)  # (B, C)
        return self.scale * negative.scatter(1, column, positive), self.scale * cosine
