"""Classical models in one shape: their answers against scikit-learn's own, their tables by hand."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from helpers.classical import estimators, nearest_neighbours, trees, validation_curves
from helpers.evaluation import metrics
from helpers.experiments.knn_tree_sweeps import figures
from helpers.figures.style import PALETTE
from helpers.runtime import paths


@pytest.fixture(scope="module")
def small():
    bunch = load_digits()
    images = bunch.images.astype(np.uint8)
    return images[:1000], bunch.target[:1000], images[1000:], bunch.target[1000:]


def flat(images):
    return images.reshape(len(images), -1).astype(np.float32)


def test_knn_on_components_is_pca_then_knn(small):
    x_train, y_train, x, _ = small
    pca = PCA(9, svd_solver="full").fit(flat(x_train))
    wanted = KNeighborsClassifier(5).fit(pca.transform(flat(x_train)), y_train).predict(pca.transform(flat(x)))
    model = estimators.knn(x_train, y_train, k=5, n_components=9)
    assert (model.labels(x) != wanted).sum() <= 1  # the axes are computed another way, a near tie may turn
    assert model.megabytes == pytest.approx(1000 * 9 * 4 / 1e6)


def test_trees_and_forests_answer_as_scikit_learn(small):
    x_train, y_train, x, _ = small
    fitted = DecisionTreeClassifier(random_state=3).fit(flat(x_train), y_train)
    assert np.array_equal(estimators.tree(trees.plain(fitted)).labels(x), fitted.predict(flat(x)))
    forest = RandomForestClassifier(7, random_state=3).fit(flat(x_train), y_train)
    assert np.array_equal(estimators.forest(x_train, y_train, n_trees=7, seed=3).labels(x), forest.predict(flat(x)))


def test_boosting_reads_half_the_resolution(small):
    x_train, y_train, x, y = small
    model = estimators.boosting(x_train, y_train, n_rounds=5, seed=0)
    assert model.model.n_features_in_ == 16
    assert (model.labels(x) == y).mean() > 0.7


def test_half_resolution_by_hand():
    image = np.array([[[0, 2, 8, 8], [4, 6, 8, 8]]], np.uint8)
    assert estimators.half_resolution(image).tolist() == [[3.0, 8.0]]
    with pytest.raises(ValueError, match="2 x 3 pixels; both must be even"):
        estimators.half_resolution(np.zeros((1, 2, 3)))


def test_over_seeds_by_hand():
    predictions = np.array([[[[1, 1], [1, 2]], [[1, 2], [2, 1]]]])  # one criterion, two seeds, two depths, two images
    sweep = validation_curves.TreeSweep(("gini",), (0, 1), (3, 4), predictions, {}, 0.0)
    table = estimators.over_seeds(sweep, np.array([1, 2]))["gini"]
    assert table.index.tolist() == [3, 4]
    assert table.loc[3].tolist() == [0.75, 0.5, 1.0]
    assert table.loc[4].tolist() == [0.5, 0.0, 1.0]


def test_pruning_sweep_runs_from_the_root_to_the_full_tree(small):
    x_train, y_train, x, y = small
    fitted = DecisionTreeClassifier(random_state=0).fit(flat(x_train), y_train)
    table = estimators.pruning_sweep(trees.plain(fitted), x=x, y=y, n=20)
    assert table.index[0] == 1
    assert table.index[-1] == fitted.get_n_leaves()
    assert table.index.is_monotonic_increasing
    assert len(table) <= 20
    assert table["estimate"].iloc[-1] == (fitted.predict(flat(x)) == y).mean()
    assert table["estimate"].iloc[0] == (np.bincount(y_train).argmax() == y).mean()


def test_simplest_names_the_row():
    scores = pd.DataFrame({"estimate": [0.5, 0.89, 0.9]}, index=[5, 10, 20])
    assert estimators.simplest(scores, n=900) == 10


def test_cost_table_times_weighs_and_scores(small):
    x_train, y_train, x, y = small
    models = {"one": estimators.knn(x_train, y_train, k=1)}
    table = estimators.cost_table(models, x, y)
    assert table.loc["one", "estimate"] == metrics.accuracy(y, models["one"].labels(x)).estimate
    assert table.loc["one", "megabytes"] == pytest.approx(0.064)
    assert table.loc["one", "milliseconds"] > 0
    fig = figures.cost_chart(table)
    assert fig.data[0].marker.color == PALETTE["knn"]
    assert fig.layout.annotations[0].text == "one"


@pytest.mark.parametrize("n", [0, 65, 2.5])
def test_bad_number_of_components_is_named(small, n):
    with pytest.raises(ValueError, match=f"n: {n}"):
        estimators.fit_components(small[0], n=n)


def test_what_is_kept_is_what_was_found(small, tmp_path, monkeypatch):
    """Sweeps that are read from the store, with their trees, equal those made on the spot."""
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    x_train, y_train, x, _ = small
    grow = {"x": x, "depths": (2, 9), "seeds": (3, 4)}
    plain, first, second = (
        validation_curves.tree_sweep(x_train, y_train, **grow, keep=keep) for keep in (False, True, True)
    )
    for found in (first, second):
        np.testing.assert_array_equal(found.predictions, plain.predictions)
    assert second.seconds == first.seconds
    model = DecisionTreeClassifier(criterion="entropy", random_state=4).fit(flat(x_train), y_train)
    for found in (plain, second):
        assert len(found.models) == 4
        np.testing.assert_array_equal(found.models["entropy", 4].threshold, model.tree_.threshold)
        np.testing.assert_array_equal(found.models["entropy", 4].importances, model.feature_importances_)
    assert len(list(tmp_path.glob("*/run.json"))) == 1
    validation_curves.tree_sweep(x_train, y_train, **grow | {"seeds": (3, 5)}, keep=True)
    assert len(list(tmp_path.glob("*/run.json"))) == 2


def test_one_hot_trees_in_plain_arrays(small):
    x_train, y_train, x, _ = small
    fitted = DecisionTreeClassifier(random_state=1).fit(flat(x_train), np.eye(10, dtype=int)[y_train])
    yes = fitted.predict(flat(x))
    wanted = np.where(yes.sum(axis=1) == 1, yes.argmax(axis=1), trees.NO_LABEL)
    full = trees.plain(fitted)
    np.testing.assert_array_equal(estimators.tree(full).labels(x), wanted)
    assert estimators.tree(full).megabytes == full.nbytes / 1e6
    with pytest.raises(ValueError, match="classes differ"):
        trees.plain(DecisionTreeClassifier().fit(flat(x_train), np.stack([y_train, y_train + 1], axis=1)))


def test_one_hot_trees_of_digits_of_which_one_never_occurs(small):
    x_train, y_train, x, _ = small
    some = y_train != 3
    fitted = DecisionTreeClassifier(random_state=0).fit(flat(x_train[some]), np.eye(10, dtype=int)[y_train[some]])
    answers = fitted.predict(flat(x))
    wanted = np.where(answers.sum(axis=1) == 1, answers.argmax(axis=1), trees.NO_LABEL)
    found = estimators.tree(trees.plain(fitted)).labels(x)
    np.testing.assert_array_equal(found, wanted)
    assert 3 not in found


def test_threads_are_those_that_were_asked_for_and_change_nothing(small, monkeypatch):
    x_train, y_train, x, _ = small
    pools, answers = [], []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers):
            pools.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(nearest_neighbours, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(validation_curves, "ThreadPoolExecutor", Pool)
    for threads in (1, 3):
        monkeypatch.setenv("DIGITS_THREADS", str(threads))
        forest = estimators.forest(x_train, y_train, n_trees=5, seed=0)
        assert forest.model.n_jobs == threads
        grown = validation_curves.tree_sweep(x_train, y_train, x=x, depths=(3, 9))
        found = nearest_neighbours.search(x_train, x, k=3)
        answers.append((forest.labels(x), grown.predictions, found.indices, found.distances))
    assert pools == [1, 1, 3, 3]
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)
