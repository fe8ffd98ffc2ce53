"""A split's features made of its audio when they are asked for, and the samples of its utterances, piece by piece.

Shapes: N samples at a recording's own rate, S at the features', T frames, F columns.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import torch

from sre import SreError
from sre.datadir.datadir import DataDir
from sre.datadir.rejected import Rejected
from sre.features.audio_index import FOLDER, read_index
from sre.features.cmn import normalise
from sre.features.deltas import add_deltas
from sre.features.extractor import Extractor, extractor_of
from sre.features.resampling import resample
from sre.features.spans import Spans
from sre.features.trim import fixed_samples
from sre.features.types import options_of
from sre.features.waves import shortest_s
from sre.io.audio import AudioError, AudioRules, check_samples
from sre.io.audio_piece import load_piece
from sre.io.name_tables import Counts
from sre.machine.log import warn

WHOLE_BYTES = 64 << 20  # of recordings that cannot be entered at any sample, kept by each process
ZEROS, ROLLOFF = 6, 0.99  # of the filter of torchaudio's resample, by which its width is known


class AudioStore:
    """Makes (T, F) float32 matrices of a data directory's audio, as a FeatureStore reads them from disk.

    Attributes
    ----------
    scp : wav.scp, by which errors name it
    config : the features' resolved config
    places : utterance -> path or command of its recording, of those that can be used
    num_samples : utterance -> samples at the features' rate
    num_frames : utterance -> frames
    rejected : rows (utterance, path, reason) of what is too short, and without an index of what headers reject
    """

    def __init__(
        self,
        data: DataDir,
        config: Mapping[str, Any],
        audio_rules: AudioRules,
        device: str | torch.device = "cpu",
        drop_unvoiced: bool = False,
    ) -> None:
        """Read how long the utterances are. `device` is where features are made.

        drop_unvoiced : `load` drops the frames that the config's VAD calls unvoiced; num_frames are those before

        Raises SreError where the config and the rules have different sample rates, and as `read_index`.
        """
        self.folder, self.config, self.device = data.path, dict(config), torch.device(device)
        self.audio_rules = audio_rules
        self.scp, self.vad = data.path / "wav.scp", None
        if config["sample_rate"] != audio_rules.sample_rate:
            raise SreError(
                f"{self.scp}: features of {config['sample_rate']} Hz are asked of audio at"
                f" {audio_rules.sample_rate} Hz; give both the same sample_rate"
            )
        if config.get("vad") and not drop_unvoiced:
            raise SreError(f"{self.scp}: features with a vad are made on disk only; set vad: null, or source: features")
        self.options = options_of(config)
        counts, self.rejected = read_index(data, audio_rules)
        self.num_samples = Counts.of(self._long_enough(counts))
        names = self.num_samples.names
        frames = np.array([self.options.num_frames(count) for count in self.num_samples.counts.tolist()], np.int32)
        self.num_frames, self.places = Counts(names, frames), Spans.of(data, names, audio_rules.sample_rate)
        names.prepare()  # for processes that are forked later
        self.recent = Recent()

    def _long_enough(self, counts: Mapping[str, int]) -> Mapping[str, int]:
        """Return what the config's trim leaves of utterances; those with too little are left out, and counted."""
        trim, rate = self.config.get("trim"), self.audio_rules.sample_rate
        self.cut = fixed_samples(trim, rate)
        if trim and trim["level_db"] is not None:
            raise SreError(
                f"{self.scp}: trim.level_db is of features on disk only; set trim.seconds alone, or source: features"
            )
        least = max(trim["least_s"] if trim else 0.0, shortest_s(self.config)) * rate
        left = {utt: count - 2 * self.cut for utt, count in counts.items() if count - 2 * self.cut >= least}
        if lost := sorted(counts.keys() - left.keys()):
            told = f"{len(lost)} of {len(counts)} utterances, e.g. '{lost[0]}'"
            after = " left by trim" * bool(trim)
            reason = f"less than {least / rate:g} s{after}"
            warn(f"{self.scp}: {told}, have {reason}, and are left out")
            self.rejected += [(utt, str(self.scp), reason) for utt in lost]
        return left

    @cached_property
    def extractor(self) -> Extractor:
        return extractor_of(self.options, self.device)

    def raw(self, utt: str) -> np.ndarray:
        """Make (T, F) features without normalisation. Raises SreError where the utterance has no usable audio."""
        with self._named(utt):
            return self._raw(utt)

    def _raw(self, utt: str) -> np.ndarray:
        return self.extractor([self._whole(utt)], dither_seed=utt)[0].numpy()

    def load(self, utt: str) -> np.ndarray:
        """Return (T, F) features as the network sees them. Raises SreError as `raw`."""
        return self.load_many([utt])[0][1]

    def load_many(self, utts: Sequence[str], rejected: Rejected | None = None) -> list[tuple[str, np.ndarray]]:
        """Return utterances with what `load` returns of each; a card makes features of all at once without dither.

        rejected : takes a row (utterance, path, reason) of each that cannot be used; None: it is an error
        """
        one_by_one = self.device.type == "cpu" or getattr(self.options, "dither", None)
        made: list[tuple[str, np.ndarray]] = []
        for utt in utts:
            with self._named(utt, rejected):
                made.append((utt, self._raw(utt) if one_by_one else self._whole(utt)))
        if made and not one_by_one:
            feats = self.extractor([wave for _, wave in made])
            made = [(utt, one.numpy()) for (utt, _), one in zip(made, feats, strict=True)]
        loaded: list[tuple[str, np.ndarray]] = []
        for utt, raw in made:
            with self._named(utt, rejected):
                loaded.append((utt, self.finished(utt, raw)))
        return loaded

    @contextmanager
    def _named(self, utt: str, rejected: Rejected | None = None) -> Iterator[None]:
        """Make a reason a row of `rejected`; without these raise SreError that names the utterance."""
        try:
            yield
        except AudioError as error:
            location, _ = self.places.span(utt)
            if rejected is None:
                raise SreError(f"{self.scp}: '{utt}' ({location}): {error}; take it out, or mend it") from None
            rejected.append((utt, location, str(error)))

    def _whole(self, utt: str) -> np.ndarray:
        """Return all (S,) samples of an utterance. Raises AudioError where features on disk would reject them."""
        wave = self._samples(utt, 0, self.num_samples.get(utt, 0))
        check_samples(wave / np.float32(32768))
        return wave

    def finished(self, utt: str, raw: np.ndarray) -> np.ndarray:
        """Return an utterance's features as the network sees them, of those without normalisation.

        A subclass may raise AudioError with the reason why there are none.
        """
        return add_deltas(normalise(raw, self.config), self.config)

    def samples(self, utt: str, start: int, count: int) -> np.ndarray:
        """Return (count,) float32 on int16's scale, from sample `start` of the utterance on, at the features' rate.

        Only these are decoded where the recording can be entered. Raises SreError naming an utterance that has no such
        samples.
        """
        with self._named(utt):
            return self._samples(utt, start, count)

    def _samples(self, utt: str, start: int, count: int) -> np.ndarray:
        """Do what `samples` does. Raises AudioError with the reason alone."""
        location, first = self.places.span(utt)
        if first < 0:
            reason = f"see rejected.tsv in {self.folder / FOLDER}, or make that by steps.index_audio"
            raise SreError(f"{self.scp}: utterance '{utt}' has no usable audio; {reason}")
        wave = self._recording_samples(location, first + self.cut + start, count)
        if len(wave) < count:
            raise AudioError(f"it ends {count - len(wave)} samples before its header says")
        return wave * np.float32(32768)

    def _recording_samples(self, location: str, start: int, count: int) -> np.ndarray:
        """Return at most (count,) float32 in -1 .. 1 of a recording, at the features' rate."""
        rate = self.audio_rules.sample_rate
        if (kept := self.recent.get(location)) is not None:
            return _converted(kept[0], 0, kept[1], rate, start, count)
        piece = load_piece(location, lambda own: needed(own, rate, start, count), self.audio_rules)
        if piece.whole:
            self.recent.keep(location, piece.wave, piece.sample_rate)
        return _converted(piece.wave, piece.start, piece.sample_rate, rate, start, count)


