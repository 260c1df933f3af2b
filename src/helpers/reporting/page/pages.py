"""Turn an executed notebook and the present prose into its page, and note what it was made from."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import nbformat

from helpers.reporting.page import card, extras, glossary, site
from helpers.reporting.page import render as renderer
from helpers.reporting.run import freshness
from helpers.reporting.run.plan import Job, Places, note, noted
from helpers.runtime.files import write_atomically


def render(job: Job, where: Places, say: Callable[[str], None] = lambda words: None) -> None:
    """Render a job's page from its executed notebook and the present prose, and note what it was made from.

    say: is told what the page can show in part only, or as text.
    """
    executed = nbformat.read(where.executed / f"{job.slug}.ipynb", as_version=4)
    notebook = merge(job.notebook, executed)
    page = renderer.render_page(
        notebook,
        slug=job.slug,
        commit={key: executed.metadata["digits"][key] for key in ("commit", "dirty")},
        say=say,
    )
    page = extras.add(page, notebook, job.slug, download=f"notebooks/{job.slug}.ipynb")
    page = site.without_links(page, job.absent)
    extras.write(where.pages, notebook, job.slug, absent=job.absent)
    site.write_assets(where.pages / "assets", page)
    write_atomically(where.pages / f"{job.slug}.html", page)
    card.write(where.cards, job.slug, notebook)
    made = {"page": job.page, "html": freshness.digest(page), "reading_minutes": renderer.reading_minutes(executed)}
    note(job.slug, where, noted(job.slug, where) | made | {"title": job.title})


def join(jobs: list[Job], where: Places) -> None:
    """Bring the links to the neighbours up to date on every page that is as it was rendered; no report is run for it.

    Neighbours are reports that have a page, so that no link leads nowhere.
    """
    there = [job for job in jobs if (where.pages / f"{job.slug}.html").exists()]
    for place, job in enumerate(there):
        path = where.pages / f"{job.slug}.html"
        about, page = noted(job.slug, where), path.read_text(encoding="utf-8")
        if about.get("html") != freshness.digest(page):
            continue
        before = there[place - 1] if place else None
        after = there[place + 1] if place + 1 < len(there) else None
        joined = renderer.with_neighbours(page, *((one.slug, one.title) if one else None for one in (before, after)))
        if joined != page:
            write_atomically(path, joined)
            note(job.slug, where, about | {"html": freshness.digest(joined)})


def of_file(path: Path, *, say: Callable[[str], None] = lambda words: None) -> Path:
    """Write the page of an executed notebook beside it, with the assets and the glossary, and return it.

    Raises ValueError when the file is no notebook.
    """
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.validator.NotebookValidationError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: got no notebook; an executed .ipynb is allowed") from error
    page = renderer.render_page(notebook, slug=path.stem, folder=path.parent, say=say)
    page = extras.add(page, notebook, path.stem, download=quote(path.name))
    site.write_assets(path.parent / "assets", page)
    glossary.write(path.parent, alone=not (path.parent / "index.html").exists())
    target = path.with_suffix(".html")
    write_atomically(target, page)
    return target


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
    for name in ("digits", "widgets"):  # where it ran; how its progress bars ended
        if name in executed.metadata:
            merged.metadata[name] = executed.metadata[name]
    return merged
