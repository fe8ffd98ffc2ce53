"""What the corpora of each recipe should have, and how they are counted: for `sre doctor`.

A recipe with a corpus of its own adds its folders to ROOTS.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from local.import_voxceleb_trials import MD5, OFFICIAL, find_trial_lists
from local.prepare_librispeech import OFFICIAL_PARTS, find_recordings, parts_present
from local.prepare_musan import CATEGORIES
from local.prepare_rirs import SIMULATED, SIZES
from local.prepare_voxceleb import find_recordings as find_voxceleb_recordings
from local.prepare_voxceleb import find_voxceleb
from local.survey_recordings import survey_recordings
from sre import SreError
from sre.datadir.datadir import DataDir, read_data_dir
from sre.doctor.survey import Counts, ListFile, Part, Root, Survey
from sre.io.commands import by_ffmpeg
from sre.io.ids import shown
from sre.io.place import exists, is_pipe, openable
from sre.machine.log import Progress
from sre.training.gate_checks import audio_seconds

# of the papers: Nagrani et al. 2017, Chung et al. 2018, with the counts of the lists of files; hours rounded
VOXCELEB = {
    "vox2_dev": Counts(5994, 1_092_009, 2360.0),
    "vox1": Counts(1251, 153_516, 352.0),
    "vox1_dev": Counts(1211, 148_642, 340.0),
    "vox1_test": Counts(40, 4_874, 11.0),
}
LIBRISPEECH = dict(  # Panayotov et al. 2015, with the counts of the archives' files
    zip(
        OFFICIAL_PARTS,
        (
            Counts(251, 28_539, 100.6),
            Counts(921, 104_014, 363.6),
            Counts(1166, 148_688, 496.7),
            Counts(40, 2_703, 5.4),
            Counts(33, 2_864, 5.3),
            Counts(40, 2_620, 5.4),
            Counts(33, 2_939, 5.1),
        ),
        strict=True,
    )
)
MUSAN = {"noise": 930, "music": 660, "speech": 426}  # files: Snyder et al. 2015, 2,016 in all
RIRS = dict.fromkeys(SIZES, 20_000)  # responses that were simulated of each size of rooms: Ko et al. 2017


def survey_librispeech(config: Mapping[str, Any]) -> Survey:
    """Count the parts of LibriSpeech, or of a corpus in its layout. Raises SreError where it has none."""
    found, root = Survey(), Path(config["corpus"])
    progress = Progress("counting", sum(one.utterances for one in LIBRISPEECH.values()), "files", at_most=True)
    for name in parts_present(root):
        files = find_recordings(root, name)
        progress.add(len(files))
        speakers = len({file.speaker for file in files.values()})
        trained = name.startswith("train-")
        split = "ls_train" if trained else f"ls_{name.replace('-', '_')}"
        found.parts.append(Part(name, split, Counts(speakers, len(files)), trained, LIBRISPEECH.get(name)))
        found.recordings += [file.path for file in files.values()]
    progress.close()
    return found


def survey_voxceleb1(config: Mapping[str, Any]) -> Survey:
    """Count VoxCeleb1 and its trial lists, as the recipe uses them. Raises SreError where a part is not there."""
    root = Path(config["voxceleb1"])
    parts = {"vox1": "all"} if config["voxceleb2"] else {"vox1_dev": "dev", "vox1_test": "test"}
    found = _survey_voxceleb(root, "voxceleb1", parts)
    lists = find_trial_lists(root)
    if not lists:
        raise SreError(f"{root}: no trial list, which the recipe needs; put veri_test2.txt of VoxCeleb's site there")
    found.lists += [_list(name, path) for name, path in lists.items()]
    return found


def survey_voxceleb2(config: Mapping[str, Any]) -> Survey:
    """Count the development part of VoxCeleb2. Raises SreError where it is not there."""
    return _survey_voxceleb(Path(config["voxceleb2"]), "voxceleb2", {"vox2_dev": "dev"})


def _survey_voxceleb(root: Path, corpus: str, parts: Mapping[str, str]) -> Survey:
    place = find_voxceleb(root, corpus)
    found = Survey()
    progress = Progress(f"counting {corpus}", sum(VOXCELEB[name].utterances for name in parts), "files", at_most=True)
    for name, subset in parts.items():
        files = find_voxceleb_recordings(place, subset, progress.add)
        counts = Counts(len({utt.split("-", 1)[0] for utt in files}), len(files))
        found.parts.append(Part(name, name, counts, name.endswith("_dev"), VOXCELEB[name]))
        found.recordings += files.values()
    progress.close()
    found.by_ffmpeg = _by_ffmpeg(found.recordings)
    return found


def _list(name: str, path: Path) -> ListFile:
    content = path.read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    official = OFFICIAL[name][0] if name in OFFICIAL else None
    return ListFile(name, path, sum(map(bool, content.split(b"\n"))), official, md5, MD5.get(name))


def _by_ffmpeg(recordings: list[str]) -> int:
    return sum(by_ffmpeg(path) for path in recordings)


def survey_noises(config: Mapping[str, Any]) -> Survey:
    """Count the categories of MUSAN, or of a corpus in its layout. Raises SreError where it has none."""
    root = Path(config["musan"])
    if (root / "wav.scp").is_file():
        return _of_data_dir(root)
    folders = {name: root / name for name in CATEGORIES}
    found = Survey([*_counted(folders, MUSAN)])
    if not found.parts:
        raise SreError(f"{root}: none of the folders {', '.join(CATEGORIES)} with .wav or .flac in it")
    return found


def survey_rooms(config: Mapping[str, Any]) -> Survey:
    """Count the simulated rooms of RIRS_NOISES, or of a corpus in its layout. Raises SreError where it has none."""
    root = Path(config["rirs"])
    if (root / "wav.scp").is_file():
        return _of_data_dir(root)
    folders = {size: root / SIMULATED / f"{size}room" for size in SIZES}
    found = Survey([*_counted(folders, RIRS)])
    if not found.parts and not (root / "real_rirs_isotropic_noises").is_dir():
        raise SreError(f"{root}: neither {SIMULATED}/smallroom … with .wav nor real_rirs_isotropic_noises in it")
    return found


def _counted(folders: Mapping[str, Path], official: Mapping[str, int]) -> Iterator[Part]:
    """Yield the folders that are there, each with the number of its sound files, which go into no split."""
    progress = Progress("counting", sum(official.values()), "files", at_most=True)
    for name, folder in folders.items():
        count = 0
        for _, _, files in os.walk(folder):
            some = sum(file.lower().endswith((".wav", ".flac")) for file in files)
            count += some
            progress.add(some)
        if count:
            yield Part(name, "", Counts(0, count), official=Counts(0, official[name]))
    progress.close()


def _of_data_dir(root: Path) -> Survey:
    return Survey(notes=[f"{root}: {len(read_data_dir(root, need_speakers=False).tables['wav.scp']):,} files"])


def survey_custom(role: str) -> Callable[[Mapping[str, Any]], Survey]:
    """Return what counts a data directory that goes into the split <name>_<role>."""

    def survey(config: Mapping[str, Any]) -> Survey:
        root = Path(config[f"{role}_data"])
        data = read_data_dir(root)
        speakers, utterances = len(set(data.tables["utt2spk"].values())), len(data.tables["utt2spk"])
        hours = 0.0 if data.wav is None else audio_seconds(root) / 3600 if (root / "utt2dur").is_file() else None
        split = f"{config['name'] or config['recipe']}_{role}"
        part = Part(str(root), split, Counts(speakers, utterances, hours), role == "train")
        wav = [*(data.wav or {}).values()]
        found = Survey([part], recordings=[path for path in wav if not is_pipe(path)], by_ffmpeg=_by_ffmpeg(wav))
        _check_recordings(root, data, found)
        return found

    return survey


def _check_recordings(root: Path, data: DataDir, found: Survey) -> None:
    """Raise SreError where recordings are missing, by a look at the first and the last."""
    for path in (*found.recordings[:1], *found.recordings[-1:]):
        if not exists(openable(path, root)):
            raise SreError(f"{root}/wav.scp: {shown(path)}: no such file; mend its paths, or mount their disk")


def survey_trials(config: Mapping[str, Any]) -> Survey:
    """Count the trials of a recipe's own lists. Raises SreError where one is missing."""
    trials = config["trials"] if isinstance(config["trials"], dict) else {"trials": config["trials"]}
    for path in trials.values():
        if not os.path.isfile(path):
            raise SreError(f"trials: {path}: no such file; mend the path")
    return Survey(lists=[_list(name, Path(path)) for name, path in trials.items()])


