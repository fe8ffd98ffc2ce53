"""A model in use: audio to voiceprints, voiceprints to scores and decisions. Legend: D embedding, K utterances."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sre import SreError
from sre.backends.calibration import Calibration
from sre.backends.cosine import Cosine
from sre.backends.files import contents_of
from sre.extraction.embedder import AHEAD, ahead, embed_all
from sre.extraction.network import Embedder, check_shapes
from sre.extraction.pieces import Pieces
from sre.features.types import FROM_ELSEWHERE
from sre.io.atomic import sha256_text
from sre.io.tensor_file import CURE, digest_of
from sre.io.text import canonical
from sre.models import bundle as bundles
from sre.voices.deciding import P_TARGET, Decision, Measured, Point, Threshold, posterior
from sre.voices.facts import facts_of
from sre.voices.hearing import Heard, Hearing, Source, check_heard
from sre.voices.manifest import Manifest, NetworkPart, SystemPart
from sre.voices.package import Package, network_part, read_package
from sre.voices.reading import Reading
from sre.voices.scoring import Combined, Norm, Plain, System
from sre.voices.voiceprint import Voiceprint

AT_ONCE = {"cpu": 16, "cuda": 512}  # recordings whose pieces may share batches
Voice = Voiceprint | np.ndarray


def load(path: str | Path, device: str | torch.device = "auto", with_head: bool = False) -> "Model":
    """Return the model of a package (model.sre), or of a training (final.pt): that scores by the cosine, uncalibrated.

    device : auto, cpu or cuda
    with_head : read the weights of the loss too, for identification by the classifier
    Raises SreError where the file is none of these, damaged, or of a newer form.
    """
    path = Path(path)
    return Model(path, package_of(path, with_head), device)


def package_of(path: Path, with_head: bool = False) -> Package:
    """Return what is in a package; a final.pt is one of the raw cosine. Raises SreError as `load` does."""
    return _of_bundle(path, with_head) if is_bundle(path) else read_package(path, with_head)


def is_bundle(path: Path) -> bool:
    """Return whether a file's first bytes are those of a final.pt, which is a zip archive."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PK\3\4"
    except OSError:
        return False  # whoever reads it says what is wrong


def _of_bundle(path: Path, with_head: bool) -> Package:
    """Return a final.pt as a package of the raw cosine."""
    bundle = bundles.load_bundle(path, with_head)
    network = network_part(path.parent.name or path.stem, bundle, "")
    system = SystemPart("cosine", network=0, backend=contents_of(Cosine())[0])
    return Package(Manifest(f"{network.name}/cosine", [network], [system]), [bundle], {0: Cosine()})


