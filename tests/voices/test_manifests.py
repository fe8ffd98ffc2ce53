"""NeMo manifests given to the verbs of a model: recognised, named, and written with who was found."""

import json
from pathlib import Path

import pytest
from small_models import small_bundle

from sre import SreError
from sre.cli import command
from sre.io.ark import read_vectors


@pytest.fixture
def manifest(wavs: list[Path]) -> Path:
    """Lines of three recordings, the first with a key of somebody's own; paths are relative to the manifest."""
    speakers = {"anna": {"emotion": "glad", "score": 0.5}, "bert": {}, "cleo": {}}
    lines = [
        {"audio_filepath": path.name, "duration": 1.5, "label": label} | more
        for path, (label, more) in zip(wavs, speakers.items(), strict=True)
    ]
    path = wavs[0].with_name("test.json")
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_the_classifier_s_answer_is_one_more_field(manifest: Path, capsys: pytest.CaptureFixture) -> None:
    bundle, out = manifest.with_name("final.pt"), manifest.with_name("test_infer.json")
    made = small_bundle()
    made.config = made.config | {"loss": {"type": "aam", "scale": 30.0, "options": {}}}
    made.save(bundle)
    command(["identify", str(bundle), "--classifier", str(manifest), "--out", str(out)])
    said = capsys.readouterr().out.splitlines()
    before, after = ([json.loads(line) for line in path.read_text().splitlines()] for path in (manifest, out))
    assert [line.pop("infer") for line in after] == [line.partition(": ")[2].partition(" (")[0] for line in said[:3]]
    assert after == before and "of 3 utterances of training speakers are named right" in said[3]


def test_enrolled_voices_answer_too(final_pt: Path, manifest: Path, wavs: list[Path]) -> None:
    """A recording that nobody is accepted for is of unknown, and one that cannot be used has no answer."""
    model, voices, out = str(final_pt), str(manifest.with_name("voices.db")), manifest.with_name("out.json")
    command(["enroll", model, voices, "anna", str(wavs[0])])
    wavs[2].write_bytes(b"no sound")
    with pytest.raises(SreError, match="1 of 3 recordings could not be used, the first is c.wav"):
        command(["identify", model, voices, str(manifest), "--threshold", "0.9999999", "--out", str(out)])
    assert [json.loads(line)["infer"] for line in out.read_text().splitlines()] == ["anna", "unknown", None]


def test_its_recordings_are_embedded(final_pt: Path, manifest: Path) -> None:
    command(["embed", str(final_pt), str(manifest), "--out", str(manifest.with_name("e.ark"))])
    assert read_vectors(manifest.with_name("e.ark"))[0].tolist() == ["a.wav", "b.wav", "c.wav"]


def test_what_a_manifest_cannot_be_given_for(final_pt: Path, manifest: Path, wavs: list[Path]) -> None:
    model, voices = str(final_pt), str(manifest.with_name("voices.db"))
    with pytest.raises(SreError, match="its lines are of anna and bert; give the recordings of one"):
        command(["enroll", model, voices, "anna", str(manifest)])
    with pytest.raises(SreError, match="out.json: it is a NeMo manifest with a field more; give one manifest"):
        command(["identify", model, "--classifier", str(wavs[0]), "--out", str(manifest.with_name("out.json"))])
    manifest.write_text('{"audio_filepath": "a.wav", "offset": 0.5, "duration": 1.0, "label": "anna"}\n')
    with pytest.raises(SreError, match=r"a.wav is meant from 0.5 s on \(offset\).* make a data directory"):
        command(["embed", model, str(manifest), "--out", str(manifest.with_name("e.ark"))])
    label = '{"audio_filepath": "a.wav", "label": "LABEL"}\n'
    manifest.write_text(label.replace("LABEL", "anna") + label.replace("LABEL", "bert"))
    with pytest.raises(SreError, match="test.json: a.wav is of anna and of bert; mend its label"):
        command(["embed", model, str(manifest), "--out", str(manifest.with_name("e.ark"))])
