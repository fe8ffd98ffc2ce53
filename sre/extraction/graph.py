"""A trained bundle as one graph, waveform or features -> embedding, in ONNX's or TorchScript's bytes.

Nothing is padded, cut or averaged in a graph: it is for what `Embedder` does in one piece, 25 to 10,000 frames.
Shapes: B batch, N samples, T frames (T' voiced ones), F features, D embedding, W samples of a window.
"""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from sre import SreError
from sre.extraction.embedder import Embedder
from sre.extraction.samples import FULL_SCALE
from sre.features.batches import add_deltas_batch, normalise_batch
from sre.features.extractor import FeatureExtractor, extractor_of
from sre.features.frontends.options import WaveformOptions
from sre.features.trim import fixed_samples
from sre.features.types import FrameOptions, options_of, vad_listens

OPSET = 17
Runner = Callable[[np.ndarray], np.ndarray]


class FeatureGraph(nn.Module):
    """Kaldi's features by FeatureExtractor's own operations, on the CPU: (B, N) in [-1, 1] -> (B, T, F).

    Never dithered, exact.
    """

    def __init__(self, config: dict) -> None:
        super().__init__()
        options = options_of(config)
        assert isinstance(options, FrameOptions)
        extractor = extractor_of(replace(options, dither=0.0, exact=True))
        assert isinstance(extractor, FeatureExtractor)
        self.extractor = extractor
        self.cut = fixed_samples(config.get("trim"), options.sample_rate)

    def forward(self, waves: Tensor) -> Tensor:
        waves = waves * FULL_SCALE
        if self.cut:
            waves = waves[:, self.cut : -self.cut]
        options, samples = self.extractor.options, waves.shape[1]
        frames = options.num_frames(samples)
        first = 0 if options.snip_edges else (options.shift - options.window) // 2
        index = first + torch.arange(frames)[:, None] * options.shift + torch.arange(options.window)  # (T, W)
        index = torch.where(index < 0, -index - 1, index)  # mirrored at the ends where they are not snipped
        index = torch.where(index >= samples, 2 * samples - 1 - index, index)
        feats = self.extractor.features(waves[:, index].flatten(0, 1), torch.Generator())  # (B, N) -> (B T, F)
        return feats.reshape(waves.shape[0], -1, options.dimension)  # -> (B, T, F)


