"""Trial lists in both formats, enrolment maps, and scores that come back to the last bit."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trial_lists import index_trials

from sre import SreError
from sre.io import columns
from sre.io import trials as module
from sre.io.ids import is_plain
from sre.io.trials import align_scores, read_enroll_map, read_scores, read_trials, write_scores

AWKWARD = [
    "nan",
    "NA",
    "1",
    "true",
    "1e5",
    '"',
    '"a',
    'a"b',
    "a,b",
    "\\",
    "#",
    "null",
    "é",
    "\u3042",
    "target",
]
letters = st.characters(exclude_categories=["C", "Z"])
ids = st.sampled_from(AWKWARD) | st.text(letters, min_size=1, max_size=4).filter(is_plain)
pairs = st.tuples(ids, ids)


@st.composite
def layouts(draw: st.DrawFn, third: st.SearchStrategy[str]) -> tuple[list[tuple[str, str, str]], bytes]:
    """Rows, and a file of them: with single blanks as we write it, or with any white space as others do."""
    rows = [(*pair, draw(third)) for pair in draw(st.lists(pairs, min_size=1, max_size=20, unique=True))]
    gap = st.just(" ") if draw(st.booleans()) else st.sampled_from([" ", "  ", "\t", " \t "])
    around = st.just("") if draw(st.booleans()) else st.sampled_from(["", " ", "\t"])
    end = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n \n"]))
    lines = [draw(around) + e + draw(gap) + t + draw(gap) + x + draw(around) for e, t, x in rows]
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    return rows, draw(st.sampled_from(["", "\ufeff"])).encode() + text.encode()


def small_blocks() -> pytest.MonkeyPatch:
    """So that a short list is read and written in several pieces, each with its own dictionary."""
    patch = pytest.MonkeyPatch()
    patch.setattr(columns, "READ_BYTES", 100)
    patch.setattr(module, "WRITE_TRIALS", 3)
    return patch


def written(path: Path, text: str) -> Path:
    path.write_text(text, errors="surrogateescape", newline="")
    return path


def triples(path: Path) -> list[tuple[str, str, bool]]:
    trials = read_trials(path)
    columns = trials.enrol_ids[trials.enrol], trials.test_ids[trials.test], trials.target.tolist()
    return list(zip(*columns, strict=True))


def test_the_remedy_for_copies_can_be_followed(tmp_path: Path) -> None:
    path = tmp_path / "a list"
    path.write_text("a x target\nb x nontarget\na  x\ttarget\n")
    with pytest.raises(SreError, match="a list:3: the pair a x stands twice") as error:
        read_trials(path)
    subprocess.run(str(error.value).partition("e.g. ")[2], shell=True, check=True)
    assert len(read_trials(f"{path}.once")) == 2


@pytest.mark.parametrize(
    "text",
    ["b x target\na x nontarget\nb y nontarget\n", "1 b x\n0 a x\n0 b y\n", "1\tb  x\n0 a x\n0 b y"],
    ids=["kaldi", "voxceleb", "tabs"],
)
def test_both_formats(tmp_path: Path, text: str) -> None:
    assert triples(written(tmp_path / "t", text)) == [("b", "x", True), ("a", "x", False), ("b", "y", False)]


@given(layouts(st.sampled_from(["target", "nontarget"])), st.booleans())
@settings(max_examples=200, deadline=None)
def test_as_a_loop_over_lines_reads_it(tmp_path_factory: pytest.TempPathFactory, layout: tuple, small: bool) -> None:
    rows, data = layout
    path = tmp_path_factory.mktemp("trials") / "t"
    path.write_bytes(data)
    patch = small_blocks() if small else pytest.MonkeyPatch()
    trials = read_trials(path)
    patch.undo()
    assert trials.enrol_ids.tolist() == sorted({enrol for enrol, _, _ in rows})
    assert trials.test_ids.tolist() == sorted({test for _, test, _ in rows})
    assert (trials.enrol.dtype, trials.test.dtype, trials.target.dtype) == (np.int32, np.int32, bool)
    columns = trials.enrol_ids[trials.enrol], trials.test_ids[trials.test], trials.target
    assert list(zip(*columns, strict=True)) == [(e, t, label == "target") for e, t, label in rows]


NUMBERS = ["1.0e-3", "-5", "+5", "1E5", ".5", "5.", "0.1234567890123456789", "7.038531e-26"]


@given(layouts(st.sampled_from([*NUMBERS, *(f"{number}\ttarget" for number in NUMBERS)])))
@settings(max_examples=100, deadline=None)
def test_scores_that_others_wrote(tmp_path_factory: pytest.TempPathFactory, layout: tuple) -> None:
    rows, data = layout
    path = tmp_path_factory.mktemp("scores") / "s"
    path.write_bytes(data)
    labelled = [score.endswith("target") for _, _, score in rows]
    if any(labelled) != all(labelled):
        with pytest.raises(SreError, match="s:.* columns found; each line needs enrol test score"):
            read_scores(path)
        return
    read, scores = read_scores(path)
    columns = read.enrol_ids[read.enrol], read.test_ids[read.test], scores
    assert list(zip(*columns, strict=True)) == [(e, t, float(score.split()[0])) for e, t, score in rows]
    assert read.target is None if not any(labelled) else read.target.all()


def test_scores_with_labels_as_wespeaker_writes_them(tmp_path: Path) -> None:
    trials = written(tmp_path / "t", "a x target\nb x nontarget\nb y nontarget\n")
    path = written(tmp_path / "s", "b y -0.50000 nontarget\nb x -0.10000 nontarget\na x 0.20000 target\n")
    assert align_scores(path, trials)[0].tolist() == [0.2, -0.1, -0.5]


def test_models_named_0_and_1(tmp_path: Path) -> None:
    """They were read as VoxCeleb's labels, and `target` as a test utterance."""
    assert triples(written(tmp_path / "t", "1 x target\n0 x nontarget\n")) == [("1", "x", True), ("0", "x", False)]


