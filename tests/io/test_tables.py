"""Text tables: what editors write is read, what cannot be a table is a sentence, what is written comes back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.datadir.rejected import read_rejected_rows, write_rejected_rows
from sre.io.ark import read_vectors
from sre.io.ids import is_plain
from sre.io.tables import read_ids, read_table, read_utt2spk, write_table
from sre.io.text import exact, fields, key_and_rest, read_json, read_text

names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=4).filter(is_plain)
places = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=6).map(
    lambda text: text.strip(" \t")
)


@given(
    table=st.dictionaries(names, places, max_size=8),
    mark=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n \t\n"]),
    gap=st.sampled_from([" ", "\t", "  \t "]),
    around=st.sampled_from(["", " ", "\t"]),
)
@settings(max_examples=40, deadline=None)
def test_every_editor_s_table_is_the_same(tmp_path_factory, table, mark, end, gap, around) -> None:
    path = tmp_path_factory.mktemp("table") / "t"
    lines = (f"{around}{key}{gap}{value}{around}{end}" for key, value in table.items())
    path.write_bytes(("\ufeff" * mark + "".join(lines)).encode())
    assert list(read_table(path).items()) == list(table.items())
    write_table(path, table)
    assert read_table(path) == table
    expected = "".join(f"{key} {value}\n" for key, value in sorted(table.items()))
    assert path.read_bytes() == expected.encode()


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=4), max_size=4))
@settings(max_examples=60, deadline=None)
def test_what_is_written_comes_back_or_is_refused(tmp_path_factory, table: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("table") / "t"
    try:
        write_table(path, table)
    except SreError:
        assert not path.exists()
    else:
        assert read_table(path) == table


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_table_or_a_sentence(tmp_path_factory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("table") / "t"
    path.write_bytes(data)
    for read in (read_table, read_utt2spk, read_ids, read_json, read_rejected_rows):
        try:
            read(path)
        except SreError as error:
            assert str(error).startswith(str(path))


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"a s1\nb \xe4\n", "t:2: not UTF-8 text .byte 0xe4."),
        ("a s1\n".encode("utf-16"), "t: UTF-16 text, UTF-8 is needed; convert it: iconv -f UTF-16 -t UTF-8"),
        ("a s1\n".encode("utf-16-le"), "t:1: a zero byte, so this is no text file"),
        (b"a s1\na s2\n", "t:2: 'a' stands twice"),
        (
            b"a s1\nb s",
            "t: its last line has no end, so it may be cut short; make it again or, if it is whole, end the line",
        ),
        (
            "a s1\n\ufeffb s1\n".encode(),
            r"t:2: the id '.ufeffb' has U.FEFF .ZERO WIDTH NO-BREAK SPACE. in it; rename it",
        ),
        ("a s1\nb\ufe0f s1\n".encode(), r"t:2: the id 'b.ufe0f' has U.FE0F .VARIATION SELECTOR-16. in it"),
        ("a s1\nb s\u3164\n".encode(), r"t: b: the speaker 's.u3164' has U.3164 .HANGUL FILLER. in it"),
        (b"a s1\nb\n", "t: 'b' has no speaker; write one"),
        (b"a s1\nb s1 s2\n", "t: 'b' has 2 speakers; write one, or give utt2spk if this is spk2utt"),
        ("a s1\nb s1\u00a0\n".encode(), r"t: b: the speaker 's1.xa0' has U.00A0 .NO-BREAK SPACE. in it; rename it"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, data: bytes, sentence: str) -> None:
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(SreError, match=sentence):
        read_utt2spk(tmp_path / "t")


@pytest.mark.parametrize(
    "key, value, sentence",
    [
        ("a b", "x", r"the id 'a b' has U\+0020 \(SPACE\) in it"),
        ("a", "x\ny", r"'a x\\ny' begins or ends with a blank or has a line end"),
        ("a", "x.wav ", "'a x.wav ' begins or ends with a blank"),
        ("a", "\udcff.wav", r"'a \\udcff.wav' is not UTF-8, as every table is; rename the file"),
        ("\udcff", "x", "has U.DCFF in it"),
    ],
)
def test_names_of_files_that_no_table_can_hold(tmp_path: Path, key: str, value: str, sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        write_table(tmp_path / "t", {key: value})
    assert not (tmp_path / "t").exists()


def test_the_remedy_for_another_coding_can_be_followed(tmp_path: Path) -> None:
    path = tmp_path / "a table"
    for coding, cure in (("latin-1", "LATIN1"), ("utf-16", "UTF-16")):
        path.write_bytes("ä s1\n".encode(coding))
        with pytest.raises(SreError, match=f"iconv -f {cure}") as caught:
            read_table(path)
        subprocess.run("iconv" + str(caught.value).partition(" iconv")[2], shell=True, check=True)
        assert read_table(f"{path}.utf8") == {"ä": "s1"}


def test_fields_are_parted_by_blanks_and_tabs_alone() -> None:
    assert fields(" a\u3000b \t c\x85\vd ") == ["a\u3000b", "c\x85\vd"]
    assert key_and_rest("\ta  b \t c\u2028 ") == ("a", "b \t c\u2028")
    assert key_and_rest("a\tb c") == ("a", "b c") and key_and_rest("  ") == ("", "")


@given(st.floats(allow_nan=False))
@settings(deadline=None)
def test_no_number_is_shown_under_another_s_name(value: float) -> None:
    assert float(exact(value)) == value
    assert exact(0.05) == "0.05" and exact(10.0) == "10"


def test_names_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    (tmp_path / "dä").mkdir()
    (tmp_path / "dä/wav.scp").write_text("a x\n")
    command = [sys.executable, "-m", "sre.cli", "data", "validate", tmp_path / "dä"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "d\\xe4/wav.scp: 1 files do not" in done.stdout


def test_a_list_of_ids(tmp_path: Path, capsys) -> None:
    path = tmp_path / "ids"
    path.write_bytes("\ufeffb 1\r\n\r\n\ta x\r\nab".encode())
    assert read_ids(path) == ["b", "a", "ab"]
    assert "ids: its last line has no end, so it may be cut short; 'ab' is read there" in capsys.readouterr().err
    path.write_text(" \n")
    with pytest.raises(SreError, match="ids: no id in it; write one a line"):
        read_ids(path)


@pytest.mark.parametrize("read", [read_text, read_table, read_json, read_ids])
def test_no_text_file(tmp_path: Path, read) -> None:
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "none", "no such file"), ("a\0b", "cannot be read")):
        with pytest.raises(SreError, match=said):
            read(path)


def test_json_that_is_too_deep(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("[" * 100_000)
    with pytest.raises(SreError, match="j: damaged or cut short, not JSON .*; make it again"):
        read_json(tmp_path / "j")
    (tmp_path / "j").write_text("\ufeff" + json.dumps({"a": 1}))
    assert read_json(tmp_path / "j") == {"a": 1}


def test_rejected_rows_come_back(tmp_path: Path) -> None:
    rows = [("a", "/x/rec\u3000\x85 1.wav", "too  short:\n\t0 s"), ("b", "c\td\udcff", "gone")]
    write_rejected_rows(tmp_path / "r", rows)
    assert read_rejected_rows(tmp_path / "r") == [
        ("a", "/x/rec\u3000\x85 1.wav", "too short: 0 s"),
        ("b", "c d\\udcff", "gone"),
    ]
    (tmp_path / "r").write_text((tmp_path / "r").read_text()[:-8])
    with pytest.raises(SreError, match="r:3: cut short, not `id path reason` by tabs; make it again"):
        read_rejected_rows(tmp_path / "r")


def test_a_text_archive_that_an_editor_wrote(tmp_path: Path) -> None:
    (tmp_path / "e.ark").write_bytes("\ufeffa\t[ 1\t2 ]\r\nb  [ 3 4 ]\r\n".encode())
    keys, vectors = read_vectors(tmp_path / "e.ark")
    assert keys.tolist() == ["a", "b"] and vectors.tolist() == [[1, 2], [3, 4]]
    (tmp_path / "e.ark").write_bytes("a [ 1 2 ]\n\ufeffb [ 3 4 ]\n".encode())
    with pytest.raises(SreError, match=r"e.ark: the id '.ufeffb' has U\+FEFF .* in it; rename it"):
        read_vectors(tmp_path / "e.ark")
