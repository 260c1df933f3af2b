"""The fifteen corruptions of MNIST-C (Mu and Gilmer 2019), one severity each, written anew from their description.

Source: N. Mu and J. Gilmer (2019), MNIST-C: A Robustness Benchmark for Computer Vision, arXiv:1906.02337. They chose
kinds that leave the digit readable for people. The code and the amounts are this project's own, so that errors are
near to, and not the same as, those on the published files. Each kind is a pure function of (images, seed), and image i
is treated the same whatever comes after it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Corruption:
    """One kind of damage: what it does to an image, float32 (h, w) in 0..1 with ink high, and that in words."""

    apply: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    words: str


def corrupt(images: np.ndarray, name: str, *, seed: int = 0) -> np.ndarray:
    """Return damaged copies of uint8 images (n, h, w) with ink high; name: one of CORRUPTIONS.

    Raises ValueError for anything else.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(f"images: got {images.dtype} {images.shape}; uint8 (n, h, w) is allowed")
    if name not in CORRUPTIONS:
        raise ValueError(f"name: got {name!r}; allowed are {', '.join(CORRUPTIONS)}")
    kind, place = CORRUPTIONS[name], list(CORRUPTIONS).index(name)
    damaged = np.empty_like(images)
    for i, image in enumerate(images):
        found = kind.apply(image / np.float32(255), np.random.default_rng([seed, place, i]))
        damaged[i] = np.rint(255 * np.clip(found, 0, 1))
    return damaged


def _shot_noise(image, rng):
    return rng.poisson(3 * image) / 3


def _impulse_noise(image, rng):
    chance = rng.random(image.shape)
    return np.where(chance < 0.17, (chance < 0.085).astype(np.float32), image)


def _glass_blur(image, rng):
    image = ndimage.gaussian_filter(image, 0.7)
    rows, columns = np.indices(image.shape)
    for _ in range(2):
        down, right = rng.integers(-1, 2, (2, *image.shape))
        last = np.array(image.shape) - 1
        image = image[np.clip(rows + down, 0, last[0]), np.clip(columns + right, 0, last[1])]
    return ndimage.gaussian_filter(image, 0.7)


def _motion_blur(image, rng):
    angle, steps = np.deg2rad(rng.uniform(-45, 45)), np.arange(-8, 9)
    weights = np.exp(-((steps / 3) ** 2) / 2)
    way = np.multiply.outer([np.sin(angle), np.cos(angle)], steps)
    places = np.indices(image.shape)[:, None] + way[..., None, None]
    seen = ndimage.map_coordinates(image, places, order=1, mode="constant")
    return np.tensordot(weights / weights.sum(), seen, axes=1)


def _shear(image, rng):
    return _looked_up(image, np.array([[1, 0], [0.4 * _sign(rng), 1]]))


def _scale(image, rng):
    return _looked_up(image, np.eye(2) / 0.7)


