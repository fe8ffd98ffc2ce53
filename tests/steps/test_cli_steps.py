"""The command lines that stay: one run of each on a tiny corpus, and one sentence for each kind of bad input."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.io.ark import read_scp, read_vectors, write_ark
from sre.io.tables import read_table
from sre.io.trials import read_scores
from sre.machine.log import run
from steps import (
    compute_metrics,
    compute_vad,
    extract_embeddings,
    import_embeddings,
    import_features,
    join_features,
    make_development_trials,
    make_fbank,
    make_mfcc,
    normalize_scores,
    score_trials,
    train_backend,
    train_embedding,
)

ROOT = Path(__file__).resolve().parents[2]
MODEL = """
features: fbank80
architecture: xvector
options: {embedding_dim: 8, channels: 16, pooled_channels: 24}
training: {epochs: 2, batch_size: 4, lr: 0.01, chunk_frames: [40, 60], average_last: 1, precision: fp32}
validation: {speakers: 0}
"""


def call(main: Callable[[list[str]], None], *arguments: object) -> None:
    main([str(argument) for argument in arguments])


def speaker_trials(folder: Path, utt2spk: dict[str, str]) -> tuple[Path, Path]:
    """Models of each speaker's first two utterances against everyone's third."""
    speakers = sorted(set(utt2spk.values()))
    pairs = [(e, t) for e in speakers for t in speakers]
    lines = [f"{e} {t}_02 {'target' if e == t else 'nontarget'}" for e, t in pairs]
    (folder / "trials").write_text("\n".join(lines) + "\n")
    (folder / "enroll").write_text("".join(f"{s} {s}_00 {s}_01\n" for s in speakers))
    return folder / "trials", folder / "enroll"


def test_from_wav_files_to_error_rates(tmp_path: Path, sound_dir: Callable[..., Path], capsys) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/tiny.yaml").write_text(MODEL)
    (tmp_path / "config.yaml").write_text("features: {fbank80: {num_mel_bins: 80}}\n")
    train, test = sound_dir(tmp_path / "train", speakers=4), sound_dir(tmp_path / "test", speakers=3, first=10)
    feats = {data: data / "feats/fbank80" for data in (train, test)}
    call(make_fbank.main, train, feats[train], "--num-workers", 2)
    call(make_fbank.main, test, feats[test])
    assert len(read_scp(feats[train] / "feats.scp")) == 12
    assert read_table(feats[test] / "utt2num_frames")["s10_00"] == "118"  # 1.2 s, edges snipped
    assert json.loads((feats[train] / "config").read_text())["num_mel_bins"] == 80
    assert (feats[train] / "rejected.tsv").read_text() == "id\tpath\treason\n"

    final = tmp_path / "exp/final.pt"
    call(train_embedding.main, tmp_path / "models/tiny.yaml", "--data", train, "--device", "cpu", final)
    embeddings = {data: tmp_path / "exp" / data.name / "embeddings.scp" for data in (train, test)}
    for data, scp in embeddings.items():
        call(extract_embeddings.main, final, data, scp.parent, "--device", "cpu")
    assert read_vectors(embeddings[test])[1].shape == (9, 8)

    trials, enroll = speaker_trials(tmp_path, read_table(test / "utt2spk"))
    (tmp_path / "plda.yaml").write_text("type: plda\nchain: [centre, 'lda:2', length_norm]\n")
    backend = tmp_path / "exp/plda.npz"
    fitted_on = ["--embeddings", embeddings[train], "--utt2spk", train / "utt2spk"]
    call(train_backend.main, tmp_path / "plda.yaml", *fitted_on, backend)
    given = ["--embeddings", embeddings[test], "--enroll-map", enroll]
    cohort = ["--cohort", embeddings[train], "--cohort-utt2spk", train / "utt2spk"]
    for name in ("cosine", backend):
        raw, normed, at_once = (tmp_path / "exp" / kind for kind in ("raw", "normed", "at_once"))
        call(score_trials.main, name, trials, *given, raw)
        call(normalize_scores.main, name, raw, *given, *cohort, "--method", "asnorm1", "--top-n", 3, normed)
        call(score_trials.main, name, trials, *given, "--norm", "asnorm1", *cohort, "--top-n", 3, at_once)
        np.testing.assert_allclose(read_scores(normed)[1], read_scores(at_once)[1], rtol=1e-4, atol=1e-4)
        assert not np.allclose(read_scores(raw)[1], read_scores(normed)[1])

    capsys.readouterr()
    call(compute_metrics.main, raw, trials, "--out", tmp_path / "metrics.json")
    shown = dict(line.split(" ") for line in capsys.readouterr().out.splitlines())
    assert list(shown) == ["EER", "minDCF(0.01)", "minDCF(0.05)", "minDCF(0.001)", "targets", "nontargets"]
    assert (shown["targets"], shown["nontargets"]) == ("3", "6")
    assert 0 <= float(shown["EER"]) <= 100
    assert json.loads((tmp_path / "metrics.json").read_text())["eer"] == pytest.approx(float(shown["EER"]), abs=1e-6)


def test_mfcc_and_vad(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    data = sound_dir(tmp_path / "data", speakers=1)
    (data / "utt2spk").unlink(), (data / "spk2utt").unlink()  # wav.scp is enough
    out = tmp_path / "mfcc"
    call(make_mfcc.main, data, out)
    assert json.loads((out / "config").read_text())["num_ceps"] == 30
    assert read_table(out / "utt2num_frames")["s00_00"] == "120"  # edges not snipped
    call(compute_vad.main, out / "feats.scp", out)
    assert read_scp(out / "vad.scp").keys() == read_scp(out / "feats.scp").keys()
    assert 0 < int(read_table(out / "utt2num_voiced")["s00_00"]) <= 120


def test_a_shard_at_a_time_is_the_same(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    data = sound_dir(tmp_path / "data", speakers=1)
    for out, of in ((tmp_path / "one", 1), (tmp_path / "two", 2)):
        for shard in range(1, of + 1):
            call(make_fbank.main, data, out, "--shard", f"{shard}/{of}")
        call(join_features.main, data, out, "--num-shards", of)
    assert (tmp_path / "two/feats.2.ark").exists()
    with pytest.raises(SreError, match=r"two/feats.3.scp: no such file; make this shard first \(--shard K/3\)"):
        call(join_features.main, data, tmp_path / "two", "--num-shards", 3)
    tables = [(out / "utt2num_frames").read_bytes() for out in (tmp_path / "one", tmp_path / "two")]
    assert tables[0] == tables[1]
    joined = b"".join((tmp_path / f"two/feats.{shard}.ark").read_bytes() for shard in (1, 2))
    assert joined == (tmp_path / "one/feats.1.ark").read_bytes()


@pytest.fixture
def scored(tmp_path: Path, monkeypatch) -> Path:
    """Embeddings e.scp of 3 speakers x 3 utterances, utt2spk, trials, and scores that are all equal."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    utt2spk = {f"s{s}_{u:02}": f"s{s}" for s in range(3) for u in range(3)}
    write_ark("e.ark", "e.scp", ((utt, draw.normal(size=4)) for utt in utt2spk))
    Path("utt2spk").write_text("".join(f"{utt} {speaker}\n" for utt, speaker in utt2spk.items()))
    Path("one_speaker").write_text("".join(f"{utt} s0\n" for utt in utt2spk))
    trials, _ = speaker_trials(tmp_path, utt2spk)
    Path("equal").write_text("".join(f"{line.rpartition(' ')[0]} 1\n" for line in trials.read_text().splitlines()))
    Path("more_utt2spk").write_text(Path("utt2spk").read_text() + "s9_00 s9\n")
    Path("unknown.yaml").write_text("num_mel_bin: 30\n")
    (tmp_path / "empty").mkdir()
    return tmp_path


