"""One update: in parts, in fp16, compiled, and without a wait for the device."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import torch
from test_resume import Killed, config, result, stop_at, train, trainer_of
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from sre import SreError
from sre.config.resolve import resolve_model_config
from sre.config.schema import Schema
from sre.losses import HEADS, build_head
from sre.losses.partial import Part
from sre.models import build
from sre.models.base import Network
from sre.training import checkpoint, trainer, update
from sre.training.kept import MovingAverage
from sre.training.optimizers import build_optimizer
from sre.training.options import TrainingConfig
from sre.training.ranks import Ranks
from sre.training.update import Outcome, Update, WithLoss

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
OPTIMIZERS = {
    "adam": partial(torch.optim.Adam, weight_decay=1e-4, fused=True),
    "rprop": torch.optim.Rprop,  # cannot skip by itself
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, feature_dir: Callable[..., Path]) -> Path:
    return feature_dir(tmp_path_factory.mktemp("data") / "d", speakers=10, utterances=5)


class Mean(Network):
    """A network without batch norm: an affine layer on the mean over time."""

    def __init__(self) -> None:
        super().__init__(6)
        self.layer = nn.Linear(20, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.mean(dim=1)).tanh()


def update_of(
    kind: tuple[str, dict] | None = None, loss: str = "aam", optimizer: str = "sgd", **keys: object
) -> Update:
    torch.manual_seed(0)
    network = build(kind[0], 20, kind[1]) if kind else Mean()
    of_loss = {"options": {"mining": "given"}} if loss == "triplet" else {}
    head = build_head(network.embedding_dim, 5, loss, 16.0, **of_loss.get("options", {}))
    own = {} if optimizer in OPTIMIZERS else {"optimizer": optimizer}
    options = TrainingConfig.of(config(**own, **keys)).training
    parameters = [*network.parameters(), *head.parameters()]
    made = OPTIMIZERS[optimizer](parameters) if optimizer in OPTIMIZERS else build_optimizer(options, network, head)
    return Update(network, head, made, parameters, options, CPU)


def run(one: Update, steps: int = 3, bad: int = -1, waits: bool = True) -> list[Outcome]:
    one.waits = waits
    draw = torch.Generator().manual_seed(1)
    for step in range(steps):
        chunks = torch.randn(12, 20, 20, generator=draw) * (math.nan if step == bad else 1)
        labels = torch.arange(12) % 5
        one(chunks, labels, 0.05, 0.1, step % 4 == 0, step, torch.arange(12))
    return one.outcomes()


def state(one: Update) -> list[Tensor]:
    return [*one.network.state_dict().values(), *one.head.state_dict().values()]


@pytest.mark.parametrize("clip", [0, 0.1])
def test_a_batch_in_parts_is_the_batch(clip: float) -> None:
    whole, parts = update_of(clip_norm=clip), update_of(clip_norm=clip, accumulate=4)
    for a, b in zip(run(whole), run(parts), strict=True):
        assert (a.loss, a.right, a.norm) == pytest.approx((b.loss, b.right, b.norm), rel=1e-5)
    for a, b in zip(state(whole), state(parts), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bad", [0, 1])
@pytest.mark.parametrize("optimizer", ["sgd", "rprop", "adam", "novograd"])
def test_a_bad_update_is_skipped_on_the_device_as_on_the_host(optimizer: str, bad: int) -> None:
    network = {"channels": 16, "embedding_dim": 8, "pooled_channels": 24}
    known, unknown = (update_of(("xvector", network), optimizer=optimizer) for _ in range(2))
    first, second = run(known, 4, bad), run(unknown, 4, bad, waits=False)
    assert [one.finite for one in first] == [step != bad for step in range(4)]
    for a, b in zip(first, second, strict=True):
        assert a._replace(utts=None) == b._replace(utts=None)
    assert all(torch.equal(a, b) for a, b in zip(state(known), state(unknown), strict=True))
    assert all(torch.isfinite(value).all() for value in state(known))


NETWORK = ("ecapa", {"channels": 16})
OF_BATCHES = [name for name, head in HEADS.items() if head.needs_batches]


@pytest.mark.parametrize(
    "kind, loss, optimizer, precision",
    [
        *((None, loss, "sgd", "fp32") for loss, head in HEADS.items() if not head.needs_inputs),
        (NETWORK, "aam", "sgd", "bf16"),
        (NETWORK, "aam", "adam", "fp32"),
        (NETWORK, "aam", "novograd", "fp32"),
    ],
)
def test_an_update_does_not_ask_the_device(kind: tuple | None, loss: str, optimizer: str, precision: str) -> None:
    """A tensor without numbers refuses to tell one, where a GPU's would make the host wait."""
    with FakeTensorMode():
        keys = {"chunks_per_speaker": 3} if loss in OF_BATCHES else {}
        one = update_of(kind, loss, optimizer, precision=precision, clip_norm=1.0, **keys)
        one.waits = False
        average = MovingAverage([one.network, one.head], 0.9)
        for step in range(2):
            one(torch.randn(12, 20, 20), torch.arange(12) // 3, 0.05, 0.1, True, step, torch.arange(12))
            average.add()
    assert len(one.told) == 2 and one.told[0].numbers.shape == (4,)


def test_so_many_updates_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "LOOK_EVERY", 3)
    one = update_of()
    run(one, 2, waits=False)
    assert not one.is_due
    one.told = one.told * 3 or [update._Told(torch.ones(4), 0, torch.arange(2))] * 3
    assert one.is_due and [done.loss for done in one.outcomes()] == [2.0] * 3 and not one.outcomes()


