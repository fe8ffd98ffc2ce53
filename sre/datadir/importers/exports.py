"""A data directory as a list of another toolkit."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from sre import SreError
from sre.datadir.datadir import DataDir, read_data_dir
from sre.datadir.durations import durations
from sre.datadir.importers import arrays, clova, nemo, nist, paths, speechbrain, table
from sre.datadir.importers import folder as folder_of_files
from sre.datadir.importers import trials as trial_lists
from sre.datadir.importers.row import Row
from sre.datadir.layout import Segment
from sre.io.audio_rules import MIX, AudioRules
from sre.io.place import is_pipe, split_channel
from sre.io.tables import read_table
from sre.io.text import fields
from sre.machine.log import say

WRITERS: Mapping[str, Callable[[Path, Iterable[Row]], int]] = {
    "folder": folder_of_files.write,
    "csv": table.write,
    "nemo": nemo.write,
    "paths": paths.write,
    "clova": clova.write,
    "speechbrain": speechbrain.write,
}
OWN = ("wav.scp", "segments", "feats.scp", "vad.scp", "utt2spk", "spk2utt", "utt2session", "utt2source")


def export_data(
    source: str | Path,
    out: str | Path,
    form: str,
    folder: Path | None = None,
    trials: Path | None = None,
    enroll: Path | None = None,
) -> None:
    """Write the utterances of a data directory as one of WRITERS, nist, npy or pickle, and say how many.

    With trials, clova writes the list of these alone.

    folder : paths are written relative to it; None: absolute
    trials, enroll : a list of trials, and its map from models to utterances, for clova and nist
    SpeechBrain's CSV has the lengths of files; those that no table tells are read from headers, or by decoding.
    Raises SreError where the directory has no audio (or features), or something that the form cannot hold.
    """
    data, out = read_data_dir(source, every_table=True), Path(out)
    if form == "speechbrain":
        data = with_lengths(data)
    if folder is not None and form == "folder":
        raise SreError(f"{out}: links of a folder have no other folder; leave --folder out")
    if trials is not None and form not in ("clova", "nist"):
        raise SreError(f"{out}: {form} has no trials; take clova or nist, or leave --trials out")
    if form in ("npy", "pickle"):
        count = arrays.write(data, out, form)
    elif form == "nist":
        models = {name: fields(utts) for name, utts in read_table(enroll, by_hand=True).items()} if enroll else {}
        count = nist.write(out, rows_of(data, folder), models, trial_lists.read(trials) if trials else [])
    elif trials is not None:
        count = clova.write_trials(out, rows_of(data, folder), trial_lists.read(trials))
    else:
        count = WRITERS[form](out, rows_of(data, folder))
    say(f"{out}: {count} {'trials' if trials and form == 'clova' else 'utterances'}")


def with_lengths(data: DataDir) -> DataDir:
    """Return the data with utt2dur, or reco2dur where there are segments, of all recordings that can be read."""
    name = "reco2dur" if "segments" in data.tables else "utt2dur"
    told = data.tables.get(name, {})
    untold = {key: place for key, place in (data.wav or {}).items() if key not in told and not is_pipe(place)}
    if not untold:
        return data
    found = durations(DataDir(data.path, {"wav.scp": untold}), AudioRules(resample=True, channel=MIX))
    lengths = {**told, **{key: f"{seconds:.3f}" for key, seconds in found.items()}}
    return DataDir(data.path, {**data.tables, name: lengths})


def rows_of(data: DataDir, folder: Path | None = None) -> Iterator[Row]:
    """Yield a row for each utterance, in bytewise order. Raises SreError for commands, which lists do not have."""
    if data.wav is None:
        raise SreError(f"{data.path}: no wav.scp in it; give a data directory with sound")
    others = {name: table for name, table in data.tables.items() if name not in OWN}
    sessions, speakers = data.tables.get("utt2session", {}), data.tables["utt2spk"]
    for utt in data.utts:
        segment = data.segments[utt] if data.segments else Segment(utt, 0.0, float("inf"))
        place, channel = split_channel(data.wav[segment.recording])
        if is_pipe(place):
            where = f"{data.path}/wav.scp: {segment.recording}"
            raise SreError(f"{where} is a command, which no list of another toolkit holds; write it to a file")
        keys = {"spk2": speakers[utt], "reco": segment.recording}
        told = {name: value for name, table in others.items() if (value := table.get(keys.get(name[:4], utt)))}
        yield Row(
            os.path.relpath(place, folder) if folder else os.path.abspath(place),
            speakers[utt],
            sessions.get(utt, ""),
            utt,
            segment.start,
            None if segment.end == float("inf") else segment.end,
            segment.recording if data.segments else "",
            int(channel) if channel and channel.isdigit() else None,
            told,
        )
