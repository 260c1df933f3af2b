"""Who wrote which digit: the writer numbers of QMNIST, and accuracy with people, not images, as the sample.

C. Yadav and L. Bottou (2019), Cold Case: the Lost MNIST Digits, traced every MNIST image back to its writer. Their
two label files match MNIST row by row. They are no part of this project: `make extras` fetches and checks them.
"""

import argparse
import gzip
import hashlib
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.dataset import Mnist
from helpers.evaluation import metrics
from helpers.runtime import files, paths

QMNIST = paths.DATA / "qmnist"
ADDRESS = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
SUMS = {
    "qmnist-train-labels.tsv.gz": "063229afb535986df50a905c6fa03b716f503bd859d2d9bc8a9b4e2c6a2ccee4",
    "qmnist-test-labels.tsv.gz": "fe2001449c9580376e16fad7a14cc4f525644b6ffeadc47dc249938529002904",
}
COLUMNS = 8  # class, series, writer, digit of the writer, NIST class, NIST row, duplicate, unused


class Unavailable(RuntimeError):
    """A file could not be fetched; the message says what to do by hand."""


@dataclass(frozen=True, eq=False)
class Writers:
    """The writer of every image of the pooled MNIST: `ids` and `series` int64 (n,), read-only.

    series: the NIST form a digit comes from; 0 and 1 were filled in by Census Bureau staff, 4 by high-school students.
    """

    ids: np.ndarray
    series: np.ndarray


def present(directory: Path = QMNIST) -> bool:
    """Say whether both files are there (not whether they are sound: `load` does)."""
    return all((directory / name).is_file() for name in SUMS)


def how_to_get(directory: Path = QMNIST) -> str:
    """Say in Markdown which files are missing and how to get them."""
    missing = [f"`{name}`" for name in SUMS if not (directory / name).is_file()]
    return (
        f"The writers are not known here: {' and '.join(missing)} of QMNIST (about 0.9 MB) {_are(missing)} not in "
        "`data/qmnist/`. `make extras` fetches and checks them; everything else in this report runs without."
    )


def load(source: Mnist, *, directory: Path = QMNIST, sums: Mapping[str, str] = SUMS) -> Writers:
    """Load the writers of all images of `source`, training part first.

    Each file is checked by SHA-256, then by content: a row for each image of MNIST (the test file goes on with images
    that MNIST left out; they are ignored), and the same digit in every row. Raises ValueError that names the file,
    the row and what was expected; FileNotFoundError when a file is missing.
    """
    tables = []
    for name, part in zip(SUMS, (source.train, source.test), strict=True):
        path = directory / name
        if not path.is_file():
            raise FileNotFoundError(f"{name} is not in {directory.name}/; `make extras` fetches it")
        data = path.read_bytes()
        if (found := hashlib.sha256(data).hexdigest()) != sums[name]:
            raise ValueError(f"{name}: SHA-256 is {found}, expected {sums[name]}; remove it and run `make extras`")
        table = _parse(data, name)
        if len(table) < len(part):
            raise ValueError(f"{name}: has {len(table):,} rows, expected at least {len(part):,}, one an image")
        table = table[: len(part)]
        differing = np.flatnonzero(table[:, 0] != part.labels)
        if len(differing):
            row = differing[0]
            raise ValueError(
                f"{name}: row {row + 1} says digit {table[row, 0]}, MNIST says {part.labels[row]} "
                f"({len(differing):,} rows differ): these are not the labels of these images"
            )
        tables.append(table)
    whole = np.concatenate(tables)
    ids, series = (np.ascontiguousarray(whole[:, column]) for column in (2, 1))
    for array in (ids, series):
        array.flags.writeable = False
    return Writers(ids, series)


def _parse(data: bytes, name: str) -> np.ndarray:
    """Return a gzipped table of whole numbers as int64 (n, 8)."""
    try:
        lines = gzip.decompress(data).decode("ascii").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{name}: is not gzipped text ({error})") from error
    cells = [line.split("\t") for line in lines]
    for row, line in enumerate(cells, start=1):
        if len(line) != COLUMNS or not all(cell.isdecimal() for cell in line):
            raise ValueError(f"{name}: row {row} is {lines[row - 1]!r}, expected {COLUMNS} whole numbers between tabs")
    table = np.array(cells, dtype=np.int64).reshape(len(cells), COLUMNS)
    strange = np.flatnonzero(table[:, 0] > 9)
    if len(strange):
        raise ValueError(f"{name}: row {strange[0] + 1} says digit {table[strange[0], 0]}, expected 0 to 9")
    return table


def by_writer(ids, correct) -> pd.DataFrame:
    """Count for each writer the images, how many were read right, and the accuracy; indexed and sorted by writer.

    ids: (n,) any labels; correct: bool (n,). Raises ValueError when the lengths differ or there is nothing.
    """
    ids, correct = np.asarray(ids), np.asarray(correct)
    if ids.ndim != 1 or ids.shape != correct.shape or not len(ids) or correct.dtype != bool:
        raise ValueError(f"ids {ids.shape} and correct {correct.shape} {correct.dtype}, expected one bool for each id")
    names, place = np.unique(ids, return_inverse=True)
    n = np.bincount(place)
    right = np.bincount(place, weights=correct).astype(np.int64)
    return pd.DataFrame({"n": n, "right": right, "accuracy": right / n}, index=pd.Index(names, name="writer"))


