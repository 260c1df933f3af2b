"""Digits from outside MNIST, brought into MNIST's form, and the network that is shipped for them."""

import numpy as np

from helpers.data import load
from helpers.evaluation.predictor import Predictor
from helpers.predict import preparing, shipped
from helpers.predict.decoding import Unreadable

GREYS = 16  # of scikit-learn's small digits


def small_digits(n: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits in MNIST's form: uint8 (n, 28, 28), labels int64 (n,); 0 for all 1,797.

    They were written by other people, in another country, and scanned to 8 x 8 pixels.
    """
    small = load.load_digits_8x8()
    images, labels = small.images[: n or None], small.labels[: n or None]
    prepared = [preparing.prepare(image.astype(np.float32) * (255 / GREYS)).image for image in images]
    return np.stack(prepared), labels


def mended(images: np.ndarray) -> np.ndarray:
    """Bring images (n, 28, 28), ink high, into MNIST's form again: level, crop, fit, centre.

    An image without visible ink stays as it is.
    """
    return np.stack([_mended(image) for image in images]) if len(images) else images


def _mended(image: np.ndarray) -> np.ndarray:
    try:
        return preparing.prepare(image.astype(np.float32), polarity="light-on-dark").image
    except Unreadable:
        return image


def with_shipped(predictors: dict[str, Predictor]) -> dict[str, Predictor]:
    """Return the predictors and, where its file is there, the "shipped network" that comes with this project."""
    if not (shipped.DIRECTORY / shipped.CARD).is_file():
        return predictors
    return {**predictors, "shipped network": shipped.load()}