class Model:
    """Networks with the systems that score their embeddings; `load` returns one.

    package : what it was read from
    system : the systems, which score many voiceprints at once
    measured : thresholds, and the error rates on lists
    """

    def __init__(self, path: Path, package: Package, device: str | torch.device = "auto") -> None:
        self.path, self.package = path, package
        parts = package.manifest.networks
        self.embedders = [
            self._embedder(part, bundle, device) for part, bundle in zip(parts, package.bundles, strict=True)
        ]
        self.pieces = [self._pieces(part) for part in parts]
        self.system = self._system()
        self.measured = Measured(package.manifest, package.curves, self.system.calibrated)

    def _embedder(self, part: NetworkPart, bundle: bundles.Bundle, device: str | torch.device) -> Embedder:
        check_shapes(bundle, self.path)
        return Embedder(self.path, device, part.extraction.get("precision", "fp32"), bundle)

    def _pieces(self, part: NetworkPart) -> Pieces:
        try:
            return Pieces(**{key: value for key, value in part.extraction.items() if key != "precision"})
        except (TypeError, ValueError) as error:
            raise SreError(f"{self.path}: its extraction cannot be used ({error}); {CURE}") from None

    def _system(self) -> System:
        """Return the systems. Raises SreError where a back-end does not fit its network."""
        ends = np.cumsum([embedder.network.embedding_dim for embedder in self.embedders])
        nodes: list[Plain | Combined] = []
        for n, part in enumerate(self.package.manifest.systems):
            if part.network is None:
                calibration = Calibration(np.array(part.weights, np.float64), part.offset, dict(part.facts))
                nodes.append(Combined(part.name, part.of, calibration, part.quality_measures, part.quality_ranges))
                continue
            width = self.embedders[part.network].network.embedding_dim
            columns = slice(int(ends[part.network]) - width, int(ends[part.network]))
            cohort = self.package.cohorts.get(n)
            norm = None if part.norm is None or cohort is None else Norm(part.norm.method, part.norm.top_n, cohort)
            try:
                self.package.backends[n].test(np.ones((1, width)))
            except SreError as error:
                raise SreError(f"{self.path}: system '{part.name}' does not fit its network ({error})") from None
            if cohort is not None and cohort.shape[1] != width:
                raise SreError(f"{self.path}: the cohort of system '{part.name}' is of another network; {CURE}")
            nodes.append(Plain(part.name, self.package.backends[n], columns, norm))
        return System(nodes, int(ends[-1]))

    @property
    def dimension(self) -> int:
        """D, the values of an embedding; of several networks their sum."""
        return self.system.dimension

    @cached_property
    def embedding_sha256(self) -> str:
        """The SHA-256 of all that embeddings depend on: of one network it is the same, whatever scores them."""
        told = []
        for n, part in enumerate(self.package.manifest.networks):
            known = self.package.manifest.tensors.get(f"nets/{n}/network")
            digest = known or digest_of(self.package.groups()[f"nets/{n}/network"])
            kept = {key: part.config[key] for key in ("architecture", "options")}
            told.append([digest, kept, part.feature_config, part.num_features, part.extraction])
        return sha256_text(canonical(told))

    @cached_property
    def info(self) -> dict[str, Any]:
        """What is in the file, ready for JSON; rates in per cent where metrics.json has them so."""
        return facts_of(self.path, self.package) | {"dimension": self.dimension}

    @cached_property
    def hearing(self) -> Hearing:
        """What makes features of audio. Raises SreError where a network's are from outside, or of another size."""
        hearing = Hearing(self.path, [embedder.feature_config for embedder in self.embedders])
        for listener, embedder in zip(hearing.listeners, self.embedders, strict=True):
            if listener.num_features not in (None, embedder.num_features):
                raise SreError(
                    f"{self.path}: its features have {listener.num_features} columns, and its network takes"
                    f" {embedder.num_features}; {CURE}"
                )
        return hearing

    @cached_property
    def reading(self) -> Reading | None:
        """What reads features, where all networks take features from elsewhere; None: they hear."""
        configs = [embedder.feature_config for embedder in self.embedders]
        if any(config.get("type") != FROM_ELSEWHERE for config in configs):
            return None
        columns = [
            embedder.num_features // (1 + embedder.feature_config.get("delta_order", 0)) for embedder in self.embedders
        ]
        return Reading(self.path, configs, columns)

    def embed(self, wave: np.ndarray, rate: int, channel: str | int | None = None) -> np.ndarray:
        """Return the (D,) float32 embedding of samples: floats in [-1, 1] or int16, (N,) or (N, channels).

        rate : Hz, of the samples; another than the network's is converted
        channel : of several, from 0 on, or "mix" for their mean
        Raises SreError for what is silent, too short, not finite, or of several channels without `channel`.
        """
        return self.voiceprint((wave, rate), channel=channel).vectors[0]

    def voiceprint(self, *sources: Source, channel: str | int | None = None) -> Voiceprint:
        """Return the voiceprint of recordings of one speaker: paths, or (wave, rate) as `embed` takes them.

        For networks on features from elsewhere, paths are of these: .npy arrays, or pickles. Raises SreError naming a
        recording that cannot be used.
        """
        if not sources:
            raise SreError("no recording was given; a voiceprint is of at least one")
        return Voiceprint.joined([found for _, found in self._each(sources, channel, strict=True)])  # type: ignore[misc]  # strict

    def embed_files(
        self, paths: Iterable[str | Path], channel: str | int | None = None
    ) -> Iterator[tuple[str, Voiceprint | str]]:
        """Yield (path, its voiceprint, or the reason why there is none), in the order of the paths.

        A file is decoded while others are embedded. Raises SreError where ffmpeg is needed and not installed.
        """
        return self._each(paths, channel)

    def embed_waves(self, waves: Iterable[tuple[str, np.ndarray, int]]) -> Iterator[tuple[str, Voiceprint | str]]:
        """Yield (name, voiceprint or reason) of named samples with their rates in Hz, as `embed_files` does."""
        return self._embedded(ahead(lambda one: self.hearing.hear(one[1:], one[0]), waves, AHEAD))

    def embed_features(self, feats: Iterable[tuple[str, np.ndarray]]) -> Iterator[tuple[str, Voiceprint | str]]:
        """Yield (name, voiceprint or reason) of named (T, F) features, for networks on features from elsewhere."""
        reading = self.reading
        assert reading is not None
        return self._embedded(ahead(lambda one: reading.taken(*one), feats, AHEAD))

    def _each(
        self, sources: Iterable[Source], channel: str | int | None, strict: bool = False
    ) -> Iterator[tuple[str, Voiceprint | str]]:
        ears = self.reading or self.hearing

        def heard(source: Source) -> Heard:
            one = ears.hear(source, channel=channel)
            return check_heard(one) if strict else one

        return self._embedded(ahead(heard, sources, AHEAD))

    def _embedded(self, heard: Iterator[Heard]) -> Iterator[tuple[str, Voiceprint | str]]:
        at_once = AT_ONCE[self.embedders[0].device.type]
        while some := list(islice(heard, at_once)):
            good = [n for n, one in enumerate(some) if not one.reason]
            found: list[dict[int, np.ndarray]] = []
            for network, (embedder, pieces) in enumerate(zip(self.embedders, self.pieces, strict=True)):
                named = [(f"{some[n].name} {n}", some[n].feats[network]) for n in good]  # a name may stand twice
                made = embed_all(embedder, named, pieces)
                found.append({int(name.rpartition(" ")[2]): vector for name, vector in made})
            for n, one in enumerate(some):
                joined = one.reason or _voiceprint(one, np.concatenate([vectors[n] for vectors in found]))
                yield one.name, joined

    def score(self, enrolled: Voice, tested: Voice) -> float:
        """Return the score of two voices, (D,) or (K, D) embeddings or voiceprints; the higher, the more likely one.

        Several enrolled utterances are one model, as the back-end makes it; of several tested ones the scores' mean.
        It is a log-likelihood ratio where the system is calibrated, and else on the scale of its back-end.
        """
        one, other = _as_voiceprint(enrolled), _as_voiceprint(tested)
        model = self.system.enrol(one.vectors, [np.arange(len(one))], one.qualities)
        return float(self.system.scores(model, self.system.test(other.vectors, other.qualities)).mean())

    def llr(self, enrolled: Voice, tested: Voice) -> float:
        """Return the natural-log likelihood ratio of one speaker against two. Raises SreError without a calibration."""
        if not self.system.calibrated:
            raise SreError(
                f"{self.path}: system '{self.system.name}' is not calibrated, its scores are no log-likelihood ratios;"
                " pack one with +cal, or use score"
            )
        return self.score(enrolled, tested)

    def threshold(
        self,
        p_target: float | None = None,
        c_miss: float = 1.0,
        c_fa: float = 1.0,
        far: float | None = None,
        list_name: str | None = None,
    ) -> Threshold:
        """Return a threshold: of an operating point, of a rate of false alarms `far` on a list, else the default one.

        The default is P_target 0.05 with equal costs where scores are log-likelihood ratios, else that of the EER.
        Raises SreError where the model cannot tell it.
        """
        asked = p_target is not None or (c_miss, c_fa) != (1, 1)
        point = Point(P_TARGET if p_target is None else p_target, c_miss, c_fa) if asked else None
        return self.measured.threshold(point, far, name=list_name)

    def decide(
        self,
        enrolled: Voice,
        tested: Voice,
        threshold: Threshold | float | None = None,
        p_target: float = P_TARGET,
    ) -> Decision:
        """Return the score of two voices, whether they are one speaker, and how sure that is at the prior `p_target`.

        threshold : of `threshold`, or a number; None: that of `p_target` where scores are log-likelihood ratios, else
            the default one, and no decision where the model has none
        Raises SreError for a prior that is not between 0 and 1.
        """
        if not 0 < p_target < 1:
            raise SreError(f"a prior of {p_target}; give the probability of one speaker, between 0 and 1")
        if threshold is None and (self.system.calibrated or self.package.manifest.lists):
            threshold = self.threshold(p_target if self.system.calibrated else None)
        elif threshold is not None and not isinstance(threshold, Threshold):
            threshold = self.measured.threshold(at=float(threshold))
        score = self.score(enrolled, tested)
        llr = score if self.system.calibrated else None
        accepted = None if threshold is None else score >= threshold.value
        return Decision(score, llr, accepted, None if llr is None else posterior(llr, p_target), threshold)


def _voiceprint(heard: Heard, vector: np.ndarray) -> Voiceprint:
    one = Voiceprint.of(vector, [heard.name])
    measured = {"speech_s": np.array([heard.speech_s]), "snr_db": np.array([heard.snr_db])}
    return replace(one, qualities=measured)


def _as_voiceprint(voice: Voice) -> Voiceprint:
    return voice if isinstance(voice, Voiceprint) else Voiceprint.of(voice)


__all__: Sequence[str] = ("Model", "Voice", "load")
