"""`sre import`: a model of another toolkit as a bundle of ours, which `sre verify` and a recipe's `bundles:` take.

sre import voxceleb_resnet221_LM final.pt                 # WeSpeaker's folder: avg_model.pt and config.yaml
sre import spkrec-ecapa-voxceleb final.pt                 # SpeechBrain's: embedding_model.ckpt and hyperparams.yaml
sre import hf:speechbrain/spkrec-ecapa-voxceleb final.pt  # the same from the hub (pip install 'sre[hub]')
sre import campplus_voxceleb.bin final.pt --from 3dspeaker
sre import titanet-l.nemo final.pt                        # NeMo's SpeakerNet, TitaNet and ECAPA_TDNN
sre import baseline_v2_ap.model final.pt                  # ClovaAI's ResNetSE34L, ResNetSE34V2 and RawNet3
sre import saved_model.bilstm.mean.clean100.gpu100000.pt final.pt     # Wang's Speaker Recognition From Scratch
sre import avg_model.pt final.pt --as redimnet --options '{"size": "b2"}'   # WeSpeaker's, without its config

The network, its options and its front-end are what the files say; the command names what it recognised. Of WeSpeaker's
avg_model.pt without a config.yaml beside it, --as says the network. Weights are read as tensors alone: nothing in a
file is run. docs/importing.md has all families, and how far each embedding is from its toolkit's own.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sre import SreError
from sre.cli.arguments import input_file, input_folder, json_object, output_file
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
from sre.io.hub import PREFIX, fetch
from sre.io.text import canonical
from sre.io.yaml_text import read_yaml

if TYPE_CHECKING:
    from sre.models.base import Network
    from sre.models.peers.found import Found
    from sre.models.peers.source import Source

TOOLKITS = ("wespeaker", "speechbrain", "3dspeaker", "nemo", "clovaai", "wang")


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("import", help=text, description=__doc__)
    source = "a checkpoint, a .nemo, the folder of one, or hf:OWNER/NAME[@REVISION]"
    parser.add_argument("source", metavar="SOURCE", type=model_source, help=source)
    parser.add_argument("out", metavar="OUT/final.pt", type=output_file, help="the bundle to write")
    toolkit = "whose the model is, where more than one has such tensors"
    parser.add_argument("--from", dest="toolkit", choices=TOOLKITS, help=toolkit)
    network = (
        "WeSpeaker's network, as a model's YAML names it, e.g. resnet34, where no config.yaml says it; a name that is"
    )
    parser.add_argument(
        "--as", dest="architecture", metavar="ARCHITECTURE", help=f"{network} not known is answered with all"
    )
    options = "of that network, where they are not its defaults; without --as, what the command says no file tells"
    parser.add_argument("--options", type=json_object, default={}, metavar="JSON", help=options)
    features = (
        "with --as: RECIPE:NAME or CONFIG.yaml:NAME, a recipe's feature config; or a YAML of options as make_fbank"
    )
    parser.add_argument("--features", metavar="NAME_OR_CONFIG", help=f"{features} takes it; else WeSpeaker's usual")
    parser.set_defaults(do=import_model)


def model_source(text: str) -> str:
    """A file or folder that is there, or a name on the hub."""
    if text.startswith(PREFIX):
        return text
    try:
        is_folder = Path(text).is_dir()
    except (OSError, ValueError):  # a name that no file can have, which input_file tells
        is_folder = False
    return str(input_folder(text) if is_folder else input_file(text))


def import_model(
    source: str, out: Path, toolkit: str | None, architecture: str | None, options: dict, features: str | None
) -> None:
    """Write the bundle.

    Raises SreError where the model is not recognised, where its tensors are not the network's, and where the features
    are not those that it was trained on.
    """
    from sre.models.bundle import Bundle
    from sre.models.peers import found as peers
    from sre.models.peers.recognise import recognise
    from sre.models.peers.source import read_source
    from sre.models.peers.wespeaker import named

    check_arguments(toolkit, architecture, options, features)
    found = named(architecture, options) if architecture else None  # a wrong name is told before a file is read
    name, config = given_features(features, found)
    fetched = fetch(source, wanted_files) if source.startswith(PREFIX) else None
    read = read_source(fetched.folder if fetched else Path(source))
    found = found or told(recognise(read, toolkit), options)
    if not config:
        bins = found.features.get("num_mel_bins", f"_{found.features['type']}")
        name = f"{found.toolkit.lower().replace('3d-', 'threed_')}{bins}"
        config = resolve_features(schema(), found.features, found.sample_rate, f"{read.where}: features")
    print(f"recognised: {found.toolkit}'s {found.network}, by {found.said_by}")
    if found.note:
        print(f"note: {found.note}")
    network, chosen, left_out = filled(read, found, name, config)
    imported: dict[str, Any] = {"toolkit": found.toolkit, "network": found.network, "files": read.files}
    if fetched:
        imported |= {"hub": source.removeprefix(PREFIX).partition("@")[0], "revision": fetched.revision}
    model = {"architecture": found.architecture, "options": chosen, "features": name, "imported": imported}
    Bundle(model, config, dimension_of(config), network.state_dict()).save(out)
    print(f"{out}: {peers.parameters(network)} parameters of {found.architecture}")
    print(f"tensors of the classifier that are left out: {left_out}")
    if not features:
        print(f"in a recipe: features: {{{name}: {canonical(found.features)}}}")
    print(f"in a recipe with features {name}: bundles: {{{found.architecture}: {{path: {out}, features: {name}}}}}")


def check_arguments(toolkit: str | None, architecture: str | None, options: dict, features: str | None) -> None:
    """Raise SreError where arguments do not go together."""
    if features and not architecture:
        raise SreError("--features goes with --as, for a file that is recognised says them itself; leave it out")
    if architecture and toolkit not in (None, "wespeaker"):
        raise SreError(
            f"--as is for WeSpeaker's checkpoints, and {toolkit}'s say their network themselves; leave it out"
        )


def told(found: "Found", options: dict) -> "Found":
    """Return what was recognised with `options` of the user's. Raises SreError where the file tells one of them."""
    if known := sorted(options.keys() - set(found.untold)):
        own = f"no file tells only {' and '.join(found.untold)}" if found.untold else "its file tells all"
        raise SreError(f"--options {known[0]}: of {found.toolkit}'s {found.network} {own}; leave it out")
    note = "" if options else found.note
    return replace(found, options={**found.options, **options}, note=note)


