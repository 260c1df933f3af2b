"""Sweeps against scikit-learn refitted for every setting, and the exact search against integer arithmetic."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from helpers.classical import nearest_neighbours, trees, validation_curves
from helpers.data import load

KS = (1, 2, 3, 4, 5, 7, 10, 15, 30)


def brute_force(train, query, k):
    """All distances of whole numbers, nearest first, equal distances by row number.

    Exact in float64 whatever the BLAS: no sum of products comes near 2**53.
    """
    train, query = train.reshape(len(train), -1).astype(float), query.reshape(len(query), -1).astype(float)
    squared = (query**2).sum(axis=1)[:, None] + (train**2).sum(axis=1) - 2 * query @ train.T
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(squared, order, axis=1)


@pytest.fixture(scope="module")
def mnist():
    return load.make_split("nf264", n_train=3000, n_test=250, seed=1)


@pytest.fixture(scope="module")
def small():
    """Grey levels 0..16 in 64 pixels: full of equal distances and split ties."""
    x, y = load_digits(return_X_y=True)
    return x[:1200].astype(np.uint8), y[:1200], x[1200:].astype(np.uint8), y[1200:]


# the search


@pytest.mark.parametrize("k", [1, 2, 30])
def test_search_is_exact_on_mnist(mnist, k):
    found = nearest_neighbours.search(mnist.x_train, mnist.x_test, k=k)
    order, squared = brute_force(mnist.x_train, mnist.x_test, k)
    assert np.array_equal(found.indices, order)
    assert np.array_equal(found.distances**2, np.sqrt(squared) ** 2)


def test_search_uses_short_rows_on_mnist(mnist):
    proposer = nearest_neighbours._Proposer(mnist.x_train.reshape(-1, 784), 30, shorten=True)
    assert proposer.rows.shape[1] < 784 / 3
    pairs = proposer.pairs(mnist.x_test.reshape(-1, 784))
    assert len(pairs[0]) < 0.2 * len(mnist.x_train) * len(mnist.x_test)


def test_equal_distances_come_in_row_order_whatever_the_threads():
    rng = np.random.default_rng(0)
    train, query = rng.integers(0, 3, (2000, 6)), rng.integers(0, 3, (700, 6))
    order, _ = brute_force(train, query, 9)
    for threads in (1, 3):
        assert np.array_equal(nearest_neighbours.search(train, query, k=9, threads=threads).indices, order)


@pytest.mark.parametrize("offset", [0, 10_000])
def test_search_survives_cancellation(offset):
    # Far from the origin float32 cannot tell these rows apart; the exact ranking must.
    rng = np.random.default_rng(1)
    train, query = rng.integers(0, 9, (1500, 300)) + offset, rng.integers(0, 9, (60, 300)) + offset
    order, _ = brute_force(train, query, 5)
    assert np.array_equal(nearest_neighbours.search(train, query, k=5).indices, order)


def test_search_falls_back_where_short_rows_rule_out_nothing(monkeypatch):
    rng = np.random.default_rng(2)
    train = np.zeros((6000, 100), np.int64)
    train[:, :4] = rng.integers(0, 200, (6000, 4))  # four axes carry nearly everything
    train[:, 4:] = rng.integers(0, 3, (6000, 96))
    query = rng.integers(0, 200, (40, 100))  # and the queries lie elsewhere
    made = []
    init = nearest_neighbours._Proposer.__init__
    monkeypatch.setattr(
        nearest_neighbours._Proposer,
        "__init__",
        lambda self, *a, shorten: (made.append(shorten), init(self, *a, shorten=shorten))[1],
    )
    order, _ = brute_force(train, query, 3)
    assert np.array_equal(nearest_neighbours.search(train, query, k=3).indices, order)
    assert made == [True, False]


def test_search_in_real_numbers_agrees_with_scikit_learn():
    rng = np.random.default_rng(3)
    train, query = rng.normal(size=(2500, 40)), rng.normal(size=(300, 40))
    found = nearest_neighbours.search(train, query, k=12)
    distances, indices = KNeighborsClassifier(13, algorithm="brute").fit(train, np.zeros(2500)).kneighbors(query)
    assert np.diff(distances, axis=1).min() > 1e-9, "no two that rounding could exchange, up to the first left out"
    assert np.array_equal(found.indices, indices[:, :12])
    assert np.allclose(found.distances, distances[:, :12])
    for factor in (1e-12, 1e12):
        assert np.array_equal(nearest_neighbours.search(train * factor, query * factor, k=12).indices, found.indices)


def test_leave_one_out_never_returns_the_row_itself():
    rng = np.random.default_rng(4)
    train = rng.integers(0, 4, (900, 4))  # many exact duplicates
    found = nearest_neighbours.search(train, k=6)
    squared = ((train[:, None] - train[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, 10**6)
    assert np.array_equal(found.indices, np.argsort(squared, axis=1, kind="stable")[:, :6])


def test_search_with_as_many_neighbours_as_rows():
    train = np.arange(12).reshape(6, 2)
    assert np.array_equal(nearest_neighbours.search(train, train[:1], k=6).indices, [range(6)])
    assert nearest_neighbours.search(train, k=5).indices.shape == (6, 5)
    assert nearest_neighbours.search(train, train[:0], k=2).indices.shape == (0, 2)
    assert np.array_equal(nearest_neighbours.search(np.zeros((5, 3)), np.zeros((1, 3)), k=3).indices, [[0, 1, 2]])


# the votes


@pytest.mark.parametrize(("weights", "one_hot"), [("uniform", False), ("uniform", True), ("distance", False)])
def test_votes_equal_a_refit_for_every_k(mnist, weights, one_hot):
    x_train, x = mnist.x_train.reshape(-1, 784).astype(float), mnist.x_test.reshape(-1, 784).astype(float)
    target = np.eye(10, dtype=int)[mnist.y_train] if one_hot else mnist.y_train
    swept = validation_curves.knn_sweep(
        mnist.x_train, mnist.y_train, x=mnist.x_test, ks=KS, weights=weights, one_hot=one_hot
    )
    for k, predicted in zip(KS, swept.predictions, strict=True):
        answer = KNeighborsClassifier(k, weights=weights).fit(x_train, target).predict(x)
        if one_hot:
            answer = np.where(answer.sum(axis=1) == 1, answer.argmax(axis=1), trees.NO_LABEL)
        assert np.array_equal(predicted, answer), k


def test_one_hot_distance_votes_equal_a_refit():
    rng = np.random.default_rng(5)
    x_train, y_train, x = rng.normal(size=(500, 3)), rng.integers(0, 4, 500), rng.normal(size=(200, 3))
    swept = validation_curves.knn_sweep(x_train, y_train, x=x, ks=(1, 4, 9), weights="distance", one_hot=True)
    for k, predicted in zip((1, 4, 9), swept.predictions, strict=True):
        answer = KNeighborsClassifier(k, weights="distance").fit(x_train, np.eye(4, dtype=int)[y_train]).predict(x)
        assert np.array_equal(predicted, np.where(answer.sum(axis=1) == 1, answer.argmax(axis=1), -1)), k


def test_votes_by_hand():
    found = nearest_neighbours.Neighbours(np.array([[0, 1, 2, 3]]), np.array([[1.0, 2.0, 4.0, 4.0]]), 4)
    labels = np.array([3, 1, 1, 3])
    vote = lambda **more: validation_curves.vote(found, labels, ks=(1, 2, 3, 4), **more)[:, 0].tolist()  # noqa: E731
    assert vote() == [3, 1, 1, 1]  # a tie goes to the lower label
    assert vote(one_hot=True) == [3, -1, 1, -1]  # a tie is ten times 'no'
    assert vote(weights="distance") == [3, 3, 3, 3]  # 1 and 0.25 against 0.5 and 0.25
    twin = nearest_neighbours.Neighbours(found.indices, np.array([[0.0, 2.0, 4.0, 4.0]]), 4)
    assert validation_curves.vote(twin, labels, ks=(3,), weights="distance").tolist() == [[3]]


def test_leave_one_out_equals_a_loop(small):
    x, y = small[0][:150], small[1][:150]
    swept = validation_curves.knn_sweep(x, y, ks=(1, 3))
    for row in range(150):
        keep = np.arange(150) != row
        order, _ = brute_force(x[keep], x[row : row + 1], 3)
        assert swept.predictions[0, row] == y[keep][order[0, 0]]
        assert swept.predictions[1, row] == np.bincount(y[keep][order[0]]).argmax()


# the trees


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
@pytest.mark.parametrize("one_hot", [False, True])
def test_cut_trees_equal_refitted_ones_where_no_split_is_tied(criterion, one_hot):
    rng = np.random.default_rng(6)  # continuous features and few levels: no equal splits
    x, y = rng.normal(size=(1500, 8)).astype(np.float32), rng.integers(0, 4, 1500)
    y = np.where(x[:, 0] > 0.3, 0, y)
    target = np.eye(4, dtype=int)[y] if one_hot else y
    swept = validation_curves.tree_sweep(x, y, x=x[::2], depths=(1, 2, 3, 4, 5), criteria=(criterion,), one_hot=one_hot)
    for depth, predicted in zip(swept.depths, swept.predictions[0, 0], strict=True):
        model = DecisionTreeClassifier(criterion=criterion, max_depth=depth, random_state=9).fit(x, target)
        answer = model.predict(x[::2])
        if one_hot:
            answer = np.where(answer.sum(axis=1) == 1, answer.argmax(axis=1), trees.NO_LABEL)
        assert np.array_equal(predicted, answer), depth


def test_uncut_tree_is_scikit_learns_own(small):
    x_train, y_train, x, _ = small
    swept = validation_curves.tree_sweep(x_train, y_train, x=x, depths=(1, 99), seeds=(0, 7))
    assert swept.predictions.shape == (2, 2, 2, len(x))
    for i, criterion in enumerate(swept.criteria):
        for j, seed in enumerate(swept.seeds):
            model = DecisionTreeClassifier(criterion=criterion, random_state=seed).fit(x_train, y_train)
            assert np.array_equal(swept.predictions[i, j, 1], model.predict(x))


def test_pruned_trees_equal_refitted_ones(small):
    x_train, y_train, x, _ = small
    model = DecisionTreeClassifier(random_state=0).fit(x_train, y_train)
    full = trees.plain(model)
    pruning = trees.prune(full)
    path = model.cost_complexity_pruning_path(x_train, y_train).ccp_alphas
    assert np.allclose(np.unique(path.round(12)), np.unique(pruning.alphas.round(12)))
    assert pruning.n_leaves[0] == model.get_n_leaves()
    assert pruning.n_leaves[-1] == 1
    between = (pruning.alphas[:-1] + pruning.alphas[1:])[np.diff(pruning.alphas) > 1e-9] / 2  # off the ties
    picked = between[:: max(1, len(between) // 12)]
    predicted = trees.predict_at_alphas(full, x.astype(np.float32), alphas=picked, pruning=pruning)
    for alpha, ours in zip(picked, predicted, strict=True):
        refit = DecisionTreeClassifier(random_state=0, ccp_alpha=alpha).fit(x_train, y_train)
        assert np.array_equal(ours, refit.predict(x)), alpha
        assert refit.get_n_leaves() == pruning.n_leaves[pruning.alphas <= alpha][-1]


def test_a_tree_pruned_at_its_very_alpha_has_as_many_leaves_as_the_path_says(small):
    """What collapses at an alpha is gone at it, and not only above: counted by the nodes where training rows end."""
    x_train, y_train, *_ = small
    full = trees.plain(DecisionTreeClassifier(random_state=0).fit(x_train, y_train))
    pruning, x = trees.prune(full), np.asarray(x_train).reshape(len(x_train), -1).astype(np.float32)
    # Each node answers with its own number, so that the answers tell the leaves apart.
    numbered = replace(
        full, value=np.eye(len(full.left))[:, None, :], classes=np.arange(len(full.left)), importances=None
    )
    answers = trees.predict_at_alphas(numbered, x, alphas=pruning.alphas, pruning=pruning)
    assert [len(np.unique(row)) for row in answers] == pruning.n_leaves.tolist()


def test_one_standard_error_takes_the_simplest_within_reach():
    assert validation_curves.one_standard_error([0.50, 0.88, 0.895, 0.90, 0.899], n=900) == 2  # one error is 0.01
    assert validation_curves.one_standard_error([0.90, 0.5], n=10) == 0


# bad input


@pytest.mark.parametrize(
    ("k", "message"), [(0, "k: 0"), (-2, "k: -2"), (21, "k: 21"), (2.0, "k: 2.0"), (True, "k: True"), ("3", "k: '3'")]
)
def test_bad_k_is_named(k, message):
    x = np.arange(40).reshape(20, 2)
    with pytest.raises(ValueError, match=message):
        nearest_neighbours.search(x, x, k=k)
    with pytest.raises(ValueError, match=message):
        validation_curves.knn_sweep(x, np.zeros(20, int), x=x, ks=(1, k))


def test_leave_one_out_has_one_row_less_to_choose_from():
    with pytest.raises(ValueError, match="allowed is 1 to 19"):
        nearest_neighbours.search(np.arange(40).reshape(20, 2), k=20)


def test_bad_features_are_named():
    x, y = np.arange(40.0).reshape(20, 2), np.zeros(20, int)
    hole = x.copy()
    hole[3, 1] = np.nan
    for sweep in (functools.partial(validation_curves.knn_sweep, ks=(1,)), validation_curves.tree_sweep):
        with pytest.raises(ValueError, match="x_train: 1 values are NaN"):
            sweep(hole, y, x=x)
        with pytest.raises(ValueError, match="3 features a row; the training rows have 2"):
            sweep(x, y, x=np.zeros((4, 3)))
        with pytest.raises(ValueError, match="y_train"):
            sweep(x, y[:-1], x=x)
        with pytest.raises(ValueError, match="numeric array"):
            sweep(np.array([["a", "b"]]), y, x=x)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"depths": (0,)}, "depth: 0"),
        ({"depths": (2.5,)}, "depth: 2.5"),
        ({"criteria": ("ginny",)}, "criterion: 'ginny'"),
    ],
)
def test_bad_tree_settings_are_named(more, message):
    x = np.arange(40).reshape(20, 2)
    with pytest.raises(ValueError, match=message):
        validation_curves.tree_sweep(x, np.arange(20) % 2, x=x, **more)


def test_unknown_weights_are_named():
    x = np.arange(40).reshape(20, 2)
    with pytest.raises(ValueError, match="weights: 'square'"):
        validation_curves.knn_sweep(x, np.arange(20) % 2, x=x, ks=(1,), weights="square")


def test_look_alikes_are_others_even_among_duplicates():
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (40, 6, 6)).astype(np.uint8)
    images[7] = images[30]  # the duplicate comes first in the order of rows
    rows = np.array([30, 7, 3])
    found = nearest_neighbours.look_alikes(images, rows, k=3)
    flat = images.reshape(40, -1).astype(float)
    for row, near in zip(rows, found, strict=True):
        squared = ((flat - flat[row]) ** 2).sum(axis=1)
        squared[row] = np.inf
        assert near.tolist() == np.argsort(squared, kind="stable")[:3].tolist()
    assert found[0, 0] == 7
    assert found[1, 0] == 30
