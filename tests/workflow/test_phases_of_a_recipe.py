"""A model and its fine-tune in one recipe: from nothing to the report, and what is trained again."""

import subprocess
import sys
from pathlib import Path

import pytest

from sre.models.bundle import load_bundle
from sre.training.summary import TrainSummary

ROOT = Path(__file__).resolve().parents[2]
BASE = """\
features: fbank80
architecture: xvector
options: {embedding_dim: 8, channels: 8, pooled_channels: 8}
filter: {min_frames: 10}
training: {epochs: 2, batch_size: 8, chunk_frames: [30, 30], average_last: 1, precision: fp32, warmup_epochs: 1}
validation: {speakers: 0, utterances: 0}
"""
TUNED = "init: base\nhead: keep\nfreeze: [frames]\nloss: {margin: 0.5}\ntraining: {epochs: 1, chunk_frames: [50, 50]}\n"


@pytest.fixture
def recipe(tmp_path: Path, feature_dir, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    train, test = feature_dir(tmp_path / "train"), feature_dir(tmp_path / "test", speakers=3, first=20)
    utts = [f"s{speaker}_{number:02}" for speaker in range(20, 23) for number in range(4)]
    lines = [f"{a} {b} {'target' if a[:3] == b[:3] else 'nontarget'}\n" for a in utts for b in utts if a < b]
    (tmp_path / "list").write_text("".join(lines))
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "tuned.yaml").write_text(TUNED)
    monkeypatch.chdir(tmp_path)
    return [
        "recipe=custom", "name=mine", f"models=[{tmp_path}/tuned.yaml, {tmp_path}/base.yaml]", f"root={tmp_path}",
        f"train_data={train}", f"eval_data={test}", f"trials={tmp_path}/list", "nj=1", "systems=[cosine]",
        "bootstrap={replicates: 0}", "seeds=[1, 2]",
    ]  # fmt: skip


def snakemake(*config: str, dry: bool = False) -> str:
    command = [Path(sys.executable).parent / "snakemake", "-s", ROOT / "Snakefile", "-j2", *["-n"] * dry]
    done = subprocess.run([*command, "--config", *config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout + done.stderr


def trained_again(recipe: list[str]) -> set[str]:
    """The runs that a dry run would train."""
    blocks = snakemake(*recipe, dry=True).split("rule train_embedding:")[1:]
    return {block.partition("log: ")[2].split("/log/")[0].rpartition("/")[2] for block in blocks}


@pytest.mark.slow
def test_a_fine_tune_follows_its_base(recipe: list[str], tmp_path: Path) -> None:
    assert trained_again(recipe) == {"base", "base_s2", "tuned", "tuned_s2"}
    snakemake(*recipe)
    exp = tmp_path / "exp/mine"
    for run, base in (("tuned", "base"), ("tuned_s2", "base_s2")):
        here, there = load_bundle(exp / run / "final.pt"), load_bundle(exp / base / "final.pt")
        told = TrainSummary.read(exp / base / "train_summary.json").config_sha256
        assert here.init[0]["name"] == "base" and here.init[0]["config_sha256"] == told
        frozen = [name for name in here.network if name.startswith("frames.")]
        assert frozen and all(bool((here.network[name] == there.network[name]).all()) for name in frozen)
    assert "Model tuned was fine-tuned from base." in (exp / "report.md").read_text()
    traced = subprocess.run(
        [sys.executable, "-m", "sre.cli", "trace", "exp/mine/tuned_s2/final.pt"],
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "--init" in traced and "exp/mine/base_s2/final.pt" in traced and "none has changed" in traced
    assert trained_again(recipe) == set()

    (tmp_path / "list").write_text("".join((tmp_path / "list").read_text().splitlines(keepends=True)[:-1]))
    assert trained_again(recipe) == set()
    (tmp_path / "tuned.yaml").write_text(TUNED.replace("0.5", "0.4"))
    assert trained_again(recipe) == {"tuned", "tuned_s2"}
    (tmp_path / "base.yaml").write_text(BASE.replace("warmup_epochs: 1", "warmup_epochs: 0"))
    assert trained_again(recipe) == {"base", "base_s2", "tuned", "tuned_s2"}
