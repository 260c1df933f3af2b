"""Find the digit's own strokes among all the ink on a sheet: edges, frames, holes and neighbours are left out."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from helpers.data.pictures import levels
from helpers.data.pictures.lines import without_lines

VISIBLE = 0.12  # share of full ink from which a pixel belongs to the digit; MNIST's outermost pixels have it
STRONG = 0.3  # share of full ink that no faint mark has: rulings, what shows through, stains
BEYOND, BEYOND_COARSE = 1.2, 1.5  # times the extent of strong ink: faint marks that reach further are not the digit's
SPECK = 0.02  # share of all ink below which a separate spot is dirt
SIZEABLE = 0.3  # of the shorter side: a spot that large, free of the border, is the digit, and none on the border is
TINY = 0.12  # of the shorter side: the smallest digit, where something else lies along the border or was a line
MARGIN = 0.06  # of the shorter side: what is left nearer to the border when lines are gone was cut out with them
FAR = 0.3  # of the longer side of what is known of the digit: what lies further away belongs to something else
STACKED = 1.9  # height over width of all ink, at least, where one digit stands above another
ALIKE = 0.5  # of the digit's height: a second spot that tall may be a second digit
WIDE = 2.0  # width over height of two digits that touch
SOLID = 0.68  # share of its box that a blot fills
SHEET = 0.4  # of the image, at least, that a sheet on a table covers
EDGE = 0.08  # of the width: how near to the border the rest of a frame may be
PIECES = 4  # into which a second digit may be broken; more are a spiral's holes, or dirt
FACE = 2  # spots inside the main one's box that make it a face, or something else than a digit
TWO, NONE = "two digits?", "no digit?"

_AROUND = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class Strokes:
    """strength: float32 (h, w), 0 where there is no ink of the digit. doubt: why a human should look, or nothing.

    sheet: whether it looks like a sheet of paper rather than ink: large, solid, free of the border.
    """

    strength: np.ndarray
    doubt: str
    sheet: bool = False


def find(strength: np.ndarray, mine: np.ndarray | None = None) -> Strokes:
    """Return the digit's strokes in `strength` (h, w), 0..1. Raises Blank where there is nothing but specks.

    mine: bool (h, w), pixels that may belong to the digit; all, where not given.
    """
    given = strength
    strength = _without_faint(given)
    cleared = without_lines(given, given >= VISIBLE)
    if cleared is not given:
        cleared = _without_faint(cleared)
        strength = cleared if _free(cleared) else strength
    if mine is not None:
        strength = np.where(mine, strength, 0)
    spots, n = ndimage.label(strength >= VISIBLE, structure=_AROUND)
    mass = np.bincount(spots.ravel(), weights=strength.ravel(), minlength=n + 1)[1:]
    boxes = ndimage.find_objects(spots)
    keep = mass >= SPECK * mass.sum()
    if not keep.any():
        raise levels.Blank("blank: nothing but specks")
    doubt = ""
    if n > 1:
        top, left, bottom, right = _edges(boxes)
        height, width = bottom - top, right - left
        keep &= ~_hollow(spots, boxes, keep)
        keep &= ~_beyond(spots, boxes, keep, mass)
        main = int(np.argmax(np.where(keep, mass, 0)))
        along, across = _gaps(boxes, main)
        tall, broad = (int(last[keep].max() - first[keep].min()) for first, last in ((top, bottom), (left, right)))
        least = ALIKE * tall if broad > 1.1 * tall else 0.7 * tall
        # A thin 1 weighs little beside a bold digit; what stands so close to the border is left of a frame.
        within = (left >= EDGE * strength.shape[1]) & (right <= (1 - EDGE) * strength.shape[1])
        alike = keep & (height >= least) & (height[main] >= least) & (mass >= np.where(within, 0.1, 0.25) * mass[main])
        alike[main] = False
        beside = alike & (across > -0.2 * np.minimum(width, width[main]))
        under = keep & (along > 0) & (height >= ALIKE * height[main]) & (width >= ALIKE * width[main])
        under &= tall > STACKED * broad
        inside = keep & (top > top[main]) & (left > left[main]) & (bottom < bottom[main]) & (right < right[main])
        if (beside | under).any():
            doubt = TWO
        elif inside.sum() >= FACE:
            doubt = NONE
        apart = keep & ~(_together(boxes, main, keep) | beside | under)
        broken = apart & within
        if 0 < broken.sum() <= PIECES and (across[broken] > 0).all() and mass[broken].sum() >= 0.15 * mass[main]:
            doubt = TWO if bottom[broken].max() - top[broken].min() >= ALIKE * height[main] else doubt
        keep &= ~apart
    if not keep.all():
        own = np.concatenate([[False], keep])[spots]
        strength = np.where(ndimage.binary_dilation(own, structure=_AROUND), strength, 0)
    if strength is not given:  # what seemed full ink may be gone
        full = levels.ranked(strength[strength >= VISIBLE], 0.9)
        strength = np.clip(strength / np.float32(full), 0, 1).astype(np.float32)
    doubt = doubt or _shape(strength)
    return Strokes(strength, doubt, _is_sheet(strength))


def _without_faint(strength: np.ndarray) -> np.ndarray:
    """Return `strength` without what is faint and far from all strong ink, where such marks reach far beyond it."""
    strong = strength >= STRONG
    near = ndimage.binary_dilation(strong, structure=_AROUND)
    least = BEYOND if min(strength.shape) >= 64 else BEYOND_COARSE
    for axis in (0, 1):
        extents = [np.flatnonzero(part.any(axis=axis)) for part in (strong, strength >= VISIBLE)]
        if all(map(len, extents)) and np.ptp(extents[1]) + 1 > least * (np.ptp(extents[0]) + 1):
            return np.where(near, strength, 0)
    return strength


def _free(strength: np.ndarray) -> bool:
    """Say whether something that may be a digit lies well inside the sheet."""
    boxes = ndimage.find_objects(ndimage.label(strength >= VISIBLE, structure=_AROUND)[0])
    least, margin = TINY * min(strength.shape), MARGIN * min(strength.shape)
    return any(
        max(s.stop - s.start for s in box) >= least
        and all(s.start >= margin and s.stop <= side - margin for s, side in zip(box, strength.shape, strict=True))
        for box in boxes
    )


def _beyond(spots: np.ndarray, boxes: list, keep: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Say which spots come in from beyond the border: a table, the edge of a sheet, a part of another digit.

    None does where no sizeable spot is free of the border. What touches it only here and there may be a digit's: it
    stays close to the main spot, or where such contacts on all four sides say that the digit was cut out closely.
    """
    top, left, bottom, right = _edges(boxes)
    longer = np.maximum(bottom - top, right - left)
    contact = np.bincount(spots[_rim(spots.shape)], minlength=len(boxes) + 1)[1:]  # pixels on the border
    free = keep & (contact == 0)
    found = keep & (contact > 0)
    largest = longer[free].max(initial=0)
    if not found.any() or largest < TINY * min(spots.shape):
        return np.zeros(len(boxes), bool)
    long = (contact >= 0.7 * longer) & (longer >= 0.5 * min(spots.shape))
    if largest < SIZEABLE * min(spots.shape):
        return found & long
    short = found & ~long
    if short.any():
        first = (int(top[short].min()), int(left[short].min()))
        last = (int(bottom[short].max()), int(right[short].max()))
        if first == (0, 0) and last == spots.shape:
            return found & long
    main = int(np.argmax(np.where(free, mass, 0)))
    apart = np.maximum(*_gaps(boxes, main)) > 0.12 * longer[main]
    return found & (long | (apart & (mass < mass[main])))


