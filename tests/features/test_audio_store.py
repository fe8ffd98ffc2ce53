"""Features and samples straight from audio: as the archives have them, decoding only the piece that is asked for."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sre import SreError
from sre.config.resolve import resolve_features
from sre.config.schema import Schema
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.features import audio_store
from sre.features.audio_store import AudioStore
from sre.features.make_shards import make_all_shards
from sre.features.store import FeatureStore
from sre.features.waves import Sound, Waves
from sre.io.audio import AudioRules, load
from sre.io.tables import read_table
from steps import index_audio

ROOT = Path(__file__).resolve().parents[2]
RULES = AudioRules(resample=True, allow_pipes=True)
FORMS = {"a": ("flac", 16000), "b": ("wav", 16000), "c": ("flac", 44100), "d": ("ogg", 16000), "e": ("wav", 8000)}
BLOCKS = ("GSM610", "IMA_ADPCM", "MS_ADPCM", "G721_32")


def fbank(cmn: str = "utterance", **options: object) -> dict:
    schema = Schema(ROOT / "recipes/config.schema.yaml")
    return resolve_features(schema, {"num_mel_bins": 20, "cmn": cmn, **options}, 16000, "features")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of several formats and rates, one by a command, each with two segments."""
    folder, draw = tmp_path_factory.mktemp("audio"), np.random.default_rng(0)
    wav, segments = {}, {}
    for name, (suffix, rate) in FORMS.items():
        wave = np.sin(2 * np.pi * 300 * np.arange(2 * rate) / rate) * 0.3 + draw.normal(0, 0.05, 2 * rate)
        soundfile.write(folder / f"{name}.{suffix}", wave, rate)
        wav[name] = str(folder / f"{name}.{suffix}")
    wav["f"] = f"cat {wav['b']} |"
    for name in wav:
        segments |= {f"{name}-1": (name, 0.0, 0.7303), f"{name}-2": (name, 0.7303, 2.04)}  # rounded beyond the end
    write_data_dir(folder / "d", wav=wav, segments=segments, utt2spk={utt: utt[0] for utt in segments})
    return folder / "d"


@pytest.mark.parametrize("cmn", ["utterance", "sliding", "none"])
def test_features_are_those_of_the_archives(data: Path, tmp_path: Path, cmn: str) -> None:
    make_all_shards(read_data_dir(data), fbank(cmn), RULES, tmp_path, 1, 0.0)
    archives, store = FeatureStore(tmp_path / "feats.scp"), AudioStore(read_data_dir(data), fbank(cmn), RULES)
    assert store.num_frames == archives.num_frames and store.config == archives.config
    assert store.places.keys() == archives.places.keys()
    for utt in store.places:
        np.testing.assert_allclose(store.load(utt), archives.load(utt), atol=2e-4)


@pytest.mark.parametrize("options", [{"frame_length": 100.0}, {"frame_shift": 200.0, "snip_edges": False}])
def test_what_is_shorter_than_a_frame(tmp_path: Path, capsys: pytest.CaptureFixture, options: dict) -> None:
    """It is left out and counted, on disk and straight of audio."""
    noise = np.random.default_rng(0).normal(scale=0.1, size=1600)
    for name, samples in {"a": 1600, "b": 1599}.items():
        soundfile.write(tmp_path / f"{name}.wav", noise[:samples], 16000)
    wav = {name: str(tmp_path / f"{name}.wav") for name in "ab"}
    write_data_dir(tmp_path / "d", wav=wav, utt2spk=dict.fromkeys(wav, "s"))
    data, config = read_data_dir(tmp_path / "d"), {**fbank(), **options}
    make_all_shards(data, config, AudioRules(), tmp_path / "f", 1, 1.0)
    assert "b\t" in (tmp_path / "f/rejected.tsv").read_text()
    store = AudioStore(data, config, AudioRules())
    assert dict(store.num_frames) == FeatureStore(tmp_path / "f/feats.scp").num_frames == {"a": 1}
    assert "1 of 2 utterances, e.g. 'b', have less than 0.1 s, and are left out" in capsys.readouterr().err


