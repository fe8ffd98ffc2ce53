"""Curves that a recipe should show: those of the READMEs are what their JSON says, and a JSON is what histories say."""

import json
import re
from pathlib import Path

import pytest

from sre import SreError
from sre.report.curves import Curves, curves, rendered
from sre.report.pages import PART
from steps import make_curves

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
FILES = sorted(RECIPES.glob("*/curves/*.json"))
LOSSES = {"net": [3, 2, 4, 5, 2.5, 1], "net_s2": [4, 2.5, 5, 7, 3, 1.5]}
MARGINS = [0, 0, 0.15, 0.1999, 0.2, 0.2]


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_readme_shows_what_its_json_says(file: Path) -> None:
    page = file.parents[1] / "README.md"
    text = page.read_text(encoding="utf-8")
    again = rendered(text, lambda name: Curves.read(page.parent / name))
    assert again == text, f"run: python -m steps.make_curves --update {page.relative_to(RECIPES.parent)}"
    assert f"curves curves/{file.name}" in [part[1] for part in PART.finditer(text)]


@pytest.fixture
def exp(tmp_path: Path) -> Path:
    for seed, (run, losses) in enumerate(LOSSES.items(), 1):
        (tmp_path / "exp" / run).mkdir(parents=True)
        rows = [
            {"epoch": n, "loss": loss, "lr": 0.1 / n, "margin": margin, "valid_eer": 12.3456 / n if n > 1 else None}
            for n, (loss, margin) in enumerate(zip(losses, MARGINS, strict=True), 1)
        ]
        rows += [{"epoch": 7, "loss": 1.0}] * (seed == 2)  # the other ended early
        (tmp_path / "exp" / run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        summary = {"seed": seed, "code": "1.0", "device": "a chip", "held_out_speakers": 4, "version": 1}
        (tmp_path / "exp" / run / "train_summary.json").write_text(json.dumps(summary))
    return tmp_path / "exp"


def test_the_json_has_the_histories_and_the_table_shows_them(exp: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "curves/x.json", tmp_path / "README.md"
    make_curves.main([str(exp), str(out), "--command", "snakemake -j8"])
    make_curves.main([str(exp), str(out)])  # it keeps its command
    told = json.loads(out.read_text())["models"]["net"]
    assert told["runs"] == ["net", "net_s2"] and told["epochs"] == [1, 2, 3, 4, 5, 6]
    assert told["columns"]["loss"] == [list(pair) for pair in zip(*LOSSES.values(), strict=True)]
    page.write_text("words\n<!-- begin curves curves/x.json -->\n<!-- end curves curves/x.json -->\nmore\n")
    make_curves.main(["--update", str(page)])
    text = page.read_text()
    assert (
        "```\nsnakemake -j8\n```" in text
        and "`net`, mean of 2 seeds (least to greatest), by sre 1.0 on a chip." in text
    )
    assert (
        "- In epochs 3 to 4 the margin grows.\n- The loss then rises from 2.25 to 6.00 (epoch 4), as it should." in text
    )
    assert "| epoch | learning rate | margin | loss | validation EER, % |" in text
    assert "| 1 | 0.1 | 0.000 | 3.50 (3.00 to 4.00) |  |" in text
    assert "| 6 | 0.017 | 0.200 | 1.25 (1.00 to 1.50) | 2.1 (2.1 to 2.1) |" in text


def test_one_seed_without_a_margin_has_no_ranges(exp: Path, tmp_path: Path) -> None:
    (exp / "net_s2/train_summary.json").unlink()  # not done
    history = exp / "net/history.jsonl"
    history.write_text(re.sub(r'"margin": [\d.]+', '"margin": 0', history.read_text()))
    make_curves.main([str(exp), str(tmp_path / "x.json"), "--command", "c"])
    text = curves(Curves.read(tmp_path / "x.json"))
    assert "`net`, one seed, by" in text and "the margin grows" not in text and "(3.00" not in text


def test_what_is_no_table_of_curves_is_named(tmp_path: Path) -> None:
    with pytest.raises(SreError, match=r"<!-- begin x.json -->: write <!-- begin curves FILE.json -->"):
        rendered("<!-- begin x.json -->\n<!-- end x.json -->\n", lambda name: {})
    with pytest.raises(SreError, match="no RUN/train_summary.json with a history.jsonl in it"):
        make_curves.main([str(tmp_path), str(tmp_path / "x.json"), "--command", "c"])
