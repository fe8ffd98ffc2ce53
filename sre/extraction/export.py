"""`sre export`: a trained bundle as one file of ONNX or TorchScript, compared with the bundle before it is written.

sre export exp/mini/xvector/final.pt xvector.onnx --data data/mini_test               # features -> embedding
sre export exp/mini/xvector/final.pt xvector.pt --data data/mini_test --from wav      # samples -> embedding
sre export exp/mini/xvector/final.pt xvector.onnx --data data/mini_test --int8        # and xvector.int8.onnx
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import sre
from sre import SreError
from sre.datadir.datadir import read_data_dir
from sre.features.store import FeatureStore
from sre.features.waves import Waves
from sre.io.atomic import atomic_output
from sre.io.audio import AudioError, AudioRules

if TYPE_CHECKING:  # torch takes seconds to load, and `sre data` does without
    from sre.extraction.embedder import Embedder
    from sre.extraction.graph import Runner

COSINE, COSINE_INT8 = 0.9999, 0.99  # at least, between the file's embedding and the bundle's
WORTH_IT = 1.1  # times as fast is int8 at least, or it is not written: two timings may differ by as much
TIMED_S = 0.5  # for each of the two speeds that --int8 compares


@dataclass
class Sample:
    """A real utterance: what the graph takes of it, (1, T, F) or (1, N), and the bundle's embedding (D,)."""

    utt: str
    frames: int
    input: np.ndarray
    reference: np.ndarray


def export(model: Path, out: Path, data: Path, source: str = "fbank", int8: bool = False) -> None:
    """Write `out` whose input is "fbank" or "wav"; nothing is written where a cosine is not above 0.9999."""
    _check_out(out, int8)
    import torch

    from sre.extraction import graph
    from sre.extraction.embedder import Embedder

    embedder = Embedder(model, torch.device("cpu"))
    network = graph.EmbeddingGraph(embedder, source)
    samples = read_samples(embedder, data, source)
    batch = 1 if embedder.feature_config.get("vad") else 2  # unvoiced frames are dropped from one utterance at a time
    example = torch.from_numpy(samples[0].input).repeat_interleave(batch, dim=0)
    metadata = graph.metadata_of(embedder, source, sre.__version__)
    content = (graph.to_onnx if out.suffix == ".onnx" else graph.to_torchscript)(network, example, metadata)
    run = graph.runner(content, out.suffix)
    compare(run, samples, out, COSINE)
    _write(out, content)
    if int8:
        write_int8(out.with_suffix(".int8.onnx"), content, samples)


def _check_out(out: Path, int8: bool) -> None:
    if out.suffix not in (".onnx", ".pt"):
        raise SreError(f"{out}: neither .onnx nor .pt (TorchScript); end the name with one of them")
    if int8 and out.suffix != ".onnx":
        raise SreError(f"{out}: --int8 is onnxruntime's; export to a name that ends with .onnx")
    if out.suffix == ".onnx" and not (find_spec("onnx") and find_spec("onnxruntime")):
        raise SreError(f"{out}: onnx and onnxruntime are not installed; run pip install 'sre[export]'")


def _write(out: Path, content: bytes) -> None:
    with atomic_output(out, "wb") as file:
        file.write(content)
    print(f"{out}: {len(content) / 1e6:.2f} MB")


def read_samples(embedder: Embedder, data: Path, source: str) -> list[Sample]:
    """The shortest, the median and the longest utterance of a data dir that the bundle takes in one piece."""
    from sre.extraction.embedder import MIN_FRAMES, PIECE_FRAMES

    store = _store(embedder, data)
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


def _store(embedder: Embedder, data: Path) -> FeatureStore:
    places = [data / "feats" / embedder.config["features"] / "feats.scp", data / "feats.scp"]
    found = [place for place in places if place.is_file()]
    if not found:
        raise SreError(f"{data}: no features; looked for {places[0]} and {places[1]}: make them")
    store = FeatureStore(found[0])
    embedder.check(store)
    return store


def _waves(data: Path, utts: Sequence[str], sample_rate: int) -> Iterator[np.ndarray]:
    """(N,) samples of each on int16's scale."""
    directory = read_data_dir(data, need_speakers=False)
    if directory.wav is None:
        raise SreError(f"{data}: no wav.scp in it; give a data directory with sound, or export with --from fbank")
    waves = Waves(directory, AudioRules(sample_rate, resample=True))
    for utt in utts:
        read = dict(waves.read([utt]))
        for _, path, reason in waves.rejected:
            raise AudioError(f"{data}: '{utt}' ({path}): {reason}; give another directory")
        yield read[utt]


def compare(run: Runner, samples: Sequence[Sample], out: Path, bound: float) -> float:
    """Print each utterance's cosine with the bundle's embedding and return the least; SreError if it is not above."""
    cosines = []
    for sample in samples:
        ours, theirs = run(sample.input)[0].astype(np.float64), sample.reference.astype(np.float64)
        cosines.append(float(ours @ theirs / (np.linalg.norm(ours) * np.linalg.norm(theirs))))
        print(f"{out.name} {sample.utt} frames {sample.frames} cosine {cosines[-1]:.8f}")
    worst = int(np.argmin(cosines))
    if not cosines[worst] > bound:
        raise SreError(
            f"{out}: cosine {cosines[worst]:.6f} with the bundle's embedding of '{samples[worst].utt}', not above"
            f" {bound}; it was not written, use the bundle itself"
        )
    return cosines[worst]


def write_int8(out: Path, content: bytes, samples: Sequence[Sample]) -> None:
    """The int8 form of an ONNX file's bytes, where it is faster and close enough; says what it found."""
    from sre.extraction import graph

    out.unlink(missing_ok=True)  # one of an earlier model must not stay beside this one's
    small = graph.to_int8(content)
    floats, ints = graph.runner(content, ".onnx"), graph.runner(small, ".onnx")
    cosine = compare(ints, samples, out, COSINE_INT8)
    middle = samples[1].input
    ratio = seconds(floats, middle) / seconds(ints, middle)
    found = f"size {len(small) / len(content):.2f}, speed {ratio:.2f} of float's, least cosine {cosine:.6f}"
    if ratio < WORTH_IT:
        print(f"{out}: not worth it, since it is hardly faster: {found}; it was not written")
    else:
        print(f"{out}: {found}")
        _write(out, small)


def seconds(run: Runner, x: np.ndarray) -> float:
    """The best of the runs that half a second allows, three at least."""
    run(x)
    times: list[float] = []
    while sum(times) < TIMED_S or len(times) < 3:
        begun = time.perf_counter()
        run(x)
        times.append(time.perf_counter() - begun)
    return min(times)
