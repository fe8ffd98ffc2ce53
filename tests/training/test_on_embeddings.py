"""A network on the embeddings of another: trained by the command, resumed, and placed in a recipe."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from sre import SreError
from sre.cli.describe import read_spec
from sre.config.resolve import resolve_model_config
from sre.config.runs import Run, with_sources
from sre.config.schema import Schema
from sre.io.ark import read_vectors, write_ark
from sre.io.tables import read_utt2spk, write_table
from sre.io.text import canonical
from sre.io.trials import align_scores, write_trials
from sre.losses import HEADS
from sre.metrics.rates import eer
from sre.models.bundle import load_bundle
from sre.training import trainer
from sre.training.summary import TrainSummary, read_history
from steps import extract_embeddings, score_trials, train_embedding

ROOT = Path(__file__).resolve().parents[2]
MODEL = {
    "source": "embeddings",
    "embeddings_of": "xvector",
    "architecture": "mlp",
    "options": {"embedding_dim": 8, "widths": [16], "dropout": [0.2], "batch_norm": True},
    "training": {"epochs": 4, "batch_size": 8, "lr": 0.05, "average_last": 1, "precision": "fp32"},
    "validation": {"speakers": 2, "utterances": 1},
}


def config(**changed: object) -> dict:
    return resolve_model_config(Schema(ROOT / "recipes/config.schema.yaml"), {**MODEL, **changed}, "m", {}, 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Vectors of 10 speakers of 6 utterances about a centre of each."""
    draw, vectors, utt2spk = np.random.default_rng(0), {}, {}
    for speaker in range(10):
        centre = draw.normal(size=12)
        for number in range(6):
            utt2spk[f"s{speaker}_{number}"] = f"s{speaker}"
            vectors[f"s{speaker}_{number}"] = (centre + 0.3 * draw.normal(size=12)).astype(np.float32)
    folder = tmp_path / "d"
    folder.mkdir()
    write_ark(folder / "x.ark", folder / "x.scp", sorted(vectors.items()))
    write_table(folder / "utt2spk", utt2spk)
    return folder


def run(data: Path, out: Path, *more: str, **changed: object) -> bytes:
    options = ["--data", str(data), "--feats", str(data / "x.scp"), "--device", "cpu", *more]
    train_embedding.main([canonical(config(**changed)), *options, str(out / "final.pt")])
    return (out / "final.pt").read_bytes()


