"""Repeats over seeds as curves, learning rates as they were used, and how many images an error is worth."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.models import schedules
from helpers.training.fit import Run


def held_out_errors(runs: Sequence[Run]) -> np.ndarray:
    """Return the share of misread validation images of each run, float64 (seeds,)."""
    return np.array([np.mean(run.val_predictions != run.spec.split.y_val) for run in runs])


def held_out_correct(runs: Sequence[Run]) -> np.ndarray:
    """Return which validation images each run reads correctly, bool (seeds, n).

    Raises ValueError when the runs were validated on different labels.
    """
    first = runs[0].spec.split.y_val
    if any(not np.array_equal(run.spec.split.y_val, first) for run in runs):
        raise ValueError("runs: validated on different images; repeats of one split are allowed")
    return np.array([run.val_predictions == run.spec.split.y_val for run in runs])


def table(errors: Mapping[float, Sequence[float]], *, name: str = "x") -> pd.DataFrame:
    """Return one row per x: mean, least and most error over the seeds, and their number; index named `name`."""
    rows = {
        x: {"mean": np.mean(values), "low": np.min(values), "high": np.max(values), "seeds": len(values)}
        for x, values in errors.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(name)


def images_needed(n_images: Sequence[float], errors: Sequence[float], error: float) -> float:
    """Return how many training images the curve `errors` over `n_images` needs to come down to `error`.

    Straight lines between the points on double-logarithmic axes, where learning curves are nearly straight; a curve
    that rises by chance is first made level (running minimum). NaN when `error` lies outside what the curve covers.
    Raises ValueError for fewer than two points, sizes that do not rise, or errors that are not above 0.
    """
    n, e = np.asarray(n_images, float), np.asarray(errors, float)
    if n.shape != e.shape or len(n) < 2 or (np.diff(n) <= 0).any() or n[0] <= 0 or (e <= 0).any():
        raise ValueError("n_images, errors: two or more rising sizes, each with an error above 0, are allowed")
    level = np.minimum.accumulate(e)
    if not level[-1] <= error <= level[0]:
        return float("nan")
    # np.interp wants rising abscissae: walk the errors from the smallest.
    return float(np.exp(np.interp(np.log(error), np.log(level[::-1]), np.log(n[::-1]))))


def rates_used(run: Run) -> pd.DataFrame:
    """Return the learning rate over the training: columns epoch (0 to the number of epochs) and rate.

    One row per step; for a plateau two per epoch, as what it does depends on the run.
    """
    spec = run.spec
    if spec.schedule == "plateau":
        rate = run.history["learning_rate"].to_numpy()
        ends = np.arange(len(rate) + 1)
        return pd.DataFrame({"epoch": np.repeat(ends, 2)[1:-1], "rate": np.repeat(rate, 2)})
    total = spec.epochs * spec.steps
    rate = schedules.rates(spec.schedule, total, peak=spec.learning_rate, options=spec.schedule_options)
    return pd.DataFrame({"epoch": (np.arange(total) + 0.5) / spec.steps, "rate": rate})
