"""The VAD of a folder of features: vad.{ark,scp}, utt2num_voiced and vad_rejected.tsv.

It decides by the first column of features where that is the log energy, else by their audio.
Shapes: S samples, T frames.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from sre import SreError
from sre.datadir.datadir import DataDir
from sre.datadir.rejected import write_rejected
from sre.features.cmn import energy_vad
from sre.features.energy import frame_centres, log_energies
from sre.features.silero import Silero
from sre.features.speech import voiced_frames
from sre.features.store import WITHOUT_CONFIG, read_config, read_counts, write_config
from sre.features.types import FROM_ELSEWHERE, options_of, vad_listens
from sre.features.waves import Waves
from sre.io.ark import read_record, read_scp, write_ark
from sre.io.atomic import locked
from sre.io.audio import AudioRules
from sre.io.name_tables import absent
from sre.io.record import check_usable
from sre.io.tables import write_table
from sre.machine.log import Progress
from sre.machine.processes import in_processes

UTTS_AT_ONCE = 50  # that a process decides on
REMEDY = "give the audio that the features were made of, or make them again"
Decision = tuple[str, np.ndarray]  # utterance, (T,) bool
Decider = Callable[[np.ndarray], np.ndarray]  # (S,) float32 on int16's scale -> (T,) bool


@dataclass(frozen=True)
class Sound:
    """The audio of features, for a VAD that listens to it with several processes."""

    data: DataDir
    audio_rules: AudioRules
    workers: int = 1


def decider(vad: Mapping[str, Any], config: Mapping[str, Any]) -> Decider:
    """Return what decides on the frames of a signal, of features of a resolved config.

    vad : resolved options of a VAD. Raises SreError as `Silero` does.
    """
    options = options_of(config)
    if vad.get("type", "energy") == "energy":
        return lambda wave: energy_vad(log_energies(options, wave), **_of_energy(vad))
    silero = Silero(options.sample_rate)

    def decide(wave: np.ndarray) -> np.ndarray:
        return voiced_frames(silero.spans(wave, vad), frame_centres(options, options.num_frames(len(wave))))

    return decide


def _of_energy(vad: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of energy_vad."""
    return {key: value for key, value in vad.items() if key != "type"}


def by_energy(feats: np.ndarray, vad: Mapping[str, Any]) -> np.ndarray:
    """Return (T,) bool of (T, F) features whose first column is the log energy."""
    return energy_vad(feats[:, 0], **_of_energy(vad))


def by_column(scp: Path, vad: Mapping[str, Any]) -> Iterator[Decision]:
    """Yield the decisions by the log energy in the first column of stored features.

    Raises one SreError at the end for records that are no matrix, or have no frame.
    """
    unusable: list[SreError] = []
    places = read_scp(scp)
    for utt, place in places.items():
        try:
            matrix = read_record(utt, place, "matrix", scp)
            if not matrix.size:
                shape = matrix.shape
                raise SreError(f"{scp}: record '{utt}' is a matrix of {shape}: no frames; take '{utt}' out")
            yield utt, by_energy(matrix, vad)
        except SreError as error:
            unusable.append(error)
    check_usable(scp, unusable, len(places))


def by_audio(scp: Path, vad: Mapping[str, Any], config: Mapping[str, Any], sound: Sound) -> Iterator[Decision]:
    """Yield the decisions by the audio of features of this config, in the order of their scp.

    Raises SreError where an utterance has no usable audio, or not that of its features.
    """
    utts, counts = list(read_scp(scp)), read_counts(scp.parent / "utt2num_frames")
    decider(vad, config)  # what is wrong with it is said before anything is decoded
    if strange := sorted(set(utts).difference(sound.data.utts)):
        some = f"{len(strange)} of {len(utts)} utterances, e.g. '{strange[0]}', are not in {sound.data.path}"
        raise SreError(f"{scp}: {some}; {REMEDY}")
    if unknown := absent(utts, counts):
        raise SreError(f"{scp}: utt2num_frames has no count for '{unknown[0]}'; make the features again")
    pieces = [utts[at : at + UTTS_AT_ONCE] for at in range(0, len(utts), UTTS_AT_ONCE)]
    arguments = (sound.data, sound.audio_rules, dict(vad), dict(config))
    yield from _checked(scp, counts, in_processes(_decide, pieces, sound.workers, Listener.begin, arguments))


class Listener(NamedTuple):
    """What decides on utterances of a data directory, in a process of its own."""

    decide: Decider
    waves: Callable[[], Waves]

    @classmethod
    def begin(cls, data: DataDir, audio_rules: AudioRules, vad: dict, config: dict) -> "Listener":
        """Return the one of a process."""
        torch.set_num_threads(1)
        return cls(decider(vad, config), partial(Waves, data, audio_rules, trim=config.get("trim")))


