"""Digits to learn from: MNIST, scikit-learn's small digits, and files that a user drops in.

Every loader checks what it reads and refuses the rest with a `ValueError`; `make_split` cuts what they return
into train, validation and test. Arrays come read-only, so that no cell can spoil the data for the next.
"""

from functools import cache
from pathlib import Path

import numpy as np

from helpers.data import splits
from helpers.data.dataset import Dataset, Mnist, build_dataset, build_mnist, frozen
from helpers.data.formats import (
    SIDE,
    ChecksumError,
    check_images,
    check_labels,
    parse_idx,
    read_bytes,
    read_checksums,
    read_npz,
    read_verified,
)
from helpers.data.own import assembling
from helpers.data.own.assembling import described
from helpers.data.splits import Split, subset
from helpers.data.tables import LABELLED, PIXELS, clean_text, header_of, parse_table
from helpers.runtime.paths import MNIST, ROOT

__all__ = [
    "ChecksumError",
    "Dataset",
    "Mnist",
    "Split",
    "described",
    "load_csv",
    "load_digits_8x8",
    "load_idx",
    "load_kaggle",
    "load_mnist",
    "load_npz",
    "load_source",
    "make_split",
    "subset",
]


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
    return build_mnist("MNIST", arrays, names=[MNIST.name] * 4)


def load_digits_8x8() -> Dataset:
    """Load scikit-learn's 1,797 small digits: uint8 (1797, 8, 8) in 0..16, labels int64.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).
    """
    from sklearn.datasets import load_digits  # here, as loading MNIST need not wait for it

    bunch = load_digits()
    return build_dataset("digits 8x8", bunch.images.astype(np.uint8), bunch.target.astype(np.int64))


def load_idx(images_path: str | Path, labels_path: str | Path) -> Dataset:
    """Load one IDX file of 28 x 28 images and one of labels, gzipped or not.

    Raises ValueError for damaged files, wrong magic numbers, labels outside 0..9 and unequal counts.
    """
    images = parse_idx(read_bytes(images_path), name=images_path, dimensions=3)
    labels = parse_idx(read_bytes(labels_path), name=labels_path, dimensions=1)
    images = check_images(images, name=images_path)
    labels = check_labels(labels, name=labels_path, n_images=len(images))
    return build_dataset(Path(images_path).name, images, labels)


def load_npz(path: str | Path) -> Mnist:
    """Load an `.npz` with keras's key names: x_train, y_train, x_test, y_test; images (n, 28, 28).

    Raises ValueError for a damaged archive, missing keys, pickled objects, values that are not whole numbers
    within 0..255 (pixels) and 0..9 (labels), and unequal counts.
    """
    arrays = read_npz(path)
    return build_mnist(Path(path).name, list(arrays.values()), names=[f"{path}: {key}" for key in arrays])


def load_csv(images_csv: str | Path, labels_csv: str | Path) -> Dataset:
    """Load headerless tables as in NF264 Project 2: 784 pixels a row, and one label a row.

    Cells are whole numbers; UTF-8 with or without byte-order mark, any newline, gzipped or not. Raises
    ValueError that names row and column otherwise, and for unequal counts.
    """
    images, _ = _table(images_csv, columns=PIXELS, header=False)
    labels, _ = _table(labels_csv, columns=("label",), header=False)
    labels = check_labels(labels[:, 0], name=labels_csv, n_images=len(images))
    return build_dataset(Path(images_csv).name, _square(images), labels)


def load_kaggle(train_csv: str | Path, test_csv: str | Path) -> tuple[Dataset, Dataset]:
    """Load Kaggle's Digit Recognizer: a header, `label` and `pixel0` to `pixel783`; its test has no labels.

    The second dataset's labels are None, unless its file has a `label` column after all. Raises ValueError
    as `load_csv` does, and for missing, duplicate, surplus or reordered columns.
    """
    datasets = []
    for path, columns in ((train_csv, LABELLED), (test_csv, None)):
        table, columns = _table(path, columns=columns, header=True)
        labels = table[:, 0].astype(np.int64) if columns == LABELLED else None
        datasets.append(build_dataset(Path(path).name, _square(table), labels))
    return datasets[0], datasets[1]


