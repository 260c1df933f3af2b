"""Links in the notebooks: between them as JupyterLab follows them, and outside to places that were looked up."""

import re
from urllib.parse import urlparse

import nbformat
import pytest

from helpers.reporting.page import prose
from helpers.runtime import paths

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
LINK = re.compile(r"\[([^\]]+)\]\(([^()\s]+)\)")
# Whom the series relies on: publishers that keep their addresses, and the projects and collections themselves.
HOSTS = {
    "archive.ics.uci.edu",
    "arxiv.org",
    "doi.org",
    "github.com",
    "scikit-learn.org",
    "www.jmlr.org",
    "www.kaggle.com",
    "yann.lecun.com",
}


def links(path):
    """Return what a notebook links to, in its prose and in what its cells say."""
    cells = nbformat.read(path, as_version=4).cells
    return [target for cell in cells for _, target in LINK.findall(cell.source)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_between_notebooks_work_in_jupyterlab_and_reach_something(path):
    inside = [target for target in links(path) if not urlparse(target).scheme]
    assert inside, "a report says what to read next"
    for target in inside:
        name, _, heading = target.partition("#")
        other = path.parent / name if name else path
        assert other.suffix == ".ipynb", target
        assert other.is_file(), target
        if heading:
            source = "\n".join(cell.source for cell in nbformat.read(other, as_version=4).cells)
            assert re.search(rf"^#+ {re.escape(heading.replace('-', ' '))}$", source, re.M), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_outside_go_to_known_places(path):
    outside = [urlparse(target) for target in links(path) if urlparse(target).scheme]
    assert {target.hostname for target in outside} <= HOSTS


def test_the_series_links_to_what_it_examines_and_relies_on():
    found = {target for path in NOTEBOOKS for target in links(path) if urlparse(target).scheme}
    assert sum("github.com" in target for target in found) >= 4  # three of the projects, and QMNIST
    assert sum("arxiv.org" in target or "doi.org" in target or "jmlr.org" in target for target in found) >= 15


def test_a_page_turns_them_into_its_own():
    html = str(prose.to_html("[a](02_x.ipynb#The-data) [b](02_x.ipynb) [c](https://doi.org/10.1/x) [d](#The-data)")[0])
    assert 'href="02_x.html#the-data"' in html
    assert 'href="02_x.html"' in html
    assert 'href="https://doi.org/10.1/x"' in html
    assert 'href="#the-data"' in html
