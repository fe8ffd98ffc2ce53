"""The neural VAD of the package silero-vad (extra `vad`): its ONNX files, run by onnxruntime on one thread.

Shapes: S samples, H hops of 32 ms.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.features.speech import HYSTERESIS, LEAST_OFF, Span, SpanRule, speech_spans

FILES = {8000: "silero_vad.onnx", 16000: "silero_vad_16k_sequence.onnx"}  # the second takes many hops at once
HOPS_AT_ONCE = 512
STATE = 128


def model_file(sample_rate: int) -> Path:
    """Return the network's file in the package, which is not imported, as it sets PyTorch's threads.

    Raises SreError for a sample rate (Hz) that it does not know, and where a package is missing.
    """
    if sample_rate not in FILES:
        raise SreError(
            f"silero's VAD hears audio at 8000 or 16000 Hz, not at {sample_rate}; set audio.sample_rate, or"
            " type: energy"
        )
    spec = find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations or not find_spec("onnxruntime"):
        raise SreError("silero-vad and onnxruntime are not installed; run pip install 'sre[vad]'")
    path = Path(spec.submodule_search_locations[0]) / "data" / FILES[sample_rate]
    if not path.is_file():
        raise SreError(f"{path}: no such file in this version of silero-vad; run pip install 'sre[vad]'")
    return path


class Silero:
    """Probabilities of speech, and the stretches where they are high, of signals at 8000 or 16000 Hz.

    Attributes
    ----------
    hop : samples from one probability to the next, 32 ms
    """

    def __init__(self, sample_rate: int) -> None:
        """Load the network. Raises SreError as `model_file` does."""
        path = model_file(sample_rate)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = 1, 1, 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.sample_rate, self.hop, self.context = sample_rate, sample_rate * 4 // 125, sample_rate // 250

    def probabilities(self, wave: np.ndarray) -> np.ndarray:
        """Return the probability of speech in each hop: (S,) float32 on int16's scale -> (H,)."""
        hops = -(-len(wave) // self.hop)
        padded = np.zeros(self.context + hops * self.hop, np.float32)  # before the first hop, and behind the last
        padded[self.context : self.context + len(wave)] = wave / np.float32(32768)
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.context + self.hop)[:: self.hop]
        return self._many(windows) if self.sample_rate == 16000 else self._one_by_one(windows)

    def _many(self, windows: np.ndarray) -> np.ndarray:
        hidden, cell = np.zeros((2, 1, 1, STATE), np.float32)
        parts = [np.zeros(0, np.float32)]
        for begin in range(0, len(windows), HOPS_AT_ONCE):
            inputs = {"input": np.ascontiguousarray(windows[begin : begin + HOPS_AT_ONCE]), "h": hidden, "c": cell}
            part, hidden, cell = self.session.run(["speech_probs", "hn", "cn"], inputs)
            parts.append(part.reshape(-1))
        return np.concatenate(parts)

    def _one_by_one(self, windows: np.ndarray) -> np.ndarray:
        state, rate = np.zeros((2, 1, STATE), np.float32), np.array(self.sample_rate)
        found = np.zeros(len(windows), np.float32)
        for number, window in enumerate(windows):
            output, state = self.session.run(None, {"input": window[None], "state": state, "sr": rate})
            found[number] = output[0, 0]
        return found

    def spans(self, wave: np.ndarray, vad: Mapping[str, Any]) -> list[Span]:
        """Return the stretches of speech by the options of a VAD of type silero."""
        off = max(vad["threshold"] - HYSTERESIS, LEAST_OFF)
        times = (vad[key] for key in ("min_speech_s", "min_silence_s", "pad_s"))
        rule = SpanRule(vad["threshold"], off, *(int(seconds * self.sample_rate) for seconds in times))
        return speech_spans(self.probabilities(wave), self.hop, len(wave), rule)
