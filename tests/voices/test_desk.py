"""The page's desk with a real, tiny model and a file of voices: what a person reads."""

import io
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import soundfile
from small_models import small_bundle, small_package

from sre import SreError
from sre.voices import desk
from sre.voices.desk import VoicesDesk
from sre.voices.model import load
from sre.voices.web import Server


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory, sound_dir: Callable) -> Path:
    return sound_dir(tmp_path_factory.mktemp("desk") / "data", seconds=2.5) / "wav"


@pytest.fixture(scope="module")
def model(sounds: Path) -> Path:
    path = sounds.parent / "final.pt"
    small_bundle().save(path)
    return path


@pytest.fixture
def at_desk(model: Path, tmp_path: Path) -> VoicesDesk:
    return VoicesDesk(load(model, "cpu"), tmp_path / "voices.db")


def clip(at_desk: VoicesDesk, path: Path) -> str:
    return at_desk.clip(path.read_bytes(), path.name)["clip"]


def test_enrol_identify_remove(at_desk: VoicesDesk, sounds: Path) -> None:
    assert at_desk.info()["voices"] == []
    for speaker in ("s00", "s01", "s02"):
        some = [clip(at_desk, sounds / f"{speaker}_{n:02}.wav") for n in (0, 1)]
        said = at_desk.enrol(speaker, some)
        assert said["title"] == f"{speaker} is enrolled" and said["text"] == "2 recordings added, 2 in all."
    assert at_desk.info()["voices"] == [["s00", 2], ["s01", 2], ["s02", 2]]
    enrolled = {
        speaker: at_desk.model.voiceprint(*(sounds / f"{speaker}_{n:02}.wav" for n in (0, 1)))
        for speaker in ("s00", "s01", "s02")
    }
    heard = at_desk.model.voiceprint(sounds / "s01_02.wav")
    scores = {speaker: at_desk.model.score(one, heard) for speaker, one in enrolled.items()}
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)
    said = at_desk.identify(clip(at_desk, sounds / "s01_02.wav"))
    assert said["rows"] == [[speaker, f"{scores[speaker]:.2f}"] for speaker in ranked]
    assert said["title"] == f"{ranked[0]} is the nearest" and desk.NO_THRESHOLD in said["text"]
    assert at_desk.remove(ranked[0])["text"] == "2 recordings deleted."
    assert [row[0] for row in at_desk.identify("7")["rows"]] == ranked[1:]


def test_the_same_audio_is_enrolled_once(at_desk: VoicesDesk, sounds: Path) -> None:
    at_desk.enrol("Ana", [clip(at_desk, sounds / "s00_00.wav")])
    said = at_desk.enrol("Ana", [clip(at_desk, sounds / "s00_00.wav"), clip(at_desk, sounds / "s00_01.wav")])
    assert said["title"] == "Ana was there, and has more now"
    assert said["text"] == "1 recording added, 2 in all. s00_00.wav was there already, and was not added again."
    at_desk.voices.enrol_files("Ana", [sounds / "s00_01.wav"])  # by the command: it is the same audio
    assert at_desk.info()["voices"] == [["Ana", 2]]
    assert (
        "s00_01.wav is a recording of Ana too" in at_desk.enrol("Ben", [clip(at_desk, sounds / "s00_01.wav")])["text"]
    )


def test_a_comparison_is_what_the_model_says(at_desk: VoicesDesk, model: Path, sounds: Path) -> None:
    a, b = sounds / "s00_00.wav", sounds / "s02_00.wav"
    said = at_desk.compare(clip(at_desk, a), clip(at_desk, b))
    score = at_desk.model.score(*(at_desk.model.voiceprint(path) for path in (a, b)))
    assert said["text"] == f"The score is {score:.2f}. {desk.NO_THRESHOLD}" and said["verdict"] == ""
    json.dumps(said, allow_nan=False)


