"""Kaldi's plda, mean.vec and lda.mat: its bytes come back, and what is broken is refused in one sentence."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sre import SreError
from sre.backends import Cosine, Plda, load, save
from sre.backends.chain import Chain
from sre.io.kaldi_plda import (
    read_kaldi_matrix,
    read_kaldi_plda,
    read_kaldi_vector,
    write_kaldi_matrix,
    write_kaldi_plda,
)
from sre.io.trials import align_scores
from steps import copy_plda, score_trials

MEAN, TRANSFORM, PSI = np.array([0.5, -2]), np.array([[1, 2.5], [1e-9, -3e20]]), np.array([4.0, 0])
finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def kaldi(shared: Path) -> Path:
    return shared / "reference/kaldi-backend"


@pytest.fixture(params=[False, True], ids=["binary", "text"])
def small(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    write_kaldi_plda(tmp_path / "plda", MEAN, TRANSFORM, PSI, text=request.param)
    return tmp_path / "plda"


@pytest.mark.parametrize("name", ["plda", "plda_adapt", "plda_nolda"])
def test_binary_has_kaldis_bytes(kaldi: Path, tmp_path: Path, name: str) -> None:
    write_kaldi_plda(tmp_path / "plda", *read_kaldi_plda(kaldi / name))
    assert (tmp_path / "plda").read_bytes() == (kaldi / name).read_bytes()


@pytest.mark.parametrize("source", ["plda", "plda.txt"])
def test_text_has_kaldis_bytes(kaldi: Path, tmp_path: Path, source: str) -> None:
    write_kaldi_plda(tmp_path / "plda.txt", *read_kaldi_plda(kaldi / source), text=True)
    assert (tmp_path / "plda.txt").read_bytes() == (kaldi / "plda.txt").read_bytes()


@given(st.integers(1, 4).flatmap(lambda D: st.tuples(*(arrays.arrays(float, s, elements=finite) for s in (D, (D, D))))))
@settings(max_examples=50, deadline=None)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, parts: tuple[np.ndarray, np.ndarray]) -> None:
    path = tmp_path_factory.mktemp("plda") / "plda"
    plda = (*parts, np.abs(parts[0]))
    write_kaldi_plda(path, *plda)
    for ours, given_ in zip(read_kaldi_plda(path), plda, strict=True):
        np.testing.assert_array_equal(ours, given_, strict=True)
    write_kaldi_plda(path, *plda, text=True)
    for ours, given_ in zip(read_kaldi_plda(path), plda, strict=True):
        np.testing.assert_allclose(ours, given_, rtol=5.1e-7, atol=1e-300)  # seven digits


def test_a_file_of_float32(tmp_path: Path) -> None:
    """As a Kaldi of single precision, or another program, may write it."""
    vector = b"FV \4" + struct.pack("<i2f", 2, 1.5, 2)
    matrix = b"FM \4" + struct.pack("<i", 2) + b"\4" + struct.pack("<i4f", 2, 1, 0, 0, 0.5)
    (tmp_path / "plda").write_bytes(b"\0B<Plda> " + vector + matrix + vector + b"</Plda> ")
    mean, transform, psi = read_kaldi_plda(tmp_path / "plda")
    np.testing.assert_array_equal(mean, [1.5, 2], strict=True)
    np.testing.assert_array_equal(transform, [[1, 0], [0, 0.5]], strict=True)
    np.testing.assert_array_equal(psi, mean)


def test_single_files_as_kaldiio_reads_them(kaldi: Path, tmp_path: Path) -> None:
    for name, read in (("lda.mat", read_kaldi_matrix), ("mean.vec", read_kaldi_vector)):
        np.testing.assert_array_equal(read(kaldi / name).astype(np.float32), kaldiio.load_mat(str(kaldi / name)))
    write_kaldi_matrix(tmp_path / "lda.mat", np.array([[0.5, 1e-7, -1 / 3], [0, 1234567.8, 2]]))
    assert (tmp_path / "lda.mat").read_text() == " [\n  0.5 1e-07 -0.3333333 \n  0 1234568 2 ]\n"
    np.testing.assert_allclose(read_kaldi_matrix(tmp_path / "lda.mat"), kaldiio.load_mat(str(tmp_path / "lda.mat")))


def test_integers_and_a_vector_in_binary(tmp_path: Path) -> None:
    """What kaldiio's text reader cannot: a file whose first value is 0."""
    (tmp_path / "mean.vec").write_text(" [ 0 0.25 1e-3 ]\n")
    np.testing.assert_array_equal(read_kaldi_vector(tmp_path / "mean.vec"), [0, 0.25, 1e-3])
    kaldiio.save_mat(str(tmp_path / "mean.vec"), np.array([0, 0.25, 1e-3]))
    np.testing.assert_array_equal(read_kaldi_vector(tmp_path / "mean.vec"), [0, 0.25, 1e-3])


