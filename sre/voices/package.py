"""The file model.sre: networks, systems of them, and what is known of both; its one writer and reader.

It is a file of safetensors. Its metadata has the format, the manifest as JSON, and the SHA-256 of that. The manifest
has the SHA-256 of each group of arrays: nets/0/network/…, nets/0/head/…, systems/0/backend/…, systems/0/cohort/vectors
and lists/0/curve. Nothing in it is code. Legend: D embedding, C cohort, K thresholds.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from sre import SreError
from sre.backends.backend import Backend
from sre.backends.files import backend_of, contents_of
from sre.backends.norm import METHODS
from sre.backends.quality import COHORT_MEAN, MEASURES, column_names
from sre.io.atomic import sha256_text
from sre.io.forms import built, check_form, unknown_name
from sre.io.tensor_file import CURE, TensorFile, digest_of, json_object_of, write_tensors
from sre.io.text import canonical
from sre.models.bundle import Bundle
from sre.voices.manifest import FORM, Manifest, NetworkPart, SystemPart
from sre.voices.scoring import NO_NORM

FORMAT = "sre package 1"
METADATA = {"format", "manifest", "sha256"}
NAME = re.compile(r"((nets|systems|lists)/(0|[1-9][0-9]{0,4})/(network|head|backend|cohort|curve))(/[\w.]+)?")
INSIDE = {"nets": ("network", "head"), "systems": ("backend", "cohort"), "lists": ("curve",)}
Arrays = dict[str, np.ndarray]


@dataclass
class Package:
    """A package, read or to be written.

    bundles : a Bundle of each network
    backends : place of a system -> its back-end, of those that are not combined
    cohorts : place of a system -> (C, D) embeddings of its norm's cohort
    curves : of each list, (3, K) rising thresholds with P_miss and P_fa at each; above the last all are rejected
    """

    manifest: Manifest
    bundles: list[Bundle]
    backends: dict[int, Backend] = field(default_factory=dict)
    cohorts: dict[int, np.ndarray] = field(default_factory=dict)
    curves: list[np.ndarray] = field(default_factory=list)
    sha256: str = ""

    def groups(self) -> dict[str, Arrays]:
        """Return the arrays by group."""
        groups: dict[str, Arrays] = {}
        for number, bundle in enumerate(self.bundles):
            groups[f"nets/{number}/network"] = _as_numpy(bundle.network)
            if bundle.head is not None:
                groups[f"nets/{number}/head"] = _as_numpy(bundle.head)
        for number, backend in self.backends.items():
            groups[f"systems/{number}/backend"] = contents_of(backend)[1]
        groups |= {f"systems/{number}/cohort": {"vectors": vectors} for number, vectors in self.cohorts.items()}
        groups |= {f"lists/{number}/curve": {"": curve} for number, curve in enumerate(self.curves)}
        return groups

    def write(self, path: Path) -> None:
        """Write the package whole. Raises SreError where there is no room, and for weights of an odd type."""
        groups = self.groups()
        manifest = replace(self.manifest, tensors={name: digest_of(group) for name, group in groups.items()})
        text = canonical(asdict(manifest))
        named = (
            (f"{group}/{name}".rstrip("/"), array) for group, some in groups.items() for name, array in some.items()
        )
        write_tensors(path, dict(named), {"format": FORMAT, "manifest": text, "sha256": sha256_text(text)})


def network_part(name: str, bundle: Bundle, sha256: str, extraction: dict | None = None) -> NetworkPart:
    """Return what a manifest tells of a bundle; the speakers' names go with the head."""
    has_head = bundle.head is not None
    return NetworkPart(
        name,
        bundle.config,
        bundle.feature_config,
        bundle.num_features,
        sha256,
        dict(extraction or {}),
        has_head,
        bundle.speakers if has_head else None,
        bundle.copies if has_head else [1.0],
        bundle.init,
        bundle.heard if has_head else None,
    )


