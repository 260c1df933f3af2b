"""What a page has besides its notebook: the notebook itself, the source of the helpers it calls, how to cite it."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import yaml
from markupsafe import Markup, escape
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, String

from helpers.reporting.page import atlas, called, glossary, render, site
from helpers.runtime import sources
from helpers.runtime.files import write_atomically

LARGEST = 400_000  # characters of one output in the notebook that can be downloaded; longer ones leave their text
_MARKED = ((Keyword, "k"), (String, "s1"), (Comment, "c1"))  # of a listing: all else would double its size


def add(page: str, notebook: Mapping[str, Any], slug: str, *, download: str = "") -> str:
    """Return a rendered page with links to helpers and to the glossary in its article, and what comes after it.

    download: where the notebook lies, as seen from the page.
    """
    before, opening, rest = page.partition("<article>")
    article, closing, after = rest.rpartition("</article>")
    if not opening or not closing:
        return page
    helpers = called.helpers(notebook)
    article = glossary.link(called.link(article, helpers))
    about = notebook["metadata"].get("digits") or {}
    title = render.title_of(notebook)
    more = (
        site.environment()
        .get_template("extras.html.j2")
        .render(
            download=download,
            helpers=[(helper, listing(helper.source)) for helper in helpers],
            cite=citation(title, slug, about),
            bibtex=bibtex(title, slug, about),
        )
    )
    return f"{before}{opening}{article}{closing}\n{more}{after}"


def write(folder: Path, notebook: nbformat.NotebookNode, slug: str, *, absent: Iterable[str] = ()) -> None:
    """Write what a page's links lead to: the notebook with its outputs, and the glossary; absent: as in `site`."""
    target = folder / "notebooks" / f"{slug}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, nbformat.writes(slim(notebook)) + "\n")
    glossary.write(folder, absent=absent)


def slim(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy of an executed notebook without times of cells, what only a page shows, and the largest outputs."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in copy.cells:
        cell.metadata.pop("papermill", None)
        for output in cell.get("outputs", []):
            data = output.get("data") or {}
            data.pop(atlas.MIME, None)  # an editor shows the sheet that comes with it
            for mime in [mime for mime, content in data.items() if len(json.dumps(content)) > LARGEST]:
                del data[mime]
                data.setdefault("text/plain", "An output stood here that is too large for this copy.")
            if len(output.get("text", "")) > LARGEST:
                output["text"] = output["text"][:LARGEST] + "\n[... cut]\n"
    return copy


def listing(source: str) -> Markup:
    """Return Python as HTML in which keywords, strings and comments are marked, and nothing else."""
    parts = []
    for kind, text in PythonLexer(stripnl=False).get_tokens(source.rstrip()):
        mark = next((mark for each, mark in _MARKED if kind in each), "")
        parts.append(f'<span class="hl-{mark}">{escape(text)}</span>' if mark else escape(text))
    return Markup("".join(parts).rstrip())


@cache
def _cff() -> dict:
    return yaml.safe_load((sources.PACKAGE.parents[1] / "CITATION.cff").read_text(encoding="utf-8"))


def citation(title: str, slug: str, about: Mapping[str, Any]) -> str:
    """Return the sentence by which a report is cited: authors, year, title, series, version, commit."""
    year = str(about.get("executed_at") or "")[:4]
    commit = f", commit {about['commit']}" if about.get("commit") else ""
    number = slug.partition("_")[0]
    report = f", report {number}" if number.isdigit() else ""
    version = f"version {_cff()['version']}{commit}"
    return f"{_authors()}{f' ({year})' if year else ''}. {title}. In: {_cff()['title']}{report}, {version}."


def bibtex(title: str, slug: str, about: Mapping[str, Any]) -> str:
    """Return the same as an entry for BibTeX."""
    year = str(about.get("executed_at") or "")[:4]
    commit = f", commit {about['commit']}" if about.get("commit") else ""
    fields = {"author": f"{{{_authors()}}}", "title": title, "howpublished": f"In: {_cff()['title']}"}
    fields |= {"note": f"Version {_cff()['version']}{commit}"} | ({"year": year} if year else {})
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{digits-{slug.partition('_')[0]},\n{lines}}}"


def _authors() -> str:
    return " and ".join(
        each.get("name") or f"{each['given-names']} {each['family-names']}" for each in _cff()["authors"]
    )
