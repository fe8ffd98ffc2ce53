"""Front-ends of other toolkits: each beside its oracle, whole and in batch, at any length."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from features.oracles import ORACLES
from torch import Tensor, nn

from sre import SreError
from sre.cli.configs import schema
from sre.config.resolve import resolve_features, resolve_vad
from sre.features.cmn import normalise
from sre.features.energy import frame_centres
from sre.features.extractor import extractor_of
from sre.features.frontends import signal
from sre.features.frontends.options import FRONTENDS, SignalOptions
from sre.features.types import FEATURE_TYPES, options_of
from sre.features.vad import decider
from sre.io.text import canonical

TYPES = [kind.type for kind in FRONTENDS]
CLOSE = 1e-4  # absolute, of logarithms, decibels and cepstra alike
KALDI = (  # the configs of fbank and mfcc since 0.1.0: features and networks are told apart by these bytes
    '{"cepstral_lifter":22.0,"cmn":"utterance","cmn_window":300,"compression":0,"dither":0.0,"energy_floor":0.0,'
    '"frame_length":25.0,"frame_shift":10.0,"high_freq":0.0,"low_freq":20.0,"num_ceps":13,"num_mel_bins":80,'
    '"preemphasis_coefficient":0.97,"remove_dc_offset":true,"sample_rate":16000,"snip_edges":true,"type":"TYPE",'
    '"use_energy":true,"vad":null,"version":1,"window_type":"povey"}'
)


def made_waves() -> dict[str, np.ndarray]:
    """Waves of int16's values that are hard: a fricative, a tone over 16 bits' noise, loud then quiet, a short one."""
    draw = np.random.default_rng(0)
    hum, noise = np.sin(2 * np.pi * 200 / 16000 * np.arange(24000)), draw.standard_normal(24001)
    return {
        "fricative": np.round(3000 * np.diff(noise)),
        "tone": np.round(20000 * hum),
        "loud_then_quiet": np.round(np.concatenate([20000 * hum, 2 * noise])),
        "short": np.round(1000 * noise[:2100]),
    }


def options(kind: str, **given: object) -> SignalOptions:
    made = options_of(resolve_features(schema(), {"type": kind, **given}, 16000, kind))
    assert isinstance(made, SignalOptions)
    return made


def difference(name: str, wave: np.ndarray) -> float:
    kind, given, oracle = ORACLES[name]
    ours, theirs = extractor_of(options(kind, **given))([wave.astype(np.float32)])[0], oracle(wave / 32768)
    assert ours.dtype == torch.float32 and ours.shape == theirs.shape
    return float((ours - theirs).abs().max())


@pytest.mark.parametrize("name", ORACLES)
def test_beside_its_oracle(name: str) -> None:
    found = {wave: difference(name, made) for wave, made in made_waves().items()}
    assert max(found.values()) < CLOSE, found


@pytest.mark.parametrize("name", ORACLES)
def test_beside_its_oracle_on_speech(shared: Path, name: str) -> None:
    folder = shared / "reference/kaldi-features"
    for line in (folder / "wav.scp").read_text().splitlines():
        utt, wav = line.split()
        assert difference(name, soundfile.read(folder / wav, dtype="int16")[0].astype(float)) < CLOSE, utt


def of_nemo(x: Tensor) -> Tensor:
    """parts/features.py: normalize_batch, per_feature: (T, F)."""
    return (x - x.mean(dim=0)) / (x.std(dim=0) + 1e-5)


def of_clova(x: Tensor) -> Tensor:
    return nn.InstanceNorm1d(x.shape[1])(x.T[None])[0].T


@pytest.mark.parametrize("kind, theirs", [("nemo_mel", of_nemo), ("torchaudio_mel", of_clova)])
def test_normalisation_of_the_types_default(kind: str, theirs) -> None:
    config = resolve_features(schema(), {"type": kind}, 16000, kind)
    wave = made_waves()["loud_then_quiet"]
    feats = extractor_of(options_of(config))([wave.astype(np.float32)])[0].numpy()
    expected = theirs(ORACLES[kind][2](wave / 32768))
    np.testing.assert_allclose(normalise(feats, config), expected, atol=CLOSE)


@pytest.mark.parametrize("kind", TYPES)
def test_a_batch_and_blocks_are_as_one_wave(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waves = np.stack([wave[:20000] for name, wave in made_waves().items() if name != "short"]).astype(np.float32)
    extractor = extractor_of(options(kind))
    alone = torch.stack(extractor(list(waves)))
    monkeypatch.setitem(signal.FRAMES_AT_ONCE, "cpu", 7 * len(waves))
    together = extractor.batch(torch.from_numpy(waves))
    assert alone.shape == (3, extractor.options.num_frames(20000), extractor.options.dimension)
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-5)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A product's last bits are those of its number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", sorted(FEATURE_TYPES))
@pytest.mark.usefixtures("one_thread")
def test_a_batch_has_the_bytes_of_the_list_wherever_its_samples_lie(kind: str) -> None:
    waves = np.random.default_rng(0).normal(scale=1000, size=(3, 4801)).astype(np.float32)
    extractor = extractor_of(options_of({"type": kind}))
    listed = torch.stack(extractor(list(waves)))
    batch = torch.from_numpy(waves)
    for same in (batch, batch.double(), batch.T.contiguous().T, batch.repeat_interleave(2, dim=1)[:, ::2]):
        assert torch.equal(extractor.batch(same), listed)
    with pytest.raises(SreError, match="audio of 0 samples is shorter than one frame; remove it"):
        extractor.batch(batch[:, :0])


@pytest.mark.parametrize("kind", sorted(FEATURE_TYPES))
@pytest.mark.usefixtures("one_thread")
def test_threads_share_an_extractor(kind: str) -> None:
    draw = np.random.default_rng(1)
    waves = [draw.normal(scale=1000, size=size).astype(np.float32) for size in draw.integers(3000, 9000, 12)]
    extractor = extractor_of(options_of({"type": kind}))
    alone = [extractor([wave])[0] for wave in waves]
    with ThreadPoolExecutor(3, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        assert all(map(torch.equal, pool.map(lambda wave: extractor([wave])[0], waves), alone))


@pytest.mark.parametrize("kind", TYPES)
def test_counts_of_frames_and_samples(kind: str) -> None:
    asked = options(kind)
    extractor = extractor_of(asked)
    for frames in (1, 2, 3, 10, 11):
        samples = asked.num_samples(frames)
        assert asked.num_frames(samples) >= frames and (frames < 3 or asked.num_frames(samples) == frames)
        assert asked.num_frames(samples - 1) < frames
        (feats,) = extractor([np.zeros(samples, np.float32)])
        assert feats.shape == (asked.num_frames(samples), asked.dimension) and feats.isfinite().all()
    with pytest.raises(SreError, match=f"audio of {asked.shortest - 1} samples is shorter than one frame"):
        extractor([np.ones(4000, np.float32), np.ones(asked.shortest - 1, np.float32)])


def test_nemos_dither_is_drawn_from_its_seed() -> None:
    wave = made_waves()["tone"].astype(np.float32)
    extractor = extractor_of(options("nemo_mel", dither=0.5))
    once, again, other = (extractor([wave], seed)[0] for seed in ("a", "a", "b"))
    assert torch.equal(once, again) and not torch.equal(once, other)


@pytest.mark.parametrize("kind", ["fbank", "mfcc"])
def test_configs_of_kaldis_types_are_those_of_before(kind: str) -> None:
    assert canonical(resolve_features(schema(), {"type": kind}, 16000, "f")) == KALDI.replace("TYPE", kind)


def test_a_config_of_another_toolkit_has_its_own_options_only() -> None:
    config = resolve_features(schema(), {"type": "nemo_mel"}, 16000, "f")
    assert (config["num_mel_bins"], config["frame_length"], config["cmn_variance"]) == (64, 20, "nemo")
    assert not {"snip_edges", "window_type", "remove_dc_offset", "num_ceps", "use_energy"} & config.keys()
    plain = resolve_features(schema(), {"type": "nemo_mel", "cmn_variance": "none"}, 16000, "f")
    assert plain["cmn_variance"] == "none" and normalise(np.eye(4, dtype=np.float32), plain).max() == 0.75
    with pytest.raises(SreError, match="^f: snip_edges is of type fbank and mfcc, not of nemo_mel; take it out$"):
        resolve_features(schema(), {"type": "nemo_mel", "snip_edges": False}, 16000, "f")


@pytest.mark.parametrize("kind", TYPES)
def test_vad_on_audio_decides_on_each_frame(kind: str) -> None:
    """Loud, then quiet: frames are voiced until the middle, give or take a window."""
    wave = made_waves()["loud_then_quiet"].astype(np.float32)
    asked = options(kind)
    voiced = decider(resolve_vad(schema(), {}, "v"), {"type": kind})(wave)
    ends = frame_centres(asked, asked.num_frames(len(wave)))[voiced][-1]
    assert len(voiced) == asked.num_frames(len(wave)) and abs(ends - 24000) <= asked.window + 2 * asked.shift
