"""What all pages share: the environment of their templates, style sheets and scripts."""

import gzip
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import jinja2

from helpers.reporting.page import plotly, wording
from helpers.runtime.files import write_atomically

TEMPLATES = Path(__file__).with_name("template")
FRONT_PAGE = TEMPLATES.parents[1] / "front_page" / "template"
ASSETS = (  # besides plotly's own script
    TEMPLATES / "report.css",
    TEMPLATES / "report.js",
    FRONT_PAGE / "index.css",
    FRONT_PAGE / "index.js",
)
# Packed, for the few pages that draw by WebGL, or maps: of the version of plotly.js that the package brings.
RARE = (TEMPLATES / f"{plotly.STRICT}.gz", TEMPLATES / f"{plotly.COASTS}.gz")


def write_assets(directory: Path, page: str = "") -> None:
    """Write the shared plotly.min.js, style sheets and scripts into `directory`; files that are the same stay.

    page: HTML that is to lie beside the directory; what only few pages need comes when it asks for it.
    """
    from importlib.util import find_spec

    directory.mkdir(parents=True, exist_ok=True)
    package = Path(find_spec("plotly").origin).parent  # only its package data is used
    contents = {source.name: source.read_bytes() for source in [package / "package_data" / plotly.USUAL, *ASSETS]}
    contents |= {each.stem: gzip.decompress(each.read_bytes()) for each in RARE if f"assets/{each.stem}" in page}
    for name, content in contents.items():
        target = directory / name
        if not target.exists() or target.read_bytes() != content:
            write_atomically(target, content)


def without_links(page: str, slugs: Iterable[str]) -> str:
    """Return a page on which what led to some reports is text: they are not part of its set."""
    for slug in slugs:
        link = rf'<a\b[^>]*\shref="{slug}\.html(?:#[^"]*)?"[^>]*>(.*?)</a>'
        page = re.sub(link, r'<span title="Not part of this set of reports">\1</span>', page, flags=re.DOTALL)
    return page


@cache
def environment(templates: Path = TEMPLATES) -> jinja2.Environment:
    """Return the environment of a folder of templates: autoescape on, undefined names are errors."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= wording.FILTERS
    return made
