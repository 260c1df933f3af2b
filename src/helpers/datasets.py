"""Digits to learn from: MNIST, scikit-learn's small digits, and files that a user drops in.

Every loader checks what it reads and refuses the rest with a `ValueError`; `make_split` cuts what they return
into train, validation and test. Arrays come read-only, so that no cell can spoil the data for the next.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from helpers import splits
from helpers.paths import MNIST, ROOT
from helpers.readers import (
    ChecksumError,
    check_images,
    check_labels,
    parse_idx,
    read_bytes,
    read_checksums,
    read_npz,
    read_verified,
)
from helpers.splits import Split, subset

__all__ = [
    "ChecksumError",
    "Dataset",
    "Mnist",
    "Split",
    "load_digits_8x8",
    "load_idx",
    "load_mnist",
    "load_npz",
    "load_source",
    "make_split",
    "subset",
]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their labels, in a fixed order.

    `images` is uint8 (n, height, width), `labels` int64 (n,) in 0..9 or None where unknown; both read-only.
    `checksum` is the SHA-256 of their shapes and bytes.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    checksum: str

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Mnist:
    """A training set, a test set, and `pooled`: all labelled images, train first, then test."""

    train: Dataset
    test: Dataset
    pooled: Dataset


@cache
def load_mnist() -> Mnist:
    """Load the embedded MNIST: 60,000 training and 10,000 test images, 70,000 pooled.

    Images are uint8 (n, 28, 28) in 0..255, ink high; labels int64. Raises ChecksumError if a file is not the
    one in `data/mnist/SHA256SUMS`. Read once per process. Source: Y. LeCun, C. Cortes and C. Burges.
    """
    sums = read_checksums(MNIST / "SHA256SUMS")
    arrays = []
    for part in ("train", "t10k"):
        for kind, dimensions in (("images", 3), ("labels", 1)):
            path = MNIST / f"{part}-{kind}-idx{dimensions}-ubyte.gz"
            arrays.append(parse_idx(read_verified(path, sums=sums), name=path, dimensions=dimensions))
    return _mnist("MNIST", arrays, names=[MNIST.name] * 4)


def load_digits_8x8() -> Dataset:
    """Load scikit-learn's 1,797 small digits: uint8 (1797, 8, 8) in 0..16, labels int64.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).
    """
    from sklearn.datasets import load_digits  # here, as loading MNIST need not wait for it

    bunch = load_digits()
    return _dataset("digits 8x8", bunch.images.astype(np.uint8), bunch.target.astype(np.int64))


def load_idx(images_path: str | Path, labels_path: str | Path) -> Dataset:
    """Load one IDX file of 28 x 28 images and one of labels, gzipped or not.

    Raises ValueError for damaged files, wrong magic numbers, labels outside 0..9 and unequal counts.
    """
    images = parse_idx(read_bytes(images_path), name=images_path, dimensions=3)
    labels = parse_idx(read_bytes(labels_path), name=labels_path, dimensions=1)
    images = check_images(images, name=images_path)
    labels = check_labels(labels, name=labels_path, n_images=len(images))
    return _dataset(Path(images_path).name, images, labels)


def load_npz(path: str | Path) -> Mnist:
    """Load an `.npz` with keras's key names: x_train, y_train, x_test, y_test; images (n, 28, 28).

    Raises ValueError for a damaged archive, missing keys, pickled objects, values that are not whole numbers
    within 0..255 (pixels) and 0..9 (labels), and unequal counts.
    """
    arrays = read_npz(path)
    return _mnist(Path(path).name, list(arrays.values()), names=[f"{path}: {key}" for key in arrays])


def load_source(path: str) -> Mnist:
    """Load what a notebook's `source` parameter names.

    "" is the embedded MNIST. Otherwise an `.npz` file (see `load_npz`) or a folder with the four IDX files
    under their usual names; a relative path starts at the project's root. Raises ValueError otherwise.
    """
    if not path:
        return load_mnist()
    place = ROOT / Path(path).expanduser()
    if place.is_file() and place.suffix == ".npz":
        return load_npz(place)
    if place.is_dir() and any(place.glob("*idx*ubyte*")):
        parts = [
            load_idx(_idx_file(place, f"{part}-images", 3), _idx_file(place, f"{part}-labels", 1))
            for part in ("train", "t10k")
        ]
        return _pool(place.name, *parts)
    raise ValueError(f"source = {path!r}, expected '' for MNIST, an .npz file or a folder of IDX files")


def make_split(
    name: str,
    *,
    n_validation: int = 0,
    n_train: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
    source: Mnist | None = None,
) -> Split:
    """Cut MNIST, or another source, into train, validation and test.

    name: "standard" (60,000/0/10,000 as published), "nf264" (56,000/7,000/7,000, see `splits.nf264_rows`) or
    "kaggle" (37,800/4,200/28,000, see `splits.kaggle_rows`); other sources are cut in the same proportions.
    n_validation: with "standard", so many training images are held out, the classes in proportion; with the
    others, which have their own validation part, so many of it are kept, and 0 keeps all.
    n_train, n_test: so many images, the classes in proportion; None is all of them.
    seed: decides the drawing of these, never the named split itself.
    Raises ValueError for an unknown name, sizes that do not fit, and a source without test labels.
    """
    source = load_mnist() if source is None else source
    if name not in splits.SPLITS:
        raise ValueError(f"name = {name!r}, expected one of {', '.join(splits.SPLITS)}")
    pooled = source.pooled
    if name == "standard":
        if source.test.labels is None:
            raise ValueError(
                f"source {pooled.name}: its test images have no labels, so 'standard' cannot be scored; "
                "expected 'nf264' or 'kaggle', whose test parts come from the labelled images"
            )
        train, val, test = splits.standard_rows(len(source.train), len(source.test))
        if n_validation:
            held = _draw(pooled, train, n_validation, argument="n_validation", seed=seed, stream=1, spare=1)
            train, val = np.setdiff1d(train, held, assume_unique=True), held
    else:
        train, val, test = splits.nf264_rows(pooled.labels) if name == "nf264" else splits.kaggle_rows(len(pooled))
        if n_validation:
            val = _draw(pooled, val, n_validation, argument="n_validation", seed=seed, stream=1)
    if n_train is not None:
        train = _draw(pooled, train, n_train, argument="n_train", seed=seed, stream=2)
    if n_test is not None:
        test = _draw(pooled, test, n_test, argument="n_test", seed=seed, stream=3)
    rows = [_frozen(part.astype(np.int64)) for part in (train, val, test)]
    pairs = [_frozen(array[part]) for part in rows for array in (pooled.images, pooled.labels)]
    return Split(name, *pairs, *rows, splits.fingerprint(pooled.checksum, *rows))


def _draw(
    pooled: Dataset, rows: np.ndarray, n: int, *, argument: str, seed: int, stream: int, spare: int = 0
) -> np.ndarray:
    """Draw n of `rows` in proportion, keeping their order and leaving at least `spare` behind."""
    if not 1 <= n <= len(rows) - spare:
        raise ValueError(f"{argument} = {n}, expected 1..{len(rows) - spare}")
    return rows[splits.stratified_rows(pooled.labels[rows], n, seed=seed, stream=stream)]


def _idx_file(folder: Path, stem: str, dimensions: int) -> Path:
    names = [f"{stem}{mark}idx{dimensions}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) != 1:
        there = " and ".join(path.name for path in found) or "none of them"
        raise ValueError(f"{folder}: expected exactly one of {', '.join(names)}; found {there}")
    return found[0]


def _mnist(name: str, arrays: list[np.ndarray], *, names: list[str]) -> Mnist:
    parts = []
    for part, at in (("train", 0), ("test", 2)):
        images = check_images(arrays[at], name=names[at])
        labels = check_labels(arrays[at + 1], name=names[at + 1], n_images=len(images))
        parts.append(_dataset(f"{name} {part}", images, labels))
    return _pool(name, *parts)


def _pool(name: str, train: Dataset, test: Dataset) -> Mnist:
    """Put train and test together; test images without labels stay out of the pool."""
    if test.labels is None:
        return Mnist(train, test, _dataset(f"{name} pooled", train.images, train.labels))
    images = np.concatenate([train.images, test.images])
    labels = np.concatenate([train.labels, test.labels])
    return Mnist(train, test, _dataset(f"{name} pooled", images, labels))


def _dataset(name: str, images: np.ndarray, labels: np.ndarray | None) -> Dataset:
    digest = hashlib.sha256()
    for array in (images, labels):
        if array is not None:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return Dataset(name, _frozen(images), None if labels is None else _frozen(labels), digest.hexdigest())


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
