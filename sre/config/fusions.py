"""Fusions of systems of several models, as a recipe names them, MODEL/SYSTEM, and the runs that they are made of."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sre import SreError
from sre.config.problems import Problems
from sre.config.resolve import Parts
from sre.config.runs import Run


@dataclass(frozen=True)
class Fusion:
    """A fusion of the systems of several runs, all of one seed; in results it stands as a run of its own.

    model : the models that are fused, joined by +
    system : its name under `fusions`
    seed : 0 where nothing is trained
    inputs : MODEL/SYSTEM -> the run whose system it is, in the order of the weights
    """

    model: str
    system: str
    seed: int
    inputs: dict[str, str]

    @property
    def config(self) -> list:
        """Return all of it for JSON, with the order of the inputs."""
        return [self.model, self.system, self.seed, list(self.inputs.items())]

    @property
    def runs(self) -> list[str]:
        """The runs that it is made of, each once."""
        return list(dict.fromkeys(self.inputs.values()))


def parted(named: str) -> tuple[str, str]:
    """Return the model and the system of MODEL/SYSTEM; "" for one that is not named."""
    model, _, system = named.partition("/")
    return model, system


def systems_within(name: str, parts: Parts) -> dict[str, dict]:
    """Return the systems that each model is to have for the fusion `name`: name -> as `Parts.system`.

    Raises SreError where one names no model, or is unknown.
    """
    found: dict[str, dict] = {}
    for named in parts.fusions[name]:
        if not all(parted(named)):
            raise SreError(
                f"fusions: '{name}': '{named}' is no MODEL/SYSTEM, and others are; name a model and a system in each"
            )
        found |= parts.with_parts(parted(named)[1])
    return found


def fusions_in(config: Mapping, runs: Mapping[str, Run], problems: Problems) -> dict[str, Fusion]:
    """Return run -> fusion of those of several models that are among a config's systems.

    What is wrong is appended to `problems`; fusions of a model that has a fault, and so no runs, are left out.
    """
    faulty = {Path(model).stem for model in config["models"]} - {run.model for run in runs.values()}
    found: dict[str, Fusion] = {}
    for name in config["systems"]:
        inputs = config.get("fusions", {}).get(name, [])
        models = {parted(named)[0] for named in inputs}
        if inputs and all(all(parted(named)) for named in inputs) and not models & faulty:
            found |= problems.tried(fusions_of, name, inputs, runs) or {}
    return found


def fusions_of(name: str, inputs: Sequence[str], runs: Mapping[str, Run]) -> dict[str, Fusion]:
    """Return run -> fusion, one a seed, of `inputs` MODEL/SYSTEM: those of seed 1 are called `name`, n `name`_sn.

    A model without seeds, of a bundle or of embeddings, is fused with each seed of the others. Raises SreError naming
    the nearest model where one is unknown, and where a run has the name.
    """
    of_models: dict[str, dict[int, str]] = {}
    for run, facts in runs.items():
        of_models.setdefault(facts.model, {})[facts.seed] = run
    models = list(dict.fromkeys(parted(named)[0] for named in inputs))
    for model in models:
        if model not in of_models:
            near = difflib.get_close_matches(model, of_models, 1, 0.0)
            cure = f"the nearest is '{near[0]}'" if near else "name one under models"
            raise SreError(f"fusions: '{name}' names the unknown model '{model}'; {cure}")
    seeds = sorted({seed for model in models for seed in of_models[model]} - {0}) or [0]
    found = {}
    for seed in seeds:
        run = name if seed <= 1 else f"{name}_s{seed}"
        if run in runs:
            raise SreError(f"fusions: '{name}': a run is named {run}; rename the fusion")
        of_seed = {model: of_models[model][seed if seed in of_models[model] else 0] for model in models}
        found[run] = Fusion("+".join(models), name, seed, {named: of_seed[parted(named)[0]] for named in inputs})
    return found
