"""Recipe voxceleb with and without noises: what its jobs read, and what is refused."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAIR = "models=[resnet34,resnet34_lm]"


@pytest.fixture
def recipe(shared: Path, tmp_path: Path) -> list[str]:
    return [f"root={tmp_path}", "recipe=voxceleb", f"voxceleb1={shared.resolve()}/corpora/voxceleb1-layout", PAIR]


def dry_run(*config: str) -> tuple[int, str]:
    command = [Path(sys.executable).parent / "snakemake", "-s", ROOT / "Snakefile", "-n", "-p", "--config", *config]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_without_noises_features_are_made_and_the_fine_tune_starts_from_its_base(
    recipe: list[str], tmp_path: Path
) -> None:
    code, output = dry_run(*recipe)
    assert code == 0, output[-3000:]
    trainings = re.findall(r"-- (steps.train_embedding .*)", output)
    assert len(trainings) == 2 and "steps.make_features" in output and "local.prepare_musan" not in output
    (tuned,) = [line for line in trainings if line.endswith("/resnet34_lm/final.pt")]
    assert f"{tmp_path}/exp/voxceleb/resnet34/final.pt" in tuned
    noted = "--note 'Model resnet34_lm is trained without noise and rooms: musan and rirs are not given.'"
    assert noted in output


def test_noises_that_lack_what_a_model_needs_are_refused(recipe: list[str], shared: Path) -> None:
    """These have no music: what is given is not left out."""
    code, output = dry_run(*recipe, f"musan={shared.resolve()}/corpora/musan-layout")
    assert code != 0 and "model resnet34: augment.distort: musan has no category 'music'; the nearest is " in output
