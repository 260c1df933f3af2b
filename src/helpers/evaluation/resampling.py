"""What the spread of repeated splits and folds is worth: intervals of their mean that allow for their overlap.

Fold results are not independent: any two training parts share most of their images, and what one fold holds out the
others train on. No unbiased estimate of the variance of their mean exists (Bengio and Grandvalet 2004, No unbiased
estimator of the variance of k-fold cross-validation, JMLR 5, 1089-1105).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, lgamma, sqrt

import numpy as np
import pandas as pd

from helpers.evaluation import metrics


@dataclass(frozen=True, eq=False)
class Repeats:
    """Accuracies over repeated random splits, and how many images each trained on and was tested on."""

    accuracies: np.ndarray  # (n_repeats,) fractions
    n_train: np.ndarray  # (n_repeats,)
    n_test: np.ndarray  # (n_repeats,)

    @property
    def mean(self) -> float:
        return float(self.accuracies.mean())

    @property
    def sd(self) -> float:
        """The standard deviation (n - 1) from split to split."""
        return float(self.accuracies.std(ddof=1))


def corrected_interval(repeats: Repeats, *, confidence: float = 0.95) -> metrics.Interval:
    """Return the mean over repeated splits with an interval that allows for their overlap.

    The splits share images, so dividing the variance by their number promises too much: it could be driven to
    nothing by repeating. Nadeau and Bengio add the ratio of test to training size to 1/J; the interval then
    stops shrinking, as it should. An approximation; clipped to 0..1. `n` of the result is the mean test size.
    Source: Nadeau and Bengio (2003), Inference for the generalization error, Machine Learning 52, 239-281.
    """
    from scipy import stats  # imported where used: it costs a second

    n = len(repeats.accuracies)
    if n < 2:
        raise ValueError(f"repeats must hold at least 2 splits; got {n}")
    share = 1 / n + float(repeats.n_test.sum() / repeats.n_train.sum())
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * sqrt(share) * repeats.sd
    low, high = max(0.0, repeats.mean - half), min(1.0, repeats.mean + half)
    return metrics.Interval(repeats.mean, low, high, confidence, round(float(repeats.n_test.mean())))


def spread_table(repeats: Mapping[str, Repeats]) -> pd.DataFrame:
    """Return, for each kind of repeated split, mean, extremes and spread beside two 95% intervals of the mean.

    Numbers are fractions; intervals are text in per cent. The naive one treats the splits as independent.
    """
    lines = {}
    for name, each in repeats.items():
        naive, fair = metrics.mean_over_seeds(each.accuracies), corrected_interval(each)
        lines[name] = {
            "mean": each.mean,
            "lowest": each.accuracies.min(),
            "highest": each.accuracies.max(),
            "spread (sd)": each.sd,
            "naive interval": f"{100 * naive.low:.1f} to {100 * min(1.0, naive.high):.1f}",
            "corrected interval": f"{100 * fair.low:.1f} to {100 * fair.high:.1f}",
        }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("held out")


@dataclass(frozen=True)
class FoldSummary:
    """Mean and standard deviation (n - 1) of fold accuracies, and two 95% intervals of the mean.

    naive: as if the folds were independent samples. corrected: after Nadeau and Bengio (2003).
    """

    mean: float
    sd: float
    n: int
    naive: metrics.Interval
    corrected: metrics.Interval

    def __str__(self) -> str:
        return f"{self.mean:.2%} ± {100 * self.sd:.2f}"


def summarise(accuracies, *, n_train: int, n_test: int) -> FoldSummary:
    """Summarise fold accuracies (n,), each from `n_train` training and `n_test` held-out images.

    Raises ValueError for fewer than 2 folds.
    """
    accuracies = np.asarray(accuracies, dtype=float)
    seeds = metrics.mean_over_seeds(accuracies)
    n = len(accuracies)
    naive = metrics.Interval(seeds.mean, seeds.low, seeds.high, 0.95, n_test * n)
    repeats = Repeats(accuracies, np.full(n, n_train), np.full(n, n_test))
    return FoldSummary(seeds.mean, seeds.sd, n, naive, corrected_interval(repeats))


def luck_of_the_images(accuracy: float, n: int) -> float:
    """Return the standard deviation of an accuracy that comes from which `n` images were drawn: sqrt(p (1 - p) / n)."""
    return float(np.sqrt(accuracy * (1 - accuracy) / n))


def sd_limits(values, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the limits of the standard deviation behind normal values (n,), from chi-squared with n - 1 degrees.

    NaN for fewer than 2 values. Source: Snedecor and Cochran (1989), Statistical Methods, section 5.11.
    """
    from scipy import stats  # imported where used: it costs a second

    values = np.asarray(values, float)
    degrees = len(values) - 1
    if degrees < 1:
        return float("nan"), float("nan")
    high, low = stats.chi2.ppf([(1 - confidence) / 2, (1 + confidence) / 2], degrees)
    spread = values.std(ddof=1)
    return float(spread * sqrt(degrees / low)), float(spread * sqrt(degrees / high))


def sd_bias(n: int) -> float:
    """Return what the standard deviation (n - 1) of n normal values is on average, as a share of the true one: c4(n).

    Source: Johnson, Kotz and Balakrishnan (1994), Continuous Univariate Distributions 1, section 13.2.
    """
    return float(sqrt(2 / (n - 1)) * exp(lgamma(n / 2) - lgamma((n - 1) / 2)))


def spread_sources(each: np.ndarray, same: np.ndarray, *, n_val: int, n: int) -> pd.DataFrame:
    """Return standard deviations in percentage points: what folds, seeds and repeats show, and what images explain.

    values: how many each comes from, in words. Those of seeds and of repeats have their own limits (`sd_limits`), wide
    where there are few; folds share images, and no formula gives limits for theirs. each: accuracies (n_repeats,
    n_splits). same: accuracies of one fold with several seeds. n_val, n: images held out by one fold, and by all. Rows
    without two values to compare are NaN.
    """
    repeats, splits = each.shape
    accuracy = float(each.mean())
    spread = {
        "between five folds": each.std(axis=1, ddof=1).mean(),
        "between seeds, the same fold": _sd(same),
        f"luck of {n_val:,} held-out images, computed": luck_of_the_images(accuracy, n_val),
        "between the means of five folds": _sd(each.mean(axis=1)),
        f"luck of all {n:,} images, computed": luck_of_the_images(accuracy, n),
    }
    table = pd.DataFrame({"sd in points": {words: 100 * value for words, value in spread.items()}})
    table["values"] = [f"{splits}, {repeats} times over", str(len(same)), None, str(repeats), None]
    table["95% limits"] = [None, _limits(same), None, _limits(each.mean(axis=1)), None]
    return table.rename_axis("spread")


def _limits(values: np.ndarray) -> str | None:
    low, high = sd_limits(values)
    return f"{100 * low:.3f} to {100 * high:.3f}" if len(values) > 1 else None


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def bands(one: FoldSummary, images: metrics.Interval) -> dict[str, tuple[float, float, float]]:
    """Return (low, middle, high) of four ways to say how sure the mean of folds is, for `distributions.spread`.

    images: the accuracy of all held-out predictions together, with its interval.
    """
    limits = {"usual 95%": one.naive, "widened 95%": one.corrected, f"{images.n:,} images": images}
    found = {"mean ± sd": (one.mean - one.sd, one.mean, one.mean + one.sd)}
    return found | {words: (each.low, each.estimate, each.high) for words, each in limits.items()}
