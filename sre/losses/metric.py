"""Losses on batches of N speakers x M chunks each, without a class for each training speaker.

Labels tell who is who; the order within a batch only matters where a loss says so. Columns of the logits are the
batch's speakers in the order of their labels. All raise SreError unless there are at least 2 speakers with the same
number of chunks, at least 2. Where `chunks_per_speaker` is set, that is not looked at, and no GPU is waited for.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre import SreError
from sre.losses.base import Head
from sre.losses.classification import AAMSoftmax, Softmax
from sre.machine.device import to_device


def by_speaker(speakers: Tensor, each: int = 0) -> Tensor:
    """Return the places in the batch of each speaker's chunks, in the batch's order: (B,) labels -> (N, M).

    each : M of the batch; 0: it is counted, for which the host waits
    """
    return speakers.argsort(stable=True).view(-1, each or _chunks_of_each(speakers))


def _chunks_of_each(speakers: Tensor) -> int:
    """Return M of (B,) labels. Raises SreError where there is none."""
    counts = speakers.unique(return_counts=True)[1]
    least, most = int(counts.min()), int(counts.max())
    if len(counts) < 2 or least < 2 or most > least:
        raise SreError(
            f"a batch of {len(counts)} speakers with {least} to {most} chunks each: this loss needs at least 2 speakers"
            " and the same number of chunks, at least 2, of each; set training.chunks_per_speaker"
        )
    return least


def ranks(groups: Tensor) -> Tensor:
    """Return the (B,) place of each chunk's speaker among the batch's speakers, of `by_speaker`'s (N, M)."""
    return groups.flatten().argsort() // groups.shape[1]


def columns(mask: Tensor, count: int) -> Tensor:
    """Return the columns where (B, B) is true, in order, of which each row has so many: (B, count).

    `nonzero` gives the same, but its size is known on the device alone.
    """
    return (~mask).byte().argsort(dim=1, stable=True)[:, :count]


class MetricLoss(Head):
    """A loss without classes; the logits have a row for each chunk."""

    classifies, needs_batches = False, True

    def groups(self, speakers: Tensor) -> Tensor:
        """Return `by_speaker` of a batch."""
        return by_speaker(speakers, self.chunks_per_speaker)

    def targets(self, speakers: Tensor) -> Tensor:
        return ranks(self.groups(speakers))


class Affine(nn.Module):
    """w x + b, both learnt; where w falls below 1e-6, 1e-6 is used, and the gradient still reaches w."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.tensor(10.0)), nn.Parameter(torch.tensor(-5.0))

    def forward(self, cosine: Tensor) -> Tensor:
        w = self.w + (1e-6 - self.w).relu().detach()
        return w * cosine + self.b


class GE2E(MetricLoss):
    """Generalised end-to-end loss. L. Wan et al., ICASSP 2018; the mean over chunks where the paper has the sum.

    form : "softmax" (equation 6) or "contrast" (equation 7)
    """

    def __init__(self, form: str = "softmax") -> None:
        super().__init__()
        self.affine, self.form = Affine(), form

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        groups = self.groups(speakers)
        target = ranks(groups)
        e = functional.normalize(embeddings)  # (B, D)
        sums = e[groups].sum(dim=1)  # (N, D)
        cosine = e @ functional.normalize(sums).T  # (B, N), to the centroids
        own = functional.normalize(sums[target] - e)  # (B, D), the centroid without the chunk itself, equation 8
        S = self.affine(cosine.scatter(1, target[:, None], (e * own).sum(dim=1, keepdim=True)))
        if self.form == "softmax":
            return functional.cross_entropy(S, target), S
        p = S.sigmoid()
        closest = p.scatter(1, target[:, None], 0.0).amax(dim=1)
        return (1 - p.gather(1, target[:, None]).squeeze(1) + closest).mean(), S


class Prototypical(MetricLoss):
    """Each speaker's first chunk against the means of all speakers' others, by minus the squared distance.

    J. Snell et al., NeurIPS 2017; J. S. Chung et al., In defence of metric learning, Interspeech 2020. The logits are
    (N, N), a row for each first chunk.
    """

    def similarity(self, query: Tensor, prototype: Tensor) -> Tensor:
        """Return the similarity of each query to each prototype, (N, D), (N, D) -> (N, N)."""
        return -torch.cdist(query, prototype, compute_mode="donot_use_mm_for_euclid_dist").square()

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        e = embeddings[self.groups(speakers)]  # (N, M, D)
        logits = self.similarity(e[:, 0], e[:, 1:].mean(dim=1))
        return functional.cross_entropy(logits, self.targets(speakers)), logits

    def targets(self, speakers: Tensor) -> Tensor:
        return torch.arange(len(self.groups(speakers)), device=speakers.device)


class AngularPrototypical(Prototypical):
    """Prototypical loss by w cosine + b, w > 0. J. S. Chung et al., Interspeech 2020."""

    def __init__(self) -> None:
        super().__init__()
        self.affine = Affine()

    def similarity(self, query: Tensor, prototype: Tensor) -> Tensor:
        return self.affine(functional.normalize(query) @ functional.normalize(prototype).T)


class SoftmaxAngularPrototypical(Softmax):
    """Sum of both losses (H. S. Heo et al., Clova baseline system for VoxSRC 2020); in eval mode softmax alone.

    Its logits are softmax's, (B, all training speakers).
    """

    needs_batches = True

    def __init__(self, embedding_dim: int, num_speakers: int) -> None:
        super().__init__(embedding_dim, num_speakers)
        self.prototypes = AngularPrototypical()

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        loss, logits = super().loss(embeddings, speakers)
        if self.training:
            self.prototypes.chunks_per_speaker = self.chunks_per_speaker
            loss = loss + self.prototypes(embeddings, speakers)[0]
        return loss, logits


class AAMSoftmaxAngularPrototypical(SoftmaxAngularPrototypical):
    """Mean of softmax, angular prototypical and AAM, with weights of their own; in eval mode of softmax and AAM.

    It is AAmSoftmaxAP of github hiimmuc/SpeakerVerification. Its logits are softmax's, (B, all training speakers).
    """

    takes = ("scale", "margin")
    by_class = (*SoftmaxAngularPrototypical.by_class, "aam.weight")

    def __init__(self, embedding_dim: int, num_speakers: int, scale: float) -> None:
        super().__init__(embedding_dim, num_speakers)
        self.aam = AAMSoftmax(embedding_dim, num_speakers, scale)

    def similarity(self, embeddings: Tensor, rows: Sequence[Tensor]) -> Tensor:
        return super().similarity(embeddings, rows[:2])

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        loss, logits = super().loss(embeddings, speakers)
        self.aam.margin = self.margin
        return (loss + self.aam(embeddings, speakers)[0]) / (3 if self.training else 2), logits


def pairs(speakers: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B, B) masks: two chunks of one speaker, two of different ones; a chunk and itself are neither."""
    same = speakers[:, None] == speakers
    return same & ~torch.eye(len(speakers), dtype=torch.bool, device=speakers.device), ~same


