"""Arguments that several steps share: features, back-ends, what is scored, cohorts. sre/cli/arguments.py: types."""

import argparse
import os
import re
from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, json_object, number, output_file, seed, share, whole
from sre.cli.configs import DEFAULT_FEATURES, ConfigArgument, config_argument, schema, systems_config
from sre.config.checkpoints import OF_THE_RUN
from sre.config.conditions import Condition, read_condition
from sre.config.corpus import NAME, TrialList
from sre.config.extraction import LEAST, MOST
from sre.machine.log import say

if TYPE_CHECKING:  # what takes long to load is loaded once a command line has been read
    from sre.backends.cohort import CohortRule
    from sre.extraction.pieces import Pieces
    from sre.scoring.stored_calibration import StoredCalibration
    from sre.training.on_vectors import Beside

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("fp32", "fp32_fast", "bf16", "fp16", "auto")


def feats_scp(text: str) -> Path:
    """Type of an argument: feats.scp, or a folder that has one, also a data directory with one kind of features."""
    folder = Path(text)
    if not os.path.isdir(text):
        return input_file(text)
    found = [path for path in (folder / "feats.scp", *sorted(folder.glob("feats/*/feats.scp"))) if path.is_file()]
    if len(found) == 1:
        return found[0]
    some = f"several feats.scp in it; give one of {', '.join(map(str, found))}" if found else "no feats.scp in it"
    raise ArgumentTypeError(f"{folder}: a folder with {some}" + "; make features first" * (not found))


def trial_list(text: str) -> TrialList:
    """Return the list of 'NAME=SPLIT'; the type of an argument."""
    name, _, split = text.partition("=")
    if not re.fullmatch(NAME, name) or not re.fullmatch(NAME, split):
        raise ArgumentTypeError(f"{text[:60]!r}: write NAME=SPLIT, both of small letters, digits and _")
    return TrialList(name, split)


def condition_text(text: str) -> Condition:
    """Return the condition of its JSON text; the type of an argument."""
    try:
        return read_condition(json_object(text))
    except SreError as error:
        raise ArgumentTypeError(str(error)) from None


def named_config(text: str) -> tuple[str, ConfigArgument]:
    """Return the name of 'NAME=CONFIG' and what `config_argument` makes of the rest; the type of an argument."""
    name, equals, config = text.partition("=")
    if not equals or not re.fullmatch(NAME, name):
        raise ArgumentTypeError(f"{text[:60]!r}: write NAME=CONFIG, a name and a YAML or JSON text")
    where, content = config_argument(config)
    return name, ConfigArgument(f"{name}={where}", content)