def _rotate(image, rng):
    angle = 0.4 * _sign(rng)
    return _looked_up(image, np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


def _brightness(image, rng):
    return image + 0.5


def _translate(image, rng):
    return _looked_up(image, np.eye(2), shift=(3 * _sign(rng), 3 * _sign(rng)))


def _stripe(image, rng):
    band = image.shape[1] // 4
    out = image.copy()
    for part in (slice(None, band), slice(-band, None)):
        out[:, part] = 1 - out[:, part]
    return out


def _fog(image, rng):
    return (image + 2.5 * _cloud(image.shape, rng)) / 3.5


def _spatter(image, rng):
    drops = ndimage.gaussian_filter(rng.standard_normal(image.shape), 1.2)
    edge = np.quantile(drops, 0.8)
    return np.maximum(image, np.clip(0.5 + 4 * (drops - edge) / drops.std(), 0, 1) * (drops > edge))


def _dotted_line(image, rng):
    along, across = _line(image.shape, rng)
    return np.maximum(image, np.clip(1.2 - np.abs(across), 0, 1) * (along % 4 < 2))


def _zigzag(image, rng):
    along, across = _line(image.shape, rng)
    wave = np.abs(along % 8 - 4) - 2  # 2 pixels to either side, back after 8
    return np.maximum(image, np.clip(1.5 - np.abs(across - wave), 0, 1))


def _canny_edges(image, rng):
    """Draw the edges of the strokes, one pixel wide, and nothing else.

    Source: Canny (1986), IEEE Transactions on Pattern Analysis and Machine Intelligence 8, 679-698: smooth, take the
    slope, keep its ridges, and of the weak ones those that hang together with a strong one.
    """
    soft = ndimage.gaussian_filter(image, 1.0)
    down, right = ndimage.sobel(soft, axis=0), ndimage.sobel(soft, axis=1)
    slope = np.hypot(down, right)
    direction = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4  # of the slope, in steps of 45 degrees
    padded = np.pad(slope, 1)
    ridge = np.zeros(image.shape, bool)
    for step, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = padded[1 + dy : 1 + dy + image.shape[0], 1 + dx : 1 + dx + image.shape[1]]
        behind = padded[1 - dy : 1 - dy + image.shape[0], 1 - dx : 1 - dx + image.shape[1]]
        ridge |= (direction == step) & (slope >= ahead) & (slope > behind)
    weak = ridge & (slope > 0.4)
    pieces, _ = ndimage.label(weak, structure=np.ones((3, 3)))
    strong = np.unique(pieces[weak & (slope > 0.8)])
    return np.isin(pieces, strong[strong > 0]).astype(np.float32)


def _sign(rng) -> int:
    return 1 if rng.random() < 0.5 else -1


def _looked_up(image, matrix, shift=(0, 0)):
    """Take each pixel from matrix @ (position - centre - shift) + centre, by linear interpolation."""
    centre = (np.array(image.shape) - 1) / 2
    return ndimage.affine_transform(image, matrix, centre - matrix @ (centre + shift), order=1)


def _cloud(shape, rng):
    """Return a smooth random surface in 0..1: octaves of noise, each finer by two and weaker by 1.5."""
    surface = np.zeros(shape)
    for octave in range(5):
        coarse = rng.random((2**octave + 1, 2**octave + 1))
        places = [np.linspace(0, 2**octave, side) for side in shape]
        surface += ndimage.map_coordinates(coarse, np.meshgrid(*places, indexing="ij"), order=1) / 1.5**octave
    return (surface - surface.min()) / np.ptp(surface)


def _line(shape, rng):
    """Return for each pixel how far along a random straight line it lies, and how far from it, in pixels."""
    angle = rng.uniform(0, np.pi)
    through = (np.array(shape) - 1) / 2 + rng.uniform(-7, 7, 2)  # it crosses the digit
    down, right = (places - place for places, place in zip(np.indices(shape), through, strict=True))
    return right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)


CORRUPTIONS: dict[str, Corruption] = {
    "shot noise": Corruption(_shot_noise, "three grains of ink where it is full, by chance more or fewer"),
    "impulse noise": Corruption(_impulse_noise, "17% of the pixels become full ink or bare paper"),
    "glass blur": Corruption(_glass_blur, "pixels change places with neighbours, between two blurs of 0.7 pixels"),
    "motion blur": Corruption(_motion_blur, "smeared by 3 pixels (standard deviation) along a line up to 45° steep"),
    "shear": Corruption(_shear, "leaning left or right by 0.4 pixels a pixel"),
    "scale": Corruption(_scale, "shrunk to 70%"),
    "rotate": Corruption(_rotate, "turned left or right by 0.4, 23°"),
    "brightness": Corruption(_brightness, "half of full ink added everywhere"),
    "translate": Corruption(_translate, "moved by 3 pixels up or down and 3 sideways"),
    "stripe": Corruption(_stripe, "ink and paper exchanged in the left and the right quarter"),
    "fog": Corruption(_fog, "a cloud of ink two and a half times as strong as the digit"),
    "spatter": Corruption(_spatter, "splotches of ink on a fifth of the pixels"),
    "dotted line": Corruption(_dotted_line, "a dotted line of ink across the digit"),
    "zigzag": Corruption(_zigzag, "a zigzag of ink across the digit, 2 pixels to either side"),
    "canny edges": Corruption(_canny_edges, "the edges of the strokes alone"),
}
