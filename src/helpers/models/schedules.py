"""Learning rates: pure functions from the step to the rate, so that a resumed run needs no schedule state."""

from collections.abc import Mapping, Sequence

import numpy as np


def constant(progress: np.ndarray) -> np.ndarray:
    """Stay at the peak."""
    return np.ones_like(progress)


def one_cycle(progress: np.ndarray, *, warm_up: float = 0.2, end: float = 0.0) -> np.ndarray:
    """Rise linearly over the first `warm_up` share of the training, then fall linearly to `end` of the peak."""
    if not 0 <= warm_up < 1:
        raise ValueError(f"warm_up: got {warm_up!r}; from 0 to below 1 is allowed")
    rise = progress / warm_up if warm_up else np.ones_like(progress)
    return np.where(progress < warm_up, rise, end + (1 - end) * (1 - progress) / (1 - warm_up))


def cosine(progress: np.ndarray, *, warm_up: float = 0.0) -> np.ndarray:
    """Fall along half a cosine to zero, after an optional linear warm-up (Loshchilov and Hutter 2017)."""
    if not 0 <= warm_up < 1:
        raise ValueError(f"warm_up: got {warm_up!r}; from 0 to below 1 is allowed")
    rise = progress / warm_up if warm_up else np.ones_like(progress)
    fall = (1 + np.cos(np.pi * np.clip((progress - warm_up) / (1 - warm_up), 0, 1))) / 2
    return np.where(progress < warm_up, rise, fall)


def step(progress: np.ndarray, *, factor: float = 0.1, at: Sequence[float] = (0.5, 0.75)) -> np.ndarray:
    """Multiply by `factor` at each share of the training listed in `at`."""
    return factor ** np.sum(progress[:, None] >= np.asarray(at)[None, :], axis=1).astype(float)


def exponential(progress: np.ndarray, *, start: float = 1e-5) -> np.ndarray:
    """Rise geometrically from `start` of the peak to the peak: the sweep of a learning-rate range test."""
    return start ** (1 - progress)


SCHEDULES = {f.__name__: f for f in (constant, one_cycle, cosine, step, exponential)}
# A plateau depends on what the training has shown so far, so it is computed epoch by epoch (plateau_rate).
NAMES = (*SCHEDULES, "plateau")
STEADY = ("constant", "plateau")  # the rate of an epoch does not depend on how many are to come


def rates(name: str, total_steps: int, *, peak: float, options: Mapping | None = None) -> np.ndarray:
    """Return the learning rate of every step, float32 (total_steps,).

    Step i is evaluated at its middle, (i + 0.5) / total_steps, so neither the first nor the last step is wasted
    on a rate of zero. For "plateau" the peak is returned throughout. Raises ValueError for an unknown name, a
    `peak` that is not positive and finite, or fewer than 0 steps.
    """
    if name not in NAMES:
        raise ValueError(f"schedule: got {name!r}; allowed are {', '.join(NAMES)}")
    if not (np.isfinite(peak) and peak > 0):
        raise ValueError(f"learning_rate: got {peak!r}; a finite number above 0 is allowed")
    if total_steps < 0:
        raise ValueError(f"total_steps: got {total_steps!r}; a whole number from 0 is allowed")
    progress = (np.arange(total_steps) + 0.5) / max(total_steps, 1)
    shape = constant(progress) if name == "plateau" else SCHEDULES[name](progress, **(options or {}))
    return (peak * shape).astype(np.float32)


def plateau_rate(
    values: Sequence[float],
    *,
    peak: float,
    patience: int = 3,
    factor: float = 0.5,
    minimum: float = 1e-5,
    min_delta: float = 1e-4,
) -> float:
    """Return the rate of the next epoch given the watched accuracy of every epoch so far.

    The rule of Keras's ReduceLROnPlateau (mode "max"): after `patience` epochs in a row without a gain of more than
    `min_delta`, multiply by `factor`, never below `minimum`. Computed from the whole history each time, so a resumed
    run cannot disagree with an undisturbed one.
    """
    rate, best, wait = peak, -np.inf, 0
    for value in values:
        if value > best + min_delta:
            best, wait = value, 0
            continue
        wait += 1
        if wait >= patience and rate > minimum:
            rate, wait = max(rate * factor, minimum), 0
    return rate


def suggest(rates_: np.ndarray, losses: np.ndarray, *, smoothing: float = 0.95) -> float:
    """Return the rate at which a range test's loss falls most steeply (per decade of learning rate).

    `losses` (n,) may end in NaN where the training blew up. The losses are smoothed by an exponential average with
    bias correction, and only the part before the lowest smoothed loss is considered, without the first steps, over
    which the average is still little else than single losses (Smith 2017; Howard and Gugger 2020). Raises ValueError
    with fewer than ten finite losses.
    """
    finite = np.isfinite(losses)
    stop = len(losses) if finite.all() else int(np.argmin(finite))
    if stop < 10:
        raise ValueError(f"losses: got {stop} finite values before the first NaN; at least 10 are needed")
    average, smooth = 0.0, np.empty(stop)
    for i, loss in enumerate(np.asarray(losses, float)[:stop]):
        average = smoothing * average + (1 - smoothing) * loss
        smooth[i] = average / (1 - smoothing ** (i + 1))
    lowest = max(int(np.argmin(smooth)), 9)
    slope = np.gradient(smooth[: lowest + 1], np.log10(np.asarray(rates_, float)[: lowest + 1]))
    settled = min(round(1 / (1 - smoothing)), lowest // 2)
    return float(rates_[settled + int(np.argmin(slope[settled:]))])