def test_ids_in_bytewise_order(tmp_path: Path) -> None:
    trials = read_trials(written(tmp_path / "t", "ä x target\na x target\nZ x target\n"))
    assert trials.enrol_ids.tolist() == ["Z", "a", "ä"]
    assert trials.enrol.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("a x target\na y maybe\n", "t:2: label 'maybe'; write target or nontarget"),
        ("a x target\na x nontarget\n", "t:2: the pair a x is target and nontarget .1 such pairs.; get the list again"),
        ("1 b x\n1 b x\n1 a x\n0 a x\n", "t:4: the pair a x is target and"),
        ("a x\n", "t: its lines are `enrol test` without a label, .*; give the list with its key"),
        ("a x target\na y\n", "each line needs"),
        ("a x target\na y target z\n", "each line needs"),
        ("a x target\n\n\nb x target\na y target z\n", "t:5: 4 columns found"),
        ("a x target\n\n \nb x target\na y maybe\n", "t:5: label 'maybe'"),
        ("\na x target\n\na  x target\n", "t:4: the pair a x stands twice .1 such lines"),
        ("b x target\na x target\nb x target\na x target\n", "t:3: the pair b x stands twice .2 such lines"),
        ("".join(f"e{n} t{n} target\n" for n in range(40)) + "e7 t7 target\n", "t:41: the pair e7 t7 stands twice"),
        ("a x target\n x target\n", "t:2: 2 columns found"),
        ("a x\ty target\n", "t:1: 4 columns found"),
        ("a x target\nb \udcff target\n", "t:2: not UTF-8 text"),
        ("a x target\nb\u00a0c y nontarget\n", r"t:2: the id 'b.xa0c' has U.00A0 .NO-BREAK SPACE. in it; rename it"),
        ("a x target\nb\vy nontarget\n", "t:2: 2 columns found"),
        ("a x target\nb\u200b y nontarget\n", "t:2: the id 'b.u200b' has U.200B .ZERO WIDTH SPACE."),
        ("a x target\n\ufeffb y nontarget\n", "t:2: the id '.ufeffb' has U.FEFF"),
        ("a  x\u3000 target\n", "t:1: the id 'x.u3000' has U.3000 .IDEOGRAPHIC SPACE."),
        ("a x target\u2028\n", "t:1: the id 'target.u2028' has U.2028"),
        ("a x 0.5\nb x 0.25\n", "t:1: label '0.5'; these look like scores"),
        ("a x target\0\n", "t:1: a zero byte, so this is no text file"),
        ("", "t: 0 lines.*each line needs"),
        ("\n \n", "t: 0 lines.*each line needs"),
    ],
)
def test_bad_list(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SreError, match=sentence.replace("|", r"\|")):
        read_trials(written(tmp_path / "t", text))


def test_missing_list(tmp_path: Path) -> None:
    with pytest.raises(SreError, match="t: no such file; check the path"):
        read_trials(tmp_path / "t")


