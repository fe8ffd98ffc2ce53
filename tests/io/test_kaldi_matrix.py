"""Kaldi's matrices: the bytes that Kaldi and kaldiio write, the values that they read, and any range of rows."""

import hashlib
import io
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaldiio.matio import write_array

from sre import SreError
from sre.features.store import FeatureStore
from sre.io import kaldi_matrix
from sre.io.ark import read_scp, write_ark
from sre.io.kaldi_matrix import encode
from sre.io.record import read_record, read_rows


def matrix(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(10, 3, size=(rows, columns)).astype(np.float32)


def within(value: np.ndarray, method: int) -> np.ndarray:
    """Return values that a method is meant for."""
    if method in (4, 6):
        return np.round(np.abs(value))
    return np.clip(value / 20, 0, 1) if method == 7 else value


@pytest.mark.parametrize("method", range(8))
def test_the_bytes_are_those_of_kaldiio(tmp_path: Path, method: int) -> None:
    records = {f"{rows:05}-{columns}": within(matrix(rows, columns), method)
               for rows in (1, 2, 3, 4, 5, 8, 9, 10, 800) for columns in (1, 3, 80)}  # fmt: skip
    records |= {"ties": within(np.round(matrix(50, 5)), method), "equal": within(np.full((20, 2), 3.5, "f4"), method)}
    write_ark(tmp_path / "ours.ark", tmp_path / "ours.scp", records.items(), compression=method)
    kaldiio.save_ark(str(tmp_path / "theirs.ark"), records, compression_method=method or None)
    ours, theirs = ((tmp_path / f"{name}.ark").read_bytes() for name in ("ours", "theirs"))
    assert hashlib.sha256(ours).hexdigest() == hashlib.sha256(theirs).hexdigest()
    for key, value in kaldiio.load_ark(str(tmp_path / "theirs.ark")):
        found = read_record(key, read_scp(tmp_path / "ours.scp")[key])
        np.testing.assert_array_equal(found, value, strict=True)


@pytest.mark.parametrize("method, form", [(2, 1), (3, 2), (5, 3)])
def test_the_bytes_are_those_of_kaldi(shared: Path, method: int, form: int) -> None:
    """To one step, in one code of 200 of CM2 and one byte of the others: Kaldi's compiler rounds in other places.

    kaldiio's bytes, which ours are, differ as much.
    """
    folder = shared / "reference/kaldi-features"
    archive = (folder / f"fbank80_cm{form}.ark").read_bytes()
    for key, value in kaldiio.load_ark(str(folder / "fbank80.ark")):
        header, rest = encode(value, method)
        begin = archive.index(key.encode() + b" \0B") + len(key) + 1
        ours = header + rest.tobytes()
        theirs = archive[begin : begin + len(ours)]
        sizes = 2 + len(f"CM{form} " if form > 1 else "CM ") + 16
        assert theirs[:sizes] == ours[:sizes]
        off = np.abs(np.subtract(*(np.frombuffer(data[sizes:], rest.dtype).astype(int) for data in (ours, theirs))))
        assert off.max() <= 1 and np.count_nonzero(off) <= (len(off) / 200 if method == 3 else 1)


def test_quantiles_that_are_one_number_have_kaldis_codes() -> None:
    """A column that is nearly always 1000 beside a range of 0.004: in float32 three quantiles are one."""
    value = np.full((20, 1), 1000, np.float32)
    value[0], value[1] = 999.9999, 1000.004
    header, codes = encode(value, 2)
    p0, p25, p75, p100 = _quantiles_of(header)
    expected = [_kaldis_code(float(x), p0, p25, p75, p100) for x in value[:, 0]]
    assert codes[0].tolist() == expected


def _quantiles_of(header: bytes) -> list[np.float32]:
    least, extent = np.frombuffer(header[5:13], "<f4")
    return list(least + np.frombuffer(header[21:29], "<u2").astype(np.float32) * extent / np.float32(65535))


def _kaldis_code(x: float, p0: float, p25: float, p75: float, p100: float) -> int:
    """CompressedMatrix::FloatToChar, where what is divided by zero is held to the bounds of its part."""
    for low, high, factor, shift, least, most in ((p0, p25, 64, 0.5, 0, 64), (p25, p75, 128, 64.5, 64, 192)):
        if x < high:
            return int(np.clip((x - low) / (high - low) * factor + shift, least, most)) if high > low else least
    if p100 == p75:
        return 255 if x > p75 else 192
    return int(np.clip((x - p75) / (p100 - p75) * 63 + 192.5, 192, 255))


FORMS = {"float": 0, "cm": 2, "cm2": 3, "cm3": 5}


def save(folder: Path, form: str, value: np.ndarray) -> tuple[Path, str]:
    """Write two records of one form, and return the scp and the place of the second, from kaldiio."""
    scp, records = folder / "x.scp", {"u": value + 1, "v": value}
    if form == "double":
        records = {key: value.astype(np.float64) for key, value in records.items()}
    options = {"text": True} if form == "text" else {"compression_method": FORMS.get(form, 0) or None}
    kaldiio.save_ark(str(folder / "x.ark"), records, scp=str(scp), **options)
    return scp, read_scp(scp)["v"]


@pytest.mark.parametrize("form", [*FORMS, "double", "text"])
@given(data=st.data(), whole=st.booleans())
@settings(max_examples=25, deadline=None)
def test_rows_are_a_slice_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, form: str, data: st.DataObject, whole: bool
) -> None:
    rows, columns = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 4))
    start = data.draw(st.integers(0, rows))
    count = data.draw(st.integers(0, rows - start))
    scp, place = save(tmp_path_factory.mktemp("ark"), form, matrix(rows, columns, rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kaldi_matrix, "MOST_AT_ONCE", 1 << 20 if whole else 0)  # each column by itself
        found = read_rows("v", place, start, count, scp)
    expected = read_record("v", place, "matrix", scp)[start : start + count]
    np.testing.assert_array_equal(found, expected, strict=True)
    if rows > 12:  # of Kaldi's range, whose last index belongs to it
        ranged = read_rows("v", f"{place}[2:9]", 3, 4, scp)
        np.testing.assert_array_equal(ranged, read_record("v", place)[5:9], strict=True)
        both = read_rows("v", f"{place}[2:9,0:0]", 3, 4, scp)
        np.testing.assert_array_equal(both, read_record("v", place)[5:9, :1], strict=True)


@pytest.mark.parametrize("form", [*FORMS, "double"])
def test_rows_of_what_is_damaged(tmp_path: Path, form: str) -> None:
    """Also where the rows that are wanted are there, and the rest is not."""
    scp, place = save(tmp_path, form, matrix(50, 4))
    ark = scp.with_suffix(".ark")
    for name, cut in (("end", -1), ("header", int(place.rpartition(":")[2]) + 9 - ark.stat().st_size)):
        ark.write_bytes(ark.read_bytes()[:cut])
        with pytest.raises(SreError, match="x.scp: record 'v' of .*x.ark cannot be read .*are there.*corrupt"):
            read_rows("v", place, 0, 3, scp)
        assert name


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "x.ark").write_bytes(b"v \0BFM \4\xff\xff\xff\x7f\4\xff\xff\xff\x7f" + bytes(8))
    for read in (lambda at: read_record("v", at), lambda at: read_rows("v", at, 0, 2)):
        with pytest.raises(SreError, match="record 'v' cannot be read .2 of 4611686014132420609 values are there"):
            read(f"{tmp_path}/x.ark:2")


