"""Readings of a published sentence: what each setting really changes."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from helpers.data import splits
from helpers.experiments.mlp import perceptrons
from helpers.experiments.mlp.perceptrons import Reading
from helpers.runtime import paths, run_store


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 400)
    images = np.clip(rng.integers(0, 256, (10, 28, 28))[labels] + rng.normal(0, 40, (400, 28, 28)), 0, 255)
    a, b = slice(0, 300), slice(300, 400)
    images = images.astype(np.uint8)
    return splits.of_arrays("toy", *((images[part], labels[part]) for part in (a, b, b)))


def network(max_iter, **changes):
    settings = {"hidden_layer_sizes": (200, 200), "alpha": 0.3, "random_state": 0, **changes}
    return MLPClassifier(**settings, max_iter=max_iter)


def test_every_reading_is_fitted_under_its_name_to_the_images_it_asks_for(split):
    readings = {"plain": Reading(network(20)), "one-hot": Reading(network(20), one_hot=True)}
    fitted = perceptrons.fit_all(readings | {"fifty": Reading(network(5), n_train=50)}, split)
    assert list(fitted) == ["plain", "one-hot", "fifty"]
    assert fitted["fifty"].passes == 5
    assert np.mean(fitted["plain"].predict(split.x_val) == split.y_val) > 0.9
    few = splits.make(split.source, "few", split.train_index[:50])
    alone = perceptrons.cached_fit(Reading(network(5)), few)
    # Side by side or alone, other thread counts may add up in another order.
    np.testing.assert_allclose(fitted["fifty"].weights[0], alone.weights[0], atol=1e-5)


def test_one_hot_answers_name_one_class_or_none(split):
    predicted = perceptrons.cached_fit(Reading(network(2), one_hot=True), split).predict(split.x_val)
    assert set(predicted) <= set(range(-1, 10))
    assert (predicted == -1).any()  # after two passes few of the ten are sure


def test_scaling_is_what_the_network_sees(split):
    # Unscaled pixels are 255 times as large, so the same network on images / 255 differs.
    scaled, unscaled = (perceptrons.cached_fit(Reading(network(1), scaled=s), split) for s in (True, False))
    assert not np.array_equal(scaled.predict(split.x_val), unscaled.predict(split.x_val))
    rest = (split.x_val, split.y_val), (split.x_test, split.y_test)
    dark = splits.of_arrays("dark", (split.x_train * 0, split.y_train), *rest)
    assert len(set(perceptrons.cached_fit(Reading(network(1)), dark).predict(dark.x_train))) == 1


@pytest.mark.parametrize("one_hot", [False, True])
def test_the_layers_answer_as_scikit_learn_does(split, one_hot):
    pixels = split.x_train.reshape(300, -1).astype(np.float32) / 255
    labels = np.eye(10, dtype=int)[split.y_train] if one_hot else split.y_train
    theirs = network(3, random_state=4)
    with pytest.warns(ConvergenceWarning):
        theirs.fit(pixels, labels)
    answers = theirs.predict(split.x_val.reshape(100, -1).astype(np.float32) / 255)
    if one_hot:
        answers = np.where(answers.sum(axis=1) == 1, answers.argmax(axis=1), -1)
    ours = perceptrons.cached_fit(Reading(network(3, random_state=4), one_hot=one_hot), split)
    assert ours.predict(split.x_val).tolist() == answers.tolist()


def test_what_was_fitted_is_remembered_and_what_was_damaged_is_fitted_again(split, store):
    reading = Reading(network(2))
    first, again = (perceptrons.cached_fit(reading, split) for _ in range(2))
    assert (first.reused, again.reused) == (False, True)
    assert all(np.array_equal(a, b) for a, b in zip(again.weights, first.weights, strict=True)), "read, not computed"
    assert (again.passes, again.seconds) == (2, first.seconds)
    assert not hasattr(reading.network, "coefs_")  # what is asked for stays unfitted
    for changes in ({"random_state": 1}, {"alpha": 0.2}, {"hidden_layer_sizes": (50,)}, {"solver": "sgd"}):
        assert not perceptrons.cached_fit(Reading(network(2, **changes)), split).reused
    for other in (replace(reading, n_train=40), replace(reading, one_hot=True), replace(reading, scaled=False)):
        assert not perceptrons.cached_fit(other, split).reused
    assert not perceptrons.cached_fit(reading, replace(split, fingerprint="other"), store=store).reused
    for layers in store.rglob("arrays.npz"):
        layers.write_bytes(layers.read_bytes()[:-1])
    mended = perceptrons.cached_fit(reading, split)
    assert not mended.reused
    for a, b in zip(mended.weights + mended.biases, first.weights + first.biases, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)  # a seed gives the same fit, to what sums are rounded to
    assert run_store.store_size(store)[0] >= 1


@pytest.mark.parametrize("kept", [(1, 4, 8), (3, 7)])
def test_answers_are_labels_where_not_all_ten_digits_occur(split, kept):
    rows = np.flatnonzero(np.isin(split.source.labels, kept))
    some = splits.make(split.source, "some", rows[:-20], rows[-20:], rows[-20:])
    fitted = perceptrons.cached_fit(Reading(network(20)), some)
    assert fitted.weights[-1].shape[1] == (3 if len(kept) == 3 else 1)  # of two scikit-learn makes one output
    expected = perceptrons.fit(Reading(network(20)), some).predict(perceptrons.columns(some.x_val, scaled=True))
    assert set(expected) == set(kept)
    assert list(fitted.predict(some.x_val)) == list(expected)
