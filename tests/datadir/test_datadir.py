"""Data directories: every problem at once, audio by header, and operations that lose no utterance."""

import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError, cli
from sre.datadir.audio_check import check_audio, check_ends
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.datadir.fix import fix
from sre.datadir.ops import combine, split, subset
from sre.datadir.rejected import read_rejected_rows, write_rejected
from sre.datadir.validate import validate
from sre.features.waves import Waves
from sre.io import commands
from sre.io.ark import write_ark
from sre.io.audio import AudioRules
from sre.io.ids import is_plain
from sre.io.tables import read_table, write_table

SHARED = Path(__file__).resolve().parents[2] / "../shared"

ids = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=4).filter(is_plain)


def wav(path: Path, seconds: float = 1.0, rate: int = 16000, channels: int = 1) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal(0, 0.1, (round(seconds * rate), channels))
    soundfile.write(path, noise, rate, subtype="PCM_16")
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three utterances of two speakers; neither ids nor speakers have a common prefix."""
    waves = {utt: wav(tmp_path / f"{utt}.wav") for utt in ("a", "Z", "ä")}
    write_data_dir(tmp_path / "data", wav=waves, utt2spk={"a": "two", "Z": "one", "ä": "one"})
    return tmp_path / "data"


def test_bytewise_order_and_no_prefix_rule(data: Path) -> None:
    assert read_data_dir(data).utts == ["Z", "a", "ä"]  # any locale's order would put Z last
    assert (data / "spk2utt").read_text() == "one Z ä\ntwo a\n"
    assert validate(data) == []


def test_wav_scp_is_enough(data: Path) -> None:
    for name in ("utt2spk", "spk2utt"):
        (data / name).unlink()
    assert read_data_dir(data, need_speakers=False).utts == ["Z", "a", "ä"]
    assert validate(data) == []
    with pytest.raises(SreError, match="no utt2spk"):
        read_data_dir(data)


def test_relative_to_the_scp(data: Path) -> None:
    write_table(data / "wav.scp", {utt: f"../{utt}.wav" for utt in ("a", "Z", "ä")})
    assert validate(data) == []
    assert Path(read_data_dir(data).wav["a"]).samefile(data.parent / "a.wav")


def test_parts_of_a_relative_data_dir_are_read_from_any_folder(data: Path, monkeypatch) -> None:
    write_table(data / "wav.scp", {"a": "../a.wav", "Z": "../Z.wav", "ä": "cat ä.wav |"})
    monkeypatch.chdir(data.parent)
    subset(data.name, "deep/part")
    split(data.name, "halves", 2)
    combine(["halves/1", "halves/2"], "whole")
    monkeypatch.chdir("/")
    for part in ("deep/part", "whole"):
        wav = read_data_dir(data.parent / part).wav
        assert Path(wav["a"]).samefile(data.parent / "a.wav") and wav["ä"] == "cat ä.wav |"


def test_all_problems_at_once(data: Path, capsys: pytest.CaptureFixture) -> None:
    (data / "wav.scp").write_text(f"a {data}/gone.wav\nZ {data}/../Z.wav\nZ {data}/../Z.wav\n")
    (data / "segments").write_text("s1 a 0 2\ns2 Z 3 1\ns3 nobody 0 1\n")
    (data / "utt2spk").write_text("s1 one\ns2 one\ns4 one two\n")
    (data / "utt2dur").write_text("\ufeffs1 2.0\r\n\ns2\tlong\r\n")
    (data / "vad.scp").write_text("s1 nowhere.ark:5\n")
    (data / "spk2utt").unlink()
    expected = [
        "wav.scp: 1 lines stand twice",
        "wav.scp: 1 files do not exist, e.g. " + f"{data}/gone.wav",
        "segments: 1 lines are not `utterance recording start end` with 0 <= start < end, e.g. 's2 Z 3 1'",
        "segments: 1 segments are of recordings not in wav.scp, e.g. nobody of s3",
        "utt2spk: 1 utterances are not in segments, e.g. s4",
        "utt2spk: 1 utterances of segments are not in it, e.g. s3",
        "utt2spk: 1 utterances have several speakers, e.g. 's4'",
        "utt2dur: 1 ids have a value that is no positive number, e.g. 's2'",
        "vad.scp: 2 utterances of segments are not in it, e.g. s2",
        "vad.scp: 1 records are not `path:offset` of an archive that exists",
    ]
    problems = validate(data)
    for text in expected:
        assert sum(text in problem for problem in problems) == 1, text
    assert len(problems) == len(expected)
    assert all(";" in problem for problem in problems)  # each has its remedy
    with pytest.raises(SystemExit) as stop:
        cli.main(["data", "validate", str(data)])
    out = capsys.readouterr()
    untidy = out.out.splitlines()[len(problems) :]
    assert stop.value.code == 1 and out.out.splitlines()[: len(problems)] == problems and "10 problems found" in out.err
    assert len(untidy) == 1 and all(
        word in untidy[0] for word in ("not in bytewise order", "byte order mark", "1 empty")
    )


def test_what_is_only_untidy_is_no_problem(data: Path, capsys: pytest.CaptureFixture) -> None:
    """Nothing is ambiguous in it, and nothing here needs another order; `sre data fix` writes the one form."""
    tidy = {name: (data / name).read_bytes() for name in ("wav.scp", "utt2spk", "spk2utt")}
    for name in ("wav.scp", "utt2spk"):
        lines = tidy[name].decode().splitlines()
        (data / name).write_bytes(
            ("\ufeff" + "\r\n".join(line.replace(" ", "\t  ") for line in lines[::-1]) + "\r\n\r\n").encode()
        )
    (data / "spk2utt").unlink()
    cli.main(["data", "validate", str(data)])
    assert "untidy, which nothing here minds and `sre data fix" in capsys.readouterr().out
    assert read_data_dir(data).utt2spk == {"Z": "one", "a": "two", "ä": "one"}
    cli.main(["data", "fix", str(data)])
    assert tidy == {name: (data / name).read_bytes() for name in tidy}
    capsys.readouterr()
    cli.main(["data", "validate", str(data)])
    assert capsys.readouterr().out == ""


ODD = ["\u3000", "\u00a0", "\u2028", "\u0085", "\v", "\f", "\x1c", "\u200b", "\ufeff"]


@pytest.mark.parametrize("char", ODD, ids=ascii)
def test_odd_white_space_is_fine_in_paths_and_named_in_ids(data: Path, tmp_path: Path, char: str) -> None:
    wav(tmp_path / f"rec{char}1.wav")
    write_table(data / "wav.scp", {utt: f"{tmp_path}/rec{char}1.wav" for utt in ("Z", "a", "ä")})
    assert validate(data) == [] and fix(data) == []
    subset(data, tmp_path / "some", utts=["a", "Z"])
    assert read_data_dir(tmp_path / "some").wav["a"] == f"{tmp_path}/rec{char}1.wav"
    named = rf"the id '.*' has U\+{ord(char):04X}.* in it; rename it"
    for name, text in (("wav.scp", f"Z x\na x\nä{char} x\n"), ("utt2spk", f"Z one\na two{char}\nä one\n")):
        before = (data / name).read_bytes()
        (data / name).write_text(text)
        assert any(re.search(named, problem) for problem in validate(data))
        with pytest.raises(SreError, match=rf"U\+{ord(char):04X}.* in it; rename it"):
            read_data_dir(data)
        with pytest.raises(SreError, match=named):
            fix(data)
        (data / name).write_bytes(before)


def test_ids_that_look_the_same_are_told_apart(data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SreError, match=r"e.g. a\\u0308 \(not 'ä', which looks the same: with U\+0061 .*, U\+0308 .* without U\+00E4"
    ):
        subset(data, tmp_path / "x", utts=["a\u0308"])
    (data / "utt2spk").write_text("Z one\na two\na\u0308 one\n")
    assert any("1 utterances are not in wav.scp, e.g. a\\u0308 (not 'ä'" in problem for problem in validate(data))


@pytest.mark.parametrize("name", ["wav.scp", "utt2spk", "utt2dur"])
def test_a_table_without_its_last_line_end_is_cut_short(data: Path, tmp_path: Path, name: str) -> None:
    write_table(data / "utt2dur", dict.fromkeys(("a", "Z", "ä"), 1.25))
    cut, end = {"wav.scp": (".wav", ""), "utt2spk": ("one", "on"), "utt2dur": ("1.25", "1.2")}[name]
    (data / name).write_text((data / name).read_text().removesuffix(f"{cut}\n") + f"{end}\n")
    whole = (data / name).read_bytes()
    (data / name).write_bytes(whole[:-1])
    problem = validate(data)[0]
    assert (
        f"{name}: its last line has no end, so it may be cut short; make it again or, if it is whole, end the"
        in problem
    )
    with pytest.raises(SreError, match="its last line has no end"):
        subset(data, tmp_path / "x", first=1)
    subprocess.run(problem.rpartition(": ")[2], shell=True, check=True)
    assert (data / name).read_bytes() == whole and not any("no end" in text for text in validate(data))
    (data / name).write_bytes(whole[:-1])
    assert any("look whether" in text for text in fix(data)) and (data / name).read_bytes() == whole


def test_a_table_without_its_last_line_end_that_is_whole(data: Path, tmp_path: Path, capsys) -> None:
    """What the other lines, the files or the archive show to be whole is remarked on, and read."""
    write_table(data / "utt2dur", dict.fromkeys(("a", "Z", "ä"), 1.25))
    write_ark(data / "f.ark", data / "feats.scp", ((utt, np.eye(3)) for utt in ("Z", "a", "ä")))
    (data / "segments").write_text("Z Z 0 1.00\na a 0.5 1.00\nä ä 0 0.75\n")
    names = ("wav.scp", "utt2spk", "spk2utt", "utt2dur", "feats.scp", "segments")
    whole = {name: (data / name).read_bytes() for name in names}
    for name in names:
        (data / name).write_bytes(whole[name][:-1])
    assert validate(data) == []
    assert subset(data, tmp_path / "x") == 3
    told = capsys.readouterr().err
    assert all(f"{name}: its last line has no end" in told for name in names)
    fix(data)
    assert {name: (data / name).read_bytes() for name in names} == whole
    (data / "feats.scp").write_bytes(whole["feats.scp"][:-2])
    assert "feats.scp: its last line has no end" in validate(data)[0]


def test_a_segment_to_the_end_of_its_recording(data: Path, tmp_path: Path) -> None:
    """Kaldi's -1."""
    (data / "segments").write_text("Z Z 0 -1\na a 0.5 -1\nä ä 0 0.75\n")
    assert validate(data) == [] and check_ends(data) == []
    assert subset(data, tmp_path / "x", first=2) == 2
    found = read_data_dir(tmp_path / "x")
    assert found.segments == {"Z": ("Z", 0, math.inf), "a": ("a", 0.5, math.inf)}
    waves = Waves(found, AudioRules(), 0.025)
    assert [(utt, len(wave)) for utt, wave in waves.read(found.utts)] == [("Z", 16000), ("a", 8000)]
    assert not waves.rejected