@pytest.mark.parametrize(
    "how",
    [
        {"batch_size": 8, "accumulate": 2},
        {"precision": "fp16", "batch_size": 8, "lr": 0.01},
        {"precision": "fp16", "optimizer": "adam", "lr": 0.001, "accumulate": 2, "batch_size": 8},
    ],
)
@pytest.mark.parametrize("step", [2, 7])
def test_resumed_as_uninterrupted(data: Path, tmp_path: Path, monkeypatch, how: dict, step: int) -> None:
    monkeypatch.setattr(trainer, "CHECKPOINT_MINUTES", 0)
    whole = train(data, tmp_path / "whole", **how)
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(Killed):
            train(data, tmp_path / "killed", **how)
    assert result(train(data, tmp_path / "killed", **how)) == result(whole)


def test_an_overflow_in_fp16_is_no_bad_step(data: Path, tmp_path: Path, capsys) -> None:
    """The scale begins at 2^16, where this network's gradient overflows."""
    train(data, tmp_path, precision="fp16", lr=0.01)
    rows = result(tmp_path)[1]
    assert sum(row["overflowed_steps"] for row in rows) > 0 and all(row["skipped_steps"] == 0 for row in rows)
    assert "not finite" not in capsys.readouterr().err
    newest = torch.load(max(tmp_path.glob("checkpoints/*/step_*.pt")), weights_only=True)
    assert newest["scaler"]["scale"] == 2.0 ** (16 - sum(row["overflowed_steps"] for row in rows))


def test_endless_overflows_end_the_training() -> None:
    one = update_of(precision="fp16")
    one.overflows_in_a_row = update.OVERFLOWS - 1
    with pytest.raises(SreError, match="the gradient overflowed in fp16 40 steps in a row at step 7, .*; set training"):
        one.count_bad(Outcome(0.0, 0.0, 0.0, 0, False, 7, torch.arange(2), overflowed=True), [])


def test_few_utterances_and_parts_that_do_not_divide_them(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SreError, match="accumulate 32 does not divide the .* chunks of a batch, which are all"):
        train(data, tmp_path, batch_size=64, accumulate=32)


@pytest.mark.parametrize(
    "keys, loss, message",
    [
        ({"accumulate": 3}, "aam", "3 does not divide training.batch_size 8 into equal parts of 2 or more"),
        ({"accumulate": 8}, "aam", "8 does not divide training.batch_size 8 into equal parts of 2 or more"),
        (
            {"accumulate": 2, "chunks_per_speaker": 2},
            "ge2e",
            ".* loss ge2e compares chunks of a whole one; take accumulate",
        ),
    ],
)
def test_parts_that_are_refused(keys: dict, loss: str, message: str) -> None:
    schema = Schema(ROOT / "recipes/config.schema.yaml")
    given = {"features": "f", "architecture": "xvector", "loss": {"type": loss}, "training": {"batch_size": 8, **keys}}
    with pytest.raises(SreError, match=f"^m.yaml: training.accumulate {message}"):
        resolve_model_config(schema, given, "m.yaml", {"f": {"type": "given", "cmn": "none"}}, 1)


