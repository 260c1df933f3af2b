"""Digits from outside MNIST, as pictures; with and without MNIST's form; and what others reached on such."""

from collections.abc import Mapping, Sequence

import numpy as np

from helpers.data import kaggle, load
from helpers.data.dataset import Mnist
from helpers.data.pictures import resampling
from helpers.data.pictures.preparing import SIDE
from helpers.evaluation.predictor import Predictor
from helpers.experiments.sorting_office import service
from helpers.predict import conditions

GREYS = 16  # of scikit-learn's small digits
FORMAT = "8 x 8, 17 greys"  # the condition that is their very format

# Trained on MNIST alone and tested on USPS, postal digits of 16 x 16 greys: accuracy, and where it is published.
PUBLISHED = {
    "plain training": (0.782, "Choi et al. 2023, arXiv:2304.00424"),
    "progressive random convolutions": (0.9367, "Choi et al. 2023, arXiv:2304.00424"),
    "with unlabelled images of the target": (0.9597, "Liu et al. 2017, arXiv:1703.00848"),
}


def small_digits(n: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits as pictures: float32 (n, 8, 8) in 0..255, labels int64 (n,); 0 for all 1,797.

    They were written by other people, in another country, and scanned to 8 x 8 pixels.
    """
    small = load.load_digits_8x8()
    return small.images[: n or None].astype(np.float32) * np.float32(255 / GREYS), small.labels[: n or None]


def test_digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n of MNIST's test digits, the classes in proportion: uint8 (n, 28, 28), labels int64 (n,)."""
    test = load.load_mnist().test
    return load.subset(test.images, test.labels, n, seed=0)


def are_small(source: Mnist) -> bool:
    """Say whether somebody's own digits are scikit-learn's: as many of each digit, whatever became of their pixels."""
    small = load.load_digits_8x8()
    return np.array_equal(*(np.bincount(labels, minlength=10) for labels in (source.pooled.labels, small.labels)))


def in_mnist(images: np.ndarray) -> int:
    """Count images uint8 (n, 28, 28) that are, pixel for pixel, in MNIST."""
    return int((kaggle.look_up(images) >= 0).sum())


def varied(images: np.ndarray, labels: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return digits uint8 (n, 28, 28) under every condition of `helpers.predict.conditions`: pictures, and labels."""
    pictures = [
        conditions.picture(image, name, seed=i) for name in conditions.CONDITIONS for i, image in enumerate(images)
    ]
    return pictures, np.tile(labels, len(conditions.CONDITIONS))


def stretched(picture: np.ndarray) -> np.ndarray:
    """Return a whole picture, grey 0..255, brought to 28 x 28 and no more, uint8; light paper is turned dark."""
    picture = resampling.resize(np.asarray(picture, np.float32), SIDE, SIDE)
    return np.clip(np.rint(255 - picture if picture.mean() > 127 else picture), 0, 255).astype(np.uint8)


def two_by_two(
    networks: Mapping[str, Predictor], sets: Mapping[str, tuple[Sequence[np.ndarray], np.ndarray]]
) -> dict[str, dict[str, np.ndarray]]:
    """Return which digits several networks read right, with and without MNIST's form.

    sets: name -> (pictures, labels). For each set: "network, way" -> bool (n,), the ways of a network one after the
    other: brought to 28 x 28, and in MNIST's form.
    """
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in sets}
    for name, network in networks.items():
        ways = {
            "brought to 28 x 28": lambda pictures, n=network: n.labels(np.stack([stretched(one) for one in pictures])),
            "in MNIST's form": lambda pictures, n=network: service.prepared(n)(pictures)[0],
        }
        for way, digits in ways.items():
            for key, (pictures, labels) in sets.items():
                found[key][f"{name}, {way}"] = digits(pictures) == np.asarray(labels)
    return found
