"""Read digit files strictly: bytes in, checked arrays out, and a clear `ValueError` for anything else.

IDX lives here, tables of comma-separated values in `tables.py`; somebody's own files of these and other kinds are read
by `own`. A file that is not exactly what it should be is refused, with its name in the message: a wrong digit is worse
than no digit.
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np

SIDE = 28  # pixels; every network and figure of the series expects 28 x 28
GZIP_MAGIC = b"\x1f\x8b"


class ChecksumError(ValueError):
    """A file whose bytes are not the published ones; carries `file`, `expected` and `found`."""

    def __init__(self, file: str, expected: str, found: str):
        super().__init__(file, expected, found)
        self.file, self.expected, self.found = file, expected, found

    def __str__(self) -> str:
        return f"{self.file}: expected SHA-256 {self.expected}, found {self.found}; fetch the file again"


def read_checksums(path: str | Path) -> dict[str, str]:
    """Read a `SHA256SUMS` file, as `sha256sum` writes it.

    Returns file name -> 64 lower-case hexadecimal digits. Raises ValueError naming the first odd line.
    """
    sums = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        digest, _, name = line.partition(" ")
        if len(digest) != 64 or set(digest) - set("0123456789abcdef") or not name.strip(" *"):
            raise ValueError(f"{path}: line {number} is {line!r}, expected '<64 hex digits>  <file name>'")
        sums[name.strip(" *")] = digest
    return sums


def read_verified(path: str | Path, *, sums: dict[str, str]) -> bytes:
    """Read a file, check its SHA-256 and unpack it if it is gzip.

    Raises ChecksumError if the bytes differ from those in `sums`, ValueError if `sums` does not name the file.
    """
    path = Path(path)
    if path.name not in sums:
        raise ValueError(f"{path}: not listed among the checksums, which name {', '.join(sums) or 'nothing'}")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sums[path.name]:
        raise ChecksumError(str(path), sums[path.name], found)
    return unpack(data, name=path)


def unpack(data: bytes, *, name: str | Path) -> bytes:
    """Return `data`, gunzipped if it is gzip. Raises ValueError if damaged, cut short or empty."""
    if data.startswith(GZIP_MAGIC):
        try:
            data = gzip.decompress(data)
        except EOFError as error:
            raise ValueError(f"{name}: the gzip data is cut short; fetch the file again") from error
        except (OSError, zlib.error) as error:
            raise ValueError(f"{name}: the gzip data is damaged ({error}); fetch the file again") from error
    if not data:
        raise ValueError(f"{name}: the file is empty")
    return data


def parse_idx(data: bytes, *, name: str | Path, dimensions: int) -> np.ndarray:
    """Parse the IDX format of MNIST: a magic number, the sizes, then the bytes.

    Returns uint8, of `dimensions` axes. Big-endian throughout. Raises ValueError for a wrong magic number and
    for fewer or more bytes than the header promises. Format: Y. LeCun, C. Cortes and C. Burges, MNIST page.
    """
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise ValueError(f"{name}: {len(data)} bytes, too short for an IDX header of {header}")
    magic, *shape = struct.unpack_from(f">{1 + dimensions}I", data)
    expected = 0x0800 | dimensions
    if magic != expected:
        hint = {0x0801: "; that is a file of labels", 0x0803: "; that is a file of images"}.get(magic, "")
        raise ValueError(f"{name}: magic number 0x{magic:08x}, expected 0x{expected:08x}{hint}")
    promised, found = math.prod(shape), len(data) - header
    if found != promised:
        sizes = " x ".join(map(str, shape))
        raise ValueError(f"{name}: {found} bytes of data, expected {sizes} = {promised} by its header")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def check_images(array: np.ndarray, *, name: str | Path) -> np.ndarray:
    """Return images as uint8 (n, 28, 28), or raise ValueError: n >= 1, whole numbers within 0..255."""
    if array.ndim != 3 or array.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"{name}: images of shape {array.shape}, expected (n, {SIDE}, {SIDE})")
    return _whole(array, name=name, what="pixel", high=255).astype(np.uint8, copy=False)


def check_labels(array: np.ndarray, *, name: str | Path, n_images: int) -> np.ndarray:
    """Return labels as int64 (n,), or raise ValueError: one per image, whole numbers within 0..9."""
    if array.ndim != 1:
        raise ValueError(f"{name}: labels of shape {array.shape}, expected (n,)")
    labels = _whole(array, name=name, what="label", high=9).astype(np.int64)
    if len(labels) != n_images:
        raise ValueError(f"{name}: {len(labels)} labels for {n_images} images, expected as many of each")
    return labels


def _whole(array: np.ndarray, *, name: str | Path, what: str, high: int) -> np.ndarray:
    if not len(array):
        raise ValueError(f"{name}: no {what}s at all, expected at least one image")
    if np.issubdtype(array.dtype, np.floating) and np.isnan(array).any():
        raise ValueError(f"{name}: NaN among the {what}s, expected whole numbers 0..{high}")
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name}: {what}s of type {array.dtype}, expected whole numbers 0..{high}")
    if array.min() < 0 or array.max() > high:
        where = tuple(int(i) for i in np.argwhere((array < 0) | (array > high))[0])
        raise ValueError(f"{name}: {what} {array[where]} at index {list(where)}, expected 0..{high}")
    return array
