"""Own digits made a source: thirds, what a reader is told, and what is refused."""

from fractions import Fraction

import numpy as np
import pytest

from helpers.data.dataset import build_dataset
from helpers.data.own import assembling


def dataset(labels, *, start=0):
    """Return a dataset of these labels and images that all differ: each has its number, from `start`, in two pixels."""
    images = np.zeros((len(labels), 28, 28), np.uint8)
    number = np.arange(start, start + len(labels))
    images[:, 0, 0], images[:, 0, 1] = number % 256, number // 256
    return build_dataset("mine", images, np.asarray(labels, np.int64))


def test_a_third_of_each_digit_becomes_the_test_part():
    labels = np.repeat(np.arange(10), [300, 150, 60, 90, 30, 3, 9, 90, 12, 156])
    source = assembling.assemble("mine", dataset(labels))
    # Each class in proportion, to less than one image: a third of it.
    for digit, size in enumerate(np.bincount(labels)):
        assert abs(Fraction(int(np.sum(source.test.labels == digit))) - Fraction(int(size), 3)) < 1
    assert (len(source.train), len(source.test)) == (600, 300)
    assert {image.tobytes() for image in source.train.images}.isdisjoint(
        image.tobytes() for image in source.test.images
    )
    assert "third of the labelled images" in " ".join(source.notes)


def test_the_seed_decides_which_third():
    whole = dataset(np.tile(np.arange(10), 60))
    checksums = [assembling.assemble("mine", whole, seed=seed).test.checksum for seed in (0, 0, 1)]
    assert checksums[0] == checksums[1] != checksums[2]


def test_a_labelled_test_part_stays_as_it_is():
    train, test = dataset(np.tile(np.arange(10), 50)), dataset(np.arange(10), start=500)
    source = assembling.assemble("mine", train, test)
    assert (source.train, source.test) == (train, test)
    assert source.notes == ()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.tile(np.arange(10), 50)[:499], "mine: got 499 labelled images; 500 or more are needed"),
        (np.full(600, 3), "mine: got images of the digit 3 only; two digits or more are needed"),
    ],
)
def test_too_little_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        assembling.assemble("mine", dataset(labels))


def test_images_in_both_parts_are_counted():
    train = dataset(np.tile(np.arange(10), 60))
    test = dataset(np.arange(10), start=593)  # its first seven are train's last seven
    assert assembling.assemble("mine", train, test).notes == ("7 of the 10 test images are in the training part, too.",)


@pytest.mark.parametrize(
    ("present", "words"),
    [([0, 1, 2, 3, 4], "0 to 4"), ([3, 4], "3 and 4"), ([0, 2, 7], "0, 2 and 7"), (range(1, 10), "1 to 9")],
)
def test_missing_digits_are_said(present, words):
    source = assembling.assemble("mine", dataset(np.resize(list(present), 600)))
    assert f"Only the digits {words} occur." in source.notes


@pytest.mark.parametrize("name", ["MNIST", "mnist"])
def test_no_folder_can_pass_for_the_embedded_digits(name):
    source = assembling.assemble(name, dataset(np.tile(np.arange(10), 60)))
    assert source.name == f"{name} (own files)"
    assert not source.is_mnist


def test_described_says_what_there_is():
    source = assembling.assemble("mine", dataset(np.tile(np.arange(10), 60)), unlabelled=dataset([0] * 1234))
    value = assembling.described(source)["value"]
    assert value[["name", "training images", "test images", "images without a label", "digits"]].tolist() == [
        "mine", "400", "200", "1,234", "0 to 9"
    ]  # fmt: skip
    assert source.pooled.checksum.startswith(value["checksum"])
    assert len(value["checksum"]) == 12
