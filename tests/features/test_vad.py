"""The VAD of features without energy, and the neural one: on real speech with silence at known places."""

import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sre import SreError
from sre.cli.configs import schema
from sre.config.resolve import resolve_features, resolve_vad
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.features.energy import frame_centres, log_energies
from sre.features.extractor import extractor_of
from sre.features.silero import Silero
from sre.features.speech import SpanRule, speech_spans, voiced_frames
from sre.features.store import FeatureStore, read_config
from sre.features.types import FEATURE_TYPES, options_of
from sre.features.vad import decider
from sre.io.ark import read_record, read_scp
from sre.io.tables import read_table
from steps import compute_vad, copy_distorted, cut_utterances, import_features, make_features, segment_speech

SILERO = {"type": "silero", "threshold": 0.5, "min_speech_s": 0.25, "min_silence_s": 0.1, "pad_s": 0.03}
RATE = 16000


@pytest.fixture(scope="module")
def speech(shared: Path) -> np.ndarray:
    """Two seconds of silence, speech, two of silence, speech of another, two of silence; noise of 1 bit all through."""
    files = sorted((shared / "corpora/LibriSpeech").rglob("*.flac"))
    quiet = np.zeros(2 * RATE, np.float32)
    first, second = (soundfile.read(file, dtype="int16")[0].astype(np.float32) for file in (files[0], files[-1]))
    wave = np.concatenate([quiet, first, quiet, second, quiet])
    return wave + np.random.default_rng(0).normal(0, 1, len(wave)).astype(np.float32)


