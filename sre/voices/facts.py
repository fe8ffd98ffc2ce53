"""What is in a model's file, for `sre info`: ready for JSON, and as a page of text."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sre.backends.norm import METHODS
from sre.backends.quality import column_names
from sre.io.forms import NUMBER, wrong_part
from sre.metrics.rates import RATES, worse_than_unheard
from sre.voices.manifest import DataPart, ListPart, NetworkPart, SystemPart
from sre.voices.package import Package
from sre.voices.scoring import NO_NORM

THRESHOLDS = {  # key of metrics -> what it is called
    "eer_threshold": "at the EER",
    "threshold_min_dcf_0.01": "at minDCF(0.01)",
    "threshold_fa_0.01": "at P_fa <= 1 %",
    "threshold_fa_0.001": "at P_fa <= 0.1 %",
}


def facts_of(path: Path, package: Package) -> dict[str, Any]:
    """Return what a package, or a final.pt, has: its networks, systems, lists, thresholds and where it is from."""
    manifest = package.manifest
    networks = []
    for part, bundle in zip(manifest.networks, package.bundles, strict=True):
        features = {key: value for key, value in part.feature_config.items() if value is not None}
        speakers = bundle.speakers
        networks.append({
            "name": part.name,
            "architecture": part.config["architecture"],
            "options": part.config["options"],
            "parameters": sum(value.numel() for value in bundle.network.values()),
            "features": features,
            "num_features": part.num_features,
            "extraction": part.extraction,
            "training_speakers": None if speakers is None else len(speakers),
            "classifier": part.head,
            "sha256": part.sha256,
        })  # fmt: skip
    systems = [{**asdict(part), "norm": part.norm and _norm(asdict(part.norm))} for part in manifest.systems]
    return {
        "file": str(path),
        "name": manifest.name,
        "sha256": package.sha256,
        "networks": networks,
        "systems": systems,
        "calibrated": bool(manifest.systems[-1].of),
        "lists": [asdict(part) for part in manifest.lists],
        "threshold_list": manifest.threshold_list,
        "training_data": [asdict(part) for part in manifest.training_data],
        "licence": manifest.licence,
        "sources": manifest.sources,
        "code": manifest.code,
    }


def _norm(norm: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in norm.items() if key != "members"} | {"cohort_size": len(norm["members"])}


def page_of(path: Path, package: Package) -> Iterator[str]:
    """Yield the lines of a page that a person reads, of what a package or a final.pt has."""
    manifest = package.manifest
    yield f"{path}: {manifest.name}"
    yield f"  licence: {manifest.licence or 'not stated'}"
    if package.sha256:
        yield f"  SHA-256 of its manifest: {package.sha256}, by sre {manifest.code or '?'}"
    for n, (part, bundle) in enumerate(zip(manifest.networks, package.bundles, strict=True)):
        values = sum(value.numel() for value in bundle.network.values())
        yield f"network {n}: {part.name}, {part.config['architecture']} of {values:,} parameters"
        yield from _of_network(part)
    for data in manifest.training_data:
        yield f"  network {data.network} was trained on {_training(data)}"
    for n, system in enumerate(manifest.systems):
        yield f"system {n}: {_system(system)}"
    yield "scores: " + ("log-likelihood ratios (natural logarithm)" if manifest.systems[-1].of else "not calibrated")
    for one in manifest.lists:
        yield from _of_list(one, manifest.threshold_list == one.name)
        if manifest.systems[-1].of and (dear := _worse_than_unheard(one.metrics)):
            yield f"  {dear}"
    if not manifest.lists:
        yield "measured on no trial list: it decides nothing by itself, give a threshold of yours"


def _of_network(part: NetworkPart) -> Iterator[str]:
    features = dict(part.feature_config)
    kind, rate = features.pop("type", "?"), features.pop("sample_rate", None)
    told = ", ".join(
        f"{key} {value}" for key, value in sorted(features.items()) if key != "version" and value is not None
    )
    yield f"  takes {kind} of {part.num_features} columns" + (f" at {rate} Hz" if rate else "") + f" ({told})"
    if part.extraction:
        yield "  extraction: " + ", ".join(f"{key} {value}" for key, value in sorted(part.extraction.items()))
    known = f"the names of {len(part.speakers):,}" if part.speakers else "without the names of its"
    inside = " are in it" if part.speakers else ""
    yield f"  {'with' if part.head else 'without'} its classifier; {known} training speakers{inside}"


def _training(data: DataPart) -> str:
    counts = [f"{data.speakers:,} speakers"] if data.speakers else []
    counts += [f"{data.utterances:,} utterances"] if data.utterances else []
    counts += [f"{data.hours:.3g} hours"] if data.hours else []
    return data.name + (f": {', '.join(counts)}" if counts else "")


def _system(system: SystemPart) -> str:
    if system.of:
        inputs = [*(f"system {n}" for n in system.of), *column_names(system.quality_measures)]
        terms = " + ".join(f"{weight:.4g} x {name}" for name, weight in zip(inputs, system.weights, strict=True))
        fitted = f", fitted on list {system.fitted_on}" if system.fitted_on else ""
        offset = f"{'-' if system.offset < 0 else '+'} {abs(system.offset):.4g}"
        return f"{system.name} = {terms} {offset}{fitted}"
    chain = " > ".join(system.backend.get("chain", [])) or "none"
    text = f"{system.name}: {system.backend.get('kind')} of network {system.network}, chain {chain}"
    if norm := system.norm:
        usual = METHODS[norm.method].top_n if norm.method in METHODS else 0
        nearest = (usual if norm.top_n is None else norm.top_n) or len(norm.members)
        what = "no norm, but the cohort mean," if norm.method == NO_NORM else norm.method
        text += f"; {what} with a cohort of {len(norm.members)}"
        text += f", of which the nearest {nearest} count" * (nearest < len(norm.members))
    return text


def _worse_than_unheard(metrics: dict[str, Any]) -> str | None:
    costs = {"actDCF(0.05)": metrics.get("act_dcf_0.05"), "Cllr": metrics.get("cllr")}
    return worse_than_unheard({name: cost for name, cost in costs.items() if isinstance(cost, int | float)})


def _of_list(part: ListPart, is_default: bool) -> Iterator[str]:
    of = f" of {part.speakers} speakers" if part.speakers else ""
    counts = f"{part.targets:,} target and {part.nontargets:,} nontarget trials{of}"
    default = "; thresholds are taken of it" if is_default else ""
    yield f"list {part.name} ({part.role}): {counts}{default}"
    intervals = part.metrics.get("intervals")
    for rate in RATES:
        if isinstance(part.metrics.get(rate.key), int | float):
            bounds = intervals.get(rate.key) if isinstance(intervals, dict) else None
            bounds = None if wrong_part(bounds, [NUMBER, NUMBER]) else bounds
            told = f" (95 % interval {bounds[0]:.4g} to {bounds[1]:.4g})" if bounds else ""
            yield f"  {rate.name} {part.metrics[rate.key]:.{rate.digits}f}{rate.unit}{told}"
    for key, name in THRESHOLDS.items():
        if isinstance(part.metrics.get(key), int | float):
            yield f"  threshold {name}: {part.metrics[key]:.6g}"
