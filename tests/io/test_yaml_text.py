"""YAML as people write it: a value, or a sentence with the line; nothing is read in a way that surprises."""

import math
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sre import SreError
from sre.io.yaml_text import parse_yaml, read_yaml


@pytest.mark.parametrize(
    "word, value",
    [
        ("12", 12), ("-3", -3), ("0", 0), ("0.1", 0.1), (".1", 0.1), ("1.", 1.0), ("1e-3", 1e-3), ("1.5E+2", 150.0),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("-.inf", -math.inf),
        ("2024_11", "2024_11"), ("010", "010"), ("0x10", "0x10"), ("12:30", "12:30"), ("2024-11-05", "2024-11-05"),
        ("no", "no"), ("Yes", "Yes"), ("on", "on"), ("nullable", "nullable"), ("~a", "~a"), ("1.2.3", "1.2.3"),
        ("'12'", "12"), ('"null"', "null"), ("e5", "e5"), ("=", "="), ("+", "+"),
    ],
)  # fmt: skip
def test_words(word: str, value: object) -> None:
    found = parse_yaml(f"key: {word}\n", "here")["key"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("a: 1\nb: 2\na: 3\n", ":3: the key 'a' is in line 1 too; take one out"),
        ("m: {x: 1, x: 2}", ":1: the key 'x' is in line 1 too"),
        ("a:\n\tb: 1\n", ":2: not YAML (.*); indent with blanks, not with tabs"),
        ("a:1\n", ": expected `key: value` lines, found 'a:1'; a blank belongs behind the colon"),
        ("a: 1\nb:2\n", ":3: not YAML (.*could not find expected ':'); mend that line, or the one before"),
        ("", ": expected `key: value` lines, it is empty"),
        ("# only a comment\n", ": expected `key: value` lines, it is empty"),
        ("- a\n- b\n", ": expected `key: value` lines, it is a list; write a key before it"),
        ("a: [1, 2\n", ":2: not YAML"),
        ("a: 1\n---\nb: 2\n", ":2: not YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", ":1: not YAML (could not determine a constructor"),
        ("a: *b\n", ":1: not YAML (found undefined alias"),
        ("? [a, b]\n: 1\n", ":1: a key is no word; write key: value"),
        ("a: \x01\n", ": not YAML (unacceptable character"),
        ("a: &x [*x]\n", ": cannot be read (nested too deeply, or in itself); mend it"),
        ("a: " + "[" * 40 + "]" * 40, ": cannot be read (nested too deeply, or in itself); mend it"),
        ("a: " + "9" * 5000, ": cannot be read ("),
        (
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)),
            ": its anchors stand for more than 100000 values",
        ),
    ],
)
def test_sentences(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(SreError) as caught:
        read_yaml(path)
    before, _, after = sentence.partition(".*")
    assert str(caught.value).startswith(f"{path}{before}") and after in str(caught.value)


def test_files_of_other_systems(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes("\ufeffa: 1\r\nb: Größe\r\n".encode())
    assert read_yaml(path) == {"a": 1, "b": "Größe"}
    path.write_bytes("a: Größe\n".encode("latin-1"))
    with pytest.raises(SreError, match="c.yaml:1: not UTF-8 text"):
        read_yaml(path)
    path = tmp_path / "c.json"
    path.write_text('{\n\t"a": 1e-3\n}')
    assert read_yaml(path) == {"a": 1e-3}
    path.write_text("[" * 900 + "]" * 900)
    with pytest.raises(SreError, match="c.json: cannot be read .nested too deeply"):
        read_yaml(path)
    path.write_text("[1]")
    with pytest.raises(SreError, match="c.json: expected `key: value` lines, it is a list"):
        read_yaml(path)


def test_anchors_and_merges() -> None:
    text = "a: &a {one: 1, two: 2}\nb: &b {<<: *a, two: 3}\nc: {<<: *b, one: 5}\n"
    a, b, c = parse_yaml(text, "here").values()
    assert (a, b, c) == ({"one": 1, "two": 2}, {"one": 1, "two": 3}, {"one": 5, "two": 3})


def test_words_stay_text_for_the_schema() -> None:
    text = "{1e5: 1e5, b: [007, yes, null, 'x'], c: {d: 1.10}}"
    assert parse_yaml(text, "here", words=True) == {"1e5": "1e5", "b": ["007", "yes", None, "x"], "c": {"d": "1.10"}}


# what is a number by YAML 1.2 and text by 1.1, e.g. 0E0, PyYAML writes without quotes
texts = st.text().filter(lambda text: not re.fullmatch(r"[-+]?[0-9.]+[eE][-+]?[0-9]+", text))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), values, min_size=1, max_size=3))
def test_what_pyyaml_writes_is_read_back(value: dict) -> None:
    assert parse_yaml(yaml.safe_dump(value), "here") == value


@given(st.text())
def test_any_text_is_a_value_or_a_sentence(text: str) -> None:
    try:
        parse_yaml(text, "here")
    except SreError as error:
        assert str(error).startswith("here:")
