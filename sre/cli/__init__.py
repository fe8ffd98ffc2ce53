"""The `sre` command for people; the stages of a recipe are in steps/.

sre data validate data/train
sre data subset --per-speaker 5 data/train data/train_5each
sre doctor voxceleb --config voxceleb1=/data/VoxCeleb1               # what would stop it: disk, corpora, packages
sre explain --config recipe=librispeech corpus=/data/LibriSpeech     # what snakemake will run, why, at what cost
sre trace exp/mini/report.tsv:2                                      # where a number is from
sre compare exp/mini exp/mini_before                                 # what changed, and is the difference real?
sre decide eval.scores eval_trials out.csv --threshold 0.31          # of trials without labels, too
sre clean exp/mini                                                   # what can go, and how much room it takes; --yes
sre describe recipes/voxceleb/models/ecapa512.yaml                   # parameters, MACs, receptive field, speed
sre export exp/mini/xvector/final.pt xvector.onnx --data data/mini_test
sre pack exp/mini xvector/lda_plda model.sre                         # one file of a recipe's result
sre info model.sre                                                   # what is in it
sre verify model.sre a.wav b.wav                                     # the same speaker? score, decision, how sure
sre embed model.sre a.wav b.wav --out voices.npz                     # embeddings; also of folders, lists, data dirs
sre enroll model.sre voices.db "Ann Lee" ann1.wav ann2.wav           # who is who, into a file of voices
sre identify model.sre voices.db unknown.wav                         # who is speaking, or is it nobody of them
sre voices voices.db list                                            # and show, rename, remove, check
sre serve model.sre voices.db                                        # the same in a browser, from the microphone
sre import spkrec-ecapa-voxceleb final.pt                            # of WeSpeaker, SpeechBrain, 3D-Speaker, NeMo, …
"""

import argparse
import sys
from importlib import import_module

from sre.cli.arguments import Parser
from sre.machine import log

VERBS = {  # verb -> its file in here, loaded when the verb is called; one line of help
    "data": ("data", "look after Kaldi data directories"),
    "doctor": ("doctor", "what would stop a recipe before its first stage: machine, packages, corpora, disk"),
    "explain": ("explain", "what snakemake will run with these arguments, why, and at what cost"),
    "trace": ("trace", "where a number or a file is from: config, data and code, and whether they have changed since"),
    "compare": ("compare", "what changed between experiments, and whether their error rates differ"),
    "describe": ("describe", "what a model costs: parameters, operations, frames that it sees, speed on this machine"),
    "export": ("export", "a trained model as one ONNX or TorchScript file, checked on three utterances"),
    "decide": ("decide", "accept or reject each trial of a list, which needs no labels, into a CSV"),
    "pack": ("pack", "one file, model.sre, of a recipe's result: network, back-end, calibration, thresholds"),
    "info": ("info", "what is in a model.sre or final.pt"),
    "verify": ("verify", "whether recordings are of the same speaker: score, decision, and how sure it is"),
    "embed": ("embed", "embeddings of audio files, folders, lists or data directories"),
    "enroll": ("enroll", "add recordings of somebody to a file of voices"),
    "identify": ("identify", "who is speaking: enrolled voices, or the network's training speakers; also live"),
    "voices": ("voices", "what is in a file of voices: list, show, rename, remove, check"),
    "serve": ("serve", "a page in the browser of this machine: record, compare, enrol, identify"),
    "import": ("import_", "a model of WeSpeaker, SpeechBrain, 3D-Speaker, NeMo, ClovaAI or Wang as a bundle of ours"),
    "clean": (
        "clean",
        "what of experiments can be removed, and how much it is, as checkpoints of finished trainings",
    ),
}


def main(argv: list[str] | None = None) -> None:
    """Run the command; an SreError becomes one sentence and exit status 1."""
    log.run(lambda: command(argv))


def command(argv: list[str] | None = None) -> None:
    """Parse and do; raises SreError."""
    words = sys.argv[1:] if argv is None else argv
    arguments = vars(build_parser(words[:1]).parse_args(words))
    arguments.pop("do")(**{name: value for name, value in arguments.items() if not name.startswith("_")})


def build_parser(loaded: list[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser, which knows the arguments of these verbs (None: of all) and the names of all.

    The module of a verb has `add(commands, text)`, which sets `do` to a function of the parsed arguments.
    """
    parser = Parser(prog="sre", description=__doc__)
    commands = parser.add_subparsers(dest="_command", metavar="COMMAND", required=True)
    for verb, (module, text) in VERBS.items():
        if loaded is None or verb in loaded:
            import_module(f"sre.cli.{module}").add(commands, text)
        else:
            commands.add_parser(verb, help=text)
    return parser
