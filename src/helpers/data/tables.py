"""Read tables of digits from comma-separated values: pixels 0..255, labels 0..9, and nothing else.

A general CSV reader forgives too much here: it drops a surplus column, rounds 3.0 and fills a short row. Whole
numbers and commas are simple enough to parse by the block, five times faster than that; only a block that
is not purely so is read again cell by cell, either to accept it (spaces, quotes) or to say what is wrong.
Rows are counted as a spreadsheet counts them, from 1 and with the header.
"""

import csv
from pathlib import Path

import numpy as np

from helpers.data.formats import SIDE

PIXELS = tuple(f"pixel{i}" for i in range(SIDE * SIDE))
LABELLED = ("label", *PIXELS)
BOM = b"\xef\xbb\xbf"
BLOCK = 1 << 20  # bytes; larger blocks leave the processor's cache and are slower


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
    """Parse whole rows of one to three digits between commas, or return None if there is anything else."""
    characters = np.frombuffer(block, np.uint8)
    digits = characters - np.uint8(ord("0"))  # wraps round, so only 0..9 are below ten
    ends = np.flatnonzero(digits > 9)
    if len(ends) % len(highest):
        return None
    separators = characters[ends].reshape(-1, len(highest))
    if (separators[:, :-1] != ord(",")).any() or (separators[:, -1] != ord("\n")).any():
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    values = digits[ends - 1].astype(np.uint16)
    values += np.where(lengths > 1, digits[ends - 2], 0) * np.uint16(10)
    values += np.where(lengths > 2, digits[ends - 3], 0) * np.uint16(100)
    values = values.reshape(-1, len(highest))
    return None if (values > highest).any() else values.astype(np.uint8)


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
