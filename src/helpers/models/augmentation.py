"""Small random warps of digits: one composed affine map per image, applied to a whole batch in one operation.

Rotating, zooming, shearing and shifting one after the other would blur the image four times and cost four passes;
the product of the matrices is one map, sampled once.
"""

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Warp:
    """How far an image may be moved; each amount is drawn uniformly from plus or minus its bound.

    rotation: degrees; zoom: share of the size, drawn per axis; shift: pixels, drawn per axis; shear: degrees.
    A kind of augmentation with more to it (helpers.models.handwriting) has the same three: `width`, `draw` and `apply`.
    """

    width: ClassVar[int] = 8  # numbers per image

    rotation: float = 10.0
    zoom: float = 0.1
    shift: float = 2.0
    shear: float = 0.0

    def __post_init__(self):
        for name, value in asdict(self).items():
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"{name}: got {value!r}; a finite number from 0 is allowed")
        if self.zoom >= 1:
            raise ValueError(f"zoom: got {self.zoom!r}; below 1 is allowed (1 would shrink the digit to nothing)")

    def scaled(self, strength: float) -> "Warp":
        """Return this warp with every bound multiplied by `strength` (from 0: no warp)."""
        return Warp(**{name: value * strength for name, value in asdict(self).items()})

    def draw(self, n: int, *, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Draw everything that happens to `n` images: float32 (n, width)."""
        return transforms(self, n, size=size, rng=rng)

    def apply(self, images, rows):
        """Do what `rows` (n, width) say to float images (n, h, w, 1). Returns a tensor."""
        return apply(images, rows)


# Published settings: rotation_range=10, zoom_range=0.1, width and height shift_range=0.1 of 28 pixels.
PUBLISHED = Warp(rotation=10.0, zoom=0.1, shift=2.8)


def transforms(warp: Warp, n: int, *, size: tuple[int, int] = (28, 28), rng: np.random.Generator) -> np.ndarray:
    """Draw `n` warps as rows of eight numbers, float32 (n, 8).

    A row (a0, a1, a2, b0, b1, b2, 0, 0) says where output pixel (column x, row y) is read from:
    (a0 x + a1 y + a2, b0 x + b1 y + b2). The centre of the image stays in place but for the shift.
    """
    angle, shear = np.radians(rng.uniform(-1, 1, (2, n)) * [[warp.rotation], [warp.shear]])
    zoom = 1 + warp.zoom * rng.uniform(-1, 1, (2, n))
    shift = warp.shift * rng.uniform(-1, 1, (2, n))
    cos, sin = np.cos(angle), np.sin(angle)
    # Rotation times shear times zoom, all as output-to-input maps: a zoom above 1 reads from nearer the centre.
    matrix = np.empty((n, 2, 2))
    matrix[:, 0, 0] = cos / zoom[0]
    matrix[:, 0, 1] = (cos * np.tan(shear) - sin) / zoom[1]
    matrix[:, 1, 0] = sin / zoom[0]
    matrix[:, 1, 1] = (sin * np.tan(shear) + cos) / zoom[1]
    centre = (np.array(size[::-1]) - 1) / 2
    offset = centre - matrix @ centre - shift.T
    rows = np.zeros((n, 8), np.float32)
    rows[:, [0, 1, 3, 4]] = matrix.reshape(n, 4)
    rows[:, [2, 5]] = offset
    return rows


def apply(images, rows):
    """Warp a batch of float images (n, h, w, 1) by `rows` (n, 8); bilinear, zeros outside. Returns a tensor."""
    from helpers.runtime.device import keras  # here, as drawing warps need not wait for it

    return keras.ops.image.affine_transform(images, rows, interpolation="bilinear", fill_mode="constant", fill_value=0)


def warp_images(images: np.ndarray, warp: Warp, *, seed: int = 0) -> np.ndarray:
    """Return uint8 copies of `images` (n, h, w), each warped at random: for looking at, and for tests.

    Raises ValueError when `images` is not (n, h, w).
    """
    if images.ndim != 3:
        raise ValueError(f"images: got shape {images.shape}; (n, h, w) is allowed")
    rows = transforms(warp, len(images), size=images.shape[1:], rng=np.random.default_rng(seed))
    warped = np.asarray(apply(images[..., None].astype(np.float32), rows))[..., 0]
    return np.clip(np.rint(warped), 0, 255).astype(np.uint8)