def test_trained_and_resumed(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(data, tmp_path / "whole")
    bundle = load_bundle(tmp_path / "whole/final.pt")
    assert bundle.feature_config == {"type": "embeddings", "of": "xvector", "dimension": 12}
    assert (bundle.num_features, bundle.config["source"], bundle.config["features"]) == (12, "embeddings", None)
    assert read_spec(str(tmp_path / "whole/final.pt")).num_features == 12
    assert stopped_and_resumed(data, tmp_path / "killed", monkeypatch) == whole


def test_a_killed_training_does_not_go_on_with_other_embeddings(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extractor was trained again: its name, the utterances and their frames are the same."""
    killed(data, tmp_path / "killed", monkeypatch)
    ids, vectors = read_vectors(data / "x.scp")
    write_ark(data / "x.ark", data / "x.scp", zip(ids, -vectors[:, ::-1], strict=True))
    assert run(data, tmp_path / "killed") == run(data, tmp_path / "whole")


SESSIONS = {"sampler": "sessions", "chunks_per_speaker": 8}
TARGETS = {
    "options": {"embedding_dim": 12, "widths": [16], "unit_length": True, "residual": True, "last_activation": False},
    "loss": {"type": "target_mse"},
}


def stopped_and_resumed(data: Path, out: Path, patch: pytest.MonkeyPatch, *more: str, **changed: object) -> bytes:
    """The bytes of a training that is killed before its fourth step, and goes on."""
    killed(data, out, patch, *more, **changed)
    return run(data, out, *more, **changed)


def killed(data: Path, out: Path, patch: pytest.MonkeyPatch, *more: str, **changed: object) -> None:
    """Train up to the fourth step."""
    one_step = trainer.Trainer._one_step

    def stopping(self: trainer.Trainer, *batch: object) -> None:
        if self.step == 3:
            raise KeyboardInterrupt
        one_step(self, *batch)

    with patch.context() as inner:
        inner.setattr(trainer, "CHECKPOINT_MINUTES", 0)
        inner.setattr(trainer.Trainer, "_one_step", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(data, out, *more, **changed)


@pytest.fixture
def lists(data: Path) -> list[str]:
    """A list of all pairs of four speakers, and one of models of three utterances."""
    utts = [f"s{speaker}_{number}" for speaker in range(4) for number in range(6)]
    write_trials(data / "pairs", ((a, b, a[:2] == b[:2]) for a, b in combinations(utts, 2)))
    models = {f"m{speaker}": [f"s{speaker}_{number}" for number in range(3)] for speaker in range(4)}
    write_table(data / "models.enroll", {model: " ".join(some) for model, some in models.items()})
    write_trials(data / "models", ((m, utt, m[1] == utt[1]) for m in models for utt in utts if utt not in models[m]))
    named = {"--list": ["pairs", "models"], "--list-embeddings": ["x.scp"] * 2, "--list-enroll": ["", "models.enroll"]}
    words = [
        (option, f"{name}={data / file}")
        for option, files in named.items()
        for name, file in zip(("pairs", "models"), files, strict=True)
        if file
    ]
    return [word for pair in words for word in pair]


@pytest.mark.parametrize("loss", [name for name, kind in HEADS.items() if kind.needs_inputs])
def test_pulled_to_targets_and_resumed(loss: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output for an unseen utterance comes nearer to its speaker's mean."""
    write_table(data / "utt2session", {f"s{s}_{n}": str(n // 2) for s in range(10) for n in range(6)})
    training = {"epochs": 6, "batch_size": 16, "optimizer": "adam", "lr": 1e-2, "final": "last", "weight_decay": 0}
    training |= SESSIONS if loss.startswith("session") else {}
    options = TARGETS["options"] | {"residual": False}
    changed = {"options": options, "loss": {"type": loss}, "training": training}
    whole = run(data, tmp_path / "whole", **changed)
    assert stopped_and_resumed(data, tmp_path / "killed", monkeypatch, **changed) == whole
    first, *_, last = read_history(tmp_path / "whole/history.jsonl")
    assert last["valid_loss"] < first["valid_loss"]


def test_lists_are_told_after_each_epoch_and_choose_nothing(
    data: Path, lists: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = TARGETS | {"validation": {"speakers": 2, "utterances": 1, "lists": True}}
    run(data, tmp_path / "plain", **TARGETS)
    resumed = stopped_and_resumed(data, tmp_path / "watched", monkeypatch, *lists, **watched)
    networks = [load_bundle(tmp_path / name / "final.pt").network for name in ("plain", "watched")]
    assert all(torch.equal(a, b) for a, b in zip(networks[0].values(), networks[1].values(), strict=True))
    rows = read_history(tmp_path / "watched/history.jsonl")
    assert resumed and len(rows) == 4
    embeddings = tmp_path / "enhanced"
    extract_embeddings.main(
        [
            str(tmp_path / "watched/final.pt"),
            str(data),
            str(embeddings),
            "--feats",
            str(data / "x.scp"),
            "--device",
            "cpu",
        ]
    )
    for name, enroll in (("pairs", []), ("models", ["--enroll-map", str(data / "models.enroll")])):
        for column, scp in ((f"input_eer_{name}", data / "x.scp"), (f"eer_{name}", embeddings / "embeddings.scp")):
            scores = tmp_path / f"{column}.scores"
            score_trials.main(["cosine", str(data / name), "--embeddings", str(scp), *enroll, str(scores)])
            aligned, trials = align_scores(scores, data / name)
            expected = 100 * eer(aligned, trials.target)[0]
            assert rows[-1][column] == pytest.approx(expected), column
    assert {row["input_eer_pairs"] for row in rows} == {rows[0]["input_eer_pairs"]}
    with pytest.raises(SreError, match="--list and validation.lists of the model need each other"):
        run(data, tmp_path / "x", *lists, **TARGETS)


def test_the_softmax_starts_from_that_of_the_extractor(
    data: Path, tmp_path: Path, feature_dir: Callable[..., Path]
) -> None:
    extractor = {"features": "f", "source": "features", "embeddings_of": None, "architecture": "xvector"}
    options = {"embedding_dim": 12, "channels": 8, "pooled_channels": 8}
    folder = feature_dir(tmp_path / "f", speakers=10, utterances=6, dimension=20)
    utt2spk = {utt: f"s{number // 6}" for number, utt in enumerate(sorted(read_utt2spk(folder / "utt2spk")))}
    write_table(folder / "utt2spk", utt2spk)
    yaml = {**MODEL, **extractor, "options": options, "loss": {"type": "softmax"}, "filter": {"min_frames": 10}}
    yaml["training"] = MODEL["training"] | {"chunk_frames": [20, 20]}
    yaml["validation"] = {"speakers": 2, "utterances": 1, "frames": 20}
    del yaml["source"], yaml["embeddings_of"]
    (tmp_path / "extractor.yaml").write_text(canonical(yaml))
    train_embedding.main(
        [
            str(tmp_path / "extractor.yaml"),
            "--data",
            str(folder),
            "--feats",
            str(folder / "feats.scp"),
            "--device",
            "cpu",
            str(tmp_path / "e/final.pt"),
        ]
    )
    given = "--classifier", str(tmp_path / "e/final.pt")
    frozen = {"epochs": 1, "batch_size": 8, "optimizer": "adam", "lr": 1e-12, "final_lr": 1e-12, "weight_decay": 0}
    for loss in ("softmax", "target_mse_softmax"):
        changed = TARGETS | {"loss": {"type": loss}, "head": "extractor", "training": frozen | {"final": "last"}}
        run(data, tmp_path / loss, *given, **changed)
        heads = [load_bundle(tmp_path / name / "final.pt", with_head=True).head for name in ("e", loss)]
        for key in ("linear.weight", "linear.bias"):
            torch.testing.assert_close(heads[0][key], heads[1][key], rtol=0, atol=1e-8)
    with pytest.raises(SreError, match="--classifier and head: extractor of the model need each other"):
        run(data, tmp_path / "x", **TARGETS | {"loss": {"type": "softmax"}, "head": "extractor"})


def test_models_of_two_parts_share_no_speaker_but_those_held_out(data: Path, tmp_path: Path) -> None:
    heard = []
    for part in (1, 2):
        run(data, tmp_path / str(part), filter={"speakers": {"part": part, "of": 2}})
        summary = TrainSummary.read(tmp_path / str(part) / "train_summary.json")
        heard.append({*load_bundle(tmp_path / str(part) / "final.pt").speakers})
        assert summary.held_out_speakers == 2 and summary.speakers == len(heard[-1])
        assert summary.dropped_of_other_parts == 60 - 6 * (len(heard[-1]) + 2)
    everyone = {f"s{number}" for number in range(10)}
    assert not heard[0] & heard[1] and len(everyone - heard[0] - heard[1]) == 2
    with pytest.raises(SreError, match="part 11 of 11 parts of 10 speakers is none, or empty"):
        run(data, tmp_path / "x", filter={"speakers": {"part": 11, "of": 11}})


def test_fine_tuned(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "mlp")
    first = tmp_path / "mlp/final.pt"
    run(
        data,
        tmp_path / "tuned",
        "--init",
        str(first),
        init="mlp",
        embeddings_of="other",
        freeze=["layers.0", "layers.1"],
    )
    here, there = load_bundle(tmp_path / "tuned/final.pt"), load_bundle(first)
    kept = {name for name in here.network if torch.equal(here.network[name], there.network[name])}
    assert kept and kept == {name for name in here.network if name.startswith(("layers.0", "layers.1"))}
    with pytest.raises(SreError, match="--init would do nothing, as the model has no init"):
        run(data, tmp_path / "x", "--init", str(first))


def test_the_run_of_the_same_seed_is_read() -> None:
    runs = {name: Run("xvector", seed, "f") for name, seed in (("xvector", 1), ("xvector_s2", 2))}
    runs |= {name: Run("mlp", seed, source="embeddings", of="xvector") for name, seed in (("mlp", 1), ("mlp_s2", 2))}
    assert {name: run.of for name, run in with_sources(runs).items()} == {
        "xvector": None, "xvector_s2": None, "mlp": "xvector", "mlp_s2": "xvector_s2"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of", "told"), [("xvektor", "'xvektor' is no run of this recipe; the nearest is 'xvector'"), ("mlp", "of its own")]
)
def test_embeddings_of_nobody(of: str, told: str) -> None:
    runs = {"xvector": Run("xvector", 1, "f"), "mlp": Run("mlp", 1, source="embeddings", of=of)}
    with pytest.raises(SreError, match=told):
        with_sources(runs)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"embeddings_of": None}, "source: embeddings needs embeddings_of"),
        ({"features": "fbank"}, "source: embeddings reads no features; take features: fbank away"),
        ({"augment": {"time_masks": 1}}, "augment.time_masks would do nothing to embeddings"),
        ({"source": "features"}, "features 'None' are not in the recipe's config"),
        (
            {"head": "extractor"},
            "head: extractor is the start of a softmax, and loss aam has none; set loss.type softmax",
        ),
        (TARGETS | {"filter": {"min_utterances": 1}}, "speakers with one utterance, whose target would be of nothing"),
        ({"loss": {"type": "session_mmd_mse"}, "training": {"chunks_per_speaker": 4}}, "sampler sessions and losses"),
        ({"loss": {"type": "session_mmd_mse"}, "training": SESSIONS | {"chunks_per_speaker": 6}}, "is a multiple of 4"),
        (
            {
                "loss": {"type": "session_mmd_mse"},
                "training": SESSIONS | {"utterances_per_speaker": 5, "batch_size": 16},
            },
            "utterances_per_speaker would do nothing with sampler sessions",
        ),
        ({"filter": {"speakers": {"part": 3, "of": 2}}}, "filter.speakers: part 3 of 2 is none"),
    ],
)
def test_what_does_not_go_with_embeddings(changed: dict, told: str) -> None:
    with pytest.raises(SreError, match=told):
        config(**changed)