def _decide(listener: Listener, utts: Sequence[str]) -> list[tuple[str, np.ndarray | str]]:
    """Return (utterance, (T,) bool, or the reason why there is none)."""
    waves = listener.waves()
    found: dict[str, np.ndarray | str] = {utt: listener.decide(wave) for utt, wave in waves.read(utts)}
    found.update({utt: f"{path}: {reason}" for utt, path, reason in waves.rejected})
    return [(utt, found[utt]) for utt in utts]


def _checked(
    scp: Path, counts: Mapping[str, int], found: Iterator[list[tuple[str, np.ndarray | str]]]
) -> Iterator[Decision]:
    for utt, decision in (one for piece in found for one in piece):
        if isinstance(decision, str):
            raise SreError(f"{scp}: '{utt}' has features, and no audio ({decision}); {REMEDY}")
        if len(decision) != counts[utt]:
            raise SreError(f"{scp}: '{utt}' has {counts[utt]} frames, its audio {len(decision)}; {REMEDY}")
        yield utt, decision


class Decisions:
    """Count what is decided: `frames` of all, `voiced` ones of each utterance that has some."""

    def __init__(self, decisions: Iterator[Decision], utts: int) -> None:
        self.decisions, self.frames, self.voiced = decisions, 0, dict[str, int]()
        self.progress = Progress("vad", utts, "utt")

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (utterance, (T,) float32 of 1 voiced and 0 not) of those that have a voiced frame."""
        for utt, decision in self.decisions:
            self.frames += len(decision)
            self.progress.add(1)
            if decision.any():
                self.voiced[utt] = int(decision.sum())
                yield utt, decision.astype(np.float32)


def make_vad(
    scp: Path, out: Path, vad: dict, max_rejected: float, sound: Sound | None = None, energy_column: bool = False
) -> None:
    """Write the VAD of features: by their first column where that is the log energy, else by their audio.

    vad : resolved options. energy_column : that first column is the log energy, whatever the config says.
    Raises SreError where features have no energy and no audio is given, and where more than max_rejected of the
    utterances have no voiced frame.
    """
    places = read_scp(scp)
    if not places:
        raise SreError(f"{scp}: no features in it; make them first")
    decisions = Decisions(_decisions(scp, vad, sound, energy_column), len(places))

    def judged() -> Iterator[tuple[str, np.ndarray]]:  # before they take the place of a VAD that was made before
        yield from decisions
        rows = [(utt, place, "no voiced frame") for utt, place in places.items() if utt not in decisions.voiced]
        write_rejected(out / "vad_rejected.tsv", rows, len(places), "utterances", max_rejected)

    with locked(out / ".vad.lock"):
        write_ark(out / "vad.ark", out / "vad.scp", judged())
        write_table(out / "utt2num_voiced", decisions.voiced)
        _remember(out / "config", vad)
    share = 100 * sum(decisions.voiced.values()) / max(decisions.frames, 1)
    none = len(places) - len(decisions.voiced)
    decisions.progress.close(f"({share:.1f} % of {decisions.frames} frames are voiced, {none} utterances have none)")


def _decisions(scp: Path, vad: dict, sound: Sound | None, energy_column: bool) -> Iterator[Decision]:
    """Choose what decides. Raises SreError where nothing can."""
    beside, kind = scp.parent / "config", vad.get("type", "energy")
    config = read_config(beside) if beside.exists() else WITHOUT_CONFIG
    if not vad_listens(config, vad) or (kind == "energy" and (energy_column or not beside.exists())):
        return by_column(scp, vad)
    if config["type"] == FROM_ELSEWHERE:
        reason = "it is not known whether their first column is the log energy; if it is, give --energy-column"
        if kind != "energy":
            reason = f"a VAD of type {kind} needs those that were made here of audio; give --config with type: energy"
        raise SreError(f"{scp}: features from elsewhere: {reason}")
    if sound is None:
        why = f"{config['type']} has no energy in it" if kind == "energy" else f"a VAD of type {kind} listens to audio"
        raise SreError(f"{scp}: {why}; give the data directory of their audio by --data")
    return by_audio(scp, vad, config, sound)


def _remember(config: Path, vad: dict) -> None:
    """Add the VAD to the config of features that were made without one: training and extraction read it there."""
    if config.is_file() and (made := read_config(config)).get("vad") != vad:
        write_config(config, {**made, "vad": vad})
