"""WeSpeaker: avg_model.pt, and the config.yaml beside it."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from sre import SreError
from sre.models import ARCHITECTURES
from sre.models.peers.found import Found, known, whole
from sre.models.peers.source import Source

TOOLKIT = "WeSpeaker"
CLASSIFIER = ("projection.",)  # of the training speakers
FRONTEND = ("frontend.", "spec.")  # what makes features of samples, in a checkpoint that has it
NOTES = {  # of networks that WeSpeaker's hub has of 3D-Speaker, on features that its config.yaml does not tell
    "campplus": "campplus_cn_common_200k is 3D-Speaker's; if this is it, add --from 3dspeaker",
    "eres2net34": "eres2net_cn_commom_200k is 3D-Speaker's; if this is it, add --from 3dspeaker",
}
CURE = "correct --as, --options or --features"
POOLINGS = {"ECAPA": "ASTP", "SimAM": "ASP", "ReDimNet": "ASTP"}  # by how the name begins; of others TSTP
USUAL: dict[str, Any] = {"two_emb_layer": False, "emb_bn": False, "deploy": False, "use_se": False, "dropout": 0}
USUAL |= {"global_context_att": True, "acoustic_dim": None}
SIZES = {"embed_dim": "embedding_dim", "hid_dim": "channels", "stats_dim": "pooled_channels", "in_planes": "channels"}
GEMINI = {"60": [3, 3, 9, 3], "114": [3, 3, 27, 3], "183": [3, 8, 45, 3], "237": [3, 8, 63, 3]}


def recognise(source: Source) -> Found | None:
    """Return what the config beside the weights says; None where it is none of WeSpeaker's.

    Raises SreError where it is a network, or has an option, that is not known here.
    """
    if not (isinstance(source.config.get("model"), str) and isinstance(source.config.get("model_args"), dict)):
        return None
    where, name, given = f"{source.where}: {source.config_name}", source.config["model"], source.config["model_args"]
    architecture, options = network_of(where, name)
    pooling = next((kind for start, kind in POOLINGS.items() if name.startswith(start)), "TSTP")
    data = source.config.get("dataset_args") or {}
    if ARCHITECTURES[architecture].peer_features == "tf_mel":
        features = default_features(architecture, options, data.get("tfmel_args", {}).get("n_mels"))
    else:
        fbank = data.get("fbank_args") or source.config.get("feature_args") or {}
        if data.get("frontend", "fbank") != "fbank":
            raise SreError(
                f"{where}: its frontend {data['frontend']} is a network, which is not made here; give another"
            )
        bins = fbank.get("num_mel_bins", given.get("feat_dim"))
        features = default_features(architecture, options, bins)
        features |= {key: fbank[key] for key in ("frame_length", "frame_shift") if key in fbank}
        if data.get("cmvn") is False:
            features["cmn"] = "none"
    usual = {**USUAL, "pooling_func": pooling, "feat_dim": features["num_mel_bins"]}
    usual["acoustic_dim"] = usual["feat_dim"]
    known(where, given, usual)
    for key, value in given.items():
        if key in SIZES:
            options[SIZES[key]] = whole(f"{where}: {key}", value)
        elif key not in usual:
            raise SreError(f"{where}: its {name} has an option {key}, which is not known here; give another model")
    said_by = source.config_name
    return made(name, said_by, architecture, options, features)


def network_of(where: str, name: str) -> tuple[str, dict[str, Any]]:
    """Return our architecture and its options of a network's name. Raises SreError where it is not known here."""
    if name == "XVEC":
        return "xvector", {}
    if found := re.fullmatch(r"ECAPA_TDNN_(GLOB_)?c(512|1024)", name):
        return "ecapa", {"channels": int(found[2]), "pooling": "astp_global" if found[1] else "astp"}
    if re.fullmatch(r"ResNet(18|34|50|101|152|221|293)", name):
        return name.lower(), {}
    if found := re.fullmatch(r"(E?Res2Net34)_(Base|Large)", name):
        return found[1].lower(), {"channels": 32 if found[2] == "Base" else 64}
    if (found := re.fullmatch(r"Gemini_DF_ResNet(\d+)", name)) and found[1] in GEMINI:
        return "gemini_dfresnet114", {"blocks": GEMINI[found[1]]}
    if found := re.fullmatch(r"SimAM_ResNet(34|100)_ASP", name):
        return "simam_resnet34", {"blocks": [3, 4, 6, 3] if found[1] == "34" else [6, 16, 24, 3]}
    if found := re.fullmatch(r"ReDimNet(2?)B([0-6])", name):
        return f"redimnet{found[1]}", {"size": f"b{found[2]}"}
    if name in ("CAMPPlus", "REPVGG_TINY_A0"):
        return "campplus" if name == "CAMPPlus" else "repvgg_a0", {}
    raise SreError(f"{where}: its network '{name[:60]}' is not known here; docs/importing.md lists those that are")


def named(architecture: str, options: dict, bins: int | None = None) -> Found:
    """Return what a user names, of weights without a config. Raises SreError where it is none of WeSpeaker's."""
    peer_key_of(architecture)
    return made(architecture, "--as", architecture, options, default_features(architecture, options, bins))


def made(name: str, said_by: str, architecture: str, options: dict, features: dict) -> Found:
    options = {**(ARCHITECTURES[architecture].peer_options or {}), **options}
    key_of = peer_key_of(architecture)
    note = NOTES.get(architecture, "") if said_by != "--as" else ""
    return Found(TOOLKIT, name, said_by, architecture, options, features, key_of, CLASSIFIER, FRONTEND, note=note)


def default_features(architecture: str, options: dict, bins: object = None) -> dict[str, Any]:
    """Return the features on which WeSpeaker trains an architecture; `bins` where they are not the usual ones."""
    if ARCHITECTURES[architecture].peer_features == "tf_mel":
        return {"type": "tf_mel", "num_mel_bins": bins or 72}
    usual = 80 if architecture != "redimnet" else 60 if options.get("size") == "b0" else 72
    return {"type": "fbank", "num_mel_bins": bins or usual, "window_type": "hamming"}


def peer_key_of(architecture: str) -> Callable[[str], str]:
    """Return what makes our state-dict key of WeSpeaker's. Raises SreError where the network is none of WeSpeaker's."""
    networks = {name: kind.peer_key for name, kind in ARCHITECTURES.items() if kind.peer_options is not None}
    if architecture not in networks:
        near = get_close_matches(architecture, networks, 1, 0.0)[0]
        raise SreError(
            f"'{architecture}' is no network whose WeSpeaker weights can be read, the nearest is '{near}'; give one of"
            f" {', '.join(sorted(networks))}"
        )
    return networks[architecture]
