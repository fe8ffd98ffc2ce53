"""Training losses: (B, D) embeddings and (B,) speaker indices -> loss and logits; `build_head` knows them by name."""

from sre.losses.base import Head
from sre.losses.classification import AAMSoftmax, AMSoftmax, Circle, Softmax, SphereFace, SphereFace2, SubcentreAAM
from sre.losses.metric import (
    GE2E,
    AngularPrototypical,
    Contrastive,
    Prototypical,
    SoftmaxAngularPrototypical,
    SupCon,
    Triplet,
)

HEADS: dict[str, type[Head]] = {
    "softmax": Softmax,
    "am": AMSoftmax,
    "aam": AAMSoftmax,
    "subcentre_aam": SubcentreAAM,
    "sphereface": SphereFace,
    "sphereface2": SphereFace2,
    "circle": Circle,
    "ge2e": GE2E,
    "prototypical": Prototypical,
    "angular_prototypical": AngularPrototypical,
    "softmax_angular_prototypical": SoftmaxAngularPrototypical,
    "triplet": Triplet,
    "contrastive": Contrastive,
    "supcon": SupCon,
}

__all__ = ["HEADS", "AAMSoftmax", "Head", "Softmax", "build_head"]


def build_head(embedding_dim: int, num_speakers: int, type: str, scale: float, **options: object) -> Head:
    """Return the loss of a resolved model config: with the sizes if it classifies, with the scale if it takes one."""
    kind = HEADS[type]
    sizes = {"embedding_dim": embedding_dim, "num_speakers": num_speakers} if kind.classifies else {}
    scales = {"scale": scale} if "scale" in kind.takes else {}
    return kind(**sizes, **scales, **options)
