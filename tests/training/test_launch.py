"""Several ranks from one command: one that dies or hangs ends all of them with a sentence, and the training goes on."""

# ruff: noqa: F811 (fixtures of test_resume)

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_resume import config, data, result, train  # noqa: F401  (data: a fixture)

from sre import BrokenOff, SreError
from sre.io.text import canonical
from sre.training import launch, watch
from sre.training.watch import Doing, State

ROOT = Path(__file__).resolve().parents[2]
ACTING = """
import os, signal, time
from sre.machine.log import run
from sre.training import trainer
from steps import train_embedding

one_step = trainer.Trainer._one_step

def acting(self, *batch):
    if os.environ["RANK"] == "1" and self.step == 5:
        {act}
    one_step(self, *batch)

trainer.Trainer._one_step = acting
trainer.CHECKPOINT_MINUTES = 0
run(train_embedding.main)
"""

LIGHT = """
import os, signal, time
from sre import SreError
from sre.training.reporting import as_rank
from sre.training.watch import OWN, Doing, watched

with as_rank(), watched(0, 4, 9):
    OWN.ended(5)
    if os.environ["RANK"] == "1":
        {act}
    OWN.note(Doing.EXCHANGES)
    time.sleep(1000)
"""
PARENT = """
from sre.machine.log import run
from sre.training.launch import launch
run(lambda: launch({command}, 2, "cpu", 0, 0))
"""


class Ended:
    """Ranks that have ended, as torch tells of them."""

    def pids(self) -> dict[int, int]:
        return {0: 100, 1: 101}


@pytest.mark.parametrize(
    ("codes", "told", "kind", "sentence"),
    [
        ({0: -15, 1: -9}, {}, BrokenOff, r"rank 1 of 2 \(process 101\) was ended by SIGKILL; .* goes on at step 4"),
        ({0: 1, 1: -9}, {"lost.0": "lost it"}, BrokenOff, "rank 1 .* was ended by SIGKILL"),
        ({0: 1, 1: 3}, {"lost.0": "lost it"}, BrokenOff, "rank 1 .* ended with status 3"),
        (
            {0: -15, 1: 1},
            {"told.1": "sentence\nf.ark: damaged; make it again"},
            SreError,
            "^f.ark: damaged; make it again$",
        ),
        ({0: 1, 1: 1}, {"lost.0": "lost it", "told.1": "sentence\nno room"}, SreError, "^no room$"),
        ({0: 1, 1: 1}, {"told.1": "sentence\nfirst", "told.0": "sentence\nsecond"}, SreError, "^first$"),
        ({1: -15, 0: -15}, {}, BrokenOff, "rank 1 .* was ended by SIGTERM"),
        ({1: 1, 0: 1}, {"lost.0": "lost it", "lost.1": "lost it"}, BrokenOff, "rank 1 .* lost it"),
    ],
)
def test_the_rank_that_is_the_cause_is_told(tmp_path: Path, codes, told, kind, sentence) -> None:
    for age, (name, text) in enumerate(told.items()):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (age, age))
    notes = watch.Notes()
    notes.begin(4, 9)
    notes.lie_in(tmp_path / "state.0")
    with pytest.raises(kind, match=sentence) as caught:
        launch._Launched(Ended(), tmp_path)._raise(codes)
    assert isinstance(caught.value, BrokenOff) == (kind is BrokenOff)


def test_a_fault_of_the_program_is_told_once_with_its_traceback(tmp_path: Path, capsys) -> None:
    (tmp_path / "told.1").write_text("traceback\nTraceback (most recent call last):\n  …\nKeyError: 'x'\n")
    with pytest.raises(SystemExit):
        launch._Launched(Ended(), tmp_path)._raise({0: -15, 1: 1})
    assert capsys.readouterr().err.startswith("rank 1 of 2 (process 101) ended by a fault of the program:\nTraceback")


def state(step: int, doing: Doing, ago: float = 100, begun: int = 1) -> State:
    return State(-ago, step, 9, 0, begun, doing)  # its time is from now on, whenever now is


@pytest.mark.parametrize(
    ("states", "stalled", "behind"),
    [
        ([state(5, Doing.EXCHANGES), state(5, Doing.READS)], True, [1]),
        ([state(5, Doing.COMPUTES), state(5, Doing.WAITS)], True, [0]),
        ([state(6, Doing.WAITS), state(6, Doing.JUDGES)], False, [1]),  # a validation may take longer
        ([state(6, Doing.WAITS), state(6, Doing.JUDGES, ago=400)], False, [1]),
        ([state(6, Doing.WAITS, ago=400), state(6, Doing.JUDGES, ago=400)], True, [1]),
        ([state(0, Doing.COMPUTES, begun=0), state(0, Doing.WAITS, begun=0)], False, [0]),  # so may the first step
        ([state(5, Doing.READS, ago=1), state(4, Doing.COMPUTES)], False, [1]),  # a GPU lags some steps behind
        ([state(0, Doing.OUTSIDE, begun=0), state(0, Doing.WAITS, ago=1e5, begun=0)], False, [0]),  # reads its data
        ([state(5, Doing.WAITS), state(5, Doing.WAITS)], True, [0, 1]),
    ],
)
def test_who_is_behind(states: list[State], stalled: bool, behind: list[int]) -> None:
    ranks = {rank: state._replace(at=time.monotonic() + state.at) for rank, state in enumerate(states)}
    assert watch.is_stalled(ranks, 60) == stalled and not watch.is_stalled(ranks, 0)
    assert watch.behind(ranks, {0: os.getpid(), 1: os.getpid()}) == behind


