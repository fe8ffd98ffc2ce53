"""What a model's resolved config says of how its training is run, and decides nothing of the network."""

OF_THE_RUN = {"checkpoints": "none", "devices": 1, "watchdog_s": 600}  # keys of `training`, with their defaults


def decisive(model: dict) -> dict:
    """Return a model's resolved config without the keys that decide nothing of the network."""
    return model | {"training": {key: value for key, value in model["training"].items() if key not in OF_THE_RUN}}


def of_the_run(model: dict) -> dict:
    """Return the keys that decide nothing of the network and have not their defaults."""
    asked = {key: model["training"].get(key, default) for key, default in OF_THE_RUN.items()}
    return {key: value for key, value in asked.items() if value != OF_THE_RUN[key]}


def that_stay(model: dict) -> str:
    """Return which checkpoints stay when the training is done: none, last or all."""
    return model["training"].get("checkpoints", OF_THE_RUN["checkpoints"])


def devices(model: dict) -> int | str:
    """Return the number of devices that a training asks for, or `all`."""
    return model["training"].get("devices", OF_THE_RUN["devices"])


def watchdog_s(model: dict) -> float:
    """Return the seconds without a step after which a training ends; 0: never."""
    return model["training"].get("watchdog_s", OF_THE_RUN["watchdog_s"])


def most_at_once(training: dict) -> int:
    """Return how many checkpoints of a training are there at a time, at most."""
    final = training.get("final", "average")
    return 2 + (training["average_last"] if final == "average" else int(final.startswith("best")))
