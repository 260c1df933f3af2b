"""The whole series as one PDF: every report after the other, with contents, page numbers and an outline.

    python -m helpers.reporting.book

is what `make book` runs. The rendered pages are joined into one, printed by Chromium, and printed again once it is
known on which page each section begins.
"""

import re
import sys
from pathlib import Path
from urllib.parse import unquote

from markupsafe import Markup

from helpers.reporting.page import plotly, site
from helpers.reporting.readme import chromium
from helpers.runtime import paths
from helpers.runtime.files import write_atomically

HERE = Path(__file__).parent
PDF = paths.BUILD / "book.pdf"
SECONDS = 600  # to draw all charts, on a busy machine
PAGE = {
    "format": "A4",
    "print_background": True,
    "margin": {"top": "18mm", "bottom": "20mm", "left": "18mm", "right": "18mm"},
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": '<div style="width:100%;text-align:center;font-size:9px"><span class="pageNumber"></span></div>',
    "outline": True,
    "tagged": True,
}


def join(pages: list[Path], numbers: dict[str, int] | None = None) -> str:
    """Return rendered reports as one page: a title, the contents with `numbers` (anchor -> page), then the articles.

    Anchors get the report's name before them, so that they stay apart; links between the reports lead to them.
    """
    numbers = numbers or {}
    chapters = []
    for path in pages:
        _, opening, rest = path.read_text(encoding="utf-8").partition("<article>")
        article = rest.rpartition("</article>")[0]
        if not opening or not article:
            raise ValueError(f"{path.name}: got no <article>; a rendered report is needed")
        article = _apart(article, path.stem)
        title = re.search(r"<h1[^>]*>(.*?)</h1>", article, re.DOTALL)
        parts = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', article, re.DOTALL)
        sections = [(anchor, _text(heading), numbers.get(anchor, "")) for anchor, heading in parts]
        about = {"anchor": path.stem, "title": _text(title[1]) if title else path.stem}
        about |= {"number": numbers.get(path.stem, ""), "sections": sections, "article": Markup(article)}
        chapters.append(about)
    scripts = plotly.scripts("".join(each["article"] for each in chapters))
    return site.environment(HERE / "template").get_template("book.html.j2").render(chapters=chapters, scripts=scripts)


def numbers_in(pdf: bytes) -> dict[str, int]:
    """Return on which page, from 1, each named place of a PDF by Chromium lies; {} for one written otherwise."""
    pdf = re.sub(rb"\nstream\b.*?\nendstream", b"", pdf, flags=re.DOTALL)
    objects = {int(n): body for n, body in re.findall(rb"(?:^|\n)(\d+) 0 obj\n?(.*?)\nendobj", pdf, re.DOTALL)}
    leaves = [n for n in _tree(objects) if re.search(rb"/Type\s*/Page\b", objects[n])]
    place = {n: i for i, n in enumerate(leaves, start=1)}
    named = re.findall(rb"/([^\s/\[<>()]+)\s*\[(\d+) 0 R\s*/XYZ", b"\n".join(objects.values()))
    return {_name(name): place[int(page)] for name, page in named if int(page) in place and name != b"Dest"}


def make(pages: list[Path], target: Path, browser: str) -> int:
    """Print rendered reports into one PDF and return how many places of the contents have a page number."""
    from playwright.sync_api import sync_playwright

    draft = pages[0].parent / ".book.html"  # beside the assets that pages share
    try:
        with sync_playwright() as driver:
            running = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
            tab = running.new_page(color_scheme="light", viewport={"width": 900, "height": 1200})
            tab.set_default_timeout(1000 * SECONDS)
            write_atomically(draft, join(pages))
            tab.goto(draft.resolve().as_uri())
            _draw(tab)
            numbers = numbers_in(tab.pdf(**PAGE))
            tab.evaluate(
                "numbers => document.querySelectorAll('.pages [data-of]').forEach("
                "each => { each.textContent = numbers[each.dataset.of] || ''; })",
                numbers,
            )
            printed = tab.pdf(**PAGE)
            running.close()
    finally:
        draft.unlink(missing_ok=True)
    write_atomically(target, printed)
    return len(numbers)


def main() -> int:
    """Print the reports on disk; return 0, or 2 where there is no Chromium, no playwright or no report."""
    browser = chromium()
    pages = sorted(paths.REPORTS.glob("[0-9][0-9]_*.html"))
    if browser is None:
        print("make book: it takes playwright and a Chromium (install chromium, or set CHROMIUM to its path)")
        return 2
    if not pages:
        print("make book: no report is rendered; `make reports` does it")
        return 2
    found = make(pages, PDF, browser)
    print(f"{PDF.relative_to(paths.ROOT)}: {len(pages)} reports, {PDF.stat().st_size:,} bytes, {found} places numbered")
    return 0


def _draw(tab) -> None:
    """Have all charts drawn as wide as the sheet, in its colours."""
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    tab.wait_for_function("[...document.querySelectorAll('figure.plot')].every(each => each.dataset.drawn)")
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    tab.wait_for_timeout(500)


def _apart(article: str, slug: str) -> str:
    """Return an article whose anchors, and links to them, carry the report's name."""
    article = re.sub(r'(<[^<>]*\s(?:id|aria-labelledby)=")([^"]+)"', rf'\g<1>{slug}--\2"', article)
    article = re.sub(r'(<a\b[^<>]*\shref=")#(source-[^"]*)"', r'\1#"', article)  # their source is on the page alone
    article = re.sub(r'(<a\b[^<>]*\shref=")#([^"]+)"', rf'\1#{slug}--\2"', article)
    article = re.sub(r'(<a\b[^<>]*\shref=")(\d\d_\w+)\.html#([^"]+)"', r'\1#\2--\3"', article)
    return re.sub(r'(<a\b[^<>]*\shref=")(\d\d_\w+)\.html"', r'\1#\2"', article)


def _text(fragment: str) -> Markup:
    return Markup(re.sub(r'<a class="anchor".*?</a>|<[^>]*>', "", fragment).strip())


def _tree(objects: dict[int, bytes]) -> list[int]:
    """Return the pages' object numbers in reading order."""
    root = next((n for n, body in objects.items() if b"/Type /Pages" in body and b"/Parent" not in body), None)
    order, waiting = [], [root] if root is not None else []
    while waiting:
        number = waiting.pop(0)
        body = objects.get(number, b"")
        if kids := re.search(rb"/Kids\s*\[(.*?)\]", body, re.DOTALL):
            waiting = [int(n) for n in re.findall(rb"(\d+) 0 R", kids[1])] + waiting
        else:
            order.append(number)
    return order


def _name(raw: bytes) -> str:
    """Return a PDF name as text: #xx stands for a byte, and what these say is an address, with %xx."""
    return unquote(
        re.sub(rb"#([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), raw).decode("utf-8", "replace")
    )


if __name__ == "__main__":
    sys.exit(main())
