"""Utterances of training speakers that nothing is trained on: who gives how many, and what is told of them."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.datadir.datadir import DataDir, read_data_dir, write_data_dir
from sre.datadir.layout import Segment
from sre.datadir.unheard import cut, in_heard_sessions
from steps import split_unheard

COUNTS = {"anna": 12, "bert": 7, "carl": 6, "dora": 1}
UTT2SPK = {f"{speaker}-{n:02}": speaker for speaker, count in COUNTS.items() for n in range(count)}


def data_of(utt2spk: dict[str, str], **tables: dict[str, str]) -> DataDir:
    return DataDir(Path("data"), {"wav.scp": {utt: "x.wav" for utt in utt2spk}, "utt2spk": utt2spk} | tables)


def given_by(utts: list[str]) -> dict[str, int]:
    return Counter(UTT2SPK[utt] for utt in utts)


@pytest.mark.parametrize("utterances, expected", [
    (3, {"anna": 3, "bert": 3, "carl": 3}),
    (4, {"anna": 4}),
    (0.1, {"anna": 1, "bert": 1, "carl": 1}),
    (0.25, {"anna": 3, "bert": 2, "carl": 2}),
])  # fmt: skip
def test_a_speaker_keeps_as_many_as_it_gives(utterances: float, expected: dict[str, int]) -> None:
    if len(expected) < 2:
        with pytest.raises(
            SreError, match="3 of 4 speakers have too few utterances to give 4 and keep as many, e.g. bert"
        ):
            cut(data_of(UTT2SPK), utterances)
        return
    parts = cut(data_of(UTT2SPK), utterances)
    assert given_by(parts.unheard) == expected and parts.without == sorted(COUNTS.keys() - expected)
    assert sorted([*parts.heard, *parts.unheard]) == sorted(UTT2SPK)


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9), min_size=1), st.integers(1, 3), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_whole_sessions_are_given(counts: dict[str, int], utterances: int, seed: int) -> None:
    utt2spk = {f"{speaker}{n}": speaker for speaker, count in counts.items() for n in range(count)}
    sessions = {utt: str(int(utt[1]) % 3) for utt in utt2spk}
    data = data_of(utt2spk, utt2session=sessions)
    try:
        parts = cut(data, utterances, "session", seed)
    except SreError as error:
        assert "or sessions to give" in str(error)
        return
    assert parts == cut(data_of(dict(reversed(utt2spk.items())), utt2session=sessions), utterances, "session", seed)
    of_part = [{(utt2spk[utt], sessions[utt]) for utt in utts} for utts in (parts.heard, parts.unheard)]
    assert not of_part[0] & of_part[1]
    for speaker, count in Counter(utt2spk[utt] for utt in parts.unheard).items():
        assert utterances <= count <= counts[speaker] / 2
    assert {utt2spk[utt] for utt in parts.unheard} | {*parts.without} == {*counts}
    assert in_heard_sessions(data.keep(parts.heard), data.keep(parts.unheard)) == 0


def test_sessions_that_nobody_knows() -> None:
    with pytest.raises(SreError, match="utt2session and utt2chapter do not tell the session of every utterance"):
        cut(data_of(UTT2SPK), 1, "session")
    data = data_of(UTT2SPK)
    assert in_heard_sessions(data, data) is None
    some = data_of(UTT2SPK, utt2session={"anna-00": "one", "anna-01": "one"})
    heard, unheard = some.keep([*UTT2SPK][1:7]), some.keep(["anna-00", "anna-11", "bert-00"])
    assert in_heard_sessions(heard, unheard) == 1


def test_the_step(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Pieces of a recording are cut apart, and that is told."""
    segments = {utt: Segment(speaker, 0.0, 1.0) for utt, speaker in UTT2SPK.items()}
    wav = {speaker: f"/data/{speaker}.flac" for speaker in COUNTS}
    gender = {"spk2gender": dict.fromkeys(COUNTS, "f")}
    write_data_dir(tmp_path / "train", wav=wav, segments=segments, utt2spk=UTT2SPK, extra=gender)
    folders = [str(tmp_path / name) for name in ("train", "heard", "unheard")]
    for wrong, said in (
        (folders[:1] * 2 + folders[2:], "the output is the input"),
        (folders[:2] + folders[1:2], "is HEARD_DIR too"),
    ):
        with pytest.raises(SreError, match=said):
            split_unheard.main([*wrong, "--utterances", "2"])
    assert len(read_data_dir(folders[0]).utts) == len(UTT2SPK)
    split_unheard.main([*folders, "--utterances", "2", "--seed", "3"])
    heard, unheard = (read_data_dir(folder, every_table=True) for folder in folders[1:])
    assert {*heard.utts} | {*unheard.utts} == {*UTT2SPK} and not {*heard.utts} & {*unheard.utts}
    assert sorted(unheard.tables["spk2gender"]) == sorted(unheard.wav) == ["anna", "bert", "carl"]
    said = capsys.readouterr().err
    assert "1 speakers have too few utterances and give none: dora\n" in said
    assert re.search("unheard: 6 utterances are of a session or recording that is trained on, which is easier", said)
