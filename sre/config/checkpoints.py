"""What a model's resolved config says of its training's checkpoints."""


def decisive(model: dict) -> dict:
    """Return a model's resolved config without training.checkpoints, which decides nothing of the network."""
    return model | {"training": {key: value for key, value in model["training"].items() if key != "checkpoints"}}


def that_stay(model: dict) -> str:
    """Return which checkpoints stay when the training is done: none, last or all."""
    return model["training"].get("checkpoints", "none")


def most_at_once(training: dict) -> int:
    """Return how many checkpoints of a training are there at a time, at most."""
    final = training.get("final", "average")
    return 2 + (training["average_last"] if final == "average" else int(final.startswith("best")))