def test_a_recording_of_no_file_and_one_in_an_archive(data: Path) -> None:
    lines = (data / "wav.scp").read_text().splitlines(keepends=True)
    (data / "wav.scp").write_text("Z\n" + "".join(lines[1:]))
    with pytest.raises(SreError, match="wav.scp: 1 ids have no file, e.g. 'Z'; write it or delete the line"):
        read_data_dir(data)
    (data / "x.ark").write_bytes(b"Z AUDIO")
    (data / "wav.scp").write_text(f"Z {data}/x.ark:2\n" + "".join(lines[1:]))
    assert "places in archives are not read as audio: write each out" in validate(data)[0]
    ((key, _, reason),) = check_audio(read_data_dir(data).wav, AudioRules())[1]
    assert (key, reason.startswith("a place in the archive")) == ("Z", True)


def test_nothing_may_have_been_said(data: Path) -> None:
    (data / "text").write_text("Z WORDS\na\nä \n")
    assert validate(data) == []


def test_empty_and_missing_directories(tmp_path: Path) -> None:
    assert "neither wav.scp nor feats.scp" in validate(tmp_path)[0]
    assert "no such data directory" in validate(tmp_path / "none")[0]


def test_cut_short_archive(data: Path) -> None:
    (data / "feats.ark").write_bytes(b"\0" * 10)
    write_table(data / "feats.scp", {utt: f"{data}/feats.ark:{at}" for at, utt in enumerate(("Z", "a", "ä"), 8)})
    (problem,) = validate(data)
    assert "1 records are not `path:offset` of an archive that exists and reaches so far, e.g. ä " in problem


