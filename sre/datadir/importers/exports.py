"""A data directory as a list of another toolkit."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from sre import SreError
from sre.datadir.datadir import DataDir, read_data_dir
from sre.datadir.importers import clova, nemo, paths, speechbrain, table
from sre.datadir.importers.row import Row
from sre.datadir.layout import Segment
from sre.io.audio import is_pipe
from sre.machine.log import say

WRITERS: Mapping[str, Callable[[Path, Iterable[Row]], int]] = {
    "csv": table.write,
    "nemo": nemo.write,
    "paths": paths.write,
    "clova": clova.write,
    "speechbrain": speechbrain.write,
}
OWN = ("wav.scp", "segments", "feats.scp", "vad.scp", "utt2spk", "spk2utt", "utt2session", "utt2source")


def export_data(source: str | Path, out: str | Path, form: str, folder: Path | None = None) -> None:
    """Write the utterances of a data directory as a list, one of WRITERS, and say their number.

    folder : paths are written relative to it; None: absolute
    Raises SreError where the directory has no audio, or something that the form cannot hold.
    """
    data = read_data_dir(source, every_table=True)
    count = WRITERS[form](Path(out), rows_of(data, folder))
    say(f"{out}: {count} utterances")


def rows_of(data: DataDir, folder: Path | None = None) -> Iterator[Row]:
    """Yield a row for each utterance, in bytewise order. Raises SreError for commands, which lists do not have."""
    if data.wav is None:
        raise SreError(f"{data.path}: no wav.scp in it; give a data directory with sound")
    others = {name: table for name, table in data.tables.items() if name not in OWN}
    sessions, speakers = data.tables.get("utt2session", {}), data.tables["utt2spk"]
    for utt in data.utts:
        segment = data.segments[utt] if data.segments else Segment(utt, 0.0, float("inf"))
        place = data.wav[segment.recording]
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
            tables=told,
        )