def named_file(text: str) -> tuple[str, Path]:
    """Return the name, of any form, and the file of 'NAME=FILE'; the type of an argument."""
    name, equals, path = text.partition("=")
    if not equals or not name:
        raise ArgumentTypeError(f"{text[:60]!r}: write NAME=FILE")
    return name, input_file(path)


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Add DATA, --train, --list and --enroll: what gates look at."""
    parser.add_argument("data", type=input_folder, help="folder of the splits' data directories and of trials/")
    parser.add_argument("--train", metavar="SPLIT", required=True, help="folder of DATA that is trained on")
    lists = "trial list DATA/trials/NAME, of utterances of DATA/SPLIT; may be repeated"
    parser.add_argument("--list", type=trial_list, action="append", metavar="NAME=SPLIT", required=True, help=lists)
    maps = "this list has an enrolment map, DATA/trials/NAME.enroll; may be repeated"
    parser.add_argument("--enroll", action="append", default=[], metavar="NAME", help=maps)


def lists_of(args: argparse.Namespace) -> dict[str, TrialList]:
    """Return name -> list of --list and --enroll. Raises SreError where --enroll names none of them."""
    lists = {item.name: item for item in args.list}
    for name in args.enroll:
        if name not in lists:
            raise SreError(f"--enroll {name}: none of the lists {', '.join(lists)}; give it by --list too")
        lists[name] = replace(lists[name], has_enroll_map=True)
    return lists


def add_systems_options(parser: argparse.ArgumentParser) -> None:
    """Add SYSTEMS and --backend, and what `add_result_options` adds."""
    systems = "names, as cosine,cosine+asnorm; a YAML with systems:, as a recipe's config; or such JSON text"
    parser.add_argument("systems", metavar="SYSTEMS", help=systems)
    files = "files, named <back-end>.npz; may be repeated"
    parser.add_argument("--backend", action="append", required=True, type=input_file, metavar="F", help=files)
    add_result_options(parser)


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that tell whose scores a list's are, what the list is for, and how intervals are drawn."""
    parser.add_argument(
        "--run", default="run", metavar="NAME", help="name of the run, a model with a seed (default: run)"
    )
    parser.add_argument("--model", metavar="NAME", help="name of the model, the same for all seeds (default: --run)")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="seed of the training (default: 1)")
    role = "what the list is for: development has calibrations and fusions made on it (default: evaluation)"
    parser.add_argument("--role", choices=["evaluation", "development"], default="evaluation", help=role)
    condition = "the list is another's under a condition: JSON with of, kind and value, in place of --role"
    parser.add_argument("--condition", type=condition_text, metavar="JSON", help=condition)
    prior = "probability of a target, for which calibration and fusion are trained (default: 0.05)"
    parser.add_argument("--p-target", type=share, default=0.05, metavar="P", help=prior)
    draws = "draws of the speakers, for 95 %% intervals; 0: none (default: 1000)"
    parser.add_argument("--replicates", type=whole(), default=1000, metavar="N", help=draws)
    parser.add_argument("--replicates-seed", type=seed, default=1, metavar="N", help="seed of these draws (default: 1)")


def systems_of(args: argparse.Namespace) -> dict[str, dict]:
    """Return name -> resolved system. Raises SreError where the back-end of one is not given."""
    backends = {path.stem for path in args.backend}
    systems = systems_config(args.systems, sorted(backends))
    for name, system in systems.items():
        if not system["of"] and system.get("backend") not in backends:
            raise SreError(f"system {name}: its back-end is no --backend; give {system.get('backend')}.npz")
    return systems


def add_feature_config(parser: argparse.ArgumentParser, what: str) -> None:
    """Options --config, said to be one `what`, and --type, the kind of features where the config names none."""
    options = f"config of features, {what}: a YAML, JSON text, the config beside features, or a final.pt"
    parser.add_argument("--config", type=config_argument, metavar="CONFIG", help=options)
    kinds, kind = list(DEFAULT_FEATURES), "their kind, whose defaults hold without --config (default: fbank)"
    parser.add_argument("--type", choices=kinds, default=kinds[0], help=kind)


def add_pieces_options(parser: argparse.ArgumentParser) -> None:
    """Add what is embedded of an utterance: windows or crops, and what becomes of their embeddings."""
    frames = whole(LEAST, MOST)
    windows = "frames of windows that are embedded one by one (default: utterances are whole, up to 10,000 frames)"
    parser.add_argument("--window", type=frames, metavar="FRAMES", help=windows)
    between = "from one window's start to the next (default: a window)"
    parser.add_argument("--shift", type=whole(1), metavar="FRAMES", help=between)
    spaced = "equally spaced crops of an utterance, which is repeated if it is shorter than one"
    parser.add_argument("--crops", type=whole(1), metavar="N", help=spaced)
    parser.add_argument("--crop-frames", type=frames, metavar="FRAMES", help="of a crop")
    weights = "of an embedding in their mean (default: the frames of its piece)"
    parser.add_argument("--weight", choices=["frames", "equal"], default="frames", help=weights)
    unit = "divide each embedding by its length before the mean"
    parser.add_argument("--unit-length", action="store_true", help=unit)
    every = "keep the embeddings of all pieces, as a matrix (N, D) of each utterance, and take no mean"
    parser.add_argument("--keep", action="store_true", help=every)


