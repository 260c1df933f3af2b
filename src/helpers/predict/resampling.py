"""Change the size of an image: one formula for larger and smaller, as two matrices.

Output pixel i of n_out lies at (i + 1/2) n_in / n_out on the input's axis and averages the input pixels around it
with a triangle of half-width max(1, n_in / n_out): linear interpolation when enlarging, an average over the pixel's
surroundings when reducing. With n_in = n_out nothing changes. (What Pillow calls BILINEAR.)
"""

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=4096)
def matrix(n_in: int, n_out: int) -> np.ndarray:
    """Return the weights of a resampling, float32 (n_out, n_in); every row sums to 1."""
    scale = max(1.0, n_in / n_out)
    centres = (np.arange(n_out) + 0.5) * n_in / n_out
    weights = np.maximum(0, 1 - np.abs(np.arange(n_in) + 0.5 - centres[:, None]) / scale)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    weights.flags.writeable = False
    return weights


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return `image` (h, w) resampled to float32 (height, width)."""
    if image.shape == (height, width):
        return image.astype(np.float32, copy=False)
    return matrix(image.shape[0], height) @ image.astype(np.float32, copy=False) @ matrix(image.shape[1], width).T
