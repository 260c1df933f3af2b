"""The series as one PDF: reports joined without mixing up their anchors, and contents with the right page numbers."""

import re

import pytest
import specimen
from chromium import find_chromium

from helpers.reporting import book
from helpers.reporting.page import render, site


@pytest.fixture
def pages(tmp_path):
    """Two reports with the same headings, which link to themselves and to each other."""
    made = []
    for slug, other in (("01_a", "02_b"), ("02_b", "01_a")):
        html = render.render_page(specimen.notebook(), slug=slug)
        link = f'<p><a href="{other}.html">other</a> <a href="{other}.html#the-test">its test</a></p>'
        made.append(tmp_path / f"{slug}.html")
        made[-1].write_text(html.replace("</article>", link + "</article>"), encoding="utf-8")
    return made


def test_every_link_within_the_book_reaches_its_own_report(pages):
    joined = book.join(pages, {"01_a": 3, "02_b--the-test": 17})
    ids = re.findall(r'<\w+[^<>]*\sid="([^"]+)"', joined)
    assert len(ids) == len(set(ids)), "anchors of two reports stay apart"
    inside = re.findall(r'href="#([^"]+)"', joined)
    assert {"01_a", "02_b--the-test", "01_a--the-test"} <= set(inside)
    assert set(inside) - set(ids) == {"02_next--the-test"}, "the specimen links to a report that the book lacks"
    assert 'data-of="01_a">3<' in joined
    assert 'data-of="02_b--the-test">17<' in joined
    assert 'data-of="01_a--the-test"><' in joined, "not known yet"


def test_a_page_that_is_no_report_is_named(tmp_path):
    page = tmp_path / "01_x.html"
    page.write_text("<p>", encoding="utf-8")
    with pytest.raises(ValueError, match=r"01_x\.html"):
        book.join([page])


def test_page_numbers_are_read_in_the_order_of_the_pages():
    pdf = b"""%PDF-1.4
2 0 obj\n<</Type /Page\n/Parent 13 0 R>>\nendobj
9 0 obj\n<</Type /Page\n/Parent 14 0 R>>\nendobj
5 0 obj\n<</Type /Page\n/Parent 14 0 R>>\nendobj
7 0 obj\n<</Length 9>>\nstream\n/bad [2 0 R /XYZ 0 0 0]\nendstream\nendobj
14 0 obj\n<</Type /Pages\n/Kids [9 0 R 5 0 R]\n/Parent 13 0 R>>\nendobj
13 0 obj\n<</Type /Pages\n/Count 3\n/Kids [14 0 R 2 0 R]>>\nendobj
15 0 obj\n<</a--x [5 0 R /XYZ 6 836.88 0]\n/b--#25C3#25BC [2 0 R /XYZ 6 828.63 0]>>\nendobj
"""
    assert book.numbers_in(pdf) == {"a--x": 2, "b--ü": 3}
    assert book.numbers_in(b"%PDF-2.0 with compressed objects") == {}


def test_without_a_chromium_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(book, "chromium", lambda: None)
    assert book.main() == 2
    assert "Chromium" in capsys.readouterr().out


@pytest.mark.browser
def test_two_reports_become_one_pdf_with_numbered_contents(browser, pages, tmp_path):
    site.write_assets(tmp_path / "assets")
    target = tmp_path / "book.pdf"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playwright.sync_api.sync_playwright", lambda: _Driver(browser))
        book.make(pages, target, find_chromium())
    pdf = target.read_bytes()
    numbers = book.numbers_in(pdf)
    assert numbers["01_a"] == 2, "the contents fill the first page, each report begins a new one"
    assert numbers["02_b"] > numbers["01_a--the-test"] >= 2
    assert b"/Outlines" in pdf
    assert not list(tmp_path.glob(".book*")), "the draft is gone"


class _Driver:
    """The browser of the test session in the place of a driver of its own: only one can run at a time."""

    def __init__(self, browser):
        self.browser = browser

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        pass

    @property
    def chromium(self):
        return self

    def launch(self, **how):
        return _Session(self.browser)


class _Session:
    def __init__(self, browser):
        self.context = browser.new_context(color_scheme="light")

    def new_page(self, **how):
        return self.context.new_page()

    def close(self):
        self.context.close()
