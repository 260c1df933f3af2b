"""The front page of the series, from finished values, and the files all pages share."""

import filecmp
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from helpers.reporting import headline, scoreboard, wording
from helpers.reporting.leaderboard import Board
from helpers.reporting.scoreboard import ClaimLine
from helpers.runtime.files import write_atomically

TEMPLATES = Path(__file__).with_name("template")
ASSETS = ("report.css", "report.js", "index.css", "index.js")  # besides plotly's own script


@dataclass(frozen=True)
class IndexEntry:
    """One report as the index shows it: what it asks, what it found, what it cost, whether it is up to date."""

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
    thumbnail: str = ""  # safe HTML: the key figure, small
    page: bool = True  # whether slug.html exists, to be linked to
    stale: str | None = None  # why the page is not of the present sources; "" when it is, None when nobody looked


def render_index(
    entries: Iterable[IndexEntry],
    *,
    claims: Iterable[ClaimLine] = (),
    boards: Sequence[Board] = (),
    commit: Mapping[str, Any] | None = None,
    smoke: bool = False,
    searchable: bool = False,
    try_it: bool = False,
) -> str:
    """Return reports/index.html: the answer, a card per report, every published claim beside ours, all models.

    `claims` comes from `scoreboard.lines`, `boards` from `leaderboard.boards`; `commit` is {"commit": str, "dirty":
    bool}. `smoke` puts up the banner that says the numbers mean nothing. `searchable`: assets/search.js lies beside
    the page (see `search.script`). `try_it`: try.html does.
    """
    entries, claims = list(entries), list(claims)
    sources: dict[str, list[ClaimLine]] = {}
    for line in claims:
        sources.setdefault(line.source, []).append(line)
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            entries=entries,
            sources=sources,
            boards=boards,
            headline=headline.find(boards, claims),
            tally=scoreboard.tally(claims),
            reach=f"{100 * scoreboard.WHISKER_SPAN:g}",
            verdicts=scoreboard.VERDICTS,
            total_seconds=sum(entry.seconds or 0 for entry in entries),
            commit=dict(commit or {}),
            smoke=smoke or any(entry.smoke for entry in entries),
            searchable=searchable,
            try_it=try_it,
        )
    )


def write_assets(directory: Path) -> None:
    """Write the shared plotly.min.js, style sheets and scripts into `directory`; files that are the same stay."""
    import plotly  # only its package data is used; importing the bare package is cheap

    directory.mkdir(parents=True, exist_ok=True)
    sources = [Path(plotly.__file__).parent / "package_data" / "plotly.min.js"]
    for source in [*sources, *(TEMPLATES / name for name in ASSETS)]:
        target = directory / source.name
        if not target.exists() or not filecmp.cmp(source, target, shallow=False):
            write_atomically(target, source.read_bytes())


def write_script(directory: Path, text: str) -> None:
    """Write assets/search.js, unless it is the same already."""
    target = directory / "search.js"
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        write_atomically(target, text)


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
    made.filters |= wording.FILTERS
    made.filters["whisker"] = scoreboard.whisker
    return made
