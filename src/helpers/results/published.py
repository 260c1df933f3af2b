"""What others published: the claims of data/claims.csv, and how our rows compare with them."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from helpers.evaluation import comparison
from helpers.results import conditions
from helpers.results.rows import FRACTIONS, MNIST, Row, check, test_set
from helpers.runtime import paths

LEVEL = 0.05
# Test sets whose images everybody knows one by one: both sides of a comparison read the very same. Of the others only
# the proportions are published, and who draws again draws other images.
PUBLIC = {"mnist", "all"}
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
    verdict: str  # "reproduced", "higher", "lower", "undecided" or "not comparable"
    reason: str
    same_images: bool = False


@cache
def _read_claims(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, index_col="claim_id")
    if not frame.index.is_unique:
        raise ValueError(f"{path.name}: claim_id {frame.index[frame.index.duplicated()][0]!r} occurs twice")
    return frame.fillna({"unsaid": "", "note": ""}).astype({"n": "Int64", "value": float})


def claims() -> pd.DataFrame:
    """Return the published claims, one row per claim_id: source, system, split, metric, value, n, unsaid, note.

    unsaid: what the account leaves open and our repetition assumes, in words; "" for nothing that matters.
    """
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


def verdict(row: Row, claim: pd.Series, *, data: str = MNIST) -> Verdict:
    """Compare a row with a claim (a row of `claims()`): on the same images by McNemar's test, else by an interval.

    data: the name of the digits that the row was measured on; of others than MNIST no claim was made.

    Of a claim on the same images only the number of mistakes is known (as closely as the accuracy was printed), not
    which images they are. So the exact test is made at both ends of what could be shared: 'higher', 'lower' and
    'reproduced' hold for every overlap; where it decides, the verdict is 'undecided'. The limits are those of the least
    overlap, the most cautious ones. On other images Newcombe's 95% interval decides, and 'reproduced' means that it
    covers zero. Neither means that the two are equal; with few images almost anything is reproduced.
    """
    published, published_n = float(claim["value"]), None if pd.isna(claim["n"]) else int(claim["n"])
    about = (str(claim.name), published, published_n, row.value, row.n)
    reason = f"other data: {data}" if data != MNIST else _why_not_comparable(row, claim, published_n)
    if reason:
        return Verdict(*about, None, None, None, "not comparable", reason)
    measured_on = test_set(row.split, row.n)
    if measured_on in PUBLIC and measured_on == test_set(claim["split"], published_n):
        return Verdict(*about, row.value - published, *_on_the_same_images(row, published), same_images=True)
    interval = comparison.newcombe(round(row.value * row.n), row.n, round(published * published_n), published_n)
    if interval.low > 0:
        word, reason = "higher", "the interval of the difference lies above zero"
    elif interval.high < 0:
        word, reason = "lower", "the interval of the difference lies below zero"
    else:
        word, reason = "reproduced", "the interval of the difference covers zero"
    return Verdict(*about, row.value - published, interval.low, interval.high, word, reason)


def _on_the_same_images(row: Row, published: float) -> tuple[float, float, str, str]:
    """Return low, high, verdict and reason, from numbers of mistakes alone."""
    n, ours = row.n, round((1 - row.value) * row.n)
    theirs = _mistakes(published, n)
    bounds = [comparison.overlap_bounds(ours, each, n) for each in theirs]
    least, most = min(nested for nested, _ in bounds), max(apart for _, apart in bounds)
    printed = round((1 - published) * n)
    # Least overlap: each alone reads what the other misreads.
    shared = max(0, ours + printed - n)
    interval = comparison.paired_interval(printed - shared, ours - shared, n)
    word = "higher" if ours < printed else "lower"
    if least >= LEVEL:
        word, reason = "reproduced", "McNemar's test tells them apart for no overlap of the mistakes"
    elif most < LEVEL:
        reason = "McNemar's test tells them apart for every overlap of the mistakes"
    else:
        shared = comparison.shared_to_tell_apart(ours, printed, alpha=LEVEL)
        word, reason = (
            "undecided",
            f"{ours} mistakes against {printed} on the same images: McNemar's test tells them apart",
        )
        reason += " at the edge of what was printed only" if shared is None else f" from {shared} shared ones on"
    return interval.low, interval.high, word, reason


def _mistakes(printed: float, n: int) -> range:
    """Return the numbers of mistakes on n images that are printed as this accuracy."""
    half = 0.5 * 10.0 ** -len(repr(printed).partition(".")[2])
    low, high = (1 - printed - half) * n, (1 - printed + half) * n
    return range(max(0, math.ceil(low - 1e-9)), min(n, math.floor(high + 1e-9)) + 1) or range(
        round(low), round(low) + 1
    )


def _why_not_comparable(row: Row, claim: pd.Series, published_n: int | None) -> str:
    if row.short_budget:
        return f"short budget: {row.note}" if row.note else "short budget"
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


def verdicts(rows: Iterable[Row], *, data: str = MNIST) -> list[Verdict]:
    """Return the verdict of every row that answers a claim, in the order of the rows; data: as in `verdict`."""
    known = claims()
    rows = [row for row in rows if row.claim_id is not None]
    for row in rows:
        check_claim(row, known)
    return [verdict(row, known.loc[row.claim_id], data=data) for row in rows]


def against_claims(rows: Iterable[Row], *, data: str = MNIST) -> pd.DataFrame:
    """Return a table, ready to show, of every row that answers a claim, in words: theirs, ours and the verdict.

    Differences and their 95% intervals are in percentage points (pp), ours minus published. Where our rows came about
    under different conditions, columns say which (the claim has theirs); `assumed`: what the account leaves open.
    data: as in `verdict`.
    """
    known = claims()
    rows = [row for row in rows if row.claim_id is not None]
    how = conditions.columns({row.claim_id: row for row in rows}).drop(columns="images", errors="ignore")
    lines = []
    for one in verdicts(rows, data=data):
        claim = known.loc[one.claim_id]
        share = claim["metric"] in FRACTIONS
        lines.append(
            {
                "claim": in_words(claim),
                "published": _shown(one.published, one.published_n, share=share),
                "ours": _shown(one.ours, one.ours_n, share=share),
                **how.loc[one.claim_id],
                "assumed": claim["unsaid"],
                "difference": "–" if one.difference is None else _minus(f"{100 * one.difference:+.2f} pp"),
                "interval": "–" if one.low is None else _minus(f"{100 * one.low:+.2f} to {100 * one.high:+.2f}"),
                "verdict": one.verdict,
                # Else the interval says it.
                "reason": one.reason if one.verdict in ("undecided", "not comparable") else "",
            }
        )
    columns = ["claim", "published", "ours", *how, "assumed", "difference", "interval", "verdict", "reason"]
    table = pd.DataFrame(lines, columns=columns).set_index("claim")
    return table if table["assumed"].any() else table.drop(columns="assumed")


def in_words(claim: pd.Series) -> str:
    """Return what a claim, a row of `claims`, is about: the system and, unless none was given, its test images."""
    split = "" if claim["split"] in ("none given", "split") else f" ({claim['split']})"
    return f"{claim['system'].replace(';', ',')}{split}"


def _minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


def _shown(value: float, n: int | None, *, share: bool) -> str:
    number = f"{100 * value:.2f}%" if share else f"{value:g}"
    return number if n is None else f"{number} of {n:,}"


def check_claim(row: Row, known: pd.DataFrame) -> None:
    """Raise ValueError where a row answers a claim that `known`, as from `claims`, does not have."""
    check(row.claim_id in known.index, "claim_id", row.claim_id, "one of data/claims.csv")