def read_manifest(path: str | Path) -> tuple[Manifest, TensorFile, str]:
    """Return the manifest, the opened file and the manifest's SHA-256, without reading arrays.

    Raises SreError naming what is missing, unknown or contradicts itself.
    """
    file = TensorFile(path)
    told = file.metadata.get("format", "")
    if told != FORMAT:
        what = f"of the format '{told[:40]}', this version of sre reads '{FORMAT}'; update sre" if told else ""
        raise SreError(f"{path}: {what or 'a file of safetensors, and no package of sre; make one by sre pack'}")
    if odd := sorted(METADATA ^ file.metadata.keys()):
        raise SreError(f"{path}: its metadata lacks, or has besides, '{odd[0][:40]}'; {CURE}")
    text = file.metadata["manifest"]
    if sha256_text(text) != file.metadata["sha256"]:
        raise SreError(f"{path}: its manifest is not that of its SHA-256; {CURE}")
    content = check_form(path, json_object_of(path, text, "manifest"), FORM, CURE)
    if name := unknown_name(content, FORM):
        raise SreError(f"{path}: its manifest has '{name[:60]}', which this version of sre does not know; update sre")
    manifest: Manifest = built(Manifest, content)
    _check_systems(path, manifest)
    _check_names(file, manifest)
    return manifest, file, file.metadata["sha256"]


def _check_names(file: TensorFile, manifest: Manifest) -> None:
    """Raise SreError where arrays are missing, or are none of what the manifest tells."""
    wanted = {f"nets/{n}/network" for n in range(len(manifest.networks))}
    wanted |= {f"nets/{n}/head" for n, part in enumerate(manifest.networks) if part.head}
    wanted |= {f"systems/{n}/backend" for n, part in enumerate(manifest.systems) if part.network is not None}
    wanted |= {f"systems/{n}/cohort" for n, part in enumerate(manifest.systems) if part.norm is not None}
    wanted |= {f"lists/{n}/curve" for n in range(len(manifest.lists))}
    found = {group for group in wanted if group.endswith("/backend")}  # a raw cosine has no arrays
    for name in file.shapes:
        parts = NAME.fullmatch(name)
        if not parts or parts[4] not in INSIDE[parts[2]] or (parts[5] is None) != (parts[4] == "curve"):
            raise SreError(f"{file.path}: an array with the unknown name {name[:80]!r}; {CURE}")
        found.add(parts[1])
    if odd := sorted(found - wanted):
        raise SreError(f"{file.path}: it has arrays of {odd[0]}, of which its manifest tells nothing; {CURE}")
    if lost := sorted(wanted - found):
        raise SreError(f"{file.path}: the arrays of {lost[0]} are missing; {CURE}")
    if manifest.tensors.keys() != wanted:
        raise SreError(f"{file.path}: its manifest has no SHA-256 of some arrays, or of others; {CURE}")


def _check_systems(path: str | Path, manifest: Manifest) -> None:
    """Raise SreError where systems contradict themselves or each other."""
    for n, part in enumerate(manifest.systems):
        why = _wrong_system(n, part, len(manifest.networks)) or _wrong_measures(part, manifest.systems)
        if why:
            raise SreError(f"{path}: system {n}, '{part.name[:60]}', {why}; {CURE}")
    if not manifest.networks:
        raise SreError(f"{path}: no network in it; {CURE}")
    if manifest.threshold_list and manifest.threshold_list not in {part.name for part in manifest.lists}:
        raise SreError(f"{path}: its list '{manifest.threshold_list[:60]}' is not in it; {CURE}")


def _wrong_system(n: int, part: SystemPart, networks: int) -> str:
    """Return what of the n-th system is wrong; "" for nothing."""
    if part.network is not None:
        if part.of or type(part.network) is not int or not 0 <= part.network < networks:
            return "is of a network that is not there, or combined too"
        if part.norm and part.norm.method not in {*METHODS, NO_NORM}:
            return f"has the unknown norm '{part.norm.method[:40]}'"
        top_n = part.norm.top_n if part.norm else None
        return f"takes the nearest {top_n} of its cohort" if top_n is not None and (top_n < 0 or top_n == 1) else ""
    if not part.of or part.norm or part.backend:
        return "is of no network, and combined from no others"
    if any(not 0 <= one < n for one in part.of):
        return "is combined from one that does not stand before it"
    if odd := set(part.quality_measures) - set(MEASURES):
        return f"has the unknown quality measure '{min(odd)[:40]}'"
    ends = [len(one) == 2 and one[0] <= one[1] for one in part.quality_ranges]
    if len(ends) != len(part.quality_measures) or not all(ends):
        return "has not a range for each of its quality measures"
    inputs = len(part.of) + len(column_names(part.quality_measures))
    return "" if len(part.weights) == inputs else "has not a weight for each system that it is combined from"


