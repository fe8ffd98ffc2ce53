"""Why a job runs: keys that changed, by what Snakemake says of parameters; what was broken off; checkpoints."""

import fcntl
import json
import shlex
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre.experiments.rerun import broken_off, changed_keys, changed_training, epochs_done, is_at_work, seconds_so_far
from sre.io.atomic import sha256_text
from sre.io.text import canonical
from sre.training.summary import PLAN_FILE

BEFORE = {"training": {"lr": 0.002, "epochs": 40}, "note": "a; B now: 'b', c", "seeds": [1, 2], "version": 2}


def said(before: list, now: list) -> str:
    """As snakemake.persistence.ParamsChange writes it."""
    sides = (",".join(map(repr, side)) or "<nothing exclusive>" for side in (before, now))
    return "Union of exclusive params before and now across all output: before: {} now: {} ".format(*sides)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"training": {"lr": 0.001, "epochs": 40}}, "training.lr 0.002 -> 0.001"),
        ({"training": {"lr": 0.001}}, "training.epochs 40 -> null, training.lr 0.002 -> 0.001"),
        ({"version": 3}, "our version of the stage 2 -> 3"),
        ({"seeds": [3, 1, 2]}, "seeds with [3]"),
        ({"seeds": [1, 3]}, "seeds without [2] and with [3]"),
        ({"seeds": [2, 1]}, "seeds [1, 2] -> [2, 1]"),
        ({"loss": "am"}, 'loss null -> "am"'),
        ({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, "a null -> 1, b null -> 1, c null -> 1 and 2 more"),
    ],
)
def test_the_key_that_changed(changes: dict, words: str) -> None:
    now = {**BEFORE, **changes}
    assert changed_keys(said([canonical(BEFORE)], [canonical(now)])) == words
    more = said([canonical(BEFORE)], [canonical(now)]) + "; Software environment definition has changed"
    assert changed_keys(more) == words


def test_what_a_training_that_is_done_is_to_have_instead(tmp_path: Path) -> None:
    summary = tmp_path / "train_summary.json"
    now = canonical({**BEFORE, "training": {"lr": 0.001, "epochs": 40}})
    command = f"python -m steps.train_embedding {shlex.quote(now)} --data 'a b' final.pt"
    assert changed_training(summary, command) == ""  # never trained
    summary.write_text(json.dumps({"config": BEFORE}))
    assert changed_training(summary, command) == "training.lr 0.002 -> 0.001"
    assert changed_training(summary, command + " '") == ""  # no shell line


def test_parameters_that_are_no_mappings() -> None:
    assert changed_keys(said(["score 3"], ["score 4"])) == "score 3 -> score 4"
    assert changed_keys(said([2, canonical({"a": 1})], [4, canonical({"a": 2})])) == "a 1 -> 2, 2 -> 4"
    assert changed_keys(said([], [canonical({"a": 2})])) == ' -> {"a":2}'
    assert changed_keys("before: what a later Snakemake says") == ""


keys = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=9), min_size=1, max_size=4)


@given(keys, keys)
def test_any_two_mappings_are_understood(before: dict, now: dict) -> None:
    if before != now:
        assert "->" in changed_keys(said([canonical(before)], [canonical(now)]))


def test_marks_of_snakemake(tmp_path: Path) -> None:
    marks = tmp_path / ".snakemake/incomplete"
    (marks / "@ZXhwL").mkdir(parents=True)
    (marks / "@ZXhwL" / "2E=").touch()  # a long name is cut into folders
    (marks / urlsafe_b64encode(b"exp/mini/x\xc3\xb6").decode()).touch()
    (marks / "no base64").touch()
    assert broken_off(tmp_path) == {"exp/a", "exp/mini/xö"}
    assert broken_off(tmp_path / "nowhere") == set()


def test_another_snakemake(tmp_path: Path) -> None:
    job = tmp_path / "exp/mini/log/x.log"
    assert not is_at_work([job])
    with open(tmp_path / ".sre.lock", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert is_at_work([job])
    assert not is_at_work([job])


def test_epochs_in_checkpoints(tmp_path: Path) -> None:
    config = canonical({"training": {"epochs": 40}})
    folder = tmp_path / "checkpoints/abc"
    folder.mkdir(parents=True)
    (folder / PLAN_FILE).write_text(
        json.dumps({"config_sha256": sha256_text(config), "epochs": 40, "steps_per_epoch": 9})
    )
    command = f"python -m steps.train_embedding {shlex.quote(config)} --data d"
    assert epochs_done(tmp_path, command) is None  # no checkpoint yet
    for step in (9, 189):
        (folder / f"step_{step:09}.pt").touch()
    assert epochs_done(tmp_path, command) == (21, 40)
    assert seconds_so_far(tmp_path, command) == 0
    (folder / "time.json").write_text('{"runs_s": [400, 16.5]}')
    assert seconds_so_far(tmp_path, command) == 416.5
    assert epochs_done(tmp_path, command.replace("40", "41")) is None  # another config starts anew
