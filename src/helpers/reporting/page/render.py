"""An executed notebook in, one offline page out: nbconvert makes the cells, our template on top of its base the page.

    jupyter nbconvert --to helpers.reporting.page.render.ReportExporter executed.ipynb

makes the same page of a notebook that was executed by hand, as does `python -m helpers.reporting page executed.ipynb`.
"""

import copy
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup
from nbconvert.exporters.templateexporter import TemplateExporter
from traitlets import default
from traitlets.config import Config

from helpers.reporting.page import numbering, outputs, plotly, prose, site
from helpers.reporting.page.pictures import Around
from helpers.runtime import paths

WORDS_A_MINUTE = 220
SECONDS_A_FIGURE = 12
BUDGET = 1_300_000  # bytes; with what `extras` adds a page has at most 1.5 MB, without the shared assets
# Ids that the page itself uses; a heading of the same name gets a number.
RESERVED = {"content", "contents", "about", "top"}
_TO_NEIGHBOUR = re.compile(r'<a (?:[^>]* )?(?:rel="(?:prev|next)"|class="(?:back|forth)")[^>]*>.*?</a>\s*', re.DOTALL)
_STATES = "application/vnd.jupyter.widget-state+json"


class ReportExporter(TemplateExporter):
    """Export an executed notebook as one of our pages, with the shared assets in a folder beside it.

    What can only be shown in part is told in words: to `resources["say"]` where there is one, else to the log.
    """

    export_from_notebook = "Report of this series"
    output_mimetype = "text/html"

    def _file_extension_default(self):
        return ".html"

    def _template_name_default(self):
        return site.TEMPLATES.name

    def _template_file_default(self):
        return "cells.html.j2"

    @default("extra_template_basedirs")
    def _basedirs(self):
        return [str(site.TEMPLATES.parent)]

    @property
    def default_config(self):
        tags = {
            "remove_cell_tags": {"remove-cell"},
            "remove_input_tags": {"remove-input"},
            "remove_all_outputs_tags": {"remove-output"},
        }
        config = Config({"TagRemovePreprocessor": {"enabled": True, **tags}})
        config.CoalesceStreamsPreprocessor.enabled = True  # prints that follow each other are one
        merged = super().default_config.copy()
        merged.merge(config)
        return merged

    def _create_environment(self):
        made = super()._create_environment()
        made.autoescape = True
        made.trim_blocks = made.lstrip_blocks = True
        for name in ("python", "prose", "shown", "raw", "label", "seconds"):
            made.filters[name] = getattr(self, f"_{name}")
        made.filters["duration"] = site.environment().filters["duration"]
        return made

    def from_notebook_node(self, nb, resources=None, **kw):
        """Return the page and nbconvert's resources, with the assets as files to write beside it."""
        resources = dict(resources or {})
        about = resources.get("metadata", {})
        slug, say = about.get("name", "notebook"), resources.pop("say", None) or self.log.warning
        self._folders = [Path(about["path"]).resolve()] if about.get("path") else []
        self._states = (nb.metadata.get("widgets") or {}).get(_STATES, {}).get("state", {})
        title, cells = title_and_rest(nb)
        numbered = nbformat.from_dict({**nb, "cells": cells})
        timed = _number(numbered.cells)
        self._cut: set[tuple[str, int]] = set()
        while True:
            self._taken, self._headings, self._sizes, self._said = set(RESERVED), [], {}, []
            article, made = super().from_notebook_node(numbered, copy.copy(resources), **kw)
            page = self._framed(article, nb, slug=slug, title=title, timed=timed, series=resources.get("series", {}))
            over = len(page.encode()) - BUDGET
            if over <= 0 or not self._sizes:
                break
            for piece, size in sorted(self._sizes.items(), key=lambda each: -each[1]):
                if over > 0:
                    self._cut.add(piece)
                    over -= size
        if self._cut:
            self._said.append(f"{len(self._cut)} outputs are shortened or left out: a page has at most 1.5 MB")
        for words in dict.fromkeys(self._said):
            say(f"{slug}, {words}")
        with tempfile.TemporaryDirectory() as folder:
            site.write_assets(Path(folder), page)
            assets = {f"assets/{path.name}": path.read_bytes() for path in Path(folder).iterdir()}
        # Keys in "outputs" are files that nbconvert writes beside the page.
        made.setdefault("outputs", {}).update(assets)
        return page, made

    def _framed(self, article: str, nb, *, slug: str, title: str, timed: list, series: Mapping[str, Any]) -> str:
        about = dict(series.get("commit") or {}) | dict(nb.metadata.get("digits") or {})
        article = numbering.number(article, self._said.append)
        return (
            site.environment()
            .get_template("page.html.j2")
            .render(
                slug=slug,
                title=title or slug,
                article=Markup(article),
                headings=[heading for heading in self._headings if heading.level <= 3],
                about=about,
                timed=timed,
                minutes=reading_minutes(nb),
                previous=series.get("previous"),
                next=series.get("next"),
                scripts=plotly.scripts(article),
                alone=not series,
                smoke=about.get("profile") == "smoke",
            )
        )

    # Filters of cells.html.j2, each with a cell; what is made of it is safe HTML.

    def _around(self, cell: Mapping[str, Any]) -> Around:
        place = cell["metadata"]["place"]
        return Around(
            folders=(*self._folders, paths.ROOT / "notebooks"),
            attachments=cell.get("attachments") or {},
            widgets=self._states,
            say=lambda words: self._said.append(f"{place}: {words}"),
        )

    def _measured(self, cell: Mapping[str, Any], number: int, made: str) -> str:
        piece = (cell["metadata"]["place"], number)
        if piece not in self._cut and len(made) > 2000:
            self._sizes[piece] = len(made.encode())
        return made

    def _prose(self, cell: Mapping[str, Any]) -> Markup:
        around = self._around(cell)
        text, headings = prose.to_html(source_of(cell), taken=self._taken, around=around)
        self._headings += headings
        if (cell["metadata"]["place"], -1) in self._cut:
            return Markup(prose.without_pictures(text))
        return self._measured(cell, -1, text)

    def _shown(self, cell: Mapping[str, Any]) -> Markup:
        place = cell["metadata"]["place"]
        cut = {number for where, number in self._cut if where == place}
        parts = outputs.to_html(cell["outputs"], self._around(cell), cut=cut)
        for number, part in enumerate(parts):
            self._measured(cell, number, part)
        return Markup("\n").join(part for part in parts if part)

    def _raw(self, cell: Mapping[str, Any]) -> Markup:
        """Return a raw cell: as the kind it says it is, where a page can show that, else as the text that it is."""
        metadata, source = cell["metadata"], source_of(cell)
        kind = str(metadata.get("raw_mimetype") or metadata.get("format") or "").lower()
        if kind == "text/html":
            return Markup(prose.clean(source, self._around(cell)))
        if kind in ("text/markdown", "text/x-markdown"):
            return prose.to_html(source, around=self._around(cell))[0]
        return Markup(f'<pre class="raw">{Markup.escape(source)}</pre>') if kind in ("", "text/plain") else Markup()

    @staticmethod
    def _python(cell: Mapping[str, Any]) -> Markup:
        return prose.python_html(source_of(cell))

    @staticmethod
    def _label(cell: Mapping[str, Any]) -> str:
        tags = cell["metadata"].get("tags", [])
        if "injected-parameters" in tags:
            return "Parameters of this run"
        return "Parameters" if "parameters" in tags else "Code"

    @staticmethod
    def _seconds(cell: Mapping[str, Any]) -> float | None:
        return _seconds(cell)


