"""NeMo: a .nemo, which holds model_config.yaml and model_weights.ckpt."""

import re
from typing import Any

from sre import SreError
from sre.models.ecapa_variants import PADDED_TO
from sre.models.peers.found import Found, known, size, whole
from sre.models.peers.source import NEMO_CONFIG, Source

TOOLKIT = "NeMo"
CLASSIFIER = ("decoder.final.", "loss.", "eval_loss.")
FRONTEND = ("preprocessor.",)
USUAL = {  # of AudioToMelSpectrogramPreprocessor: what nemo_mel makes
    "normalize": "per_feature", "window": "hann", "frame_splicing": 1, "log": True, "exact_pad": False,
    "mag_power": 2.0, "log_zero_guard_type": "add", "log_zero_guard_value": 2**-24, "mel_norm": "slaney",
    "stft_exact_pad": False, "stft_conv": False,
}  # fmt: skip
KERNELS = [3, 7, 11, 15, 1]


def recognise(source: Source) -> Found | None:
    """Return what a .nemo of a speaker network holds; None of another file.

    Raises SreError where it is a network, or on features, that are not known here.
    """
    if source.config_name != NEMO_CONFIG:
        return None
    where = f"{source.where}: {NEMO_CONFIG}"
    features, rate = features_of(where, source.config)
    target = str((source.config.get("encoder") or {}).get("_target_", "")).rpartition(".")[2]
    if target == "ECAPAEncoder":
        return ecapa(source, where, features, rate)
    if target != "ConvASREncoder" or "decoder.emb_layers.0.0.weight" not in source.state:
        raise SreError(
            f"{where}: its encoder '{target[:60]}' is of no speaker network that is known here; give a SpeakerNet, a"
            " TitaNet or an ECAPA_TDNN"
        )
    check_blocks(where, source.config["encoder"])
    attends = any("_pooling.attention_layer" in key for key in source.state)
    name = "TitaNet" if attends else "SpeakerNet"
    convolutions = [key for key in source.state if re.fullmatch(r"encoder\.encoder\.1\.mconv\.\d+\.conv\.weight", key)]
    options: dict[str, Any] = {
        "channels": size(source, name, "encoder.encoder.1.mconv.1.conv.weight"),
        "pooled_channels": size(source, name, "encoder.encoder.4.mconv.1.conv.weight"),
        "repeat": len(convolutions) // 2,
    }
    if attends:
        options["embedding_dim"] = size(source, name, "decoder.emb_layers.0.1.weight")
    else:
        options["segment_layers"] = sum(
            bool(re.fullmatch(r"decoder\.emb_layers\.\d+\.0\.weight", key)) for key in source.state
        )
        options["embedding_dim"] = size(source, name, "decoder.emb_layers.0.0.weight")
    architecture = name.lower()
    key_of = titanet_key if attends else speakernet_key
    return Found(TOOLKIT, name, NEMO_CONFIG, architecture, options, features, key_of, CLASSIFIER, FRONTEND, rate)


def features_of(where: str, config: dict) -> tuple[dict[str, Any], int]:
    """Return the feature config of a model's preprocessor, and its sample rate in Hz. Raises SreError otherwise."""
    given = config.get("preprocessor")
    target = str(given.get("_target_", given.get("cls", ""))) if isinstance(given, dict) else ""
    if not isinstance(given, dict) or target.rpartition(".")[2] != "AudioToMelSpectrogramPreprocessor":
        raise SreError(f"{where}: its preprocessor makes no mel spectrum, which alone is made here; give another model")
    known(f"{where}: preprocessor", {key: value for key, value in given.items() if value is not None}, USUAL)
    rate = whole(f"{where}: sample_rate", given.get("sample_rate", 16000))
    features: dict[str, Any] = {
        "type": "nemo_mel",
        "num_mel_bins": whole(f"{where}: features", given.get("features", 64)),
        "frame_length": milliseconds(where, given, "window_size", 0.02, rate),
        "frame_shift": milliseconds(where, given, "window_stride", 0.01, rate),
        "whole_shifts": True,
        "preemphasis_coefficient": given.get("preemph", 0.97) or 0.0,
    }
    transform = 1 << (round(rate * float(features["frame_length"]) / 1000) - 1).bit_length()
    known(f"{where}: preprocessor", {"n_fft": given.get("n_fft") or transform}, {"n_fft": transform})
    for theirs, ours in (("lowfreq", "low_freq"), ("highfreq", "high_freq")):
        if given.get(theirs):
            features[ours] = given[theirs]
    return features, rate


