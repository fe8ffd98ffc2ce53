"""The commands about back-ends and scores, on embeddings that are there."""

import json
import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from simulated import speech

from sre import FileError, SreError
from sre.backends import load
from sre.backends.files import save_failure
from sre.backends.norm import METHODS
from sre.io.ark import read_vectors, write_ark
from sre.io.tables import invert, read_table, write_table
from sre.io.trials import read_scores, read_trials
from sre.training.held_out import held_out_speakers
from steps import (
    compute_metrics,
    import_embeddings,
    make_development_trials,
    normalize_scores,
    score_systems,
    score_trials,
    train_backend,
)

ADAPTED = '{"type": "plda", "chain": ["centre:adapt", "lda:3", "length_norm"], "adapt": {"method": "kaldi"}}'


def call(main: Callable[[list[str]], None], *arguments: object) -> None:
    main([str(argument) for argument in arguments])


def write_split(name: str, first: int, speakers: int, seed: int, skipped: int = 0) -> dict[str, str]:
    """<name>.scp and <name>.utt2spk of speakers s<first> on, 4 utterances each."""
    x, _ = speech(speakers, 4, 5, seed=seed)
    utt2spk = {f"s{first + n // 4:02}_{name}{n % 4}": f"s{first + n // 4:02}" for n in range(len(x))}
    write_ark(f"{name}.ark", f"{name}.scp", zip(sorted(utt2spk), x, strict=True))
    write_table(f"{name}.utt2spk", utt2spk)
    return utt2spk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training s00 to s11, adaptation s20 to s24, evaluation s09 to s16: three of its speakers are in training too."""
    folder = tmp_path_factory.mktemp("scoring")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_split("train", 0, 12, seed=1)
        write_split("adapt", 20, 5, seed=2)
        spk2utt = invert(write_split("eval", 9, 8, seed=3))
        Path("enroll").write_text("".join(f"{speaker} {' '.join(utts[:2])}\n" for speaker, utts in spk2utt.items()))
        pairs = [(model, utt) for model in spk2utt for utts in spk2utt.values() for utt in utts[2:]]
        lines = [f"{model} {utt} {'target' if utt.startswith(model) else 'nontarget'}\n" for model, utt in pairs]
        Path("trials").write_text("".join(lines))
        Path("left_out").write_text("s01\ns04\n")
    return folder


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)


def train(config: str, name: str, *options: str) -> dict:
    call(train_backend.main, config, "--embeddings", "train.scp", "--utt2spk", "train.utt2spk", *options, name)
    return load(name).facts


EVAL = ["--embeddings", "eval.scp", "--enroll-map", "enroll"]
COHORT = ["--cohort", "train.scp", "--cohort-utt2spk", "train.utt2spk"]


def score(backend: str, *options: object) -> np.ndarray:
    call(score_trials.main, backend, "trials", *EVAL, *options, "scores")
    return read_scores("scores")[1]


def test_a_list_without_labels_is_scored_as_one_with_them(tmp_path: Path) -> None:
    expected = score("cosine", *COHORT, "--norm", "asnorm1")
    Path("unlabelled").write_text(re.sub(r" (non)?target", "", Path("trials").read_text()))
    call(score_trials.main, "cosine", "unlabelled", *EVAL, *COHORT, "--norm", "asnorm1", tmp_path / "scores")
    assert (read_scores(tmp_path / "scores")[1] == expected).all()
    with pytest.raises(SreError, match="unlabelled: its lines are `enrol test` without a label"):
        call(compute_metrics.main, tmp_path / "scores", "unlabelled")


def test_adaptation_and_left_out_speakers() -> None:
    facts = train(ADAPTED, "adapted.npz", "--adapt", "adapt.scp", "--leave-out", "left_out")
    assert (facts["embeddings"], facts["speakers"], facts["adapt_embeddings"]) == (40, 10, 20)
    assert (facts["lda_dim"], facts["adapt"]["within"]) == (3, 0.75)
    adapt_mean = read_vectors("adapt.scp")[1].astype(float).mean(axis=0)
    np.testing.assert_allclose(load("adapted.npz").chain.arrays[0], adapt_mean)
    train(ADAPTED.replace("centre:adapt", "centre").partition(', "adapt')[0] + "}", "plain.npz")
    assert np.abs(score("adapted.npz") - score("plain.npz")).max() > 0.1


def test_without_the_adaptation_set() -> None:
    with pytest.raises(SreError, match="centre:adapt needs an adaptation set; give its embeddings"):
        train(ADAPTED, "b.npz")
    assert not Path("b.npz").exists()


def test_a_recorded_failure_is_the_report_s_sentence() -> None:
    """In a recipe a back-end that cannot be fitted must not stop the others."""
    call(
        train_backend.main,
        '{"type": "ht_plda", "chain": ["lda:1"], "rank": 9}',
        *("--embeddings", "train.scp", "--utt2spk", "train.utt2spk", "--record-failure", "failed.npz"),
    )
    with pytest.raises(SreError, match="^no speaker subspace fits in 1 dimensions beside 12 speakers"):
        score("failed.npz")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("backend", ["cosine", "plda.npz", "max.npz"])
def test_normalised_at_once_or_later(method: str, backend: str) -> None:
    """Whether score_trials normalises or normalize_scores does: the same but for the rounding of the scores' file."""
    if backend != "cosine" and not Path(backend).exists():
        train('{"type": "plda"}', "plda.npz")
        train('{"type": "plda", "enrol": "score_max", "rank": 2}', "max.npz")
    raw = score(backend)
    Path("scores").rename("raw")
    for options in (COHORT, [*COHORT, "--utt2spk", "eval.utt2spk", "--top-n", 5, "--cohort-of", "utterances"]):
        at_once = score(backend, "--norm", method, *options)
        call(normalize_scores.main, backend, "raw", *EVAL, *options, "--method", method, "later")
        np.testing.assert_allclose(read_scores("later")[1], at_once, rtol=1e-4, atol=1e-4)
        assert not np.allclose(at_once, raw)


