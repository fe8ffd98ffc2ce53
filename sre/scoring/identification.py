"""identification.json, how well one run names speakers: its one writer and reader, and what stands in it.

Two things are measured: whose an utterance of a training speaker is that no network heard, and rank and open-set rates
of trial lists with enrolled models. Rates are shares; `intervals` of them are at 95 %, over the searches' speakers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.io.atomic import write_json
from sre.io.embeddings import Embeddings
from sre.io.forms import NONE, NUMBER, Form, built, form_of
from sre.io.tables import read_utt2spk
from sre.io.text import read_versioned
from sre.io.trials import align_scores, read_enroll_map, speakers_of_sides
from sre.metrics.identification import Searches, identification_rates
from sre.scoring.result import ListResult

VERSION = 1
FILE = "identification.json"
IDENTIFY_AGAIN = "delete it, and the stage score makes it again"
CLASSIFIER, NEAREST_MEAN = "classifier", "nearest_mean"

WAYS = {CLASSIFIER: "classifier", NEAREST_MEAN: "nearest mean"}  # as people read them

Rates = dict[str, Any]
Scores = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class UnheardResult:
    """How unheard utterances of training speakers are named, among all speakers that the network was trained on.

    speakers : among whom is searched
    utterances : that were searched for
    of_others : left out, as their speakers are not among these: those of validation, or of a development list
    not_embedded : left out, as they were rejected on the way to their embedding
    in_heard_sessions : of `utterances` and those left out, of a session or recording that was trained on; None: nobody
        knows the sessions
    ways : CLASSIFIER (the classes of the loss), NEAREST_MEAN (cosine to the mean of a speaker's unit-length
        embeddings) -> rates
    reasons : way -> why it has no rates
    remark : what weakens all of them; "": nothing
    """

    speakers: int
    utterances: int
    of_others: int = 0
    not_embedded: int = 0
    in_heard_sessions: int | None = None
    ways: dict[str, Rates] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True)
class IdentificationResult:
    """The identification of one run.

    unheard : None of a fusion, which has no embeddings
    lists : trial list -> system -> rates of `identification_rates`; of lists with an enrolment map that try each test
        against several models
    path : where it was read; no part of the file
    """

    model: str
    run: str
    seed: int
    replicates: int
    unheard: UnheardResult | None = None
    lists: dict[str, dict[str, Rates]] = field(default_factory=dict)
    path: Path = Path()

    def told(self) -> Iterator[str]:
        """Yield lines for a terminal."""
        found = self.unheard or UnheardResult(0, 0)
        of = f"{found.utterances} unheard utterances among {found.speakers} speakers"
        for way, rates in found.ways.items():
            yield f"{self.run}: {percent(rates, 'rank_1')} of {of} named right by the {WAYS[way]}"
        for name, systems in self.lists.items():
            for system, rates in systems.items():
                yield f"{self.run} {system}: {percent(rates, 'rank_1')} of {rates['mated']} searches right on {name}"

    def write(self, path: Path) -> None:
        """Write identification.json whole."""
        content = asdict(self)
        del content["path"]
        write_json(path, content | {"version": VERSION}, end="\n", allow_nan=False)

    @classmethod
    def read(cls, path: Path) -> "IdentificationResult":
        """Read an identification.json. Raises SreError naming the file where it is missing, damaged or newer."""
        return built(cls, read_versioned(path, RESULT, VERSION, IDENTIFY_AGAIN) | {"path": Path(path)})


RATES: Form = {"intervals": {"*": (NONE, [NUMBER, NUMBER])}, "*": (NONE, NUMBER)}
UNHEARD = form_of(UnheardResult) | {"ways": {"*": RATES}}
RESULT = form_of(IdentificationResult) | {"unheard": (NONE, UNHEARD), "lists": {"*": {"*": RATES}}}
del RESULT["path?"]


def percent(rates: Rates, name: str) -> str:
    """Return a rate in per cent with its interval: '97.10 % (95.02 to 99.20)'."""
    bounds = rates["intervals"].get(name)
    return f"{100 * rates[name]:.2f} %" + (f" ({100 * bounds[0]:.2f} to {100 * bounds[1]:.2f})" if bounds else "")


def unheard_result(
    unheard: Embeddings, speakers: Sequence[str], scorers: Mapping[str, Scores], replicates: int, seed: int = 1
) -> UnheardResult:
    """Search for each unheard utterance, an embedding with its speaker, among S speakers.

    scorers : way -> what returns the (t, S) scores of (t, D) embeddings and the speakers
    """
    assert unheard.speakers is not None
    place = {speaker: number for number, speaker in enumerate(speakers)}
    known = np.array([speaker in place for speaker in unheard.speakers], bool)
    probes = unheard.subset(known)
    found = UnheardResult(len(speakers), len(probes), int((~known).sum()))
    if not len(probes) or len(speakers) < 2:
        return found
    assert probes.speakers is not None
    right = np.array([place[speaker] for speaker in probes.speakers])
    ways = {way: Searches.among(score, probes.vectors, right) for way, score in scorers.items()}
    rates = {way: searches.with_intervals(probes.speakers, replicates, seed) for way, searches in ways.items()}
    return replace(found, ways=rates)


def to_means(heard: Embeddings, speakers: Sequence[str]) -> Scores:
    """Return what scores (t, D) embeddings by the cosine to the mean of each speaker's unit-length embeddings.

    heard : the embeddings of the speakers' utterances. Raises SreError where a speaker has none.
    """
    assert heard.speakers is not None
    names, codes = np.unique(heard.speakers, return_inverse=True)
    if lost := sorted({*speakers} - {*names.tolist()}):
        raise SreError(f"no embedding of {len(lost)} training speakers, e.g. {lost[0]}; embed their utterances again")
    order = np.argsort(codes, kind="stable")
    groups = dict(zip(names.tolist(), np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True))
    means = _unit(np.stack([_unit(heard.vectors[groups[speaker]]).mean(axis=0) for speaker in speakers]))
    return lambda vectors: _unit(vectors) @ means.T


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30)


def list_rates(result: ListResult, replicates: int, seed: int = 1) -> dict[str, Rates]:
    """Return system -> rates of a list that was scored; none without an enrolment map, and where a test has one model.

    Raises SreError where the score files are not of the trials.
    """
    found: dict[str, Rates] = {}
    if result.enroll_map is None or result.data is None:
        return found
    utt2spk = read_utt2spk(Path(result.data) / "utt2spk")
    for name in (name for name, system in result.systems.items() if system.done):
        scores, trials = align_scores(result.scores(name), result.trials_file)
        if np.bincount(trials.test).min() < 2:
            return {}
        _, speakers = speakers_of_sides(trials, read_enroll_map(result.enroll_map, trials), utt2spk)
        rates = Searches.of(trials, scores).with_intervals(speakers, replicates, seed)
        found[name] = identification_rates(trials, scores) | rates
    return found
