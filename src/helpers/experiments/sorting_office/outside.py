"""Digits from outside MNIST, brought into MNIST's form, and the network that is shipped for them."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.data import load
from helpers.evaluation.serving import MEGABYTE, Reader
from helpers.predict import preparing, reader
from helpers.predict.decoding import Unreadable

GREYS = 16  # of scikit-learn's small digits


def small_digits(n: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits in MNIST's form: uint8 (n, 28, 28), labels int64 (n,); 0 for all 1,797.

    They were written by other people, in another country, and scanned to 8 x 8 pixels.
    """
    small = load.load_digits_8x8()
    images, labels = small.images[: n or None], small.labels[: n or None]
    prepared = [preparing.prepare(image.astype(np.float32) * (255 / GREYS)).image for image in images]
    return np.stack(prepared), labels


def mended(images: np.ndarray) -> np.ndarray:
    """Bring images (n, 28, 28), ink high, into MNIST's form again: level, crop, fit, centre.

    An image without visible ink stays as it is.
    """
    return np.stack([_mended(image) for image in images]) if len(images) else images


def _mended(image: np.ndarray) -> np.ndarray:
    try:
        return preparing.prepare(image.astype(np.float32), polarity="light-on-dark").image
    except Unreadable:
        return image


@cache
def shipped() -> Reader | None:
    """Return the network that comes with this project, None where its file is missing."""
    if not (reader.DIRECTORY / reader.CARD).is_file():
        return None
    network = reader.load()
    size = (reader.DIRECTORY / reader.WEIGHTS).stat().st_size
    identity = ["shipped", network.card["sha256"], network.temperature, network.threshold]
    return Reader("resnet", network.probabilities, size / MEGABYTE, network.threshold, identity)


def with_shipped(readers: dict[str, Reader]) -> dict[str, Reader]:
    """Return the readers and, where there is one, the "shipped network"."""
    found = shipped()
    return readers if found is None else {**readers, "shipped network": found}


def introduce(table: pd.DataFrame) -> str:
    """Say how the shipped network did, from a table as `decisions.prospects` makes it; "" where it took no part."""
    if "shipped network" not in table.index:
        return ""
    return (
        "The network behind `python -m helpers.predict` was trained with other pens and scanners in mind, and reads "
        f"**{table.loc['shipped network', 'accuracy']}**."
    )


def hardened(table: pd.DataFrame) -> str:
    """Say what the shipped network keeps of damaged images as they come, from `robustness.mending`; "" as above."""
    if "shipped network" not in table.index:
        return ""
    kept = table["all"]
    return (
        f"The network behind `python -m helpers.predict`, trained for poor pens and scanners, keeps "
        f"{kept['shipped network']:.1%} of the damaged digits as they come, where the final network keeps "
        f"{kept['final network']:.1%}: what training has shown needs no mending."
    )
