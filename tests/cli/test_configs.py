"""A config means the same as a YAML, as JSON text and as a file that we wrote; what a message prints can be pasted."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from sre import SreError
from sre.cli.arguments import Parser
from sre.cli.configs import (
    backend_config,
    config_argument,
    feature_config,
    in_words,
    model_config,
    systems_config,
    vad_config,
)
from sre.cli.describe import read_spec
from sre.cli.import_ import read_features
from sre.config.stages import STAGE_VERSIONS
from sre.features.store import FeatureStore
from sre.io.text import canonical
from steps import compute_vad, make_fbank, make_features, make_mfcc, train_embedding

ROOT = Path(__file__).resolve().parents[2]
YAML = "num_mel_bins: 40\nlow_freq: 64\n"
TEXT = '{"low_freq": 64.0, "num_mel_bins": 40}'
MODEL = """
features: fbank80
architecture: xvector
options: {embedding_dim: 8, channels: 16, pooled_channels: 24}
training: {epochs: 1, batch_size: 4, chunk_frames: [40, 60], average_last: 1, precision: fp32}
validation: {speakers: 0}
"""


def argument(text: object) -> tuple[str, dict]:
    parser = Parser()
    parser.add_argument("config", type=config_argument)
    return parser.parse_args([str(text)]).config


def test_features_of_every_form(tmp_path: Path) -> None:
    files = {"of.yaml": YAML, "of.json": TEXT, "bom_crlf": "\ufeff" + YAML.replace("\n", "\r\n")}
    resolved = feature_config("fbank", argument(TEXT))
    files["config"] = canonical(resolved) + "\n"
    files["train_summary.json"] = json.dumps({"speakers": 3, "config": {"feature_config": resolved}})
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())
        assert feature_config("fbank", argument(tmp_path / name)) == resolved, name
        if name != "bom_crlf":
            assert read_features(str(tmp_path / name))[1] == resolved, name
    assert feature_config("fbank", argument(canonical(resolved))) == resolved
    assert resolved["num_mel_bins"] == 40 and resolved["version"] == STAGE_VERSIONS["feats"]
    assert feature_config("fbank", ("x", resolved | {"sample_rate": 8000}))["sample_rate"] == 8000
    assert feature_config("mfcc", None)["num_ceps"] == 30


def test_what_a_training_wrote_may_have_what_its_loss_ignores() -> None:
    """It has all keys; older versions let a YAML give softmax a scale."""
    loss = {"type": "softmax", "scale": 30.0}
    given = {"features": "a", "architecture": "xvector", "loss": loss, "feature_config": feature_config("fbank", None)}
    again = model_config(("train_summary.json", given), None, {}.__getitem__)
    assert again["loss"]["scale"] == 30 and again == model_config(("final.pt", again), None, {}.__getitem__)
    made = given.pop("feature_config")
    with pytest.raises(SreError, match="m.yaml: loss.scale would do nothing"):
        model_config(("m.yaml", given), None, {"a": made}.__getitem__)


@pytest.mark.parametrize(
    ("given", "rate", "sentence"),
    [
        ('{"num_mel_bin": 40}', None, "unknown key 'num_mel_bin'; the nearest valid one is 'num_mel_bins'"),
        ('{"type": "mfcc"}', None, "the JSON text: its type is mfcc; run steps.make_features mfcc"),
        ('{"type": "given", "dimension": 40}', None, "the JSON text: of features that were given and not made here"),
        ('{"version": 99}', None, "of version 99 of the stage feats"),
        ('{"sample_rate": 8000}', 16000, "sample_rate 8000, and 16000 was asked for"),
        ('{"num_mel_bins": NaN}', None, "argument config: .*NaN is no number"),
        ('{"cmn": "none", "cmn": "sliding"}', None, "key 'cmn' stands twice"),
        ('{"cmn": none}', None, "argument config: .*not JSON"),
        ("{'cmn': 'none', 'vad': None}", None, "argument config: .*not JSON"),
    ],
)
def test_what_is_wrong_is_named(given: str, rate: int | None, sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        feature_config("fbank", argument(given), rate)


def test_back_ends_and_vad(tmp_path: Path) -> None:
    (tmp_path / "plda.yaml").write_text("type: plda\nchain: [centre]\n")
    resolved = backend_config('{"type": "plda", "chain": ["centre"]}')
    assert backend_config(str(tmp_path / "plda.yaml")) == backend_config(canonical(resolved)) == resolved
    with pytest.raises(
        SreError, match="plda: no such back-end; there are cosine, cosine_centred, lda_plda, or give"
    ) as e:
        backend_config("plda")
    backend_config(shlex.split(str(e.value))[-1])  # what it prints can be pasted
    of_features = {"type": "mfcc", "vad": {"energy_threshold": 4.0}}
    assert vad_config(("config", of_features)) == vad_config(("vad", of_features["vad"]))


def test_a_model_of_no_recipe(tmp_path: Path) -> None:
    """Its features' config is the one beside the features; train_summary.json has the resolved config."""
    (tmp_path / "of.yaml").write_text(MODEL)
    features = feature_config("fbank", None)
    model = model_config(argument(tmp_path / "of.yaml"), 2, {"fbank80": features}.__getitem__)
    assert model["feature_config"] == features and model["seed"] == 2
    (tmp_path / "train_summary.json").write_text(json.dumps({"config": model, "epochs": 1}))
    for again in (tmp_path / "train_summary.json", canonical(model)):
        assert model_config(argument(again), None, dict().__getitem__) == model
        assert read_spec(str(again)).num_features == 80
    with pytest.raises(SreError, match="seed 2, and --seed 1 was given"):
        model_config(("x", model), 1, dict().__getitem__)
    with pytest.raises(SreError, match="of version 99 of the stage train"):
        model_config(("x", model | {"version": 99}), 1, dict().__getitem__)
    with pytest.raises(SreError, match="unknown key 'epoch'"):
        model_config(("x", model | {"epoch": 99}), 2, dict().__getitem__)