def test_own_speakers_are_left_out_where_they_are_known(capsys) -> None:
    with_all = score("cosine", "--norm", "asnorm1", "--top-n", 5, *COHORT)
    without = score("cosine", "--norm", "asnorm1", "--top-n", 5, *COHORT, "--utt2spk", "eval.utt2spk")
    trials = read_trials("trials")
    of_cohort = ["s09", "s10", "s11"]
    in_cohort = np.isin(trials.enrol_ids, of_cohort)[trials.enrol]
    in_cohort |= np.isin([utt[:3] for utt in trials.test_ids], of_cohort)[trials.test]
    np.testing.assert_array_equal(with_all[~in_cohort], without[~in_cohort])
    assert np.abs(with_all - without)[in_cohort].max() > 0.01
    assert "cohort 12, top_n 5, top_n_asked 5" in capsys.readouterr().err


def test_the_cohort_s_own_table_tells_of_trials_too(capsys) -> None:
    """Without --utt2spk the speakers under test normalised their own trials, and the error rates fell."""
    given = ["--norm", "asnorm1", "--top-n", 5, "--cohort", "eval.scp", "--cohort-utt2spk", "eval.utt2spk"]
    np.testing.assert_array_equal(score("cosine", *given, "--utt2spk", "eval.utt2spk"), score("cosine", *given))
    assert "are not known" not in capsys.readouterr().err
    score("cosine", "--norm", "asnorm1", "--top-n", 5, *COHORT)
    assert "the speakers of 24 models and tests are not known: if they are in the cohort" in capsys.readouterr().err


def test_the_trials_own_table_tells_of_the_cohort_too() -> None:
    given = ["--norm", "asnorm1", "--top-n", 5, "--cohort", "eval.scp", "--utt2spk", "eval.utt2spk"]
    told = score("cosine", *given, "--cohort-utt2spk", "eval.utt2spk", "--cohort-of", "utterances")
    np.testing.assert_array_equal(told, score("cosine", *given))


