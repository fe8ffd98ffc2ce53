"""What becomes final.pt, when a training ends, and which checkpoints stay: also where it is killed in between."""

# ruff: noqa: F811 (fixtures of test_resume)

import math
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from test_resume import (
    Killed,
    a_checkpoint_after_each_step,  # noqa: F401  (a fixture)
    checkpoints,
    config,
    data,  # noqa: F401
    result,
    resumed_and_whole,
    train,
    trainer_of,
)

from sre import SreError
from sre.config.checkpoints import decisive, most_at_once
from sre.experiments.clean import find
from sre.experiments.rerun import epochs_done
from sre.io import atomic
from sre.io.text import canonical
from sre.losses import build_head
from sre.models import bundle as bundles
from sre.models.bundle import Bundle
from sre.training import job, kept, trainer
from sre.training.judge import Judge, fixed_batches
from sre.training.options import TrainingOptions
from sre.training.schedule import Span
from sre.training.summary import Epoch, TrainSummary

NAN = math.nan
FIVE = Span(updates=15, epoch=3)


def history(*values: float | None) -> list[Epoch]:
    return [{"epoch": n, "valid_loss": value, "valid_eer": value} for n, value in enumerate(values, 1)]


def options(**asked: object) -> TrainingOptions:
    given = dict.fromkeys(("batch_size", "chunks_per_speaker", "lr", "final_lr", "warmup_epochs", "seed"), 1)
    given |= {"chunk_frames": (1, 1), "chunk_cmn": True, "optimizer": "sgd", "weight_decay": 0.0, "momentum": 0.0}
    given |= {"clip_norm": 0.0, "average_last": 2, "precision": "fp32", "margin": 0.2, "margin_epochs": (0, 0)}
    return TrainingOptions(**{**given, "epochs": 5, **asked})


@pytest.mark.parametrize(
    "values, best", [((3, 2, 4), 2), ((2, 1, 1), 2), ((NAN, 2, NAN), 2), ((None, math.inf), 0), ((), 0), ((None, 7), 2)]
)
def test_the_best_epoch_is_the_first_of_the_lowest(values: tuple, best: int) -> None:
    assert kept.best_epoch(history(*values), "valid_eer") == best


@pytest.mark.parametrize(
    "values, ended",
    [
        ((3, 4, 5), True),
        ((3, 4), False),
        ((3, 4, 2, 2), False),
        ((3, 4, 2, 2, 2), True),
        ((NAN, None), True),
        ((), False),
    ],
)
def test_patience_ends_a_training(values: tuple, ended: bool) -> None:
    assert kept.has_converged(history(*values), options(patience=2)) == ended
    assert not kept.has_converged(history(*values), options())


def test_what_is_said_of_the_end() -> None:
    told = kept.why_ended(history(3, 4, 5), options(patience=2, monitor="valid_eer"), FIVE)
    assert told == "it ended after epoch 3 of 5, as 2 in a row had no better valid_eer; the best was 3, of epoch 1"
    assert kept.why_ended(history(NAN, NAN), options(patience=2), FIVE).endswith("no better valid_loss; none had any")
    assert not kept.why_ended(history(5, 4, 3, 3, 3), options(patience=2), FIVE)  # the last one
    words = {
        "average": "the mean of epochs 4 to 5",
        "last": "that of epoch 5, the last one",
        "ema": "the moving average of the weights, with decay 0.9",
        "best_eer": "that of epoch 2, whose valid_eer 1.5 is the lowest",
    }
    for final, told in words.items():
        assert kept.words_of(history(3, 1.5, 2, 4, 5), options(final=final, ema=0.9), FIVE) == told


@pytest.mark.parametrize(
    "asked, done, epochs",
    [
        ({}, 5, [4, 5]),
        ({}, 1, [4, 5]),  # those that will be averaged
        ({"patience": 2}, 1, [1]),  # any may be the last one
        ({"patience": 2}, 3, [2, 3]),
        ({"average_last": 9}, 5, [1, 2, 3, 4, 5]),
        ({"final": "last"}, 5, [5]),
        ({"final": "best_loss"}, 3, [2]),
        ({"final": "best_loss"}, 0, []),
        ({"final": "ema", "ema": 0.9}, 5, []),
    ],
)
def test_which_epochs_make_the_final_network(asked: dict, done: int, epochs: list[int]) -> None:
    assert kept.final_epochs(history(3, 1, 2, 1, 5)[:done], options(**asked), FIVE) == epochs


