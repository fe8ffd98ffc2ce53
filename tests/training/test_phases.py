"""A training that starts from another one: its weights, rows of its loss by speaker, frozen parts, resumed exactly."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_resume import kill_9
from torch import Tensor

from sre import SreError
from sre.config.schema import Schema
from sre.config.stages import STAGE_VERSIONS
from sre.features.store import FeatureStore
from sre.io.tables import read_table
from sre.io.text import canonical
from sre.losses import build_head
from sre.models import build
from sre.models.bundle import Bundle, load_bundle
from sre.training import job
from sre.training.options import TrainingConfig
from sre.training.phases import Base, freeze
from sre.training.summary import TrainSummary, is_trained

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema(ROOT / "recipes/config.schema.yaml")
OPTIONS = {"embedding_dim": 8, "channels": 16, "pooled_channels": 24}
# 10 speakers of 5 utterances; 2 are held out, and 1 utterance of each other one: 32 chunks, 4 steps an epoch
TRAINING = {"batch_size": 8, "chunk_frames": [16, 24], "lr": 0.05, "average_last": 1, "precision": "fp32"}
SPEEDS = [0.9, 1.1]
FROZEN = ["frames", "segment1"]  # and not segment1_bn
CPU = torch.device("cpu")


def config(epochs: int = 2, speeds: list[float] | None = None, loss: dict | None = None, **more: object) -> dict:
    """The resolved config of an x-vector on features that were given."""
    given = {"features": "given", "architecture": "xvector", "filter": {"min_frames": 10}, "loss": loss or {}}
    given["augment"] = {"speeds": SPEEDS if speeds is None else speeds}
    given |= {"training": {**TRAINING, "epochs": epochs}, "validation": {"speakers": 2, "frames": 30}, **more}
    model = SCHEMA.check(given, "m", "$defs", "model")
    model["options"] = SCHEMA.check(OPTIONS | model["options"], "m", "$defs", "architectures", model["architecture"])
    options = SCHEMA.check(model["loss"]["options"], "m", "$defs", "losses", model["loss"]["type"])
    model["loss"]["options"] = options
    return {**model, "feature_config": {"type": "given"}, "seed": 1, "version": STAGE_VERSIONS["train"]}


def train(config: dict, data: Path, out: Path, init: Path | None = None) -> Bundle:
    store = FeatureStore(data / "feats.scp")
    job.train(config, [store], [read_table(data / "utt2spk")], out / "final.pt", "cpu", init=init)
    return load_bundle(out / "final.pt", with_head=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, feature_dir: Callable[..., Path]) -> Path:
    return feature_dir(tmp_path_factory.mktemp("data") / "d", speakers=10, utterances=5)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory, feature_dir: Callable[..., Path]) -> Path:
    """Speakers of whom the base has heard some."""
    return feature_dir(tmp_path_factory.mktemp("data") / "d", speakers=10, utterances=5, first=3)


@pytest.fixture(scope="module")
def base(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("base")
    train(config(), data, out)
    return out / "final.pt"


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Names of tensors that are equal."""
    return [name for name in one if torch.equal(one[name], other[name])]


def made_up(loss: str, speakers: list[str], copies: list[float], **options: object) -> Base:
    """A base with a loss of weights that are all different, and no network to speak of."""
    head = build_head(3, len(speakers) * len(copies), loss, 30.0, **options)
    weights = {name: torch.arange(1.0, 1 + value.numel()).view_as(value) for name, value in head.state_dict().items()}
    written = {"architecture": "xvector", "options": {}, "loss": {"type": loss}}
    bundle = Bundle(written, {}, 8, {}, speakers, weights, copies)
    return Base(Path("b.pt"), "b", "", bundle)


def test_network_and_known_speakers_start_as_they_were(base: Path, others: Path, tmp_path: Path, capsys) -> None:
    asked = TrainingConfig.of(config(init="x"))
    start, store = Base.read(asked, base), FeatureStore(others / "feats.scp")
    chosen = job.select([store], [read_table(others / "utt2spk")], asked.filter)
    parts = job.partition(chosen.utt2spk, 2, 1)
    trainers = [job.make_trainer(asked, [store], chosen, parts, tmp_path, CPU, None, one) for one in (start, None)]
    assert same(trainers[0].network.state_dict(), start.bundle.network) == [*start.bundle.network]
    known, weight = start.bundle.speakers, [trainer.head.state_dict()["weight"] for trainer in trainers]
    both = set(known) & set(parts.speakers)
    assert 0 < len(both) < len(parts.speakers) == 8
    for copy in range(3):
        for row, speaker in enumerate(parts.speakers):
            found = weight[0][8 * copy + row]
            if speaker in both:
                assert torch.equal(found, start.bundle.head["weight"][len(known) * copy + known.index(speaker)])
            else:
                assert torch.equal(found, weight[1][8 * copy + row])
    told = f"{3 * len(both)} of 24 classes of the loss start as in {base}; it knows {len(both)} of the speakers"
    assert told in capsys.readouterr().err


