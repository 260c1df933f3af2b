"""An executed notebook in, one offline page out.

The page is made with our own Jinja template and the libraries that nbconvert itself stands on (mistune, Pygments),
because importing its exporters takes longer than rendering a report; `exporter` offers the same page to nbconvert.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from helpers.reporting.page import outputs, prose, site

WORDS_A_MINUTE = 220
SECONDS_A_FIGURE = 12
# Ids that the page itself uses; a heading of the same name gets a number.
RESERVED = {"content", "contents", "about", "top"}


@dataclass(frozen=True)
class Block:
    """One cell as the template shows it; `prose`, `code` and `shown` are safe HTML or empty.

    Code stands in plain sight, because it is the method. As in Jupyter Book, a cell tagged `hide-input` is folded, and
    of one tagged `remove-input` only the outputs are shown.
    """

    kind: str  # "prose" or "code"
    prose: str = ""
    code: str = ""
    label: str = "Code"
    lines: int = 0
    seconds: float | None = None
    number: int | None = None
    shown: str = ""
    folded: bool = False


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
) -> str:
    """Return the HTML page of an executed notebook.

    `previous` and `next` are (slug, title) of the neighbours; `commit` is {"commit": str, "dirty": bool} of the
    sources it is rendered from, used where `notebook.metadata["digits"]` does not say. The page refers to
    `assets/` beside it (see `site.write_assets`) and to nothing else.
    """
    title, cells = title_and_rest(notebook)
    taken, headings, blocks = set(RESERVED), [], []
    for cell in cells:
        block, found = _block(cell, taken)
        headings += found
        if block is not None:
            blocks.append(block)
    about = dict(commit or {}) | dict(notebook["metadata"].get("digits") or {})
    timed = [block for block in blocks if block.kind == "code" and block.seconds is not None]
    return (
        site.environment()
        .get_template("page.html.j2")
        .render(
            slug=slug,
            title=title or slug,
            blocks=blocks,
            headings=[heading for heading in headings if heading.level <= 3],
            about=about,
            timed=timed,
            minutes=reading_minutes(notebook),
            previous=previous,
            next=next,
            draws=any('<figure class="plot"' in block.shown for block in blocks),
            smoke=about.get("profile") == "smoke",
        )
    )


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


def _block(cell: Mapping[str, Any], taken: set[str]) -> tuple[Block | None, list[prose.Heading]]:
    source = source_of(cell)
    if cell["cell_type"] == "markdown":
        if not source.strip():
            return None, []
        text, headings = prose.to_html(source, taken=taken)
        return Block("prose", prose=text), headings
    if cell["cell_type"] != "code" or not source.strip():
        return None, []
    tags = set(cell.get("metadata", {}).get("tags", []))
    label = "Code"
    if "injected-parameters" in tags:
        label = "Parameters of this run"
    elif "parameters" in tags:
        label = "Parameters"
    block = Block(
        "code",
        code="" if "remove-input" in tags else prose.python_html(source),
        label=label,
        lines=source.strip().count("\n") + 1,
        seconds=_seconds(cell),
        number=cell.get("execution_count"),
        shown=outputs.to_html(cell.get("outputs", [])),
        folded="hide-input" in tags,
    )
    return block, []


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
