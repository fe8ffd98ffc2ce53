"""What several commands share: where features stand, embeddings and cohorts, and options for them."""

import argparse
import os
from argparse import ArgumentTypeError
from pathlib import Path

import numpy as np

from sre.backends import Backend
from sre.backends.norm import Cohort, CohortEmbeddings
from sre.cli.arguments import input_file, seed, whole
from sre.config.resolve import default_top_n
from sre.datadir.missing import check_promised
from sre.io.embeddings import read_embeddings, speakers_of
from sre.io.tables import read_utt2spk
from sre.io.trial_check import several_speakers
from sre.io.trials import Trials, read_enroll_map
from sre.machine.log import say, warn
from sre.scoring.evaluation import Evaluation

DEVICES = ("auto", "cpu", "cuda")


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


def backend_file(text: str) -> str:
    """Type of an argument: a back-end's file, or the word cosine."""
    if text == "cosine":
        return text
    if not os.path.exists(text):
        raise ArgumentTypeError(f"{text}: no such back-end; train it first (steps.train_backend), or write cosine")
    return str(input_file(text))


def add_evaluation_options(parser: argparse.ArgumentParser) -> None:
    """Options of what scores or normalises a list: embeddings, enrolment map, speakers."""
    embeddings = "of enrolment and test, scp or ark; may be repeated"
    parser.add_argument("--embeddings", action="append", required=True, type=input_file, help=embeddings)
    models = "lines `model utt1 utt2 …`; without it a model is an utterance"
    parser.add_argument("--enroll-map", type=input_file, metavar="MAP", help=models)
    speakers = "of the trials: their speakers are left out of their cohorts"
    parser.add_argument("--utt2spk", type=input_file, help=speakers)


def add_cohort_options(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--cohort", type=input_file, required=required, help="embeddings of the cohort, scp or ark")
    parser.add_argument("--cohort-utt2spk", type=input_file, help="with it the cohort is the mean of each speaker")
    members = "what its members are: the mean of each speaker (default), or each utterance"
    parser.add_argument("--cohort-of", choices=["speakers", "utterances"], default="speakers", help=members)
    size, seed_of = "so many members, drawn by --cohort-seed; 0, the default: all", "of that draw (default: 1)"
    parser.add_argument("--cohort-size", type=whole(2, zero="all"), default=0, metavar="N", help=size)
    parser.add_argument("--cohort-seed", type=seed, default=1, metavar="N", help=seed_of)
    nearest = "nearest of the cohort, 0: all; default 300 for asnorm, else all"
    parser.add_argument("--top-n", type=whole(2, zero="all"), metavar="N", help=nearest)


def cohort_of(args: argparse.Namespace, backend: Backend, evaluation: Evaluation) -> Cohort:
    """The cohort, of which a trial's own speakers are left out, and of unknown speakers its own utterances."""
    ids, embeddings, speakers = training_of(args.cohort, args.cohort_utt2spk)
    if speakers is not None:
        chosen = CohortEmbeddings.choose(ids, embeddings, speakers, args.cohort_of, args.cohort_size, args.cohort_seed)
        if unknown := sum((side == "").sum() for side in evaluation.speakers):
            say(
                f"the speakers of {unknown} models and tests are not known: if they are in the cohort, they are not"
                " left out of their own trials; give --utt2spk"
            )
        return Cohort.of(backend, chosen)
    known = read_utt2spk(args.utt2spk) if args.utt2spk else {}
    owners = np.array([known.get(utt, utt) for utt in ids])
    chosen = CohortEmbeddings.choose(ids, embeddings, owners, "utterances", args.cohort_size, args.cohort_seed)
    utts = [evaluation.ids[rows] for rows in evaluation.groups]
    models = [known.get(some[0], some[0] if len(some) == 1 else "") for some in utts]
    tests = [known.get(utt, utt) for utt in evaluation.trials.test_ids]
    evaluation.speakers = np.array(models), np.array(tests)
    inside = [name for name, owner, some in zip(evaluation.trials.enrol_ids, models, utts, strict=True)
              if not owner and np.isin(some, chosen.ids).any()]  # fmt: skip
    if inside:
        warn(
            f"{args.cohort}: utterances of {len(inside)} models are in the cohort, e.g. of {inside[0]}, and are not"
            " left out of their trials; give --cohort-utt2spk"
        )
    return Cohort.of(backend, chosen)


def top_n_of(args: argparse.Namespace, method: str) -> int:
    return default_top_n(method) if args.top_n is None else args.top_n


def training_of(path: Path, utt2spk: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Ids and embeddings that a cohort is chosen from and, with utt2spk, their speakers."""
    ids, embeddings = read_embeddings([path])
    if not utt2spk:
        return ids, embeddings, None
    known = read_utt2spk(utt2spk)
    speakers = speakers_of(ids, known, utt2spk)
    check_promised(path, utt2spk, known, ids, utt2spk.parent)
    return ids, embeddings, speakers


def evaluation_of(
    trials: Trials, enroll_map: Path | None, embeddings: list[Path], *utt2spks: Path | None
) -> Evaluation:
    """What is to be scored; speakers from these tables (None: not given), the first that has an utterance."""
    speakers: dict[str, str] = {}
    given = [path for path in utt2spks if path]
    for path in reversed(given):
        speakers |= read_utt2spk(path)
    models = read_enroll_map(enroll_map, trials)
    for said in several_speakers(enroll_map, trials, models, speakers):
        warn(said)
    return Evaluation.of(trials, models, *read_embeddings(embeddings), speakers if given else None)
