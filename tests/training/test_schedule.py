"""Learning rates against torch's schedulers, margins and lengths by hand."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch.optim import lr_scheduler

from sre.training.options import ScheduleOptions, TrainingOptions
from sre.training.schedule import Span, learning_rate, margin, out_of_reach, reductions

EPOCHS, PER_EPOCH = 6, 20
SPAN = Span(EPOCHS * PER_EPOCH, PER_EPOCH)


def options(
    type: str = "exponential",
    warmup_epochs: float = 0,
    final_lr: float = 1e-3,
    margin_epochs: tuple[float, float] = (1, 3),
    **form: object,
):
    schedule = ScheduleOptions(type=type, **{"factor": 0.5, "every": 2, "patience": 1, **form})
    keys = {"batch_size": 4, "chunks_per_speaker": 0, "chunk_frames": (20, 20), "chunk_cmn": True, "optimizer": "sgd"}
    keys |= {"weight_decay": 0.0, "momentum": 0.0, "clip_norm": 0.0, "average_last": 1, "precision": "fp32", "seed": 1}
    keys |= {"margin": 0.2, "margin_epochs": margin_epochs, "epochs": EPOCHS, "lr": 0.1, "final_lr": final_lr}
    return TrainingOptions(**keys, warmup_epochs=warmup_epochs, schedule=schedule)


def rates_of(scheduler: object, updates: int, lr: float = 0.1, after: int = 1) -> Iterator[float]:
    """The rates that a scheduler of torch gives, which goes on after so many updates."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr)
    made = scheduler(optimizer)
    for step in range(updates):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        if (step + 1) % after == 0:
            made.step()


def cycles(optimizer: torch.optim.Optimizer) -> lr_scheduler.CyclicLR:
    return lr_scheduler.CyclicLR(optimizer, 1e-3, 0.1, 15, mode="triangular2", cycle_momentum=False)


def warmed_cosine(optimizer: torch.optim.Optimizer) -> lr_scheduler.SequentialLR:
    ramp = lr_scheduler.LambdaLR(optimizer, lambda step: step / PER_EPOCH)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, SPAN.updates - PER_EPOCH, 1e-3)
    return lr_scheduler.SequentialLR(optimizer, [ramp, fall], [PER_EPOCH])


@pytest.mark.parametrize(
    "asked, scheduler, after",
    [
        (options(), lambda o: lr_scheduler.ExponentialLR(o, (1e-3 / 0.1) ** (1 / SPAN.updates)), 1),
        (options("cosine"), lambda o: lr_scheduler.CosineAnnealingLR(o, SPAN.updates, 1e-3), 1),
        (options("cosine", warmup_epochs=1), warmed_cosine, 1),
        (options("step"), lambda o: lr_scheduler.StepLR(o, 2, 0.5), PER_EPOCH),
        (options("cyclic", half_cycle=15), cycles, 1),
        (options("cyclic", half_cycle_epochs=0.75), cycles, 1),
        (options("constant"), lambda o: lr_scheduler.ConstantLR(o, 1.0), 1),
    ],
    ids=["exponential", "cosine", "warmed cosine", "step", "cyclic", "cyclic in epochs", "constant"],
)
def test_as_torch(asked: TrainingOptions, scheduler: object, after: int) -> None:
    own = [learning_rate(step, SPAN, asked) for step in range(SPAN.updates)]
    assert own == pytest.approx(list(rates_of(scheduler, SPAN.updates, after=after)), rel=1e-9)


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_a_plateau_as_torch(patience: int) -> None:
    """Values that fall, stand still, fall by less than a ten-thousandth, and are no numbers."""
    draw = torch.Generator().manual_seed(patience)
    seen = [5 * 0.97**n + float(torch.rand((), generator=draw)) for n in range(60)] + [3.0, 2.9999, math.nan, 2.9, 2.9]
    asked = options("plateau", patience=patience, final_lr=1e-4)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=patience, min_lr=1e-4, eps=0)
    for number, value in enumerate(seen):
        rows = [{"valid_loss": loss} for loss in seen[:number]]
        assert learning_rate(0, SPAN, asked, rows) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        scheduler.step(value)
    assert reductions(seen, patience) >= 3 and reductions([None] * 4, 1) == 2


def test_rates_of_a_config_without_schedule_are_those_of_before() -> None:
    """To the bit: trainings give the same bytes."""
    asked, warm = options(warmup_epochs=2.5), 2.5 / EPOCHS
    for step in range(SPAN.updates):
        at = step / SPAN.updates
        before = min(1.0, at / warm) * 0.1 * math.exp(at * math.log(1e-3 / 0.1))
        assert learning_rate(step, SPAN, asked) == before
        t = (at - 1 / EPOCHS) / (3 / EPOCHS - 1 / EPOCHS)
        grown = 0.0 if at <= 1 / EPOCHS else 0.2 if at >= 3 / EPOCHS else 0.2 * (1 - 1e-3**t)
        assert margin(step, SPAN, asked) == grown


def test_a_short_warm_up_wastes_no_update() -> None:
    """Of n updates it begins at 1 / (n + 1) where n is below 10, or where an epoch is a single update."""
    flat = options("constant", warmup_epochs=3)
    assert [learning_rate(step, Span(9, 1), flat) for step in range(4)] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert learning_rate(0, Span(60, 3), flat) == pytest.approx(0.01)
    assert learning_rate(0, Span(80, 4), flat) == 0
    assert learning_rate(0, Span(100, 1), options("constant", warmup_epochs=19)) == pytest.approx(0.005)


def test_a_linear_margin() -> None:
    asked = TrainingOptions(**{**vars(options()), "margin_schedule": "linear"})
    grown = [margin(step, SPAN, asked) for step in (20, 30, 40, 50, 60, 119)]
    assert grown == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.2])


@pytest.mark.parametrize(
    "keys, span, ends",
    [
        ({"epochs": 3}, (12, 4), [4, 8, 12]),
        ({"steps": 10}, (10, 4), [4, 8, 10]),
        ({"steps": 10, "interval": 5}, (10, 5), [5, 10]),
        ({"epochs": 2, "interval": 7}, (14, 7), [7, 14]),
        ({"steps": 2}, (2, 4), [2]),
    ],
)
def test_lengths(keys: dict, span: tuple[int, int], ends: list[int]) -> None:
    made = Span.of(TrainingOptions(**{**vars(options()), "epochs": 0, **keys}), 4)
    assert made == Span(*span) and made.epochs == len(ends)
    assert [step for step in range(1, made.updates + 1) if made.ends(step)] == ends
    assert [made.end_of(epoch) for epoch in range(1, made.epochs + 1)] == ends
    assert [made.number(end) for end in ends] == list(range(1, len(ends) + 1))


@pytest.mark.parametrize(
    "asked, with_margin, said",
    [
        (options(), True, []),
        (options(margin_epochs=(6, 9)), True, ["margin_epochs [6, 9] begin after 6 epochs"]),
        (options(margin_epochs=(5.9, 9)), True, []),
        (options(margin_epochs=(6, 9)), False, []),
        (options("cyclic", half_cycle=120), True, []),
        (
            options("cyclic", half_cycle=240),
            True,
            ["rises to 0.0505 and never to lr 0.1, since half a cycle is 240 up"],
        ),
    ],
)
def test_what_lies_after_the_last_update_is_told(asked: TrainingOptions, with_margin: bool, said: list[str]) -> None:
    found = out_of_reach(SPAN, asked, with_margin)
    assert len(found) == len(said) and all(part in text for part, text in zip(said, found, strict=True))
