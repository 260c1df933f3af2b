"""Work out what a build would do: every notebook of a profile, its parameters, and why it is stale."""

import json
import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat

from helpers.reporting.run import freshness, parameters
from helpers.reporting.run.own import Own
from helpers.runtime import paths
from helpers.runtime.files import write_atomically

_MANIFEST = threading.Lock()  # notebooks are executed side by side
PROFILES = ("standard", "smoke", "full")
_REPORT = re.compile(r"[0-9]{2}_[A-Za-z0-9_]+")


@dataclass(frozen=True)
class Places:
    """Where the products of a profile, on MNIST or on somebody's own digits, go. cards: see `page.card`.

    Only the standard profile on MNIST writes to reports/.
    """

    pages: Path
    results: Path
    executed: Path
    failed: Path
    state: Path
    logs: Path
    profile: str = "standard"
    own: Own | None = None

    @property
    def cards(self) -> Path:
        """What each page says of itself for the front page, beside the assets that pages share."""
        return self.pages / "assets" / "cards"


@dataclass(frozen=True)
class Job:
    """One notebook of one profile, with all that decides whether it is fresh; error: why it cannot be run at all."""

    slug: str
    title: str
    notebook: nbformat.NotebookNode
    overrides: dict
    resolved: dict
    components: dict[str, str]
    page: str  # digest of what shapes the page besides the numbers
    error: str = ""
    recorded: str = ""  # the name it records results under, where that is not its slug
    absent: tuple[str, ...] = ()  # reports that are not part of the set, so that no link may lead to them

    @property
    def sources(self) -> str:
        """One digest of everything the report is made from."""
        return freshness.digest(json.dumps([self.components, self.page], sort_keys=True))


def places(profile: str, own: Own | None = None) -> Places:
    """Return the directories of a profile, on MNIST or on somebody's own digits."""
    home = own.folder if own else paths.BUILD
    home = home if profile == "standard" else home / profile
    pages, found = (home, home / "results") if own or profile != "standard" else (paths.REPORTS, paths.RESULTS)
    return Places(pages, found, home / "executed", home / "failed", home / "state", home / "logs", profile, own)


def reports(folder: Path | None = None) -> list[Path]:
    """Return the notebooks that are reports, by their names: two digits, _, then letters, digits and _."""
    return [path for path in _notebooks(folder) if _REPORT.fullmatch(path.stem)]


