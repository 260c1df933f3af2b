"""Other readers of the same images, to see whose mistakes a network's mistakes are, and what to compare them with."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from helpers.classical import nearest_neighbours, validation_curves
from helpers.data import folds, writers
from helpers.data.dataset import Dataset, Mnist
from helpers.data.splits import Split, stratified_rows
from helpers.evaluation import calibration, errors
from helpers.evaluation.metrics import Interval, accuracy


@dataclass(frozen=True, eq=False)
class Reader:
    """One model's answers on the test images: palette key, labels int64 (n,), seconds it took to learn and answer."""

    model: str
    predictions: np.ndarray
    seconds: float

    def score(self, y_true) -> Interval:
        """Return its accuracy."""
        return accuracy(y_true, self.predictions)


def nearest(split: Split, *, k: int = 5) -> tuple[Reader, nearest_neighbours.Neighbours]:
    """Let the k nearest training images vote; return the reader and the neighbours themselves, nearest first."""
    start = time.perf_counter()
    found = nearest_neighbours.search(split.x_train, split.x_test, k=k)
    votes = validation_curves.vote(found, split.y_train, ks=[k])[0]
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


def networks(*, seed: int, n: int, n_validation: int = 10_000, mlp_epochs: int, cnn_epochs: int) -> dict[str, Reader]:
    """Read the standard test by two published networks: a multilayer perceptron and a convolutional one.

    n: training images, 0 for all. n_validation: held out from the first, whose run report 04 shares with the values it
    uses. The second learns from all of them.
    """
    from helpers.training import parallel

    mlp, cnn = parallel.train(_published(seed, n, n_validation, mlp_epochs, cnn_epochs))
    return {"MLP": network(mlp, "mlp"), "CNN": network(cnn, "cnn")}


def _published(seed: int, n: int, n_validation: int, mlp_epochs: int, cnn_epochs: int) -> list:
    """Return the trainings behind `networks`, as specs."""
    from helpers.data import load
    from helpers.training import recipes

    part = load.make_split("standard", n_validation=n_validation, n_train=n or None, seed=seed)
    whole = load.make_split("standard", n_train=n or None, seed=seed)
    mlp = recipes.published("mlp", part, epochs=mlp_epochs, options={"dropout": 0.4}, seed=seed)
    return [mlp, recipes.published("hdr_cnn", whole, epochs=cnn_epochs, seed=seed)]


@dataclass(frozen=True, eq=False)
class Hands:
    """Who wrote a test, and whose digits were misread.

    students: share of images by high-school students in its first and second half. writers: how many; clumsy: how many
    of them have a digit misread; most: misread digits of one of them. accuracy: with people as the sample.
    """

    students: tuple[float, float]
    writers: int
    clumsy: int
    most: int
    accuracy: Interval


def hands(source: Mnist, rows: np.ndarray, right: np.ndarray, *, seed: int = 0) -> Hands | None:
    """Look up the writers of test images, None where QMNIST's files are not at hand.

    rows: of the pooled images, int (n,); right: which were read as labelled, bool (n,).
    """
    if not writers.present():
        return None
    known = writers.load(source)
    ids, student = known.ids[rows], known.series[rows] == 4
    people, middle = writers.by_writer(ids, right), len(rows) // 2
    slips = people["n"] - people["right"]
    return Hands(
        students=(float(student[:middle].mean()), float(student[middle:].mean())),
        writers=len(people),
        clumsy=int((slips > 0).sum()),
        most=int(slips.max()),
        accuracy=writers.clustered(ids, right, seed=seed),
    )


def asker(run) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(uint8 images (n, h, w)) -> logits (n, 10) of a trained `training.Run`, loaded once."""
    from helpers.training import outcomes  # here, as the classical readers need not wait for TensorFlow

    return outcomes.make_predictor(run.load())


def look_alikes(images: np.ndarray, rows: np.ndarray, *, k: int) -> np.ndarray:
    """Return the k images nearest to each of `rows` among all *other* images, nearest first: int (len(rows), k)."""
    found = nearest_neighbours.search(images, images[rows], k=k + 1).indices
    # The row itself is at distance 0, but so is a duplicate, which may come before it.
    kept = [[other for other in line if other != row][:k] for line, row in zip(found, rows, strict=True)]
    return np.array(kept, dtype=np.int64).reshape(len(rows), k)


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Images read by networks that did not learn from them.

    rows: of the dataset, int64 (m,). probabilities: float64 (m, 10), each row by the one network that held it out.
    elsewhere: float64 (n, 10), the mean of all networks' probabilities of other images.
    """

    rows: np.ndarray
    probabilities: np.ndarray
    elsewhere: np.ndarray


def out_of_fold(
    source: Dataset,
    elsewhere: np.ndarray,
    *,
    n: int = 0,
    n_folds: int = 5,
    model: str = "fast_b",
    epochs: int = 1,
    seed: int = 0,
) -> OutOfFold:
    """Read each image of `source` by a network that did not learn from it, and `elsewhere` by all of them.

    n: so many images, the classes in proportion; 0 is all. Each fold trains `model` by the fast recipe, but without
    softened labels: those would keep every probability below a bound, and with it every doubt.
    """
    from helpers.training import cross_validation

    sampled, rows, recipe, parts = _held_out_parts(source, n, n_folds, model, epochs, seed)
    runs = cross_validation.cross_validate(recipe, parts)
    held = errors.out_of_fold([(run.spec.split.val_index, run.val_logits) for run in runs], len(sampled))
    return OutOfFold(rows, held, np.mean([calibration.softmax(asker(run)(elsewhere)) for run in runs], axis=0))


def _held_out_parts(source: Dataset, n: int, n_folds: int, model: str, epochs: int, seed: int) -> tuple:
    """Return what `out_of_fold` trains on: the sample of `source`, its rows, the recipe and the folds."""
    from helpers.training import recipes

    sampled, rows = folds.sample(source, n, seed=seed)
    # One look at each image: five would take as long as a third of the training, to find the same doubtful labels.
    recipe = partial(recipes.fast, model, epochs=epochs, seed=seed, label_smoothing=0.0, views=1)
    return sampled, rows, recipe, folds.k_folds(sampled, n_folds, seed=seed)


def train_all(
    finals: Sequence,
    source: Dataset,
    *,
    seed: int,
    n: int,
    mlp_epochs: int,
    cnn_epochs: int,
    n_folds: int,
    fold_epochs: int,
    n_validation: int = 10_000,
) -> list:
    """Train `finals` (specs), and beside them what `networks` and `out_of_fold` will ask the store for.

    One call for all, the longest first, leaves no core waiting for the last of each kind. The arguments are theirs.
    Returns the runs of `finals`.
    """
    from helpers.training import parallel

    _, _, recipe, parts = _held_out_parts(source, n, n_folds, "fast_b", fold_epochs, seed)
    others = _published(seed, n, n_validation, mlp_epochs, cnn_epochs)
    return parallel.train([*finals, *others[::-1], *map(recipe, parts)])[: len(finals)]