def test_fix(data: Path) -> None:
    (data / "wav.scp").write_text("a x.wav\nZ y.wav\r\nZ y.wav\nlost z.wav\n")
    (data / "spk2utt").unlink()
    (data / "spk2gender").write_text("one f\nthree m\n")
    done = fix(data)
    assert any("1 equal lines dropped" in text for text in done) and any("sorted bytewise" in text for text in done)
    assert (data / "wav.scp").read_text() == "Z y.wav\na x.wav\n"
    assert (data / "spk2utt").read_text() == "one Z\ntwo a\n"
    assert (data / "spk2gender").read_text() == "one f\n"
    assert "lost z.wav" in (data / ".backup/wav.scp").read_text()
    assert fix(data) == []
    (data / "wav.scp").write_text("a\tx.wav\r\nZ y.wav\r\n")
    fix(data)  # what stood there first is kept
    assert "lost z.wav" in (data / ".backup/wav.scp").read_text() and "\t" in (data / ".backup/wav.scp.1").read_text()


def test_fix_segments(data: Path) -> None:
    write_table(data / "segments", {"s1": "a 0 1", "s2": "a 1 1", "s3": "gone 0 1", "s4": "Z 0 1"})
    write_table(data / "utt2spk", {"s1": "two", "s2": "two", "s3": "two"})
    done = fix(data)
    assert any("segments: 2 lines dropped" in text for text in done)
    assert read_data_dir(data).utts == ["s1"] and list(read_data_dir(data).wav) == ["a"]
    assert validate(data) == []


