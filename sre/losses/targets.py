"""Losses of networks on embeddings: the output for an utterance is pulled to the mean of its speaker's other ones.

S. Jung, Speaker embedding enhancement, where the input is the embedding of one utterance and the target stands for
many. Here no utterance is part of its own target, and all lengths and cosines are along the dimensions of a vector.

Shapes: B utterances of a batch, D embedding, which is also the length of the input, N speakers, K speakers of a batch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre import SreError
from sre.losses.base import Head


class TargetLoss(Head):
    """How far outputs are from their targets. The logits are the cosines to all speakers' means, (B, N).

    In training the target of an utterance is of the others of its speaker, of which there must be one. In eval mode it
    is of all that were taken: what is judged then are utterances that were not.

    target : "mean_of_units", the mean of embeddings of unit length, shorter than 1 (Jung's type B), or "unit_mean", the
        mean of embeddings as they are, then divided by its length (what Jung's type C is meant to be)
    """

    needs_inputs = True
    sums: Tensor
    counts: Tensor

    def __init__(self, embedding_dim: int, num_speakers: int, target: str = "mean_of_units") -> None:
        super().__init__()
        self.target = target
        # in float64, what is left of a sum without one of its parts is exact enough
        zeros = torch.zeros(num_speakers, embedding_dim, dtype=torch.float64)
        self.register_buffer("sums", zeros, persistent=False)
        self.register_buffer("counts", zeros[:, 0].clone(), persistent=False)

    def take(self, inputs: Tensor, speakers: Tensor) -> None:
        """Add (n, D) embeddings to what targets are made of, of (n,) speakers.

        Raises SreError where they have another length than outputs.
        """
        if inputs.shape[1] != self.sums.shape[1]:
            raise SreError(
                f"embeddings of {inputs.shape[1]} values are targets of outputs of {self.sums.shape[1]}; set"
                f" options.embedding_dim: {inputs.shape[1]}"
            )
        self.sums.index_add_(0, speakers, self._counted(inputs))
        self.counts.index_add_(0, speakers, torch.ones_like(speakers, dtype=torch.float64))

    def forward(self, embeddings: Tensor, speakers: Tensor, inputs: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert inputs is not None, "a loss that needs_inputs is given them"
        with torch.autocast(embeddings.device.type, enabled=False):
            y = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
            return self.distance(y, self.targets_of(inputs, speakers).to(y.dtype), speakers), self.logits(y)

    def targets_of(self, inputs: Tensor, speakers: Tensor) -> Tensor:
        """Return the (B, D) targets of utterances, in float64."""
        sums, counts = self.sums[speakers], self.counts[speakers]
        if self.training:
            sums, counts = sums - self._counted(inputs), counts - 1
        return self._target(sums, counts)

    def means(self, dtype: torch.dtype) -> Tensor:
        """Return the (N, D) targets that are of all utterances of each speaker."""
        return self._target(self.sums, self.counts).to(dtype)

    def distance(self, y: Tensor, t: Tensor, speakers: Tensor) -> Tensor:
        """Return the loss of (B, D) outputs with (B, D) targets."""
        raise NotImplementedError

    def logits(self, y: Tensor) -> Tensor:
        """Return the (B, N) logits of outputs."""
        with torch.no_grad():
            return functional.normalize(y) @ functional.normalize(self.means(y.dtype)).T

    def _counted(self, inputs: Tensor) -> Tensor:
        x = inputs.to(torch.float64)
        return functional.normalize(x) if self.target == "mean_of_units" else x

    def _target(self, sums: Tensor, counts: Tensor) -> Tensor:
        return sums / counts[:, None] if self.target == "mean_of_units" else functional.normalize(sums)


def mean_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean cosine of the rows of (B, D) and (B, D)."""
    return functional.cosine_similarity(a, b).mean()


class TargetMSE(TargetLoss):
    """Mean of (y - t)^2 over utterances and dimensions."""

    def distance(self, y: Tensor, t: Tensor, speakers: Tensor) -> Tensor:
        return functional.mse_loss(y, t)


class TargetMAE(TargetLoss):
    """Mean of |y - t| over utterances and dimensions."""

    def distance(self, y: Tensor, t: Tensor, speakers: Tensor) -> Tensor:
        return functional.l1_loss(y, t)


class TargetCosine(TargetLoss):
    """1 - mean cos(y, t)."""

    def distance(self, y: Tensor, t: Tensor, speakers: Tensor) -> Tensor:
        return 1 - mean_cosine(y, t)


class TargetMSECosine(TargetLoss):
    """The sum of TargetMSE and TargetCosine."""

    def distance(self, y: Tensor, t: Tensor, speakers: Tensor) -> Tensor:
        return functional.mse_loss(y, t) + 1 - mean_cosine(y, t)


class TargetMSESoftmax(TargetLoss):
    """The sum of TargetMSE and the cross entropy of an affine layer over speakers, whose outputs are the logits."""

    by_class = ("linear.weight", "linear.bias")

    def __init__(self, embedding_dim: int, num_speakers: int, target: str = "mean_of_units") -> None:
        super().__init__(embedding_dim, num_speakers, target)
        self.linear = nn.Linear(embedding_dim, num_speakers)

    def logits(self, y: Tensor) -> Tensor:
        return self.linear(y)

    def distance(self, y: Tensor, t: Tensor, speakers: Tensor) -> Tensor:
        return functional.mse_loss(y, t) + functional.cross_entropy(self.linear(y), speakers)


class TargetTriplet(TargetLoss):
    """1 - mean cos(y, t) + mean cos(y, t'), t' the mean of another speaker; without margin and hinge.

    It is over all other speakers. Jung draws one for each utterance, of which this is the expectation.
    """

    def distance(self, y: Tensor, t: Tensor, speakers: Tensor) -> Tensor:
        cosines = functional.normalize(y) @ functional.normalize(self.means(y.dtype)).T  # (B, N)
        others = cosines.sum(dim=1) - cosines.gather(1, speakers[:, None]).squeeze(1)
        return 1 - mean_cosine(y, t) + others.mean() / (len(self.counts) - 1)


class SessionMMD(TargetLoss):
    """How differently two utterances of a speaker lie within a session and across two, and how far from the target.

    The former is the squared maximum mean discrepancy of the two sets of distances of a speaker, with the kernel
    exp(-(a - b)^2 / (2 sigma^2)); the mean over the speakers of a batch. It is 0 where both are alike. In eval mode the
    loss is the distance to the target alone.

    A batch has the same number of rows for each of its K speakers, one speaker after another. These are pairs, two rows
    each: the first half of them within a session, the others across two (training.sampler sessions).

    sigma : width of the kernel, in units of the distances
    """

    needs_batches = True

    def __init__(
        self, embedding_dim: int, num_speakers: int, target: str = "mean_of_units", sigma: float = 1.0
    ) -> None:
        super().__init__(embedding_dim, num_speakers, target)
        self.sigma = sigma

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the distances of pairs of outputs, (..., D) and (..., D) -> (...)."""
        raise NotImplementedError

    def to_target(self, y: Tensor, t: Tensor) -> Tensor:
        """Return how far outputs are from their targets."""
        raise NotImplementedError

    def distance(self, y: Tensor, t: Tensor, speakers: Tensor) -> Tensor:
        loss = self.to_target(y, t)
        if not self.training:
            return loss
        pairs = y.unflatten(0, (-1, 2, self._rows(speakers) // 4, 2))  # (K, same or different session, pairs, 2, D)
        within, across = self.between(pairs[..., 0, :], pairs[..., 1, :]).unbind(dim=1)
        kernels = [self._kernel(*two) for two in ((within, within), (across, across), (within, across))]
        return loss + (kernels[0] + kernels[1] - 2 * kernels[2]).mean()

    def _kernel(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the mean kernel between the distances of each speaker, (K, P) and (K, P) -> (K,)."""
        return (-(a[:, :, None] - b[:, None, :]).square() / (2 * self.sigma**2)).exp().mean(dim=(1, 2))

    def _rows(self, speakers: Tensor) -> int:
        """Return the rows of each speaker of the batch. Raises SreError where they are not as many, or no pairs."""
        if self.chunks_per_speaker:
            return self.chunks_per_speaker
        counts = speakers.unique_consecutive(return_counts=True)[1]
        rows = int(counts[0])
        if rows % 4 or (counts != rows).any():
            raise SreError(
                f"a batch with {counts.tolist()} utterances of its speakers: this loss needs as many of each, a"
                " multiple of 4; set training.sampler: sessions"
            )
        return rows


class SessionMMDCosine(SessionMMD):
    """Distances are 1 - cos, to the target too: Jung's DA."""

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        return 1 - functional.cosine_similarity(a, b, dim=-1)

    def to_target(self, y: Tensor, t: Tensor) -> Tensor:
        return 1 - mean_cosine(y, t)


class SessionMMDMSE(SessionMMD):
    """Distances are root mean squares over the dimensions, and mean squares to the target: Jung's DA_MSE."""

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.linalg.vector_norm(a - b, dim=-1) / a.shape[-1] ** 0.5  # its gradient is 0 where they are equal

    def to_target(self, y: Tensor, t: Tensor) -> Tensor:
        return functional.mse_loss(y, t)