def test_a_checkpoint_of_before_goes_on_fused(data: Path, tmp_path: Path) -> None:
    """Else SGD could not skip an update on a GPU."""
    folder = tmp_path / "checkpoints/one"
    folder.mkdir(parents=True)
    before, after = (trainer_of(data, folder, config()) for _ in range(2))
    before.optimizer.param_groups[0]["fused"] = None
    before._save()
    after._restore(checkpoint.newest(folder))
    assert after.optimizer.param_groups[0]["fused"] is True


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled here is found by no other test, nor by another run."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    torch._dynamo.reset()


@pytest.mark.slow
def test_compiled_and_resumed(data: Path, tmp_path: Path, monkeypatch, own_cache: None) -> None:
    """With dropout, and in one compilation."""
    if not shutil.which("g++"):
        pytest.skip("no g++ here, which torch.compile needs")
    monkeypatch.setattr(trainer, "CHECKPOINT_MINUTES", 0)
    how = {"architecture": "speakernet", "compile": True, "chunk_frames": [24, 24], "epochs": 1}
    whole = train(data, tmp_path / "whole", **how)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    torch._dynamo.reset()  # as a process that goes on begins with nothing
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(Killed):
            train(data, tmp_path / "killed", **how)
    torch._dynamo.reset()
    assert result(train(data, tmp_path / "killed", **how)) == result(whole)
    state = torch.load(whole / "final.pt", weights_only=True)["network"]
    assert not any(name.startswith("_orig_mod") for name in state)


def test_no_compiler_is_one_sentence(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-c++")
    message = r"^training.compile needs a C\+\+ compiler on a CPU, and there is no no-such-c\+\+; install one, or set"
    with pytest.raises(SreError, match=message):
        train(data, tmp_path, compile=True)


def test_lengths_that_vary_are_not_compiled_on_a_cpu(data: Path, tmp_path: Path) -> None:
    if not shutil.which("g++"):
        pytest.skip("no g++ here, which torch.compile needs")
    with pytest.raises(SreError, match=r"for one length of chunks on a CPU, and .*chunk_frames is \[16, 24\]; give"):
        train(data, tmp_path, compile=True)


@dataclass(frozen=True)
class First(Ranks):
    """The first of two ranks, whose peer has zeros: the types that it exchanges, and whether it seeds as the other."""

    exchanged: list[torch.dtype] = field(default_factory=list)
    seeded: list[bool] = field(default_factory=list)

    def summed(self, tensor: Tensor) -> Tensor:
        return tensor

    def gathered(self, rows: Tensor, n: int) -> Tensor:
        self.exchanged.append(rows.dtype)
        return torch.cat([rows, rows.new_zeros(n - len(rows), *rows.shape[1:])])

    def seed(self, seed: int, step: int, alike: bool = False) -> None:
        self.seeded.append(alike)


@pytest.mark.parametrize("loss, seeded", [("ge2e", [True]), ("aam", [])])
def test_what_ranks_exchange(loss: str, seeded: list[bool]) -> None:
    """Gradients in bf16 would be rounded before their sum; draws of a network's further parts are not seeded alike."""
    keys = {"chunks_per_speaker": 2} if loss == "ge2e" else {}
    one, ranks = update_of(loss=loss, precision="bf16", **keys), First(size=2)
    if loss == "aam":
        one.head.part = Part(one.head.rows(), 5, ranks, 1.0, True, 1)
        one.head.begin(torch.arange(4), 0)
    WithLoss(one.network, one.head, one.options, ranks)(torch.randn(2, 9, 20), torch.tensor([0, 0, 1, 1]), 0)
    assert {*ranks.exchanged} == {torch.float32} and ranks.seeded == seeded
