"""Whole validation curves at the price of one model: every k from one search, every depth from one fit.

The answers are scikit-learn's, vote for vote: lowest label on ties, distance weights, and the one-hot reading
in which ten yes/no votes are scored by exact match. `neighbours` does the searching, `trees` the cutting.
"""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from time import perf_counter

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from helpers.classical import nearest_neighbours, trees
from helpers.classical.nearest_neighbours import Neighbours, as_rows, check_k
from helpers.classical.trees import Tree
from helpers.runtime import cache, precision

KS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 30)
DEPTHS = tuple(range(3, 31))
CRITERIA = ("gini", "entropy")


@dataclass(frozen=True, eq=False)
class KnnSweep:
    """What kNN predicts at every k: predictions int64 (len(ks), n_queries); seconds for search and votes."""

    ks: tuple[int, ...]
    predictions: np.ndarray
    neighbours: Neighbours
    seconds: float


@dataclass(frozen=True, eq=False)
class TreeSweep:
    """What a tree predicts at every depth, for each criterion and seed.

    predictions: int64 (len(criteria), len(seeds), len(depths), n_queries), NO_LABEL where a tree fitted to
    one-hot labels does not say 'yes' exactly once; models[criterion, seed]: the full trees; seconds: all of it,
    whenever that was.
    """

    criteria: tuple[str, ...]
    seeds: tuple[int, ...]
    depths: tuple[int, ...]
    predictions: np.ndarray
    models: dict[tuple[str, int], Tree]
    seconds: float


def knn_sweep(
    x_train, y_train, *, x=None, ks: Sequence[int] = KS, weights: str = "uniform", one_hot: bool = False
) -> KnnSweep:
    """Predict with k nearest neighbours for every k, from one exact search.

    x_train: (n_train, ...), y_train: int (n_train,) from 0; x: (n, ...) queries, or None to leave each
    training row out in turn. weights and one_hot: see `vote`. Raises ValueError as `vote` and
    `nearest_neighbours.search` do.
    """
    begin = perf_counter()
    n_train = len(as_rows(x_train, "x_train")) - (x is None)
    ks = tuple(check_k(k, n_train) for k in ks)
    if not ks:
        raise ValueError("ks: empty; at least one k is needed")
    found = nearest_neighbours.search(x_train, x, k=max(ks))
    predictions = vote(found, y_train, ks=ks, weights=weights, one_hot=one_hot)
    return KnnSweep(ks, predictions, found, perf_counter() - begin)


def vote(
    found: Neighbours, y_train, *, ks: Sequence[int] = KS, weights: str = "uniform", one_hot: bool = False
) -> np.ndarray:
    """Let the k nearest neighbours vote, for every k: int64 (len(ks), n_queries).

    y_train: int (n_train,), labels from 0. weights: "uniform", or "distance" for votes of 1 / distance (at
    distance 0 only those neighbours count). The lowest label wins a tie. one_hot: every class is a yes/no
    question of its own and half the votes is a 'no'; NO_LABEL unless exactly one answer is yes. Raises
    ValueError for unknown weights, labels that do not fit, and a k that is not one of 1 to the neighbours found.
    """
    y_train = _labels(y_train, found.n_train)
    ks = [check_k(k, found.k) for k in ks]
    if weights == "uniform":
        power = np.ones_like(found.distances)
    elif weights == "distance":
        same = found.distances == 0
        with np.errstate(divide="ignore"):
            power = np.where(same.any(axis=1, keepdims=True), same, 1.0 / found.distances)
    else:
        raise ValueError(f"weights: {weights!r}; allowed are 'uniform' and 'distance'")
    labels, row = y_train[found.indices], np.arange(len(found))
    votes = np.zeros((len(found), int(y_train.max()) + 1))
    answers = {}
    for k in range(1, max(ks) + 1):
        votes[row, labels[:, k - 1]] += power[:, k - 1]
        if k in ks:
            yes = votes > (votes.sum(axis=1, keepdims=True) - votes)
            answers[k] = trees.one_hot_answer(yes) if one_hot else votes.argmax(axis=1)
    return np.stack([answers[k] for k in ks])


