"""`sre export`: a trained bundle as one file of ONNX or TorchScript, compared with the bundle before it is written.

sre export exp/mini/xvector/final.pt xvector.onnx --data data/mini_test               # features -> embedding
sre export exp/mini/xvector/final.pt xvector.pt --data data/mini_test --from wav      # samples -> embedding
sre export exp/mini/xvector/final.pt xvector.onnx --data data/mini_test --int8        # and xvector.int8.onnx
"""

import argparse
from pathlib import Path

from sre.cli.arguments import input_file, input_folder, output_file


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("export", help=text, description=__doc__)
    parser.add_argument("model", metavar="MODEL.pt", type=input_file, help="a training's final.pt")
    parser.add_argument("out", metavar="OUT", type=output_file, help="OUT.onnx, or OUT.pt for TorchScript")
    of_data = "a data directory with the features that the bundle takes; its shortest, median and longest are compared"
    parser.add_argument("--data", metavar="DIR", type=input_folder, required=True, help=of_data)
    inputs = "what the file takes: features before CMN (batch, frames, bins), or samples on int16's scale (batch, N)"
    parser.add_argument("--from", choices=["fbank", "wav"], default="fbank", dest="source", help=inputs)
    smaller = "also OUT.int8.onnx, its matrix products of 8 bits, if that is faster here (cosine above 0.99)"
    parser.add_argument("--int8", action="store_true", help=smaller)
    parser.set_defaults(do=export_bundle)


def export_bundle(model: Path, out: Path, data: Path, source: str, int8: bool) -> None:
    """Export, and print the cosines and sizes of what was written. Raises SreError as `export` does."""
    from sre.extraction.export import export

    for file in export(model, out, data, source, int8):
        for utt, frames, cosine in file.cosines:
            print(f"{file.path.name} {utt} frames {frames} cosine {cosine:.8f}")
        if file.speed is not None:
            least = min(cosine for _, _, cosine in file.cosines)
            found = f"size {file.size:.2f}, speed {file.speed:.2f} of float's, least cosine {least:.6f}"
            why = "" if file.written else "not worth it, since it is hardly faster: "
            print(f"{file.path}: {why}{found}" + "; it was not written" * (not file.written))
        if file.written:
            print(f"{file.path}: {file.num_bytes / 1e6:.2f} MB")