LIBRISPEECH_GET = "local/download_librispeech.sh FOLDER gets it."
VOXCELEB_GET = "VoxCeleb's site, https://www.robots.ox.ac.uk/~vgg/data/voxceleb, tells how to get it."
DATA_DIR_GET = "recipes/custom/README.md tells what a data directory has, and how recordings=PATH takes its place."
RECORDINGS_GET = (
    "docs/data.md tells what is taken; recordings_as has its --format, --pattern and others for the recipe."
)
ROOTS = {  # recipe -> its folders
    "librispeech": (Root("corpus", survey_librispeech, LIBRISPEECH_GET),),
    "voxceleb": (
        Root("voxceleb1", survey_voxceleb1, VOXCELEB_GET),
        Root("voxceleb2", survey_voxceleb2, VOXCELEB_GET, needed=False),
    ),
    "custom": (
        Root("recordings", survey_recordings, RECORDINGS_GET, needed=False),
        Root("train_data", survey_custom("train"), DATA_DIR_GET, replaced_by="recordings"),
        Root("eval_data", survey_custom("eval"), DATA_DIR_GET, replaced_by="recordings"),
        Root("trials", survey_trials, "A line of it is: ENROL TEST target|nontarget.", replaced_by="recordings"),
        Root("adapt_data", survey_custom("adapt"), DATA_DIR_GET, needed=False),
    ),
}
NOISES = (  # of any recipe
    Root("musan", survey_noises, "local/download_musan.sh FOLDER gets it.", needed=False),
    Root("rirs", survey_rooms, "local/download_rirs.sh FOLDER gets it.", needed=False),
)
