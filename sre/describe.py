"""`sre describe`: what a model costs, from its config alone; and the table of all models in docs/models.md.

sre describe recipes/voxceleb/models/resnet34.yaml
sre describe exp/mini/xvector/final.pt
sre describe ecapa --features 80 --no-speed
sre describe my/models/xvector.yaml --configfile my/experiment.yaml
python -m sre.describe --table docs/models.md --no-speed     # from docs/models.yaml beside it
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import sre
from sre import SreError, log
from sre.arguments import Parser, count, input_file
from sre.config import Schema, merged, read_yaml, recipe_features, resolve_model
from sre.given import is_of_ours, model_config, read_config_argument
from sre.io.atomic import atomic_output
from sre.io.text import read_text
from sre.log import say
from sre.provenance import environment

if TYPE_CHECKING:  # torch takes seconds to load, and `sre data` does without
    from sre.models.cost import Spec

SCHEMA = Path(sre.__file__).resolve().parents[1] / "recipes/config.schema.yaml"
BEGIN, END = "<!-- begin models -->\n", "<!-- end models -->"
WHOLE = "whole utterance"
HEADINGS = [
    "model",
    "config",
    "after",
    "bins",
    "parameters, M",
    "MACs of 2 s, G",
    "D",
    "frames seen",
    "utt/s",
    "remark",
]
SPEED = HEADINGS.index("utt/s")


def add_describe(commands) -> None:
    text = "what a model costs: parameters, operations, frames that it sees, speed on this machine"
    parser = commands.add_parser("describe", help=text, description=text)
    parser.add_argument("config", metavar="CONFIG", help="a model's YAML or final.pt, or an architecture")
    parser.add_argument("--features", metavar="N", type=count, help="bins, for an architecture's name (default: 80)")
    text = "that has the features which a YAML names, where it is not in recipes/<recipe>/models"
    parser.add_argument("--configfile", type=input_file, nargs="+", default=[], metavar="FILE", help=text)
    parser.add_argument("--no-speed", action="store_false", dest="with_speed", help="do not measure the speed")
    parser.set_defaults(do=describe)


def describe(
    config: str, features: int | None = None, configfile: Sequence[Path] = (), with_speed: bool = True
) -> None:
    """Print one `name value` a line; raises SreError where the config is not one."""
    from sre.models import cost

    spec = read_spec(config, features, configfile)
    print(f"parameters {cost.parameters(spec)}")
    for seconds in (2, 10):
        print(f"macs_{seconds}s {cost.macs(spec, seconds)}")
    print(f"embedding_dim {cost.network_of(spec).embedding_dim}")
    print(f"receptive_field_frames {cost.receptive_field(spec) or WHOLE}")
    if with_speed:
        print(f"utterances_per_s_8s {cost.speed(spec):.2f}")


def read_spec(config: str, num_features: int | None = None, configfiles: Sequence[Path] = ()) -> Spec:
    """Of a model's YAML, or of an architecture with its default options and num_features bins.

    The features that a YAML names are in config.yaml of its recipe, or in `configfiles`.
    """
    from sre.models import ARCHITECTURES
    from sre.models.cost import Spec

    if config in ARCHITECTURES:
        return Spec(config, num_features or 80)
    if is_of_ours(config):
        return _spec_of(_trained(config))
    path = Path(config)
    if path.is_dir():
        raise SreError(f"{path}: is a folder; give the config in it, or the name of an architecture")
    if not path.is_file():
        near = difflib.get_close_matches(config, ARCHITECTURES, 1, 0.0)[0]
        raise SreError(f"{config}: no such file and no architecture; the nearest architecture is '{near}'")
    if num_features is not None:
        raise SreError(f"{path}: its recipe says how many bins there are; leave --features out")
    recipe = path.parent.parent / "config.yaml"
    files = [*[recipe] * recipe.is_file(), *configfiles]
    if not files:
        raise SreError(
            f"{path}: no {recipe} with the features that it names; give it, or what has them: --configfile FILE"
        )
    settings: dict = {}
    for file in files:
        settings = merged(settings, read_yaml(file))
    schema, override = Schema(SCHEMA), settings.get(path.stem)
    features = recipe_features(schema, settings, str(files[-1]))
    override = override if isinstance(override, dict) else None
    return _spec_of(resolve_model(schema, path, features, seed=1, override=override))


def _trained(config: str) -> dict:
    """A resolved config: JSON text, a train_summary.json, a final.pt (also an imported one)."""
    where, given = read_config_argument(config)
    model = dict(given["config"] if isinstance(given.get("config"), dict) else given)
    model.pop("imported", None)
    if not isinstance(model.get("feature_config"), dict):
        raise SreError(f"{where}: no feature_config in it, so the number of bins is not known; give a model's YAML")
    return model_config((where, model), None, {}.__getitem__)


def _spec_of(model: dict) -> Spec:
    from sre.models.cost import Spec

    made = model["feature_config"]
    if made["type"] == "given":  # a feats.scp from elsewhere: what its frames are is not known
        return Spec(model["architecture"], made["dimension"], model["options"])
    bins = made["num_mel_bins"] if made["type"] == "fbank" else made["num_ceps"]
    return Spec(model["architecture"], bins, model["options"], made["frame_shift"])


def rows(page: Path) -> list[dict]:
    """What stands beside the page, in <page>.yaml: a row a model, with the published numbers."""
    beside = page.with_suffix(".yaml")
    models = read_yaml(beside).get("models")
    needed = {"name", "architecture", "after"}
    if not isinstance(models, list) or not all(isinstance(row, dict) and needed <= row.keys() for row in models):
        raise SreError(
            f"{beside}: needs a list `models` of rows with {', '.join(sorted(needed))}; see docs/models.yaml"
        )
    return models


def spec_of(row: dict) -> Spec:
    from sre.models.cost import Spec

    return Spec(row["architecture"], row.get("features", 80), row.get("options", {}), row.get("frame_shift", 10.0))


def cells(row: dict, with_speed: bool) -> list[str]:
    """A row of the table; published numbers are in parentheses."""
    from sre.models import cost

    spec = spec_of(row)
    published = {key: f" ({row[key]})" if key in row else "" for key in ("parameters", "macs")}
    if "seconds" in row:
        published["macs"] = f" ({row['macs']} at {row['seconds']} s)"
    speed = f"{cost.speed(spec):.3g}" if with_speed else ""
    options = ", ".join(f"{key}: {value}" for key, value in spec.options.items())
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


def table(page: Path, with_speed: bool) -> Iterator[str]:
    """The lines between the page's marks."""
    if with_speed:
        yield f"Speed: {environment()['device']}.\n"
    yield "| " + " | ".join(HEADINGS) + " |"
    yield "| --- | --- | --- | --: | --: | --: | --: | --: | --: | --- |"
    for row in rows(page):
        say(f"{row['name']} …")
        yield "| " + " | ".join(cells(row, with_speed)) + " |"


def write_table(page: Path, with_speed: bool) -> None:
    """Raises SreError where the page has no marks."""
    before, begin, rest = read_text(page).partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SreError(f"{page}: no lines '{BEGIN.strip()}' and '{END}'; write them where the table belongs")
    lines = "\n".join(table(page, with_speed))
    with atomic_output(page) as file:
        file.write(f"{before}{begin}{lines}\n{end}{after}")


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--table", type=input_file, metavar="PAGE", required=True, help=f"with the lines {BEGIN}and {END}"
    )
    parser.add_argument("--no-speed", action="store_false", dest="with_speed", help="leave the column of speeds empty")
    arguments = parser.parse_args(argv)
    write_table(arguments.table, arguments.with_speed)


if __name__ == "__main__":
    log.run(main)
