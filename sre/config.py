"""Configs: read, checked against the schema with every error at once, filled with defaults, written canonically."""

import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from sre import SreError
from sre.io.text import read_text

# A code change that alters a stage's results raises its number: that stage, and what follows, runs again.
STAGE_VERSIONS = {"data": 1, "feats": 1, "train": 2, "embed": 1, "score": 4}

BACKENDS = {
    "cosine": {"type": "cosine", "chain": []},
    "cosine_centred": {"type": "cosine", "chain": ["centre"]},
    "lda_plda": {"type": "plda", "chain": ["centre", "lda:128", "length_norm"]},
}
NORMS = {
    "znorm": {"method": "znorm"},
    "tnorm": {"method": "tnorm"},
    "ztnorm": {"method": "ztnorm"},
    "snorm": {"method": "snorm"},
    "asnorm": {"method": "asnorm1"},
    "asnorm2": {"method": "asnorm2"},
}
CALIBRATION = "cal"


def canonical(config: object) -> str:
    """One text for one meaning: sorted keys, 0.10 as 0.1; what hashes and Snakemake's params compare."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Schema:
    """recipes/config.schema.yaml: `check` raises one SreError with all that is wrong, else returns a filled copy."""

    def __init__(self, path: str | Path) -> None:
        self.root = yaml.safe_load(Path(path).read_text(encoding="utf-8"))

    def check(self, config: dict, where: str, *pointer: str) -> dict:
        """Check `config` against the schema's part at `pointer` (none: a recipe). `where` names it in the errors."""
        part = self.root
        for key in pointer:
            part = part[key]
        # the part's references are resolved from the whole schema
        validator = jsonschema.Draft202012Validator({"$defs": self.root["$defs"], **part})
        problems = [
            problem
            for error in sorted(validator.iter_errors(config), key=lambda e: [str(p) for p in e.absolute_path])
            for problem in _explain(error)
        ]
        if problems:
            raise SreError(
                f"{where}: {len(problems)} problem{'s' * (len(problems) > 1)}:" + "".join(f"\n  {p}" for p in problems)
            )
        return self._filled(config, part)

    def _filled(self, value: Any, schema: dict) -> Any:
        if "$ref" in schema:
            schema = self.root["$defs"][schema["$ref"].rpartition("/")[2]]
        if isinstance(value, float) and value.is_integer() and schema.get("type") == "integer":
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and schema.get("type") == "number":
            value = float(value)
        if isinstance(value, list) and "items" in schema:
            return [self._filled(item, schema["items"]) for item in value]
        if not isinstance(value, dict):
            return value
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        filled = {}
        for key in {**properties, **value}:
            part = properties.get(key, others if isinstance(others, dict) else {})
            if key in value or "default" in part:
                filled[key] = self._filled(value.get(key, part.get("default")), part)
        return filled


def _explain(error: jsonschema.ValidationError) -> Iterator[str]:
    place = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {})
        for key in error.instance:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1, 0.0)
                full = f"{place}.{key}" if place else str(key)
                yield f"unknown key '{full}'; the nearest valid one is '{near[0]}'" if near else f"unknown key '{full}'"
    elif error.validator == "enum" and isinstance(error.instance, str):
        near = difflib.get_close_matches(error.instance, [str(v) for v in error.validator_value], 1, 0.0)
        yield f"{place}: '{error.instance}' is none of {error.validator_value}; the nearest is '{near[0]}'"
    else:
        yield f"{place or 'config'}: {error.message}"


class _Loader(yaml.SafeLoader):
    """YAML as people write it: 1e-3 is a number (YAML 1.1 wants 1.0e-3 and else gives the text)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def read_yaml(path: str | Path) -> dict:
    try:
        config = yaml.load(read_text(path, "no such file; check the name"), _Loader)
    except yaml.YAMLError as error:
        raise SreError(f"{path}: not YAML ({' '.join(str(error).split())}); mend it") from None
    if not isinstance(config, dict):
        raise SreError(f"{path}: expected `key: value` lines")
    return config


def resolve_features(schema: Schema, config: dict, sample_rate: int, where: str) -> dict:
    """A feature config with defaults, sample rate (Hz) and the stage's version: what is saved and compared.

    Raises SreError for a VAD of anything but MFCCs with an energy.
    """
    filled = schema.check(config, where, "$defs", "features")
    if filled["vad"] is not None and (filled["type"] != "mfcc" or not filled["use_energy"]):
        raise SreError(f"{where}: vad works on the energy of MFCCs; set type: mfcc and use_energy: true, or vad: null")
    return {**filled, "sample_rate": sample_rate, "version": STAGE_VERSIONS["feats"]}


BATCH_LOSSES = (
    "ge2e", "prototypical", "angular_prototypical", "softmax_angular_prototypical", "triplet", "contrastive", "supcon",
)  # fmt: skip


def resolve_model(schema: Schema, path: str | Path, features: dict[str, dict], seed: int, held_out: int = 0) -> dict:
    """A model's YAML as the training needs it: see `resolve_model_config`."""
    return resolve_model_config(schema, read_yaml(path), str(path), features, seed, held_out)


