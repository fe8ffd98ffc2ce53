"""Utterances cut to a length from their middle: the same ids, pieces of just that length, shorter ones counted."""

from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.datadir.cut import copy_listed, cut_features, cut_utterances
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.datadir.layout import Segment
from sre.features.waves import Waves
from sre.io.ark import read_scp, write_ark
from sre.io.audio import AudioRules
from sre.io.record import read_record
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


def features_dir(folder: Path, frames: dict[str, int]) -> Path:
    folder.mkdir()
    matrices = {utt: np.arange(3 * count, dtype=np.float32).reshape(count, 3) for utt, count in frames.items()}
    write_ark(folder / "feats.ark", folder / "feats.scp", matrices.items())
    write_data_dir(folder, feats=read_scp(folder / "feats.scp"), utt2spk={utt: f"s{utt}" for utt in frames})
    return folder


def test_features_are_cut_by_ranges_of_rows_also_of_what_was_cut(tmp_path: Path) -> None:
    source = features_dir(tmp_path / "whole", {"a": 301, "b": 100, "c": 99})
    assert cut_features(source, tmp_path / "long", 2.0) == 2
    assert cut_features(tmp_path / "long", tmp_path / "short", 1.0) == 1
    whole, long, short = (read_scp(folder / "feats.scp") for folder in (source, tmp_path / "long", tmp_path / "short"))
    frames = {utt: read_record(utt, place, "matrix") for utt, place in whole.items()}
    np.testing.assert_array_equal(read_record("a", long["a"], "matrix"), frames["a"][50:250])
    np.testing.assert_array_equal(read_record("a", short["a"], "matrix"), frames["a"][100:200])
    assert len(read_record("b", short["b"], "matrix")) == 100 and len(read_record("c", short["c"], "matrix")) == 99
    assert (tmp_path / "short/notes").read_text() == "short: 1 of 3 utterances are shorter than 1 s and stay whole.\n"
    assert not list(tmp_path.glob("short/*.ark"))
    assert cut_features(source, tmp_path / "half", 1.0, frame_shift=5.0) == 2  # 200 frames
    with pytest.raises(SreError, match="no feats.scp in it; only a data directory with features can be cut so"):
        write_data_dir(tmp_path / "sound", wav={"a": "a.wav"}, utt2spk={"a": "s"})
        cut_features(tmp_path / "sound", tmp_path / "no", 1.0)


def test_a_middle_of_digital_silence_is_not_what_is_cut_out(tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    matrix[90:260] = matrix[90]  # the middle 100 begin at 100, and all are equal
    (tmp_path / "whole").mkdir()
    write_ark(tmp_path / "whole/feats.ark", tmp_path / "whole/feats.scp", [("a", matrix), ("b", matrix[::-1])])
    write_data_dir(tmp_path / "whole", feats=read_scp(tmp_path / "whole/feats.scp"), utt2spk={"a": "s", "b": "s"})
    cut_features(tmp_path / "whole", tmp_path / "cut", 1.0)
    piece = read_record("a", read_scp(tmp_path / "cut/feats.scp")["a"], "matrix")
    np.testing.assert_array_equal(piece, matrix[41:141])  # the nearest with 50 frames that differ from the one before
    assert "2 have silence in their middle, and are cut beside it" in (tmp_path / "cut/notes").read_text()


def test_the_utterances_of_a_list_and_no_others(sound_dir, tmp_path: Path) -> None:
    source = sound_dir(tmp_path / "whole", speakers=3)
    for _ in range(2):  # the same command may write it again
        assert copy_listed(source, tmp_path / "some", ["s00_00", "s02_01"]) == 2
    assert read_table(tmp_path / "some/utt2spk") == {"s00_00": "s00", "s02_01": "s02"}
    assert read_table(tmp_path / "some/wav.scp")["s02_01"] == "../whole/wav/s02_01.wav"
    with pytest.raises(SreError, match="the utterances of the list: 1 are not in .*, e.g. s09_01"):
        copy_listed(source, tmp_path / "other", ["s00_00", "s09_01"])
    copy_listed(features_dir(tmp_path / "feats", {"a": 3, "b": 4}), tmp_path / "b", ["b"])
    assert read_data_dir(tmp_path / "b").utts == ["b"]
