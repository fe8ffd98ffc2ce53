"""Paths of users: whatever is in them is one word to a shell, or a sentence before any job; and times ahead of now."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import format as snakemake_format

from sre import SreError
from sre.config.schema import Place, Schema
from sre.workflow.paths import (
    absent_folders,
    check_inputs,
    check_logs,
    check_paths,
    check_root,
    check_submitted,
    check_times,
    quoted,
)

NASTY = [
    "my root", "it's", 'a"b', "$(touch made)", "`touch made`", "a;touch made", "a&b", "a*b?[c]", "$HOME", "a>made",
    "größe 中文", "a\\b", "~", "#a", "a|b", "!x", "a=b", "a:b", "a  b", "%s", "x -rf y",
]  # fmt: skip


SCHEMA_FILE = Path(__file__).resolve().parents[2] / "recipes/config.schema.yaml"
SCHEMA = Schema(SCHEMA_FILE)


def places(config: dict) -> list[Place]:
    return list(SCHEMA.paths(config))


def words(line: str, **values: object) -> list[str]:
    """What a command gets of a shell line that Snakemake fills in."""
    shell = snakemake_format("printf '%s\\0' " + quoted(line), **values)
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


@pytest.mark.parametrize("name", NASTY)
def test_a_value_is_one_word_to_the_shell(name: str) -> None:
    assert words("{a}/{b} {c} {d:u}", a=name, b="x", c=[name, name], d="--n 1") == [f"{name}/x", name, name, "--n", "1"]
    check_paths(places({"root": f"/r/{name}", "trials": {"main": f"/t/{name}"}}), Path("/project"))


def test_every_shell_line_of_a_rule_is_a_job() -> None:
    project = Path(__file__).resolve().parents[2]
    rules = [*project.glob("steps/*.smk"), *project.glob("recipes/*/*.smk")]
    shells = [found for path in rules for found in re.findall(r"^ +shell:\s+(\S+?)\(", path.read_text(), re.M)]
    assert len(shells) > 15 and set(shells) == {"job"}
    text = "".join(path.read_text() for path in rules)
    assert len(shells) == len(re.findall(r"^ +shell:", text, re.M))
    assert set(re.findall(r"\{([^{}\n]*):u\}", text)) == {"params.options", "params.parts", "params.cut"}


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8))
def test_a_path_is_one_word_or_a_sentence(name: str) -> None:
    try:
        check_paths(places({"root": name}), Path("/project"))
    except SreError as error:
        assert str(error).startswith("root: ")
    else:
        assert shlex.split(snakemake_format(quoted("{a}"), a=name)) == [name]


@pytest.mark.parametrize(
    ("path", "word"),
    [("a{b}", "wildcard"), ("a\nb", "line break"), ("a\tb", "control"), ("-r", "minus"), (" a", "blank"),
     ("a ", "blank"), ("", "empty"), ("~/a", "shells"), ("a\udcff", "UTF-8")],
)  # fmt: skip
@pytest.mark.parametrize("key", ["root", "train_data"])
def test_a_path_that_cannot_be_used_is_named(key: str, path: str, word: str) -> None:
    with pytest.raises(SreError, match=f"^{key}: .*{word}.*(rename|give|whole path)"):
        check_paths(places({key: path}), Path("/project"))


def test_paths_in_maps_bundles_and_embeddings_are_checked_too() -> None:
    config = {"trials": {"one": "{"}, "bundles": {"b": {"path": "{"}}, "embeddings": {"e": {"train": "{", "eval": "x"}}}
    with pytest.raises(SreError) as caught:
        check_paths(places(config), Path("/a:b"))
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "trials.one", "bundles.b.path", "embeddings.e.train", "/a"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["file", "file/x", "a" * 300, "loop"])
def test_a_root_that_cannot_be_a_folder_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    check_root([tmp_path, tmp_path / "not/yet"])
    with pytest.raises(SreError, match=f"{name}: .*; (give|move).* another root"):
        check_root([tmp_path, tmp_path / name])


def test_inputs_of_the_future_are_named_and_touch_mends_them(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("wav scp", "utt2spk", "gone")]
    for name in names[:2]:
        Path(name).touch()
    check_times(names)
    os.utime(names[0], (time.time() + 10800,) * 2)
    with pytest.raises(SreError, match=r"1 input has .* by (3:00:00|2:59:59)") as caught:
        check_times(names)
    subprocess.run(["bash", "-c", str(caught.value).rpartition(": ")[2]], check=True)
    check_times(names)


def test_a_link_of_the_future_and_many_files_can_be_touched_too(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"f{number}").touch()
        os.utime(tmp_path / f"f{number}", (time.time() + 999,) * 2)
    (tmp_path / "link").symlink_to("f0")
    os.utime(tmp_path / "link", (time.time() + 999,) * 2, follow_symlinks=False)
    for names in (["link"], sorted(os.listdir(tmp_path))):
        paths = [str(tmp_path / name) for name in names]
        with pytest.raises(SreError) as caught:
            check_times(paths)
        subprocess.run(["bash", "-c", str(caught.value).rpartition(": ")[2]], check=True)
        check_times(paths)


def test_a_quote_in_a_folder_of_submitted_jobs_is_refused() -> None:
    """Snakemake 9.27 gave the rest of such a name to the cluster's shell as a command."""
    check_submitted([Path("/data/a b $(touch X)"), Path("/project")])
    with pytest.raises(SreError, match="it's .*: a cluster's jobs"):
        check_submitted([Path("/project"), Path("/data/it's $(touch X)")])


