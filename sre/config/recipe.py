"""What the Snakefile needs to know of a recipe: resolved configs, model runs, systems. No Snakemake in here."""

import difflib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sre import SreError
from sre.config.checkpoints import decisive, of_the_run
from sre.config.conditions import without_sources
from sre.config.copies import add_copies, check_copies
from sre.config.distort import MANIFESTS, Files
from sre.config.extraction import as_options, check_pieces
from sre.config.fusions import Fusion, fusions_in, systems_within
from sre.config.phases import Models, names_file
from sre.config.problems import Problems
from sre.config.resolve import (
    BACKENDS,
    NORMS,
    Parts,
    needs_adaptation,
    resolve_backend,
    resolve_features,
    resolve_model,
    resolve_norm,
)
from sre.config.runs import Run, with_sources
from sre.config.schema import Place, Schema


@dataclass
class Recipe:
    """A recipe with every default filled in.

    Attributes
    ----------
    config : the whole, resolved
    runs : name -> run, of all trainings, bundles and embeddings
    trainings : run name -> what `resolve_model` returns, but for what decides nothing; seed 1 of model m is run m, seed
        n is m_s<n>
    features : name -> resolved config, of those that runs read from disk
    heard : name -> resolved config, of those that runs make of audio
    paths : that the config names
    notes : for the report, which keys of a model's YAML were overridden
    left_out : sentences on distortions that models are trained without, which are notes too
    backends : name -> resolved config, of those that systems use
    systems : name -> {"backend", "norm", "of"}, and "measures" of some, see `Parts.system`; a system comes after those
        that it is made from
    fusions : run -> fusion of systems of several models, which has a name and results as a run has
    """

    config: dict
    runs: dict[str, Run] = field(default_factory=dict)
    trainings: dict[str, dict] = field(default_factory=dict)
    features: dict[str, dict] = field(default_factory=dict)
    heard: dict[str, dict] = field(default_factory=dict)
    backends: dict[str, dict] = field(default_factory=dict)
    systems: dict[str, dict] = field(default_factory=dict)
    fusions: dict[str, Fusion] = field(default_factory=dict)
    paths: list[Place] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.config["name"] or self.config["recipe"]

    @property
    def extraction(self) -> dict:
        """The section of this name; empty where all of it is default."""
        return self.config.get("extraction") or {}

    @property
    def from_audio(self) -> list[str]:
        """The names of the runs whose network reads audio."""
        return [name for name, run in self.runs.items() if run.source == "audio"]

    @property
    def needs_media(self) -> bool:
        """Whether a run reads features or audio, and not embeddings from elsewhere alone."""
        return bool(self.features or self.from_audio)

    @property
    def measures(self) -> list[str] | None:
        """The quality measures of all systems; None where no system is trained on the development list's versions."""
        named = [system["measures"] for system in self.systems.values() if "measures" in system]
        return sorted({measure for some in named for measure in some}) if named else None

    def check_media(self, feats_only: Collection[str]) -> None:
        """Raise SreError where a run, or a quality measure, needs audio of splits that have features only."""
        if feats_only and "snr" in (self.measures or []):
            raise SreError(
                f"quality.measures: snr needs audio, and {min(feats_only)} has features and no wav.scp; take snr out"
            )
        if self.from_audio and feats_only:
            raise SreError(
                f"run {self.from_audio[0]} has source: audio, and {min(feats_only)} has features and no wav.scp;"
                " give it audio, or take source: features"
            )

    def add_run(self, name: str, run: Run) -> None:
        """Add a run. Raises SreError where another one has its name."""
        if name in self.runs:
            raise SreError(f"models: two runs are named {name}; rename the model, or its file, of that name")
        self.runs[name] = run


