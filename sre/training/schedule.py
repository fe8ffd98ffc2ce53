"""Learning rate and margin as functions of the update and the history, so that a resumed training restores nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sre.training.options import ScheduleOptions, TrainingOptions
from sre.training.summary import Epoch

FEW_UPDATES = 10  # a shorter warm-up does not begin at 0, which would waste much of it
LEAST_GAIN = 1e-4  # share by which a better value is below the best one, as in torch's ReduceLROnPlateau


@dataclass(frozen=True)
class Span:
    """How long a training is, in updates.

    updates : in all
    epoch : in each epoch; the last one may have fewer
    """

    updates: int
    epoch: int

    @classmethod
    def of(cls, options: TrainingOptions, one_pass: int) -> "Span":
        """Return the length of a training with `one_pass` updates in a pass over its utterances."""
        epoch = options.interval or one_pass
        return cls(options.steps or options.epochs * epoch, epoch)

    @property
    def epochs(self) -> int:
        """The number of epochs, with the last one, which may be shorter."""
        return self.number(self.updates)

    def number(self, step: int) -> int:
        """Return the number, from 1, of the epoch that the update before `step` is in."""
        return -(-step // self.epoch)

    def ends(self, step: int) -> bool:
        """Return whether an epoch ends at `step`."""
        return step % self.epoch == 0 or step == self.updates

    def end_of(self, epoch: int) -> int:
        """Return the step at the end of an epoch, numbered from 1."""
        return min(epoch * self.epoch, self.updates)

    def progress(self, epochs: float) -> float:
        """Return so many epochs as a share of the whole training."""
        return epochs / (self.updates / self.epoch)


def learning_rate(step: int, span: Span, options: TrainingOptions, history: Sequence[Epoch] = ()) -> float:
    """Return the rate of the update `step`, from 0, after the epochs of `history`, which a plateau looks at."""
    o, form = options, options.schedule
    if form.type == "cyclic":
        return _triangle(step, span, o)
    ramp, shape = _warm_up(step, span, o.warmup_epochs), 1.0
    if form.type == "exponential":  # WeSpeaker's ExponentialDecrease
        shape = math.exp(step / span.updates * math.log(o.final_lr / o.lr))
    elif form.type == "step":
        shape = form.factor ** (step // (form.every * span.epoch))
    elif form.type == "cosine":
        return ramp * _cosine(step, span, o)
    elif form.type == "plateau":
        shape = max(o.final_lr / o.lr, form.factor ** reductions([row[o.monitor] for row in history], form.patience))
    return ramp * o.lr * shape


def _warm_up(step: int, span: Span, epochs: float) -> float:
    """Return the factor of a linear warm-up, from 0 at the first update to 1.

    Of n updates, if these are fewer than FEW_UPDATES or an epoch is a single one, it begins at 1 / (n + 1) instead.
    """
    if epochs <= 0:
        return 1.0
    updates = epochs * span.epoch
    if updates < FEW_UPDATES or span.epoch == 1:
        return min(1.0, (step + 1) / (updates + 1))
    return min(1.0, step / span.updates / span.progress(epochs))


def _cosine(step: int, span: Span, o: TrainingOptions) -> float:
    """Return half a cosine from lr, where the warm-up ends, to final_lr. I. Loshchilov, F. Hutter, ICLR 2017, (5)."""
    begin = o.warmup_epochs * span.epoch
    done = max(0.0, step - begin) / max(1.0, span.updates - begin)
    return o.final_lr + (o.lr - o.final_lr) * (1 + math.cos(math.pi * min(1.0, done))) / 2


def _triangle(step: int, span: Span, o: TrainingOptions) -> float:
    """Return the rate between final_lr, lr and final_lr. L. Smith, WACV 2017; each cycle's height is times `factor`."""
    form: ScheduleOptions = o.schedule
    half = form.half_cycle or form.half_cycle_epochs * span.epoch
    cycle, place = divmod(step, 2 * half)
    height = (o.lr - o.final_lr) * form.factor**cycle
    return o.final_lr + height * (1 - abs(place / half - 1))


def reductions(seen: Sequence[float | None], patience: int) -> int:
    """Return how often a plateau has lowered the rate after epochs with these values, as torch's ReduceLROnPlateau.

    It does after more than `patience` epochs in a row without a value below the best one by LEAST_GAIN. What is
    unknown or not finite is not better.
    """
    best, bad, count = math.inf, 0, 0
    for value in seen:
        if value is not None and value < best * (1 - LEAST_GAIN):
            best, bad = value, 0
        else:
            bad += 1
        if bad > patience:
            bad, count = 0, count + 1
    return count


def margin(step: int, span: Span, options: TrainingOptions) -> float:
    """Return 0 before the first of margin_epochs, the margin after the second.

    Between them, with t from 0 to 1: margin (1 - 1e-3^t), WeSpeaker's MarginScheduler, or linear, margin t.
    """
    progress = step / span.updates
    begin, end = map(span.progress, options.margin_epochs)
    if progress >= end:
        return options.margin
    if progress <= begin:
        return 0.0
    t = (progress - begin) / (end - begin)
    return options.margin * (t if options.margin_schedule == "linear" else 1 - 1e-3**t)


def out_of_reach(span: Span, options: TrainingOptions, with_margin: bool) -> list[str]:
    """Return sentences on what of the schedules lies after the last update; with_margin: the loss takes one."""
    epochs, form = span.updates / span.epoch, options.schedule
    found = []
    if with_margin and options.margin and options.margin_epochs[0] >= epochs:
        begin, end = options.margin_epochs
        found.append(
            f"loss.margin is 0 throughout, since margin_epochs [{begin:g}, {end:g}] begin after {epochs:g} epochs,"
            " where the training ends; lower margin_epochs"
        )
    if form.type == "cyclic" and (half := form.half_cycle or form.half_cycle_epochs * span.epoch) > span.updates:
        top = _triangle(span.updates, span, options)
        found.append(
            f"the rate rises to {top:.3g} and never to lr {options.lr:g}, since half a cycle is {half:g} updates and"
            f" the training {span.updates}; lower half_cycle"
        )
    return found
