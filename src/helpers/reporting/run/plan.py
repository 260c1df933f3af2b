"""Work out what a build would do: every notebook of a profile, its parameters, and why it is stale."""

import json
import threading
from dataclasses import dataclass
from pathlib import Path

import nbformat

from helpers.reporting.run import freshness, parameters
from helpers.runtime import paths
from helpers.runtime.files import write_atomically

_MANIFEST = threading.Lock()  # notebooks are executed side by side
PROFILES = ("standard", "smoke", "full")


@dataclass(frozen=True)
class Places:
    """Where one profile's products go. Only the standard profile writes to reports/. cards: see `page.card`."""

    pages: Path
    results: Path
    executed: Path
    failed: Path
    state: Path
    logs: Path

    @property
    def cards(self) -> Path:
        """What each page says of itself for the front page, beside the assets that pages share."""
        return self.pages / "assets" / "cards"


@dataclass(frozen=True)
class Job:
    """One notebook of one profile, with all that decides whether it is fresh."""

    slug: str
    title: str
    notebook: nbformat.NotebookNode
    overrides: dict
    resolved: dict
    components: dict[str, str]
    page: str  # digest of what shapes the page besides the numbers
    previous: tuple[str, str] | None
    next: tuple[str, str] | None
    recorded: str = ""  # the name it records results under, where that is not its slug

    @property
    def sources(self) -> str:
        """One digest of everything the report is made from."""
        return freshness.digest(json.dumps([self.components, self.page], sort_keys=True))


def places(profile: str) -> Places:
    """Return the directories of a profile."""
    if profile == "standard":
        home, pages, found = paths.BUILD, paths.REPORTS, paths.RESULTS
    else:
        home = paths.BUILD / profile
        pages, found = home, home / "results"
    return Places(pages, found, home / "executed", home / "failed", home / "state", home / "logs")


def plan(profile: str) -> list[Job]:
    """Read and check every notebook and override file of a profile, before anything runs.

    Raises ValueError naming the file when a notebook cannot be read, or a parameter is unknown or of the wrong
    type, or an override file has no notebook.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    files = sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    slugs = [path.stem for path in files]
    for path in sorted((paths.PROFILES / profile).glob("*.yaml")):
        if path.stem not in slugs:
            raise ValueError(f"profiles/{profile}/{path.name} overrides no notebook; there are: {', '.join(slugs)}")
    notebooks = []
    for path in files:
        try:
            notebooks.append(nbformat.read(path, as_version=4))
        except (nbformat.reader.NotJSONError, nbformat.ValidationError, OSError) as error:
            raise ValueError(f"notebooks/{path.name} cannot be read: {str(error)[:200]}") from None
    titles = [(slug, _title(notebook)) for slug, notebook in zip(slugs, notebooks, strict=True)]
    jobs = []
    for i, (slug, notebook) in enumerate(zip(slugs, notebooks, strict=True)):
        before = titles[i - 1] if i else None
        after = titles[i + 1] if i + 1 < len(titles) else None
        jobs.append(_job(profile, slug, notebook, (titles[i][1], before, after)))
    return jobs


def noted(slug: str, where: Places) -> dict:
    """Return what the manifest there says of a report: what it was executed and rendered from; {} for nothing.

    components, executed_at, seconds, executed (the digest of the executed notebook); once rendered: page, html (the
    digest of the page), reading_minutes.
    """
    found = (freshness.read_state(where.pages / "manifest.json") or {}).get(slug)
    return found if isinstance(found, dict) else {}


def note(slug: str, where: Places, about: dict) -> None:
    """Write what is known of a report into the manifest, in place of what it said."""
    path = where.pages / "manifest.json"
    with _MANIFEST:
        whole = (freshness.read_state(path) or {}) | {slug: about}
        write_atomically(path, json.dumps(whole, indent=1, sort_keys=True) + "\n")


def reasons(job: Job, where: Places) -> list[str]:
    """Return why a job must be executed again, in words; empty when it need not."""
    about = noted(job.slug, where)
    found = freshness.why_stale(about.get("components"), job.components)
    executed, recorded = where.executed / f"{job.slug}.ipynb", where.results / f"{job.slug}.json"
    if not found and not executed.exists():
        found.append(f"never executed here: {executed.relative_to(paths.ROOT)} is missing")
    if not found and not recorded.exists():
        found.append(f"{recorded.relative_to(paths.ROOT)} is missing")
    if not found and about.get("executed") != freshness.digest(executed.read_bytes()):
        found.append(f"{executed.relative_to(paths.ROOT)} is not what was written")
    if not found and freshness.read_state(recorded) is None:
        found.append(f"{recorded.relative_to(paths.ROOT)} is damaged")
    return found


def render_reasons(job: Job, where: Places) -> list[str]:
    """Return why a job's page must be rendered again although its numbers stand; empty when it need not."""
    about = noted(job.slug, where)
    page = where.pages / f"{job.slug}.html"
    if not page.exists():
        return [f"{page.relative_to(paths.ROOT)} is missing"]
    if about.get("page") != job.page:
        return ["prose, title or template changed"]
    if about.get("html") != freshness.digest(page.read_bytes()):
        return [f"{page.relative_to(paths.ROOT)} is not the page that was rendered"]
    if not (where.pages / "notebooks" / f"{job.slug}.ipynb").exists():
        return [f"{where.pages.relative_to(paths.ROOT)}/notebooks/{job.slug}.ipynb is missing"]
    if freshness.read_state(where.cards / f"{job.slug}.json") is None:
        return [f"{where.cards.relative_to(paths.ROOT)}/{job.slug}.json is missing"]
    return []


def _job(profile: str, slug: str, notebook: nbformat.NotebookNode, titles: tuple) -> Job:
    title, before, after = titles
    source = f"profiles/{profile}/{slug}.yaml"
    try:
        declared = parameters.declared(notebook)
    except ValueError as error:
        raise ValueError(f"notebooks/{slug}.ipynb: {error}") from None
    overrides = parameters.read_overrides(paths.PROFILES / profile / f"{slug}.yaml")
    parameters.validate(overrides, declared, source=source)
    resolved = {name: parameter.default for name, parameter in declared.items()} | overrides
    if resolved.get("profile") != profile:
        raise ValueError(f"{source}: must set `profile: {profile}`, so that results say which profile they are of")
    return Job(
        slug=slug,
        title=title,
        notebook=notebook,
        overrides=overrides,
        resolved=resolved,
        components=freshness.components(notebook, resolved, before=noted(slug, places(profile)).get("components")),
        page=freshness.page_digest(notebook, titles),
        previous=before,
        next=after,
    )


def _title(notebook: nbformat.NotebookNode) -> str:
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line[2:].strip()
    raise ValueError("a notebook needs a title: a markdown line that starts with '# '")
