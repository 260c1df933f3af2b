"""What others published: the claims of data/claims.csv, and how our rows compare with them."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
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
WHICH = "which images"  # words of a claim's `unsaid`: then nobody knows that they are the same
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
    return read_claims(path)


def read_claims(file) -> pd.DataFrame:
    """Read a table of claims, a path or an open file: as `claims` returns it. Raises ValueError for a claim twice."""
    frame = pd.read_csv(file, index_col="claim_id", dtype=dict.fromkeys(("value", "unsaid", "note"), str))
    if not frame.index.is_unique:
        raise ValueError(f"claims: claim_id {frame.index[frame.index.duplicated()][0]!r} occurs twice")
    for name in ("unsaid", "note"):  # tables of earlier times lack one
        frame[name] = frame[name].fillna("") if name in frame else ""
    return frame.astype({"n": "Int64"}).assign(printed=frame["value"], value=frame["value"].astype(float))


def claims() -> pd.DataFrame:
    """Return the published claims, a row per claim_id: source, system, split, metric, value, n, unsaid, note, printed.

    printed: the value as text with the digits of the account, of percentages shifted by two: 99.4% is "0.994".
    unsaid: what the account leaves open and our repetition assumes, in words; "" for nothing that matters.
    """
    return _read_claims(paths.CLAIMS).copy()


def correct_counts(printed: str, n: int) -> range:
    """Return the numbers of right answers among n that are printed as this fraction; the nearest where there is none.

    Those that round to its digits; where none does, those that are cut off after them; and where there are none either,
    the same without zeros at the end, with which tables are padded.
    """
    value, digits = Fraction(printed), printed.partition(".")[2]
    while True:
        unit = Fraction(1, 10 ** len(digits))
        rounded = math.ceil((value - unit / 2) * n), math.floor((value + unit / 2) * n)
        cut_off = math.ceil(value * n), math.ceil((value + unit) * n) - 1
        for least, most in (rounded, cut_off):
            if least <= most:
                return range(max(0, least), min(n, most) + 1)
        if not digits.endswith("0"):
            return range(round(value * n), round(value * n) + 1)
        digits = digits[:-1]


def in_percent(printed: str) -> str:
    """Return a printed fraction in percent, with no digit more or less: "0.994" as "99.4%"."""
    return f"{Decimal(printed).scaleb(2):f}%"


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

    Of a claim on the same images only the number of mistakes is known, and no closer than the accuracy was printed, not
    which images they are. So the exact test is made for every number that is printed so, at both ends of what could be
    shared: 'higher', 'lower' and 'reproduced' hold for all of them; where it depends, the verdict is 'undecided'. The
    limits are the widest, of the least overlap. On other images, and where the account does not say which, Newcombe's
    95% interval decides in the same way, and 'reproduced' means that it covers zero. Neither means that the two are
    equal; with few images almost anything is reproduced.
    """
    published, published_n = float(claim["value"]), None if pd.isna(claim["n"]) else int(claim["n"])
    about = (str(claim.name), published, published_n, row.value, row.n)
    reason = f"other data: {data}" if data != MNIST else _why_not_comparable(row, claim, published_n)
    if reason:
        return Verdict(*about, None, None, None, "not comparable", reason)
    right = correct_counts(claim["printed"], published_n)
    if same_images(row, claim):
        found = _on_the_same_images(row, [published_n - each for each in right])
        return Verdict(*about, row.value - published, *found, same_images=True)
    ends = [comparison.newcombe(round(row.value * row.n), row.n, each, published_n) for each in (right[0], right[-1])]
    low, high = min(one.low for one in ends), max(one.high for one in ends)
    words = {_side(one.low, one.high) for one in ends}
    word = words.pop() if len(words) == 1 else "undecided"
    reason = {
        "higher": "the interval of the difference lies above zero",
        "lower": "the interval of the difference lies below zero",
        "reproduced": "the interval of the difference covers zero",
        "undecided": f"{right[0]:,} to {right[-1]:,} right are printed so, and only some can be told from ours",
    }[word]
    return Verdict(*about, row.value - published, low, high, word, reason)


def same_images(row: Row, claim: pd.Series) -> bool:
    """Return whether a row and a claim are about the very same test images, which the account names."""
    n = None if pd.isna(claim["n"]) else int(claim["n"])
    measured_on = test_set(row.split, row.n)
    return measured_on in PUBLIC and measured_on == test_set(claim["split"], n) and WHICH not in claim["unsaid"]


def _side(low: float, high: float) -> str:
    return "higher" if low > 0 else "lower" if high < 0 else "reproduced"


def _on_the_same_images(row: Row, theirs: Sequence[int]) -> tuple[float, float, str, str]:
    """Return low, high, verdict and reason, from numbers of mistakes alone; theirs: all that are printed alike."""
    n, ours = row.n, round((1 - row.value) * row.n)
    bounds = [comparison.overlap_bounds(ours, each, n) for each in theirs]
    least, most = min(nested for nested, _ in bounds), max(apart for _, apart in bounds)
    # Least overlap: each alone reads what the other misreads.
    alone = [(each - shared, ours - shared) for each in theirs for shared in [max(0, ours + each - n)]]
    intervals = [comparison.paired_interval(*each, n) for each in alone]
    low, high = min(one.low for one in intervals), max(one.high for one in intervals)
    if least >= LEVEL:
        return low, high, "reproduced", "McNemar's test tells them apart for no overlap of the mistakes"
    if most < LEVEL:
        word = "higher" if ours < min(theirs) else "lower"
        return low, high, word, "McNemar's test tells them apart for every overlap of the mistakes"
    few, many = min(theirs), max(theirs)
    reason = f"{ours:,} mistakes against {few:,}{f' to {many:,}' if many > few else ''} on the same images: "
    reason += "McNemar's test tells them apart "
    ends = {each: comparison.shared_to_tell_apart(ours, each, alpha=LEVEL) for each in (few, many)}
    told = {each: "never" if shared is None else f"from {shared:,} shared ones on" for each, shared in ends.items()}
    reason += told[few] if many == few else f"{told[few]} if theirs are {few:,}, {told[many]} if {many:,}"
    return low, high, "undecided", reason


def _why_not_comparable(row: Row, claim: pd.Series, published_n: int | None) -> str:
    if row.short_budget:
        return f"short budget: {row.note}" if row.note else "short budget"
    if row.instead:
        return f"{row.instead}; the source does not say on how many images" if published_n is None else row.instead
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
                "published": _of(in_percent(claim["printed"]) if share else claim["printed"], one.published_n),
                "ours": _of(f"{100 * one.ours:.2f}%" if share else f"{one.ours:g}", one.ours_n),
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


def _of(number: str, n: int | None) -> str:
    return number if n is None else f"{number} of {n:,}"


def check_claim(row: Row, known: pd.DataFrame) -> None:
    """Raise ValueError where a row answers a claim that `known`, as from `claims`, does not have."""
    check(row.claim_id in known.index, "claim_id", row.claim_id, "one of data/claims.csv")
