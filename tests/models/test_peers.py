"""`sre import`: WeSpeaker's weights give WeSpeaker's embedding, in a bundle that a recipe takes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import windows

from sre import SreError
from sre.cli import command
from sre.config.recipe import load_recipe
from sre.extraction.embedder import Embedder
from sre.io.yaml_text import read_yaml
from sre.models import build

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
PEERS = {  # the smallest of each family: architecture, options, bins
    "xvec": ("xvector", {}, 80),
    "ecapa_glob_c512": ("ecapa", {}, 80),
    "resnet34": ("resnet34", {}, 80),
    "campplus": ("campplus", {}, 80),
    "res2net34_base": ("res2net34", {}, 80),
    "eres2net34_base": ("eres2net34", {}, 80),
    "gemini_dfresnet114": ("gemini_dfresnet114", {}, 80),
    "repvgg_tiny_a0": ("repvgg_a0", {}, 80),
    "simam_resnet34_asp": ("simam_resnet34", {}, 80),
    "redimnet_b0": ("redimnet", {"size": "b0"}, 60),
    "redimnet2_b0": ("redimnet2", {"size": "b0"}, 72),
}
SMALL = {"channels": 4, "pooled_channels": 6, "embedding_dim": 3}


def sre(*argv: object) -> None:
    command(["import", *map(str, argv)])


def small_checkpoint(path: Path, **changes: torch.Tensor | None) -> Path:
    """An x-vector's state dict, our names standing for WeSpeaker's; a change to None takes a tensor out."""
    state = {**build("xvector", 80, SMALL).state_dict(), **changes}
    torch.save({key: value for key, value in state.items() if value is not None}, path)
    return path


def import_small(path: Path, out: Path, features: str = "voxceleb:fbank80", options: str = json.dumps(SMALL)) -> None:
    sre(path, out, "--as", "xvector", "--options", options, "--features", features)


@pytest.mark.parametrize("name", PEERS)
def test_embedding_of_the_bundle_is_the_published_models(shared: Path, tmp_path: Path, capsys, name: str) -> None:
    from models.test_peer_models import peer_tensor

    architecture, options, bins = PEERS[name]
    peer = json.loads((shared / f"reference/peer-models/{name}.json").read_text())
    state = {key: peer_tensor(key, shape) for key, shape in peer["state"].items()}
    torch.save({**state, "projection.weight": torch.zeros(9, 7)}, tmp_path / "avg_model.pt")
    features = tmp_path / "fbank.yaml"
    more = "type: tf_mel" if architecture == "redimnet2" else "window_type: hamming"
    features.write_text(f"num_mel_bins: {bins}\n{more}\n")
    out = tmp_path / "final.pt"
    sre(tmp_path / "avg_model.pt", out, "--as", architecture, "--options", json.dumps(options), "--features", features)
    said = capsys.readouterr().out
    assert f"{peer['parameters']} parameters of {architecture}\n" in said
    assert "tensors of the classifier that are left out: 1\n" in said
    embedder = Embedder(out, torch.device("cpu"))
    t, f = np.arange(200)[:, None], np.arange(bins)
    x = np.sin(0.37 * t + 0.11 * f) + 0.5 * np.cos(0.05 * t * (1 + f % 7))
    ours, theirs = embedder.utterance(x.astype(np.float32)), np.array(peer["embedding"])
    assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)


def test_a_recipe_makes_the_features_that_the_bundle_takes(tmp_path: Path) -> None:
    import_small(small_checkpoint(tmp_path / "avg_model.pt"), tmp_path / "final.pt")
    embedder = Embedder(tmp_path / "final.pt", torch.device("cpu"))
    given = {"path": str(tmp_path / "final.pt"), "features": embedder.config["features"]}
    recipe = {**read_yaml(RECIPES / "voxceleb/config.yaml"), "models": [], "bundles": {"peer": given}}
    assert load_recipe(recipe, RECIPES).features[given["features"]] == embedder.feature_config
    assert embedder.feature_config["window_type"] == "hamming" and embedder.feature_config["dither"] == 0
    assert embedder.config["options"]["embedding"] == "second"  # WeSpeaker's


def test_averaged_counters_of_batches_are_not_integers(tmp_path: Path) -> None:
    counter = {"segment1_bn.num_batches_tracked": torch.tensor(7.0)}  # as WeSpeaker's average_model leaves them
    import_small(small_checkpoint(tmp_path / "avg_model.pt", **counter), tmp_path / "final.pt")
    network = Embedder(tmp_path / "final.pt", torch.device("cpu")).network
    assert network.segment1_bn.num_batches_tracked.dtype == torch.int64


@pytest.mark.parametrize(
    "changes, counts, first",
    [
        ({"segment2.weight": None, "segment2.bias": None}, (2, 0, 0), "missing 'segment2.weight'"),
        ({"more": torch.zeros(1)}, (0, 1, 0), "unexpected 'more'"),
        ({"segment2.bias": torch.zeros(9)}, (0, 0, 1), r"of another shape 'segment2.bias' \[9\] for \[3\]"),
    ],
)
def test_another_networks_checkpoint(tmp_path: Path, changes: dict, counts: tuple, first: str) -> None:
    path = small_checkpoint(tmp_path / "avg_model.pt", **changes)
    counted = "{} keys missing, {} unexpected, {} of another shape".format(*counts)
    with pytest.raises(SreError, match=f"avg_model.pt: not xvector of 80 bins, .*: {counted}, the first {first}; corr"):
        import_small(path, tmp_path / "final.pt")
    assert not (tmp_path / "final.pt").exists()


@pytest.mark.parametrize(
    "argument, value, error",
    [
        ("features", "voxceleb:fbank81", "no features 'fbank81', only clova40, clova64, fbank40, fbank72, fbank80,"),
        ("features", "nowhere:fbank80", "recipe: 'nowhere' is none of"),
        ("options", "{channels: 4}", "argument --options: {channels: 4}: not JSON"),
        ("options", '{"channel": 4}', "unknown key 'channel'; the nearest valid one is 'channels'"),
    ],
)
def test_wrong_arguments(tmp_path: Path, argument: str, value: str, error: str) -> None:
    path = small_checkpoint(tmp_path / "avg_model.pt")
    with pytest.raises(SreError, match=error):
        import_small(path, tmp_path / "final.pt", **{argument: value})


def tf_mel_constants(bins: int) -> dict[str, torch.Tensor]:
    """What WeSpeaker's TFMelFrontend leaves in a checkpoint (frontend/tfmel.py), as that file makes it: float32."""
    window, turn = windows.hamming(400).astype("float32"), 2 * np.pi * np.outer(np.arange(512), np.arange(512)) / 512
    edges = np.linspace(*(2595 * np.log10(1 + np.array([20, 7600]) / 700)), bins + 2)
    at = 2595 * np.log10(1 + np.linspace(0, 8000, 256)[1:, None] / 700)
    up, down = (at - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - at) / np.diff(edges)[1:]
    bank = np.vstack([np.zeros((1, bins)), np.maximum(0, np.minimum(up, down))]).astype("float32")
    made = {
        "1.flipped_filter": np.array([[[-0.97, 1]]], "float32"),
        "2.real_kernel_pt": np.cos(turn).astype("float32")[:256, None, :400] * window,
        "2.image_kernel_pt": np.sin(turn).astype("float32")[:256, None, :400] * window,
        "2.melbanks_pt": bank.T[:, :, None],
    }
    return {f"frontend.spec.torchfbank.{key}": torch.from_numpy(value) for key, value in made.items()}


