"""Bring images and labels of any numbers to MNIST's: uint8 (n, 28, 28), ink high, and int64 (n,) in 0..9."""

from collections.abc import Mapping

import numpy as np

from helpers.data.dataset import Dataset, build_dataset
from helpers.data.formats import SIDE, check_labels
from helpers.data.own.pieces import Part
from helpers.data.pictures import levels
from helpers.data.pictures.resampling import resize
from helpers.data.pictures.scales import scale

LOOKED_AT = 500  # images from which it is told whether ink is dark
CLEARLY = 0.3  # their median lightness from which it is: MNIST has -1.37, scikit-learn's 8 x 8 have -0.84


def datasets(parts: Mapping[str, Part]) -> tuple[dict[str, Dataset], list[str]]:
    """Return the parts as datasets, and sentences on what was changed.

    One scale and one polarity holds for all parts. Raises ValueError that names file and position for values that are
    no finite numbers, labels outside 0..9, unequal counts, and parts whose images differ in size.
    """
    labels = {name: _labels(part) for name, part in parts.items() if part.labels is not None}
    sides = {part.name: part.images.shape[1] for part in parts.values()}
    if len(set(sides.values())) > 1:
        told = ", ".join(f"{name} has {side} x {side} pixels" for name, side in sides.items())
        raise ValueError(f"images of different sizes: {told}; one size is allowed")
    extremes = [_extremes(part) for part in parts.values()]
    low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
    offset, factor = scale(low, high)
    side = next(iter(sides.values()))
    dark = _ink_is_dark(parts["train"].images, offset, factor)
    made = {
        name: build_dataset(part.name, _as_mnist(part.images, offset, factor, dark=dark), labels.get(name))
        for name, part in parts.items()
    }
    notes = []
    if side != SIDE:
        notes.append(f"The images of {side} x {side} pixels were resized to {SIDE} x {SIDE}.")
    if (offset, factor) != (0, 1):
        notes.append(f"Their values, {low:g} to {high:g}, were brought to 0 to 255.")
    if dark:
        notes.append("Dark ink on light paper was turned into light on dark.")
    return made, notes


def _labels(part: Part) -> np.ndarray:
    labels = part.labels
    if np.issubdtype(labels.dtype, np.floating):
        odd = np.flatnonzero(~(np.isfinite(labels) & (labels == np.round(labels))))
        if len(odd):
            raise ValueError(
                f"{part.label_name}: got the label {labels[odd[0]]} for image {odd[0] + 1}; 0 to 9 is allowed"
            )
        labels = labels.astype(np.int64)
    return check_labels(labels, name=part.label_name, n_images=len(part.images))


def _extremes(part: Part) -> tuple[float, float]:
    images = part.images
    if not len(images):
        raise ValueError(f"{part.name}: got no images; at least one is needed")
    if images.dtype.kind not in "buif":
        raise ValueError(f"{part.name}: got pixels of type {images.dtype}; numbers are allowed")
    low, high = float(images.min()), float(images.max())
    if not np.isfinite(low + high):
        image, row, column = (int(i) for i in np.argwhere(~np.isfinite(images))[0])
        raise ValueError(
            f"{part.name}: got {images[image, row, column]} in image {image + 1}, row {row + 1}, column {column + 1}; "
            "finite numbers are allowed"
        )
    if low == high:
        raise ValueError(f"{part.name}: got the value {low:g} in every pixel; images of digits are needed")
    return low, high


def _grey(images: np.ndarray, offset: float, factor: float) -> np.ndarray:
    return (images.astype(np.float32) + np.float32(offset)) * np.float32(factor)


def _ink_is_dark(images: np.ndarray, offset: float, factor: float) -> bool:
    """Say whether the images, of which 500 are looked at, clearly speak for light paper: in doubt they stay."""
    sample = _grey(images[:: -(-len(images) // LOOKED_AT)], offset, factor)
    told = [levels.lightness(image) for image in sample if image.max() > image.min()]
    return bool(told) and float(np.median(told)) > CLEARLY


def _as_mnist(images: np.ndarray, offset: float, factor: float, *, dark: bool) -> np.ndarray:
    if (offset, factor) == (0, 1) and images.dtype == np.uint8 and images.shape[1] == SIDE:
        return 255 - images if dark else images
    made = np.empty((len(images), SIDE, SIDE), np.uint8)
    for i, image in enumerate(images):
        grey = np.clip(resize(_grey(image, offset, factor), SIDE, SIDE), 0, 255)
        made[i] = np.floor((255 - grey if dark else grey) + np.float32(0.5))
    return made
