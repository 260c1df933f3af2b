"""The front page of the series and the files all pages share."""

import filecmp
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

TEMPLATES = Path(__file__).with_name("template")

VERDICTS = {
    "reproduced": "the interval on the difference covers zero",
    "higher": "ours is better, and the interval excludes zero",
    "lower": "ours is worse, and the interval excludes zero",
    "not comparable": "no sample size, too small a sample, or another metric",
    "not yet run": "no report has taken this claim up yet",
}

WHISKER_SPAN = 0.02  # the drawn intervals reach from -2 to +2 percentage points
_WORDS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


@dataclass(frozen=True)
class IndexEntry:
    """One report as the index shows it: what it asks, what it found, what it cost."""

    slug: str  # file name without .html, "01_eda"
    title: str
    question: str = ""
    answer: str = ""  # one computed sentence; empty until the notebook has run
    profile: str = "standard"
    seconds: float | None = None
    executed_at: str = ""  # ISO 8601
    smoke: bool = False
    results: Any = None  # helpers.results.Report | None
    reading_minutes: int = 0


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
    note: str = ""
    ours: float | None = None
    ours_n: int | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str = "not yet run"  # a key of VERDICTS
    reason: str = ""
    slug: str = ""  # report that holds our figure
    section: str = ""  # heading anchor in it


def scoreboard(reports: Iterable[Any]) -> list[ClaimLine]:
    """Return one line per published claim and row of ours that answers it, in the order of data/claims.csv.

    `reports` are `helpers.results.Report`s. A claim that no row answers gets one line, "not yet run".
    """
    from helpers import results  # pandas and scipy: only the index needs them

    rows: dict[str, list[tuple[str, Any]]] = {}
    for report in reports:
        for row in report.rows:
            if row.claim_id:
                rows.setdefault(row.claim_id, []).append((report.notebook, row))
    lines = []
    for claim_id, claim in results.claims().iterrows():
        published_n = _integer(claim["n"])
        common = {
            "claim_id": str(claim_id),
            "source": str(claim["source"]),
            "system": _text(claim["system"]),
            "split": _text(claim["split"]),
            "metric": _text(claim["metric"]),
            "published": float(claim["value"]),
            "published_n": published_n,
            "note": _text(claim["note"]),
        }
        for slug, row in rows.get(str(claim_id), []):
            found = results.verdict(row, claim)
            lines.append(
                ClaimLine(
                    **common,
                    ours=row.value,
                    ours_n=row.n,
                    difference=found.difference,
                    low=found.low,
                    high=found.high,
                    verdict=found.verdict,
                    reason=found.reason or "",
                    slug=slug,
                    section=row.section or "",
                )
            )
        if str(claim_id) not in rows:
            lines.append(ClaimLine(**common))
    return lines


def write_assets(directory: Path) -> None:
    """Write the shared plotly.min.js, report.css and report.js into `directory`; files that are the same stay."""
    import plotly  # only its package data is used; importing the bare package is cheap

    directory.mkdir(parents=True, exist_ok=True)
    sources = [
        Path(plotly.__file__).parent / "package_data" / "plotly.min.js",
        TEMPLATES / "report.css",
        TEMPLATES / "report.js",
    ]
    for source in sources:
        target = directory / source.name
        if not target.exists() or not filecmp.cmp(source, target, shallow=False):
            part = target.with_suffix(target.suffix + ".part")
            shutil.copyfile(source, part)
            part.replace(target)


def render_index(
    entries: Iterable[IndexEntry],
    *,
    claims: Iterable[ClaimLine] = (),
    commit: Mapping[str, Any] | None = None,
    smoke: bool = False,
) -> str:
    """Return reports/index.html: what this is, one card per report, and every published claim beside ours.

    `claims` comes from `scoreboard`; `commit` is {"commit": str, "dirty": bool}. `smoke` puts up the banner that
    says the numbers mean nothing.
    """
    entries, claims = list(entries), list(claims)
    sources: dict[str, list[ClaimLine]] = {}
    for line in claims:
        sources.setdefault(line.source, []).append(line)
    all_ids = {line.claim_id for line in claims}
    waiting = {line.claim_id for line in claims if line.verdict == "not yet run"}
    counts = {name: sum(line.verdict == name for line in claims) for name in VERDICTS}
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            entries=entries,
            sources=sources,
            projects=_projects(len(sources)),
            reach=f"{100 * WHISKER_SPAN:g}",
            n_claims=len(all_ids),
            n_waiting=len(waiting),
            n_answered=len(all_ids) - len(waiting),
            counts=counts,
            verdicts=VERDICTS,
            total_seconds=sum(entry.seconds or 0 for entry in entries),
            commit=dict(commit or {}),
            smoke=smoke or any(entry.smoke for entry in entries),
        )
    )


@cache
def environment() -> jinja2.Environment:
    """Return the template environment of every page: autoescape on, undefined names are errors."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"duration": duration, "day": day, "number": number_of, "percent": percent, "points": points}
    made.filters["whisker"] = whisker
    return made


def duration(seconds: float | None) -> str:
    """Return seconds for reading: "0.8 s", "42 s", "3 min 20 s", "2 h 5 min"."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def day(moment: str) -> str:
    """Return an ISO 8601 moment as "21 November 2026"; what cannot be read is returned as it is."""
    from datetime import datetime

    try:
        parsed = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return str(moment or "")
    return f"{parsed.day} {parsed:%B %Y}"


def number_of(slug: str) -> str:
    """Return the number a slug begins with ("02_svm" -> "02"), or nothing."""
    head = slug.split("_", 1)[0]
    return head if head.isdigit() else ""


def percent(fraction: float | None, n: int | None = None) -> str:
    """Return a fraction as a percentage with the decimals that `n` observations can carry (two below 100,000)."""
    if fraction is None:
        return ""
    decimals = 1 if n is not None and n < 1000 else 2
    return f"{100 * fraction:.{decimals}f}%"


def points(difference: float | None) -> str:
    """Return a difference of two fractions in percentage points, signed with a true minus."""
    if difference is None:
        return ""
    return f"{100 * difference:+.2f}".replace("-", "−")


def whisker(line: ClaimLine, *, span: float = WHISKER_SPAN) -> dict[str, float] | None:
    """Return where to draw a difference and its interval on a bar 0 to 100 that stands for -span to +span.

    What lies outside is drawn at the edge. None where there is no interval.
    """
    if line.difference is None or line.low is None or line.high is None:
        return None
    place = [min(max(50 + 50 * value / span, 1), 99) for value in (line.low, line.difference, line.high)]
    return dict(zip(("low", "mid", "high"), place, strict=True))


def _projects(n: int) -> str:
    number = _WORDS[n] if n < len(_WORDS) else str(n)
    return f"{number} public project reports" if n == 1 else f"{number} public projects report"


def _integer(value: Any) -> int | None:
    return None if _missing(value) else int(value)


def _text(value: Any) -> str:
    return "" if _missing(value) else str(value)


def _missing(value: Any) -> bool:
    """Tell whether a cell of a table is empty; pandas' NA cannot be compared, so its text is looked at."""
    return value is None or str(value) in {"<NA>", "nan"}
