"""Whom networks that were trained before have heard: none of them may be a speaker of a trial list.

Speakers are compared by their names, as the data of the training and utt2spk of the list have them.
"""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from sre.config.problems import Problems
from sre.io.tables import read_utt2spk
from sre.io.trial_check import speaks_for_itself
from sre.io.trials import needed_utterances
from sre.models.bundle import load_bundle
from sre.training.gate_checks import ListFiles

NAMED = 3  # lists of a sentence


def speakers_of_lists(lists: Sequence[ListFiles]) -> dict[str, set[str]]:
    """Return list -> the speakers of its models and tests; none where each utterance is named as its own speaker."""
    found = {}
    for item in lists:
        known = read_utt2spk(item.data_dir / "utt2spk")
        utts = [] if speaks_for_itself(known) else needed_utterances(item.trials_file, item.enroll_map)
        found[item.name] = {known[utt] for utt in utts}
    return found


def check_bundles(
    bundles: Mapping[str, Path], lists: Sequence[ListFiles], train: Path, problems: Problems
) -> list[str]:
    """Check that networks that were trained before have heard no speaker of the lists; what is wrong is in `problems`.

    bundles : name of each in the recipe's config -> its final.pt
    train : the data directory that is trained on; a list of it is the development list
    Return notes for the report, on what could not be checked.
    """
    if not bundles:
        return []
    tested = speakers_of_lists(lists)
    development = {item.name for item in lists if item.data_dir == train}
    notes = [problems.tried(check_bundle, name, path, tested, development) for name, path in bundles.items()]
    return [note for note in notes if note]


def check_bundle(name: str, path: Path, tested: Mapping[str, set[str]], development: Set[str] = frozenset()) -> str:
    """Check that a network has heard no speaker of the lists. Return a note on what could not be checked, or "".

    tested : what `speakers_of_lists` returns; `development` are the lists in it that are made of training speakers
    Raises SreError naming the network, the lists, how many speakers of them it has heard and one of these.
    """
    bundle = load_bundle(path)
    heard = {*(bundle.heard or bundle.speakers or ())}
    known = {item: speakers & heard for item, speakers in tested.items() if speakers & heard}
    problems = Problems()
    for lists, remedy in (
        (known.keys() - development, "results would be meaningless: take another network, or their trials out"),
        (known.keys() & development, "set development.speakers to what that training held out, or to 0"),
    ):
        if lists:
            both = set[str]().union(*(known[item] for item in lists))
            listed = f"{_named(sorted(lists))}, e.g. {min(both)}"
            problems.append(f"{name} ({path}) was trained on {_counted(len(both), 'speaker')} of {listed}; {remedy}")
    problems.end()
    if bundle.heard is None:
        return (
            f"{name} ({path}) does not tell all speakers that it was trained on, so whether they are in the trial lists"
            " was not checked."
        )
    nameless = [item for item, speakers in tested.items() if not speakers]
    if nameless:
        return f"{name}: whether it has heard the speakers of {_named(nameless)}, who have no names, was not checked."
    return ""


def _named(lists: Sequence[str]) -> str:
    """Return 'trial list a', or 'trial lists a, b, c and 2 more'."""
    more = f" and {len(lists) - NAMED} more" if len(lists) > NAMED else ""
    return f"trial list{'s' * (len(lists) > 1)} {', '.join(lists[:NAMED])}{more}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
