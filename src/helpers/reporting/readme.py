"""Keep the README true: its tables from results and measured times, its tree from docstrings, its picture from a page.

    python -m helpers.reporting.readme

is what `make readme` runs. The picture needs playwright and a Chromium, and is left as it was where there is none.
"""

import ast
import importlib.util
import io
import json
import os
import shutil
import sys
from pathlib import Path

import nbformat

from helpers.reporting.page import card, render, wording
from helpers.reporting.run import freshness, plan
from helpers.runtime import paths
from helpers.runtime.files import write_atomically
from helpers.runtime.progress import duration

_PARTS = ("reports", "times", "tree")
MARKERS = {part: (f"<!-- {part}: made by `make readme` -->", f"<!-- end of {part} -->") for part in _PARTS}
TIMES = Path("docs") / "times.json"  # written by benchmarks/series.py
PICTURE = Path("docs") / "front-page.png"
WINDOW = {"width": 1280, "height": 1080}  # CSS pixels
LARGEST = 200_000  # bytes of the picture
_COLUMN = 28  # of the tree, where descriptions begin
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def table(notebooks: Path | None = None, results: Path | None = None) -> str:
    """Return the table of reports as Markdown: each with its question and its computed answer.

    A notebook without recorded results is listed with the first sentence of its page, or says that it has none yet.
    """
    from helpers.results import load

    lines = ["| report | what it asks | what it found |", "| --- | --- | --- |"]
    for path in plan.reports(notebooks):
        try:
            title = render.title_of(nbformat.read(path, as_version=4))
        except Exception as error:  # whatever a file can hold
            raise ValueError(f"notebooks/{path.name}: {str(error)[:200]}") from None
        link = f"[{int(wording.number_of(path.stem))}. {title}](reports/{path.stem}.html)"
        about = freshness.read_state(plan.places("standard").cards / f"{path.stem}.json") or {}
        try:
            found = load(path.stem, directory=results or paths.RESULTS)
            cells = (link, found.question, found.answer)
        except FileNotFoundError:
            cells = (link, "", card.first_sentence(about) or "not executed yet")
        lines.append("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def times(path: Path | None = None) -> str:
    """Return the table of measured times as Markdown, from what benchmarks/series.py wrote; a word where it did not."""
    try:
        found = json.loads((path or paths.ROOT / TIMES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "Not measured yet: `benchmarks/series.py` does it."
    rows = [{"machine": found.get("machine", "")} | row for row in found["rows"].values()]
    machines = list(dict.fromkeys(row["machine"] for row in rows))
    columns = {
        "what": [row["what"] for row in rows],
        "time": [duration(row["seconds"]) for row in rows],
        "processor time": [_spent(row) for row in rows],
        "load of the machine before": [f"{row['load']:.1f}" for row in rows],
        "measured": [row["measured"] for row in rows],
        "on": [row["machine"] if len(machines) > 1 else "" for row in rows],
    }
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    lines = [[*columns], ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    lines = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([f"In a clone made for it, on {' or '.join(machines)}:", "", *lines])


def _spent(row: dict) -> str:
    """Say how much processor time a step took, and how busy that kept the cores; nothing where nobody measured it."""
    if "processor_seconds" not in row:
        return ""
    busy = row["processor_seconds"] / (row["seconds"] * row["cores"])
    return f"{duration(row['processor_seconds'])} ({busy:.0%} of {row['cores']} cores)"


def tree(package: Path | None = None) -> str:
    """Return the rooms and modules of a package as a block of text, each with the first line of its docstring."""
    package = package or Path(__file__).parents[1]
    lines = [f"src/{package.name}/"]

    def walk(folder: Path, indent: str) -> None:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and (path / "__init__.py").exists():
                lines.append(f"{indent}{path.name + '/':{_COLUMN - len(indent)}} {_first_line(path / '__init__.py')}")
                walk(path, indent + "  ")
            elif path.suffix == ".py" and path.name != "__init__.py":
                lines.append(f"{indent}{path.name:{_COLUMN - len(indent)}} {_first_line(path)}")

    walk(package, "  ")
    return "\n".join(["```", *lines, "```"])


def _first_line(path: Path) -> str:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return said.partition("\n")[0]


def updated(text: str, made: str, part: str = "reports") -> str:
    """Return a README with what stands between a part's two markers replaced. Raises ValueError without them."""
    opening, closing = MARKERS[part]
    before, start, rest = text.partition(opening)
    _, end, after = rest.partition(closing)
    if not start or not end:
        raise ValueError(f"README.md needs the lines {opening!r} and {closing!r}")
    return f"{before}{opening}\n{made}\n{closing}{after}"


def chromium() -> str | None:
    """Return the path of an installed Chromium, $CHROMIUM or one of the usual names; None without it or playwright."""
    if importlib.util.find_spec("playwright") is None:
        return None
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _CHROMIUMS)), None)


def picture(page: Path, target: Path) -> str:
    """Photograph the top of a page in light colours as a small PNG; return what was done, in words."""
    browser = chromium()
    if browser is None or not page.exists():
        return f"{target.name} left as it was: it takes playwright, a Chromium and reports/index.html"
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = running.new_page(viewport=WINDOW, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        shot = tab.screenshot()
        running.close()
    target.parent.mkdir(parents=True, exist_ok=True)
    small = Image.open(io.BytesIO(shot)).convert("RGB").quantize(96)
    small.save(target, "PNG", optimize=True)
    return f"{target.name}: {target.stat().st_size:,} bytes"


def main() -> int:
    """Bring README.md and its picture up to date; return 0, or 2 when the README lacks its markers."""
    readme = paths.ROOT / "README.md"
    try:
        text = updated(readme.read_text(encoding="utf-8"), table())
        write_atomically(readme, updated(updated(text, times(), "times"), tree(), "tree"))
    except (OSError, ValueError) as error:
        print(f"error: {error}")
        return 2
    print("README.md: tables and tree made again")
    print(picture(paths.REPORTS / "index.html", paths.ROOT / PICTURE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
