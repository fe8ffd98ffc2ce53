"""A user's way after a recipe: README's first screen, and a package that scores as the report does."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.io.embeddings import Embeddings
from sre.io.trials import read_scores
from sre.voices.model import load

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ["cosine", "lda_plda+asnorm"]
SYSTEMS = [*PLAIN, "lda_plda+asnorm+cal", "both"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which recipe mini has run with 3 epochs, a development list and a fusion."""
    project = tmp_path_factory.mktemp("use") / "main"
    project.mkdir()
    for name in ("Snakefile", "recipes", "steps", "sre", "local", "profiles"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    config = [
        "set=xvector.training.epochs=3",
        "development={speakers: 6}",
        f"systems=[{', '.join(SYSTEMS)}]",
        f"fusions={{both: [{', '.join(PLAIN)}]}}",
        "primary_system=both",
    ]
    command = [str(Path(sys.executable).parent / "snakemake"), "-j2", "--config", *config]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project


@pytest.fixture
def sre_command(project: Path) -> Callable[..., str]:
    def run(*words: object) -> str:
        code = [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(project)!r}); from sre.cli import main; main()",
        ]
        done = subprocess.run([*code, *map(str, words)], cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.slow
def test_the_first_screen_of_readme(project: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shell = next(block for block in re.findall(r"^```\n(.*?)^```", readme, re.M | re.S) if "sre verify" in block)
    python = re.search(r"^```python\n(.*?)^```", readme, re.M | re.S)
    assert python and shell.startswith("cd ")
    start = f"import sys; sys.path.insert(0, {str(project)!r})"
    shell = re.sub(r"^sre ", f'{sys.executable} -c "{start}; from sre.cli import main; main()" ', shell, flags=re.M)
    done = subprocess.run(["bash", "-euc", shell], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count("speech:") == 2, done.stdout + done.stderr
    folder = project / shell.split()[1]
    code = f"{start}\n{python[1]}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    score, accepted = done.stdout.split()
    assert np.isfinite(float(score)) and accepted in ("True", "False"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_package_scores_as_the_report(project: Path, sre_command: Callable[..., str], system: str) -> None:
    """Embeddings of audio have the report's bytes, and scores the last bit of its score file's float32."""
    file = project / f"{system}.sre"
    sre_command("pack", "exp/mini", f"xvector/{system}", file, "--licence", "CC0")
    model = load(file, "cpu")
    trials, expected = read_scores(project / f"exp/mini/xvector/scores/mini/{system}.scores")
    known = Embeddings.read([project / "exp/mini/xvector/embeddings/mini_test.scp"])
    sre_command("embed", file, "data/mini_test", "--out", project / "test.ark")
    heard = Embeddings.read([project / "test.scp"])
    assert heard.ids.tolist() == known.ids.tolist()
    np.testing.assert_array_equal(heard.vectors, known.vectors)
    sides = [heard.rows(ids.astype(object), "utterances") for ids in (trials.enrol_ids, trials.test_ids)]
    enrolled, tested = model.system.enrol(heard.vectors[sides[0]]), model.system.test(heard.vectors[sides[1]])
    found = model.system.pairs(enrolled, tested, trials.enrol, trials.test).astype(np.float32)
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    told = json.loads(sre_command("info", file, "--json"))
    assert told["licence"] == "CC0" and told["calibrated"] == (system not in PLAIN)
    assert [one["role"] for one in told["lists"]] == ["development", "evaluation"]
    assert told["training_data"][0]["name"] == "mini_train"


@pytest.mark.slow
def test_verify_says_what_the_report_would_decide(project: Path, sre_command: Callable[..., str]) -> None:
    file, system = project / "cal.sre", "lda_plda+asnorm+cal"
    sre_command("pack", "exp/mini", f"xvector/{system}", file, "--no-head")
    assert load(file, "cpu", with_head=True).package.bundles[0].speakers is None
    trials, expected = read_scores(project / f"exp/mini/xvector/scores/mini/{system}.scores")
    wav = dict(line.split(None, 1) for line in (project / "data/mini_test/wav.scp").read_text().splitlines())
    place = {utt: (project / "data/mini_test" / path).resolve() for utt, path in wav.items()}
    one = trials.enrol == trials.enrol[0]
    tests = trials.test_ids[trials.test[one]][:4]
    files = [place[utt] for utt in (trials.enrol_ids[trials.enrol[0]], *tests)]
    told = json.loads(sre_command("verify", file, *files, "--p-target", 0.5, "--json"))
    for trial, score in zip(told["trials"], expected[one][:4], strict=True):
        assert trial["llr"] == pytest.approx(score, abs=1e-6, rel=1e-7) and trial["accepted"] == (trial["score"] >= 0)
        assert trial["threshold"]["value"] == 0.0 and trial["threshold"]["list_name"] == "mini_train_dev"


@pytest.mark.slow
def test_what_pack_refuses(project: Path, sre_command: Callable[..., str]) -> None:
    from sre.voices.packing import pack

    for arguments, reason in (
        (("xvectors", "cosine"), "no results of a run 'xvectors'; the nearest run is 'xvector'"),
        (("xvector", "cosin"), "no system 'cosin'; the nearest is 'cosine'"),
        (("xvector", "cosine", "", ["other"]), "no trial list 'other', only mini"),
    ):
        with pytest.raises(SreError, match=reason):
            pack(project / "exp/mini", *arguments)
    backend = project / "exp/mini/xvector/backends/lda_plda.npz"
    whole = backend.read_bytes()
    backend.write_bytes(whole + b"x")
    with pytest.raises(SreError, match="changed since"):
        pack(project / "exp/mini", "xvector", "lda_plda+asnorm")
    backend.write_bytes(whole)
