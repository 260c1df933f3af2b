"""Read tables of digits from comma-separated values: pixels 0..255, labels 0..9, and nothing else.

pandas forgives too much for that: it fills a short row and reads +1, 1e2 and 3.0 as numbers. So it is given only
what is digits, commas and newlines, and what it makes of them is checked; any other block is read again cell by cell,
either to accept it (spaces, quotes) or to say what is wrong.
Rows are counted as a spreadsheet counts them, from 1 and with the header.
"""

import csv
import io
from pathlib import Path

import numpy as np

from helpers.data.formats import SIDE

PIXELS = tuple(f"pixel{i}" for i in range(SIDE * SIDE))
LABELLED = ("label", *PIXELS)
BOM = b"\xef\xbb\xbf"
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


def header_of(text: bytes, *, name: str | Path) -> tuple[str, ...]:
    """Return the column names in the first row of a cleaned table."""
    return tuple(_cells(text[: text.index(b"\n")], name=name, row=1))


def parse_table(text: bytes, *, name: str | Path, columns: tuple[str, ...], header: bool) -> np.ndarray:
    """Parse a cleaned table that must have exactly these columns, in this order.

    A column called "label" holds 0..9, any other 0..255. Returns uint8 (n, len(columns)), n >= 1. Raises
    ValueError that names row and column for a cell that is not such a whole number, for a short, long or
    blank row, and for missing, duplicate, surplus or reordered columns of the header.
    """
    at, row = 0, 1
    if header:
        _check_header(header_of(text, name=name), columns=columns, name=name)
        at, row = text.index(b"\n") + 1, 2
    highest = np.array([9 if column == "label" else 255 for column in columns], np.uint16)
    blocks = []
    while at < len(text):
        end = text.rfind(b"\n", at, at + BLOCK) + 1 or text.index(b"\n", at) + 1
        block = _parse_plain(text[at:end], highest=highest)
        if block is None:
            block = _parse_slowly(text[at:end], name=name, columns=columns, highest=highest, row=row)
        blocks.append(block)
        at, row = end, row + len(block)
    if not blocks:
        raise ValueError(f"{name}: a header and no rows, expected at least one image")
    return np.concatenate(blocks)


def _parse_plain(block: bytes, *, highest: np.ndarray) -> np.ndarray | None:
    """Parse rows of whole numbers between commas, or return None if there is anything else."""
    import pandas as pd  # imported where used: loading MNIST need not wait for it

    if block.translate(None, b"0123456789,\n"):
        return None
    try:
        values = pd.read_csv(io.BytesIO(block), header=None, skip_blank_lines=False).to_numpy()
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        return None
    # A short row or an empty cell makes its column one of floats, a very long number one of something else.
    plain = values.dtype == np.int64 and values.shape[1] == len(highest) and (values <= highest).all()
    return values.astype(np.uint8) if plain else None


def _parse_slowly(
    block: bytes, *, name: str | Path, columns: tuple[str, ...], highest: np.ndarray, row: int
) -> np.ndarray:
    rows = []
    for number, line in enumerate(block.split(b"\n")[:-1], start=row):
        cells = _cells(line, name=name, row=number)
        if not line.strip():
            raise ValueError(f"{name}: row {number} is blank, expected {len(columns)} cells")
        if len(cells) != len(columns):
            raise ValueError(f"{name}: row {number} has {len(cells)} columns, expected {_range(columns)}{_hint(cells)}")
        for k, (cell, high) in enumerate(zip(cells, highest, strict=True)):
            if not (cell.isascii() and cell.isdigit() and len(cell) < 20 and int(cell) <= high):
                raise ValueError(
                    f"{name}: row {number}, column {k + 1} ({columns[k]}) is {cell[:40]!r}, "
                    f"expected a whole number 0..{high}"
                )
        rows.append([int(cell) for cell in cells])
    return np.array(rows, np.uint8)


def _cells(line: bytes, *, name: str | Path, row: int) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line.decode("utf-8")], strict=True), [""])]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{name}: row {row} cannot be read as comma-separated UTF-8 text: {error}") from error


def _check_header(found: tuple[str, ...], *, columns: tuple[str, ...], name: str | Path) -> None:
    if found == columns:
        return
    if all(cell.isdigit() for cell in found):
        raise ValueError(f"{name}: row 1 holds numbers, expected a header naming {_range(columns)}")
    twice = [column for k, column in enumerate(found) if column in found[:k]]
    if twice:
        raise ValueError(f"{name}: column {twice[0][:40]!r} appears twice in the header")
    missing = [column for column in columns if column not in found]
    surplus = [column[:40] for column in found if column not in columns]
    if missing or surplus:
        lists = [
            f"{what} {', '.join(map(repr, some[:3]))}{' ...' if len(some) > 3 else ''}"
            for what, some in (("without", missing), ("with an unknown", surplus))
            if some
        ]
        raise ValueError(
            f"{name}: {len(found)} columns, {' and '.join(lists)}; expected {_range(columns)}{_hint(found)}"
        )
    k = next(k for k, (a, b) in enumerate(zip(found, columns, strict=True)) if a != b)
    raise ValueError(f"{name}: column {k + 1} is {found[k]!r}, expected {columns[k]!r} (columns out of order)")


def _range(columns: tuple[str, ...]) -> str:
    label = columns[0] if columns[0] == "label" else ""
    pixels = "pixel0 .. pixel783" if columns[-1] == PIXELS[-1] else ""
    return f"{len(columns)} ({', '.join(filter(None, (label, pixels)))})"


def _hint(cells: list[str] | tuple[str, ...]) -> str:
    """Say which other separator a row of a single cell seems to use."""
    names = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
    seen = [names[mark] for mark in names if len(cells) == 1 and mark in cells[0]]
    return f"; the cells seem to be separated by {seen[0]}, not commas" if seen else ""
