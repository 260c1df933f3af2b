"""What may happen to the images of a training besides its warps: a part erased, all of it bent, or two in one.

Its numbers are drawn after those of the warps, so that these are the ones of a training without it.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from helpers.experiments.smallest_and_fastest.ingredients import Candidate
from helpers.models import architectures, augmentation
from helpers.runtime.device import keras

ops = keras.ops


@dataclass(frozen=True)
class _Torn:
    """A Warp and after it something else, for which `more` numbers are drawn after those of the warp."""

    warp: augmentation.Warp
    candidate: "Erased | Elastic | Mixed"

    @property
    def width(self) -> int:
        return self.warp.width + self.candidate.more

    def draw(self, n, *, size, rng):
        return np.concatenate([self.warp.draw(n, size=size, rng=rng), self.candidate.draw(n, size, rng)], axis=1)

    def apply(self, images, rows):
        return self.candidate.apply(self.warp, images, rows)


@dataclass(frozen=True)
class Erased(Candidate):
    """A rectangle of every image made paper, as often as not (Z. Zhong et al. 2020, Random Erasing).

    share: of the images. least, most: height and width in pixels, drawn each for itself.
    """

    share: float = 0.5
    least: float = 3.0
    most: float = 9.0

    more: ClassVar[int] = 4

    @property
    def words(self) -> str:
        """Say in one line what it is."""
        return f"a rectangle of {self.least:g} to {self.most:g} pixels a side erased in {self.share:.0%} of the images"

    def images(self, warp):
        """Return the warp with the erasing after it."""
        return _Torn(warp or augmentation.Warp(0.0, 0.0, 0.0), self)

    def draw(self, n: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Draw top, left, bottom and right of rectangles in pixels, float32 (n, 4); nothing where none is."""
        sides = rng.uniform(self.least, self.most, (n, 2)) * (rng.uniform(0, 1, (n, 1)) < self.share)
        corner = rng.uniform(0, 1, (n, 2)) * (np.array(size) - sides)
        return np.concatenate([corner, corner + sides], axis=1).astype(np.float32)

    def apply(self, warp, images, rows):
        """Warp the images, then erase the pixels whose centres lie in the rectangles."""
        top, left, bottom, right = (ops.reshape(rows[:, warp.width + i], (-1, 1, 1, 1)) for i in range(4))
        down = ops.reshape(ops.arange(images.shape[1], dtype="float32") + 0.5, (1, -1, 1, 1))
        along = ops.reshape(ops.arange(images.shape[2], dtype="float32") + 0.5, (1, 1, -1, 1))
        inside = (down >= top) & (down < bottom) & (along >= left) & (along < right)
        return ops.where(inside, 0.0, warp.apply(images, rows[:, : warp.width]))