class WaveformGraph(nn.Module):
    """The blocks of a waveform, as `Waveform` makes them: (B, N) in [-1, 1] -> (B, T, F)."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.options = options_of(config)
        self.cut = fixed_samples(config.get("trim"), self.options.sample_rate)

    def forward(self, waves: Tensor) -> Tensor:
        columns = self.options.dimension
        whole = (waves.shape[1] - 2 * self.cut) // columns * columns
        return waves[:, self.cut : self.cut + whole].reshape(waves.shape[0], -1, columns)


class NormalisationGraph(nn.Module):
    """What FeatureStore.load does to features: (B, T, F) -> (B, T, F), with a VAD (1, T, F) -> (1, T', F)."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.config, self.vad = config, config.get("vad")

    def forward(self, x: Tensor) -> Tensor:
        log_energy = x[0, :, 0]
        x = add_deltas_batch(normalise_batch(x, self.config), self.config)
        return x[:, self._voiced(log_energy, self.vad)] if self.vad else x

    def _voiced(self, log_energy: Tensor, vad: dict) -> Tensor:
        """Do what sre.features.cmn.energy_vad does: (T,) -> (T,) bool."""
        cutoff = vad["energy_threshold"] + vad["energy_mean_scale"] * log_energy.mean()
        above = nn.functional.pad((log_energy > cutoff).long().cumsum(dim=0), (1, 0))
        frames, context = torch.arange(log_energy.shape[0]), vad["frames_context"]
        begin = (frames - context).clamp(min=0)
        end = (frames + context + 1).minimum(frames[-1:] + 1)
        return (above[end] - above[begin]) >= vad["proportion_threshold"] * (end - begin)


class EmbeddingGraph(nn.Module):
    """(B, T, F) features before CMN, or with source "wav" (B, N) samples in [-1, 1] -> (B, D).

    With a VAD B is 1. Raises SreError for samples where features were given, or made by a version without sample_rate.
    """

    def __init__(self, embedder: Embedder, source: str) -> None:
        super().__init__()
        config, network = embedder.feature_config, embedder.network
        if source == "wav" and "sample_rate" not in config:
            raise SreError(
                f"{embedder.path}: it was trained on features of an unknown sample rate; export it with --from fbank"
            )
        _check(config, source, embedder.path)
        self.features = _front_end(config) if source == "wav" else nn.Identity()
        self.normalise, self.network = NormalisationGraph(config), network.reparameterise()

    def forward(self, x: Tensor) -> Tensor:
        return self.network.embed(self.normalise(self.features(x)))


def _front_end(config: dict) -> nn.Module:
    return WaveformGraph(config) if isinstance(options_of(config), WaveformOptions) else FeatureGraph(config)


def _check(config: dict, source: str, path: Path) -> None:
    """Raise SreError for what is no part of a graph: a VAD on audio, cuts by level, features of other toolkits."""
    if source == "wav" and not isinstance(options_of(config), FrameOptions | WaveformOptions):
        raise SreError(
            f"{path}: features of type {config['type']} are no part of a graph; export it with --from fbank, and give"
            " the file such features"
        )
    if config.get("vad") and vad_listens(config):
        raise SreError(
            f"{path}: its VAD works on the audio, which a graph does not; export a network whose features have"
            " vad: null, or MFCCs with energy"
        )
    if source == "wav" and (config.get("trim") or {}).get("level_db") is not None:
        raise SreError(f"{path}: its features' trim.level_db is no part of a graph; export it with --from fbank")


@contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns that it is old, and of each shape that decides a branch: ours take one from 25 frames on."""
    level = logging.root.level
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        logging.root.setLevel(logging.ERROR)  # onnxruntime's quantisation recommends a pre-processing
        try:
            yield
        finally:
            logging.root.setLevel(level)


def to_torchscript(graph: nn.Module, example: Tensor, metadata: dict[str, str]) -> bytes:
    """Return the bytes of a TorchScript file: the traced graph; metadata are extra files of the archive."""
    file = io.BytesIO()
    with _quiet():
        torch.jit.save(torch.jit.trace(graph.eval(), example, check_trace=False), file, _extra_files=metadata)
    return file.getvalue()


def to_onnx(graph: nn.Module, example: Tensor, metadata: dict[str, str]) -> bytes:
    """Return the bytes of an ONNX file of opset OPSET, by the exporter that traces; metadata are its metadata_props.

    The number of frames or samples is free, and that of the batch where the example has two.
    """
    import onnx

    file = io.BytesIO()
    free = {0: "batch", 1: "samples" if example.ndim == 2 else "frames"}
    batch = {0: "batch"}
    if len(example) == 1:  # with a VAD an utterance loses frames of its own, so there is one at a time
        del free[0], batch[0]
    with _quiet():
        torch.onnx.export(
            graph.eval(),
            (example,),
            file,  # type: ignore[arg-type]  # the exporter that traces takes a buffer too
            dynamo=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=["embedding"],
            dynamic_axes={"input": free, "embedding": batch},
        )
    model = onnx.load_from_string(file.getvalue())
    onnx.helper.set_model_props(model, metadata)
    return model.SerializeToString()


def to_int8(model: bytes) -> bytes:
    """Return the bytes of an ONNX graph with int8 weights in the network's matrix products and LSTMs.

    Inputs are quantised as they come. Convolutions stay, for onnxruntime's int8 ones are slower on a CPU; so do the
    features' mel banks.
    """
    import onnx
    from onnxruntime.quantization import quantize_dynamic

    parsed = onnx.load_from_string(model)
    keep = [node.name for node in parsed.graph.node if node.name.startswith("/features/")]
    with TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(parsed, path, op_types_to_quantize=["MatMul", "LSTM"], nodes_to_exclude=keep, per_channel=True)
        quantized = onnx.load(path)
    del quantized.graph.value_info[:]  # shapes that nothing needs: of the features' nodes, a third of a megabyte
    return quantized.SerializeToString()


def runner(model: bytes, suffix: str) -> Runner:
    """Return the function that a file of these bytes computes, on one thread: input -> (B, D) float32."""
    if suffix == ".pt":
        with _quiet():
            traced = torch.jit.load(io.BytesIO(model), map_location="cpu")

        def run(x: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return traced(torch.from_numpy(x)).numpy()

        return run
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"input": x})[0]


def metadata_of(embedder: Embedder, source: str, version: str) -> dict[str, str]:
    """Return what a file says of itself: its input (fbank or wav), both configs, and sre's version.

    input_scale : the value of a sample at full scale: of the input (wav; fbank of the type waveform), or of what its
        features are made of (fbank)
    """
    configs = {"config": embedder.config, "feature_config": embedder.feature_config}
    of_samples = source == "wav" or embedder.feature_config.get("type") == WaveformOptions.type
    told = {"input": source, "input_scale": "1" if of_samples else str(FULL_SCALE), "sre_version": version}
    if "sample_rate" in embedder.feature_config:
        told["sample_rate"] = str(embedder.feature_config["sample_rate"])
    return told | {key: json.dumps(value) for key, value in configs.items()}
