"""Digits from outside MNIST: whether somebody's own are scikit-learn's, or MNIST's."""

import numpy as np

from helpers.data import load
from helpers.data.dataset import build_dataset, pool
from helpers.experiments.sorting_office import outside


def source_of(images, labels):
    half = len(labels) // 2
    parts = [build_dataset("part", images[rows], labels[rows]) for rows in (slice(half), slice(half, None))]
    return pool("mine", *parts)


def test_the_small_digits_are_known_by_how_many_there_are_of_each():
    labels = load.load_digits_8x8().labels
    mixed = np.random.default_rng(0).permutation(labels)  # any order, any pixels
    assert outside.are_small(source_of(np.zeros((len(labels), 28, 28), np.uint8), mixed))
    one_other = np.where(np.arange(len(labels)) == 5, (mixed + 1) % 10, mixed)
    assert not outside.are_small(source_of(np.zeros((len(labels), 28, 28), np.uint8), one_other))


def test_images_of_mnist_are_found_whatever_they_are_called():
    images = load.load_mnist().test.images[:5].copy()
    assert outside.in_mnist(images) == 5
    images[:2, 14, 14] ^= 1
    assert outside.in_mnist(images) == 3


def test_test_digits_are_mnists_with_their_labels():
    images, labels = outside.test_digits(30)
    assert np.bincount(labels, minlength=10).tolist() == [3] * 10
    known = {image.tobytes(): label for image, label in zip(*vars_of(load.load_mnist().test), strict=True)}
    assert [known[image.tobytes()] for image in images] == labels.tolist()


def vars_of(part):
    return part.images, part.labels