def silences(wave: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return which frames lie in the inserted silence, and 0.15 s from its ends: there noise alone is in the signal."""
    loud = np.flatnonzero(np.abs(wave) > 10)
    gap = max(pairwise(loud), key=lambda pair: pair[1] - pair[0])
    margin = 0.15 * RATE
    outside = (centres < loud[0] - margin) | (centres > loud[-1] + margin)
    return outside | ((centres > gap[0] + margin) & (centres < gap[1] - margin))


@pytest.mark.parametrize("snip", [True, False])
@pytest.mark.parametrize("floor", [0.0, 1e7])
def test_the_energy_is_that_of_mfcc(snip: bool, floor: float) -> None:
    wave = 300 * np.random.default_rng(1).normal(size=(8_000,)).cumsum().astype(np.float32)
    options = options_of({"type": "mfcc", "num_mel_bins": 23, "snip_edges": snip, "energy_floor": floor})
    (mfcc,) = extractor_of(options)([wave])
    np.testing.assert_allclose(log_energies(options, wave), mfcc[:, 0], atol=1e-5)
    centres = frame_centres(options, 2)
    assert centres.tolist() == ([200, 360] if snip else [80, 240])


@pytest.mark.parametrize("kind", sorted(FEATURE_TYPES))
def test_energies_of_every_type_stand_where_its_frames_are(kind: str) -> None:
    options = options_of({"type": kind})
    wave = np.random.default_rng(0).normal(size=(32_321,)).astype(np.float32)
    wave[20_000:20_160] += 1000 * np.sin(np.arange(160))
    energies = log_energies(options, wave)
    assert len(energies) == options.num_frames(len(wave)) == len(extractor_of(options)([wave])[0])
    loud = np.flatnonzero(energies > energies.mean() + 3)
    centres = frame_centres(options, len(energies))
    assert abs(centres[loud].mean() - 20_080) <= options.shift and len(loud) >= min(2, options.window // options.shift)
    assert np.abs(centres[loud] - 20_080).max() <= options.window / 2 + options.shift


@pytest.mark.parametrize("vad", [{"energy_mean_scale": 0.5, "energy_threshold": 5.5}, SILERO], ids=["energy", "silero"])
@pytest.mark.parametrize("rate", [16000, 8000])
def test_silence_between_real_speech(speech: np.ndarray, vad: dict, rate: int) -> None:
    wave = np.ascontiguousarray(speech[:: RATE // rate])
    config = {"type": "fbank", "sample_rate": rate}
    voiced = decider(vad, config)(wave)
    options = options_of(config)
    assert len(voiced) == options.num_frames(len(wave))
    quiet = silences(speech, frame_centres(options, len(voiced)) * (RATE // rate))
    assert quiet.sum() > 400 and not voiced[quiet].any()
    assert voiced[~quiet].mean() > 0.75


def test_spans_are_sileros_own() -> None:
    """Compare with get_speech_timestamps_from_probs on random walks, in which all of its cases come up."""
    theirs = pytest.importorskip("silero_vad.utils_vad").get_speech_timestamps_from_probs
    draw = np.random.default_rng(0)
    for hops in (0, 1, 5, 400, 400, 400):
        scores = np.clip(0.5 + 0.15 * draw.normal(size=hops).cumsum() % 1 - 0.4, 0, 1)
        samples = max(hops * 512 - 100, 0)
        for least, pause, pad in ((0.25, 0.1, 0.03), (0.0, 0.0, 0.2), (0.1, 0.3, 0.0)):
            expected = theirs(
                list(scores),
                min_speech_duration_ms=round(1000 * least),
                min_silence_duration_ms=round(1000 * pause),
                speech_pad_ms=round(1000 * pad),
                audio_length_samples=samples,
            )
            rule = SpanRule(0.5, 0.35, int(least * RATE), int(pause * RATE), int(pad * RATE))
            assert speech_spans(scores, 512, samples, rule) == [(one["start"], one["end"]) for one in expected]


@pytest.mark.parametrize("rate", [16000, 8000])
def test_probabilities_are_the_packages(speech: np.ndarray, rate: int) -> None:
    silero_vad = pytest.importorskip("silero_vad")
    threads = torch.get_num_threads()
    wave = np.ascontiguousarray(speech[RATE : RATE * 6 : RATE // rate])
    model = silero_vad.load_silero_vad(onnx=True)
    torch.set_num_threads(threads)
    expected = model.audio_forward(torch.from_numpy(wave / 32768), sr=rate)[0].numpy()
    np.testing.assert_allclose(Silero(rate).probabilities(wave), expected, atol=1e-6)


def test_frames_of_spans() -> None:
    assert voiced_frames([(10, 20), (30, 31)], np.arange(0, 40, 5)).tolist() == [0, 0, 1, 1, 0, 0, 1, 0]


def features(data: Path, kind: str, **options: object) -> Path:
    out = data / "feats" / kind
    make_features.main([kind, str(data), str(out), "--config", json.dumps(options)])
    return out


def decisions(out: Path) -> dict[str, np.ndarray]:
    return {utt: read_record(utt, place, "vector") > 0 for utt, place in read_scp(out / "vad.scp").items()}


def test_fbank_as_mfcc(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    """The decisions on fbank are those on MFCCs of the same framing; before, they were of the lowest mel band."""
    data = sound_dir(tmp_path / "data", speakers=2)
    for path in sorted((data / "wav").iterdir()):
        wave, _ = soundfile.read(path)
        wave[4000:9000] *= 1e-3
        soundfile.write(path, wave, RATE, subtype="PCM_16")
    vad = '{"energy_threshold": 5.0, "energy_mean_scale": 0.7}'
    mfcc, fbank = features(data, "mfcc", num_ceps=20), features(data, "fbank")
    compute_vad.main([str(mfcc), str(mfcc), "--config", vad])
    with pytest.raises(SreError, match="fbank/feats.scp: fbank has no energy in it; give the data directory .* --data"):
        compute_vad.main([str(fbank), str(fbank), "--config", vad])
    compute_vad.main([str(fbank), str(fbank), "--config", vad, "--data", str(data), "--nj", "2"])
    ours, theirs = decisions(fbank), decisions(mfcc)
    assert ours.keys() == theirs.keys() and 0 < np.mean(np.concatenate(list(ours.values()))) < 0.9
    for utt, voiced in theirs.items():
        np.testing.assert_array_equal(ours[utt], voiced)
    store = FeatureStore(fbank / "feats.scp")
    assert len(store.load("s00_00")) == store.num_frames["s00_00"] == theirs["s00_00"].sum()
    first = (fbank / "vad.ark").read_bytes()
    compute_vad.main([str(fbank), str(fbank), "--config", vad, "--data", str(data)])
    assert (fbank / "vad.ark").read_bytes() == first  # whatever the number of processes


def test_silero_of_a_data_directory(tmp_path: Path, speech: np.ndarray) -> None:
    """Segments of a recording that has more than speech; one has none, and is rejected."""
    soundfile.write(tmp_path / "r.flac", (speech / 32768), RATE)
    seconds = len(speech) / RATE
    text = f"a r 0 {seconds:.2f}\nb r 1.0 6.0\nc r 0.2 1.2\n"
    (tmp_path / "wav.scp").write_text("r r.flac\n")
    (tmp_path / "segments").write_text(text)
    (tmp_path / "utt2spk").write_text("a s\nb s\nc s\n")
    out = features(tmp_path, "fbank", vad={"type": "silero"})
    args = [str(out), str(out), "--data", str(tmp_path), "--config", str(out / "config"), "--max-rejected", "0.5"]
    compute_vad.main(args)
    assert json.loads((out / "config").read_text())["vad"] == SILERO
    found, counts = decisions(out), read_table(out / "utt2num_frames")
    assert found.keys() == {"a", "b"} and len(found["b"]) == int(counts["b"])
    assert np.mean(found["a"][100 : 100 + len(found["b"])] == found["b"]) > 0.95
    assert "c" in (out / "vad_rejected.tsv").read_text()
    (tmp_path / "segments").write_text(text.replace("1.0 6.0", "1.0 5.0"))
    with pytest.raises(SreError, match="'b' has 498 frames, its audio 398; give the audio that the features were made"):
        compute_vad.main(args)


@pytest.mark.parametrize("vad", [{}, {"type": "silero"}], ids=["energy", "silero"])
def test_segments_of_speech(tmp_path: Path, speech: np.ndarray, vad: dict) -> None:
    """Each inserted silence of 2 s ends a segment; pieces are named by their times in the recording."""
    soundfile.write(tmp_path / "r.flac", speech / 32768, RATE)
    data, seconds = tmp_path / "d", len(speech) / RATE
    text = f"a r 1 {seconds - 0.1:.2f}\nb r 0.2 1.7\n"
    of_speakers = {"spk2gender": {"s": "f", "t": "m"}}
    write_data_dir(data, wav={"r": str(tmp_path / "r.flac")}, utt2spk={"a": "s", "b": "t"}, extra=of_speakers)
    (data / "segments").write_text(text)
    args = [str(data), str(tmp_path / "o"), "--vad", json.dumps(vad), "--min-silence", "1.7", "--max-rejected", "0.5"]
    segment_speech.main(args)
    made = read_data_dir(tmp_path / "o", every_table=True)
    assert made.segments and set(made.utt2spk.values()) == {"s"} and made.tables["spk2gender"] == {"s": "f"}
    assert "b" in (tmp_path / "o/rejected.tsv").read_text()
    loud = np.flatnonzero(np.abs(speech) > 300) / RATE
    gap = max(pairwise(loud), key=lambda pair: pair[1] - pair[0])
    (first, (_, start, before)), (second, (_, after, end)) = sorted(made.segments.items())
    assert first == f"a-{round(100 * start):07d}-{round(100 * before):07d}"
    np.testing.assert_allclose([start, before, after, end], [loud[0], *gap, loud[-1]], atol=0.6)
    assert end <= seconds - 0.1
    segment_speech.main([*args, "--num-workers", "2"])
    assert read_data_dir(tmp_path / "o").segments == made.segments


def test_what_cannot_be_decided(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    data = sound_dir(tmp_path / "data", speakers=1, utterances=2)
    out = features(data, "mfcc", num_ceps=20, use_energy=False)
    with pytest.raises(SreError, match="mfcc has no energy in it; give the data directory of their audio by --data"):
        compute_vad.main([str(out), str(out)])
    with pytest.raises(SreError, match="a VAD of type silero listens to audio; give the data directory"):
        compute_vad.main([str(out), str(out), "--config", '{"type": "silero"}'])
    write_data_dir(tmp_path / "d", feats=read_scp(out / "feats.scp"), utt2spk=read_table(data / "utt2spk"))
    import_features.main([str(tmp_path / "d"), str(tmp_path / "i")])
    with pytest.raises(SreError, match="i/feats.scp: features from elsewhere: it is not known whether their first col"):
        compute_vad.main([str(tmp_path / "i"), str(tmp_path / "i")])
    compute_vad.main([str(tmp_path / "i"), str(tmp_path / "o"), "--energy-column"])
    assert read_scp(tmp_path / "o/vad.scp").keys() == {"s00_00", "s00_01"}


def test_a_vad_that_fails_leaves_the_one_before(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    out = features(sound_dir(tmp_path / "data", speakers=1, utterances=2), "mfcc", num_ceps=20)
    compute_vad.main([str(out), str(out)])
    before = {file.name: file.read_bytes() for file in out.glob("*") if file.name != "vad_rejected.tsv"}
    with pytest.raises(SreError, match="vad_rejected.tsv: all 2 utterances are rejected, .* no voiced frame"):
        compute_vad.main([str(out), str(out), "--config", '{"energy_threshold": 1000}'])
    assert before == {file.name: file.read_bytes() for file in out.glob("*") if file.name != "vad_rejected.tsv"}


def test_the_vad_of_a_config_is_that_of_its_features(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    out = features(sound_dir(tmp_path / "data", speakers=1, utterances=2), "mfcc", vad={"energy_threshold": -20.0})
    made = read_config(out / "config")["vad"]
    compute_vad.main([str(out), str(out)])
    assert read_config(out / "config")["vad"] == made and made["energy_threshold"] == -20
    with pytest.raises(SreError, match="the JSON text: audio is null; write keys below it"):
        compute_vad.main([str(out), str(out), "--data", str(tmp_path / "data"), "--audio", '{"audio": null}'])


def test_audio_of_other_utterances(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    out = features(sound_dir(tmp_path / "data", speakers=1, utterances=2), "fbank")
    one = sound_dir(tmp_path / "one", speakers=1, utterances=1)
    with pytest.raises(SreError, match="feats.scp: 1 of 2 utterances, e.g. 's00_01', are not in .*one; give the audio"):
        compute_vad.main([str(out), str(out), "--data", str(one)])
    (out / "utt2num_frames").write_text("s00_00 5\n")
    with pytest.raises(SreError, match="utt2num_frames has no count for 's00_01'; make the features again"):
        compute_vad.main([str(out), str(out), "--data", str(tmp_path / "data")])


@pytest.mark.parametrize("command", [segment_speech.main, cut_utterances.main, copy_distorted.main])
def test_a_data_directory_is_not_written_onto_itself_or_anothers(
    tmp_path: Path, sound_dir: Callable[..., Path], command: Callable[[list[str]], None]
) -> None:
    data = sound_dir(tmp_path / "data", speakers=1, utterances=1)
    other, before = tmp_path / "other", {file: file.read_bytes() for file in data.rglob("*") if file.is_file()}
    shutil.copytree(data, other)
    options = {
        cut_utterances.main: ["--seconds", "1"],
        copy_distorted.main: ["--distort", '{"distort": [{"one_of": [{"kind": "volume", "gain_db": [-3, 3]}]}]}'],
    }
    with pytest.raises(SreError, match="data: the output is the input itself; name another directory"):
        command([str(data), str(tmp_path / "." / "data"), *options.get(command, [])])
    with pytest.raises(
        SreError, match=r"other: a data directory stands there \(spk2utt, utt2spk, wav.scp\); delete it"
    ):
        command([str(data), str(other), *options.get(command, [])])
    for folder in (data, other):
        there = {data / file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        assert before == there
    for _ in range(2):  # its own it writes again
        command([str(data), str(tmp_path / "new"), *options.get(command, [])])


def test_options_of_the_other_type() -> None:
    assert resolve_vad(schema(), {"type": "silero"}, "v") == SILERO
    assert "type" not in resolve_vad(schema(), {}, "v") and "threshold" not in resolve_vad(schema(), {}, "v")
    with pytest.raises(SreError, match="v: threshold is of type silero, not of energy; take it out"):
        resolve_vad(schema(), {"threshold": 0.4}, "v")
    with pytest.raises(SreError, match="f: vad: frames_context is of type energy, not of silero"):
        resolve_features(schema(), {"vad": {"type": "silero", "frames_context": 2}}, 16000, "f")
    with pytest.raises(SreError, match="f: vad: silero hears audio at 8000 or 16000 Hz, not at 44100; set"):
        resolve_features(schema(), {"vad": {"type": "silero"}}, 44100, "f")


def test_silero_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sre.features.silero.find_spec", lambda name: None)
    with pytest.raises(SreError, match=r"silero-vad and onnxruntime are not installed; run pip install 'sre\[vad\]'"):
        Silero(16000)
    with pytest.raises(SreError, match="8000 or 16000 Hz, not at 11025"):
        Silero(11025)
