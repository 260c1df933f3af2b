"""Exact nearest neighbours: a small float32 matrix product proposes, float64 arithmetic decides.

|q - t|^2 = |q|^2 - 2 q.t + |t|^2, so ranking all training rows for many queries is one matrix product, which
is what a processor does fastest; but the whole product over all pixels is not needed. Turn the axes so that
the first few carry nearly all of the ink, keep those, and replace the rest by one number, its length: by the
triangle inequality the distance between such short rows is never more than the true one. So whatever lies
farther than the k-th candidate already in the short rows is out, and the few rows left are measured in full.
Rounding in float32 is bounded and allowed for, and the final ranking uses distances in float64. For whole
numbers such as pixels these are exact, so equal distances are seen as equal and are ordered by row number.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
from threadpoolctl import threadpool_limits

from helpers.runtime import precision

_UNIT = 2.0**-24  # unit roundoff of float32
_CARRIED = 0.97  # of the squared length, on the axes that stay
_GROUP = 16  # training rows that share one minimum
_FAR = np.float32(3e38)
_TOO_MANY = 2000  # candidates a query
_SCORE_BYTES = 96 * 2**20  # a thread's block of scores


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest training rows of each query, nearest first.

    indices: int32 (n_queries, k), rows of the training array. distances: float64 (n_queries, k), Euclidean,
    in the unit of the features. n_train: how many training rows there were.
    """

    indices: np.ndarray
    distances: np.ndarray
    n_train: int

    @property
    def k(self) -> int:
        return self.indices.shape[1]

    def __len__(self) -> int:
        return len(self.indices)


