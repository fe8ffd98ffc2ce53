"""Phases: a model whose training starts from another one (`init`), and has its keys but for what it says itself."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

from sre import SreError
from sre.config.schema import Schema
from sre.config.training_checks import without_replaced
from sre.io.yaml_text import merged, read_yaml

OF_A_PHASE = ("init", "head", "freeze")  # keys that no model has from its base
OF_AN_OPTIMIZER = ("momentum", "betas")


def names_file(init: str) -> bool:
    """Whether a value of `init` is the path of a final.pt, and no name."""
    return "/" in init or init.endswith(".pt")


@dataclass(frozen=True)
class Models:
    """The models that another may start from.

    paths : name -> YAML
    overrides : name -> keys that a recipe's config has in the place of the YAML's
    bundles : names of trained models, whose keys are not known here; None: such names are not known either
    """

    paths: Mapping[str, Path]
    overrides: Mapping[str, Any] = field(default_factory=dict)
    bundles: Collection[str] | None = None

    @classmethod
    def beside(cls, path: Path, overrides: Mapping[str, Any] | None = None) -> "Models":
        """Return the models of the folder that a YAML is in."""
        return cls({file.stem: file for file in sorted(path.parent.glob("*.yaml"))}, overrides or {})

    def own(self, name: str) -> dict:
        """Return what a model's YAML and the recipe's config say of it."""
        override = self.overrides.get(name)
        over = override if isinstance(override, dict) else {}
        return merged(without_replaced(read_yaml(self.paths[name]), over), over)

    def base_of(self, name: str, own: dict, schema: Schema, above: tuple[str, ...] = ()) -> dict | None:
        """Return all that is said of the model that a model starts from; None: it starts afresh, or from a bundle.

        own : what is said of the model itself
        above : the models that start from it
        Raises SreError where there is no such model, or where a model would start from itself.
        """
        init = own.get("init")
        if not isinstance(init, str) or names_file(init):
            return None
        base = self._model_of(init)
        if base is None:
            self._check_bundle(name, own, init)
            return None
        if base in (*above, name):
            raise SreError(
                f"model {name}: init '{init}' leads back to it, so that it would start from itself; change init"
            )
        of_base = self.own(base)
        further = self.base_of(base, of_base, schema, (*above, name))
        return of_base if further is None else with_base(schema, of_base, further, base)

    def _model_of(self, init: str) -> str | None:
        """Return the model of a name of a model or of a run of it, as x or x_s2."""
        stem, _, seed = init.rpartition("_s")
        return next((one for one in (init, stem * seed.isdigit()) if one in self.paths), None)

    def _check_bundle(self, name: str, own: dict, init: str) -> None:
        if self.bundles is None and "architecture" not in own:
            raise SreError(
                f"model {name}: no {init}.yaml beside it, whose keys it would have; put it there, or name architecture,"
                " options and features"
            )
        if self.bundles is not None and init not in self.bundles:
            known = [*self.paths, *self.bundles]
            near = difflib.get_close_matches(init, [one for one in known if one != name], 1, 0.0)
            nearest = f"; the nearest is '{near[0]}'" if near else ""
            raise SreError(
                f"model {name}: init '{init}' is no model of this recipe{nearest}; add it to models or bundles, or give"
                " the path of a final.pt"
            )


def with_base(schema: Schema, own: dict, base: dict, where: str) -> dict:
    """Return what a model says in the place of what its base says, key by key.

    What was meant for another loss, schedule or optimiser than the model's is not taken from the base.
    Raises SreError where the model asks for what a start from its base cannot be.
    """
    kept = {key: value for key, value in base.items() if key not in OF_A_PHASE}
    training, said = _section(kept, "training"), _section(own, "training")
    if _changed(schema, own, kept, "architecture"):
        raise SreError(
            f"{where}: architecture {own['architecture']}, and its init '{own['init']}' is {kept.get('architecture')};"
            " take architecture away, for a start from it has its network"
        )
    if _changed(schema, own, kept, "loss", "type"):
        if own.get("head") != "new":
            raise SreError(
                f"{where}: loss.type {own['loss']['type']} is another than that of its init '{own['init']}', whose"
                " weights of the loss cannot be taken; set head: new"
            )
        kept.pop("loss", None)
    left_out = {key for key, other in (("epochs", "steps"), ("steps", "epochs")) if other in said and key not in said}
    if _changed(schema, own, kept, "training", "schedule", "type"):
        left_out.add("schedule")
    if _changed(schema, own, kept, "training", "optimizer"):
        left_out.update(OF_AN_OPTIMIZER)
        if "lr" not in said:
            raise SreError(
                f"{where}: training.optimizer {said['optimizer']} is another than that of its init '{own['init']}',"
                " whose training.lr is not for it; write training.lr"
            )
    if _changed(schema, own, kept, "training", "final"):
        left_out.add("ema")
    if said.get("weight_decay") == 0:
        left_out.add("no_decay")
    if training:
        kept["training"] = {key: value for key, value in training.items() if key not in left_out}
    if "margin_epochs" in _section(own, "loss") and "loss" in kept:  # how it grows is of the base's epochs
        kept["loss"] = {key: value for key, value in _section(kept, "loss").items() if key != "margin_schedule"}
    both = merged(kept, own)
    for problem in (*_too_late(schema, own, both), *_too_high(schema, own, both)):
        raise SreError(f"{where}: {problem}")
    return both


def check_phase_keys(given: Mapping[str, Any], where: str) -> None:
    """Raise SreError where a model that starts afresh says how it starts from another one, or one that does not."""
    if given.get("init") and given.get("head") == "extractor":
        raise SreError(f"{where}: head: extractor is the start of a loss whose network starts afresh; take init away")
    if not given.get("init"):
        for key in OF_A_PHASE[1:]:
            if key in given and given[key] != "extractor":
                raise SreError(f"{where}: {key} would do nothing without init; name what the training starts from")


def _too_late(schema: Schema, own: dict, both: dict) -> Iterator[str]:
    """Yield a sentence for each time of the base's that is after the last epoch of a shorter training."""
    epochs = _value(schema, both, "training", "epochs")
    if _section(both, "training").get("steps") or not isinstance(epochs, int):
        return
    times = {"loss": "margin_epochs", "training": "warmup_epochs"}
    for section, key in times.items():
        value = _value(schema, both, section, key)
        end = max(value) if isinstance(value, list) and all(isinstance(at, int | float) for at in value) else value
        if key not in _section(own, section) and isinstance(end, int | float) and end > epochs:
            yield (
                f"{section}.{key} {value} is what its init has, and after the last of {epochs} epochs; write"
                f" {section}.{key}, e.g. {[0, 0] if isinstance(value, list) else 0}"
            )


