"""The speakers of a data directory in two parts: those to train on, and those to test on.

    python -m local.split_recordings data/mine_all data/mine_train data/mine_eval --test 0.2

A share is drawn by the seed, of each gender that spk2gender tells; a list names who is tested.
"""

from pathlib import Path

from sre import SreError
from sre.cli.arguments import MOST, Parser, input_file, input_folder, output_folder, share, whole
from sre.datadir.datadir import DataDir, read_data_dir
from sre.datadir.parts import Parts, split_by_shares, split_by_speakers
from sre.io.tables import read_ids
from sre.machine.log import run, say

LEAST = 2  # speakers to test on, for nontarget trials


def tested(text: str) -> float | Path:
    """A share, or a file."""
    try:
        float(text)
    except ValueError:
        return input_file(text)
    return share(text)


def parts_of(data: DataDir, test: float | Path, seed: int) -> Parts:
    """Return the utterances of `train` and `test`. Raises SreError where one is empty, or fewer than 2 are tested."""
    utt2spk = data.tables["utt2spk"]
    if isinstance(test, Path):
        parts = split_by_speakers(utt2spk, {"test": read_ids(test)}, "train")
    else:
        shares = {"train": 1 - test, "test": test}
        parts = split_by_shares(utt2spk, shares, strata=data.tables.get("spk2gender"), seed=seed)
    speakers = {utt2spk[utt] for utt in parts["test"]}
    if len(speakers) < LEAST:
        raise SreError(
            f"{len(speakers)} of {len(set(utt2spk.values()))} speakers would be tested, and nontarget"
            f" trials need {LEAST}; raise test_speakers (--test), or add recordings of others"
        )
    return parts


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("source", type=input_folder, metavar="DATA_DIR", help="data directory")
    parser.add_argument("train", type=output_folder, metavar="TRAIN_DIR", help="data directory to write")
    parser.add_argument("test", type=output_folder, metavar="TEST_DIR", help="data directory to write")
    parser.add_argument(
        "--test",
        type=tested,
        default=0.2,
        dest="who",
        metavar="SHARE|FILE",
        help="of the speakers, or a file whose lines begin with their names (default: 0.2)",
    )
    parser.add_argument("--seed", type=whole(-MOST), default=1, metavar="N", help="of the draw (default: 1)")
    args = parser.parse_args(argv)
    data = read_data_dir(args.source, every_table=True)
    try:
        parts = parts_of(data, args.who, args.seed)
    except SreError as error:
        raise SreError(f"{args.source}: {error}") from None
    for out, utts in ((args.train, parts["train"]), (args.test, parts["test"])):
        part = data.keep(utts)
        part.write(out)
        say(f"{out}: {len(set(part.tables['utt2spk'].values()))} speakers, {len(utts)} utterances")


if __name__ == "__main__":
    run(main)
