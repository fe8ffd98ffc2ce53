"""Trainings from audio: what an item is, and the same bytes with any number of reading processes and after a kill."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sre import SreError
from sre.augment.distorter import Distorter
from sre.augment.manifest import Manifest
from sre.augment.options import steps_of
from sre.augment.speed import change_speed
from sre.config.resolve import resolve_features, resolve_model_config
from sre.config.schema import Schema
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.features.audio_store import AudioStore
from sre.features.cmn import normalise
from sre.features.extractor import extractor_of
from sre.io.audio import AudioRules
from sre.io.tables import write_table
from sre.io.text import canonical
from sre.training import audio_source, trainer
from sre.training.audio_source import Audio
from sre.training.augment import Augmentation
from sre.training.batches import UtteranceBatches
from sre.training.chunks import make_loader
from steps import train_embedding

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = [
    {"probability": 0.8, "one_of": [
        {"kind": "noise", "categories": ["noise"], "snr": [0, 15], "weight": 2},
        {"kind": "noise", "categories": ["music"], "snr": [5, 15]},
        {"kind": "noise", "categories": ["speech"], "snr": [13, 20], "count": [3, 7]},
    ]},
    {"probability": 0.5, "one_of": [{"kind": "room", "categories": ["small", "medium"]}]},
    {"probability": 0.5, "one_of": [
        {"kind": "volume", "gain_db": [-10, 10]},
        {"kind": "pitch", "semitones": [-2, 2]},
        {"kind": "codec", "names": ["mulaw", "gsm"]},
    ]},
]  # fmt: skip
MODEL = {
    "features": "fbank",
    "source": "audio",
    "architecture": "xvector",
    "options": {"embedding_dim": 8, "channels": 16, "pooled_channels": 24},
    "filter": {"min_frames": 10},
    "augment": {
        "speeds": [0.9, 1.1],
        "time_masks": 1,
        "freq_masks": 1,
        "mask_probability": 0.5,
        "mask_fill": "mean",
        "distort": EVERYTHING,
    },
    "training": {
        "epochs": 2,
        "batch_size": 10,
        "chunk_frames": [30, 50],
        "lr": 0.05,
        "average_last": 2,
        "precision": "fp32",
    },
    "validation": {"speakers": 2, "utterances": 1, "frames": 40},
}
# 10 speakers of 5 utterances; 2 are held out, and 1 utterance of each other one: 32 chunks, 3 steps an epoch


def schema() -> Schema:
    return Schema(ROOT / "recipes/config.schema.yaml")


def fbank(**options: object) -> dict:
    return resolve_features(schema(), {"num_mel_bins": 20, **options}, 16000, "features")


def config(**changed: object) -> dict:
    return resolve_model_config(schema(), {**MODEL, **changed}, "m", {"fbank": fbank()}, 1)


def write_sounds(folder: Path, categories: dict[str, float]) -> Path:
    """Two sounds of each category, of so many seconds, as local.prepare_musan leaves them."""
    draw, wav = np.random.default_rng(5), {}
    for name, seconds in categories.items():
        for number in range(2):
            key = f"{name}-{number}"
            wave = draw.normal(0, 0.1, int(seconds * 16000)) * np.exp(-np.arange(int(seconds * 16000)) / 3000)
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{key}.wav", wave, 16000)
            wav[key] = str(folder / f"{key}.wav")
    write_data_dir(folder, wav=wav, utt2spk=dict.fromkeys(wav, "x"))
    write_table(folder / "utt2category", {key: key.split("-")[0] for key in wav})
    write_table(folder / "reco2dur", {key: categories[key.split("-")[0]] for key in wav})
    return folder


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sounds")
    noises = write_sounds(folder / "noises", {"noise": 2.0, "music": 0.4, "speech": 1.5})
    return noises, write_sounds(folder / "rooms", {"small": 0.2, "medium": 0.4})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, sound_dir) -> Path:
    """Utterances of 0.45 to 0.6 s, so that some are repeated in a chunk of 50 frames at 1.1 times the speed."""
    return sound_dir(tmp_path_factory.mktemp("data") / "d", speakers=10, utterances=5, seconds=0.45)


def source(data: Path, augmentation: Augmentation, distorter: Distorter | None = None, **options: object) -> Audio:
    store = AudioStore(read_data_dir(data), fbank(**options), AudioRules())
    return Audio([store], [(0, utt) for utt in sorted(store.places)], augmentation, distorter)


def distorter(sounds: tuple[Path, Path]) -> Distorter:
    return Distorter(steps_of(config()["augment"]["distort"]), *map(Manifest, sounds), sample_rate=16000)


@pytest.mark.parametrize("options", [{}, {"cmn": "sliding", "cmn_window": 20}, {"cmn": "none", "snip_edges": False}])
def test_a_chunk_is_a_piece_of_its_utterance(data: Path, options: dict) -> None:
    made = source(data, Augmentation((0.9, 1.1)), **options)
    assert made.num_features == 20
    store, extractor = made.stores[0], extractor_of(made.options)
    for index, (speed, first) in enumerate([(0.1, 0.0), (0.5, 0.5), (0.9, 0.999)]):
        sample = made[(index, 30, np.array([first, speed]))]
        utt, factor = made.utts[index][1], [1, 0.9, 1.1][sample.copy]
        whole = store.samples(utt, 0, store.num_samples[utt])
        count = made.options.num_samples(30)
        needed = count if factor == 1 else int((count - 1) * factor) + 1
        start = int(first * (len(whole) - needed + 1))
        piece = change_speed(whole[start : start + needed], factor)[:count]
        np.testing.assert_array_equal(sample.chunk.numpy(), piece)
        feats = made.prepared(sample.chunk[None], sample.draws[None])[0]
        assert feats.shape == (30, 20)
        np.testing.assert_allclose(feats, normalise(extractor([piece])[0].numpy(), made.config), atol=1e-3)


def test_short_utterances_are_repeated(data: Path) -> None:
    made = source(data, Augmentation((0.9,)))
    for draws in ([0.3, 0.0], [0.3, 0.9]):
        sample = made[(0, 100, np.array(draws))]
        assert sample.chunk.shape == (16240,)
        short = made.stores[0].num_samples[made.utts[0][1]] if sample.copy == 0 else 8000
        np.testing.assert_array_equal(sample.chunk[:2000], sample.chunk[short : short + 2000])


def test_three_speeds_are_three_classes(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, one_step = [], trainer.Trainer._one_step

    def watched(self: trainer.Trainer, indices: torch.Tensor, copies: torch.Tensor, chunks: torch.Tensor) -> None:
        assert self.head.state_dict()["weight"].shape[0] == 3 * 8
        seen.extend(copies.tolist())
        one_step(self, indices, copies, chunks)

    monkeypatch.setattr(trainer.Trainer, "_one_step", watched)
    run(data, tmp_path, config(augment={"speeds": [0.9, 1.1]}))
    assert set(seen) == {0, 1, 2}


def batches(epochs: int = 2) -> UtteranceBatches:
    draws = Augmentation((0.9, 1.1), 1, freq_masks=1, mask_probability=0.5, distort=EVERYTHING).num_draws
    return UtteranceBatches(4, epochs, (30, 50), 7, draws, num_utts=24)


def test_the_same_batches_from_any_number_of_processes(data: Path, sounds: tuple[Path, Path]) -> None:
    """Kept in memory or not; and what is drawn differs from chunk to chunk."""
    found = []
    for workers, keep in ((0, False), (2, False), (1, True)):
        made = source(data, Augmentation(**config()["augment"]), distorter(sounds))
        if keep:
            made.keep()
            assert made.kept is not None and made.kept.exact.all()
        found.append([[part.clone() for part in batch[:4]] for batch in make_loader(made, batches(), workers)])
    for one, other in (found[:2], found[1:]):
        assert all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))
    chunks = [chunk for batch in found[0] for chunk in batch[2]]
    assert len({chunk.numpy().tobytes() for chunk in chunks}) == len(chunks)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_decoded_audio_is_shared_and_not_copied(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.14 starts processes by pickling what they get, which would be 4 GB for each of eight."""
    before = multiprocessing.get_start_method()
    monkeypatch.setattr(audio_source.Kept, "__reduce__", lambda self: pytest.fail("it was copied"))
    made = source(data, Augmentation(distort=EVERYTHING, speeds=(0.9, 1.1), time_masks=1, freq_masks=1))
    made.keep()
    multiprocessing.set_start_method("forkserver", force=True)
    try:
        assert len(list(make_loader(made, batches(1), 1))) == 6
    finally:
        multiprocessing.set_start_method(before, force=True)


