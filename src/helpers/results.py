"""What a notebook found: rows with intervals in one JSON file, and their comparison with published claims.

Everything downstream (prose, tables, the index, later notebooks) reads from here, so a number exists once.
"""

import json
import math
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import metrics, paths

SCHEMA = 1
FRACTIONS = {"accuracy", "error_rate", "precision", "recall", "f1"}
SMALLEST_COMPARABLE = 30  # below this many images an interval is too wide for any verdict to mean something
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Row:
    """One measured number: which system, on which split, by which metric, over how many images.

    `value` of an accuracy is a fraction in 0..1; `low` and `high` are its 95% Wilson limits and fill
    themselves when `n` is known. `mean` and `sd` are over `seeds` repetitions; `seconds` is the time it took;
    `parameters` the size of the model; `section` the heading of the report that shows it; `model` a key of
    the palette.
    Raises ValueError on construction for anything that is not finite or out of range.
    """

    system: str
    split: str
    metric: str
    value: float
    n: int | None
    claim_id: str | None = None
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    sd: float | None = None
    seeds: int = 1
    seconds: float | None = None
    parameters: int | None = None
    section: str | None = None
    model: str | None = None
    note: str = ""

    def __post_init__(self):
        for name in ("system", "split", "metric"):
            _check(_is_text(getattr(self, name)), name, getattr(self, name), "a non-empty string")
        for name in ("claim_id", "section", "model"):
            value = getattr(self, name)
            _check(value is None or _is_text(value), name, value, "a non-empty string or None")
        _check(isinstance(self.note, str), "note", self.note, "a string")
        for name, least in (("n", 1), ("parameters", 0)):
            self._set(name, _whole(name, getattr(self, name), least=least, optional=True))
        self._set("seeds", _whole("seeds", self.seeds, least=1))
        self._set("value", _number("value", self.value))
        if self.metric == "accuracy" and self.n is not None and self.low is None and self.high is None:
            _check(0 <= self.value <= 1, "value", self.value, "a fraction in 0..1")
            interval = metrics.wilson(round(self.value * self.n), self.n)
            # A mean over seeds need not be a whole number of images: keep the estimate inside its interval.
            self._set("low", min(interval.low, self.value))
            self._set("high", max(interval.high, self.value))
        for name in ("low", "high", "mean", "sd", "seconds"):
            self._set(name, _number(name, getattr(self, name), optional=True))
        if self.metric in FRACTIONS:
            for name in ("value", "low", "high", "mean"):
                number = getattr(self, name)
                _check(number is None or 0 <= number <= 1, name, number, "a fraction in 0..1")
        _check((self.low is None) == (self.high is None), "low", self.low, "given together with high")
        if self.low is not None:
            _check(self.low <= self.value <= self.high, "low, high", (self.low, self.high), "around value")
        _check(self.sd is None or (self.sd >= 0 and self.seeds >= 2), "sd", self.sd, ">= 0, with seeds >= 2")
        _check(self.seconds is None or self.seconds >= 0, "seconds", self.seconds, ">= 0")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Report:
    """What one notebook recorded: its question, its one-sentence answer and its rows."""

    notebook: str
    profile: str
    seed: int
    question: str
    answer: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Verdict:
    """Our number beside a published one; `low` and `high` bound the difference ours - published."""

    claim_id: str
    published: float
    published_n: int | None
    ours: float
    ours_n: int | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: str  # "reproduced", "higher", "lower" or "not comparable"
    reason: str


def accuracy_row(system: str, y_true, y_pred, *, split: str, **more) -> Row:
    """Return the row for an accuracy from labels of shape (n,); `more` is any other field of Row."""
    return interval_row(system, metrics.accuracy(y_true, y_pred), split=split, **more)


def interval_row(system: str, interval: metrics.Interval, *, split: str, metric: str = "accuracy", **more) -> Row:
    """Return the row for an estimate that comes with its own interval; `more` is any other field of Row."""
    return Row(system, split, metric, interval.estimate, interval.n, low=interval.low, high=interval.high, **more)


def save(notebook: str, rows: Iterable[Row], *, profile: str, seed: int, question: str, answer: str) -> Path:
    """Write what a notebook found to `NN_name.json` in the results directory, atomically; return the path.

    Raises ValueError when a field is missing, not finite or out of range, when two rows are for one claim, or
    when a claim_id is not in data/claims.csv. A failed save leaves an earlier file as it was.
    """
    report = Report(notebook, profile, seed, question, answer, tuple(rows))
    _check_report(report)
    document = {"schema": SCHEMA, **asdict(report)}
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    path = paths.results_directory() / f"{notebook}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{notebook}-", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(beside, 0o644)  # mkstemp makes it private
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
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


@cache
def _read_claims(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, index_col="claim_id")
    if not frame.index.is_unique:
        raise ValueError(f"{path.name}: claim_id {frame.index[frame.index.duplicated()][0]!r} occurs twice")
    return frame.astype({"n": "Int64", "value": float})


