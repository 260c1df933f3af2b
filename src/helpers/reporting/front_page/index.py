"""The front page, from what lies on disk: recorded results, the claims, the manifest, what each page says of itself."""

import contextlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from helpers.reporting.front_page import headline, leaderboard, notes, scoreboard, search
from helpers.reporting.front_page.leaderboard import Board
from helpers.reporting.front_page.scoreboard import ClaimLine
from helpers.reporting.page import card, glossary, site, wording
from helpers.reporting.run import freshness, provenance
from helpers.reporting.run.own import Own
from helpers.reporting.run.plan import Job, Places
from helpers.runtime import paths
from helpers.runtime.files import write_atomically

HERE = Path(__file__).parent


@dataclass(frozen=True)
class IndexEntry:
    """One report as the index shows it: what it asks, what it found, what it cost, whether it is up to date."""

    slug: str  # file name without .html, "01_eda"
    title: str
    question: str = ""
    answer: str = ""  # one computed sentence, or the first of the page; empty until the notebook has run
    profile: str = "standard"
    seconds: float | None = None
    executed_at: str = ""  # ISO 8601
    smoke: bool = False
    results: Any = None  # helpers.results.Report | None
    reading_minutes: int = 0
    picture: Mapping[str, Any] | None = None  # of the card: the key figure, small; None where there is none
    page: bool = True  # whether slug.html exists, to be linked to
    failed: str = ""  # where it says what went wrong with its last execution, as seen from the front page
    failing: bool = False  # whether its last execution failed, so that what stands here is of an earlier one
    stale: str | None = None  # why the page is not of the present sources; "" when it is, None when nobody looked
    in_work: str = ""  # since when a build executes it (ISO 8601): one that was killed cannot say that it ended


def render_index(
    entries: Iterable[IndexEntry],
    *,
    claims: Iterable[ClaimLine] = (),
    boards: Sequence[Board] = (),
    commit: Mapping[str, Any] | None = None,
    smoke: bool = False,
    searchable: bool = False,
    try_it: bool = False,
    own: Own | None = None,
    left_out: Sequence[Job] = (),
) -> str:
    """Return reports/index.html: the answer, a card per report, every published claim beside ours, all models.

    `claims` comes from `scoreboard.lines`, `boards` from `leaderboard.boards`; `commit` is {"commit": str, "dirty":
    bool}. `smoke` puts up the banner that says the numbers mean nothing. `searchable`: assets/search.js lies beside
    the page (see `search.script`). `try_it`: try.html does. `own`: the digits that the reports are about, where these
    are not MNIST; `left_out`: reports that are about others.
    """
    entries, claims = list(entries), list(claims)
    sources: dict[str, list[ClaimLine]] = {}
    for line in claims:
        sources.setdefault(line.source, []).append(line)
    said = [line.remark for line in claims] + [each.note for board in boards for each in board.standings]
    environment = site.environment(HERE / "template")
    environment.filters |= {"in_words": notes.in_words, "moment": _moment}
    return environment.get_template("index.html.j2").render(
        whisker=scoreboard.whisker,
        project=glossary.project,
        entries=entries,
        sources=sources,
        boards=boards,
        watched=leaderboard.WATCHED,
        headline=headline.find(boards, claims, key=own.images if own else "mnist"),
        tally=scoreboard.tally(claims),
        tallies={source: scoreboard.tally(lines) for source, lines in sources.items()},
        rows=len(claims),
        notes=notes.shared(said) if claims else {},
        reach=f"{100 * scoreboard.WHISKER_SPAN:g}",
        verdicts=scoreboard.VERDICTS,
        total_seconds=sum(entry.seconds or 0 for entry in entries),
        commit=dict(commit or {}),
        smoke=smoke or any(entry.smoke for entry in entries),
        searchable=searchable,
        try_it=try_it,
        own=own,
        left_out=left_out,
    )


def write_index(
    jobs: list[Job],
    where: Places,
    *,
    left_out: Sequence[Job] = (),
    in_work: Collection[str] = (),
    since: str = "",
) -> Path:
    """Write the index page, its search and the shared assets, when what they are made from has changed.

    left_out: reports that are not part of this set, which are named. in_work: the slugs of those that a build under way
    has still to execute, since a moment (ISO 8601).
    """
    index, script = where.pages / "index.html", where.pages / "assets" / "search.js"
    now = _sources(jobs, where, left_out, in_work, since)
    state = where.state / "index.json"
    there = index.exists() and script.exists()
    if there and freshness.read_state(state) == {"sources": now, "html": freshness.digest(index.read_bytes())}:
        return index
    where.pages.mkdir(parents=True, exist_ok=True)
    site.write_assets(where.pages / "assets")
    page, text = make(jobs, where, left_out=left_out, in_work=in_work, since=since)
    write_script(script.parent, text)
    write_atomically(index, page)
    write_atomically(state, json.dumps({"sources": now, "html": freshness.digest(page)}))
    return index