def test_the_moving_average_by_hand() -> None:
    """Weights 1, 3, 5 with decay 0.5 count 1/7, 2/7 and 4/7; buffers stay, and the weights come back to the bit."""
    network = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.BatchNorm1d(1, affine=False))
    average = kept.MovingAverage([network], 0.5)
    for value, expected in ((1.0, 1.0), (3.0, (1 + 2 * 3) / 3), (5.0, (1 + 2 * 3 + 4 * 5) / 7)):
        torch.nn.init.constant_(network[0].weight, value)
        network[1].running_mean.fill_(value)
        average.add()
        with average.in_place():
            assert network[0].weight.item() == pytest.approx(expected) and float(network[1].running_mean) == value
        assert network[0].weight.item() == value
    other = kept.MovingAverage([network], 0.5)
    other.load_state_dict(average.state_dict())
    for one in (average, other):
        one.add()
    assert torch.equal(average.averages[0], other.averages[0]) and other.updates == 4


@pytest.mark.parametrize(
    "how",
    [
        {"final": "ema", "ema": 0.9},
        {"final": "best_eer"},
        {"final": "best_loss", "patience": 2, "epochs": 6},
        {"patience": 1, "monitor": "valid_eer", "epochs": 6, "lr": 0.5},
        {"final": "last", "steps": 8},
    ],
    ids=lambda how: "-".join(map(str, how)),
)
def test_killed_and_gone_on_as_uninterrupted(data: Path, tmp_path: Path, monkeypatch, how: dict) -> None:
    resumed, whole = resumed_and_whole(data, tmp_path, monkeypatch, 4, **how)
    assert resumed == whole


def of_checkpoint(out: Path, step: int) -> dict:
    (path,) = out.glob(f"checkpoints/*/step_{step:09}.pt")
    return bundles.load(path)


def equal(bundle: Bundle, state: dict) -> bool:
    parts = (bundle.network, state["network"]), (bundle.head or {}, state["head"])
    return all(a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in b) for a, b in parts)


def values(monkeypatch: pytest.MonkeyPatch, *told: float) -> None:
    """The EERs after the epochs, whatever the network."""
    said = iter(told)
    monkeypatch.setattr(Judge, "_eer", lambda self: next(said))


@pytest.mark.parametrize("final, epoch", [("best_eer", 2), ("last", 4)])
def test_final_is_that_epoch_and_says_so(
    data: Path, tmp_path: Path, monkeypatch, capsys, final: str, epoch: int
) -> None:
    values(monkeypatch, 9, 3, NAN, 3)
    train(data, tmp_path, final=final, epochs=4)
    bundle = bundles.load_bundle(tmp_path / "final.pt", with_head=True)
    assert equal(bundle, of_checkpoint(tmp_path, 3 * epoch))
    summary = TrainSummary.read(tmp_path / "train_summary.json")
    assert (summary.final_network, summary.final_epochs, summary.epochs, summary.ended) == (final, [epoch], 4, "")
    assert f"final.pt is that of epoch {epoch}" in capsys.readouterr().err


def test_the_loss_is_averaged_with_the_network(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path)
    head = bundles.load_bundle(tmp_path / "final.pt", with_head=True).head
    ends = [of_checkpoint(tmp_path, step)["head"]["weight"].double() for step in (6, 9)]
    assert head and torch.equal(head["weight"], ((ends[0] + ends[1]) / 2).float())


