"""Tables in arrays are the mappings that dicts of the same lines are, with the same sentences for faults."""

import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.io import bulk, names
from sre.io.bulk import read_counts, read_labels, read_places
from sre.io.ids import is_plain
from sre.io.name_tables import Counts, Labels, Places, absent, kept_in, present, share_names
from sre.io.names import Names
from sre.io.scp import read_scp
from sre.io.tables import read_utt2spk

anything = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=9).filter(is_plain)
plain = st.text("ab-_.9", min_size=1, max_size=12)
distinct = st.lists(anything | plain, max_size=40, unique=True)


@pytest.fixture(params=[names.PRIME, 7], ids=["prime", "many names of a hash"])
def prime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(names, "PRIME", request.param)
    return request.param


@given(distinct, distinct)
@settings(max_examples=100, deadline=None)
def check_names(first: list[str], second: list[str]) -> None:
    found = Names.of(first)
    assert (list(found), len(found), found.twice()) == (first, len(first), False)
    assert [found.find(name) for name in first] == list(range(len(first)))
    assert found.rows_of(Names.of(second)).tolist() == [first.index(name) if name in first else -1 for name in second]
    assert list(pickle.loads(pickle.dumps(found))) == first
    rows = np.arange(len(first))[::-2]
    assert list(found.take(rows)) == first[::-2]


def test_names(prime: int) -> None:
    check_names()
    found = Names.of(["a", "bb", "a"])
    assert found.twice() and not Names.of(["a", "bb"]).twice()
    assert found[-1] == "a" and found[1:] == ["bb", "a"] and "\ud800" not in found and 3 not in found


@given(st.dictionaries(anything | plain, st.integers(0, 2**31 - 1), max_size=20))
@settings(max_examples=100, deadline=None)
def test_a_table_is_a_mapping(table: dict[str, int]) -> None:
    words = {name: f"s{count % 5}" for name, count in table.items()}
    places = {name: f"{count % 3}.ark:{count}" for name, count in table.items()}
    in_arrays = Places(Names.of(table), [f"{i}.ark" for i in range(3)], np.array([n % 3 for n in table.values()], int),
                       np.array(list(table.values()), np.int64))  # fmt: skip
    for found, expected in ((Counts.of(table), table), (Labels.of(words), words), (in_arrays, places)):
        assert found == expected and expected == found and list(found) == list(expected) and len(found) == len(expected)
        assert list(found.items()) == list(expected.items()) and list(found.values()) == list(expected.values())
        assert all(found[name] == value and name in found for name, value in expected.items())
        assert found.get("no such name") is None and "no such name" not in found and bool(found) == bool(expected)
        assert {"no such name", *expected} - found.keys() == {"no such name"} and found != {**expected, "another": 1}
        half = list(expected)[::2]
        assert dict(kept_in(found, half)) == {name: expected[name] for name in half}
        with pytest.raises(KeyError, match="no such name"):
            found["no such name"]


@given(distinct, distinct)
@settings(max_examples=50, deadline=None)
def test_what_a_table_lacks(first: list[str], second: list[str]) -> None:
    """In arrays and in dicts, in any pair."""
    expected = [name for name in first if name not in second]
    for a in (dict.fromkeys(first, 1), Counts.of(dict.fromkeys(first, 1))):
        for b in (dict.fromkeys(second, 1), Counts.of(dict.fromkeys(second, 1))):
            assert absent(a, b) == expected
            assert present(a, b).tolist() == [name in second for name in first]


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("piece", [1, 30, 1 << 22])
@pytest.mark.parametrize(
    "text",
    [
        "a x.ark:2\nb x.ark:30\nc y.ark:2\n",
        "c x.ark:2\na y:1:30\nb x.ark:2\n",  # not sorted, a colon in a path
        "a  x.ark:2\nb\tx.ark:30\r\n\nc /y.ark:0\n",
        "\ufeffä x.ark:2\nb ö.ark:30\n",
        "a x.ark:2\nb x.ark:30[0:3]\n",
        "a x.mat\nb x.ark:007\n",
        "a x.mat\nb 5:7:9\n",  # no colon, and two
    ],
)
def test_places_are_those_of_read_scp(tmp_path: Path, monkeypatch, text: str, piece: int) -> None:
    monkeypatch.setattr(bulk, "READ_BYTES", piece)
    scp = write(tmp_path, "x.scp", text)
    assert read_places(scp) == read_scp(scp) and list(read_places(scp)) == list(read_scp(scp))
    assert isinstance(read_places(scp), dict if "[" in text or ".mat" in text else Places)


@pytest.mark.parametrize(
    "text",
    [
        "a x.ark:2\na x.ark:30\n",
        "b x.ark:2\nc x.ark:30\nb x.ark:30\n",
        "a x.ark:2\nb ark:x.ark:30\n",
        "a x.ark:2\nb x.ark:30",
        "a x.ark:2\nb \n",
        "a x.ark:2\nb\0 x.ark:30\n",
        "a x.ark:2\nb\u200b x.ark:30\n",
        b"a x.ark:2\nb\xff x.ark:30\n",
        "a touch pwned |\n",
        "a |pwned:2\n",
    ],
)
def test_faults_have_the_sentences_of_read_scp(tmp_path: Path, text: str | bytes) -> None:
    scp = write(tmp_path, "x.scp", text)
    with pytest.raises(SreError) as expected:
        read_scp(scp)
    with pytest.raises(SreError) as found:
        read_places(scp)
    assert str(found.value) == str(expected.value)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    """Its CRLF is seen by the reader of arrays, and it was empty for the reader of lines."""
    os.mkfifo(tmp_path / "x.scp")
    writer = threading.Thread(target=lambda: (tmp_path / "x.scp").write_bytes(b"a /x.ark:2\r\n"), daemon=True)
    writer.start()
    assert dict(read_places(tmp_path / "x.scp")) == {"a": "/x.ark:2"}


def test_labels_and_counts(tmp_path: Path) -> None:
    path = write(tmp_path, "utt2spk", "b s1\na s2\nc s1\n")
    assert list(read_labels(path).items()) == list(read_utt2spk(path).items()) and read_labels(path).labels[0] == "s1"
    for text in ("a s1\nb s1 s2\n", "a s1\nb\n", "a s1\na s1\n"):
        with pytest.raises(SreError) as expected:
            read_utt2spk(write(tmp_path, "utt2spk", text))
        with pytest.raises(SreError) as found:
            read_labels(path)
        assert str(found.value) == str(expected.value)
    counts = write(tmp_path, "utt2num_frames", "b 10\na 0\nc 007\n")
    assert dict(read_counts(counts)) == {"b": 10, "a": 0, "c": 7}
    for text in ("a 1.5\n", "a -1\n", "a 1234567890\n", "a ²\n", "a\n"):
        with pytest.raises(SreError, match="is not `utterance frames`; make the features again"):
            read_counts(write(tmp_path, "utt2num_frames", text))


def test_tables_of_the_same_names_share_them(tmp_path: Path) -> None:
    places = read_places(write(tmp_path, "x.scp", "a x.ark:2\nb x.ark:9\n"))
    counts, fewer = Counts.of({"a": 1, "b": 2}), Counts.of({"a": 1})
    share_names(places, counts, fewer, {"a": 1})
    assert isinstance(places, Places) and counts.names is places.names and fewer.names is not places.names
