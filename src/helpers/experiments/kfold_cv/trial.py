"""Trials of cross-validation on many data sets that share no image, so that the truth is seen, not inferred."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

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
        distance = _squared(x, x)
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


def choices(
    images, labels, *, n_sets: int, size: int, n_candidates: int, n_pixels: int, n_splits: int = 5, seed: int = 0
) -> pd.DataFrame:
    """Choose among many alike candidates by cross-validation, on data sets that have no image in common.

    A candidate is the nearest neighbour that may look at `n_pixels` pixels, drawn at random among those that are not
    always empty; the same candidates on every set. Each of `n_sets` sets gives `size` images to choose by, and the rest
    of it to see what the chosen one is worth. Returns one row a set: "best mean", the highest mean of `n_splits` folds
    of any candidate; "nested", the mean score of what an inner cross-validation chooses within each fold's training
    part; "fresh", the accuracy of the candidate with the best mean on the rest of the set; "average", the mean of all
    candidates over the folds. Raises ValueError where a set has no more than `size` images.
    """
    rng = np.random.default_rng([seed, 8])
    flat = images.reshape(len(images), -1)
    alive = np.flatnonzero(flat.max(axis=0))
    looks = np.array([rng.choice(alive, size=n_pixels, replace=False) for _ in range(n_candidates)])
    rows = []
    for number, members in enumerate(folds.disjoint(labels, n_sets, seed=seed)):
        if len(members) <= size:
            raise ValueError(f"size: got {size}; fewer than the {len(members)} images of a set are allowed")
        # The classes in proportion, unless one has a single image, which cannot be in both parts.
        classes = labels[members] if np.unique(labels[members], return_counts=True)[1].min() > 1 else None
        few, rest = train_test_split(members, train_size=size, stratify=classes, random_state=seed + number)
        known = labels[few]
        # (candidates, images, images): whether the nearest of any training part has the right label needs only these.
        distances = np.array([_squared(flat[few][:, look], flat[few][:, look]) for look in looks])
        parts = folds.k_folds(build_dataset(f"set {number}", images[few], known), n_splits, seed=seed + number)
        outer = np.array([_right(distances, known, part.train_index, part.val_index) for part in parts])
        nested = []
        for part, scores in zip(parts, outer, strict=True):
            inner = folds.k_folds(part.source, n_splits, seed=seed + number, rows=part.train_index)
            within = np.mean([_right(distances, known, one.train_index, one.val_index) for one in inner], axis=0)
            nested.append(scores[within.argmax()])
        means = outer.mean(axis=0)
        look = looks[means.argmax()]
        near = _squared(flat[rest][:, look], flat[few][:, look]).argmin(axis=1)
        fresh = np.mean(known[near] == labels[rest])
        rows.append(
            {"best mean": means.max(), "nested": np.mean(nested), "fresh": fresh, "average": float(means.mean())}
        )
    return pd.DataFrame(rows, index=pd.RangeIndex(1, n_sets + 1, name="set"))


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared distances of all rows of a to all of b, float64: exact for pixels, which are whole numbers."""
    a, b = a.astype(float), b.astype(float)
    return (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * a @ b.T


def _right(distances: np.ndarray, labels: np.ndarray, train: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return each candidate's share of held-out rows whose nearest training row has their label, float64 (c,)."""
    near = distances[:, held[:, None], train[None, :]].argmin(axis=2)
    return (labels[train][near] == labels[held]).mean(axis=1)