def nearest(cosine: Tensor, groups: Tensor) -> Tensor:
    """Return the largest cosine to each speaker, a chunk with itself left out: (B, B) and (N, M) -> (B, N)."""
    return cosine.detach().clone().fill_diagonal_(-math.inf)[:, groups].amax(dim=2)


class Triplet(MetricLoss):
    """Mean of [cos(a, n) - cos(a, p) + margin]+ over all pairs (a, p) of one speaker, with a negative n for each.

    F. Schroff et al., FaceNet, CVPR 2015, with cosines. The margin should stand from the start: without one, a
    semi-hard negative costs nothing.

    mining : "random" (from the CPU's generator, which checkpoints keep), or "semi_hard": the nearest of those that are
        less near than the positive, or the least near of all where there is none. "given": the batch is triplets,
        three rows each: a, p, n. Then the logits are (B / 3, 2), the cosines of a with p and with n.
    """

    takes = ("margin",)

    def __init__(self, mining: str = "semi_hard") -> None:
        super().__init__()
        self.mining = mining

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        e = functional.normalize(embeddings)
        if self.mining == "given":
            anchor, positive, negative = e.unflatten(0, (-1, 3)).unbind(dim=1)  # (B / 3, D) each
            cosines = torch.stack([(anchor * positive).sum(dim=1), (anchor * negative).sum(dim=1)], dim=1)
            return (cosines[:, 1] - cosines[:, 0] + self.margin).relu().mean(), cosines
        cosine, groups = e @ e.T, self.groups(speakers)
        logits = nearest(cosine, groups)
        same, other = pairs(speakers)
        p = columns(same, groups.shape[1] - 1)  # (B, M - 1)
        a, p = torch.arange(len(p), device=p.device).repeat_interleave(p.shape[1], output_size=p.numel()), p.flatten()
        n = self.mine(cosine.detach()[a], cosine.detach()[a, p], other[a])
        return (cosine[a, n] - cosine[a, p] + self.margin).relu().mean(), logits

    def targets(self, speakers: Tensor) -> Tensor:
        if self.mining == "given":
            return torch.zeros(len(speakers) // 3, dtype=torch.long, device=speakers.device)
        return super().targets(speakers)

    def mine(self, cosine: Tensor, positive: Tensor, other: Tensor) -> Tensor:
        """Return a negative a pair, (P,), of (P, B) cosines of the anchors, (P,) of the positives, a (P, B) mask."""
        if self.mining == "random":
            return to_device(torch.rand(other.shape), other.device).masked_fill(~other, -1).argmax(dim=1)
        semi_hard = other & (cosine < positive[:, None])
        hardest = cosine.masked_fill(~semi_hard, -math.inf).argmax(dim=1)
        easiest = cosine.masked_fill(~other, math.inf).argmin(dim=1)
        return torch.where(semi_hard.any(dim=1), hardest, easiest)


class Contrastive(MetricLoss):
    """Pairs together or a margin apart: d^2 / 2 of one speaker's, ([margin - d]+)^2 / 2 of others', d the distance of
    unit-length embeddings. R. Hadsell et al., CVPR 2006.

    The mean over the former plus the mean over the latter, which are many more.
    """

    takes = ("margin",)

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        e, groups = functional.normalize(embeddings), self.groups(speakers)
        logits = nearest(e @ e.T, groups)
        d = torch.cdist(e, e, compute_mode="donot_use_mm_for_euclid_dist")  # (B, B), gradient 0 where d = 0
        same, other = pairs(speakers)
        near, far = groups.shape[1] - 1, len(e) - groups.shape[1]  # chunks of a chunk's speaker, and of others
        together, apart = d.gather(1, columns(same, near)).flatten(), d.gather(1, columns(other, far)).flatten()
        return (together.square().mean() + (self.margin - apart).relu().square().mean()) / 2, logits


class SupCon(MetricLoss):
    """Supervised contrastive loss L_out. P. Khosla et al., NeurIPS 2020, equation 2; the mean over chunks.

    temperature : tau (the paper's 0.1)
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def loss(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        e = functional.normalize(embeddings)
        cosine = e @ e.T
        logits = nearest(cosine, self.groups(speakers)) / self.temperature
        same, other = pairs(speakers)
        log_p = (cosine / self.temperature).masked_fill(~(same | other), -math.inf).log_softmax(dim=1)  # (B, B)
        return -(log_p.masked_fill(~same, 0).sum(dim=1) / same.sum(dim=1)).mean(), logits
