"""`sre describe`: what a model costs, from its config alone.

sre describe recipes/voxceleb/models/resnet34.yaml
sre describe exp/mini/xvector/final.pt
sre describe ecapa --features 80 --no-speed
sre describe my/models/xvector.yaml --configfile my/experiment.yaml
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sre import SreError
from sre.cli.arguments import count, input_file
from sre.cli.configs import ConfigArgument, is_of_ours, model_config, read_config_argument, schema
from sre.config.phases import Models
from sre.config.resolve import read_merged, recipe_features, resolve_model
from sre.features.types import dimension_of, options_of

if TYPE_CHECKING:
    from sre.models.cost import Spec


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("describe", help=text, description=__doc__)
    parser.add_argument("config", metavar="CONFIG", help="a model's YAML or final.pt, or an architecture")
    bins = "bins, for an architecture's name (default: 80; of one on waveforms the samples of 10 ms at 16 kHz, 160)"
    parser.add_argument("--features", metavar="N", type=count, help=bins)
    text = "that has the features which a YAML names, where it is not in recipes/<recipe>/models"
    parser.add_argument("--configfile", type=input_file, nargs="+", default=[], metavar="FILE", help=text)
    parser.add_argument("--no-speed", action="store_false", dest="with_speed", help="do not measure the speed")
    parser.set_defaults(do=describe)


def describe(
    config: str, features: int | None = None, configfile: Sequence[Path] = (), with_speed: bool = True
) -> None:
    """Print one `name value` a line; raises SreError where the config is not one."""
    from sre.models import cost
    from sre.models.table import WHOLE

    spec = read_spec(config, features, configfile)
    for line in _origin(config):
        print(line)
    print(f"parameters {cost.parameters(spec)}")
    for seconds in (2, 10):
        print(f"macs_{seconds}s {cost.macs(spec, seconds)}")
    print(f"embedding_dim {cost.network_of(spec).embedding_dim}")
    print(f"receptive_field_frames {cost.receptive_field(spec) or WHOLE}")
    if with_speed:
        print(f"utterances_per_s_8s {cost.speed(spec):.2f}")


def _origin(config: str) -> Iterator[str]:
    """Yield lines on what the training of a final.pt started from, and how many speakers it has heard with that."""
    from sre.models.bundle import load_bundle

    if not config.endswith(".pt"):
        return
    bundle = load_bundle(config)
    for one in bundle.init:
        yield f"init {one['name']} {one['sha256']}"
    if bundle.heard is not None:
        yield f"speakers_heard {len(bundle.heard)}"


def read_spec(config: str, num_features: int | None = None, configfiles: Sequence[Path] = ()) -> Spec:
    """Return the network of a model's YAML, or of an architecture with its default options and num_features bins.

    Without num_features an architecture has as many as features of its own type have, else 80.

    The features that a YAML names are in config.yaml of its recipe, or in `configfiles`. If it is of a network on
    embeddings, the YAML of the other network stands beside it.
    """
    from sre.models import ARCHITECTURES, cost
    from sre.models.cost import Spec

    if config in ARCHITECTURES:
        types = schema().part("$defs", "architectures", config).get("x-types")
        usual = options_of({"type": types[0]}).dimension if types else 80
        return Spec(config, num_features or usual, schema().check({}, config, "$defs", "architectures", config))
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
    settings = read_merged(files)
    known, override = schema(), settings.get(path.stem)
    features = recipe_features(known, settings, str(files[-1]))
    override = override if isinstance(override, dict) else None
    beside = Models.beside(path, settings)
    model = resolve_model(known, path, features, seed=1, override=override, models=beside)
    if of := model.get("embeddings_of"):
        other = read_spec(str(path.with_name(f"{of}.yaml")), None, configfiles)
        model["feature_config"]["dimension"] = cost.network_of(other).embedding_dim
    return _spec_of(model)


def _trained(config: str) -> dict:
    """Return the resolved config of JSON text, a train_summary.json, a final.pt (also an imported one)."""
    where, content = read_config_argument(config)
    model = dict(content["config"] if isinstance(content.get("config"), dict) else content)
    model.pop("imported", None)
    if not isinstance(model.get("feature_config"), dict):
        raise SreError(f"{where}: no feature_config in it, so the number of bins is not known; give a model's YAML")
    return model_config(ConfigArgument(where, model), None, lambda name: {})


def _spec_of(model: dict) -> Spec:
    from sre.models.cost import Spec

    made = model["feature_config"]
    shift = made.get("frame_shift", 10.0)  # a feats.scp from elsewhere does not tell it
    return Spec(model["architecture"], dimension_of(made), model["options"], shift)
