"""Bundles and checkpoints: what is of another form is named, whatever was done to the file."""

import json
import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from sre import SreError
from sre.extraction.embedder import Embedder
from sre.io.atomic import sha256_text
from sre.models import build
from sre.models import bundle as bundles
from sre.models.bundle import Bundle
from sre.training import checkpoint
from sre.training.summary import is_trained

OPTIONS = {"channels": 4, "pooled_channels": 8, "embedding_dim": 4, "embedding": "second"}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What is in a file of a bundle."""
    config = {"architecture": "xvector", "options": OPTIONS, "features": "fbank8"}
    path = tmp_path_factory.mktemp("bundle") / "final.pt"
    Bundle(config, {"type": "given", "cmn": "none"}, 8, build("xvector", 8, OPTIONS).state_dict(), ["a"]).save(path)
    return bundles.load(path)


def test_a_bundle_is_read_as_it_was_saved(bundle: dict, tmp_path: Path) -> None:
    torch.save(bundle, tmp_path / "final.pt")
    for path in (tmp_path / "final.pt", tmp_path / "again.pt"):
        read = bundles.load_bundle(path)
        assert (read.config["architecture"], read.num_features, read.speakers) == ("xvector", 8, ["a"])
        assert read.network.keys() == bundle["network"].keys()
        read.save(tmp_path / "again.pt")


def weights(change: Callable[[dict], object]) -> Callable[[dict], object]:
    def changed(content: dict) -> None:
        content["network"] = dict(content["network"])
        change(content["network"])

    return changed


@pytest.mark.parametrize(
    "change, what",
    [
        (lambda c: c.pop("config"), "its config is missing or no JSON object"),
        (lambda c: c.update(config="{"), "its config is missing or no JSON object"),
        (lambda c: c.update(feature_config="[]"), "its feature_config is missing"),
        (lambda c: c.update(config='{"architecture": "xvector"}'), "names no architecture with options"),
        (
            lambda c: c.update(config=c["config"].replace('"xvector"', '"xvectro"')),
            "'xvectro' is unknown .*xvector",
        ),
        (lambda c: c.update(config=c["config"].replace('"channels"', '"chanels"')), "not those of xvector .*chanels"),
        (lambda c: c.update(config=c["config"].replace("fbank8", "")) or c.update(format="x"), "not a model bundle"),
        (lambda c: c.update(num_features="8"), "its num_features '8' is no number"),
        (lambda c: c.update(num_features=9), "options or weights are not those of xvector"),
        (lambda c: c.update(network={}), "no weights in it"),
        (weights(lambda n: n.pop(next(iter(n)))), "not those of xvector .*Missing key"),
        (weights(lambda n: n.update(more=torch.ones(2))), "not those of xvector .*Unexpected key"),
        (weights(lambda n: n.update({next(iter(n)): torch.ones(3)})), "not those of xvector .*size mismatch"),
        (weights(lambda n: n.update({next(iter(n)): "text"})), "is no tensor"),
        (weights(lambda n: n.update({next(iter(n)): torch.full((4, 8, 5), torch.nan)})), "has NaN"),
        (lambda c: c.update(speakers="ab"), "speakers is 'ab', which is of another kind"),
        (lambda c: c.update(heard=["a", 1]), r"heard\[1\] is '1', which is of another kind"),
        (lambda c: c.update(copies=["fast"]), r"copies\[0\] is 'fast', which is of another kind"),
        (lambda c: c.update(init=[{"name": "x"}]), r"init\[0\].sha256 is missing"),
    ],
)
def test_a_bundle_of_another_form(bundle: dict, tmp_path: Path, change: Callable, what: str) -> None:
    content = dict(bundle)
    change(content)
    torch.save(content, tmp_path / "final.pt")
    with pytest.raises(SreError, match=f"final.pt: .*{what}"):
        Embedder(tmp_path / "final.pt", CPU)


@pytest.mark.parametrize(
    "head, what",
    [
        ([1], "no weight of the loss in it"),
        ({"weight": 1}, "its weight of the loss 'weight' is no tensor"),
        ({"weight": torch.full((2, 4), torch.inf)}, "its weight of the loss 'weight' has NaN or infinite values"),
    ],
)
def test_weights_of_a_loss_are_read_and_checked_for_who_asks(
    bundle: dict, tmp_path: Path, head: object, what: str
) -> None:
    torch.save({**bundle, "head": head}, tmp_path / "final.pt")
    assert bundles.load_bundle(tmp_path / "final.pt").head is None
    with pytest.raises(SreError, match=f"final.pt: {what}"):
        bundles.load_bundle(tmp_path / "final.pt", with_head=True)


@pytest.mark.parametrize("content", [[1, 2], "text", 3, {1: 2}, torch.ones(2), None])
def test_no_bundle_at_all(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "final.pt")
    with pytest.raises(SreError, match="final.pt: (.* where a checkpoint is needed|not a model bundle)"):
        Embedder(tmp_path / "final.pt", CPU)


@pytest.mark.parametrize("place, what", [("gone.pt", "no such file"), (".", "Is a dir"), ("a.txt/x", "cannot be")])
def test_no_file(tmp_path: Path, place: str, what: str) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(SreError, match=what):
        bundles.load(tmp_path / place)


def test_damaged_bytes(bundle: dict, tmp_path: Path) -> None:
    path, draw = tmp_path / "final.pt", random.Random(1)
    bundles.save(path, bundle)
    Embedder(path, CPU)
    data = path.read_bytes()
    cuts = [data[:end] for end in draw.sample(range(len(data)), 20)]
    changed = [data[:at] + b"\xff" + data[at + 1 :] for at in draw.sample(range(len(data)), 40)]
    for damaged in cuts + changed:
        path.write_bytes(damaged)
        try:
            Embedder(path, CPU)
        except SreError as error:
            assert str(path) in str(error)


def test_a_changed_bit_of_a_weight(bundle: dict, tmp_path: Path) -> None:
    path = tmp_path / "final.pt"
    weight = torch.full((64,), 0.1234)
    bundles.save(path, bundle | {"network": bundle["network"] | {"found": weight}})
    data = path.read_bytes()
    at = data.index(weight.numpy().tobytes()) + 100
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(SreError, match="final.pt: not a readable checkpoint"):
        bundles.load_bundle(path)


def test_a_checkpoint_that_lacks_something_is_passed_over(bundle: dict, tmp_path: Path, capsys) -> None:
    state = {"step": 1, "network": bundle["network"], "head": {}, "optimizer": {}, "rng": torch.get_rng_state()}
    state |= {"history": [], "sums": {}}
    for step, kept in enumerate((state, state | {"rng": None}, {"step": 3}), 1):
        bundles.save(tmp_path / f"step_{step:09}.pt", kept)
    assert checkpoint.newest(tmp_path)["step"] == 1
    said = capsys.readouterr().err
    assert "step_000000003.pt: a checkpoint without network, head" in said and "without rng" in said


def test_a_network_that_knows_the_speakers_of_a_later_development_list(tmp_path: Path) -> None:
    """Both have one config, and a corpus of few speakers gives validation fewer of them."""
    (tmp_path / "final.pt").write_text("")
    told = {"speakers": 9, "utterances": 90, "held_out_speakers": 2, "config_sha256": sha256_text("{}")}
    for fewer, refused in ((None, False), ("2 speakers are held out, a fifth of 11", True)):
        (tmp_path / "train_summary.json").write_text(
            json.dumps(told | {"fewer_held_out": fewer} | {"utterances_found": 99})
        )
        assert is_trained(tmp_path, {})
        with pytest.raises(SreError, match="has heard speakers of it .*; delete it") if refused else nullcontext():
            assert is_trained(tmp_path, {}, development=True)


@pytest.mark.parametrize("text, sentence", [('{"con', "not JSON"), ("{}", "config_sha256 is missing"), ("[]", "it is")])
def test_a_damaged_summary_is_named_where_the_snakefile_asks(tmp_path: Path, text: str, sentence: str) -> None:
    assert not is_trained(tmp_path, {})
    (tmp_path / "final.pt").write_text("")
    (tmp_path / "train_summary.json").write_text('{"config_sha256": "of another"}')
    assert not is_trained(tmp_path, {})
    (tmp_path / "train_summary.json").write_text(text)
    with pytest.raises(SreError, match=f"train_summary.json: .*{sentence}.*; delete it, and the stage train writes it"):
        is_trained(tmp_path, {})
