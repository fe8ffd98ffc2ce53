"""A training that was killed ends as one that was not; another config starts afresh; bad losses are not learnt from."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from sre import SreError
from sre.config.checkpoints import decisive
from sre.config.schema import Schema
from sre.config.stages import STAGE_VERSIONS
from sre.experiments.rerun import epochs_done
from sre.features.store import FeatureStore
from sre.io.ark import read_scp, write_ark
from sre.io.tables import read_table
from sre.io.text import canonical
from sre.machine.log import run
from sre.models import bundle as bundles
from sre.models.tdnn import FTDNN
from sre.training import job, schedule, trainer
from sre.training.options import Filter, TrainingConfig
from sre.training.validation import partition

ROOT = Path(__file__).resolve().parents[2]
MODEL = {
    "features": "given",
    "architecture": "xvector",
    "filter": {"min_frames": 10},
    "loss": {"margin_epochs": [1, 2]},
    "augment": {"time_masks": 1, "time_mask_frames": 4},
    "training": {
        "epochs": 3,
        "batch_size": 10,
        "chunk_frames": [16, 24],
        "lr": 0.05,
        "average_last": 2,
        "precision": "fp32",
        "checkpoints": "all",
    },
    "validation": {"speakers": 2, "utterances": 1, "frames": 30},
}
OPTIONS = {"speakernet": {"dropout": 0.5}, "ftdnn": {"bottleneck": 4}}
# 10 speakers of 5 utterances; 2 are held out, and 1 utterance of each other one: 32 chunks, 3 steps an epoch


@pytest.fixture(scope="module", autouse=True)
def a_checkpoint_after_each_step():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_MINUTES", 0)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, feature_dir: Callable[..., Path]) -> Path:
    return feature_dir(tmp_path_factory.mktemp("data") / "d", speakers=10, utterances=5)


def config(architecture: str = "xvector", **training: object) -> dict:
    schema = Schema(ROOT / "recipes/config.schema.yaml")
    changed = {"architecture": architecture, "training": {**MODEL["training"], **training}}
    model = schema.check({**MODEL, **changed}, "m", "$defs", "model")
    options = {"embedding_dim": 8, "channels": 16, "pooled_channels": 24} | OPTIONS.get(architecture, {})
    options = schema.check(options, "m", "$defs", "architectures", architecture)
    return {
        **model,
        "options": options,
        "feature_config": {"type": "given"},
        "seed": 1,
        "version": STAGE_VERSIONS["train"],
    }


def train(data: Path, out: Path, **training: object) -> Path:
    store = FeatureStore(data / "feats.scp")
    job.train(config(**training), [store], [read_table(data / "utt2spk")], out / "final.pt", "cpu")
    return out


def result(out: Path) -> tuple[bytes, list[dict]]:
    rows = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    times = ("utt_per_s", "data_wait", "seconds", "validation_s", "memory_mib", "workers_mib", "gpu_mib")
    return (out / "final.pt").read_bytes(), [{k: v for k, v in row.items() if k not in times} for row in rows]


def trainer_of(data: Path, folder: Path, model: dict) -> trainer.Trainer:
    asked, store = TrainingConfig.of(model), FeatureStore(data / "feats.scp")
    chosen = job.select([store], [read_table(data / "utt2spk")], asked.filter)
    parts = partition(chosen.utt2spk, 2, 1)
    return job.make_trainer(asked, [store], chosen, parts, folder, torch.device("cpu"))


def checkpoints(out: Path) -> list[str]:
    return sorted(path.name for path in out.glob("checkpoints/*/step_*.pt"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(data, tmp_path_factory.mktemp("whole"))


class Killed(Exception):
    pass


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    one_step = trainer.Trainer._one_step

    def stopping(self: trainer.Trainer, *batch: torch.Tensor) -> None:
        if self.step == step:
            raise Killed
        one_step(self, *batch)

    monkeypatch.setattr(trainer.Trainer, "_one_step", stopping)


def test_what_a_training_leaves(whole: Path) -> None:
    bundle, history = result(whole)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert all(0 <= row["valid_eer"] <= 100 and 0 <= row["valid_accuracy"] <= 100 for row in history)
    assert [row["margin"] for row in history][-1] == 0.2 and history[0]["margin"] == 0
    assert checkpoints(whole)[-2:] == ["step_000000008.pt", "step_000000009.pt"]
    assert "step_000000006.pt" in checkpoints(whole)  # the end of the last but one epoch, for the average
    summary = json.loads((whole / "train_summary.json").read_text())
    assert (summary["speakers"], summary["utterances"], summary["held_out_speakers"]) == (8, 32, 2)
    assert epochs_done(whole, shlex.join(["steps.train_embedding", canonical(decisive(config()))])) == (3, 3)


@pytest.mark.parametrize("step", [1, 3, 5, 8])  # within the first epoch, at its end, in the next, before the last step
def test_resumed_as_uninterrupted(data: Path, tmp_path: Path, monkeypatch, whole: Path, step: int) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(Killed):
            train(data, tmp_path)
    assert not (tmp_path / "final.pt").exists()
    assert checkpoints(tmp_path)[-1] == f"step_{step:09}.pt"
    assert result(train(data, tmp_path)) == result(whole)


def resumed_and_whole(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch, step: int = 5, **how: object) -> tuple:
    """What a training leaves that was killed after `step` steps, and one that was not."""
    whole = train(data, out / "whole", **how)
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(Killed):
            train(data, out / "killed", **how)
    return result(train(data, out / "killed", **how)), result(whole)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "novograd"])
def test_dropout_and_moments_go_on_where_they_were(data: Path, tmp_path: Path, monkeypatch, optimizer: str) -> None:
    how = {"architecture": "speakernet", "optimizer": optimizer, "lr": 0.01, "no_decay": ["norms", "head"]}
    resumed, whole = resumed_and_whole(data, tmp_path, monkeypatch, **how)
    assert resumed == whole


@pytest.mark.parametrize("monitor", ["valid_loss", "valid_eer"])
def test_a_plateau_goes_on_where_it_was(data: Path, tmp_path: Path, monkeypatch, monitor: str) -> None:
    monkeypatch.setattr(schedule, "LEAST_GAIN", 0.3)  # which not each epoch brings
    form = {"type": "plateau", "factor": 0.5, "patience": 0}
    how = {"epochs": 5, "warmup_epochs": 0, "schedule": form, "monitor": monitor, "lr": 1.0}
    (resumed, history), whole = resumed_and_whole(data, tmp_path, monkeypatch, 11, **how)
    assert (resumed, history) == whole
    rates, seen = [row["lr"] for row in history], [row[monitor] for row in history]
    worse = [value >= min(seen[: n + 1]) * 0.7 for n, value in enumerate(seen[1:-1])]
    assert rates == pytest.approx([1, 1, *(0.5 ** sum(worse[: n + 1]) for n in range(3))]) and sum(worse)


@pytest.mark.parametrize(
    "keys, steps, epochs",
    [
        ({"steps": 8, "schedule": {"type": "cosine"}}, 8, [(3, 0.04268), (6, 0.01546), (8, 0.00195)]),
        ({"steps": 8, "interval": 4, "schedule": {"type": "step", "every": 1}}, 8, [(4, 0.05), (8, 0.0475)]),
        ({"epochs": 2, "interval": 5, "schedule": {"type": "cyclic", "half_cycle": 4}}, 10, [(5, 0.05), (10, 0.01254)]),
    ],
)
def test_so_many_steps(data: Path, tmp_path: Path, monkeypatch, keys: dict, steps: int, epochs: list) -> None:
    """A pass is 3 steps. epochs : the step at the end of each, and the rate of the update before it."""
    given = {"warmup_epochs": 0, **keys}
    (resumed, history), whole = resumed_and_whole(data, tmp_path, monkeypatch, **given)
    assert (resumed, history) == whole
    assert [row["epoch"] for row in history] == list(range(1, len(epochs) + 1))
    assert [row["lr"] for row in history] == pytest.approx([rate for _, rate in epochs], abs=1e-5)
    ends = [f"step_{end:09}.pt" for end, _ in epochs[-2:]]
    assert set(ends) <= set(checkpoints(tmp_path / "killed")) and ends[-1] == f"step_{steps:09}.pt"
    summary = json.loads((tmp_path / "killed/train_summary.json").read_text())
    assert summary["epochs"] == len(epochs)
    command = shlex.join(["steps.train_embedding", canonical(decisive(config(**given)))])
    assert epochs_done(tmp_path / "killed", command) == (len(epochs), len(epochs))


def test_a_checkpoint_of_other_groups_of_weights_is_not_of_this_training(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints/one"
    folder.mkdir(parents=True)
    trainer_of(data, folder, config(no_decay=["biases"]))._save()
    with pytest.raises(SreError, match="its newest checkpoint is not of this training .*; delete it"):
        trainer_of(data, folder, config()).run()


def test_a_gpu_without_memory_is_no_fault_of_the_checkpoint(data: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    folder = tmp_path / "checkpoints/one"
    folder.mkdir(parents=True)
    made = trainer_of(data, folder, config())
    made._save()

    def full(state: dict) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …")

    monkeypatch.setattr(made, "_restore", full)
    with pytest.raises(SystemExit):
        run(made.run)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: the GPU has not enough memory (CUDA out of memory, Tried to allocate 2.00 GiB); ")


def test_factors_of_an_ftdnn_stay_semi_orthogonal(data: Path, tmp_path: Path, monkeypatch) -> None:
    def spread(out: Path) -> float:
        """Of the squared singular values of the first factors, 1 where all are equal: the largest."""
        network = bundles.load(train(data, out, architecture="ftdnn", epochs=30) / "final.pt")["network"]
        factors = [value.flatten(1) for name, value in network.items() if name.endswith("factor1.weight")]
        squares = [torch.linalg.svdvals(M).square() for M in factors]
        return max(float(s.square().mean() / s.mean().square()) for s in squares)

    constrained = spread(tmp_path / "constrained")
    monkeypatch.setattr(FTDNN, "constrain", lambda network: None)
    free = spread(tmp_path / "free")
    assert constrained < 1.01 < 1.05 < free


def kill_9(arguments: list[str], out: Path) -> None:
    """A training by its command, in a process of its own that kills itself after step 5, with a checkpoint at each."""
    code = (
        "import os, signal, sys; from sre.training import trainer; from steps import train_embedding\n"
        "trainer.CHECKPOINT_MINUTES = 0\n"
        "one = trainer.Trainer._one_step\n"
        "def step(self, *batch):\n"
        "    one(self, *batch)\n"
        "    self.step == 5 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "trainer.Trainer._one_step = step\n"
        "train_embedding.main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--device", "cpu", str(out / "final.pt")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert checkpoints(out)[-1] == "step_000000004.pt"


def test_kill_9(data: Path, tmp_path: Path, whole: Path) -> None:
    """Within the second epoch."""
    kill_9([canonical(config()), "--data", str(data)], tmp_path)
    assert result(train(data, tmp_path)) == result(whole)


def test_damaged_newest_checkpoint(data: Path, tmp_path: Path, monkeypatch, whole: Path, capsys) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 5)
        with pytest.raises(Killed):
            train(data, tmp_path)
    newest = max(tmp_path.glob("checkpoints/*/step_*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    assert result(train(data, tmp_path)) == result(whole)
    told = capsys.readouterr().err
    assert "step_000000005.pt: not a readable checkpoint" in told and "(the one before it is used)" in told
    assert "resuming from" in told and "step_000000004.pt" in told


def test_another_learning_rate_starts_afresh(data: Path, tmp_path: Path, capsys) -> None:
    train(data, tmp_path, epochs=1)
    first = (tmp_path / "final.pt").read_bytes()
    kept = set(tmp_path.glob("checkpoints/*/*"))
    capsys.readouterr()
    train(data, tmp_path, epochs=1, lr=0.01)
    assert "resuming" not in capsys.readouterr().err
    assert (tmp_path / "final.pt").read_bytes() != first
    assert kept < set(tmp_path.glob("checkpoints/*/*"))  # the old ones stay
    train(data, tmp_path, epochs=1)
    assert "this training is complete; to train again, delete" in capsys.readouterr().err
    assert (tmp_path / "final.pt").read_bytes() == first


def losses(monkeypatch: pytest.MonkeyPatch, bad: range) -> None:
    """The losses of these steps are NaN."""
    one_step = trainer.Trainer._one_step

    def poisoned(self: trainer.Trainer, indices: torch.Tensor, copies: torch.Tensor, chunks: torch.Tensor) -> None:
        one_step(self, indices, copies, chunks * float("nan") if self.step in bad else chunks)

    monkeypatch.setattr(trainer.Trainer, "_one_step", poisoned)


def test_a_loss_that_is_not_finite_is_skipped_and_counted(data: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    losses(monkeypatch, range(4, 6))
    train(data, tmp_path)
    assert [row["skipped_steps"] for row in result(tmp_path)[1]] == [0, 2, 0]
    assert "step 4: the loss or its gradient is not finite; skipped, utterances" in capsys.readouterr().err
    network = bundles.load(tmp_path / "final.pt")["network"]
    assert all(torch.isfinite(value).all() for value in network.values())


def test_ten_in_a_row_end_the_training(data: Path, tmp_path: Path, monkeypatch) -> None:
    losses(monkeypatch, range(2, 99))
    with pytest.raises(SreError, match="10 steps in a row were not finite at step 11; lower training.lr"):
        train(data, tmp_path, epochs=5)


def test_filters_and_their_counts(data: Path) -> None:
    store, utt2spk = FeatureStore(data / "feats.scp"), read_table(data / "utt2spk")
    utt2spk["s99_00"] = "s99"
    chosen = job.select([store], [utt2spk], Filter(min_frames=64, min_utterances=2))  # 60 and 63 frames are short
    assert len(chosen.utt2spk) == 30
    assert asdict(chosen.counts) == {
        "utterances_found": 51,
        "dropped_without_features": 1,
        "dropped_short": 20,
        "dropped_of_rare_speakers": 0,
        "rare_speakers": 0,
        "dropped_of_other_parts": None,
    }
    with pytest.raises(SreError, match=r"no training utterance is left after .*short 20.*min_utterances \(4\)"):
        job.select([store], [utt2spk], Filter(min_frames=64, min_utterances=4))
    with pytest.raises(SreError, match="utterance 's00_00' is in two of the training data dirs"):
        job.select([store, store], [utt2spk, utt2spk], Filter(min_frames=1, min_utterances=1))


@pytest.mark.parametrize(
    ("cmn", "vad", "asked", "zero"),
    [
        ("utterance", False, True, True),
        ("utterance", True, True, False),
        ("utterance", False, False, False),
        ("none", False, True, False),
    ],
)
def test_chunks_have_zero_mean_where_utterances_have(
    data: Path, tmp_path: Path, cmn: str, vad: bool, asked: bool, zero: bool
) -> None:
    model, store, utt2spk = config(chunk_cmn=asked), FeatureStore(data / "feats.scp"), read_table(data / "utt2spk")
    store.config = {**store.config, "cmn": cmn}
    if vad:  # all frames are voiced
        voiced = [(utt, np.ones(frames)) for utt, frames in store.num_frames.items()]
        write_ark(tmp_path / "vad.ark", tmp_path / "vad.scp", voiced)
        store.vad = read_scp(tmp_path / "vad.scp")
    model["augment"]["time_masks"] = 0
    asked = TrainingConfig.of(model)
    chosen = job.select([store], [utt2spk], asked.filter)
    parts = partition(chosen.utt2spk, 2, 1)
    made = job.make_trainer(asked, [store], chosen, parts, tmp_path, torch.device("cpu"))
    batch = next(iter(made.batches))
    chunks = torch.stack([made.features[item][2] for item in batch])
    for x in (chunks, made.valid[0], made.held_out[0]):
        assert (x.mean(dim=1).abs().max() < 1e-5) == zero


@pytest.mark.parametrize(
    ("changed", "named"), [("chunk_frames", "training.chunk_frames"), ("frames", "validation.frames")]
)
def test_chunks_shorter_than_the_context_are_named(data: Path, tmp_path: Path, changed: str, named: str) -> None:
    model = config("etdnn", chunk_frames=[16 if changed == "chunk_frames" else 30, 40])
    model["validation"]["frames"] = 16 if changed == "frames" else 30
    store = FeatureStore(data / "feats.scp")
    with pytest.raises(SreError, match=rf"etdnn takes no chunks of 16 frames \(.*\); raise {named}"):
        job.train(model, [store], [read_table(data / "utt2spk")], tmp_path / "final.pt", "cpu")
