"""A trial of fold intervals: many data sets, of which the true spread of a five-fold mean is seen, not inferred."""

import numpy as np
import pandas as pd

from helpers.data import folds
from helpers.data.dataset import build_dataset
from helpers.evaluation.resampling import summarise


def trial(images, labels, *, n_sets: int, n_splits: int = 5, seed: int = 0) -> pd.DataFrame:
    """Cross-validate the nearest neighbour on `n_sets` data sets that have no image in common.

    images: (n, ...) numbers, labels (n,). A model that needs no training and has no luck of its own can be put
    through many data sets, so that the true spread of a five-fold mean is seen and not inferred. Returns one row a
    set: "mean" and "sd" of its folds, "naive low", "naive high", "corrected low", "corrected high" (fractions).
    """
    rows = []
    for number, members in enumerate(folds.disjoint(labels, n_sets, seed=seed)):
        x, y = images[members].reshape(len(members), -1).astype(float), labels[members]
        length = (x * x).sum(axis=1)
        distance = length[:, None] + length[None, :] - 2 * x @ x.T  # squared, and exact for pixels: whole numbers
        parts = folds.k_folds(build_dataset(f"set {number}", images[members], y), n_splits, seed=seed + number)
        nearest = [distance[np.ix_(part.val_index, part.train_index)].argmin(axis=1) for part in parts]
        right = [np.mean(part.y_train[near] == part.y_val) for part, near in zip(parts, nearest, strict=True)]
        one = summarise(right, n_train=len(parts[0].train_index), n_test=len(parts[0].val_index))
        limits = {"naive low": one.naive.low, "naive high": one.naive.high}
        limits |= {"corrected low": one.corrected.low, "corrected high": one.corrected.high}
        rows.append({"mean": one.mean, "sd": one.sd, **limits})
    return pd.DataFrame(rows, index=pd.RangeIndex(1, n_sets + 1, name="set"))


def coverage(table: pd.DataFrame, truth: float, which: str) -> int:
    """Count the sets of `trial` whose interval ("naive" or "corrected") holds the truth."""
    return int(((table[f"{which} low"] <= truth) & (truth <= table[f"{which} high"])).sum())