def title_of(notebook: Mapping[str, Any]) -> str:
    """Return the notebook's title, its first `# ` heading, without markup; "Untitled" where there is none."""
    title, _ = title_and_rest(notebook)
    return title or "Untitled"


def reading_minutes(notebook: Mapping[str, Any]) -> int:
    """Return whole minutes to read the prose (220 words a minute) and look at the figures (12 s each); >= 1."""
    words, figures = 0, 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            words += len(source_of(cell).split())
        for output in cell.get("outputs", []):
            data = output.get("data") or {}
            figures += outputs.PLOTLY in data or any(mime.startswith("image/") for mime in data)
            words += len("".join(data.get("text/markdown", "")).split())
    return max(1, round(words / WORDS_A_MINUTE + figures * SECONDS_A_FIGURE / 60))


def render_page(
    notebook: Mapping[str, Any],
    *,
    slug: str,
    previous: tuple[str, str] | None = None,
    next: tuple[str, str] | None = None,
    commit: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    say: Callable[[str], None] = lambda words: None,
) -> str:
    """Return the HTML page of an executed notebook.

    `previous` and `next` are (slug, title) of the neighbours; `commit` is {"commit": str, "dirty": bool} of the
    sources it is rendered from, used where `notebook.metadata["digits"]` does not say. folder: where its pictures lie,
    besides notebooks/, for a page that stands alone, with no series around it. say: is told what can be shown in part
    only, or as text. The page refers to `assets/` beside it (`site.write_assets`) and to nothing else, but for links.
    """
    resources = {
        "metadata": {"name": slug, "path": str(folder or "")},
        "series": {} if folder else {"previous": previous, "next": next, "commit": commit},
        "say": say,
    }
    return ReportExporter().from_notebook_node(nbformat.from_dict(notebook), resources)[0]


