"""Archives: what is written comes back, and what is broken is named, never guessed at and never run."""

import gzip
import os
import pickle
import struct
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sre import SreError
from sre.features.store import FeatureStore
from sre.io import ark as ark_module
from sre.io.ark import read_record, read_scp, read_vectors, write_ark
from sre.io.atomic import atomic_output
from sre.io.ids import is_plain
from sre.io.shards import join_tables

keys = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=5).filter(is_plain)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def write(folder: Path, records: dict, **options) -> Path:
    write_ark(folder / "x.ark", folder / "x.scp", records.items(), **options)
    return folder / "x.scp"


@given(st.dictionaries(keys, arrays.arrays(np.float32, arrays.array_shapes(max_dims=2, max_side=4), elements=finite)))
@settings(max_examples=50, deadline=None)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, records: dict) -> None:
    places = read_scp(write(tmp_path_factory.mktemp("ark"), records))
    assert list(places) == sorted(records)
    for key, place in places.items():
        np.testing.assert_array_equal(read_record(key, place), records[key], strict=True)


@given(st.dictionaries(keys, arrays.arrays(np.float32, 3, elements=finite), min_size=1))
@settings(max_examples=50, deadline=None)
def test_vectors_round_trip(tmp_path_factory: pytest.TempPathFactory, records: dict) -> None:
    scp = write(tmp_path_factory.mktemp("ark"), records)
    for path in (scp, scp.with_suffix(".ark")):
        ids, matrix = read_vectors(path)
        assert list(ids) == sorted(records)
        np.testing.assert_array_equal(matrix, [records[key] for key in sorted(records)])


