"""What a notebook found: rows with intervals in one JSON file.

Everything downstream (prose, tables, the index, later notebooks) reads from here, so a number exists once.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from helpers.results import published
from helpers.results.rows import MNIST, Row, check, is_text
from helpers.runtime import files, paths

SCHEMA = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Report:
    """What one notebook recorded: its question, its one-sentence answer, its rows, and the name of its digits."""

    notebook: str
    profile: str
    seed: int
    question: str
    answer: str
    rows: tuple[Row, ...]
    data: str = MNIST


def save(
    notebook: str, rows: Iterable[Row], *, profile: str, seed: int, question: str, answer: str, data: str = MNIST
) -> Path:
    """Write what a notebook found to `NN_name.json` in the results directory, atomically; return the path.

    data: the name of the digits, written down only where they are not MNIST.
    Raises ValueError when a field is missing, not finite or out of range, when two rows are for one claim, when the
    accuracy of a model does not say under which conditions it came about, or when a claim_id is not in data/claims.csv.
    A failed save leaves an earlier file as it was.
    """
    report = Report(notebook, profile, seed, question, answer, tuple(rows), data)
    _check_report(report)
    for row in filter(lambda row: row.about_a_model, report.rows):
        # What does not learn in passes has no parameters: neighbours, trees, support vectors.
        needed = ("train_images", "precision", *(("passes", "label_smoothing") if row.parameters else ()))
        for name in needed:
            check(
                getattr(row, name) is not None, f"{name} of {row.system}", None, "given: it decides what a row is like"
            )
    document = {"schema": SCHEMA, **asdict(report)}
    if data == MNIST:
        del document["data"]
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    path = paths.results_directory() / f"{notebook}.json"
    files.write_atomically(path, text)
    return path


def load(notebook: str, *, directory: Path | None = None) -> Report:
    """Read one notebook's results, from reports/results unless another directory is given.

    Raises FileNotFoundError when there are none and ValueError when the file does not fit the schema.
    """
    path = Path(directory or paths.RESULTS) / f"{notebook}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document.pop("schema")
        if version != SCHEMA:
            raise ValueError(f"schema must be {SCHEMA}; got {version!r}")
        known = {field.name for field in fields(Row)}
        for entry in document["rows"]:
            if set(entry) - known:
                raise ValueError(f"rows have unknown fields {sorted(set(entry) - known)}")
        report = Report(**{**document, "rows": tuple(Row(**entry) for entry in document["rows"])})
        _check_report(report)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path.name} is not a results file: {error}") from error
    return report


def load_all(directory: Path | None = None) -> list[Report]:
    """Read every notebook's results in a directory, in the order of their names."""
    directory = Path(directory or paths.RESULTS)
    return [load(path.stem, directory=directory) for path in sorted(directory.glob("[!.]*.json"))]


def _check_report(report: Report) -> None:
    named = isinstance(report.notebook, str) and _NAME.fullmatch(report.notebook)
    check(bool(named), "notebook", report.notebook, "letters, digits and _")
    for name in ("profile", "question", "answer", "data"):
        check(is_text(getattr(report, name)), name, getattr(report, name), "a non-empty string")
    check(type(report.seed) is int, "seed", report.seed, "an int")
    check(bool(report.rows), "rows", report.rows, "at least one Row")
    known = published.claims()
    seen = set()
    for row in report.rows:
        check(isinstance(row, Row), "rows", row, "Row objects")
        if row.claim_id is not None:
            published.check_claim(row, known)
            check(row.claim_id not in seen, "claim_id", row.claim_id, "answered by one row only")
            seen.add(row.claim_id)
