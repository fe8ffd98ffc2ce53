"""Live audio: a voiceprint that grows with what is heard, from blocks of samples of any length.

The audio is cut into windows of `window_s` seconds. The window that is being heard is embedded again every `update_s`
seconds, with all of it that there is; one that is full is embedded once more, and then only its embedding is kept. The
voiceprint is the mean of the windows' embeddings, weighted by the seconds of speech in each, as extraction weights the
pieces of a long recording by their frames (sre/extraction/pieces.py). So up to `window_s` it is that of a file with the
same audio, memory is bounded, and a second of audio costs the embedding of about window_s / (2 update_s) seconds.
Averages of pooled statistics would be nearer to the whole file, but few of the networks here have such a pooling, and
normalisation of features over what is still to come is none that they were trained with.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sre import SreError
from sre.io.audio import RATES
from sre.voices.model import Model
from sre.voices.voiceprint import Voiceprint

WINDOW_S = 10.0
UPDATE_S = 1.0


@dataclass(frozen=True)
class Heard:
    """What is known after a block. seconds : of audio so far; voiceprint : one vector; None: no speech so far."""

    seconds: float
    voiceprint: Voiceprint | None


class Stream:
    """The voiceprint of one live source of audio. Raises SreError for a rate or lengths that cannot be.

    rate : Hz, of the blocks; the model's own rate needs no conversion
    window_s, update_s : seconds, see above
    """

    def __init__(self, model: Model, rate: int, window_s: float = WINDOW_S, update_s: float = UPDATE_S) -> None:
        if rate not in RATES:
            raise SreError(f"a stream of {rate} Hz; give its rate, from {RATES.start} to {RATES.stop - 1} Hz")
        if not 0 < update_s <= window_s:
            raise SreError(f"windows of {window_s:g} s cannot be updated every {update_s:g} s; give a shorter time")
        self.model, self.rate = model, rate
        self.window, self.update = round(window_s * rate), max(1, round(update_s * rate))
        self.open: list[np.ndarray] = []  # blocks of the window that is being heard
        self.open_samples = self.unseen = self.samples = 0
        self.full: list[Voiceprint] = []  # one vector: the mean of the windows that are full
        self.now: Voiceprint | None = None

    @property
    def seconds(self) -> float:
        """Seconds of audio so far."""
        return self.samples / self.rate

    def add(self, block: np.ndarray) -> Heard | None:
        """Take (N,) samples, float in [-1, 1] or int16; return what is known where it was updated, else None."""
        updated = False
        for start in range(0, len(block), self.window):  # a long block fills several windows
            updated |= self._take(block[start : start + self.window])
        return self.heard() if updated else None

    def _take(self, block: np.ndarray) -> bool:
        """Take at most a window of samples; return whether anything was embedded."""
        room, updated = self.window - self.open_samples, False
        self._append(block[:room])
        if self.open_samples == self.window:
            self._embed()
            if self.now is not None:
                self.full, self.now = [averaged([*self.full, self.now])], None
            self.open, self.open_samples, updated = [], 0, True
            self._append(block[room:])
        if self.unseen >= self.update:
            self._embed()
            updated = True
        return updated

    def _append(self, block: np.ndarray) -> None:
        if len(block):
            self.open.append(np.array(block))  # a copy: who records into one buffer may use it again
            self.open_samples, self.unseen, self.samples = (
                count + len(block) for count in (self.open_samples, self.unseen, self.samples)
            )

    def _embed(self) -> None:
        """Embed the open window. What has no speech in it changes nothing."""
        self.unseen = 0
        ((_, found),) = self.model.embed_waves([("the stream", np.concatenate(self.open), self.rate)])
        self.now = None if isinstance(found, str) else found

    def heard(self) -> Heard:
        """Return what was known at the last update."""
        parts = [*self.full, *([] if self.now is None else [self.now])]
        return Heard(self.seconds, averaged(parts) if parts else None)

    def finish(self) -> Heard:
        """Embed what came after the last update, and return what is known."""
        if self.unseen:
            self._embed()
        return self.heard()


def updates(
    model: Model, blocks: Iterable[np.ndarray], rate: int, window_s: float = WINDOW_S, update_s: float = UPDATE_S
) -> Iterator[Heard]:
    """Yield what is known every `update_s` seconds of audio that comes in blocks, and at its end."""
    stream = Stream(model, rate, window_s, update_s)
    for block in blocks:
        if (heard := stream.add(block)) is not None:
            yield heard
    if stream.unseen or not stream.samples:
        yield stream.finish()


def averaged(parts: list[Voiceprint]) -> Voiceprint:
    """Return one vector (1, D) of several parts of one utterance: their mean, weighted by seconds of speech.

    The SNR is their mean in dB, with the same weights; where it is not known of one part, it is not known.
    """
    seconds = np.concatenate([part.qualities["speech_s"] for part in parts])
    weights = seconds / seconds.sum()
    vectors = np.concatenate([part.vectors for part in parts]).astype(np.float64)
    snr = np.concatenate([part.qualities["snr_db"] for part in parts])
    qualities = {"speech_s": np.array([seconds.sum()]), "snr_db": np.array([weights @ snr])}
    return Voiceprint((weights @ vectors)[None].astype(np.float32), qualities, parts[0].names[:1])
