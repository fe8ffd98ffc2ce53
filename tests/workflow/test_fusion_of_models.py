"""A recipe with a fusion of two models: embeddings of both from elsewhere, to the report and back by `sre trace`."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sre.io.ark import write_ark
from sre.io.tables import write_table
from sre.io.trials import align_scores
from sre.scoring.result import ListResult

ROOT = Path(__file__).resolve().parents[2]


def run(*command: object) -> str:
    here = os.environ | {"PYTHONPATH": str(ROOT)}  # this checkout, whatever is installed
    done = subprocess.run([*map(str, command)], env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout + done.stderr


def snakemake(config: list[str], *options: str) -> str:
    return run(
        Path(sys.executable).parent / "snakemake", "-s", ROOT / "Snakefile", "-j2", *options, "--config", *config
    )


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Recipe custom with embeddings a and b, which know the speakers by noise of their own, and a fusion of them."""
    draw = np.random.default_rng(2)
    for split, speakers in (("train", 20), ("eval", 10)):
        utts = {f"{split}{s:02}_{u}": f"{split}{s:02}" for s in range(speakers) for u in range(4)}
        (tmp_path / split).mkdir()
        write_table(tmp_path / split / "utt2spk", utts)
        means = dict(zip(sorted(set(utts.values())), draw.normal(size=(speakers, 6)), strict=True))
        for name in "ab":
            vectors = np.array([means[speaker] + 0.9 * draw.normal(size=6) for speaker in utts.values()])
            path = tmp_path / f"{name}_{split}"
            write_ark(path.with_suffix(".ark"), path.with_suffix(".scp"), zip(utts, vectors, strict=True))
    lines = [
        f"{one} {other} {'target' if utts[one] == utts[other] else 'nontarget'}\n"
        for one in utts
        for other in utts
        if one < other
    ]
    (tmp_path / "list").write_text("".join(lines))
    monkeypatch.chdir(tmp_path)
    given = [f"{name}: {{train: {tmp_path}/{name}_train.scp, eval: {tmp_path}/{name}_eval.scp}}" for name in "ab"]
    return [
        "recipe=custom", "name=mine", "models=[]", f"root={tmp_path}", f"train_data={tmp_path}/train",
        f"eval_data={tmp_path}/eval", f"trials={tmp_path}/list", f"embeddings={{{', '.join(given)}}}",
        "systems=[cosine, both]", "fusions={both: [a/cosine, b/cosine]}", "development={speakers: 8}",
        "bootstrap={replicates: 50}",
    ]  # fmt: skip


def test_its_jobs_come_after_those_of_its_models(recipe: list[str], tmp_path: Path) -> None:
    planned = snakemake(recipe, "-n", "-p")
    scores = f"{tmp_path}/exp/mine/{{}}/scores/mine_trials/metrics.json"
    inputs = " ".join(f"--input {name}/cosine={scores.format(name)}" for name in "ab")
    dev = scores.format("both").replace("mine_trials", "mine_train_dev")
    assert planned.count(" -- steps.fuse_systems both ") == 2
    assert f"--development {dev} {inputs} " in planned and "--model a+b --seed 0 --role evaluation" in planned


@pytest.mark.slow
def test_from_its_models_to_the_report_and_back(recipe: list[str], tmp_path: Path) -> None:
    snakemake(recipe)
    exp = tmp_path / "exp/mine"
    found = {run: ListResult.read(exp / run / "scores/mine_trials/metrics.json") for run in ("a", "b", "both")}
    fitted = found["both"].systems["both"].fitted_calibration
    columns = [align_scores(exp / run / "scores/mine_trials/cosine.scores", "list")[0] for run in "ab"]
    llrs, _ = align_scores(exp / "both/scores/mine_trials/both.scores", "list")
    np.testing.assert_allclose(llrs, np.stack(columns, axis=1) @ fitted.weights + fitted.offset, rtol=1e-5, atol=1e-5)
    assert found["both"].systems["both"].metrics["eer"] < min(
        found[run].systems["cosine"].metrics["eer"] for run in "ab"
    )
    with open(exp / "report.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    (row,) = [row for row in rows if row["trials"] == "mine_trials" and row["model"] == "a+b"]
    assert row["reference"] == "reference"  # the first on the development list
    traced = run(sys.executable, "-m", "sre.cli", "trace", exp / "both/mine_trials/both")
    assert "steps.fuse_systems both " in traced and "steps.score_systems " in traced and "none has changed" in traced
    assert "nothing to do" in run(sys.executable, "-m", "sre.cli", "explain", "--config", *recipe)
    planned = snakemake(
        [*recipe[:-4], "systems=[cosine, both]", "fusions={both: [b/cosine, a/cosine]}", *recipe[-2:]], "-n"
    )
    jobs = {line.split()[0] for line in planned.partition("Job stats:\n")[2].splitlines()[2:] if line.strip()}
    assert {"fuse_systems", "make_report"} <= jobs and not {"score_systems", "train_backend"} & jobs
