"""Recordings that a person names: audio files, folders of them, lists, data directories; and where embeddings go.

For networks on features from elsewhere these are files of features, and data directories with feats.scp.

Legend: N recordings, D embedding.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from sre import SreError
from sre.datadir.datadir import read_data_dir
from sre.datadir.importers import nemo
from sre.datadir.importers.folder import files_below
from sre.datadir.importers.row import AUDIO, Asked, Row
from sre.datadir.rejected import Rejected
from sre.features.store import WITHOUT_CONFIG, FeatureStore
from sre.features.waves import Waves, shortest_s
from sre.io.ark import write_ark
from sre.io.atomic import atomic_output
from sre.io.audio import AudioRules
from sre.io.ids import check_ids, shown
from sre.io.place import openable
from sre.io.text import fields, key_and_rest, lines_of, read_text
from sre.voices.model import Model
from sre.voices.reading import FILES
from sre.voices.voiceprint import QUALITIES, Voiceprint

ENDINGS = (".ark", ".npz", ".parquet")


@dataclass
class Named:
    """What a person named: files by their ids, and data directories.

    rejected : rows of what cannot be used so far
    wanted : the ids of those that are embedded; None: all of them
    speakers : id -> speaker, of the lines of manifests that tell it
    """

    files: dict[str, str] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    rejected: Rejected = field(default_factory=list)
    total: int = 0
    wanted: set[str] | None = None
    speakers: dict[str, str] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        """Return whether a recording is embedded."""
        return self.wanted is None or name in self.wanted

    def add(self, name: str, path: str) -> None:
        """Note a file. Raises SreError where its id stands for another one already."""
        if self.files.setdefault(name, path) != path:
            raise SreError(f"{shown(name)}: stands for {self.files[name]} and for {path}; give each an id of its own")
        self.total = len(self.files)


def named_recordings(arguments: Sequence[str], model: Model) -> Named:
    """Return what audio files, folders of such, lists (`path` or `id path` lines), manifests and data directories name.

    model : for one that reads features, files and data directories are of these
    The id of a file is its path as it was given, also in a NeMo manifest; of one in a folder that is given alone, its
    path in there. Raises SreError for what is none of these.
    """
    named = Named()
    heard, read = ("wav.scp", AUDIO, "audio file"), ("feats.scp", FILES, "file of features")
    table, suffixes, what = read if model.reading else heard
    for argument in arguments:
        path = Path(argument)
        if (path / table).is_file():
            named.folders.append(path)
        elif path.is_dir():
            found = list(files_below(path, suffixes))
            if not found:
                raise SreError(f"{path}: no {what} in it; give the folder that holds them, or a data directory")
            for file in found:
                named.add(file if len(arguments) == 1 else str(path / file), str(path / file))
        elif path.suffix.lower() in AUDIO | FILES or not path.exists():
            named.add(argument, argument)
        elif is_manifest(path):
            for row in _lines_of_manifest(path):
                named.add(row.file, openable(row.file, path.parent))
                if row.speaker and (other := named.speakers.setdefault(row.file, row.speaker)) != row.speaker:
                    raise SreError(f"{path}: {shown(row.file)} is of {other} and of {row.speaker}; mend its label")
        else:
            for name, file in _listed(path):
                named.add(name, file)
    return named


def is_manifest(path: Path) -> bool:
    """Return whether a file is a NeMo manifest, of which each line is a JSON object."""
    known = AUDIO | FILES
    return path.is_file() and path.suffix.lower() not in known and read_text(path).lstrip().startswith("{")


def _lines_of_manifest(path: Path) -> Iterator[Row]:
    """Yield the lines of a manifest. Raises SreError for one of a part of a file, which a list of files cannot name."""
    for row in nemo.read(path, Asked()):
        if row.part:
            raise SreError(
                f"{path}: {shown(row.file)} is meant from {row.start:g} s on (offset), and whole files are taken here;"
                " make a data directory of the manifest, sre data import, and give that"
            )
        yield row


def _listed(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (id, file) of the lines of a list."""
    lines = [line for line in lines_of(read_text(path)) if line.strip()]
    if not lines:
        raise SreError(f"{path}: an empty list; write a line `path`, or `id path`, for each recording")
    for line in lines:
        whole = openable(line.strip(), path.parent)
        if len(fields(line)) == 1 or os.path.exists(whole):
            yield line.strip(), whole
        else:
            key, rest = key_and_rest(line)
            yield key, openable(rest, path.parent)