def test_what_16_bits_do_not_hold_is_not_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 16000)
    for name, subtype in (("a", "PCM_24"), ("b", "PCM_16")):
        soundfile.write(tmp_path / f"{name}.wav", wave, 16000, subtype=subtype)
    wav = {name: str(tmp_path / f"{name}.wav") for name in "ab"}
    write_data_dir(tmp_path, wav=wav, utt2spk={"a": "a", "b": "b"})
    made = source(tmp_path, Augmentation())
    made.keep()
    assert made.kept is not None and made.kept.exact.tolist() == [False, True]
    np.testing.assert_allclose(made._samples(0, 100, 500), made._samples(1, 100, 500), atol=1)
    assert made._samples(0, 100, 500).tolist() != made._samples(1, 100, 500).tolist()
    made = source(tmp_path, Augmentation())
    made.keep(2 * 32000 - 1)
    assert made.kept is None


def run(data: Path, out: Path, model: dict, *options: str) -> bytes:
    train_embedding.main([canonical(model), "--data", str(data), "--device", "cpu", *options, str(out / "final.pt")])
    return (out / "final.pt").read_bytes()


KILLED = """
import os, signal, sys
from sre.training import trainer
from steps import train_embedding
trainer.CHECKPOINT_MINUTES = 0
trainer.NUM_WORKERS = int(sys.argv.pop(1))
one = trainer.Trainer._one_step
def step(self, *batch):
    one(self, *batch)
    self.step == 4 and os.kill(os.getpid(), signal.SIGKILL)
trainer.Trainer._one_step = step
train_embedding.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_killed_or_not_the_same_bytes(data: Path, sounds: tuple[Path, Path], tmp_path: Path, monkeypatch) -> None:
    """With every augmentation: whole with 2 processes, killed with 2 and gone on with none, killed with none."""
    options = ["--noises", str(sounds[0]), "--rooms", str(sounds[1])]
    monkeypatch.setattr(trainer, "NUM_WORKERS", 2)
    whole = run(data, tmp_path / "whole", config(), *options)
    for first, then in ((2, 0), (0, 2)):
        out = tmp_path / f"killed{first}"
        command = [canonical(config()), "--data", str(data), "--device", "cpu", *options, str(out / "final.pt")]
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(first), *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        assert sorted(path.name for path in out.glob("checkpoints/*/*.pt"))[-1] == "step_000000003.pt"
        monkeypatch.setattr(trainer, "NUM_WORKERS", then)
        assert run(data, out, config(), *options) == whole


def test_faults_before_the_training(data: Path, sounds: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SreError, match="has the kind noise, and there are no files for it; set musan in the recipe"):
        run(data, tmp_path, config())
    noises = ["--noises", str(sounds[0])]
    wrong = [{"one_of": [{"kind": "noise", "categories": ["noises"], "snr": [0, 5]}]}]
    with pytest.raises(SreError, match="no category 'noises' in it; the nearest is 'noise'"):
        run(data, tmp_path, config(augment={"distort": wrong}), *noises)
    with pytest.raises(SreError, match="--feats would do nothing, as the model has source: audio"):
        run(data, tmp_path, config(), "--feats", str(data / "wav.scp"))
    with pytest.raises(SreError, match="augment.distort is of waveforms; set source: audio"):
        config(source="features")
    with pytest.raises(SreError, match="knows a piece and not its utterance's mean; set training.chunk_cmn: true"):
        config(training={"chunk_cmn": False})
    trimmed = resolve_features(schema(), {"trim": {"level_db": 60}}, 16000, "f")
    with pytest.raises(SreError, match="quiet ends of whole utterances, which trim.level_db of 'f' cuts off; take"):
        resolve_model_config(schema(), {**MODEL, "features": "f"}, "m", {"f": trimmed}, 1)
