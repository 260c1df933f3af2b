"""Turn executed notebooks and recorded results into pages: each report, and the index over them."""

import json
from pathlib import Path

import nbformat

from helpers import paths
from helpers.reporting import freshness, provenance, site
from helpers.reporting import render as renderer
from helpers.reporting.files import write_atomically
from helpers.reporting.plan import Job, places


def render(job: Job, profile: str) -> None:
    """Render a job's page from its executed notebook and the present prose, and note its state."""
    where = places(profile)
    executed = nbformat.read(where.executed / f"{job.slug}.ipynb", as_version=4)
    page = renderer.render_page(
        merge(job.notebook, executed),
        slug=job.slug,
        previous=job.previous,
        next=job.next,
        commit={key: executed.metadata["digits"][key] for key in ("commit", "dirty")},
    )
    write_atomically(where.pages / f"{job.slug}.html", page)
    state = freshness.read_state(where.state / f"{job.slug}.json") or {}
    state |= {"page": job.page, "html": freshness.digest(page), "sources": job.sources}
    write_atomically(where.state / f"{job.slug}.json", json.dumps(state, indent=1, sort_keys=True))
    manifest = freshness.read_state(where.pages / "manifest.json") or {}
    manifest[job.slug] = {
        "sources": job.sources,
        "components": job.components,
        "page": job.page,
        "html": freshness.digest(page),
        "reading_minutes": renderer.reading_minutes(executed),
        "seconds": round(executed.metadata["digits"]["seconds"], 1),
        "executed_at": executed.metadata["digits"]["executed_at"],
    }
    write_atomically(where.pages / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def merge(source: nbformat.NotebookNode, executed: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the source notebook with the outputs of its execution: new prose around standing numbers."""
    merged = nbformat.from_dict(source)
    done = [
        c for c in executed.cells if c.cell_type == "code" and "injected-parameters" not in c.metadata.get("tags", [])
    ]
    injected = [c for c in executed.cells if "injected-parameters" in c.metadata.get("tags", [])]
    cells = []
    for cell in merged.cells:
        cell = nbformat.from_dict(cell)
        if cell.cell_type == "code":
            ran = done.pop(0)
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
            cell.metadata["papermill"] = ran.metadata.get("papermill", {})
        cells.append(cell)
        if "parameters" in cell.metadata.get("tags", []):
            cells += injected
    merged.cells = cells
    merged.metadata["digits"] = executed.metadata["digits"]
    return merged


def write_index(jobs: list[Job], profile: str) -> Path:
    """Write the index page and the shared assets of a profile, when what they are made from has changed."""
    where = places(profile)
    index = where.pages / "index.html"
    made_from = [freshness.renderer_digest(), provenance.data_checksums(), [(job.slug, job.title) for job in jobs]]
    sources = [where.pages / "manifest.json", paths.CLAIMS, *sorted(where.results.glob("*.json"))]
    made_from += [(path.name, freshness.digest(path.read_bytes())) for path in sources if path.exists()]
    now = freshness.digest(json.dumps(made_from))
    state = where.state / "index.json"
    if index.exists() and freshness.read_state(state) == {"sources": now, "html": freshness.digest(index.read_bytes())}:
        return index
    from helpers import results  # pandas and statsmodels take seconds to import

    where.pages.mkdir(parents=True, exist_ok=True)
    site.write_assets(where.pages / "assets")
    manifest = freshness.read_state(where.pages / "manifest.json") or {}
    entries, reports = [], []
    for job in jobs:
        found = None
        if (where.results / f"{job.slug}.json").exists() and (where.pages / f"{job.slug}.html").exists():
            found = results.load(job.slug, directory=where.results)
            reports.append(found)
        about = manifest.get(job.slug, {})
        entries.append(
            site.IndexEntry(
                slug=job.slug,
                title=job.title,
                question=found.question if found else "",
                answer=found.answer if found else "",
                profile=profile,
                seconds=about.get("seconds"),
                executed_at=about.get("executed_at", ""),
                smoke=profile == "smoke",
                results=found,
                reading_minutes=about.get("reading_minutes", 0),
            )
        )
    claims = site.scoreboard(reports)
    page = site.render_index(entries, claims=claims, commit=provenance.commit(), smoke=profile == "smoke")
    write_atomically(index, page)
    write_atomically(state, json.dumps({"sources": now, "html": freshness.digest(page)}))
    return index
