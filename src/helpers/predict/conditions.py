"""MNIST digits as they would look from other pens, scanners and formats: what the network is chosen on.

Every condition turns one 28 x 28 image into another picture, of any size, in grey values 0..255, by numbers drawn from
a seed. They stand in for digits of other collections, none of which is used to train or to choose.
"""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
from PIL import Image
from scipy import ndimage

from helpers.data.pictures.decoding import Unreadable
from helpers.data.pictures.preparing import SIDE, box, prepare
from helpers.data.pictures.resampling import resize

_ZOOM = 6


def fine(image: np.ndarray, *, slant: float = 0.0, angle: float = 0.0) -> np.ndarray:
    """Return a uint8 digit six times larger, float32 in 0..1 with soft edges; slant and angle in degrees."""
    around = np.pad(image, 4).astype(np.float32) / 255
    large = [side * _ZOOM for side in around.shape[::-1]]
    soft = np.asarray(Image.fromarray(around).resize(large, Image.Resampling.BICUBIC))
    if slant or angle:
        cos, sin, lean = np.cos(np.radians(angle)), np.sin(np.radians(angle)), np.tan(np.radians(slant))
        matrix = np.array([[cos, sin], [-sin, cos]]) @ np.array([[1, 0], [lean, 1]])
        centre = (np.array(soft.shape) - 1) / 2
        soft = ndimage.affine_transform(soft, matrix, offset=centre - matrix @ centre, order=1)
    return np.clip(soft, 0, 1)


def _tight(soft: np.ndarray) -> np.ndarray:
    ink = (soft > 0.5).astype(np.float32)
    return ink[box(ink)]


def _fit(ink: np.ndarray, side: int) -> np.ndarray:
    """Fit a digit into a square of `side` pixels, keeping its aspect."""
    longer = max(ink.shape)
    height, width = (max(1, round(length * side / longer)) for length in ink.shape)
    small = resize(ink, height, width)
    out = np.zeros((side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    out[top : top + height, left : left + width] = small
    return out


def _as_is(image, rng):
    return image.astype(np.float32)


def _grey_16(image, rng):
    return 255 * _fit(_tight(fine(image)), 16)


def _counts_8(image, rng):
    """32 x 32 black and white, then counted in blocks of 4 x 4: 8 x 8 in 0..16."""
    bits = _fit(_tight(fine(image)), 32) > 0.5
    return bits.reshape(8, 4, 8, 4).sum(axis=(1, 3)) * (255 / 16)


def _square_16(image, rng):
    """Stretched to fill 16 x 16 whatever the aspect, then black and white."""
    return 255.0 * (resize(_tight(fine(image)), 16, 16) > rng.uniform(0.3, 0.6))


def _bits_32(image, rng):
    return 255.0 - 255.0 * (_fit(_tight(fine(image)), 32) > 0.5)


def _thin_pen(image, rng):
    """A fine pen on a large, clean sheet."""
    soft = fine(image, angle=rng.uniform(-8, 8))
    soft = np.pad(soft[box(soft)], 3 * _ZOOM)
    depth = ndimage.distance_transform_edt(soft > 0.5)
    ridge = (depth > 0) & (depth >= ndimage.maximum_filter(depth, 5) - 0.5)
    line = ndimage.gaussian_filter(ndimage.binary_dilation(ridge, iterations=2).astype(np.float32), 1)
    return 245 - 200 * np.clip(1.5 * line, 0, 1)


def _marker(image, rng):
    """A felt-tip: strokes much thicker."""
    soft = ndimage.grey_dilation(fine(image), size=(9, 9))
    return 255 - 235 * soft


def _square_grey(image, rng):
    """Stretched to fill 16 x 16 whatever the aspect, in greys."""
    return 255.0 * resize(_tight(fine(image)), 16, 16)


def _square_64(image, rng):
    """Stretched to a square, or half the way, sampled coarsely, enlarged again and black and white."""
    ink = _tight(fine(image))
    height, width = (round(48 * (side / max(ink.shape)) ** rng.choice([0.0, 0.5])) for side in ink.shape)
    coarse = resize(ink, max(4, height // 3), max(4, width // 3))
    return 255.0 - 255.0 * np.pad(resize(coarse, max(8, height), max(8, width)) > 0.45, 8)


def _broken(image, rng):
    """A worn ribbon or a hasty binarisation: spots of a coarse pattern are missing from the strokes.

    With paper around: cut out closely, pieces on the border may as well be parts of something beyond it.
    """
    ink = _fit(_tight(fine(image)), 32)
    pattern = resize(rng.standard_normal((9, 9)).astype(np.float32), 32, 32)
    return 255.0 * np.pad((ink > 0.4) & (pattern < 0.75), 4)


def _slanted(image, rng):
    return 255 * fine(image, slant=rng.choice([-1, 1]) * rng.uniform(12, 25))


def _photo(image, rng):
    """A photo: light from one side, grain, a little blur, any place on the sheet, fewer pixels."""
    soft = fine(image, angle=rng.uniform(-10, 10), slant=rng.uniform(-8, 8))
    soft = np.pad(resize(soft, soft.shape[0] // 2, soft.shape[1] // 2), rng.integers(0, 30, (2, 2)))
    soft = ndimage.gaussian_filter(soft, rng.uniform(0, 1.5))
    rows, columns = np.indices(soft.shape) / max(soft.shape) - 0.5
    light = 200 + 100 * (rng.uniform(-1, 1) * rows + rng.uniform(-1, 1) * columns)
    sheet = light * (1 - rng.uniform(0.4, 0.85) * soft) + rng.normal(0, rng.uniform(0, 6), soft.shape)
    return np.clip(sheet, 0, 255)


CONDITIONS: dict[str, Callable] = {
    "as MNIST": _as_is,
    "16 x 16, grey": _grey_16,
    "8 x 8, 17 greys": _counts_8,
    "16 x 16, stretched, black and white": _square_16,
    "32 x 32, black and white": _bits_32,
    "fine pen": _thin_pen,
    "felt-tip": _marker,
    "16 x 16, stretched, grey": _square_grey,
    "48 x 48, stretched, black and white": _square_64,
    "broken strokes": _broken,
    "slanted": _slanted,
    "photo": _photo,
}


def picture(image: np.ndarray, condition: str, *, seed: int) -> np.ndarray:
    """Return one digit, uint8 (28, 28), under a condition: float32 grey values (h, w) in 0..255."""
    rng = np.random.default_rng([seed, list(CONDITIONS).index(condition)])
    return np.asarray(CONDITIONS[condition](image, rng), np.float32)


def prepared(images: np.ndarray, condition: str, *, seed: int = 0) -> np.ndarray:
    """Return digits under a condition as the network will see them: uint8 (n, 28, 28), polarity found out.

    A digit that is taken for a blank sheet stays empty.
    """
    made = np.zeros((len(images), SIDE, SIDE), np.uint8)
    for i, image in enumerate(images):
        with suppress(Unreadable):
            made[i] = prepare(picture(image, condition, seed=seed + i)).image
    return made
