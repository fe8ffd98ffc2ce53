"""How much a recipe will write, estimated from its resolved config and the counts of its corpora; and what is free."""

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sre import SreError
from sre.config.checkpoints import most_at_once
from sre.config.conditions import asked_conditions
from sre.config.recipe import Recipe
from sre.doctor.findings import NOTE, OK, STOP, Finding
from sre.doctor.survey import Counts, Survey
from sre.features.types import dimension_of
from sre.io.atomic import is_locked
from sre.io.audio import AudioError, AudioRules, probe
from sre.models import cost
from sre.training.gate_checks import (
    CHECKPOINT_BYTES,
    FLAC_BYTES_A_SECOND,
    GUESSED_SECONDS,
    audio_seconds,
    feature_bytes,
)
from sre.training.summary import BUNDLE_FILE

SECTION = "Disk"
SCORE_BYTES = 60  # of a line: two ids and a number
SLOTS = {"sgd": 1}  # values an optimizer keeps of each weight; others keep 2
PROBED = 200  # recordings of a corpus whose headers tell the mean length
TIGHT = 0.9  # of what is free
OTHER_ROOT = "Another place is set by --config root=FOLDER."


def looked_at(recipe: Recipe, surveys: Mapping[str, Survey]) -> Iterator[Finding]:
    """Yield what will be written under the root, by kind, and whether it has room."""
    root = Path(recipe.config["root"])
    splits, how = splits_of(surveys, root / "data")
    needed = estimate(recipe, surveys, splits, root)
    for what, number in needed.items():
        if number:
            yield Finding(SECTION, what, OK, f"about {_gb(number)}")
    way = f"from {how or 'counts'}; what is made already is not in it"
    way = way if splits else "of networks alone, as no corpus was counted"
    yield Finding(SECTION, "estimated", OK, way)
    smaller = ", or set compression: 3 in the features, which halves them" if _is_large(recipe) else ""
    yield from _free(root.absolute(), sum(needed.values()), f"Make room{smaller}. {OTHER_ROOT}")


def _is_large(recipe: Recipe) -> bool:
    """Return whether some features are written without compression."""
    return any(not config.get("compression") for config in recipe.features.values())


def _free(root: Path, needed: int, cure: str) -> Iterator[Finding]:
    """Yield whether the root can be written, and has room."""
    place = next(one for one in (root, *root.parents) if one.exists())
    if not os.access(place, os.W_OK):
        yield Finding(SECTION, "root", STOP, f"{place}: cannot be written", OTHER_ROOT)
    if is_locked(root / ".sre.lock"):
        yield Finding(SECTION, "root", NOTE, f"{root}: another snakemake works in it", f"Wait for it. {OTHER_ROOT}")
    free = shutil.disk_usage(place).free
    text = f"{_gb(free)} on {place}; about {_gb(needed)} will be written"
    state = STOP if needed > free else NOTE if needed > TIGHT * free else OK
    yield Finding(SECTION, "free", state, text, cure if state != OK else "")


