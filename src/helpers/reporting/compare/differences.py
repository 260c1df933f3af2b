"""Two snapshots of the results side by side: which numbers moved, by more than their noise or not, claim by claim.

A difference is judged by a 95% interval. Where rows carry a standard deviation over seeds it is Welch's t interval on
the two means; a proportion without seeds gets Newcombe's interval, as if the two had been measured on different
images, which for the same images is generous; else two intervals of their own are compared. Each says which it was.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd

from helpers import results
from helpers.evaluation import comparison
from helpers.reporting.compare.revision import Snapshot
from helpers.results.rows import FRACTIONS, Row

SEEDS, IMAGES, OVERLAP, NOTHING = "seed noise", "number of images", "two intervals", "no yardstick"
JUDGEMENTS = ("beyond noise", "within noise", "not judged", "unchanged")


@dataclass(frozen=True)
class Change:
    """One row then and now; low and high bound now - then, None where nothing is known of its noise."""

    notebook: str
    then: Row
    now: Row
    difference: float
    low: float | None
    high: float | None
    yardstick: str  # SEEDS, IMAGES, OVERLAP or NOTHING
    judgement: str  # one of JUDGEMENTS

    @property
    def direction(self) -> str:
        """Which way it moved: "higher", "lower", or "" when it did not."""
        return "higher" if self.difference > 0 else "lower" if self.difference < 0 else ""

    @property
    def share(self) -> bool:
        """Whether it is a fraction, to be shown as a percentage."""
        return self.now.metric in FRACTIONS


@dataclass(frozen=True)
class ClaimThenNow:
    """A published claim with our verdict then and now; None where it was not answered."""

    claim_id: str
    system: str
    share: bool
    published: float | None
    then: results.Verdict | None
    now: results.Verdict | None

    @property
    def changed(self) -> bool:
        """Whether the verdict is another one, or appeared, or went."""
        return (self.then and self.then.verdict) != (self.now and self.now.verdict)


@dataclass(frozen=True)
class Comparison:
    """Everything that differs between two snapshots. appeared, gone: (notebook, row). answers: notebook, then, now."""

    changes: tuple[Change, ...]
    appeared: tuple[tuple[str, Row], ...]
    gone: tuple[tuple[str, Row], ...]
    claims: tuple[ClaimThenNow, ...]
    answers: tuple[tuple[str, str, str], ...]

    def judged(self, judgement: str) -> list[Change]:
        """Return the changes of one judgement, the largest first within each report."""
        chosen = [change for change in self.changes if change.judgement == judgement]
        return sorted(chosen, key=lambda change: (change.notebook, -abs(change.difference)))


def compare(then: Snapshot, now: Snapshot) -> Comparison:
    """Compare what two snapshots say; rows meet by claim, or else by system, split and metric within one report."""
    changes, appeared, gone, answers = [], [], [], []
    for notebook in sorted(then.reports.keys() | now.reports.keys()):
        old, new = then.reports.get(notebook), now.reports.get(notebook)
        pairs, went, came = _matched(old.rows if old else (), new.rows if new else ())
        changes += [judge(notebook, a, b) for a, b in pairs]
        appeared += [(notebook, row) for row in came]
        gone += [(notebook, row) for row in went]
        if old and new and old.answer != new.answer:
            answers.append((notebook, old.answer, new.answer))
    return Comparison(tuple(changes), tuple(appeared), tuple(gone), _claims(then, now), tuple(answers))


def judge(notebook: str, then: Row, now: Row, *, confidence: float = 0.95) -> Change:
    """Return the change between two rows about the same thing, judged against the noise that they state."""
    over_seeds = then.sd is not None or now.sd is not None
    a, b = (_centre(row) if over_seeds else row.value for row in (then, now))
    difference, low, high, yardstick = b - a, None, None, NOTHING
    if over_seeds:
        low, high = _welch(then, now, difference, confidence)
        yardstick = SEEDS
    elif then.metric in FRACTIONS and then.n and now.n:
        found = comparison.newcombe(round(b * now.n), now.n, round(a * then.n), then.n, confidence=confidence)
        # Means over repetitions need not be whole images: keep the difference inside its interval.
        low, high, yardstick = min(found.low, difference), max(found.high, difference), IMAGES
    elif then.low is not None and now.low is not None:
        low, high, yardstick = now.low - then.high, now.high - then.low, OVERLAP
    if abs(difference) < 1e-12 and then.n == now.n:
        judgement = "unchanged"
    elif low is None:
        judgement = "not judged"
    else:
        judgement = "within noise" if low <= 0 <= high else "beyond noise"
    return Change(notebook, then, now, difference, low, high, yardstick, judgement)


def _centre(row: Row) -> float:
    return row.value if row.mean is None else row.mean


def _welch(then: Row, now: Row, difference: float, confidence: float) -> tuple[float, float]:
    """Bound the difference of two means by Welch's t (1947); a row without seeds borrows the other's spread."""
    from scipy import stats

    parts = []
    for row, other in ((then, now), (now, then)):
        sd, degrees = (row.sd, row.seeds - 1) if row.sd is not None else (other.sd, other.seeds - 1)
        # A single value, unlike a mean, carries the whole spread of one seed.
        parts.append((sd**2 / (row.seeds if row.sd is not None and row.mean is not None else 1), degrees))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return difference, difference
    degrees = variance**2 / sum(part**2 / freedom for part, freedom in parts)
    reach = float(stats.t.ppf(0.5 + confidence / 2, degrees)) * sqrt(variance)
    return difference - reach, difference + reach


def _matched(old: Iterable[Row], new: Iterable[Row]) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """Pair rows by claim first, for a system may be renamed; then by system, split and metric, in order."""
    old, new, pairs = list(old), list(new), []
    for identify in (lambda row: row.claim_id, lambda row: (row.system, row.split, row.metric)):
        waiting = defaultdict(list)
        for row in old:
            if identify(row) is not None:
                waiting[identify(row)].append(row)
        left = []
        for row in new:
            candidates = [one for one in waiting.get(identify(row), ()) if one.metric == row.metric]
            if candidates:
                waiting[identify(row)].remove(candidates[0])
                pairs.append((candidates[0], row))
            else:
                left.append(row)
        taken = {id(before) for before, _ in pairs}
        old, new = [row for row in old if id(row) not in taken], left
    return pairs, old, new


def _claims(then: Snapshot, now: Snapshot) -> tuple[ClaimThenNow, ...]:
    """Return every claim of either moment, each judged with the claims of its own time."""
    old, new = _verdicts(then), _verdicts(now)
    found = []
    for claim_id in [*now.claims.index, *(name for name in then.claims.index if name not in now.claims.index)]:
        claim = (now if claim_id in now.claims.index else then).claims.loc[claim_id]
        value = None if pd.isna(claim["value"]) else float(claim["value"])
        about = (str(claim_id), str(claim["system"]), claim["metric"] in FRACTIONS, value)
        found.append(ClaimThenNow(*about, old.get(claim_id), new.get(claim_id)))
    return tuple(found)


def _verdicts(snapshot: Snapshot) -> dict[str, results.Verdict]:
    rows = [row for report in snapshot.reports.values() for row in report.rows]
    return {
        row.claim_id: results.verdict(row, snapshot.claims.loc[row.claim_id])
        for row in rows
        if row.claim_id in snapshot.claims.index
    }


def expected_by_chance(comparison: Comparison) -> float:
    """Return how many of the judged changes would lie beyond noise at 95% if nothing but noise had moved them."""
    judged = [change for change in comparison.changes if change.judgement in ("beyond noise", "within noise")]
    return float(np.round(0.05 * len(judged), 1))