def pieces_of(args: argparse.Namespace) -> "Pieces":
    """Return what these options name. Raises SreError where they contradict each other."""
    from sre.extraction.pieces import Pieces

    return Pieces(args.window, args.shift, args.crops, args.crop_frames, args.weight, args.unit_length, args.keep)


def devices(text: str) -> int | str:
    """Type of an argument: a number of devices, or the word all."""
    return text if text == "all" else whole(1)(text)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the keys of `training` that decide nothing of the network, and --device."""
    stay = "which stay when the model is there (default: training.checkpoints of the config)"
    parser.add_argument("--checkpoints", choices=["none", "last", "all"], help=stay)
    cards = "so many cards, or processes on a CPU, each with its part of a batch (default: training.devices)"
    parser.add_argument("--devices", type=devices, metavar="N|all", help=cards)
    hang = "seconds in which nothing was done, after which it ends; 0: never (default: training.watchdog_s)"
    parser.add_argument("--watchdog-s", type=number(0, 1e6), metavar="S", help=hang)
    parser.add_argument("--device", default="auto", choices=DEVICES, help="where it runs; auto: a GPU if there is one")


def run_options_of(args: argparse.Namespace) -> dict:
    """Return those keys of `training` that were given."""
    return {key: value for key in OF_THE_RUN if (value := getattr(args, key)) is not None}


def add_vector_options(parser: argparse.ArgumentParser) -> None:
    """Add what a training with source: embeddings is given beside them."""
    softmax = "with head: extractor, the final.pt of the network whose embeddings are read"
    parser.add_argument("--classifier", type=input_file, metavar="FILE", help=softmax)
    several: dict[str, Any] = {"type": named_file, "action": "append", "default": []}
    watched = "with validation.lists, a trial list whose EER is told after each epoch; may be repeated"
    parser.add_argument("--list", metavar="NAME=TRIALS", help=watched, **several)
    parser.add_argument("--list-embeddings", metavar="NAME=SCP", help="its utterances' embeddings", **several)
    parser.add_argument("--list-enroll", metavar="NAME=MAP", help="its enrolment map, if it has one", **several)


def beside_of(args: argparse.Namespace, config: dict) -> "Beside":
    """Return what these options name, for a model's resolved config. Raises SreError as `Beside.of` does."""
    from sre.training.on_vectors import Beside

    lists = map(dict, (args.list, args.list_embeddings, args.list_enroll))
    return Beside.of(config, args.data, args.classifier, *lists)


def add_max_rejected(parser: argparse.ArgumentParser) -> None:
    bad = "share of the utterances that may be rejected; a few may always be, none at 0 (default: 0.01)"
    parser.add_argument("--max-rejected", type=share, default=0.01, metavar="SHARE", help=bad)


def backend_file(text: str) -> str:
    """Type of an argument: a back-end's file, or the word cosine."""
    if text == "cosine":
        return text
    if not os.path.exists(text):
        raise ArgumentTypeError(f"{text}: no such back-end; train it first (steps.train_backend), or write cosine")
    return str(input_file(text))


def add_evaluation_options(parser: argparse.ArgumentParser) -> None:
    """Options of what scores or normalises a list: embeddings, enrolment map, speakers."""
    embeddings = "embeddings of enrolment and test, scp or ark; may be repeated"
    parser.add_argument("--embeddings", action="append", required=True, type=input_file, help=embeddings)
    models = "lines `model utt1 utt2 …`; without it a model is an utterance"
    parser.add_argument("--enroll-map", type=input_file, metavar="MAP", help=models)
    speakers = "speakers of enrolment and test utterances; a trial's own speakers are left out of its cohort"
    parser.add_argument("--utt2spk", type=input_file, help=speakers)


