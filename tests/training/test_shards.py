"""A training on two ranks that have a part of the classes each, or a sample of them, is that of one process."""

# ruff: noqa: F811 (fixtures of test_resume)

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from many_parts import CASES, ROOT, train
from test_resume import (
    a_checkpoint_after_each_step,  # noqa: F401  (a fixture)
    data,  # noqa: F401
)

from sre.models.bundle import load_bundle
from sre.training.summary import read_history

TOLD = ("loss", "accuracy", "grad_norm", "valid_loss", "valid_accuracy", "valid_eer")


@pytest.fixture(scope="module")
def two(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks leave of each case."""
    out = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, ROOT / "tests/training/many_parts.py", data, out, *CASES]
    ranks = [
        subprocess.Popen(
            command,
            env={
                **os.environ,
                **place,
                "RANK": rank,
                "LOCAL_RANK": rank,
                "PYTHONPATH": str(ROOT),
                "OMP_NUM_THREADS": "1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    said = [rank.communicate(timeout=400)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    return out


@pytest.fixture(scope="module")
def one(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one")
    for name, case in CASES.items():
        if name != "stopped":
            train(data, out / name, *case)
    return out


def assert_alike(first: Path, second: Path) -> None:
    for a, b in zip(*(read_history(out / "history.jsonl") for out in (first, second)), strict=True):
        assert [a[name] for name in TOLD] == pytest.approx([b[name] for name in TOLD], rel=1e-4)
    a, b = (load_bundle(out / "final.pt", with_head=True) for out in (first, second))
    torch.testing.assert_close(a.head, b.head, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(a.network, b.network, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in CASES if name != "stopped"])
def test_two_ranks_are_one_process(one: Path, two: Path, name: str) -> None:
    assert_alike(one / name, two / name)


def test_one_process_goes_on_where_two_ranks_stopped(data: Path, one: Path, two: Path) -> None:
    """Its checkpoint has all classes, their moments and their averages."""
    assert not (two / "stopped/final.pt").exists()
    train(data, two / "stopped", *CASES["stopped"])
    assert_alike(one / "both", two / "stopped")
