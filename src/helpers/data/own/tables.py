"""Tables as pieces: what a header, or the first rows, say of the columns; .csv, packed or not, and parquet."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from helpers.data import tables
from helpers.data.own.arrays import square_side
from helpers.data.own.files import HEAD, File
from helpers.data.own.pieces import Piece

LABELS = ("label", "labels", "class", "target", "digit", "y")
SUBMISSION = ("imageid", "label")  # Kaggle's example of an answer lies beside its data


@dataclass(frozen=True)
class Form:
    """What the columns of a table are.

    label: which one holds the labels, None for none. decimals: whether numbers are not written as whole ones.
    """

    columns: tuple[str, ...]
    header: bool
    label: int | None
    decimals: bool


def of_csv(file: File) -> list[Piece]:
    """Return a table as a piece, nothing for Kaggle's example of a submission.

    Raises ValueError, having read its first rows only, for columns that are no square number of pixels with or without
    a label.
    """
    form = form_of(file.head(), name=file.name)
    return [] if form is None else [Piece(file.name, file.path.name, _kind(form), partial(_read, file, form))]


def of_parquet(file: File) -> list[Piece]:
    """Return a parquet table as a piece. Raises ValueError for what is none, empty cells and anything but numbers."""
    import fastparquet  # here, as few hand in such a table

    try:
        frame = fastparquet.ParquetFile(str(file.path)).to_pandas()
    except Exception as error:  # of a damaged file it raises whatever it stumbles over
        raise ValueError(f"{file.name}: not a usable parquet file: {str(error)[:200]}") from error
    if odd := [column for column, kind in frame.dtypes.items() if kind.kind not in "uifb"]:
        raise ValueError(
            f"{file.name}: column {str(odd[0])[:40]!r} holds {frame[odd[0]].dtype}; one number a cell is allowed (of "
            "pictures in cells, files in folders named 0 to 9)"
        )
    columns = tuple(map(str, frame.columns))
    values = frame.to_numpy(np.float64, na_value=np.nan)
    if (empty := np.isnan(values)).any():
        row, column = (int(at) for at in np.argwhere(empty)[0])
        raise ValueError(f"{file.name}: row {row + 1}, column {columns[column]!r} is empty; a number is allowed")
    form = _with_header(columns, name=file.name) or Form(columns, True, _guess(values[:100], file.name), False)
    return [Piece(file.name, file.path.name, _kind(form), lambda: _divided(values, form))]


def form_of(head: bytes, *, name: str) -> Form | None:
    """Return what the columns of a table are, from its first bytes; None for an example of a submission."""
    text = tables.clean_text(head, name=name)
    lines = text.split(b"\n")[:-1]
    lines = lines[:-1] if len(lines) > 1 and len(head) >= HEAD else lines  # the last may be cut
    cells = tables.cells(lines[0], name=name, row=1)
    names = tuple(cell.lower() for cell in cells)
    if names == SUBMISSION:
        return None
    header = _is_header(names)
    body = lines[1 if header else 0 :]
    first = tables.cells(body[0], name=name, row=1 + header) if body else []
    decimals = any(not cell.isdigit() for cell in first) and all(map(tables.is_number, first))
    named = _with_header(cells, name=name) if header and not _counts(names) else None
    if named is not None:
        return Form(named.columns, True, named.label, decimals)
    label = None
    if len(names) > 1 and not square_side(len(names)):
        rows = [tables.cells(line, name=name, row=i) for i, line in enumerate(body[:100], start=1 + header)]
        rows = [row for row in rows if len(row) == len(names) and all(map(tables.is_number, row))]
        label = _guess(np.array(rows or [[0] * len(names)], float), name, tables.hint(cells))
    if len(names) == 1:
        columns = ("label",)
        label = 0
        if header and names[0] not in LABELS:
            raise ValueError(f"{name}: got one column named {cells[0][:40]!r}{tables.hint(cells)}; label is allowed")
    else:
        columns = tuple(f"pixel{i}" for i in range(len(names) - (label is not None)))
        columns = columns if label is None else (*columns[:label], "label", *columns[label:])
    return Form(columns, header, label, decimals)


def _is_header(names: tuple[str, ...]) -> bool:
    """Say whether the first row is a header: it names the label, counts the columns, or is hardly of numbers."""
    numbers = sum(map(tables.is_number, names))
    return any(name in LABELS for name in names) or _counts(names) or numbers < len(names) / 2


def _counts(names: tuple[str, ...]) -> bool:
    return len(names) > 1 and names in (tuple(map(str, range(start, start + len(names)))) for start in (0, 1))


def _with_header(columns, *, name: str) -> Form | None:
    """Return the form that the names of columns say. Raises ValueError for names that make no image."""
    names = [column.lower() for column in columns]
    if _counts(tuple(names)):
        return None
    if twice := [column for k, column in enumerate(names) if column in names[:k]]:
        raise ValueError(f"{name}: column {twice[0][:40]!r} appears twice in the header")
    labels = [k for k, column in enumerate(names) if column in LABELS]
    if len(labels) > 1:
        raise ValueError(
            f"{name}: columns {labels[0] + 1} and {labels[1] + 1} are both named as labels; one is allowed"
        )
    label = labels[0] if labels else None
    pixels = [column for k, column in enumerate(columns) if k != label]
    if not pixels and label is not None:
        return Form(("label",), True, 0, False)
    if not square_side(len(pixels)):
        beside = " beside the label" if labels else ", none of them named label"
        odd = [column[:40] for column in pixels if not re.search(r"\d", column)]
        odd = f", among them {', '.join(map(repr, odd[:3]))}" if 0 < len(odd) < len(pixels) else ""
        raise ValueError(
            f"{name}: row 1 names {len(pixels)} columns{beside}{odd}{_gap(pixels)}{tables.hint(columns)}; a square "
            "number of pixels is allowed, 784 for 28 x 28"
        )
    numbers = [tuple(map(int, re.findall(r"\d+", column))) for column in pixels]
    if all(numbers):
        for one, after, column in zip(numbers, numbers[1:], pixels[1:], strict=False):
            if after <= one:
                place = columns.index(column) + 1
                raise ValueError(
                    f"{name}: column {place} is {column!r}, after {pixels[pixels.index(column) - 1]!r}; "
                    "columns in the order of their numbers are allowed"
                )
    names = tuple("label" if k == label else column for k, column in enumerate(columns))
    return Form(names, True, label, False)


def _gap(pixels: Sequence[str]) -> str:
    """Name the first column that is missing from those that are numbered through, if any is."""
    numbers = [re.findall(r"\d+", column) for column in pixels]
    if not all(len(found) == 1 for found in numbers):
        return ""
    for (one,), (after,), column in zip(numbers, numbers[1:], pixels, strict=False):
        if int(after) > int(one) + 1:
            return f", without {column.replace(one, str(int(one) + 1))!r}"
    return ""


def _guess(rows: np.ndarray, name: str, hint: str = "") -> int | None:
    """Return which of the columns holds the labels where no name says it: the first, or the last.

    The first, as in most files of this kind, unless it cannot be (not 0..9, or always the same, as a pixel in the
    corner is) and the last one can.
    """
    n = rows.shape[1]
    if square_side(n):
        return None
    if not square_side(n - 1):
        raise ValueError(
            f"{name}: row 1 has {n} columns{hint}; a square number of pixels is allowed, 784 for 28 x 28, and a label "
            "before or after them"
        )
    first, last = (_like_labels(rows[:, k]) for k in (0, -1))
    return n - 1 if last and not first else 0


def _like_labels(values: np.ndarray) -> bool:
    return bool(np.isin(values, np.arange(10)).all() and len(np.unique(values)) > 1)


def _kind(form: Form) -> str:
    if form.label is None:
        return "images"
    return "labels" if len(form.columns) == 1 else "both"


def _read(file: File, form: Form) -> tuple[np.ndarray | None, np.ndarray | None]:
    text = tables.clean_text(file.read(), name=file.name)
    at = text.index(b"\n") + 1 if form.header else 0
    values = tables.parse_table(text, name=file.name, columns=form.columns, start=at, decimals=form.decimals)
    return _divided(values, form)


def _divided(values: np.ndarray, form: Form) -> tuple[np.ndarray | None, np.ndarray | None]:
    if form.label is None:
        labels = None
    else:
        labels = values[:, form.label]
        labels = labels.astype(np.int64) if (labels == np.round(labels)).all() else labels
        values = np.delete(values, form.label, axis=1)
    side = square_side(values.shape[1])
    return (values.reshape(-1, side, side) if side else None), labels
