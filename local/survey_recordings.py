"""What `recordings` of recipe custom has, counted by folders, lists and tables, for `sre doctor`."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.import_recordings import check_alone, is_data_dir
from local.split_recordings import parts_of
from sre import SreError
from sre.datadir.datadir import DataDir, read_data_dir
from sre.datadir.importers.job import FEATURES, FOLDERS, READERS
from sre.datadir.importers.recognise import FORMS, recognise
from sre.datadir.importers.row import Asked, first_of
from sre.datadir.importers.tables import name_rows, tables_of
from sre.datadir.rejected import Rejected, tolerated
from sre.doctor.room import PROBED
from sre.doctor.survey import Counts, Part, Survey
from sre.io.audio import AudioError, AudioRules, by_ffmpeg, look
from sre.io.ids import shown
from sre.io.place import exists, is_pipe, openable


def survey_recordings(config: Mapping[str, Any]) -> Survey:
    """Count the recordings, and those to train and to test on. Raises SreError for what is no source of any."""
    check_alone(config)
    source = Path(config["recordings"])
    if not source.exists():
        raise SreError(f"{source}: no such file or folder; mend the path, or mount its disk")
    form, data, rejected = _read(source, config["recordings_as"])
    utt2spk = data.tables["utt2spk"]
    hours = None if data.wav else 0.0
    people = Counts(len(set(utt2spk.values())), len(utt2spk), hours)
    found = Survey([Part(f"{source}, {FORMS.get(form, form)}", "", people)])
    found.recordings = [openable(place, source) for place in (data.wav or {}).values() if not is_pipe(place)]
    found.by_ffmpeg = sum(map(by_ffmpeg, found.recordings))
    if form not in FOLDERS:
        rejected += [("", place, "no such file") for place in found.recordings if not exists(place)]
    total, most = len(utt2spk), float(config["max_rejected"])
    _tell(found, rejected, total, most, f"of {total:,} recordings")
    looked_at = found.recordings[:: max(1, math.ceil(len(found.recordings) / PROBED))]
    _tell(found, list(_refused(looked_at, config["audio"])), len(looked_at), most, f"of {len(looked_at)} looked at")
    try:
        found.parts += _parts(data, config, hours)
    except SreError as error:
        found.stops.append(str(error))
    return found


def _read(source: Path, read_as: Mapping[str, Any]) -> tuple[str, DataDir, Rejected]:
    """Return the form of a source, its tables, and what cannot be taken whatever is in the files."""
    if is_data_dir(source):
        return "a Kaldi data directory", read_data_dir(source, every_table=True), []
    asked = Asked(**{key: value for key, value in read_as.items() if key != "format" and value is not None})
    form = read_as["format"] or recognise(source, asked.columns)
    named = name_rows(source, first_of(READERS[form](source, asked), source, "utterance"), asked)
    tables = tables_of(source, named, asked)
    if form in FEATURES:
        del tables["wav.scp"]
    return form, DataDir(source, tables), named.rejected


def _refused(places: list[str], audio: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield those that the recipe would reject by their headers. What is not there is left to others."""
    rules = AudioRules(audio["sample_rate"], audio["resample"], audio["allow_pipes"], audio.get("channel"))
    for place in filter(exists, places):
        try:
            look(place, rules)
        except AudioError as error:
            yield "", place, str(error)


def _tell(found: Survey, rejected: Rejected, total: int, most: float, of: str) -> None:
    """Add a sentence for each remedy to the notes, or to the stops where more are rejected than is tolerated."""
    remedies = [reason.partition("; ")[2] or reason for _, _, reason in rejected]
    first = dict(zip(reversed(remedies), reversed(rejected), strict=True))
    sentences = found.stops if len(rejected) > tolerated(total, most) else found.notes
    for remedy, count in Counter(remedies).most_common(5):
        _, place, reason = first[remedy]
        sentences.append(f"{count:,} {of} would be rejected, e.g. {shown(place)}: {reason}")


def _parts(data: DataDir, config: Mapping[str, Any], hours: float | None) -> Iterator[Part]:
    """Yield who is trained on and who is tested. Raises SreError as the recipe's split does."""
    tested = config["test_speakers"]
    parts = parts_of(data, Path(tested) if isinstance(tested, str) else tested, config["trials_seed"])
    for name, split in (("train", "train"), ("test", "eval")):
        utts = parts[name]
        speakers = len({data.tables["utt2spk"][utt] for utt in utts})
        name_of_split = f"{config['name'] or config['recipe']}_{split}"
        yield Part(f"to {name} on", name_of_split, Counts(speakers, len(utts), hours), split == "train")
