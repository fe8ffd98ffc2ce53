"""Utterances cut to a length from their middle: the same ids, pieces of just that length, shorter ones counted."""

from pathlib import Path

import numpy as np

from sre.datadir.cut import cut_utterances
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.datadir.layout import Segment
from sre.features.waves import Waves
from sre.io.audio import AudioRules
from sre.io.tables import read_table

RULES = AudioRules()


def samples(folder: Path) -> dict[str, np.ndarray]:
    waves = Waves(data := read_data_dir(folder), RULES)
    return dict(waves.read(data.utts))


def test_pieces_are_the_middle_and_lie_within_each_other(sound_dir, tmp_path: Path) -> None:
    source = sound_dir(tmp_path / "whole", speakers=2)  # of 1.2, 1.25 and 1.3 s
    assert cut_utterances(source, tmp_path / "long", 1.23, RULES) == 2
    assert cut_utterances(source, tmp_path / "short", 0.5, RULES) == 0
    whole, long, short = (samples(folder) for folder in (source, tmp_path / "long", tmp_path / "short"))
    assert whole.keys() == long.keys() == short.keys() and len(whole) == 6
    for utt, wave in whole.items():
        if utt.endswith("_00"):
            np.testing.assert_array_equal(long[utt], wave)  # 1.2 s: whole
        else:
            assert len(long[utt]) == 1.23 * 16000
        assert len(short[utt]) == 8000
        start = round((len(wave) / 16000 - 0.5) / 2, 2)
        np.testing.assert_array_equal(short[utt], wave[round(start * 16000) :][:8000])
    assert (tmp_path / "long/notes").read_text() == "long: 2 of 6 utterances are shorter than 1.23 s and stay whole.\n"
    assert (tmp_path / "short/notes").read_text() == "" and not (tmp_path / "short/wav").exists()
    assert read_table(tmp_path / "long/utt2dur")["s00_00"] == "1.200"
    assert read_table(tmp_path / "short/wav.scp")["s00_00"] == "../whole/wav/s00_00.wav"  # a root can be moved


def test_segments_are_cut_within_their_own_ends(sound_dir, tmp_path: Path) -> None:
    data = read_data_dir(sound_dir(tmp_path / "whole", speakers=1, utterances=1, seconds=3.0))
    segments = {"a": Segment("s00_00", 0.2, 1.2), "b": Segment("s00_00", 1.0, np.inf), "c": Segment("s00_00", 0, 0.3)}
    speakers, text = dict.fromkeys("abc", "s00"), dict.fromkeys("abc", "all the words")
    write_data_dir(tmp_path / "seg", wav=data.wav, segments=segments, utt2spk=speakers, extra={"text": text})
    assert cut_utterances(tmp_path / "seg", tmp_path / "cut", 0.4, RULES) == 1
    cut = read_data_dir(tmp_path / "cut").segments
    assert cut == {"a": ("s00_00", 0.5, 0.9), "b": ("s00_00", 1.8, 2.2), "c": ("s00_00", 0.0, 0.3)}
    assert not (tmp_path / "cut/text").exists()  # of the whole utterance


def test_a_recording_that_cannot_be_read_stays_for_the_features_to_reject(sound_dir, tmp_path: Path) -> None:
    source = sound_dir(tmp_path / "whole", speakers=1, utterances=2)
    (source / "wav/s00_01.wav").write_bytes(b"no sound")
    assert cut_utterances(source, tmp_path / "cut", 0.5, RULES) == 1
    assert read_table(tmp_path / "cut/segments")["s00_01"] == "s00_01 0.0 -1"