def make(
    jobs: list[Job],
    where: Places,
    *,
    left_out: Sequence[Job] = (),
    in_work: Collection[str] = (),
    since: str = "",
) -> tuple[str, str]:
    """Return the index page and the text of assets/search.js, from the reports that are rendered there."""
    from helpers import results  # pandas takes a second to import
    from helpers.results.rows import MNIST

    manifest = freshness.read_state(where.pages / "manifest.json") or {}
    entries, reports, cards = [], [], {}
    for job in jobs:
        found, wrong, about = None, "", manifest.get(job.slug, {})
        html = where.pages / f"{job.slug}.html"
        if html.exists():
            cards[job.slug] = freshness.read_state(where.cards / f"{job.slug}.json") or {}
            with contextlib.suppress(FileNotFoundError):
                try:
                    found = results.load(job.slug, directory=where.results)
                    reports.append(found)
                except ValueError as error:  # it must not keep the others from being shown
                    wrong = str(error)
        entries.append(
            IndexEntry(
                slug=job.slug,
                title=job.title,
                question=found.question if found else "",
                answer=found.answer if found else card.first_sentence(cards.get(job.slug, {})),
                profile=found.profile if found else where.profile,
                seconds=about.get("seconds"),
                executed_at=about.get("executed_at", ""),
                smoke=where.profile == "smoke",
                results=found,
                reading_minutes=about.get("reading_minutes", 0),
                picture=cards.get(job.slug, {}).get("picture"),
                page=html.exists(),
                failed=_failure(job.slug, where),
                failing=_failing(job.slug, where),
                stale=wrong or stale(job, about) if job.slug in cards else job.error or None,
                in_work=since if job.slug in in_work else "",
            )
        )
    texts = {slug: card.get("sections", []) for slug, card in cards.items()}
    anchors = {slug: [anchor for anchor, *_ in parts if anchor] for slug, parts in texts.items()}
    name = where.own.name if where.own else MNIST
    reports = [each for each in reports if each.data == name]  # what was measured on other digits stands in its report
    claims = [] if where.own else scoreboard.lines(reports, anchors=anchors)
    titles = {job.slug: job.title for job in jobs}
    page = render_index(
        entries,
        claims=claims,
        boards=leaderboard.boards(reports, anchors=anchors, own=where.own),
        commit=provenance.commit(),
        smoke=where.profile == "smoke",
        searchable=True,
        try_it=(where.pages / "try.html").exists(),
        own=where.own,
        left_out=left_out,
    )
    return page, search.script((slug, titles[slug], parts) for slug, parts in texts.items())


def _moment(moment: str) -> str:
    """Return an ISO 8601 moment as "14:03 on 21 November 2026", by the clock of whoever wrote it."""
    return f"{datetime.fromisoformat(moment):%H:%M} on {wording.day(moment)}"


def _failing(slug: str, where: Places) -> bool:
    """Whether a report's last execution failed: the page that says why goes with the next one that does not."""
    return (where.failed / f"{slug}.html").exists()


def _failure(slug: str, where: Places) -> str:
    """Return where the page of a failed execution lies as seen from the front page; nothing where that has none."""
    page = where.failed / f"{slug}.html"
    inside = page.is_relative_to(where.pages) and page.exists()
    return page.relative_to(where.pages).as_posix() if inside else ""


def stale(job: Job, about: dict) -> str:
    """Return why the page on disk is not of the present sources, in a few words; nothing when it is.

    `about` is the report's entry in the manifest.
    """
    if job.error:
        return job.error
    now = freshness.components(job.notebook, job.resolved, before=about.get("components"))
    changed = freshness.why_stale(about.get("components"), now)
    if changed:
        return changed[0] + (f" and {len(changed) - 1} more" if len(changed) > 1 else "")
    return "" if about.get("page") == job.page else "prose, title or template changed"


def _sources(jobs: list[Job], where: Places, left_out: Sequence[Job], in_work: Collection[str], since: str) -> str:
    """Return one digest of all that the front page is made from."""
    made_from = [freshness.renderer_digest(), provenance.data_checksums(), (where.pages / "try.html").exists()]
    made_from += [
        (path.name, freshness.digest(path.read_bytes()))
        for path in sorted(Path(__file__).parent.rglob("*"))
        if path.is_file()
    ]
    made_from += [(job.slug, job.title, job.sources, job.error) for job in jobs]  # fresh or stale
    made_from += [(_failure(job.slug, where), _failing(job.slug, where)) for job in jobs]
    made_from += [since, *sorted(in_work)] if in_work else []
    made_from += [repr(where.own), [(job.slug, job.title) for job in left_out]] if where.own else []
    sources = [where.pages / "manifest.json", paths.CLAIMS]
    sources += [path for home in (where.results, where.cards) for path in sorted(home.glob("*.json"))]
    made_from += [(path.name, freshness.digest(path.read_bytes())) for path in sources if path.exists()]
    return freshness.digest(json.dumps(made_from))


def write_script(directory: Path, text: str) -> None:
    """Write assets/search.js, unless it is the same already."""
    target = directory / "search.js"
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        write_atomically(target, text)
