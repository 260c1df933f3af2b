"""What all pages share: the environment of their templates, style sheets and scripts."""

import filecmp
from functools import cache
from pathlib import Path

import jinja2

from helpers.reporting.page import wording
from helpers.runtime.files import write_atomically

TEMPLATES = Path(__file__).with_name("template")
FRONT_PAGE = TEMPLATES.parents[1] / "front_page" / "template"
ASSETS = (  # besides plotly's own script
    TEMPLATES / "report.css",
    TEMPLATES / "report.js",
    FRONT_PAGE / "index.css",
    FRONT_PAGE / "index.js",
)


def write_assets(directory: Path) -> None:
    """Write the shared plotly.min.js, style sheets and scripts into `directory`; files that are the same stay."""
    import plotly  # only its package data is used; importing the bare package is cheap

    directory.mkdir(parents=True, exist_ok=True)
    sources = [Path(plotly.__file__).parent / "package_data" / "plotly.min.js"]
    for source in [*sources, *ASSETS]:
        target = directory / source.name
        if not target.exists() or not filecmp.cmp(source, target, shallow=False):
            write_atomically(target, source.read_bytes())


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
