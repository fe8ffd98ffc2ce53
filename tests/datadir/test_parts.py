"""Parts of a data directory: what each rule promises of them."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError, cli
from sre.datadir.datadir import read_data_dir
from sre.datadir.parts import split_by_counts, split_by_shares, split_by_speakers, split_evenly
from sre.io.tables import write_table

SHARES = {"train": 0.8, "development": 0.1, "test": 0.1}


@st.composite
def owners(draw: st.DrawFn) -> dict[str, str]:
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=12))
    utts = {f"{draw(st.sampled_from('ab'))}{s}-{n}": f"s{s}" for s, count in enumerate(counts) for n in range(count)}
    return dict(draw(st.permutations(sorted(utts.items()))))


shares = st.sampled_from([SHARES, {"a": 0.5, "b": 0.5}, {"a": 0.2, "b": 0.3}, {"whole": 1.0}])


def near(counts: dict[str, int], wanted: dict[str, float], whole: int, slack: float) -> bool:
    return all(abs(counts.get(name, 0) - share * whole) <= slack for name, share in wanted.items())


@given(owners(), shares, st.sampled_from(["speaker", "session", "utterance"]), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_shares_hold_in_the_whole_and_in_each_stratum(utt2spk: dict, wanted: dict, by: str, seed: int) -> None:
    sessions = {utt: str(len(utt) + int(utt[-1]) // 2) for utt in utt2spk}
    gender = {speaker: "mf"[int(speaker[1:]) % 2] for speaker in utt2spk.values()}
    asked = {"by": by, "sessions": sessions, "strata": gender if by == "speaker" else None, "seed": seed}
    unit = {
        utt: {"speaker": spk, "session": (spk, sessions[utt]), "utterance": utt}[by] for utt, spk in utt2spk.items()
    }
    try:
        parts = split_by_shares(utt2spk, wanted, **asked)
    except SreError as error:
        assert "too few for the shares" in str(error) and len(set(unit.values())) < 12
        return
    assert list(parts) == list(wanted) and parts == split_by_shares(dict(sorted(utt2spk.items())), wanted, **asked)
    assert all(utts == sorted(utts) for utts in parts.values())
    part_of = {utt: name for name, utts in parts.items() for utt in utts}
    assert len(part_of) == sum(map(len, parts.values())) and (
        part_of.keys() == utt2spk.keys() or sum(wanted.values()) < 1
    )
    placed = {unit[utt]: part_of.get(utt, "") for utt in utt2spk}
    assert all(placed[unit[utt]] == part_of.get(utt, "") for utt in utt2spk)  # units are whole
    assert near(Counter(placed.values()), wanted, len(placed), 1)
    if by == "speaker":
        for kind in "mf":
            of_kind = [name for speaker, name in placed.items() if gender[speaker] == kind]
            assert near(Counter(of_kind), wanted, len(of_kind), 2)
    if by == "utterance":
        for speaker in set(utt2spk.values()):
            own = [part_of.get(utt, "") for utt, one in utt2spk.items() if one == speaker]
            assert near(Counter(own), wanted, len(own), 2)


def test_another_seed_is_another_draw() -> None:
    utt2spk = {f"{s}-{n}": str(s) for s in range(30) for n in range(3)}
    for by in ("speaker", "utterance"):
        assert len({str(split_by_shares(utt2spk, SHARES, by=by, seed=seed)) for seed in range(5)}) == 5
    assert len({str(split_by_counts(utt2spk, {"test": 1}, "train", seed)) for seed in range(5)}) == 5


@given(owners(), st.integers(1, 3), st.booleans())
@settings(deadline=None)
def test_a_number_of_each_speaker(utt2spk: dict, count: int, rest: bool) -> None:
    sizes = Counter(utt2spk.values())
    enough = {speaker for speaker, size in sizes.items() if size >= count}
    try:
        parts = split_by_counts(utt2spk, {"test": count}, "train" if rest else None)
    except SreError as error:
        assert "nothing is left for" in str(error)
        return
    assert Counter(utt2spk[utt] for utt in parts["test"]) == dict.fromkeys(enough, count)
    assert sorted(sum(parts.values(), [])) == sorted(utt2spk) if rest else parts.keys() == {"test"}


def test_lists_of_speakers() -> None:
    utt2spk = {"a1": "a", "b1": "b", "c1": "c", "a2": "a"}
    assert split_by_speakers(utt2spk, {"x": ["a"]}, "y") == {"x": ["a1", "a2"], "y": ["b1", "c1"]}
    assert split_by_speakers(utt2spk, {"x": ["a"], "y": ["c"]}, None) == {"x": ["a1", "a2"], "y": ["c1"]}
    with pytest.raises(SreError, match="1 speakers of y are also in another part, e.g. a in x"):
        split_by_speakers(utt2spk, {"x": ["a"], "y": ["a"]}, None)
    with pytest.raises(SreError, match="the speakers of x: 1 are not in the data directory, e.g. d"):
        split_by_speakers(utt2spk, {"x": ["d"]}, None)
    with pytest.raises(SreError, match="nothing is left for y; ask for less"):
        split_by_speakers(utt2spk, {"x": ["a", "b", "c"]}, "y")


def test_even_parts() -> None:
    utt2spk = {f"{spk}{n}": spk for spk, count in (("a", 3), ("b", 2), ("c", 1)) for n in range(count)}
    assert split_evenly(utt2spk, 2) == {"1": ["a0", "a1", "a2"], "2": ["b0", "b1", "c0"]}
    assert split_evenly(utt2spk, 2, "utterance") == {"1": ["a0", "a1", "a2"], "2": ["b0", "b1", "c0"]}
    with pytest.raises(SreError, match="4 parts were asked of 3 speakers"):
        split_evenly(utt2spk, 4)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    utts = [f"{speaker}{number}" for speaker in "ABCDEFGHIJ" for number in range(3)]
    write_table(tmp_path / "all/wav.scp", {utt: f"{utt}.wav" for utt in utts})
    write_table(tmp_path / "all/utt2spk", {utt: utt[0] for utt in utts})
    write_table(tmp_path / "all/spk2gender", {speaker: "f" for speaker in "ABC"})
    (tmp_path / "test.speakers").write_text("B\nD\n")
    split = ["data", "split", str(tmp_path / "all")]
    cli.main([*split, str(tmp_path / "data"), "--shares", "train=rest,dev=0.2,test=0.2", "--stratify", "spk2gender"])
    assert f"{tmp_path}/data/train: 6 speakers, 18 utterances" in capsys.readouterr().err
    parts = [read_data_dir(tmp_path / "data" / name, every_table=True) for name in ("train", "dev", "test")]
    assert sorted(utt for part in parts for utt in part.utts) == utts
    cli.main([*split, "--per-speaker", "enrol=1,test=1", str(tmp_path / "few")])
    assert "10 of 30 utterances are in no part" in capsys.readouterr().err
    cli.main([*split, "--speakers", f"test={tmp_path}/test.speakers,train=rest", str(tmp_path / "lists")])
    assert read_data_dir(tmp_path / "lists/test").utts == [utt for utt in utts if utt[0] in "BD"]
    cli.main([*split, "2", str(tmp_path / "even"), "--by", "utterance"])
    assert read_data_dir(tmp_path / "even/2").utts == utts[15:]
    capsys.readouterr()
    for words, sentence in {
        "--shares a=1 --per-speaker a=1": "name the parts in one way: N, --shares, --per-speaker or --speakers",
        "--shares a=0.6,b=0.6": "the shares are a=0.6, b=0.6; each must be above 0, and their sum at most 1",
        "--shares a=0.5,../b=0.5": "'../b=0.5' is no part, or stands twice; write it like train=0.8,test=rest",
        "--shares a=rest": "one part may be the rest of the others",
        "--shares a=0.5,b=rest --stratify spk2age": "no table spk2age in .*/all, which has spk2gender, utt2spk",
        "--shares a=0.5,b=rest --by session": "30 utterances have no session, e.g. A0; write utt2session",
        "--per-speaker a=9,b=rest": "30 utterances of 10 speakers are too few .*: nothing is left for a",
        "--per-speaker a=1 --by utterance": "--by is for N and --shares",
    }.items():
        with pytest.raises(SystemExit):
            cli.main([*split, *words.split(), str(tmp_path / "none")])
        told = capsys.readouterr().err
        assert not (tmp_path / "none").exists() and told.count("\n") == 1 and re.search(sentence, told), told
