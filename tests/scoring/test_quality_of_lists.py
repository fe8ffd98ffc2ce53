"""Systems with quality measures: a development list in all versions, calibrated there, applied to another list."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.backends.calibration import Calibration
from sre.backends.quality import trial_measures
from sre.io.ark import read_vectors, write_ark
from sre.io.quality import Quality, read_qualities, write_qualities
from sre.io.tables import write_table
from sre.io.trials import read_scores, read_trials, write_trials
from sre.scoring.evaluation import Evaluation
from sre.scoring.quality import MOST_TRIALS, Measured, Version, pooled
from steps import score_systems, train_backend

MEASURES = ["duration", "norm", "cohort_mean"]
SYSTEMS = {
    "cosine": {"backend": "cosine", "norm": None, "of": None},
    "cosine+cal": {"backend": "cosine", "norm": None, "of": ["cosine"]},
    "cosine+pool": {"backend": "cosine", "norm": None, "of": ["cosine"], "measures": []},
    "cosine+qmf": {"backend": "cosine", "norm": None, "of": ["cosine"], "measures": MEASURES},
}


def write_split(name: str, speakers: range, seed: int, noise: float, seconds: float) -> dict[str, str]:
    """Embeddings of speakers, 4 utterances each; those with much noise are of short speech."""
    utt2spk = {f"s{speaker:02}_{n}": f"s{speaker:02}" for speaker in speakers for n in range(4)}
    voices = {s: np.random.default_rng(s).normal(size=12) for s in speakers}
    draw = np.random.default_rng(seed)
    vectors = [voices[int(utt[1:3])] + noise * draw.normal(size=12) for utt in sorted(utt2spk)]
    write_ark(f"{name}.ark", f"{name}.scp", zip(sorted(utt2spk), map(np.float32, vectors), strict=True))
    write_table(f"{name}.utt2spk", utt2spk)
    lengths = seconds * draw.uniform(0.8, 1.2, len(utt2spk))
    write_qualities(f"{name}.quality", {utt: Quality(s) for utt, s in zip(sorted(utt2spk), lengths, strict=True)})
    return utt2spk


def write_list(name: str, utt2spk: dict[str, str]) -> None:
    write_trials(name, ((a, b, utt2spk[a] == utt2spk[b]) for a, b in combinations(sorted(utt2spk), 2)))


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A training split, of whose speakers some are the development list, whole and short; an evaluation of both."""
    monkeypatch.chdir(tmp_path)
    write_split("train", range(30), 1, 0.5, 5.0)
    dev = write_split("short", range(8), 2, 1.5, 1.0)
    write_list("dev", dev)
    for number, (name, noise) in enumerate({"eval": 0.5, "eval_short": 1.5}.items()):
        write_split(name, range(40, 52), 3 + number, noise, 5.0 if number == 0 else 1.0)
    write_list("list", {f"s{s:02}_{n}": f"s{s:02}" for s in range(40, 52) for n in range(4)})
    command = ["cosine", "--embeddings", "train.scp", "--utt2spk", "train.utt2spk", "cosine.npz"]
    train_backend.main(command)
    return tmp_path


def score(out: str, trials: str, embeddings: str, *options: str, systems: dict = SYSTEMS) -> dict:
    Path(out).mkdir(exist_ok=True)
    known = ["--embeddings", f"{embeddings}.scp", "--utt2spk", f"{embeddings}.utt2spk", "--backend", "cosine.npz"]
    known += ["--cohort", "train.scp", "--cohort-utt2spk", "train.utt2spk", "--replicates", "20"]
    asked = json.dumps({"systems": systems})
    score_systems.main([asked, trials, *known, *options, f"{out}/metrics.json"])
    return json.loads(Path(f"{out}/metrics.json").read_text())["systems"]


DEV = ("--role", "development", "--quality", "train.quality", "--version", "short.scp", "short.quality")


def test_short_speech_is_decided_better_with_its_length_known(there: Path) -> None:
    dev = score("dev_scores", "dev", "train", *DEV)
    fitted = dev["cosine+qmf"]["calibration"]
    assert fitted["inputs"] == ["cosine"] and fitted["quality_measures"] == MEASURES and len(fitted["weights"]) == 9
    assert dev["cosine+pool"]["calibration"]["quality_measures"] == []
    assert "quality_measures" not in dev["cosine+cal"]["calibration"]
    costs = {}
    for name in ("eval", "eval_short"):
        options = ("--quality", f"{name}.quality", "--development", "dev_scores/metrics.json")
        found = score(name, "list", name, *options)
        costs[name] = {system: result["metrics"]["cllr"] for system, result in found.items()}
    for name in costs:
        assert costs[name]["cosine+qmf"] < costs[name]["cosine+pool"]
    assert costs["eval_short"]["cosine+qmf"] < costs["eval_short"]["cosine+cal"]

    by_hand = Measured.read(Evaluation.read(read_trials("list"), None, [Path("eval.scp")]), Path("eval.quality"))
    sides = by_hand.sides(MEASURES[:2])
    ids, vectors = read_vectors("train.scp")
    means = np.stack([vectors[[utt.startswith(s) for utt in ids]].mean(axis=0) for s in sorted({u[:3] for u in ids})])
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (by_hand.evaluation.embeddings.vectors, means)]
    nearest = (unit[0].astype(np.float64) @ unit[1].T).mean(axis=1)  # of 30, fewer than 300
    trials = by_hand.evaluation.trials
    for side, of in zip(sides, (trials.enrol_ids[trials.enrol], trials.test_ids[trials.test]), strict=True):
        side["cohort_mean"] = nearest[np.searchsorted(by_hand.evaluation.embeddings.ids, of)]
    scores = read_scores("eval/cosine.scores")[1]
    columns = np.column_stack([scores, trial_measures(MEASURES, *sides, scores, fitted["quality_ranges"])])
    np.testing.assert_allclose(
        read_scores("eval/cosine+qmf.scores")[1], Calibration.from_dict(fitted).apply(columns), atol=2e-5
    )


