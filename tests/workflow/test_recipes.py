"""The recipes end to end, as a user runs them: --until, resumption after kill -9, the same bytes, what re-runs."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from sre.io.trials import align_scores

ROOT = Path(__file__).resolve().parents[2]
CORPORA = ROOT / "../shared/corpora"
SNAKEMAKE = [str(Path(sys.executable).parent / "snakemake")]
needs_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="no ../shared/corpora here")
XVECTOR_OPTIONS = "{embedding_dim: 32, channels: 32, pooled_channels: 64}"
MODEL = f"""\
features: FEATURES
architecture: xvector
options: {XVECTOR_OPTIONS}
filter: {{min_frames: 50}}
training:
  {{epochs: 2, batch_size: 16, chunk_frames: [100, 100], optimizer: adam, lr: 1e-3, average_last: 2, precision: fp32}}
validation: {{speakers: 2, utterances: 1}}
"""


@pytest.fixture
def project(tmp_path):
    """A checkout of the project, in which a recipe can be edited; data/ and exp/ fall into it."""
    project = tmp_path / "main"
    project.mkdir()
    for name in ("Snakefile", "recipes", "steps", "sre", "local", "profiles"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    (tmp_path / "shared").symlink_to((ROOT / "../shared").resolve())  # ko-fbank40 names its archives from the root
    for recipe in ("mini", "librispeech", "voxceleb", "custom"):
        models = project / "recipes" / recipe / "models"
        text = MODEL.replace("FEATURES", "fbank40" if recipe == "mini" else "fbank80")
        (models / "fast.yaml").write_text(text)
        options = "{embedding_dim: 32, channels: 4, blocks: [1, 1, 1, 1]}"
        (models / "fast_resnet.yaml").write_text(text.replace("xvector", "resnet34").replace(XVECTOR_OPTIONS, options))
    return project


def snakemake(project, *arguments, check=True):
    done = subprocess.run([*SNAKEMAKE, *arguments], cwd=project, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    if check:
        assert done.returncode == 0, output[-6000:]
    return done.returncode, output


def sre_command(project, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "sre.cli", *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def jobs(output):
    """Rule names in the job table of a dry run."""
    _, _, table = output.partition("Job stats:\n")
    rows = (line.split() for line in table.partition("\n\n")[0].splitlines()[2:])
    return {row[0] for row in rows} - {"total", "all"}


def digest(folder):
    files = sorted(folder.rglob("*.scores"))
    assert files
    return [(str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


KO = CORPORA.resolve() / "ko-fbank40"
KO_CONFIG = [
    "recipe=custom", "name=ko", f"train_data={KO}/train", f"eval_data={KO}/eval", f"enroll={KO}/eval/enroll",
    f"trials={{main: {KO}/eval/trials, enroll5: {KO}/eval/trials_enroll5}}", "models=[fast]", "nj=2",
]  # fmt: skip


@pytest.mark.slow
def test_mini_until_train_then_nothing_then_the_report(project):
    config = ["--config", "models=[fast]"]
    _, output = snakemake(project, "-j8", "--until", "train", *config)
    until = output.splitlines()
    assert until[-1].startswith("done: ")
    final = project / "exp/mini/fast/final.pt"
    trained = final.stat().st_mtime_ns
    assert not list((project / "exp").rglob("*.scores"))
    _, output = snakemake(project, "-n", "--until", "train", *config)
    assert jobs(output) <= {"train"}, output
    _, output = snakemake(project, "-j8", *config)
    assert output.splitlines()[-1] == "exp/mini/report.html" and len(until + output.splitlines()) < 60
    assert final.stat().st_mtime_ns == trained
    for suffix in ("tsv", "md", "html"):
        assert (project / f"exp/mini/report.{suffix}").stat().st_size > 200
    _, output = snakemake(project, "-n", *config)
    assert "Nothing to be done" in output

    for line in range(2, 1 + len((project / "exp/mini/report.tsv").read_text().splitlines()[:4])):
        traced = sre_command(project, "trace", f"exp/mini/report.tsv:{line}")
        for said in (
            "numbers and intervals recomputed: the same",
            "local.make_mini_corpus",
            "steps.train_embedding",
            "none has",
        ):
            assert said in traced
    assert "nothing to do" in sre_command(project, "explain", *config)

    # what re-runs: the gates and the scoring for a new list, nothing for a comment, the training for its learning rate,
    # the scoring for a system
    trials = project / "data/trials/mini"
    whole = trials.read_text()
    trials.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    _, output = snakemake(project, "-n", *config)
    assert jobs(output) == {"check_recipe", "check_features", "score_systems", "make_report"}
    trials.write_text(whole)
    yaml = project / "recipes/mini/models/fast.yaml"
    yaml.write_text("# a comment\n" + yaml.read_text())
    _, output = snakemake(project, "-n", *config)
    assert "Nothing to be done" in output
    _, output = snakemake(
        project, "-n", *config, "primary_system=cosine", "systems=[cosine, cosine_centred, lda_plda+snorm]"
    )
    assert jobs(output) <= {"train_backend", "score_systems", "make_report"} and "score_systems" in jobs(output)
    yaml.write_text(yaml.read_text().replace("lr: 1e-3", "lr: 2e-3"))
    _, output = snakemake(project, "-n", *config)
    later = {"train_embedding", "extract_embeddings", "join_embeddings", "train_backend", "score_systems"}
    later |= {"make_report"}
    assert jobs(output) == later
    # a gate that runs again must not hide why the rest has to: it was an ancient() input, and the run ended half-way
    trials.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    _, output = snakemake(project, "-n", *config)
    assert jobs(output) == later | {"check_recipe", "check_features"}
    old = {path.name for path in (project / "exp/mini/fast/checkpoints").iterdir()}
    snakemake(project, "-j8", "--until", "train", *config)
    assert old < {path.name for path in (project / "exp/mini/fast/checkpoints").iterdir()}


@pytest.mark.slow
def test_the_same_trials_with_noise_in_a_room_and_cut(project):
    """Conditions are added to what stands: nothing is trained again, and the clean list is not scored again."""
    config = ["--config", "models=[fast]", "systems=[cosine_centred]", "primary_system=cosine_centred"]
    snakemake(project, "-j8", *config)
    clean = digest(project / "exp/mini")
    config.append("conditions={snr: [0], rooms: [small], seconds: [1], held_out: 0.5}")
    _, output = snakemake(project, "-n", *config)
    assert not jobs(output) & {"train_embedding", "train_backend", "make_mini_corpus", "prepare_librispeech"}
    snakemake(project, "-j8", *config)
    assert set(digest(project / "exp/mini")) > set(clean)
    _, output = snakemake(project, "-n", *config)
    assert "Nothing to be done" in output

    lists = ("mini", "mini_snr0", "mini_room", "mini_1s")
    scores = {name: align_scores(*files_of(project, name)) for name in lists}
    assert all(np.array_equal(scores[name][1].target, scores["mini"][1].target) for name in lists)
    assert len({values.tobytes() for values, _ in scores.values()}) == len(lists)
    assert "## Noise and duration" in (project / "exp/mini/report.md").read_text()
    rows = (project / "exp/mini/report.tsv").read_text().splitlines()
    line = next(number for number, row in enumerate(rows, 1) if "\tmini_snr0\t" in row)
    traced = sre_command(project, "trace", f"exp/mini/report.tsv:{line}")
    assert "steps.copy_distorted" in traced and "musan_held_out" in traced and "local.make_mini_noises" in traced


def files_of(project, name):
    return project / f"exp/mini/fast/scores/{name}/cosine_centred.scores", project / f"data/trials/{name}"


@pytest.mark.slow
def test_distorted_copies_until_the_report_then_nothing_then_another_noise(project):
    """Another definition of one copy makes that copy again, and what is trained on it; the others stay."""
    config = ["--config", "models=[fast]", "systems=[cosine_centred]", "primary_system=cosine_centred"]
    copies = "copies={{a: {{distort: [{{one_of: [{{kind: room}}]}}]}}, b: {{distort: [{{one_of: [{}]}}]}}}}"
    noise = copies.format("{kind: noise, snr: [0, 15]}")
    snakemake(project, "-j8", *config, noise)
    assert "trained on distorted copies too: a, b." in (project / "exp/mini/report.md").read_text()
    summary = json.loads((project / "exp/mini/fast/train_summary.json").read_text())
    assert list(summary["config"]["copies"]) == ["a", "b"]
    _, output = snakemake(project, "-n", *config, noise)
    assert "Nothing to be done" in output
    _, output = snakemake(project, "-n", "-p", *config, copies.format("{kind: codec, names: [gsm]}"))
    assert jobs(output) >= {"copy_distorted", "make_features", "train_embedding"}
    assert "data/mini_train_b --distort" in output and "data/mini_train_a --distort" not in output


@pytest.mark.slow
def test_adding_a_system_keeps_the_scores_of_the_others(project):
    """Also where `sre clean` has removed the checkpoints in between."""
    config = ["--config", "models=[fast]", "set=fast.training.checkpoints=all", "primary_system=cosine"]
    config.append("systems=[cosine]")
    snakemake(project, "-j2", *config)
    run, report = project / "exp/mini/fast", project / "exp/mini/report.html"
    scores = run / "scores/mini/cosine.scores"
    before, page = scores.stat().st_mtime_ns, report.read_bytes()
    assert "(checkpoints of a training that is done)" in sre_command(project, "clean", "exp/mini", "--yes")
    assert not (run / "checkpoints").exists() and (run / "final.pt").is_file()
    assert jobs(snakemake(project, "-n", *config)[1]) == set() and report.read_bytes() == page
    assert "fast" in sre_command(project, "trace", "exp/mini/report.tsv:2")
    trained = (run / "final.pt").stat().st_mtime_ns
    snakemake(project, "-j2", *config[:-1], "systems=[cosine, cosine_centred+snorm]")
    assert scores.stat().st_mtime_ns == before
    metrics = json.loads((scores.parent / "metrics.json").read_text())
    assert metrics["systems"]["cosine_centred+snorm"]["status"] == "ok"
    assert (run / "final.pt").stat().st_mtime_ns == trained


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
    config = [f"corpus={CORPORA.resolve()}/LibriSpeech", "recipe=librispeech", "cut_seconds=4", "models=[fast]", "nj=2"]
    snakemake(project, "-j8", "--config", *config)
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
            run_and_kill(project, config, marker, everything)
    snakemake(project, "-j2", "--config", *config)
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
@pytest.mark.skipif(not CORPORA.is_dir(), reason="no ../shared/reference here")
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


def data_dir(folder, *files):
    folder.mkdir()
    (folder / "utt2spk").write_text("".join(f"s{n}-a s{n}\n" for n in range(6)))
    for name in files:
        (folder / name).write_text("x\n")
    return folder


def test_a_development_list_leaves_each_split_its_embeddings(project, tmp_path):
    train, evaluation = data_dir(tmp_path / "train"), data_dir(tmp_path / "eval")
    for name in ("trials", "train.scp", "eval.scp"):
        (tmp_path / name).write_text("s0-a s1-a nontarget\n")
    config = ["recipe=custom", "name=dry", "models=[]", "development={speakers: 2}", f"train_data={train}"]
    config += [f"eval_data={evaluation}", f"trials={tmp_path}/trials"]
    config += [f"embeddings={{v: {{train: {tmp_path}/train.scp, eval: {tmp_path}/eval.scp}}}}"]
    _, output = snakemake(project, "-n", "-p", "--config", *config)
    for split in ("train", "eval"):
        assert f"steps.import_embeddings {tmp_path}/{split}.scp data/dry_{split}/utt2spk " in output


def test_segments_that_are_there_are_an_input(project, tmp_path):
    train = data_dir(tmp_path / "train", "wav.scp", "segments", "spk2gender")
    evaluation = data_dir(tmp_path / "eval", "wav.scp")
    trials = tmp_path / "trials"
    trials.write_text("s0-a s1-a nontarget\n")
    config = ["recipe=custom", "name=dry", "models=[fast]", f"train_data={train}", f"eval_data={evaluation}"]
    _, output = snakemake(project, "-n", "-p", "--config", *config, f"trials={trials}")
    assert f"--inputs {train}/utt2spk {train}/wav.scp {train}/segments --outputs" in output
    assert f"--inputs {evaluation}/utt2spk {evaluation}/wav.scp --outputs" in output


NOISE = "{distort: [{one_of: [{kind: noise, categories: [noise], snr: [0, 15]}]}]}"


def test_networks_are_trained_on_the_copies_and_back_ends_are_not(project):
    """With a VAD, which is that of the clean speech. A model that names no copy is trained on the clean split alone."""
    features = "features={mfcc: {type: mfcc, vad: {}}}"
    keys = "set=[fast.features=mfcc,xvector.features=mfcc,xvector.copies=[],xvector.augment.speeds=[]]"
    config = ["models=[fast, xvector]", features, f"copies={{noise: {NOISE}}}", keys]
    _, output = snakemake(project, "-n", "-p", "--config", *config)
    assert " data/mini_train data/mini_train_noise --distort " in output
    assert " --noises data/musan --suffix=-noise " in output
    assert output.count("--data data/mini_train --data data/mini_train_noise ") == 1
    assert output.count(" --data data/mini_train ") == 2
    assert "steps.copy_vad data/mini_train/feats/mfcc data/mini_train_noise/feats/mfcc --suffix=-noise" in output
    assert "embeddings/mini_train_noise" not in output


@pytest.mark.parametrize(
    "config, sentence",
    [
        (["recipe=mini", "systms=[cosine]"], "unknown key 'systms'; the nearest valid one is 'systems'"),
        (["recipe=mini", "systems=[cosin]"], "the nearest is 'cosine'"),
        (["recipe=librispeech", "corpus=/nowhere"], "/nowhere"),
        (["recipe=librispeech"], "corpus=DIR"),
        (["recipe=voxceleb", "voxceleb1=/nowhere"], "/nowhere"),
        (["recipe=custom", "name=x"], "train_data"),
        (["recipe=mini", "systems=[cosine+cal]"], "development.speakers"),
        (["recipe=mini", f"copies={{a: {NOISE}}}", "set=xvector.copies=[b]"], "'b' is none of the recipe's copies"),
        (["recipe=mini", f"copies={{a: {NOISE}}}", "musan=/nowhere"], "/nowhere"),
        ([*KO_CONFIG, f"copies={{a: {NOISE}}}"], "a has the kind noise, and musan is null; set musan=FOLDER"),
    ],
)
def test_a_wrong_config_is_one_sentence_at_once(project, config, sentence):
    code, output = snakemake(project, "-j1", "--config", *config, check=False)
    assert code != 0 and sentence in output
    assert not any(said in output for said in ("Traceback", "WorkflowError", ".smk", "Exception"))


@needs_corpora
@pytest.mark.parametrize("fault", ["trial", "overlap"])
def test_the_gates_stop_before_training(project, fault, tmp_path):
    trials = tmp_path / "trials"
    lines = (KO / "eval/trials").read_text().splitlines()
    trials.write_text(
        "\n".join(
            [*lines[::100], "nobody 084F2102-SNR084F2MIC102056_ch01 nontarget"] if fault == "trial" else lines[::100]
        )
        + "\n"
    )
    train = KO / ("eval" if fault == "overlap" else "train")
    config = [
        "recipe=custom",
        "name=bad",
        f"train_data={train}",
        f"eval_data={KO}/eval",
        f"trials={trials}",
        "models=[fast]",
    ]
    code, output = snakemake(project, "-j2", "--config", *config, check=False)
    assert code != 0 and not (project / "exp/bad/fast").exists()
    assert ("nobody" if fault == "trial" else "both in training") in output


def test_one_run_at_a_time_in_a_root(project):
    with open(project / ".sre.lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, output = snakemake(project, "-j1", check=False)
    assert code != 0 and "another snakemake works in this root" in output
