"""What the local page does with a model and a file of voices: clips, comparisons, enrolment, identification.

Answers are what the page shows: {verdict, title, text, facts, rows, scale}; verdict is same, different, done or "".
"""

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sre import SreError
from sre.io.audio import MIX, AudioError, AudioRules, Recording, load, look
from sre.voices.deciding import P_TARGET, Threshold
from sre.voices.identify import Asked, Voices
from sre.voices.model import Model
from sre.voices.voiceprint import Voiceprint

MOST_CLIPS = 100  # that are remembered; of each only its voiceprint
SHORT_S = 2.0  # of speech: a person is told that more is better
SHOWN = 5  # best voices of an identification
SCALE = 10.0  # log-likelihood ratios of the scale that is drawn, to both sides, at least
NO_THRESHOLD = "The model has no threshold; sre pack makes a model.sre of a calibrated system, which has one."


@dataclass(frozen=True)
class Clip:
    """One recording: its voiceprint, and by what its audio is known again, as `audio_sha256` of sre.voices.identify."""

    voiceprint: Voiceprint
    audio: str


class VoicesDesk:
    """Does what the page asks (sre.voices.web: Desk), for one request at a time.

    database : the file of voices; None: nothing is enrolled or identified
    channel : what is taken of recordings with several: one, from 0 on, or "mix" for their mean
    """

    def __init__(self, model: Model, database: Path | None, channel: str = MIX) -> None:
        self.channel = channel
        self.model, self.voices = model, None if database is None else Voices(model, database)
        self.clips: OrderedDict[str, Clip] = OrderedDict()
        self.taken = 0

    def info(self) -> dict:
        """Return what the page says of the model, and the enrolled voices."""
        name, system = self.model.package.manifest.name, self.model.system
        text = f"Model {name}" + f", system {system.name}" * (not name.endswith(system.name))
        if not system.calibrated:
            text += "; not calibrated: it tells scores, and no probabilities"
        found = {"text": text, "database": self.voices is not None, "voices": []}
        if self.voices is None:
            return found | {
                "no_database": "No file of voices was given. Start again with one: sre serve MODEL voices.db"
            }
        database = self.voices.database
        rows = [] if database.file.is_new() else database.voices()
        return found | {"voices": [[voice.name, voice.utterances] for voice in rows]}

    def clip(self, content: bytes, name: str) -> dict:
        """Embed an audio file. Raises SreError where it cannot be used."""
        name = "".join(letter for letter in re.split(r"[/\\]", name)[-1] if letter.isprintable())[:100] or "recording"
        suffix = Path(name).suffix
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"clip{suffix if re.fullmatch(r'[.][A-Za-z0-9]{1,5}', suffix) else ''}"
            path.write_bytes(content)
            recording, channel = self._decoded(str(path), name)
        ((_, found),) = self.model.embed_waves([(name, recording.wave, recording.sample_rate)])
        if isinstance(found, str):
            raise SreError(f"{name}: {found}")
        audio = hashlib.sha256(content).hexdigest() + (f" {channel}" if channel else "")
        self.taken += 1
        self.clips[str(self.taken)] = Clip(found, audio)
        while len(self.clips) > MOST_CLIPS:
            self.clips.popitem(last=False)
        return {"clip": str(self.taken), "text": f"{name}: {_quality(found)}"}

    def _decoded(self, path: str, name: str) -> tuple[Recording, str | None]:
        """Decode a file; return it, and the channel that was taken: None where there is one alone."""
        rules = AudioRules(self.model.hearing.listeners[0].sample_rate, resample=True, channel=self.channel)
        try:
            return load(path, rules), None if look(path, rules).channels == 1 else self.channel
        except AudioError as error:
            raise SreError(f"{name}: {error}") from None

    def compare(self, a: str, b: str) -> dict:
        """Tell whether two clips are of one speaker, and how sure that is."""
        found = self.model.decide(self._clip(a).voiceprint, self._clip(b).voiceprint)
        titles = {True: ("same", "The same speaker"), False: ("different", "Two speakers"), None: ("", "No decision")}
        verdict, title = titles[found.accepted]
        facts = []
        if found.posterior is not None:
            sure = f"{_probability(found.posterior)}, where {P_TARGET:.0%} was assumed before"
            facts.append(["Probability of one speaker", sure])
        return {
            "verdict": verdict,
            "title": title,
            "text": self._text(found.score, found.threshold),
            "facts": facts + _rates(found.threshold),
            "scale": self._scale(found.score, found.threshold),
        }

    def identify(self, clip: str) -> dict:
        """Tell whose voice a clip is, if it is one of the enrolled."""
        voices, heard = self._voices(), self._clip(clip).voiceprint
        hits, threshold = voices.identify(heard, SHOWN)[0], voices.threshold(Asked())
        best, count = hits[0], len(voices.gallery())
        titles = {
            True: ("same", best.voice),
            False: ("different", "None of the enrolled voices"),
            None: ("", f"{best.voice} is the nearest"),
        }
        verdict, title = titles[best.accepted]
        sure = [[] if hit.posterior is None else [_probability(hit.posterior)] for hit in hits]
        among = f" The more voices, the more could be it by chance, so {count} have a higher threshold than one."
        return {
            "verdict": verdict,
            "title": title,
            "text": self._text(best.score, threshold) + among * (count > 1 and self.model.system.calibrated),
            "head": ["Voice", self._unit().capitalize(), *["Probability"] * bool(sure[0])],
            "rows": [[hit.voice, f"{hit.score:.2f}", *more] for hit, more in zip(hits, sure, strict=True)],
            "scale": self._scale(best.score, threshold),
        }

    def enrol(self, name: str, clips: list[str]) -> dict:
        """Add clips to a voice, which is new where there is none of that name."""
        found = [self._clip(clip) for clip in clips]
        if not found:
            raise SreError("no recording was given; record one, or choose a file")
        joined = Voiceprint.joined([clip.voiceprint for clip in found])
        done = self._voices().enrol(name, [clip.audio for clip in found], joined)
        told = [f"{_counted(done.added)} added, {done.utterances} in all."]
        told += [f"{source} was there already, and was not added again." for source in done.known]
        told += [
            f"{source} is a recording of {other} too; if that is a mistake, remove one."
            for source, other in done.elsewhere
        ]
        title = f"{name} is enrolled" if done.is_new else f"{name} was there, and has more now"
        return {"verdict": "done", "title": title, "text": " ".join(told)}

    def remove(self, name: str) -> dict:
        """Delete a voice with all its voiceprints."""
        count = self._voices().database.remove(name)
        return {"verdict": "done", "title": f"{name} is removed", "text": f"{_counted(count)} deleted."}

    def _voices(self) -> Voices:
        if self.voices is None:
            raise SreError("no file of voices was given; start again with one: sre serve MODEL voices.db")
        return self.voices

    def _clip(self, name: str) -> Clip:
        if name not in self.clips:
            raise SreError("a recording is no longer here; record it, or choose it, again")
        return self.clips[name]

    def _unit(self) -> str:
        return "log-likelihood ratio" if self.model.system.calibrated else "score"

    def _text(self, score: float, threshold: Threshold | None) -> str:
        if threshold is None:
            return f"The {self._unit()} is {score:.2f}. {NO_THRESHOLD}"
        side = "not below" if score >= threshold.value else "below"
        return f"The {self._unit()} is {score:.2f}, {side} the threshold of {threshold.value:.2f}."

    def _scale(self, score: float, threshold: Threshold | None) -> dict | None:
        """Return what is drawn: of log-likelihood ratios, which have a zero."""
        if not self.model.system.calibrated or threshold is None:
            return None
        half = max(SCALE, 1.2 * abs(score), 1.2 * abs(threshold.value))
        return {"low": -half, "high": half, "value": score, "threshold": threshold.value}


def _rates(threshold: Threshold | None) -> list[list[str]]:
    """Return how often the threshold errs on the list that tells."""
    if threshold is None or threshold.p_miss is None or threshold.p_fa is None:
        return []
    return [
        ["Threshold from", threshold.why],
        ["Same-speaker pairs it rejects", f"{threshold.p_miss:.2%} of {threshold.targets:,} on {threshold.list_name}"],
        ["Pairs of two speakers it accepts", f"{threshold.p_fa:.2%} of {threshold.nontargets:,}"],
    ]


def _quality(found: Voiceprint) -> str:
    """Return what is known of one recording."""
    seconds, snr_db = (float(found.qualities[name][0]) for name in ("speech_s", "snr_db"))
    told = f"{seconds:.1f} s of speech"
    if np.isfinite(snr_db):
        told += f", about {snr_db:.0f} dB above the noise"
    return told + "; more would be surer" * (seconds < SHORT_S)


def _probability(share: float) -> str:
    """Return a probability in per cent; 100 % and 0 % are never reached."""
    if share > 0.999:
        return "over 99.9%"
    return "under 0.1%" if share < 0.001 else f"{share:.1%}"


def _counted(count: int) -> str:
    return f"{count} recording{'s' * (count != 1)}"