def test_rows_of_subcentres_and_of_speeds() -> None:
    start = made_up("subcentre_aam", ["a", "b"], [1.0, 0.9], centres=2)  # classes a, b, a at 0.9, b at 0.9
    asked = TrainingConfig.of(config(loss={"type": "subcentre_aam", "options": {"centres": 2, "top_k": 0}}))
    head = build_head(3, 4, "subcentre_aam", 30.0, centres=2, top_k=0)
    fresh = head.weight.detach().clone()
    start.start_head(head, asked, ["b", "c"], [1.0, 1.1])  # b, c, b at 1.1, c at 1.1
    assert head.weight[:2].tolist() == [[7, 8, 9], [10, 11, 12]]  # those of b: the third and fourth row of the base
    assert torch.equal(head.weight[2:], fresh[2:])
    assert torch.isfinite(head(torch.ones(2, 3), torch.tensor([0, 3]))[0])  # without inter-top-k penalty


def test_numbers_of_a_loss_are_taken_too() -> None:
    start = made_up("sphereface2", ["a", "b"], [1.0])
    head = build_head(3, 2, "sphereface2", 30.0)
    start.start_head(head, TrainingConfig.of(config(loss={"type": "sphereface2"})), ["c", "d"], [1.0])
    assert head.bias.tolist() == 1
    start = made_up("ge2e", ["a"], [1.0])
    head = build_head(3, 1, "ge2e", 30.0)
    start.start_head(head, TrainingConfig.of(config(loss={"type": "ge2e"})), ["c"], [1.0])
    assert (head.affine.w.tolist(), head.affine.b.tolist()) == (1, 1)


def test_kept_whole_without_speeds_and_once_more(base: Path, data: Path, tmp_path: Path) -> None:
    """The rows of speeds stay, unused, as in WeSpeaker's fine-tuning."""
    first = load_bundle(base, with_head=True)
    tuned = train(config(1, speeds=[], init="x", head="keep"), data, tmp_path / "1", base)
    weight = tuned.head["weight"]
    assert weight.shape == first.head["weight"].shape == (24, 8)
    assert tuned.copies == first.copies == [1.0, 0.9, 1.1]
    assert same(dict(enumerate(first.head["weight"])), dict(enumerate(weight))) == []  # as the softmax has them all
    again = train(config(1, init="x_lm", head="keep"), data, tmp_path / "2", tmp_path / "1/final.pt")
    assert [one["name"] for one in again.init] == ["x_lm", "x"]
    assert again.init[1] == tuned.init[0] == TrainSummary.read(tmp_path / "1/train_summary.json").init[0]
    assert tuned.init[0]["config_sha256"] == TrainSummary.read(base.with_name("train_summary.json")).config_sha256


def test_what_cannot_be_kept(base: Path, others: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SreError, match="keep needs its 8 speakers in their order, and there are 8, of which it knows 3"
    ):
        train(config(init="x", head="keep"), others, tmp_path, base)
    with pytest.raises(SreError, match="keep has classes of the speeds 1, 0.9, 1.1, and these are 1, 1.1"):
        train(config(init="x", head="keep", speeds=[1.1]), data, tmp_path, base)
    with pytest.raises(SreError, match="its loss is aam, and the model's am; set head: new"):
        train(config(init="x", loss={"type": "am"}), data, tmp_path, base)
    many = {"type": "subcentre_aam", "options": {"centres": 3}}
    with pytest.raises(SreError, match="'weight' of its loss is 2 x 3, where 3 x 3 is needed; set head: new"):
        head = build_head(3, 1, "subcentre_aam", 30.0, centres=3)
        start = made_up("subcentre_aam", ["a"], [1.0], centres=2)
        start.start_head(head, TrainingConfig.of(config(loss=many)), ["a"], [1.0])


