"""What the Snakefile needs to know of a recipe: resolved configs, model runs, systems. No Snakemake in here."""

from dataclasses import dataclass
from pathlib import Path

from sre import SreError
from sre.config import BACKENDS, NORMS, Schema, resolve_features, resolve_model, resolve_system


@dataclass
class Recipe:
    """A recipe with every default filled in.

    Attributes
    ----------
    config : the whole, resolved
    runs : run name -> the resolved config of its training; seed 1 of model m is m, seed n is m_s<n>
    models : run name -> model name
    backends : name -> resolved config, of those that systems use
    systems : name -> {"backend": name, "norm": resolved config or None}
    """

    config: dict
    runs: dict[str, dict]
    models: dict[str, str]
    backends: dict[str, dict]
    systems: dict[str, dict]

    @property
    def name(self) -> str:
        return self.config["name"] or self.config["recipe"]

    @property
    def features(self) -> dict[str, dict]:
        """The feature configs that models use."""
        return {run["features"]: run["feature_config"] for run in self.runs.values()}


def load_recipe(config: dict, recipes: Path) -> Recipe:
    """Check a recipe's merged config and its models' YAMLs; raises one SreError with everything that is wrong."""
    schema = Schema(recipes / "config.schema.yaml")
    problems: list[str] = []

    def tried(function, *arguments):
        try:
            return function(*arguments)
        except SreError as error:
            problems.append(str(error))

    def tried_all(part: str, known: dict, function) -> dict[str, dict]:
        named = {**known, **(filled.get(part) or {})}
        return {name: tried(function, value, f"{part}.{name}") for name, value in named.items()}

    filled = tried(schema.check, config, f"config of recipe {config.get('recipe')}")
    if filled is None:  # go on with what can be read of it, to find what else is wrong
        models = [name for name in config.get("models") or [] if isinstance(name, str)]
        filled = {"models": models, "systems": [], "seeds": [1], "audio": {}, "primary_system": None}
        features = {name: {"type": "fbank"} for name in config.get("features") or {}}
    else:
        rate = filled["audio"]["sample_rate"]
        features = tried_all("features", {}, lambda value, where: resolve_features(schema, value, rate, where))
    backends = tried_all("backends", BACKENDS, lambda value, where: schema.check(value, where, "$defs", "backend"))
    norms = tried_all("norms", NORMS, lambda value, where: schema.check(value, where, "$defs", "norm"))
    recipe = Recipe(filled, {}, {}, {}, {})
    for name in filled["systems"]:
        if system := tried(resolve_system, name, backends, norms):
            recipe.systems[name] = system
            recipe.backends[system["backend"]] = backends[system["backend"]]
    for name in filled["models"]:
        path = recipes / str(config.get("recipe")) / "models" / f"{name}.yaml"
        for seed in filled["seeds"]:
            if model := tried(resolve_model, schema, path, features, seed):
                run = name if seed == 1 else f"{name}_s{seed}"
                if run in recipe.runs:
                    problems.append(f"models: two runs are named {run}; rename the model of that name")
                recipe.runs[run], recipe.models[run] = model, name
    if filled["primary_system"] and filled["primary_system"] not in filled["systems"]:
        problems.append(f"primary_system: '{filled['primary_system']}' is not one of systems; add it there")
    if problems:
        raise SreError("\n".join(dict.fromkeys(problems)))
    return recipe
