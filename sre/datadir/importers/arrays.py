"""Features that lie as one file an utterance: .npy arrays, and pickled dicts of `feat` and `label`.

An array is (T, F) frames; one of one dimension is one frame. Which part of a path is the speaker is said by a layout
(layout.py); --columns speaker=label takes what stands in a pickle under that key.
"""

import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.datadir.datadir import DataDir
from sre.datadir.importers.folder import rows_below
from sre.datadir.importers.row import ARRAYS, PICKLES, Asked, Row
from sre.datadir.rejected import Rejected
from sre.io.ark import read_scp, write_ark
from sre.io.atomic import atomic_output
from sre.io.plain_pickle import read_plain
from sre.io.record import read_record
from sre.machine.log import Progress

FEATURES = "feat"  # key of a pickled dict


def read_npy(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row for each .npy below a folder."""
    return rows_below(source, asked, ARRAYS)


def read_pickles(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row for each pickle below a folder, with the speaker that stands in it where that is asked for."""
    key = asked.columns.get("speaker")
    for row in rows_below(source, asked, PICKLES):
        if key is None:
            yield row
            continue
        content = read_plain(source / row.file)
        label = content.get(key) if isinstance(content, dict) else None
        if not isinstance(label, str | int) or label == "":
            raise SreError(f"{source / row.file}: no text under '{key}' in it; give another key as --columns speaker=")
        yield row._replace(speaker=str(label))


def load(path: Path, key: str) -> np.ndarray:
    """Return (T, F) float32 of one file; `key` is that of a pickled dict. Raises SreError for anything else.

    What is beyond float32 is infinite.
    """
    if path.suffix.lower() in ARRAYS:
        try:
            value = np.load(path, allow_pickle=False)
        except Exception as error:  # numpy raises many kinds for a damaged file
            reason = " ".join(str(error).split())[:80]
            raise SreError(f"{path}: no .npy array of numbers ({reason}); write it by numpy.save") from None
    else:
        value = _feature_of(path, read_plain(path), key)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.ndim not in (1, 2) or not value.size:
        what = f"an array {value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise SreError(f"{path}: {what}; write one array of numbers, frames x bins")
    with np.errstate(over="ignore"):
        return np.atleast_2d(value).astype(np.float32)


def _feature_of(path: Path, content: Any, key: str) -> Any:
    if not isinstance(content, dict):
        return content
    if key in content:
        return content[key]
    found = [name for name, value in content.items() if isinstance(value, np.ndarray) and value.ndim == 2]
    if len(found) != 1:
        keys = ", ".join(map(str, content)) or "none"
        raise SreError(f"{path}: no '{key}' in it, its keys are {keys}; give one as --columns file=KEY")
    return content[found[0]]


def write_features(
    folder: Path, files: Mapping[str, str], columns: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, int], Rejected]:
    """Write folder/feats.ark of utterance -> file; return their places and numbers of frames, and rejected rows.

    Rejected is a file that cannot be read, has values that are not finite, or other bins than the first.
    """
    rejected: Rejected = []
    frames: dict[str, int] = {}
    progress = Progress("features", len(files), "files")

    def records() -> Iterator[tuple[str, np.ndarray]]:
        bins = 0
        for utt in sorted(files):
            progress.add(1)
            try:
                value = load(Path(files[utt]), columns.get("file", FEATURES))
                bins = bins or value.shape[1]
                if value.shape[1] != bins:
                    raise SreError(f"{value.shape[1]} bins, others have {bins}")
                if not np.isfinite(value).all():
                    raise SreError("NaN or infinite values")
            except SreError as error:
                rejected.append((utt, files[utt], str(error).removeprefix(f"{files[utt]}: ")))
                continue
            frames[utt] = len(value)
            yield utt, value

    write_ark(folder / "feats.ark", folder / "feats.scp", records())
    progress.close(f"({len(rejected)} rejected)" if rejected else "")
    return read_scp(folder / "feats.scp"), frames, rejected


def write(data: DataDir, out: Path, form: str) -> int:
    """Write OUT/SPEAKER/UTTERANCE.npy, or .p with `feat` and `label`; return their number.

    Raises SreError where the data directory has no features.
    """
    if data.feats is None:
        raise SreError(f"{data.path}: no feats.scp in it; make features, and give the directory that has them")
    speakers = data.tables["utt2spk"]
    progress = Progress(form, len(data.feats), "files")
    for utt, place in data.feats.items():
        value = read_record(utt, place, "matrix", data.path / "feats.scp")
        content = io.BytesIO()
        if form == "npy":
            np.save(content, value)
        else:
            pickle.dump({FEATURES: value, "label": speakers[utt]}, content, protocol=3)
        path = out / speakers[utt].replace("/", "_") / f"{utt.replace('/', '_')}{'.npy' if form == 'npy' else '.p'}"
        with atomic_output(path, "wb") as file:
            file.write(content.getbuffer())
        progress.add(1)
    progress.close()
    return len(data.feats)
