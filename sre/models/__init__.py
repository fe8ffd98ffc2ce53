"""Embedding networks: (B, T, F) features -> (B, D) embeddings. One file a family; `build` knows them by name."""

from sre.models.base import Network
from sre.models.campplus import CAMPlusPlus
from sre.models.ecapa import ECAPA
from sre.models.ecapa_variants import ECAPANeMo, ECAPASpeechBrain
from sre.models.eres2net import ERes2Net, ERes2NetV2
from sre.models.gemini import GeminiDFResNet
from sre.models.quartznet import SpeakerNet, TitaNet
from sre.models.rawnet import RawNet3
from sre.models.recurrent import BLSTM, GE2ELSTM, LSTM
from sre.models.redimnet import ReDimNet
from sre.models.redimnet2 import ReDimNet2
from sre.models.repvgg import RepVGG
from sre.models.res2net import Res2Net
from sre.models.resnet import BottleneckResNet, DVectorResNet, DVectorResNet34, ResNet
from sre.models.resnet_preact import ResNetSpeechBrain
from sre.models.resnet_se import ResNetSE34L, ResNetSE34V2
from sre.models.simam import SimAMResNet
from sre.models.tdnn import ETDNN, FTDNN
from sre.models.transformer import Transformer
from sre.models.vectors import MLP
from sre.models.xvector import XVector, XVectorSpeechBrain

ARCHITECTURES: dict[str, type[Network]] = {
    "xvector": XVector,
    "xvector_speechbrain": XVectorSpeechBrain,
    "etdnn": ETDNN,
    "ftdnn": FTDNN,
    "ecapa": ECAPA,
    "ecapa_speechbrain": ECAPASpeechBrain,
    "ecapa_nemo": ECAPANeMo,
    **{f"resnet{depth}": ResNet for depth in (18, 34)},
    **{f"resnet{depth}": BottleneckResNet for depth in (50, 101, 152, 221, 293)},
    "dvector_resnet18": DVectorResNet,
    "dvector_resnet34": DVectorResNet34,
    "resnet_speechbrain": ResNetSpeechBrain,
    "resnetse34l": ResNetSE34L,
    "resnetse34v2": ResNetSE34V2,
    "simam_resnet34": SimAMResNet,
    "gemini_dfresnet114": GeminiDFResNet,
    "repvgg_a0": RepVGG,
    "campplus": CAMPlusPlus,
    "res2net34": Res2Net,
    "eres2net34": ERes2Net,
    "eres2netv2": ERes2NetV2,
    "redimnet": ReDimNet,
    "redimnet2": ReDimNet2,
    "speakernet": SpeakerNet,
    "titanet": TitaNet,
    "ge2e_lstm": GE2ELSTM,
    "lstm": LSTM,
    "blstm": BLSTM,
    "transformer": Transformer,
    "mlp": MLP,
    "rawnet3": RawNet3,
}


def build(architecture: str, num_features: int, options: dict) -> Network:
    """Return the network of a resolved model config; options are its constructor's keyword arguments."""
    return ARCHITECTURES[architecture](num_features, **options)
