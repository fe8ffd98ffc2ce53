"""Training losses: (B, D) embeddings and (B,) speaker indices -> loss and logits; `build_head` knows them by name."""

from sre.losses import classification, metric, targets
from sre.losses.base import Head

HEADS: dict[str, type[Head]] = {
    "softmax": classification.Softmax,
    "am": classification.AMSoftmax,
    "aam": classification.AAMSoftmax,
    "arm": classification.ARMSoftmax,
    "subcentre_aam": classification.SubcentreAAM,
    "sphereface": classification.SphereFace,
    "sphereface2": classification.SphereFace2,
    "circle": classification.Circle,
    "ge2e": metric.GE2E,
    "prototypical": metric.Prototypical,
    "angular_prototypical": metric.AngularPrototypical,
    "softmax_angular_prototypical": metric.SoftmaxAngularPrototypical,
    "aam_softmax_angular_prototypical": metric.AAMSoftmaxAngularPrototypical,
    "triplet": metric.Triplet,
    "contrastive": metric.Contrastive,
    "supcon": metric.SupCon,
    "target_mse": targets.TargetMSE,
    "target_mae": targets.TargetMAE,
    "target_cosine": targets.TargetCosine,
    "target_mse_cosine": targets.TargetMSECosine,
    "target_mse_softmax": targets.TargetMSESoftmax,
    "target_triplet": targets.TargetTriplet,
    "session_mmd_cosine": targets.SessionMMDCosine,
    "session_mmd_mse": targets.SessionMMDMSE,
}


def build_head(embedding_dim: int, num_speakers: int, type: str, scale: float, **options: object) -> Head:
    """Return the loss of a resolved model config: with the sizes if it classifies, with the scale if it takes one."""
    kind = HEADS[type]
    sizes = {"embedding_dim": embedding_dim, "num_speakers": num_speakers} if kind.classifies else {}
    scales = {"scale": scale} if "scale" in kind.takes else {}
    return kind(**sizes, **scales, **options)
