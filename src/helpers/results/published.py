"""What others published: the claims of data/claims.csv, and how our rows compare with them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from helpers.evaluation import comparison
from helpers.results.rows import FRACTIONS, Row, check
from helpers.runtime import paths

SHORT_BUDGET = "short budget"  # how the note of a row begins whose training was much shorter than the claim's
SMALLEST_COMPARABLE = 30  # below this many images an interval is too wide for any verdict to mean something


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


@cache
def _read_claims(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, index_col="claim_id")
    if not frame.index.is_unique:
        raise ValueError(f"{path.name}: claim_id {frame.index[frame.index.duplicated()][0]!r} occurs twice")
    return frame.astype({"n": "Int64", "value": float})


def claims() -> pd.DataFrame:
    """Return the published claims, one row per claim_id: source, system, split, metric, value, n, note."""
    return _read_claims(paths.CLAIMS).copy()


def noted(claim_id: str, words: str) -> float:
    """Return the number that follows some words in a claim's note. Raises ValueError when there is none."""
    found = re.search(re.escape(words) + r"\s*=?\s*(\d*\.?\d+)", claims().loc[claim_id, "note"])
    if found is None:
        raise ValueError(f"the note of {claim_id} has no number after {words!r}")
    return float(found.group(1))


def noted_series(claim_id: str) -> dict[int, float]:
    """Return the printed curve in a claim's note: whole number -> fraction, from pairs such as "3 .9686"."""
    return {int(at): float(value) for at, value in re.findall(r"(\d+) (\.\d+)", claims().loc[claim_id, "note"])}


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
    interval = comparison.newcombe(round(row.value * row.n), row.n, round(published * published_n), published_n)
    if interval.low > 0:
        word, reason = "higher", "the interval of the difference lies above zero"
    elif interval.high < 0:
        word, reason = "lower", "the interval of the difference lies below zero"
    else:
        word, reason = "reproduced", "the interval of the difference covers zero"
    return Verdict(*about, row.value - published, interval.low, interval.high, word, reason)


def _why_not_comparable(row: Row, claim: pd.Series, published_n: int | None) -> str:
    if row.note.startswith(SHORT_BUDGET):
        return row.note
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
        check_claim(row, known)
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
                "difference": "–" if one.difference is None else _minus(f"{100 * one.difference:+.2f} pp"),
                "interval": "–" if one.low is None else _minus(f"{100 * one.low:+.2f} to {100 * one.high:+.2f}"),
                "verdict": one.verdict,
                "reason": one.reason if one.difference is None else "",  # else the interval says it
            }
        )
    columns = ["claim", "system", "published", "ours", "difference", "interval", "verdict", "reason"]
    return pd.DataFrame(lines, columns=columns).set_index("claim")


def _minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


def _shown(value: float, n: int | None, *, share: bool) -> str:
    number = f"{100 * value:.2f}%" if share else f"{value:g}"
    return number if n is None else f"{number} of {n:,}"


def check_claim(row: Row, known: pd.DataFrame) -> None:
    """Raise ValueError where a row answers a claim that `known`, as from `claims`, does not have."""
    check(row.claim_id in known.index, "claim_id", row.claim_id, "one of data/claims.csv")