def test_speeds_of_features_that_are_no_fbank() -> None:
    model = {"features": "f", "architecture": "xvector", "augment": {"speeds": [0.9]}}
    named, unknown = "'f' are mfcc; name features of type fbank", "'f' are of an unknown kind; put the conf"
    for kind, said in (("mfcc", named), ("given", unknown)):
        with pytest.raises(SreError, match=said):
            model_config(("x", model), 1, lambda name, kind=kind: {"type": kind})


def test_features_for_a_bundle(tmp_path: Path, sound_dir: Callable[..., Path]) -> None:
    """The remedy of `Embedder.check` is a command that makes what the bundle takes."""
    import torch

    from sre.extraction.embedder import Embedder

    (tmp_path / "of.yaml").write_text(MODEL)
    data = sound_dir(tmp_path / "data", speakers=2)
    make_fbank.main([str(data), str(data / "feats/fbank80"), "--config", '{"num_mel_bins": 20}'])
    assert {path.name for path in (data / "feats/fbank80").iterdir() if path.name[0] != "."} == {
        "feats.1.ark",
        "feats.scp",
        "utt2num_frames",
        "rejected.tsv",
        "config",
    }
    final = tmp_path / "a b/final.pt"
    train_embedding.main([str(tmp_path / "of.yaml"), "--data", str(data), "--device", "cpu", str(final)])
    make_fbank.main([str(data), str(tmp_path / "other")])
    with pytest.raises(
        SreError, match=r"\(num_mel_bins 80 here, 20 there\); make them by python -m steps.make_features fbank"
    ) as e:
        Embedder(final, torch.device("cpu")).check(FeatureStore(tmp_path / "other/feats.scp"))
    command = shlex.split(str(e.value).partition("python -m ")[2])
    assert command[:4] == ["steps.make_features", "fbank", "DATA_DIR", "OUT_DIR"]
    make_features.main(["fbank", str(data), str(tmp_path / "other"), *command[4:6]])
    Embedder(final, torch.device("cpu")).check(FeatureStore(tmp_path / "other/feats.scp"))


def test_vad_of_a_data_directory(tmp_path: Path, sound_dir: Callable[..., Path], capsys: pytest.CaptureFixture) -> None:
    data = sound_dir(tmp_path / "data", speakers=1)
    with pytest.raises(
        SreError, match="argument feats: .*/data: a folder with no feats.scp in it; make features first"
    ):
        compute_vad.main([str(data), str(tmp_path / "vad")])
    make_mfcc.main([str(data), str(data / "feats/mfcc30"), "--mfcc-config", '{"num_ceps": 20}', "--nj", "1"])
    compute_vad.main([str(data), str(tmp_path / "vad")])
    assert "% of 369 frames are voiced, 0 utterances have none)" in capsys.readouterr().err


def test_facts_are_short() -> None:
    facts = {
        "chain": ["centre", "lda:2"],
        "scale": True,
        "log_likelihood": [-10.0, -3.25, -2.123456789],
        "adapt": {"a": 1},
    }
    assert in_words(facts) == "chain centre lda:2, scale yes, log_likelihood -10 … -2.12346 (3 values), adapt a 1"


def test_help_tells_the_defaults(capsys: pytest.CaptureFixture) -> None:
    for main, words in ((make_mfcc.main, "num_ceps 30"), (make_fbank.main, "num_mel_bins 80")):
        with pytest.raises(SystemExit):
            main(["--help"])
        assert "Without --config: " in (text := capsys.readouterr().out) and words in text


def test_help_of_a_feature_type_without_defaults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(make_features.DEFAULT_FEATURES, "bands", {})
    with pytest.raises(SystemExit):
        make_features.main(["--help"])
    text = capsys.readouterr().out
    assert "or waveform or bands" in " ".join(text.split()) and "bands: " not in text


def test_what_stands_beside_resolved_systems_is_an_option() -> None:
    content = '{"role": "development", "systems": {"cosine": {"backend": "cosine", "norm": null, "of": null}}}'
    with pytest.raises(SreError, match="'role' stands beside resolved systems, and would do nothing; give it as an op"):
        systems_config(content, ["cosine"])