def test_enrolment_map(tmp_path: Path) -> None:
    trials = read_trials(written(tmp_path / "t", "m x target\nn x nontarget\n"))
    assert read_enroll_map(None, trials) == {"m": ["m"], "n": ["n"]}
    of_map = read_enroll_map(written(tmp_path / "map", "other u4\nn u3\nm u1 u2\n"), trials)
    assert of_map == {"m": ["u1", "u2"], "n": ["u3"]}
    with pytest.raises(SreError, match="map: 2 enrolment models of the trials are not in this map, e.g. m"):
        read_enroll_map(written(tmp_path / "map", "m\nother u\n"), trials)


def test_an_utterance_counts_once_in_a_model(tmp_path: Path, capsys) -> None:
    trials = read_trials(written(tmp_path / "t", "m x target\nn x nontarget\n"))
    of_map = read_enroll_map(written(tmp_path / "map", "m u2 u1\tu2  u2\nn u3\n"), trials)
    assert of_map == {"m": ["u2", "u1"], "n": ["u3"]}
    assert "map: 1 models name an utterance twice, e.g. m; it counts once" in capsys.readouterr().err


def test_a_last_line_without_end_is_remarked_on(tmp_path: Path, capsys) -> None:
    """It may be somebody's own list, which lost nothing; or `s12` of which `s1` is left."""
    listed = index_trials(["m"], ["x"], None)
    for name, text, read in (
        ("t", "a x target\nb  y\tnontarget", read_trials),
        ("s", "a x 1\nb y 0.1", read_scores),
        ("map", "n u1 u2\nm u4 u5", lambda path: read_enroll_map(path, listed)),
    ):
        read(written(tmp_path / name, text))
        told = capsys.readouterr().err
        assert (
            f"{name}: its last line has no end, so it may be cut short; '{' '.join(text.split()[3:])}' is read" in told
        )
        read(written(tmp_path / name, f"{text}\r\n"))
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("labels", ["a x {}\nb x {}\n", "1 a x\n0 b x\n"])
def test_swapped_files(tmp_path: Path, labels: str) -> None:
    scores = written(tmp_path / "s", "a x 1\nb x 0\n")
    trials = written(tmp_path / "t", labels.format("target", "nontarget"))
    with pytest.raises(SreError, match="s has scores and .*t trials; give the scores first, then the trials"):
        align_scores(trials, scores)


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_no_file_of_lines(tmp_path: Path, what: str) -> None:
    (tmp_path / "folder").mkdir(), os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SreError, match=f"{what}: is a {what}"):
        read_trials(tmp_path / what)


finite_bits = st.integers(0, 2**32 - 1).filter(lambda bits: bits & 0x7F800000 != 0x7F800000)


@given(st.lists(finite_bits, min_size=1, max_size=30))
@example([0, 0x80000000, 1, 0x80000001, 0x7F7FFFFF, 0x00800000, 0x0DA24260, 0x60AD78EC])  # ±0, ends, 1e-30, 1e20
@example([0x3F800000, 0x15AE43FD, 0x95AE43FD])  # ±7.038531e-26, rounded twice, comes back as its neighbour
@settings(max_examples=200, deadline=None)
def test_every_float32_comes_back(tmp_path_factory: pytest.TempPathFactory, bits: list[int]) -> None:
    path = tmp_path_factory.mktemp("scores") / "s"
    values = np.array(bits, np.uint32).view(np.float32)
    listed = index_trials([f"e{n % 3}" for n in range(len(values))], [f"t{n}" for n in range(len(values))], None)
    write_scores(path, listed, values.astype(np.float64))
    lines = [line.split() for line in path.read_text().splitlines()]
    assert [line[:2] for line in lines] == [[f"e{n % 3}", f"t{n}"] for n in range(len(values))]
    again = np.array([float(line[2]) for line in lines], np.float32)
    np.testing.assert_array_equal(again.view(np.uint32), bits)
    np.testing.assert_array_equal(read_scores(path)[1].astype(np.float32).view(np.uint32), bits)