def test_fix_leaves_what_only_a_person_can_decide(data: Path) -> None:
    before = (data / "wav.scp").read_text() + "ä other.wav\n"
    (data / "wav.scp").write_text(before)
    with pytest.raises(SreError, match="'ä' stands twice with different values"):
        fix(data)
    assert (data / "wav.scp").read_text() == before


def test_stale_tables_go(data: Path) -> None:
    write_table(data / "segments", {"s": "a 0 1"})
    (data / "feats").mkdir()
    write_data_dir(data, wav={"a": "a.wav"}, utt2spk={"a": "two"})
    assert sorted(path.name for path in data.iterdir()) == ["feats", "spk2utt", "utt2spk", "wav.scp"]


def test_check_audio(tmp_path: Path) -> None:
    whole = Path(wav(tmp_path / "whole.wav", 2.0))
    (tmp_path / "cut.wav").write_bytes(whole.read_bytes()[:-1000])
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no audio at all")
    places = {
        "cut": str(tmp_path / "cut.wav"),
        "empty": str(tmp_path / "empty.wav"),
        "gone": str(tmp_path / "gone.wav"),
        "pipe": "cat whole.wav |",
        "rate": wav(tmp_path / "rate.wav", rate=8000),
        "short": wav(tmp_path / "short.wav", 0.01),
        "stereo": wav(tmp_path / "stereo.wav", channels=2),
        "text": str(tmp_path / "text.wav"),
        "whole": str(whole),
    }
    durations, rejected = check_audio(places, AudioRules())
    assert durations == {"whole": 2.0}
    reasons = {key: reason for key, _, reason in rejected}
    words = {"cut": "truncated", "empty": "0 bytes", "gone": "no such file", "rate": "sample rate 8000",
             "short": "too short", "stereo": "2 channels", "text": "unreadable"}  # fmt: skip
    assert reasons.keys() == words.keys() and all(word in reasons[key] for key, word in words.items())
    durations, _ = check_audio(places, AudioRules(resample=True))
    assert durations == {"whole": 2.0, "rate": 1.0} and not any(map(math.isnan, durations.values()))


