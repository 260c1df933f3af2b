"""Make a source of somebody's own labelled images: a test part, what a reader should know, and what is refused."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.data import splits
from helpers.data.dataset import MNIST, Dataset, Mnist, build_dataset, pool

LEAST = 500  # labelled images, below which hardly any experiment of the series means something


def assemble(
    name: str,
    train: Dataset,
    test: Dataset | None = None,
    *,
    unlabelled: Dataset | None = None,
    notes: Sequence[str] = (),
    seed: int = 0,
) -> Mnist:
    """Return own digits as a source whose test part is labelled.

    name: of the file or folder. train, test: labelled; without a test part a third of train becomes it, the classes in
    proportion, drawn by `seed`. notes: sentences known so far; what is found here is added. Raises ValueError for fewer
    than 500 labelled images or two digits.
    """
    n = len(train) + (len(test) if test else 0)
    if n < LEAST:
        raise ValueError(f"{name}: got {n} labelled images; {LEAST} or more are needed")
    notes = list(notes)
    if test is None:
        train, test = _thirds(train, seed)
        notes.append("There is no test part: a third of the labelled images, drawn at random, serves as one.")
    # Only the embedded digits bear this name: by it a reader, and a record, knows them.
    source = pool(f"{name} (own files)" if name.casefold() == MNIST.casefold() else name, train, test)
    present = digits(source.pooled.labels)
    if len(present) < 2:
        raise ValueError(f"{name}: got images of the digit {present[0]} only; two digits or more are needed")
    if len(present) < 10:
        notes.append(f"Only the digits {in_words(present)} occur.")
    if shared := copies(train.images, test.images):
        notes.append(f"{shared:,} of the {len(test):,} test images {_are(shared)} in the training part, too.")
    return replace(source, notes=tuple(notes), unlabelled=unlabelled)


def described(source: Mnist) -> pd.DataFrame:
    """Return what a source is as a table: name, checksum (12 digits), numbers of images, digits, notes.

    Index "what", one column "value" of text.
    """
    rows = {
        "name": source.name,
        "checksum": source.pooled.checksum[:12],
        "training images": f"{len(source.train):,}",
        "test images": f"{len(source.test):,}",
        "images without a label": f"{len(source.unlabelled):,}" if source.unlabelled else "none",
        "digits": in_words(digits(source.pooled.labels)),
        "notes": " ".join(source.notes) or "none",
    }
    return pd.DataFrame({"value": rows}).rename_axis("what")


def digits(labels: np.ndarray) -> list[int]:
    """Return the labels that occur, ascending."""
    return np.unique(labels).tolist()


def in_words(present: Sequence[int]) -> str:
    """Write some digits: "0 to 9" where none is left out, else "0, 3 and 7"."""
    if len(present) > 2 and present[-1] - present[0] == len(present) - 1:
        return f"{present[0]} to {present[-1]}"
    *most, last = map(str, present)
    return f"{', '.join(most)} and {last}" if most else last


def copies(train: np.ndarray, test: np.ndarray) -> int:
    """Count the images of `test` that are in `train`, too, pixel for pixel."""
    known = {image.tobytes() for image in train}
    return sum(image.tobytes() in known for image in test)


def _thirds(whole: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    # A stream of its own: what is drawn from the parts later is not tied to how they were cut.
    held = splits.stratified_rows(whole.labels, round(len(whole) / 3), seed=seed, stream=4)
    rest = np.setdiff1d(np.arange(len(whole)), held, assume_unique=True)
    return tuple(
        build_dataset(f"{whole.name} {part}", whole.images[rows], whole.labels[rows])
        for part, rows in (("train", rest), ("test", held))
    )


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
