"""The synthetic speech of the embedded corpus: who speaks (Voice), what is said (speak), how it is recorded (Session).

espeak-ng carries state from one utterance into the next (519 of 618 changed with the order in which they were spoken),
so a Synthesizer belongs in a process of its own and its utterances in a fixed order.
"""

import ctypes
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError

# How hard the corpus is. Ranges are uniform; a condition belongs to a chapter (session), of which a speaker has three.
SNR_DB = (5.0, 22.0)  # lower is harder
ROOM_DECAY_S = (0.10, 0.45)  # time in which the reverberation falls by 60 dB; longer is harder
DIRECT_TO_REVERBERANT_DB = (2.0, 15.0)  # lower is harder
NOISE_SLOPE_DB_PER_OCTAVE = (-6.0, 0.0)  # brown to white
CHANNEL_TILT_DB_PER_OCTAVE = (-2.0, 2.0)  # the microphone; wider is harder
LOW_CUT_HZ, HIGH_CUT_HZ = (50.0, 300.0), (3400.0, 7400.0)  # mild band-limit
LEVEL_DBFS = (-35.0, -18.0)
TRACT_SPREAD = 0.06  # vocal-tract length within ±6 %; smaller is harder
PITCH_SPREAD = 15  # of espeak's 0 … 99 around 50; smaller is harder
VOICE_TILT_DB_PER_OCTAVE = (-1.0, 1.0)  # narrower is harder
WITHIN_SPEAKER_PITCH, WITHIN_SPEAKER_RATE = 8, 0.10  # what one speaker varies from utterance to utterance

SAMPLE_RATE = 16000
SPEECH_S, MAX_SPEECH_S = (2.3, 4.2), 5.5  # what a sentence aims at; where it is cut (the room adds 0.5 s)
WORDS_PER_MINUTE, PITCH_RANGE = (150, 190), (30, 70)
ACCENTS = ("en", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp", "en-us")
# espeak-ng's variants but for whispers, robots, children and near copies
VARIANTS = {
    "F": "Alicia Andrea Annie anika aunty belinda f1 f2 f3 f4 f5 grandma linda shelby steph steph2",
    "M": """Alex Andy AnxiousAndy Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen Reed
        RicishayMax RicishayMax3 Storm Tweaky adam antonio benjamin boris david ed edward edward2 grandpa gustave ian
        iven iven2 iven4 john kaukovalta klatt3 klatt4 klatt5 m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel mike2
        norbert pablo paul pedro quincy rob robert sandro travis victor""",
}
SEXES = "FMMM"  # in turn: there are four times as many male variants
WORDS = Path(__file__).with_name("mini_words.txt").read_text(encoding="utf-8").split()  # common English


@dataclass(frozen=True)
class Voice:
    """What makes one speaker: espeak-ng's voice and parameters, and the shape of the vocal tract."""

    sex: str
    variant: str
    accent: str
    pitch: int  # espeak: 0 … 99
    pitch_range: int  # espeak: 0 … 99
    rate: int  # words per minute
    tract: int  # espeak's 22,050 Hz are read as 50 * tract Hz: all formants move by tract / 441
    tilt: float  # dB per octave


def make_voices(seed: int, num_speakers: int) -> list[Voice]:
    """Return voices for speakers 0 … num_speakers - 1, no (variant, accent) twice; SreError where these run out.

    A variant comes back only after all of its sex are used, so that at the defaults no two speakers share one.
    """
    order = np.random.default_rng(seed)
    variants = {sex: order.permutation(names.split()).tolist() for sex, names in VARIANTS.items()}
    accent_of = {name: order.integers(len(ACCENTS)) for sex in variants for name in variants[sex]}
    voices: list[Voice] = []
    for speaker in range(num_speakers):
        sex = SEXES[speaker % len(SEXES)]
        turn, i = divmod(sum(voice.sex == sex for voice in voices), len(variants[sex]))
        if turn == len(ACCENTS):
            raise SreError(f"{num_speakers} speakers are more than there are voices; ask for at most {speaker}")
        rng, variant = np.random.default_rng([seed, speaker]), variants[sex][i]
        voices.append(
            Voice(
                sex=sex,
                variant=variant,
                accent=ACCENTS[(accent_of[variant] + turn) % len(ACCENTS)],
                pitch=50 + int(rng.integers(-PITCH_SPREAD, PITCH_SPREAD + 1)),
                pitch_range=int(rng.integers(*PITCH_RANGE)),
                rate=int(rng.integers(*WORDS_PER_MINUTE)),
                tract=round(441 * (1 + rng.uniform(-TRACT_SPREAD, TRACT_SPREAD))),
                tilt=rng.uniform(*VOICE_TILT_DB_PER_OCTAVE),
            )
        )
    return voices


class Synthesizer:
    """espeak-ng through ctypes; one object a process. `say` gives (samples,) float64 at 22,050 Hz."""

    RATE, PITCH, RANGE = 1, 3, 4  # espeak_PARAMETER

    def __init__(self, voice: Voice):
        import espeakng_loader

        self.espeak, self.libc = ctypes.CDLL(espeakng_loader.get_library_path()), ctypes.CDLL(None)
        if self.espeak.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0) != 22050:  # 2: synchronous
            raise SreError("espeak-ng does not start; install it again: pip install --force-reinstall espeakng-loader")
        callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self.callback = callback(self._receive)  # held: C keeps only the address
        self.pieces: list[np.ndarray] = []
        self.espeak.espeak_SetSynthCallback(self.callback)
        name = f"{voice.accent}+{voice.variant}"
        if self.espeak.espeak_SetVoiceByName(name.encode()) != 0:
            raise SreError(
                f"espeak-ng has no voice '{name}'; install the version of setup.cfg: pip install -e '.[demo]'"
            )

    def _receive(self, samples: Any, num_samples: int, _events: int | None) -> int:
        if samples and num_samples > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (num_samples,)).astype(np.float64))
        return 0

    def say(self, text: str, rate: int, pitch: int, pitch_range: int, seed: int) -> np.ndarray:
        """Speak a text, and return (samples,) float64 at 22,050 Hz."""
        self.pieces.clear()
        self.libc.srand(seed)
        self.espeak.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        for parameter, value in ((self.RATE, rate), (self.PITCH, pitch), (self.RANGE, pitch_range)):
            self.espeak.espeak_SetParameter(parameter, value, 0)
        phrase = text.encode() + b"\0"
        self.espeak.espeak_Synth(phrase, ctypes.c_size_t(len(phrase)), 0, 0, 0, 1, None, None)  # 1: UTF-8
        return np.concatenate(self.pieces)