def test_a_piece_is_that_of_the_whole(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, draw = AudioStore(read_data_dir(data), fbank(), RULES), np.random.default_rng(1)
    whole = dict(Waves(read_data_dir(data), RULES).read(sorted(store.places)))
    assert store.num_samples == {utt: len(wave) for utt, wave in whole.items()}
    wholly_decoded = set()
    monkeypatch.setattr(audio_store.Recent, "keep", lambda self, at, *_: wholly_decoded.add(at.split(".")[-1]))
    for utt, wave in whole.items():
        for _ in range(5):
            start, end = sorted(draw.integers(0, len(wave) + 1, 2))
            piece = store.samples(utt, int(start), int(end - start))
            assert piece.dtype == np.float32
            exact = FORMS.get(utt[0], ("wav", 16000))[1] == 16000
            np.testing.assert_allclose(piece, wave[start:end], atol=0 if exact else 0.05)
    assert wholly_decoded == {"ogg", "wav |"}


@pytest.mark.parametrize("subtype", [*BLOCKS, "PCM_16"])
def test_a_piece_of_codecs_of_blocks_and_of_a_channel(tmp_path: Path, subtype: str) -> None:
    """libsndfile cannot enter GSM and G.721."""
    channels = 1 if subtype in ("GSM610", "G721_32") else 2
    noise = np.random.default_rng(0).normal(0, 0.1, (20000, channels)).cumsum(axis=0).clip(-0.9, 0.9)
    soundfile.write(tmp_path / "a.wav", noise, 16000, subtype=subtype)
    write_data_dir(tmp_path / "d", wav={"a": f"{tmp_path}/a.wav"}, utt2spk={"a": "s"})
    rules = AudioRules(channel="mix")
    store, whole = AudioStore(read_data_dir(tmp_path / "d"), fbank(), rules), load(f"{tmp_path}/a.wav", rules)
    for start in (0, 1, 7000, 19000):
        np.testing.assert_array_equal(store.samples("a", start, 900), whole.wave[start : start + 900] * 32768)
    index_audio.main([str(tmp_path / "d"), str(tmp_path / "d/audio"), "--audio", '{"channel": "mix"}'])
    assert AudioStore(read_data_dir(tmp_path / "d"), fbank(), AudioRules(channel="mix")).places.keys() == {"a"}
    with pytest.raises(SreError, match="made by other rules .*; run"):
        AudioStore(read_data_dir(tmp_path / "d"), fbank(), AudioRules(channel=0))


def test_what_was_decoded_whole_is_kept_within_bounds(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AudioStore(read_data_dir(data), fbank(), RULES)
    monkeypatch.setattr(audio_store, "WHOLE_BYTES", 200_000)  # a recording has 128,000
    for utt in ("d-1", "f-1", "d-2", "f-2"):
        store.samples(utt, 0, 100)
        assert len(store.recent.waves) == 1 and sum(wave.nbytes for wave, _ in store.recent.waves.values()) <= 200_000


def test_the_index(data: Path, tmp_path: Path) -> None:
    (tmp_path / "short.wav").write_bytes(b"RIFF")
    source = read_data_dir(data)
    wav = {name: source.wav[name] for name in "bd"} | {"bad": str(tmp_path / "short.wav")}
    write_data_dir(tmp_path / "d", wav=wav, utt2spk=dict.fromkeys(wav, "s"))
    index_audio.main([str(tmp_path / "d"), str(tmp_path / "d/audio")])
    assert read_table(tmp_path / "d/audio/utt2num_samples") == {"b": "32000", "d": "32000"}
    assert "bad\t" in (tmp_path / "d/audio/rejected.tsv").read_text()
    store = AudioStore(read_data_dir(tmp_path / "d"), fbank(), AudioRules())
    assert store.num_samples == {"b": 32000, "d": 32000}
    with pytest.raises(SreError, match="'bad' has no usable audio; see rejected.tsv in .*audio"):
        store.samples("bad", 0, 1)
    with pytest.raises(SreError, match="made by other rules .*; run python -m steps.index_audio"):
        AudioStore(read_data_dir(tmp_path / "d"), fbank(), RULES)
    (tmp_path / "d/audio/utt2num_samples").write_text("b 3x\n")
    with pytest.raises(SreError, match="'b 3x' is not `utterance samples`; run python -m steps.index_audio"):
        AudioStore(read_data_dir(tmp_path / "d"), fbank(), AudioRules())
    with pytest.raises(SreError, match="features of 16000 Hz are asked of audio at 8000 Hz"):
        AudioStore(read_data_dir(tmp_path / "d"), fbank(), AudioRules(8000))


def test_a_recording_that_was_cut_after_it_was_indexed(data: Path, tmp_path: Path) -> None:
    whole = Path(read_data_dir(data).wav["a"]).read_bytes()
    (tmp_path / "a.flac").write_bytes(whole)
    write_data_dir(tmp_path / "d", wav={"a": str(tmp_path / "a.flac")}, utt2spk={"a": "s"})
    store = AudioStore(read_data_dir(tmp_path / "d"), fbank(), AudioRules())
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SreError, match=r"'a' \(.*a.flac\): .*; take it out, or mend it"):
        store.samples("a", 24000, 8000)


def test_a_recording_cut_in_its_middle_is_rejected_when_it_is_indexed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 10 * 16000)
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.flac", wave, 16000)
    whole = (tmp_path / "b.flac").read_bytes()
    (tmp_path / "b.flac").write_bytes(whole[: len(whole) // 2])
    wav = {name: str(tmp_path / f"{name}.flac") for name in ("a", "b")}
    write_data_dir(tmp_path / "d", wav=wav, utt2spk={"a": "s", "b": "s"})
    command = [str(tmp_path / "d"), str(tmp_path / "d/audio")]
    index_audio.main([*command, "--headers-only"])
    assert read_table(tmp_path / "d/audio/utt2num_samples") == {"a": "160000", "b": "160000"}
    index_audio.main(command)
    assert read_table(tmp_path / "d/audio/utt2num_samples") == {"a": "160000"}
    assert "b.flac\ttruncated" in (tmp_path / "d/audio/rejected.tsv").read_text()
    assert AudioStore(read_data_dir(tmp_path / "d"), fbank(), AudioRules()).places.keys() == {"a"}
    with pytest.raises(SreError, match="1 of 2 utterances are rejected, more than max_rejected"):
        index_audio.main([*command, "--max-rejected", "0"])


def test_samples_of_a_sound_at_its_own_rate(data: Path) -> None:
    location = read_data_dir(data).wav["a"]
    wave = Sound(load(location, RULES), 16000).samples
    np.testing.assert_array_equal(AudioStore(read_data_dir(data), fbank(), RULES).samples("a-1", 0, 800), wave[:800])


def test_features_of_many_at_once(data: Path) -> None:
    store = AudioStore(read_data_dir(data), fbank(), RULES)
    expected = [store.load(utt) for utt in sorted(store.places)]
    store.device = torch.device("cuda")  # by which it chooses; the extractor is on the CPU
    for (_, one), alone in zip(store.load_many(sorted(store.places)), expected, strict=True):
        np.testing.assert_allclose(one, alone, atol=2e-4)