def _together(boxes: list, main: int, keep: np.ndarray) -> np.ndarray:
    """Say which spots belong to the main one: those close to it, those close to both, and so on.

    Close is no further than FAR, and than the spot is long.
    """
    top, left, bottom, right = _edges(boxes)
    longer = np.maximum(bottom - top, right - left)
    own = np.arange(len(boxes)) == main
    while True:
        first, last = (int(top[own].min()), int(left[own].min())), (int(bottom[own].max()), int(right[own].max()))
        down, across = np.maximum(top - last[0], first[0] - bottom), np.maximum(left - last[1], first[1] - right)
        far = np.minimum(FAR * max(last[0] - first[0], last[1] - first[1]), longer)
        more = own | (keep & (np.maximum(down, across) <= far))
        if (more == own).all():
            return own
        own = more


def _rim(shape: tuple[int, int]) -> np.ndarray:
    rim = np.ones(shape, bool)
    rim[1:-1, 1:-1] = False
    return rim


def _gaps(boxes: list, main: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns between each box and the main one, negative where they overlap."""
    top, left, bottom, right = _edges(boxes)
    return np.maximum(top - bottom[main], top[main] - bottom), np.maximum(left - right[main], left[main] - right)


def _edges(boxes: list) -> tuple[np.ndarray, ...]:
    """Return the first and the last but one row and column of boxes: top, left, bottom, right."""
    return tuple(np.array([getattr(box[axis], end) for box in boxes]) for end in ("start", "stop") for axis in (0, 1))


def _hollow(spots: np.ndarray, boxes: list, keep: np.ndarray) -> np.ndarray:
    """Say which spots are frames around others: nothing of theirs lies in the middle of their box, but another does."""
    found = np.zeros(len(boxes), bool)
    for i, (rows, columns) in enumerate(boxes):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if min(height, width) < 0.5 * min(spots.shape):
            continue
        inner = spots[rows, columns][height // 8 : height - height // 8, width // 8 : width - width // 8]
        own = np.count_nonzero(inner == i + 1)
        others = keep[inner[(inner != i + 1) & (inner > 0)] - 1].any()
        found[i] = others and own <= 0.05 * np.count_nonzero(spots == i + 1)
    return found


def _is_sheet(strength: np.ndarray) -> bool:
    """Say whether it looks like paper inside a frame or on a table: large, solid to its corners, free of the border."""
    visible = strength >= VISIBLE
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    part = visible[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    corners = part[[1, 1, -2, -2], [1, -2, 1, -2]] if min(part.shape) > 3 else part[:0]
    return (
        part.size >= SHEET * visible.size
        and np.count_nonzero(part) > SOLID * part.size
        and bool(corners.size and corners.all())
        and not visible[_rim(visible.shape)].any()
    )


def _shape(strength: np.ndarray) -> str:
    """Return a doubt about the shape of all that is left, or nothing."""
    strong = strength >= 0.5
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    strong = strong[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = strong.shape
    if width > WIDE * height or (width > 1.3 * height and _necked(strong)):
        return TWO
    if 0.6 * height <= width and np.count_nonzero(strong) > SOLID * height * width:
        side = max(1, int(0.6 * min(height, width) + 0.5))
        if ndimage.minimum_filter(strong, size=(side, side), mode="constant").any():
            return NONE
    return ""


def _necked(strong: np.ndarray) -> bool:
    """Say whether two tall parts hang together by one short piece: two digits that touch, and no wide digit."""
    height, width = strong.shape
    starts = np.count_nonzero(np.diff(strong.astype(np.int8), axis=0, prepend=0) == 1, axis=0)
    for x in range(int(0.3 * width), int(0.7 * width) + 1):
        if starts[x] <= 1 and np.count_nonzero(strong[:, x]) <= 0.35 * height:
            parts = [np.flatnonzero(part.any(axis=1)) for part in (strong[:, :x], strong[:, x + 1 :])]
            if all(len(rows) and rows[-1] - rows[0] + 1 >= 0.65 * height for rows in parts):
                return True
    return False
