"""Every published claim beside what the reports measured: one line each, judged, or honestly not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

VERDICTS = {
    "reproduced": "the test cannot tell them apart",
    "higher": "ours is better, and the test tells them apart",
    "lower": "ours is worse, and the test tells them apart",
    "undecided": "it depends on what is not on record: which images theirs misread, or how many exactly",
    "short budget": "ours trained far more briefly than published, so it is not judged",
    "not comparable": "no sample size, too small a sample, another metric, or ours is another network or another test",
    "not yet run": "no report has taken this claim up yet",
}
WHISKER_SPAN = 0.02  # the drawn intervals reach from -2 to +2 percentage points


@dataclass(frozen=True)
class ClaimLine:
    """One published figure beside ours; accuracies and differences are fractions of one, not percentages."""

    claim_id: str
    source: str
    system: str
    split: str
    metric: str
    published: float
    published_n: int | None
    printed: str = ""  # the published figure with the digits of its account, accuracies in percent: "99.4%"
    misread: tuple[int, int] | None = None  # least and most mistakes that are printed so
    note: str = ""
    published_low: float | None = None
    published_high: float | None = None
    our_system: str = ""
    ours: float | None = None
    ours_n: int | None = None
    ours_low: float | None = None
    ours_high: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str = "not yet run"  # a key of VERDICTS
    reason: str = ""
    remark: str = ""  # the note of our row: which seeds, where trained, how long
    conditions: str = ""  # how ours was trained and asked, in words
    unsaid: str = ""  # what the account leaves open, so that ours is an assumption
    same_images: bool = False  # the very images of the claim
    images_said: bool = True  # whether the account says which images it is about
    seconds: float | None = None
    slug: str = ""  # report that holds our figure
    section: str = ""  # heading anchor in it


@dataclass(frozen=True)
class Tally:
    """How many claims there are and how many of them each verdict got; a claim answered twice counts once."""

    n: int
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """Claims that no report has taken up."""
        return self.counts.get("not yet run", 0)

    @property
    def judged(self) -> int:
        """Claims with a verdict that rests on a test."""
        return sum(self.counts.get(name, 0) for name in ("reproduced", "higher", "lower"))


def lines(reports: Iterable[Any], *, anchors: Mapping[str, Iterable[str]] | None = None) -> list[ClaimLine]:
    """Return one line per published claim and row of ours that answers it, in the order of data/claims.csv.

    `reports` are `helpers.results.Report`s; `anchors` the heading anchors of each report's page (slug -> anchors),
    by which a line links to the very section. A claim that no row answers gets one line, "not yet run".
    """
    from helpers import results  # pandas and scipy: only the index needs them
    from helpers.evaluation import metrics
    from helpers.results import published as claimed

    rows: dict[str, list[tuple[str, Any]]] = {}
    for report in reports:
        for row in report.rows:
            if row.claim_id:
                rows.setdefault(row.claim_id, []).append((report.notebook, row))
    found = []
    for claim_id, claim in results.claims().iterrows():
        published, n = float(claim["value"]), None if _missing(claim["n"]) else int(claim["n"])
        common = {
            "claim_id": str(claim_id),
            "source": str(claim["source"]),
            "published": published,
            "published_n": n,
            "printed": claimed.in_percent(claim["printed"]) if claim["metric"] == "accuracy" else claim["printed"],
            "images_said": claimed.WHICH not in claim["unsaid"],
            **{name: _text(claim[name]) for name in ("system", "split", "metric", "note", "unsaid")},
        }
        if n and claim["metric"] == "accuracy":
            right = claimed.correct_counts(claim["printed"], n)
            low, high = metrics.wilson(right[0], n).low, metrics.wilson(right[-1], n).high
            common |= {"published_low": min(low, published), "published_high": max(high, published)}
            common["misread"] = (n - right[-1], n - right[0])
        for slug, row in rows.get(str(claim_id), []):
            found.append(_answered(common, slug, row, results.verdict(row, claim), (anchors or {}).get(slug)))
        if str(claim_id) not in rows:
            found.append(ClaimLine(**common))
    return found


def tally(claims: Iterable[ClaimLine]) -> Tally:
    """Count claims by verdict. Of a claim with several answers the first, in the order of VERDICTS, counts."""
    order, best = list(VERDICTS), {}
    for line in claims:
        best[line.claim_id] = min(best.get(line.claim_id, line.verdict), line.verdict, key=order.index)
    return Tally(len(best), {name: list(best.values()).count(name) for name in VERDICTS})


def whisker(line: ClaimLine, *, span: float = WHISKER_SPAN) -> dict[str, float] | None:
    """Return where to draw a difference and its interval on a bar 0 to 100 that stands for -span to +span.

    What lies outside is drawn at the edge. None where there is no interval.
    """
    if line.difference is None or line.low is None or line.high is None:
        return None
    place = [min(max(50 + 50 * value / span, 1), 99) for value in (line.low, line.difference, line.high)]
    return dict(zip(("low", "mid", "high"), place, strict=True))


def section_of(section: str | None, anchors: Iterable[str] | None) -> str:
    """Return the anchor to link to: the row's own where the page has it, else the page's section on claims.

    Nothing where the page has neither. Without `anchors` the row's own is believed.
    """
    if anchors is None:
        return section or ""
    anchors = list(anchors)
    if section in anchors:
        return section
    return next((anchor for anchor in anchors if "claims" in anchor.split("-")), "")


def _answered(common: dict, slug: str, row: Any, found: Any, anchors: Iterable[str] | None) -> ClaimLine:
    from helpers.results import conditions

    short = found.verdict == "not comparable" and row.short_budget
    return ClaimLine(
        **common,
        our_system=row.system,
        ours=row.value,
        ours_n=row.n,
        ours_low=row.low,
        ours_high=row.high,
        difference=found.difference,
        low=found.low,
        high=found.high,
        verdict="short budget" if short else found.verdict,
        reason="" if short else found.reason or "",
        remark=row.note,
        conditions=_how(conditions.of(row).words(brief=True) if row.train_images is not None else "", row.seen),
        same_images=found.same_images,
        seconds=row.seconds,
        slug=slug,
        section=section_of(row.section, anchors),
    )


def _how(conditions: str, seen: float) -> str:
    leak = f"{seen:.0%} of the test was in its training" if seen else ""
    return ", ".join(filter(None, (conditions, leak)))


def _text(value: Any) -> str:
    return "" if _missing(value) else str(value)


def _missing(value: Any) -> bool:
    """Tell whether a cell of a table is empty; pandas' NA cannot be compared, so its text is looked at."""
    return value is None or str(value) in {"<NA>", "nan"}
