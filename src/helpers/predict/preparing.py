"""Bring the digit of any image into MNIST's own form: 28 x 28, the digit's longer side 20, its mass in the middle.

MNIST was made that way (Y. LeCun et al. 1998, section III.A), and a network trained on it expects nothing else. An
MNIST image passes through nearly unchanged. The steps, all in this package and plain enough to be written again in
another language: ink from paper (`levels`), drop specks, crop, resample (`resampling`), centre.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from helpers.predict import levels
from helpers.predict.decoding import Unreadable, shrink
from helpers.predict.resampling import resize

SIDE = 28  # pixels of the result
DIGIT = 20  # pixels of the digit's longer side
CENTRE = 14  # row and column of the centre of mass; MNIST's own mean is 13.99 and 14.01
SEARCH = 128  # pixels of the longer side at which ink is looked for
SMALL = 40  # pixels: a smaller digit on a larger image is cut out and looked at again with all its pixels
LEAST_SIDE = 4  # pixels of the image
VISIBLE = 0.12  # share of full ink from which a pixel belongs to the digit; MNIST's outermost pixels have it
SPECK = 0.02  # share of all ink below which a separate spot is dirt

_AROUND = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class Prepared:
    """image: uint8 (28, 28), ink high. polarity: as found or as given."""

    image: np.ndarray
    polarity: str


def prepare(grey: np.ndarray, *, polarity: str = "auto") -> Prepared:
    """Return the digit in `grey`, (h, w) in 0..255, in MNIST's form.

    polarity: "auto" finds out whether ink is dark or light. Raises Unreadable for an image without ink or smaller
    than 4 pixels, ValueError for an unknown polarity.
    """
    if polarity not in levels.POLARITIES:
        raise ValueError(f"polarity: got {polarity!r}; allowed are {', '.join(levels.POLARITIES)}")
    if min(grey.shape) < LEAST_SIDE:
        raise Unreadable(f"{grey.shape[1]} x {grey.shape[0]} pixels; at least {LEAST_SIDE} x {LEAST_SIDE} are needed")
    grey = shrink(grey)
    coarse = shrink(grey, SEARCH)
    if polarity == "auto":
        polarity = levels.find_polarity(coarse)
    try:
        strength = without_specks(levels.ink_strength(coarse, polarity))
        rows, columns = box(strength)
        if coarse.shape != grey.shape and max(rows.stop - rows.start, columns.stop - columns.start) < SMALL:
            strength = without_specks(levels.ink_strength(_around(grey, rows, columns), polarity))
            rows, columns = box(strength)
    except levels.Blank as problem:
        raise Unreadable(str(problem)) from None
    return Prepared(place(strength[rows, columns]), polarity)


def _around(grey: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Cut the part of `grey` out that lies at `rows`, `columns` of its coarse version, with paper on all sides."""
    factor = -(-max(grey.shape) // SEARCH)  # as in shrink
    margin = 3 + max(rows.stop - rows.start, columns.stop - columns.start) // 4
    parts = [slice(max(0, (s.start - margin) * factor), (s.stop + margin) * factor) for s in (rows, columns)]
    return shrink(grey[parts[0], parts[1]], SEARCH)


def without_specks(strength: np.ndarray) -> np.ndarray:
    """Return `strength` (h, w) in 0..1 with spots of little ink set to 0. Raises Blank where there is nothing else."""
    visible = strength >= VISIBLE
    spots, n = ndimage.label(visible, structure=_AROUND)
    if n > 1:
        mass = np.bincount(spots.ravel(), weights=strength.ravel(), minlength=n + 1)
        mass[0] = 0
        dirt = mass < SPECK * mass.sum()
        dirt[0] = False
        if dirt.sum() == n:
            raise levels.Blank("blank: nothing but specks")
        if dirt.any():
            near = ndimage.binary_dilation(dirt[spots], structure=_AROUND) & (strength < VISIBLE)
            return np.where(dirt[spots] | near, 0, strength)
    return strength


def box(strength: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of the smallest part of `strength` that holds all visible ink."""
    visible = strength >= VISIBLE
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def place(digit: np.ndarray) -> np.ndarray:
    """Return a cropped digit (h, w) in 0..1, fitted and centred: uint8 (28, 28).

    Resampling makes thin lines faint, so the result is scaled to full ink again. The move to the centre of mass is
    by whole pixels, rounded half up, and never pushes the digit over the edge.
    """
    height, width = digit.shape
    longer = max(height, width)
    height, width = (max(1, int(side * DIGIT / longer + 0.5)) for side in (height, width))
    digit = resize(digit, height, width)
    digit = digit / digit.max()
    total = digit.sum()
    down = CENTRE - float(digit.sum(axis=1) @ np.arange(height)) / total
    right = CENTRE - float(digit.sum(axis=0) @ np.arange(width)) / total
    top = min(max(int(np.floor(down + 0.5)), 0), SIDE - height)
    left = min(max(int(np.floor(right + 0.5)), 0), SIDE - width)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = np.floor(digit * 255 + 0.5)
    return image
