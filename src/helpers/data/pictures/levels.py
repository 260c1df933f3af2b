"""Tell ink from paper: which of the two is dark, where the paper's level lies, how strong the ink is.

All of it works on grey values of any scale, and leaves clean images (paper of one value) as they are.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

POLARITIES = ("auto", "dark-on-light", "light-on-dark")

LEAST_CONTRAST = 12.0  # of 255: ink fainter than that is not told from the paper
LEAST_CLARITY = 5.0  # ink above paper, in standard deviations of the paper: even grain stays below 4.8
SURELY = 0.6  # lightness from which paper is surely light
LEAST_SIDE = 20  # pixels: smaller images are too coarse to tell strokes from shadows
LEAST_LIGHT = 50.0  # of 255: paper in deeper shadow shows more of the camera's grain than of ink
UNEVEN = 0.2  # spread of the paper, or of the border, as a share of the contrast: its level is taken locally
_SAMPLE = 2_000
_GRAIN = 3.7  # standard deviations above the lower quartile that count as paper: 3 above the middle


class Blank(Exception):
    """There is no ink to be seen; the message says what there is instead."""


@dataclass(frozen=True)
class Levels:
    """Paper's level and grain (standard deviation), ink's level, and the value that divides them."""

    paper: float
    grain: float
    ink: float
    threshold: float


def otsu(values: np.ndarray) -> float:
    """Return the threshold that divides values best into two groups, of 256 steps between lowest and highest.

    Best: the largest variance between the groups (N. Otsu 1979). Values above the threshold are the upper group.
    Returns the lowest value where all are equal.
    """
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return low
    step = (high - low) / 255
    counts = np.bincount(((values.ravel() - low) / step).astype(np.int64), minlength=256)[:256].astype(np.float64)
    below = np.cumsum(counts)
    total = np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (total[-1] * below / below[-1] - total) ** 2 / (below * above)
    between[~np.isfinite(between)] = -1
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))  # a gap in the histogram: take its middle
    return low + step * (0.5 * (best[0] + best[-1]) + 0.5)


def ranked(values: np.ndarray, share: float) -> float:
    """Return the value below which `share` of the others lie, without interpolation: 0.5 is the (upper) median.

    Of more than 4,000 values only every second, third and so on is looked at.
    """
    sample = np.sort(values[:: max(1, len(values) // _SAMPLE)])
    return float(sample[int(share * (len(sample) - 1) + 0.5)])


def find_polarity(grey: np.ndarray) -> str:
    """Return "dark-on-light" or "light-on-dark", whichever `lightness` speaks for."""
    return "dark-on-light" if lightness(grey) > 0 else "light-on-dark"


def lightness(grey: np.ndarray) -> float:
    """Return how much speaks for light paper, from about -1.5 to 1.5: what surrounds the ink, and what covers more.

    Paper surrounds ink: of the darkest and the lightest quarter of the range of values, ink's is the one that hardly
    occurs on the border, even if half of the paper lies in shadow. Where a digit was cut out so closely that it fills
    the border, the image as a whole still has more paper than ink (on the two sides of Otsu's threshold).
    """
    low, high = float(grey.min()), float(grey.max())
    quarter = (high - low) / 4
    values = border(grey)
    surrounding = float(np.mean(values > high - quarter) - np.mean(values < low + quarter))
    return surrounding + float(np.mean(grey > otsu(grey))) - 0.5


def opposite(polarity: str) -> str:
    """Return the other of the two polarities."""
    return POLARITIES[2] if polarity == POLARITIES[1] else POLARITIES[1]


def border(image: np.ndarray) -> np.ndarray:
    """Return the values of the outermost pixels, 1 in 20 of the shorter side deep."""
    ring = max(1, min(image.shape) // 20)
    outer = np.ones(image.shape, bool)
    outer[ring:-ring, ring:-ring] = False
    return image[outer]


def measure(ink: np.ndarray) -> Levels:
    """Return the levels of an image (h, w) in which ink is high.

    Paper is the lower quartile of what lies below Otsu's threshold, its grain follows from the distance to the lower
    tenth (0.607 standard deviations, were it normal): half-covered pixels at the edges of strokes are many in a
    coarse image, and they lie above. Ink is the 90th percentile of what lies above the threshold.
    """
    threshold = otsu(ink)
    above = ink > threshold
    lower, upper = ink[~above], ink[above]
    paper = ranked(lower, 0.25)
    grain = (paper - ranked(lower, 0.1)) / 0.607
    return Levels(paper, grain, ranked(upper, 0.9) if len(upper) else paper, threshold)


def flatten(ink: np.ndarray, levels: Levels, *, dark: bool) -> np.ndarray:
    """Return `ink` above the local paper, where shadows or a gradient make the paper uneven; else unchanged.

    The local paper is the grey-scale opening with a square of a third of the shorter side: what is left when
    everything narrower than the square, strokes above all, is taken away (the top-hat transform). Dark ink takes away
    a share of the light, so what is left is divided by the light of the paper.
    """
    if min(ink.shape) < LEAST_SIDE or not is_uneven(ink, levels):
        return ink
    side = min(ink.shape) // 3 | 1
    # Continued beyond the edges with the same slope, so that a gradient is not taken for ink there.
    around = np.pad(ndimage.uniform_filter(ink, 3, mode="nearest"), side, mode="reflect", reflect_type="odd")
    around = np.clip(around, ink.min(), ink.max())
    paper = ndimage.grey_opening(around, size=(side, side))[side:-side, side:-side]
    light = np.float32(255) - paper if dark else np.float32(255)
    return (ink - paper) * (np.float32(255) / np.maximum(light, np.float32(LEAST_LIGHT)))


def is_uneven(ink: np.ndarray, levels: Levels) -> bool:
    """Say whether the paper's level changes over the image.

    It does where the paper away from all ink is not of one value, or where what seems ink is wider than a stroke (a
    quarter of the longer side, two fifths in coarse images) and not of one value either: paper in shadow, and ink.
    """
    above = ink > levels.threshold
    away = ~ndimage.binary_dilation(above, structure=np.ones((3, 3), bool), iterations=1 + (min(ink.shape) >= 64))
    paper = ink[away]
    contrast = levels.ink - levels.paper
    if len(paper) > 0.05 * ink.size and _spread(paper) > UNEVEN * contrast:
        return True
    inside = ink[ndimage.binary_erosion(above, structure=np.ones((3, 3), bool), iterations=1 + (min(ink.shape) >= 64))]
    if not len(inside) or ranked(inside, 0.98) - ranked(inside, 0.02) <= UNEVEN * contrast:
        return False
    side = (max(ink.shape) // 4 if min(ink.shape) >= 40 else 2 * max(ink.shape) // 5) | 1
    return bool(ndimage.minimum_filter(above, size=(side, side), mode="constant").any())


def _spread(values: np.ndarray) -> float:
    return ranked(values, 0.95) - ranked(values, 0.05)


def ink_strength(grey: np.ndarray, polarity: str) -> np.ndarray:
    """Return how much ink each pixel holds, float32 (h, w) in 0..1: 0 is paper and its grain, 1 full ink.

    grey: (h, w) in 0..255. polarity: "dark-on-light" or "light-on-dark". Raises Blank where no ink stands out.
    """
    low, high = float(grey.min()), float(grey.max())
    if high - low < LEAST_CONTRAST:
        tone = "black" if high < 32 else "white" if low > 223 else "of one tone"
        raise Blank(f"blank: it is all {tone}")
    ink = (255 - grey) if polarity == "dark-on-light" else grey
    found = measure(ink)
    even = flatten(ink, found, dark=polarity == "dark-on-light")
    if even is not ink:
        ink, found = even, measure(even)
    contrast = found.ink - found.paper
    if contrast < LEAST_CONTRAST or contrast < LEAST_CLARITY * found.grain:
        raise Blank("blank: nothing on it stands out from the paper")
    floor = found.paper + _GRAIN * found.grain
    return np.clip((ink - floor) / (found.ink - floor), 0, 1).astype(np.float32)
