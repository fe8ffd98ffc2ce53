"""Histories as TensorBoard's event files: read back by TensorBoard itself, each epoch once."""

import json
import sys
from pathlib import Path

import pytest

from sre import SreError
from sre.experiments import events
from steps import make_tensorboard


def rows(count: int, loss: float = 5.0) -> list[dict]:
    return [
        {
            "epoch": n,
            "step": 10 * n,
            "loss": loss / n,
            "valid_eer": None,
            "seconds": 60.0,
            "validation_s": 4.0,
            "new": n,
        }
        for n in range(1, count + 1)
    ]


def keep(folder: Path, some: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))


def read_back(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Tag -> (step, value, time) of each point."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    tags = found.Tags()["scalars"]
    return {tag: [(point.step, point.value, point.wall_time) for point in found.Scalars(tag)] for tag in tags}


def test_tensorboard_reads_what_the_history_says(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for run in ("a", "b"):
        keep(tmp_path / "exp" / run, rows(3))
    for _ in range(2):  # a second call leaves no point twice
        make_tensorboard.main([str(tmp_path / "exp"), str(tmp_path / "out")])
    assert "out: 6 epochs of 2 runs" in capsys.readouterr().err
    told = read_back(tmp_path / "out" / "a")
    assert sorted(told) == ["loss/training", "new", "speed/seconds", "speed/validation_s"]  # what is null has no point
    steps, losses, times = zip(*told["loss/training"], strict=True)
    assert steps == (10, 20, 30) and losses == pytest.approx([5.0, 2.5, 5 / 3])
    assert [times[2] - at for at in times] == pytest.approx([128, 64, 0])  # as long as epochs and validation took
    assert len(list((tmp_path / "out" / "a").iterdir())) == 1


def test_what_is_followed_grows_and_begins_anew_with_another_training(tmp_path: Path) -> None:
    run, written = tmp_path / "exp" / "a", {}
    found = {"a": run / "history.jsonl"}
    for some in (rows(1), rows(3), rows(2), rows(3), rows(3)):  # a resumption from the checkpoint before the last
        keep(run, some)
        events.write(found, tmp_path / "out", written)
        assert [point[0] for point in read_back(tmp_path / "out" / "a")["new"]] == [row["step"] for row in some]
    keep(run, rows(2, loss=7.0))
    events.write(found, tmp_path / "out", written)
    assert [point[1] for point in read_back(tmp_path / "out" / "a")["loss/training"]] == [7.0, 3.5]
    events.close(written.values())


def test_steps_of_a_history_of_before_are_epochs() -> None:
    assert [events.step_of(row) for row in ({"epoch": 3}, {"epoch": 3, "step": 70})] == [3, 70]


@pytest.mark.parametrize("more", [[], ["--follow"]])
def test_without_the_package_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch, more: list[str]) -> None:
    keep(tmp_path / "exp" / "a", rows(1))
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(SreError, match=r"tensorboard is not installed; run pip install 'sre\[tensorboard\]'"):
        make_tensorboard.main([str(tmp_path / "exp"), str(tmp_path / "out"), *more])


def test_a_folder_without_histories_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SreError, match="no RUN/history.jsonl in it; a training writes it at the end of its first epoch"
    ):
        make_tensorboard.main([str(tmp_path), str(tmp_path / "out")])
