"""Features as Kaldi computes them, whatever else is in the batch."""

from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.features.cmn import energy_vad, subtract_sliding_mean, subtract_utterance_mean
from sre.features.extractor import FRAMES_AT_ONCE, FeatureExtractor, extractor_of
from sre.features.types import options_of
from sre.io.ark import read_record

FBANK80 = {"type": "fbank"}
FBANK40 = {"type": "fbank", "num_mel_bins": 40, "high_freq": 7600, "snip_edges": False}
MFCC30 = {
    "type": "mfcc",
    "num_mel_bins": 30,
    "num_ceps": 30,
    "high_freq": 7600,
    "snip_edges": False,
    "energy_floor": 1.0,
}


@pytest.fixture(scope="module")
def kaldi(shared: Path) -> Path:
    return shared / "reference/kaldi-features"


@pytest.fixture(scope="module")
def waves(kaldi: Path) -> dict[str, np.ndarray]:
    table = dict(line.split() for line in (kaldi / "wav.scp").read_text().splitlines())
    return {utt: soundfile.read(kaldi / wav, dtype="int16")[0].astype(np.float32) for utt, wav in table.items()}


@pytest.fixture(scope="module")
def mfcc(waves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return extract(waves, MFCC30)


def extract(waves: dict[str, np.ndarray], options: dict) -> dict[str, np.ndarray]:
    matrices = extractor_of(options_of(options))(list(waves.values()))
    return {utt: matrix.numpy() for utt, matrix in zip(waves, matrices, strict=True)}


def assert_close(ours: dict[str, np.ndarray], ark: Path, tolerance: float = 1e-3) -> None:
    theirs = dict(kaldiio.load_ark(str(ark)))
    assert ours.keys() == theirs.keys()
    for utt, expected in theirs.items():
        assert ours[utt].shape == expected.shape
        assert np.abs(ours[utt] - expected).max() < tolerance


@pytest.mark.parametrize("name, options", [("fbank80", FBANK80), ("fbank40_nosnip", FBANK40)])
def test_fbank(kaldi: Path, waves: dict, name: str, options: dict) -> None:
    assert_close(extract(waves, options), kaldi / f"{name}.ark")


def test_mfcc(kaldi: Path, mfcc: dict) -> None:
    assert_close(mfcc, kaldi / "mfcc30.ark")


@pytest.mark.parametrize(
    "name, options", [("fbank80", FBANK80), ("fbank40_nosnip", FBANK40), ("mfcc30", MFCC30)], ids=str
)
def test_another_fft_than_kaldi_s(kaldi: Path, waves: dict, name: str, options: dict) -> None:
    assert_close(extract(waves, {**options, "exact": False}), kaldi / f"{name}.ark", 5e-3)


def test_vad_exactly(kaldi: Path, mfcc: dict) -> None:
    for utt, expected in kaldiio.load_ark(str(kaldi / "vad.ark")):
        np.testing.assert_array_equal(energy_vad(mfcc[utt][:, 0]), expected > 0)


def test_sliding_cmn_then_voiced_frames(kaldi: Path, mfcc: dict) -> None:
    normalised = {utt: subtract_sliding_mean(feats) for utt, feats in mfcc.items()}
    assert_close(normalised, kaldi / "mfcc30_cmn.ark")
    voiced = {utt: feats[energy_vad(mfcc[utt][:, 0])] for utt, feats in normalised.items()}
    assert_close(voiced, kaldi / "mfcc30_cmn_voiced.ark")


@pytest.mark.parametrize("method", [1, 2, 3])
def test_compressed_archives(kaldi: Path, method: int) -> None:
    ark = kaldi / f"fbank80_cm{method}.ark"
    exact = dict(kaldiio.load_ark(str(kaldi / "fbank80.ark")))
    data, at = ark.read_bytes(), 0
    for utt, expected in kaldiio.load_ark(str(ark)):
        at = data.index(f"{utt} \0BCM".encode(), at) + len(utt) + 1
        ours = read_record(utt, f"{ark}:{at}")
        np.testing.assert_array_equal(ours, expected)
        assert np.abs(ours - exact[utt]).max() < 0.5  # of log energies; the coarsest method has 8 bits


ODD = {"type": "mfcc", "sample_rate": 11025, "num_mel_bins": 23, "remove_dc_offset": False, "window_type": "hamming"}
WIDE = {**FBANK80, "sample_rate": 44100, "frame_shift": 30.0, "snip_edges": False}  # a shift beyond the window


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("options", [FBANK80, FBANK40, MFCC30, ODD, WIDE])
def test_the_same_bytes_in_any_company(options: dict, exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone and among others, in one block and in many, in a batch, and by the operations of graphs and GPUs."""
    draw, asked = np.random.default_rng(0), {**options, "exact": exact}
    waves = {str(n): 1000 * draw.normal(size=n).astype(np.float32) for n in (1103, 1200, 16000, 5000, 90000)}
    together = extract(waves, asked)
    extractor = extractor_of(options_of(asked))
    assert isinstance(extractor, FeatureExtractor)
    for utt, wave in waves.items():
        assert (extract({utt: wave}, asked)[utt] == together[utt]).all()
        plain = extractor._of_frames(extractor._frames(torch.from_numpy(wave))).numpy()
        np.testing.assert_allclose(plain, together[utt], rtol=0, atol=1e-5 * np.abs(plain).max())
    for columns in (16, 100, 1000):
        monkeypatch.setitem(FRAMES_AT_ONCE, "cpu", columns)
        assert all((feats == together[utt]).all() for utt, feats in extract(waves, asked).items())
    pair = np.stack([waves["16000"], waves["90000"][:16000]])
    assert (
        extractor.batch(torch.from_numpy(pair)).numpy() == np.stack([*extract(dict(enumerate(pair)), asked).values()])
    ).all()


@given(st.integers(400, 4000), st.booleans())
@settings(max_examples=30, deadline=None)
def test_frame_counts(samples: int, snip: bool) -> None:
    options = options_of({**FBANK80, "num_mel_bins": 5, "snip_edges": snip})
    (feats,) = extractor_of(options)([np.ones(samples, np.float32)])
    whole_windows = len(range(0, samples - 400 + 1, 160))
    assert len(feats) == options.num_frames(samples) == (whole_windows if snip else round(samples / 160 + 1e-9))


def test_filters_between_two_frequencies() -> None:
    options = options_of({"type": "fbank", "num_mel_bins": 20, "low_freq": 20.0, "high_freq": 30.0})
    (feats,) = extractor_of(options)([np.arange(4000, dtype=np.float32)])
    assert (feats == np.log(np.finfo(np.float32).eps)).all()  # nothing lies in them


def test_too_short() -> None:
    with pytest.raises(SreError, match="399 samples is shorter than one frame"):
        extractor_of(options_of(FBANK80))([np.ones(400, np.float32), np.ones(399, np.float32)])


@pytest.mark.parametrize("frames", [1, 5, 6, 20])
def test_sliding_cmn_by_a_loop(frames: int) -> None:
    feats = np.random.default_rng(frames).normal(size=(frames, 2)).astype(np.float32)
    expected = []
    for t in range(frames):
        begin, end = t - 3, t + 3  # the window of 6 frames; where it leaves the utterance it is shifted in
        if begin < 0:
            begin, end = 0, end - begin
        if end > frames:
            begin, end = max(0, begin - (end - frames)), frames
        expected.append(feats[t] - feats[begin:end].mean(axis=0))
    np.testing.assert_allclose(subtract_sliding_mean(feats, window=6), expected, atol=1e-6)


def test_utterance_cmn() -> None:
    feats = np.array([[1, 10], [3, 30]], np.float32)
    np.testing.assert_array_equal(subtract_utterance_mean(feats), [[-1, -10], [1, 10]])


def test_vad_on_paper() -> None:
    energy = np.array([0, 0, 0, 0, 9, 0, 0], np.float32)  # mean 9/7, cut-off 5 + 0.5 * 9/7; only frame 4 is above
    voiced = energy_vad(energy, energy_threshold=5, frames_context=1, proportion_threshold=0.3)
    assert voiced.tolist() == [False, False, False, True, True, True, False]
    voiced = energy_vad(energy, energy_threshold=5, frames_context=1, proportion_threshold=0.4)
    assert not voiced.any()  # one of three frames is less than 0.4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sample_rate": 300}, "25 ms and frame_shift 10 ms are 7 and 3 samples at 300 Hz; give lengths of 16"),
        ({"frame_shift": 0.01}, "frame_shift 0.01 ms are 400 and 0 samples"),
        ({"frame_length": 1e9}, "give lengths of 16 to 65536 samples"),
        ({"high_freq": 9000.0}, "mel banks from 20.0 to 9000.0 Hz do not fit below 8000.0 Hz"),
        ({"high_freq": -7990.0}, "mel banks from 20.0 to 10.0 Hz"),
        ({"type": "fbanks"}, "features of type 'fbanks' cannot be made here, the nearest is fbank; update sre"),
        ({"num_mel_bins": 257}, "a window of 400 samples has 256 frequencies"),
        (
            {"type": "mfcc", "num_mel_bins": 30, "num_ceps": 31},
            "num_ceps 31: there are 30 mel bins; give at most",
        ),
    ],
)
def test_options_that_do_not_go_together(options: dict, sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        options_of({**FBANK80, **options})
