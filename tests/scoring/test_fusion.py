"""Systems of several runs fused of their score files: as a fusion within one run is, kept, traced, and refused."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from sre import FileError, SreError
from sre.experiments.recompute import RowFiles
from sre.io.ark import write_ark
from sre.io.atomic import sha256_file
from sre.io.tables import write_table
from sre.io.trials import align_scores, write_trials
from sre.scoring.result import ListResult
from steps import fuse_systems, make_report, score_systems, train_backend

LISTS = {"dev": "development", "eval": "evaluation"}
WITHIN = {
    "cosine": {"backend": "cosine", "norm": None, "of": None},
    "plda": {"backend": "plda", "norm": None, "of": None},
    "both": {"of": ["plda", "cosine"]},
}


def call(main, *arguments: object) -> None:
    main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def exp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, a and b, of 12 speakers with 3 utterances each, scored on two lists by all systems of WITHIN."""
    exp = tmp_path_factory.mktemp("exp")
    draw = np.random.default_rng(1)
    for split in ("train", *LISTS):
        utts = {f"{split}{s:02}_{u}": f"{split}{s:02}" for s in range(12) for u in range(3)}
        (exp / split).mkdir()
        write_table(exp / split / "utt2spk", utts)
        means = {run: dict(zip(utts.values(), draw.normal(size=(36, 5)), strict=True)) for run in "ab"}
        for run in "ab":
            vectors = [1.1 * means[run][speaker] + draw.normal(size=5) for speaker in utts.values()]
            write_ark(exp / f"{run}_{split}.ark", exp / f"{run}_{split}.scp", zip(utts, np.array(vectors), strict=True))
        if split in LISTS:
            write_trials(exp / f"{split}.trials", [(e, t, utts[e] == utts[t]) for e, t in product(utts, utts) if e < t])
    for run in "ab":
        score(exp, run)
    return exp


def score(exp: Path, run: str) -> None:
    of_train = ["--embeddings", exp / f"{run}_train.scp", "--utt2spk", exp / "train/utt2spk"]
    call(train_backend.main, "cosine", *of_train, exp / run / "cosine.npz")
    call(train_backend.main, '{"type": "plda", "chain": ["centre", "length_norm"]}', *of_train, exp / run / "plda.npz")
    for name, role in LISTS.items():
        given = ["--embeddings", exp / f"{run}_{name}.scp", "--utt2spk", exp / name / "utt2spk", "--role", role]
        given += ["--cohort", exp / f"{run}_train.scp", "--cohort-utt2spk", exp / "train/utt2spk", "--replicates", 40]
        given += ["--development", exp / run / "scores/dev/metrics.json"] if name != "dev" else []
        files = [word for one in ("cosine", "plda") for word in ("--backend", exp / run / f"{one}.npz")]
        out = exp / run / "scores" / name / "metrics.json"
        call(
            score_systems.main,
            json.dumps({"systems": WITHIN}),
            exp / f"{name}.trials",
            *given,
            *files,
            "--run",
            run,
            out,
        )


def fuse(exp: Path, *inputs: str, name: str = "both") -> dict[str, ListResult]:
    """What `steps.fuse_systems` makes of RUN/SYSTEM on both lists, in exp/<name>."""
    for trials, role in LISTS.items():
        given = [word for one in inputs for word in ("--input", f"{one}={metrics(exp, one.partition('/')[0], trials)}")]
        given += ["--utt2spk", exp / trials / "utt2spk", "--role", role, "--replicates", 40, "--run", name]
        given += ["--development", metrics(exp, name, "dev")] if trials != "dev" else []
        call(fuse_systems.main, name, exp / f"{trials}.trials", *given, "--model", "a+b", metrics(exp, name, trials))
    return {trials: ListResult.read(metrics(exp, name, trials)) for trials in LISTS}


def metrics(exp: Path, run: str, trials: str) -> Path:
    return exp / run / "scores" / trials / "metrics.json"


def test_of_one_run_it_is_the_fusion_within_it(exp: Path) -> None:
    for trials, fused in fuse(exp, "a/plda", "a/cosine", name="same").items():
        within = ListResult.read(metrics(exp, "a", trials))
        ours, theirs = fused.systems["same"], within.systems["both"]
        assert ours.scores_sha256 == theirs.scores_sha256 and ours.replicates_sha256 == theirs.replicates_sha256
        assert ours.metrics == theirs.metrics and fused.bootstrap == within.bootstrap
        assert ours.fitted_calibration.weights == theirs.fitted_calibration.weights
        assert ours.fitted_calibration.inputs == ["a/plda", "a/cosine"] and fused.fused_runs == ["a"]


