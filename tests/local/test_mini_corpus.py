"""The embedded corpus: LibriSpeech's layout, the same bytes whatever the number of workers, voices that differ."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local.make_mini_corpus import main
from local.mini_speech import VARIANTS, make_voices
from sre import SreError

TINY = ["--train-speakers=2", "--test-speakers=2", "--train-utterances=4", "--test-utterances=3"]


def digests(folder: Path) -> dict[str, str]:
    """Every file but the lock: its path from `folder` -> SHA-256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    pytest.importorskip("espeakng_loader", reason="the speech synthesiser is not installed: pip install -e '.[demo]'")
    folder = tmp_path_factory.mktemp("mini") / "corpus"
    main([str(folder), *TINY, "--num-workers", "1"])
    return folder


def test_layout_is_librispeechs(corpus):
    files = [path.relative_to(corpus) for path in sorted(corpus.rglob("*.flac"))]
    assert len(files) == 2 * 4 + 2 * 3
    for part, speaker, chapter, name in (path.parts for path in files):
        assert part in ("train-mini", "test-mini")
        assert name[:-9] == f"{speaker}-{chapter}-" and name[-9:-5].isdigit()
    # a speaker has three chapters, and with four utterances one of the chapters has two
    assert [path.stem for path in files if "1001" in path.parts] == [
        "1001-10010-0000",
        "1001-10010-0001",
        "1001-10011-0000",
        "1001-10012-0000",
    ]


def test_speakers_table_agrees_with_the_files(corpus):
    lines = (corpus / "SPEAKERS.TXT").read_text(encoding="utf-8").splitlines()
    rows = [[field.strip() for field in line.split("|")] for line in lines if not line.startswith(";")]
    assert [row[:3] for row in rows] == [
        ["1001", "F", "train-mini"],
        ["1002", "M", "train-mini"],
        ["1003", "M", "test-mini"],
        ["1004", "M", "test-mini"],
    ]
    for speaker, _, part, minutes, _ in rows:
        seconds = sum(soundfile.info(path).duration for path in (corpus / part / speaker).rglob("*.flac"))
        assert float(minutes) == pytest.approx(seconds / 60, abs=0.006)


def test_audio_is_speech_of_sane_length_and_level(corpus):
    for path in sorted(corpus.rglob("*.flac")):
        header = soundfile.info(path)
        assert (header.samplerate, header.subtype, header.channels) == (16000, "PCM_16", 1)
        wave, rate = soundfile.read(path)
        assert 1.5 <= len(wave) / rate <= 6.0
        assert 0.02 < np.abs(wave).max() < 0.96  # neither silent nor clipped
        frames = wave[: len(wave) // 400 * 400].reshape(-1, 400).std(axis=1)
        assert np.percentile(frames, 90) > 2 * np.percentile(frames, 5)  # louder and softer: not noise alone


def test_two_workers_write_the_same_bytes(corpus, tmp_path):
    main([str(tmp_path / "again"), *TINY, "--num-workers", "2"])
    assert digests(tmp_path / "again") == digests(corpus)


def test_another_seed_writes_other_bytes(corpus, tmp_path):
    main([str(tmp_path), *TINY, "--seed", "2"])
    other, ours = digests(tmp_path), digests(corpus)
    assert other.keys() == ours.keys() and not set(other.values()) & set(ours.values())


def test_complete_corpus_is_left_alone_and_an_incomplete_one_made_again(corpus, tmp_path, capsys):
    main([str(corpus), *TINY])
    assert "complete, left as it is" in capsys.readouterr().err
    main([str(tmp_path), *TINY, "--train-utterances", "5"])  # left over from other options
    (tmp_path / "SPEAKERS.TXT").unlink()  # as after a kill
    main([str(tmp_path), *TINY])
    assert digests(tmp_path) == digests(corpus)


def test_no_voice_twice_and_at_the_defaults_no_variant_twice():
    voices = make_voices(1, 60)
    assert len({voice.variant for voice in voices}) == 60
    many = make_voices(1, 300)
    assert len({(voice.variant, voice.accent) for voice in many}) == 300
    assert many[:60] == voices
    assert all(voice.variant in VARIANTS[voice.sex].split() for voice in many)


def test_more_speakers_than_voices():
    with pytest.raises(SreError, match="10000 speakers are more than there are voices; ask for at most 448"):
        make_voices(1, 10000)


def test_folder_of_somebody_else_is_not_touched(tmp_path):
    pytest.importorskip("espeakng_loader")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SreError, match="holds what this program has not made"):
        main([str(tmp_path), *TINY])
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_missing_synthesiser_is_one_sentence_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SreError, match=r"espeakng_loader.* is missing: pip install -e '\.\[demo\]'"):
        main([str(tmp_path), *TINY])
