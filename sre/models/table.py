"""The table of all models in docs/models.md: sizes and costs beside the published numbers."""

from collections.abc import Iterator
from pathlib import Path

from sre import SreError
from sre.config.schema import Schema
from sre.io.atomic import atomic_output
from sre.io.text import read_text
from sre.io.yaml_text import read_yaml
from sre.machine.environment import environment
from sre.machine.log import say
from sre.models import cost

WHOLE = "whole utterance"  # what a network without a receptive field sees
BEGIN, END = "<!-- begin models -->\n", "<!-- end models -->"
HEAD = """\
| model | config | after | bins | parameters, M | MACs of 2 s, G | D | frames seen | utt/s | remark |
| --- | --- | --- | --: | --: | --: | --: | --: | --: | --- |"""
HEADINGS = HEAD.splitlines()[0].strip("| ").split(" | ")


def rows(page: Path) -> list[dict]:
    """Read what stands beside the page, in <page>.yaml: a row a model, with the published numbers."""
    beside = page.with_suffix(".yaml")
    models = read_yaml(beside).get("models")
    needed = {"name", "architecture", "after"}
    if not isinstance(models, list) or not all(isinstance(row, dict) and needed <= row.keys() for row in models):
        raise SreError(
            f"{beside}: needs a list `models` of rows with {', '.join(sorted(needed))}; see docs/models.yaml"
        )
    return models


def spec_of(row: dict, schema: Schema) -> cost.Spec:
    """Return a row's network, with the schema's defaults for the options that it does not name."""
    architecture, options = row["architecture"], row.get("options", {})
    options = schema.check(options, f"options of {row['name']}", "$defs", "architectures", architecture)
    return cost.Spec(architecture, row.get("features", 80), options, row.get("frame_shift", 10.0))


def cells(row: dict, schema: Schema, with_speed: bool) -> list[str]:
    """Return a row of the table; published numbers are in parentheses."""
    spec = spec_of(row, schema)
    published = {key: f" ({row[key]})" if key in row else "" for key in ("parameters", "macs")}
    if "seconds" in row:
        published["macs"] = f" ({row['macs']} at {row['seconds']} s)"
    speed = f"{cost.speed(spec):.3g}" if with_speed else ""
    options = ", ".join(f"{key}: {value}" for key, value in row.get("options", {}).items())
    return [
        row["name"],
        f"`{row['architecture']}`" + (f" `{options}`" if options else ""),
        row["after"],
        str(spec.num_features),
        f"{cost.parameters(spec) / 1e6:.3f}{published['parameters']}",
        f"{cost.macs(spec, 2) / 1e9:.3f}{published['macs']}",
        str(cost.network_of(spec).embedding_dim),
        str(cost.receptive_field(spec) or WHOLE),
        speed,
        row.get("remark", ""),
    ]


def table(page: Path, schema: Schema, with_speed: bool) -> Iterator[str]:
    """Yield the lines between the page's marks."""
    if with_speed:
        yield f"Speed: {environment()['device']}.\n"
    yield HEAD
    for row in rows(page):
        say(f"{row['name']} …")
        yield "| " + " | ".join(cells(row, schema, with_speed)) + " |"


def write_table(page: Path, schema: Schema, with_speed: bool) -> None:
    """Write the table anew between the page's marks. Raises SreError where the page has none."""
    before, begin, rest = read_text(page).partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SreError(f"{page}: no lines '{BEGIN.strip()}' and '{END}'; write them where the table belongs")
    lines = "\n".join(table(page, schema, with_speed))
    with atomic_output(page) as file:
        file.write(f"{before}{begin}{lines}\n{end}{after}")
