"""`sre import`: a WeSpeaker checkpoint as a bundle of ours, which a recipe's `bundles:` takes.

sre import avg_model.pt exp/peers/resnet34/final.pt --as resnet34 --features voxceleb:fbank80
sre import avg_model.pt exp/peers/b2/final.pt --as redimnet --options '{"size": "b2"}' --features fbank72.yaml
sre import avg_model.pt exp/peers/b6/final.pt --as redimnet2 --features voxceleb:tf_mel72

WeSpeaker's features are 80 mel bins (72 for ReDimNet, 60 for its B0) with a Hamming window, no dither in the test, the
utterance's mean subtracted: recipe voxceleb's fbank80, or a file with `num_mel_bins: 72` and `window_type: hamming`.
ReDimNet2 has TF-mel of 72 bins and normalised signals (docs/features.md): voxceleb's tf_mel72. A front-end that stands
in the checkpoint is compared with the features.
"""

import argparse
from pathlib import Path
from typing import Any

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
from sre.features.types import FbankOptions, dimension_of, options_of
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
    """Write the bundle.

    Raises SreError where keys or shapes of the checkpoint are not the architecture's, and where the features are not
    those that it was trained on.
    """
    from sre.models import ARCHITECTURES, build
    from sre.models.bundle import Bundle
    from sre.models.peers import check_frontend, check_state, peer_key_of, read_state, rename, split_frontend

    peer_key = peer_key_of(architecture)
    name, feature_config = read_features(features)
    check_features(f"--features {features}", feature_config, architecture, ARCHITECTURES[architecture].peer_features)
    bins = dimension_of(feature_config)
    chosen = {**(ARCHITECTURES[architecture].peer_options or {}), **options}
    chosen = schema().check(chosen, "--options", "$defs", "architectures", architecture)
    network = build(architecture, bins, chosen)
    state, frontend = split_frontend(read_state(weights))
    check_frontend(weights, frontend, constants_of(feature_config), name)
    state, left_out = rename(state, peer_key)
    check_state(weights, state, network.state_dict(), f"{architecture} of {bins} bins, {canonical(chosen)}")
    network.load_state_dict(state)
    source = {"checkpoint": weights.name, "sha256": sha256_file(weights)}
    config = {"architecture": architecture, "options": chosen, "features": name, "imported": source}
    Bundle(config, feature_config, bins, network.state_dict()).save(out)
    print(f"{out}: {sum(p.numel() for p in network.parameters())} parameters of {architecture}")
    print(f"tensors of the classifier that are left out: {left_out}")
    print(f"in a recipe with features {name}: bundles: {{{architecture}: {{path: {out}, features: {name}}}}}")


def check_features(where: str, config: dict, architecture: str, kind: str) -> None:
    """Raise SreError where features are not of the `kind` that WeSpeaker trains the architecture on.

    Kaldi's have options that WeSpeaker's users choose; of others all but the bins and the compression are fixed.
    """
    if config["type"] != kind:
        raise SreError(
            f"{where}: WeSpeaker's {architecture} was trained on features of type {kind}, not of {config['type']}; give"
            f" a config with type: {kind}"
        )
    if kind == FbankOptions.type:
        return
    given = {key: config[key] for key in ("num_mel_bins", "compression")}
    wanted = resolve_features(schema(), {"type": kind, **given}, 16000, where)
    for key in sorted(wanted.keys() | config.keys()):
        if config.get(key) != wanted.get(key):
            raise SreError(
                f"{where}: {key} is {config.get(key, 'not there')}, and {wanted.get(key, 'not there')} in the training"
                f" of WeSpeaker's {architecture}; take it out"
            )


def constants_of(config: dict) -> dict[str, Any]:
    """Return the tensors that a checkpoint has of a front-end like this, by the ends of their names."""
    from sre.features.extractor import extractor_of
    from sre.features.frontends.tf_mel import TfMel

    extractor = extractor_of(options_of(config))
    return extractor.constants() if isinstance(extractor, TfMel) else {}


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
