"""Embedding networks: (B, T, F) features -> (B, D) embeddings. One file a family; `build` knows them by name."""

from torch import nn

from sre.models.resnet import ResNet34
from sre.models.xvector import XVector

ARCHITECTURES: dict[str, type[nn.Module]] = {"xvector": XVector, "resnet34": ResNet34}


def build(architecture: str, num_features: int, options: dict) -> nn.Module:
    """The network of a resolved model config; options are its constructor's keyword arguments."""
    return ARCHITECTURES[architecture](num_features, **options)
