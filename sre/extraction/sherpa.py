"""What sherpa-onnx reads of an ONNX file, and the features that it gives to one (sherpa-onnx 2.0.1, csrc/features.cc).

Its SpeakerEmbeddingExtractor makes 80 mel bins of a file whose `framework` is "wespeaker" by kaldi-native-fbank with
options of its own, which no file can change; then it runs the graph. A network of other features would get those all
the same, and no one would be told.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sre import SreError
from sre.features.types import FbankOptions, options_of

BELOW_NYQUIST_HZ = 400.0  # where its highest filter ends
OPTIONS: dict[str, Any] = {  # of FbankOptions, that it has; the sample rate is the file's
    "num_mel_bins": 80,
    "low_freq": 20.0,
    "frame_length": 25.0,
    "frame_shift": 10.0,
    "window_type": "povey",
    "preemphasis_coefficient": 0.97,
    "remove_dc_offset": True,
    "snip_edges": False,
    "dither": 0.0,
}
FEATURES = "{num_mel_bins: 80, high_freq: -400, snip_edges: false}"  # in a recipe: those, by the defaults of the rest


def differences(config: Mapping[str, Any]) -> list[str]:
    """Return how features of a config differ from those of sherpa-onnx: 'snip_edges True, there False'."""
    if config.get("type") != FbankOptions.type:
        return [f"type {config.get('type')}, there {FbankOptions.type}"]
    options = options_of(config)
    assert isinstance(options, FbankOptions)
    found = [
        f"{name} {getattr(options, name)}, there {value}"
        for name, value in OPTIONS.items()
        if getattr(options, name) != value
    ]
    if options.highest != (wanted := options.sample_rate / 2 - BELOW_NYQUIST_HZ):
        found.append(f"high_freq {options.highest:g} Hz, there {wanted:g} Hz")
    if config.get("trim"):
        found.append("trim, there nothing is cut off")
    return found


def check(config: Mapping[str, Any], path: Path) -> None:
    """Raise SreError where a bundle at `path` has features that sherpa-onnx does not make."""
    if different := differences(config):
        raise SreError(
            f"{path}: sherpa-onnx makes other features than it was trained on ({'; '.join(different)}); train it on"
            f" features {FEATURES}, or export it with --from wav for onnxruntime"
        )


def metadata(config: Mapping[str, Any], dimension: int, comment: str) -> dict[str, str]:
    """Return the keys that sherpa-onnx reads (csrc/speaker-embedding-extractor-model.cc).

    normalize_samples : "0": its floats in [-1, 1] are multiplied by 32768 before features are made, as ours are
    feature_normalize_type is left out, which is none: the graph normalises its features itself.
    """
    return {
        "framework": "wespeaker",
        "language": "unknown",
        "comment": comment,
        "sample_rate": str(config["sample_rate"]),
        "output_dim": str(dimension),
        "normalize_samples": "0",
    }
