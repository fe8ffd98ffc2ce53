"""A training in several processes is that of one: the same batches, the same loss, the same steps."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from many_ranks import CASES, stopped, train
from test_resume import ROOT, checkpoints, result, trainer_of
from test_resume import config as usual
from torch import nn

from sre import SreError
from sre.io.text import canonical
from sre.training import trainer
from sre.training.chunks import OwnRows
from sre.training.ranks import KEYS, Ranks, joined
from sre.training.sync_norm import SyncOnCPU

TOLD = ("loss", "grad_norm", "valid_loss", "chunks", "skipped_steps", "lr")


def start(arguments: list[str], size: int = 2) -> list[subprocess.Popen]:
    """Start a command as ranks of one training, as torchrun would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    own = [{"RANK": rank, "LOCAL_RANK": rank, "PYTHONPATH": ROOT} for rank in range(size)]
    of_rank = [{key: str(value) for key, value in {**place, **one}.items()} for one in own]
    how = {"cwd": ROOT, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen([sys.executable, *arguments], env={**os.environ, **one}, **how) for one in of_rank]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, feature_dir: Callable[..., Path]) -> Path:
    return feature_dir(tmp_path_factory.mktemp("data") / "d", speakers=10, utterances=5)


@pytest.fixture(scope="module")
def two(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, trained by two ranks; `begun` goes on from a checkpoint of one."""
    out = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_MINUTES", 0)
        stopped(data, out / "begun", CASES["begun"])
    ranks = start([str(ROOT / "tests/training/many_ranks.py"), str(data), str(out)])
    said = [rank.communicate()[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    assert "epoch 1 of 3" in said[0] and "epoch" not in said[1]
    return out


@pytest.fixture(scope="module")
def one(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A case, trained by one process."""
    out = tmp_path_factory.mktemp("one")

    def trained(name: str) -> Path:
        if not (out / name).exists():
            train(data, out / name, CASES[name])
        return out / name

    return trained


def distance(first: Path, second: Path) -> tuple[float, float]:
    """Return the largest difference of what two trainings tell, and of their networks, in proportion."""
    rows = [[json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()] for out in (first, second)]
    told = [[[row[key] or 0.0 for key in TOLD] for row in history] for history in rows]
    networks = [torch.load(out / "final.pt", weights_only=True)["network"].values() for out in (first, second)]
    pairs = [[np.asarray(one, float) for one in pair] for pair in (told, *zip(*networks, strict=True))]
    apart = [float((np.abs(first - second) / (1 + np.abs(second))).max()) for first, second in pairs]
    return apart[0], max(apart[1:])


@pytest.mark.parametrize("name", ["lstm", "ema", "ge2e", "both", "sync", "parts"])
def test_two_ranks_learn_as_one(two: Path, one: Callable[[str], Path], name: str) -> None:
    """Also where slices are of 4 and 3 chunks, where the loss compares chunks, and with batch norms over all ranks."""
    told, apart = distance(two / name, one(name))
    assert max(told, apart) < (1e-5 if name not in ("sync", "parts") else 5e-3)


def test_batch_norms_of_a_rank_alone_make_a_difference(two: Path, one: Callable[[str], Path]) -> None:
    assert distance(two / "norms", one("norms"))[0] > 0.1


def test_the_same_bytes_for_as_many_ranks(two: Path) -> None:
    """Dropout is drawn by (seed, step, rank), so that a training that was stopped draws as one that was not."""
    assert result(two / "dropout") == result(two / "dropout_killed")


def test_it_goes_on_with_another_number_of_ranks(two: Path, one: Callable[[str], Path], data: Path, capsys) -> None:
    assert max(distance(two / "begun", one("lstm"))) < 1e-4  # 1 -> 2
    train(data, two / "killed", CASES["killed"])  # 2 -> 1
    assert "resuming from" in capsys.readouterr().err
    assert max(distance(two / "killed", one("lstm"))) < 1e-4


def test_a_step_is_skipped_by_all_where_the_chunks_of_one_are_not_finite(two: Path) -> None:
    assert [row["skipped_steps"] for row in result(two / "nan")[1]] == [0, 1, 0]


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 7), (5, 3, 4, 7)])
def test_a_synchronised_batch_norm_alone_is_torchs(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    ours, theirs = SyncOnCPU(3), {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)](3)
    x, weights = 5 + torch.randn(shape), torch.randn(shape)
    found = []
    for norm in (ours, theirs):
        given = x.clone().requires_grad_()
        y = norm(given)
        (y * weights).sum().backward()
        found.append([y, given.grad, norm.weight.grad, norm.bias.grad, *norm.state_dict().values()])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@given(n=st.integers(0, 50), size=st.integers(1, 9))
def test_slices_of_ranks_are_those_of_array_split(n: int, size: int) -> None:
    slices = [np.arange(n)[Ranks(rank, size).slice_of(n)].tolist() for rank in range(size)]
    assert slices == [part.tolist() for part in np.array_split(np.arange(n), size)]


def test_the_parts_of_a_batch_are_those_of_one_process(data: Path, tmp_path: Path) -> None:
    """With accumulate, the k-th parts of the ranks are together the k-th part of the batch."""
    batches = trainer_of(data, tmp_path, usual(batch_size=14, accumulate=2)).batches
    rows = [OwnRows(batches, Ranks(rank, 3), parts=2) for rank in range(3)]
    own = [[index for index, _, _ in next(iter(one))] for one in rows]
    whole = rows[0].next_whole(lambda draws: 0)[0].tolist()
    assert [*own[0][:3], *own[1][:2], *own[2][:2]] == whole[:7]
    assert [*own[0][3:], *own[1][2:], *own[2][2:]] == whole[7:]


def test_a_batch_that_is_too_small_is_refused(data: Path, tmp_path: Path) -> None:
    made = trainer_of(data, tmp_path, usual())
    made.ranks = Ranks(0, 6)
    with pytest.raises(SreError, match="a batch of 10 chunks.* fewer than 2 chunks of a part for some of 6 processes"):
        made._check()


def test_without_torchruns_environment_a_rank_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    with joined("cpu") as ranks:
        assert (ranks.size, ranks.is_first, str(ranks.device)) == (1, True, "cpu")


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SreError, match="start the training by torchrun, or unset both"), joined("cpu"):
        pass


@pytest.mark.slow
def test_kill_9_of_all_ranks(data: Path, tmp_path: Path) -> None:
    """The command ends in the bytes of a training that was not killed; a rank whose peer has gone says one line."""
    training = ["-m", "steps.train_embedding", canonical(usual(epochs=40)), "--data", str(data), "--device", "cpu"]

    def run(out: Path) -> list[subprocess.Popen]:
        return start([*training, str(out / "final.pt")])

    assert [rank.wait() for rank in run(tmp_path / "whole")] == [0, 0]
    for killed in ([0, 1], [1]):
        ranks, before = run(tmp_path / "killed"), checkpoints(tmp_path / "killed")
        while len({*checkpoints(tmp_path / "killed")} - {*before}) < 2:
            time.sleep(0.05)
        for rank in killed:
            os.kill(ranks[rank].pid, signal.SIGKILL)
        said = [rank.communicate(timeout=60)[1] for rank in ranks]
    assert "process 0 of 2 lost another one of this training" in said[0].splitlines()[-1]
    assert [rank.wait() for rank in run(tmp_path / "killed")] == [0, 0]
    assert result(tmp_path / "killed") == result(tmp_path / "whole")
