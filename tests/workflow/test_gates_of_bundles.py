"""A recipe on a network that was trained before: the gates stand before anything is extracted or scored."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sre.experiments.records import Record
from sre.models.bundle import load_bundle
from sre.workflow.standing import outdated, stands
from steps import import_features, train_embedding

ROOT = Path(__file__).resolve().parents[2]
MODEL = {
    "features": "fbank80",
    "architecture": "xvector",
    "options": {"embedding_dim": 8, "channels": 8, "pooled_channels": 8},
    "filter": {"min_frames": 10},
    "training": {"epochs": 1, "batch_size": 4, "chunk_frames": [40, 40], "average_last": 1, "precision": "fp32"},
    "validation": {"speakers": 0, "utterances": 0},
}


def trials_of(data: Path, speakers: range) -> str:
    utts = [f"s{speaker:02}_{number:02}" for speaker in speakers for number in range(4)]
    lines = [f"{a} {b} {'target' if a[:3] == b[:3] else 'nontarget'}\n" for a in utts for b in utts if a < b]
    data.write_text("".join(lines))
    return str(data)


@pytest.fixture
def recipe(tmp_path: Path, feature_dir, monkeypatch) -> list[str]:
    """A network of s00 to s05; training data of s10 to s15, test data of s20 to s22 and s05, and a trial list."""
    heard, train = feature_dir(tmp_path / "heard"), feature_dir(tmp_path / "train", first=10)
    test, again = feature_dir(tmp_path / "test", speakers=3, first=20), feature_dir(tmp_path / "again", 1, first=5)
    for table in ("feats.scp", "utt2spk"):
        (test / table).write_text((again / table).read_text() + (test / table).read_text())
    (test / "spk2utt").unlink()
    import_features.main([str(heard), str(heard / "feats/fbank80")])
    train_embedding.main([json.dumps(MODEL), "--data", str(heard), "--device", "cpu", str(tmp_path / "final.pt")])
    monkeypatch.chdir(tmp_path)
    trials_of(tmp_path / "new", range(20, 23))
    return [
        "recipe=custom", "name=mine", "models=[]", f"root={tmp_path}", f"train_data={train}", f"eval_data={test}",
        f"bundles={{old: {{path: {tmp_path}/final.pt, features: fbank80}}}}", "nj=1", "systems=[cosine]",
        "bootstrap={replicates: 0}",
    ]  # fmt: skip


def snakemake(*config: str, dry: bool = False) -> tuple[int, str]:
    command = [Path(sys.executable).parent / "snakemake", "-s", ROOT / "Snakefile", "-j2", *["-n"] * dry]
    done = subprocess.run([*command, "--config", *config], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_a_bundle_that_has_heard_the_test_is_refused_before_scoring(recipe: list[str], tmp_path: Path) -> None:
    """A bundle whose training speakers are in the trial list is refused before anything is scored."""
    listed = trials_of(tmp_path / "trials", range(20, 23)), trials_of(tmp_path / "heard_too", range(20, 21))
    with open(tmp_path / "heard_too", "a") as file:
        file.write("s05_00 s20_00 nontarget\n")
    lists = f"trials={{new: {listed[0]}}}", f"trials={{new: {listed[0]}, other: {listed[1]}}}"
    refusal = f"bundles.old ({tmp_path}/final.pt) was trained on 1 speaker of trial list mine_other, e.g. s05; "
    code, output = snakemake(*recipe, lists[1])
    assert code != 0 and refusal in output
    assert not list(tmp_path.glob("exp/mine/old/*/*")), "neither embeddings nor scores"
    (tmp_path / "tuned.yaml").write_text(json.dumps(MODEL | {"init": f"{tmp_path}/final.pt"}))
    others = [entry for entry in recipe if not entry.startswith(("models", "bundles"))]
    code, output = snakemake(*others, lists[1], f"models=[{tmp_path}/tuned.yaml]")
    assert code != 0 and refusal.replace("bundles.old", "init of model tuned") in output
    assert not (tmp_path / "exp/mine/tuned").exists()

    code, output = snakemake(*others, lists[0], f"models=[{tmp_path}/tuned.yaml]")
    assert code == 0, output[-3000:]
    tuned, whole = (tmp_path / "exp/mine/tuned/final.pt").read_bytes(), (tmp_path / "final.pt").read_bytes()
    other = load_bundle(tmp_path / "final.pt", with_head=True)
    other.heard = other.speakers = ["s20", *(other.speakers or [])[1:]]
    other.save(tmp_path / "final.pt")  # another network of the same name
    code, output = snakemake(*others, lists[0], f"models=[{tmp_path}/tuned.yaml]")
    assert code != 0 and "was trained on 1 speaker of trial list mine_new, e.g. s20" in output
    assert (tmp_path / "exp/mine/tuned/final.pt").read_bytes() == tuned
    (tmp_path / "final.pt").write_bytes(whole)

    code, output = snakemake(*recipe, lists[0])
    assert code == 0, output[-3000:]
    scores = set(tmp_path.glob("exp/mine/old/scores/*/*.scores"))
    made = (tmp_path / "exp/mine/old/embeddings/mine_eval.scp").stat().st_mtime_ns
    assert len(scores) == 1

    code, output = snakemake(*recipe, lists[1])  # a list that was added later
    assert code != 0 and refusal in output
    assert set(tmp_path.glob("exp/mine/old/scores/*/*.scores")) == scores
    code, output = snakemake(*recipe, lists[0])
    assert code == 0, output[-3000:]
    assert (tmp_path / "exp/mine/old/embeddings/mine_eval.scp").stat().st_mtime_ns == made


def test_what_stands_is_there_no_older_than_its_sources_and_of_them(tmp_path: Path) -> None:
    made, source, record = tmp_path / "made", tmp_path / "source", tmp_path / "record.json"
    assert not stands(made, [])
    made.touch()
    assert stands(made, []) and not stands(made, [source])
    source.touch()
    for ahead, standing in ((-1, True), (1, False)):
        os.utime(source, (0, made.stat().st_mtime + ahead))
        assert stands(made, [source]) == standing
    os.utime(source, (0, 0))
    for read, standing in (("source", True), ("another", False)):
        inputs = {str(tmp_path / read): None}
        Record(["python", "-m", "x"], inputs, {}, "2026-01-01T00:00:00", 0, 0, "", "", {}, "").write(record)
        assert stands(made, [source], record) == standing
        assert outdated(made, [source], record) != standing
    record.unlink()
    assert not outdated(made, [source], record) and not outdated(made, [tmp_path / "gone"], record)
    os.utime(source, (0, made.stat().st_mtime + 1))
    assert outdated(made, [source], record)
