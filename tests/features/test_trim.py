"""What is cut off the ends of utterances, on disk and straight of audio."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sre import SreError
from sre.cli.configs import schema
from sre.config.resolve import resolve_features
from sre.datadir.datadir import read_data_dir
from sre.features.audio_store import AudioStore
from sre.features.store import FeatureStore
from sre.features.trim import loud_part
from sre.io.audio import AudioRules
from sre.io.tables import read_table
from steps import make_features

HALF = {"seconds": 0.5, "least_s": 0.425}  # of the d-vector tutorial: 50 frames at both ends, more than 40 between


def config(**trim: object) -> dict:
    return resolve_features(schema(), {"num_mel_bins": 24, "trim": trim}, 16000, "f")


def make(data: Path, **trim: object) -> Path:
    out = data / "feats/f"
    text = json.dumps({"num_mel_bins": 24, "trim": trim})
    make_features.main(["fbank", str(data), str(out), "--config", text, "--max-rejected", "0.9"])
    return out


def test_seconds(tmp_path: Path, sound_dir: Callable[..., Path], capsys: pytest.CaptureFixture) -> None:
    """The frames are those of the whole but 50 at both ends; an utterance of 1.4 s has 40 left, which is too few."""
    data = sound_dir(tmp_path / "d", speakers=1, utterances=4, seconds=1.35)
    make_features.main(["fbank", str(data), str(data / "whole"), "--config", '{"num_mel_bins": 24}'])
    out = make(data, **HALF)
    whole, left = FeatureStore(data / "whole/feats.scp"), FeatureStore(out / "feats.scp")
    assert read_table(out / "utt2num_frames") == {"s00_02": "43", "s00_03": "48"} and left.num_frames["s00_02"] == 43
    np.testing.assert_allclose(left.raw("s00_02"), whole.raw("s00_02")[50:-50], atol=1e-4)
    assert "s00_00" in (reasons := (out / "rejected.tsv").read_text()) and "s00_01" in reasons
    assert "0.400 s are left by trim, at least 0.425 s (least_s) are needed" in reasons
    store = AudioStore(read_data_dir(data), config(**HALF), AudioRules())
    assert "2 of 4 utterances, e.g. 's00_00', have less than 0.425 s left by trim" in capsys.readouterr().err
    assert dict(store.num_frames) == left.num_frames
    np.testing.assert_allclose(store.load("s00_03"), left.load("s00_03"), atol=1e-4)
    assert store.num_samples["s00_03"] == 24000 - 16000
    sound = soundfile.read(data / "wav/s00_03.wav", dtype="int16")[0]
    np.testing.assert_array_equal(store.samples("s00_03", 10, 5), sound[8010:8015])


@pytest.mark.parametrize("samples, window, shift", [(30_000, 2048, 512), (1000, 2048, 512), (5000, 400, 160)])
@pytest.mark.parametrize("level_db", [20.0, 60.0])
def test_level_by_a_loop(samples: int, window: int, shift: int, level_db: float) -> None:
    """Compare with librosa's formula, written out: rms of centred, zero-padded windows, against the loudest."""
    draw = np.random.default_rng(samples)
    wave = (10 ** np.linspace(-4, 0, samples) * draw.normal(size=samples)).astype(np.float32) * 5000
    wave[-samples // 3 :] *= 1e-4
    padded = np.pad(wave.astype(np.float64), window // 2)
    rms = [np.sqrt(np.mean(padded[t : t + window] ** 2)) for t in range(0, len(padded) - window + 1, shift)]
    level = 20 * np.log10(np.maximum(1e-5 * 32768, rms))
    loud = np.flatnonzero(level - level.max() > -level_db)
    expected = loud[0] * shift, min(samples, (loud[-1] + 1) * shift)
    assert loud_part(wave, level_db, window, shift) == expected
    librosa = pytest.importorskip("librosa")
    theirs = librosa.effects.trim(wave / 32768, top_db=level_db, frame_length=window, hop_length=shift)[1]
    assert tuple(theirs) == expected


def test_level_of_files(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    data = sound_dir(tmp_path / "d", speakers=1, utterances=2, seconds=2)
    path = data / "wav/s00_00.wav"
    wave = soundfile.read(path)[0]
    wave[:8000] *= 1e-3
    wave[-8000:] = 0
    soundfile.write(path, wave, 16000)
    soundfile.write(data / "wav/s00_01.wav", np.eye(1, 16000, 8000)[0], 16000)  # one click
    out = make(data, level_db=30, least_s=0.5)
    frames = int(read_table(out / "utt2num_frames")["s00_00"])
    assert abs(frames - 100) <= 12
    assert "s00_01" in (out / "rejected.tsv").read_text()
    with pytest.raises(SreError, match="trim.level_db is of features on disk only; set trim.seconds alone"):
        AudioStore(read_data_dir(data), config(level_db=30), AudioRules())


def test_features_that_fail_leave_no_feats_scp_of_other_archives(
    tmp_path: Path, sound_dir: Callable[..., Path]
) -> None:
    out = make(sound_dir(tmp_path / "d", speakers=1, utterances=2), seconds=0.1)
    assert (out / "feats.scp").exists()
    with pytest.raises(SreError, match="rejected.tsv: all 2 utterances are rejected, .* s are left by trim"):
        make(tmp_path / "d", seconds=9)
    assert not (out / "feats.scp").exists()


def test_what_cuts_nothing() -> None:
    with pytest.raises(SreError, match="f: trim cuts nothing off; give it seconds or level_db"):
        config(least_s=1.0)
    assert "trim" not in resolve_features(schema(), {"trim": None}, 16000, "f")