def plan(profile: str, own: Own | None = None) -> list[Job]:
    """Read and check every report of a profile; one that cannot be run comes with an error and stops no other.

    With somebody's own digits those that take none are among them, too: see `parted`. Raises ValueError when there is
    no report at all.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    if own and profile == "full":
        raise ValueError("SOURCE with the full profile: that repeats published trainings, which are about MNIST")
    jobs = [_job(places(profile, own), path) for path in reports()]
    if not jobs:
        raise ValueError("notebooks/: got no report; at least one is needed, such as 12_mine.ipynb (make new)")
    return jobs


def parted(jobs: list[Job], own: Own | None) -> tuple[list[Job], list[Job]]:
    """Divide reports into those of a set and those left out: on own digits, what has no parameter `source`.

    Raises ValueError when none is left.
    """
    out = [job for job in jobs if own and not job.error and "source" not in job.resolved]
    absent = tuple(job.slug for job in out)
    part = [job for job in jobs if job.slug not in absent]
    if not part:
        raise ValueError("SOURCE: got digits, but no report takes any; a parameter `source: str` in one is needed")
    if absent:  # what a page may link to shapes it
        part = [replace(job, absent=absent, page=freshness.digest(f"{job.page} without {absent}")) for job in part]
    return part, out


def choose(jobs: list[Job], wanted: str, left_out: list[Job] = ()) -> list[Job]:
    """Return the jobs that a person means by a number, a name or a file. Raises ValueError when there is none."""
    name = wanted.removeprefix("notebooks/").removesuffix(".ipynb")
    chosen = [job for job in [*jobs, *left_out] if job.slug == name or job.slug.split("_")[0] == name.zfill(2)]
    if out := [job.slug for job in chosen if job.slug in {one.slug for one in left_out}]:
        raise ValueError(f"NOTEBOOK={wanted}: {out[0]} takes no digits of yours: it has no parameter `source`")
    if not chosen:
        raise ValueError(f"no notebook {wanted!r}; there are: {', '.join(job.slug for job in jobs)}")
    return chosen


def skipped(profile: str) -> list[str]:
    """Return in words which files are passed over: notebooks that are no report, profiles of none."""
    found = [
        f"notebooks/{path.name} is skipped: a report is named by two digits, _, then letters, digits and _"
        for path in _notebooks()
        if not _REPORT.fullmatch(path.stem)
    ]
    slugs = [path.stem for path in reports()]
    files = [path for path in sorted((paths.PROFILES / profile).glob("*.yaml")) if path.stem not in slugs]
    return found + [f"profiles/{profile}/{path.name} is skipped: no report has this name" for path in files]


def _notebooks(folder: Path | None = None) -> list[Path]:
    return sorted(path for path in (folder or paths.NOTEBOOKS).glob("*.ipynb") if not path.name.startswith("."))


def noted(slug: str, where: Places) -> dict:
    """Return what the manifest there says of a report: what it was executed and rendered from; {} for nothing.

    components, executed_at, seconds, executed (the digest of the executed notebook), results (that of its results, ""
    for none); once rendered: title, page, html (the digest of the page), reading_minutes.
    """
    found = (freshness.read_state(where.pages / "manifest.json") or {}).get(slug)
    return found if isinstance(found, dict) else {}


def note(slug: str, where: Places, about: dict | None) -> None:
    """Write what is known of a report into the manifest, in place of what it said; None takes its entry away."""
    path = where.pages / "manifest.json"
    with _MANIFEST:
        whole = (freshness.read_state(path) or {}) | {slug: about}
        whole = {name: entry for name, entry in whole.items() if entry is not None}
        write_atomically(path, json.dumps(whole, indent=1, sort_keys=True) + "\n")


def reasons(job: Job, where: Places) -> list[str]:
    """Return why a job must be executed again, in words; empty when it need not."""
    about = noted(job.slug, where)
    found = freshness.why_stale(about.get("components"), job.components)
    executed = where.executed / f"{job.slug}.ipynb"
    if not found and not executed.exists():
        found.append(f"never executed here: {executed.relative_to(paths.ROOT)} is missing")
    if not found and about.get("executed") != freshness.digest(executed.read_bytes()):
        found.append(f"{executed.relative_to(paths.ROOT)} is not what was written")
    return found or _wrong_results(where.results / f"{job.slug}.json", about.get("results"))


def _wrong_results(path: Path, noted: str | None) -> list[str]:
    """Return what is wrong with recorded results, whose digest was noted ("": it recorded none; None: not noted)."""
    name = path.relative_to(paths.ROOT)
    if not path.exists():
        return [f"{name} is missing"] if noted != "" else []
    if freshness.result_digest(path) == "damaged":
        return [f"{name} is damaged"]
    return [f"{name} is not what was written"] if noted not in (None, freshness.file_digest(path)) else []


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


def _job(where: Places, path: Path) -> Job:
    about = noted(path.stem, where)
    job = Job(path.stem, about.get("title") or path.stem, nbformat.v4.new_notebook(), {}, {}, {}, "")
    named = f"notebooks/{path.name}"
    try:
        notebook = nbformat.read(path, as_version=4)
        job = replace(job, title=_title(notebook), notebook=notebook)
        declared = parameters.declared(notebook)
        overrides = _overrides(where, path.stem, declared)
        resolved = {name: parameter.default for name, parameter in declared.items()} | overrides
        return replace(
            job,
            overrides=overrides,
            resolved=resolved,
            components=freshness.components(notebook, resolved, before=about.get("components")),
            page=freshness.page_digest(notebook),
        )
    except Exception as error:  # whatever a file can hold: it must not keep the others from being built
        text = " ".join(str(error).split()) or type(error).__name__
        if not text.startswith("profiles/"):
            text = named + (", " if text.startswith("cell ") else ": ") + text
        return replace(job, error=text[:300])


def _overrides(where: Places, slug: str, declared: dict[str, parameters.Parameter]) -> dict:
    """Return a notebook's parameters: the profile's, which may have none but its own name, and whose digits."""
    profile = where.profile
    source = f"profiles/{profile}/{slug}.yaml"
    own = {"profile": profile} if "profile" in declared and profile != declared["profile"].default else {}
    try:
        overrides = own | parameters.read_overrides(paths.PROFILES / profile / f"{slug}.yaml")
    except ValueError as error:
        raise ValueError(f"profiles/{profile}/{error}") from None
    parameters.validate(overrides, declared, source=source)
    if overrides.get("profile", profile) != profile:
        raise ValueError(f"{source}: profile: got {overrides['profile']!r}; {profile!r} is allowed")
    if where.own and "source" in declared:
        overrides |= parameters.validate({"source": where.own.source}, declared, source=f"notebooks/{slug}.ipynb")
    return overrides


def _title(notebook: nbformat.NotebookNode) -> str:
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line[2:].strip()
    raise ValueError("got no title; a text cell that begins with '# ' is needed")