def milliseconds(where: str, given: dict, key: str, usual: float, rate: int) -> float:
    """Return a length of the preprocessor's in ms: `key` is in s, `n_key` in samples."""
    samples, seconds = given.get(f"n_{key}"), given.get(key, usual)
    value = seconds if samples is None else whole(f"{where}: n_{key}", samples) / rate
    if type(value) not in (int, float) or not 0 < value < 1:
        raise SreError(f"{where}: {key} {str(value)[:40]!r} is no length in seconds; get the file again")
    return round(1000 * value, 6)


def check_blocks(where: str, encoder: dict) -> None:
    """Raise SreError where an encoder is no SpeakerNet and no TitaNet: strides and dilations are in no tensor."""
    blocks = encoder.get("jasper")
    if (
        not isinstance(blocks, list)
        or not all(isinstance(block, dict) for block in blocks)
        or len(blocks) != len(KERNELS)
    ):
        raise SreError(f"{where}: its encoder has not the five blocks of SpeakerNet and TitaNet; give one of these")
    known(f"{where}: encoder", encoder, {"activation": "relu", "normalization_mode": "batch", "residual_mode": "add"})
    for kernel, block in zip(KERNELS, blocks, strict=True):
        usual = {"kernel": [kernel], "stride": [1], "dilation": [1], "separable": True, "kernel_size_factor": 1.0}
        known(f"{where}: encoder.jasper", block, usual | {"se_context_size": -1, "se_reduction_ratio": 8, "groups": 1})


def ecapa(source: Source, where: str, features: dict, rate: int) -> Found:
    """Return ECAPA_TDNN."""
    encoder, name = source.config["encoder"], "ECAPA_TDNN"
    usual = {"kernel_sizes": [5, 3, 3, 3, 1], "dilations": [1, 1, 1, 1, 1], "scale": 8}
    known(f"{where}: encoder", encoder, usual)
    known(f"{where}: preprocessor", source.config["preprocessor"], {"pad_to": PADDED_TO, "pad_value": 0})
    options = {
        "channels": size(source, name, "encoder.layers.0.conv_layer.weight"),
        "embedding_dim": size(source, name, "decoder.emb_layers.0.1.weight"),
    }
    return Found(TOOLKIT, name, NEMO_CONFIG, "ecapa_nemo", options, features, ecapa_key, CLASSIFIER, FRONTEND, rate)


def frames_key(key: str) -> str:
    """Return our key of one of ConvASREncoder: its blocks' layers have our numbers."""
    key = re.sub(r"^encoder\.encoder\.(\d+)\.mconv\.", r"frames.\1.layers.", key)
    key = re.sub(r"^encoder\.encoder\.(\d+)\.res\.0\.", r"frames.\1.shortcut.", key)
    return key.replace(".conv.weight", ".weight").replace(".fc.0.", ".squeeze.").replace(".fc.2.", ".excite.")


def pool_key(key: str) -> str:
    """Return our key of one of the attentive pooling and the layer behind it."""
    key = key.replace("decoder._pooling.attention_layer.0.conv_layer.", "pool.attention.0.")
    key = key.replace("decoder._pooling.attention_layer.0.bn.", "pool.attention.2.")
    key = key.replace("decoder._pooling.attention_layer.2.", "pool.attention.4.")
    return key.replace("decoder.emb_layers.0.", "segment.")


def titanet_key(key: str) -> str:
    """Return our key of one of TitaNet."""
    return pool_key(frames_key(key))


def speakernet_key(key: str) -> str:
    """Return our key of one of SpeakerNet, whose segment layers are affine, norm and ReLU."""
    key = re.sub(r"^decoder\.emb_layers\.(\d+)\.(\d)\.", lambda m: f"segment.{3 * int(m[1]) + int(m[2])}.", key)
    return frames_key(key)


def ecapa_key(key: str) -> str:
    """Return our key of one of ECAPA_TDNN."""
    key = re.sub(r"^encoder\.layers\.0\.", "first.", key)
    key = re.sub(r"^encoder\.layers\.(\d)\.", lambda m: f"blocks.{int(m[1]) - 1}.", key)
    key = key.replace("encoder.feature_agg.", "aggregate.")
    for theirs, ours in (("0", "first"), ("1.", "grouped.conv."), ("3.", "grouped.bn."), ("4", "last")):
        key = key.replace(f"group_tdnn_block.{theirs}", ours)
    for theirs, ours in (("0", "linear1"), ("2", "bn"), ("3", "linear2")):
        key = key.replace(f"se_layer.se_layer.{theirs}.", f"se.{ours}.")
    key = key if key.startswith("decoder.") else key.replace(".conv_layer.", ".conv.")
    return pool_key(key)
