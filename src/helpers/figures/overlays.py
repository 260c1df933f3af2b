"""Digits with a coloured veil: where a model looks, laid over what it looks at."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

FOR, AGAINST = (
    np.array([0.80, 0.20, 0.07]),
    np.array([0.00, 0.35, 0.75]),
)  # red and blue, told apart by colour-blind eyes
_INK = "#14171a"


def blended(image: np.ndarray, heat: np.ndarray, *, reach: float | None = None) -> np.ndarray:
    """Return an image (h, w), 0 to 255, ink high, under a veil: float (h, w, 3) in 0..1, dark ink on white.

    heat: (h, w); above zero turns red, below zero blue, the more so the nearer to `reach` (default: its largest
    magnitude), and zero leaves the picture as it is. Raises ValueError when the shapes differ.
    """
    image, heat = np.asarray(image, float), np.asarray(heat, float)
    if image.shape != heat.shape or image.ndim != 2:
        raise ValueError(f"heat: got shape {heat.shape}, need that of the image, {image.shape}")
    reach = reach or np.abs(heat).max() or 1.0
    strength = np.clip(np.abs(heat) / reach, 0, 1)[..., None] * 0.75
    grey = np.repeat(1 - 0.92 * image[..., None] / 255, 3, axis=2)
    return grey * (1 - strength) + np.where(heat[..., None] > 0, FOR, AGAINST) * strength


def overlay_sheet(
    images: np.ndarray, maps: np.ndarray, titles: Sequence[str] | None = None, *, columns: int = 6, common: bool = False
) -> Figure:
    """Draw images (n, h, w) under their maps (n, h, w) in a grid; red speaks for, blue against.

    common: one scale for all maps rather than one each. Raises ValueError for unequal shapes, an empty stack, or titles
    of another length.
    """
    images, maps = np.asarray(images), np.asarray(maps, float)
    if images.ndim != 3 or 0 in images.shape or images.shape != maps.shape:
        raise ValueError(f"images {images.shape}, maps {maps.shape}: need one common shape (n, h, w) with n >= 1")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"titles: got {len(titles)}, need {len(images)}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    side, head = 6.8 / max(columns, 4), 0.34 if titles is not None else 0.04
    height = rows * (side + head)
    fig = Figure(figsize=(side * columns, height))
    reach = float(np.abs(maps).max()) if common else None
    for place, (image, heat) in enumerate(zip(images, maps, strict=True)):
        row, column = divmod(place, columns)
        bottom = 1 - ((row + 1) * (side + head) - 0.02) / height
        axes = fig.add_axes(((column + 0.02) / columns, bottom, 0.96 / columns, 0.96 * side / height))
        axes.imshow(blended(image, heat, reach=reach), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(edgecolor="#d5dae0", linewidth=0.6)
        if titles is not None:
            axes.set_title(titles[place], fontsize=8.5, color=_INK, pad=3, linespacing=1.15)
    return fig
