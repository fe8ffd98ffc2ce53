"""VoxCeleb1 or VoxCeleb2, in whichever of the usual layouts it lies, to a data directory.

    python -m local.prepare_voxceleb /data/VoxCeleb1 data/vox1_test --corpus voxceleb1 --subset test

Utterance ids are SPEAKER-VIDEO-NUMBER: id10011-roS3MYp1MlD-00002. m4a is not converted: ffmpeg decodes it
when it is read.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.import_voxceleb_trials import trial_utterances
from local.preparing import add_audio_options, good_audio, take_audio_rules, write_corpus
from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_folder
from sre.io.audio import AudioRules
from sre.io.ids import check_ids
from sre.io.tables import remark_cut
from sre.io.text import lines_of, read_text
from sre.machine.log import run, say, warn

SUFFIXES = (".wav", ".flac", ".m4a", ".aac")  # the first that there is of one utterance is taken
SPEAKER_ID = re.compile(r"id\d{5}")
AUDIO_FOLDERS = ("wav", "flac", "m4a", "aac", "")


@dataclass(frozen=True)
class VoxCeleb:
    """The folders of a VoxCeleb corpus.

    Attributes
    ----------
    corpus : "voxceleb1" or "voxceleb2"
    folders : "dev", "test" or, where both are merged, "all" -> folder of SPEAKER/VIDEO/NUMBER.wav
    meta : vox1_meta.csv or vox2_meta.csv, or None
    """

    corpus: str
    root: Path
    folders: dict[str, Path]
    meta: Path | None

    @property
    def merged(self) -> bool:
        """Whether development and test speakers lie in one folder."""
        return "all" in self.folders


def find_voxceleb(root: str | Path, corpus: str) -> VoxCeleb:
    """Find the layout of "voxceleb1" or "voxceleb2".

    Raises SreError that says what was looked for and what was found.
    """
    root, short = Path(root), f"vox{corpus[-1]}"
    split: dict[str, list[str]] = {}
    for part in ("dev", "test"):
        archives = [f"{short}_{part}_{kind}" for kind in AUDIO_FOLDERS if kind]
        split[part] = [f"{part}/{kind}".rstrip("/") for kind in AUDIO_FOLDERS]
        split[part] += [f"{archive}/{kind}".rstrip("/") for archive in archives for kind in AUDIO_FOLDERS]
    folders = {part: folder for part, names in split.items() if (folder := _first_with_speakers(root, names))}
    if not folders and (merged := _first_with_speakers(root, list(AUDIO_FOLDERS))):
        folders = {"all": merged}
    metas = (folder / f"{short}_meta.csv" for folder in (root, root / "meta"))
    meta = next((path for path in metas if path.is_file()), None)
    if folders:
        return VoxCeleb(corpus, root, folders, meta)
    looked = "dev/wav, test/wav (or flac, m4a, aac, none), wav, or the root itself, with folders id10001 … in it"
    if not root.is_dir():
        raise SreError(f"{root}: no such folder; give the folder of {corpus} that holds {looked}")
    found = sorted(entry.name for entry in root.iterdir())
    listed = ", ".join(found[:10]) + (" …" if len(found) > 10 else "") or "nothing"
    raise SreError(f"{root}: no {corpus} there; looked for {looked}; found {listed}; give the folder that holds them")


def _first_with_speakers(root: Path, names: list[str]) -> Path | None:
    return next((root / name for name in names if next(_speakers(root / name), None)), None)


def _speakers(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if SPEAKER_ID.fullmatch(entry.name) and entry.is_dir())


def read_meta(meta: Path | None) -> tuple[dict[str, str], dict[str, str]]:
    """Read speaker -> m or f, and speaker -> dev or test, from vox1_meta.csv or vox2_meta.csv (tabs or commas).

    Raises SreError where the file has no columns of ids and genders.
    """
    if meta is None:
        return {}, {}
    text = read_text(meta, errors="replace")  # people's names, which are not used, in any coding
    lines = lines_of(text) or [""]
    remark_cut(meta, text.endswith("\n"), lines[-1])
    delimiter = "\t" if "\t" in lines[0] else ","
    rows = [[field.strip() for field in line.split(delimiter)] for line in lines if line.strip()]
    header = [name.lower() for name in rows[0]] if rows else []
    ids = next((i for i, name in enumerate(header) if name.startswith("voxceleb") and name.endswith("id")), None)
    if ids is None or "gender" not in header:
        raise SreError(
            f"{meta}: no columns 'VoxCeleb1 ID' (or 2) and 'Gender' in its first line; get the official file"
        )
    gender, subset = header.index("gender"), header.index("set") if "set" in header else None
    odd = [row for row in rows[1:] if len(row) != len(header)]
    rows = [row for row in rows[1:] if len(row) == len(header)]
    if odd:
        raise SreError(f"{meta}: {len(odd)} lines do not fit its first, e.g. '{delimiter.join(odd[0])}'; get it again")
    genders = {row[ids]: row[gender].lower() for row in rows if row[gender].lower() in ("m", "f")}
    return genders, {row[ids]: row[subset].lower() for row in rows} if subset is not None else {}


def merged_test_speakers(place: VoxCeleb) -> set[str]:
    """Return the test speakers of a merged corpus: by Set in its meta file, else (VoxCeleb1) by veri_test*.txt.

    Raises SreError where neither is there.
    """
    speakers = {speaker for speaker, subset in read_meta(place.meta)[1].items() if subset == "test"}
    if not speakers and place.corpus == "voxceleb1":
        folders = (place.root, place.root / "meta", place.root / "trials")
        lists = [path for folder in folders for path in sorted(folder.glob("veri_test*.txt"))]
        speakers = {utt.split("-", 1)[0] for path in lists for utt in trial_utterances(path)}
    if not speakers:
        meta = "vox1_meta.csv (with a column Set) or veri_test.txt" if place.corpus == "voxceleb1" else "vox2_meta.csv"
        raise SreError(
            f"{place.root}: development and test speakers lie in one folder, and nothing tells them apart;"
            f" put {meta} there, or the recordings under dev/ and test/"
        )
    return speakers


def find_recordings(place: VoxCeleb, subset: str, each: Callable[[int], None] = lambda number: None) -> dict[str, str]:
    """Return utterance -> path, of "dev", "test" or "all". Raises SreError where that is not there or empty.

    each : is told of the files of each speaker, how many there are
    """
    if place.merged or subset == "all":
        folders = list(place.folders.values())
    elif subset in place.folders:
        folders = [place.folders[subset]]
    else:
        there = ", ".join(str(folder) for folder in place.folders.values())
        raise SreError(f"{place.root}: the {subset} part of {place.corpus} is not there, only {there}; put it beside")
    if subset == "all" and not place.merged and len(place.folders) == 1:
        warn(f"{place.root}: only {', '.join(place.folders)} of {place.corpus} is there: that is taken for all")
    chosen = None
    if place.merged and subset != "all":
        tests = merged_test_speakers(place)
        chosen = {spk for folder in folders for spk in _speakers(folder) if (spk in tests) == (subset == "test")}
    found: dict[str, str] = {}
    doubles = 0
    for folder in folders:
        for speaker in sorted(_speakers(folder)):
            if chosen is None or speaker in chosen:
                before = len(found)
                doubles += _scan_speaker(folder / speaker, found)
                each(len(found) - before)
    if doubles:
        say(
            f"{place.root}: {doubles} files are second versions of an utterance and not used (wav goes before"
            " flac, flac before m4a)"
        )
    if not found:
        where = ", ".join(map(str, folders))
        raise SreError(f"{where}: no SPEAKER/VIDEO/NUMBER.wav (flac, m4a, aac) of '{subset}' in it; extract it again")
    return found


def _scan_speaker(folder: Path, found: dict[str, str]) -> int:
    """Add utterance -> path of one speaker; return how many files were second versions of an utterance."""
    doubles = 0
    with os.scandir(folder) as videos:
        for video in sorted((entry for entry in videos if entry.is_dir()), key=lambda entry: entry.name):
            for name in sorted(os.listdir(video.path)):
                stem, suffix = os.path.splitext(name)
                if suffix.lower() not in SUFFIXES:
                    continue
                utt, path = f"{folder.name}-{video.name}-{stem}", f"{video.path}/{name}"
                check_ids(path, [utt], "utterance")
                if utt in found:
                    doubles += 1
                    path = min(path, found[utt], key=lambda file: SUFFIXES.index(os.path.splitext(file)[1].lower()))
                found[utt] = path
    return doubles


def prepare(
    root: Path,
    out: Path,
    corpus: str,
    subset: str,
    audio_rules: AudioRules = AudioRules(),
    max_rejected: float = 0.01,
    needed: Collection[str] = (),
) -> None:
    """Write the data directory of one subset; `needed` are the utterances of its trials."""
    place = find_voxceleb(root, corpus)
    say(f"{root}: {corpus} in " + ", ".join(f"{folder} ({part})" for part, folder in place.folders.items()))
    wav, durations = good_audio(out, find_recordings(place, subset), audio_rules, max_rejected, needed)
    genders, _ = read_meta(place.meta)
    maps = {
        "utt2session": {utt: utt.split("-", 1)[1].rpartition("-")[0] for utt in wav},
        "spk2gender": genders,
    }
    write_corpus(out, wav, {utt: utt.split("-", 1)[0] for utt in wav}, durations, maps)


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("root", type=input_folder, help="the folder of the corpus")
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="data directory to write")
    parser.add_argument("--corpus", choices=["voxceleb1", "voxceleb2"], required=True, help="which it is")
    parser.add_argument(
        "--subset", choices=["dev", "test", "all"], required=True, help="all: where both are in one folder"
    )
    parser.add_argument("--trials", type=input_file, nargs="*", default=[], help="stop where one needs rejected audio")
    add_audio_options(parser)
    args = vars(parser.parse_args(argv))
    needed = {utt for path in args.pop("trials") for utt in trial_utterances(path)}
    audio_rules = take_audio_rules(args)
    prepare(**args, audio_rules=audio_rules, needed=needed)


if __name__ == "__main__":
    run(main)
