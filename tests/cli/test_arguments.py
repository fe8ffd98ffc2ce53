"""Command lines: every argument has its help and its type, and what is wrong with one is a sentence that names it."""

import argparse
import math
from argparse import ArgumentTypeError
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.cli import arguments, build_parser
from sre.cli.arguments import Parser
from sre.machine.log import run
from steps import compute_thresholds, make_development_trials

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for folder in ("steps", "local", "benchmarks") for path in sorted((ROOT / folder).glob("*.py"))]
COMMANDS = [f"{path.parent.name}.{path.stem}" for path in FILES if "def main(" in path.read_text("utf-8")]


class Caught(Exception):
    """A parser on its way to parse."""


def parser_of(command: str, monkeypatch: pytest.MonkeyPatch) -> Parser:
    def caught(parser: Parser, *_: object) -> None:
        raise Caught(parser)

    monkeypatch.setattr(Parser, "parse_args", caught)
    main = import_module(command).main
    with pytest.raises(Caught) as found:
        main()
    return found.value.args[0]


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Of a parser and of its subcommands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from actions(below)
        else:
            yield action


def all_actions(command: str, monkeypatch: pytest.MonkeyPatch) -> list[argparse.Action]:
    return list(actions(build_parser() if command == "sre" else parser_of(command, monkeypatch)))


@pytest.mark.parametrize("command", ["sre", *COMMANDS])
def test_every_argument(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Has help; no number that is none passes; a folder is no file, and nothing is read below a file."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    for action in all_actions(command, monkeypatch):
        name = action.option_strings or action.dest
        assert action.help, name
        assert action.type not in (int, float), name
        for text in ("nan", "inf", "-inf", "1e999", "-1e3", "0x10", "", "1_0", "file/below", "{", "[" * 3000, "\0"):
            if action.type:
                try:
                    value = action.type(text)
                except (ArgumentTypeError, SreError) as error:
                    assert str(error) and "\n" not in str(error), name
                else:
                    assert not isinstance(value, int | float) or math.isfinite(value), name


def test_no_other_parser() -> None:
    texts = {path: path.read_text("utf-8") for path in [*FILES, *(ROOT / "sre").rglob("*.py")]}
    found = [path.relative_to(ROOT).as_posix() for path, text in texts.items() if "ArgumentParser(" in text]
    assert found == []


@pytest.mark.parametrize(
    ("convert", "good", "bad"),
    [
        (
            arguments.count,
            {"1": 1, "+7": 7, "2147483647": 2**31 - 1},
            ["0", "-3", "1.0", "2147483648", "٣", " 1", "9" * 5000],
        ),
        (arguments.whole(2, zero="all"), {"0": 0, "2": 2}, ["1", "-1", "-5", "1e3"]),
        (arguments.whole(2, 9), {"2": 2, "9": 9}, ["0", "10"]),
        (arguments.finite, {"-1.5": -1.5, "1e-3": 0.001}, ["nan", "-inf", "1,5", "1_0", "1e999"]),
        (arguments.number(0.1, 10), {"0.5": 0.5, "10": 10.0}, ["0", "-0.0", "10.1"]),
        (arguments.share, {"0": 0, "1": 1, "0.01": 0.01}, ["1.01", "-0.01", "1%"]),
        (arguments.shard, {"2/8": (2, 8)}, ["0/2", "3/2", "²/3", "1/2/3", "/"]),
        (arguments.json_object, {'{"a": 1}': {"a": 1}}, ["[]", "1", '{"a": NaN}', '{"a": 1, "a": 2}', "{", "{'a': 1}"]),
    ],
)
def test_types(convert, good: dict[str, object], bad: list[str]) -> None:
    assert {text: convert(text) for text in good} == good
    for text in bad:
        with pytest.raises(ArgumentTypeError) as error:
            convert(text)
        assert text[:9].replace("\0", "") in str(error.value) and len(str(error.value)) < 220


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    Path("dangling").symlink_to("nowhere")
    assert arguments.input_file("file") == arguments.output_file("file") == Path("file")
    assert arguments.input_folder("folder") == arguments.output_folder("folder") == Path("folder")
    assert arguments.output_file("new/a/b") == Path("new/a/b") and arguments.output_folder("new/a") == Path("new/a")
    faults = {
        arguments.input_file: {
            "folder": "is a folder",
            "nowhere": "no such file",
            "dangling": "no such file",
            "": "is empty",
        },
        arguments.input_folder: {"file": "is a file", "nowhere": "no such folder", "file/a": "no such folder"},
        arguments.output_file: {
            "folder": "is a folder",
            "new/": "is a folder",
            "file/a": "file is a file",
            "/dev/null": "ordinary",
        },
        arguments.output_folder: {"file": "is a file", "file/a/b": "file is a file", "x" * 300: "name too long"},
    }
    for convert, wrong in faults.items():
        for text, sentence in wrong.items():
            with pytest.raises(ArgumentTypeError, match=sentence.replace("name", "(?i)name")):
                convert(text)


def test_misspelt_options_are_named() -> None:
    parser = Parser()
    parser.add_argument("--num-workers", "--nj")
    parser.add_argument("--embeddings", required=True)
    parser.add_argument("out")
    with pytest.raises(SreError, match="unknown option --embedings; the nearest is --embeddings"):
        parser.parse_args(["--embedings", "a.scp", "out"])
    with pytest.raises(SreError, match="^unknown option --q; see --help$"):
        parser.parse_args(["--q", "a.scp", "out"])
    with pytest.raises(SreError, match="required: --embeddings"):
        parser.parse_args(["out"])
    assert parser.parse_args(["--embed", "a", "--nj=3", "--", "--out"]).out == "--out"


def test_no_input_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.scores", "trials"):
        (tmp_path / name).write_text("a b 1\n")
    with pytest.raises(SreError, match=r"^a.scores: would be written over what is given beside it"):
        compute_thresholds.main([str(tmp_path / "a.scores"), "trials", "./a.scores"])
    with pytest.raises(SreError, match=r"^new: would be written over what is given beside it"):
        make_development_trials.main(["trials", "new", "new", "--speakers", "2"])
    (tmp_path / "data").mkdir()
    (tmp_path / "data/utt2spk").write_text("a-1 a\n")
    with pytest.raises(SreError, match=r"^data/utt2spk: would be written over what is given beside it"):
        build_parser().parse_args(["data", "trials", "data", "data/utt2spk"])
    assert (tmp_path / "data/utt2spk").read_text() == "a-1 a\n"
    assert (tmp_path / "a.scores").read_text() == "a b 1\n"


@pytest.mark.parametrize(
    "arguments_",
    [
        "data subset --first 0 . out",
        "data subset --per-speaker -1 . out",
        "data split . 0 out",
        "describe ecapa --features 0",
    ],
)
def test_sre_names_the_argument(arguments_: str) -> None:
    with pytest.raises(SreError, match=r"argument \S+: (0|-1) was given, and a whole number of 1 or more is needed"):
        build_parser().parse_args(arguments_.split())


def test_a_name_that_no_table_can_hold(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(lambda: (tmp_path / "utt2spk").write_text("a exp/\udcff\n", encoding="utf-8"))
    assert capsys.readouterr().err == "error: 'exp/\\udcff': not UTF-8 text, which files of ours are; rename it\n"


def test_too_little_memory_is_a_sentence(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        run(lambda: np.zeros((10**12, 10**3)))
    assert capsys.readouterr().err.startswith("error: not enough memory (Unable to allocate")
