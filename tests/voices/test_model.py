"""A model in use: audio in every form, voiceprints, scores, decisions, and one sentence for what cannot be used."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_models import small_bundle, small_package, voice

import sre.voices.model
from sre import SreError
from sre.datadir.datadir import write_data_dir
from sre.extraction.embedder import extract
from sre.extraction.sources import store_of
from sre.io.audio import AudioRules
from sre.voices.deciding import Measured, Point, posterior
from sre.voices.model import Model, load
from sre.voices.voiceprint import Voiceprint


@pytest.fixture
def model(package_file: Path) -> Model:
    return load(package_file, "cpu")


def test_embeddings_are_those_of_extraction(model: Model, final_pt: Path, wavs: list[Path], tmp_path: Path) -> None:
    """The same features, network and pieces: to the bytes, since no two recordings are of one length."""
    data = tmp_path / "data"
    write_data_dir(data, wav={path.stem: str(path) for path in wavs}, utt2spk={path.stem: "x" for path in wavs})
    plain = load(final_pt, "cpu")
    store = store_of(plain.embedders[0], data, None, AudioRules(16000), from_audio=True)
    expected = dict(extract(plain.embedders[0], store, ["a", "b", "c"]))
    for path in wavs:
        samples, rate = soundfile.read(path, dtype="float32")
        whole, found = soundfile.read(path, dtype="int16")[0], model.voiceprint(path)
        for vector in (
            plain.embed(samples, rate),
            model.embed(whole, rate),
            found.vectors[0],
            plain.embed(samples * 1.0, rate),
        ):
            np.testing.assert_array_equal(vector, expected[path.stem])
        assert found.names.tolist() == [str(path)]
        assert found.qualities["speech_s"] == pytest.approx([store.num_frames[path.stem] / 100])
    assert model.embedding_sha256 == plain.embedding_sha256


def test_many_files_in_their_order_with_reasons(model: Model, wavs: list[Path], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sre.voices.model, "AT_ONCE", {"cpu": 2})
    silent, missing = tmp_path / "silent.wav", tmp_path / "none.wav"
    soundfile.write(silent, np.zeros(16000), 16000)
    paths = [wavs[2], silent, wavs[0], missing, wavs[1]]
    found = list(model.embed_files(paths))
    assert [name for name, _ in found] == [str(path) for path in paths]
    reasons = [one for _, one in found if isinstance(one, str)]
    assert [reason.partition(":")[0] for reason in reasons] == ["no signal", "no such file"]
    np.testing.assert_array_equal(found[4][1].vectors, model.voiceprint(wavs[1]).vectors)


def test_what_cannot_be_used_is_one_sentence(model: Model, wavs: list[Path], tmp_path: Path) -> None:
    loud = voice(120)
    cases = {
        "silent": (np.zeros(16000), "no signal"),
        "short": (loud[:200], "too short: 0.013 s"),
        "nothing": (loud[:0], "too short: 0.000 s"),
        "nan": (np.where(np.arange(len(loud)) == 7, np.nan, loud), "NaN or infinite samples"),
        "stereo": (np.stack([loud, loud], axis=1), "2 channels; .*--channel mix"),
        "scale": (loud * 32768, r"floats up to \S+, and samples are in \[-1, 1\]"),
        "bytes": (np.ones(16000, np.uint8), "samples of uint8"),
        "cube": (np.ones((2, 2, 2)), "samples of shape"),
    }
    for samples, reason in cases.values():
        with pytest.raises(SreError, match=f"the wave: {reason}"):
            model.embed(samples, 16000)
    with pytest.raises(SreError, match="a sample rate of 3"):
        model.embed(loud, 3)
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    for path, reason in ((text, "unreadable"), (tmp_path, "a folder"), (tmp_path / "no.wav", "no such file")):
        with pytest.raises(SreError, match=f"{re.escape(str(path))}: .*{reason}"):
            model.voiceprint(wavs[0], path)
    with pytest.raises(SreError, match="no recording was given"):
        model.voiceprint()


def test_channels_rates_and_clipping(model: Model, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    left, right = voice(120), voice(210, seed=1)
    both = np.stack([left, right], axis=1).astype(np.float32)
    np.testing.assert_array_equal(model.embed(both, 16000, channel=1), model.embed(both[:, 1], 16000))
    np.testing.assert_array_equal(model.embed(both.T, 16000, channel="mix"), model.embed(both.mean(axis=1), 16000))
    half = tmp_path / "half.wav"
    soundfile.write(half, left[::2], 8000)
    capsys.readouterr()
    model.voiceprint(half, half)
    assert capsys.readouterr().err.count("8000 Hz, converted to the network's 16000 Hz") == 1
    model.embed(np.clip(left * 20, -1, 1), 16000)
    assert re.search(
        r"the wave: \d+\.\d % of its samples are at full scale, it is clipped",
        capsys.readouterr().err,
    )


def test_scores_of_voices(model: Model, wavs: list[Path]) -> None:
    a, b, c = (model.voiceprint(path) for path in wavs)
    assert model.score(a, b) == model.llr(a.vectors[0], b.vectors) == model.llr(a, b)
    both = model.score(Voiceprint.joined([a, b]), c)
    model_of_two = model.system.enrol(np.concatenate([a.vectors, b.vectors]), [np.arange(2)])
    assert both == model.system.scores(model_of_two, model.system.test(c.vectors))[0, 0]
    assert model.score(a, Voiceprint.joined([b, c])) == pytest.approx((model.score(a, b) + model.score(a, c)) / 2)
    with pytest.raises(SreError, match="8 values|embeddings of 3 values"):
        model.score(np.ones(3), a)
    with pytest.raises(SreError, match="finite numbers"):
        model.score(np.full(8, np.nan), a)


def test_a_training_gives_the_cosine_and_no_decision(final_pt: Path) -> None:
    model = load(final_pt, "cpu")
    x, y = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    assert model.score(x, y) == pytest.approx(float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)))
    decision = model.decide(x, y)
    assert (decision.accepted, decision.llr, decision.posterior, decision.threshold) == (None, None, None, None)
    assert model.decide(x, x, 0.5).accepted is True
    with pytest.raises(SreError, match="not calibrated"):
        model.llr(x, y)
    for asked in ({"far": 0.1}, {}):
        with pytest.raises(SreError, match="needs a trial list"):
            model.threshold(**asked)
    with pytest.raises(SreError, match="no log-likelihood ratios"):
        model.threshold(p_target=0.5)


def test_thresholds_and_their_rates_on_paper(model: Model) -> None:
    """The list has P_miss 0, .25, .25, .5 and P_fa 1, .5, .25, 0 at -2, 0, .5, 1, with 4 nontarget trials."""
    equal = model.threshold(p_target=0.5)
    assert (equal.value, equal.p_miss, equal.p_fa, equal.list_name) == (0.0, 0.25, 0.5, "dev")
    cheap = model.threshold(p_target=0.5, c_fa=2.0)
    assert (cheap.value, cheap.p_miss, cheap.p_fa) == (pytest.approx(np.log(2)), 0.5, 0.0)
    assert model.threshold().value == pytest.approx(np.log(19))
    assert (model.threshold().p_miss, model.threshold().p_fa) == (1.0, 0.0)
    assert model.threshold(far=0.25).value == 0.5 and model.threshold(far=0.3).value == 0.5
    with pytest.raises(SreError, match="4 nontarget trials, of which 0.1 is not even one"):
        model.threshold(far=0.1)
    with pytest.raises(SreError, match="list 'eval' is not in the package, which has dev"):
        model.threshold(far=0.5, list_name="eval")
    with pytest.raises(SreError, match="give one of them"):
        model.measured.threshold(Point(), far=0.1)
    package = small_package()
    assert Measured(package.manifest, package.curves, calibrated=False).threshold().value == 0.5  # of the EER


def test_how_sure_it_is() -> None:
    assert posterior(0.0, 0.05) == pytest.approx(0.05) and posterior(np.log(19), 0.05) == pytest.approx(0.5)
    assert posterior(1e4, 0.5) == 1.0 and posterior(-1e4, 0.5) == 0.0


def test_what_info_tells(model: Model, tmp_path: Path) -> None:
    assert model.info["networks"][0]["architecture"] == "xvector" and model.info["dimension"] == 8
    assert model.info["systems"][1]["norm"] == {
        "method": "asnorm1",
        "top_n": 5,
        "cohort": "speakers_all",
        "cohort_size": 12,
    }
    small_bundle(1).save(tmp_path / "other.pt")
    assert load(tmp_path / "other.pt", "cpu").embedding_sha256 != model.embedding_sha256


def test_int16_channels_are_mixed_as_floats_are(model: Model, wavs: list[Path]) -> None:
    whole = soundfile.read(wavs[0], dtype="int16")[0]
    both = np.stack([whole, whole], axis=1)
    np.testing.assert_array_equal(model.embed(both, 16000, channel="mix"), model.embed(whole, 16000))
    quiet = np.stack([whole, 0 * whole], axis=1)
    found = model.embed(quiet, 16000, channel="mix")
    np.testing.assert_array_equal(found, model.embed(quiet / np.float32(32768), 16000, channel="mix"))
    for rate in (float("nan"), float("inf"), 16000.5):
        with pytest.raises(SreError, match="a sample rate of"):
            model.embed(whole, rate)


def test_a_decision_is_at_the_prior_that_it_tells(model: Model, wavs: list[Path]) -> None:
    a, b = (model.voiceprint(path) for path in wavs[:2])
    for prior in (0.01, 0.05, 0.5):
        decision = model.decide(a, b, p_target=prior)
        assert decision.threshold == model.threshold(p_target=prior)
        assert decision.accepted == (decision.posterior >= 0.5)
    assert model.decide(a, b, np.float32(0.5)).threshold.value == 0.5
    assert model.threshold(c_miss=10).value == pytest.approx(np.log(19 / 10))
    for prior in (0, 1, 2, float("nan")):
        with pytest.raises(SreError, match="give the probability of one speaker, between 0 and 1"):
            model.decide(a, b, p_target=prior)
