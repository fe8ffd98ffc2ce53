"""A trained bundle as one file of ONNX or TorchScript, compared with the bundle before it is written."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

import sre
from sre import SreError
from sre.datadir.datadir import read_data_dir
from sre.extraction import graph
from sre.extraction.embedder import MIN_FRAMES, PIECE_FRAMES, Embedder
from sre.features.store import FeatureStore, find_feats
from sre.features.waves import Waves
from sre.io.atomic import atomic_output
from sre.io.audio import MIX, AudioError, AudioRules

COSINE, COSINE_INT8 = 0.9999, 0.99  # at least, between the file's embedding and the bundle's
WORTH_IT = 1.1  # times as fast is int8 at least, or it is not written: two timings may differ by as much
TIMED_S = 0.5  # for each of the two speeds that int8 compares


@dataclass(frozen=True)
class Sample:
    """A real utterance: what the graph takes of it, (1, T, F) or (1, N), and the bundle's embedding (D,)."""

    utt: str
    frames: int
    input: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True)
class Exported:
    """What became of one file.

    Attributes
    ----------
    num_bytes : its size
    cosines : (utterance, frames, cosine of its embedding with the bundle's), of each sample
    size, speed : int8 only: as a multiple of the float file's
    written : whether it was; int8 that is hardly faster is not
    """

    path: Path
    num_bytes: int
    cosines: list[tuple[str, int, float]]
    size: float = 1.0
    speed: float | None = None
    written: bool = True


def export(model: Path, out: Path, data: Path, source: str = "fbank", int8: bool = False) -> Iterator[Exported]:
    """Write `out`, and with `int8` the file beside it where that is faster; yield each when it is done.

    source : what the file takes: "fbank" (features) or "wav" (samples)
    Raises SreError where a cosine is not above its bound; the file is not written then.
    """
    if out.exists() and out.samefile(model):
        raise SreError(f"{out}: is the bundle itself, which would be lost; give another name to write")
    _check_out(out, int8)
    embedder = Embedder(model, "cpu")
    network = graph.EmbeddingGraph(embedder, source)
    samples = read_samples(embedder, data, source)
    batch = 1 if embedder.feature_config.get("vad") else 2  # unvoiced frames are dropped from one utterance at a time
    example = torch.from_numpy(samples[0].input).repeat_interleave(batch, dim=0)
    metadata = graph.metadata_of(embedder, source, sre.__version__)
    content = (graph.to_onnx if out.suffix == ".onnx" else graph.to_torchscript)(network, example, metadata)
    cosines = compare(graph.runner(content, out.suffix), samples, out, COSINE)
    _write(out, content)
    yield Exported(out, len(content), cosines)
    if int8:
        yield write_int8(out.with_suffix(".int8.onnx"), content, samples)


def _check_out(out: Path, int8: bool) -> None:
    """Raise SreError for a name that says no form, and where a package is missing."""
    if out.suffix not in (".onnx", ".pt"):
        raise SreError(f"{out}: neither .onnx nor .pt (TorchScript); end the name with one of them")
    if int8 and out.suffix != ".onnx":
        raise SreError(f"{out}: --int8 is onnxruntime's; export to a name that ends with .onnx")
    if out.suffix == ".onnx" and not (find_spec("onnx") and find_spec("onnxruntime")):
        raise SreError(f"{out}: onnx and onnxruntime are not installed; run pip install 'sre[export]'")


def _write(out: Path, content: bytes) -> None:
    with atomic_output(out, "wb") as file:
        file.write(content)


def read_samples(embedder: Embedder, data: Path, source: str) -> list[Sample]:
    """Read the shortest, the median and the longest utterance of a data dir that the bundle takes in one piece.

    Raises SreError where there are fewer than three, and for features of another config than the bundle's.
    """
    store = FeatureStore(find_feats(data, embedder.config["features"], "make them"))
    embedder.check(store)
    lengths = sorted((store.num_frames[utt], utt) for utt in store.places)
    lengths = [pair for pair in lengths if MIN_FRAMES <= pair[0] <= PIECE_FRAMES]
    if len(lengths) < 3:
        raise SreError(
            f"{data}: {len(lengths)} utterances of {MIN_FRAMES} to {PIECE_FRAMES} frames; three are compared, give more"
        )
    chosen = [lengths[0], lengths[len(lengths) // 2], lengths[-1]]
    utts = [utt for _, utt in chosen]
    inputs = _waves(data, utts, embedder.feature_config["sample_rate"]) if source == "wav" else map(store.raw, utts)
    return [
        Sample(utt, frames, np.ascontiguousarray(x, np.float32)[None], embedder.utterance(store.load(utt)))
        for (frames, utt), x in zip(chosen, inputs, strict=True)
    ]


def _waves(data: Path, utts: Sequence[str], sample_rate: int) -> Iterator[np.ndarray]:
    """Yield the (N,) samples of each utterance, on int16's scale."""
    directory = read_data_dir(data, need_speakers=False)
    if directory.wav is None:
        raise SreError(f"{data}: no wav.scp in it; give a data directory with sound, or export with --from fbank")
    waves = Waves(directory, AudioRules(sample_rate, resample=True, channel=MIX))
    for utt in utts:
        read = dict(waves.read([utt]))
        for _, path, reason in waves.rejected:
            raise AudioError(f"{data}: '{utt}' ({path}): {reason}; give another directory")
        yield read[utt]


def compare(run: graph.Runner, samples: Sequence[Sample], out: Path, bound: float) -> list[tuple[str, int, float]]:
    """Return (utterance, frames, cosine with the bundle's embedding) of each sample.

    Raises SreError for a cosine that is not above the bound.
    """
    cosines = []
    for sample in samples:
        ours, theirs = run(sample.input)[0].astype(np.float64), sample.reference.astype(np.float64)
        cosine = float(ours @ theirs / (np.linalg.norm(ours) * np.linalg.norm(theirs)))
        cosines.append((sample.utt, sample.frames, cosine))
        if not cosine > bound:
            raise SreError(
                f"{out}: cosine {cosine:.6f} with the bundle's embedding of '{sample.utt}', not above {bound};"
                " it was not written, use the bundle itself"
            )
    return cosines


def write_int8(out: Path, content: bytes, samples: Sequence[Sample]) -> Exported:
    """Write the int8 form of an ONNX file's bytes where it is faster; return what was found.

    Raises SreError where it is not close enough.
    """
    out.unlink(missing_ok=True)  # one of an earlier model must not stay beside this one's
    small = graph.to_int8(content)
    floats, ints = graph.runner(content, ".onnx"), graph.runner(small, ".onnx")
    cosines = compare(ints, samples, out, COSINE_INT8)
    middle = samples[1].input
    speed = seconds(floats, middle) / seconds(ints, middle)
    if speed >= WORTH_IT:
        _write(out, small)
    return Exported(out, len(small), cosines, len(small) / len(content), speed, speed >= WORTH_IT)


def seconds(run: graph.Runner, x: np.ndarray) -> float:
    """Return the shortest time of the runs that half a second allows, three at least."""
    run(x)
    times: list[float] = []
    while sum(times) < TIMED_S or len(times) < 3:
        begun = time.perf_counter()
        run(x)
        times.append(time.perf_counter() - begun)
    return min(times)