def test_two_models_are_better_than_one_and_decide_by_one_calibration(exp: Path) -> None:
    """What was fitted on the development list is applied to the other: LLR = scores @ weights + offset."""
    found = fuse(exp, "a/plda", "b/plda")
    fitted = found["dev"].systems["both"].fitted_calibration
    assert found["eval"].systems["both"].calibration == found["dev"].systems["both"].calibration
    assert fitted.trials == "dev" and (found["eval"].model, found["eval"].fused_runs) == ("a+b", ["a", "b"])
    columns = [align_scores(exp / run / "scores/eval/plda.scores", exp / "eval.trials")[0] for run in "ab"]
    expected = np.stack(columns, axis=1) @ fitted.weights + fitted.offset
    llrs, _ = align_scores(exp / "both/scores/eval/both.scores", exp / "eval.trials")
    np.testing.assert_allclose(llrs, expected, rtol=2e-6, atol=1e-6)
    single = [ListResult.read(metrics(exp, run, "eval")).systems["plda"].metrics["eer"] for run in "ab"]
    assert found["eval"].systems["both"].metrics["eer"] < min(single)


def test_it_is_kept_until_a_score_or_the_calibration_changes(exp: Path, capsys) -> None:
    fuse(exp, "a/plda", "b/plda", name="kept")
    capsys.readouterr()
    before = sha256_file(exp / "kept/scores/eval/kept.scores")
    fuse(exp, "a/plda", "b/plda", name="kept")
    assert capsys.readouterr().err.count("kept: unchanged, kept") == 2
    fuse(exp, "b/plda", "a/plda", name="kept")  # another order of the weights is another system
    assert "unchanged" not in capsys.readouterr().err
    fuse(exp, "a/cosine", "b/plda", name="kept")
    assert "unchanged" not in capsys.readouterr().err
    assert sha256_file(exp / "kept/scores/eval/kept.scores") != before


def test_the_report_tells_and_ranks_it_and_its_numbers_are_recomputed(exp: Path) -> None:
    fuse(exp, "a/plda", "b/plda")
    files = [metrics(exp, run, trials) for run in ("a", "b", "both") for trials in LISTS]
    call(make_report.main, exp / "report", "--primary", "both/both", "--metrics", *files)
    head, *lines = [line.split("\t") for line in (exp / "report/report.tsv").read_text().splitlines()]
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    (fused,) = [row for row in rows if (row["run"], row["trials"]) == ("both", "eval")]
    assert (fused["model"], fused["system"], fused["primary"], fused["reference"]) == (
        "a+b",
        "both",
        "primary",
        "reference",
    )
    assert all(row["verdict"] for row in rows if row["trials"] == "eval" and row is not fused)  # tested in pairs
    page = (exp / "report/report.md").read_text()
    assert "a/plda " in page and "a+b both" in page
    row = RowFiles(metrics(exp, "both", "eval"), "both")
    assert "recomputed: the same" in list(row.check(sha256_file))[-1]


def test_a_system_that_failed_fails_the_fusion_with_its_reason(exp: Path, tmp_path: Path) -> None:
    path = metrics(exp, "a", "eval")
    told = json.loads(path.read_text())
    told["systems"]["plda"] = {"status": "failed", "reason": "too few speakers"}
    (tmp_path / "metrics.json").write_text(json.dumps(told))
    given = ["--input", f"a/plda={tmp_path}/metrics.json", "--input", f"b/plda={metrics(exp, 'b', 'eval')}"]
    out = tmp_path / "out/metrics.json"
    call(fuse_systems.main, "f", exp / "eval.trials", *given, "--replicates", 0, out)
    assert ListResult.read(out).systems["f"].reason == "a/plda failed: too few speakers"


@pytest.mark.parametrize("fault", ["list", "system", "scores", "development"])
def test_what_does_not_fit_is_named(exp: Path, tmp_path: Path, fault: str) -> None:
    trials, system = "dev" if fault == "list" else "eval", "pdla" if fault == "system" else "plda"
    source = metrics(exp, "a", "eval")
    if fault == "scores":
        for name in ("metrics.json", "plda.scores"):
            (tmp_path / name).write_bytes((source.parent / name).read_bytes())
        (tmp_path / "plda.scores").write_text("x y 1\n")
        source = tmp_path / "metrics.json"
    given = ["--input", f"a/{system}={source}", "--input", f"b/plda={metrics(exp, 'b', 'eval')}", "--replicates", 0]
    sentence, kind = {
        "list": ("scored on another list or enrolment map than what is fused; delete it", SreError),
        "system": ("no system pdla in it, which is fused; there are both, cosine, plda", SreError),
        "scores": ("plda.scores: missing, or not what the metrics.json beside it is of; delete it", FileError),
        "development": ("", SreError),
    }[fault]
    out = tmp_path / "out/metrics.json"
    if fault == "development":  # a row of the report, as of any system
        call(fuse_systems.main, "f", exp / f"{trials}.trials", *given, out)
        said = ListResult.read(out).systems["f"].reason
        assert said == "it was not calibrated on the development list: it is not there"
        return
    with pytest.raises(kind, match=sentence):
        call(fuse_systems.main, "f", exp / f"{trials}.trials", *given, out)
    assert not out.exists()
