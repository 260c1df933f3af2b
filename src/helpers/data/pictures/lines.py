"""Take straight lines off a sheet: rulings, squares and frames, and leave the digit that they cross.

A line is thin and straight, leans by at most an eighth of the side, and spans the sheet; the sides of a frame span
most of it and come in pairs. Where a stroke crosses a line, ink goes on above or below it: it stays there.
"""

import functools

import numpy as np

LEAN = 8  # a line rises by at most one part in so many
SPANS = 0.9  # share of the sheet that a single line covers
FRAME = 0.72  # share that each of two lines covers that lie half a sheet apart
THIN = 0.045  # of the sheet across the line, the most that a line is thick; three pixels are always allowed
LEAST_SIDE = 48  # pixels: in smaller images a line cannot be told from the stem of a 4 or a 7 cut out closely
_NEAR = 3  # pixels between two lines: less is one line


def without_lines(strength: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return `strength` (h, w) with lines set to 0; the same array where there are none.

    visible: bool (h, w), where there is ink at all.
    """
    if min(strength.shape) < LEAST_SIDE:
        return strength
    gone = np.zeros(visible.shape, bool)
    for turned in (False, True):
        seen = visible & ~gone
        seen = seen.T if turned else seen
        if seen.any(axis=0).sum() >= FRAME * seen.shape[1]:
            pure = _pure(seen)
            if pure is not None:
                gone |= pure.T if turned else pure
    return np.where(gone, 0, strength) if gone.any() else strength


def _pure(visible: np.ndarray) -> np.ndarray | None:
    """Return the pixels that hold a line across and nothing else, bool (h, w); None where there is no line."""
    height, width = visible.shape
    runs, lengths = _runs(visible)
    found = []
    for row, rise, count in _straight(visible):
        along = _along(runs, row + _steps(rise, width))
        thick = int(np.sort(lengths[along])[len(along) // 2]) if len(along) else height
        if thick <= max(3, THIN * height):
            found.append((row + rise / 2, count >= SPANS * width, along[lengths[along] <= thick + 2]))
    if not _pair(found, height):
        found = [line for line in found if line[1]]
    if not found:
        return None
    pure = np.zeros(len(lengths), bool)
    for _, _, mine in found:
        pure[mine] = True
    return pure[runs]


def _pair(found: list, height: int) -> bool:
    """Say whether two of the lines lie as far apart as the sides of a frame."""
    middles = [middle for middle, _, _ in found]
    return len(found) > 1 and max(middles) - min(middles) >= height / 2


def _along(runs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the numbers of the runs that a line meets; rows: of the line at each column, some outside."""
    columns = np.flatnonzero((rows >= 0) & (rows < len(runs)))
    rows = rows[columns]
    here = runs[rows, columns]
    for move in (-1, 1):
        here = np.where(here > 0, here, runs[np.clip(rows + move, 0, len(runs) - 1), columns])
    return here[here > 0]


def _runs(visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the runs of visible pixels in each column from 1: int (h, w), 0 elsewhere; and their lengths by number."""
    height, width = visible.shape
    columns = np.zeros((width, height + 1), bool)
    columns[:, 1:] = visible.T
    flat = columns.ravel()
    numbers = np.zeros(len(flat), np.int64)
    numbers[1:] = np.cumsum(flat[1:] & ~flat[:-1])
    numbers[~flat] = 0
    lengths = np.bincount(numbers)
    lengths[0] = 0
    return np.ascontiguousarray(numbers.reshape(width, height + 1)[:, 1:].T), lengths


def _steps(rise: int, width: int) -> np.ndarray:
    """Return by how many rows a line that changes by `rise` rows over the width has changed at each column."""
    return np.floor(rise * np.arange(width) / (width - 1) + 0.5).astype(np.int64)


@functools.lru_cache(64)
def _pieces(width: int) -> list[tuple[int, int, int, int]]:
    """Return (rise, rows down, first column, last but one) of the level pieces that leaning lines consist of."""
    reach = width // LEAN
    found = []
    for rise in range(-reach, reach + 1):
        steps = _steps(rise, width)
        starts = [0, *(np.flatnonzero(np.diff(steps)) + 1)]
        found += [(rise, int(steps[a]), int(a), int(b)) for a, b in zip(starts, [*starts[1:], width], strict=True)]
    return found


def _straight(visible: np.ndarray) -> list[tuple[int, int, int]]:
    """Return (row at the left, rise, columns covered) of straight lines across, those that cover most first.

    Every row and every rise is tried, and a pixel counts if it or one of its two neighbours in the column is visible.
    """
    height, width = visible.shape
    reach = width // LEAN
    near = np.zeros((width, height + 2 * reach), bool)
    near[:, reach : reach + height] = visible.T
    near[:, reach - 1 : reach + height - 1] |= visible.T
    near[:, reach + 1 : reach + height + 1] |= visible.T
    sums = np.zeros((width + 1, near.shape[1]), np.int32)
    np.cumsum(near, axis=0, out=sums[1:])
    counts = np.zeros((2 * reach + 1, height), np.int32)
    for rise, down, start, stop in _pieces(width):
        rows = slice(reach + down, reach + down + height)
        counts[rise + reach] += sums[stop, rows] - sums[start, rows]
    found = []
    rises, rows = np.indices(counts.shape)
    rises -= reach
    while len(found) < 64:
        best = int(counts.argmax())
        count = int(counts.ravel()[best])
        if count < FRAME * width:
            break
        rise, row = best // height - reach, best % height
        found.append((row, rise, count))
        counts[(abs(rows - row) <= _NEAR) & (abs(rows + rises - row - rise) <= _NEAR)] = 0
    return found
