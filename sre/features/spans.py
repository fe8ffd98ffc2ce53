"""The places of utterances in recordings, in arrays: without a Python object for each, so that processes share them."""

from collections.abc import Sequence

import numpy as np

from sre.datadir.datadir import DataDir
from sre.io.name_tables import NameTable
from sre.io.names import Names


class Spans(NameTable[str]):
    """Utterance -> path or command of its recording.

    recordings : their paths or commands
    codes, firsts : (N,) the place of each utterance's recording among these, and its first sample there
    """

    def __init__(self, names: Names, recordings: Sequence[str], codes: np.ndarray, firsts: np.ndarray) -> None:
        self.names, self.recordings, self.codes, self.firsts = names, recordings, codes, firsts

    @classmethod
    def of(cls, data: DataDir, names: Names, sample_rate: int) -> "Spans":
        """Return where the utterances of these names are in a data directory, at a sample rate (Hz)."""
        wav, segments = data.wav or {}, data.segments
        rows = {key: row for row, key in enumerate(wav)}
        if segments is None:
            codes, firsts = [rows[utt] for utt in names], np.zeros(len(names), np.int64)
        else:
            codes = [rows[segments[utt].recording] for utt in names]
            firsts = np.array([int(segments[utt].start * sample_rate + 0.5) for utt in names], np.int64)
        return cls(names, Names.of(wav.values()), np.array(codes, np.int32), firsts)

    def value(self, row: int) -> str:
        """Return the recording of the row."""
        return self.recordings[self.codes[row]]

    def take(self, rows: np.ndarray) -> "Spans":
        """Return the table of some rows, in the order of these."""
        return Spans(self.names.take(rows), self.recordings, self.codes[rows], self.firsts[rows])

    def span(self, utt: str) -> tuple[str, int]:
        """Return the recording of an utterance, and its first sample in it; ("", -1) of one that is not here."""
        row = self.names.find(utt)
        return (self.value(row), int(self.firsts[row])) if row >= 0 else ("", -1)
