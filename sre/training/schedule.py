"""Learning rate and margin as functions of progress, so that a resumed training has nothing to restore."""

import math


def learning_rate(progress: float, initial: float, final: float, warmup: float) -> float:
    """Return an exponential decay from initial to final, times a linear warm-up (WeSpeaker's ExponentialDecrease).

    progress and warmup are fractions of the whole training.
    """
    ramp = min(1.0, progress / warmup) if warmup > 0 else 1.0
    return ramp * initial * math.exp(progress * math.log(final / initial))


def margin(progress: float, final: float, begin: float, end: float) -> float:
    """Return 0 before `begin`, `final` after `end`, final (1 - 1e-3^t) between (WeSpeaker's MarginScheduler).

    progress, begin and end are fractions of the whole training; t goes from 0 at `begin` to 1 at `end`.
    """
    if progress >= end:
        return final
    if progress <= begin:
        return 0.0
    return final * (1 - 1e-3 ** ((progress - begin) / (end - begin)))