def search(x_train, x_query=None, *, k: int, threads: int | None = None) -> Neighbours:
    """Find the k nearest training rows of every query by Euclidean distance, exactly.

    x_train: (n_train, ...) and x_query: (n_queries, ...), real and finite; trailing axes are flattened.
    x_query None: leave-one-out, every training row against all the others. Rows at the same distance come in
    the order of their row number, whatever the block size and the number of threads. Working memory is the
    training rows once in float32 and about 0.2 GB a thread. Raises ValueError for a k that is not a
    whole number from 1 to the number of rows to choose from, and for features that are not finite or differ in number.
    """
    train = as_rows(x_train, "x_train")
    leave_one_out = x_query is None
    query = train if leave_one_out else as_rows(x_query, "x_query", n_features=train.shape[1])
    k = check_k(k, len(train) - leave_one_out)
    wanted = k + leave_one_out  # the row itself is found too, and dropped later
    threads = threads or precision.available_threads()

    short = _Proposer(train, wanted, shorten=True)
    rows = max(1, min(256, _SCORE_BYTES // (4 * len(short.rows))))
    lock, whole = Lock(), []

    def full() -> _Proposer:  # made only for queries unlike anything in the training rows
        with lock:
            if not whole:
                whole.append(_Proposer(train, wanted, shorten=False))
        return whole[0]

    def block(start: int) -> tuple[np.ndarray, np.ndarray]:
        part = query[start : start + rows]
        row, candidate, squared = short.pairs(part) or full().pairs(part)
        if leave_one_out:
            others = candidate != row + start
            row, candidate, squared = row[others], candidate[others], squared[others]
        return _nearest(row, candidate, squared, k, len(part))

    # One thread a block and one BLAS thread each: the steps between two products then run in parallel too.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        blocks = list(pool.map(block, range(0, len(query), rows)))
    indices = np.concatenate([b[0] for b in blocks]) if blocks else np.empty((0, k), np.int32)
    squared = np.concatenate([b[1] for b in blocks]) if blocks else np.empty((0, k))
    return Neighbours(indices=indices, distances=np.sqrt(squared), n_train=len(train))


def as_rows(x, name: str, *, n_features: int | None = None) -> np.ndarray:
    """Flatten images or features to (n, features), refusing what is not finite, real or of the right width."""
    x = np.asarray(x)
    if x.ndim < 2 or x.dtype.kind not in "buif":
        raise ValueError(
            f"{name}: shape {x.shape} of {x.dtype}; a numeric array (n, features) or (n, height, width) is needed"
        )
    x = x.reshape(len(x), int(np.prod(x.shape[1:])))
    if n_features is not None and x.shape[1] != n_features:
        raise ValueError(f"{name}: {x.shape[1]} features a row; the training rows have {n_features}")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError(f"{name}: {np.count_nonzero(~np.isfinite(x))} values are NaN or infinite; all must be finite")
    return x


def check_k(k, limit: int, name: str = "k") -> int:
    """Return k as an int, or raise ValueError unless it is a whole number from 1 to limit."""
    if isinstance(k, bool | np.bool_) or not isinstance(k, int | np.integer):
        raise ValueError(f"{name}: {k!r}; a whole number is needed")
    if not 1 <= k <= limit:
        raise ValueError(f"{name}: {k}; allowed is 1 to {limit}, the rows to choose from")
    return int(k)


class _Proposer:
    """The training rows in a form whose product with a block of queries bounds all distances from below."""

    def __init__(self, train: np.ndarray, wanted: int, *, shorten: bool):
        n = len(train)
        self.train, self.wanted, self.n = train, wanted, n
        # A column that is 0 in every training row adds the same to all of a query's distances.
        self.columns = np.flatnonzero(train.any(axis=0))
        largest = max(abs(float(train.max(initial=0))), abs(float(train.min(initial=0)))) or 1.0
        self.scale = 2.0 ** -np.ceil(np.log2(largest))  # a power of two: no digit changes, nothing overflows
        self.axes = self._principal_axes() if shorten else None
        # Rows j, j + groups, j + 2 groups ... share a minimum; padding rows score too high to be found.
        self.groups = max(-(-n // _GROUP), min(n, 4 * wanted))
        depth = -(-n // self.groups)
        width = (len(self.columns) if self.axes is None else self.axes.shape[1] + 1) + 1
        self.rows = np.zeros((self.groups * depth, width), np.float32)
        self.rows[:, -1] = _FAR
        longest = 0.0
        for start in range(0, n, 4096):
            short, squared = self._shorten(train[start : start + 4096])
            self.rows[start : start + len(short), :-1] = short
            self.rows[start : start + len(short), -1] = squared
            longest = max(longest, float(squared.max()))
        self.longest = float(np.sqrt(longest))

    def _principal_axes(self) -> np.ndarray | None:
        """Return the fewest axes that carry _CARRIED of the squared length, or None if they would not be few."""
        step = max(1, len(self.train) // 8192)
        sample = self.train[::step, self.columns] * self.scale
        energy, axes = np.linalg.eigh(sample.T @ sample)  # float64, energies ascending
        carried = np.cumsum(energy[::-1]) / max(energy.sum(), np.finfo(float).tiny)
        n_axes = int(np.searchsorted(carried, _CARRIED)) + 1
        return np.ascontiguousarray(axes[:, ::-1][:, :n_axes]) if 2 * n_axes < len(self.columns) else None

    def _shorten(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows on the axes that stay with the length of the rest, and their squared lengths (float64)."""
        rows = rows[:, self.columns] * self.scale
        squared = np.einsum("ij,ij->i", rows, rows)
        if self.axes is None:
            return rows, squared
        short = rows @ self.axes
        rest = squared - np.einsum("ij,ij->i", short, short)
        return np.column_stack([short, np.sqrt(np.maximum(rest, 0.0))]), squared

    def pairs(self, query: np.ndarray) -> tuple[np.ndarray, ...] | None:
        """Return (query row, training row, squared distance) that surely hold the `wanted` nearest of each.

        None if the short rows rule out too little for these queries to be worth it.
        """
        short, squared = self._shorten(query)
        left = np.empty((len(query), self.rows.shape[1]), np.float32)
        left[:, :-1] = -2.0 * short
        left[:, -1] = 1.0
        scores = (left @ self.rows.T).reshape(len(query), -1, self.groups)  # |t|^2 - 2 q.t, a bound from below
        minima = scores.min(axis=1)

        # Measure the most promising rows; the wanted-th of their distances is a limit for the rest.
        some = min(2 * self.wanted, self.groups)
        reach = np.partition(minima, some - 1, axis=1)[:, some - 1]
        row, candidate = _between(scores, minima, None, reach)
        distance = self._measure(query, row, candidate)
        by_row = np.lexsort((distance, row))
        wanted_th = np.searchsorted(row[by_row], np.arange(len(query))) + self.wanted - 1
        limit = distance[by_row[wanted_th]] * self.scale**2 - self._constant(query, squared)
        limit = np.minimum(limit + self._error_bound(squared), _FAR / 2).astype(np.float32)
        more_row, more = _between(scores, minima, reach, limit)
        if self.axes is not None and len(more) > _TOO_MANY * len(query):
            return None
        distance = np.concatenate([distance, self._measure(query, more_row, more)])
        return np.concatenate([row, more_row]), np.concatenate([candidate, more]), distance

    def _constant(self, query: np.ndarray, squared: np.ndarray) -> np.ndarray:
        """Return what all distances of a query have in common: its length, dropped columns included."""
        dropped = np.setdiff1d(np.arange(query.shape[1]), self.columns, assume_unique=True)
        outside = query[:, dropped] * self.scale
        return squared + np.einsum("ij,ij->i", outside, outside)

    def _error_bound(self, squared: np.ndarray) -> np.ndarray:
        """Bound |computed - true| score per query.

        A dot product of m terms in floating point, in any order, errs by at most m u / (1 - m u) times the
        sum of the terms' magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1);
        by Cauchy-Schwarz that sum is at most 2 |q| |t| + |t|^2. Rounding the operands to float32 adds 3 u,
        the cancellation in the length of the rest a few u more; 32 covers them with room to spare.
        """
        magnitude = 2.0 * np.sqrt(squared) * self.longest + self.longest**2
        return 1.01 * (self.rows.shape[1] + 32) * _UNIT * (magnitude + squared)

    def _measure(self, query: np.ndarray, row: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        """Return squared distances in float64, exact for whole numbers."""
        result = np.empty(len(row))
        for start in range(0, len(row), 2048):
            part = slice(start, start + 2048)
            difference = np.subtract(self.train[candidate[part]], query[row[part]], dtype=np.float64)
            result[part] = np.einsum("ij,ij->i", difference, difference)
        return result


def _between(scores, minima, low, high) -> tuple[np.ndarray, np.ndarray]:
    """Return (query row, training row) with low < score <= high, looking only into groups that have one."""
    row, group = np.nonzero(minima <= high[:, None])
    found = scores[row, :, group]
    inside = found <= high[row, None]
    if low is not None:
        inside &= found > low[row, None]
    pair, member = np.nonzero(inside)
    return row[pair], member * minima.shape[1] + group[pair]


def _nearest(row, candidate, squared, k: int, n_queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest candidates of each query row, by squared distance, then by row number."""
    order = np.lexsort((candidate, squared, row))
    first = np.searchsorted(row[order], np.arange(n_queries))
    best = order[first[:, None] + np.arange(k)]
    return candidate[best].astype(np.int32), squared[best]


def look_alikes(images: np.ndarray, rows: np.ndarray, *, k: int) -> np.ndarray:
    """Return the k images nearest to each of `rows` among all *other* images, nearest first: int (len(rows), k)."""
    found = search(images, images[rows], k=k + 1).indices
    # The row itself is at distance 0, but so is a duplicate, which may come before it.
    kept = [[other for other in line if other != row][:k] for line, row in zip(found, rows, strict=True)]
    return np.array(kept, dtype=np.int64).reshape(len(rows), k)
