"""What a training says of itself: how far it is, what it has cost over all its runs, and what it waits for."""

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_resume import Killed, config, data, stop_at, train  # noqa: F401  (the fixture)

from sre.machine import log
from sre.training import job, meter, trainer
from sre.training.advice import Reading, on_waiting
from sre.training.meter import Spent, line_of, mean_over_time, means, peak
from sre.training.summary import TrainSummary
from sre.workflow import joblog

SMALL = {"batch_size": 64, "average_last": 1}  # more than the 32 utterances: one batch of 32 an epoch


@pytest.fixture
def every_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "FIRST_LINES_S", ())
    monkeypatch.setattr(log, "LINE_EVERY_S", 0.0)
    monkeypatch.setattr(trainer, "CHECKPOINT_MINUTES", 0)


def counts(capsys: pytest.CaptureFixture) -> list[tuple[int, int]]:
    """The (done, total) of each line, whose ETA is what is left by its rate."""
    lines = re.findall(r"train: (\d+) of (\d+) utt, (\S+) utt/s, ETA (\d+):(\d\d) ", capsys.readouterr().err)
    for done, total, rate, minutes, seconds in lines:
        left = (int(total) - int(done)) / float(rate)
        assert 60 * int(minutes) + int(seconds) == pytest.approx(left, abs=1)
    return [(int(done), int(total)) for done, total, *_ in lines]


