"""A data directory of the stretches of speech in the utterances of another: wav.scp and `segments`, no sound is copied.

Shapes: S samples, T frames.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sre import SreError
from sre.datadir.cut import OF_THE_WHOLE
from sre.datadir.datadir import DataDir, check_other, movable, write_data_dir
from sre.datadir.layout import Segment
from sre.datadir.ops import claim
from sre.datadir.rejected import Rejected, write_rejected
from sre.features.cmn import energy_vad
from sre.features.energy import log_energies
from sre.features.silero import Silero
from sre.features.speech import Span, SpanRule, speech_spans
from sre.features.types import FrameOptions
from sre.features.waves import Waves
from sre.io.audio import AudioRules
from sre.machine.log import Progress, say
from sre.machine.processes import in_processes

UTTS_AT_ONCE = 10  # of whole recordings, often
LENGTHS = {"min_speech_s": 0.25, "min_silence_s": 0.1, "pad_s": 0.03}  # s, silero-vad's, also for the energy VAD


def segment_speech(
    data: DataDir,
    out: Path,
    vad: Mapping[str, Any],
    audio_rules: AudioRules,
    lengths: Mapping[str, float],
    workers: int,
    max_rejected: float,
) -> None:
    """Write OUT, whose utterances `<utt>-<start>-<end>` (hundredths of a second, of the recording) are speech.

    vad : resolved options of a VAD; an energy VAD decides on frames of 25 ms each 10 ms
    lengths : min_speech_s, min_silence_s, pad_s that take the place of the VAD's
    Raises SreError without sound, as `Silero` and `claim` do,
    and where more than max_rejected of the utterances have no speech.
    """
    if data.wav is None:
        raise SreError(f"{data.path}: no wav.scp in it; give a data directory with sound")
    check_other(data.path, out)
    claim(out, "segment_speech")
    rule = {**LENGTHS, **vad, **lengths}
    if rule.get("type") == "silero":
        Silero(audio_rules.sample_rate)  # what is wrong with it is said before anything is decoded
    pieces = [data.utts[at : at + UTTS_AT_ONCE] for at in range(0, len(data.utts), UTTS_AT_ONCE)]
    speech = in_processes(_find, pieces, workers, Finder, (data, audio_rules, rule))
    progress, rejected, whole = Progress("speech", len(data.utts), "utt"), Rejected(), 0.0
    segments, source = dict[str, Segment](), dict[str, str]()
    for utt, found, samples in (one for piece in speech for one in piece):
        progress.add(1)
        whole += samples / audio_rules.sample_rate
        own = (data.segments or {}).get(utt, Segment(utt, 0.0, 0.0))
        if isinstance(found, str) or not found:
            rejected.append((utt, data.wav[own.recording], found if isinstance(found, str) else "no speech"))
            continue
        for first, end in found:
            start, stop = (round(own.start + place / audio_rules.sample_rate, 3) for place in (first, end))
            name = f"{utt}-{round(100 * start):07d}-{round(100 * stop):07d}"
            segments[name], source[name] = Segment(own.recording, start, stop), utt
    write_rejected(out / "rejected.tsv", rejected, len(data.utts), "utterances", max_rejected)
    _write(data, out, segments, source)
    seconds = sum(segment.end - segment.start for segment in segments.values())
    progress.close()
    say(f"{out}: {len(segments)} segments, {seconds:.0f} of {whole:.0f} s, {len(rejected)} utterances rejected")


def _write(data: DataDir, out: Path, segments: Mapping[str, Segment], source: Mapping[str, str]) -> None:
    """Write the segments with the tables of their utterances; without utt2spk an utterance is a speaker."""
    extra, kept = dict[str, Mapping[str, object]](), data.keep(source.values())
    for name in kept.tables.keys() - {*OF_THE_WHOLE, "wav.scp", "segments", "utt2spk", "spk2utt"}:
        table = kept.tables[name]
        of_utts = name.startswith("utt2")
        extra[name] = {new: table[utt] for new, utt in source.items() if utt in table} if of_utts else table
    speakers = kept.utt2spk or {utt: utt for utt in kept.utts}
    utt2spk = {new: speakers[utt] for new, utt in source.items()}
    write_data_dir(out, wav=movable(kept.wav or {}, out), segments=segments, utt2spk=utt2spk, extra=extra)


class Finder:
    """What finds the speech in utterances of a data directory, in a process of its own."""

    def __init__(self, data: DataDir, audio_rules: AudioRules, vad: Mapping[str, Any]) -> None:
        torch.set_num_threads(1)
        self.data, self.audio_rules, self.vad = data, audio_rules, vad
        self.silero = Silero(audio_rules.sample_rate) if vad.get("type") == "silero" else None

    def spans(self, wave: np.ndarray) -> list[Span]:
        """Return the stretches of speech in (S,) samples."""
        if self.silero:
            return self.silero.spans(wave, self.vad)
        return _energy_spans(wave, self.audio_rules.sample_rate, self.vad)


def _find(finder: Finder, utts: Sequence[str]) -> list[tuple[str, list[Span] | str, int]]:
    """Return (utterance, its stretches or the reason why it cannot be used, samples)."""
    waves = Waves(finder.data, finder.audio_rules)
    found = dict[str, tuple[list[Span] | str, int]]()
    for utt, wave in waves.read(utts):
        found[utt] = finder.spans(wave), len(wave)
    found.update({utt: (reason, 0) for utt, _, reason in waves.rejected})
    return [(utt, *found[utt]) for utt in utts]


def _energy_spans(wave: np.ndarray, rate: int, vad: Mapping[str, Any]) -> list[Span]:
    options = FrameOptions(sample_rate=rate, snip_edges=False)
    if options.num_frames(len(wave)) < 1:
        return []
    decide = {key: value for key, value in vad.items() if key not in (*LENGTHS, "type")}
    voiced = energy_vad(log_energies(options, wave), **decide)
    lengths = (int(vad[key] * rate) for key in LENGTHS)
    return speech_spans(voiced.astype(np.float32), options.shift, len(wave), SpanRule(0.5, 0.5, *lengths))