def test_m4a_without_ffmpeg_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "find_ffmpeg", lambda: None)
    with pytest.raises(SreError, match="ffmpeg is needed"):
        check_audio({"a": "a.m4a"}, AudioRules())


def test_write_rejected(tmp_path: Path) -> None:
    file = tmp_path / "rejected.tsv"
    write_rejected(file, [], 100, "recordings")
    assert file.read_text() == "id\tpath\treason\n"
    write_rejected(file, [("u", "u.wav", "too\tshort")], 100, "recordings", needed={"v"})
    assert file.read_text() == "id\tpath\treason\nu\tu.wav\ttoo short\n"
    two = [("u", "u.wav", "short"), ("v", "v.wav", "long")]
    write_rejected(file, two[:1], 9, "recordings")  # one bad file of few stops nothing
    write_rejected(file, two, 200, "recordings")
    assert read_rejected_rows(file) == two
    with pytest.raises(
        SreError, match=r"2 of 19 recordings are rejected, more than max_rejected \(0.01\) allows, e.g. u"
    ):
        write_rejected(file, two, 19, "recordings")
    with pytest.raises(SreError, match=r"1 of 9 recordings are rejected, more than max_rejected \(0\) allows, e.g. u"):
        write_rejected(file, two[:1], 9, "recordings", 0)
    with pytest.raises(SreError, match="all 2 recordings are rejected, e.g. u"):
        write_rejected(file, two, 2, "recordings", 1.0)
    file.write_text("id\tpath\treason\nu\tu.wav\n")
    with pytest.raises(SreError, match="not `id path reason` by tabs"):
        read_rejected_rows(file)
    with pytest.raises(SreError, match="1 rejected recordings stand in a trial list, e.g. u"):
        write_rejected(file, [("u", "u.wav", "short")], 100, "recordings", needed={"u"})