def speak(synthesizer: Synthesizer, voice: Voice, rng: np.random.Generator) -> np.ndarray:
    """Speak one random sentence in the speaker's voice: (samples,) at 16 kHz, about 1.8 to 5 s."""
    from scipy.signal import resample_poly  # a second, which --help need not wait for

    rate = voice.rate * (1 + rng.uniform(-WITHIN_SPEAKER_RATE, WITHIN_SPEAKER_RATE))
    pitch = voice.pitch + int(rng.integers(-WITHIN_SPEAKER_PITCH, WITHIN_SPEAKER_PITCH + 1))
    num_words = round(rng.uniform(*SPEECH_S) * rate / 60)
    text = " ".join(WORDS[i] for i in rng.integers(len(WORDS), size=num_words)) + "."
    wave = synthesizer.say(text, round(rate), pitch, voice.pitch_range, int(rng.integers(1, 2**31)))
    wave = resample_poly(wave, 320, voice.tract)  # 16000 / (50 * tract)
    return wave[: round(MAX_SPEECH_S * SAMPLE_RATE)]


class Session:
    """The recording conditions of one chapter: room, microphone, noise, level."""

    def __init__(self, rng: np.random.Generator):
        decay_s, direct_db = rng.uniform(*ROOM_DECAY_S), rng.uniform(*DIRECT_TO_REVERBERANT_DB)
        t = np.arange(round(0.5 * SAMPLE_RATE)) / SAMPLE_RATE
        tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / decay_s)
        tail[: SAMPLE_RATE // 500] = 0  # the first reflection comes after 2 ms
        self.room = tail * 10 ** (-direct_db / 20) / np.linalg.norm(tail)
        self.room[0] = 1
        self.low_hz, self.high_hz = rng.uniform(*LOW_CUT_HZ), rng.uniform(*HIGH_CUT_HZ)
        self.tilt = rng.uniform(*CHANNEL_TILT_DB_PER_OCTAVE)
        self.noise_slope, self.snr_db = rng.uniform(*NOISE_SLOPE_DB_PER_OCTAVE), rng.uniform(*SNR_DB)
        self.level_dbfs = rng.uniform(*LEVEL_DBFS)

    def record(self, speech: np.ndarray, voice_tilt: float, rng: np.random.Generator) -> np.ndarray:
        """Record speech in the room, with noise, by the microphone: (samples,) -> (samples + room,) int16."""
        num_samples = len(speech) + len(self.room) - 1
        size = 2 ** math.ceil(math.log2(num_samples))
        f = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 20.0)
        octaves = np.log2(f / 1000)
        wet = np.fft.rfft(speech, size) * np.fft.rfft(self.room, size) * 10 ** (voice_tilt * octaves / 20)
        noise = np.fft.rfft(rng.standard_normal(num_samples), size) * 10 ** (self.noise_slope * octaves / 20)
        microphone = 10 ** (self.tilt * octaves / 20)
        microphone /= np.sqrt(
            (1 + (self.low_hz / f) ** 4) * (1 + (f / self.high_hz) ** 8)
        )  # Butterworth: 2nd, 4th order
        wet, noise = (np.fft.irfft(x * microphone, size)[:num_samples] for x in (wet, noise))
        wave = wet + noise * np.linalg.norm(wet) / np.linalg.norm(noise) * 10 ** (-self.snr_db / 20)
        wave *= 10 ** (self.level_dbfs / 20) * np.sqrt(num_samples) / np.linalg.norm(wave)
        wave *= min(1.0, 0.95 / np.abs(wave).max())
        return np.round(wave * 32767).astype(np.int16)


if __name__ == "__main__":
    raise SystemExit(
        "local.mini_speech is no command but the voices of local.make_mini_corpus;"
        " run python -m local.make_mini_corpus --help"
    )
