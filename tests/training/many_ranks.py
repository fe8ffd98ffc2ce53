"""The trainings of test_ranks.py, for a process that is a rank: they share what a start of torch takes.

python tests/training/many_ranks.py DATA OUT
"""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from test_resume import MODEL, ROOT, Killed, stop_at

from sre.config.schema import Schema
from sre.config.stages import STAGE_VERSIONS
from sre.features.store import FeatureStore
from sre.io.tables import read_table
from sre.training import job, trainer
from sre.training.ranks import Ranks, joined

LSTM = {"architecture": "ge2e_lstm", "options": {"embedding_dim": 8, "hidden_dim": 12, "layers": 1}}
XVECTOR = {"architecture": "xvector", "options": {"embedding_dim": 8, "channels": 16, "pooled_channels": 24}}
SPEAKERNET = {"architecture": "speakernet", "options": {"embedding_dim": 8, "channels": 16, "dropout": 0.5}}
NORMS = {"batch_size": 15, "lr": 0.001, "final_lr": 0.001}  # more would make much of the last digits
PAIRS = {"batch_size": 8, "chunks_per_speaker": 2}
AVERAGE = {"final": "ema", "ema": 0.5, "optimizer": "novograd", "clip_norm": 0.1, "no_decay": ["biases"]}
Case = tuple[dict, dict, str]  # network, keys of `training`, loss
CASES: dict[str, Case] = {
    "lstm": (LSTM, {"batch_size": 7}, "aam"),
    "ema": (LSTM, {"batch_size": 7, **AVERAGE}, "aam"),
    "ge2e": (LSTM, PAIRS, "ge2e"),
    "both": (LSTM, PAIRS, "softmax_angular_prototypical"),
    "norms": (XVECTOR, NORMS, "aam"),
    "sync": (XVECTOR, {**NORMS, "sync_batch_norm": True}, "aam"),
    "parts": (XVECTOR, {**NORMS, "batch_size": 30, "sync_batch_norm": True, "accumulate": 2}, "aam"),
    "dropout": (SPEAKERNET, {}, "aam"),
    "dropout_killed": (SPEAKERNET, {}, "aam"),
    "killed": (LSTM, {"batch_size": 7}, "aam"),
    "begun": (LSTM, {"batch_size": 7}, "aam"),
    "nan": (LSTM, {"batch_size": 7}, "aam"),
}


def train(data: Path, out: Path, case: Case) -> None:
    """Train a case on the features of test_resume.py, with its other keys."""
    (network, training, loss), schema = case, Schema(ROOT / "recipes/config.schema.yaml")
    given = {**MODEL, "architecture": network["architecture"], "training": {**MODEL["training"], **training}}
    given["loss"] = {"type": loss} | (MODEL["loss"] if loss == "aam" else {})
    model = schema.check(given, "m", "$defs", "model")
    options = schema.check(network["options"], "m", "$defs", "architectures", network["architecture"])
    model |= {"options": options, "feature_config": {"type": "given"}, "seed": 1, "version": STAGE_VERSIONS["train"]}
    store = FeatureStore(data / "feats.scp")
    job.train(model, [store], [read_table(data / "utt2spk")], out / "final.pt", "cpu")


def stopped(data: Path, out: Path, case: Case) -> None:
    """A training that is ended after step 5, with a checkpoint of it."""
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 5)
        with pytest.raises(Killed):
            train(data, out, case)


def with_nan(data: Path, out: Path, case: Case, ranks: Ranks) -> None:
    """A training in which the chunks of the last rank are not finite at step 4."""
    one_step = trainer.Trainer._one_step

    def poisoned(self: trainer.Trainer, indices: torch.Tensor, copies: torch.Tensor, chunks: torch.Tensor) -> None:
        bad = self.step == 4 and ranks.rank == ranks.size - 1
        one_step(self, indices, copies, chunks * float("nan") if bad else chunks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "_one_step", poisoned)
        train(data, out, case)


def main(data: Path, out: Path, names: Sequence[str] = tuple(CASES)) -> None:
    trainer.CHECKPOINT_MINUTES = 0
    with joined("cpu") as ranks:
        job.joined = lambda *given: nullcontext(ranks)
        for name in names:
            if name.endswith("killed"):
                stopped(data, out / name, CASES[name])
            if name == "nan":
                with_nan(data, out / name, CASES[name], ranks)
            elif name != "killed":
                train(data, out / name, CASES[name])
            ranks.told_by_all(name)  # the first one writes, after the others have done


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
