"""The runs of a recipe: models with a seed, whose embeddings they read, and what their training starts from."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sre import SreError
from sre.config.phases import names_file


@dataclass(frozen=True)
class Run:
    """A model with a seed that is trained here, or what stands in the place of its training.

    Attributes
    ----------
    seed : 0 where nothing is trained
    features : their name in the recipe; None for embeddings from elsewhere
    source : what its network reads: features (on disk), audio or embeddings
    of : the run whose embeddings it reads
    init : the run, or the path of a final.pt, that its training starts from
    bundle : path of a final.pt that was trained elsewhere
    asked : keys of its training that decide nothing of the network, as checkpoints, where they have not their defaults
    embeddings : train, eval, adapt -> path of embeddings from elsewhere
    """

    model: str
    seed: int
    features: str | None = None
    bundle: str | None = None
    embeddings: dict[str, str] | None = None
    source: str = "features"
    of: str | None = None
    init: str | None = None
    asked: dict = field(default_factory=dict)


def with_sources(runs: dict[str, Run]) -> dict[str, Run]:
    """Return the runs, each with the runs that it reads: those of its own seed, else the ones of that name.

    Raises SreError where there is none, or where a run would be made of what is made of itself.
    """
    found = {name: replace(run, of=_source_of(run, runs), init=_base_of(run, runs)) for name, run in runs.items()}
    for name in found:
        above, at = set[str](), _read_by(found, name)
        while at:
            if name in at:
                key = "embeddings_of" if found[name].of else "init"
                raise SreError(f"run {name}: it would read what is made of its own embeddings or weights; change {key}")
            above |= at
            at = set().union(*(_read_by(found, one) for one in at)) - above
    return found


def trained_before(runs: Mapping[str, Run], trainings: Mapping[str, dict]) -> dict[str, str]:
    """Return name -> path of the networks, trained before, whose speakers no trial list may have.

    They are those of the recipe's bundles, and what its models start from where that is a path.
    """
    found = {f"bundles.{name}": run.bundle for name, run in runs.items() if run.bundle}
    for name, training in trainings.items():
        if (path := str(training.get("init") or "")) and names_file(path):
            found[f"init of model {runs[name].model}"] = path
    return found


def _read_by(runs: dict[str, Run], name: str) -> set[str]:
    return {other for other in (runs[name].of, runs[name].init) if other in runs}


def _source_of(run: Run, runs: dict[str, Run]) -> str | None:
    return run.of and _found(run.of, "embeddings_of", "models, bundles or embeddings", run, runs)


def _base_of(run: Run, runs: dict[str, Run]) -> str | None:
    if run.init is None or names_file(run.init):
        return run.init
    base = _found(run.init, "init", "models or bundles", run, runs)
    if runs[base].embeddings is not None:
        raise SreError(
            f"model {run.model}: init '{run.init}' are embeddings from elsewhere, without a network; name a model"
        )
    return base


def _found(name: str, key: str, places: str, run: Run, runs: dict[str, Run]) -> str:
    """Return the run that `key` of a run's model names: that of the run's seed, else the one of that name.

    Raises SreError where there is none; `places` are the keys of the recipe that it can be added to.
    """
    found = next((one for one in (f"{name}_s{run.seed}", name) if one in runs), None)
    if found is None:
        near = difflib.get_close_matches(name, runs, 1, 0.0)[0]
        raise SreError(
            f"model {run.model}: {key} '{name}' is no run of this recipe; the nearest is '{near}': add it to {places}"
        )
    return found
