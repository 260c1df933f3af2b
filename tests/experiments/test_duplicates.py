"""Duplicates: exact groups and closest pairs against brute force, and what is true of MNIST."""

import hashlib

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from helpers.data import load
from helpers.experiments.eda import duplicates


def pictures(n, seed=0, side=8):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (n, side, side)) * (rng.random((n, side, side)) < 0.5)).astype(np.uint8)


def brute(images, n_pairs):
    """All pairs by scipy in float64, sorted by distance, then rows."""
    distances = squareform(pdist(images.reshape(len(images), -1).astype(float)))
    pairs = [(distances[i, j], i, j) for i in range(len(images)) for j in range(i + 1, len(images))]
    return sorted(pairs)[:n_pairs]


def test_groups_of_equal_images():
    images = pictures(20)
    images[7] = images[2]
    images[19] = images[2]
    images[5] = images[4]
    assert duplicates.duplicate_groups(images) == [(2, 7, 19), (4, 5)]


def test_one_grey_level_is_a_difference():
    images = pictures(5)
    images[1] = images[0]
    images[1, 3, 3] ^= 1
    assert duplicates.duplicate_groups(images) == []
    pair = duplicates.closest_pairs(images, n_pairs=1)
    assert pair.iloc[0].tolist() == [0, 1, 1.0]


@pytest.mark.parametrize("block", [7, 64, 1024])
@pytest.mark.parametrize("n_pairs", [1, 12, 60])
@pytest.mark.parametrize("n_components", [1, 5, 64])
def test_closest_pairs_are_those_of_brute_force(block, n_pairs, n_components):
    images = pictures(90, seed=3)
    found = duplicates.closest_pairs(images, n_pairs=n_pairs, n_components=n_components, block=block)
    wanted = brute(images, n_pairs)
    assert list(zip(found["first"], found["second"], strict=True)) == [(i, j) for _, i, j in wanted]
    assert found["distance"].to_numpy() == pytest.approx([distance for distance, _, _ in wanted], rel=1e-12)


def test_ties_come_in_the_order_of_their_rows():
    images = np.zeros((6, 4, 4), np.uint8)  # every pair is at distance 0
    found = duplicates.closest_pairs(images, n_pairs=4, block=2)
    assert list(zip(found["first"], found["second"], strict=True)) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert len(duplicates.closest_pairs(images, n_pairs=100)) == 15


def test_closest_by_class_looks_within_each_class():
    images, labels = pictures(60, seed=8), np.arange(60) % 4
    labels[labels == 3] = 9
    labels[0] = 5  # alone: no pair
    found = duplicates.closest_by_class(images, labels)
    assert found.index.tolist() == [0, 1, 2, 9]
    for label in found.index:
        rows = np.flatnonzero(labels == label)
        distance, i, j = brute(images[rows], 1)[0]
        assert found.loc[label, ["first", "second"]].tolist() == [rows[i], rows[j]]
        assert found.loc[label, "distance"] == pytest.approx(distance)
        assert found.loc[label, "pairs"] == len(rows) * (len(rows) - 1) / 2


def test_too_little_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        duplicates.closest_pairs(pictures(1))
    with pytest.raises(ValueError, match="images"):
        duplicates.duplicate_groups(pictures(3).astype(float))


def test_no_image_of_mnist_occurs_twice():
    images = load.load_mnist().pooled.images
    assert len({hashlib.sha256(image.tobytes()).digest() for image in images}) == len(images)
    assert duplicates.duplicate_groups(images) == []


def test_a_copy_planted_in_the_test_part_is_found():
    mnist = load.load_mnist()
    pooled = np.concatenate([mnist.train.images[:1500], mnist.test.images[:300]])
    pooled[1623] = pooled[77]
    assert duplicates.duplicate_groups(pooled) == [(77, 1623)]
    faint = pooled.copy()
    faint[1623, 14, 14] = 255 - faint[1623, 14, 14]
    assert duplicates.duplicate_groups(faint) == []
    pair = duplicates.closest_pairs(faint, n_pairs=1).iloc[0]
    assert (pair["first"], pair["second"]) == (77, 1623)