def full_tree(x, y, *, criterion: str, seed: int) -> Tree:
    """Grow one tree to its full depth: x (n, features), y (n,) labels or (n, classes) zeros and ones."""
    return trees.plain(DecisionTreeClassifier(criterion=criterion, random_state=seed).fit(x, y))


def tree_sweep(
    x_train,
    y_train,
    *,
    x,
    depths: Sequence[int] = DEPTHS,
    criteria: Sequence[str] = CRITERIA,
    seeds: Sequence[int] = (0,),
    one_hot: bool = False,
    keep: bool = False,
) -> TreeSweep:
    """Predict with decision trees of every depth, from one full fit per criterion and seed.

    x_train: (n_train, ...), y_train: int (n_train,) from 0; x: (n, ...). one_hot: fit one tree to ten yes/no
    columns, as scikit-learn does when it is given them. keep: cache what the trees predict.
    Fits run in parallel threads. Raises ValueError for a depth that is not a whole number >= 1, an unknown criterion,
    and features that are not finite or differ in number.
    """
    begin = perf_counter()
    train = as_rows(x_train, "x_train").astype(np.float32, copy=False)
    query = as_rows(x, "x", n_features=train.shape[1]).astype(np.float32, copy=False)
    target = _labels(y_train, len(train))
    depths = tuple(check_k(depth, 2**31, "depth") for depth in depths)
    for criterion in criteria:
        if criterion not in ("gini", "entropy", "log_loss"):
            raise ValueError(f"criterion: {criterion!r}; allowed are 'gini', 'entropy' and 'log_loss'")
    if one_hot:
        target = np.eye(int(target.max()) + 1, dtype=np.int64)[target]

    keys = list(itertools.product(criteria, (int(seed) for seed in seeds)))

    def grow(key: tuple[str, int]) -> tuple[Tree, np.ndarray]:
        full = full_tree(train, target, criterion=key[0], seed=key[1])
        return full, trees.predict_at_depths(full, query, depths=depths)

    def compute() -> dict[str, np.ndarray]:
        with ThreadPoolExecutor(precision.available_threads()) as pool:  # the fit releases Python's lock
            grown = list(pool.map(grow, keys))
        found = {f"{i} {name}": part for i, (full, _) in enumerate(grown) for name, part in vars(full).items()}
        return {"predictions": np.stack([answer for _, answer in grown])} | found

    if keep:
        inputs = {"train": train, "target": target, "query": query, "depths": depths, "keys": keys}
        found = cache.arrays(compute, inputs=inputs, modules=[__name__])
        arrays, seconds = found.arrays, found.seconds
    else:
        arrays, seconds = compute(), perf_counter() - begin
    names = [field.name for field in fields(Tree)]
    models = {key: Tree(**{name: arrays[f"{i} {name}"] for name in names}) for i, key in enumerate(keys)}
    shape = (len(criteria), len(seeds), len(depths), len(query))
    return TreeSweep(tuple(criteria), tuple(seeds), depths, arrays["predictions"].reshape(shape), models, seconds)


def one_standard_error(accuracies, *, n: int) -> int:
    """Return the position of the simplest model within one standard error of the best.

    accuracies: fractions (m,), ordered from the simplest model to the most complex; n: images behind each. The
    standard error is the best one's, sqrt(p (1 - p) / n). Source: Breiman et al. (1984), section 3.4.3.
    """
    accuracies = np.asarray(accuracies, float)
    best = accuracies.max()
    return int(np.argmax(accuracies >= best - np.sqrt(best * (1 - best) / n)))


def _labels(y, n: int) -> np.ndarray:
    y = np.asarray(y)
    if y.shape != (n,) or y.dtype.kind not in "iu" or n == 0 or y.min() < 0:
        raise ValueError(f"y_train: {y.dtype} of shape {y.shape}; whole numbers from 0, one for each of {n} rows")
    return y.astype(np.int64)