@pytest.mark.usefixtures("every_step_is_said")
def test_totals_are_the_chunks_of_the_whole_training_also_after_a_kill(
    data: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(Killed):
            train(data, tmp_path, epochs=5, **SMALL)
    assert counts(capsys) == [(32, 160), (64, 160)]
    train(data, tmp_path, epochs=5, **SMALL)
    assert counts(capsys) == [(96, 160), (128, 160), (160, 160)]
    rows = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [(row["step"], row["chunks"]) for row in rows] == [(n, 32) for n in (1, 2, 3, 4, 5)]


@pytest.mark.usefixtures("every_step_is_said")
def test_a_training_that_may_end_early_says_so(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:  # noqa: F811
    train(data, tmp_path, epochs=4, patience=2, **SMALL)
    said = capsys.readouterr().err
    assert re.search(r"train: \d+ of \d+ utt, \S+ utt/s, ETA at most \d+:\d\d epoch 1, ", said)


@pytest.mark.usefixtures("every_step_is_said")
def test_the_cost_of_a_resumed_training_is_that_of_all_its_runs(
    data: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(meter, "WRITE_EVERY_S", 0.0)
    begun = time.monotonic()
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        patch.setattr(trainer.Trainer, "_end_epoch", lambda self: time.sleep(0.3))
        with pytest.raises(Killed):
            train(data, tmp_path, epochs=3, **SMALL)
    (kept,) = tmp_path.glob(f"checkpoints/*/{meter.TIME_FILE}")
    (first,) = json.loads(kept.read_text())["runs_s"]
    assert 0.55 <= first <= time.monotonic() - begun + 0.05  # rounded; validation is in it
    for path in tmp_path.glob("checkpoints/*/step_*.pt"):
        path.unlink()  # what was done is lost, and yet it was paid for
    train(data, tmp_path, epochs=3, **SMALL)
    summary = TrainSummary.read(tmp_path / "train_summary.json")
    assert summary.runs == 2 and summary.training_s == pytest.approx(first + summary.this_run_s, abs=0.11)
    assert summary.cost_s(1.0) == summary.training_s
    assert summary.reading == {
        "source": "features",
        "in_memory": True,
        "processes": 0,
        "cores": trainer.available_cores(),
    }
    assert summary.peak_memory_mib > 50 and summary.peak_gpu_mib is None
    assert (summary.num_devices, summary.energy_j, summary.gpu_busy) == (1, None, None)
    assert summary.device_s == pytest.approx(summary.training_s, abs=0.2) and summary.hours > 0


def test_a_training_on_cards_keeps_what_they_tell(
    data: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cards are played: what they are asked by is the device's UUID."""
    asked = []

    def watch(uuids: list[str]) -> SimpleNamespace:
        asked.append(uuids)
        return SimpleNamespace(energy_j=36.4, busy=lambda: 0.75)

    monkeypatch.setattr(job, "card_uuid", lambda device: f"GPU-{device}")
    monkeypatch.setattr(job.Cards, "watch", watch)
    train(data, tmp_path, epochs=2, **SMALL)
    assert asked == [["GPU-cpu"]]
    rows = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [row["gpu_busy"] for row in rows] == [0.75, 0.75]
    summary = TrainSummary.read(tmp_path / "train_summary.json")
    assert (summary.gpu_busy, summary.energy_j) == (0.75, 36.4)


def test_time_that_nobody_kept_is_that_of_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / meter.TIME_FILE).write_text("{")
    spent = Spent.of(tmp_path, time.monotonic() - 7)
    spent.resumed(40.0)
    assert (spent.runs, round(spent.total)) == (2, 47)
    spent.keep(now=True)
    again = Spent.of(tmp_path, time.monotonic())
    again.resumed(41.0)  # known already
    assert (again.runs, round(again.total)) == (3, 47)


def test_devices_and_energy_of_all_runs_are_kept(tmp_path: Path) -> None:
    file = tmp_path / meter.TIME_FILE
    file.write_text('{"runs_s": [100, 50]}')  # of before, which tells neither
    spent = Spent.of(tmp_path, time.monotonic() - 10)
    spent.devices, spent.cards = 4, SimpleNamespace(energy_j=7000.4, busy=lambda: 0.5)
    assert (round(spent.total), round(spent.device_s), spent.energy_j) == (160, 190, None)
    assert spent.of_epoch() == {"gpu_busy": 0.5}
    spent.keep(now=True)
    assert json.loads(file.read_text()) == {
        "runs_s": [100, 50, 10.0], "devices": [1, 1, 4], "energy_j": [None, None, 7000],
    }  # fmt: skip
    file.write_text('{"runs_s": [10.0], "devices": [4], "energy_j": [7000]}')
    again = Spent.of(tmp_path, time.monotonic() - 5)
    assert (round(again.device_s), again.energy_j, again.of_epoch()) == (45, None, {})
    again.devices, again.cards = 2, SimpleNamespace(energy_j=500.0)
    assert (round(again.device_s), again.energy_j, again.runs) == (50, 7500, 2)


def test_a_mean_over_epochs_is_one_over_time() -> None:
    history = [{"seconds": 30.0, "gpu_busy": 0.5}, {"seconds": 5.0, "validation_s": 5.0, "gpu_busy": 0.9}]
    assert mean_over_time([*history, {"seconds": 9.0}], "gpu_busy") == 0.6
    assert mean_over_time([{"seconds": 9.0}], "gpu_busy") is None


def test_a_summary_of_before_is_of_the_epochs_alone() -> None:
    assert TrainSummary(training_s=10.0).cost_s(12.0) == 12.0
    assert TrainSummary(training_s=1224.0, this_run_s=792.0).cost_s(798.0) == 1224.0
    assert TrainSummary().cost_s() is None


def test_an_epoch_in_a_line() -> None:
    sums = {"loss": 20.0, "right": 3, "chunks": 10, "bad": 0, "norm": 6.0, "good": 4, "seconds": 5.0, "waited": 1.0}
    row = means(sums)
    assert row == {
        "loss": 2.0, "accuracy": 30.0, "skipped_steps": 0, "grad_norm": 1.5, "chunks": 10, "utt_per_s": 2.0,
        "data_wait": 0.2, "seconds": 5.0,
    }  # fmt: skip
    assert means(meter.NO_SUMS | {"seconds": 1.0, "bad": 3})["grad_norm"] is None
    row |= {"epoch": 2, "lr": 0.05, "margin": 0.0, "valid_accuracy": None, "valid_eer": 12.5, "validation_s": 56.0}
    assert line_of(row, 9) == ("epoch 2 of 9: loss 2, accuracy 30 %; validation EER 12.5 %; lr 0.05; 2 utt/s, 1:01")
    row |= {"margin": 0.2, "skipped_steps": 1, "valid_eer": None}
    assert ", 1 steps skipped; lr 0.05, margin 0.2; " in line_of(row, 9)


def test_a_peak_is_that_of_the_worst_epoch() -> None:
    history = [{"epoch": 1}, {"epoch": 2, "memory_mib": 10.4, "gpu_mib": None}, {"epoch": 3, "memory_mib": 7}]
    assert (peak(history, "memory_mib"), peak(history, "gpu_mib"), peak(history, "workers_mib")) == (10, None, None)


@pytest.mark.parametrize(
    ("reading", "remedy"),
    [
        (
            ("features", True, 0, 4),
            "features are in memory, and the training's own process cuts and changes the chunks",
        ),
        (("features", False, 8, 16), "8 processes on 16 cores read features; put them on a local disk"),
        (
            ("audio", True, 4, 4),
            "audio is in memory, and 4 processes on 4 cores change speeds and distort it; give it more",
        ),
        (("audio", False, 8, 64), "8 processes on 64 cores read and decode audio; put it on a local disk, as WAV"),
    ],
)
def test_advice_fits_what_is_read(reading: tuple, remedy: str) -> None:
    said = on_waiting(0.456, 120.4, Reading(*reading))
    assert said.startswith(f"46 % of the time was waiting for data at 120 utt/s: {remedy}")
    assert on_waiting(0.3, 120.4, Reading(*reading)) is None


def test_an_eta_that_is_the_most_is_read_as_such() -> None:
    line = "17:00:02 train: 640 of 19200 utt, 160 utt/s, ETA at most 1:56 epoch 2, data wait 3 %"
    progress = joblog.progress(line)
    assert progress.at_most and progress.note == "epoch 2, data wait 3 %"
    assert not joblog.progress(line.replace("at most ", "")).at_most
