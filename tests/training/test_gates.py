"""What stops a run before hours are spent."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sre import SreError
from sre.datadir.missing import check_promised
from sre.datadir.rejected import write_rejected_rows
from sre.features.store import FeatureStore
from sre.io.tables import read_utt2spk, write_table
from sre.training.gate_checks import (
    GUESSED_SECONDS,
    ListFiles,
    audio_seconds,
    check_disk,
    check_features,
    check_tables,
    check_trials,
    describe_features,
    summary_of,
)
from sre.training.gate_files import FeatureCounts, ListCounts
from sre.training.job import select
from sre.training.options import Filter
from steps import check_recipe, compute_vad, extract_embeddings, make_mfcc, train_embedding

MODEL = """\
features: mfcc
architecture: xvector
options: {embedding_dim: 8, channels: 8, pooled_channels: 8}
filter: {min_frames: 10}
training: {epochs: 1, batch_size: 4, chunk_frames: [40, 40], average_last: 1, precision: fp32}
validation: {speakers: 0, utterances: 0}
"""


def write_list(tmp_path, *rows):
    path = tmp_path / "trials"
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


def test_an_enrolment_utterance_without_features_is_named_with_its_reason(tmp_path, feature_dir):
    data = feature_dir(tmp_path / "d", speakers=2, utterances=2)
    trials = write_list(tmp_path, "model s00_00 target", "model s01_00 nontarget")
    (tmp_path / "map").write_text("model s00_01 gone\n")
    write_rejected_rows(data / "rejected.tsv", [("gone", "x.m4a", "the command failed:\nbad\tdata")])
    with pytest.raises(SreError, match=r"gone \(rejected: the command failed: bad data\)"):
        check_features(ListFiles("t", trials, data, tmp_path / "map"), FeatureStore(data / "feats.scp"))
    with pytest.raises(SreError, match="1 of its utterances are not in .*mend the list or the data$"):
        check_trials(ListFiles("t", trials, data, tmp_path / "map"))
    with pytest.raises(SreError, match="e.g. model; mend .*, or give the enrolment map if these are names of models"):
        check_trials(ListFiles("t", trials, data, None))


UTT2SPK = {f"s{spk}_{number}": f"s{spk}" for spk in range(4) for number in range(3)}
RIGHT = [f"{a} {b} {'target' if a[:2] == b[:2] else 'nontarget'}" for a in UTT2SPK for b in UTT2SPK if a < b]


def gate(tmp_path, rows, models=None, utt2spk=UTT2SPK):
    write_table(tmp_path / "utt2spk", utt2spk)
    if models:
        (tmp_path / "map").write_text("".join(f"{model} {utts}\n" for model, utts in models.items()))
    item = ListFiles("t", write_list(tmp_path, *rows), tmp_path, tmp_path / "map" if models else None)
    return check_trials(item)


def inverted(rows):
    return [f"{row.rpartition(' ')[0]} {'nontarget' if row.endswith(' target') else 'target'}" for row in rows]


def test_labels_are_those_of_the_speakers(tmp_path):
    assert gate(tmp_path, RIGHT) == ListCounts(trials=66, targets=12, nontargets=54, models=11)
    one = [*RIGHT[:5], *inverted(RIGHT[5:6]), *RIGHT[6:]]
    with pytest.raises(
        SreError, match="t .*: 1 of 66 labels are not those of utt2spk, e.g. s0_0 s2_0 is target, of the"
    ):
        gate(tmp_path, one)
    with pytest.raises(
        SreError, match="66 of 66 labels are not those of utt2spk; they seem to be inverted, e.g. s0_0 s0_1"
    ):
        gate(tmp_path, inverted(RIGHT))


def test_labels_of_models_and_models_of_several_speakers(tmp_path):
    models = {f"m{n}": f"s{n}_0 s{n}_1" for n in range(4)}
    rows = [f"m{m} s{n}_2 {'target' if m == n else 'nontarget'}" for m in range(4) for n in range(4)]
    assert gate(tmp_path, rows, models).models == 4
    with pytest.raises(
        SreError, match="16 of 16 labels are not those of utt2spk; they seem to be inverted, e.g. m0 s0_2"
    ):
        gate(tmp_path, inverted(rows), models)
    with pytest.raises(
        SreError, match="1 of 4 models have utterances of several speakers by utt2spk, e.g. m1 has s1, s2"
    ):
        gate(tmp_path, rows, models | {"m1": "s1_0 s2_0"})


def test_pairs_with_both_labels_in_either_order(tmp_path):
    with pytest.raises(
        SreError, match="1 pairs are target in one order and nontarget in the other, e.g. s0_0 s1_0; keep"
    ):
        gate(tmp_path, [*RIGHT, "s1_0 s0_0 target"])
    assert gate(tmp_path, [*RIGHT, "s1_0 s0_0 nontarget"]).trials == 67  # a pair may be tried in both orders


def test_a_test_in_its_own_model_is_counted_or_refused(tmp_path):
    models = {f"m{n}": f"s{n}_0 s{n}_1" for n in range(4)}
    rows = [f"m{m} s{n}_{u} {'target' if m == n else 'nontarget'}" for m in range(4) for n in range(4) for u in (1, 2)]
    with pytest.raises(
        SreError, match="t: 4 of 8 target trials test a model with one of its own utterances, e.g. m0 with"
    ):
        gate(tmp_path, rows, models)
    with pytest.raises(
        SreError, match="t: 1 of 13 target trials .* e.g. s0_0 with s0_0; error rates are too low: take"
    ):
        gate(tmp_path, ["s0_0 s0_0 target", *RIGHT])
    many = {f"s{spk}_{number}": f"s{spk}" for spk in range(2) for number in range(20)}
    pairs = [f"{a} {b} {'target' if a[:2] == b[:2] else 'nontarget'}" for a in many for b in many if a < b]
    (note,) = gate(tmp_path, ["s0_0 s0_0 target", *pairs], utt2spk=many).notes
    assert note.startswith(
        "t: 1 of 381 target trials test a model with one of its own utterances, e.g. s0_0 with s0_0;"
    )


def test_a_split_whose_tables_lost_lines(tmp_path, feature_dir):
    data = feature_dir(tmp_path / "d", speakers=2, utterances=2)
    check_tables(data)
    for name, said in (
        ("feats.scp", "feats.scp: 2 of the 4 utterances"),
        ("utt2spk", "utt2spk: 2 of the 4 utterances"),
    ):
        whole = (data / name).read_text()
        (data / name).write_text("".join(whole.splitlines(keepends=True)[:2]))
        with pytest.raises(SreError, match=f"{said} of .*d are not in it, e.g. s01_00; delete the file"):
            check_tables(data)
        (data / name).write_text(whole)


def test_lengths_that_are_no_numbers(tmp_path):
    write_table(tmp_path / "utt2spk", {"a": "s", "b": "s"})
    write_table(tmp_path / "utt2dur", {"a": "1.5"})
    assert audio_seconds(tmp_path) == 1.5 + GUESSED_SECONDS
    for odd in ("long", "nan", "inf", "-1", "0", "1_0", ""):
        (tmp_path / "utt2dur").write_text(f"a {odd}\n")
        with pytest.raises(SreError, match="utt2dur: 'a .*' has no number above 0; make the table again"):
            audio_seconds(tmp_path)


def test_where_utt2spk_knows_no_speakers_labels_are_not_held_against_it(tmp_path):
    (note,) = gate(tmp_path, RIGHT, utt2spk={utt: utt for utt in UTT2SPK}).notes
    assert "each utterance is a speaker of its own, so labels were not checked" in note


def test_an_utterance_that_only_looks_like_one_of_the_data(tmp_path):
    with pytest.raises(
        SreError, match="1 of its utterances are not in .*, e.g. a.u0308 .not 'ä', which looks the same"
    ):
        gate(tmp_path, [*RIGHT, "a\u0308 s1_0 target"], utt2spk=UTT2SPK | {"ä": "s1"})


def test_what_utt2spk_promises_is_said_and_bounded(tmp_path, capsys):
    utts = [f"u{n:02}" for n in range(30)]
    check_promised("x.scp", "utt2spk", utts, utts, tmp_path)
    assert capsys.readouterr().err == ""
    check_promised("x.scp", "utt2spk", utts, utts[3:], tmp_path)
    assert (
        "warning: x.scp: 3 of the 30 utterances of utt2spk are not there (0 rejected), e.g. u00"
        in capsys.readouterr().err
    )
    with pytest.raises(
        SreError, match="x.scp: 4 of the 30 utterances of utt2spk are not there .0 rejected., e.g. u00; make"
    ):
        check_promised("x.scp", "utt2spk", utts, utts[4:], tmp_path)
    (tmp_path / "feats/fbank").mkdir(parents=True)
    write_rejected_rows(tmp_path / "feats/fbank/rejected.tsv", [(utt, "x.wav", "empty") for utt in utts[:20]])
    check_promised("x.scp", "utt2spk", utts, utts[20:], tmp_path)
    told = capsys.readouterr().err
    assert "x.scp: 20 of the 30 utterances" in told and "(20 rejected)" in told and "warning" not in told


def halve(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))


def test_half_of_the_recordings_or_features_are_missing(tmp_path, sound_dir, feature_dir):
    sound, given = sound_dir(tmp_path / "sound", speakers=2), feature_dir(tmp_path / "given", speakers=2)
    halve(sound / "wav.scp")
    with pytest.raises(
        SreError, match="sound: 3 of the 6 utterances of .*utt2spk are not there .0 rejected., e.g. s01_00"
    ):
        make_mfcc.main([str(sound), str(tmp_path / "out")])
    halve(given / "feats.scp")
    store, utt2spk = FeatureStore(given / "feats.scp"), read_utt2spk(given / "utt2spk")
    with pytest.raises(SreError, match="feats.scp: 4 of the 8 utterances of its utt2spk are not there"):
        select([store], [utt2spk], Filter(1, 1))
    write_rejected_rows(given / "rejected.tsv", [(f"s01_0{n}", "x.wav", "empty") for n in range(4)])
    assert select([store], [utt2spk], Filter(1, 1)).counts.dropped_without_features == 4


def test_the_gates_of_a_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = {f"t{n}_{m}": f"t{n}" for n in range(3) for m in range(2)}
    write_table("data/train/utt2spk", train), write_table("data/eval/utt2spk", UTT2SPK)
    Path("data/trials").mkdir()
    given = ["data", "gates.json", "--train", "train", "--list", "l=eval", "--checkpoints", "1", "--note", "first"]
    given += ["--features", 'f={"num_mel_bins": 40}']
    Path("data/trials/l").write_text("".join(f"{row}\n" for row in ["s0_0 s0_0 target", *RIGHT]))
    with pytest.raises(SreError, match="1 of 13 target trials test a model with one of its own utterances"):
        check_recipe.main(given)
    Path("data/trials/l").write_text("".join(f"{row}\n" for row in RIGHT))
    check_recipe.main(given)
    found = json.loads(Path("gates.json").read_text())
    assert found["notes"] == ["first"] and found["trials"]["l"]["targets"] == 12
    with pytest.raises(SreError, match="--enroll other: none of the lists l; give it by --list too"):
        check_recipe.main([*given, "--enroll", "other"])
    with pytest.raises(SreError, match="argument --list: 'l': write NAME=SPLIT"):
        check_recipe.main([*given, "--list", "l"])
    with pytest.raises(SreError, match="data/trials/l.enroll: no such file"):
        check_recipe.main([*given, "--enroll", "l"])


def test_features_are_counted_with_their_speakers_and_hours(tmp_path: Path, feature_dir) -> None:
    made = feature_dir(tmp_path / "tr", speakers=3, utterances=4)
    folder = made / "feats/fbank40"
    folder.mkdir(parents=True)
    (made / "feats.scp").rename(folder / "feats.scp")
    write_rejected_rows(folder / "rejected.tsv", [("s09_00", "x.wav", "silent"), ("s09_01", "y.wav", "silent")])
    store = FeatureStore(folder / "feats.scp")
    hours = round(sum(store.num_frames.values()) / 360_000, 3)
    assert describe_features("tr", folder, store) == FeatureCounts("tr", "fbank40", 12, 2, {"silent": 2}, 3, hours)


def test_a_line_on_what_is_left_and_what_was_lost() -> None:
    """Of two kinds of features the utterances are told once, and what each lost is told together."""
    one = FeatureCounts("tr", "fbank40", 8, 2, {"silent": 2}, 3, 0.4567)
    test = FeatureCounts("te", "fbank40", 5, 1, {"too short": 1}, 2, 0.2)
    assert summary_of([one, test], "tr") == (
        "to train on: 8 utterances of 3 speakers, 0.457 h; to test on: 5 utterances in 1 split;"
        " lost: 3 (2 silent; 1 too short)"
    )
    again = replace(one, features="mfcc", rejected=0, reasons={})
    assert summary_of([again, one], "tr").endswith(
        "0 utterances in 0 splits; lost, in 2 kinds of features: 2 (2 silent)"
    )


def test_a_full_disk(tmp_path, sound_dir, monkeypatch):
    sound_dir(tmp_path / "d", speakers=1, utterances=1)
    features = {"fbank80": {"type": "fbank", "num_mel_bins": 80, "frame_shift": 10.0, "compression": 0}}
    check_disk(tmp_path, ["d"], features, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 1000}))
    with pytest.raises(SreError, match="make room, set another root"):
        check_disk(tmp_path, ["d"], features, 1)


def test_the_room_for_copies_is_asked_before_they_are_made(tmp_path: Path, monkeypatch, sound_dir) -> None:
    """A copy of 9 utterances of 1.2 s: its sound takes some 0.3 MB, its features of 80 bins 0.35 MB."""
    sound_dir(tmp_path / "d", speakers=3, utterances=3)
    features = {"fbank": {"type": "fbank", "num_mel_bins": 80, "frame_shift": 10.0, "compression": 0}}
    (tmp_path / "d/feats/fbank").mkdir(parents=True)
    (tmp_path / "d/feats/fbank/feats.scp").touch()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 500_000}))
    check_disk(tmp_path, ["d"], features, 0)
    with pytest.raises(SreError, match="features, copies and checkpoints will take"):
        check_disk(tmp_path, ["d"], features, 0, {"d_noise": "d"})


def test_mfcc_and_vad_through_training_and_extraction(tmp_path, sound_dir):
    """One utterance is silent: it is left out, counted, and what is complete is judged without it."""
    import numpy as np
    import soundfile

    data = sound_dir(tmp_path / "data", speakers=3, utterances=3)
    soundfile.write(data / "wav/s00_00.wav", np.zeros(16000), 16000, subtype="PCM_16")
    feats = data / "feats/mfcc"
    make_mfcc.main([str(data), str(feats)])
    compute_vad.main([str(feats / "feats.scp"), str(feats), "--max-rejected", "0.2"])
    store = FeatureStore(feats / "feats.scp")
    assert "s00_00" not in store.places and len(store.places) == 8
    assert len(store.load("s00_01")) == store.num_frames["s00_01"] <= len(store.raw("s00_01"))
    recipe = tmp_path / "recipe/models"
    recipe.mkdir(parents=True)
    (recipe / "m.yaml").write_text(MODEL)
    options = "type: mfcc, num_mel_bins: 30, num_ceps: 30, high_freq: 7600, snip_edges: false, cmn: sliding, vad: {}"
    (recipe.parent / "config.yaml").write_text(f"features: {{mfcc: {{{options}}}}}\n")
    train_embedding.main([str(recipe / "m.yaml"), "--data", str(data), str(tmp_path / "final.pt")])
    extract_embeddings.main([str(tmp_path / "final.pt"), str(data), str(tmp_path / "e")])
    assert len((tmp_path / "e/embeddings.scp").read_text().splitlines()) == 8
