"""metrics.json: what is written is read, files of the version before too, and those of a newer one are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sre import SreError
from sre.config.conditions import Condition
from sre.machine.environment import environment
from sre.scoring.result import Draws, ListResult, SystemResult, numbers_of

METRICS = {"eer": 10.0, "targets": 3, "nontargets": 7, "threshold_fa_0.01": None}
METRICS |= {"intervals": {"eer": [5.0, 15.0], "min_dcf_0.01": None}}
FITTED = {"weights": [7.5], "offset": -1.25, "facts": {"p_target": 0.05}, "inputs": ["cosine"], "trials": "dev"}
DONE = SystemResult("ok", scores="cosine.scores", metrics=METRICS, backend={"chain": []}, code="1.0", inputs_sha256="i")
CALIBRATED = replace(DONE, scores="cosine+cal.scores", calibration=FITTED, replicates_sha256="r")
FAILED = SystemResult("failed", "too few speakers", inputs_sha256="i")
RESULT = ListResult(
    "net", "net_s2", 2, "main", "data/trials/main", "a" * 64,
    {"cosine": DONE, "cosine+cal": CALIBRATED, "plda": FAILED},
    bootstrap=Draws(1000, 1, ["eer"], 20, by="speaker"), environment=environment(), wall_s=1.5,
)  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    RESULT.write(path)
    content = json.loads(path.read_text())
    assert content["version"] == 1 and "path" not in content
    assert content["systems"]["plda"] == {"status": "failed", "reason": "too few speakers", "inputs_sha256": "i"}
    assert "replicates_sha256" not in content["systems"]["cosine"] and "reason" not in content["systems"]["cosine"]
    read = ListResult.read(path)
    failed = replace(FAILED, reason="too few speakers")
    assert read == replace(RESULT, path=path, systems=RESULT.systems | {"plda": failed})
    assert read.replicates("cosine") == tmp_path / "cosine.replicates.npy"
    assert (
        read.systems["cosine+cal"].fitted_calibration.trials,
        read.systems["cosine+cal"].fitted_calibration.p_target,
    ) == ("dev", 0.05)
    assert read.systems["cosine"].fitted_calibration is None and read.systems["cosine"].counts == (3, 7)
    assert numbers_of(read.systems["cosine"].metrics)["eer_low"] == 5.0
    assert numbers_of(read.systems["cosine"].metrics)["min_dcf_0.01_low"] is None


def test_a_condition_is_a_part_of_the_list_s_identity(tmp_path: Path) -> None:
    """The trials are those of the list of clean speech; a list without a condition has no such key."""
    path, condition = tmp_path / "metrics.json", Condition("main", "snr", 10.0, ["noise"])
    RESULT.write(path)
    assert "condition" not in json.loads(path.read_text())
    noisy = replace(RESULT, role="condition", condition=condition)
    noisy.write(path)
    assert ListResult.read(path).condition == condition
    renamed = replace(noisy, condition=replace(condition, of="other"))
    louder = replace(noisy, condition=replace(condition, value=0.0))
    assert len({result.identity for result in (RESULT, noisy, louder)}) == 3 and renamed.identity == noisy.identity


def test_a_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    """It has no version, and may lack all that came later."""
    path = tmp_path / "metrics.json"
    RESULT.write(path)
    content = json.loads(path.read_text())
    del content["version"]
    path.write_text(json.dumps(content))
    assert ListResult.read(path).bootstrap == RESULT.bootstrap
    names = ("model", "run", "seed", "trials", "trials_file", "trials_sha256", "systems")
    path.write_text(json.dumps({name: content[name] for name in names} | {"bootstrap": None, "enroll_map": None}))
    old = ListResult.read(path)
    assert (old.role, old.bootstrap, old.enroll_map) == ("evaluation", None, None)
    assert (old.embeddings, old.config_sha256, old.wall_s) == ([], "", None)


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"version": 2}, "of version 2, and this sre reads it up to 1; update sre, or delete it"),
        ({"version": "x"}, "of version x, and"),
        ({"seed": "2"}, "seed is '2', which is of another kind; delete it"),
        ({"systems": {"plda": {"status": "ok"}}}, "systems.plda.scores is missing; delete it"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, change: dict, sentence: str) -> None:
    path = tmp_path / "metrics.json"
    RESULT.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SreError, match=f"metrics.json: {sentence}"):
        ListResult.read(path)