def test_own_utterances_are_left_out_where_no_speaker_is_known(capsys) -> None:
    pairs = [line.split() for line in Path("trials").read_text().splitlines()]
    utts = [line for line in read_table("eval.utt2spk") if line[-1] in "01"]
    rows = [
        f"{utt} {test} {'target' if utt[:3] == test[:3] else 'nontarget'}\n" for utt in utts for _, test, _ in pairs[:4]
    ]
    Path("single").write_text("".join(rows))
    write_table("selves", {utt: utt for utt in read_table("eval.utt2spk")})
    base = ["cosine", "single", "--embeddings", "eval.scp", "--norm", "asnorm1", "--top-n", 5, "--cohort", "eval.scp"]
    call(score_trials.main, *base, "untold")
    call(score_trials.main, *base, "--cohort-utt2spk", "selves", "--cohort-of", "utterances", "told")
    assert Path("untold").read_bytes() == Path("told").read_bytes()
    capsys.readouterr()
    score("cosine", "--norm", "asnorm1", "--top-n", 5, "--cohort", "eval.scp")
    assert (
        "eval.scp: utterances of 8 models are in the cohort, e.g. of s09, and are not left out"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("given", ["train", "dev"])
def test_a_backend_of_half_the_embeddings(given: str) -> None:
    lines = Path("train.scp").read_text().splitlines(keepends=True)
    Path("half.scp").write_text("".join(lines[:24]))
    with pytest.raises(
        SreError, match="half.scp: 24 of the 48 utterances of train.utt2spk are not there .0 rejected., e.g."
    ):
        if given == "train":
            call(train_backend.main, "lda_plda", "--embeddings", "half.scp", "--utt2spk", "train.utt2spk", "half.npz")
        else:
            score("cosine", "--norm", "snorm", "--cohort", "half.scp", "--cohort-utt2spk", "train.utt2spk")


def test_left_out_speakers_are_known() -> None:
    Path("nobody").write_text("s01\ns99\n")
    with pytest.raises(SreError, match="nobody: 1 are not in train.utt2spk, e.g. s99; mend the list"):
        train('{"type": "plda"}', "b.npz", "--leave-out", "nobody")


@pytest.mark.parametrize(
    "method, options, shown",
    [
        ("asnorm2", [], "cohort 12, top_n 12, top_n_asked 300"),  # 300 of 12
        ("snorm", [], "cohort 12, top_n 12"),
        ("tnorm", ["--cohort-of", "utterances"], "cohort 48, top_n 48"),
        ("znorm", ["--cohort-of", "utterances", "--cohort-size", 9, "--top-n", 4], "cohort 9, top_n 4, top_n_asked 4"),
    ],
)
def test_what_is_said_of_the_cohort(method: str, options: list, shown: str, capsys) -> None:
    score("cosine", "--norm", method, *COHORT, *options)
    assert shown in capsys.readouterr().err


def test_cohort_of_another_model() -> None:
    write_ark("other.ark", "other.scp", {"a": np.ones(4), "b": np.arange(4.0)}.items())
    with pytest.raises(SreError, match="dimension"):
        score("cosine", "--norm", "snorm", "--cohort", "other.scp")


def test_a_norm_needs_a_cohort() -> None:
    with pytest.raises(SreError, match="^--norm needs --cohort; give the training embeddings$"):
        score("cosine", "--norm", "snorm")


def score_stage(out: Path, **systems: dict) -> dict:
    """What the score stage leaves of a cosine and other systems in out/metrics.json."""
    train("cosine_centred", "cosine_centred.npz")
    job = {"cosine_centred": {"backend": "cosine_centred", "norm": None, "of": None}, **systems}
    known = ["--utt2spk", "eval.utt2spk", *COHORT]
    backends = [word for name in systems for word in ("--backend", f"{name}.npz")]
    out.mkdir(exist_ok=True)
    options = [*EVAL, *known, "--backend", "cosine_centred.npz", *backends, "--run", "m", "--replicates", 10]
    call(score_systems.main, json.dumps({"systems": job}), "trials", *options, out / "metrics.json")
    return json.loads((out / "metrics.json").read_text())["systems"]


def test_a_failed_fit_is_a_row_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    system = {"backend": "other", "norm": None, "of": None}
    save_failure("other.npz", "too few speakers")
    assert score_stage(tmp_path / "a", other=system)["other"]["reason"] == "too few speakers"
    Path("other.npz").write_bytes(Path("other.npz").read_bytes()[:100])
    with pytest.raises(FileError, match="other.npz: not a back-end file"):
        score_stage(tmp_path / "b", other=system)


def test_a_table_of_speakers_that_lost_some_is_named(tmp_path: Path) -> None:
    """Trials were drawn in place of speakers, of which the intervals are too short, and nothing was said."""
    lines = Path("eval.utt2spk").read_text().splitlines(keepends=True)
    Path("eval.utt2spk").write_text("".join(lines[:-4]))
    with pytest.raises(SreError, match="eval.utt2spk: no speaker of . models and tests, e.g. .*intervals draw speake"):
        score_stage(tmp_path)
    Path("eval.utt2spk").write_text("".join(lines))


def test_a_full_disk_is_no_row(tmp_path: Path, monkeypatch) -> None:
    def full(file: object, array: np.ndarray) -> None:
        raise OSError(f"{array.size} requested and 3 written")  # as numpy says it

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(FileError, match="cosine_centred.replicates.npy: cannot be written .*; make room there"):
            score_stage(tmp_path)
    assert score_stage(tmp_path)["cosine_centred"]["status"] == "ok"


@pytest.mark.parametrize("content", ["", '{"status": "ok"', "[]", '{"status": 3}', '{"inputs_sha256": "x"}'])
def test_a_damaged_record_of_a_system_is_scored_again(tmp_path: Path, content: str, capsys) -> None:
    whole = score_stage(tmp_path)
    (tmp_path / "cosine_centred.metrics.json").write_text(content)
    assert score_stage(tmp_path) == whole
    assert "cosine_centred.metrics.json: " in capsys.readouterr().err


def test_development_list() -> None:
    """All pairs of some utterances of the held-out speakers, no pair twice, none with itself, and no other speaker."""
    call(make_development_trials.main, "train.utt2spk", "dev", "dev.speakers", "--speakers", 5, "--utterances", 3)
    utt2spk, trials = read_table("train.utt2spk"), read_trials("dev")
    speakers = set(Path("dev.speakers").read_text().split())
    assert speakers == held_out_speakers(utt2spk, 5) and len(speakers) == 5
    pairs = list(zip(trials.enrol_ids[trials.enrol], trials.test_ids[trials.test], strict=True))
    utts = sorted({utt for pair in pairs for utt in pair})
    assert {utt2spk[utt] for utt in utts} == speakers and len(utts) == 15
    assert {tuple(sorted(pair)) for pair in pairs} == set(combinations(utts, 2)) and len(pairs) == 105
    assert trials.target.tolist() == [utt2spk[a] == utt2spk[b] for a, b in pairs] and trials.target.sum() == 15
    first = Path("dev").read_bytes()
    call(make_development_trials.main, "train.utt2spk", "dev", "dev.speakers", "--speakers", 5, "--utterances", 3)
    assert Path("dev").read_bytes() == first


def test_its_speakers_are_left_out_of_the_backend() -> None:
    call(make_development_trials.main, "train.utt2spk", "dev", "dev.speakers", "--speakers", 4)
    facts = train(json.dumps({"type": "plda"}), "dev.npz", "--leave-out", "dev.speakers")
    assert (facts["speakers"], facts["embeddings"]) == (8, 32)


@pytest.mark.parametrize("source", ["train.scp", "train.ark"])
def test_embeddings_from_elsewhere(source: str, capsys) -> None:
    """In the order and of the utterances of the data dir; what is more is counted."""
    wanted = dict(list(read_table("train.utt2spk").items())[5:])
    write_table("wanted", wanted)
    call(import_embeddings.main, source, "wanted", "imported.scp", "imported.ark")
    (ids, vectors), (all_ids, all_vectors) = read_vectors("imported.scp"), read_vectors("train.scp")
    assert ids.tolist() == sorted(wanted) == all_ids[5:].tolist()
    np.testing.assert_array_equal(vectors, all_vectors[5:])
    assert "43 embeddings of dimension 5, 5 left out" in capsys.readouterr().err


def test_systems_by_name_or_yaml(tmp_path: Path) -> None:
    train("cosine", "cosine.npz")
    options = [*EVAL, *COHORT, "--utt2spk", "eval.utt2spk", "--backend", "cosine.npz", "--replicates", 0]
    call(score_systems.main, "cosine,cosine+snorm", "trials", *options, tmp_path / "a/metrics.json")
    Path("few.yaml").write_text("systems: [cosine, cosine+few]\nnorms: {few: {method: snorm, top_n: 3}}\n")
    call(score_systems.main, "few.yaml", "trials", *options, tmp_path / "b/metrics.json")
    found = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in "ab"]
    assert [list(one["systems"]) for one in found] == [["cosine", "cosine+snorm"], ["cosine", "cosine+few"]]
    assert (found[0]["run"], found[0]["model"], found[0]["role"]) == ("run", "run", "evaluation")
    assert found[0]["systems"]["cosine"]["metrics"] == found[1]["systems"]["cosine"]["metrics"]
    with pytest.raises(SreError, match="'cosine\\+asnrm' names the unknown norm 'asnrm'; the nearest is 'asnorm'"):
        call(score_systems.main, "cosine+asnrm", "trials", *options, tmp_path / "c/metrics.json")
    with pytest.raises(SreError, match="unknown back-end 'plda'"):
        call(score_systems.main, "plda", "trials", *options, tmp_path / "c/metrics.json")
