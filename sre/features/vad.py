"""Kaldi's energy VAD of a folder of features: vad.{ark,scp}, utt2num_voiced and vad_rejected.tsv."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sre import SreError
from sre.datadir.rejected import write_rejected
from sre.features.cmn import energy_vad
from sre.features.store import read_config, write_config
from sre.io.ark import read_record, read_scp, write_ark
from sre.io.atomic import locked
from sre.io.record import check_usable
from sre.io.tables import write_table
from sre.machine.log import Progress


class Decisions:
    """Decide utterance by utterance, and count: `frames` of all, `voiced` ones of each utterance that has some."""

    def __init__(self, scp: Path, options: dict) -> None:
        self.scp, self.options, self.places = scp, options, read_scp(scp)
        if not self.places:
            raise SreError(f"{scp}: no features in it; make them first")
        self.frames, self.voiced = 0, dict[str, int]()
        self.progress = Progress("vad", len(self.places), "utt")

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (utterance, (T,) float32 of 1 voiced and 0 not) of those that have a voiced frame."""
        unusable: list[SreError] = []
        for utt, place in self.places.items():
            try:
                decision = energy_vad(self._log_energy(utt, place), **self.options)
            except SreError as error:
                unusable.append(error)
                continue
            self.frames += len(decision)
            self.progress.add(1)
            if decision.any():
                self.voiced[utt] = int(decision.sum())
                yield utt, decision.astype(np.float32)
        check_usable(self.scp, unusable, len(self.places))

    def _log_energy(self, utt: str, place: str) -> np.ndarray:
        """Return the first column, (T,). Raises SreError for a record that is no matrix, or has no frame."""
        matrix = read_record(utt, place, "matrix", self.scp)
        if not matrix.size:
            raise SreError(f"{self.scp}: record '{utt}' is a matrix of {matrix.shape}: no frames; take '{utt}' out")
        return matrix[:, 0]


def make_vad(scp: Path, out: Path, options: dict, max_rejected: float) -> None:
    """Write the VAD of MFCCs whose first column is the log energy.

    options : of energy_vad. Raises SreError where more than max_rejected of the utterances have no voiced frame.
    """
    decisions = Decisions(scp, options)
    with locked(out / ".vad.lock"):
        write_ark(out / "vad.ark", out / "vad.scp", decisions)
        write_table(out / "utt2num_voiced", decisions.voiced)
        places = decisions.places
        rows = [(utt, place, "no voiced frame") for utt, place in places.items() if utt not in decisions.voiced]
        write_rejected(out / "vad_rejected.tsv", rows, len(places), "utterances", max_rejected)
        _remember(out / "config", options)
    share = 100 * sum(decisions.voiced.values()) / max(decisions.frames, 1)
    decisions.progress.close(
        f"({share:.1f} % of {decisions.frames} frames are voiced, {len(rows)} utterances have none)"
    )


def _remember(config: Path, options: dict) -> None:
    """Add the VAD to the config of features that were made without one: training and extraction read it there."""
    if config.is_file() and (made := read_config(config)).get("vad") != options:
        write_config(config, {**made, "vad": options})
