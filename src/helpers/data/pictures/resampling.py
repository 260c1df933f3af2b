"""Change the size of an image: one formula for larger and smaller.

Output pixel i of n_out lies at (i + 1/2) n_in / n_out on the input's axis and averages the input pixels around it
with a triangle of half-width max(1, n_in / n_out): linear interpolation when enlarging, an average over the pixel's
surroundings when reducing, the edges without what lies beyond them. With n_in = n_out nothing changes.
"""

import numpy as np
from PIL import Image


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return `image` (h, w) resampled to float32 (height, width), columns and rows one after the other."""
    image = np.ascontiguousarray(image, np.float32)
    if image.shape == (height, width):
        return image
    # Pillow's BILINEAR is that formula; as a product of matrices it would wake all threads for every small image.
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
