"""The programs and packages that the recipe needs: Python's, ffmpeg, voices of the synthetic corpus, a neural VAD."""

import configparser
import platform
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sre.config.recipe import Recipe
from sre.doctor.findings import NOTE, OK, STOP, Finding
from sre.io.commands import find_ffmpeg
from sre.io.text import lines_of, read_text
from sre.machine.environment import package_version

SECTION = "Packages and programs"
EXTRAS = {"silero": ("vad", "silero_vad", "the neural VAD"), "mini": ("demo", "espeakng_loader", "the voices")}


def looked_at(project: Path, recipe: Recipe, by_ffmpeg: Sequence[str]) -> Iterator[Finding]:
    """Yield the packages and programs.

    project : the checkout, with setup.cfg and constraints.txt
    by_ffmpeg : what of the recipe's data ffmpeg reads
    """
    yield Finding(SECTION, "Python", OK, platform.python_version())
    yield packages(project)
    yield from _extras(recipe)
    yield _ffmpeg(by_ffmpeg)


def packages(project: Path) -> Finding:
    """Compare the installed packages with the ranges of setup.cfg, and with the versions that the tests have passed."""
    if missing := [name for name in ("setup.cfg", "constraints.txt") if not (project / name).is_file()]:
        cure = "Run it in a whole checkout of the project."
        return Finding(SECTION, "packages", NOTE, f"not compared: there is no {' and no '.join(missing)}", cure)
    parser = configparser.ConfigParser()
    parser.read(project / "setup.cfg", encoding="utf-8")
    needed = [Requirement(line) for line in lines_of(parser["options"]["install_requires"]) if line.strip()]
    if wrong := [f"{one.name} {_has(one.name)} (needed: {one.specifier})" for one in needed if not _is_within(one)]:
        cure = "Make the environment anew: rm -r .venv, then make .venv."
        return Finding(SECTION, "packages", STOP, ", ".join(wrong), cure)
    tested = pins(project / "constraints.txt")
    names = [canonicalize_name(one.name) for one in needed]
    others = [
        f"{name} {found} (tested: {tested[name]})"
        for name in names
        if name in tested and (found := package_version(name)) and found.partition("+")[0] != tested[name]
    ]
    if others:
        cure = "For these versions: make .venv, in a fresh checkout."
        return Finding(SECTION, "packages", NOTE, f"in range, and not as tested: {', '.join(others)}", cure)
    return Finding(SECTION, "packages", OK, f"all {len(needed)} as tested (constraints.txt)")


def _has(name: str) -> str:
    return package_version(name) or "is missing"


def _is_within(one: Requirement) -> bool:
    found = package_version(one.name)
    return found is not None and one.specifier.contains(found, prereleases=True)


def pins(path: Path) -> dict[str, str]:
    """Read `name==version` lines; comments and other lines are left out."""
    rows = (line.partition("==") for line in lines_of(read_text(path)) if "==" in line and line[0] != "#")
    return {canonicalize_name(name): version.strip() for name, _, version in rows}


def _extras(recipe: Recipe) -> Iterator[Finding]:
    """Yield the packages that only some recipes need, where they are missing."""
    vads = {str(config["vad"]["type"]) for config in recipe.features.values() if config.get("vad")}
    for key in ({recipe.config["recipe"]} | vads) & EXTRAS.keys():
        extra, module, what = EXTRAS[key]
        if find_spec(module) is None:
            yield Finding(SECTION, module, STOP, f"missing: {what}", f"pip install -e '.[{extra}]'")


def _ffmpeg(uses: Sequence[str]) -> Finding:
    found = find_ffmpeg()
    if not uses:
        text = found or "none, and nothing that was looked at needs it"
        return Finding(SECTION, "ffmpeg", OK, text)
    if found:
        return Finding(SECTION, "ffmpeg", OK, f"{found}, for {', '.join(uses)}")
    cure = "apt-get install ffmpeg, pip install imageio-ffmpeg, or convert the recordings to FLAC or WAV."
    return Finding(SECTION, "ffmpeg", STOP, f"none, and it is needed for {', '.join(uses)}", cure)