def claims() -> pd.DataFrame:
    """Return the published claims, one row per claim_id: source, system, split, metric, value, n, note."""
    return _read_claims(paths.CLAIMS).copy()


def verdict(row: Row, claim: pd.Series) -> Verdict:
    """Compare a row with a claim (a row of `claims()`), by a Newcombe interval on ours - published.

    'reproduced' means that the 95% interval of the difference covers zero: the two numbers could come from
    equally good systems. It does not mean that they are equal; with few images almost anything is reproduced.
    """
    published, published_n = float(claim["value"]), None if pd.isna(claim["n"]) else int(claim["n"])
    about = (str(claim.name), published, published_n, row.value, row.n)
    reason = _why_not_comparable(row, claim, published_n)
    if reason:
        return Verdict(*about, None, None, None, "not comparable", reason)
    interval = metrics.newcombe(round(row.value * row.n), row.n, round(published * published_n), published_n)
    if interval.low > 0:
        word, reason = "higher", "the interval of the difference lies above zero"
    elif interval.high < 0:
        word, reason = "lower", "the interval of the difference lies below zero"
    else:
        word, reason = "reproduced", "the interval of the difference covers zero"
    return Verdict(*about, row.value - published, interval.low, interval.high, word, reason)


def _why_not_comparable(row: Row, claim: pd.Series, published_n: int | None) -> str:
    if row.metric != claim["metric"]:
        return f"we measure {row.metric}, the claim is about {claim['metric']}"
    if published_n is None:
        return "the source does not say on how many images"
    if row.n is None:
        return "our row does not say on how many images"
    for n, whose in ((published_n, "the claim"), (row.n, "our row")):
        if n < SMALLEST_COMPARABLE:
            return f"{whose} rests on {n} image{'s' if n > 1 else ''}"
    if row.metric != "accuracy":
        return f"{row.metric} is not a proportion of images"
    return ""


def verdicts(rows: Iterable[Row]) -> list[Verdict]:
    """Return the verdict of every row that answers a claim, in the order of the rows."""
    known = claims()
    rows = [row for row in rows if row.claim_id is not None]
    for row in rows:
        _check_claim(row, known)
    return [verdict(row, known.loc[row.claim_id]) for row in rows]


def against_claims(rows: Iterable[Row]) -> pd.DataFrame:
    """Return a table, ready to show, of every row that answers a claim: theirs, ours and the verdict.

    Differences and their 95% intervals are in percentage points (pp), ours minus published.
    """
    known = claims()
    lines = []
    for one in verdicts(rows):
        share = known.loc[one.claim_id, "metric"] in FRACTIONS
        lines.append(
            {
                "claim": one.claim_id,
                "system": known.loc[one.claim_id, "system"],
                "published": _shown(one.published, one.published_n, share=share),
                "ours": _shown(one.ours, one.ours_n, share=share),
                "difference": "–" if one.difference is None else f"{100 * one.difference:+.2f} pp",
                "interval": "–" if one.low is None else f"{100 * one.low:+.2f} to {100 * one.high:+.2f}",
                "verdict": one.verdict,
                "reason": one.reason if one.difference is None else "",  # else the interval says it
            }
        )
    columns = ["claim", "system", "published", "ours", "difference", "interval", "verdict", "reason"]
    return pd.DataFrame(lines, columns=columns).set_index("claim")


def _shown(value: float, n: int | None, *, share: bool) -> str:
    number = f"{100 * value:.2f}%" if share else f"{value:g}"
    return number if n is None else f"{number} of {n:,}"


def _check(condition: bool, name: str, value: Any, allowed: str) -> None:
    if not condition:
        raise ValueError(f"{name} must be {allowed}; got {value!r}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _number(name: str, value: Any, *, optional: bool = False) -> float | None:
    if value is None and optional:
        return None
    try:
        number = float("nan") if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    _check(math.isfinite(number), name, value, "a finite number")
    return number


def _whole(name: str, value: Any, *, least: int, optional: bool = False) -> int | None:
    if value is None and optional:
        return None
    number = _number(name, value)
    _check(number == int(number) and number >= least, name, value, f"a whole number >= {least}")
    return int(number)


def _check_report(report: Report) -> None:
    named = isinstance(report.notebook, str) and _NAME.fullmatch(report.notebook)
    _check(bool(named), "notebook", report.notebook, "letters, digits and _")
    for name in ("profile", "question", "answer"):
        _check(_is_text(getattr(report, name)), name, getattr(report, name), "a non-empty string")
    _check(type(report.seed) is int, "seed", report.seed, "an int")
    _check(bool(report.rows), "rows", report.rows, "at least one Row")
    known = claims()
    seen = set()
    for row in report.rows:
        _check(isinstance(row, Row), "rows", row, "Row objects")
        if row.claim_id is not None:
            _check_claim(row, known)
            _check(row.claim_id not in seen, "claim_id", row.claim_id, "answered by one row only")
            seen.add(row.claim_id)


def _check_claim(row: Row, known: pd.DataFrame) -> None:
    _check(row.claim_id in known.index, "claim_id", row.claim_id, "one of data/claims.csv")