def test_cut_anywhere(small: Path) -> None:
    data = small.read_bytes()
    for length in range(len(data) - 1):  # without its last blank it is whole
        small.write_bytes(data[:length])
        with pytest.raises(SreError, match="plda: not a Kaldi plda file, or cut short or corrupt .* make the file ag"):
            read_kaldi_plda(small)


@given(st.integers(0, 150), st.integers(0, 255), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_changed_byte(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, text: bool) -> None:
    """It may be another number, or a sentence: no other exception, no other shape."""
    path = tmp_path_factory.mktemp("plda") / "plda"
    write_kaldi_plda(path, MEAN, TRANSFORM, PSI, text=text)
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    path.write_bytes(data)
    try:
        shapes = [part.shape for part in read_kaldi_plda(path)]
    except SreError:
        return
    assert shapes == [(2,), (2, 2), (2,)]


def negative_size(data: bytes) -> bytes:
    return data.replace(b"DM \4\2\0\0\0", b"DM \4" + struct.pack("<i", -2))


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda data: data[2:], "no \\[ values"),
        (lambda data: data.replace(b"<Plda>", b"<Nnet>"), "no <Plda> at byte 2"),
        (lambda data: data.replace(b"DM ", b"CM "), "none of FV, DV, FM, DM at byte 33"),
        (lambda data: data.replace(b"DM \4\2\0\0\0", b"DM \4\xff\xff\xff\x7f"), "no room for an array of"),
        (negative_size, "no room for an array of"),
        (lambda data: data.replace(struct.pack("<d", 2.5), struct.pack("<d", np.nan)), "a NaN or infinite value"),
        (lambda data: data.replace(struct.pack("<d", 4), struct.pack("<d", -4)), "a negative psi"),
        (lambda data: 2 * data, "more than is expected"),
        (lambda data: b"PK\3\4" + data, "no <Plda> at byte 0"),
    ],
)
def test_garbled_binary(tmp_path: Path, change: Callable[[bytes], bytes], sentence: str) -> None:
    write_kaldi_plda(tmp_path / "plda", MEAN, TRANSFORM, PSI)
    (tmp_path / "plda").write_bytes(change((tmp_path / "plda").read_bytes()))
    with pytest.raises(SreError, match=f"plda: not a Kaldi plda file.*{sentence}"):
        read_kaldi_plda(tmp_path / "plda")


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("<Plda>  [ 1 2 ]\n [\n  1 0 \n  0 1 ]\n [ 1 2 3 ]\n</Plda> ", r"mean of \(2,\), .* and psi of \(3,\)"),
        ("<Plda>  [ 1 2 ]\n [\n  1 0 3 \n  0 1 4 ]\n [ 1 2 ]\n</Plda> ", r"transform of \(2, 3\)"),
        ("<Plda>  [ 1 2 ]\n [\n  1 0 \n  0 ]\n [ 1 2 ]\n</Plda> ", "rows of unequal lengths"),
        ("<Plda>  [\n 1 2\n 3 4 ]\n [\n  1 0 \n  0 1 ]\n [ 1 2 ]\n</Plda> ", "no vector at byte 7"),
        ("<Plda>  [ 1 2 ]\n [\n  1 0 \n  0 x1 ]\n [ 1 2 ]\n</Plda> ", "x1"),
        ("<Plda>  [ ]\n [ ]\n [ ]\n</Plda> ", "an empty vector"),
        ("<Plda>  [ 1 inf ]\n [\n  1 0 \n  0 1 ]\n [ 1 2 ]\n</Plda> ", "a NaN or infinite value"),
    ],
)
def test_garbled_text(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "plda").write_text(text)
    with pytest.raises(SreError, match=f"plda: not a Kaldi plda file.*{sentence}"):
        read_kaldi_plda(tmp_path / "plda")


