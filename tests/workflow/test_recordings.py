"""Recipe custom with `recordings`: from a folder, a list or a data directory to splits and trials, in one command."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sre.datadir.datadir import read_data_dir

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = [str(Path(sys.executable).parent / "snakemake"), "-j2", "--until", "data", "-d"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten speakers with two sessions of two recordings; one file is empty."""
    folder = tmp_path_factory.mktemp("given") / "their recordings"
    rng = np.random.default_rng(1)
    for speaker in range(10):
        for session in ("day 1", "day 2"):
            for take in range(2):
                path = folder / f"spk{speaker}" / session / f"{take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, 0.1 * rng.standard_normal(16000), 16000)
    (folder / "spk3/day 1/0.wav").write_bytes(b"")
    return folder


def make_data(root, *config, check=True):
    """Run the recipe's stage of data in an empty root, as a user does."""
    words = ["recipe=custom", "name=own", "models=[xvector]", f"root={root}", *config]
    command = [*SNAKEMAKE, str(ROOT), "--config", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def speakers(root, split):
    return set(read_data_dir(root / "data" / split).utt2spk.values())


def trials(root):
    return [line.split() for line in (root / "data/trials/own_trials").read_text().splitlines()]


def test_a_folder_becomes_splits_and_trials(folder, tmp_path):
    said = make_data(tmp_path, f"recordings={folder}", "made_trials={nontargets: 2}")
    assert len(speakers(tmp_path, "own_eval")) == 2 and len(speakers(tmp_path, "own_train")) == 8
    assert not speakers(tmp_path, "own_eval") & speakers(tmp_path, "own_train")
    assert "1 of 40" in said and "0 bytes" in said
    table = read_data_dir(tmp_path / "data/own_eval", every_table=True).tables
    targets = [row for row in trials(tmp_path) if row[2] == "target"]
    assert targets and len(trials(tmp_path)) == 3 * len(targets)
    assert all(table["utt2session"][a] != table["utt2session"][b] for a, b, _ in targets)
    gates = json.loads((tmp_path / "exp/own/gates.json").read_text())
    assert str(folder) in json.dumps(gates["notes"])
    assert [(part["split"], part["utterances"], part["rejected"]) for part in gates["data"]][0] == ("own_all", 39, 1)


def test_a_manifest_a_data_directory_and_a_list_of_who_is_tested(folder, tmp_path):
    manifest = tmp_path / "all.json"
    paths = sorted(path for path in folder.rglob("*.wav") if path.stat().st_size)
    rows = [{"audio_filepath": str(path), "duration": 1.0, "label": path.parts[-3]} for path in paths]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tested").write_text("spk1\nspk4\nspk5\n")
    asked = [f"test_speakers={tmp_path}/tested", "made_trials={enrol: 2}"]
    make_data(tmp_path / "a", f"recordings={manifest}", *asked)
    assert speakers(tmp_path / "a", "own_eval") == {"spk1", "spk4", "spk5"}
    assert len((tmp_path / "a/data/trials/own_trials.enroll").read_text().splitlines()) == 3
    make_data(tmp_path / "b", f"recordings={tmp_path}/a/data/own_all", *asked)
    assert trials(tmp_path / "a") == trials(tmp_path / "b")


def test_ones_and_noughts_are_asked_for(folder, tmp_path):
    asked = ["recordings_as={speaker_part: 0}", "made_trials={per_speaker: 1, nontargets: 1}"]
    make_data(tmp_path, f"recordings={folder}", *asked)
    assert len(speakers(tmp_path, "own_all")) == 10
    labels = [label for _, _, label in trials(tmp_path)]
    assert sorted(labels) == ["nontarget"] * 2 + ["target"] * 2  # of two speakers


def test_what_cannot_be_is_a_sentence(folder, tmp_path):
    (tmp_path / "utt2spk").write_text("a a\n")
    for number, (config, sentence) in enumerate(
        (
            ((f"recordings={folder}", f"train_data={tmp_path}"), "recordings is in place of train_data"),
            ((f"recordings={folder}", "test_speakers=0.05"), "nothing is left for test"),
            ((f"recordings={tmp_path}/nothing",), "nothing: no such"),
        )
    ):
        said = make_data(tmp_path / f"root{number}", *config, check=False)
        assert sentence in said and "Traceback" not in said, said
