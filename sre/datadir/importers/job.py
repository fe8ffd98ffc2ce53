"""Any source of recordings to a data directory, in one call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sre.datadir.datadir import DataDir, movable, write_data_dir
from sre.datadir.importers import clova, folder, nemo, paths, speechbrain, table
from sre.datadir.importers.recognise import FORMS, recognise
from sre.datadir.importers.row import Asked, Reader, first_of
from sre.datadir.importers.tables import Named, name_rows, tables_of
from sre.datadir.layout import Table
from sre.datadir.rejected import Rejected, write_rejected
from sre.datadir.utterance_check import check_utterances
from sre.io.audio import AudioRules
from sre.machine.log import say

READERS: Mapping[str, Reader] = {
    "folder": folder.read,
    "csv": table.read,
    "nemo": nemo.read,
    "paths": paths.read,
    "clova": clova.read,
    "clova-trials": clova.read_trials,
    "speechbrain": speechbrain.read,
}
FEW = 3  # utterances of a small source that may be rejected whatever their share, up to a tenth
ANY = AudioRules(resample=True)  # what is taken: the recipe says what it does with it


@dataclass(frozen=True)
class Summary:
    """What was imported.

    Attributes
    ----------
    form : of the source, as FORMS names it
    seconds : of all utterances whose length is known
    untold : utterances whose length only decoding tells
    """

    form: str
    speakers: int
    utterances: int
    seconds: float
    untold: int
    rejected: Rejected = field(default_factory=list)


def import_recordings(
    source: str | Path,
    out: str | Path,
    asked: Asked = Asked(),
    *,
    form: str | None = None,
    check: bool = True,
    max_rejected: float = 0.01,
) -> Summary:
    """Write the data directory of a folder, list or manifest.

    form : one of READERS; None: looked for, and said
    check : the headers of all files are looked at; else nothing is opened, and lengths are those of the source
    max_rejected : share of the utterances that may be unusable; of a small source FEW may be, up to a tenth
    Raises SreError for what is no source, names that contradict each other, and too much that cannot be used.
    """
    source, out = Path(source), Path(out)
    if form is None:
        form = recognise(source)
        say(f"{source}: taken for {FORMS[form]} (--format says otherwise)")
    rows = first_of(READERS[form](source, asked), source, "utterance")
    named = name_rows(source, rows, asked)
    tell_names(source, named)
    tables = tables_of(source, named, asked)
    rejected = named.rejected
    total = len(tables["utt2spk"]) + len(rejected)
    if check:
        data = DataDir(out, tables)
        bad, durations, recordings = check_utterances(data, ANY)
        rejected = rejected + bad
        data = data.keep(tables["utt2spk"].keys() - {utt for utt, _, _ in bad}) if bad else data
        tables = with_durations(data.tables, durations, recordings)
    out.mkdir(parents=True, exist_ok=True)
    few = min(FEW, total // 10) / total if max_rejected else 0
    write_rejected(out / "rejected.tsv", rejected, total, "utterances", max(max_rejected, few))
    return write(out, form, tables, rejected)


def tell_names(source: Path, named: Named) -> None:
    """Say which ids were made distinct, or have speakers of other names."""
    if named.renamed:
        say(
            f"{source}: {len(named.renamed)} ids would stand twice and have a number at their end, e.g."
            f" {named.renamed[0]}; utt2source has the file of each"
        )
    if odd := [name for name, spk in named.speakers.items() if spk != name]:
        say(f"{source}: {len(odd)} speakers have blanks in their names, as '{odd[0]}', which ids have as _ (spk2name)")


def with_durations(
    tables: dict[str, Table], durations: Mapping[str, float], recordings: Mapping[str, float]
) -> dict[str, Table]:
    """Return tables with what headers tell of lengths, before what the source tells; parts that are all are none."""
    told = {utt: f"{seconds:.3f}" for utt, seconds in durations.items()}
    tables = {**tables, "utt2dur": {**tables.get("utt2dur", {}), **told}}
    if "segments" in tables:
        used = tables["wav.scp"]
        tables["reco2dur"] = {key: f"{seconds:.3f}" for key, seconds in recordings.items() if key in used}
    return {name: table for name, table in tables.items() if table}


def write(out: Path, form: str, tables: dict[str, Table], rejected: Rejected) -> Summary:
    """Write the tables; say and return what they hold."""
    data = DataDir(out, tables)
    extra = {name: table for name, table in tables.items() if name not in ("wav.scp", "segments", "utt2spk")}
    assert data.wav is not None and data.utt2spk is not None
    write_data_dir(out, wav=movable(data.wav, out), segments=data.segments, utt2spk=data.utt2spk, extra=extra)
    lengths = tables.get("utt2dur", {})
    speakers, count = len(set(data.utt2spk.values())), len(data.utt2spk)
    done = Summary(form, speakers, count, sum(map(float, lengths.values())), count - len(lengths), rejected)
    untold = f" without {done.untold} of unknown length" if done.untold else ""
    say(f"{out}: {speakers} speakers, {count} utterances, {done.seconds / 3600:.2f} hours{untold}")
    return done
