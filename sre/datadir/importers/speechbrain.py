"""SpeechBrain's CSV: ID, duration (s), wav, start and stop (samples), spk_id; `$data_root` stands for --folder."""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sre import SreError
from sre.datadir.importers.row import NOTHING, Asked, Row, seconds, table_name
from sre.datadir.importers.table import rows_of
from sre.io.atomic import atomic_output
from sre.io.text import read_text

HEADER = ["ID", "duration", "wav", "start", "stop", "spk_id"]
NEEDED = {"ID", "wav", "spk_id"}
ROOT = re.compile(r"^(?:\$\{?\w+\}?|\{\w+\})/")  # $data_root/…, {data_root}/…
RATE = 16000  # Hz, of the samples that are written


def read(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row a line; one from sample 0 over the whole duration means all of the file.

    Raises SreError naming the line where a cell is not what its column is.
    """
    lines = rows_of(source, read_text(source), ",")
    _, header = next(lines, (1, []))
    if missing := NEEDED - set(header):
        raise SreError(
            f"{source}: no column {', '.join(sorted(missing))} in its first line; give --format csv for others"
        )
    for number, cells in lines:
        where = f"{source}:{number}"
        if len(cells) != len(header):
            raise SreError(f"{where}: {len(cells)} cells, the first line has {len(header)}; mend it")
        told = dict(zip(header, cells, strict=True))
        if not told["wav"]:
            raise SreError(f"{where}: no wav in it; write one or delete the line")
        start, stop = (seconds(where, name, told.get(name), asked.sample_rate) for name in ("start", "stop"))
        length = seconds(where, "duration", told.get("duration"))
        start = start or 0.0
        if stop is not None and stop <= start:
            raise SreError(f"{where}: stops at sample {told['stop']} and starts at {told['start']}; mend it")
        whole = start == 0 and (stop is None or (length is not None and abs(stop - length) < 0.01))
        tables = {table_name(name): value for name, value in told.items() if name not in HEADER and value}
        if whole and length:
            tables["utt2dur"] = f"{length:.3f}"
        file = ROOT.sub("", told["wav"]) if asked.folder else told["wav"]
        end = None if whole else stop
        yield Row(file, told["spk_id"], "", told["ID"], start, end, tables=tables or NOTHING)


def write(out: Path, rows: Iterable[Row]) -> int:
    """Write the CSV; return the number of lines. `duration` is that of all of the file, also for a part of it.

    Raises SreError for a file whose length is not known.
    """
    count = 0
    with atomic_output(out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for row in rows:
            told = row.tables.get("reco2dur" if row.part or row.recording else "utt2dur")
            if told is None:
                raise SreError(
                    f"{out}: SpeechBrain needs the length of {row.file} (utterance {row.utterance}), which is in no"
                    " utt2dur or reco2dur; convert the data (sre data convert), or import it without --no-check"
                )
            end = float(told) if row.end is None else row.end
            samples = [round(time * RATE) for time in (row.start, end)]
            writer.writerow([row.utterance, told, row.file, *samples, row.speaker])
            count += 1
    return count
