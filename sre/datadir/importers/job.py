"""Any source of recordings to a data directory, in one call."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sre import SreError
from sre.datadir.audio_check import Headers, check_audio, headers_of
from sre.datadir.datadir import DataDir, movable, write_data_dir
from sre.datadir.importers import arrays, clova, folder, nemo, nist, paths, speechbrain, table, trials
from sre.datadir.importers.recognise import FEATURES, FORMS, recognise
from sre.datadir.importers.row import Asked, Reader, first_of
from sre.datadir.importers.tables import Named, base_of, name_rows, tables_of
from sre.datadir.layout import Table
from sre.datadir.rejected import Rejected, check_share, write_rejected, write_rejected_rows
from sre.datadir.utterance_check import check_utterances
from sre.io.audio_rules import MIX, AudioRules
from sre.io.commands import by_ffmpeg
from sre.io.ids import shown
from sre.io.tables import write_table
from sre.machine.log import say

READERS: Mapping[str, Reader] = {
    "folder": folder.read,
    "csv": table.read,
    "nemo": nemo.read,
    "paths": paths.read,
    "clova": clova.read,
    "clova-trials": clova.read_trials,
    "speechbrain": speechbrain.read,
    "nist": nist.read,
    "npy": arrays.read_npy,
    "pickle": arrays.read_pickles,
}
FOLDERS = ("folder", *FEATURES)
SHORT_S = 0.5  # utterances that are shorter are said: there is little of a voice in them
# what is taken; a recipe, or a conversion, says what becomes of it
ANY = AudioRules(resample=True, channel=MIX)
# from recording -> place, to recording -> file, and rows of what cannot be converted
Converter = Callable[[Mapping[str, str]], tuple[dict[str, str], Rejected]]


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
    rules: AudioRules | None = None,
    convert: Converter | None = None,
    max_rejected: float = 0.01,
) -> Summary:
    """Write the data directory of a folder, list or manifest.

    form : one of READERS; None: looked for, and said
    check : the headers of all files are looked at; else nothing is opened, and lengths are those of the source
    rules : which recordings are taken; None: those of any rate and number of channels, of which it is said how many
    convert : writes the recordings as files of one form, whose places then stand in wav.scp
    max_rejected : share of the utterances that may be unusable
    Raises SreError for what is no source, names that contradict each other, and too much that cannot be used.
    """
    source, out = Path(source), Path(out)
    if form is None:
        form = recognise(source, asked.columns)
        say(f"{source}: taken for {FORMS[form]} (--format can say otherwise)")
    if source.is_dir() != (form in FOLDERS):
        kind = "a folder" if form in FOLDERS else "a file"
        raise SreError(f"{source}: {FORMS[form]} is {kind}, which this is not; give one, or another --format")
    rows = first_of(READERS[form](source, asked), source, "utterance")
    named = name_rows(source, rows, asked)
    tell_names(source, named)
    tables = tables_of(source, named, asked)
    models, pairs = lists_of(source, form, asked, tables)
    total = len(named.rows) + len(named.rejected)
    if form in FEATURES:
        tables, bad = with_features(out, tables, asked)
    else:
        tables, bad = checked(out, tables, rules, asked.sample_rate) if check else (tables, [])
        if convert is not None:
            write_rejected_rows(out / "rejected.tsv", named.rejected + bad)  # before hours of converting
            check_share(out / "rejected.tsv", named.rejected + bad, total, "utterances", max_rejected)
            tables, worse = converted(out, tables, convert, rules or ANY)
            bad = bad + worse
    rejected = named.rejected + bad
    needed = {pair.test for pair in pairs} | {utt for pair in pairs for utt in models.get(pair.enrol, [pair.enrol])}
    write_rejected(out / "rejected.tsv", rejected, total, "utterances", max_rejected, needed)
    write_lists(out, models, pairs)
    return write(out, form, tables, rejected)


def checked(
    out: Path, tables: dict[str, Table], rules: AudioRules | None, sample_rate: int
) -> tuple[dict[str, Table], Rejected]:
    """Return the tables of what can be used by its headers, with lengths, and the rejected rows.

    sample_rate : Hz; without rules, what is of another one is said
    """
    data, wav = DataDir(out, tables), tables["wav.scp"]
    if rules is None:
        found = headers_of(wav, replace(ANY, sample_rate=sample_rate))
        tell_sound(out, wav, found, sample_rate)
        known = found.durations, found.rejected
    else:
        known = check_audio(wav, rules)
    bad, durations, recordings = check_utterances(data, *known)
    kept = data.keep(tables["utt2spk"].keys() - {utt for utt, _, _ in bad}) if bad else data
    return with_durations(kept.tables, durations, recordings), bad


def tell_sound(out: Path, wav: Mapping[str, str], found: Headers, sample_rate: int) -> None:
    """Say what has to be converted, by a recipe or here."""
    count = len(wav)
    if found.several:
        cure = "set=audio.channel=mix (or 0) for a recipe, or --convert flac --channel mix (or 0) here"
        say(f"{out}: {found.several} of {count} recordings have several channels; {cure}")
    if found.other:
        cure = "set=audio.resample=yes for a recipe, or --convert flac here"
        say(f"{out}: {found.other} of {count} recordings are not of {sample_rate} Hz; {cure}")
    if coded := sum(map(by_ffmpeg, wav.values())):
        say(f"{out}: {coded} of {count} recordings are decoded by ffmpeg each time; --convert flac here does it once")


def converted(
    out: Path, tables: dict[str, Table], convert: Converter, rules: AudioRules
) -> tuple[dict[str, Table], Rejected]:
    """Return the tables with converted recordings and their lengths, and the rows of utterances that cannot be."""
    data = DataDir(out, tables)
    made, bad = convert(tables["wav.scp"])
    reasons = {recording: (place, reason) for recording, place, reason in bad}
    recording = {utt: segment.recording for utt, segment in (data.segments or {}).items()}
    rows = [(utt, *reasons[key]) for utt in data.utts if (key := recording.get(utt, utt)) in reasons]
    kept = data.keep(tables["utt2spk"].keys() - {utt for utt, _, _ in rows}).tables
    kept["wav.scp"] = {key: os.path.abspath(made[key]) for key in kept["wav.scp"]}
    if not kept["utt2spk"]:
        return kept, rows
    tables, unfit = checked(out, kept, rules, rules.sample_rate)
    return tables, rows + unfit


def with_features(out: Path, tables: dict[str, Table], asked: Asked) -> tuple[dict[str, Table], Rejected]:
    """Return the tables with features in an archive in the place of files, and the rejected rows."""
    feats, frames, bad = arrays.write_features(out / "features", tables["wav.scp"], asked.columns)
    kept = DataDir(out, tables).keep(feats).tables
    del kept["wav.scp"]
    return kept | {"feats.scp": feats, "utt2num_frames": {utt: str(count) for utt, count in frames.items()}}, bad


def lists_of(
    source: Path, form: str, asked: Asked, tables: Mapping[str, Table]
) -> tuple[dict[str, list[str]], list[trials.Pair]]:
    """Return model -> its utterances, of NIST's enrolment keys, and the trials that were asked for."""
    if form == "nist":
        return nist.lists(source, asked)
    listed = asked.trials or (source if form == "clova-trials" else None)
    if listed is None:
        return {}, []
    names = trials.Names(tables["utt2source"], base_of(source, asked))
    return {}, list(trials.to_ids(listed, trials.read(listed), names))


