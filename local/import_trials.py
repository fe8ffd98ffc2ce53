"""Somebody's trial list, and enrolment map, in the project's form and bytes.

    python -m local.import_trials /data/mine/trials data/trials/mine --enroll /data/mine/enroll data/enroll

Reads `enrol test target|nontarget` and `1|0 enrol test`; keeps the order of the trials.
"""

from pathlib import Path

from sre import SreError
from sre.cli.arguments import Parser, input_file, output_file
from sre.io.atomic import sha256_file
from sre.io.ids import alike, shown
from sre.io.tables import read_table, write_table
from sre.machine.log import run, say


def applicable_map(trials: Path, enroll: Path | None) -> Path | None:
    """Return the map if it names the list's models, None if it names none of them (their models are utterances).

    Raises SreError where it names some of them only.
    """
    from sre.io.trials import read_trials

    if enroll is None:
        return None
    models = set(read_trials(trials).enrol_ids)
    known = read_table(enroll, by_hand=True)
    absent = sorted(models - known.keys())
    if absent and len(absent) < len(models):
        example = shown(absent[0]) + alike(absent[0], known)
        raise SreError(
            f"{enroll}: {len(absent)} of the {len(models)} models of {trials} are not in it, e.g. {example}; add them"
        )
    return None if absent else enroll


def import_trials(source: Path, out: Path, enroll: Path | None = None, out_enroll: Path | None = None) -> None:
    """Write the list and the map (its lines for other models are left out); say counts and checksums.

    Raises SreError for what is no trial, a pair that stands twice or with both labels, a model that is not in the map.
    """
    from sre.io.trial_check import check_pairs
    from sre.io.trials import read_enroll_map, read_trials, write_trials

    trials = read_trials(source)
    if enroll is None:
        check_pairs(source, trials)
    if enroll is not None and out_enroll is not None:
        models = read_enroll_map(enroll, trials)
        write_table(out_enroll, {model: " ".join(utts) for model, utts in models.items()})
        others = len(read_table(enroll, by_hand=True)) - len(models)
        say(f"{out_enroll}: {len(models)} models of {sum(map(len, models.values()))} utterances")
        if others:
            say(f"{enroll}: {others} models are in no trial of the list and left out")
        say(f"{out_enroll}: SHA-256 {sha256_file(out_enroll)}")
    enrol, test = trials.enrol_ids[trials.enrol], trials.test_ids[trials.test]
    write_trials(out, zip(enrol, test, trials.target.tolist(), strict=True))
    tell_list(source, out, int(trials.target.sum()), len(trials))


def tell_list(source: Path, out: Path, targets: int, trials: int) -> None:
    """Say what a list has, and the checksums of what it was made of and of itself."""
    say(f"{out}: {targets} target, {trials - targets} nontarget trials")
    say(f"{source}: SHA-256 {sha256_file(source)}")
    say(f"{out}: SHA-256 {sha256_file(out)}")


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("trials", type=input_file, metavar="TRIALS", help="the list as it is")
    parser.add_argument("out", type=output_file, metavar="OUT", help="the list to write")
    maps = "the enrolment map as it is, and the one to write"
    parser.add_argument("--enroll", type=Path, nargs=2, default=(None, None), metavar=("MAP", "OUT_MAP"), help=maps)
    args = parser.parse_args(argv)
    import_trials(args.trials, args.out, *args.enroll)


if __name__ == "__main__":
    run(main)
