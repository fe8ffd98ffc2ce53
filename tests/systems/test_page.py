"""docs/systems.md: each step of the originals has a command of ours, and each trap an answer whose test exists."""

import ast
import re
from pathlib import Path

import pytest
from system_tables import NOT_RUN, ROOT, STEPS, SYSTEMS, TRAPS, commands, rows, section

TEST = re.compile(r"(tests/\S+?\.py)(?:::(\w+))?")


def names_in(path: Path) -> set[str]:
    """The names of the test functions of a file, those in classes too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_cell_is_empty(system: str) -> None:
    for columns in (STEPS, TRAPS):
        found = rows(SYSTEMS[system], columns)
        assert len(found) > 7
        assert [f"line {row.line}, {name}" for row in found for name, cell in row.cells.items() if not cell] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_step_has_a_command(system: str) -> None:
    """One that a test runs, or one that is shown only, with the reason."""
    found = rows(SYSTEMS[system], STEPS)
    shown = [row for row in found if NOT_RUN in row.here]
    assert [row.line for row in found if not commands(row.here)] == []
    assert [row.line for row in shown if not re.search(rf"{NOT_RUN}\w[^`]{{10,}}", row.here)] == []
    assert len(shown) < len(found) / 2


@pytest.mark.parametrize("system", SYSTEMS)
def test_traps_are_numbered_and_their_tests_exist(system: str) -> None:
    found = rows(SYSTEMS[system], TRAPS)
    assert [row.cells["there"].partition(".")[0] for row in found] == [str(n) for n in range(1, len(found) + 1)]
    for row in found:
        for span in row.spans():
            if test := TEST.fullmatch(span):
                path = ROOT / test[1]
                assert test[2] and path.is_file() and test[2] in names_in(path), (
                    f"line {row.line}: {span}: no such test"
                )


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_section_has_the_one_command_of_its_config(system: str) -> None:
    text = "\n".join(section(SYSTEMS[system])[1])
    fenced = "\n".join(re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert f"snakemake -j8 --configfile recipes/systems/{system}.yaml --config " in fenced