MODEL_YAML = str(ROOT / "recipes/mini/models/xvector.yaml")
BAD = {
    make_fbank: ("nowhere out", "argument data: nowhere: no such folder; check the path"),
    make_mfcc: (
        "empty out --config unknown.yaml",
        "unknown key 'num_mel_bin'; the nearest valid one is 'num_mel_bins'",
    ),
    compute_vad: ("nowhere.scp out", "nowhere.scp: no such file; check the path"),
    train_embedding: (f"{MODEL_YAML} --data empty final.pt", "empty: no features; looked for"),
    extract_embeddings: (
        "nowhere.pt empty out --device cpu",
        "argument model: nowhere.pt: no such file",
    ),
    train_backend: ("lda_plda --embeddings e.scp --utt2spk one_speaker b.npz", "LDA needs at least 2 speakers"),
    score_trials: (
        "cosine trials --embeddings e.scp out",
        "enrolment utterances: 3 of 3 have no embedding, e.g. s0; extract it, or take its trials out of the list, or"
        " give --enroll-map if models are no utterances",
    ),
    normalize_scores: (
        "cosine equal --embeddings e.scp --enroll-map enroll --cohort e.scp --cohort-utt2spk one_speaker"
        " --method snorm out",
        "the cohort has 1 member, score normalisation needs at least 2",
    ),
    make_development_trials: (
        "one_speaker out out.speakers --speakers 4",
        "one_speaker: no 4 speakers to hold out, at least 4 with 2 utterances are needed; set",
    ),
    import_embeddings: (
        "e.scp more_utt2spk out.scp out",
        "utterances of more_utt2spk in e.scp: 1 of 10 have no embedding, e.g. s9_00; extract it",
    ),
    compute_metrics: ("equal trials --out out", "equal: all 9 scores are equal"),
}


