"""Classical models as predictors, to be scored, timed and weighed side by side: neighbours, one tree, many trees."""

from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from threadpoolctl import threadpool_limits

from helpers.classical import nearest_neighbours, trees, validation_curves
from helpers.classical.nearest_neighbours import as_rows, check_k
from helpers.classical.trees import Tree
from helpers.evaluation import metrics
from helpers.evaluation.predictor import Predictor, labelling
from helpers.runtime import precision

WHOLE = 2**30  # a depth that cuts nothing


def knn(x_train, y_train, *, k: int, weights: str = "uniform", n_components: int | None = None) -> Predictor:
    """Keep the training digits, or their first principal components, and let the k nearest vote."""
    x_train, y_train = np.asarray(x_train), np.asarray(y_train)
    pca = None if n_components is None else fit_components(x_train, n=n_components)
    known = x_train if pca is None else project(pca, x_train)

    def answer(x) -> np.ndarray:
        found = nearest_neighbours.search(known, x if pca is None else project(pca, x), k=k)
        return validation_curves.vote(found, y_train, ks=[k], weights=weights)[0]

    return labelling("knn", answer, known)


def tree(fitted: Tree, *, depth: int = WHOLE) -> Predictor:
    """Answer by a fitted tree, cut at a depth."""
    return labelling(
        "tree", lambda x: trees.predict_at_depths(fitted, as_rows(x, "x").astype(np.float32), depths=[depth])[0], fitted
    )


def forest(x_train, y_train, *, n_trees: int, seed: int) -> Predictor:
    """Fit a random forest of n_trees trees, with scikit-learn's settings otherwise."""
    fitted = RandomForestClassifier(n_trees, random_state=seed, n_jobs=precision.available_threads())
    fitted.fit(as_rows(x_train, "x_train"), y_train)
    return labelling("forest", lambda x: fitted.predict(as_rows(x, "x")), fitted)


def boosting(x_train, y_train, *, n_rounds: int, seed: int, learning_rate: float = 0.3) -> Predictor:
    """Fit gradient boosting on histograms, with images at half resolution: a quarter of the time."""
    fitted = HistGradientBoostingClassifier(
        max_iter=n_rounds, learning_rate=learning_rate, early_stopping=False, random_state=seed
    )

    def answer(x) -> np.ndarray:
        with threadpool_limits(1, user_api="openmp"):
            return fitted.predict(half_resolution(x))

    # Its threads wait for one another by spinning: on a machine that does anything else, two are slower than one.
    with threadpool_limits(1, user_api="openmp"):
        fitted.fit(half_resolution(x_train), y_train)
    return labelling("boosting", answer, fitted)


def accuracies(y_true, predictions, *, index: Sequence) -> pd.DataFrame:
    """Score every row of predictions (m, n): columns estimate, low, high as fractions (Wilson 95%), m rows."""
    scores = [metrics.accuracy(y_true, row) for row in predictions]
    columns = {name: [getattr(score, name) for score in scores] for name in ("estimate", "low", "high")}
    return pd.DataFrame(columns, index=list(index))


def over_seeds(sweep: validation_curves.TreeSweep, y_true) -> dict[str, pd.DataFrame]:
    """Return for each criterion the accuracy by depth: estimate is the mean over seeds, low and high their range."""
    hits = (sweep.predictions == np.asarray(y_true)).mean(axis=-1)  # criteria, seeds, depths
    tables = (
        pd.DataFrame({"estimate": part.mean(axis=0), "low": part.min(axis=0), "high": part.max(axis=0)})
        for part in hits
    )
    return {name: table.set_index(pd.Index(sweep.depths)) for name, table in zip(sweep.criteria, tables, strict=True)}


def fit_components(x_train, *, n: int) -> PCA:
    """Fit the first n principal axes.

    Raises ValueError when n is not a whole number from 1 to the number of features or training rows.
    """
    train = as_rows(x_train, "x_train")
    check_k(n, min(train.shape), "n")
    return PCA(n, svd_solver="covariance_eigh").fit(train)


def project(pca: PCA, x) -> np.ndarray:
    """Return images or rows on the principal axes: float32 (n, n_components)."""
    return pca.transform(as_rows(x, "x", n_features=pca.n_features_in_)).astype(np.float32)


def pruning_sweep(fitted: Tree, *, x, y, n: int = 80) -> pd.DataFrame:
    """Score up to n of the trees that cost-complexity pruning leaves, from the root alone to the full tree.

    Returns a table whose index is the number of leaves: estimate, low, high (fractions), alpha.
    """
    pruning = trees.prune(fitted)
    steps = trees.some_steps(pruning, n)
    x = as_rows(x, "x").astype(np.float32)
    predictions = trees.predict_at_alphas(fitted, x, alphas=pruning.alphas[steps], pruning=pruning)
    return accuracies(y, predictions, index=pruning.n_leaves[steps]).assign(alpha=pruning.alphas[steps])


def simplest(scores: pd.DataFrame, *, n: int):
    """Return the index of the first row within one standard error of the best; rows from simple to complex."""
    return scores.index[validation_curves.one_standard_error(scores["estimate"], n=n)]


def cost_table(models: Mapping[str, Predictor], x, y_true) -> pd.DataFrame:
    """Time and score each predictor's answers to all of x at once.

    Returns a table: model (palette key), milliseconds (per image), megabytes, price (both in words), estimate, low,
    high.
    """
    lines = {}
    for name, model in models.items():
        begin = perf_counter()
        predicted = model.labels(x)
        seconds = perf_counter() - begin
        score = metrics.accuracy(y_true, predicted)
        lines[name] = {
            "model": model.key,
            "milliseconds": 1000 * seconds / len(predicted),
            "megabytes": model.megabytes,
            "price": f"{1000 * seconds / len(predicted):.2g} ms and {model.megabytes:,.3g} MB",
            "estimate": score.estimate,
            "low": score.low,
            "high": score.high,
        }
    return pd.DataFrame(list(lines.values()), index=list(lines))


def half_resolution(images: np.ndarray) -> np.ndarray:
    """Average blocks of 2 x 2 pixels: (n, h, w) with even h and w -> float32 (n, h w / 4)."""
    n, height, width = images.shape
    if height % 2 or width % 2:
        raise ValueError(f"images: {height} x {width} pixels; both must be even")
    blocks = images.reshape(n, height // 2, 2, width // 2, 2)
    return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1)