def clustered(ids, correct, *, n_resamples: int = 4000, confidence: float = 0.95, seed: int = 0) -> metrics.Interval:
    """Return the accuracy over all images with an interval that takes people as the sample: a clustered bootstrap.

    Writers are drawn with replacement, each with all of their images, and the middle `confidence` of the resampled
    accuracies is kept (percentile method: Davison and Hinkley 1997, Bootstrap Methods, chapters 3.8 and 5.3). Raises
    ValueError as `by_writer` does, and for fewer than 2 writers.
    """
    people = by_writer(ids, correct)
    low, high = _by_people(people["right"], people["n"], n_resamples, confidence, seed)
    return metrics.Interval(float(people["right"].sum() / len(ids)), low, high, confidence, len(ids))


def clustered_difference(
    ids, correct_a, correct_b, *, n_resamples: int = 4000, confidence: float = 0.95, seed: int = 0
) -> metrics.Interval:
    """Return the accuracy of a minus that of b on the same images, with an interval that takes people as the sample.

    As `clustered`, for what each writer's images say of the two. McNemar's test would take every image for a witness
    of its own.
    """
    a, b = by_writer(ids, correct_a), by_writer(ids, correct_b)
    gained = a["right"] - b["right"]
    low, high = _by_people(gained, a["n"], n_resamples, confidence, seed)
    return metrics.Interval(float(gained.sum() / len(ids)), low, high, confidence, len(ids), unit="pp")


def _by_people(counts: pd.Series, n: pd.Series, n_resamples: int, confidence: float, seed: int) -> tuple[float, float]:
    """Return the middle `confidence` of sum(counts) / sum(n) over writers drawn with replacement."""
    if len(n) < 2:
        raise ValueError(f"ids: got {len(n)} writer, expected at least 2 to draw from")
    draws = np.random.default_rng(seed).multinomial(len(n), np.full(len(n), 1 / len(n)), n_resamples)
    resampled = (draws @ counts.to_numpy()) / (draws @ n.to_numpy())
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def clustered_error(ids, values) -> float:
    """Return the standard error of a mean with people as the sample, in the units of the values.

    ids: (n,) any labels; values: float (n,). The strays of one writer are summed before they are squared: Liang and
    Zeger (1986), Longitudinal data analysis using generalized linear models, Biometrika 73, 13-22; with the factor
    G / (G - 1) for G writers, so that with one image each it is the usual standard error. Raises ValueError when the
    lengths differ or there are fewer than 2 writers.
    """
    ids, values = np.asarray(ids), np.asarray(values, dtype=float)
    if ids.ndim != 1 or ids.shape != values.shape:
        raise ValueError(f"ids {ids.shape} and values {values.shape}, expected one value for each id")
    names, place = np.unique(ids, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"ids: got {len(names)} writer, expected at least 2")
    strays = np.bincount(place, weights=values - values.mean())
    return float(np.sqrt(len(names) / (len(names) - 1) * (strays**2).sum()) / len(values))


def expected_mistakes(people: pd.DataFrame, upto: int) -> np.ndarray:
    """Return how many writers would make 0..upto mistakes if all were equally legible, float64 (upto + 1,).

    people: as from `by_writer`. Each writer's mistakes are then binomial, with the common error rate and their own
    number of images.
    """
    from scipy import stats

    rate = 1 - people["right"].sum() / people["n"].sum()
    return stats.binom.pmf(np.arange(upto + 1)[:, None], people["n"].to_numpy()[None, :], rate).sum(axis=1)


def fetch(directory: Path = QMNIST, *, address: str = ADDRESS, sums: Mapping[str, str] = SUMS) -> list[str]:
    """Fetch what is missing or damaged, check it, and put it in place in one move; return the names fetched.

    Raises Unavailable, with what to do by hand, when a file cannot be had or is not the one expected.
    """
    import pooch  # imported where used: nothing else of this project fetches anything

    pooch.get_logger().setLevel("WARNING")
    wanted = [name for name in sums if not ((directory / name).is_file() and _sha256(directory / name) == sums[name])]
    for name in wanted:
        try:
            pooch.retrieve(address + name, known_hash=f"sha256:{sums[name]}", fname=name, path=directory)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{address}{name} could not be fetched: {error}\n{_by_hand(address, name)}") from error
    return wanted


def take(file: Path, directory: Path = QMNIST, *, sums: Mapping[str, str] = SUMS) -> str:
    """Check a file fetched by hand and copy it into place under its name; return the name. Raises Unavailable."""
    names = {expected: name for name, expected in sums.items()}
    try:
        content = file.read_bytes()
        name = names.get(found := hashlib.sha256(content).hexdigest())
        if name is None:
            raise Unavailable(f"{file.name}: got SHA-256 {found}; {', '.join(names)} are allowed")
        files.write_atomically(directory / name, content)
    except OSError as error:
        raise Unavailable(f"{file}: {error.strerror}") from error
    return name


def _are(names: list) -> str:
    return "are" if len(names) > 1 else "is"


def _by_hand(address: str, name: str) -> str:
    return (
        f"By hand: download {address}{name} on any machine, then\n"
        f"    make extras FILE=path/to/{name}\nwhich checks it and copies it to data/qmnist/."
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Fetch the files, or take one from --file; return the exit status."""
    parser = argparse.ArgumentParser(prog="make extras", description="Fetch QMNIST's label files into data/qmnist/.")
    parser.add_argument("--file", type=Path, help="a file downloaded by hand, to be checked and copied into place")
    chosen = parser.parse_args(arguments)
    try:
        fetched = [take(chosen.file)] if chosen.file else fetch()
    except Unavailable as problem:
        print(f"make extras: {problem}", file=sys.stderr)
        return 1
    print(f"data/qmnist/: {', '.join(fetched) or 'both files are there already'}; SHA-256 checked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
