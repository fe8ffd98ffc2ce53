"""Trials scored by a model, of recordings: those of a list, each embedded once.

Legend: R recordings, P trials.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from sre import SreError
from sre.io.ids import shown
from sre.io.trials import Trials
from sre.machine.log import Progress
from sre.voices.model import Model
from sre.voices.sources import Named, embedded
from sre.voices.voiceprint import Voiceprint


def score_recordings(
    model: Model, trials: Trials, models: Mapping[str, Sequence[str]], named: Named, channel: str | None = None
) -> np.ndarray:
    """Return (P,) float64 scores of the model's system: log-likelihood ratios where it is calibrated.

    models : enrolment model -> ids of its recordings
    named : recordings, of which those that no trial needs are not embedded
    channel : of recordings with several, from 0 on, or "mix"
    Raises SreError naming a recording of the trials that is not there or cannot be used, with the reason.
    """
    wanted = set(trials.test_ids).union(*models.values())
    named.wanted = wanted
    voices: dict[str, Voiceprint] = {}
    progress = Progress(f"embed by {model.path.name}", len(wanted), "recordings", at_most=True)
    for name, voice in embedded(model, named, channel):
        voices[name] = voice
        progress.add(1)
    progress.close()
    if lost := sorted(wanted - voices.keys()):
        reasons = {name: reason for name, _, reason in named.rejected}
        why = reasons.get(lost[0], "there is no recording of this id; give the data directory or folder that has it")
        raise SreError(f"{len(lost)} recordings of the trials cannot be scored, e.g. {shown(lost[0])}: {why}")
    place = {name: row for row, name in enumerate(voices)}
    joined = Voiceprint.joined(list(voices.values()))
    groups = [np.array([place[utt] for utt in models[name]]) for name in trials.enrol_ids]
    tests = np.array([place[utt] for utt in trials.test_ids])
    enrolled = model.system.enrol(joined.vectors, groups, joined.qualities)
    tested = model.system.test(joined.vectors[tests], {key: of[tests] for key, of in joined.qualities.items()})
    return model.system.pairs(enrolled, tested, trials.enrol, trials.test)
