"""A fusion of two trained models in one file: `sre pack` has both networks, and its scores are the report's."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sre.io.ark import read_vectors
from sre.io.trials import align_scores, read_trials
from sre.scoring.result import ListResult
from sre.voices.model import load

ROOT = Path(__file__).resolve().parents[2]
MODEL = """\
features: fbank80
architecture: xvector
options: {embedding_dim: 8, channels: 8, pooled_channels: 8}
filter: {min_frames: 10}
training: {epochs: 1, batch_size: 8, chunk_frames: [30, 30], average_last: 1, precision: fp32}
validation: {utterances: 0}
"""


def run(*command: object) -> str:
    here = os.environ | {"PYTHONPATH": str(ROOT)}  # this checkout, whatever is installed
    done = subprocess.run([*map(str, command)], env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


@pytest.mark.slow
def test_its_scores_are_those_of_the_report(tmp_path: Path, feature_dir, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = feature_dir(tmp_path / "train", speakers=8), feature_dir(tmp_path / "test", speakers=4, first=20)
    utts = [f"s{speaker}_{number:02}" for speaker in range(20, 24) for number in range(4)]
    lines = [f"{a} {b} {'target' if a[:3] == b[:3] else 'nontarget'}\n" for a in utts for b in utts if a < b]
    (tmp_path / "list").write_text("".join(lines))
    (tmp_path / "one.yaml").write_text(MODEL)
    (tmp_path / "two.yaml").write_text(MODEL.replace("embedding_dim: 8", "embedding_dim: 6"))
    monkeypatch.chdir(tmp_path)
    config = [
        "recipe=custom", "name=mine", f"models=[{tmp_path}/one.yaml, {tmp_path}/two.yaml]", f"root={tmp_path}",
        f"train_data={train}", f"eval_data={test}", f"trials={tmp_path}/list", "nj=1", "development={speakers: 3}",
        "systems=[both]", "fusions={both: [one/cosine_centred+snorm, two/cosine]}", "bootstrap={replicates: 0}",
    ]  # fmt: skip
    run(Path(sys.executable).parent / "snakemake", "-s", ROOT / "Snakefile", "-j2", "--config", *config)
    exp = tmp_path / "exp/mine"
    told = run(sys.executable, "-m", "sre.cli", "pack", exp, "both/both", "model.sre")
    assert "mine/both/both" in told and "log-likelihood ratios" in told
    model = load(tmp_path / "model.sre", "cpu")
    names = [part.name for part in model.package.manifest.systems]
    assert names == ["one/cosine_centred+snorm", "two/cosine", "both"] and model.dimension == 14
    assert [part.name for part in model.package.manifest.networks] == ["one", "two"]
    trials = read_trials(tmp_path / "list")
    ids, vectors = read_vectors(exp / "one/embeddings/mine_eval.scp")
    others, more = read_vectors(exp / "two/embeddings/mine_eval.scp")
    assert (ids == others).all()
    place = {utt: row for row, utt in enumerate(ids)}
    joined = np.concatenate([vectors, more], axis=1)
    enrolled, tested = (joined[[place[utt] for utt in side]] for side in (trials.enrol_ids, trials.test_ids))
    system = model.system
    scores = system.pairs(system.enrol(enrolled), system.test(tested), trials.enrol, trials.test)
    result = ListResult.read(exp / "both/scores/mine_trials/metrics.json")
    reported, _ = align_scores(result.scores("both"), tmp_path / "list")
    np.testing.assert_allclose(scores, reported, rtol=1e-6, atol=1e-6)
    told = run(sys.executable, "-m", "sre.cli", "info", "model.sre")
    assert "network 1: two, xvector" in told and "one/cosine_centred+snorm" in told
