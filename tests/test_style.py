"""The tree's own rules: formatting, one direction of dependencies, sizes."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for folder in ("sre", "steps", "local", "recipes") for path in sorted((ROOT / folder).rglob("*.py"))]
RULES = [ROOT / "Snakefile", *sorted(ROOT.glob("recipes/*/*.smk")), *sorted(ROOT.glob("steps/*.smk"))]
FORBIDDEN = {
    **{f"sre/{room}": {"torch", "steps", "local", "recipes"} for room in ("backends", "metrics", "report", "scoring")},
    "sre": {"steps", "local", "recipes"},
    "steps": {"local", "recipes"},
    "local": {"steps", "recipes"},
}


def passes(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff() -> None:
    folders = ["sre", "steps", "local", "tests", "benchmarks"]
    passes("ruff", "check", *folders)
    passes("ruff", "format", "--check", *folders)


def test_snakefmt() -> None:
    passes("snakefmt", "--check", *map(str, RULES))


def imports(path: Path) -> Iterator[str]:
    """Top-level names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("part", FORBIDDEN)
def test_dependencies_point_one_way(part: str) -> None:
    files = [path for path in SOURCES if path.relative_to(ROOT).as_posix().startswith(part)]
    assert files
    found = {str(path.relative_to(ROOT)): FORBIDDEN[part] & set(imports(path)) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def test_scoring_does_not_load_torch() -> None:
    """It takes seconds and hundreds of megabytes, in each of hundreds of score jobs."""
    steps = (
        "steps.score_trials, steps.normalize_scores, steps.train_backend, steps.compute_metrics, steps.score_systems,"
        " steps.compute_identification, steps.make_report, steps.analyse_errors, steps.fuse_systems, steps.calibrate,"
        " steps.fuse, steps.apply_calibration, sre.scoring.fusion, sre.scoring.stored_calibration"
    )
    code = f"import sys, {steps}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_no_python_in_recipes() -> None:
    assert not list((ROOT / "recipes").rglob("*.py"))


def test_modules_of_tests_have_names_of_their_own() -> None:
    """pytest imports them by their file name alone, and collects only the first of two."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_sizes() -> None:
    limits = [(path, 80 if path.parent.name == "steps" and path.name != "arguments.py" else 300) for path in SOURCES]
    limits += [(path, 150) for path in RULES]
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path, _ in limits}
    too_long = {name: count for (_, limit), (name, count) in zip(limits, lines.items(), strict=True) if count > limit}
    assert too_long == {}