def test_a_process_alone_prints_its_stack_and_ends() -> None:
    code = (
        "import time; from sre.training.watch import OWN, watched\n"
        "def hangs(): time.sleep(60)\n"
        "with watched(0.5, 3, 9):\n"
        "    OWN.ended(4)\n"
        "    hangs()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 1 and "line 2 in hangs" in done.stderr
    sentence = "nothing was done for 0.5 s (training.watchdog_s): the training is at step 4, reading a batch"
    assert done.stderr.splitlines()[-1] == f"broken off: {sentence}; the same command goes on at step 3"


def test_how_many_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.cards, "given", lambda: ["0", "1", "2"])
    monkeypatch.setattr(launch.torch.backends.cuda, "is_built", lambda: True)
    asked = [("all", "auto"), ("all", "cpu"), (2, "auto"), (2, "cpu")]
    assert [launch.number_of(*one) for one in asked] == [3, 1, 2, 2]
    monkeypatch.setattr(launch.cards, "given", list)
    assert launch.number_of("all", "auto") == 1
    monkeypatch.setenv("RANK", "0")  # torchrun has started this process
    assert [launch.number_of(*one) for one in asked] == [1, 1, 1, 1]


def arguments(data: Path, out: Path, **training: object) -> list[str]:
    return [canonical(config(**training)), "--data", str(data), "--device", "cpu", str(out / "final.pt")]


@pytest.fixture
def acting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path) -> Callable[[str], Path]:
    """Trainings of two ranks, the second of which does something in place of its sixth step; returns where."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")

    def launched(act: str, hang_s: float = 0) -> Path:
        (tmp_path / "acting.py").write_text(ACTING.format(act=act))
        command = [sys.executable, "-m", "acting", *arguments(data, tmp_path)]
        launch.launch(command, 2, "cpu", hang_s, 0)
        return tmp_path

    return launched


def step(command: list[str], *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "steps.train_embedding", *command[:-1], *more, command[-1]],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_rank_ends_all_and_the_training_goes_on_with_two_and_with_one(
    acting, data: Path, tmp_path: Path
) -> None:
    begun = time.monotonic()
    with pytest.raises(BrokenOff, match=r"rank 1 of 2 \(process \d+\) was ended by SIGKILL; .* goes on at step [45]$"):
        acting("os.kill(os.getpid(), signal.SIGKILL)")
    assert time.monotonic() - begun < 60
    assert not (tmp_path / "final.pt").exists()
    one, two = tmp_path / "one", tmp_path / "two"
    for out in (one, two):
        shutil.copytree(tmp_path / "checkpoints", out / "checkpoints")
    with step(arguments(data, two), "--devices", "2") as done:
        said = done.stderr.read()
    assert done.returncode == 0 and "resuming from" in said, said
    train(data, one)
    assert [[row["step"] for row in result(out)[1]] for out in (one, two)] == [[3, 6, 9]] * 2


def test_a_rank_that_sleeps_is_named_with_its_stack(acting, capsys) -> None:
    with pytest.raises(
        BrokenOff, match=r"rank 1 of 2 \(process \d+\) is at step 5, computing, for which the others wait"
    ):
        acting("time.sleep(1000)", hang_s=4)
    said = capsys.readouterr().err
    first, second = re.findall(r"^rank \d of 2 .*?(?=^rank|\Z)", said, re.MULTILINE | re.DOTALL)
    assert first.startswith("rank 1 ") and 'acting.py", line' in first and "in acting" in first
    assert second.startswith("rank 0 ") and "backward" in second


def light(path: Path, act: str) -> list[str]:
    """The command of ranks without torch: the first waits for the second, which does something at step 5."""
    path.write_text(LIGHT.format(act=act))
    return [sys.executable, str(path)]


@pytest.mark.parametrize(
    ("act", "kind", "sentence"),
    [
        ("os.kill(os.getpid(), signal.SIGSTOP)", BrokenOff, r"rank 1 .* is stopped, at step 5, reading .* at step 4$"),
        ("raise SreError('f.ark: damaged; make it again')", SreError, "^f.ark: damaged; make it again$"),
        ("raise KeyError('x')", SystemExit, "1"),
    ],
)
def test_how_a_rank_ends_all(tmp_path: Path, monkeypatch, capsys, act: str, kind: type, sentence: str) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(kind, match=sentence):
        launch.launch(light(tmp_path / "rank.py", act), 2, "cpu", 1, 0)
    said = capsys.readouterr().err
    assert ("it does not answer" in said) == ("SIGSTOP" in act)
    assert ("KeyError: 'x'" in said) == (kind is SystemExit)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def within(seconds: float, condition: Callable[[], object]) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (signal.SIGINT, 130, "stopped at step 5; the same command goes on from step 4 of 9\n"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_the_ranks_end_with_their_parent(tmp_path: Path, sent: signal.Signals, status: int, said: str) -> None:
    act = f"open({str(tmp_path / 'begun')!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    parent = PARENT.format(command=light(tmp_path / "rank.py", act))
    with subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        assert within(100, lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").read_text())
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        running.send_signal(sent)
        text = running.stderr.read()
    assert running.returncode == status and text.endswith(said), text
    assert len(children) == 2 and within(10, lambda: not any(lives(int(pid)) for pid in children))
