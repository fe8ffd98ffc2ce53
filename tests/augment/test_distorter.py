"""Distortions: the SNR that was drawn, the direct path's place, draws from the generator alone, sentences of faults."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from sre import SreError
from sre.augment.codec import CODECS, coded
from sre.augment.distorter import Distorter
from sre.augment.manifest import Manifest
from sre.augment.noise import babble, mix, power
from sre.augment.options import steps_of
from sre.augment.pitch import shift_pitch
from sre.augment.rooms import reverberate
from sre.augment.speed import FEWEST, change_speed, filter_of, resampled, samples_needed
from sre.io.tables import write_table

RATE = 16000


def noise_of(seed: int, samples: int, level: float = 1000.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(samples) * level).astype(np.float32)


def tone(hz: float, samples: int = 2 * RATE, level: float = 8000.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(samples) / RATE)).astype(np.float32)


def write_manifest(folder: Path, waves: dict[str, tuple[str, np.ndarray]], rate: int = RATE) -> Manifest:
    """waves: id -> category, samples on int16's scale."""
    folder.mkdir(parents=True)
    for key, (_, wave) in waves.items():
        soundfile.write(folder / f"{key}.wav", wave / 32768, rate, subtype="FLOAT")
    write_table(folder / "wav.scp", {key: f"{key}.wav" for key in waves})
    write_table(folder / "utt2category", {key: category for key, (category, _) in waves.items()})
    write_table(folder / "reco2dur", {key: f"{len(wave) / rate:.3f}" for key, (_, wave) in waves.items()})
    return Manifest(folder)


