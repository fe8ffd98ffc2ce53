"""Copies and distortions of a recipe: the settings of the documentation, which models have which copies, faults."""

import re
from pathlib import Path

import pytest

from sre import SreError
from sre.augment.options import CodecOptions, steps_of
from sre.cli.configs import schema
from sre.config.copies import add_copies, check_copies, check_files
from sre.config.distort import check_distort
from sre.io.yaml_text import parse_yaml

ROOT = Path(__file__).resolve().parents[2]
COPIES = {"noise": {"distort": [], "seed": 1}, "babble": {"distort": [], "seed": 2}}
BLOCKS = re.findall(r"^```\n(.*?)^```", (ROOT / "docs/augmentation.md").read_text(encoding="utf-8"), re.M | re.S)
SETTINGS = [block for block in BLOCKS if block.startswith(("augment:", "copies:"))]


def filled(distort: list) -> list:
    return schema().check({"distort": distort}, "x", "$defs", "model", "properties", "augment")["distort"]


@pytest.mark.parametrize("block", SETTINGS, ids=[str(n) for n in range(len(SETTINGS))])
def test_the_settings_of_the_page_are_read(block: str) -> None:
    assert len(SETTINGS) == 5
    content = parse_yaml(block, "docs/augmentation.md")
    given = {"augment": content["augment"]} if "augment" in content else content["copies"]
    for part in given.values():
        steps = filled(part["distort"])
        check_distort(schema(), steps, "the page")
        assert len(steps_of(steps)) == len(part["distort"])


def test_a_copy_without_distortions_is_none() -> None:
    with pytest.raises(SreError, match="copies.same: distort is empty"):
        check_copies(schema(), {"same": {"distort": [], "seed": 1}})


def test_what_is_left_out_has_its_default() -> None:
    (step,) = steps_of(filled([{"one_of": [{"kind": "codec", "names": ["gsm"]}]}]))
    assert step.one_of == (CodecOptions(names=("gsm",)),) and step.probability == 1


def test_a_model_is_trained_on_all_copies_unless_it_names_some() -> None:
    assert add_copies({"lr": 1}, COPIES, "m")["copies"] == COPIES
    assert add_copies({"copies": ["babble"]}, COPIES, "m") == {"copies": {"babble": COPIES["babble"]}}
    assert add_copies({"copies": []}, COPIES, "m") == add_copies({}, {}, "m") == {}
    with pytest.raises(SreError, match="m: copies: 'nois' is none of the recipe's copies; the nearest is 'noise'"):
        add_copies({"copies": ["nois"]}, COPIES, "m")


@pytest.mark.parametrize("kind, told", [
    ({"kind": "room", "snr": [0, 5]}, "snr is of noise, not of room; take it out"),
    ({"kind": "noise"}, "noise has no snr; write it"),
    ({"kind": "noise", "snr": [5, 0]}, r"snr of noise is \[5, 0\]; write the least first"),
    ({"kind": "pitch"}, "pitch has no semitones"),
])  # fmt: skip
def test_keys_that_do_not_go_together(kind: dict, told: str) -> None:
    with pytest.raises(SreError, match=f"copies.c: distort: {told}"):
        check_copies(schema(), {"c": {"distort": filled([{"one_of": [kind]}])}})


@pytest.mark.parametrize("there, told", [
    ({"noise": None, "room": []}, "has the kind noise, and musan is null; set musan=FOLDER"),
    ({"noise": ["noise", "speech"], "room": []}, "musan has no category 'musik'; the nearest is 'noise', there"),
])  # fmt: skip
def test_files_that_are_not_there(there: dict, told: str) -> None:
    steps = filled([{"one_of": [{"kind": "noise", "categories": ["musik"], "snr": [0, 5]}]}])
    with pytest.raises(SreError, match=f"^x:? ?{told}"):
        check_files(steps, there, "x")
    check_files(steps, {"noise": [], "room": None}, "x")  # a rule will make them
