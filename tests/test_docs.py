"""What README and docs name exists: the files that they link to, headings, files in backticks, and commands."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
    *sorted(path for folder in ("docs", "recipes/*/**", "benchmarks") for path in ROOT.glob(f"{folder}/*.md")),
]
FOLDERS = "sre|steps|local|recipes|docs|tests|benchmarks|profiles"
# by the reader of docs/extending.md
TO_BE_MADE = {
    "sre/models/mean.py",
    "recipes/mini/models/meannet.yaml",
    "sre/report/sections/seeds.py",
    "steps/count_trials.py",
    "sre/cli/count.py",
}
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def named(pages: list[Path]) -> list:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


def links(page: Path) -> Iterator[str]:
    """The targets of Markdown links and of HTML images that are no addresses."""
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(([^)\s]+)[^)]*\)", prose) + re.findall(r"(?:src|href)=\"([^\"]+)\"", prose)
    yield from (target for target in found if not re.match(r"[a-z]+:", target))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def paths(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Each path in backticks that begins with one of FOLDERS, and the names behind it.

    They stand as in `sre/config.py: NAME`, or as in `tests/test_docs.py::test_name`.
    """
    for text in re.findall(r"`([^`\n]+)`", FENCED.sub("", page.read_text(encoding="utf-8"))):
        if found := re.fullmatch(rf"((?:{FOLDERS})/\S*?)(?::[: ](.+))?", text):
            yield found[1], re.findall(r"\w+", found[2] or "")


@pytest.mark.parametrize("page", named(PAGES))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(file), f"{target}: no such heading"


@pytest.mark.parametrize("page", named(PAGES))
def test_files_in_backticks_exist(page: Path) -> None:
    """With * or <name> in a path, at least one file fits; a name behind the path is in the file."""
    for path, names in paths(page):
        pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
        files = list(ROOT.glob(pattern))
        assert files or path in TO_BE_MADE, f"`{path}`: no such file"
        missing = [name for name in names if not re.search(rf"\b{name}\b", files[0].read_text(encoding="utf-8"))]
        assert not missing, f"`{path}` has no {', '.join(missing)}"


@pytest.mark.parametrize("page", named(PAGES))
def test_modules_that_are_called_exist(page: Path) -> None:
    modules = set(re.findall(rf"python -m ((?:{FOLDERS})\.[a-z]\w+)", page.read_text(encoding="utf-8")))
    missing = [module for module in modules if find_spec(module) is None]
    assert not [module for module in missing if f"{module.replace('.', '/')}.py" not in TO_BE_MADE]


def test_readme_leads_to_every_page_of_docs() -> None:
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= set(links(ROOT / "README.md"))


def test_every_step_is_in_a_page_or_in_a_rule() -> None:
    said = "\n".join(
        path.read_text(encoding="utf-8")
        for path in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/*.smk")]
    )
    steps = {path.stem for path in (ROOT / "steps").glob("*.py") if "\ndef main(" in path.read_text(encoding="utf-8")}
    assert steps and not {step for step in steps if f"steps.{step}" not in said}