def test_a_calibrated_model_decides(tmp_path: Path, sounds: Path) -> None:
    """What the page shows is what `decide` and `identify` return; no probability is 0 or 100 %."""
    small_package().write(tmp_path / "model.sre")
    calibrated = VoicesDesk(load(tmp_path / "model.sre", "cpu"), tmp_path / "voices.db")
    files = [sounds / f"{name}.wav" for name in ("s00_00", "s00_01", "s02_00")]
    a, b, c = (clip(calibrated, path) for path in files)
    voices = [calibrated.model.voiceprint(path) for path in files]
    for other, voice in ((b, voices[1]), (c, voices[2])):
        found, said = calibrated.model.decide(voices[0], voice), calibrated.compare(a, other)
        assert said["verdict"] == ("same" if found.accepted else "different")
        assert said["scale"]["value"] == pytest.approx(found.llr, abs=1e-5)
        assert said["scale"]["threshold"] == pytest.approx(np.log(19))
        assert said["text"].startswith(f"The log-likelihood ratio is {found.llr:.2f}, ")
        assert [name for name, _ in said["facts"]] == [
            "Probability of one speaker", "Threshold from", "Same-speaker pairs it rejects",
            "Pairs of two speakers it accepts",
        ]  # fmt: skip
        assert said["facts"][3][1] == "0.00% of 4"
    calibrated.enrol("Ana", [a])
    calibrated.enrol("Ben", [c])
    said = calibrated.identify(b)
    assert [row[0] for row in said["rows"]] == ["Ana", "Ben"] and said["head"][2] == "Probability"
    assert said["scale"]["threshold"] == pytest.approx(np.log(39)) and "2 have a higher threshold" in said["text"]
    assert [desk._probability(share) for share in (1.0, 0.5, 0.0)] == ["over 99.9%", "50.0%", "under 0.1%"]


def test_what_a_clip_is(at_desk: VoicesDesk, sounds: Path) -> None:
    wave, rate = soundfile.read(sounds / "s00_00.wav", dtype="float32")
    two = io.BytesIO()
    soundfile.write(two, np.stack([wave, 0 * wave], axis=1), rate, format="FLAC")
    said = at_desk.clip(two.getvalue(), "../../etc/two\n.flac")
    assert said["text"].startswith("two.flac: 2.5 s of speech")
    (found,) = at_desk.clips.values()
    mean = at_desk.model.embed((wave / 2), rate)
    np.testing.assert_allclose(found.voiceprint.vectors[0], mean, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("content, name, error", [
    (b"", "no.wav", "^no.wav: empty file"),
    (b"not a sound", "text.wav", "^text.wav: "),
    ("silence", "quiet.wav", "^quiet.wav: no signal"),
    ("short", "a/short.wav", "^short.wav: too short"),
])  # fmt: skip
def test_what_cannot_be_used_is_a_sentence_without_a_path(at_desk: VoicesDesk, content, name: str, error: str) -> None:
    if isinstance(content, str):
        file = io.BytesIO()
        soundfile.write(file, np.zeros(16000) if content == "silence" else np.ones(100) / 9, 16000, format="WAV")
        content = file.getvalue()
    with pytest.raises(SreError, match=error) as raised:
        at_desk.clip(content, name)
    assert "/" not in str(raised.value).removeprefix("a/")
    assert not at_desk.clips


def test_without_a_file_of_voices(model: Path, sounds: Path) -> None:
    alone = VoicesDesk(load(model, "cpu"), None)
    assert alone.info()["database"] is False and "sre serve MODEL voices.db" in alone.info()["no_database"]
    with pytest.raises(SreError, match="no file of voices was given; start again with one"):
        alone.enrol("Ana", [clip(alone, sounds / "s00_00.wav")])


def test_old_clips_are_forgotten(at_desk: VoicesDesk, sounds: Path, monkeypatch) -> None:
    monkeypatch.setattr(desk, "MOST_CLIPS", 2)
    names = [clip(at_desk, sounds / f"s00_0{n}.wav") for n in range(3)]
    with pytest.raises(SreError, match="a recording is no longer here; record it, or choose it, again"):
        at_desk.compare(names[0], names[2])
    at_desk.compare(names[1], names[2])


def test_over_http(at_desk: VoicesDesk, sounds: Path) -> None:
    """From another thread than the model was loaded in."""
    with Server(at_desk) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

        def ask(call: str, body: bytes, kind: str) -> dict:
            request = urllib.request.Request(f"{server.url}api/{call}", body, {"Content-Type": kind, "X-Name": "a.wav"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)

        sent = ask("clip", (sounds / "s00_00.wav").read_bytes(), "application/octet-stream")
        said = ask("enrol", json.dumps({"name": "Zoë 王", "clips": [sent["clip"]]}).encode(), "application/json")
        assert said["title"] == "Zoë 王 is enrolled"
        with urllib.request.urlopen(f"{server.url}api/info", timeout=10) as answer:
            assert json.load(answer)["voices"] == [["Zoë 王", 1]]
        server.shutdown()
