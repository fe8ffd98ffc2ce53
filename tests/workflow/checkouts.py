"""Checkouts of the project in which recipes are run, as a user runs them, and what they leave."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORPORA = ROOT / "../shared/corpora"
SNAKEMAKE = [str(Path(sys.executable).parent / "snakemake")]
needs_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="no ../shared/corpora here")
XVECTOR_OPTIONS = "{embedding_dim: 32, channels: 32, pooled_channels: 64}"
MODEL = f"""\
features: FEATURES
architecture: xvector
options: {XVECTOR_OPTIONS}
filter: {{min_frames: 50}}
training:
  {{epochs: 2, batch_size: 16, chunk_frames: [100, 100], optimizer: adam, lr: 1e-3, average_last: 2, precision: fp32}}
validation: {{speakers: 2, utterances: 1}}
"""


def checkout(folder):
    project = folder / "main"
    project.mkdir()
    for name in ("Snakefile", "setup.cfg", "constraints.txt", "recipes", "steps", "sre", "local", "profiles"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    (folder / "shared").symlink_to((ROOT / "../shared").resolve())  # ko-fbank40 names its archives from the root
    for recipe in ("mini", "librispeech", "voxceleb", "custom"):
        models = project / "recipes" / recipe / "models"
        text = MODEL.replace("FEATURES", "fbank40" if recipe == "mini" else "fbank80")
        (models / "fast.yaml").write_text(text)
        options = "{embedding_dim: 32, channels: 4, blocks: [1, 1, 1, 1]}"
        (models / "fast_resnet.yaml").write_text(text.replace("xvector", "resnet34").replace(XVECTOR_OPTIONS, options))
    return project


def snakemake(project, *arguments, check=True):
    done = subprocess.run([*SNAKEMAKE, *arguments], cwd=project, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    if check:
        assert done.returncode == 0, output[-6000:]
    return done.returncode, output


def sre_command(project, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "sre.cli", *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def jobs(output):
    """Rule names in the job table of a dry run."""
    _, _, table = output.partition("Job stats:\n")
    rows = (line.split() for line in table.partition("\n\n")[0].splitlines()[2:])
    return {row[0] for row in rows} - {"total", "all"}


def digest(folder):
    files = sorted(folder.rglob("*.scores"))
    assert files
    return [(str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


KO = CORPORA.resolve() / "ko-fbank40"
KO_CONFIG = [
    "recipe=custom", "name=ko", f"train_data={KO}/train", f"eval_data={KO}/eval", f"enroll={KO}/eval/enroll",
    f"trials={{main: {KO}/eval/trials, enroll5: {KO}/eval/trials_enroll5}}", "models=[fast]", "nj=2",
]  # fmt: skip
