"""The trainings of test_shards.py, for a process that is a rank: they share what a start of torch takes.

python tests/training/many_parts.py DATA OUT CASE…
"""

import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from test_resume import MODEL, ROOT, Killed, stop_at

from sre.config.schema import Schema
from sre.config.stages import STAGE_VERSIONS
from sre.features.store import FeatureStore
from sre.io.tables import read_table
from sre.training import job, trainer
from sre.training.ranks import joined

NETWORK = {"embedding_dim": 8, "hidden_dim": 12, "layers": 1}  # of ge2e_lstm, which has no batch norm
SUBCENTRE = {"type": "subcentre_aam", "margin_epochs": [1, 2]}
AVERAGE = {"final": "ema", "ema": 0.5, "optimizer": "adam", "lr": 0.01, "clip_norm": 0.1, "no_decay": ["head"]}
BOTH = ({"batch_size": 7, **AVERAGE}, {**SUBCENTRE, "sharded": True, "sampled": 0.9})
CASES = {  # keys of `training`, of `loss`
    "sampled": ({"batch_size": 10, "accumulate": 2}, {**SUBCENTRE, "sampled": 0.9}),
    "sharded": ({"batch_size": 7, "clip_norm": 0.1}, {"type": "softmax", "sharded": True}),
    "both": BOTH,
    "stopped": BOTH,
}


def train(data: Path, out: Path, training: dict, loss: dict) -> None:
    """Train a case on the features of test_resume.py, with its other keys."""
    schema = Schema(ROOT / "recipes/config.schema.yaml")
    given = {**MODEL, "architecture": "ge2e_lstm", "training": {**MODEL["training"], **training}, "loss": loss}
    model = schema.check(given, "m", "$defs", "model")
    options = schema.check(NETWORK, "m", "$defs", "architectures", "ge2e_lstm")
    model |= {"options": options, "feature_config": {"type": "given"}, "seed": 1, "version": STAGE_VERSIONS["train"]}
    store = FeatureStore(data / "feats.scp")
    job.train(model, [store], [read_table(data / "utt2spk")], out / "final.pt", "cpu")


def main(data: Path, out: Path, names: list[str]) -> None:
    trainer.CHECKPOINT_MINUTES = 0
    with joined("cpu") as ranks:
        job.joined = lambda *_: nullcontext(ranks)
        for name in names:
            with pytest.MonkeyPatch.context() as patch:
                if name == "stopped":
                    stop_at(patch, 5)
                with pytest.raises(Killed) if name == "stopped" else nullcontext():
                    train(data, out / name, *CASES[name])
            ranks.told_by_all(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