def test_a_training_that_ends_early(data: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    """The average is over the last epochs that were done; nothing takes it for one that was broken off."""
    values(monkeypatch, 9, 3, 4, 5)
    how = {"epochs": 6, "patience": 2, "monitor": "valid_eer"}
    train(data, tmp_path, **how)
    why = "it ended after epoch 4 of 6, as 2 in a row had no better valid_eer; the best was 3, of epoch 2"
    said = capsys.readouterr().err
    assert why in said and "final.pt is the mean of epochs 3 to 4" in said
    summary = TrainSummary.read(tmp_path / "train_summary.json")
    assert (summary.epochs, summary.final_epochs, summary.ended) == (4, [3, 4], why)
    assert epochs_done(tmp_path, shlex.join(["x", canonical(decisive(config(**how)))])) == (4, 4)
    first = result(tmp_path)
    for lost in ("final.pt", "checkpoints/*/final.pt"):  # of the second, the checkpoints tell that it has ended
        for path in tmp_path.glob(lost):
            path.unlink()
        with monkeypatch.context() as patch:
            patch.setattr(trainer.Trainer, "_one_step", None)
            (tmp_path / "final.pt").unlink(missing_ok=True)
            train(data, tmp_path, **how)
        assert result(tmp_path) == first and "this training is complete" in capsys.readouterr().err


@pytest.mark.parametrize(
    "stay, left", [("none", []), ("last", ["step_000000009.pt"]), ("all", [f"step_00000000{n}.pt" for n in (6, 8, 9)])]
)
def test_which_checkpoints_stay(data: Path, tmp_path: Path, stay: str, left: list[str]) -> None:
    run = train(data, tmp_path / "run", checkpoints=stay)
    assert checkpoints(run) == left
    (beside,) = run.glob("checkpoints/*/final.pt")
    assert beside.samefile(run / "final.pt")  # which takes no room
    assert [item.path for item in find([tmp_path])[tmp_path]] == [beside.parent] * bool(left)
    assert TrainSummary.read(run / "train_summary.json").config == decisive(config())


PLACES = {
    "before final.pt": (job, "link"),
    "before the checkpoints go": (kept, "clear"),
    "among the checkpoints": (Path, "unlink"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stay", ["none", "last"])
def test_killed_at_the_end(data: Path, tmp_path: Path, monkeypatch, place: str, stay: str) -> None:
    """Snakemake deletes what a killed job has made; the next run makes the same of what is left, without a step."""
    whole = result(train(data, tmp_path / "whole", checkpoints=stay))
    with monkeypatch.context() as patch:
        if place == "among the checkpoints":
            clear = kept.clear
            unlink = Path.unlink

            def unlink_one(path: Path, *more: object, **given: object) -> None:
                if path.name != "step_000000006.pt" and path.name.startswith("step_"):
                    raise Killed
                unlink(path, *more, **given)

            def clear_one(*given: object) -> None:
                patch.setattr(Path, "unlink", unlink_one)
                clear(*given)

            patch.setattr(kept, "clear", clear_one)
        else:
            patch.setattr(*PLACES[place], lambda *given: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            train(data, tmp_path / "killed", checkpoints=stay)
    for name in ("final.pt", "train_summary.json"):
        (tmp_path / "killed" / name).unlink(missing_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "_one_step", None)
        assert result(train(data, tmp_path / "killed", checkpoints=stay)) == whole
    assert checkpoints(tmp_path / "killed") == checkpoints(tmp_path / "whole")


def test_a_full_disk_at_the_end_loses_nothing(data: Path, tmp_path: Path, monkeypatch) -> None:
    whole = result(train(data, tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(Bundle, "save", lambda *given: (_ for _ in ()).throw(SreError("no room")))
        with pytest.raises(SreError, match="no room"):
            train(data, tmp_path / "full", checkpoints="none")
    assert checkpoints(tmp_path / "full") == [f"step_00000000{n}.pt" for n in (6, 8, 9)]
    assert not (tmp_path / "full/final.pt").exists()
    assert result(train(data, tmp_path / "full", checkpoints="none")) == whole


def test_a_damaged_final_network_is_made_again(data: Path, tmp_path: Path, capsys) -> None:
    whole = result(train(data, tmp_path))
    (beside,) = tmp_path.glob("checkpoints/*/final.pt")
    beside.write_bytes(beside.read_bytes()[:1000])  # and final.pt with it
    assert result(train(data, tmp_path)) == whole
    assert "final.pt: not a readable checkpoint" in capsys.readouterr().err


def test_no_more_checkpoints_than_are_needed(data: Path, tmp_path: Path, monkeypatch) -> None:
    values(monkeypatch, 3, 9, 2, 4, 5)
    there: list[list[int]] = []
    save = trainer.Trainer._save

    def watched(self: trainer.Trainer) -> None:
        save(self)
        there.append([int(name[5:14]) for name in checkpoints(tmp_path)])

    monkeypatch.setattr(trainer.Trainer, "_save", watched)
    train(data, tmp_path, final="best_eer", epochs=5)
    assert there[2:] == [[2, 3], [3, 4], [3, 4, 5], [3, 5, 6], [3, 6, 7], [3, 7, 8], *([n - 1, n] for n in (9, 10)),
                         *([9, n - 1, n] for n in range(11, 16))]  # fmt: skip
    most = most_at_once({"final": "best_eer", "average_last": 10})
    assert max(map(len, there)) == most == 3 and most_at_once({"average_last": 10}) == 12


@pytest.mark.parametrize(
    "how, validation, why",
    [
        ({"final": "best_eer"}, {"speakers": 2}, "training.final best_eer looks at valid_eer: no speaker is held out"),
        ({"patience": 1}, {"utterances": 9}, "training.patience looks at valid_loss: no utterance is held out; raise"),
    ],
)
def test_nothing_to_choose_by(data: Path, tmp_path: Path, monkeypatch, how: dict, validation: dict, why: str) -> None:
    """Before the first step: a corpus is too small for what is asked."""
    made = trainer_of(data, tmp_path, config())
    lacking = "held_out" if "speakers" in validation else "valid"
    given = {name: getattr(made, name) for name in ("network", "head", "features", "labels", "device", "folder")}
    parts = {"held_out": made.held_out, "valid": made.valid} | {lacking: None}
    asked = trainer_of(data, tmp_path, config(**how)).options
    with pytest.raises(SreError, match=why):
        trainer.Trainer(**given, options=asked, **parts)


def test_patience_longer_than_the_steps(data: Path, tmp_path: Path) -> None:
    trainer_of(data, tmp_path, config(patience=1, steps=7))  # 3 epochs
    with pytest.raises(SreError, match="patience 2 would do nothing, as training.steps 7 are 3 epochs; lower it"):
        trainer_of(data, tmp_path, config(patience=2, steps=7))


def test_epochs_without_a_value_give_no_best(data: Path, tmp_path: Path, monkeypatch) -> None:
    values(monkeypatch, NAN, NAN, NAN)
    with pytest.raises(SreError, match="no epoch had a value to choose by; lower training.lr, or set training.final"):
        train(data, tmp_path, final="best_eer")


def test_fixed_batches_of_a_loss_that_compares() -> None:
    names = list("aaaaabbbbccddd")  # 5, 4, 2 and 3 chunks
    batches = list(fixed_batches(names, 2, 64, triplets=False))
    assert [["".join(names[row] for row in rows), len(rows)] for rows in batches] == [["aabbccdd", 8], ["aabb", 4]]
    assert len(np.unique(np.concatenate(batches))) == 12
    assert [len(rows) for rows in fixed_batches(names, 2, 4, triplets=False)] == [4, 4, 4]
    (first, second) = fixed_batches(names, 2, 64, triplets=True)
    assert "".join(names[row] for row in first) == "aabbbcccddda" and len(second) == 6
    assert not list(fixed_batches([], 0, 64, triplets=False)) and not list(fixed_batches(list("aab"), 2, 8, False))


class FirstFrame(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0]

    embed = forward


@pytest.mark.parametrize("mining", ["random", "semi_hard"])
def test_the_loss_of_fixed_batches_draws_nothing_of_the_training_s(mining: str) -> None:
    """It is that at the full margin, whatever the schedule's; and the training's draws go on as without it."""
    draw = torch.Generator().manual_seed(0)
    chunks, names = torch.randn(8, 1, 4, generator=draw), np.array(list("aabbccdd"))
    head = build_head(4, 4, "triplet", 1.0, mining=mining)
    judge = Judge(
        FirstFrame(), head, options(chunks_per_speaker=2, batch_size=8), torch.device("cpu"), None, (chunks, names)
    )
    torch.manual_seed(5)
    told = [judge() for _ in range(2)]
    assert torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(5))
    assert told[0] == told[1] and head.margin == 0
    head.margin = 0.2
    if mining == "semi_hard":
        expected = head.eval()(chunks[:, 0], torch.arange(4).repeat_interleave(2))[0]
        assert told[0]["valid_loss"] == pytest.approx(float(expected)) and told[0]["valid_accuracy"] is None
    assert not judge.lacks("valid_loss") and not judge.lacks("valid_eer")
    alone = Judge(FirstFrame(), head, options(chunks_per_speaker=2), torch.device("cpu"), None, None)
    assert "the loss compares 2 chunks of a speaker with those of others, and no two held-out" in alone.lacks(
        "valid_loss"
    )


@pytest.mark.parametrize("linked", [True, False])
def test_a_second_name(tmp_path: Path, monkeypatch, linked: bool) -> None:
    """A copy where a file system has no links; what stood there is replaced; twice is as once."""
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    if not linked:
        monkeypatch.setattr(atomic.os, "link", lambda *paths: (_ for _ in ()).throw(OSError(1, "no links")))
    for _ in range(2):
        atomic.link(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b").read_text() == "new" and (tmp_path / "b").samefile(tmp_path / "a") == linked
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
