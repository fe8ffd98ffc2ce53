"""`sre decide`: accept or reject each trial of a list, which needs no labels, and write the decisions as CSV.

sre decide eval.scores eval_trials out.csv --threshold 0.31
sre decide eval.scores eval_trials out.csv --far 0.01 --dev dev.scores dev_trials    # P_fa of at most 1 % there
sre decide eval.scores eval_trials out.csv --metric eer --dev dev.scores dev_trials
sre decide eval.llr eval_trials out.csv --p-target 0.01 --c-fa 10                    # scores that are LLRs
sre decide eval.scores eval_trials out.csv --p-target 0.01 --calibration cal.json    # of steps.calibrate
sre decide model.sre eval_trials out.csv --data data/eval --far 0.01    # recordings, by a model and its own lists

A trial is accepted if its score is at or above the threshold, as in the reports. Scores are compared as float32.
"""

import argparse
import json
from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sre import SreError
from sre.cli.arguments import existing, finite, input_file, input_folder, number, output_file
from sre.cli.embed import add_listening_options
from sre.cli.verify import threshold_of

if TYPE_CHECKING:  # loaded once a command line has been read
    import numpy as np

    from sre.io.trials import Trials
    from sre.scoring.decisions import Rule
    from sre.scoring.stored_calibration import StoredCalibration
    from sre.voices.model import Model

    Scored = tuple[np.ndarray, np.ndarray | None, Rule]  # (P,) scores, (P,) LLRs where there are some, and the rule

