"""Verbs on data directories with all tables: what one takes apart another puts together."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError, cli
from sre.datadir.datadir import read_data_dir
from sre.datadir.fix import fix
from sre.datadir.ops import combine, copy, subset, write_parts
from sre.datadir.parts import split_by_counts, split_by_shares
from sre.datadir.validate import validate
from sre.io.tables import read_table

PARTIAL = ("utt2dur", "utt2session", "text", "spk2gender")
words = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="\u3164\u115f\u1160\uffa0\u17b4\u17b5"),
                min_size=1, max_size=5)  # fmt: skip


@st.composite
def data_dirs(draw: st.DrawFn) -> dict[str, dict[str, str]]:
    """All tables of a data directory, with segments or without, some of them partial."""
    utts = draw(st.lists(words | st.text("abc-_09", min_size=1), min_size=2, max_size=12, unique=True))
    utt2spk = {utt: draw(st.sampled_from(["ann", "bob", "cäsar"])) for utt in utts}
    tables = {"utt2spk": utt2spk}
    recordings = dict.fromkeys(utts)
    if draw(st.booleans()):
        tables["segments"] = {
            utt: f"{draw(st.sampled_from(['r1', 'r2']))} 0.5 {draw(st.integers(1, 3))}" for utt in utts
        }
        recordings = dict.fromkeys(value.split()[0] for value in tables["segments"].values())
    tables["wav.scp"] = {name: f"cat a file.wav {name} |" for name in recordings}
    tables["reco2dur"] = {name: "12.5" for name in recordings}
    tables["utt2num_frames"] = {utt: str(draw(st.integers(1, 999))) for utt in utts}
    values = {"utt2dur": "1.25", "utt2session": "s1", "text": "some  words", "spk2gender": "f"}
    for name in PARTIAL:
        ids = set(utt2spk.values()) if name == "spk2gender" else utts
        some = {key: values[name] for key in sorted(ids) if draw(st.booleans())}
        if some:
            tables[name] = some
    return tables


def written(folder: Path, tables: dict[str, dict[str, str]], order: int = 0) -> Path:
    """The tables as files, their lines in some order."""
    folder.mkdir(parents=True)
    for name, table in tables.items():
        lines = sorted(
            (f"{key} {value}\n" for key, value in table.items()), key=lambda line: (line[::-1] * order, line)
        )
        (folder / name).write_text("".join(lines), encoding="utf-8")
    return folder


def content(folder: Path) -> dict[str, dict[str, str]]:
    return {file.name: read_table(file) for file in folder.iterdir() if file.name != "spk2utt"}


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@given(data_dirs(), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_parts_that_are_combined_are_the_whole(tmp_path_factory, tables: dict, seed: int) -> None:
    here = tmp_path_factory.mktemp("verbs")
    data = read_data_dir(written(here / "all", tables), every_table=True)
    parts = split_by_shares(tables["utt2spk"], {"one": 0.5, "two": 0.5}, by="utterance", seed=seed)
    write_parts(data, here, parts)
    turned = read_data_dir(written(here / "turned", tables, order=1), every_table=True)
    write_parts(turned, here / "again", parts)
    assert [files(here / "again" / name) for name in parts] == [files(here / name) for name in parts]
    for name in parts:
        assert validate(here / name) == [] and fix(here / name) == []
    if "segments" in tables and set(content(here / "one")["wav.scp"]) & set(content(here / "two")["wav.scp"]):
        with pytest.raises(SreError, match="ids are also in another of the directories"):
            combine([here / name for name in parts], here / "whole")
    else:
        assert combine([here / name for name in parts], here / "whole") == len(tables["utt2spk"])
        assert content(here / "whole") == tables


@given(data_dirs(), st.sampled_from(["", "p-"]), st.sampled_from(["", "-s"]), st.booleans())
@settings(max_examples=12, deadline=None)
def test_a_copy_has_all_under_other_ids(
    tmp_path_factory, tables: dict, prefix: str, suffix: str, speakers: bool
) -> None:
    here = tmp_path_factory.mktemp("verbs")
    written(here / "all", tables)
    if not prefix + suffix:
        return
    copy(here / "all", here / "copy", prefix, suffix, speakers)
    found = content(here / "copy")
    assert validate(here / "copy") == []
    assert found.pop("utt2uniq") == {f"{prefix}{utt}{suffix}": utt for utt in tables["utt2spk"]}

    def old(key: str) -> str:
        return key[len(prefix) : len(key) - len(suffix)]

    def back(name: str, key: str, value: str) -> tuple[str, str]:
        key = key if name.startswith("spk2") and not speakers else old(key)
        if name == "segments":
            recording, _, times = value.partition(" ")
            value = f"{old(recording)} {times}"
        return key, old(value) if name == "utt2spk" and speakers else value

    assert {name: dict(back(name, *row) for row in table.items()) for name, table in found.items()} == tables
    if not speakers and "segments" not in tables:
        combine([here / "all", here / "copy"], here / "both")
        assert len(content(here / "both")["utt2spk"]) == 2 * len(tables["utt2spk"])


@given(data_dirs(), st.integers(1, 3), st.integers(0, 3))
@settings(max_examples=12, deadline=None)
def test_a_subset_is_a_good_data_directory(tmp_path_factory, tables: dict, count: int, seed: int) -> None:
    here = tmp_path_factory.mktemp("verbs")
    for name, order in (("all", 0), ("turned", 1)):
        subset(written(here / name, tables, order), here / f"of_{name}", per_speaker=count, seed=seed)
    assert files(here / "of_all") == files(here / "of_turned")
    assert validate(here / "of_all") == [] and fix(here / "of_all") == []
    found = content(here / "of_all")
    for name, table in found.items():
        assert table.items() <= tables[name].items()
    kept = set(found["utt2spk"])
    for name in {"text", "utt2dur", "utt2session"} & tables.keys():
        assert found.get(name, {}) == {utt: value for utt, value in tables[name].items() if utt in kept}


def test_what_a_subset_leaves_out_is_told_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tables = {
        "utt2spk": {f"{speaker}{n}": speaker for speaker in "abc" for n in range(3)} | {"d0": "d"},
        "utt2dur": {f"{speaker}{n}": f"{n + 0.5}" for speaker in "abc" for n in range(3)} | {"d0": "9.5"},
    }
    written(tmp_path / "all", tables | {"wav.scp": {utt: "cat it |" for utt in tables["utt2spk"]}})
    cli.main(["data", "subset", "--min-duration", "1", "--min-utterances", "2", f"{tmp_path}/all", f"{tmp_path}/some"])
    assert (
        "some: 6 of 10 utterances, 3 of 4 speakers; left out: 3 shorter than 1 s, 1 of speakers with fewer than 2"
        in capsys.readouterr().err
    )
    with pytest.raises(SystemExit):
        cli.main(["data", "subset", "--min-duration", "99", f"{tmp_path}/all", f"{tmp_path}/none"])
    assert "no utterance is left of 10: 10 shorter than 99 s; ask for less" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    cli.main(["data", "info", f"{tmp_path}/all"])
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert (lines["utterances"], lines["speakers"], lines["hours"]) == ("10", "4", "0.01")
    assert lines["utterances of a speaker"] == "least 1, median 3, 95 % 3, most 3"
    assert lines["seconds of an utterance"] == "least 0.50, median 1.50, 95 % 9.50, most 9.50"


def test_a_number_of_each_speaker_carries_all_tables(tmp_path: Path) -> None:
    utts = {f"{speaker}{n}": speaker for speaker in "ab" for n in range(3)}
    tables = {
        "utt2spk": utts,
        "wav.scp": dict.fromkeys(utts, "cat it |"),
        "spk2gender": {"a": "f"},
        "utt2session": utts,
    }
    data = read_data_dir(written(tmp_path / "all", tables), every_table=True)
    write_parts(data, tmp_path, split_by_counts(utts, {"enrol": 1}, "test"))
    assert content(tmp_path / "enrol").keys() == tables.keys() and len(content(tmp_path / "test")["utt2session"]) == 4
