"""Identification with a small model: thresholds among many voices, probabilities, and the verbs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from small_models import small_bundle, small_package, voice

from sre import SreError
from sre.cli import command, live
from sre.metrics import bayes_threshold
from sre.voices.deciding import Point
from sre.voices.desk import VoicesDesk
from sre.voices.identify import Asked, Voices, posterior_of
from sre.voices.model import load


@pytest.fixture
def voices(package_file: Path, wavs: list[Path], tmp_path: Path) -> Voices:
    found = Voices(load(package_file, "cpu"), tmp_path / "voices.db")
    found.enrol_files("Ann", wavs[:1])
    found.enrol_files("Bob", wavs[2:])
    return found


def test_the_scores_are_the_model_s(voices: Voices, wavs: list[Path]) -> None:
    probe = voices.model.voiceprint(wavs[1])
    hits = voices.identify(probe, top=5)[0]
    enrolled = {"Ann": wavs[0], "Bob": wavs[2]}
    right = {name: voices.model.llr(voices.model.voiceprint(path), probe) for name, path in enrolled.items()}
    assert {hit.voice: pytest.approx(hit.score, abs=1e-6) for hit in hits} == right
    assert hits[0].score >= hits[1].score
    threshold = voices.threshold(Asked())
    assert [hit.accepted for hit in hits] == [hit.score >= threshold.value for hit in hits]


def test_each_voice_has_its_share_of_the_prior(voices: Voices) -> None:
    assert voices.threshold(Asked(Point(0.4, 10, 1))).value == pytest.approx(bayes_threshold(0.2, 10, 1))
    assert voices.threshold(Asked()).value == pytest.approx(bayes_threshold(0.025, 1, 1))
    assert voices.threshold(Asked(at=1.5)).value == 1.5
    assert voices.threshold(Asked(far=0.3)).why == "P_fa at most 0.3"
    with pytest.raises(SreError, match="give one of them"):
        voices.threshold(Asked(Point(), far=0.3))


@given(llrs=st.lists(st.floats(-30, 30), min_size=1, max_size=9), prior=st.floats(0.01, 0.99))
def test_probabilities_are_those_of_bayes_rule(llrs: list[float], prior: float) -> None:
    """Of disjoint hypotheses: each voice, and nobody of them, whose likelihood ratio is 1."""
    share = prior / len(llrs)
    whole = sum(share * np.exp(llr) for llr in llrs) + 1 - prior
    total = np.logaddexp.reduce(llrs)
    found = [posterior_of(llr, total, prior, len(llrs)) for llr in llrs]
    assert found == pytest.approx([share * np.exp(llr) / whole for llr in llrs])
    assert sum(found) < 1


def test_a_changed_file_is_read_again(voices: Voices, wavs: list[Path]) -> None:
    probe = voices.model.voiceprint(wavs[1])
    first = voices.gallery()
    assert voices.gallery() is first
    Voices(voices.model, voices.database.path).enrol_files("Carl", wavs[1:2])
    assert "Carl" in [hit.voice for hit in voices.identify(probe, top=9)[0]]
    voices.database.remove("Carl")
    assert "Carl" not in [hit.voice for hit in voices.identify(probe, top=9)[0]]


def test_one_network_s_voices_serve_each_of_its_systems(voices: Voices, final_pt: Path, wavs: list[Path]) -> None:
    """A final.pt has the same embeddings as the package of it; without a calibration it only ranks."""
    plain = Voices(load(final_pt, "cpu"), voices.database.path)
    hits = plain.identify(plain.model.voiceprint(wavs[2]), top=2)[0]
    assert [hit.voice for hit in hits] == ["Bob", "Ann"] and hits[0].score == pytest.approx(1)
    assert {(hit.accepted, hit.posterior) for hit in hits} == {(None, None)}
    assert plain.identify(plain.model.voiceprint(wavs[2]), asked=Asked(at=0.5))[0][0].accepted
    other = replace(small_package(), bundles=[small_bundle(seed=5)])
    other.write(final_pt.parent / "other.sre")
    with pytest.raises(SreError, match="its voices are of the model test/xvector/both"):
        Voices(load(final_pt.parent / "other.sre", "cpu"), voices.database.path).gallery()


def test_an_unusable_recording_enrols_nothing(voices: Voices, wavs: list[Path], tmp_path: Path) -> None:
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(16000), 16000)
    with pytest.raises(SreError, match="silent.wav: no signal"):
        voices.enrol_files("Carl", [wavs[1], silent])
    assert [one.name for one in voices.database.voices()] == ["Ann", "Bob"]


def test_the_verbs(package_file: Path, wavs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    def said(*words: object) -> str:
        command([*map(str, words)])
        return capsys.readouterr().out

    db, model = tmp_path / "v.db", package_file
    assert said("enroll", model, db, "Ann Lee", wavs[0]) == "Ann Lee: a new voice, 1 recording added, 1 in all\n"
    told = json.loads(said("enroll", model, db, "Ann Lee", wavs[0], wavs[1], "--json"))
    assert (told["is_new"], told["added"], told["known"]) == (False, 1, [str(wavs[0])])
    said("enroll", model, db, "Bob", wavs[2])
    with pytest.raises(SreError, match="'Bob' is enrolled already"):
        said("enroll", model, db, "Bob", wavs[2], "--new")
    told = said("identify", model, db, wavs[1], "--threshold", -99)
    assert told.startswith(f"{wavs[1]}: Ann Lee (log-likelihood ratio ")
    assert " %)\n2 voices, accepted from -99.0000 on (given)\n" in told
    assert "on list dev (4 target, 4 nontarget trials): 0.00 % of same-speaker pairs are rejected, 100.00 % of" in told
    assert ": unknown; the nearest is Ann Lee (" in said("identify", model, db, wavs[1], "--threshold", 99)
    (line,) = said("identify", model, db, wavs[2], "--rank", 2, "--json").splitlines()
    assert {hit["voice"] for hit in json.loads(line)["best"]} == {"Bob", "Ann Lee"}
    with pytest.raises(SreError, match="1 of 2 recordings could not be used, the first is none.wav: no such file"):
        said("identify", model, db, wavs[1], "none.wav")
    assert f"{wavs[1]}: " in (out := capsys.readouterr().out) and "none.wav: not used: no such file" in out
    listed = json.loads(said("voices", db, "--json", "list"))
    assert json.loads(said("voices", db, "list", "--json")) == listed
    assert [(one["name"], one["utterances"]) for one in listed["voices"]] == [("Ann Lee", 2), ("Bob", 1)]
    assert len(said("voices", db, "show", "Ann Lee").splitlines()) == 3
    said("voices", db, "rename", "Ann Lee", "Ann")
    assert "the file holds nothing of its 2 utterances" in said("voices", db, "remove", "Ann")
    assert said("voices", db, "check").endswith("whole, 1 utterance\n")
    said("voices", db, "remove", "Bob")
    with pytest.raises(SreError, match="no voice is enrolled in it"):
        said("identify", model, db, wavs[1])


class Stdin:
    def __init__(self, file: object) -> None:
        self.buffer = file


def test_live_from_a_pipe(voices: Voices, package_file: Path, wavs: list[Path], monkeypatch, capsys) -> None:
    """The last line is that of the file, whose audio is shorter than a window."""

    def said(*words: object) -> list[str]:
        with open(wavs[1], "rb") as file:
            monkeypatch.setattr(live.sys, "stdin", Stdin(file))
            command(["identify", str(package_file), str(voices.database.path), *map(str, words), "--json"])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    (whole,) = said(wavs[1])
    streamed = said("-")
    assert [line["recording"] for line in streamed] == ["1.0 s", "1.7 s"]
    assert streamed[-1]["best"][0]["score"] == pytest.approx(whole["best"][0]["score"], abs=1e-9)
    raw = said("-", "--rate", 16000)  # with the header heard as 22 samples
    assert raw[-1]["recording"] == "1.7 s"
    with pytest.raises(SreError, match="is one live recording; give no other beside it"):
        said("-", wavs[0])


def test_live_verification(package_file: Path, wavs: list[Path], monkeypatch, capsys) -> None:
    with open(wavs[1], "rb") as file:
        monkeypatch.setattr(live.sys, "stdin", Stdin(file))
        command(["verify", str(package_file), str(wavs[0]), "-", "--json"])
    (first, last) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    command(["verify", str(package_file), str(wavs[0]), str(wavs[1]), "--json"])
    (whole,) = json.loads(capsys.readouterr().out)["trials"]
    assert (first["seconds"], last["seconds"]) == (1.0, 1.7)
    assert last["score"] == pytest.approx(whole["score"], abs=1e-9) and last["accepted"] == whole["accepted"]
    with open(wavs[1], "rb") as file:
        monkeypatch.setattr(live.sys, "stdin", Stdin(file))
        command(["verify", str(package_file), str(wavs[0]), "-"])
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("1.0 s: ") and all(line.endswith(" %") for line in told)


def test_stereo_and_odd_streams(tmp_path: Path) -> None:
    left, right = voice(120), voice(200)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), 16000, subtype="PCM_16")
    with open(tmp_path / "two.wav", "rb") as file:
        rate, blocks = live.blocks_of(file, None, "1")
        found = np.concatenate(list(blocks))
    assert rate == 16000
    np.testing.assert_allclose(found, right, atol=1e-4)
    with open(tmp_path / "two.wav", "rb") as file, pytest.raises(SreError, match="2 channels"):
        live.blocks_of(file, None, None)
    soundfile.write(tmp_path / "deep.wav", left, 16000, subtype="PCM_24")
    with open(tmp_path / "deep.wav", "rb") as file, pytest.raises(SreError, match="24 bits a sample, and 16 are read"):
        live.blocks_of(file, None, None)


def test_a_file_whose_first_enrolment_was_killed_takes_the_next(package_file: Path, wavs: list[Path]) -> None:
    path = package_file.with_name("killed.db")
    path.touch()
    voices = Voices(load(package_file, "cpu"), path)
    assert voices.enrol_files("Ann", wavs[:1]).is_new
    assert VoicesDesk(voices.model, path).info()["voices"] == [["Ann", 1]]


def test_audio_of_one_channel_is_known_again_whatever_channel_was_asked_for(
    package_file: Path, wavs: list[Path]
) -> None:
    voices = Voices(load(package_file, "cpu"), package_file.with_name("v.db"))
    voices.enrol_files("Ann", wavs[:1])
    assert voices.enrol_files("Ann", wavs[:1], channel="mix").known == [str(wavs[0])]
    desk = VoicesDesk(voices.model, voices.database.path)
    clip = desk.clip(wavs[0].read_bytes(), wavs[0].name)["clip"]
    assert desk.enrol("Ann", [clip])["text"].startswith("0 recordings added, 1 in all.")
    both, two = wavs[0].with_name("both.wav"), soundfile.read(wavs[0])[0]
    soundfile.write(both, np.stack([two, 0.5 * two], axis=1), 16000)
    assert [voices.enrol_files("Ann", [both], channel=channel).added for channel in ("mix", 0, 0)] == [1, 1, 0]


def test_stdin_that_is_closed_is_a_sentence(package_file: Path, wavs: list[Path], monkeypatch) -> None:
    monkeypatch.setattr(live.sys, "stdin", None)  # as Python has it after <&-
    with pytest.raises(SreError, match="stdin: it is closed"):
        command(["verify", str(package_file), str(wavs[0]), "-"])
