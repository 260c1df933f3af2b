"""Arrays in numpy's .npz and .npy and in MNIST's IDX, as pieces: shapes first, values when they are asked for."""

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np

from helpers.data.formats import parse_idx
from helpers.data.own import files
from helpers.data.own.files import File, is_idx
from helpers.data.own.pieces import Piece

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)
LEAST_SIDE, MOST_SIDE = 4, 512  # pixels


def of_npz(file: File) -> list[Piece]:
    """Return the arrays of an .npz as pieces. Never unpickles anything; raises ValueError for a damaged archive."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            heads = {}
            for member in archive.infolist():
                with archive.open(member) as stream:
                    heads[member.filename.removesuffix(".npy")] = _header(stream)
            total = sum(member.file_size for member in archive.infolist())
    except (ValueError, RuntimeError, *DAMAGED) as error:
        raise ValueError(f"{file.name}: not a usable .npz: {error}") from error
    if total > files.MOST_BYTES:
        raise ValueError(f"{file.name}: got {total:,} bytes unpacked; {files.MOST_BYTES:,} are allowed")
    return [
        _piece(f"{file.name}: {key}", key, shape, dtype, partial(_member, file, key))
        for key, (shape, dtype) in heads.items()
    ]


def of_npy(file: File) -> list[Piece]:
    """Return the one array of an .npy as a piece."""
    try:
        head = _header(io.BytesIO(file.head()))
    except (ValueError, EOFError) as error:
        raise ValueError(f"{file.name}: not a usable .npy: {error}") from error
    return [_piece(file.name, file.path.name, *head, lambda: _loaded(file.name, io.BytesIO(file.read())))]


def of_idx(file: File) -> list[Piece]:
    """Return the one array of an IDX file as a piece."""
    head = file.head(16)
    by_name = 3 if re.search(r"idx3|image", file.path.name.lower()) else 1
    dimensions = head[3] if is_idx(head) and head[3] in (1, 3) else by_name
    kind = "images" if dimensions == 3 else "labels"

    def read():
        array = parse_idx(file.read(), name=file.name, dimensions=dimensions)
        return (array, None) if kind == "images" else (None, array)

    if kind == "images" and is_idx(head) and len(head) == 16:
        _check_sides(struct.unpack_from(">3I", head, 4), file.name)
    return [Piece(file.name, file.path.name, kind, read)]


def _header(stream) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"format version {version}")
    shape, _, dtype = read(stream)
    return shape, dtype


def _member(file: File, key: str) -> np.ndarray:
    try:
        return np.load(io.BytesIO(file.path.read_bytes()), allow_pickle=False)[key]
    except (ValueError, TypeError, RuntimeError, MemoryError, *DAMAGED) as error:
        raise ValueError(f"{file.name}: not a usable .npz: {key}: {error}") from error


def _loaded(name: str, stream) -> np.ndarray:
    try:
        return np.load(stream, allow_pickle=False)
    except (ValueError, TypeError, RuntimeError, MemoryError, *DAMAGED) as error:
        raise ValueError(f"{name}: not a usable .npy: {error}") from error


def _piece(name: str, word: str, shape: tuple[int, ...], dtype: np.dtype, load: Callable[[], np.ndarray]) -> Piece:
    """Make a piece of an array whose shape says what it is. Raises ValueError for a shape that is neither."""
    if dtype.hasobject:
        raise ValueError(
            f"{name}: got Python objects, which are pickled and never opened; an array of numbers is allowed"
        )
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return Piece(name, word, "labels", lambda: (None, load().reshape(-1)))
    form = _image_shape(shape, name)
    return Piece(name, word, "images", lambda: (load().reshape(form), None))


def _image_shape(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """Read a shape as (n, side, side): also (n, side, side, 1) and (n, side * side)."""
    if len(shape) == 4 and shape[-1] in (3, 4):
        raise ValueError(
            f"{name}: got images of shape {shape}, in colour; (n, {shape[1]}, {shape[2]}) of grey values is allowed"
        )
    if len(shape) == 4 and shape[-1] == 1:
        shape = shape[:3]
    if len(shape) == 2 and (side := square_side(shape[1])):
        shape = (shape[0], side, side)
    if len(shape) != 3:
        raise ValueError(f"{name}: got an array of shape {shape}; images (n, 28, 28) and labels (n,) are allowed")
    _check_sides(shape, name)
    return shape


def _check_sides(shape: tuple[int, ...], name: str) -> None:
    _, height, width = shape
    if height != width or not LEAST_SIDE <= height <= MOST_SIDE:
        raise ValueError(
            f"{name}: got images of shape {shape}; (n, side, side) is allowed, the side {LEAST_SIDE} to {MOST_SIDE}"
        )


def square_side(n: int) -> int:
    """Return the side of a square of n pixels, 0 where n is none of 4 x 4 to 512 x 512."""
    side = round(n**0.5)
    return side if side * side == n and LEAST_SIDE <= side <= MOST_SIDE else 0
