"""Which form a source has, by its name and its first lines."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from sre import SreError
from sre.datadir.importers.folder import files_below
from sre.datadir.importers.nemo import FILE
from sre.datadir.importers.row import ARRAYS, AUDIO, NOTHING, PICKLES
from sre.datadir.importers.speechbrain import NEEDED
from sre.datadir.importers.table import delimiter_of, is_audio, roles_of, rows_of
from sre.datadir.layout import MAIN
from sre.io.text import BLANKS, fields, lines_of, read_text

FORMS = {  # name of a form -> what a message calls it
    "folder": "a folder of audio files",
    "csv": "a table of utterances",
    "nemo": "a NeMo manifest",
    "paths": "a list of paths",
    "clova": "a ClovaAI list, `speaker file`",
    "clova-trials": "a ClovaAI list of trials, `1 file file`",
    "speechbrain": "a SpeechBrain CSV",
    "nist": "a NIST key of models and segments",
    "npy": "a folder of .npy files",
    "pickle": "a folder of pickled features",
}
FEATURES = ("npy", "pickle")  # of which files are no audio
SEGMENT = re.compile(r"[^\s:,]+:[abAB](?:,[^\s:,]+:[abAB])*")  # of a NIST key, `segment:side`
SHOWN = 80  # characters of a line


def recognise(source: Path, columns: Mapping[str, str] = NOTHING) -> str:
    """Return the name of a source's form. Raises SreError where it has none that is known, naming the forms.

    columns : what a column is -> its name; with a file's, a table is one of utterances
    """
    if source.is_dir():
        return _of_folder(source)
    if is_audio(source.name):
        raise SreError(f"{source}: a recording; give the folder that holds it, or a list of recordings")
    text = read_text(source)
    lines = [line.strip(BLANKS) for line in lines_of(text[:100_000]) if line.strip(BLANKS)]
    if not lines:
        raise SreError(f"{source}: empty; give a list of recordings, or their folder")
    if source.name in MAIN:
        raise SreError(f"{source}: a table of a Kaldi data directory, which needs no import; see sre data validate")
    form = _of_json(lines[0]) or _of_table(source, text, columns) or _of_words(source, lines[0])
    if form is None:
        forms = ", ".join(FORMS)
        raise SreError(f"{source}: no form that is known ('{lines[0][:SHOWN]}'); give --format, one of {forms}")
    return form


def _of_folder(source: Path) -> str:
    if there := [name for name in MAIN if (source / name).exists()]:
        raise SreError(f"{source}: a Kaldi data directory ({there[0]}), which needs no import; see sre data validate")
    for form, suffixes in (("folder", AUDIO), ("npy", ARRAYS), ("pickle", PICKLES)):
        if next(files_below(source, suffixes), None) is not None:
            return form
    known = " ".join(sorted(AUDIO | ARRAYS | PICKLES))
    raise SreError(f"{source}: no file with one of the suffixes {known} in it; give the folder that holds them")


def _of_json(line: str) -> str | None:
    try:
        return "nemo" if line.startswith("{") and FILE in json.loads(line) else None
    except ValueError:
        return None


def _of_table(source: Path, text: str, columns: Mapping[str, str]) -> str | None:
    delimiter = delimiter_of(text)
    if delimiter is None:
        return None
    _, first = next(rows_of(source, text, delimiter))
    lower = {cell.lower() for cell in first}
    if {"modelid", "model_id"} & lower:
        return "nist"
    if lower >= {name.lower() for name in NEEDED} and delimiter == ",":
        return "speechbrain"
    if "file" in columns or "file" in roles_of(first) or any(map(is_audio, first)):
        return "csv"
    return "nist" if any(map(SEGMENT.fullmatch, first)) else None


def _of_words(source: Path, line: str) -> str | None:
    words, base = fields(line), source.parent
    if len(words) == 1 and "file" in roles_of(words):
        return "csv"
    if len(words) == 1 or (base / line).is_file() or line.startswith("/"):
        return "paths" if is_audio(line) else None
    if len(words) == 3 and words[0] in ("0", "1") and all(map(is_audio, words[1:])):
        return "clova-trials"
    if "modelid" in words or any(map(SEGMENT.fullmatch, words)):
        return "nist"
    return "clova" if is_audio(line) else None
