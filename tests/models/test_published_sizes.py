"""docs/models.yaml has the published sizes and the code meets them; `sre describe`; docs/models.md is up to date."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sre import SreError
from sre.cli import command
from sre.cli.configs import schema
from sre.models import cost
from sre.models.cost import Spec, macs, parameters, receptive_field
from sre.models.table import BEGIN, END, HEADINGS, cells, rows, spec_of, write_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/models.md"
ROWS = {row["name"]: row for row in rows(PAGE)}
TOLERANCE = {"parameters": 0.01, "macs": 0.03}
UNITS = {"M": 10**6, "G": 10**9}


@pytest.mark.parametrize(
    "name, quantity", [(name, quantity) for name, row in ROWS.items() for quantity in TOLERANCE if quantity in row]
)
def test_published(name: str, quantity: str) -> None:
    row = ROWS[name]
    spec = spec_of(row, schema())
    here = parameters(spec) if quantity == "parameters" else macs(spec, row.get("seconds", 2))
    published = float(row[quantity][:-1]) * UNITS[row[quantity][-1]]
    holds = here + row.get(f"{quantity}_beside", 0) == pytest.approx(published, rel=TOLERANCE[quantity])
    if f"{quantity}_here" in row:
        assert here == row[f"{quantity}_here"] and not holds
        assert row["remark"]
    else:
        assert holds


def test_macs_of_convolutions_and_batch_norms() -> None:
    frames, widths = 200, [(3, 5 * 8, 196), (3, 3 * 3, 192), (3, 3 * 3, 186), (3, 3, 186), (7, 3, 186)]
    convolutions = sum(out * taps * length for out, taps, length in widths)
    norms = 4 * (sum(out * length for out, _, length in widths))
    spec = Spec("xvector", 8, {"embedding_dim": 5, "channels": 3, "pooled_channels": 7})
    assert macs(spec, frames / 100) == convolutions + norms + 14 * 5


def test_macs_of_recurrent_cells() -> None:
    """Each of 4 gates reads the input and the own past of P; the projection reads the H cells; a last linear layer."""
    cell = 4 * 768 * (40 + 256) + 2 * 4 * 768 * (256 + 256) + 3 * 768 * 256
    assert macs(Spec("ge2e_lstm", 40, {"hidden_dim": 768, "projection_dim": 256}), 2) == 200 * cell + 256 * 256
    assert macs(Spec("blstm", 40), 10) == 1000 * 2 * 4 * 64 * (40 + 64 + 2 * (128 + 64))


def test_macs_of_attention() -> None:
    frames, width, hidden = 200, 8, 16
    encoder = frames * (4 * width**2 + 2 * frames * width + 2 * width * hidden)
    itself = 4 * width**2 + 2 * width  # one query of itself
    memory = 2 * width**2 + 2 * frames * width**2 + 2 * frames * width  # query and out; keys and values; products
    total = frames * 12 * width + encoder + itself + memory + 2 * width * hidden
    options = {"embedding_dim": width, "heads": 2, "layers": 1, "feedforward_dim": hidden}
    assert macs(Spec("transformer", 12, options), 2) == total


def test_macs_of_another_frame_shift() -> None:
    options = {"channels": 8, "blocks": (1, 1)}
    assert macs(Spec("resnet34", 80, options, frame_shift=20.0), 4) == macs(Spec("resnet34", 80, options), 2)


@pytest.mark.parametrize(
    "architecture, frames",
    [
        ("xvector", 15),  # of the papers' tables, as the next two
        ("etdnn", 23),
        ("ftdnn", 33),
        ("resnet18", 1 + 2 + 4 * 2 + (2 + 3 * 4) + (4 + 3 * 8) + (8 + 3 * 16)),  # 3x3 convolutions at 1, 2, 4, 8 frames
        ("resnet34", 1 + 2 + 6 * 2 + (2 + 7 * 4) + (4 + 11 * 8) + (8 + 5 * 16)),
        ("dvector_resnet18", 1 + 6 + 4 * 2 + (2 + 3 * 4) + (4 + 3 * 8) + (8 + 3 * 16)),
        ("ecapa", None),  # squeeze and excitation
        ("redimnet2", None),  # attention
        ("resnetse34l", None),
        ("blstm", None),
    ],
)
def test_receptive_field(architecture: str, frames: int | None) -> None:
    assert receptive_field(spec_of({"name": "x", "architecture": architecture, "features": 72}, schema())) == frames


@pytest.fixture
def describe(capsys: pytest.CaptureFixture) -> Callable[..., list[str]]:
    def run(*arguments: str) -> list[str]:
        command(["describe", *arguments])
        return capsys.readouterr().out.splitlines()

    return run


def test_describe_a_config(describe: Callable[..., list[str]]) -> None:
    assert describe(str(ROOT / "recipes/voxceleb/models/resnet34.yaml"), "--no-speed") == [
        "parameters 6634336",
        "macs_2s 4559902720",
        "macs_10s 22794270720",
        "embedding_dim 256",
        "receptive_field_frames 225",
    ]


def test_describe_a_model_of_an_experiment(describe: Callable[..., list[str]], tmp_path: Path) -> None:
    model, mine = tmp_path / "m.yaml", tmp_path / "mine.yaml"
    model.write_text("features: mine\narchitecture: xvector\n")
    mine.write_text("name: mine\nfeatures: {mine: {num_mel_bins: 40}}\nm: {options: {embedding_dim: 99}}\n")
    printed = describe(str(model), "--no-speed", "--configfile", str(mine))
    plain = describe("xvector", "--no-speed", "--features", "40")
    assert printed[1:3] != plain[1:3] and printed[3] == "embedding_dim 99" and printed[4] == plain[4]


def test_describe_a_model_of_features_from_elsewhere(describe: Callable[..., list[str]]) -> None:
    given = {"type": "given", "dimension": 40, "cmn": "none"}
    model = {"architecture": "xvector", "features": "mine", "feature_config": given}
    assert describe(json.dumps(model), "--no-speed") == describe("xvector", "--no-speed", "--features", "40")


def test_describe_an_architecture(describe: Callable[..., list[str]]) -> None:
    printed = dict(line.split(" ", 1) for line in describe("blstm", "--features", "4"))
    assert printed["parameters"] == str(2 * 4 * 64 * (4 + 64 + 2 + 2 * (128 + 64 + 2)))
    assert printed["receptive_field_frames"] == "whole utterance"
    assert float(printed["utterances_per_s_8s"]) > 0


def test_describe_a_network_on_the_waveform(describe: Callable[..., list[str]]) -> None:
    printed = describe("rawnet3", "--no-speed")
    assert printed[:2] == ["parameters 16279298", f"macs_2s {macs(Spec('rawnet3', 160), 2)}"]


def test_describe_says_what_it_does_not_know(describe: Callable[..., list[str]], tmp_path: Path) -> None:
    with pytest.raises(SreError, match="reznet34: no such file and no architecture; the nearest .* 'resnet34'"):
        describe("reznet34")
    with pytest.raises(SreError, match="is a folder; give the config in it"):
        describe(str(tmp_path))
    (tmp_path / "m.yaml").write_text("{features: fbank80, architecture: xvector}")
    with pytest.raises(SreError, match=r"no .*/config.yaml with the features that it names"):
        describe(str(tmp_path / "m.yaml"))
    with pytest.raises(SreError, match="leave --features out"):
        describe(str(tmp_path / "m.yaml"), "--features", "80")


def page_rows(page: Path) -> list[list[str]]:
    """Cells of the table between the marks, below its headings."""
    lines = page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].splitlines()
    table = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if line.startswith("|")]
    assert table[0] == HEADINGS
    return table[2:]


def test_page_has_all_models() -> None:
    assert [row[0] for row in page_rows(PAGE)] == list(ROWS)


FIELDS: dict[str, int | None] = {}


def field_of(spec: Spec) -> int | None:
    """Once for each architecture: its rows differ in width, which is no matter here."""
    if spec.architecture not in FIELDS:
        FIELDS[spec.architecture] = receptive_field(spec)
    return FIELDS[spec.architecture]


@pytest.mark.parametrize("name", ROWS)
def test_page_has_the_numbers_of_the_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the speed. If not: python -m steps.make_model_table docs/models.md."""
    monkeypatch.setattr(cost, "receptive_field", field_of)
    on_page = {row[0]: row for row in page_rows(PAGE)}[name]
    on_page[HEADINGS.index("utt/s")] = ""
    assert on_page == cells(ROWS[name], schema(), with_speed=False)


def test_table_is_written_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.with_suffix(".yaml").write_text("models:\n- {name: small, architecture: blstm, features: 4, after: me}\n")
    page.write_text(f"before\n{BEGIN}old\n{END}\nafter\n")
    for with_speed in (False, True):
        write_table(page, schema(), with_speed)
        ((*_, speed, remark),) = page_rows(page)
        assert bool(speed) == with_speed and not remark
    assert page.read_text().startswith("before\n") and page.read_text().endswith("\nafter\n")
    assert "old" not in page.read_text()
    page.write_text("no marks")
    with pytest.raises(SreError, match="no lines '<!-- begin models -->'"):
        write_table(page, schema(), with_speed=False)
