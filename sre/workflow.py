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
    folder = recipes / str(config.get("recipe"))
    filled = schema.check(config, f"config of recipe {config.get('recipe')}")
    backends = {n: schema.check(c, n, "$defs", "backend") for n, c in {**BACKENDS, **filled["backends"]}.items()}
    norms = {n: schema.check(c, n, "$defs", "norm") for n, c in {**NORMS, **filled["norms"]}.items()}
    features = {n: resolve_features(schema, c, f"features.{n}") for n, c in filled["features"].items()}
    problems: list[str] = []
    recipe = Recipe(filled, {}, {}, {}, {})
    for name in filled["systems"]:
        try:
            recipe.systems[name] = resolve_system(name, backends, norms)
            recipe.backends[recipe.systems[name]["backend"]] = backends[recipe.systems[name]["backend"]]
        except SreError as error:
            problems.append(str(error))
    for name in filled["models"]:
        try:
            for seed in filled["seeds"]:
                run = name if seed == 1 else f"{name}_s{seed}"
                recipe.runs[run] = resolve_model(schema, folder / "models" / f"{name}.yaml", features, seed)
                recipe.models[run] = name
        except SreError as error:
            problems.append(str(error))
    if filled["primary_system"] and filled["primary_system"] not in filled["systems"]:
        problems.append(f"primary_system: '{filled['primary_system']}' is not one of systems; add it there")
    if problems:
        raise SreError("\n".join(problems))
    return recipe
