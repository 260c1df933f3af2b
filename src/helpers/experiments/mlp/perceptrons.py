"""scikit-learn's MLPClassifier under many readings of one sentence, to see which of them explains a printed score."""

import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from helpers.data.splits import Split
from helpers.runtime import cache, paths
from helpers.runtime.precision import available_threads


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


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted reading: its layers, how many images it saw, and the passes it took over them.

    weights, biases: float32, one of each per layer. passes: until convergence or the limit. reused: it came from the
    store.
    """

    reading: Reading
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    n_train: int
    passes: int
    seconds: float
    reused: bool = False

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return labels int64 (n,) for uint8 images (n, h, w); -1 where no single class is named."""
        values = _columns(images, self.reading.scaled)
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ weights + bias, 0)
        values = values @ self.weights[-1] + self.biases[-1]
        if not self.reading.one_hot:
            return values.argmax(axis=1)
        said = values > 0  # a logit above zero is a probability above one half
        return np.where(said.sum(axis=1) == 1, said.argmax(axis=1), -1)


def fit(
    reading: Reading,
    split: Split,
    *,
    hidden: tuple[int, ...] = (200, 200),
    alpha: float = 0.3,
    seed: int = 0,
    store: Path | None = None,
) -> Fitted:
    """Fit one reading, or take it from the run store (`store`, or `paths.RUNS`), where what was fitted is kept.

    Stopping at `max_iter` before convergence is part of some readings and not warned about.
    """
    n = len(split.x_train) if reading.n_train is None else min(reading.n_train, len(split.x_train))
    inputs = {**asdict(reading), "hidden": hidden, "alpha": alpha, "seed": seed, "split": split.fingerprint, "n": n}
    del inputs["name"]  # what it is called decides nothing
    found = cache.arrays(
        lambda: _fit(reading, split, n, hidden, alpha, seed), inputs=inputs, modules=[__name__], store=store
    )
    layers = range(len(hidden) + 1)
    weights, biases = ([found.arrays[f"{kind}{i}"] for i in layers] for kind in ("w", "b"))
    return Fitted(reading, weights, biases, n, int(found.arrays["passes"]), found.seconds, found.reused)


def _fit(reading: Reading, split: Split, n: int, hidden, alpha: float, seed: int) -> dict[str, np.ndarray]:
    labels = np.eye(10, dtype=int)[split.y_train[:n]] if reading.one_hot else split.y_train[:n]
    network = MLPClassifier(
        hidden,
        activation="relu",
        solver=reading.solver,
        alpha=alpha,
        max_iter=reading.max_iter,
        batch_size=min(200, n),
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(_columns(split.x_train[:n], reading.scaled), labels)
    layers = {f"w{i}": array for i, array in enumerate(network.coefs_)}
    layers |= {f"b{i}": array for i, array in enumerate(network.intercepts_)}
    return layers | {"passes": np.array(network.n_iter_)}


def compare(readings: Iterable[Reading], split: Split, *, seed: int = 0) -> tuple[pd.DataFrame, dict[str, Fitted]]:
    """Fit every reading that is not stored, in parallel; return (table, name -> fitted network).

    The table, indexed by reading, has the accuracy on its own training images and on the validation part, the passes
    over the data, and seconds of fitting. One thread each: these products are too small to share between threads.
    """
    jobs = [delayed(fit)(reading, split, seed=seed, store=paths.RUNS) for reading in readings]
    every = Parallel(n_jobs=available_threads())(jobs)
    rows = {
        fitted.reading.name: {
            "training accuracy": _accuracy(fitted, split.x_train[: fitted.n_train], split.y_train[: fitted.n_train]),
            "validation accuracy": _accuracy(fitted, split.x_val, split.y_val),
            "training images": fitted.n_train,
            "passes": fitted.passes,
            "seconds": fitted.seconds,
        }
        for fitted in every
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("reading"), {f.reading.name: f for f in every}


def _accuracy(fitted: Fitted, images: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(fitted.predict(images) == labels))
