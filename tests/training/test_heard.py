"""Networks that were trained before have heard no speaker of a trial list: what the gates say of them."""

import json
from pathlib import Path

import pytest
import torch

from sre import SreError
from sre.config.runs import Run, trained_before
from sre.io.tables import write_table
from sre.models.bundle import Bundle
from steps import check_recipe

LABELS = {f"s{speaker}_{number}": f"s{speaker}" for speaker in range(4) for number in range(2)}


def bundle(path: Path, speakers: list[str] | None, heard: list[str] | None = None, tuned: bool = False) -> Path:
    """A final.pt; one that is `tuned` started from another, and has `heard` all these."""
    made = Bundle({"architecture": "xvector", "options": {}}, {}, 8, {"w": torch.ones(1)}, speakers)
    if tuned:
        made.init, made.heard = [{"name": "a", "sha256": "b", "config_sha256": "c"}], heard
    made.save(path)
    return path


def gates(data: Path, *bundles: str, utt2spk: dict[str, str] = LABELS, train: str = "train") -> list[str]:
    """The notes of the gates of a list of s0 and s1, by an enrolment map, among four test speakers."""
    for split, table in (("train", {"t0_0": "t0", "t1_0": "t1"}), ("test", utt2spk)):
        (data / split).mkdir(parents=True, exist_ok=True)
        write_table(data / split / "utt2spk", table)
    (data / "trials").mkdir(exist_ok=True)
    (data / "trials/mine").write_text("model s0_1 target\nmodel s1_0 nontarget\n")
    (data / "trials/mine.enroll").write_text("model s0_0\n")
    options = ["--train", train, "--list", "mine=test", "--enroll", "mine"]
    options += [word for one in bundles for word in ("--bundle", one)]
    check_recipe.main([str(data), str(data / "gates.json"), *options])
    return json.loads((data / "gates.json").read_text())["notes"]


@pytest.mark.parametrize(
    "heard, refused",
    [
        (["s0", "a"], "1 speaker of trial list mine, e.g. s0"),
        (["s1", "s0"], "2 speakers of trial list mine, e.g. s0"),
        (["s2"], ""),
        ([], ""),
    ],
)
def test_speakers_of_both_sides_are_refused_and_those_in_no_trial_are_not(
    tmp_path: Path, heard: list[str], refused: str
) -> None:
    path = bundle(tmp_path / "old.pt", heard)
    if not refused:
        assert gates(tmp_path, f"bundles.old={path}") == []
        return
    with pytest.raises(SreError, match=f"^bundles.old .{path}. was trained on {refused}; results would"):
        gates(tmp_path, f"bundles.old={path}")


def test_each_network_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    paths = [bundle(tmp_path / f"{name}.pt", [name]) for name in ("s0", "s1", "s3")]
    with pytest.raises(SreError) as refused:
        gates(tmp_path, *(f"init of model {path.stem}={path}" for path in paths))
    said = [line.partition(" (")[0] for line in str(refused.value).splitlines()]
    assert said == ["init of model s0", "init of model s1"]


def test_the_list_of_training_speakers_has_a_remedy_of_its_own(tmp_path: Path) -> None:
    path = bundle(tmp_path / "old.pt", ["s1"])
    with pytest.raises(SreError, match="of trial list mine, e.g. s1; set development.speakers to what that training "):
        gates(tmp_path, f"bundles.old={path}", train="test")


def test_what_cannot_be_checked_is_a_note(tmp_path: Path) -> None:
    unknown, known = bundle(tmp_path / "peer.pt", None), bundle(tmp_path / "old.pt", ["s0"])
    assert gates(tmp_path, f"bundles.peer={unknown}") == [
        f"bundles.peer ({unknown}) does not tell all speakers that it was trained on, so whether they are in the trial"
        " lists was not checked."
    ]
    nameless = {utt: utt for utt in LABELS}
    notes = gates(tmp_path, f"bundles.old={known}", utt2spk=nameless)
    assert notes[0].startswith("bundles.old: whether it has heard the speakers of trial list mine, who have no names")


def test_speakers_of_what_it_started_from_count_too(tmp_path: Path) -> None:
    both = bundle(tmp_path / "tuned.pt", ["s3"], ["s1", "s3"], tuned=True)
    with pytest.raises(SreError, match="on 1 speaker of trial list mine, e.g. s1"):
        gates(tmp_path, f"bundles.tuned={both}")
    own, of_peer = (bundle(tmp_path / f"{name}.pt", [name], tuned=True) for name in ("s0", "s3"))
    with pytest.raises(SreError, match="on 1 speaker of trial list mine, e.g. s0"):
        gates(tmp_path, f"bundles.own={own}")
    assert "does not tell all speakers" in gates(tmp_path, f"bundles.of_peer={of_peer}")[0]


def test_networks_of_a_recipe_that_were_trained_before() -> None:
    runs = {"old": Run("old", 0, bundle="x.pt"), "a": Run("a", 1), "a_s2": Run("a", 2), "b": Run("b", 1)}
    trainings = {"a": {"init": "exp/x/a/final.pt"}, "a_s2": {"init": "exp/x/a/final.pt"}, "b": {"init": "a"}}
    expected = {"bundles.old": "x.pt", "init of model a": "exp/x/a/final.pt"}
    assert trained_before(runs, trainings) == expected