@settings(max_examples=15, deadline=None)
@given(
    utt2spk=st.dictionaries(ids, ids, min_size=1, max_size=20),
    parts=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_operations_preserve_utterances(tmp_path_factory, utt2spk: dict[str, str], parts: int, seed: int) -> None:
    root = tmp_path_factory.mktemp("ops")
    waves = {utt: f"{number}.wav" for number, utt in enumerate(utt2spk)}
    session = {utt: f"s{number}" for number, utt in enumerate(utt2spk)}
    write_data_dir(root / "all", wav=waves, utt2spk=utt2spk, extra={"utt2session": session})
    whole = read_data_dir(root / "all")
    assert (whole.wav, whole.utt2spk) == (waves, utt2spk)
    for by, groups in (("utterance", len(utt2spk)), ("speaker", len(set(utt2spk.values())))):
        n = min(parts, groups)
        assert sum(split(root / "all", root / by, n, by)) == len(utt2spk)
        sources = [root / by / str(i + 1) for i in range(n)]
        assert combine(sources, root / f"{by}_again") == len(utt2spk)
        for table in ("wav.scp", "utt2spk", "spk2utt", "utt2session"):
            assert (root / f"{by}_again" / table).read_bytes() == (root / "all" / table).read_bytes()
        if by == "speaker":
            speakers = [set(read_table(source / "spk2utt")) for source in sources]
            assert sum(map(len, speakers)) == len(set.union(*speakers))
    count = subset(root / "all", root / "one", per_speaker=1, seed=seed)
    chosen = read_data_dir(root / "one").utt2spk
    assert count == len(chosen) and sorted(chosen.values()) == sorted(set(utt2spk.values()))
    assert chosen.items() <= utt2spk.items()


def test_subset_by_ids_and_counts(data: Path, tmp_path: Path) -> None:
    subset(data, tmp_path / "x", speakers=["one"])
    assert read_data_dir(tmp_path / "x").utts == ["Z", "ä"]
    subset(data, tmp_path / "y", utts=["ä", "a"], first=1)
    assert read_data_dir(tmp_path / "y").utts == ["a"]
    drawn = set()
    for seed in range(9):
        subset(data, tmp_path / f"drawn{seed}", random_count=2, seed=seed)
        drawn.add(tuple(read_data_dir(tmp_path / f"drawn{seed}").utts))
    assert len(drawn) > 1
    with pytest.raises(SreError, match="the utterances asked for: 1 are not in .*data, e.g. b; mend the list"):
        subset(data, tmp_path / "z", utts=["b"])
    with pytest.raises(SreError, match="4 utterances asked of 3"):
        subset(data, tmp_path / "z", first=4)
    with pytest.raises(SreError, match="the output is the input"):
        subset(data, data, first=1)


def test_nothing_is_written_over_a_data_directory(data: Path, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in data.iterdir()}
    write_data_dir(tmp_path / "other", wav={"b": "b.wav"}, utt2spk={"b": "three"})
    for write in (
        lambda: subset(tmp_path / "other", data, first=1),
        lambda: combine([tmp_path / "other"], data),
        lambda: split(tmp_path / "other", tmp_path / "parts", 1),
    ):
        (tmp_path / "parts/1").mkdir(parents=True, exist_ok=True)
        (tmp_path / "parts/1/utt2spk").write_text("a b\n")
        with pytest.raises(SreError, match="stands there .*delete it, or name another"):
            write()
    assert before == {file.name: file.read_bytes() for file in data.iterdir()}


def test_combine_refuses_clashes_and_cuts_whole_recordings(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SreError, match="3 ids are also in another"):
        combine([data, data], tmp_path / "x")
    segments = {"b-1": ("b", 0.0, 0.5), "b-2": ("b", 0.5, 1.0)}
    write_data_dir(tmp_path / "cut", wav={"b": "b.wav"}, segments=segments, utt2spk={"b-1": "two", "b-2": "two"})
    with pytest.raises(SreError, match="utt2dur"):
        combine([data, tmp_path / "cut"], tmp_path / "x")
    write_table(data / "utt2dur", dict.fromkeys(("a", "Z", "ä"), "1.0"))
    assert combine([data, tmp_path / "cut"], tmp_path / "x") == 5
    joined = read_data_dir(tmp_path / "x")
    assert joined.segments["a"] == ("a", 0.0, 1.0) and joined.segments["b-2"] == ("b", 0.5, 1.0)
    assert validate(tmp_path / "x")[0].startswith(f"{tmp_path}/x/wav.scp: 1 files do not exist")


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/corpora")
def test_features_without_audio(tmp_path: Path) -> None:
    source = SHARED / "corpora/ko-fbank40/train"
    assert validate(source) == []
    assert subset(source, tmp_path / "few", per_speaker=2) == 200
    assert validate(tmp_path / "few") == []