def with_neighbours(page: str, previous: tuple[str, str] | None, next: tuple[str, str] | None) -> str:
    """Return a rendered page with links to these neighbours, each (slug, title), in place of those that it has."""
    made = site.environment().get_template("neighbours.html.j2").module
    head, opening, rest = page.partition('<nav aria-label="Series">')
    bar, closing, rest = rest.partition("</nav>")
    body, onward, foot = rest.rpartition('<nav class="onward" aria-label="Neighbouring reports">')
    if not (opening and closing and onward):
        return page
    bar = _TO_NEIGHBOUR.sub("", bar) + str(made.above(previous, next))
    links, end, foot = foot.partition("</nav>")
    links = "\n" + str(made.below(previous, next)) + _TO_NEIGHBOUR.sub("", links).removeprefix("\n")
    return head + opening + bar + closing + body + onward + links + end + foot


def render_failure(
    notebook: Mapping[str, Any] | None,
    *,
    slug: str,
    error: str,
    parameters: Mapping[str, Any],
    log_tail: list[str],
    command: str,
) -> str:
    """Return a page that says what went wrong: failing cell, error, parameters, last lines, how to see it again.

    It carries its own style, so it can lie anywhere. `notebook` is what was executed so far (None when nothing
    was); the failing cell is the first with an error output, or else the first that never ran.
    """
    cell = _failing_cell(notebook) if notebook else None
    return (
        site.environment()
        .get_template("failure.html.j2")
        .render(
            slug=slug,
            title=(title_of(notebook) if notebook else "") or slug,
            error=outputs.plain(error).strip(),
            code=prose.python_html(source_of(cell)) if cell else "",
            number=cell.get("execution_count") if cell else None,
            parameters=dict(parameters),
            log_tail=outputs.plain("\n".join(line.rstrip("\n") for line in log_tail)),
            command=command,
            css=Markup((site.TEMPLATES / "report.css").read_text(encoding="utf-8")),
        )
    )


def title_and_rest(notebook: Mapping[str, Any]) -> tuple[str, list[Mapping[str, Any]]]:
    """Split the first Markdown cell that begins with a `# ` heading into title and rest."""
    cells = list(notebook["cells"])
    for place, cell in enumerate(cells):
        if cell["cell_type"] != "markdown":
            continue
        lines = source_of(cell).strip().split("\n")
        if not lines[0].startswith("# "):
            continue
        title = prose.strip_tags(str(prose.to_html(lines[0])[0]).partition("\n")[0])
        cells[place] = {**cell, "source": "\n".join(lines[1:])}
        return title, cells
    return "", cells


def _failing_cell(notebook: Mapping[str, Any]) -> Mapping[str, Any] | None:
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and source_of(cell).strip()]
    for cell in code:
        if any(output.get("output_type") == "error" for output in cell.get("outputs", [])):
            return cell
    return next((cell for cell in code if cell.get("execution_count") is None), None)


def source_of(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else source


def _seconds(cell: Mapping[str, Any]) -> float | None:
    seconds = (cell.get("metadata", {}).get("papermill") or {}).get("duration")
    return float(seconds) if isinstance(seconds, int | float) else None


def _number(cells: list) -> list[dict]:
    """Note in each cell where it stands, in words; return number, lines and seconds of timed code cells."""
    timed, count = [], 0
    for cell in cells:
        code = cell.cell_type == "code"
        count += code
        cell.metadata["place"] = f"cell {count}" if code else f"text after cell {count} ({cell.get('id', '')})"
        if code and cell.source.strip() and _seconds(cell) is not None:
            lines = cell.source.strip().count("\n") + 1
            timed.append({"number": cell.get("execution_count"), "lines": lines, "seconds": _seconds(cell)})
    return timed
