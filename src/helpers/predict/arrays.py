"""Read arrays of images block by block: .npz and .npy of numpy, and .csv with one image a row.

Pickled objects are never loaded. An image's values may be on any scale (0..1, 0..16, 0..255, -1..1, 0..65535): the
first block decides for the whole array.
"""

import csv
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from helpers.data.pictures.decoding import Unreadable
from helpers.data.pictures.scales import scale

SUFFIXES = (".npz", ".npy", ".csv")
BLOCK = 256  # images
BLOCK_VALUES = 4_000_000
MAX_SIDE = 4096
PREFERRED = ("images", "x", "x_test", "test_images", "arr_0")
LABELS = ("label", "labels", "class", "target", "digit", "y")


def blocks(path: Path) -> Iterator[tuple[int, list]]:
    """Yield (index of the first image, images) of an array file; images are float32 (h, w) in 0..255.

    A row of a .csv that is no image is given as a text that says what is wrong with it. Raises Unreadable where the
    file as a whole cannot be read.
    """
    reader = _csv if path.suffix.lower() == ".csv" else _numpy
    to_grey, start = None, 0
    try:
        for block in reader(path):
            numbers = [image for image in block if not isinstance(image, str)]
            if to_grey is None and numbers:
                to_grey = _scale(numbers)
            yield start, [image if isinstance(image, str) else _checked(image, to_grey) for image in block]
            start += len(block)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise Unreadable(f"not a usable {path.suffix[1:]}: {str(error)[:200]}") from error
    if not start:
        raise Unreadable("it holds no images")


def _scale(images: list[np.ndarray]) -> tuple[float, float]:
    """Return (offset, factor) to 0..255, from the extreme values of the first block."""
    finite = [image[np.isfinite(image)] for image in images]
    low = min((float(v.min()) for v in finite if v.size), default=0.0)
    high = max((float(v.max()) for v in finite if v.size), default=255.0)
    return scale(low, high)


def _checked(image: np.ndarray, scale: tuple[float, float]) -> np.ndarray | str:
    if not np.isfinite(image).all():
        return "some pixels are not numbers"
    return (image.astype(np.float32) + np.float32(scale[0])) * np.float32(scale[1])


def _numpy(path: Path) -> Iterator[list[np.ndarray]]:
    with _opened(path) as (file, name):
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if header is None:
            raise ValueError(f"format version {version}")
        shape, fortran, dtype = header(file)
        if dtype.hasobject or dtype.kind not in "buif":
            raise ValueError(f"array {name} holds {dtype}, expected numbers")
        if fortran and len(shape) > 1:
            raise ValueError(f"array {name} is stored column by column; save np.ascontiguousarray of it")
        n, height, width = _image_shape(shape, name)
        step = max(1, min(BLOCK, BLOCK_VALUES // (height * width)))
        for start in range(0, n, step):
            count = min(step, n - start)
            data = file.read(count * height * width * dtype.itemsize)
            block = np.frombuffer(data, dtype)
            if block.size != count * height * width:
                raise ValueError(f"array {name} is cut short")
            yield list(block.reshape(count, height, width))


@contextmanager
def _opened(path: Path):
    """Open the array in a .npy, or the one in a .npz that holds images, for reading from its start."""
    if path.suffix.lower() == ".npy":
        with open(path, "rb") as file:
            yield file, path.name
        return
    with zipfile.ZipFile(path) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        fitting = [name for name in PREFERRED if name in members]
        name = fitting[0] if fitting else next(iter(members)) if len(members) == 1 else None
        if name is None:
            held = ", ".join(members) or "nothing"
            raise ValueError(f"it holds {held}; name the images {' or '.join(PREFERRED[:3])}")
        with archive.open(members[name]) as file:
            yield file, name


def _image_shape(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """Read a shape as (n, height, width): also (h, w), (n, h, w, 1) and (n, a square number of pixels)."""
    if len(shape) == 4 and shape[-1] == 1:
        shape = shape[:3]
    if len(shape) == 2:
        side = _square_side(shape[1])
        shape = (shape[0], side, side) if side and (shape[0] != shape[1] or side >= 8) else (1, *shape)
    if len(shape) != 3 or not 1 <= min(shape[1:]) <= max(shape[1:]) <= MAX_SIDE:
        raise ValueError(f"array {name} of shape {shape}, expected (n, height, width), sides up to {MAX_SIDE}")
    return shape


def _square_side(n: int) -> int:
    """Return the side of a square of n pixels, 0 where n is no square or below 4 x 4."""
    side = round(n**0.5)
    return side if side * side == n and side >= 4 else 0


def _csv(path: Path) -> Iterator[list]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        first = next(rows, None)
        if first is None:
            raise ValueError("the file is empty")
        names = [cell.strip().lower() for cell in first]
        has_header = any(name and not _number(name) for name in names)
        label = next((i for i, name in enumerate(names) if name in LABELS), None) if has_header else None
        side = _square_side(len(first) - (label is not None))
        if not side:
            raise ValueError(
                f"{len(first)} columns, expected a square number of pixels a row (784 for 28 x 28), and a header "
                "that names the label's column where there is one"
            )
        block = [] if has_header else [_csv_image(first, len(first), label, side)]
        for row in rows:
            if row:
                block.append(_csv_image(row, len(first), label, side))
            if len(block) == BLOCK:
                yield block
                block = []
        if block:
            yield block


def _csv_image(row: list[str], columns: int, label: int | None, side: int) -> np.ndarray | str:
    if len(row) != columns:
        return f"{len(row)} columns, expected {columns}"
    if label is not None:
        row = row[:label] + row[label + 1 :]
    try:
        return np.array(row, np.float32).reshape(side, side)
    except ValueError:
        at = next(i for i, cell in enumerate(row) if not _number(cell))
        return f"pixel {at} is {row[at][:20]!r}, expected a number"


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
