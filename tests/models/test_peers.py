"""`sre import`: WeSpeaker's weights give WeSpeaker's embedding, in a bundle that a recipe takes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

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
    features.write_text(f"num_mel_bins: {bins}\nwindow_type: hamming\n")
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
        ("features", "voxceleb:fbank81", "no features 'fbank81', only fbank40, fbank64, fbank72, fbank80"),
        ("features", "nowhere:fbank80", "recipe: 'nowhere' is none of"),
        ("options", "{channels: 4}", "argument --options: {channels: 4}: not JSON"),
        ("options", '{"channel": 4}', "unknown key 'channel'; the nearest valid one is 'channels'"),
    ],
)
def test_wrong_arguments(tmp_path: Path, argument: str, value: str, error: str) -> None:
    path = small_checkpoint(tmp_path / "avg_model.pt")
    with pytest.raises(SreError, match=error):
        import_small(path, tmp_path / "final.pt", **{argument: value})


def test_not_a_state_dict(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "nested.pt")
    torch.save({"a": Path("x")}, tmp_path / "code.pt")  # unpickling this would run a function
    for name, error in (
        ("nested", "nested.pt: not a plain state dict"),
        ("code", r"code.pt: not a checkpoint of tensors \(UnpicklingError\)"),
        ("absent", "absent.pt: no such file"),
    ):
        with pytest.raises(SreError, match=error):
            import_small(tmp_path / f"{name}.pt", tmp_path / "final.pt")