def _gb(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 5e7 else f"{number / 1e6:,.1f} MB"


def splits_of(surveys: Mapping[str, Survey], data: Path) -> tuple[dict[str, tuple[Counts, bool]], str]:
    """Return split -> its counts, hours among them, and whether it is trained on; and a text on how hours are known."""
    ways: dict[str, None] = {}
    found: dict[str, tuple[Counts, bool]] = {}
    for survey in surveys.values():
        mean: tuple[float, str] | None = None
        for part in filter(lambda one: one.split, survey.parts):
            hours, of = part.found.hours, "lengths in utt2dur"
            if hours is None and part.official and part.official.utterances == part.found.utterances:
                hours, of = part.official.hours, "published hours"
            if hours is None:
                mean = mean or mean_seconds(survey.recordings)
                hours, of = part.found.utterances * mean[0] / 3600, mean[1]
            ways |= {of: None} if hours else {}
            before, trained = found.get(part.split, (Counts(0, 0, 0.0), part.trained))
            both = Counts(
                before.speakers + part.found.speakers,
                before.utterances + part.found.utterances,
                (before.hours or 0.0) + (hours or 0.0),
            )
            found[part.split] = both, trained
    for split, (counts, trained) in found.items():
        if counts.hours and (data / split / "utt2spk").is_file():  # it is made already
            made = Counts(counts.speakers, counts.utterances, audio_seconds(data / split) / 3600)
            found[split] = made, trained
    return found, " and ".join(ways)


def mean_seconds(recordings: Sequence[str]) -> tuple[float, str]:
    """Return the mean length of recordings by the headers of some of them, and a text on that."""
    step = max(1, math.ceil(len(recordings) / PROBED))
    told = []
    for path in recordings[::step]:
        try:
            told.append(probe(path, AudioRules(resample=True)))
        except (AudioError, SreError, OSError):
            continue
    told = [seconds for seconds in told if not math.isnan(seconds)]
    if not told:
        return GUESSED_SECONDS, f"{GUESSED_SECONDS:g} s an utterance, as no header tells"
    mean = sum(told) / len(told)
    return mean, f"{mean:.1f} s an utterance, by the headers of {len(told)}"


def estimate(
    recipe: Recipe, surveys: Mapping[str, Survey], splits: Mapping[str, tuple[Counts, bool]], root: Path
) -> dict[str, int]:
    """Return what is written -> bytes, without what is made already."""
    data, exp = root / "data", root / "exp" / recipe.name
    speakers = sum(counts.speakers for counts, trained in splits.values() if trained)
    copies = {name for one in recipe.trainings.values() for name in one.get("copies", {})}
    copies -= {name for name in copies for path in data.glob(f"*_{name}/wav.scp")}
    needed = {"features": 0, "copies of sound": 0, "embeddings": 0, "networks": 0, "score files": 0}
    dimensions = {}
    for name, run in recipe.runs.items():
        network, dimensions[name] = training_bytes(recipe.trainings[name], speakers) if run.seed else (0, 256)
        needed["networks"] += 0 if (exp / name / BUNDLE_FILE).is_file() else network
    for split, (counts, trained) in splits.items():
        seconds = 3600 * (counts.hours or 0.0)
        changed = len(copies) if trained else _conditions(recipe.config)
        for name, config in recipe.features.items():
            if config["type"] in ("given", "embeddings"):
                continue
            if not (data / split / "feats" / name / "feats.scp").is_file():
                needed["features"] += (1 + changed) * feature_bytes(seconds, config)
        needed["copies of sound"] += int(changed * seconds * FLAC_BYTES_A_SECOND)
        for name, dimension in dimensions.items():
            if not (exp / name / "embeddings" / f"{split}.scp").is_file():
                needed["embeddings"] += 4 * dimension * counts.utterances * (1 + changed * (not trained))
    lists = sum(one.trials for survey in surveys.values() for one in survey.lists)
    systems = len(recipe.config["systems"]) * len(recipe.runs)
    if not (exp / "report.html").is_file():
        needed["score files"] = SCORE_BYTES * lists * systems * (1 + _conditions(recipe.config))
    return needed


def _conditions(config: Mapping) -> int:
    """Return how many conditions a list has, at most."""
    return len(asked_conditions(config["conditions"], "")) if config.get("conditions") else 0


def training_bytes(training: dict, speakers: int) -> tuple[int, int]:
    """Return the bytes of a training's checkpoints and its network, and the network's dimension of embeddings.

    A checkpoint has weights, the loss' weights of each speaker and speed, and what the optimizer keeps of all of them.
    """
    made, options = training["feature_config"], training["training"]
    try:
        features = dimension_of(made)
    except SreError:  # embeddings of a network that is not trained yet
        return CHECKPOINT_BYTES, 256
    network = cost.network_of(cost.Spec(training["architecture"], features, training["options"]))
    classes = speakers * (1 + len(training["augment"].get("speeds", [])))
    weights = sum(p.numel() for p in network.parameters()) + classes * network.embedding_dim
    slots = 1 + SLOTS.get(options["optimizer"], 2)
    return 4 * weights * (slots * most_at_once(options) + 1), network.embedding_dim
