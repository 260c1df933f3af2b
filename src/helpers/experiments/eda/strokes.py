"""The shape of pen strokes: ink, width, slant and size of handwritten digits."""

import numpy as np
import pandas as pd


def measure(images: np.ndarray) -> pd.DataFrame:
    """Measure ink, stroke width, slant and size of each digit.

    images: uint8 (n, h, w). Columns: ink (per cent of a wholly black field); width (pixels, twice the area over the
    outline of what is at least half ink: the width of a long bar); slant (degrees from upright, positive leans right:
    tan = -mu_xy / mu_yy, from the second moments of the ink); height and breadth (pixels, extent of what is at least
    half ink). Images without any ink give NaN, except ink 0. Raises ValueError for images of another kind.
    """
    if images.ndim != 3 or images.dtype != np.uint8 or 0 in images.shape:
        raise ValueError(f"images: got {images.dtype} of shape {images.shape}; uint8 (n, h, w) with n >= 1 is needed")
    _, height, width = images.shape
    weight = images.astype(np.float32)
    mass = weight.sum(axis=(1, 2), dtype=np.float64)
    y, x = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    down, across = weight.sum(axis=2, dtype=np.float64), weight.sum(axis=1, dtype=np.float64)

    solid = np.pad(images >= 128, ((0, 0), (1, 1), (1, 1)))
    area = np.count_nonzero(solid, axis=(1, 2))
    outline = sum(np.count_nonzero(np.diff(solid.view(np.int8), axis=axis), axis=(1, 2)) for axis in (1, 2))

    with np.errstate(divide="ignore", invalid="ignore"):
        mean_y, mean_x = down @ y / mass, across @ x / mass
        moment_yy = down @ y**2 / mass - mean_y**2
        moment_xy = np.einsum("nij,i,j->n", weight, y, x, optimize=True) / mass - mean_x * mean_y
        slant = np.degrees(np.arctan2(-moment_xy, moment_yy))
        pen = pd.DataFrame({"ink": 100 * mass / (255 * height * width), "width": 2 * area / outline, "slant": slant})
    for name, axis in (("height", 2), ("breadth", 1)):
        marked = solid.any(axis=axis)
        extent = marked.shape[1] - marked.argmax(axis=1) - marked[:, ::-1].argmax(axis=1)
        pen[name] = np.where(area > 0, extent, np.nan)
    pen.loc[mass == 0, ["width", "slant"]] = np.nan
    return pen