@pytest.mark.parametrize(
    "config, sentence",
    [
        ({"trials": "none"}, "^trials: none: no such file; mend the path$"),
        ({"trials": {"a": "list", "b": "none"}}, "^trials.b: none: "),
        ({"train_data": "."}, "^train_data: utt2spk: no such file"),
        ({"enroll": "."}, "^enroll: .: no such file"),
        ({"bundles": {"x": {"path": "x.pt", "features": "f"}}}, "^bundles.x.path: x.pt: no such file"),
        ({"embeddings": {"x": {"train": "list", "eval": "none"}}}, "^embeddings.x.eval: none: "),
    ],
)
def test_an_input_that_is_missing_is_named_also_where_all_is_made(
    config: dict, sentence: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list").touch()
    check_inputs(places({"trials": "list", "corpus": "none"}))
    with pytest.raises(SreError, match=sentence):
        check_inputs(places(config))


def test_a_corpus_that_is_away_is_a_warning(tmp_path: Path) -> None:
    config = {"corpus": str(tmp_path), "voxceleb1": "none", "voxceleb2": None, "root": "none"}
    assert [said.partition(";")[0] for said in absent_folders(places(config))] == ["voxceleb1: none: no such folder"]


def test_a_job_without_a_log_is_named() -> None:
    rules = [SimpleNamespace(name="a", shellcmd=None, log=[]), SimpleNamespace(name="b", shellcmd="echo", log=[])]
    check_logs(rules)
    with pytest.raises(SreError, match="^rule c has no log; add log: and a path such as '{data}/log/c.log'$"):
        check_logs([*rules, SimpleNamespace(name="c", shellcmd="python -m steps.record_job  --inputs", log=[])])


def test_a_blank_in_the_root_parts_no_word_of_a_job(tmp_path: Path) -> None:
    """Every job of mini, as a dry run prints its shell line."""
    command = [str(Path(sys.executable).parent / "snakemake"), "-n", "-p", "--config", f"root={tmp_path}/a b"]
    done = subprocess.run(command, cwd=SCHEMA_FILE.parents[1], capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    lines = [line.partition(": ")[2] for line in output.splitlines() if line.startswith("Shell command: ")]
    lines = [line for line in lines if line != "None"]  # of a stage, which only waits for others
    assert len(lines) > 15
    for line in lines:
        named = [word for word in shlex.split(line) if str(tmp_path) in word]
        assert named and all(word.startswith(f"{tmp_path}/a b/") for word in named), line
