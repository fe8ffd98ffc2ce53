"""Scores of crops against loops over the formulas of VV and ClovaAI."""

from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.io.ark import write_ark
from sre.io.trials import read_scores
from steps import score_crops

N, D = 3, 4
UTTS = ["a1", "a2", "b1"]
PAIRS = [("a1", "a2"), ("a1", "b1"), ("b1", "a2"), ("a1", "a1")]


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt(x @ x)


BY_HAND = {
    "cosine": lambda a, b: np.mean([unit(x) @ unit(y) for x in a for y in b]),
    "cosine_in_place": lambda a, b: np.mean([unit(x) @ unit(y) for x, y in zip(a, b, strict=True)]),
    "distance": lambda a, b: -np.mean([np.linalg.norm(unit(x) - unit(y)) for x in a for y in b]),
}


@pytest.fixture
def crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    made = {utt: rng.normal(size=(N, D)).astype(np.float32) for utt in UTTS}
    write_ark("e.ark", "e.scp", made.items())
    Path("trials").write_text("".join(f"{enrol} {test}\n" for enrol, test in PAIRS))
    return made


@pytest.mark.parametrize("rule", BY_HAND)
def test_by_hand(crops: dict[str, np.ndarray], rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sre.scoring.crops.BLOCK_BYTES", 3 * 8 * N * D)  # blocks of 3 trials
    score_crops.main(["trials", "--embeddings", "e.scp", "--by", rule, "scores"])
    trials, scores = read_scores("scores")
    for model, test, score in zip(trials.enrol_ids[trials.enrol], trials.test_ids[trials.test], scores, strict=True):
        assert score == pytest.approx(BY_HAND[rule](crops[model], crops[test]), abs=1e-6)


def test_the_mean_cosine_is_that_of_the_means_times_their_lengths(crops: dict[str, np.ndarray]) -> None:
    score_crops.main(["trials", "--embeddings", "e.scp", "scores"])
    means = {utt: np.mean([unit(row) for row in rows], axis=0) for utt, rows in crops.items()}
    assert read_scores("scores")[1][1] == pytest.approx(means["a1"] @ means["b1"], abs=1e-6)


def test_what_cannot_be_scored_is_named(crops: dict[str, np.ndarray]) -> None:
    Path("trials").write_text("a1 a3\n")
    with pytest.raises(SreError, match="e.scp: 1 of 2 have no embeddings, e.g. a3"):
        score_crops.main(["trials", "--embeddings", "e.scp", "scores"])
    write_ark("e.ark", "e.scp", [("a1", crops["a1"]), ("a3", crops["a2"][:2])])
    with pytest.raises(SreError, match="the crops of a3 are 2 x 4, those of a1 are 3 x 4; extract all of them with"):
        score_crops.main(["trials", "--embeddings", "e.scp", "scores"])
    write_ark("e.ark", "e.scp", [("a1", crops["a1"]), ("a3", 0 * crops["a2"])])
    with pytest.raises(SreError, match="e.scp: a crop of a3 has length 0"):
        score_crops.main(["trials", "--embeddings", "e.scp", "scores"])
    assert not Path("scores").exists()
