"""Kaggle's Digit Recognizer: the competition as a split, its submission file, and an honest score where there is one.

Kaggle's 70,000 images are MNIST's, in another order, and MNIST's labels are public. So a perfect score needs no
recogniser at all: `look_up` finds a test image among MNIST's by its pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.data import load, splits
from helpers.data.dataset import Dataset, Mnist, frozen
from helpers.data.splits import Split
from helpers.evaluation import metrics
from helpers.runtime import files, paths

HEADER = "ImageId,Label"
PLACE = paths.BUILD / "kaggle" / "submission.csv"  # where the report writes its own


@dataclass(frozen=True, eq=False)
class Competition:
    """A split to train on and submit for, and whether the labels of its test images are known.

    Where they are not, `split.y_test` is filled with -1.
    """

    split: Split
    labelled: bool


def competition(
    source: str | Mnist = "", *, n_train: int | None = None, n_test: int | None = None, seed: int = 0
) -> Competition:
    """Return the competition of our own split of MNIST, or of a user's folder with train.csv and test.csv.

    source: as for `load.load_source`, or what that returned. A tenth of the user's labelled images is held out for
    validation, the classes in proportion, by `seed`. Any source with labelled test images is cut as Kaggle cut MNIST.
    n_train, n_test: so many images; None is all. Raises ValueError as `load_source` does.
    """
    loaded = source if isinstance(source, Mnist) else load.load_source(source, seed=seed)
    if loaded.unlabelled is None:
        split = load.make_split("kaggle", n_train=n_train, n_test=n_test, seed=seed, source=loaded)
        return Competition(split, labelled=True)
    return Competition(_user_split(loaded, n_train, n_test, seed), labelled=False)


def _user_split(loaded: Mnist, n_train: int | None, n_test: int | None, seed: int) -> Split:
    train, test = loaded.pooled, loaded.unlabelled
    rows = np.arange(len(train))
    val = splits.stratified_rows(train.labels, round(0.1 * len(train)), seed=seed, stream=1)
    rest = np.setdiff1d(rows, val, assume_unique=True)
    if n_train is not None:
        rest = rest[splits.stratified_rows(train.labels[rest], min(n_train, len(rest)), seed=seed, stream=2)]
    asked = np.arange(len(test) if n_test is None else min(n_test, len(test)))
    # The unlabelled images come after the labelled ones, as the test rows of a pooled dataset do.
    labels = np.concatenate([train.labels, np.full(len(test), -1, np.int64)])
    images = np.concatenate([train.images, test.images])
    whole = Dataset("kaggle-csv", frozen(images), frozen(labels), train.checksum + test.checksum)
    return splits.make(whole, "kaggle-csv", rest, val, len(train) + asked)


def write(path: str | Path, predictions: np.ndarray) -> Path:
    """Write a submission: a header `ImageId,Label`, then one line per image, counted from 1; return the path.

    predictions: whole numbers 0..9, shape (n,), in the order of the test images. The file appears whole or not at
    all. Raises ValueError for anything else than such predictions.
    """
    predictions = np.asarray(predictions)
    if predictions.ndim != 1 or not len(predictions) or not np.issubdtype(predictions.dtype, np.integer):
        raise ValueError(
            f"predictions: got {predictions.dtype} {predictions.shape}; integers (n,), n >= 1, are allowed"
        )
    if predictions.min() < 0 or predictions.max() > 9:
        raise ValueError(f"predictions: got {predictions.min()}..{predictions.max()}; 0..9 is allowed")
    path = Path(path)
    lines = [HEADER, *(f"{image},{label}" for image, label in enumerate(predictions.tolist(), start=1))]
    files.write_atomically(path, "\n".join(lines) + "\n")
    return path


def read(path: str | Path) -> np.ndarray:
    """Read a submission back: labels int64 (n,).

    Raises ValueError, naming the line, unless it is a header, then 1, 2, 3, ... each with a label 0..9.
    """
    lines = Path(path).read_text(encoding="ascii").splitlines()
    if not lines or lines[0] != HEADER:
        raise ValueError(f"{path}: line 1 is {lines[0][:40] if lines else ''!r}, expected {HEADER!r}")
    labels = []
    for number, line in enumerate(lines[1:], start=1):
        image, _, label = line.partition(",")
        if image != str(number) or label not in set("0123456789"):
            raise ValueError(f"{path}: line {number + 1} is {line[:40]!r}, expected '{number},<label 0..9>'")
        labels.append(int(label))
    if not labels:
        raise ValueError(f"{path}: a header and no images")
    return np.array(labels, np.int64)


def score(predictions: np.ndarray, labels: np.ndarray) -> metrics.Interval | None:
    """Return the accuracy over the images whose label is known (not -1), None where none is.

    Both are int64 (n,). Raises ValueError when they differ in length.
    """
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    if predictions.shape != labels.shape:
        raise ValueError(f"predictions: got {predictions.shape} for labels {labels.shape}; equal shapes are allowed")
    known = labels >= 0
    return metrics.accuracy(labels[known], predictions[known]) if known.any() else None


def expected_score(right: int, n: int, n_new: int) -> metrics.Interval:
    """Return the score to expect of `n_new` new images of the same kind, given that `right` of n were read.

    The limits hold 95% of such scores, with the luck of both samples in them: a beta-binomial count, the predictive
    distribution of a binomial one under Jeffreys' prior (Gelman et al. 2013, Bayesian Data Analysis, chapter 2).
    """
    from scipy import stats  # imported where used: it costs a second

    counts = stats.betabinom(n_new, right + 0.5, n - right + 0.5)
    low, high = (float(counts.ppf(limit)) / n_new for limit in (0.025, 0.975))
    return metrics.Interval(right / n, low, high, 0.95, min(n, n_new))


def known_labels(split: Split) -> tuple[np.ndarray, float]:
    """Return the labels of a split's test images, -1 where nobody knows, and the share that `look_up` finds.

    Labels are int64 (n,): MNIST's where the image is one of MNIST's, else the split's own.
    """
    found = look_up(split.x_test)
    return np.where(found >= 0, found, split.y_test), float(np.mean(found >= 0))


def ranking_luck(score: metrics.Interval, *, share: float = 0.25, seed: int = 0) -> tuple[float, float]:
    """Return the range in which 95% of the scores on a random `share` of the images lie, for one and the same file.

    score: over all images. The number of correct ones in the sample is hypergeometric; 10,000 draws by `seed`.
    Raises ValueError for a share outside 0..1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share: got {share!r}; above 0 and up to 1 is allowed")
    right, drawn = round(score.estimate * score.n), max(1, round(share * score.n))
    counts = np.random.default_rng(seed).hypergeometric(right, score.n - right, drawn, size=10_000)
    low, high = np.quantile(counts / drawn, [0.025, 0.975])
    return float(low), float(high)


def look_up(images: np.ndarray, known: Mnist | None = None) -> np.ndarray:
    """Return the label of each image that is, pixel for pixel, one of `known` (MNIST by default); -1 for the others.

    images: uint8 (n, 28, 28). This is the pitfall made plain: no learning, and yet a perfect score. It also serves
    to score honestly a network that was trained without it. Returns int64 (n,).
    """
    known = load.load_mnist() if known is None else known
    labels = {image.tobytes(): label for image, label in zip(known.pooled.images, known.pooled.labels, strict=True)}
    return np.array([labels.get(np.ascontiguousarray(image).tobytes(), -1) for image in images], np.int64)