def test_rows_that_are_not_there(tmp_path: Path) -> None:
    scp, place = save(tmp_path, "cm", matrix(50, 4))
    with pytest.raises(SreError, match="x.scp: record 'v' of .*: rows 48 to 52 are wanted of 50; make it again"):
        read_rows("v", place, 48, 4, scp)
    with pytest.raises(SreError, match="record 'v' of .*: it has 50 rows and not 60; make it again"):
        read_rows("v", place, 0, 4, scp, total=60)
    with pytest.raises(SreError, match="is a vector of 4 values; features are"):
        write_ark(tmp_path / "y.ark", tmp_path / "y.scp", [("v", np.ones(4))])
        read_rows("v", read_scp(tmp_path / "y.scp")["v"], 0, 4, scp)


def test_rows_of_a_store(tmp_path: Path) -> None:
    write_ark(tmp_path / "feats.ark", tmp_path / "feats.scp", [("u", matrix(50, 4)), ("v", matrix(30, 4))], 2)
    store = FeatureStore(tmp_path / "feats.scp")
    np.testing.assert_array_equal(store.rows("v", 5, 20), store.raw("v")[5:25])
    (tmp_path / "utt2num_frames").write_text("u 50\nv 31\n")
    with pytest.raises(SreError, match="feats.scp: record 'v' of .*: it has 30 rows and not 31"):
        FeatureStore(tmp_path / "feats.scp").rows("v", 5, 20)
    with pytest.raises(SreError, match="utterance 'w' has no features"):
        store.rows("w", 0, 1)


def test_an_empty_matrix(tmp_path: Path) -> None:
    """As Kaldi has it: a compressed one forgets its columns."""
    for method, shape in ((0, (0, 4)), (2, (0, 0))):
        write_ark(tmp_path / "x.ark", tmp_path / "x.scp", [("u", np.empty((0, 4), np.float32))], method)
        assert read_record("u", f"{tmp_path}/x.ark:2").shape == shape


def test_what_is_written_is_kaldiios_for_a_matrix_in_any_order(tmp_path: Path) -> None:
    turned = matrix(7, 9).T
    write_ark(tmp_path / "x.ark", tmp_path / "x.scp", [("u", turned), ("v", turned[::2, 1::3])])
    expected = io.BytesIO()
    write_array(expected, np.ascontiguousarray(turned))
    assert (tmp_path / "x.ark").read_bytes()[2:].startswith(expected.getvalue())
    np.testing.assert_array_equal(read_record("v", read_scp(tmp_path / "x.scp")["v"]), turned[::2, 1::3])