def _wrong_measures(part: SystemPart, systems: Sequence[SystemPart]) -> str:
    """Return what of a system's quality measures is wrong; "" for nothing."""
    base = systems[part.of[0]] if part.quality_measures and part.of else None
    if part.quality_measures and (base is None or base.network is None):
        return "takes quality measures of no system with a network"
    lacks = base is not None and COHORT_MEAN in part.quality_measures and base.norm is None
    return f"takes {COHORT_MEAN} of '{base.name[:60]}', which has no cohort" if base and lacks else ""


def read_package(path: str | Path, with_head: bool = False) -> Package:
    """Read a package; without `with_head` the weights of losses stay in the file.

    Raises SreError as `read_manifest`, and where arrays are not those of the manifest's SHA-256, not finite, or of no
    back-end.
    """
    manifest, file, sha256 = read_manifest(path)
    package = Package(manifest, [], sha256=sha256)
    for n, part in enumerate(manifest.networks):
        network = _as_torch(_checked(file, manifest, f"nets/{n}/network"))
        head = _as_torch(_checked(file, manifest, f"nets/{n}/head")) if part.head and with_head else None
        package.bundles.append(_bundle_of(path, part, network, head))
    for n, system in enumerate(manifest.systems):
        if system.network is not None:
            package.backends[n] = _backend(file, manifest, n)
        if system.norm:
            cohort = _checked(file, manifest, f"systems/{n}/cohort").get("vectors", np.empty(0))
            if cohort.ndim != 2 or len(cohort) != len(system.norm.members):
                raise SreError(f"{path}: the cohort of system {n} has not a row for each of its members; {CURE}")
            package.cohorts[n] = cohort
    for n in range(len(manifest.lists)):
        curve = _checked(file, manifest, f"lists/{n}/curve").get("", np.empty(0))
        if curve.ndim != 2 or len(curve) != 3 or not curve.size or (np.diff(curve[0]) <= 0).any():
            raise SreError(f"{path}: the thresholds of list {n} do not rise; {CURE}")
        package.curves.append(curve)
    return package


def _checked(file: TensorFile, manifest: Manifest, group: str) -> Arrays:
    """Return the arrays of a group. Raises SreError where they are not those of the manifest's SHA-256."""
    single = group.endswith("/curve")
    arrays = file.arrays(group if single else f"{group}/")
    if digest_of(arrays) != manifest.tensors[group]:
        raise SreError(f"{file.path}: the arrays of {group} are not those of its manifest's SHA-256; {CURE}")
    return arrays


def _bundle_of(path: str | Path, part: NetworkPart, network: dict, head: dict | None) -> Bundle:
    config = dict(part.config)
    if not isinstance(config.get("architecture"), str) or not isinstance(config.get("options"), dict):
        raise SreError(f"{path}: the config of network '{part.name[:60]}' names no architecture with options; {CURE}")
    if part.num_features < 1:
        raise SreError(f"{path}: its num_features {part.num_features} is no number of columns; {CURE}")
    config.setdefault("features", None)
    fields = part.feature_config, part.num_features, network, part.speakers, head, part.copies, part.init, part.heard
    return Bundle(config, *fields)


def _backend(file: TensorFile, manifest: Manifest, n: int) -> Backend:
    arrays = _checked(file, manifest, f"systems/{n}/backend")
    try:
        backend = backend_of(manifest.systems[n].backend, arrays)
        if odd := sorted(backend.parts.keys() - backend.SHAPES.keys()):
            raise ValueError(f"it has the unknown array {odd[0]}")
        return backend
    except (ValueError, KeyError, TypeError) as error:
        raise SreError(f"{file.path}: system {n} is no back-end ({str(error)[:200]}); {CURE}") from None


def _as_numpy(weights: dict[str, torch.Tensor]) -> Arrays:
    try:
        return {name: value.detach().cpu().contiguous().numpy() for name, value in weights.items()}
    except TypeError:  # bfloat16, of which numpy knows nothing
        return {name: value.detach().cpu().float().contiguous().numpy() for name, value in weights.items()}


def _as_torch(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
