"""Nine ways in which an image of a digit goes wrong, each in five severities.

In the spirit of MNIST-C (Mu and Gilmer 2019, arXiv:1906.02337) and of Morpho-MNIST's thinner and thicker strokes
(Castro et al. 2019, JMLR 20), written anew. Each is a pure function of (images, severity, seed): uint8 (n, h, w) with
ink high -> the same shape and type. Image i is treated the same whatever comes after it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """One kind of damage: how it is done, how much at severities 1 to 5, the unit of that, and where it comes from."""

    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    levels: tuple[float, float, float, float, float]
    unit: str
    cause: str


def corrupt(images: np.ndarray, name: str, *, severity: int, seed: int = 0) -> np.ndarray:
    """Return damaged copies of uint8 images (n, h, w); severity 0 returns a plain copy.

    name: one of CORRUPTIONS. The same seed draws the same chances at every severity, so that severities differ in
    strength alone. Raises ValueError for anything else.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(f"images: got {images.dtype} {images.shape}; uint8 (n, h, w) is allowed")
    if name not in CORRUPTIONS:
        raise ValueError(f"name: got {name!r}; allowed are {', '.join(CORRUPTIONS)}")
    if severity not in (0, *SEVERITIES):
        raise ValueError(f"severity: got {severity!r}; a whole number from 0 (none) to 5 is allowed")
    if severity == 0 or not len(images):
        return images.copy()
    kind = CORRUPTIONS[name]
    rng = np.random.default_rng([seed, list(CORRUPTIONS).index(name)])
    damaged = kind.apply(images, kind.levels[severity - 1], rng)
    return np.clip(np.rint(damaged), 0, 255).astype(np.uint8)


def _noise(images, sigma, rng):
    return images + sigma * rng.standard_normal(images.shape, dtype=np.float32)


def _blur(images, sigma, rng):
    return ndimage.gaussian_filter(images.astype(np.float32), (0, sigma, sigma), mode="constant")


def _rotation(images, degrees, rng):
    angle = np.deg2rad(degrees) * _sign(rng, len(images))
    cos, sin = np.cos(angle), np.sin(angle)
    return _warp(images, np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], axis=1))


def _shift(images, pixels, rng):
    angle = rng.uniform(0, 2 * np.pi, len(images))
    return _warp(images, np.eye(2), pixels * np.stack([np.sin(angle), np.cos(angle)], axis=-1))


def _scale(images, factor, rng):
    size = factor ** _sign(rng, len(images))  # half of them smaller, half larger
    return _warp(images, np.eye(2) / size[:, None, None])


def _thickness(images, pixels, rng):
    """Half of the strokes grow by `pixels` on every side; half lose up to that, but never all they have."""
    grown = _spread(images, pixels, ndimage.grey_dilation)
    thinned = _spread(images, 0.45 * pixels, ndimage.grey_erosion)
    return np.where(_sign(rng, len(images))[:, None, None] > 0, grown, thinned)


def _contrast(images, lost, rng):
    """Ink fades and paper darkens, until both are grey."""
    return 0.45 * 255 * lost + images * (1 - lost)


def _occlusion(images, side, rng):
    """A square blot of paper or ink covers part of the digit's own box."""
    n, height, width = images.shape
    chance = rng.random((n, 3))  # drawn image by image, so that an image's chances do not depend on how many follow
    centre = 14 * chance[:, :2] - 7 + np.array([height - 1, width - 1]) / 2
    down, across = (
        np.abs(np.arange(length) - centre[:, axis, None]) <= side / 2 for axis, length in enumerate((height, width))
    )
    blot = np.where(chance[:, 2] < 0.5, 255, 0)[:, None, None]
    return np.where(down[:, :, None] & across[:, None, :], blot, images)


def _stripes(images, thickness, rng):
    """Three parallel lines of ink at a random slant run over the digit, as from a form or a cancellation stamp."""
    n, height, width = images.shape
    chance = rng.random((n, 2))
    angle, offset = chance[:, 0] - 0.5, 9 * chance[:, 1]
    y, x = np.mgrid[:height, :width]
    along = np.cos(angle)[:, None, None] * y - np.sin(angle)[:, None, None] * x
    distance = np.abs((along - offset[:, None, None] + 4.5) % 9 - 4.5)  # a line every 9 pixels
    ink = 255 * np.clip(thickness / 2 + 0.5 - distance, 0, min(1, thickness))
    return np.maximum(images, ink)


def _sign(rng, n):
    return np.where(rng.random(n) < 0.5, -1.0, 1.0)


def _warp(images, matrices, shifts=None):
    """Look each pixel up at matrix @ (position - centre - shift) + centre, by linear interpolation, all at once.

    matrices: (n, 2, 2) or (2, 2), from where a pixel is to where its value comes from; shifts: (n, 2).
    """
    n, height, width = images.shape
    centre = np.array([height - 1, width - 1]) / 2
    places = np.stack(np.mgrid[:height, :width], axis=-1).reshape(-1, 2) - centre
    places = places - (0 if shifts is None else shifts[:, None, :])
    places = np.broadcast_to(places, (n, height * width, 2))
    source = np.einsum("nij,npj->npi", np.broadcast_to(matrices, (n, 2, 2)), places) + centre
    which = np.broadcast_to(np.arange(n, dtype=np.float64)[:, None], source.shape[:2])
    coordinates = np.stack([which, source[..., 0], source[..., 1]])
    flat = ndimage.map_coordinates(images.astype(np.float32), coordinates, order=1, mode="constant")
    return flat.reshape(images.shape)


def _spread(images, pixels, morphology):
    """Grow or shrink ink by a number of pixels that need not be whole: between two whole ones, a mixture."""
    whole, part = divmod(pixels, 1)
    cross = ndimage.generate_binary_structure(2, 1)[None]
    now = images
    for _ in range(int(whole)):
        now = morphology(now, footprint=cross, mode="constant")
    then = morphology(now, footprint=cross, mode="constant") if part else now
    return (1 - part) * now.astype(np.float32) + part * then


CORRUPTIONS: dict[str, Corruption] = {
    "noise": Corruption(_noise, (20, 40, 60, 80, 110), "grey levels (standard deviation)", "a poor sensor"),
    "blur": Corruption(_blur, (0.6, 1.0, 1.4, 1.8, 2.3), "pixels (standard deviation)", "out of focus"),
    "rotation": Corruption(_rotation, (10, 20, 30, 40, 50), "degrees, left or right", "a letter lying askew"),
    "shift": Corruption(_shift, (1.5, 3, 4.5, 6, 7.5), "pixels, in any direction", "a badly cut box"),
    "scale": Corruption(_scale, (1.1, 1.2, 1.32, 1.45, 1.6), "times smaller or larger", "small or large writing"),
    "thickness": Corruption(_thickness, (0.4, 0.8, 1.2, 1.6, 2), "pixels a side, more or less", "hairline or felt pen"),
    "contrast": Corruption(_contrast, (0.2, 0.4, 0.55, 0.7, 0.82), "share of contrast lost", "pencil on grey paper"),
    "occlusion": Corruption(_occlusion, (3, 5, 7, 9, 11), "pixels, side of the blot", "a blot or a torn edge"),
    "stripes": Corruption(_stripes, (0.4, 0.7, 1, 1.6, 2.4), "pixels, width of a line", "lines of a form or stamp"),
}
