"""Folders, tables and lists of other toolkits into data directories, and back."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.cli import command
from sre.datadir.datadir import DataDir, read_data_dir
from sre.datadir.importers.exports import WRITERS, export_data, rows_of
from sre.datadir.importers.job import READERS, import_recordings
from sre.datadir.importers.layout import layout_of
from sre.datadir.importers.naming import distinct, from_path, shared_folder
from sre.datadir.importers.recognise import recognise
from sre.datadir.importers.row import Asked, minus
from sre.datadir.importers.tables import name_rows, tables_of
from sre.datadir.importers.trials import Names
from sre.datadir.layout import Segment
from sre.datadir.rejected import read_rejected_rows
from sre.io.record import read_record


def noise(path: Path, seconds: float = 0.3, rate: int = 16000, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (int(seconds * rate), channels) if channels > 1 else int(seconds * rate)
    soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=shape), rate)
    return path


def tables(path: Path) -> dict[str, dict[str, str]]:
    """All tables of a data directory, but of where they were read from."""
    found = {name: t for name, t in read_data_dir(path, every_table=True).tables.items() if name != "utt2source"}
    if "wav.scp" in found:
        found["wav.scp"] = {key: os.path.normpath(place) for key, place in found["wav.scp"].items()}
    return found


def imported(source: Path, out: Path, **asked: object) -> dict[str, dict[str, str]]:
    import_recordings(source, out, Asked(**asked), check=False)
    return tables(out)


def test_folder_of_speakers_and_sessions(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = tmp_path / "rec"
    for name in ("ann/day 1/a.wav", "ann/day 1/a.flac", "ann/b.WAV", "bob/c.wav", "bob/.d.wav", "bob/notes.txt"):
        noise(root / name) if name[-3:] != "txt" else (root / name).write_text("x")
    done = import_recordings(root, tmp_path / "data")
    out = tables(tmp_path / "data")
    assert out["utt2spk"] == {"ann-day_1-a": "ann", "ann-day_1-a-2": "ann", "ann-b": "ann", "bob-c": "bob"}
    assert out["utt2session"] == {"ann-day_1-a": "day_1", "ann-day_1-a-2": "day_1"}
    assert set(out["utt2dur"].values()) == {"0.300"} and (done.speakers, done.utterances, done.untold) == (2, 4, 0)
    sources = read_data_dir(tmp_path / "data", every_table=True).tables["utt2source"]
    assert (sources["ann-day_1-a"], sources["ann-day_1-a-2"]) == ("ann/day 1/a.flac", "ann/day 1/a.wav")
    said = capsys.readouterr().err
    assert "taken for a folder of audio files" in said and "1 other files are passed over (1 .txt)" in said
    assert "4 utterances are shorter than 0.5 s, e.g. ann-b (0.300 s)" in said
    assert "1 ids would stand twice and have a number at their end, e.g. ann-day_1-a-2" in said


def test_a_folder_of_links_comes_back(tmp_path: Path) -> None:
    for name in ("ann/mon/ann-mon-a.wav", "ann/tue/b.flac", "bob/c d.wav"):
        noise(tmp_path / "rec" / name)
    there = imported(tmp_path / "rec", tmp_path / "data")
    export_data(tmp_path / "data", tmp_path / "links", "folder")
    back = imported(tmp_path / "links", tmp_path / "back")
    assert {name: back[name] for name in ("utt2spk", "utt2session")} == {
        n: there[n] for n in ("utt2spk", "utt2session")
    }
    assert {key: os.path.realpath(place) for key, place in back["wav.scp"].items()} == there["wav.scp"]
    with pytest.raises(SreError, match="is there already; delete"):
        export_data(tmp_path / "data", tmp_path / "links", "folder")


def test_trials_of_files_with_blanks_are_no_list_of_clova(tmp_path: Path) -> None:
    for name in ("ann/a 1.wav", "ann/a2.wav"):
        noise(tmp_path / "rec" / name)
    imported(tmp_path / "rec", tmp_path / "data")
    (tmp_path / "trials").write_text("ann-a2 ann-a_1 target\n")
    with pytest.raises(SreError, match="no blanks in names, as '.*a 1.wav' has; rename it"):
        export_data(tmp_path / "data", tmp_path / "list", "clova", trials=tmp_path / "trials")
    assert not (tmp_path / "list").exists()


def test_links_are_followed_once(tmp_path: Path) -> None:
    root = tmp_path / "rec"
    root.mkdir()
    (root / "itself").symlink_to("itself")
    noise(root / "ann/a.wav"), noise(tmp_path / "elsewhere/b.wav")
    (root / "ann/up").symlink_to(root)
    (root / "bob").symlink_to(tmp_path / "elsewhere")
    (root / "bob again").symlink_to(tmp_path / "elsewhere")
    out = imported(root, tmp_path / "data")["utt2spk"]
    assert out == {"ann-a": "ann", "bob-b": "bob"}


@pytest.mark.parametrize("pattern, path, told", [
    ("{speaker}/{session}/{utterance}", "wav/id1/vid/0001.wav", ("id1", "vid", {})),
    ("{speaker}/*", "id1/0001.wav", ("id1", "", {})),
    ("{speaker}_{device}_{distance}_*", "SPEECHDATA/SV0250/SV0250_3_02_N3430.wav",
     ("SV0250", "", {"utt2device": "3", "utt2distance": "02"})),
    ("{speaker}/{session}/{speaker}-{session}-*", "a/b/a-b-1.flac", ("a", "b", {})),
    ("{speaker}/{session}/{speaker}-{session}-*", "a/b/a-c-1.flac", None),
    ("{gender}/{speaker}/*", "f/ann/1.wav", ("ann", "", {"spk2gender": "f"})),
    ("{speaker}.{session}.*", "a.b.c.wav", ("a", "b", {})),
])  # fmt: skip
def test_pattern(pattern: str, path: str, told: tuple | None) -> None:
    assert layout_of(Asked(pattern=pattern))(path) == told


@pytest.mark.parametrize("pattern", ["{session}/*", "{speaker", "speaker}/{speaker}", "{1a}{speaker}"])
def test_pattern_that_is_none(pattern: str) -> None:
    with pytest.raises(SreError, match="pattern"):
        layout_of(Asked(pattern=pattern))


def test_parts_of_paths() -> None:
    assert layout_of(Asked(speaker_part=-2))("/data/an4/menk/cen4-menk-b.wav").speaker == "menk"
    assert layout_of(Asked(speaker_part=-1))("x/ann.wav").speaker == "ann"
    assert layout_of(Asked(speaker_part=-4))("x/ann.wav") is None
    assert layout_of(Asked())("a.wav").speaker == ""


def test_ids() -> None:
    assert shared_folder(["/a/b/c.wav", "/a/b/d.wav"]) == "/a/b/" and shared_folder(["a/x.wav", "b/x.wav"]) == ""
    assert shared_folder(["/a/b/c.wav"]) == "/a/b/" and shared_folder(["/a/bc/x", "/a/bd/x"]) == "/a/"
    assert from_path("./a b/../c\u200b.d.wav", "") == "a_b-c_.d"
    assert from_path("61/70968/61-70968-0000.flac", "") == "61-70968-0000"
    assert from_path("dev/SV0250/SV0250_3_02.wav", "") == "dev-SV0250_3_02" and from_path("a/ab.wav", "") == "a-ab"
    assert distinct(["a", "a-2", "a", "a"]) == (["a", "a-2", "a-3", "a-4"], ["a-3", "a-4"])


@pytest.mark.parametrize("pattern, files, ids", [
    ("{speaker}/{session}/*", ["clean/61/7/61-7-0.flac", "other/62/8/62-8-0.flac"], ["61-7-0", "62-8-0"]),
    ("{speaker}/{session}/*", ["a/61/7/61-8-0.wav", "b/62/8/62-80.wav"], ["61-a-61-7-61-8-0", "62-b-62-8-62-80"]),
    ("{speaker}_{device}_*", ["dev/SV1/SV1_3_02.wav", "test/SV12/SV12_1_02.wav"], ["SV12_1_02", "SV1_3_02"]),
    ("{speaker}_*", ["mon/ann_1.wav", "tue/ann_1.wav"], ["ann-mon-ann_1", "ann-tue-ann_1"]),
    (None, ["ann b/day 1/ann b-day 1-x.wav", "bob/bobby.wav"], ["ann_b-day_1-x", "bob-bobby"]),
])  # fmt: skip
def test_a_name_that_says_the_speaker_is_the_id(
    tmp_path: Path, pattern: str | None, files: list[str], ids: list[str]
) -> None:
    for file in files:
        (tmp_path / "rec" / file).parent.mkdir(parents=True)
        (tmp_path / "rec" / file).touch()
    assert [*imported(tmp_path / "rec", tmp_path / "data", pattern=pattern)["utt2spk"]] == ids


def test_columns_of_a_header_that_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("who,thing\nann,a/1\nbob,b/1\n")
    out = imported(tmp_path / "list.csv", tmp_path / "data", columns={"speaker": "who", "file": "thing"})
    assert out["utt2spk"] == {"ann-a-1": "ann", "bob-b-1": "bob"}
    with pytest.raises(SreError, match="whom"):
        imported(tmp_path / "list.csv", tmp_path / "other", columns={"speaker": "whom", "file": "thing"})


def test_nothing_is_converted_where_too_much_is_rejected(tmp_path: Path) -> None:
    for name in ("ann/1.wav", "ann/2.wav", "bob/1.wav"):
        noise(tmp_path / "rec" / name)
    (tmp_path / "rec/ann/1.wav").write_bytes(b""), (tmp_path / "rec/bob/1.wav").write_bytes(b"")
    with pytest.raises(SreError, match="2 of 3 utterances are rejected"):
        import_recordings(tmp_path / "rec", tmp_path / "data", convert=lambda wav: pytest.fail("converted"))
    assert len((tmp_path / "data/rejected.tsv").read_text().splitlines()) == 3
    (tmp_path / "rec/ann/2.wav").write_bytes(b"")
    with pytest.raises(SreError, match="all 3 utterances are rejected"):
        import_recordings(tmp_path / "rec", tmp_path / "data", convert=lambda wav: pytest.fail("converted"))


@pytest.mark.parametrize("name, text, form", [
    ("x.json", '\n{"audio_filepath": "a.wav", "duration": 1.0, "label": "x"}\n', "nemo"),
    ("x.csv", "ID,duration,wav,start,stop,spk_id\nu,1.0,a.wav,0,16000,s\n", "speechbrain"),
    ("x.csv", "ID,path,duration,audio_format\nid1,a/1.wav,4.2,wav\n", "csv"),
    ("x.csv", "id00012,/data/x.flac\n", "csv"),
    ("x.tsv", "client_id\tpath\tsentence\nx\ta.mp3\t1, 2\n", "csv"),
    ("x.txt", "/data/a b/1.wav\n", "paths"),
    ("x.txt", "id1 id1/v/1.wav\n", "clova"),
    ("x.txt", "1 id1/v/1.wav id1/v/2.wav\n", "clova-trials"),
    ("x.tsv", "modelid\tsegmentid\tside\n1001\tfoo.sph\ta\n", "nist"),
    ("x.txt", "10001 m tabfsc:a,tabce:b\n", "nist"),
])  # fmt: skip
def test_forms_are_recognised(tmp_path: Path, name: str, text: str, form: str) -> None:
    (tmp_path / name).write_text(text)
    assert recognise(tmp_path / name) == form


def test_what_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("good morning\n")
    with pytest.raises(SreError, match="no form that is known .'good morning'.; give --format, one of folder, csv"):
        recognise(tmp_path / "x.txt")
    with pytest.raises(SreError, match="no file with one of the suffixes"):
        recognise(tmp_path)
    (tmp_path / "wav.scp").write_text("a a.wav\n")
    for source in (tmp_path, tmp_path / "wav.scp"):
        with pytest.raises(SreError, match="Kaldi data directory"):
            recognise(source)


@pytest.mark.parametrize("text, asked, wanted", [
    ("id00012,/d/id00012/a.flac\nid2,/d/id2/a.flac\n", {}, {"id00012-a": "id00012", "id2-a": "id2"}),
    ("file;who\n/d/a.wav;x\n/d/b.wav;y\n", {"columns": {"speaker": "who"}}, {"x-a": "x", "y-b": "y"}),
    ("/d/a.wav\tx\t3\n/d/b.wav\ty\t4\n", {"columns": {"speaker": "2"}}, {"x-a": "x", "y-b": "y"}),
    ('path,speaker\n"/d/a, ""b"".wav",x\n', {}, {'x-a,_"b"': "x"}),
    ("audio_path\n/d/a.wav\n/d/b.wav\n", {"unlabelled": True}, {"a": "a", "b": "b"}),
    ("path,duration\n/d/x/a.wav,1\n/d/y/a.wav,1\n", {"speaker_part": -2}, {"x-a": "x", "y-a": "y"}),
    ("path,speaker,start,end\n/d/a.wav,x,0.5,1.25\n/d/a.wav,y,1.25,-1\n", {},
     {"x-a-0000500-0001250": "x", "y-a-0001250-end": "y"}),
])  # fmt: skip
def test_tables(tmp_path: Path, text: str, asked: dict, wanted: dict) -> None:
    (tmp_path / "list.csv").write_text(text)
    assert imported(tmp_path / "list.csv", tmp_path / "data", **asked)["utt2spk"] == wanted


@pytest.mark.parametrize("text, message", [
    ("path,speaker\na.wav\n", r"list.csv:2: 1 cells, the first line has 2"),
    ("path,speaker,start\na.wav,x,soon\n", r"list.csv:2: start 'soon' is no number"),
    ("path,speaker,start,end\na.wav,x,2,1\n", r"list.csv:2: ends at 1 s, and starts at 2 s"),
    ("path,speaker\na.wav,x\na.wav,y\n", r"a.wav is of speaker 'x' and of 'y'; delete one"),
    ("path,speaker\na.wav,x y\nb.wav,x_y\n", r"speakers 'x y' and 'x_y' would both be named x_y"),
    ("speaker,size\nx,1\n", r"no column of files is known among speaker, size; name it: --columns file=NAME"),
    ('path,speaker\n"a.wav,x\n', r"not a table .* mend its quotation marks"),
    ("path\na.wav\n", r"none of 1 utterances can be taken, e.g. a.wav: it has no speaker; give --pattern"),
    ("path,speaker\n", r"no utterance in it"),
])  # fmt: skip
def test_tables_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(SreError, match=message):
        import_recordings(tmp_path / "list.csv", tmp_path / "data", form="csv", check=False)


def test_what_stands_twice_is_taken_once(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "l.csv").write_text("speaker,path,sex\nx,a.wav,female\nx,a.wav,F\ny,b.wav,m\ny,c.wav,f\n")
    out = imported(tmp_path / "l.csv", tmp_path / "data")
    assert list(out["utt2spk"].values()) == ["x", "y", "y"] and out["spk2gender"] == {"x": "f"}
    said = capsys.readouterr().err
    assert "1 utterances stand twice and are taken once, e.g. a.wav" in said
    assert "1 ids have several values of spk2gender, e.g. y, and get none" in said


def test_manifest_paths_are_relative_to_it(tmp_path: Path) -> None:
    noise(tmp_path / "m/wav/a.wav", 1.0)
    line = '{"audio_filepath": "wav/a.wav", "offset": %s, "duration": 0.4, "label": "x", "lang": "de"}\n'
    (tmp_path / "m/train.json").write_text(line % 0.1 + line % 0.6)
    import_recordings(tmp_path / "m/train.json", tmp_path / "m/data")
    data = read_data_dir(tmp_path / "m/data", every_table=True)
    assert data.segments == {
        "x-a-0000100-0000500": Segment("a", 0.1, 0.5),
        "x-a-0000600-0001000": Segment("a", 0.6, 1.0),
    }
    assert data.tables["reco2dur"] == {"a": "1.000"} and set(data.tables["utt2lang"].values()) == {"de"}
    assert (tmp_path / "m/data/wav.scp").read_text() == "a ../wav/a.wav\n"


def test_speechbrain_counts_samples(tmp_path: Path) -> None:
    lines = "ID,duration,wav,start,stop,spk_id\nu1,2.0,$data_root/a.wav,0,16000,x\nu2,2.0,$data_root/b.wav,0,32000,y\n"
    (tmp_path / "l.csv").write_text(lines)
    out = imported(tmp_path / "l.csv", tmp_path / "data", folder=tmp_path)
    assert out["segments"] == {"u1": "a 0.0 1.0", "u2": "b 0.0 -1"}
    assert out["wav.scp"]["a"].endswith("/a.wav") and "data_root" not in out["wav.scp"]["a"]


def broken(path: Path, kind: int) -> None:
    """Write a file that is broken in one of five ways."""
    whole = noise(path, 0.5).read_bytes()
    path.write_bytes([b"", b"no sound at all" * 9, whole[: len(whole) // 2], whole[:20], whole[:60]][kind])


def test_few_broken_files_are_named_and_many_stop(tmp_path: Path) -> None:
    root = tmp_path / "rec"
    for at in range(100):
        noise(root / f"s{at % 10}/{at:03}.wav", 0.05)
    for kind in range(3):
        broken(root / f"s{kind}/bad{kind}.wav", kind)
    assert import_recordings(root, tmp_path / "data").utterances == 100  # 3 of 103: more than 1 %, and few
    rows = read_rejected_rows(tmp_path / "data/rejected.tsv")
    assert [key for key, _, _ in rows] == ["s0-bad0", "s1-bad1", "s2-bad2"]
    broken(root / "s4/bad4.wav", 4)
    with pytest.raises(SreError, match=r"4 of 104 utterances are rejected, more than max_rejected .*--max-rejected"):
        import_recordings(root, tmp_path / "more")
    with pytest.raises(SreError, match="4 of 104 utterances are rejected, more than max_rejected .0. allows"):
        import_recordings(root, tmp_path / "none", max_rejected=0)
    assert not (tmp_path / "more/wav.scp").exists()


def test_what_has_to_be_converted_is_said_and_done_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    noise(Path("rec/ann/a.wav")), noise(Path("rec/ann/b.wav"), channels=2), noise(Path("rec/bob/c.flac"), rate=8000)
    Path("rec/list.csv").write_text("speaker,path,start,end\nx,ann/a.wav,0.1,0.2\nx,ann/b.wav,0.1,0.3\n")
    command(["data", "import", "rec", "data"])
    said = capsys.readouterr().err
    assert "1 of 3 recordings have several channels; set=audio.channel=mix (or 0) for a recipe, or --convert" in said
    assert "1 of 3 recordings are not of 16000 Hz; set=audio.resample=yes for a recipe, or --convert flac here" in said
    with pytest.raises(SreError, match="2 channels; set audio.channel to mix"):
        command(["data", "import", "rec", "more", "--convert", "wav", "--max-rejected", "0"])
    command(["data", "import", "rec", "files", "--convert", "flac", "--channel", "mix", "--num-workers", "1"])
    for place in read_data_dir("files").wav.values():
        assert (soundfile.info(place).channels, soundfile.info(place).samplerate) == (1, 16000)
    assert tables(Path("files"))["utt2dur"] == tables(Path("data"))["utt2dur"]
    assert (tmp_path / "files/wav.scp").read_text().startswith("ann-a audio_files/")
    command(["data", "import", "rec/list.csv", "parts", "--convert", "wav", "--channel", "0", "--num-workers", "1"])
    assert tables(Path("parts"))["segments"] == {
        "x-a-0000100-0000200": "a 0.1 0.2",
        "x-b-0000100-0000300": "b 0.1 0.3",
    }
    with pytest.raises(SreError, match="--channel is of --convert"):
        command(["data", "import", "rec", "last", "--channel", "0"])


# Letters of names as people have them: blanks, quotation marks, commas, brackets, other scripts.
ODD = st.text("aB7 ,'\"#|;\\&()[]{}ä語_-.", min_size=1, max_size=8).filter(lambda name: name.strip(" .") == name)
ID = st.text("abcXYZ019_-語", min_size=1, max_size=8)
SAMPLES = st.integers(800, 10**6)  # at 16 kHz


@st.composite
def data_dirs(draw: st.DrawFn) -> dict[str, dict[str, str]]:
    """Tables of a data directory, with or without segments."""
    speakers = draw(st.lists(ID, min_size=1, max_size=3, unique=True))
    recordings = draw(st.lists(ID, min_size=1, max_size=4, unique=True))
    folder = draw(ODD)
    side = st.sampled_from(["", "", " [channel 1]"])
    wav = {reco: f"/data/{folder}/{at}{draw(ODD)}.wav{draw(side)}" for at, reco in enumerate(recordings)}
    out: dict[str, dict[str, str]] = {"wav.scp": wav, "segments": {}, "utt2dur": {}}
    utts = recordings
    if draw(st.booleans()):
        for at, reco in enumerate(recordings):
            for start in draw(st.lists(SAMPLES, min_size=1, max_size=2, unique=True)):
                span = Segment(reco, start / 16000, (start + draw(SAMPLES)) / 16000)
                out["segments"][f"{reco}.{at}.{start}"] = str(span)
                out["utt2dur"][f"{reco}.{at}.{start}"] = f"{minus(span.end, span.start):.3f}"
        utts = list(out["segments"])
        out["reco2dur"] = {reco: "1000.000" for reco in recordings}
    else:
        out["utt2dur"] = {utt: f"{draw(SAMPLES) / 16000:.3f}" for utt in utts}
    out["utt2spk"] = {utt: draw(st.sampled_from(speakers)) for utt in utts}
    out["utt2session"] = {utt: draw(ID) for utt in utts if draw(st.booleans())}
    out["spk2gender"] = {
        spk: draw(st.sampled_from("mf")) for spk in sorted(set(out["utt2spk"].values())) if draw(st.booleans())
    }
    out["utt2lang"] = {utt: draw(ODD) for utt in utts if draw(st.booleans())}
    out["text"] = {utt: draw(ODD) for utt in utts if draw(st.booleans())}
    return {name: table for name, table in out.items() if table}


ALL = {"utt2spk", "utt2dur", "reco2dur", "utt2session", "spk2gender", "utt2lang", "text"}
HELD = {"csv": ALL, "nemo": ALL, "speechbrain": {"utt2spk"}}  # form -> the tables that it holds


@pytest.mark.parametrize("form", HELD)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_tables=data_dirs())
def test_round_trips_lose_nothing(tmp_path: Path, form: str, given_tables: dict[str, dict[str, str]]) -> None:
    source, asked = tmp_path / "list", Asked()
    WRITERS[form](source, rows_of(DataDir(tmp_path, given_tables)))
    back = tables_of(source, name_rows(source, READERS[form](source, asked), asked), asked)
    del back["utt2source"]
    assert {name: back[name] for name in back.keys() & HELD[form]} == {
        name: given_tables[name] for name in given_tables.keys() & HELD[form]
    }
    if form == "speechbrain" and any("[channel" in place for place in given_tables["wav.scp"].values()):
        return
    assert places(back) == places(given_tables)
    if form != "speechbrain":
        assert back.keys() == given_tables.keys() and back["wav.scp"] == given_tables["wav.scp"]


def places(of: dict[str, dict[str, str]]) -> dict[str, tuple]:
    """Utterance -> file, start and end."""
    spans = {utt: value.split() for utt, value in of.get("segments", {}).items()}
    return {utt: (of["wav.scp"][spans[utt][0] if spans else utt], *spans.get(utt, [])[1:]) for utt in of["utt2spk"]}


def test_clova_trials_name_the_files_of_the_data(tmp_path: Path) -> None:
    root = tmp_path / "wav"
    for name in ("id1/v1/1", "id1/v2/1", "id2/v1/1"):
        noise(root / f"{name}.wav")
    (tmp_path / "train.txt").write_text("id1 id1/v1/1.wav\nid1 id1/v2/1.wav\nid2 id2/v1/1.wav\n")
    (tmp_path / "test.txt").write_text("1 id1/v1/1.wav id1/v2/1.wav\n0 id1/v1/1.wav id2/v1/1.wav\n")
    import_recordings(tmp_path / "train.txt", tmp_path / "a", Asked(folder=root, trials=tmp_path / "test.txt"))
    assert (tmp_path / "a/trials").read_text() == "id1-v1-1 id1-v2-1 target\nid1-v1-1 id2-v1-1 nontarget\n"
    for source, out in ((root, "b"), (tmp_path / "test.txt", "c")):  # the folder, or the list alone, tell the same
        import_recordings(source, tmp_path / out, Asked(folder=root, trials=tmp_path / "test.txt"))
        assert (tmp_path / out / "trials").read_bytes() == (tmp_path / "a/trials").read_bytes()
        assert tables(tmp_path / out)["utt2spk"] == tables(tmp_path / "a")["utt2spk"]
    export_data(tmp_path / "a", tmp_path / "back.txt", "clova", root, tmp_path / "a/trials")
    assert (tmp_path / "back.txt").read_text() == (tmp_path / "test.txt").read_text()
    export_data(tmp_path / "a", tmp_path / "list.txt", "clova", root)
    assert (tmp_path / "list.txt").read_text() == (tmp_path / "train.txt").read_text()
    (root / "id2/v1/1.wav").write_bytes(b"")
    with pytest.raises(SreError, match="1 rejected utterances stand in a trial list, e.g. id2-v1-1"):
        import_recordings(root, tmp_path / "d", Asked(trials=tmp_path / "test.txt"))
    (root / "id2/v1/1.wav").unlink()
    with pytest.raises(SreError, match="1 trials have files that are not in the data, e.g. id2/v1/1.wav"):
        import_recordings(root, tmp_path / "d", Asked(trials=tmp_path / "test.txt"))


def test_names_in_trials() -> None:
    names = Names({"u": "a/u.wav", "v": "/d/a/v.wav", "w1": "a/w.wav", "w2": "a/w.flac", "x": "./b//x.mp3"}, "/d")
    told = ["u", "a/u.wav", "a/u", "/d/a/u.wav", "a/u.npy", "a/v.wav", "a/w.wav", "a/w.flac", "a/w", "b/x.mp3", "c"]
    wanted = ["u", "u", "u", "u", "u", "v", "w1", "w2", None, "x", None]
    assert [names.find(name) for name in told] == wanted


@pytest.mark.parametrize("text, labels", [
    ("label,audio1,audio2\n1,a/1.wav,a/2.wav\n0,a/1.wav,b/1.wav\n", ["target", "nontarget"]),
    ("a/1 a/2 target\na/1 b/1 nontarget\n", ["target", "nontarget"]),
    ("a-1 a-2 target\na-1 b-1 nontarget\n", ["target", "nontarget"]),
    ("audio_1,audio_2\na/1.wav,a/2.wav\na/1.wav,b/1.wav\n", ["", ""]),
    ("a/1.wav a/2.wav\na/1.wav b/1.wav\n", ["", ""]),
])  # fmt: skip
def test_trials_of_other_forms(tmp_path: Path, text: str, labels: list[str]) -> None:
    for name in ("a/1", "a/2", "b/1"):
        noise(tmp_path / f"wav/{name}.wav")
    (tmp_path / "list").write_text(text)
    import_recordings(tmp_path / "wav", tmp_path / "data", Asked(trials=tmp_path / "list"))
    wanted = [f"a-1 a-2 {labels[0]}".strip(), f"a-1 b-1 {labels[1]}".strip()]
    assert (tmp_path / "data/trials").read_text().splitlines() == wanted


def test_nist_keys_with_a_header(tmp_path: Path) -> None:
    for name in ("x/ae.sph", "x/be.sph", "y/ct.sph", "y/dt.sph"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, 0.1 * np.random.default_rng(0).normal(size=4000), 8000, format="NIST")
    (tmp_path / "enrollment.tsv").write_text("modelid\tsegmentid\tside\n1001\tae.sph\ta\n1001\tbe.sph\ta\n")
    lines = ["modelid\tsegmentid\tside\ttargettype", "1001\tct.sph\ta\ttarget", "1001\tdt.sph\ta\tnontarget", ""]
    (tmp_path / "trials.tsv").write_text("\n".join(lines))
    who = {"ae": "s1\tfemale", "be": "s1\tfemale", "ct": "s1\tfemale", "dt": "s2\tmale"}
    lines = ["segmentid\tsubjectid\tgender", *(f"{name}.sph\t{told}" for name, told in who.items())]
    (tmp_path / "key.tsv").write_text("\n".join(lines) + "\n")
    asked = Asked(trials=tmp_path / "trials.tsv", segment_key=tmp_path / "key.tsv")
    import_recordings(tmp_path / "enrollment.tsv", tmp_path / "data", asked)
    out = tables(tmp_path / "data")
    assert out["utt2spk"] == {"ae": "s1", "be": "s1", "ct": "s1", "dt": "s2"}
    assert out["spk2gender"] == {"s1": "f", "s2": "m"}
    assert (tmp_path / "data/enroll").read_text() == "1001 ae be\n"
    assert (tmp_path / "data/trials").read_text() == "1001 ct target\n1001 dt nontarget\n"
    export_data(tmp_path / "data", tmp_path / "out", "nist", None, tmp_path / "data/trials", tmp_path / "data/enroll")
    for name in ("enrollment", "trials"):
        assert (tmp_path / f"out/{name}.tsv").read_text() == (tmp_path / f"{name}.tsv").read_text()
    asked = Asked(folder=tmp_path, trials=tmp_path / "out/trials.tsv", segment_key=tmp_path / "out/segment_key.tsv")
    import_recordings(tmp_path / "out/enrollment.tsv", tmp_path / "back", asked)
    assert tables(tmp_path / "back") == out


def test_nist_keys_without_a_header(tmp_path: Path) -> None:
    for name in ("taa", "tbb", "tcc"):
        noise(tmp_path / f"{name}.wav", channels=2)
    (tmp_path / "train").write_text("10001 m taa:a,tbb:B\n10002 f tbb:a\n")
    (tmp_path / "ndx").write_text("10001 m tcc:b\n10002 f tcc:a\n")
    asked = Asked(trials=tmp_path / "ndx", unlabelled=True)
    import_recordings(tmp_path / "train", tmp_path / "data", asked, check=False)
    out = tables(tmp_path / "data")
    assert out["utt2spk"] == {name: name for name in ("taa_a", "tbb_a", "tbb_b", "tcc_a", "tcc_b")}
    assert out["wav.scp"]["tbb_b"].endswith("/tbb.wav [channel 1]")
    assert (tmp_path / "data/enroll").read_text() == "10001 taa_a tbb_b\n10002 tbb_a\n"
    assert (tmp_path / "data/trials").read_text() == "10001 tcc_b\n10002 tcc_a\n"
    (tmp_path / "tcc.wav").unlink()
    with pytest.raises(SreError, match="2 of 5 segments are not one file below .*, e.g. tcc has no file"):
        import_recordings(tmp_path / "train", tmp_path / "more", asked)


@pytest.mark.parametrize("form", ["npy", "pickle"])
def test_features_of_one_file_an_utterance(tmp_path: Path, form: str) -> None:
    root, values = tmp_path / "feats", np.random.default_rng(0).normal(size=(30, 5))
    for at in range(12):
        path = root / f"spk{at % 3}/u{at}.{'npy' if form == 'npy' else 'p'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if form == "npy":
            np.save(path, values + at)
        else:
            path.write_bytes(pickle.dumps({"feat": values + at, "label": f"spk{at % 3}"}, protocol=3))
    (root / f"spk0/bad.{'npy' if form == 'npy' else 'p'}").write_bytes(b"no array")
    done = import_recordings(root, tmp_path / "data")
    assert (done.form, done.utterances, [row[0] for row in done.rejected]) == (form, 12, ["spk0-bad"])
    data = read_data_dir(tmp_path / "data", every_table=True)
    assert data.wav is None and data.tables["utt2num_frames"]["spk1-u4"] == "30"
    found = read_record("spk1-u4", data.feats["spk1-u4"], "matrix")
    np.testing.assert_array_equal(found, (values + 4).astype(np.float32))
    export_data(tmp_path / "data", tmp_path / "out", form)
    import_recordings(tmp_path / "out", tmp_path / "back")
    back = read_data_dir(tmp_path / "back")
    assert back.utt2spk == data.utt2spk
    for utt, place in data.feats.items():
        np.testing.assert_array_equal(read_record(utt, place), read_record(utt, back.feats[utt]))


class Attack:
    """Runs a command when it is unpickled as pickles are."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.mark}",)


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f/s").mkdir(parents=True)
    (tmp_path / "f/s/u.p").write_bytes(pickle.dumps({"feat": Attack(tmp_path / "ran"), "label": "s"}))
    with pytest.raises(SreError, match="not read, since it is a pickle that would run 'posix.system', no plain data"):
        import_recordings(tmp_path / "f", tmp_path / "data")
    assert not (tmp_path / "ran").exists()