@st.composite
def archives(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Keys in any order; float and double, of one dimension."""
    size = draw(st.integers(1, 300))
    kinds = st.sampled_from([np.float32] if draw(st.booleans()) else [np.float32, np.float64])
    names = draw(st.lists(keys, min_size=1, max_size=20, unique=True))
    random = np.random.default_rng(size)
    return {name: random.normal(size=size).astype(draw(kinds)) for name in names}


@given(archives(), st.integers(60, 3000), st.booleans())
@settings(max_examples=200, deadline=None)
def test_vectors_in_pieces(tmp_path_factory: pytest.TempPathFactory, records: dict, piece: int, scp: bool) -> None:
    """Wherever a piece of the archive ends: in a key, in a header or in values."""
    folder = tmp_path_factory.mktemp("ark")
    kaldiio.save_ark(str(folder / "x.ark"), records, scp=str(folder / "x.scp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ark_module, "READ_BYTES", piece)
        patch.setattr(ark_module, "MAX_KEY", 40)
        ids, matrix = read_vectors(folder / ("x.scp" if scp else "x.ark"))
    expected = dict(kaldiio.load_ark(str(folder / "x.ark")))
    assert (list(ids), matrix.dtype) == (sorted(expected), np.float32)
    np.testing.assert_array_equal(matrix, np.stack([expected[key] for key in sorted(expected)]).astype(np.float32))


@given(archives(), st.data())
@settings(max_examples=100, deadline=None)
def test_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, records: dict, data: st.DataObject) -> None:
    """Between records a cut cannot be seen; elsewhere it must be, and what was cut must be named."""
    ark = tmp_path_factory.mktemp("ark") / "x.ark"
    kaldiio.save_ark(str(ark), records)
    ends = np.cumsum([len(key.encode()) + 11 + value.nbytes for key, value in records.items()]).tolist()
    at = data.draw(st.integers(1, ends[-1] - 1))
    ark.write_bytes(ark.read_bytes()[:at])
    whole = sum(end <= at for end in ends)
    if at in ends:
        assert len(read_vectors(ark)[0]) == whole
        return
    with pytest.raises(SreError, match="x.ark: record '.*' is cut short or corrupt") as error:
        read_vectors(ark)
    begin = ends[whole - 1] if whole else 0
    if at > begin + len(list(records)[whole].encode()):
        assert f"record '{list(records)[whole]}' " in str(error.value)


@given(archives(), st.integers(1, 3), st.integers(0, 5), st.data())
@settings(max_examples=150, deadline=None)
def test_vectors_by_scp_are_those_read_key_by_key(
    tmp_path_factory: pytest.TempPathFactory, records: dict, shards: int, flips: int, data: st.DataObject
) -> None:
    """Whatever is damaged: the same vectors, or the same sentence."""
    folder = tmp_path_factory.mktemp("ark")
    names, lines = list(records), []
    for shard in range(shards):
        part = {name: records[name] for name in names[shard::shards]}
        kaldiio.save_ark(str(folder / f"{shard}.ark"), part, scp=str(folder / "one.scp"))
        lines += [line.replace(f"{folder}/", "") for line in (folder / "one.scp").read_text().splitlines()]
    (folder / "x.scp").write_text("".join(f"{line}\n" for line in data.draw(st.permutations(lines))))
    damaged = bytearray((folder / "0.ark").read_bytes())
    for _ in range(flips if data.draw(st.booleans()) else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (folder / "0.ark").write_bytes(damaged[: data.draw(st.sampled_from([None, -1, -9]))])

    def found() -> tuple | str:
        try:
            ids, matrix = read_vectors(folder / "x.scp")
        except SreError as error:
            return str(error)
        return list(ids), matrix.tobytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ark_module, "READ_BYTES", data.draw(st.sampled_from([100, 1 << 20])))
        together = found()
        patch.setattr(ark_module, "read_named", lambda *_: None)
        assert found() == together


def test_several_archives_behind_an_scp(tmp_path: Path) -> None:
    """Shards, of which the scp names a part, in its own order; what it does not name may be broken."""
    write_ark(tmp_path / "1.ark", tmp_path / "1.scp", [("d", [1, 2]), ("b", [3, 4]), ("x", [5, 6])])
    kaldiio.save_ark(str(tmp_path / "2.ark"), {"c": np.float32([7, 8]), "y": np.float32([np.nan, 0])})
    places = read_scp(tmp_path / "1.scp") | {"c": f"{tmp_path / '2.ark'}:2"}
    (tmp_path / "all.scp").write_text("".join(f"{key} {places[key]}\n" for key in "cdb"))
    ids, matrix = read_vectors(tmp_path / "all.scp")
    assert (list(ids), matrix.tolist()) == (["b", "c", "d"], [[3, 4], [7, 8], [1, 2]])
    (tmp_path / "all.scp").write_text(f"b {places['b']}\nprefix-b {places['b']}\n")
    assert read_vectors(tmp_path / "all.scp")[1].tolist() == [[3, 4], [3, 4]]  # of whatever key is there, as in Kaldi
    (tmp_path / "all.scp").write_text(f"b {places['d']}\n")
    with pytest.raises(SreError, match="all.scp: record 'b' stands at byte .* of another archive"):
        read_vectors(tmp_path / "all.scp")
    write_ark(tmp_path / "2.ark", tmp_path / "2.scp", [("c", [7, 8, 9])])
    (tmp_path / "all.scp").write_text("".join(f"{key} {places[key]}\n" for key in "cdb"))
    with pytest.raises(SreError, match="all.scp: vectors of unequal dimensions: 'c' has 3 values, others 2"):
        read_vectors(tmp_path / "all.scp")


def test_vectors_as_kaldiio_reads_them(shared: Path) -> None:
    ark = shared / "reference/kaldi-backend/train.ark"
    expected = dict(kaldiio.load_ark(str(ark)))
    ids, matrix = read_vectors(ark)
    assert list(ids) == sorted(expected)
    np.testing.assert_array_equal(matrix, [expected[key] for key in ids])


def test_text_archive(tmp_path: Path) -> None:
    (tmp_path / "x.ark").write_text("b  [ 1 2.5 ]\na  [ -3e-1 4 ]\n")
    ids, matrix = read_vectors(tmp_path / "x.ark")
    assert list(ids) == ["a", "b"]
    np.testing.assert_array_equal(matrix, np.array([[-0.3, 4], [1, 2.5]], np.float32))


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("a  [ 1 2 ]\nb  [ 1 2\n", "record 'b' is cut short or corrupt .its . is missing"),
        ("a  [ 1 2 ]\nb  [ 1 x ]\n", "record 'b' is cut short or corrupt .could not convert string to float"),
        ("a  [ 1 2 ]\nb  [ 1 ]\n", "vectors of unequal dimensions: 'b' has 1 values, others 2"),
        ("a 1 2\nb 3 4\n", "record 'a' is text without brackets"),
        ("a  [\n 1 2\n 3 4 ]\n", "record 'a' is a matrix of .2, 2."),
        ("a  [ ]\n", "no vectors in it"),
        ("a  [ 1 2 ]\na  [ 1 2 ]\n", "embedding 'a' stands twice"),
        ("a  [ 1 2 ]\nb  [ 1 nan ]\n", "embedding 'b' has NaN"),
    ],
)
def test_broken_text_archive(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "x.ark").write_text(text)
    with pytest.raises(SreError, match=f"x.ark: {sentence}"):
        read_vectors(tmp_path / "x.ark")


def test_an_exception_leaves_the_old_file(tmp_path: Path) -> None:
    scp = write(tmp_path, {"a": np.ones(2)})
    before = scp.read_bytes(), scp.with_suffix(".ark").read_bytes()
    with pytest.raises(SreError, match="record 'b' has NaN"):
        write(tmp_path, {"a": np.zeros(2), "b": np.array([0, np.nan])})
    with pytest.raises(ZeroDivisionError), atomic_output(scp) as file:
        file.write("half a li")
        raise ZeroDivisionError
    assert (scp.read_bytes(), scp.with_suffix(".ark").read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.ark", "x.scp"]


@pytest.mark.parametrize("key", ["", "two words", "tab\there"])
def test_bad_key(tmp_path: Path, key: str) -> None:
    with pytest.raises(SreError, match="is empty, has white space or stands twice"):
        write(tmp_path, {key: np.ones(2)})


def test_duplicate_keys(tmp_path: Path) -> None:
    with pytest.raises(SreError, match="'a' is empty, has white space or stands twice"):
        write_ark(tmp_path / "x.ark", tmp_path / "x.scp", [("a", np.ones(2))] * 2)
    ark = write(tmp_path, {"a": np.ones(2)}).with_suffix(".ark")
    ark.write_bytes(2 * ark.read_bytes())
    with pytest.raises(SreError, match="x.ark: embedding 'a' stands twice"):
        read_vectors(ark)


@pytest.mark.parametrize("compression", [0, 2, 3])
def test_matrices_cut_in_half(tmp_path: Path, compression: int) -> None:
    matrices = {key: np.random.default_rng(0).normal(size=(50, 4)) for key in "abc"}
    scp = write(tmp_path, matrices, compression=compression)
    cut_in_half(scp)
    store = FeatureStore.__new__(FeatureStore)
    store.scp, store.places = scp, read_scp(scp)
    assert store.raw("a").shape == (50, 4)
    for key in "bc":
        with pytest.raises(SreError, match=f"x.scp: record '{key}' of .*x.ark cannot be read .*cut short or corrupt"):
            store.raw(key)


def test_vectors_cut_in_half(tmp_path: Path) -> None:
    scp = write(tmp_path, {key: np.arange(51.0) for key in "abc"})
    cut_in_half(scp)
    for path in (scp, scp.with_suffix(".ark")):
        with pytest.raises(SreError, match="x.ark: record 'b' is cut short"):  # with the scp before it
            read_vectors(path)
    with pytest.raises(SreError, match=r"x.ark: record 'b' cannot be read .*\d+ of 51 values"):
        read_record("b", read_scp(scp)["b"])  # a VAD's record


def cut_in_half(scp: Path) -> None:
    """To half and to whole values, so that what is there looks well-formed."""
    ark = scp.with_suffix(".ark")
    data = ark.read_bytes()
    begin = int(read_scp(scp)["b"].rpartition(":")[2])
    length = (len(data) // 2 - begin) // 4 * 4 + len(b"\0BFV \4size") % 4
    ark.write_bytes(data[: begin + length])


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("pwned"),)


@pytest.mark.parametrize("name", ["x.ark", "touch pwned |"])
@pytest.mark.parametrize("header", [b"PKL", b"NPY"])
def test_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch, name: str, header: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    payload = pickle.dumps(Evil())
    size = struct.pack("<B", 1) + bytes([len(payload)]) if header == b"NPY" else b""
    Path(name).write_bytes(b"a " + header + size + payload)
    Path("x.scp").write_text(f"a {name}:2\n")
    for path in (name, "x.scp"):
        with pytest.raises(SreError, match="record 'a' is (a pickle|an array as kaldiio)"):
            read_vectors(path)
    with pytest.raises(SreError, match="record 'a' is (a pickle|an array as kaldiio)"):
        read_record("a", f"{name}:2")
    assert not Path("pwned").exists()


@pytest.mark.parametrize("place", ["touch pwned |", "| touch pwned", "touch pwned |:0"])
def test_a_pipe_is_refused_and_not_run(tmp_path: Path, monkeypatch, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.scp").write_text(f"a {place}\n")
    with pytest.raises(SreError, match="x.scp: .*(is a command, which is never run|cannot be opened)"):
        read_vectors("x.scp")
    assert not Path("pwned").exists()


def test_a_relative_place_is_from_the_folder_of_its_scp(tmp_path: Path, monkeypatch) -> None:
    """Also where the working directory has such a file; from there only where the scp's folder has none."""
    monkeypatch.chdir(tmp_path)
    write_ark("moved/x.ark", "moved/x.scp", [("a", np.array([1.0]))])
    assert Path("moved/x.scp").read_text() == "a x.ark:2\n"
    write_ark("x.ark", "other.scp", [("a", np.array([2.0]))])
    assert read_scp("moved/x.scp") == {"a": "moved/x.ark:2"}
    assert read_vectors("moved/x.scp")[1] == [[1]]
    Path("moved/x.ark").unlink()
    assert read_vectors("moved/x.scp")[1] == [[2]]


def test_archives_move_with_their_scp(tmp_path: Path) -> None:
    """Through absolute names and a join into another folder."""
    folder = tmp_path / "one"
    for number in (1, 2):
        write_ark(folder / f"e/{number}.ark", folder / f"e/{number}.scp", [(f"u{number}", np.full(2, number))])
    join_tables([folder / "e/1.scp", folder / "e/2.scp"], folder / "e.scp")
    folder.rename(tmp_path / "two")
    assert read_vectors(tmp_path / "two/e.scp")[1].tolist() == [[1, 1], [2, 2]]
    assert str(tmp_path) not in (tmp_path / "two/e.scp").read_text()


def test_a_linked_folder(tmp_path: Path) -> None:
    (tmp_path / "disk/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk/deep")
    write_ark(tmp_path / "x.ark", tmp_path / "link/x.scp", [("a", np.ones(2))])
    assert read_vectors(tmp_path / "link/x.scp")[1].tolist() == [[1, 1]]


MATRIX = np.arange(60.0).reshape(20, 3)


@pytest.mark.parametrize("form", ["binary", "text", "compressed"])
@pytest.mark.parametrize(
    "range_, part",
    [
        ("", MATRIX),
        ("[0:9]", MATRIX[:10]),
        ("[3:3]", MATRIX[3:4]),
        ("[0:9,1:2]", MATRIX[:10, 1:]),
        ("[:,0:0]", MATRIX[:, :1]),
        ("[5:22]", MATRIX[5:]),  # Kaldi allows three more, of rounded segments
    ],
)
def test_ranges_as_kaldi(tmp_path: Path, form: str, range_: str, part: np.ndarray) -> None:
    ark, scp = str(tmp_path / "x.ark"), tmp_path / "x.scp"
    options = {"text": {"text": True}, "compressed": {"compression_method": 2}}.get(form, {})
    kaldiio.save_ark(ark, {"u": MATRIX.astype(np.float32), "v": MATRIX.astype(np.float32)}, scp=str(scp), **options)
    scp.write_text("".join(f"{line}{range_}\n" for line in scp.read_text().splitlines()))
    found = read_record("v", read_scp(scp)["v"], "matrix", scp)
    np.testing.assert_allclose(found, part, atol=0.2 if form == "compressed" else 0)


@pytest.mark.parametrize(
    "range_, sentence",
    [
        ("[0:23]", "range .0:23. is not within 20"),
        ("[20:21]", "not within 20"),
        ("[9:3]", "not within 20"),
        ("[0:1,0:3]", "range .0:3. is not within 3"),
        ("[0:1,0:3]", "belongs to it; mend it"),
        ("[a:b]", "with the range .a:b.; write"),
        ("[1]", "the range"),
        ("[0:1:2]", "the range"),
    ],
)
def test_ranges_that_are_none(tmp_path: Path, range_: str, sentence: str) -> None:
    scp = write(tmp_path, {"u": MATRIX})
    scp.write_text(f"u x.ark:2{range_}\n")
    with pytest.raises(SreError, match=f"x.scp: .*'u.*{sentence}"):
        read_record("u", read_scp(scp)["u"], "matrix", scp)


def test_places_as_people_write_them(tmp_path: Path, monkeypatch) -> None:
    scp = write(tmp_path, {"u": MATRIX})
    scp.write_text("u x.ark:2 [0:1]\n")
    assert read_record("u", read_scp(scp)["u"], "matrix", scp).tolist() == MATRIX[:2].tolist()
    scp.write_text("u ark:x.ark:2\n")
    with pytest.raises(SreError, match="x.scp: 'u ark:x.ark:2' is written as on Kaldi's command lines; write"):
        read_scp(scp)
    monkeypatch.chdir(tmp_path)
    scp.with_suffix(".ark").rename("ark")  # a file of this name, from byte 2 on
    Path("x.scp").write_text("u ark:2\n")
    assert FeatureStore("x.scp").raw("u").tolist() == MATRIX.tolist()


def test_other_files_in_place_of_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", a=np.ones(3))
    np.save(tmp_path / "e.npy", np.ones(3))
    (tmp_path / "e.gz").write_bytes(gzip.compress(b"a  [ 1 2 ]\n"))
    for name, kind in (("e.npz", "a zip file"), ("e.npy", "an array of numpy"), ("e.gz", "a gzip file")):
        with pytest.raises(SreError, match=f"{name} is {kind}.* and no archive; a vector is needed"):
            read_vectors(tmp_path / name)


def test_a_file_that_is_one_record(tmp_path: Path) -> None:
    """Kaldi's scp without an offset; a whole archive in its place is named."""
    (tmp_path / "u.mat").write_bytes(b" [\n 1 2\n 3 4 ]\n")
    (tmp_path / "v.mat").write_bytes(b"\0BFV \4\2\0\0\0" + np.float32([1, 2]).tobytes())
    (tmp_path / "x.scp").write_text("u u.mat\nv v.mat\n")
    places = read_scp(tmp_path / "x.scp")
    assert read_record("u", places["u"], "matrix").tolist() == [[1, 2], [3, 4]]
    assert read_record("v", places["v"], "vector").tolist() == [1, 2]
    scp = write(tmp_path, {"a": MATRIX})
    with pytest.raises(SreError, match="record 'a' of .* is an archive of several; write `key path:offset`"):
        read_record("a", str(scp.with_suffix(".ark")), "matrix", scp)


@pytest.mark.parametrize(
    "content, kind, sentence",
    [
        (b"\0BFV \4\1\0\0\0\0\0\0\0", "matrix", "is a vector of 1 values; features are matrices"),
        (b"\0BFM \4\2\0\0\0\4\1\0\0\0" + bytes(8), "vector", "is a matrix of .2, 1.; a vector is needed"),
        (b"\0B\4\1\0\0\0\4\7\0\0\0", "matrix", "is of integers .as alignments are.; features are"),
        (b"1 2 3\n", "matrix", "is text without brackets .as alignments are."),
        (b"RIFF\x24\0\0\0WAVE", "matrix", "is audio"),
        (b"\0BSM \4", "matrix", "is a sparse matrix"),
        (b"\x93NUMPY\1\0", "matrix", "is an array of numpy"),
        (b"hello there\n", "matrix", "is no vector or matrix of Kaldi's"),
        (b"\0BFM \4\2\0\0\0\4\1\0\0\0", "matrix", "cannot be read .*cut short or corrupt"),
        (b"\0BFM \4\1\0\0\0\4\1\0\0\0\0\0\xc0\x7f", "matrix", "has NaN or infinite values"),
        (b"", "matrix", "cannot be read"),
        (b"\0", "matrix", "cannot be read .1 byte of it is there.; the archive is cut short"),
    ],
)
def test_records_of_another_kind_are_named(tmp_path: Path, content: bytes, kind: str, sentence: str) -> None:
    (tmp_path / "x.ark").write_bytes(b"utt " + content)
    with pytest.raises(SreError, match=f"^some.scp: record 'utt' of .*x.ark {sentence}"):
        read_record("utt", f"{tmp_path}/x.ark:4", kind, "some.scp")


@pytest.mark.parametrize(
    "place", ["/dev:3", "{}/x.ark/below:3", "a\0b:3", "/dev/zero:0", "{}/" + 300 * "x" + ":1", "{}:1"]
)
@pytest.mark.parametrize("form", ["{}", "{}[0:1]"])
def test_a_place_that_is_no_file(tmp_path: Path, place: str, form: str) -> None:
    write(tmp_path, {"a": np.ones(2)})
    (tmp_path / "places.scp").write_text(f"utt {form.format(place.format(tmp_path))}\n")
    with pytest.raises(SreError, match="places.scp.*(record 'utt' of .* cannot be opened|a zero byte)"):
        read_vectors(tmp_path / "places.scp")
    with pytest.raises(SreError, match="places.scp.*(record 'utt' of .* cannot be opened|a zero byte)"):
        read_record("utt", read_scp(tmp_path / "places.scp")["utt"], "matrix", tmp_path / "places.scp")


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.ark")
    with pytest.raises(SreError, match="x.ark is no file"):
        read_vectors(tmp_path / "x.ark")


@pytest.mark.parametrize("options", [{}, {"text": True}, {"compression_method": 2}])
def test_matrices_of_one_row_are_vectors(tmp_path: Path, options: dict) -> None:
    """As several toolkits write embeddings; float, double, text and compressed."""
    rows = {key: np.linspace(number, 3, 5, dtype=np.float32)[None] for number, key in enumerate("ba")}
    kaldiio.save_ark(str(tmp_path / "x.ark"), rows, scp=str(tmp_path / "x.scp"), **options)
    for path in (tmp_path / "x.ark", tmp_path / "x.scp"):
        ids, matrix = read_vectors(path)
        assert list(ids) == ["a", "b"]
        np.testing.assert_allclose(matrix, [rows["a"][0], rows["b"][0]], atol=1e-3 if options else 0)


@pytest.mark.parametrize(
    "records, sentence",
    [
        ({"a": np.ones(2), "b": np.ones(3)}, "unequal dimensions"),
        ({"a": np.ones((2, 2))}, "record 'a' is a matrix of .2, 2.; a vector is needed here"),
        ({"a": np.ones(3), "b": np.ones((2, 3))}, "record 'b' is a matrix of .2, 3.|'b' is no vector of floats"),
        ({}, "no vectors in it"),
    ],
    ids=["unequal", "matrix", "a matrix among them", "empty"],
)
def test_not_embeddings(tmp_path: Path, records: dict, sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        read_vectors(write(tmp_path, records).with_suffix(".ark"))


def test_nan_in_a_foreign_archive(tmp_path: Path) -> None:
    kaldiio.save_ark(str(tmp_path / "x.ark"), {"a": np.ones(2, np.float32), "b": np.float32([1, np.nan])})
    with pytest.raises(SreError, match="embedding 'b' has NaN"):
        read_vectors(tmp_path / "x.ark")