def load_recipe(config: dict, recipes: Path) -> Recipe:
    """Check a recipe's merged config and its models' YAMLs; raises one SreError with everything that is wrong.

    The section under a model's name overrides the keys of that model's YAML.
    """
    schema, problems = Schema(recipes / "config.schema.yaml"), Problems()
    folder = recipes / str(config.get("recipe")) / "models"
    config, overrides = split_overrides(config, schema, folder, problems)
    checked = problems.tried(schema.check, config, f"config of recipe {config.get('recipe')}")
    filled = checked or _readable(config)
    recipe = Recipe(filled, paths=list(schema.paths(filled)))
    features = _read_features(schema, checked, config, problems)
    problems.tried(check_copies, schema, (checked or {}).get("copies", {}))
    _add_systems(recipe, schema, problems)
    files = [path for model in filled["models"] if (path := problems.tried(model_file, model, folder))]
    models = Models({path.stem: path for path in files}, overrides, filled["bundles"])
    for path in files:
        _add_trainings(recipe, schema, path, features, models, problems)
    recipe.notes = list(dict.fromkeys([*recipe.notes, *recipe.left_out]))
    for name, bundle in filled["bundles"].items():
        problems.tried(add_bundle, recipe, name, bundle, features)
    for name, embeddings in filled["embeddings"].items():
        problems.tried(recipe.add_run, name, Run(name, 0, embeddings=embeddings))
        recipe.notes.append(f"Embeddings {name} are from elsewhere: whom their network has heard was not checked.")
    recipe.runs = problems.tried(with_sources, recipe.runs) or recipe.runs
    recipe.fusions = fusions_in(filled, recipe.runs, problems)
    if checked and not (filled["models"] or filled["bundles"] or filled["embeddings"]):
        problems.append("models: none is named, and no bundle and no embeddings in their place; name one")
    for source, kept in (("features", recipe.features), ("audio", recipe.heard)):
        used = {run.features for run in recipe.runs.values() if run.source == source}
        kept.update({name: config for name, config in features.items() if name in used})
    if filled["primary_system"] and filled["primary_system"] not in filled["systems"]:
        problems.append(f"primary_system: '{filled['primary_system']}' is not one of systems; add it there")
    problems += without_sources(checked or {}, recipe.measures is not None)
    problems.tried(check_pieces, recipe.extraction)
    problems.end()
    if words := as_options(recipe.extraction):
        recipe.notes.append(f"Embeddings were extracted with {' '.join(words)}.")
    return recipe


def _readable(config: dict) -> dict:
    """Return what can be read of a config with faults, to find what else is wrong."""
    filled = {"models": names_of_models(config), "systems": [], "seeds": [1], "audio": {}, "primary_system": None}
    return filled | {"embeddings": {}, "bundles": {}, "development": {"speakers": 0}}


def _read_features(schema: Schema, checked: dict | None, config: dict, problems: Problems) -> dict[str, dict]:
    """Return name -> resolved config of features; those of a config with faults, `checked` is None, are defaults."""
    if checked is None:
        named, default = config.get("features"), resolve_features(schema, {}, 16000, "features")
        return {name: default for name in named} if isinstance(named, dict) else {}
    rate = checked["audio"]["sample_rate"]
    default = resolve_features(schema, {}, rate, "features")  # for features with a fault, which models may name
    return {
        name: problems.tried(resolve_features, schema, given, rate, f"features.{name}") or default
        for name, given in checked["features"].items()
    }


def _add_systems(recipe: Recipe, schema: Schema, problems: Problems) -> None:
    """Add the systems that the config names, of all back-ends and norms that it has or that are always there."""
    filled = recipe.config
    named: dict[str, dict[str, dict]] = {}
    for part, always, resolve in (("backends", BACKENDS, resolve_backend), ("norms", NORMS, resolve_norm)):
        all_of_them = always | (filled.get(part) or {})
        named[part] = {
            name: problems.tried(resolve, schema, given, f"{part}.{name}") or {} for name, given in all_of_them.items()
        }
    types = schema.part("$defs", "backend")["properties"]["type"]["enum"]
    measures = filled.get("quality", {}).get("measures", ())
    parts = Parts(named["backends"], named["norms"], filled.get("fusions", {}), types, measures)
    for name in sorted(parts.backends.keys() & parts.fusions):
        problems.append(f"fusions: '{name}' is a back-end's name too; rename it")
    for name in filled["systems"]:
        problems.tried(add_system, recipe, parts, name)


def _add_trainings(
    recipe: Recipe, schema: Schema, path: Path, features: dict, models: Models, problems: Problems
) -> None:
    """Add the runs of a model, one a seed; overrides of `models` have keys that replace those of its YAML."""
    held_out, override = recipe.config["development"]["speakers"], models.overrides.get(path.stem)
    files = Files([kind for kind, key in MANIFESTS.items() if recipe.config.get(key)])
    more = {"held_out": held_out, "override": override, "models": models, "files": files}
    for seed in recipe.config["seeds"]:
        resolve = partial(resolve_model, schema, path, features, seed=seed, **more)
        copies = partial(add_copies, copies=recipe.config.get("copies") or {}, where=path.stem)
        if training := (model := problems.tried(resolve)) and problems.tried(copies, model):
            run = path.stem if seed == 1 else f"{path.stem}_s{seed}"
            source = training.get("source", "features")
            features_of, of = training.get("features"), training.get("embeddings_of")
            init = training.get("init")
            made = Run(path.stem, seed, features_of, source=source, of=of, init=init, asked=of_the_run(training))
            problems.tried(recipe.add_run, run, made)
            recipe.trainings[run] = decisive(training)
            _add_start(recipe, path.stem, init)
            if copied := ", ".join(training.get("copies", {})):
                recipe.notes.append(f"Model {path.stem} is trained on distorted copies too: {copied}.")
            if override:
                keys = ", ".join(overridden(override, training))
                recipe.notes.append(f"Model {path.stem}: {keys}, in place of what its YAML says.")
    recipe.left_out += filter(None, [files.sentence(path.stem)])


