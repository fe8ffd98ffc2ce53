"""`sre export`: a trained model as one file of ONNX or TorchScript, compared with the model before it is written.

sre export exp/mini/xvector/final.pt xvector.onnx                                  # features -> embedding
sre export exp/mini/xvector/final.pt xvector.pt --from wav                         # floats in [-1, 1] -> embedding
sre export exp/mini/xvector/final.pt xvector.onnx --from wav --data data/mini_test # compared on its recordings
sre export exp/mini/xvector/final.pt xvector.onnx --int8                           # and xvector.int8.onnx
sre export final.pt speaker.onnx --for sherpa-onnx                                 # refused where it cannot run it
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sre import SreError
from sre.cli.arguments import input_file, input_folder, output_file

if TYPE_CHECKING:
    from sre.extraction.network import Embedder


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("export", help=text, description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=input_file, help="model.sre, or a training's final.pt")
    parser.add_argument("out", metavar="OUT", type=output_file, help="OUT.onnx, or OUT.pt for TorchScript")
    of_data = (
        "a data directory with sound, or with the features that the model takes; its shortest, median and longest"
        " utterance are compared; default: three generated ones"
    )
    parser.add_argument("--data", metavar="DIR", type=input_folder, help=of_data)
    inputs = "what the file takes: features before CMN (batch, frames, bins), or samples in [-1, 1] (batch, N)"
    parser.add_argument("--from", choices=["fbank", "wav"], default="fbank", dest="source", help=inputs)
    smaller = "also OUT.int8.onnx, its matrix products of 8 bits, if that is faster here (cosine above 0.99)"
    parser.add_argument("--int8", action="store_true", help=smaller)
    other = "the program that must be able to run the file; a model whose features it does not make is refused"
    parser.add_argument("--for", choices=["sherpa-onnx"], dest="target", help=other)
    which = "of a model.sre with several: the one that is exported, as sre info names it"
    parser.add_argument("--network", metavar="NAME", help=which)
    parser.set_defaults(do=export_model)


def export_model(
    model: Path, out: Path, data: Path | None, source: str, int8: bool, target: str | None, network: str | None
) -> None:
    """Export, and print the cosines and sizes of what was written. Raises SreError as `export` does."""
    from sre.extraction.export import export
    from sre.machine.log import say

    for file in export(embedder_of(model, network), out, data, source, int8, target):
        for utt, frames, cosine in file.cosines:
            print(f"{file.path.name} {utt} frames {frames} cosine {cosine:.8f}")
        if file.speed is not None:
            least = min(cosine for _, _, cosine in file.cosines)
            found = f"size {file.size:.2f}, speed {file.speed:.2f} of float's, least cosine {least:.6f}"
            why = "" if file.written else "not worth it, since it is hardly faster: "
            print(f"{file.path}: {why}{found}" + "; it was not written" * (not file.written))
        if file.speed is None and data is None:
            say("no --data: it was compared with the model on generated, speech-like sound, see above")
        if file.written:
            for_others = ", also for sherpa-onnx" * file.sherpa
            print(f"{file.path}: {file.num_bytes / 1e6:.2f} MB{for_others}")


def embedder_of(path: Path, name: str | None) -> Embedder:
    """Return a network of a model, on the CPU. Raises SreError where it has several and none was named."""
    from sre.extraction.network import Embedder, check_shapes
    from sre.voices.model import package_of

    package = package_of(path)
    names = [part.name for part in package.manifest.networks]
    if name is None and len(names) > 1:
        raise SreError(f"{path}: it has the networks {', '.join(names)}; say by --network which one is exported")
    if name is not None and name not in names:
        raise SreError(f"{path}: no network '{name}' in it, it has {', '.join(names)}; give one of these")
    bundle = package.bundles[0 if name is None else names.index(name)]
    check_shapes(bundle, path)
    return Embedder(path, "cpu", bundle=bundle)
