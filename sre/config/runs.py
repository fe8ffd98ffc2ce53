"""The runs of a recipe: models with a seed, and whose embeddings the networks on embeddings read."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sre import SreError


@dataclass(frozen=True)
class Run:
    """A model with a seed that is trained here, or what stands in the place of its training.

    Attributes
    ----------
    seed : 0 where nothing is trained
    features : their name in the recipe; None for embeddings from elsewhere
    source : what its network reads: features (on disk), audio or embeddings
    of : the run whose embeddings it reads
    bundle : path of a final.pt that was trained elsewhere
    embeddings : train, eval, adapt -> path of embeddings from elsewhere
    """

    model: str
    seed: int
    features: str | None = None
    bundle: str | None = None
    embeddings: dict[str, str] | None = None
    source: str = "features"
    of: str | None = None


def with_sources(runs: dict[str, Run]) -> dict[str, Run]:
    """Return the runs, each with the run whose embeddings it reads: that of its own seed, else the one of that name.

    Raises SreError where there is none, or where a run would read what is made of its own embeddings.
    """
    found = {name: replace(run, of=_source_of(run, runs)) if run.of else run for name, run in runs.items()}
    for name in found:
        above, at = {name}, found[name].of
        while at is not None:
            if at in above:
                raise SreError(f"run {name}: it would read what is made of its own embeddings; change embeddings_of")
            above.add(at)
            at = found[at].of
    return found


def trained_before(runs: Mapping[str, Run], trainings: Mapping[str, dict]) -> dict[str, str]:
    """Return name -> path of the networks, trained before, whose speakers no trial list may have.

    They are those of the recipe's bundles, and what its models start from where that is a path.
    """
    found = {f"bundles.{name}": run.bundle for name, run in runs.items() if run.bundle}
    for name, training in trainings.items():
        if (path := str(training.get("init") or "")) and is_bundle(path):
            found[f"init of model {runs[name].model}"] = path
    return found


def is_bundle(init: str) -> bool:
    """Whether a model's `init` is the path of a final.pt, and no name of a model."""
    return "/" in init or init.endswith(".pt")


def _source_of(run: Run, runs: dict[str, Run]) -> str:
    of = next((name for name in (f"{run.of}_s{run.seed}", run.of) if name in runs), None)
    if of is None:
        near = difflib.get_close_matches(str(run.of), runs, 1, 0.0)[0]
        raise SreError(
            f"model {run.model}: embeddings_of '{run.of}' is no run of this recipe; the nearest is '{near}': add it to"
            " models, bundles or embeddings"
        )
    return of
