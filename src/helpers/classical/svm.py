"""Support vector machines on the small digits: fair splits, repeated; a validation surface; the support vectors.

The 1,797 small digits stand in the file in the order in which people filled in forms. A split that mixes the
order lets the same hand write training and test images; these helpers can keep a hand together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from sklearn.base import ClassifierMixin, clone
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.svm import SVC

from helpers.evaluation import metrics
from helpers.evaluation.resampling import Repeats
from helpers.runtime import precision


@dataclass(frozen=True, eq=False)
class Surface:
    """Cross-validated accuracy for every pair of penalty C (rows) and kernel width gamma (columns)."""

    penalties: tuple[float, ...]
    gammas: tuple[float, ...]
    accuracy: np.ndarray  # (n_penalties, n_gammas), mean over folds
    sd: np.ndarray  # the same shape, standard deviation (n - 1) over folds
    best: tuple[int, int]  # row and column of the highest mean

    @property
    def penalty(self) -> float:
        return self.penalties[self.best[0]]

    @property
    def gamma(self) -> float:
        return self.gammas[self.best[1]]


def find_forms(labels, *, shortest_run: int = 10, shortest_form: int = 60) -> np.ndarray:
    """Tell which images were written on one form, from the order of the labels alone; int64 (n,), from 0.

    Every writer was first asked for 0 1 2 ... 9 three times over and then for digits in a fixed mixed order.
    So a form begins where labels start to rise by one (9 to 0 included) for at least `shortest_run` images,
    at least `shortest_form` images after the form before it. A few images are missing from some forms.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) < 2:
        raise ValueError(f"labels must be one-dimensional with at least 2 entries; got shape {labels.shape}")
    rises = np.diff(labels) % 10 == 1
    starts = [0]
    place = 0
    while place < len(rises):
        end = place
        while end < len(rises) and rises[end]:
            end += 1
        if end - place + 1 >= shortest_run and place - starts[-1] >= shortest_form:
            starts.append(place)
        place = max(end, place + 1)
    return np.searchsorted(starts, np.arange(len(labels)), side="right") - 1


