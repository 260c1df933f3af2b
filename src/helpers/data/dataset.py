"""What a loader returns: a `Dataset`, or train, test and pooled together as `Mnist`; read-only and hashed."""

import hashlib
from dataclasses import dataclass

import numpy as np

from helpers.data.formats import check_images, check_labels

MNIST = "MNIST"  # the name that only the embedded digits bear


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
    """A training set, a test set, and `pooled`: all labelled images, train first, then test.

    name: "MNIST", or the file or folder that somebody's own digits came from. notes: what a reader should know of
    these, in sentences. unlabelled: images without labels that came with them, such as those of Kaggle's test.csv.
    """

    train: Dataset
    test: Dataset
    pooled: Dataset
    name: str = ""
    notes: tuple[str, ...] = ()
    unlabelled: Dataset | None = None

    @property
    def is_mnist(self) -> bool:
        """Whether this is the embedded MNIST; its very rows handed in as files are not."""
        return self.name == MNIST


def build_mnist(name: str, arrays: list[np.ndarray], *, names: list[str]) -> Mnist:
    """Check and assemble train images, train labels, test images, test labels; `names` are for complaints.

    Raises ValueError for shapes, types, values or counts that are not MNIST's.
    """
    parts = []
    for part, at in (("train", 0), ("test", 2)):
        images = check_images(arrays[at], name=names[at])
        labels = check_labels(arrays[at + 1], name=names[at + 1], n_images=len(images))
        parts.append(build_dataset(f"{name} {part}", images, labels))
    return pool(name, *parts)


def pool(name: str, train: Dataset, test: Dataset) -> Mnist:
    """Put train and test together; test images without labels stay out of the pool."""
    if test.labels is None:
        return Mnist(train, test, build_dataset(f"{name} pooled", train.images, train.labels), name)
    images = np.concatenate([train.images, test.images])
    labels = np.concatenate([train.labels, test.labels])
    return Mnist(train, test, build_dataset(f"{name} pooled", images, labels), name)


def build_dataset(name: str, images: np.ndarray, labels: np.ndarray | None) -> Dataset:
    """Freeze the arrays and hash them: dtype, shape and bytes of the images, then of the labels if known."""
    digest = hashlib.sha256()
    for array in (images, labels):
        if array is not None:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return Dataset(name, frozen(images), None if labels is None else frozen(labels), digest.hexdigest())


def frozen(array: np.ndarray) -> np.ndarray:
    """Return the array contiguous and read-only."""
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
