"""`sre data trials`: a trial list of a data directory, labelled or not, with its enrolment map."""

import argparse
from pathlib import Path
from typing import Any

from sre import SreError
from sre.cli.arguments import MOST, count, input_folder, number, output_file, whole
from sre.cli.data import Action
from sre.machine.log import say


def add_actions(action: Action) -> None:
    """Add the action."""
    text = "make a trial list: all pairs of utterances, a seeded draw of them, or random triplets"
    add_arguments(action("trials", make_trial_list, text))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `make_trial_list`."""
    most = "at most N target trials of each speaker, drawn by seed (default: all)"
    parser.add_argument("--per-speaker", type=count, metavar="N", help=most)
    ratio = "nontarget trials for each target trial, about equally many of each speaker (default: all)"
    parser.add_argument("--nontargets", type=number(1e-3, 1e6), metavar="R", help=ratio)
    enrol = (
        "models of N utterances, which are no tests then; --enroll-map is written (default: a model is an utterance)"
    )
    parser.add_argument("--enrol", type=count, metavar="N", help=enrol)
    parser.add_argument("--enroll-map", type=output_file, metavar="FILE", help="the utterances of each model, to write")
    parser.add_argument("--models", type=count, default=1, metavar="N", help="models of a speaker (default: 1)")
    same = "target trials within one session, too (default: across those of utt2session, else utt2chapter, if there)"
    parser.add_argument("--same-session", action="store_true", help=same)
    cross = "nontarget trials across genders, too (default: within those of spk2gender, if it is there)"
    parser.add_argument("--cross-gender", action="store_true", help=cross)
    triplets = (
        "N random triplets of two utterances of a speaker and one of another, by --seed alone: a target and a nontarget"
        " trial of the first with each; tables of sessions and genders are not looked at"
    )
    parser.add_argument("--triplets", type=count, metavar="N", help=triplets)
    parser.add_argument("--unlabelled", action="store_true", help="write `enrol test` lines, without the labels")
    parser.add_argument("--seed", type=whole(-MOST), default=1, metavar="N", help="of the draws (default: 1)")
    parser.add_argument("directory", type=input_folder, help="data directory")
    parser.add_argument("out", type=output_file, help="the list to write")


def make_trial_list(
    directory: Path,
    out: Path,
    enroll_map: Path | None,
    same_session: bool,
    cross_gender: bool,
    unlabelled: bool,
    triplets: int | None,
    **rules: Any,
) -> None:
    from sre.datadir.datadir import read_data_dir
    from sre.datadir.trial_sides import TrialRules
    from sre.datadir.trials import make_trials
    from sre.datadir.triplets import make_triplet_trials
    from sre.io.atomic import sha256_file

    asked = TrialRules(other_sessions=not same_session, same_gender=not cross_gender, labelled=not unlabelled, **rules)
    if triplets and (enroll_map or asked != TrialRules(seed=asked.seed)):
        raise SreError("--triplets goes with --seed alone; leave the other options out")
    if bool(rules["enrol"]) != bool(enroll_map):
        raise SreError("--enrol N and --enroll-map FILE belong together; give both")
    if rules["models"] != 1 and not rules["enrol"]:
        raise SreError("--models is for models of several utterances; give --enrol too")
    data = read_data_dir(directory, need_speakers=not unlabelled, every_table=True)
    if triplets:
        made = make_triplet_trials(directory, data.table("utt2spk", str(directory)), triplets, asked.seed, out)
    else:
        made = make_trials(data, asked, out, enroll_map)
    for remark in made.remarks:
        say(f"{directory}: {remark}")
    trials = f"{made.targets + made.nontargets} trials without labels"
    if not unlabelled:
        trials = f"{made.targets} target and {made.nontargets} nontarget trials"
    kind = f"{made.models} models, " if enroll_map else ""
    speakers = f"{made.speakers} speakers, " if data.utt2spk else ""
    say(f"{out}: {trials}, of {speakers}{kind}{made.tests} test utterances")
    say(f"{out}: SHA-256 {sha256_file(out)}")
