"""Q. Wang's Speaker Recognition From Scratch: saved_model.….pt or a checkpoint of it, whose config is code of Python.

The file has encoder_state_dict, losses and training_time. It names no network: its keys tell one from the other, and
what they do not tell is the user's to say (`Found.untold`).
"""

import re
from collections.abc import Mapping

from torch import Tensor

from sre.models.peers.found import Found, size
from sre.models.peers.source import Source

TOOLKIT = "Wang"
FUSED = re.compile(r"\.in_proj_(weight|bias)$")  # of queries, keys and values, one above the other
ATTENTIONS = {"self_attn": "attention", "multihead_attn": "cross_attention"}


def recognise(source: Source) -> Found | None:
    """Return what the keys say, an LSTM of one or both directions or a Transformer; None where they are none of these.

    Raises SreError where a tensor that every such network has is missing.
    """
    if "lstm.weight_ih_l0" in source.state and all(key.startswith("lstm.") for key in source.state):
        return _recurrent(source)
    if "linear_layer.weight" in source.state and any(FUSED.search(key) for key in source.state):
        return _transformer(source)
    return None


def _recurrent(source: Source) -> Found:
    both = "lstm.weight_ih_l0_reverse" in source.state
    name, frames, other = ("BiLSTM", "mean", "last") if both else ("LSTM", "last", "mean")
    layers = sum(re.fullmatch(r"lstm\.weight_ih_l\d+", key) is not None for key in source.state)
    width = size(source, name, "lstm.weight_hh_l0", 1) * (2 if both else 1)
    options = {"embedding_dim": width, "layers": layers, "frames": frames}
    note = (
        f"the file does not tell which frames make the embedding; {frames} was taken, as there by default, and"
        f""" --options '{{"frames": "{other}"}}' takes the other"""
    )
    architecture, features = "blstm" if both else "lstm", _features(size(source, name, "lstm.weight_ih_l0", 1))
    return Found(TOOLKIT, name, "its keys", architecture, options, features, str, untold=("frames",), note=note)


def _transformer(source: Source) -> Found:
    name = "Transformer"
    layers = {found[1] for key in source.state if (found := re.match(r"encoder\.layers\.(\d+)\.", key))}
    options = {
        "embedding_dim": size(source, name, "linear_layer.weight"),
        "layers": len(layers),
        "feedforward_dim": size(source, name, "encoder.layers.0.linear1.weight"),
    }
    note = "the file does not tell the number of heads; 8 were taken, as there, and --options '{\"heads\": 4}' takes 4"
    features = _features(size(source, name, "linear_layer.weight", 1))
    return Found(
        TOOLKIT, name, "its keys", "transformer", options, features, key_of, parts=unfused, untold=("heads",), note=note
    )


def _features(count: int) -> dict:
    return {"type": "librosa_mfcc", "num_ceps": count}


def unfused(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with in_proj of each attention in three: query, key and value."""
    made: dict[str, Tensor] = {}
    for key, value in state.items():
        if (fused := FUSED.search(key)) and value.dim():
            names = (f"{key[: fused.start()]}.{part}.{fused[1]}" for part in ("query", "key", "value"))
            made |= dict(zip(names, value.chunk(3), strict=False))
        else:
            made[key] = value
    return made


def key_of(key: str) -> str:
    """Return our key of one of the Transformer."""
    key = re.sub(r"^linear_layer\.", "input.", key)
    key = re.sub(r"^encoder\.layers\.", "encoder.", key)
    key = re.sub(r"^decoder\.layers\.0\.", "decoder.", key).replace("out_proj.", "out.")
    key = re.sub("|".join(ATTENTIONS), lambda found: ATTENTIONS[found[0]], key)
    return key.replace(".linear1.", ".feedforward.0.").replace(".linear2.", ".feedforward.3.")
