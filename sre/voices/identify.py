"""Who is speaking? Enrolled voices against new audio, with a threshold below which nobody of them is.

An identification is as many comparisons as there are voices, and each can be a false alarm. So a prior is that of the
speaker being enrolled at all, and each voice has its equal share of it; the more voices, the higher the threshold.
Legend: T probes, V voices, K best voices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from pathlib import Path

import numpy as np

from sre.io.atomic import sha256_file
from sre.io.audio import AudioRules, look
from sre.voices.database import Database, Enrolled, Origin, Utterances, checked_name
from sre.voices.deciding import Point, Threshold
from sre.voices.gallery import Gallery
from sre.voices.model import Model
from sre.voices.voiceprint import Voiceprint


@dataclass(frozen=True)
class Hit:
    """One of the best voices of a probe.

    score : of the model's system, a log-likelihood ratio where it is calibrated
    posterior : the probability of this voice, with a rest that it is nobody of them; None without calibration
    accepted : whether the score reaches the threshold; None without one
    """

    voice: str
    score: float
    posterior: float | None
    accepted: bool | None


@dataclass(frozen=True)
class Asked:
    """What decides: at most one of an operating point, a share of false alarms of one comparison, and a threshold.

    point : its p_target is the probability that the speaker is one of the voices
    list_name : of the model's lists, for `far` and error rates; None: the model's own choice
    """

    point: Point | None = None
    far: float | None = None
    at: float | None = None
    list_name: str | None = None


class Voices:
    """A model with a file of voices: enrolment, and identification by a gallery that follows the file's changes."""

    def __init__(self, model: Model, path: str | Path) -> None:
        self.model, self.database = model, Database(path, origin_of(model))
        self._gallery: Gallery | None = None

    def enrol(self, name: str, audio: Sequence[str], voiceprint: Voiceprint, new: bool = False) -> Enrolled:
        """Enrol the K utterances of a voiceprint. audio : K SHA-256 of what they were made of. Raises as `Database`."""
        sources = [str(source) for source in voiceprint.names]
        return self.database.enrol(name, Utterances(voiceprint.vectors, audio, sources, voiceprint.qualities), new)

    def enrol_files(
        self, name: str, paths: Sequence[str | Path], new: bool = False, channel: str | int | None = None
    ) -> Enrolled:
        """Enrol recordings of a voice. Raises SreError for one that cannot be used; then none is enrolled."""
        files = [str(path) for path in paths]
        checked_name(name)
        if not self.database.file.is_new():
            self.database.origin()  # a file of another model is told before anything is embedded
        voiceprint = self.model.voiceprint(*files, channel=channel)
        if self.model.reading:
            return self.enrol(name, list(map(sha256_file, files)), voiceprint, new)
        rules = AudioRules(self.model.hearing.listeners[0].sample_rate, resample=True, channel=channel)
        return self.enrol(name, [audio_sha256(file, rules) for file in files], voiceprint, new)

    def gallery(self) -> Gallery:
        """Return all voices, read again if the file has changed since."""
        if self._gallery is None or self._gallery.token != self.database.token():
            self._gallery = None  # both in memory would be too much
            self._gallery = Gallery(self.model.system, self.database.read())
        return self._gallery

    def threshold(self, asked: Asked) -> Threshold | None:
        """Return the threshold for as many voices as there are; None where the model has none and none was given."""
        voices = max(1, len(self.gallery()))
        return threshold_of(self.model, asked, voices)

    def identify(self, voiceprint: Voiceprint, top: int = 1, asked: Asked | None = None) -> list[list[Hit]]:
        """Return the `top` best voices of each of the T utterances of a voiceprint, the best first.

        Raises SreError where no voice is enrolled.
        """
        gallery = self.gallery()
        asked = asked or Asked()
        threshold = self.threshold(asked)
        found = gallery.search(voiceprint.vectors, voiceprint.qualities, top)
        prior = (asked.point or Point()).p_target
        hits = []
        for places, scores, total in zip(found.places, found.scores, found.totals, strict=True):
            of_probe = []
            for place, score in zip(places, scores, strict=True):
                sure = posterior_of(score, total, prior, len(gallery)) if self.model.system.calibrated else None
                accepted = None if threshold is None else bool(score >= threshold.value)
                of_probe.append(Hit(gallery.names[place], float(score), sure, accepted))
            hits.append(of_probe)
        return hits


def threshold_of(model: Model, asked: Asked, voices: int) -> Threshold | None:
    """Return the threshold among so many voices; None where the model has none and none was given."""
    point = asked.point
    if point is None and asked.far is None and asked.at is None:
        if not model.system.calibrated:
            return None
        point = Point()
    if point is not None:
        point = replace(point, p_target=point.p_target / voices)
    return model.measured.threshold(point, asked.far, asked.at, asked.list_name)


def posterior_of(llr: float, total: float, prior: float, voices: int) -> float:
    """Return the probability of a voice by Bayes' rule.

    llr : the voice's log-likelihood ratio; total : the logarithm of the sum of all voices' likelihood ratios
    prior : that the speaker is one of the voices, which are equally likely; else it is nobody of them
    """
    share, nobody = log(prior / voices), log(1 - prior)
    return exp(llr + share - np.logaddexp(nobody, total + share))


def origin_of(model: Model) -> Origin:
    """Return by what a model's embeddings are known: all that they depend on, and so not its calibration."""
    return Origin(model.embedding_sha256, model.package.manifest.name, model.dimension)


def audio_sha256(path: str, rules: AudioRules) -> str:
    """Return by what a recording is known again: the SHA-256 of its file and, of several channels, which is taken."""
    alone = rules.channel is None or look(path, rules).channels == 1
    return sha256_file(path) + ("" if alone else f" {rules.channel}")