@dataclass(frozen=True)
class Elastic(Candidate):
    """Each image bent like rubber besides the warp (P. Simard et al. 2003), both read from the image in one look.

    amount: largest displacement in pixels, drawn at knots x knots points and smooth between them.
    """

    amount: float = 1.5
    knots: int = 5

    @property
    def more(self) -> int:
        """Return the numbers drawn for an image."""
        return 2 * self.knots**2

    @property
    def words(self) -> str:
        """Say in one line what it is."""
        return f"elastic bending by up to {self.amount:g} pixels besides the warps"

    def images(self, warp):
        """Return the warp with the bending."""
        return _Torn(warp or augmentation.Warp(0.0, 0.0, 0.0), self)

    def draw(self, n: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Draw displacements along and down at the knots, float32 (n, 2 knots^2)."""
        return rng.uniform(-self.amount, self.amount, (n, self.more)).astype(np.float32)

    def apply(self, warp, images, rows):
        """Return the images, bent; zeros from outside. Only the affine map of `warp` is taken from it."""
        import tensorflow as tf

        height, width = images.shape[1:3]
        a = ops.reshape(rows[:, :6], (-1, 6, 1))
        down, along = (np.ravel(one).astype(np.float32) for one in np.mgrid[:height, :width])
        # Displacement at every pixel: knots times smooth weights of both axes, as one matrix for all images.
        spread = np.kron(_smooth(height, self.knots), _smooth(width, self.knots)).T
        bent = ops.matmul(ops.reshape(rows[:, warp.width :], (-1, 2, self.knots**2)), spread)
        x = a[:, 0] * along + a[:, 1] * down + a[:, 2] + bent[:, 0]
        y = a[:, 3] * along + a[:, 4] * down + a[:, 5] + bent[:, 1]
        # With a margin of paper around them, so that what is read from further out is paper, too.
        x, y = ops.clip(x + 1, 0, width + 1), ops.clip(y + 1, 0, height + 1)
        flat = ops.reshape(ops.pad(images[..., 0], ((0, 0), (1, 2), (1, 2))), (-1, (height + 3) * (width + 3)))
        left, top = ops.floor(x), ops.floor(y)
        first = ops.cast(top * (width + 3) + left, "int32")
        near = [tf.gather(flat, first + step_, batch_dims=1) for step_ in (0, 1, width + 3, width + 4)]
        x, y = x - left, y - top
        read = (1 - y) * ((1 - x) * near[0] + x * near[1]) + y * ((1 - x) * near[2] + x * near[3])
        return ops.reshape(read, (-1, height, width, 1))


def _smooth(n: int, knots: int) -> np.ndarray:
    """Return float32 (n, knots): how much of each knot, evenly spaced from edge to edge, n pixels get, summing to 1."""
    distance = np.abs(np.arange(n)[:, None] * (knots - 1) / (n - 1) - np.arange(knots))
    return np.where(distance < 1, (1 + np.cos(np.pi * np.minimum(distance, 1))) / 2, 0).astype(np.float32)


@dataclass(frozen=True)
class Mixed(Candidate):
    """Each image mixed with another of the batch, and their labels as much (H. Zhang et al. 2018, mixup).

    alpha: of the beta distribution that shares are drawn from, one a batch.
    """

    alpha: float = 0.2

    more: ClassVar[int] = 1

    @property
    def words(self) -> str:
        """Say in one line what it is."""
        return f"mixup: two images in one and the labels of both, in shares of Beta({self.alpha:g}, {self.alpha:g})"

    def images(self, warp):
        """Return the warp with the mixing after it."""
        return _Torn(warp or augmentation.Warp(0.0, 0.0, 0.0), self)

    def draw(self, n: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Draw shares of the first image, float32 (n, 1); the first of a batch counts for all of it."""
        return rng.beta(self.alpha, self.alpha, (n, 1)).astype(np.float32)

    def apply(self, warp, images, rows):
        """Warp the images, then mix each with its mirror in the batch; a second channel tells the share."""
        share, seen = rows[0, warp.width], warp.apply(images, rows[:, : warp.width])
        mixed = share * seen + (1 - share) * ops.flip(seen, axis=0)
        return ops.concatenate([mixed, ops.full_like(mixed, share)], axis=-1)

    def network(self, model, spec, store):
        """Return the network with the share as one more number beside its logits."""
        return _Sharing(model)

    def loss(self, loss):
        """Return the mixture of the losses of both labels."""

        def mixed(labels, given):
            logits, share = given[:, : architectures.N_CLASSES], given[0, architectures.N_CLASSES]
            return share * loss(labels, logits) + (1 - share) * loss(ops.flip(labels, axis=0), logits)

        return mixed


@dataclass(frozen=True)
class _Sharing:
    model: keras.Model

    @property
    def trainable_variables(self) -> list:
        return self.model.trainable_variables

    def __call__(self, batch, training):
        return ops.concatenate([self.model(batch[..., :1], training=training), batch[:, 0, 0, 1:]], axis=-1)