MODELS = (".sre", ".pt")
OF_MODELS = {"enroll_map": "--enroll-map", "list_name": "--list", "channel": "--channel"}


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser(
        "decide", help=text, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    scored = "lines `enrol test score`, in any order; or, with --data, a model.sre or final.pt that scores"
    parser.add_argument("scores", metavar="SCORES|MODEL", type=input_file, help=scored)
    parser.add_argument("trials", metavar="TRIALS", type=input_file, help="lines `enrol test`; labels do not decide")
    parser.add_argument("out", metavar="OUT.csv", type=output_file, help="enrol,test,score[,llr],decision")
    calibration = "what steps.calibrate wrote: gives LLRs, by which is then decided"
    parser.add_argument("--calibration", metavar="CAL.json", type=input_file, help=calibration)
    parser.add_argument("--dev", nargs=2, metavar=("DEV_SCORES", "DEV_TRIALS"), type=input_file, help="a labelled list")
    add_rules(parser)
    recordings = (
        "the trials' recordings, for a model: a data directory, a folder (ids are paths in it) or a list of files"
    )
    parser.add_argument("--data", action="append", default=[], type=existing, metavar="RECORDINGS", help=recordings)
    models = "for a model: lines `model utt1 utt2 …`; without it a trial's first id is a recording's"
    parser.add_argument("--enroll-map", type=input_file, metavar="MAP", help=models)
    which = "for a model: its trial list for --far and error rates (default: the one that sre info tells)"
    parser.add_argument("--list", metavar="LIST", dest="list_name", help=which)
    files = "write the files of a data directory's utt2source, as sre data import has made it, in the place of ids"
    parser.add_argument("--sources", type=input_folder, metavar="DIR", help=files)
    add_listening_options(parser)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print what was decided as JSON")
    parser.set_defaults(do=decide)


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Add the options that say from which score on a trial is accepted."""
    rules = parser.add_mutually_exclusive_group()
    rules.add_argument("--threshold", type=finite, metavar="T", help="the least score that is accepted")
    prior = "prior probability of a target: the threshold of Bayes, for scores that are natural-log likelihood ratios"
    rules.add_argument("--p-target", type=probability, metavar="P", help=prior)
    alarms = "the lowest threshold at which at most the share F of the nontarget trials of --dev is accepted"
    rules.add_argument("--far", type=probability, metavar="F", help=alarms)
    best = (
        "the threshold that is best on --dev: equal error rates, F1, or the geometric mean of both kinds decided well"
    )
    rules.add_argument("--metric", choices=["eer", "f1", "gmean"], help=best)
    cost = number(1e-9, 1e9)
    parser.add_argument("--c-miss", type=cost, metavar="C", help="cost of a miss, with --p-target (default: 1)")
    parser.add_argument("--c-fa", type=cost, metavar="C", help="cost of a false alarm, with --p-target (default: 1)")


def probability(text: str) -> float:
    """Type of an argument: a number above 0 and below 1."""
    if not 0 < (value := finite(text)) < 1:
        raise ArgumentTypeError(f"{text[:60]!r} was given, and a share between 0 and 1 is needed; write 1 % as 0.01")
    return value


def decide(
    scores: Path,
    trials: Path,
    out: Path,
    calibration: Path | None,
    dev: list[Path] | None,
    data: list[Path],
    sources: Path | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Write the decisions, and print how many were accepted, and by which rule.

    Raises SreError as `rule_of` does, and where a trial has no score, or no recording that can be used.
    """
    from sre.io.trials import read_pairs
    from sre.scoring.decisions import summary, with_sources, write_decisions

    if given := [option for name, option in OF_MODELS.items() if asked[name] is not None and not data]:
        raise SreError(f"{given[0]} is for a model, which scores recordings; give these by --data, or leave it out")
    listed = read_pairs(trials)
    written = with_sources(listed, sources) if sources else listed
    if data:
        if calibration:
            raise SreError("--calibration is for a score file; a model has its own, so leave it or --data out")
        values, llrs, rule = by_model(scores, listed, data, dev, asked)
    else:
        values, llrs, rule = by_scores(scores, listed, trials, calibration, dev, asked)
    accepted = rule.accepts(values if llrs is None else llrs)
    write_decisions(out, written, values, accepted, llrs)
    tell(out, summary(rule, accepted, listed.target), as_json)


def by_scores(
    path: Path, listed: "Trials", trials: Path, calibration: Path | None, dev: list[Path] | None, asked: dict[str, Any]
) -> "Scored":
    """Return what a score file has of trials, and the rule."""
    from sre.io.trials import scores_of
    from sre.scoring.stored_calibration import StoredCalibration

    if path.suffix in MODELS:
        raise SreError(f"{path}: a model scores recordings; give these by --data, or a score file in its place")
    stored = StoredCalibration.read(calibration) if calibration else None
    rule = rule_of(asked, dev, stored)
    values = scores_of(path, listed, trials)
    return values, stored.llrs(values) if stored else None, rule


def by_model(path: Path, listed: "Trials", data: list[Path], dev: list[Path] | None, asked: dict[str, Any]) -> "Scored":
    """Return the scores of trials by a model, of their recordings, and the rule."""
    from sre.io.trials import read_enroll_map
    from sre.machine.device import choose_device, prepare
    from sre.voices.model import load
    from sre.voices.sources import named_recordings
    from sre.voices.trials import score_recordings

    models, on = read_enroll_map(asked["enroll_map"], listed), choose_device(asked["device"])
    prepare(on, asked["threads"])
    model = load(path, on)
    rule = rule_of(asked, dev, None) if dev or asked["metric"] else rule_of_model(model, asked)
    named = named_recordings([str(path) for path in data], model)
    values = score_recordings(model, listed, models, named, asked["channel"])
    return values, values if model.system.calibrated else None, rule


def rule_of_model(model: "Model", asked: dict[str, Any]) -> "Rule":
    """Return the rule that was asked for, of the lists that a model was measured on; none was: the model's own."""
    from sre.scoring.decisions import Rule, given_rule

    costs = asked["c_miss"] or 1.0, asked["c_fa"] or 1.0
    found = threshold_of(model, asked["p_target"], costs, asked["threshold"], asked["far"], asked["list_name"])
    if found is None:
        raise SreError(f"{model.path}: it has no threshold; give --threshold, or --far or --metric with --dev")
    how = found.why if found.list_name is None else f"{found.why}, with error rates of list {found.list_name}"
    rule = Rule(found.value, how, found.p_miss, found.p_fa)
    given = asked["threshold"]
    return rule if given is None else replace(rule, threshold=given_rule(given).threshold)


def rule_of(asked: dict[str, Any], dev: list[Path] | None, stored: "StoredCalibration | None") -> "Rule":
    """Return the rule that was asked for. Raises SreError where none was, or an option would do nothing."""
    from sre.io.trials import align_scores
    from sre.scoring.decisions import bayes_rule, given_rule, tuned_rule

    costs = {name: asked[name] for name in ("c_miss", "c_fa") if asked[name] is not None}
    tuned = asked["metric"] or ("far" if asked["far"] is not None else None)
    if costs and asked["p_target"] is None:
        raise SreError(f"--{next(iter(costs)).replace('_', '-')} is for --p-target, which is not given; give it too")
    if dev and not tuned:
        raise SreError("--dev is for --far or --metric, and neither is given; say what the threshold is to be best for")
    if tuned and not dev:
        raise SreError(
            f"--{'far' if tuned == 'far' else 'metric'} needs a labelled list; give --dev DEV_SCORES DEV_TRIALS"
        )
    if asked["threshold"] is not None:
        return given_rule(asked["threshold"])
    if asked["p_target"] is not None:
        return bayes_rule(asked["p_target"], **costs)
    if not dev or not tuned:
        raise SreError("from which score on? give --threshold, --p-target, or --far or --metric with --dev")
    values, labelled = align_scores(*dev)
    return tuned_rule(stored.llrs(values) if stored else values, labelled, dev[1], tuned, asked["far"] or 0.0)


def tell(out: Path, told: dict[str, Any], as_json: bool) -> None:
    """Print what was decided, as JSON or as sentences."""
    if as_json:
        print(json.dumps({"out": str(out), **told}))
        return
    print(f"{out}: {told['accepted']:,} of {told['trials']:,} trials accepted; {told['rule']}")
    for key, where in (("development", "on the development list"), ("labels", "by the labels of the list itself")):
        if key in told:
            print(f"{where}: P_miss {100 * told[key]['p_miss']:.2f} %, P_fa {100 * told[key]['p_fa']:.2f} %")