def test_another_loss_with_a_fresh_head(base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tuned = train(config(1, loss={"type": "am"}, init="x", head="new", freeze=["frames"]), data, tmp_path, base)
    kept = [name for name in tuned.network if name.startswith("frames.")]
    assert kept and same(tuned.network, load_bundle(base).network) == kept
    told = capsys.readouterr().err
    assert f"the network starts as in {base}, and the loss afresh (head: new)" in told
    assert "frames frozen: " in told and " parameters stay" in told


def test_frozen_parts_have_the_statistics_of_the_base(base: Path, data: Path, tmp_path: Path) -> None:
    tuned = train(config(1, init="x", freeze=FROZEN), data, tmp_path, base)
    kept = {name for name in tuned.network if name.startswith(tuple(f"{part}." for part in FROZEN))}
    assert any("running_mean" in name for name in kept)
    assert {*same(tuned.network, load_bundle(base).network)} == kept


def test_frozen_factors_are_not_moved_towards_orthogonality() -> None:
    network = build("ftdnn", 8, {"embedding_dim": 8, "channels": 8, "bottleneck": 4, "pooled_channels": 8})
    freeze(network, build_head(8, 4, "aam", 30.0), ["factorized.0"])
    before = network.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    with torch.no_grad():
        network.constrain()
    moved = {name.rpartition(".factor1")[0] for name in before.keys() - same(before, network.state_dict())}
    assert moved == {f"factorized.{n}" for n in range(1, 8)}


def test_names_of_parts(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SreError, match="'segment3' is no part of XVector, which has .*; the nearest is 'segment"):
        train(config(init="x", freeze=["segment3"]), data, tmp_path, base)
    network = build("xvector", 8, OPTIONS)
    with pytest.raises(SreError, match="no weight is left to train"):
        freeze(network, build_head(8, 4, "triplet", 30.0), [name for name, _ in network.named_children()])


def test_kill_9_within_an_epoch(base: Path, data: Path, tmp_path: Path) -> None:
    """By its command, which a person can type too."""
    model, killed = config(3, speeds=[], init="x", freeze=["frames"]), tmp_path / "killed"
    kill_9([canonical(model), "--data", str(data), "--init", str(base)], killed)
    train(model, data, tmp_path / "whole", base)
    train(model, data, killed, base)
    assert (killed / "final.pt").read_bytes() == (tmp_path / "whole/final.pt").read_bytes()


def test_another_base_never_resumes(base: Path, data: Path, tmp_path: Path, capsys) -> None:
    train(config(1, init="x"), data, tmp_path / "lm", base)
    train(config(1), data, tmp_path / "x")
    capsys.readouterr()
    train(config(1, init="x"), data, tmp_path / "lm", tmp_path / "x/final.pt")
    assert "resuming" not in capsys.readouterr().err
    assert len([*tmp_path.glob("lm/checkpoints/*")]) == 2
    assert is_trained(tmp_path / "lm", config(1, init="x"), base=config(1))
    assert not is_trained(tmp_path / "lm", config(1, init="x"), base=config())


def test_who_was_heard(base: Path, others: Path, tmp_path: Path, capsys) -> None:
    first, tuned = load_bundle(base), train(config(1, init="x"), others, tmp_path / "1", base)
    assert first.heard == sorted(first.speakers) and len(first.heard) == 8
    assert tuned.heard == sorted({*first.speakers, *tuned.speakers})
    Bundle(first.config, first.feature_config, 8, first.network).save(tmp_path / "given.pt")
    path = str(tmp_path / "given.pt")
    with pytest.raises(SreError, match=r"given.pt: no weights of its loss in it, .*; set head: new"):
        train(config(1, init=path), others, tmp_path / "2")
    unknown = train(config(1, init=path, head="new"), others, tmp_path / "2")
    assert unknown.heard is None and unknown.speakers is not None and unknown.init[0]["name"] == path
    assert "which speakers it was trained on is not known" in capsys.readouterr().err


def test_a_model_that_its_base_is_not(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SreError, match=r"it is xvector with options .*\"channels\":16.* on 8 features of type given, and"
    ):
        train(config(init="x", architecture="etdnn"), data, tmp_path, base)
    with pytest.raises(
        SreError, match=r"its weight 'frames\.0\.conv\.weight' is 16 x 8 x 5, and 12 x 8 x 5 in the model; it is xv"
    ):
        train(config(init="x", options={"channels": 12}), data, tmp_path, base)
    found = load_bundle(base, with_head=True)
    found.feature_config = {**found.feature_config, "cmn": "sliding"}
    found.save(tmp_path / "other.pt")
    with pytest.raises(SreError, match=r"other features \(cmn none here, sliding there\); name features of its config"):
        train(config(init="x"), data, tmp_path, tmp_path / "other.pt")
    found.feature_config = {"type": "fbank"}
    found.save(tmp_path / "fbank.pt")
    with pytest.raises(SreError, match="on features of type fbank, and how these were made is not known; make feat"):
        train(config(init="x"), data, tmp_path, tmp_path / "fbank.pt")
    with pytest.raises(SreError, match="init is the model 'x'; give its final.pt by --init FILE"):
        train(config(init="x"), data, tmp_path)
    with pytest.raises(SreError, match="final.pt: the training would start from what it writes; name another file"):
        train(config(init=str(base)), data, base.parent)
