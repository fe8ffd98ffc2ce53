"""From each form of list to the report: the same recordings make the same trials, features and scores."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from mixed_recordings import KINDS, Spoken, break_files, write_mixed

from local import import_recordings, make_trials, split_recordings
from sre import cli
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.datadir.importers import job
from sre.datadir.importers.exports import export_data
from sre.datadir.importers.row import Asked
from sre.features.store import FeatureStore
from sre.io.scp import read_scp
from steps import make_features

ROOT = Path(__file__).resolve().parents[2]
LISTS = {  # source -> options of its import; of NIST's keys what `sre data import` has made, as they need two files
    "folder": {},
    "list.csv": {},
    "list.tsv": {},
    "manifest.json": {},
    "paths.txt": {"speaker_part": -2},
    "clova.txt": {},
    "speechbrain.csv": {},
    "nist": {},
    "data": {},
}
FEATURES = {"npy": {}, "pickle": {}, "data_of_features": {}}
OTHERS = [*LISTS, *FEATURES][1:]
MODEL = """\
features: fbank
architecture: xvector
options: {embedding_dim: 16, channels: 16, pooled_channels: 32}
filter: {min_frames: 25}
training:
  {epochs: 1, batch_size: 16, chunk_frames: [50, 50], optimizer: adam, lr: 1e-3, average_last: 1, precision: fp32}
validation: {speakers: 1, utterances: 1}
"""


def spoken(speakers: int = 8, utterances: int = 5) -> list[Spoken]:
    """Speakers of one pitch each, in noise, at 16 kHz."""
    draw, found = np.random.default_rng(0), []
    for s in range(speakers):
        for u in range(utterances):
            t = np.arange(int((0.9 + 0.07 * u) * 16000)) / 16000
            voice = sum(np.sin(2 * np.pi * (100 + 35 * s) * h * t + draw.random() * 6) / h for h in range(1, 20))
            found.append(Spoken(f"s{s}/s{s}-{u}", 0.1 * voice + draw.normal(0, 0.02, len(t)), 16000))
    return found


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of mixed recordings, one of them broken, and each other form of it."""
    root = tmp_path_factory.mktemp("sources")
    files = write_mixed(root / "folder", spoken())
    assert {file.suffix for file in files} == {f".{suffix}" for suffix, _, _ in KINDS}
    break_files(files[-1:])
    data = root / "data"
    job.import_recordings(root / "folder", data)
    for name, form in (("list.csv", "csv"), ("list.tsv", "csv"), ("manifest.json", "nemo"), ("paths.txt", "paths"),
                       ("clova.txt", "clova"), ("speechbrain.csv", "speechbrain")):  # fmt: skip
        export_data(data, root / name, form)
    utt2spk = dict(sorted(read_data_dir(data).utt2spk.items()))
    labels = [f"{a} {b} {'target' if utt2spk[a] == utt2spk[b] else 'nontarget'}\n" for a, b in pairwise(utt2spk)]
    (root / "pairs").write_text("".join(labels))
    export_data(data, root / "keys", "nist", trials=root / "pairs")
    asked = Asked(folder=root / "folder", trials=root / "keys/trials.tsv", segment_key=root / "keys/segment_key.tsv")
    job.import_recordings(root / "keys/enrollment.tsv", root / "nist", asked)
    features(data, root / "fbank")
    write_data_dir(root / "data_of_features", utt2spk=utt2spk, feats=read_scp(root / "fbank/feats.scp"))
    for form in ("npy", "pickle"):
        export_data(root / "data_of_features", root / form, form)
    return root


def features(data: Path, out: Path) -> None:
    options = ["--config", '{"num_mel_bins": 24}', "--audio", '{"resample": true, "channel": "mix"}']
    make_features.main(["fbank", str(data), str(out), *options])


def data_of(source: Path, out: Path, asked: dict) -> tuple[dict[str, str], bytes, dict[str, bytes]]:
    """Return utt2spk, the trials and the features of a source as recipe custom's jobs make them."""
    options = [f"--{key.replace('_', '-')}={value}" for key, value in asked.items()]
    import_recordings.main([str(source), str(out / "all"), *options, "--resample", "--channel", "mix"])
    split_recordings.main([str(out / "all"), str(out / "train"), str(out / "eval"), "--test", "0.4"])
    make_trials.main([str(out / "eval"), str(out / "trials"), "--seed", "1"])
    data = read_data_dir(out / "all")
    if data.wav is not None:
        features(out / "all", out / "feats")
    store = FeatureStore(out / "feats/feats.scp" if data.wav is not None else out / "all/feats.scp")
    return dict(data.utt2spk), (out / "trials").read_bytes(), {utt: store.raw(utt).tobytes() for utt in store.places}


@pytest.fixture(scope="module")
def of_the_folder(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    made = data_of(sources / "folder", tmp_path_factory.mktemp("made"), {})
    assert len(made[0]) == len(made[2]) == 39 and made[1].count(b" target") >= 20
    return made


@pytest.mark.parametrize("name", [*LISTS, *FEATURES])
def test_each_list_makes_the_same_trials_and_features(name: str, sources: Path, of_the_folder: tuple, tmp_path) -> None:
    assert data_of(sources / name, tmp_path, {**LISTS, **FEATURES}[name]) == of_the_folder


def test_rates_and_channels_of_all_recordings_are_told(sources: Path, capsys: pytest.CaptureFixture) -> None:
    cli.main(["data", "info", "--audio", str(sources / "data")])
    told = capsys.readouterr().out
    assert "rates: 16000 Hz: 12, 22050 Hz: 4, 24000 Hz: 4, 32000 Hz: 3, 44100 Hz: 4, 48000 Hz: 8, 8000 Hz: 4\n" in told
    assert "channels: 1: 23, 2: 16\n" in told


CONFIG = [
    *("recipe=custom", "name=own", "systems=[cosine]", "primary_system=cosine", "test_speakers=0.4", "nj=1"),
    *("set=audio.resample=yes", "set=audio.channel=mix", "features={fbank: {num_mel_bins: 24}}"),
    *("bootstrap={replicates: 50}",),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["folder", *(pytest.param(name, marks=pytest.mark.sweep) for name in OTHERS)])
def test_recordings_to_the_report_in_one_command(
    name: str, sources: Path, of_the_folder: tuple, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(MODEL)
    asked = ", ".join(f"{key}: {value}" for key, value in {**LISTS, **FEATURES}[name].items())
    config = [f"root={tmp_path}", f"recordings={sources / name}", f"models=[{tmp_path}/tiny.yaml]"]
    command = [Path(sys.executable).parent / "snakemake", "-j2", "-d", ROOT, "--config", *CONFIG, *config]
    done = subprocess.run(
        [*command, f"recordings_as={{{asked}}}"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = (tmp_path / "exp/own/report.tsv").read_text().splitlines()
    assert len(rows) == 2 and "\town_trials\t" in rows[1]
    assert (tmp_path / "data/trials/own_trials").read_bytes() == of_the_folder[1]
    scores = (tmp_path / "exp/own/tiny/scores/own_trials/cosine.scores").read_text().splitlines()
    assert [line.split()[:2] for line in scores] == [
        line.split()[:2] for line in of_the_folder[1].decode().splitlines()
    ]
    assert ("1 of 40" in done.stdout + done.stderr) == (name == "folder")
