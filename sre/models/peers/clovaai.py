"""ClovaAI's voxceleb_trainer: model000000100.model, or the published baseline_….model; no config stands beside it."""

import re

from sre.models.peers.found import Found, size
from sre.models.peers.source import Source

TOOLKIT = "ClovaAI"
NETWORK = r"^(?:module\.)?__S__\."


def recognise(source: Source) -> Found | None:
    """Return what the keys say, ResNetSE34L or ResNetSE34V2; None where they are none of voxceleb_trainer's."""
    state = {re.sub(NETWORK, "", key): value for key, value in source.state.items() if re.match(NETWORK, key)}
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
    begins = [key for key in source.state if re.match(NETWORK, key)][0].partition("__S__.")[0]
    left_out, frontend = (f"{begins}__L__.",), (f"{begins}__S__.torchfb.",)
    key_of = key_of_l if name == "ResNetSE34L" else key_of_v2
    return Found(TOOLKIT, name, "its keys", name.lower(), options, features, key_of, left_out, frontend)


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
