"""The house: which room may know which, where torch, argparse and print may be, and what no file may name."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from sre.experiments.records import Record
from sre.models.bundle import Bundle
from sre.scoring.result import Draws, FittedCalibration, ListResult, SystemResult
from sre.training.gate_files import FeatureCounts, Gates, ListCounts, SplitCounts
from sre.training.summary import TrainingPlan, TrainSummary

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    {"machine"},
    {"io"},
    {"config", "datadir", "metrics"},
    {"features", "models", "losses", "backends"},
    {"augment"},
    {"training", "extraction", "scoring"},
    {"experiments"},
    {"report", "doctor", "voices"},
    {"workflow", "cli"},
)
SIBLINGS: set[tuple[str, str]] = set()  # (room, room of its own layer that it may import)
TORCH = {
    "features",
    "models",
    "losses",
    "augment",
    "training",
    "extraction",
    "voices",
}  # rooms; and sre/machine/device.py
TALKING = {"cli", "workflow"}  # rooms that parse arguments and print; and sre/machine/log.py
OPTIONAL = {
    "onnx",
    "onnxruntime",
    "snakemake",
    "espeakng_loader",
    "pynvml",
    "imageio_ffmpeg",
    "tensorboard",
    "torchaudio",  # half a second, which only recordings of another rate need
    "huggingface_hub",
}  # packages that may be imported in a function
NAMED_BELOW = ('"steps.', "command[", "recipes/")  # what no room but cli/ may name
NAMING = {"sre/config/stages.py", "sre/machine/environment.py"}  # the stages; the code of which git tells the version
LONGEST_FUNCTION = 60
OBSCURE = {"Of", "Those", "As", "Where", "By", "So"}


@cache
def trees() -> dict[str, ast.Module]:
    """Module -> its syntax, of all of sre, steps and local."""
    paths = [path for folder in ("sre", "steps", "local") for path in sorted((ROOT / folder).rglob("*.py"))]
    return {_module(path): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """sre.io.ark -> io; the root of the package is no room."""
    return module.split(".")[1] if module.count(".") else ""


def imported(module: str) -> set[str]:
    """Modules of ours that a module imports, wherever in it."""
    return {target for target, _ in _imports(module) if target != module}


def _imports(module: str) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in trees() else node.module), node


def test_every_file_is_in_a_room() -> None:
    assert [path.name for path in (ROOT / "sre").glob("*.py")] == ["__init__.py"]
    assert {room_of(module) for module in trees() if module.startswith("sre.")} == set().union(*LAYERS)


def test_imports_point_downward() -> None:
    floor = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
    wrong = []
    for module in trees():
        for other in imported(module):
            if not (module.startswith("sre.") and other.startswith("sre.")):
                continue
            here, there = room_of(module), room_of(other)
            if here != there and (here, there) not in SIBLINGS and floor[there] >= floor[here]:
                wrong.append(f"{module} imports {other}")
    assert wrong == []


def test_no_circle_of_files_or_rooms() -> None:
    files = {module: {other for other in imported(module) if other in trees()} for module in trees()}
    rooms: dict[str, set[str]] = {}
    for module, others in files.items():
        if module.startswith("sre."):
            named = {room_of(other) for other in others if other.startswith("sre.")}
            rooms.setdefault(room_of(module), set()).update(named - {room_of(module)})
    assert circle(files) == []
    assert circle(rooms) == []


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Names on some circle of arrows; none where there is none."""
    left = {name: set(others) for name, others in arrows.items()}
    while ends := [name for name, others in left.items() if not others & left.keys()]:
        for name in ends:
            del left[name]
    return sorted(left)


@pytest.mark.parametrize("names, rooms, files", [
    ({"torch", "torchaudio"}, TORCH, {"sre.machine.device"}),
    ({"argparse"}, TALKING, set()),
])  # fmt: skip
def test_packages_stay_in_their_rooms(names: set[str], rooms: set[str], files: set[str]) -> None:
    found = {
        module
        for module in trees()
        if module.startswith("sre") and room_of(module) not in rooms
        for target, _ in _imports(module)
        if target.partition(".")[0] in names
    }
    assert found <= files


