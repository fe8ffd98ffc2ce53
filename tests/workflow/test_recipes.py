"""The recipes end to end, as a user runs them: --until, what re-runs, what is kept, and errors in one sentence."""

import fcntl
import json
import shutil

import numpy as np
import pytest
from checkouts import KO, KO_CONFIG, checkout, digest, jobs, needs_corpora, snakemake, sre_command

from sre.io.trials import align_scores


@pytest.fixture
def project(tmp_path):
    """A checkout of the project, in which a recipe can be edited; data/ and exp/ fall into it."""
    return checkout(tmp_path)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A checkout in which nothing is made."""
    return checkout(tmp_path_factory.mktemp("untouched"))


MINI_CONFIG = ["--config", "models=[fast]", "set=fast.training.checkpoints=all", "bootstrap={replicates: 100}"]


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """Recipe mini until its trainings, looked at, and then to its report: the checkout, and lines that it printed."""
    project = checkout(tmp_path_factory.mktemp("mini"))
    _, output = snakemake(project, "-j8", "--until", "train", *MINI_CONFIG)
    until = output.splitlines()
    assert until[-1].startswith("done: ")
    trained = (project / "exp/mini/fast/final.pt").stat().st_mtime_ns
    assert not list((project / "exp").rglob("*.scores"))
    _, output = snakemake(project, "-n", "--until", "train", *MINI_CONFIG)
    assert jobs(output) <= {"train"}, output
    _, output = snakemake(project, "-j8", *MINI_CONFIG)
    assert (project / "exp/mini/fast/final.pt").stat().st_mtime_ns == trained
    return project, until + output.splitlines()


@pytest.fixture
def finished(mini, tmp_path):
    """A copy of recipe mini with its report, to go on with."""
    shutil.copytree(mini[0].parent, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy/main"


@pytest.mark.slow
def test_mini_until_train_then_nothing_then_the_report(mini, finished):
    config, project = MINI_CONFIG, finished
    shown = [line for line in mini[1] if not line.endswith(" …") and "ETA" not in line]  # those of long jobs are more
    assert shown[-1] == "exp/mini/report.html" and len(shown) < 60
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
def test_the_same_trials_with_noise_in_a_room_and_cut(finished):
    """Conditions are added to what stands: nothing is trained again, and the clean list is not scored again."""
    project = finished
    clean = digest(project / "exp/mini")
    config = [*MINI_CONFIG, "systems=[cosine_centred]", "primary_system=cosine_centred"]
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
def test_distorted_copies_until_the_report_then_nothing_then_another_noise(finished):
    """Another definition of one copy makes that copy again, and what is trained on it; the others stay."""
    project = finished
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
def test_adding_a_system_keeps_the_scores_of_the_others(finished):
    """Also where `sre clean` has removed the checkpoints in between."""
    project, config = finished, MINI_CONFIG
    run, report = project / "exp/mini/fast", project / "exp/mini/report.html"
    scores = run / "scores/mini/cosine.scores"
    before, page = scores.stat().st_mtime_ns, report.read_bytes()
    assert "(checkpoints of a training that is done)" in sre_command(project, "clean", "exp/mini", "--yes")
    assert not (run / "checkpoints").exists() and (run / "final.pt").is_file()
    assert jobs(snakemake(project, "-n", *config)[1]) == set() and report.read_bytes() == page
    assert "fast" in sre_command(project, "trace", "exp/mini/report.tsv:2")
    trained = (run / "final.pt").stat().st_mtime_ns
    snakemake(project, "-j2", *config, "primary_system=cosine", "systems=[cosine, lda_plda+snorm]")
    assert scores.stat().st_mtime_ns == before
    metrics = json.loads((scores.parent / "metrics.json").read_text())
    assert metrics["systems"]["lda_plda+snorm"]["status"] == "ok"
    assert (run / "final.pt").stat().st_mtime_ns == trained


def test_identification_trains_on_a_part(untouched):
    """Everything that is fitted reads the heard part; each run names the other one."""
    config = ["--config", "models=[fast]", "development={speakers: 4}", "identification={utterances: 2, by: session}"]
    _, output = snakemake(untouched, "-n", "-p", *config)
    split = "steps.split_unheard data/mini_train data/mini_train_heard data/mini_train_unheard"
    assert f"{split} --utterances 2.0 --by session --seed 1" in output
    assert "--data data/mini_train_heard --development" in output and "--data data/mini_train " not in output
    assert "--cohort-utt2spk data/mini_train_heard/utt2spk" in output
    commands = [line.partition("--outputs") for line in output.splitlines() if "--inputs" in line]
    assert all(split in rest for inputs, _, rest in commands if "data/mini_train/" in inputs.partition("--inputs")[2])
    assert "--heard data/mini_train_heard --unheard data/mini_train_unheard" in output
    assert "steps.make_report exp/mini" in output and "--identification exp/mini/fast/identification.json" in output


def data_dir(folder, *files):
    folder.mkdir()
    (folder / "utt2spk").write_text("".join(f"s{n}-a s{n}\n" for n in range(6)))
    for name in files:
        (folder / name).write_text("x\n")
    return folder


def test_a_development_list_leaves_each_split_its_embeddings(untouched, tmp_path):
    train, evaluation = data_dir(tmp_path / "train"), data_dir(tmp_path / "eval")
    for name in ("trials", "train.scp", "eval.scp"):
        (tmp_path / name).write_text("s0-a s1-a nontarget\n")
    config = ["recipe=custom", "name=dry", "models=[]", "development={speakers: 2}", f"train_data={train}"]
    config += [f"eval_data={evaluation}", f"trials={tmp_path}/trials"]
    config += [f"embeddings={{v: {{train: {tmp_path}/train.scp, eval: {tmp_path}/eval.scp}}}}"]
    _, output = snakemake(untouched, "-n", "-p", "--config", *config)
    for split in ("train", "eval"):
        assert f"steps.import_embeddings {tmp_path}/{split}.scp data/dry_{split}/utt2spk " in output


def test_segments_that_are_there_are_an_input(untouched, tmp_path):
    train = data_dir(tmp_path / "train", "wav.scp", "segments", "spk2gender")
    evaluation = data_dir(tmp_path / "eval", "wav.scp")
    trials = tmp_path / "trials"
    trials.write_text("s0-a s1-a nontarget\n")
    config = ["recipe=custom", "name=dry", "models=[fast]", f"train_data={train}", f"eval_data={evaluation}"]
    _, output = snakemake(untouched, "-n", "-p", "--config", *config, f"trials={trials}")
    assert f"--inputs {train}/utt2spk {train}/wav.scp {train}/segments --outputs" in output
    assert f"--inputs {evaluation}/utt2spk {evaluation}/wav.scp --outputs" in output


NOISE = "{distort: [{one_of: [{kind: noise, categories: [noise], snr: [0, 15]}]}]}"


def test_qualities_of_a_network_on_audio_are_of_its_frames(untouched):
    config = ["recipe=mini", "models=[fast]", "set=fast.source=audio", "development={speakers: 6}"]
    config += ["quality={measures: [duration], seconds: [1]}", "systems=[cosine+qmf]", "primary_system=cosine+qmf"]
    _, output = snakemake(untouched, "-n", "-p", "--config", *config)
    measured = [line for line in output.splitlines() if "steps.measure_quality" in line]
    assert len(measured) == 3 and all("/audio/utt2num_samples" in line for line in measured)
    assert all(
        "/quality/audio.fbank40" in line and "--features" in line and '"frame_shift"' in line for line in measured
    )


def test_networks_are_trained_on_the_copies_and_back_ends_are_not(untouched):
    """With a VAD, which is that of the clean speech. A model that names no copy is trained on the clean split alone."""
    features = "features={mfcc: {type: mfcc, vad: {}}}"
    keys = "set=[fast.features=mfcc,xvector.features=mfcc,xvector.copies=[],xvector.augment.speeds=[]]"
    config = ["models=[fast, xvector]", features, f"copies={{noise: {NOISE}}}", keys]
    _, output = snakemake(untouched, "-n", "-p", "--config", *config)
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
def test_a_wrong_config_is_one_sentence_at_once(untouched, config, sentence):
    code, output = snakemake(untouched, "-j1", "--config", *config, check=False)
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
