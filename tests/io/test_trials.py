"""Trial lists in both formats, enrolment maps, and scores that come back to the last bit."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.io.trials import align_scores, index_trials, read_enroll_map, read_scores, read_trials, write_scores


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def triples(path: Path) -> list[tuple[str, str, bool]]:
    trials = read_trials(path)
    columns = trials.enrol_ids[trials.enrol], trials.test_ids[trials.test], trials.target.tolist()
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize(
    "text",
    ["b x target\na x nontarget\nb y nontarget\n", "1 b x\n0 a x\n0 b y\n", "1\tb  x\n0 a x\n0 b y"],
    ids=["kaldi", "voxceleb", "tabs"],
)
def test_both_formats(tmp_path: Path, text: str) -> None:
    assert triples(written(tmp_path / "t", text)) == [("b", "x", True), ("a", "x", False), ("b", "y", False)]


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
        ("a x target\na x nontarget\n", "t:2: the pair a x stands twice"),
        ("1 a x\n0 a x\n", "t:2: the pair a x stands twice"),
        ("a x\n", "2 columns found; each line needs enrol test target|nontarget"),
        ("a x target\na y\n", "each line needs"),
        ("a x target\na y target z\n", "each line needs"),
        ("", "each line needs"),
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


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_every_float32_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("scores") / "s"
    pairs = index_trials([f"e{n % 3}" for n in range(len(values))], [f"t{n}" for n in range(len(values))], None)
    write_scores(path, pairs, np.array(values))
    again, scores = read_scores(path)
    np.testing.assert_array_equal(scores.astype(np.float32), np.array(values, np.float32))
    np.testing.assert_array_equal(again.enrol_ids[again.enrol], pairs.enrol_ids[pairs.enrol])


def test_scores_in_the_order_of_the_list(tmp_path: Path) -> None:
    trials = written(tmp_path / "t", "a x target\nb x nontarget\n")
    scores, target = align_scores(written(tmp_path / "s", "b x -1\na x 2\n"), trials)
    assert (scores.tolist(), target.tolist()) == ([2, -1], [True, False])


@pytest.mark.parametrize(
    "scores, sentence",
    [
        ("a x 1\n", "1 of 2 trials of .*t have no score and 0 scores have no trial"),
        ("a x 1\nb x 2\nc x 3\n", "0 of 2 trials of .*t have no score and 1 scores have no trial"),
        ("a x 1\na x 1\nb x 2\n", "a trial is scored twice"),
        ("a x 1\nb x nan\n", "s:2: score 'nan' is not a finite number"),
        ("a x 1\nb x high\n", "s:2: score 'high' is not a finite number"),
    ],
)
def test_scores_that_do_not_fit(tmp_path: Path, scores: str, sentence: str) -> None:
    trials = written(tmp_path / "t", "a x target\nb x nontarget\n")
    with pytest.raises(SreError, match=sentence):
        align_scores(written(tmp_path / "s", scores), trials)