def first_of_each(labels, groups) -> np.ndarray:
    """Return rows (n_groups, n_labels): the first image of every label in every group.

    Raises ValueError when a group lacks a label.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    rows = np.full((len(np.unique(groups)), len(np.unique(labels))), -1)
    for g, group in enumerate(np.unique(groups)):
        for k, label in enumerate(np.unique(labels)):
            found = np.flatnonzero((groups == group) & (labels == label))
            if len(found) == 0:
                raise ValueError(f"groups: group {group} has no image labelled {label}")
            rows[g, k] = found[0]
    return rows


def neighbours_in_group(x, labels, groups) -> tuple[metrics.Interval, float]:
    """Return how often the most similar image of the same digit comes from the same group, and the chance level.

    x: (n, d) features; similarity is the Euclidean distance. The chance level is the share that a random other
    image of the same digit would give. Memory grows as n squared over the largest class.
    """
    x, labels, groups = np.asarray(x, dtype=np.float64), np.asarray(labels), np.asarray(groups)
    same, chance = 0, 0.0
    for label in np.unique(labels):
        members, their = x[labels == label], groups[labels == label]
        if len(members) < 2:
            raise ValueError(f"labels: need at least two images of each label; {label} has {len(members)}")
        squares = (members**2).sum(axis=1)
        distance = squares[:, None] - 2 * members @ members.T + squares
        np.fill_diagonal(distance, np.inf)
        same += int((their[distance.argmin(axis=1)] == their).sum())
        chance += float(((their[:, None] == their).sum(axis=1) - 1).sum() / (len(members) - 1))
    return metrics.wilson(same, len(x)), chance / len(x)


def repeated_splits(
    model: ClassifierMixin, x, y, *, n_repeats: int, test_share: float, groups=None, seed: int = 0
) -> Repeats:
    """Train and test a classifier on many random splits.

    x: (n, d), y: (n,). Without groups every image is drawn by itself (as `train_test_split` does); with
    groups (n,), whole groups are: `test_share` is then a share of groups, to the nearest whole group. The
    model is cloned, never changed.
    """
    if groups is None:
        splitter = ShuffleSplit(n_repeats, test_size=test_share, random_state=seed)
    else:
        held_out = max(1, round(test_share * len(np.unique(groups))))
        splitter = GroupShuffleSplit(n_repeats, test_size=held_out, random_state=seed)
    rows = list(splitter.split(x, y, groups))

    def score(train, test) -> float:
        return float((clone(model).fit(x[train], y[train]).predict(x[test]) == y[test]).mean())

    # libsvm releases Python's lock, so threads do; processes would only copy the data.
    accuracies = Parallel(n_jobs=precision.available_threads(), prefer="threads")(
        delayed(score)(*pair) for pair in rows
    )
    sizes = np.array([[len(train), len(test)] for train, test in rows])
    return Repeats(np.array(accuracies), sizes[:, 0], sizes[:, 1])


def sit_one_image(
    models: Mapping[str, ClassifierMixin], x, y, *, groups, n_ability: int, n_folds: int = 5
) -> pd.DataFrame:
    """Let each model train on all images but the last and read that one; measure its real ability beside it.

    x: (n, d), y: (n,), groups: (n,). The ability is accuracy in cross-validation over whole groups, among the
    first `n_ability` images only. Columns: "read as" (label), "right" (bool), "ability" (`Interval`).
    """
    few, lines = slice(0, n_ability), {}
    for name, model in models.items():
        answer = clone(model).fit(x[:-1], y[:-1]).predict(x[-1:])[0]
        folds = GroupKFold(n_folds)
        predicted = cross_val_predict(clone(model), x[few], y[few], groups=groups[few], cv=folds)
        ability = metrics.accuracy(y[few], predicted)
        lines[name] = {"read as": answer, "right": bool(answer == y[-1]), "ability": ability}
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("model")


def validation_surface(x, y, *, penalties, gammas, n_folds: int = 5, groups=None, seed: int = 0) -> Surface:
    """Cross-validate an RBF support vector machine for every C and gamma.

    x: (n, d), y: (n,): training images only. With groups (n,), a fold holds whole groups; without, folds are
    stratified and shuffled by `seed`. Among equal means the smallest C, then the smallest gamma wins: the
    simplest boundary. Raises ValueError for an empty list or values that do not rise.
    """
    for name, values in (("penalties", penalties), ("gammas", gammas)):
        if len(values) == 0 or min(values) <= 0 or np.any(np.diff(values) <= 0):
            raise ValueError(f"{name} must be positive and rising; got {list(values)}")
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed) if groups is None else GroupKFold(n_folds)
    search = GridSearchCV(SVC(), {"C": list(penalties), "gamma": list(gammas)}, cv=folds, refit=False)
    with parallel_config("threading", n_jobs=precision.available_threads()):
        search.fit(x, y, groups=groups)
    shape = (len(penalties), len(gammas))
    scores = np.stack([search.cv_results_[f"split{fold}_test_score"] for fold in range(n_folds)])
    mean = scores.mean(axis=0)
    # Means a rounding error apart are equal; argmax then takes the first, whose C and gamma are smallest.
    best = int(np.argmax(mean >= mean.max() - 1e-12))
    return Surface(
        tuple(penalties),
        tuple(gammas),
        mean.reshape(shape),
        scores.std(axis=0, ddof=1).reshape(shape),
        (best // shape[1], best % shape[1]),
    )


def heaviest(model: SVC, y_train, *, per_class: int = 10) -> np.ndarray:
    """Return rows (n_classes, per_class) of the training set: the support vectors with the largest weights.

    The weight of a vector is the sum of its coefficients' sizes over all pairwise boundaries it serves.
    Raises ValueError when a class has fewer support vectors than `per_class`.
    """
    y_train = np.asarray(y_train)
    if model.n_support_.min() < per_class:
        raise ValueError(f"per_class must be at most {model.n_support_.min()} here; got {per_class}")
    weight = np.abs(model.dual_coef_).sum(axis=0)
    order = model.support_[np.argsort(-weight, kind="stable")]
    return np.stack([order[y_train[order] == label][:per_class] for label in model.classes_])
