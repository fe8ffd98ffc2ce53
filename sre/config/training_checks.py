"""What the schema cannot say of `training` in a model's YAML: its length, its learning rate, its optimiser."""

from collections.abc import Collection

from sre import SreError
from sre.config.schema import Schema

FALLING = ("cosine", "plateau", "cyclic")  # schedules with a rate between lr and final_lr
BEST = {"best_loss": "valid_loss", "best_eer": "valid_eer"}  # forms of `training.final`, and the column each looks at


def without_replaced(own: dict, over: dict) -> dict:
    """Return what a model's YAML says, without what is of `training` and an override of it takes the place of.

    That is the other one of epochs and steps, a schedule of another type, the betas of another optimiser, and what
    another training.final does not take.
    """
    training, given = own.get("training"), over.get("training")
    if not isinstance(training, dict) or not isinstance(given, dict):
        return own
    replaced = set()
    for key, others in (
        ("steps", ["epochs"]),
        ("epochs", ["steps"]),
        ("optimizer", ["betas"]),
        ("final", ["average_last", "ema"]),
    ):
        replaced |= set(others) if given.get(key) not in (None, training.get(key)) else set()
    schedule, before = given.get("schedule"), training.get("schedule")
    kind = before.get("type") if isinstance(before, dict) else None
    if isinstance(schedule, dict) and schedule.get("type") not in (None, kind):
        replaced.add("schedule")
    return own | {"training": {key: value for key, value in training.items() if key not in replaced}}


def looked_at(final: str, patience: int, monitor: str, schedule: str) -> dict[str, str]:
    """Map what a training decides by its validation to the column of history.jsonl that it looks at."""
    asked = {
        f"training.final {final}": BEST.get(final),
        "training.patience": monitor if patience else None,
        "training.schedule plateau": monitor if schedule == "plateau" else None,
    }
    return {key: column for key, column in asked.items() if column}


def check_training(schema: Schema, model: dict, keys: Collection[str], where: str) -> None:
    """Check the length, the rate and the optimiser. Raises SreError where they do not go together.

    keys : of `training`, that somebody gave: these are refused if they would do nothing
    """
    training = model["training"]
    if "steps" in keys and "epochs" in keys and training.get("steps"):
        raise SreError(f"{where}: training.steps stands in the place of training.epochs; take one of them out")
    if model["loss"].get("sharded") and training["optimizer"] == "novograd":
        raise SreError(
            f"{where}: training.optimizer novograd divides by the norm of a whole gradient, and with loss.sharded each"
            " process has a part of it; take loss.sharded out, or another optimizer"
        )
    schedule = training.get("schedule", {"type": "exponential"})
    _check_idle(schema, model, schedule["type"], keys, where)
    _check_schedule(schema, model, schedule, where)
    _check_kept(schema, model, schedule["type"], where)


def _check_kept(schema: Schema, model: dict, schedule: str, where: str) -> None:
    """Raise SreError where there is nothing to choose by, no average to take, or no epoch to end after."""
    training, epochs = model["training"], model["training"]["epochs"]
    final, patience = training.get("final", "average"), training.get("patience", 0)
    if final == "ema" and not training.get("ema"):
        raise SreError(f"{where}: training.final ema needs training.ema, the decay; set it, 0.999 is usual")
    if not training.get("steps") and patience and patience >= epochs - 1:
        raise SreError(f"{where}: training.patience {patience} would do nothing in {epochs} epochs; lower it")
    monitor = training.get("monitor", "valid_loss")
    compares = schema.part("$defs", "losses", model["loss"]["type"]).get("x-needs-batches")
    for key, column in looked_at(final, patience, monitor, schedule).items():
        needs, least = ("speakers", 2) if column == "valid_eer" or compares else ("utterances", 1)
        if model["validation"][needs] < least:
            raise SreError(
                f"{where}: {key} looks at {column}, which needs validation.{needs}; set it to {least} or more"
            )


def _check_idle(schema: Schema, model: dict, schedule: str, keys: Collection[str], where: str) -> None:
    """Raise SreError for a given key that another optimiser or schedule takes; 0 says what is so anyway."""
    training, loss = model["training"], model["loss"]
    properties = schema.part("$defs", "model", "properties", "training", "properties")
    for mark, kind, what in (
        ("x-optimizers", training["optimizer"], "optimizer"),
        ("x-schedules", schedule, "schedule"),
        ("x-finals", training.get("final", "average"), "final"),
    ):
        for key in properties:
            if key in keys and training.get(key) and kind not in properties[key].get(mark, [kind]):
                raise SreError(
                    f"{where}: training.{key} would do nothing, as {what} {kind} has no such thing; take it out"
                )
    if "no_decay" in training and not training["weight_decay"]:
        raise SreError(f"{where}: training.no_decay would do nothing with weight_decay 0; take one of them out")
    if "margin_schedule" in loss and loss["margin_epochs"][0] >= loss["margin_epochs"][1]:
        raise SreError(
            f"{where}: loss.margin_schedule would do nothing, as margin_epochs {loss['margin_epochs']} let the margin"
            " grow in no time; set the second later, or take it out"
        )
    if "monitor" in keys and schedule != "plateau" and not training.get("patience"):
        raise SreError(
            f"{where}: training.monitor would do nothing without training.patience or schedule plateau; take it out"
        )


def _check_schedule(schema: Schema, model: dict, schedule: dict, where: str) -> None:
    training, kind = model["training"], schedule["type"]
    options = schema.part("$defs", "model", "properties", "training", "properties", "schedule", "properties")
    for key in schedule:
        if kind not in (types := options[key].get("x-of", [kind])):
            raise SreError(
                f"{where}: training.schedule.{key} is of type {' and '.join(types)}, not of {kind}; take it out"
            )
    if kind == "exponential" and not training["final_lr"]:
        raise SreError(
            f"{where}: training.final_lr is 0, which an exponential never reaches; raise it, or set"
            " schedule: {type: cosine}"
        )
    if kind in FALLING and training["final_lr"] >= training["lr"]:
        raise SreError(
            f"{where}: training.final_lr {training['final_lr']:g} is not below lr {training['lr']:g}, as schedule"
            f" {kind} needs; lower it"
        )
    if kind == "cyclic" and (schedule["half_cycle"] is None) == (schedule["half_cycle_epochs"] is None):
        raise SreError(
            f"{where}: training.schedule cyclic needs half_cycle or half_cycle_epochs, the length of half a cycle; give"
            " one of them"
        )
