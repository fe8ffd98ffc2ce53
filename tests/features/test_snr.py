"""The estimate of the SNR, and the table of what was measured of a data directory's utterances."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre import SreError
from sre.augment.noise import mix
from sre.features.snr import LEAST, MOST, estimate_snr
from sre.io.quality import read_qualities
from sre.io.tables import write_table
from steps import measure_quality

RATE = 16000


def bursts(seconds: float, seed: int = 0) -> np.ndarray:
    """Return (S,) on int16's scale: syllables of a fifth of a second, and as long pauses, as speech has them."""
    draw = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * h * times + draw.random() * 6) / h for h in range(1, 20))
    return (3000 * voice * (times % 0.4 < 0.2)).astype(np.float32)


@pytest.mark.parametrize("snr", [0, 5, 10, 20])
@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_the_ratio_at_which_noise_was_added(snr: float, seconds: float) -> None:
    wave = bursts(seconds)
    mixed = mix(wave, np.random.default_rng(1).normal(size=len(wave)).astype(np.float32), snr)
    assert mixed is not None
    assert estimate_snr(mixed, RATE) == pytest.approx(snr, abs=4)  # white noise varies less than LOUDER says


@given(st.integers(0, 1000), st.floats(1e-4, 1e3), st.floats(-100, 100))
def test_neither_scale_nor_offset_changes_it(seed: int, scale: float, offset: float) -> None:
    wave = bursts(0.8, seed) + np.random.default_rng(seed).normal(0, 300, round(0.8 * RATE))
    found = estimate_snr(wave, RATE)
    assert LEAST <= found <= MOST
    assert estimate_snr(scale * (wave + offset), RATE) == pytest.approx(found, abs=1e-3)


def test_what_has_no_noise_no_speech_or_no_frame() -> None:
    assert estimate_snr(bursts(1.0), RATE) == MOST  # its pauses are digital silence
    assert np.isnan(estimate_snr(np.zeros(RATE), RATE))
    assert np.isnan(estimate_snr(np.full(RATE, 7.0), RATE))
    assert np.isnan(estimate_snr(bursts(1.0)[:399], RATE)) and np.isnan(estimate_snr(np.empty(0), RATE))
    assert estimate_snr(np.random.default_rng(0).normal(size=RATE), RATE) == LEAST  # noise alone


def test_the_table_of_a_data_directory(sound_dir, tmp_path: Path) -> None:
    data = sound_dir(tmp_path / "data", speakers=2)
    counts = tmp_path / "feats/utt2num_frames"
    counts.parent.mkdir()
    (counts.parent / "config").write_text('{"frame_shift": 5.0, "type": "fbank"}\n')
    write_table(counts, {"s00_00": 240, "s00_01": 250, "s01_02": 0, "elsewhere": 9})
    out = tmp_path / "quality"
    measure_quality.main([str(data), str(counts), str(out)])
    found = read_qualities(out)
    assert {utt: one.speech_s for utt, one in found.items()} == {"s00_00": 1.2, "s00_01": 1.25}
    assert all(np.isnan(one.snr_db) for one in found.values())
    measure_quality.main([str(data), str(counts), str(out), "--snr"])
    assert all(LEAST <= one.snr_db <= MOST for one in read_qualities(out).values())

    samples = counts.with_name("utt2num_samples")
    (counts.parent / "config").write_text('{"sample_rate": 8000}\n')
    write_table(samples, {"s00_00": 9600})
    measure_quality.main([str(data), str(samples), str(out)])
    assert read_qualities(out)["s00_00"].speech_s == 1.2
    features = {"type": "fbank", "sample_rate": 8000, "frame_length": 25.0, "frame_shift": 10.0, "trim": None}
    measure_quality.main([str(data), str(samples), str(out), "--features", json.dumps(features)])
    assert read_qualities(out)["s00_00"].speech_s == pytest.approx(0.01 * (1 + (9600 - 200) // 80))
    features["trim"] = {"seconds": 0.1, "level_db": None, "least_s": 0.0}
    measure_quality.main([str(data), str(samples), str(out), "--features", json.dumps(features)])
    assert read_qualities(out)["s00_00"].speech_s == pytest.approx(0.01 * (1 + (8000 - 200) // 80))
    write_table(samples, {"elsewhere": 9600})
    with pytest.raises(SreError, match="utt2num_samples: no utterance of .*data is in it; give the table of these"):
        measure_quality.main([str(data), str(samples), str(out)])
