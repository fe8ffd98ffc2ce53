"""`sre import`: a WeSpeaker checkpoint as a bundle of ours, which a recipe's `bundles:` takes.

sre import avg_model.pt exp/peers/resnet34/final.pt --as resnet34 --features voxceleb:fbank80
sre import avg_model.pt exp/peers/b2/final.pt --as redimnet --options '{"size": "b2"}' --features fbank72.yaml

WeSpeaker's features are 80 mel bins (72 for ReDimNet, 60 for its B0) with a Hamming window, no dither in the test, the
utterance's mean subtracted: recipe voxceleb's fbank80, or a file with `num_mel_bins: 72` and `window_type: hamming`.
"""

import argparse
from pathlib import Path

from sre import SreError
from sre.cli.arguments import input_file, json_object, output_file
from sre.cli.configs import (
    RECIPES,
    ConfigArgument,
    feature_config,
    features_of,
    is_of_ours,
    read_config_argument,
    schema,
)
from sre.config.resolve import recipe_features, recipe_file, resolve_features
from sre.features.types import dimension_of
from sre.io.atomic import sha256_file
from sre.io.text import canonical
from sre.io.yaml_text import read_yaml


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("import", help=text, description=__doc__)
    parser.add_argument("weights", metavar="CHECKPOINT.pt", type=input_file, help="avg_model.pt, a plain state dict")
    parser.add_argument("out", metavar="OUT/final.pt", type=output_file, help="the bundle to write")
    network = "the network, as a model's YAML names it, e.g. resnet34; a name that is not known is answered with all"
    parser.add_argument("--as", dest="architecture", metavar="ARCHITECTURE", required=True, help=network)
    options = "of the architecture, where they are not its defaults"
    parser.add_argument("--options", type=json_object, default={}, metavar="JSON", help=options)
    features = "RECIPE:NAME or CONFIG.yaml:NAME, a recipe's feature config; or a YAML of options as make_fbank takes it"
    parser.add_argument("--features", required=True, metavar="NAME_OR_CONFIG", help=features)
    parser.set_defaults(do=import_weights)


def import_weights(weights: Path, out: Path, architecture: str, options: dict, features: str) -> None:
    """Write the bundle; raises SreError where keys or shapes of the checkpoint are not the architecture's."""
    from sre.models import ARCHITECTURES, build
    from sre.models.bundle import Bundle
    from sre.models.peers import check_state, peer_key_of, read_state, rename

    peer_key = peer_key_of(architecture)
    name, feature_config = read_features(features)
    bins = dimension_of(feature_config)
    chosen = {**(ARCHITECTURES[architecture].peer_options or {}), **options}
    chosen = schema().check(chosen, "--options", "$defs", "architectures", architecture)
    network = build(architecture, bins, chosen)
    state, left_out = rename(read_state(weights), peer_key)
    check_state(weights, state, network.state_dict(), f"{architecture} of {bins} bins, {canonical(chosen)}")
    network.load_state_dict(state)
    source = {"checkpoint": weights.name, "sha256": sha256_file(weights)}
    config = {"architecture": architecture, "options": chosen, "features": name, "imported": source}
    Bundle(config, feature_config, bins, network.state_dict()).save(out)
    print(f"{out}: {sum(p.numel() for p in network.parameters())} parameters of {architecture}")
    print(f"tensors of the classifier that are left out: {left_out}")
    print(f"in a recipe with features {name}: bundles: {{{architecture}: {{path: {out}, features: {name}}}}}")


def read_features(argument: str) -> tuple[str, dict]:
    """Name and resolved config of RECIPE:NAME, FILE.yaml:NAME or FILE.yaml (whose stem is the name), or of ours."""
    if is_of_ours(argument):
        where, content = read_config_argument(argument)
        kind = str(features_of(content).get("type", "fbank"))
        name = Path(argument).parent.name if where == argument else kind
        name = content["config"].get("features") or name if isinstance(content.get("config"), dict) else name
        return name, feature_config(kind, ConfigArgument(f"--features {where}", content))
    where, _, name = argument.partition(":")
    path = Path(where) if where.endswith((".yaml", ".yml")) else recipe_file(RECIPES, where)
    settings = read_yaml(path)
    if not name:
        return path.stem, resolve_features(schema(), settings, 16000, argument)
    known = recipe_features(schema(), settings, str(path))
    if name not in known:
        raise SreError(f"--features {argument}: {path} has no features '{name}', only {', '.join(sorted(known))}")
    return name, known[name]