def add_quality_options(parser: argparse.ArgumentParser) -> None:
    """Add --quality and --version: what calibration with quality measures needs."""
    quality = "utt2quality of the utterances (steps.measure_quality), for systems with +qmf or +pool"
    parser.add_argument("--quality", type=input_file, metavar="Q", help=quality)
    version = "of a development list, its utterances in another length or noise: embeddings and utt2quality; repeatable"
    files = ("EMBEDDINGS", "Q")
    parser.add_argument("--version", type=input_file, action="append", nargs=2, metavar=files, default=[], help=version)


def add_cohort_options(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--cohort", type=input_file, required=required, help="embeddings of the cohort, scp or ark")
    parser.add_argument("--cohort-utt2spk", type=input_file, help="with it the cohort is the mean of each speaker")
    members = "what its members are: the mean of each speaker (default), or each utterance"
    parser.add_argument("--cohort-of", choices=["speakers", "utterances"], default="speakers", help=members)
    first = "of each of its speakers only the first N utterances, in bytewise order of their ids; 0, the default: all"
    parser.add_argument("--cohort-utterances", type=whole(1, zero="all"), default=0, metavar="N", help=first)
    size, seed_of = "so many members, drawn by --cohort-seed; 0, the default: all", "seed of that draw (default: 1)"
    parser.add_argument("--cohort-size", type=whole(2, zero="all"), default=0, metavar="N", help=size)
    parser.add_argument("--cohort-seed", type=seed, default=1, metavar="N", help=seed_of)
    nearest = "nearest of the cohort, 0: all; default 300 for asnorm, else all"
    parser.add_argument("--top-n", type=whole(2, zero="all"), metavar="N", help=nearest)


def norm_methods() -> list[str]:
    """Return the names of score normalisations, of which sre.backends.norm has the functions."""
    return schema().part("$defs", "norm")["properties"]["method"]["enum"]


def cohort_rule(args: argparse.Namespace) -> "CohortRule":
    """Return the rule that the cohort's options name."""
    from sre.backends.cohort import CohortRule

    return CohortRule(args.cohort_of, args.cohort_size, args.cohort_seed, args.cohort_utterances)


def add_fit_options(parser: argparse.ArgumentParser, applied: str) -> None:
    """Add DEV_TRIALS, --p-target and --apply, of what fits a calibration."""
    labelled = "labelled list of these scores: `enrol test target|nontarget`, or `1|0 enrol test`"
    parser.add_argument("trials", metavar="DEV_TRIALS", type=input_file, help=labelled)
    prior = "probability of a target, at which the result is to be best (default: 0.05)"
    parser.add_argument("--p-target", type=number(1e-6, 1 - 1e-6), default=0.05, metavar="P", help=prior)
    other = f"{applied}: apply it to other scores of the same, whose trials need no labels"
    parser.add_argument("--apply", nargs="+", metavar="FILE", default=[], help=other)


def applied_files(parser: Parser, words: list[str], number_of: int) -> tuple[list[Path], Path | None]:
    """Return the score files and the output that --apply names. Raises SreError where they are not so many and one."""
    if words and len(words) != number_of + 1:
        said = f"{len(words)} files were given, and {number_of} of scores and one to write are needed"
        parser.error(f"argument --apply: {said}; put --apply last")
    try:
        return [input_file(word) for word in words[:-1]], output_file(words[-1]) if words else None
    except ArgumentTypeError as error:
        parser.error(f"argument --apply: {error}")


def write_llrs(calibration: "StoredCalibration", scores: list[Path], out: Path | None) -> None:
    """Write the LLRs of score files; nothing where no output is named."""
    if out is None:
        return
    from sre.io.trials import write_scores
    from sre.scoring.stored_calibration import apply_to_files

    trials, llrs = apply_to_files(calibration, scores)
    write_scores(out, trials, llrs)
    say(f"{out}: {len(llrs)} trials, natural-log likelihood ratios")
