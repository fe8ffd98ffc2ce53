"""Somebody's Kaldi data directory, with audio or only feats.scp, checked and written with absolute paths.

    python -m local.prepare_custom /data/mine/train data/mine_train --resample

All problems of its tables are printed at once. Recordings that cannot be used go to rejected.tsv, and their
utterances are left out.
"""

from collections.abc import Collection
from pathlib import Path

from local.import_trials import applicable_map
from local.preparing import add_audio_options, take_audio_rules
from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_folder
from sre.datadir.audio_check import check_audio
from sre.datadir.datadir import DataDir, read_data_dir
from sre.datadir.rejected import write_rejected
from sre.datadir.utterance_check import check_utterances
from sre.datadir.validate import validate
from sre.io.audio import AudioRules
from sre.io.tables import invert, read_utt2spk, write_table
from sre.machine.log import run, say


def prepare(
    source: Path,
    out: Path,
    audio_rules: AudioRules = AudioRules(),
    max_rejected: float = 0.01,
    needed: Collection[str] = (),
) -> None:
    """Write the data directory. Raises SreError with all of its problems, or where too much audio is rejected."""
    problems = validate(source)
    if problems:
        found = f"{source}: {len(problems)} problem{'s' * (len(problems) > 1)} found, each line says what to do"
        raise SreError("\n".join([found, *problems]))
    data = read_data_dir(source, every_table=True)
    utt2spk = data.tables["utt2spk"]
    rejected, durations, _ = check_utterances(data, *check_audio(data.wav or {}, audio_rules))
    write_rejected(out / "rejected.tsv", rejected, len(utt2spk), "utterances", max_rejected, needed)
    good = utt2spk.keys() - {utt for utt, _, _ in rejected}
    tables = data.keep(good).tables
    if durations:
        tables["utt2dur"] = {utt: f"{seconds:.3f}" for utt, seconds in durations.items()}
    DataDir(source, tables).write(out)
    left_out = f", {len(rejected)} rejected and left out" if rejected else ""
    speakers = len(set(tables["utt2spk"].values()))
    kind = " and ".join(name for name in ("wav.scp", "feats.scp") if name in tables)
    say(f"{out}: {speakers} speakers, {len(good)} utterances in {kind}{left_out}")


def prepare_tables(source: Path, out: Path) -> None:
    """Write only utt2spk and spk2utt, where embeddings come from elsewhere."""
    utt2spk = read_utt2spk(source / "utt2spk")
    write_table(out / "utt2spk", utt2spk)
    write_table(out / "spk2utt", {speaker: " ".join(utts) for speaker, utts in invert(utt2spk).items()})
    say(f"{out}: {len(set(utt2spk.values()))} speakers, {len(utt2spk)} utterances")


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("source", type=input_folder, metavar="DATA_DIR", help="as it is")
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="data directory to write")
    parser.add_argument("--trials", type=input_file, nargs="*", default=[], help="stop where one needs rejected audio")
    parser.add_argument("--enroll", type=input_file, help="the enrolment map of the trials")
    parser.add_argument("--tables-only", action="store_true", help="utt2spk is all that is needed")
    add_audio_options(parser)
    args = vars(parser.parse_args(argv))
    from sre.io.trials import needed_utterances

    if args.pop("tables_only"):
        return prepare_tables(args["source"], args["out"])
    audio_rules = take_audio_rules(args)
    lists, enroll = args.pop("trials"), args.pop("enroll")
    needed = set().union(*(needed_utterances(path, applicable_map(path, enroll)) for path in lists))
    prepare(**args, audio_rules=audio_rules, needed=needed)


if __name__ == "__main__":
    run(main)
