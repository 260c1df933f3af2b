"""Where answers go: a table of comma-separated values, whole or not at all, or lines for whoever asked."""

import csv
import sys
from contextlib import contextmanager
from pathlib import Path

from helpers.predict.pipeline import Answer
from helpers.runtime import files

COLUMNS = (
    "file",
    "index",
    "digit",
    "confidence",
    "second_digit",
    "second_confidence",
    "send_to_human",
    "polarity",
    "problem",
)


def row(answer: Answer) -> list:
    """Return an answer as a row of the table; confidences have four decimals, rounded down: 1 is never claimed."""
    shown = [_share(value) for value in (answer.confidence, answer.second_confidence)]
    return [
        _text(answer.name),
        "" if answer.index is None else answer.index,
        "" if answer.digit is None else answer.digit,
        shown[0],
        "" if answer.second is None else answer.second,
        shown[1],
        "yes" if answer.human else "no",
        answer.polarity,
        _text(answer.problem or answer.doubt),
    ]


def line(answer: Answer) -> str:
    """Return an answer as a sentence for a terminal."""
    name = _text(answer.name) + ("" if answer.index is None else f"[{answer.index}]")
    if answer.problem:
        return f"{name}: {_text(answer.problem)}"
    human = "; send to a human" if answer.human else ""
    return (
        f"{name}: {answer.digit}, {answer.confidence:.1%} sure "
        f"(next {answer.second}, {answer.second_confidence:.1%}){human}"
    )


@contextmanager
def written(output: Path):
    """Open a table; yields a function that writes one answer. The file appears, complete, only at the end."""
    with files.replacing(output, "w", encoding="utf-8", newline="") as file:
        yield _writer(file)


@contextmanager
def shown(*, as_table: bool):
    """Write to standard output: the table, or one sentence per image."""
    if as_table:
        yield _writer(sys.stdout)
    else:
        yield lambda answer: print(line(answer))
    sys.stdout.flush()


def _writer(file):
    table = csv.writer(file, lineterminator="\n")
    table.writerow(COLUMNS)
    return lambda answer: table.writerow(row(answer))


def _share(value: float | None) -> str:
    return "" if value is None else f"{min(int(value * 10_000), 9_999) / 10_000:.4f}"


def _text(text: str) -> str:
    """Make bytes of a file name that are not UTF-8 visible instead of failing on them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