def test_only_what_measures_decide_is_scored_again(there: Path, capsys: pytest.CaptureFixture) -> None:
    score("dev_scores", "dev", "train", *DEV)
    capsys.readouterr()
    score("dev_scores", "dev", "train", *DEV)
    assert capsys.readouterr().err.count("unchanged, kept") == 4
    qualities = read_qualities("short.quality")
    write_qualities("short.quality", {utt: Quality(one.speech_s * 1.1) for utt, one in qualities.items()})
    score("dev_scores", "dev", "train", *DEV)
    said = capsys.readouterr().err
    assert "cosine+cal: unchanged" in said and "cosine+qmf: unchanged" not in said


def test_what_is_not_given_is_said_of_the_system_alone(there: Path) -> None:
    found = score("dev_scores", "dev", "train", "--role", "development")
    assert found["cosine+cal"]["status"] == "ok"
    assert found["cosine+pool"]["reason"].startswith("it is fitted on the development list in other lengths too")
    assert found["cosine+qmf"]["reason"] == found["cosine+pool"]["reason"]
    score("whole", "dev", "train", *DEV)
    found = score("scores", "list", "eval", "--development", "whole/metrics.json")
    assert found["cosine+pool"]["status"] == "ok"  # it needs no measures
    assert "its quality measures are not known; give --quality" in found["cosine+qmf"]["reason"]


def test_each_side_in_each_version_but_for_what_a_version_lacks(there: Path) -> None:
    utts = sorted(read_vectors("short.scp")[0])
    short = dict(zip(*read_vectors("short.scp"), strict=True))
    write_ark("few.ark", "few.scp", ((utt, short[utt]) for utt in utts[4:]))  # not of the first speaker
    whole = Measured.read(Evaluation.read(read_trials("dev"), None, [Path("train.scp")]), Path("train.quality"))
    pool = pooled(whole, [Version(Path("few.scp"), Path("short.quality"))])
    count, fewer = len(utts), len(utts) - 4
    pairs, both = count * (count - 1) // 2, fewer * (fewer - 1) // 2
    whole_enrolled = sum(a < b for a in utts for b in utts[4:])
    assert len(pool.evaluation.trials) == pairs + whole_enrolled + both + both
    trials, ids = pool.evaluation.trials, pool.evaluation.embeddings.ids
    assert list(ids) == sorted(ids) and len(ids) == count + fewer
    own = np.array([name.split()[1][:3] for name in ids])
    np.testing.assert_array_equal(own[trials.enrol] == own[trials.test], trials.target)
    at = int(np.flatnonzero(ids == f"001 {utts[-1]}")[0])
    np.testing.assert_array_equal(pool.evaluation.embeddings.vectors[at], short[utts[-1]])
    assert pool.qualities["speech_s"][at] == read_qualities("short.quality")[utts[-1]].speech_s
    write_ark("few.ark", "few.scp", ((utt, short[utt]) for utt in utts[-3:]))
    with pytest.raises(SreError, match="few.scp: 29 of 32 development utterances have no embedding; look"):
        pooled(whole, [Version(Path("few.scp"), Path("short.quality"))])


def test_nontarget_trials_are_drawn_beyond_a_number(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Measured.read(Evaluation.read(read_trials("dev"), None, [Path("train.scp")]), Path("train.quality"))
    versions = [Version(Path("short.scp"), Path("short.quality"))]
    everything = pooled(whole, versions).evaluation.trials
    monkeypatch.setattr("sre.scoring.quality.MOST_TRIALS", 1000)
    some = pooled(whole, versions).evaluation.trials
    assert MOST_TRIALS > len(everything) > 1900 and np.count_nonzero(some.target) == np.count_nonzero(everything.target)
    assert abs(len(some) - 1000) < 100
    again = pooled(whole, versions).evaluation.trials
    np.testing.assert_array_equal(some.enrol, again.enrol)


def test_a_table_of_qualities_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "utt2quality"
    write_qualities(path, {"b": Quality(1.5, -3.25), "a": Quality(0.01)})
    assert path.read_text() == "a 0.01 nan\nb 1.5 -3.25\n"
    found = read_qualities(path)
    assert found["b"] == Quality(1.5, -3.25) and np.isnan(found["a"].snr_db)
    for line in ("a 1.0\n", "a -1 3\n", "a 1 inf\n", "a one 3\n"):
        path.write_text(line)
        with pytest.raises(SreError, match="is not `utterance seconds SNR`; delete it, and measure again"):
            read_qualities(path)
