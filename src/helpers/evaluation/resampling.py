"""What the spread of a few folds is worth: their intervals, and a trial of those intervals on data sets galore.

Fold results are not independent: any two training parts share most of their images, and what one fold holds out the
others train on. No unbiased estimate of the variance of their mean exists (Bengio and Grandvalet 2004, No unbiased
estimator of the variance of k-fold cross-validation, JMLR 5, 1089-1105).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.classical import svm
from helpers.data import folds
from helpers.data.dataset import build_dataset
from helpers.evaluation import metrics


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
    repeats = svm.Repeats(accuracies, np.full(n, n_train), np.full(n, n_test))
    return FoldSummary(seeds.mean, seeds.sd, n, naive, svm.corrected_interval(repeats))


def luck_of_the_images(accuracy: float, n: int) -> float:
    """Return the standard deviation of an accuracy that comes from which `n` images were drawn: sqrt(p (1 - p) / n)."""
    return float(np.sqrt(accuracy * (1 - accuracy) / n))


def spread_sources(each: np.ndarray, same: np.ndarray, *, n_val: int, n: int) -> pd.DataFrame:
    """Return standard deviations in percentage points: what folds, seeds and repeats show, and what images explain.

    each: accuracies (n_repeats, n_splits). same: accuracies of one fold with several seeds. n_val, n: images held
    out by one fold, and by all. Rows without two values to compare are NaN.
    """
    accuracy = float(each.mean())
    spread = {
        "between five folds": each.std(axis=1, ddof=1).mean(),
        "between seeds, the same fold": _sd(same),
        f"luck of {n_val:,} held-out images, computed": luck_of_the_images(accuracy, n_val),
        "between the means of five folds": _sd(each.mean(axis=1)),
        f"luck of all {n:,} images, computed": luck_of_the_images(accuracy, n),
    }
    table = pd.DataFrame({"sd in points": {words: 100 * value for words, value in spread.items()}})
    return table.rename_axis("spread")


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def bands(one: FoldSummary, images: metrics.Interval) -> dict[str, tuple[float, float, float]]:
    """Return (low, middle, high) of four ways to say how sure the mean of folds is, for `distributions.spread`.

    images: the accuracy of all held-out predictions together, with its interval.
    """
    limits = {"usual 95%": one.naive, "widened 95%": one.corrected, f"{images.n:,} images": images}
    found = {"mean ± sd": (one.mean - one.sd, one.mean, one.mean + one.sd)}
    return found | {words: (each.low, each.estimate, each.high) for words, each in limits.items()}


def trial(images, labels, *, n_sets: int, n_splits: int = 5, seed: int = 0) -> pd.DataFrame:
    """Cross-validate the nearest neighbour on `n_sets` data sets that have no image in common.

    images: (n, ...) numbers, labels (n,). A reader that needs no training and has no luck of its own can be put
    through many data sets, so that the true spread of a five-fold mean is seen and not inferred. Returns one row a
    set: "mean" and "sd" of its folds, "naive low", "naive high", "corrected low", "corrected high" (fractions).
    """
    rows = []
    for number, members in enumerate(folds.disjoint(labels, n_sets, seed=seed)):
        x, y = images[members].reshape(len(members), -1).astype(float), labels[members]
        length = (x * x).sum(axis=1)
        distance = length[:, None] + length[None, :] - 2 * x @ x.T  # squared, and exact for pixels: whole numbers
        parts = folds.k_folds(build_dataset(f"set {number}", images[members], y), n_splits, seed=seed + number)
        right = [np.mean(y[p.train[distance[np.ix_(p.val, p.train)].argmin(axis=1)]] == y[p.val]) for p in parts]
        one = summarise(right, n_train=len(parts[0].train), n_test=len(parts[0].val))
        limits = {"naive low": one.naive.low, "naive high": one.naive.high}
        limits |= {"corrected low": one.corrected.low, "corrected high": one.corrected.high}
        rows.append({"mean": one.mean, "sd": one.sd, **limits})
    return pd.DataFrame(rows, index=pd.RangeIndex(1, n_sets + 1, name="set"))


def coverage(table: pd.DataFrame, truth: float, which: str) -> int:
    """Count the sets of `trial` whose interval ("naive" or "corrected") holds the truth."""
    return int(((table[f"{which} low"] <= truth) & (truth <= table[f"{which} high"])).sum())
