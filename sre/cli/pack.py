"""`sre pack`: one file, model.sre, of a recipe's result: all that a system's scores depend on.

sre pack exp/mini xvector/lda_plda+asnorm model.sre
sre pack exp/librispeech resnet34/cosine+asnorm+cal model.sre --licence "CC BY 4.0; trained on LibriSpeech"
sre pack exp/mini xvector/cosine model.sre --list mini --no-head
sre pack exp/both both/both model.sre      # a fusion of several models, with the networks of all

RUN/SYSTEM is a row of the report: a run, and a system or fusion of it. Networks, back-end, the cohort of a norm,
calibration, thresholds and error rates go in, with the SHA-256 of the files that they are from. With +cal, scores are
log-likelihood ratios, so that sre verify can decide at any operating point.
"""

import argparse
from argparse import ArgumentTypeError
from pathlib import Path

from sre.cli.arguments import input_folder, output_file


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("pack", help=text, description=__doc__)
    parser.add_argument("experiment", metavar="EXP", type=input_folder, help="exp/NAME, whose scores are there")
    parser.add_argument("which", metavar="RUN/SYSTEM", type=run_and_system, help="as xvector/lda_plda+asnorm")
    parser.add_argument("out", metavar="FILE", type=output_file, help="file to write; model.sre is its usual name")
    terms = "how the model may be used, kept in the file and shown by sre info"
    parser.add_argument("--licence", default="", metavar="TEXT", help=terms)
    lists = "trial list whose thresholds and error rates go in, the first for decisions; may be repeated (default: the"
    lists += " development list and all for evaluation)"
    parser.add_argument("--list", action="append", default=[], dest="lists", metavar="LIST", help=lists)
    less = "leave out the classifier and the names of the training speakers"
    parser.add_argument("--no-head", action="store_false", dest="with_head", help=less)
    parser.set_defaults(do=pack_system)


def run_and_system(text: str) -> tuple[str, str]:
    """'xvector/cosine+asnorm' -> run and system; the type of an argument."""
    run, slash, system = text.partition("/")
    if not (slash and run and system):
        raise ArgumentTypeError(f"{text[:60]!r}: write RUN/SYSTEM, as xvector/cosine")
    return run, system


def pack_system(
    experiment: Path, which: tuple[str, str], out: Path, licence: str, lists: list[str], with_head: bool
) -> None:
    """Write the package and say what is in it. Raises SreError where a file is not what was scored."""
    from sre.voices.packing import pack

    package = pack(experiment, *which, licence, lists, with_head)
    package.write(out)
    systems = package.manifest.systems
    kind = "log-likelihood ratios" if systems[-1].of else "not calibrated"
    print(f"{out}: {package.manifest.name}, {out.stat().st_size / 1e6:.2f} MB, scores: {kind}")
    print(f"sre info {out} says what is in it; sre verify {out} a.wav b.wav uses it")
