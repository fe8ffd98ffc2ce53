"""Recipes of corpora end to end: resumption after kill -9, other shards, and embeddings from elsewhere."""

import json
import os
import shutil
import signal
import subprocess
import time

import kaldiio
import numpy as np
import pytest
from checkouts import CORPORA, KO_CONFIG, SNAKEMAKE, checkout, digest, needs_corpora, snakemake

from sre.io.trials import align_scores


@pytest.fixture
def project(tmp_path):
    return checkout(tmp_path)


def run_and_kill(project, config, marker, everything):
    """Start snakemake, and when `marker` appears under the project, kill -9 it, with its jobs or without."""
    process = subprocess.Popen(
        [*SNAKEMAKE, "-j2", "--config", *config],
        cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not list(project.glob(marker)):
        assert process.poll() is None and time.monotonic() < deadline, f"{marker} never appeared"
        time.sleep(0.02)
    if everything:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


@pytest.mark.slow
@needs_corpora
def test_kill_9_in_each_stage_and_any_j_give_the_same_scores(project, tmp_path_factory):
    """Also in another number of shards: features, embeddings and scores have the same bytes."""
    config = [f"corpus={CORPORA.resolve()}/LibriSpeech", "recipe=librispeech", "cut_seconds=4", "models=[fast]"]
    config.append("bootstrap={replicates: 100}")
    snakemake(project, "-j8", "--config", *config, "nj=5")
    expected = digest(project / "exp/librispeech")
    for folder in ("data", "exp", ".snakemake"):
        shutil.rmtree(project / folder)
    markers = [
        ("data/ls_train/feats/fbank80/.feats.*.tmp.*", True),
        ("data/ls_*/feats/fbank80/.feats.*.lock", False),
        ("exp/librispeech/fast/.train.lock", False),
        ("exp/librispeech/fast/checkpoints/*/*.pt", True),
        ("exp/librispeech/fast/embeddings/*/.embeddings.*.lock", False),
        ("exp/librispeech/fast/embeddings/ls_train/.embeddings*", True),
    ]
    for marker, everything in markers:
        if not list(project.glob("exp/librispeech/report.html")):
            run_and_kill(project, [*config, "nj=2"], marker, everything)
    snakemake(project, "-j2", "--config", *config, "nj=2")
    assert digest(project / "exp/librispeech") == expected
    assert not list(project.glob("exp/**/*.tmp.*"))


@pytest.mark.slow
@needs_corpora
def test_librispeech_voxceleb_and_custom_reach_their_reports(project):
    corpora = CORPORA.resolve()
    snakemake(
        project,
        "-j8",
        "--config",
        "recipe=voxceleb",
        f"voxceleb1={corpora}/voxceleb1-layout",
        "models=[fast, fast_resnet]",
        "nj=2",
    )
    report = (project / "exp/voxceleb/report.tsv").read_text()
    assert "veri_test2" in report and "vox1_o" not in report and "fast_resnet" in report
    snakemake(project, "-j8", "--config", *KO_CONFIG)
    lines = (project / "exp/ko/report.tsv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 6


BACKEND_CONFIG = """\
recipe: custom
name: kb
models: []
development: {speakers: 60, utterances: 8}
fusions: {both: [lda_plda, cosine_centred+asnorm]}
systems: [cosine_centred+asnorm, cosine_centred+asnorm2, lda_plda, adapted, lda_plda+cal, both]
backends:
  adapted: {type: plda, chain: ["centre:adapt", "lda:128", length_norm], adapt: {method: kaldi}}
"""


@pytest.mark.slow
@pytest.mark.skipif(not CORPORA.is_dir(), reason="no ../shared/corpora here")
def test_embeddings_from_elsewhere_to_calibrated_and_fused_scores(project, tmp_path):
    kaldi = CORPORA.resolve().parent / "reference/kaldi-backend"
    tables = {name: (kaldi / f"{name}.utt2spk").read_text() for name in ("train", "test")}
    adapt = sorted(dict(kaldiio.load_ark(str(kaldi / "adapt.ark"))))
    for name, text in {**tables, "adapt": "".join(f"{utt} {utt}\n" for utt in adapt)}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "utt2spk").write_text(text)
    (tmp_path / "kb.yaml").write_text(
        BACKEND_CONFIG
        + f"train_data: {tmp_path}/train\neval_data: {tmp_path}/test\nadapt_data: {tmp_path}/adapt\n"
        + f"trials: {kaldi}/trials\nenroll: {kaldi}/enroll.spk2utt\nembeddings:\n"
        + f"  dvector: {{train: {kaldi}/train.ark, eval: {kaldi}/test.ark, adapt: {kaldi}/adapt.ark}}\n"
    )
    snakemake(project, "-j2", "--configfile", str(tmp_path / "kb.yaml"))
    scores = project / "exp/kb/dvector/scores"
    development = json.loads((scores / "kb_train_dev/metrics.json").read_text())
    results = json.loads((scores / "kb_trials/metrics.json").read_text())["systems"]
    assert {result["status"] for result in results.values()} == {"ok"}, results
    assert development["role"] == "development"
    assert development["systems"]["both"]["calibration"] == results["both"]["calibration"]
    assert results["both"]["calibration"]["inputs"] == ["lda_plda", "cosine_centred+asnorm"]
    before, after = (results[name]["metrics"] for name in ("lda_plda", "lda_plda+cal"))
    assert after["eer"] == before["eer"] and after["cllr"] < before["cllr"]
    assert len((scores / "kb_trials/speakers_all.cohort").read_text().splitlines()) == 247
    ours, _ = align_scores(scores / "kb_trials/adapted.scores", kaldi / "trials")
    theirs, _ = align_scores(kaldi / "scores.lda_plda_adapt_numutts", kaldi / "trials")
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    rows = [line.split("\t") for line in (project / "exp/kb/report.tsv").read_text().splitlines()]
    rows = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    chosen = [row for row in rows if row["chosen"]]
    eers = {name: system["metrics"]["eer"] for name, system in development["systems"].items()}
    assert {eers[row["system"]] for row in chosen} == {min(eers.values())}
    assert {row["trials"] for row in chosen} == {"kb_trials"}
    _, output = snakemake(project, "-n", "--configfile", str(tmp_path / "kb.yaml"))
    assert "Nothing to be done" in output
