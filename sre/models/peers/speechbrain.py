"""SpeechBrain: embedding_model.ckpt, and the hyperparams.yaml beside it."""

import re
from typing import Any

from sre import SreError
from sre.io.tagged_yaml import TAG
from sre.models.peers.found import Found, known, size, whole
from sre.models.peers.source import Source

TOOLKIT = "SpeechBrain"
ECAPA_PARTS = {"tdnn1": "first", "res2net_block": "res2", "tdnn2": "last", "se_block": "se"}
FBANK = {"n_mels": "num_mel_bins", "f_min": "low_freq", "f_max": "high_freq", "win_length": "frame_length"}
FBANK |= {"hop_length": "frame_shift"}
PLAIN = {"deltas": False, "context": False, "requires_grad": False, "filter_shape": "triangular", "top_db": 80.0}
PLAIN |= {"log_mel": True, "power_spectrogram": 2, "amin": 1e-10, "ref_value": 1.0, "param_rand_factor": 0.0}
NETWORKS = {  # name there: a key of it alone
    "ECAPA_TDNN": "asp.tdnn.conv.conv.weight",
    "Xvector": "blocks.16.w.weight",
    "ResNet": "norm_stats.weight",
}
SIZES = {
    "input_size",
    "in_channels",
    "channels",
    "tdnn_channels",
    "lin_neurons",
    "block_sizes",
    "activation",
    "dropout",
}
SIZES |= {"device"}  # what tensors tell, or what is of no meaning in inference
USUAL: dict[str, dict[str, Any]] = {  # arguments that are always so in ours
    "ECAPA_TDNN": {"kernel_sizes": [5, 3, 3, 3, 1], "dilations": [1, 2, 3, 4, 1], "groups": [1, 1, 1, 1, 1],
        "attention_channels": 128, "res2net_scale": 8, "se_channels": 128, "global_context": True},
    "Xvector": {"tdnn_blocks": 5, "tdnn_kernel_sizes": [5, 3, 3, 1, 1], "tdnn_dilations": [1, 2, 3, 1, 1]},
    "ResNet": {"strides": [1, 2, 2, 2]},
}  # fmt: skip


