"""Read tables of digits from comma-separated values: numbers of pixels, labels 0..9, and nothing else.

What the columns are is known by then (see `own.tables`). pandas forgives too much for that: it fills a short row and
reads +1, 1e2 and 3.0 as numbers. So it is given only what is digits, commas and newlines, or where numbers are not
whole what these consist of, and what it makes of them is checked; any other block is read again cell by cell, either to
accept it (spaces, quotes) or to say what is wrong.
Rows are counted as a spreadsheet counts them, from 1 and with the header.
"""

import csv
import io
import re
from pathlib import Path

import numpy as np

BOM = b"\xef\xbb\xbf"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
MOST = 65_535  # of a pixel in a table of numbers that are not whole: sixteen bits
BLOCK = 1 << 22  # bytes; of integers eight times as many are in memory at once


def clean_text(data: bytes, *, name: str | Path) -> bytes:
    """Return the bytes of a table with plain newlines: no byte-order mark, no CRLF, no blank rows at the end.

    Raises ValueError for NUL bytes (another encoding, or a damaged file) and for a file of blank rows.
    """
    data = data.removeprefix(BOM)
    at = data.find(b"\0")
    if at >= 0:
        row = data.count(b"\n", 0, at) + 1
        raise ValueError(f"{name}: row {row} holds a NUL byte; expected UTF-8 text (is it UTF-16, or damaged?)")
    data = data.replace(b"\r\n", b"\n").rstrip(b"\n")
    if not data.strip():
        raise ValueError(f"{name}: the file is empty")
    return data + b"\n"


def parse_table(
    text: bytes, *, name: str | Path, columns: tuple[str, ...], start: int = 0, decimals: bool = False
) -> np.ndarray:
    """Parse a cleaned table that must have exactly these columns, from byte `start` on, where a header ends.

    A column called "label" holds whole numbers 0..9, any other 0..255, or where `decimals` numbers up to 65,535.
    Returns uint8, or float32, (n, len(columns)), n >= 1. Raises ValueError that names row and column for a cell that
    is not such a number and for a short, long or blank row.
    """
    at, row = start, 2 if start else 1
    labels = np.array([column == "label" for column in columns])
    limits = np.where(labels, 9, MOST if decimals else 255).astype(np.uint16)
    blocks = []
    while at < len(text):
        end = text.rfind(b"\n", at, at + BLOCK) + 1 or text.index(b"\n", at) + 1
        block = _parse_plain(text[at:end], highest=limits, decimals=labels if decimals else None)
        if block is None:
            block = _parse_slowly(text[at:end], name=name, columns=columns, highest=limits, row=row, decimals=decimals)
        blocks.append(block)
        at, row = end, row + len(block)
    if not blocks:
        raise ValueError(f"{name}: a header and no rows, expected at least one image")
    return np.concatenate(blocks)


def _parse_plain(block: bytes, *, highest: np.ndarray, decimals: np.ndarray | None) -> np.ndarray | None:
    """Parse rows of numbers between commas, or return None if there is anything else.

    decimals: None for whole numbers, else which columns are to be whole all the same.
    """
    import pandas as pd  # imported where used: loading MNIST need not wait for it

    if block.translate(None, b"0123456789,\n" if decimals is None else b"0123456789,\n.+-eE"):
        return None
    kind = {} if decimals is None else {"dtype": np.float64}
    try:
        values = pd.read_csv(io.BytesIO(block), header=None, skip_blank_lines=False, **kind).to_numpy()
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError):
        return None
    if values.shape[1] != len(highest) or values.dtype != (np.int64 if decimals is None else np.float64):
        return None  # a short row or an empty cell makes its column one of floats, a very long number something else
    if decimals is None:
        return values.astype(np.uint8) if (values <= highest).all() else None
    whole = values[:, decimals]
    if not (np.abs(values) <= highest).all() or (whole < 0).any() or (whole != np.round(whole)).any():
        return None
    return values.astype(np.float32)


def _parse_slowly(
    block: bytes, *, name: str | Path, columns: tuple[str, ...], highest: np.ndarray, row: int, decimals: bool
) -> np.ndarray:
    rows = []
    for number, line in enumerate(block.split(b"\n")[:-1], start=row):
        found = cells(line, name=name, row=number)
        if not line.strip():
            raise ValueError(f"{name}: row {number} is blank, expected {len(columns)} cells")
        if len(found) != len(columns):
            raise ValueError(f"{name}: row {number} has {len(found)} columns, expected {_range(columns)}{hint(found)}")
        for k, (cell, column, high) in enumerate(zip(found, columns, highest, strict=True)):
            if not _is_allowed(cell, high, decimals=decimals, label=column == "label"):
                what = f"a number up to {high}" if decimals and column != "label" else f"a whole number 0..{high}"
                raise ValueError(f"{name}: row {number}, column {k + 1} ({column}) is {cell[:40]!r}, expected {what}")
        rows.append([float(cell) if decimals else int(cell) for cell in found])
    return np.array(rows, np.float32 if decimals else np.uint8)


def _is_allowed(cell: str, high: int, *, decimals: bool, label: bool) -> bool:
    if not decimals:
        return cell.isascii() and cell.isdigit() and len(cell) < 20 and int(cell) <= high
    if not is_number(cell) or len(cell) > 40 or abs(float(cell)) > high:
        return False
    return not label or (float(cell) >= 0 and float(cell).is_integer())


def is_number(cell: str) -> bool:
    """Say whether a cell is a number as programs write it: digits, a point, an exponent."""
    return NUMBER.fullmatch(cell) is not None


def cells(line: bytes, *, name: str | Path, row: int) -> list[str]:
    """Return the cells of a row, without spaces around them. Raises ValueError for text that is no such row."""
    try:
        return [cell.strip() for cell in next(csv.reader([line.decode("utf-8")], strict=True), [""])]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{name}: row {row} cannot be read as comma-separated UTF-8 text: {error}") from error


def _range(columns: tuple[str, ...]) -> str:
    if len(columns) < 4:
        return f"{len(columns)} ({', '.join(columns)})"
    return f"{len(columns)} ({', '.join(columns[:2])} .. {columns[-1]})"


def hint(cells: list[str] | tuple[str, ...]) -> str:
    """Say which other separator a row of a single cell seems to use."""
    names = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
    seen = [names[mark] for mark in names if len(cells) == 1 and mark in cells[0]]
    return f"; the cells seem to be separated by {seen[0]}, not commas" if seen else ""
