"""Forms of JSON: what is of them passes, what is not is named by its place."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sre import SreError
from sre.io.forms import NONE, NUMBER, built, form_of, wrong_part
from sre.io.text import read_object

FORM = {
    "name": str,
    "rate?": (NONE, NUMBER),
    "ends": [NUMBER, NUMBER],
    "of": {"*": {"n": int}},
    "state": ("ok", "failed"),
}
GOOD = {"name": "a", "ends": [1, 2.5], "of": {"x": {"n": 1, "more": "anything"}}, "state": "ok", "other": []}


@pytest.mark.parametrize(
    "change, wrong",
    [
        ({}, None),
        ({"rate": None}, None),
        ({"rate": 0.5}, None),
        ({"rate": "0.5"}, "rate is '0.5', which is of another kind"),
        ({"name": 3}, "name is '3', which is of another kind"),
        ({"ends": [1]}, "ends has 1 values, not 2"),
        ({"ends": [1, "2"]}, "ends[1] is '2', which is of another kind"),
        ({"ends": {}}, "ends is '{}', which is of another kind"),
        ({"of": {"x": {}}}, "of.x.n is missing"),
        ({"state": "fine"}, "state is 'fine', not 'failed'"),
    ],
)
def test_forms(tmp_path: Path, change: dict, wrong: str | None) -> None:
    assert wrong_part(GOOD | change, FORM) == wrong
    (tmp_path / "x.json").write_text(json.dumps(GOOD | change))
    if wrong is None:
        assert read_object(tmp_path / "x.json", FORM) == GOOD | change
        return
    with pytest.raises(SreError) as error:
        read_object(tmp_path / "x.json", FORM, "delete it")
    assert str(error.value) == f"{tmp_path}/x.json: {wrong}; delete it"


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3", "null", '{"name": "a"', "[" * 100_000])
def test_no_object(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SreError, match="x.json: .*(not JSON|another kind).*; make it again"):
        read_object(tmp_path / "x.json", FORM)


@dataclass(frozen=True)
class Part:
    n: int
    rate: float | None = None


@dataclass(frozen=True)
class Whole:
    name: str
    parts: list[Part]
    of: dict[str, Part | None]
    last: Part | None = None
    more: dict[str, Any] = field(default_factory=dict)


def test_form_and_value_of_a_dataclass() -> None:
    part = {"n": int, "rate?": (NONE, (NONE, NUMBER))}
    assert form_of(Whole) == {
        "name": str, "parts": [part], "of": {"*": (NONE, part)},
        "last?": (NONE, (NONE, part)), "more?": (NONE, {"*": object}),
    }  # fmt: skip
    content = {"name": "a", "parts": [{"n": 1, "rate": None}], "of": {"x": None, "y": {"n": 2}}, "more": None, "no": 3}
    assert wrong_part(content, form_of(Whole)) is None
    assert built(Whole, content) == Whole("a", [Part(1)], {"x": None, "y": Part(2)})
    assert wrong_part(content | {"last": {"n": "1"}}, form_of(Whole)) == "last.n is '1', which is of another kind"