def recognise(source: Source) -> Found | None:
    """Return what hyperparams.yaml says, or the keys; None where it is none of SpeechBrain's speaker networks.

    Raises SreError where it is one with options, or on features, that are not known here.
    """
    built = source.config.get("embedding_model")
    said = str(built.get(TAG, "")) if isinstance(built, dict) else ""
    if source.config and not said.startswith("!new:speechbrain."):
        return None
    if isinstance(built, dict):
        name = said.rpartition(".")[2]
        if name not in NETWORKS:
            raise SreError(
                f"{source.where}: its network {said[5:65]} is not known here; give one of {', '.join(NETWORKS)}"
            )
        where = f"{source.where}: {source.config_name}"
        check_arguments(where, name, built)
        features, rate = features_of(where, source.config)
        return made(source, name, source.config_name, features, rate)
    name = next((name for name, key in NETWORKS.items() if key in source.state), "")
    if not name:
        return None
    bins = {"ECAPA_TDNN": "blocks.0.conv.conv.weight", "Xvector": "blocks.0.conv.weight"}.get(name)
    if bins:
        count = size(source, name, bins, 1)
    else:
        count = 8 * (size(source, name, "attention.0.weight", 1) // size(source, name, "layer4.0.conv3.weight"))
    return made(source, name, "its keys", {"type": "speechbrain_fbank", "num_mel_bins": count}, 16000)


def check_arguments(where: str, name: str, built: dict) -> None:
    """Raise SreError where a network has an argument that ours does not have, or with another value."""
    known(where, built, USUAL[name])
    for key in built.keys() - USUAL[name].keys() - SIZES - {TAG}:
        raise SreError(f"{where}: its {name} has an argument {key}, which is not known here; give another model")
    wanted = "LeakyReLU" if name == "Xvector" else "ReLU"
    found = built.get("activation", {TAG: f".{wanted}"})
    if not isinstance(found, dict) or str(found.get(TAG)).rpartition(".")[2] != wanted:
        raise SreError(f"{where}: its activation is no {wanted}, which alone is made here; give another model")


def features_of(where: str, config: dict) -> tuple[dict[str, Any], int]:
    """Return the feature config of hyperparams.yaml, and its sample rate in Hz. Raises SreError for others."""
    fbank, norm = config.get("compute_features"), config.get("mean_var_norm")
    if not (isinstance(fbank, dict) and fbank.get(TAG) == "!new:speechbrain.lobes.features.Fbank"):
        raise SreError(f"{where}: its compute_features is no Fbank, which alone is made here; give another model")
    known(f"{where}: compute_features", fbank, PLAIN)
    rate = whole(f"{where}: sample_rate", fbank.get("sample_rate", 16000))
    features: dict[str, Any] = {"type": "speechbrain_fbank", "num_mel_bins": 40}  # Fbank's own default
    features |= {ours: fbank[theirs] for theirs, ours in FBANK.items() if theirs in fbank}
    whole(f"{where}: n_mels", features["num_mel_bins"])
    window = round(rate * features.get("frame_length", 25) / 1000)
    known(f"{where}: compute_features", {"n_fft": fbank.get("n_fft", 400)}, {"n_fft": window})
    if isinstance(norm, dict):
        known(
            f"{where}: mean_var_norm",
            {"std_norm": True, "norm_type": "global", **norm},
            {"norm_type": "sentence", "std_norm": False},
        )
    else:
        raise SreError(f"{where}: no mean_var_norm, which says how features are normalised; get the file again")
    return features, rate


def made(source: Source, name: str, said_by: str, features: dict, rate: int) -> Found:
    """Return the network, its options by the sizes of its tensors."""
    if name == "ECAPA_TDNN":
        return ecapa(source, TOOLKIT, said_by, features, rate)
    if name == "Xvector":
        options = {
            "embedding_dim": size(source, name, "blocks.16.w.weight"),
            "channels": size(source, name, "blocks.0.conv.weight"),
            "pooled_channels": size(source, name, "blocks.12.conv.weight"),
        }
        return Found(TOOLKIT, name, said_by, "xvector_speechbrain", options, features, xvector_key, sample_rate=rate)
    counts = [len({key.split(".")[1] for key in source.state if key.startswith(f"layer{i}.")}) for i in range(1, 5)]
    sizes: dict[str, Any] = {
        "embedding_dim": size(source, name, "fc_embed.weight"),
        "channels": size(source, name, "conv1.weight"),
        "blocks": counts,
    }
    return Found(TOOLKIT, name, said_by, "resnet_speechbrain", sizes, features, resnet_key, sample_rate=rate)


def ecapa(source: Source, toolkit: str, said_by: str, features: dict, rate: int = 16000) -> Found:
    """Return ECAPA_TDNN; 3D-Speaker has SpeechBrain's too."""
    options = {
        "embedding_dim": size(source, "ECAPA_TDNN", "fc.conv.weight"),
        "channels": size(source, "ECAPA_TDNN", "blocks.0.conv.conv.weight"),
        "pooled_channels": size(source, "ECAPA_TDNN", "mfa.conv.conv.weight"),
    }
    return Found(toolkit, "ECAPA_TDNN", said_by, "ecapa_speechbrain", options, features, ecapa_key, sample_rate=rate)


def ecapa_key(key: str) -> str:
    """Return our key of one of ECAPA_TDNN."""
    key = key.replace(".conv.conv.", ".conv.").replace(".norm.norm.", ".bn.")
    key = re.sub(r"^blocks\.0\.", "first.", key)
    if block := re.match(r"blocks\.(\d)\.(\w+)\.", key):
        rest = key[block.end() :].replace("blocks.", "layers.")
        rest = re.sub(r"^conv(\d)\.conv\.", r"linear\1.", rest)  # of squeeze and excitation
        return f"blocks.{int(block[1]) - 1}.{ECAPA_PARTS.get(block[2], block[2])}.{rest}"
    for theirs, ours in (
        ("mfa.", "aggregate."),
        ("asp.tdnn.conv.", "pool.attention.0."),
        ("asp.tdnn.bn.", "pool.attention.2."),
        ("asp.conv.conv.", "pool.attention.4."),
        ("asp.conv.", "pool.attention.4."),
        ("asp_bn.norm.", "segment.0."),
        ("fc.conv.", "segment.1."),
    ):
        if key.startswith(theirs):
            return ours + key[len(theirs) :]
    return key


def xvector_key(key: str) -> str:
    """Return our key of one of Xvector, whose blocks are five times convolution, activation and norm."""
    key = re.sub(r"^blocks\.16\.w\.", "segment1.", key)
    key = re.sub(r"^blocks\.(\d+)\.conv\.", lambda m: f"frames.{int(m[1]) // 3}.conv.", key)
    return re.sub(r"^blocks\.(\d+)\.norm\.", lambda m: f"frames.{int(m[1]) // 3}.bn.", key)


def resnet_key(key: str) -> str:
    """Return our key of one of ResNet."""
    key = re.sub(r"^layer(\d)\.", lambda m: f"stages.{int(m[1]) - 1}.", key)
    key = key.replace(".downsample.", ".shortcut.")
    key = key.replace(".se.fc.0.", ".attention.squeeze.").replace(".se.fc.2.", ".attention.excite.")
    key = re.sub(r"^attention\.", "pool.attention.", key)
    for theirs, ours in (("norm_stats.", "pool_bn."), ("fc_embed.", "segment1."), ("norm_embed.", "segment1_bn.")):
        key = ours + key[len(theirs) :] if key.startswith(theirs) else key
    return key