@pytest.fixture
def noises(tmp_path: Path) -> Manifest:
    waves = {f"n{i}": ("noise", noise_of(i, 5 * RATE, 300)) for i in range(4)}
    waves |= {f"s{i}": ("speech", noise_of(10 + i, RATE // 2, 10.0 ** (i + 1))) for i in range(4)}
    return write_manifest(tmp_path / "musan", waves)


@pytest.fixture
def rooms(tmp_path: Path) -> Manifest:
    responses = {}
    for i in range(3):
        response = noise_of(20 + i, 4000, 1) * np.exp(-np.arange(4000) / 400).astype(np.float32) * 0.1
        response[50 * i] = 9.0
        responses[f"r{i}"] = ("small", response)
    return write_manifest(tmp_path / "rirs", responses)


@given(snr=st.floats(-20, 60), level=st.floats(1, 1e4), seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_the_mixture_has_the_snr_that_was_drawn(snr: float, level: float, seeds: tuple[int, int]) -> None:
    wave = noise_of(seeds[0], 32240, level)
    noise = babble([noise_of(seeds[1] + 100 + i, 32240, 10.0**i) for i in range(4)])
    added = mix(wave, noise, snr) - wave
    assert 10 * np.log10(power(wave) / power(added)) == pytest.approx(snr, abs=0.1)


def test_parts_of_a_babble_are_equally_strong() -> None:
    parts = [tone(hz, level=level) for hz, level in ((200, 10.0), (400, 1000.0), (800, 30000.0))]
    spectrum = np.abs(np.fft.rfft(babble(parts)))
    assert spectrum[[400, 800, 1600]] == pytest.approx(spectrum[400], rel=1e-3)


def test_silence_has_no_mixture(noises: Manifest, tmp_path: Path) -> None:
    steps = steps_of([{"probability": 1, "one_of": [{"kind": "noise", "categories": ["noise"], "snr": [0, 0]}]}])
    distort, silence = Distorter(steps, noises), np.zeros(RATE, np.float32)
    assert distort(silence, np.random.default_rng(1)) is silence
    silent = write_manifest(tmp_path / "silent", {"n": ("noise", silence)})
    distort_by_silence, wave = Distorter(steps, silent), noise_of(1, RATE)
    assert distort_by_silence(wave, np.random.default_rng(1)) is wave
    assert [sum(d.left_out.values()) for d in (distort, distort_by_silence)] == [1, 1]


@pytest.mark.parametrize("direct", [0, 37, 1000])
def test_the_direct_path_keeps_its_place(direct: int) -> None:
    response = noise_of(3, 3000, 0.01)
    response[direct] = 1.0
    click = np.zeros(20000, np.float32)
    click[7000] = 10000.0
    wet = reverberate(click, response, direct)
    assert len(wet) == 20000 and np.abs(wet).argmax() == 7000
    assert power(wet) == pytest.approx(power(click), rel=1e-4)


def test_reverberation_is_convolution() -> None:
    wave, response = noise_of(1, 5000), noise_of(2, 700, 0.1)
    whole = np.convolve(wave.astype(np.float64), response.astype(np.float64))[20 : 20 + 5000]
    expected = whole * np.sqrt(power(wave) / np.mean(whole**2))
    np.testing.assert_allclose(reverberate(wave, response, 20), expected, atol=1e-3 * 1000)


ALL_KINDS = [
    {"probability": 0.9, "one_of": [
        {"kind": "noise", "categories": ["noise"], "snr": [0, 15], "weight": 2},
        {"kind": "noise", "categories": ["speech"], "snr": [10, 20], "count": [3, 7]},
        {"kind": "room", "categories": ["small"]},
    ]},
    {"probability": 0.5, "one_of": [
        {"kind": "volume", "gain_db": [-6, 30]},
        {"kind": "pitch", "semitones": [-2, 2]},
        {"kind": "codec", "names": ["mulaw", "gsm"]},
    ]},
]  # fmt: skip


def test_the_draws_decide_alone(noises: Manifest, rooms: Manifest) -> None:
    """The same generator, the same samples: whatever was distorted before, and in a copy for another process."""
    distort = Distorter(steps_of(ALL_KINDS), noises, rooms)
    waves = [noise_of(50 + i, 32240) for i in range(20)]
    first = [distort(wave, np.random.default_rng([1, i])) for i, wave in enumerate(waves)]
    copy = pickle.loads(pickle.dumps(distort))
    again = [copy(waves[i], np.random.default_rng([1, i])) for i in reversed(range(20))][::-1]
    for one, other, wave in zip(first, again, waves, strict=True):
        assert one.dtype == np.float32 and one.shape == wave.shape and np.abs(one).max() <= 32767.01
        np.testing.assert_array_equal(one, other)
    assert sum(not np.array_equal(one, wave) for one, wave in zip(first, waves, strict=True)) > 12


def test_short_noises_are_repeated(noises: Manifest) -> None:
    piece = noises.piece("s1", 0.25, 3 * RATE, RATE)
    np.testing.assert_array_equal(piece[: RATE // 2], piece[RATE : RATE + RATE // 2])
    np.testing.assert_allclose(piece[: RATE // 4], noise_of(11, RATE // 2, 100.0)[RATE // 8 :][: RATE // 4], rtol=1e-5)


def test_noises_of_another_rate_are_converted(tmp_path: Path) -> None:
    times = np.arange(5 * 44100) / 44100
    wave = (8000 * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    piece = write_manifest(tmp_path / "m", {"n": ("noise", wave)}, 44100).piece("n", 0.5, 2 * RATE, RATE)
    assert len(piece) == 2 * RATE and np.abs(np.fft.rfft(piece)).argmax() == 2000


@pytest.mark.parametrize("change, told", [
    ({"kind": "noise", "categories": ["noize"], "snr": [0, 5]}, "no category 'noize' in it; the nearest is 'noise'"),
    ({"kind": "room", "categories": ["small"]}, "has the kind room, and there are no files for it; set rirs"),
    ({"kind": "codec", "names": ["mp4"]}, "'mp4' is no codec; the nearest is 'mp3'"),
    ({"kind": "nose", "categories": ["noise"]}, "'nose' is no kind; the nearest is 'noise'"),
])  # fmt: skip
def test_faults_are_sentences(change: dict, told: str, noises: Manifest) -> None:
    with pytest.raises(SreError, match=told):
        Distorter(steps_of([{"probability": 1, "one_of": [change]}]), noises)


@pytest.mark.parametrize("factor, up, down", [(0.9, 10, 9), (1.1, 10, 11), (1.0, 1, 1), (0.5, 2, 1)])
def test_speed_moves_tempo_and_pitch(factor: float, up: int, down: int) -> None:
    changed = change_speed(tone(1000), factor)
    assert len(changed) == -(-2 * RATE * up // down)
    spectrum = np.abs(np.fft.rfft(changed[:RATE]))
    assert spectrum.argmax() == pytest.approx(1000 * factor, abs=1)
    for samples in (1, 32240, 96240):
        needed = samples_needed(samples, factor)
        assert len(change_speed(np.ones(needed, np.float32), factor)) >= samples
        assert needed == 1 or len(change_speed(np.ones(needed - 1, np.float32), factor)) < samples


@given(
    ratio=st.sampled_from([(10, 9), (10, 11), (20, 19), (20, 21), (5, 4), (5, 6), (2, 1), (1, 2), (99, 100), (3, 7)]),
    samples=st.integers(FEWEST - 10, 3 * FEWEST),
    silent=st.integers(0, FEWEST),
)
def test_resampling_by_rows_has_scipys_bytes(ratio: tuple[int, int], samples: int, silent: int) -> None:
    up, down = ratio
    wave = noise_of(up, samples)
    wave[:silent] = 0
    expected = resample_poly(wave, up, down, window=filter_of(max(up, down)))
    assert resampled(wave, up, down).tobytes() == expected.tobytes()


@pytest.mark.parametrize("semitones", [-4.0, -0.5, 1.0, 3.0])
def test_pitch_moves_and_the_duration_stays(semitones: float) -> None:
    wave = tone(1000)
    wave[: RATE // 2] = 0  # what is when stays there
    shifted = shift_pitch(wave, semitones, RATE)
    assert shifted.shape == wave.shape
    assert np.abs(np.fft.rfft(shifted[RATE:])).argmax() == pytest.approx(1000 * 2 ** (semitones / 12), abs=2)
    assert power(shifted[: RATE // 2 - 600]) < 0.01 * power(shifted[RATE // 2 + 600 :])
    assert power(shifted[RATE:]) == pytest.approx(power(wave[RATE:]), rel=0.2)


def speech(samples: int = 32240) -> np.ndarray:
    """A sum of harmonics with an envelope, and what is above 3 kHz weak, as in speech."""
    times = np.arange(samples) / RATE
    wave = sum(np.sin(2 * np.pi * 120 * h * times + h * h) / h for h in range(1, 60))
    return (3000 * wave * (1.2 + np.sin(2 * np.pi * 3 * times))).astype(np.float32)


@pytest.mark.parametrize("name, least_snr", [
    ("mulaw", 33), ("alaw", 33), ("g721", 15), ("gsm", 5), ("mp3", 12), ("vorbis", 12), ("opus", 10),
])  # fmt: skip
def test_codecs_stay_in_their_band_and_bound(name: str, least_snr: float) -> None:
    """Against the wave within the codec's band; a delay of a sample or two would lower the SNR below the bound."""
    assert set(CODECS) == {"mulaw", "alaw", "g721", "gsm", "mp3", "vorbis", "opus"}
    for samples in (32240, 32233, 8001):
        wave = speech(samples)
        heard = coded(wave, name, RATE)
        assert heard.shape == wave.shape and heard.dtype == np.float32
        spectrum, expected = np.fft.rfft(heard), np.fft.rfft(wave)
        hz = np.fft.rfftfreq(samples, 1 / RATE)
        if CODECS[name].sample_rate:
            assert np.square(np.abs(spectrum[hz > 4400])).sum() < 1e-4 * np.square(np.abs(spectrum)).sum()
        band = hz < 3300
        error = np.square(np.abs(spectrum - expected)[band]).sum()
        assert 10 * np.log10(np.square(np.abs(expected[band])).sum() / error) > least_snr
