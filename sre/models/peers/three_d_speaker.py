"""3D-Speaker: a network's checkpoint, and its experiment's config.yaml or ModelScope's configuration.json."""

import re

from sre import SreError
from sre.models import ARCHITECTURES
from sre.models.peers import speechbrain
from sre.models.peers.found import Found, known, size
from sre.models.peers.source import Source

TOOLKIT = "3D-Speaker"
LEFT_OUT = ("projection.",)  # the classifier, where WeSpeaker has added one
# Kaldi's fbank by torchaudio of samples in [-1, 1]; the least energy is 2^30 times as much on int16's scale.
FEATURES = {"type": "fbank", "least_energy": 128.0, "exact": False}
NETWORKS = {  # name there: a key of it alone
    "CAMPPlus": "xvector.block1.tdnnd1.linear1.weight",
    "ERes2Net": "fuse_mode12.local_att.0.weight",
    "ERes2NetV2": "fuse34.local_att.0.weight",
    "ECAPA_TDNN": "asp.tdnn.conv.conv.weight",
}
ALONE = ("layer3.0.convs.0.weight", NETWORKS["ERes2NetV2"])  # keys that no other toolkit has


def recognise(source: Source) -> Found | None:
    """Return what a config of 3D-Speaker's or ModelScope's, or keys that nobody else has, say; else None.

    Raises SreError where it is a network, or on features, that are not known here.
    """
    built, scope = source.config.get("embedding_model"), source.config.get("model")
    named = str(built.get("obj", "")) if isinstance(built, dict) else ""
    if named.startswith("speakerlab."):
        name = named.rpartition(".")[2]
        if name not in NETWORKS:
            raise SreError(
                f"{source.where}: its network {named[:60]} is not known here; give one of {', '.join(NETWORKS)}"
            )
        maker = source.config.get("feature_extractor") or {}
        if maker.get("obj") != "speakerlab.process.processor.FBank":
            raise SreError(f"{source.where}: its feature_extractor is no FBank, which alone is made here; give another")
        known(
            f"{source.where}: FBank",
            {"mean_nor": False, **maker.get("args", {})},
            {"mean_nor": True, "sample_rate": 16000},
        )
        return by_keys(source, source.config_name, name)
    if isinstance(scope, dict) and "pretrained_model" in scope:
        return by_keys(source, source.config_name)
    if not source.config and any(key in source.state for key in ALONE):
        return by_keys(source)
    return None


def by_keys(source: Source, said_by: str = "its keys", name: str = "") -> Found | None:
    """Return the network that has such keys, its options by the sizes of its tensors."""
    name = name or next((name for name, key in NETWORKS.items() if key in source.state), "")
    if name == "CAMPPlus":
        bins = 8 * size(source, name, "xvector.tdnn.linear.weight", 1) // size(source, name, "head.conv2.weight")
        options = {
            "embedding_dim": size(source, name, "xvector.dense.linear.weight"),
            "growth": size(source, name, "xvector.block1.tdnnd1.cam_layer.linear_local.weight"),
            "variance_offset": 1e-12,
        }
        key_of = ARCHITECTURES["campplus"].peer_key
        return Found(
            TOOLKIT, "CAM++", said_by, "campplus", options, {**FEATURES, "num_mel_bins": bins}, key_of, LEFT_OUT
        )
    if name == "ECAPA_TDNN":
        bins = size(source, name, "blocks.0.conv.conv.weight", 1)
        return speechbrain.ecapa(source, TOOLKIT, said_by, {**FEATURES, "num_mel_bins": bins})
    return eres2net(source, name, said_by) if name else None


def eres2net(source: Source, name: str, said_by: str) -> Found:
    """Return ERes2Net, base, large or huge, or ERes2NetV2."""
    channels = size(source, name, "conv1.weight")
    width = size(source, name, "layer1.0.convs.0.weight")
    expansion = size(source, name, "layer1.0.conv3.weight") // channels
    options = {
        "embedding_dim": size(source, name, "seg_1.weight"),
        "channels": channels,
        "base_width": width * 64 // channels,
        "scale": size(source, name, "layer1.0.conv1.weight") // width,
        "expansion": expansion,
        "blocks": [len({k.split(".")[1] for k in source.state if k.startswith(f"layer{i}.")}) for i in range(1, 5)],
    }
    bins = 8 * (size(source, name, "seg_1.weight", 1) // (2 * 8 * channels * expansion))
    architecture, key_of = ("eres2netv2", v2_key) if name == "ERes2NetV2" else ("eres2net34", v1_key)
    if "layer3.0.conv2_1.weight" in source.state:  # renamed by WeSpeaker
        key_of = ARCHITECTURES["eres2net34"].peer_key
    return Found(TOOLKIT, name, said_by, architecture, options, {**FEATURES, "num_mel_bins": bins}, key_of, LEFT_OUT)


def v1_key(key: str) -> str:
    """Return our key of one of ERes2Net: WeSpeaker's names, but a block's convolutions are all numbered."""
    key = re.sub(r"^(layer[34]\.\d+)\.(convs|bns)\.0\.", lambda m: f"{m[1]}.{m[2][:-1]}2_1.", key)
    key = re.sub(r"^(layer[34]\.\d+)\.(convs|bns)\.(\d+)\.", lambda m: f"{m[1]}.{m[2]}.{int(m[3]) - 1}.", key)
    return ARCHITECTURES["eres2net34"].peer_key(key)


def v2_key(key: str) -> str:
    """Return our key of one of ERes2NetV2, where only the last two stages are fused."""
    key = key.replace("fuse34.local_att.", "fused_stages.0.fusion.attention.")
    key = key.replace("layer3_ds.", "fused_stages.0.halve.").replace("seg_1.", "segment1.")
    key = re.sub(
        r"^layer4\.", "fused_stages.0.stage.", re.sub(r"^layer([123])\.", lambda m: f"stages.{int(m[1]) - 1}.", key)
    )
    key = re.sub(r"\.fuse_models\.(\d+)\.local_att", r".branches.\1.fusion.attention", key)
    key = re.sub(r"\.convs\.0\.", ".first.0.", re.sub(r"\.bns\.0\.", ".first.1.", key))
    key = re.sub(r"\.convs\.(\d+)\.", lambda m: f".branches.{int(m[1]) - 1}.conv.0.", key)
    key = re.sub(r"\.bns\.(\d+)\.", lambda m: f".branches.{int(m[1]) - 1}.conv.1.", key)
    key = re.sub(
        r"\.(conv|bn)([13])\.", lambda m: f".{'reduce' if m[2] == '1' else 'expand'}.{int(m[1] == 'bn')}.", key
    )
    return re.sub(r"^(conv|bn)1\.", lambda m: f"stem.{int(m[1] == 'bn')}.", key)
