"""Readings of a published sentence: what each setting really changes."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import perceptrons
from helpers.perceptrons import Reading
from helpers.splits import Split


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
    dark = replace(split, x_train=split.x_train // 255 * 0)
    assert len(set(perceptrons.fit(Reading("r", max_iter=1), dark).predict(dark.x_train))) == 1


def test_the_eight_readings_differ_and_respect_the_limit():
    eight = perceptrons.readings(passes=4)
    assert len({replace(reading, name="") for reading in perceptrons.readings()}) == len(eight) == 8
    assert max(reading.max_iter for reading in eight) == 4