def test_what_is_not_written(small: Path) -> None:
    before = small.read_bytes()
    with pytest.raises(SreError, match="plda: not written, for there is a NaN or infinite value; train"):
        write_kaldi_plda(small, np.array([np.nan, 1]), TRANSFORM, PSI)
    with pytest.raises(SreError, match=r"a mean of \(3,\)"):
        write_kaldi_plda(small, np.ones(3), TRANSFORM, PSI)
    assert small.read_bytes() == before


def test_missing_and_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for read in (read_kaldi_plda, read_kaldi_vector, read_kaldi_matrix):
        with pytest.raises(SreError, match=r"touch pwned \|: cannot be read \(No such file or directory\); check"):
            read("touch pwned |")
    (tmp_path / "mean.vec").write_bytes(b"PKLcos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(SreError, match="mean.vec: not a Kaldi vector"):
        read_kaldi_vector("mean.vec")
    assert not Path("pwned").exists()


@pytest.fixture(scope="module")
def imported(kaldi: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    npz = tmp_path_factory.mktemp("imported") / "kaldi.npz"
    copy("--mean", kaldi / "mean.vec", "--lda", kaldi / "lda.mat", kaldi / "plda", npz)
    return npz


def copy(*arguments: object) -> None:
    copy_plda.main([str(argument) for argument in arguments])


def largest_difference(kaldi: Path, npz: Path, scores: str) -> float:
    out = npz.with_suffix(".scores")
    given_ = ["--embeddings", kaldi / "test.ark", "--enroll-map", kaldi / "enroll.spk2utt"]
    score_trials.main([str(argument) for argument in (npz, kaldi / "trials", *given_, out)])
    ours, theirs = (align_scores(path, kaldi / "trials")[0] for path in (out, kaldi / f"scores.{scores}"))
    return np.abs(ours - theirs).max()


def test_kaldis_files_score_as_kaldi(kaldi: Path, imported: Path, tmp_path: Path) -> None:
    assert largest_difference(kaldi, imported, "lda_plda_numutts") < 1e-3
    backend = load(imported)
    backend.options = replace(backend.options, num_utts=False)
    save(tmp_path / "plain.npz", backend)
    assert largest_difference(kaldi, tmp_path / "plain.npz", "lda_plda") < 1e-3
    adapted = ("--mean", kaldi / "adapt_mean.vec", "--lda", kaldi / "lda.mat", kaldi / "plda_adapt")
    copy(*adapted, tmp_path / "adapted.npz")
    assert largest_difference(kaldi, tmp_path / "adapted.npz", "lda_plda_adapt_numutts") < 1e-3


def test_a_backend_in_kaldis_form(kaldi: Path, imported: Path, tmp_path: Path) -> None:
    """The plda is Kaldi's, and what is written beside it does what mean.vec and lda.mat did."""
    copy("--transform", tmp_path / "transform.mat", imported, tmp_path / "plda")
    assert (tmp_path / "plda").read_bytes() == (kaldi / "plda").read_bytes()
    copy("--text", "--transform", tmp_path / "transform.mat", imported, tmp_path / "plda.txt")
    assert (tmp_path / "plda.txt").read_bytes() == (kaldi / "plda.txt").read_bytes()
    copy("--lda", tmp_path / "transform.mat", tmp_path / "plda", tmp_path / "back.npz")
    assert largest_difference(kaldi, tmp_path / "back.npz", "lda_plda_numutts") < 1e-3


def test_every_affine_chain_is_folded(tmp_path: Path) -> None:
    """6 -> 6 -> 2 dimensions: centre, whitening, another centre, LDA, length-norm."""
    draw = np.random.default_rng(0)
    arrays_ = [draw.normal(size=shape) for shape in (6, (6, 7), 6, (2, 7))]
    chain = Chain(["centre", "whiten:zca", "centre:adapt", "lda:2", "length_norm"], [*arrays_, np.empty(0)])
    parts = {"plda_mean": MEAN, "plda_transform": TRANSFORM, "plda_psi": PSI}
    save(tmp_path / "x.npz", Plda(chain, parts))
    copy("--transform", tmp_path / "x.mat", tmp_path / "x.npz", tmp_path / "plda")
    copy("--lda", tmp_path / "x.mat", tmp_path / "plda", tmp_path / "back.npz")
    x = draw.normal(size=(9, 6))
    np.testing.assert_allclose(load(tmp_path / "back.npz").chain.apply(x), chain.apply(x), atol=1e-5)


def test_a_plda_without_lda(kaldi: Path, tmp_path: Path) -> None:
    """Its length-norm alone is a chain; without it there is nothing beside the plda."""
    copy(kaldi / "plda_nolda", tmp_path / "x.npz")
    assert load(tmp_path / "x.npz").chain.steps == ["length_norm"]
    copy("--transform", tmp_path / "x.mat", tmp_path / "x.npz", tmp_path / "plda")
    np.testing.assert_array_equal(read_kaldi_matrix(tmp_path / "x.mat"), np.eye(256, 257))
    copy("--no-length-norm", kaldi / "plda_nolda", tmp_path / "x.npz")
    copy(tmp_path / "x.npz", tmp_path / "bare")
    assert (tmp_path / "bare").read_bytes() == (kaldi / "plda_nolda").read_bytes()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            ["plain.npz", "plda"],
            r"plain.npz: a Kaldi plda cannot hold its chain \['length_norm'\]; write .*--transform",
        ),
        (["after.npz", "plda", "--transform", "x.mat"], "after.npz: its chain .* goes on after length_norm"),
        (["cosine.npz", "plda"], "cosine.npz: Kaldi has no form of a cosine back-end"),
        (["plain.npz", "other.npz"], "other.npz: both files are back-ends of ours; use cp"),
        (["small", "plda", "--no-length-norm"], "plda: .* make a .npz"),
        (["small", "x.npz", "--text"], "x.npz: .* --text Kaldi's form"),
        (["small", "x.npz", "--transform", "x.mat"], "x.npz: .* --transform that of a .npz"),
        (["small", "x.npz", "--mean", "mean3.vec"], "mean3.vec: 3 values where 2 go on"),
        (["small", "x.npz", "--lda", "lda3.mat"], "lda3.mat: 3 rows for a PLDA of 2"),
        (["mean3.vec", "plda"], "mean3.vec: not a Kaldi plda file"),
    ],
)
def test_copies_that_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_kaldi_plda("small", MEAN, TRANSFORM, PSI)
    copy("small", "plain.npz")
    backend = load("plain.npz")
    backend.chain = Chain(["length_norm", "centre"], [np.empty(0), np.ones(2)])
    save("after.npz", backend)
    save("cosine.npz", Cosine())
    kaldiio.save_mat("mean3.vec", np.ones(3))
    write_kaldi_matrix("lda3.mat", np.ones((3, 4)))
    before = sorted(Path().iterdir())
    with pytest.raises(SreError, match=sentence):
        copy(*arguments)
    assert sorted(Path().iterdir()) == before