def redimnet2_checkpoint(shared: Path, path: Path, frontend: dict[str, torch.Tensor]) -> Path:
    """A B0 with weights of this run, under WeSpeaker's names: those of the peer model beside its front-end."""
    from models.test_peer_models import peer_tensor

    peer = json.loads((shared / "reference/peer-models/redimnet2_b0.json").read_text())
    torch.save({key: peer_tensor(key, shape) for key, shape in peer["state"].items()} | frontend, path)
    return path


def import_redimnet2(path: Path, out: Path, features: str) -> None:
    sre(path, out, "--as", "redimnet2", "--options", '{"size": "b0"}', "--features", features)


def test_redimnet2_is_written_with_the_features_of_its_training(shared: Path, tmp_path: Path) -> None:
    path = redimnet2_checkpoint(shared, tmp_path / "avg_model.pt", tf_mel_constants(72))
    import_redimnet2(path, tmp_path / "final.pt", "voxceleb:tf_mel72")
    config = Embedder(tmp_path / "final.pt", torch.device("cpu")).feature_config
    given = {"path": str(tmp_path / "final.pt"), "features": "tf_mel72"}
    recipe = {**read_yaml(RECIPES / "voxceleb/config.yaml"), "models": [], "bundles": {"peer": given}}
    assert load_recipe(recipe, RECIPES).features["tf_mel72"] == config
    assert (config["type"], config["cmn"], config["low_freq"], config["high_freq"]) == ("tf_mel", "utterance", 20, 7600)


@pytest.mark.parametrize(
    "features, change, error",
    [
        ("voxceleb:fbank72", {}, "WeSpeaker's redimnet2 was trained on features of type tf_mel, not of fbank; give a"),
        ('{"type": "tf_mel", "cmn": "none"}', {}, "cmn is none, and utterance in the training of WeSpeaker's redimn"),
        ("voxceleb:tf_mel72", {"2.melbanks_pt": torch.zeros(72, 256, 1)}, r"melbanks_pt' \[72, 256, 1\] differs from"),
        ("voxceleb:tf_mel72", {"2.window": torch.zeros(3)}, "2.window' is of a front-end that cannot be made here; gi"),
    ],
)
def test_redimnet2_on_other_features(shared: Path, tmp_path: Path, features: str, change: dict, error: str) -> None:
    changed = {f"frontend.spec.torchfbank.{key}": value for key, value in change.items()}
    path = redimnet2_checkpoint(shared, tmp_path / "avg_model.pt", {**tf_mel_constants(72), **changed})
    with pytest.raises(SreError, match=error):
        import_redimnet2(path, tmp_path / "final.pt", features)
    assert not (tmp_path / "final.pt").exists()


def test_another_network_on_tf_mel(tmp_path: Path) -> None:
    path = small_checkpoint(tmp_path / "avg_model.pt")
    with pytest.raises(SreError, match="WeSpeaker's xvector was trained on features of type fbank, not of tf_mel; gi"):
        import_small(path, tmp_path / "final.pt", "voxceleb:tf_mel72")


def test_not_a_state_dict(tmp_path: Path) -> None:
    torch.save({"weights": {"a": torch.zeros(1)}}, tmp_path / "nested.pt")
    torch.save({"a": Path("x")}, tmp_path / "code.pt")  # unpickling this would run a function
    for name, error in (
        ("nested", "nested.pt: not a plain state dict"),
        ("code", r"code.pt: not a checkpoint of tensors \(UnpicklingError\)"),
        ("absent", "absent.pt: no such file"),
    ):
        with pytest.raises(SreError, match=error):
            import_small(tmp_path / f"{name}.pt", tmp_path / "final.pt")
