"""Training losses: (B, D) embeddings and (B,) speaker indices -> loss and logits; `build_head` knows them by name."""

import inspect

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
    """The loss of a resolved model config; the sizes and the scale go to those that have them."""
    given = {"embedding_dim": embedding_dim, "num_speakers": num_speakers, "scale": scale}
    wanted = inspect.signature(HEADS[type]).parameters
    return HEADS[type](**{name: value for name, value in given.items() if name in wanted}, **options)