def given_features(features: str | None, found: "Found | None") -> tuple[str, dict]:
    """Return name and config of --features, empty without it. Raises SreError where they are not the network's."""
    if not features or not found:
        return "", {}
    name, config = read_features(features)
    check_features(f"--features {features}", config, found.architecture, found.features["type"])
    return name, config


def filled(read: "Source", found: "Found", features: str, config: dict) -> tuple["Network", dict, int]:
    """Return the network with the file's weights, its options with all defaults, and how many tensors it left out.

    Raises SreError where options or tensors are not the network's, or the front-end's not those of the features.
    """
    from sre.models import build
    from sre.models.peers import found as peers
    from sre.models.peers.wespeaker import CURE

    asked = found.said_by == "--as"
    cure = CURE if asked else "get the files again; docs/importing.md has the models that are known"
    where, bins = "--options" if asked else read.where, dimension_of(config)
    chosen = schema().check(found.options, where, "$defs", "architectures", found.architecture)
    try:
        expected = peers.expected(found.architecture, bins, chosen)
    except SreError as error:
        raise SreError(f"{where}: {error}") from None
    tensors, frontend, left_out = peers.split(read.state, found)
    peers.check_frontend(read.where, frontend, constants_of(config), features, cure)
    state = peers.renamed(tensors, found, expected)
    peers.check_state(read.where, state, expected, f"{found.architecture} of {bins} bins, {canonical(chosen)}", cure)
    network = build(found.architecture, bins, chosen)
    network.load_state_dict(state)
    return network, chosen, left_out


def wanted_files(names: Sequence[str]) -> list[str]:
    """Return those of a hub's files that are read: the weights, one file where its name is known, and the config."""
    from sre.models.peers.source import CONFIGS, SUFFIXES, WEIGHTS

    top = [name for name in names if "/" not in name]
    weights = [name for name in WEIGHTS if name in top] or [
        name for name in top if Path(name).suffix in (*SUFFIXES, ".nemo")
    ]
    if len(weights) > 1:
        raise SreError(f"{', '.join(weights[:5])}: which of them is the model is not known; download one, and give it")
    return [*weights, *(name for name in CONFIGS if name in top)] if weights else []


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
    from sre.features.frontends.signal import SignalExtractor

    extractor = extractor_of(options_of(config))
    return extractor.constants() if isinstance(extractor, SignalExtractor) else {}


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
