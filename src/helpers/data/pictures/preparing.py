"""Bring the digit of any image into MNIST's own form: 28 x 28, the digit's longer side 20, its mass in the middle.

MNIST was made that way (Y. LeCun et al. 1998, section III.A), and a network trained on it expects nothing else. An
MNIST image passes through nearly unchanged. The steps, all in this package and plain enough to be written again in
another language: ink from paper (`levels`), the digit's strokes from other ink (`strokes`, `lines`), crop, resample
(`resampling`), centre.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from helpers.data.pictures import levels, strokes
from helpers.data.pictures.decoding import Unreadable, shrink
from helpers.data.pictures.resampling import resize

SIDE = 28  # pixels of the result
DIGIT = 20  # pixels of the digit's longer side
CENTRE = 14  # row and column of the centre of mass; MNIST's own mean is 13.99 and 14.01
SEARCH = 128  # pixels of the longer side at which ink is looked for
SMALL = 40  # pixels: a smaller digit on a larger image is cut out and looked at again with all its pixels
LEAST_SIDE = 4  # pixels of the image
LEAST_DIGIT = 15  # pixels of the longer side from which a digit in 28 x 28 pixels may have MNIST's form already
UNSURE = 0.3  # lightness of either sign below which dark ink and light ink are both possible


@dataclass(frozen=True, eq=False)
class Prepared:
    """image: uint8 (28, 28), ink high. polarity: as found or as given. doubt: why a human should look, or nothing.

    unchanged: the picture as it was handed in, where that has MNIST's form already and something was changed all the
    same (dark ink is turned to light if it is surely dark); else None. Both are to be read, and where they are read
    differently, somebody should look. turned: what the picture is if ink is dark where it seemed light or the other way
    round, where little speaks for either and that has no doubt of its own; else None. A digit that was cut out closely
    may cover more than its paper: whichever is read more surely is right.
    """

    image: np.ndarray
    polarity: str
    doubt: str = ""
    unchanged: np.ndarray | None = None
    turned: "Prepared | None" = None


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
    found = levels.find_polarity(coarse) if polarity == "auto" else polarity
    look, other = _look(grey, coarse, found), None
    unsure = abs(levels.lightness(coarse)) < UNSURE
    if polarity == "auto" and (unsure or look.sheet or look.digit is None):
        other = _look(grey, coarse, levels.opposite(found))
        # What seemed ink may be the paper inside a frame, or a sheet on a dark table.
        if (look.sheet or look.digit is None) and other.digit is not None and other.doubt != strokes.NONE:
            found, look, other = levels.opposite(found), other, look
    if look.digit is None:
        raise Unreadable(look.doubt)
    turned = None
    if unsure and other is not None and other.digit is not None and not (other.doubt or other.sheet):
        turned = Prepared(_in_form(other), levels.opposite(found))
    if look.as_is:
        return Prepared(_in_form(look), found, look.doubt, turned=turned)
    unchanged = None
    if grey.shape == (SIDE, SIDE) and max(look.digit.shape) >= LEAST_DIGIT:
        dark = found == "dark-on-light" and levels.lightness(grey) > levels.SURELY
        unchanged = _bytes((255 - grey if dark else grey) / np.float32(255))
    return Prepared(_in_form(look), found, look.doubt, unchanged, turned)


def _bytes(strength: np.ndarray) -> np.ndarray:
    return np.floor(strength * np.float32(255) + np.float32(0.5)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class _Look:
    """The digit cut out, float32 (h, w), None where there is none; a doubt about it, or why there is none."""

    digit: np.ndarray | None
    doubt: str
    as_is: bool = False
    sheet: bool = False


def _in_form(look: _Look) -> np.ndarray:
    return _bytes(look.digit) if look.as_is else place(look.digit)


def _look(grey: np.ndarray, coarse: np.ndarray, polarity: str) -> _Look:
    """Look for the digit at `coarse`, and again at the pixels of `grey` where it is small."""
    try:
        found = strokes.find(levels.ink_strength(coarse, polarity))
        rows, columns = box(found.strength)
        if coarse.shape != grey.shape and max(rows.stop - rows.start, columns.stop - columns.start) < SMALL:
            doubt = found.doubt
            part, mine = _around(grey, found.strength >= strokes.VISIBLE, rows, columns)
            found = strokes.find(levels.ink_strength(part, polarity), mine)
            found = replace(found, doubt=doubt or found.doubt)
            rows, columns = box(found.strength)
    except levels.Blank as problem:
        return _Look(None, str(problem))
    if _as_mnist(found.strength, rows, columns):
        return _Look(found.strength, found.doubt, as_is=True, sheet=found.sheet)
    return _Look(found.strength[rows, columns], found.doubt, sheet=found.sheet)


def _as_mnist(strength: np.ndarray, rows: slice, columns: slice) -> bool:
    """Say whether the digit lies in 28 x 28 pixels as MNIST's do, to a pixel: it is left as it is."""
    if strength.shape != (SIDE, SIDE):
        return False
    longer = max(rows.stop - rows.start, columns.stop - columns.start)
    centre = [_centre(strength.sum(axis=axis, dtype=np.float64)) for axis in (1, 0)]
    return abs(longer - DIGIT) <= 1 and max(abs(middle - CENTRE) for middle in centre) <= 1


def _centre(mass: np.ndarray) -> float:
    return float(mass @ np.arange(len(mass))) / float(mass.sum())


def _around(grey: np.ndarray, visible: np.ndarray, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
    """Cut the part of `grey` out that lies at `rows`, `columns` of its coarse version, with paper on all sides.

    Returns it with the pixels that may belong to the digit, bool of the same shape: those at most two coarse pixels
    from one that is `visible`, which is the digit's as found at first.
    """
    factor = -(-max(grey.shape) // SEARCH)  # as in shrink
    margin = 3 + max(rows.stop - rows.start, columns.stop - columns.start) // 4
    parts = [slice(max(0, (s.start - margin) * factor), (s.stop + margin) * factor) for s in (rows, columns)]
    part = shrink(grey[parts[0], parts[1]], SEARCH)
    finer = -(-max(grey[parts[0], parts[1]].shape) // SEARCH)
    near = ndimage.binary_dilation(visible, structure=np.ones((5, 5), bool))
    places = [(s.start + np.arange(n) * finer) // factor for s, n in zip(parts, part.shape, strict=True)]
    return part, near[np.ix_(*places)]


def box(strength: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of the smallest part of `strength` that holds all visible ink."""
    visible = strength >= strokes.VISIBLE
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