def write_lists(out: Path, models: Mapping[str, list[str]], pairs: list[trials.Pair]) -> None:
    """Write OUT/enroll and OUT/trials where there are any, and say how many."""
    if models:
        write_table(out / "enroll", {model: " ".join(utts) for model, utts in models.items()})
        say(f"{out}/enroll: {len(models)} models of {sum(map(len, models.values()))} utterances")
    if pairs:
        trials.write(out / "trials", pairs)
        targets = sum(bool(pair.target) for pair in pairs)
        kind = "unlabelled" if pairs[0].target is None else f"{targets} of them targets"
        say(f"{out}/trials: {len(pairs)} trials, {kind}")


def tell_names(source: Path, named: Named) -> None:
    """Say who speaks in the first file, which ids were made distinct, and which speakers have other names."""
    first = named.rows[0]
    session = f", session '{first.session}'" if first.session else ""
    who = f"of speaker '{shown(first.speaker)}'" if first.speaker else "of no speaker that is known"
    say(f"{source}: {shown(first.file)} is {who}{session}; --pattern can say otherwise")
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
    """Return tables with what headers tell of lengths, before what the source tells."""
    told = {utt: f"{seconds:.3f}" for utt, seconds in durations.items()}
    tables = {**tables, "utt2dur": {**tables.get("utt2dur", {}), **told}}
    if "segments" in tables:
        used = tables["wav.scp"]
        tables["reco2dur"] = {key: f"{seconds:.3f}" for key, seconds in recordings.items() if key in used}
    return {name: table for name, table in tables.items() if table}


def write(out: Path, form: str, tables: dict[str, Table], rejected: Rejected) -> Summary:
    """Write the tables; say and return what they hold."""
    data = DataDir(out, tables)
    main = ("wav.scp", "segments", "utt2spk", "feats.scp")
    write_data_dir(
        out,
        wav=None if data.wav is None else movable(data.wav, out),
        segments=data.segments,
        utt2spk=tables["utt2spk"],
        feats=data.feats,
        extra={name: table for name, table in tables.items() if name not in main},
    )
    lengths = tables.get("utt2dur", {})
    speakers, count = len(set(tables["utt2spk"].values())), len(tables["utt2spk"])
    done = Summary(form, speakers, count, sum(map(float, lengths.values())), count - len(lengths), rejected)
    hours = f", {done.seconds / 3600:.2f} hours" if lengths else ""
    untold = f" without {done.untold} of unknown length" if lengths and done.untold else ""
    say(f"{out}: {speakers} speakers, {count} utterances{hours}{untold}")
    if short := [utt for utt, seconds in lengths.items() if float(seconds) < SHORT_S]:
        say(f"{out}: {len(short)} utterances are shorter than {SHORT_S} s, e.g. {short[0]} ({lengths[short[0]]} s)")
    return done