def test_only_the_console_prints() -> None:
    found = {
        module
        for module, tree in trees().items()
        if module.startswith("sre") and room_of(module) not in TALKING and module != "sre.machine.log"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert found == set()


def test_no_file_knows_what_stands_above_it() -> None:
    found = []
    for path in sorted((ROOT / "sre").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name not in NAMING and not name.startswith("sre/cli/"):
            code = _without_docstrings(path)
            found += [f"{name}: {text}" for text in NAMED_BELOW if text in code]
    assert found == []


def _without_docstrings(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree).replace("'", '"')


def test_no_import_in_a_function() -> None:
    """Loading late is for optional packages, for the verbs of `sre` and for `import sre` itself."""
    late = []
    for module, tree in trees().items():
        if module == "sre" or room_of(module) == "cli" or not module.startswith("sre."):
            continue
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        inside = {id(node) for function in functions for node in ast.walk(function)}
        for target, node in _imports(module):
            if id(node) in inside and target.partition(".")[0] not in OPTIONAL:
                late.append(f"{module}: {target}")
    assert late == []


def test_functions_are_short() -> None:
    long = [
        f"{module}.{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


def test_docstrings_begin_with_a_verb_or_their_subject() -> None:
    obscure = []
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                first = re.match(r"\w+", ast.get_docstring(node) or "")
                if first and first[0] in OBSCURE:
                    obscure.append(f"{module}: {ast.get_docstring(node).splitlines()[0]}")
    assert obscure == []


# Files between stages: their owner, and the types whose fields are the names in them.
OWNERS: dict[str, tuple[type, ...]] = {
    "scoring": (ListResult, SystemResult, Draws, FittedCalibration),
    "training": (TrainSummary, TrainingPlan, Gates, SplitCounts, FeatureCounts, ListCounts),
    "experiments": (Record,),
    "models": (Bundle,),
}
# Words that name arguments, keys of configs and columns of tables too, so that a literal tells nothing.
COMMON_WORDS = set(
    """backend code command condition config copies data device embeddings enroll_map epochs feature_config features
    head init models network packages parameters path precision python reason replicates role run model seed seconds
    speakers status step steps systems targets nontargets trials inputs utterances weights offset facts""".split()  # noqa: SIM905
)
# the owners of recipes/*/results/*.json, which has some of the same names
PUBLISHED = ("sre.report.published", "sre.report.summaries")


def test_files_between_stages_are_read_through_their_types() -> None:
    owner = {field.name: room for room, kinds in OWNERS.items() for kind in kinds for field in fields(kind)}
    found = [
        f"{module}:{node.lineno}: {key}"
        for module, tree in trees().items()
        if module not in PUBLISHED
        for node in ast.walk(tree)
        if (key := _key_read(node)) in owner.keys() - COMMON_WORDS and room_of(module) != owner[key]
    ]
    assert found == []


def _key_read(node: ast.AST) -> object:
    """Return the literal in x["key"], x.get("key"), x.pop("key"); None of other syntax."""
    if isinstance(node, ast.Subscript):
        return node.slice.value if isinstance(node.slice, ast.Constant) else None
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
    if is_call and node.func.attr in ("get", "pop", "setdefault") and isinstance(node.args[0], ast.Constant):
        return node.args[0].value
    return None


def test_no_signature_is_squeezed() -> None:
    """A signature that does not fit has too many parameters, or becomes a type."""
    squeezed = [
        f"{module}.{node.name}"
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and "fmt: skip" in _lines(module)[node.body[0].lineno - 2]
    ]
    assert squeezed == []


def _lines(module: str) -> list[str]:
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.read_text(encoding="utf-8").splitlines()
