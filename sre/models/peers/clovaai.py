"""ClovaAI's voxceleb_trainer: model000000100.model, or the published baseline_….model; no config stands beside it.

RawNet3's published model.pt has the same keys without the prefix.
"""

import re
from collections.abc import Mapping

from sre.models.peers.found import Found, size
from sre.models.peers.source import Source

TOOLKIT = "ClovaAI"
NETWORK = r"^(?:module\.)?__S__\."
FILTERBANK = "conv1.filterbank.low_hz_"  # only RawNet3 has such a tensor
UNUSED = ("bn1.", "bn6.")  # of RawNet3: they are in its files, and nothing is computed by them
RAWNET3 = {  # their names of its parts, and ours
    "preprocess.0.flipped_filter": "filterbank.emphasis",
    "preprocess.1.": "filterbank.norm.",
    "conv1.filterbank.low_hz_": "filterbank.low",
    "conv1.filterbank.band_hz_": "filterbank.band",
    "conv1.filterbank.window_": "filterbank.window",
    "conv1.filterbank.n_": "filterbank.times",
    "layer4.": "aggregate.",
    "attention.0.": "pool.linear1.",
    "attention.2.": "pool.bn.",
    "attention.3.": "pool.linear2.",
    "bn5.": "pool_bn.",
    "fc6.": "segment1.",
}
BLOCK = {  # within layer1 to layer3
    "convs.": "res2.convs.",
    "bns.": "res2.bns.",
    "conv3.": "conv2.",
    "bn3.": "bn2.",
    "residual.0.": "shortcut.",
    "afms.alpha": "scaling.alpha",
    "afms.fc.": "scaling.linear.",
}


def recognise(source: Source) -> Found | None:
    """Return what the keys say: ResNetSE34L, ResNetSE34V2 or RawNet3. None: they are none of voxceleb_trainer's."""
    state = {re.sub(NETWORK, "", key): value for key, value in source.state.items() if re.match(NETWORK, key)}
    begins = next((key for key in source.state if re.match(NETWORK, key)), "").partition("__S__.")[0]
    if FILTERBANK in (state or source.state):
        prefix = f"{begins}__S__." if state else ""
        return _rawnet3(Source(source.where, state or source.state), prefix, (f"{begins}__L__.",) if state else ())
    if not state:
        return None
    own = Source(source.where, state)
    name = "ResNetSE34L" if "sap_linear.weight" in state else "ResNetSE34V2"
    channels = size(own, name, "conv1.weight")
    bank = next((value for key, value in state.items() if key.endswith("mel_scale.fb")), None)
    if bank is not None:
        bins = bank.shape[-1]
    else:
        bins = 40 if name == "ResNetSE34L" else size(own, name, "attention.0.weight", 1) // channels
    features = {"type": "torchaudio_mel", "num_mel_bins": bins, "cmn": "none", "cmn_variance": "none"}
    if name == "ResNetSE34L":
        features["preemphasis_coefficient"] = 0.0
    options = {"embedding_dim": size(own, name, "fc.weight"), "channels": channels}
    left_out, frontend = (f"{begins}__L__.",), (f"{begins}__S__.torchfb.",)
    key_of = key_of_l if name == "ResNetSE34L" else key_of_v2
    return Found(TOOLKIT, name, "its keys", name.lower(), options, features, key_of, left_out, frontend)


def _rawnet3(own: Source, prefix: str, left_out: tuple[str, ...]) -> Found:
    name = "RawNet3"
    options = {
        "embedding_dim": size(own, name, "fc6.weight"),
        "channels": size(own, name, "layer1.conv3.weight"),
        "pooled_channels": size(own, name, "layer4.weight"),
    }
    left_out += tuple(f"{prefix}{key}" for key in UNUSED)
    features = {"type": "waveform"}
    note = "its file does not say the stride of the filterbank, which is taken as the published 10"
    return Found(TOOLKIT, name, "its keys", "rawnet3", options, features, key_of_rawnet3, left_out, note=note)


def key_of_rawnet3(key: str) -> str:
    """Return our key of one of RawNet3."""
    key = re.sub(NETWORK, "", key)
    if block := re.match(r"layer([123])\.", key):
        return f"block{block[1]}.{_begun(key[block.end() :], BLOCK)}"
    return _begun(key, RAWNET3)


def _begun(key: str, names: Mapping[str, str]) -> str:
    """Return a key with its beginning, if it is one of `names`, replaced."""
    return next((ours + key[len(theirs) :] for theirs, ours in names.items() if key.startswith(theirs)), key)


def _key(key: str) -> str:
    key = re.sub(NETWORK, "", key)
    key = re.sub(r"^layer(\d)\.", lambda m: f"stages.{int(m[1]) - 1}.", key).replace(".downsample.", ".shortcut.")
    key = key.replace(".se.fc.0.", ".se.squeeze.").replace(".se.fc.2.", ".se.excite.")
    return re.sub(r"^fc\.", "segment1.", key)


def key_of_l(key: str) -> str:
    """Return our key of one of ResNetSE34L."""
    key = _key(key)
    return {"attention": "pool.linear2.weight"}.get(key, key.replace("sap_linear.", "pool.linear1."))


def key_of_v2(key: str) -> str:
    """Return our key of one of ResNetSE34V2."""
    return re.sub(r"^attention\.", "pool.attention.", _key(key))
