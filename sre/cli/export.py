"""`sre export`: a trained bundle as one file of ONNX or TorchScript."""

import argparse
from typing import Any

from sre.cli.arguments import input_file, input_folder, output_file


def export_model(**arguments: Any) -> None:
    """Write the file, as `sre.extraction.export.export` says."""
    from sre.extraction.export import export

    export(**arguments)


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("export", help=text, description=text)
    parser.add_argument("model", metavar="MODEL.pt", type=input_file, help="a training's final.pt")
    parser.add_argument("out", metavar="OUT", type=output_file, help="OUT.onnx, or OUT.pt for TorchScript")
    of_data = "a data directory with the features that the bundle takes; its shortest, median and longest are compared"
    parser.add_argument("--data", metavar="DIR", type=input_folder, required=True, help=of_data)
    inputs = "what the file takes: features before CMN (batch, frames, bins), or samples on int16's scale (batch, N)"
    parser.add_argument("--from", choices=["fbank", "wav"], default="fbank", dest="source", help=inputs)
    smaller = "also OUT.int8.onnx, its matrix products of 8 bits, if that is faster here (cosine above 0.99)"
    parser.add_argument("--int8", action="store_true", help=smaller)
    parser.set_defaults(do=export_model)
