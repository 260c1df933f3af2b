"""Readings of a published sentence: what each setting really changes."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from helpers.data.splits import Split
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
    a, b, rows = slice(0, 300), slice(300, 400), np.arange(400)
    images = images.astype(np.uint8)
    return Split(
        "toy", images[a], labels[a], images[b], labels[b], images[b], labels[b], rows[a], rows[b], rows[b], "x"
    )


def test_a_table_row_for_each_reading(split):
    readings = [
        Reading("plain", max_iter=20),
        Reading("one-hot", one_hot=True, max_iter=20),
        Reading("fifty", n_train=50, max_iter=5),
    ]
    table, predictors = perceptrons.compare(readings, split)
    assert table.index.tolist() == ["plain", "one-hot", "fifty"]
    assert table["training images"].tolist() == [300, 300, 50]
    assert table.loc["fifty", "passes"] == 5
    assert table.loc["plain", "validation accuracy"] > 0.9
    predicted = predictors["plain"].predict(split.x_val)
    assert table.loc["plain", "validation accuracy"] == np.mean(predicted == split.y_val)


def test_one_hot_answers_name_one_class_or_none(split):
    predicted = perceptrons.fit(Reading("one-hot", one_hot=True, max_iter=2), split).predict(split.x_val)
    assert set(predicted) <= set(range(-1, 10))
    assert (predicted == -1).any()  # after two passes few of the ten are sure


def test_scaling_is_what_the_network_sees(split):
    # Unscaled pixels are 255 times as large, so the same network on images / 255 differs.
    scaled, unscaled = (perceptrons.fit(Reading("r", scaled=s, max_iter=1), split) for s in (True, False))
    assert not np.array_equal(scaled.predict(split.x_val), unscaled.predict(split.x_val))
    dark = replace(split, x_train=split.x_train // 255 * 0, fingerprint="dark")
    assert len(set(perceptrons.fit(Reading("r", max_iter=1), dark).predict(dark.x_train))) == 1


def test_the_eight_readings_differ_and_respect_the_limit():
    eight = perceptrons.readings(passes=4)
    assert len({replace(reading, name="") for reading in perceptrons.readings()}) == len(eight) == 8
    assert max(reading.max_iter for reading in eight) == 4


@pytest.mark.parametrize("one_hot", [False, True])
def test_the_layers_answer_as_scikit_learn_does(split, one_hot):
    columns = split.x_train.reshape(300, -1).astype(np.float32) / 255
    labels = np.eye(10, dtype=int)[split.y_train] if one_hot else split.y_train
    network = MLPClassifier((200, 200), alpha=0.3, max_iter=3, batch_size=200, random_state=4)
    with pytest.warns(ConvergenceWarning):
        network.fit(columns, labels)
    answers = network.predict(split.x_val.reshape(100, -1).astype(np.float32) / 255)
    if one_hot:
        answers = np.where(answers.sum(axis=1) == 1, answers.argmax(axis=1), -1)
    ours = perceptrons.fit(Reading("r", one_hot=one_hot, max_iter=3), split, seed=4)
    assert ours.predict(split.x_val).tolist() == answers.tolist()


def test_what_was_fitted_is_remembered_and_what_was_damaged_is_fitted_again(split, store):
    reading = Reading("r", max_iter=2)
    first, again = perceptrons.fit(reading, split), perceptrons.fit(replace(reading, name="other"), split)
    assert (first.reused, again.reused) == (False, True)
    assert again.predict(split.x_val).tolist() == first.predict(split.x_val).tolist()
    assert (again.passes, again.seconds) == (2, first.seconds)
    for changes in ({"seed": 1}, {"alpha": 0.2}, {"hidden": (50,)}):
        assert not perceptrons.fit(reading, split, **changes).reused
    assert not perceptrons.fit(reading, replace(split, fingerprint="other"), store=store).reused
    for layers in store.rglob("arrays.npz"):
        layers.write_bytes(layers.read_bytes()[:-1])
    mended = perceptrons.fit(reading, split)
    assert not mended.reused
    assert mended.predict(split.x_val).tolist() == first.predict(split.x_val).tolist()
    assert run_store.store_size(store)[0] >= 1
