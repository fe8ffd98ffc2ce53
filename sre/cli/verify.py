"""`sre verify`: is it the same speaker? The first recording is compared with each of the others.

sre verify model.sre a.wav b.wav                      # score, decision, and how sure it is
sre verify model.sre a.wav b.wav c.wav --json         # b and c, each against a
sre verify model.sre a.wav b.wav --also a2.wav        # a and a2 are of one speaker
sre verify model.sre a.wav b.wav --p-target 0.01 --c-miss 10    # an operating point, for calibrated models
sre verify model.sre a.wav b.wav --far 0.01           # one of a hundred other speakers may be accepted
sre verify exp/mini/xvector/final.pt a.wav b.wav --threshold 0.6    # the cosine, with a threshold of yours
arecord -f S16_LE -r 16000 | sre verify model.sre a.wav -           # live: a line each second

A model.sre, made by sre pack, knows its calibration and its error rates. A final.pt gives the cosine alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sre import SreError
from sre.cli.arguments import finite, input_file, number
from sre.cli.embed import add_listening_options
from sre.cli.live import add_live_options, heard_of_stdin, is_live

if TYPE_CHECKING:
    from sre.voices.deciding import Decision, Threshold
    from sre.voices.model import Model

SMALLEST = 1e-9
WORDS = {True: "the same speaker", False: "two speakers", None: "not decided"}


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("verify", help=text, description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=input_file, help="model.sre, or a training's final.pt")
    parser.add_argument("enrolled", metavar="A", help="recording of the speaker who is claimed")
    parser.add_argument("tested", metavar="B", nargs="+", help="recordings that are compared with A; - is stdin, live")
    more = "a further recording of A's speaker; may be repeated"
    parser.add_argument("--also", metavar="FILE", action="append", default=[], help=more)
    add_threshold_options(parser)
    add_live_options(parser)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print everything as JSON")
    add_listening_options(parser)
    parser.set_defaults(do=verify)


def add_threshold_options(parser: argparse.ArgumentParser, what: str = "two recordings are of one speaker") -> None:
    """Add what decides: an operating point, a threshold, or a rate of false alarms on a list of the model.

    what : the prior is the probability of this
    """
    miss, alarm = "cost of a miss (default: 1)", "cost of a false alarm (default: 1)"
    prior = f"probability that {what}, before they are heard (default: 0.05)"
    parser.add_argument("--p-target", type=number(SMALLEST, 1 - SMALLEST), metavar="P", help=prior)
    parser.add_argument("--c-miss", type=number(SMALLEST, 1e9), default=1.0, metavar="C", help=miss)
    parser.add_argument("--c-fa", type=number(SMALLEST, 1e9), default=1.0, metavar="C", help=alarm)
    own = "least score that is accepted, in place of an operating point"
    parser.add_argument("--threshold", type=finite, metavar="T", help=own)
    rate = "share of other speakers that may be accepted, on the list; write 1 %% as 0.01"
    parser.add_argument("--far", type=number(0, 1), metavar="F", help=rate)
    which = "the model's trial list for --far and error rates (default: the one that sre info tells)"
    parser.add_argument("--list", metavar="LIST", dest="list_name", help=which)


def threshold_of(
    model: Model,
    p_target: float | None,
    costs: tuple[float, float],
    at: float | None,
    far: float | None,
    name: str | None,
) -> Threshold | None:
    """Return the threshold that the options ask for; None where they ask for none and the model has none."""
    from sre.voices.deciding import P_TARGET, Point

    asked = p_target is not None or costs != (1.0, 1.0)
    point = Point(P_TARGET if p_target is None else p_target, *costs) if asked else None
    if point is None and at is None and far is None and not (model.system.calibrated or model.package.manifest.lists):
        return None
    return model.measured.threshold(point, far, at, name)


def verify(
    model: Path,
    enrolled: str,
    tested: list[str],
    also: list[str],
    p_target: float | None,
    c_miss: float,
    c_fa: float,
    threshold: float | None,
    far: float | None,
    list_name: str | None,
    rate: int | None,
    as_json: bool,
    channel: str | None,
    device: str,
    threads: int,
) -> None:
    """Print what is found of each pair; then raises SreError naming a recording that cannot be used."""
    from sre.machine.device import choose_device, prepare
    from sre.voices.deciding import P_TARGET
    from sre.voices.model import load

    on = choose_device(device)
    prepare(on, threads)
    loaded = load(model, on)
    at = threshold_of(loaded, p_target, (c_miss, c_fa), threshold, far, list_name)
    claimed = loaded.voiceprint(enrolled, *also, channel=channel)
    prior = P_TARGET if p_target is None else p_target
    if is_live(tested):
        for seconds, so_far in heard_of_stdin(loaded, rate, channel):
            _tell_live(seconds, loaded.decide(claimed, so_far, at, prior), as_json)
        return
    trials: list[dict[str, Any]] = []
    refused: list[str] = []
    for file, heard in loaded.embed_files(tested, channel):
        if isinstance(heard, str):
            refused.append(f"{file}: {heard}")
            continue
        decision = loaded.decide(claimed, heard, at, prior)
        speech = [float(one.qualities["speech_s"].sum()) for one in (claimed, heard)]
        trials.append({"enrolled": enrolled, "tested": file, "speech_s": speech, "decision": decision})
    if refused and len(tested) == 1:
        raise SreError(refused[0])
    if as_json:
        told = [{name: value for name, value in one.items() if name != "decision"} for one in trials]
        told = [more | asdict(one["decision"]) for more, one in zip(told, trials, strict=True)]
        whole = {"model": str(model), "system": loaded.system.name, "p_target": prior, "trials": told}
        print(json.dumps(whole | {"not_used": refused} if refused else whole, indent=1))
    else:
        for one in trials:
            print("\n".join(_lines(one, loaded.system.name, prior)))
        print("".join(f"not used: {reason}\n" for reason in refused), end="")
    if refused:
        raise SreError(f"{len(refused)} of {len(tested)} recordings could not be used, the first is {refused[0]}")


def _tell_live(seconds: float, decision: Decision, as_json: bool) -> None:
    """Print what is known after so many seconds of audio."""
    if as_json:
        print(json.dumps({"seconds": seconds, **asdict(decision)}), flush=True)
        return
    sure = "" if decision.posterior is None else f", probability of one speaker {100 * decision.posterior:.2f} %"
    print(f"{seconds:.1f} s: {WORDS[decision.accepted]}, score {decision.score:.4f}{sure}", flush=True)


def _lines(trial: dict[str, Any], system: str, prior: float) -> list[str]:
    """Return what a person reads of a pair."""
    decision: Decision = trial["decision"]
    word = WORDS[decision.accepted]
    name = "log-likelihood ratio" if decision.llr is not None else f"score ({system}, not calibrated)"
    lines = [f"{trial['enrolled']} {trial['tested']}: {word}", f"  {name} {decision.score:.4f}"]
    if at := decision.threshold:
        lines[-1] += f", accepted from {at.value:.4f} on ({at.why})"
    else:
        lines.append(
            "  the model has no threshold: give --threshold, or make a model.sre of a calibrated system by sre pack"
        )
    if decision.posterior is not None:
        sure = f"{100 * decision.posterior:.2f} %, where it was {100 * prior:.3g} % before listening"
        lines.append(f"  probability of one speaker: {sure}")
    if at and (rates := rates_told(at)):
        lines.append(f"  {rates}")
    lines.append("  speech: {:.2f} s and {:.2f} s".format(*trial["speech_s"]))
    return lines


def rates_told(at: Threshold) -> str:
    """Return how often a threshold errs, and on which list; empty where no list tells."""
    if at.p_miss is None or at.p_fa is None:
        return ""
    counts = f"{at.targets:,} target, {at.nontargets:,} nontarget trials"
    rates = f"{100 * at.p_miss:.2f} % of same-speaker pairs are rejected, {100 * at.p_fa:.2f} % of others accepted"
    return f"at this threshold, on list {at.list_name} ({counts}): {rates}"