@pytest.mark.parametrize("step", BAD, ids=lambda step: step.__name__.rpartition(".")[2])
def test_bad_input(scored: Path, capsys, step) -> None:
    arguments, sentence = BAD[step]
    with pytest.raises(SystemExit) as ended:
        run(lambda: step.main(arguments.split()))
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.splitlines()[-1].startswith("error: ") or "problem" in told
    assert sentence in told
    assert not any((scored / name).exists() for name in ("out", "out.scp", "final.pt", "b.npz"))


def test_a_model_of_several_speakers_is_told(scored: Path, capsys) -> None:
    Path("two").write_text("s0 s0_00 s1_01\ns1 s1_00\ns2 s2_00\n")
    score_trials.main(
        ["cosine", "trials", "--embeddings", "e.scp", "--enroll-map", "two", "--utt2spk", "utt2spk", "out"]
    )
    assert "two: 1 of 3 models have utterances of several speakers by utt2spk, e.g. s0 has s0, s1" in (
        capsys.readouterr().err
    )


def test_an_embedding_of_zeros_is_named(scored: Path) -> None:
    keys, vectors = read_vectors("e.scp")
    write_ark("e.ark", "e.scp", ((key, 0 * x if key == "s1_01" else x) for key, x in zip(keys, vectors, strict=True)))
    with pytest.raises(SreError, match="1 embeddings are all zeros, e.g. 's1_01'; look at its audio"):
        score_trials.main(["cosine", "trials", "--embeddings", "e.scp", "--enroll-map", "enroll", "out"])