@given(st.lists(pairs, min_size=1, max_size=12, unique=True))
@settings(max_examples=100, deadline=None)
def test_ids_and_pieces_do_not_change_the_digits(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    """Arrow writes no quotation marks, so that ids with them are written in another way."""
    folder = tmp_path_factory.mktemp("scores")
    listed = index_trials(*zip(*rows, strict=True), None)
    plain = index_trials([str(n) for n in range(len(rows))], ["x"] * len(rows), None)
    scores = np.random.default_rng(0).normal(size=len(rows)) * 10.0 ** np.arange(-6, len(rows) - 6)
    write_scores(folder / "s", listed, scores)
    write_scores(folder / "plain", plain, scores)
    patch = small_blocks()
    write_scores(folder / "pieces", replace(listed, enrol=listed.enrol.astype(np.int64)), scores)
    patch.undo()
    digits = [line.split()[2] for line in (folder / "plain").read_text().splitlines()]
    expected = [f"{enrol} {test} {digit}" for (enrol, test), digit in zip(rows, digits, strict=True)]
    assert (folder / "s").read_text() == "".join(f"{line}\n" for line in expected)
    assert (folder / "pieces").read_bytes() == (folder / "s").read_bytes()


def test_pandas_stays_out(tmp_path: Path) -> None:
    """It takes 0.3 s and 70 MB; Arrow imports it for a mere to_numpy()."""
    written(tmp_path / "t", "a x target\nb x nontarget\n")
    code = (
        "import sys; from sre.io.trials import *;"
        "trials = read_trials('t'); write_scores('s', trials, trials.enrol + 1.5); align_scores('s', 't');"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


@given(st.lists(pairs, min_size=1, max_size=12, unique=True), st.randoms())
@settings(max_examples=100, deadline=None)
def test_aligned_as_by_a_table(tmp_path_factory: pytest.TempPathFactory, rows: list, random) -> None:
    folder = tmp_path_factory.mktemp("scores")
    table = {pair: float(n) for n, pair in enumerate(rows)}
    shuffled = random.sample(rows, len(rows))
    written(folder / "t", "".join(f"{e} {t} {'target' if (e + t) < t else 'nontarget'}\n" for e, t in rows))
    written(folder / "s", "".join(f"{e} {t} {table[e, t]}\n" for e, t in shuffled))
    assert align_scores(folder / "s", folder / "t")[0].tolist() == [table[pair] for pair in rows]


def test_scores_in_the_order_of_the_list(tmp_path: Path) -> None:
    trials = written(tmp_path / "t", "a x target\nb x nontarget\n")
    scores, read = align_scores(written(tmp_path / "s", "b x -1\na x 2\n"), trials)
    assert (scores.tolist(), read.target.tolist()) == ([2, -1], [True, False])


@pytest.mark.parametrize(
    "scores, sentence",
    [
        ("a x 1\n", "1 of 2 trials of .*t have no score, e.g. b x, and 0 scores have no trial; give"),
        ("a x 1\nb x 2\nc x 3\n", "0 of 2 trials of .*t have no score, and 1 scores have no trial, e.g. c x; give"),
        ("a x 1\na x 1\nb x 2\n", "a trial is scored twice"),
        ("a x 1\nb x nan\n", "s:2: score 'nan' is not a finite number"),
        ("a x 1\nb x high\n", "s:2: score 'high' is not a finite number"),
        ("a x 1\n\nb  x 1e400\n", "s:3: score '1e400' is not a finite number"),
        ("a x 1\nb x 1_0\n", "s:2: score '1_0' is not a finite number"),
        ("a x 1\nb x\n", "s:2: 2 columns found; each line needs enrol test score"),
        ("a x 1\nb y 2\n", "1 of 2 trials of .*t have no score, e.g. b x, and 1 scores have no trial, e.g. b y"),
        ("a x 1 target\nb x 2 target\n", "s: 1 labels are not those of .*t; give the list that was scored"),
        ("b x 1 target\na x 2 nontarget\n", "s: 2 labels are not those of .*t; give the list that was scored"),
        ("a x 1 target\nb x 2 1\n", "s:2: label '1'; write target or nontarget"),
        ("a x 1 target\nb x 2\n", "s:2: 3 columns found; each line needs enrol test score target.nontarget"),
        ("a x 1 target\nb x nan nontarget\n", "s:2: score 'nan' is not a finite number"),
        ("a x 1 0 target\n", "s:1: 5 columns found; each line needs enrol test score"),
        ("a x target\nb x nontarget\n", "s:1: score 'target' is not a finite number; this is a trial list"),
    ],
)
def test_scores_that_do_not_fit(tmp_path: Path, scores: str, sentence: str) -> None:
    trials = written(tmp_path / "t", "a x target\nb x nontarget\n")
    with pytest.raises(SreError, match=sentence):
        align_scores(written(tmp_path / "s", scores), trials)
