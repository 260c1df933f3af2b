"""Other readers of the same images, to see whose mistakes a network's mistakes are."""

import time
from dataclasses import dataclass

import numpy as np

from helpers import neighbours, sweeps
from helpers.metrics import Interval, accuracy
from helpers.splits import Split, stratified_rows


@dataclass(frozen=True, eq=False)
class Reader:
    """One model's answers on the test images: palette key, labels int64 (n,), seconds it took to learn and answer."""

    model: str
    predictions: np.ndarray
    seconds: float

    def score(self, y_true) -> Interval:
        """Return its accuracy."""
        return accuracy(y_true, self.predictions)


def nearest(split: Split, *, k: int = 5) -> tuple[Reader, neighbours.Neighbours]:
    """Let the k nearest training images vote; return the reader and the neighbours themselves, nearest first."""
    start = time.perf_counter()
    found = neighbours.search(split.x_train, split.x_test, k=k)
    votes = sweeps.vote(found, split.y_train, ks=[k])[0]
    return Reader("knn", votes, time.perf_counter() - start), found


def support_vectors(
    split: Split, *, n_train: int = 15_000, n_components: int = 50, penalty: float = 10.0, seed: int = 0
) -> Reader:
    """Fit a support vector machine with a radial kernel on principal components of part of the training images.

    n_train: so many of them, the classes in proportion, or all where there are fewer; its time grows faster than
    their number. gamma is scikit-learn's "scale".
    """
    from sklearn.decomposition import PCA  # imported where used: it costs a second
    from sklearn.svm import SVC

    start = time.perf_counter()
    n_train = min(n_train, len(split.x_train))
    rows = stratified_rows(split.y_train, n_train, seed=seed)
    pixels = split.x_train[rows].reshape(n_train, -1).astype(np.float32) / 255
    n_components = min(n_components, n_train, pixels.shape[1])
    components = PCA(n_components, random_state=seed, svd_solver="randomized").fit(pixels)
    machine = SVC(C=penalty, gamma="scale", cache_size=500).fit(components.transform(pixels), split.y_train[rows])
    test = split.x_test.reshape(len(split.x_test), -1).astype(np.float32) / 255
    predictions = machine.predict(components.transform(test)).astype(np.int64)
    return Reader("svm", predictions, time.perf_counter() - start)


def network(run, model: str) -> Reader:
    """Return the test answers of a trained `training.Run` under a palette key."""
    return Reader(model, run.test_predictions, run.seconds)