def test_features_are_made_or_imported(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    write_ark(tmp_path / "x.ark", tmp_path / "feats.scp", [("a", np.eye(2))])
    make_fbank.main([str(tmp_path), str(tmp_path / "taken")])  # as import_features
    assert json.loads((tmp_path / "taken/config").read_text())["type"] == "given"
    with pytest.raises(SreError, match="no wav.scp; add it, or take its feats.scp over by python -m steps.import_feat"):
        make_fbank.main([str(tmp_path), str(tmp_path / "out"), "--shard", "1/2"])
    import_features.main([str(tmp_path), str(tmp_path / "out"), "--config", '{"cmn": "sliding"}'])
    assert json.loads((tmp_path / "out/config").read_text())["cmn"] == "sliding"
    with pytest.raises(SreError, match="no feats.scp; add it, or make features of its audio by python -m steps.make_"):
        import_features.main([str(sound_dir(tmp_path / "data")), str(tmp_path / "out")])


def test_imported_features_without_signal(tmp_path: Path) -> None:
    feats = {"a": np.ones((3, 2)), "b": np.eye(2), "c": np.zeros((2, 2)), "d": np.ones((1, 2))}
    write_ark(tmp_path / "x.ark", tmp_path / "feats.scp", feats.items())
    with pytest.raises(SreError, match="feats.scp: 2 of 4 utterances have no signal: all frames of 'a' are equal"):
        import_features.main([str(tmp_path), str(tmp_path / "out")])


def test_intervals_need_everybodys_speaker(scored: Path, capsys) -> None:
    """Models here are speakers, which only the enrolment map knows; trials were drawn instead, and nothing said so."""
    lines = Path("trials").read_text().splitlines()
    Path("some").write_text("".join(f"{line.rpartition(' ')[0]} {n * 7 % 5}\n" for n, line in enumerate(lines)))
    with pytest.raises(SreError, match="utt2spk: no speaker of 3 models and tests, e.g. s0, .* --enroll-map"):
        compute_metrics.main(["some", "trials", "--utt2spk", "utt2spk"])
    compute_metrics.main(["some", "trials", "--utt2spk", "utt2spk", "--enroll-map", "enroll"])
    assert capsys.readouterr().out.startswith("EER ")


def test_intervals_stand_behind_their_numbers_or_are_said_to_be_missing(scored: Path, capsys) -> None:
    lines = Path("trials").read_text().splitlines()
    Path("some").write_text("".join(f"{line.rpartition(' ')[0]} {n * 7 % 5}\n" for n, line in enumerate(lines)))
    given = ["some", "trials", "--utt2spk", "utt2spk", "--enroll-map", "enroll"]
    compute_metrics.main(given)
    told = capsys.readouterr()
    names = [line.split()[0] for line in told.out.splitlines()]
    assert names == ["EER", "minDCF(0.01)", "minDCF(0.05)", "minDCF(0.001)", "targets", "nontargets"]
    assert "no 95 % interval of EER, minDCF(0.01), minDCF(0.05), minDCF(0.001): " in told.err  # 3 speakers: too few
    assert "of 1000 draws of the 3 speakers lack target or nontarget trials; take a list of more speakers" in told.err
    with pytest.raises(SreError, match="trials: 1 of 3 models have utterances of several speakers"):
        Path("enroll").write_text("s0 s0_00 s1_01\ns1 s1_00\ns2 s2_00\n")
        compute_metrics.main(given)


def test_an_interval_stands_behind_its_number(tmp_path: Path, capsys) -> None:
    draw = np.random.default_rng(0)
    pairs = [(f"s{a:02}_0", f"s{b:02}_1") for a in range(12) for b in range(12)]
    (tmp_path / "t").write_text("".join(f"{a} {b} {'target' if a[:3] == b[:3] else 'nontarget'}\n" for a, b in pairs))
    (tmp_path / "s").write_text("".join(f"{a} {b} {(a[:3] == b[:3]) + draw.normal()}\n" for a, b in pairs))
    (tmp_path / "u").write_text("".join(f"s{a:02}_{n} s{a:02}\n" for a in range(12) for n in (0, 1)))
    call(compute_metrics.main, tmp_path / "s", tmp_path / "t", "--utt2spk", tmp_path / "u")
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names[:6] == ["EER", "EER_low", "EER_high", "minDCF(0.01)", "minDCF(0.01)_low", "minDCF(0.01)_high"]


POINTS = ["0.01000001,1,1", "0.01000002,1,1", "0.999999999999,1,1", "1e-2,10, 1", ".010,10,1"]


def test_operating_points_under_the_names_they_were_asked_by(scored: Path, capsys) -> None:
    Path("some").write_text(Path("equal").read_text().replace("1\n", "0.5\n", 1))
    given = [word for point in POINTS for word in ("--operating-point", point)]
    compute_metrics.main(["some", "trials", *given, "--out", "m.json"])
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()[6:]]
    asked = [f"{kind}({point.replace(' ', '')})" for point in POINTS for kind in ("minDCF", "actDCF")]
    assert shown == asked and set(asked) <= json.loads(Path("m.json").read_text()).keys()
    for odd in (
        "1,1,1",
        "0.01,1",
        "0.01,1,inf",
        "nan,1,1",
        "0.01,1e-320,1e300",
        "1e-300,1e-300,1",
        "0_1,1,1",
        "٠.١,1,1",
        "x",
    ):
        with pytest.raises(SreError, match="argument --operating-point: .*: P_TARGET is between 0 and 1, costs"):
            compute_metrics.main(["some", "trials", "--operating-point", odd])