def embedded(model: Model, named: Named, channel: str | None) -> Iterator[tuple[str, Voiceprint]]:
    """Yield (id, voiceprint) of what is wanted and can be used; what cannot is added to `named.rejected`."""
    ids = [name for name in named.files if named.wants(name)]  # of which two may have one file
    files = [named.files[name] for name in ids]
    for name, (file, found) in zip(ids, model.embed_files(files, channel), strict=True):
        if isinstance(found, str):
            named.rejected.append((name, file, found))
        else:
            yield name, found
    for folder in named.folders:
        yield from _of_data_dir(model, folder, named, channel)


def _of_data_dir(model: Model, folder: Path, named: Named, channel: str | None) -> Iterator[tuple[str, Voiceprint]]:
    if model.reading:
        yield from _features_of_data_dir(model, folder, named)
        return
    data, config = read_data_dir(folder, need_speakers=False), model.embedders[0].feature_config
    rate = model.hearing.listeners[0].sample_rate
    waves = Waves(data, AudioRules(rate, resample=True, channel=channel), shortest_s(config))
    utts = sorted(filter(named.wants, data.segments or data.wav or ()))
    named.total += len(utts)
    samples = ((utt, wave / np.float32(32768), rate) for utt, wave in waves.read(utts))
    for utt, found in model.embed_waves(samples):
        if isinstance(found, str):
            named.rejected.append((utt, str(folder), found))
        else:
            yield utt, found
    named.rejected += waves.rejected


def _features_of_data_dir(model: Model, folder: Path, named: Named) -> Iterator[tuple[str, Voiceprint]]:
    """Yield (id, voiceprint) of feats.scp. Raises SreError where these are features that were made here."""
    store = FeatureStore(folder / "feats.scp")
    if store.config != WITHOUT_CONFIG:
        raise SreError(
            f"{store.scp}: features that were prepared already, by the config beside it; give the data directory that"
            " they are from, or embed them by python -m steps.extract_embeddings"
        )
    utts = sorted(filter(named.wants, store.places))
    named.total += len(utts)
    for utt, found in model.embed_features((utt, store.raw(utt)) for utt in utts):
        if isinstance(found, str):
            named.rejected.append((utt, str(folder), found))
        else:
            yield utt, found


def check_ark_ids(out: Path, names: Iterable[str]) -> None:
    """Raise SreError for an id that an ark cannot have."""
    check_ids(f"{out}: an ark takes no such id, give a list of `id path` lines, or write .npz", names)


def write_embeddings(out: Path, found: Sequence[tuple[str, Voiceprint]]) -> None:
    """Write N embeddings by the ending of `out`: .ark (and .scp beside it), .npz, or .parquet.

    npz has names (N,), vectors (N, D) float32, speech_s and snr_db (N,); parquet the same as columns. Raises SreError
    for another ending, for an id that stands twice, and for one that an ark cannot have.
    """
    names = [name for name, _ in found]
    if twice := next(
        (name for name, after in zip(sorted(names), sorted(names)[1:], strict=False) if name == after), None
    ):
        raise SreError(f"{shown(twice)}: stands for two recordings; give each an id of its own, as a list of `id path`")
    if out.suffix == ".ark":
        check_ark_ids(out, names)
        write_ark(out, out.with_suffix(".scp"), sorted((name, one.vectors[0]) for name, one in found))
        return
    vectors = np.concatenate([one.vectors for _, one in found])
    qualities = {name: np.concatenate([one.qualities[name] for _, one in found]) for name in QUALITIES}
    with atomic_output(out, "wb") as file:
        if out.suffix == ".npz":
            columns: dict[str, Any] = {"names": np.array(names, dtype=str), "vectors": vectors, **qualities}
            np.savez(file, **columns)
        else:
            rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
            parquet.write_table(pa.table({"name": names, "vector": rows, **qualities}), file)
