"""Cards: no two jobs share one, a job waits for one that is free, and only those that are given to it are taken."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sre import SreError
from sre.machine import cards

ROOT = Path(__file__).resolve().parents[2]
JOB = """
import os, sys, time
from sre.machine import cards
cards.PAUSE_S = 0.05
cards.take(int(sys.argv[1]))
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""
A100 = "GPU {}: NVIDIA A100 (UUID: {})"
LISTED = "\n".join(
    [
        A100.format(0, "GPU-aaaa"),
        A100.format(1, "GPU-bbbb"),
        A100.format(2, "GPU-cccc"),
        "  MIG 3g.20gb     Device  0: (UUID: MIG-1111)",
        "  MIG 3g.20gb     Device  1: (UUID: MIG-2222)",
    ]
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine whose nvidia-smi prints these lines of cards and of free MiB; its locks are of this test."""
    monkeypatch.setenv("SRE_CARD_LOCKS", str(tmp_path))
    monkeypatch.setattr(cards, "LOCKS", tmp_path / "sre-cards")
    monkeypatch.setattr(cards, "_held", [])
    for name in (cards.VISIBLE, cards.TAKEN, "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "")  # so that it is as before when the test has ended
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def made(listed: str, free: dict[str, str]) -> None:
        told = "\n".join(f"{uuid}, {mib}" for uuid, mib in free.items())
        smi = tmp_path / "nvidia-smi"
        smi.write_text(f"#!/bin/sh\nif [ $1 = -L ]; then echo '{listed}'; else echo '{told}'; fi\n")
        smi.chmod(0o755)

    return made


TWO = (A100.format(0, "GPU-aaaa") + "\n" + A100.format(1, "GPU-bbbb"), {"GPU-aaaa": "9000", "GPU-bbbb": "9000"})


def job(count: int = 1) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", JOB, str(count)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_jobs_never_share_a_card_and_a_third_waits_until_one_is_killed(machine) -> None:
    machine(*TWO)
    with job() as first, job() as second:
        taken = first.stdout.readline().strip(), second.stdout.readline().strip()
        assert set(taken) == {"GPU-aaaa", "GPU-bbbb"}
        with job() as third:
            told = third.stderr.readline()
            assert "waits for a card: " in told
            for one, card in zip((first, second), taken, strict=True):
                assert f"{card} is that of job {one.pid}" in told
            second.send_signal(signal.SIGKILL)
            assert third.stdout.readline().strip() == taken[1]
            third.stdin.close()
        first.stdin.close()


def test_jobs_of_two_cards_take_turns(machine) -> None:
    machine(*TWO)
    with job(2) as first:
        assert first.stdout.readline().strip() == "GPU-aaaa,GPU-bbbb"
        with job(2) as second:
            assert "waits for 2 cards: GPU-aaaa is that of job" in second.stderr.readline()
            first.stdin.close()
            assert second.stdout.readline().strip() == "GPU-aaaa,GPU-bbbb"
            second.stdin.close()


@pytest.mark.parametrize(
    ("visible", "names", "locks"),
    [
        (None, ["GPU-aaaa", "GPU-bbbb", "MIG-1111", "MIG-2222"], None),
        ("1", ["1"], ["GPU-bbbb"]),
        ("2,0", ["2", "0"], ["MIG-1111", "GPU-aaaa"]),  # of a card in parts CUDA sees the first
        ("GPU-bb", ["GPU-bb"], ["GPU-bbbb"]),  # the begin of a UUID will do for CUDA
        ("MIG-2222,1", ["MIG-2222", "1"], ["MIG-2222", "GPU-bbbb"]),
        ("0,-1,1", ["0"], ["GPU-aaaa"]),
        ("1,9", ["1"], ["GPU-bbbb"]),
        ("", [], []),
    ],
)
def test_the_cards_that_a_job_is_given(machine, monkeypatch, visible, names, locks) -> None:
    machine(LISTED, {"GPU-aaaa": "9000", "GPU-bbbb": "8000", "GPU-cccc": "[N/A]"})
    if visible is not None:
        monkeypatch.setenv(cards.VISIBLE, visible)
    found = cards.given()
    assert [card.name for card in found] == names
    assert [card.uuid for card in found] == (locks or names)


def test_a_card_with_enough_memory_is_taken_and_processes_of_the_job_take_no_other(machine) -> None:
    machine(TWO[0], {"GPU-aaaa": "500", "GPU-bbbb": "5000"})
    cards.take(1, least_mib=1000)
    assert os.environ[cards.VISIBLE] == "GPU-bbbb"
    cards.take(1)
    assert os.environ[cards.VISIBLE] == "GPU-bbbb" and len(cards._held) == 1
    cards._held.pop().close()


def test_a_rank_of_torchrun_takes_its_own_card_and_sees_all(machine, monkeypatch) -> None:
    machine(*TWO)
    cards.take(1, own=1)
    monkeypatch.delenv(cards.TAKEN)  # for another job
    assert cards.VISIBLE not in os.environ
    with job() as other:
        assert other.stdout.readline().strip() == "GPU-aaaa"
        other.stdin.close()
    cards._held.pop().close()
    monkeypatch.setenv(cards.VISIBLE, "0")  # as of srun --gpus-per-task 1
    with pytest.raises(SreError, match=r"process 1 of this machine \(LOCAL_RANK\) finds 1 cards .*=0\); .* see all of"):
        cards.take(1, own=1)


def test_more_cards_than_are_given(machine, monkeypatch) -> None:
    machine(*TWO)
    monkeypatch.setenv(cards.VISIBLE, "1")
    with pytest.raises(SreError, match=r"2 cards are asked for and this job is given 1 \(CUDA_VISIBLE_DEVICES=1\)"):
        cards.take(2)


def test_a_machine_without_cards(machine) -> None:
    machine("", {})
    cards.take(None)
    assert cards.VISIBLE not in os.environ
