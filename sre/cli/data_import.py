"""`sre data import` and `sre data export`: recordings and lists of other toolkits, and data directories."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sre import SreError
from sre.cli.arguments import channel, existing, input_file, input_folder, output_folder, processes, share, whole
from sre.cli.data import Action
from sre.datadir.importers.recognise import FORMS
from sre.datadir.importers.row import Asked
from sre.datadir.ops import check_free
from sre.io.audio_file import FORMS as AUDIO_FORMS
from sre.io.audio_rules import AudioRules
from sre.machine.cores import available_cores

EXPORTED = [form for form in FORMS if form != "clova-trials"]  # these are written by clova with --trials


def add_actions(action: Action) -> None:
    """Add the actions."""
    add = action("import", import_data, "write a data directory of recordings: a folder, a table, a manifest, a list")
    add.add_argument("source", type=existing, help="folder of recordings, or a file that names them")
    add.add_argument("out", type=output_folder, help="data directory to write; none may stand there")
    add.add_argument("--format", dest="form", choices=list(FORMS), help="of the source (default: looked for, and said)")
    add_layout(add)
    add_columns(add)
    rate = "that is wanted, of --convert, and of SpeechBrain's samples (default: 16000)"
    add.add_argument("--sample-rate", type=whole(1000, 10**6), default=16000, metavar="HZ", help=rate)
    unlabelled = "take utterances without a speaker, each as a speaker of its own"
    add.add_argument("--unlabelled", action="store_true", help=unlabelled)
    add.add_argument("--no-check", dest="check", action="store_false", help="open no file; lengths are the source's")
    convert = "write all recordings as files of one form, rate and channel, into OUT/audio_files"
    add.add_argument("--convert", choices=AUDIO_FORMS, help=convert)
    add.add_argument(
        "--channel", type=channel, metavar="N|mix", help="with --convert: of several, from 0 on, or their mean"
    )
    add.add_argument("--num-workers", "--nj", type=processes, metavar="N", help="of --convert (default: one a core)")
    bad = "of the utterances that may be rejected; a few may always be, none at 0 (default: 0.01)"
    add.add_argument("--max-rejected", type=share, default=0.01, metavar="SHARE", help=bad)
    out = action("export", export_data, "write the utterances of a data directory as a list of another toolkit")
    out.add_argument("source", type=input_folder, help="data directory")
    out.add_argument("out", type=Path, help="the list to write; of nist, npy and pickle the folder")
    out.add_argument("--format", dest="form", choices=EXPORTED, required=True, help="of the list")
    out.add_argument("--folder", type=input_folder, help="paths are written relative to it (default: absolute)")
    out.add_argument("--trials", type=input_file, help="a list of trials: for clova it is what is written")
    out.add_argument("--enroll", type=input_file, help="the map from models to utterances, where the trials have one")


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which part of a path is what."""
    pattern = "of the last parts of a path: '{speaker}/{session}/*', '{speaker}_{device}_*' (default: folders)"
    parser.add_argument("--pattern", metavar="PATTERN", help=pattern)
    part = "the part of the path that is the speaker: 0 the first, -1 the file, -2 its folder"
    parser.add_argument("--speaker-part", type=whole(-99, 99), metavar="N", help=part)


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the options of tables and lists."""
    columns = "speaker=spk,file=path or by number, speaker=1,file=2 (default: by the names in the first line)"
    parser.add_argument("--columns", type=columns_of, default={}, metavar="WHAT=NAME,…", help=columns)
    parser.add_argument(
        "--delimiter", type=mark, metavar="MARK", help="between the cells, or tab (default: looked for)"
    )
    folder = "where relative paths start (default: the folder of the list)"
    parser.add_argument("--folder", type=input_folder, help=folder)
    trials = "of its files, `1 a b`, `a b target`, `a b` or CSV; of nist, the models' trials; to OUT/trials"
    parser.add_argument("--trials", type=input_file, help=trials)
    key = "NIST's key of the segments' speakers"
    parser.add_argument("--segment-key", type=input_file, help=key)


def columns_of(text: str) -> dict[str, str]:
    """'speaker=spk,file=path' -> {"speaker": "spk", "file": "path"}."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(what and name for what, _, name in pairs):
        raise argparse.ArgumentTypeError(f"{text} was given; write it like speaker=spk,file=path")
    return {what.strip(): name.strip() for what, _, name in pairs}


def mark(text: str) -> str:
    """A delimiter: one character, or the word tab."""
    text = {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)
    if len(text) != 1:
        raise argparse.ArgumentTypeError(f"{text} was given; write one character, or tab")
    return text


def import_data(
    source: Path,
    out: Path,
    form: str | None,
    check: bool,
    convert: str | None,
    channel: str | None,
    num_workers: int | None,
    max_rejected: float,
    **asked: Any,
) -> None:
    if source.resolve() == out.resolve():
        raise SreError(f"{out}: the output is the input itself; name another directory")
    if channel is not None and convert is None:
        raise SreError("--channel is of --convert; give both, or set=audio.channel for a recipe")
    check_free(out)
    rules = AudioRules(asked["sample_rate"], resample=True, channel=channel)
    from sre.datadir.importers.job import import_recordings

    to_files = converter(out, rules, convert, num_workers or available_cores()) if convert else None
    import_recordings(
        source,
        out,
        Asked(**asked),
        form=form,
        check=check,
        rules=rules if convert else None,
        convert=to_files,
        max_rejected=max_rejected,
    )


def converter(out: Path, rules: AudioRules, form: str, workers: int) -> Callable:
    """Return what writes recordings into a folder of OUT; torch, which it loads, takes a while."""
    from sre.features.convert import FOLDER, Conversion, convert

    return lambda wav: convert(Conversion(wav, out / FOLDER, rules, form), workers)


def export_data(
    source: Path, out: Path, form: str, folder: Path | None, trials: Path | None, enroll: Path | None
) -> None:
    from sre.datadir.importers.exports import export_data

    export_data(source, out, form, folder, trials, enroll)