def _add_start(recipe: Recipe, model: str, init: str | None) -> None:
    """Add what is to be known of a training that starts from another model: a note, and the path that it names."""
    if init is None:
        return
    recipe.notes.append(f"Model {model} was fine-tuned from {init}.")
    place = Place(f"{model}.init", init, "file")
    if names_file(init) and place not in recipe.paths:
        recipe.paths.append(place)


def names_of_models(config: dict) -> list[str]:
    """Return what can be read as models of a config that was not checked."""
    named = config.get("models")
    named = named.split(",") if isinstance(named, str) else named if isinstance(named, list) else []
    return [name.strip() for name in named if isinstance(name, str) and name.strip()]


def is_path(model: str) -> bool:
    return "/" in model or model.endswith((".yaml", ".yml"))


def split_overrides(config: dict, schema: Schema, folder: Path, problems: list[str]) -> tuple[dict, dict[str, dict]]:
    """Return the recipe's own keys, and model name -> its overrides. What is wrong is appended to `problems`."""
    models = {Path(name).stem if is_path(name) else name for name in names_of_models(config)}
    extra = config.keys() - schema.part()["properties"]
    strange = {name for name in extra - models if (folder / f"{name}.yaml").is_file()}
    wrong = {name for name in extra & models if not isinstance(config[name], dict)}
    for name in sorted(strange):
        problems.append(f"{name}: no model of this run, which are {', '.join(sorted(models))}; add it to models")
    for name in sorted(wrong):
        problems.append(f"{name}: '{config[name]}'; write keys of the model, e.g. {{training: {{lr: 0.05}}}}")
    overrides = {name: config[name] for name in extra & models - wrong}
    return {key: value for key, value in config.items() if key not in (*overrides, *strange, *wrong)}, overrides


def overridden(override: dict, resolved: dict, place: str = "") -> Iterator[str]:
    """Yield 'training.lr 0.05' for each key of an override."""
    for key, value in override.items():
        if isinstance(value, dict):
            yield from overridden(value, resolved.get(key, {}), f"{place}{key}.")
        else:
            yield f"{place}{key} {json.dumps(resolved.get(key, value))}"


def model_file(model: str, folder: Path) -> Path:
    """Return a model's YAML, of its name or path. Raises SreError where it is missing or its stem names no run."""
    if is_path(model):
        path = Path(model)
        if not re.fullmatch("[a-z0-9_]+", path.stem):
            raise SreError(f"{path}: its name is its run's: small letters, digits and _ only; rename the file")
        return path
    path = folder / f"{model}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if not path.is_file() and known:
        near = difflib.get_close_matches(model, known, 1, 0.0)[0]
        raise SreError(
            f"{path}: no such file; the nearest model of the recipe is '{near}'; a model elsewhere is given by its path"
        )
    return path


def add_bundle(recipe: Recipe, name: str, bundle: dict, features: dict[str, dict]) -> None:
    if bundle["features"] not in features:
        raise SreError(
            f"bundles.{name}: features '{bundle['features']}' are not in the recipe, only {', '.join(features)}"
        )
    recipe.add_run(name, Run(name, 0, bundle["features"], bundle["path"]))


def add_system(recipe: Recipe, parts: Parts, name: str) -> None:
    """Add a system and, before it, those that it is calibrated on or fused from.

    Of a fusion of several models these are added alone: no run has it.
    """
    of_models = parts.is_of_models(name)
    found = systems_within(name, parts) if of_models else parts.with_parts(name)
    trained = [name] * of_models + [one for one, system in found.items() if system["of"]]
    if trained and not recipe.config["development"]["speakers"]:
        raise SreError(f"systems: '{trained[0]}' is trained on a development list; set development.speakers")
    for one, system in found.items():
        if not system["of"]:
            config = recipe.backends[system["backend"]] = parts.backends[system["backend"]]
            if config and needs_adaptation(config) and not recipe.config["adapt_data"]:
                raise SreError(f"systems: '{one}' needs an adaptation set; set adapt_data, or take the system out")
        recipe.systems.setdefault(one, system)