class Recent:
    """What was decoded whole: (N,) float32 and its rate (Hz), by location; the latest WHOLE_BYTES. For any threads."""

    def __init__(self) -> None:
        self.waves: OrderedDict[str, tuple[np.ndarray, int]] = OrderedDict()
        self.lock = Lock()

    def __reduce__(self) -> tuple[type, tuple]:  # another process begins with none
        return Recent, ()

    def get(self, location: str) -> tuple[np.ndarray, int] | None:
        """Return what was decoded of a location, if it is still here."""
        with self.lock:
            if location in self.waves:
                self.waves.move_to_end(location)
            return self.waves.get(location)

    def keep(self, location: str, wave: np.ndarray, rate: int) -> None:
        """Keep a recording, in the place of those that were asked for least lately."""
        with self.lock:
            self.waves[location] = wave, rate
            while len(self.waves) > 1 and sum(kept.nbytes for kept, _ in self.waves.values()) > WHOLE_BYTES:
                self.waves.popitem(last=False)


def needed(own: int, rate: int, start: int, count: int) -> tuple[int, int]:
    """Return first sample and end of what, at the rate `own` (Hz), decides `count` samples from `start` on at `rate`.

    The first one is a multiple of the filter's stride, so that a piece is converted as the whole would be.
    """
    if own == rate:
        return start, start + count
    stride, per_stride = own // math.gcd(own, rate), rate // math.gcd(own, rate)
    width = math.ceil(ZEROS * stride / (min(stride, per_stride) * ROLLOFF))
    first, last = start // per_stride, (start + count - 1) // per_stride
    return max(0, (first * stride - width) // stride * stride), (last + 1) * stride + width


def _converted(wave: np.ndarray, at: int, own: int, rate: int, start: int, count: int) -> np.ndarray:
    """Return at most (count,) samples from `start` on at `rate` (Hz).

    wave : (N,) from sample `at` on at the rate `own` (Hz)
    """
    if own != rate:
        begin, end = needed(own, rate, start, count)
        piece = np.ascontiguousarray(wave[begin - at : max(end - at, 0)])
        wave, at = resample(torch.from_numpy(piece), own, rate).numpy() if len(piece) else piece, begin * rate // own
    return wave[start - at : start - at + count]
