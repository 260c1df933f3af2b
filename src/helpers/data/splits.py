"""Which rows go where: the named splits, stratified samples, and a fingerprint of the outcome.

Everything here works on labels and row numbers; `datasets.make_split` turns them into images.
"""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd

from helpers.data.dataset import Dataset, build_dataset, frozen

SPLITS = ("standard", "nf264", "kaggle")
KAGGLE_SEED = 42_000  # fixed for good: another number would be another competition

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # train, validation, test; int64 row numbers


@dataclass(frozen=True, eq=False)
class Split:
    """A dataset cut into train, validation and test; a fold of cross-validation is one, too.

    The indices are int64 rows of `source`, read-only. Validation never meets train; test may, because the leak that
    report 07 examines is just that; both may be empty. Images and labels are cut out when they are first asked for,
    so that a hundred splits of one dataset weigh nothing: uint8 (n, height, width) and int64 (n,), read-only.
    `fingerprint` is 16 hexadecimal digits that change with any pixel, any label, any row and any order.
    """

    name: str
    source: Dataset
    train_index: np.ndarray
    val_index: np.ndarray
    test_index: np.ndarray
    fingerprint: str

    x_train = cached_property(lambda self: frozen(self.source.images[self.train_index]))
    y_train = cached_property(lambda self: frozen(self.source.labels[self.train_index]))
    x_val = cached_property(lambda self: frozen(self.source.images[self.val_index]))
    y_val = cached_property(lambda self: frozen(self.source.labels[self.val_index]))
    x_test = cached_property(lambda self: frozen(self.source.images[self.test_index]))
    y_test = cached_property(lambda self: frozen(self.source.labels[self.test_index]))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of an image."""
        return self.source.images.shape[1:]

    def __reduce__(self):
        """Travel to another process as rows and source only."""
        return Split, tuple(getattr(self, f.name) for f in fields(self))


def make(source: Dataset, name: str, train, val=(), test=()) -> Split:
    """Make a split from row numbers of `source`.

    Raises ValueError for rows outside the dataset, no training rows, or a held-out row that is also trained on.
    """
    parts = [np.array(part, dtype=np.int64) for part in (train, val, test)]
    for which, part in zip(("train", "val", "test"), parts, strict=True):
        if len(part) and not (part.min() >= 0 and part.max() < len(source)):
            raise ValueError(f"{which}: got rows {part.min()}..{part.max()}; 0..{len(source) - 1} are allowed")
    if not len(parts[0]):
        raise ValueError("train: got no rows; at least 1 is needed")
    shared = np.intersect1d(parts[0], parts[1])
    if len(shared):
        raise ValueError(f"val: got {len(shared)} rows that are also in train, first {shared[0]}; none is allowed")
    return Split(name, source, *map(frozen, parts), fingerprint(source.checksum, *parts))


def of_arrays(name: str, train: tuple, val: tuple, test: tuple) -> Split:
    """Make a split of images that lie apart: each part is (uint8 images (n, h, w), int64 labels (n,))."""
    images, labels = (np.concatenate(arrays) for arrays in zip(train, val, test, strict=True))
    ends = np.cumsum([len(part[1]) for part in (train, val, test)])
    return make(build_dataset(name, images, labels), name, *np.split(np.arange(ends[-1]), ends[:-1]))


def class_counts(split: Split) -> pd.DataFrame:
    """Count the images of each digit in the parts of a split: rows training, validation, test; a last column all."""
    parts = {"training": split.y_train, "validation": split.y_val, "test": split.y_test}
    table = pd.DataFrame({name: np.bincount(labels, minlength=10) for name, labels in parts.items()}).T
    return table.assign(all=table.sum(axis=1)).rename_axis("part")


def standard_rows(n_train: int, n_test: int) -> Rows:
    """Return the rows as published: the first `n_train` train, the following `n_test` test."""
    return np.arange(n_train), np.arange(0), np.arange(n_train, n_train + n_test)


def nf264_rows(labels: np.ndarray) -> Rows:
    """Return the 80/10/10 rows of NF264 Project 2.

    Two calls of `train_test_split` with `random_state=42`, as published, on the rows sorted by label: only that gives
    the ten test supports that the project prints, and its label 2 at row 15,000. Which images of a digit go where
    depends on their order within it, which is not published; here the sorting is stable, so they stay as they come.
    """
    from sklearn.model_selection import train_test_split  # here, as loading MNIST need not wait for it

    rows = np.argsort(labels, kind="stable")
    train, rest = train_test_split(rows, test_size=0.2, random_state=42)
    validation, test = train_test_split(rest, test_size=0.5, random_state=42)
    return train, validation, test


def kaggle_rows(n: int) -> Rows:
    """Return rows in the proportions of Kaggle's Digit Recognizer: 37,800 / 4,200 / 28,000 of 70,000.

    Two fifths are the competition, a tenth of the remainder is held out. The draw is ours, by a fixed seed:
    Kaggle never said which images it took.
    """
    # RandomState rather than Generator: numpy promises never to change its stream.
    rows = np.random.RandomState(KAGGLE_SEED).permutation(n)
    n_labelled = n - round(0.4 * n)
    n_train = n_labelled - round(0.1 * n_labelled)
    return rows[:n_train], rows[n_train:n_labelled], rows[n_labelled:]


def stratified_rows(labels: np.ndarray, n: int, *, seed: int, stream: int = 0) -> np.ndarray:
    """Draw `n` positions at random with the classes in proportion.

    Returns int64 (n,), ascending. Shares follow Webster's method: within a shuffled class of size c the k-th
    image comes at (k + 1/2) / c, and the n earliest are taken. So the same seed with a larger n only adds
    images, which is what a learning curve wants. `stream` separates draws that share a seed. Raises
    ValueError unless 1 <= n <= len(labels) and seed >= 0.
    """
    if not 1 <= n <= len(labels):
        raise ValueError(f"n = {n}, expected 1..{len(labels)}, the number of images there are")
    if seed < 0:
        raise ValueError(f"seed = {seed}, expected 0 or more")
    order = np.random.default_rng([seed, stream]).permutation(len(labels))
    turn = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        turn[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(np.argsort(turn, kind="stable")[:n])


def subset(images: np.ndarray, labels: np.ndarray, n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw `n` images with their labels, the classes in proportion, in their original order.

    Raises ValueError unless there is one label per image, 1 <= n <= len(labels) and seed >= 0.
    """
    if len(images) != len(labels):
        raise ValueError(f"images and labels have lengths {len(images)} and {len(labels)}, expected equal")
    rows = stratified_rows(labels, n, seed=seed)
    return images[rows], labels[rows]


def fingerprint(checksum: str, *parts: np.ndarray) -> str:
    """Hash a dataset's checksum and the row numbers of each part to 16 hexadecimal digits (SHA-256)."""
    digest = hashlib.sha256(checksum.encode())
    for rows in parts:
        digest.update(f"|{len(rows)}|".encode())
        digest.update(np.ascontiguousarray(rows, dtype="<i8").tobytes())
    return digest.hexdigest()[:16]
