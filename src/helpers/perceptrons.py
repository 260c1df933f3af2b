"""scikit-learn's MLPClassifier under many readings of one sentence, to see which of them explains a printed score."""

import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from helpers.splits import Split


@dataclass(frozen=True)
class Reading:
    """One way to read 'MLPClassifier relu (200, 200) alpha = 0.3': everything the sentence leaves open.

    n_train: the first so many training images, None for all. one_hot: ten yes/no labels, where an image counts as
    right only if all ten are. scaled: pixels in 0..1 rather than 0..255.
    """

    name: str
    solver: str = "adam"
    max_iter: int = 200
    n_train: int | None = None
    one_hot: bool = False
    scaled: bool = True
    activation: str = "relu"


def readings(passes: int = 200) -> list[Reading]:
    """Return eight readings of the published sentence; none takes more than `passes` passes over the data."""
    return [
        Reading("as described", max_iter=passes),
        Reading("one-hot labels", one_hot=True, max_iter=passes),
        Reading("pixels 0 to 255", scaled=False, max_iter=min(passes, 10)),
        Reading("one-hot labels, a single pass", one_hot=True, max_iter=1),
        Reading("1,000 training images", n_train=1000, max_iter=passes),
        Reading("1,000 training images, one-hot labels", n_train=1000, one_hot=True, max_iter=passes),
        Reading("plain gradient descent, 6 passes", solver="sgd", max_iter=min(passes, 6)),
        Reading(
            "plain gradient descent, 20 passes, one-hot labels", solver="sgd", one_hot=True, max_iter=min(passes, 20)
        ),
    ]


def _columns(images: np.ndarray, scaled: bool) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / (255 if scaled else 1)


def fit(reading: Reading, split: Split, *, hidden: tuple[int, ...] = (200, 200), alpha: float = 0.3, seed: int = 0):
    """Fit one reading and return f(uint8 images) -> predicted labels int64 (n,); -1 where no single class is named.

    Stopping at `max_iter` before convergence is part of some readings and not warned about.
    """
    n = len(split.x_train) if reading.n_train is None else min(reading.n_train, len(split.x_train))
    labels = np.eye(10, dtype=int)[split.y_train[:n]] if reading.one_hot else split.y_train[:n]
    network = MLPClassifier(
        hidden,
        activation=reading.activation,
        solver=reading.solver,
        alpha=alpha,
        max_iter=reading.max_iter,
        batch_size=min(200, n),
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(_columns(split.x_train[:n], reading.scaled), labels)

    def predict(images: np.ndarray) -> np.ndarray:
        answers = network.predict(_columns(images, reading.scaled))
        if not reading.one_hot:
            return answers.astype(np.int64)
        return np.where(answers.sum(axis=1) == 1, answers.argmax(axis=1), -1)

    predict.passes = network.n_iter_
    predict.n_train = n
    return predict


def compare(readings: Iterable[Reading], split: Split, *, seed: int = 0) -> tuple[pd.DataFrame, dict]:
    """Fit every reading; return (table, name -> prediction function).

    The table, indexed by reading, has the accuracy on its own training images and on the validation part, the passes
    over the data, and seconds.
    """
    rows, predictors = {}, {}
    for reading in readings:
        start = time.perf_counter()
        predict = fit(reading, split, seed=seed)
        n = predict.n_train
        rows[reading.name] = {
            "training accuracy": float(np.mean(predict(split.x_train[:n]) == split.y_train[:n])),
            "validation accuracy": float(np.mean(predict(split.x_val) == split.y_val)),
            "training images": n,
            "passes": int(predict.passes),
            "seconds": time.perf_counter() - start,
        }
        predictors[reading.name] = predict
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("reading"), predictors