def test_inverted_labels_are_guessed(scored: Path, capsys) -> None:
    lines = Path("trials").read_text().splitlines()
    for worth, told in ((1, False), (-1, True)):
        scores = [f"{line.rpartition(' ')[0]} {worth * line.endswith(' target')}\n" for line in lines]
        Path("some").write_text("".join(scores))
        compute_metrics.main(["some", "trials"])
        assert ("some: an EER above 50 %: look whether labels" in capsys.readouterr().err) == told


def test_as_a_process(scored: Path) -> None:
    command = [sys.executable, "-m", "steps.compute_metrics", str(scored / "equal"), str(scored / "trials")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_truncated_wav_is_rejected_by_name(tmp_path: Path, sound_dir: Callable[..., Path], capsys) -> None:
    data, out = sound_dir(tmp_path / "data"), tmp_path / "out"
    wav, other = (Path(read_table(data / "wav.scp")[utt]) for utt in ("s01_01", "s02_02"))
    wav.write_bytes(wav.read_bytes()[:3000])
    call(make_fbank.main, data, out, "--shard", "1/1")
    call(join_features.main, data, out, "--num-shards", 1)
    assert "1 of 9 utterances rejected and left out, e.g. s01_01" in capsys.readouterr().err
    assert (out / "rejected.tsv").read_text().splitlines()[1].startswith(f"s01_01\t{wav}\ttruncated: ")
    assert "s01_01" not in read_table(out / "feats.scp") and len(read_table(out / "feats.scp")) == 8
    (out / "feats.scp").unlink()
    other.write_bytes(b"")
    call(make_fbank.main, data, out, "--shard", "1/1")
    with pytest.raises(SystemExit):
        run(lambda: join_features.main([str(data), str(out), "--num-shards", "1"]))
    assert "2 of 9 utterances are rejected, more than max_rejected (0.01) allows, e.g." in capsys.readouterr().err
    assert not (out / "feats.scp").exists()


UNUSED = {
    score_trials: ("cosine trials --embeddings e.scp --top-n 5 out", "a cohort is for --norm, which is not given"),
    train_backend: (
        "cosine --embeddings e.scp --utt2spk utt2spk --adapt e.scp out",
        "--adapt: the back-end has no adapt",
    ),
    normalize_scores: (
        "cosine equal --embedings e.scp --cohort e.scp out",
        "unknown option --embedings; the nearest is",
    ),
}


@pytest.mark.parametrize("step", UNUSED, ids=lambda step: step.__name__.rpartition(".")[2])
def test_no_option_is_ignored(scored: Path, step) -> None:
    arguments, sentence = UNUSED[step]
    with pytest.raises(SreError, match=sentence):
        step.main(arguments.split())
