"""Steps and rules: each file of steps/ is a command, and a rule has the name of the command that it runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_COMMANDS = {"__init__.py", "arguments.py"}
RULES = [*sorted(ROOT.glob("steps/*.smk")), *sorted(ROOT.glob("recipes/*/*.smk"))]
RULE = re.compile(
    r"^ *rule ?(?P<name>\w*):\n(?P<body>(?:(?! *rule\b).*\n)*?) *shell:\s+job\(\s*\"(?P<command>[a-z_.]+)", re.MULTILINE
)
NAMED = re.compile(r"name:\s+f\"(?P<name>\w+)_\{")  # of rules in a loop: a command, and of what


@pytest.mark.parametrize("path", sorted((ROOT / "steps").glob("*.py")), ids=lambda path: path.stem)
def test_a_file_of_steps_is_a_command(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name not in NO_COMMANDS:
        assert "\ndef main(argv: list[str] | None = None" in text
        assert f"python -m steps.{path.stem} " in text.split('"""')[1]
        assert len(text.splitlines()) <= 80


def test_a_rule_has_the_name_of_its_command() -> None:
    found = []
    for path in RULES:
        for rule in RULE.finditer(path.read_text(encoding="utf-8")):
            looped = NAMED.search(rule["body"])
            name = looped["name"] if looped else rule["name"]
            found.append((rule["command"].partition(".")[2], name))
    assert len(found) == sum(path.read_text(encoding="utf-8").count("shell:") for path in RULES) > 20
    assert [(command, name) for command, name in found if command != name] == []


def test_commands_that_no_rule_calls_say_so() -> None:
    called = {rule["command"] for path in RULES for rule in RULE.finditer(path.read_text(encoding="utf-8"))}
    commands = [path for path in sorted((ROOT / "steps").glob("*.py")) if path.name not in NO_COMMANDS]
    by_hand = [path.stem for path in commands if f"steps.{path.stem}" not in called and path.stem != "record_job"]
    said = [path.stem for path in commands if "For use by hand: no rule calls it." in path.read_text(encoding="utf-8")]
    named = (ROOT / "steps/__init__.py").read_text(encoding="utf-8").split("say so: ")[1].split(".\n")[0]
    assert by_hand == said == re.split(r",\s+", named)


def test_wildcards_of_folders_are_constrained_once() -> None:
    constrained = [path.name for path in RULES for _ in re.findall(r"re\.escape\(", path.read_text(encoding="utf-8"))]
    assert constrained == ["common.smk"] * 2
