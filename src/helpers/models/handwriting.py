"""Digits as other hands write them and other scanners see them: an augmentation that goes beyond warps.

On top of a `Warp` it changes the aspect and the thickness of the strokes, looks at the digit through a coarser grid
(as low as 7 cells across), blurs, hardens the contrast down to plain black and white, and adds grain. What happens to
an image is drawn beforehand as one row of numbers, so a training stays a function of its spec; the work itself is
plain Keras operations on whole batches, and the grid is two matrix products.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from helpers.models import augmentation
from helpers.models.augmentation import Warp

CELLS = (1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0)  # pixels; 20 pixels of digit are 16 to 7 cells
BLURS = (0.5, 0.75, 1.0, 1.25)  # pixels, standard deviation
_PHASES = 4  # positions of a grid against the digit
_FIELDS = 256  # different patterns of grain


@dataclass(frozen=True)
class Hand(Warp):
    """What may happen to an image besides a Warp.

    stretch: bound of the logarithm of width over height. thickness: how far strokes grow (1: by a pixel all round)
    or, at most 0.6 of that, shrink. coarse, blurred, hardened: shares of the images. grain: largest standard
    deviation, of full ink; half the images have none.
    """

    stretch: float = 0.3
    thickness: float = 0.8
    coarse: float = 0.35
    blurred: float = 0.15
    hardened: float = 0.3
    grain: float = 0.08

    width: ClassVar[int] = 15

    def __post_init__(self):
        super().__post_init__()
        if self.coarse + self.blurred > 1 or self.hardened > 1 or self.thickness > 1:
            raise ValueError(
                f"coarse, blurred, hardened, thickness: got {self.coarse}, {self.blurred}, {self.hardened}, "
                f"{self.thickness}; at most 1 is allowed, for coarse and blurred together"
            )

    def scaled(self, strength: float) -> "Hand":
        """Not defined: shares and bounds do not shrink together."""
        raise NotImplementedError("scaled: a Hand has no single strength")

    def draw(self, n: int, *, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Draw everything that happens to `n` images, float32 (n, 15).

        A row: eight numbers of the affine map; thickness -0.6..1; grid of the rows and of the columns (numbers in
        `grids`); the level around which contrast is hardened, and how much; number of the grain, its strength.
        """
        rows = np.zeros((n, self.width), np.float32)
        rows[:, :8] = augmentation.transforms(self, n, size=size, rng=rng)
        _stretch(rows, self.stretch * rng.uniform(-1, 1, n), size)
        rows[:, 8] = self.thickness * rng.uniform(-0.6, 1, n)
        n_coarse = len(CELLS) * _PHASES
        coarse = 1 + rng.integers(0, len(CELLS), n)[:, None] * _PHASES + rng.integers(0, _PHASES, (n, 2))
        blurred = 1 + n_coarse + rng.integers(0, len(BLURS), n)[:, None] * np.ones(2, int)
        kind = rng.uniform(0, 1, n)[:, None]
        rows[:, 9:11] = np.where(kind < self.coarse, coarse, np.where(kind < self.coarse + self.blurred, blurred, 0))
        hardened = rng.uniform(0, 1, n) < self.hardened
        rows[:, 11] = np.where(hardened, rng.uniform(0.25, 0.65, n), 0.5)
        rows[:, 12] = np.where(hardened, np.exp(rng.uniform(0, np.log(20), n)), 1)
        rows[:, 13] = rng.integers(0, _FIELDS, n)
        rows[:, 14] = self.grain * np.maximum(0, rng.uniform(-1, 1, n))
        return rows

    def apply(self, images, rows):
        """Do what `rows` (n, 15) say to float images (n, h, w, 1) in 0..1, h = w. Returns a tensor in 0..1."""
        from helpers.runtime.device import keras  # here, as drawing need not wait for it

        ops = keras.ops
        side = images.shape[1]
        down, up = grids(side)

        def column(i):
            return ops.reshape(rows[:, i], (-1, 1, 1))

        def number(i):
            return ops.cast(rows[:, i], "int32")

        def along(table, image):  # both axes of every image through its grid
            left = ops.take(table, number(9), axis=0)
            right = ops.transpose(ops.take(table, number(10), axis=0), (0, 2, 1))
            return ops.matmul(ops.matmul(left, image), right)

        x = augmentation.apply(images, rows[:, :8])
        thicker = ops.max_pool(x, 3, strides=1, padding="same")[..., 0]
        thinner = -ops.max_pool(-x, 3, strides=1, padding="same")[..., 0]
        x = x[..., 0]
        x = x + ops.relu(column(8)) * (thicker - x) + ops.relu(-column(8)) * (thinner - x)
        x = _full(ops, along(ops.convert_to_tensor(down), x))
        x = ops.clip((x - column(11)) * column(12) + 0.5, 0, 1)
        x = ops.clip(x + column(14) * ops.take(ops.convert_to_tensor(_grain(side)), number(13), axis=0), 0, 1)
        x = _full(ops, along(ops.convert_to_tensor(up), x))
        return ops.expand_dims(x, -1)


def _full(ops, x):
    """Scale every image to full ink, as preparing an image does; faint ones at most tenfold."""
    return x / ops.maximum(ops.max(x, axis=(1, 2), keepdims=True), 0.1)


def _stretch(rows: np.ndarray, logarithm: np.ndarray, size: tuple[int, int]) -> None:
    """Make the digits of affine `rows` wider by exp(logarithm / 2) and flatter by as much, in place."""
    centre = (np.array(size[::-1]) - 1) / 2
    matrix = rows[:, [0, 1, 3, 4]].reshape(-1, 2, 2).astype(np.float64)
    half = np.exp(logarithm / 2)
    stretched = matrix * np.stack([1 / half, half], axis=1)[:, None, :]
    rows[:, [0, 1, 3, 4]] = stretched.reshape(-1, 4)
    rows[:, [2, 5]] += (matrix - stretched) @ centre


@cache
def grids(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrices that bring `side` pixels onto a grid and back, each float32 (kinds, side, side).

    Kind 0 changes nothing. Then the CELLS in four positions each: a cell averages the pixels it covers; coming back,
    pixels are interpolated linearly between cells. Then the BLURS: Gaussian averages.
    """
    pairs = [(np.eye(side), np.eye(side)), *_coarse(side), *_blurred(side)]
    down, up = (np.stack(kind).astype(np.float32) for kind in zip(*pairs, strict=True))
    return down, up


def _coarse(side: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    edges = np.arange(side + 1)
    for cell in CELLS:
        for phase in range(_PHASES):
            offset = cell * phase / _PHASES  # of the first cell's start to the left of the first pixel
            starts = np.arange(side) * cell - offset
            overlap = np.minimum(starts[:, None] + cell, edges[1:]) - np.maximum(starts[:, None], edges[:-1])
            down = np.clip(overlap, 0, 1) / cell
            position = (edges[:-1] + 0.5 + offset) / cell - 0.5
            up = np.maximum(0, 1 - np.abs(np.arange(side) - np.maximum(position, 0)[:, None]))
            yield down, up


def _blurred(side: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    distance = np.subtract.outer(np.arange(side), np.arange(side))
    for deviation in BLURS:
        weights = np.exp(-0.5 * (distance / deviation) ** 2)
        yield np.eye(side), weights / weights.sum(axis=1).max()


@cache
def _grain(side: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(_FIELDS, side, side)).astype(np.float32)
