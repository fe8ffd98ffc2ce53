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
from sre.extraction import graph, sherpa
from sre.extraction.embedder import Embedder
from sre.extraction.samples import Sample, read_samples
from sre.io.atomic import atomic_output

COSINE, COSINE_INT8 = 0.9999, 0.99  # at least, between the file's embedding and the bundle's
WORTH_IT = 1.1  # times as fast is int8 at least, or it is not written: two timings may differ by as much
SHERPA = "sherpa-onnx"
TIMED_S = 0.5  # for each of the two speeds that int8 compares


@dataclass(frozen=True)
class Exported:
    """What became of one file.

    Attributes
    ----------
    num_bytes : its size
    cosines : (utterance, frames, cosine of its embedding with the bundle's), of each sample
    size, speed : int8 only: as a multiple of the float file's
    written : whether it was; int8 that is hardly faster is not
    sherpa : sherpa-onnx can run it
    """

    path: Path
    num_bytes: int
    cosines: list[tuple[str, int, float]]
    size: float = 1.0
    speed: float | None = None
    written: bool = True
    sherpa: bool = False


def export(
    embedder: Embedder,
    out: Path,
    data: Path | None = None,
    source: str = "fbank",
    int8: bool = False,
    target: str | None = None,
) -> Iterator[Exported]:
    """Write `out`, and with `int8` the file beside it where that is faster; yield each when it is done.

    embedder : the bundle, on the CPU
    data : the data directory on whose utterances the file is compared; None: on generated sound
    source : what the file takes: "fbank" (features) or "wav" (samples in [-1, 1])
    target : "sherpa-onnx": the file must be one that it can run; None: it is one where the features allow it
    Raises SreError where a cosine is not above its bound; the file is not written then.
    """
    _check_out(out, int8, source, target)
    config = embedder.feature_config
    if target == SHERPA:
        sherpa.check(config, embedder.path)
    network = graph.EmbeddingGraph(embedder, source)
    samples = read_samples(embedder, data, source)
    batch = 1 if config.get("vad") else 2  # unvoiced frames are dropped from one utterance at a time
    example = torch.from_numpy(samples[0].input).repeat_interleave(batch, dim=0)
    metadata = graph.metadata_of(embedder, source, sre.__version__)
    if out.suffix == ".onnx" and source == "fbank" and not sherpa.differences(config):
        comment = f"{embedder.config['architecture']}, exported by sre {sre.__version__}"
        metadata |= sherpa.metadata(config, embedder.network.embedding_dim, comment)
    content = (graph.to_onnx if out.suffix == ".onnx" else graph.to_torchscript)(network, example, metadata)
    cosines = compare(graph.runner(content, out.suffix), samples, out, COSINE)
    _write(out, content)
    yield Exported(out, len(content), cosines, sherpa="framework" in metadata)
    if int8:
        yield write_int8(out.with_suffix(".int8.onnx"), content, samples)


def _check_out(out: Path, int8: bool, source: str, target: str | None) -> None:
    """Raise SreError for a name that says no form, what does not go together, and where a package is missing."""
    if out.suffix not in (".onnx", ".pt"):
        raise SreError(f"{out}: neither .onnx nor .pt (TorchScript); end the name with one of them")
    if int8 and out.suffix != ".onnx":
        raise SreError(f"{out}: --int8 is onnxruntime's; export to a name that ends with .onnx")
    if target == SHERPA and (out.suffix != ".onnx" or source != "fbank"):
        raise SreError(f"{out}: {SHERPA} reads ONNX files of features; name it .onnx, and leave out --from wav")
    if out.suffix == ".onnx" and not (find_spec("onnx") and find_spec("onnxruntime")):
        raise SreError(f"{out}: onnx and onnxruntime are not installed; run pip install 'sre[export]'")


def _write(out: Path, content: bytes) -> None:
    with atomic_output(out, "wb") as file:
        file.write(content)


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