def _too_high(schema: Schema, own: dict, both: dict) -> Iterator[str]:
    """Yield a sentence where the base's last learning rate is above the model's first one."""
    rates = [_value(schema, both, "training", key) for key in ("lr", "final_lr")]
    said, kind = _section(own, "training"), _value(schema, both, "training", "schedule", "type")
    falls = kind in schema.part("$defs", "model", "properties", "training", "properties", "final_lr")["x-schedules"]
    if falls and "lr" in said and "final_lr" not in said and all(isinstance(rate, int | float) for rate in rates):
        first, last = rates
        if last > first:
            yield f"training.final_lr {last:g} is what its init has, and above training.lr {first:g}; write final_lr"


def _section(given: Mapping[str, Any], name: str) -> dict:
    found = given.get(name)
    return found if isinstance(found, dict) else {}


def _value(schema: Schema, given: dict, *place: str) -> Any:
    """Return what is given at a place, else its default."""
    part = reduce(schema.inner, place, schema.part("$defs", "model"))
    inner = reduce(_section, place[:-1], given)
    return inner.get(place[-1], part.get("default"))


def _changed(schema: Schema, own: dict, base: dict, *place: str) -> bool:
    """Whether a model says another value at a place than its base has."""
    said = place[-1] in reduce(_section, place[:-1], own)
    return said and _value(schema, own, *place) != _value(schema, base, *place)
