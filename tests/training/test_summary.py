"""What a training and its gates leave: read as written, of the version before, and refused of a newer one."""

import json
from pathlib import Path

import pytest

from sre import SreError
from sre.training.gate_files import FeatureCounts, FeaturesChecked, Gates, ListCounts, SplitCounts
from sre.training.summary import TrainingPlan, TrainSummary, read_history, write_history

SUMMARY = TrainSummary(
    utterances_found=10, utterances=8, speakers=2, held_out_speakers=1, parameters=5, config={"a": 1}, code="1.0"
)


def test_a_summary_is_read_as_written(tmp_path: Path) -> None:
    SUMMARY.write(tmp_path / "s.json")
    assert TrainSummary.read(tmp_path / "s.json") == SUMMARY
    assert json.loads((tmp_path / "s.json").read_text())["version"] == 1
    assert SUMMARY.told() == {
        "code": "1.0", "dropped_of_rare_speakers": 0, "dropped_short": 0, "dropped_without_features": 0,
        "held_out_speakers": 1, "parameters": 5, "speakers": 2, "utterances": 8, "utterances_found": 10,
    }  # fmt: skip


def test_a_summary_of_elsewhere_keeps_names_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"parameters": 5, "run": "net", "dropped": {"short": 1}, "packages": null}')
    read = TrainSummary.read(tmp_path / "s.json")
    assert (read.parameters, read.utterances_found, read.packages) == (5, None, {})
    assert read.others == {"run": "net", "dropped": {"short": 1}} and read.told()["run"] == "net"


def test_gates_are_read_as_written(tmp_path: Path) -> None:
    lists = {"main": ListCounts(3, 7, 2, 10, ["main: a note"])}
    Gates(["of the recipe"], [SplitCounts("train", 5, 2, 0.5, 1, {"too short": 1}, ["train: cut"])], lists).write(
        tmp_path / "gates.json"
    )
    read = Gates.read(tmp_path / "gates.json")
    assert read.notes == ["of the recipe", "train: cut", "main: a note"]
    assert (read.data[0].hours, read.data[0].reasons, read.trials["main"].models) == (0.5, {"too short": 1}, 2)
    checked = FeaturesChecked([FeatureCounts("train", "fbank40", 4, 1, {"silent": 1})], {"train": "train"})
    checked.write(tmp_path / "features_checked.json")
    assert FeaturesChecked.read(tmp_path / "features_checked.json") == checked


def test_history_and_plan_are_read_as_written(tmp_path: Path) -> None:
    assert read_history(tmp_path / "history.jsonl") == []
    write_history(tmp_path / "history.jsonl", [{"epoch": 1, "loss": 0.1, "valid_eer": None}])
    assert read_history(tmp_path / "history.jsonl") == [{"epoch": 1, "loss": 0.1, "valid_eer": None}]
    TrainingPlan("a" * 64, 6, 10).write(tmp_path)
    assert TrainingPlan.read(tmp_path / "training.json").epochs == 6


@pytest.mark.parametrize("read", [TrainSummary.read, Gates.read, FeaturesChecked.read])
def test_a_newer_version_is_refused_with_a_remedy(tmp_path: Path, read) -> None:
    (tmp_path / "x.json").write_text('{"version": 9}')
    with pytest.raises(SreError, match="x.json: of version 9, and this sre reads it up to 1; update sre, or delete it"):
        read(tmp_path / "x.json")