def resolve_model_config(
    schema: Schema, given: dict, where: str, features: dict[str, dict], seed: int, held_out: int = 0
) -> dict:
    """A model's config as the training needs it: all defaults, its features' config, its seed, the stage's version.

    held_out : speakers of the recipe's development list, in place of validation.speakers; 0: there is no list
    """
    model = schema.check(given, where, "$defs", "model")
    model["validation"]["speakers"] = held_out or model["validation"]["speakers"]
    model["options"] = schema.check(
        model["options"], f"{where}: options", "$defs", "architectures", model["architecture"]
    )
    loss, training = model["loss"], model["training"]
    loss["options"] = schema.check(loss["options"], f"{where}: loss.options", "$defs", "losses", loss["type"])
    if loss["type"] in BATCH_LOSSES and training["chunks_per_speaker"] < 2:
        raise SreError(
            f"{where}: loss {loss['type']} compares chunks within a batch; set training.chunks_per_speaker to 2 or more"
        )
    if model["features"] not in features:
        known = ", ".join(sorted(map(str, features)))
        raise SreError(f"{where}: features '{model['features']}' are not in the recipe's config, only {known}")
    if model["augment"]["speeds"] and features[model["features"]]["type"] != "fbank":
        raise SreError(f"{where}: augment.speeds works on fbank, '{model['features']}' are MFCCs; name an fbank config")
    least, most = model["training"]["chunk_frames"]
    if least > most:
        raise SreError(f"{where}: training.chunk_frames is [{least}, {most}]; write the least first")
    return {**model, "feature_config": features[model["features"]], "seed": seed, "version": STAGE_VERSIONS["train"]}


def resolve_backend(schema: Schema, config: dict, where: str) -> dict:
    """A back-end's config with defaults; raises SreError where its options do not go together."""
    filled = schema.check(config, where, "$defs", "backend")
    adapts = filled["adapt"] is not None
    if filled["type"] == "ht_plda" and not filled["rank"]:
        raise SreError(f"{where}: ht_plda needs rank, the dimension of the speaker subspace; 100 to 200 is usual")
    if adapts and filled["type"] != "plda":
        raise SreError(f"{where}: adapt works on type plda, not on {filled['type']}; take one of them away")
    if filled["enrol"] == "by_the_book" and filled["type"] != "plda":
        raise SreError(f"{where}: enrol by_the_book is PLDA's; {filled['type']} has mean, score_mean, score_max")
    return filled


def needs_adaptation(config: dict) -> bool:
    """Whether a resolved back-end is fitted on an adaptation set too."""
    return config["adapt"] is not None or "centre:adapt" in config["chain"]


def resolve_norm(schema: Schema, config: dict, where: str) -> dict:
    """A norm's config with defaults: top_n is 300 for the adaptive ones, else the whole cohort (0)."""
    filled = schema.check(config, where, "$defs", "norm")
    if filled["top_n"] is None:
        filled["top_n"] = default_top_n(filled["method"])
    return filled


def default_top_n(method: str) -> int:
    """Nearest cohort members of a norm that names no number; 0: all."""
    return 300 if method.startswith("asnorm") else 0


def resolve_system(name: str, backends: dict[str, dict], norms: dict[str, dict], fusions: dict[str, list]) -> dict:
    """`backend[+norm][+cal]` -> {"backend", "norm" (or None), "of"}; a fusion's name -> {"of"}.

    "of": the systems whose scores are calibrated or fused, or None. Raises SreError naming the nearest known one.
    """
    if name in fusions:
        return {"of": fusions[name]}
    base, plus, last = name.rpartition("+")
    calibrated = bool(plus) and last == CALIBRATION
    backend, _, norm = (base if calibrated else name).partition("+")
    if backend in fusions:
        raise SreError(f"systems: '{name}': a fusion is calibrated, and has no cohort; write '{backend}' alone")
    for kind, part, known in (("back-end", backend, {**backends, **fusions}), ("norm", norm, {**norms, "": None})):
        if part not in known:
            near = difflib.get_close_matches(part, known, 1, 0.0)
            raise SreError(f"systems: '{name}' names the unknown {kind} '{part}'; the nearest is '{near[0]}'")
    return {"backend": backend, "norm": norms[norm] if norm else None, "of": [base] if calibrated else None}
