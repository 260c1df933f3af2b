"""scikit-learn's MLPClassifier under many readings of one sentence: fitted side by side, and cached."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from helpers.runtime import cache, paths
from helpers.runtime.precision import available_threads

if TYPE_CHECKING:  # a split is in the key by its content; how it was drawn need not be
    from helpers.data.splits import Split


@dataclass(frozen=True)
class Reading:
    """An unfitted network, and what it is to learn from: everything that the sentence leaves open.

    n_train: the first so many training images, None for all. one_hot: ten yes/no labels, where an image counts as
    right only if all ten are. scaled: pixels in 0..1 rather than 0..255.
    """

    network: MLPClassifier
    n_train: int | None = None
    one_hot: bool = False
    scaled: bool = True


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted reading: its layers, and the passes it took over its images.

    weights, biases: float32, one of each per layer. classes: the labels that the outputs stand for. passes: until
    convergence or the limit. reused: it came from the store.
    """

    reading: Reading
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    classes: np.ndarray
    passes: int
    seconds: float
    reused: bool = False

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return labels int64 (n,) for uint8 images (n, h, w); -1 where no single class is named."""
        values = columns(images, scaled=self.reading.scaled)
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ weights + bias, 0)
        values = values @ self.weights[-1] + self.biases[-1]
        if not self.reading.one_hot:  # of two classes scikit-learn makes one output, the logit of the second
            return self.classes[values.argmax(axis=1) if values.shape[1] > 1 else (values[:, 0] > 0).astype(int)]
        said = values > 0  # a logit above zero is a probability above one half
        return np.where(said.sum(axis=1) == 1, said.argmax(axis=1), -1)


def columns(images: np.ndarray, *, scaled: bool) -> np.ndarray:
    """Return uint8 images (n, h, w) as float32 (n, h w), in 0..1 if scaled, else in 0..255."""
    return images.reshape(len(images), -1).astype(np.float32) / (255 if scaled else 1)


def fit(reading: Reading, split: "Split") -> MLPClassifier:
    """Fit a copy of the reading's network to the images, pixels and labels that it asks for."""
    x = columns(split.x_train[: reading.n_train], scaled=reading.scaled)
    y = split.y_train[: reading.n_train]
    with warnings.catch_warnings():  # to stop before convergence is part of some readings
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(reading.network).fit(x, np.eye(10, dtype=int)[y] if reading.one_hot else y)


def cached_fit(reading: Reading, split: "Split", *, store: Path | None = None) -> Fitted:
    """Fit a reading, or take its layers from the run store (`store`, or `paths.RUNS`)."""

    def compute() -> dict[str, np.ndarray]:
        network = fit(reading, split)
        layers = {f"w{i}": array for i, array in enumerate(network.coefs_)}
        layers |= {f"b{i}": array for i, array in enumerate(network.intercepts_)}
        return layers | {"passes": np.array(network.n_iter_)}

    data = {"split": split.fingerprint, "n": reading.n_train, "one_hot": reading.one_hot, "scaled": reading.scaled}
    inputs = {**data, "network": reading.network.get_params()}
    found = cache.arrays(compute, inputs=inputs, modules=[__name__], store=store)
    weights, biases = ([found.arrays[f"{kind}{i}"] for i in range(len(found.arrays) // 2)] for kind in "wb")
    classes = np.unique(split.y_train[: reading.n_train])
    return Fitted(reading, weights, biases, classes, int(found.arrays["passes"]), found.seconds, found.reused)


def fit_all(readings: Mapping[str, Reading], split: "Split") -> dict[str, Fitted]:
    """Fit every reading that is not stored, side by side, one thread each: their products are too small to share."""
    jobs = [delayed(cached_fit)(reading, split, store=paths.RUNS) for reading in readings.values()]
    return dict(zip(readings, Parallel(n_jobs=available_threads())(jobs), strict=True))
