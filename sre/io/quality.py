"""utt2quality, what was measured of utterances beside their features: `utterance seconds-of-speech SNR`.

The SNR is in dB, and `nan` where nobody knows it: where there is no audio, or none was asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sre import SreError
from sre.io.ids import shown
from sre.io.tables import read_table, write_table
from sre.io.text import fields

SPEECH_S, SNR_DB = "speech_s", "snr_db"
CURE = "delete it, and measure again (steps.measure_quality)"


@dataclass(frozen=True)
class Quality:
    """What was measured of an utterance.

    speech_s : seconds of the frames that the network sees
    snr_db : estimate of the signal-to-noise ratio in dB; NaN: not known
    """

    speech_s: float
    snr_db: float = float("nan")


def write_qualities(path: str | Path, qualities: Mapping[str, Quality]) -> None:
    """Write utterance -> quality as a table."""
    write_table(path, {utt: f"{one.speech_s:.9g} {one.snr_db:.9g}" for utt, one in qualities.items()})


def read_qualities(path: str | Path) -> dict[str, Quality]:
    """Read what `write_qualities` wrote. Raises SreError naming the line that is of another form."""
    found: dict[str, Quality] = {}
    for utt, value in read_table(path).items():
        try:
            speech_s, snr_db = map(float, fields(value))
            if not 0 < speech_s < np.inf or np.isinf(snr_db):
                raise ValueError
        except ValueError:
            raise SreError(f"{path}: '{shown(utt)} {shown(value)}' is not `utterance seconds SNR`; {CURE}") from None
        found[utt] = Quality(speech_s, snr_db)
    return found


def as_arrays(qualities: Mapping[str, Quality], utts: np.ndarray) -> dict[str, np.ndarray]:
    """Return speech_s and snr_db, (N,) each, of N utterances; NaN of one that was not measured."""
    unknown = Quality(float("nan"))
    rows = [qualities.get(utt, unknown) for utt in utts]
    columns = {SPEECH_S: [row.speech_s for row in rows], SNR_DB: [row.snr_db for row in rows]}
    return {name: np.array(column, np.float64) for name, column in columns.items()}
