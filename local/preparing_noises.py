"""The part that the preparers of noises and rooms share: finding files, looking at headers, writing a manifest."""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from sre import SreError
from sre.cli.arguments import share
from sre.datadir.datadir import read_data_dir
from sre.datadir.rejected import Rejected, write_rejected
from sre.io.ids import check_ids
from sre.io.tables import read_table, write_table
from sre.machine.log import say, warn

SUFFIXES = (".wav", ".flac")
OTHERS = (".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".sph")  # sound that is not taken, but told of
SHORTEST_S = 0.002
SILENT = 1e-6  # of full scale: no sample is beyond it
BLOCK = 1 << 18  # samples of a file that are decoded at once


def sound_files(folder: Path) -> list[Path]:
    """Return the sound files in a folder and in those below it, in order of their paths."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def has_sound(folder: Path) -> bool:
    """Whether there is a sound file in a folder or below it; only the first one is looked for."""
    return any(path.suffix.lower() in SUFFIXES for path in folder.rglob("*"))


def warn_of_others(folder: Path) -> None:
    """Warn of files in other formats, which are left out."""
    if others := sorted(path for path in folder.rglob("*") if path.suffix.lower() in OTHERS):
        warn(f"{folder}: {len(others)} files are left out, e.g. {others[0].name}; convert them to .wav or .flac")


def by_stem(files: Mapping[str, Iterable[Path]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return id -> path and id -> category, of category -> files; an id is a file's name without its suffix.

    Raises SreError where two files have one name.
    """
    wav: dict[str, str] = {}
    categories: dict[str, str] = {}
    for category, paths in files.items():
        for path in paths:
            check_ids(path, [path.stem], "file")
            if path.stem in wav:
                raise SreError(f"{path}: a file of this name is there twice, also as {wav[path.stem]}; keep one")
            wav[path.stem], categories[path.stem] = str(path), category
    return wav, categories


def from_data_dir(folder: Path) -> tuple[Mapping[str, str], dict[str, str]]:
    """Return id -> path and id -> category of a data directory. Raises SreError where utt2category lacks one."""
    wav = read_data_dir(folder, need_speakers=False).wav or {}
    categories = read_table(folder / "utt2category")
    if missing := sorted(wav.keys() - categories.keys()):
        raise SreError(f"{folder}/utt2category: {missing[0]} of wav.scp is not in it; write `{missing[0]} CATEGORY`")
    return wav, {key: categories[key] for key in wav}


def add_held_out(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which part of the files is wanted, for noisy tests of systems that heard the others."""
    part = "leave out this share of each category, for tests (default: 0)"
    parser.add_argument("--held-out", type=share, default=0.0, metavar="SHARE", help=part)
    parser.add_argument("--only-held-out", action="store_true", help="take that share alone")


def part_of(
    wav: Mapping[str, str],
    categories: Mapping[str, str],
    held_out: float,
    only: bool,
    group: Callable[[str], str] = str,
) -> dict[str, str]:
    """Return id -> path of the files of `wav` that are not held out, or of those alone, `only`.

    Of the groups of each category, in order of their names and at equal distances, a share of `held_out` is held out,
    at least one. A group is what must not be in both parts, as the positions in a room: `group` tells it of an id.
    Raises SreError where a category has a single group.
    """
    if not held_out:
        return dict(wav)
    groups: dict[str, set[str]] = {}
    for key in wav:
        groups.setdefault(categories[key], set()).add(group(key))
    held = set[tuple[str, str]]()
    for category, names in groups.items():
        count = len(names)
        if count < 2:
            raise SreError(
                f"{min(names)} is the only file or room of {category}: none can be held out; set held_out to 0"
            )
        wanted = min(max(round(held_out * count), 1), count - 1)
        chosen = [n for n in range(count) if (n + 1) * wanted // count > n * wanted // count]
        held |= {(category, sorted(names)[n]) for n in chosen}
    return {key: at for key, at in wav.items() if ((categories[key], group(key)) in held) == only}


def write_manifest(out: Path, wav: Mapping[str, str], categories: Mapping[str, str], max_rejected: float) -> None:
    """Write wav.scp, utt2category and reco2dur of what can be read, the rest to rejected.tsv, and say what is there.

    Any sample rate is accepted, and converted when it is read. Of several channels the first one is read, as Kaldi's
    wav-reverberate does. All is decoded once: what cannot be used would end a training in the middle. Raises SreError
    where more than `max_rejected` of the files cannot be used.
    """
    keys = sorted(wav)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(_length, (wav[key] for key in keys)))
    lengths = {key: what for key, what in zip(keys, found, strict=True) if isinstance(what, float)}
    rejected: Rejected = [(key, wav[key], what) for key, what in zip(keys, found, strict=True) if isinstance(what, str)]
    write_rejected(out / "rejected.tsv", rejected, len(wav), "files", max_rejected)
    write_table(out / "utt2category", {key: categories[key] for key in lengths})
    write_table(out / "reco2dur", {key: f"{seconds:.3f}" for key, seconds in lengths.items()})
    root = f"{os.path.abspath(out.parent)}/"
    places = {key: os.path.abspath(wav[key]) for key in lengths}
    inside = {key: os.path.relpath(at, out) for key, at in places.items() if at.startswith(root)}  # they move along
    write_table(out / "wav.scp", places | inside)
    for category in sorted({categories[key] for key in wav}):
        some = [lengths[key] for key in lengths if categories[key] == category]
        say(f"{out}: {category}: {len(some)} files, {sum(some) / 3600:.2f} hours")


def _length(path: str) -> float | str:
    """Return the seconds of a file, all of which is decoded once, or why it cannot be used."""
    peak, there = 0.0, 0
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
                there += len(block)
                level = float(np.abs(block[:, 0]).max(initial=0.0))
                if not np.isfinite(level):
                    return "samples that are not finite"
                peak = max(peak, level)
    except soundfile.LibsndfileError as error:
        return f"unreadable: {error.error_string.strip(' .') or 'libsndfile gives no reason'}"
    if there / rate < SHORTEST_S:
        return f"too short: {there / rate:.4f} s, at least {SHORTEST_S} s are needed"
    return there / rate if peak > SILENT else "silent"


if __name__ == "__main__":
    raise SystemExit(
        "local.preparing_noises is no command but what local.prepare_musan and local.prepare_rirs share;"
        " run one of them, e.g. python -m local.prepare_musan --help"
    )