def load_source(source: str, *, seed: int = 0) -> Mnist:
    """Load what a notebook's `source` parameter names.

    "" is the embedded MNIST. Otherwise an `.npz` file (see `load_npz`), a folder with the four IDX files
    under their usual names, or a folder with Kaggle's `train.csv` and `test.csv`. A relative path starts at the
    project's root. seed: decides which third of the labelled images is the test part, where the files have none. Raises
    ValueError for anything else, and as `own.assembling.assemble` does.
    """
    if not source:
        return load_mnist()
    place = ROOT / Path(source).expanduser()
    if place.is_file() and place.suffix == ".npz":
        found = load_npz(place)
        return assembling.assemble(place.name, found.train, found.test, seed=seed)
    has_idx = any(place.glob("*idx*ubyte*"))
    has_csv = (place / "train.csv").is_file() and (place / "test.csv").is_file()
    if has_idx == has_csv:
        found = f"{place} has both IDX and CSV files" if has_idx else f"{place} is none of these"
        raise ValueError(
            f"source = {source!r}, expected '' for MNIST, an .npz file, a folder of the four IDX files, or a "
            f"folder with train.csv and test.csv; {found}"
        )
    if has_csv:
        train, test = load_kaggle(place / "train.csv", place / "test.csv")
        if test.labels is None:
            return assembling.assemble(place.name, train, unlabelled=test, seed=seed)
        return assembling.assemble(place.name, train, test, seed=seed)
    train, test = (
        load_idx(_idx_file(place, f"{part}-images", 3), _idx_file(place, f"{part}-labels", 1))
        for part in ("train", "t10k")
    )
    return assembling.assemble(place.name, train, test, seed=seed)


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
    Numbers that are too large for a source other than MNIST are cut down: n_validation to half of the training part
    (with "standard"), the others to what there is.
    Raises ValueError for an unknown name, sizes that do not fit, and a source without test labels.
    """
    source = load_mnist() if source is None else source
    strict = source.is_mnist  # a report's own sizes are made for MNIST, where a wrong one is a mistake
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
            n_validation = n_validation if strict else min(n_validation, len(train) // 2)
            held = _draw(pooled, train, n_validation, argument="n_validation", seed=seed, stream=1, spare=1)
            train, val = np.setdiff1d(train, held, assume_unique=True), held
    else:
        train, val, test = splits.nf264_rows(pooled.labels) if name == "nf264" else splits.kaggle_rows(len(pooled))
        if n_validation:
            n_validation = n_validation if strict else min(n_validation, len(val))
            val = _draw(pooled, val, n_validation, argument="n_validation", seed=seed, stream=1)
    if n_train is not None:
        n_train = n_train if strict else min(n_train, len(train))
        train = _draw(pooled, train, n_train, argument="n_train", seed=seed, stream=2)
    if n_test is not None:
        n_test = n_test if strict else min(n_test, len(test))
        test = _draw(pooled, test, n_test, argument="n_test", seed=seed, stream=3)
    rows = [frozen(part.astype(np.int64)) for part in (train, val, test)]
    return Split(name, pooled, *rows, splits.fingerprint(pooled.checksum, *rows))


def _draw(
    pooled: Dataset, rows: np.ndarray, n: int, *, argument: str, seed: int, stream: int, spare: int = 0
) -> np.ndarray:
    """Draw n of `rows` in proportion, keeping their order and leaving at least `spare` behind."""
    if not 1 <= n <= len(rows) - spare:
        raise ValueError(f"{argument} = {n}, expected 1..{len(rows) - spare}")
    return rows[splits.stratified_rows(pooled.labels[rows], n, seed=seed, stream=stream)]


def _table(path: str | Path, *, columns: tuple[str, ...] | None, header: bool) -> tuple[np.ndarray, tuple]:
    """Read a table; columns None means pixels with or without a label, whichever the header says."""
    text = clean_text(read_bytes(path), name=path)
    if columns is None:
        columns = LABELLED if header_of(text, name=path)[0] == "label" else PIXELS
    return parse_table(text, name=path, columns=columns, header=header), columns


def _square(table: np.ndarray) -> np.ndarray:
    return table[:, -SIDE * SIDE :].reshape(-1, SIDE, SIDE)


def _idx_file(folder: Path, stem: str, dimensions: int) -> Path:
    names = [f"{stem}{mark}idx{dimensions}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) != 1:
        there = " and ".join(path.name for path in found) or "none of them"
        raise ValueError(f"{folder}: expected exactly one of {', '.join(names)}; found {there}")
    return found[0]
