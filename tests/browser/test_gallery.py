"""A notebook with everything ordinary that an editor puts into one, executed once and looked at in a browser."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import specimen
from test_pages import Visit

from helpers.reporting.page import pages
from helpers.reporting.run import execute
from helpers.runtime import paths

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOME = Path(__file__).with_name("gallery")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page's path, its text, and what the build said of it."""
    home = tmp_path_factory.mktemp("gallery")
    outcome = execute.run(
        HOME / "gallery.ipynb", home / "gallery.ipynb", parameters={}, results=home, limits=execute.Limits(600, 300)
    )
    assert outcome.error is None, outcome.error
    (home / "gallery.png").write_bytes((HOME / "gallery.png").read_bytes())
    said = []
    path = pages.of_file(home / "gallery.ipynb", say=said.append)
    return path, path.read_text(encoding="utf-8"), said


@pytest.fixture(scope="module")
def seen(browser, made):
    with Visit(browser, made[0]) as visit:
        visit.draw_all()
        yield visit


def text(seen) -> str:
    return seen.page.evaluate("document.querySelector('article').textContent")


def test_prints_and_displays_keep_their_order(seen):
    found = re.findall(r"(before|shown|after) (\d)", text(seen))
    assert found == [(word, n) for n in "01" for word in ("before", "shown", "after")]


def test_formulas_are_set(seen):
    page = seen.page
    assert page.locator("math").count() == 6
    assert page.locator("math[display=block] mtable mtr").count() >= 7
    assert page.evaluate("[...document.querySelectorAll('math')].every(m => m.getBoundingClientRect().width > 4)")
    assert page.locator("math msubsup").first.text_content() == "xi2"
    for expected in ("prices of $5 and $6", "a < b, else".replace(" ", "\u00a0"), "$\\nosuchcommand{x}$", "Words and"):
        assert expected in text(seen)


def test_pictures_are_shown_or_told_of(seen):
    page = seen.page
    for alt in ("A file beside it", "Pasted", "In the text", "By a tag", "A PNG", "A JPEG", "A GIF", "A WEBP"):
        picture = page.locator(f'img[alt="{alt}"]')
        assert picture.count() == 1, alt
        assert picture.evaluate("each => each.decode().then(() => each.naturalWidth > 0)"), alt
    assert page.locator('img[alt="A disc"], svg title').count() >= 1
    assert page.locator('a[href="https://example.org/x.png"]').text_content() == "Elsewhere"
    assert page.locator('a[href="https://example.org/far.png"]').count() == 1
    assert "Outside (a picture that is not to be had)" in text(seen)


def test_tags_of_html_are_markup_and_comments_are_gone(seen, made):
    page = seen.page
    for selector in (".alert.alert-info strong", "details summary", "center", "mark", "u", "kbd", "sub", ".scroll td"):
        assert page.locator(f"article .prose {selector}").count() >= 1, selector
    assert "a list<int>" in text(seen)
    assert "note to myself" not in made[1]


def test_lists_footnotes_and_listings(seen):
    page = seen.page
    assert page.locator("li.task").all_text_contents() == ["☑ done", "☐ to do"]
    assert page.locator("ol ul ul").text_content().strip() == "deeper"
    assert page.locator("section.footnotes li").count() == 2
    for link in page.locator(".footnote-ref a, section.footnotes a").all():
        assert page.locator(link.get_attribute("href")).count() == 1
    assert page.locator(".prose pre.listing").count() == 2


def test_links_lead_to_pages(seen):
    links = seen.page.eval_on_selector_all("article a", "all => all.map(a => a.getAttribute('href'))")
    assert {"02_x.html#the-data", "02_x.html", "#the-end", "../data/README.md"} <= set(links)


def test_media_leave_a_word_or_a_link(seen):
    assert "A sound" in text(seen)
    assert "clip.mp4" in text(seen)
    assert seen.page.locator('a[href="https://example.org/frame"]').count() == 1


def test_tables_keep_their_colours(seen):
    cell = seen.page.locator("td[style*=background]")
    assert cell.text_content() == "−2"
    assert cell.evaluate("each => getComputedStyle(each).backgroundColor") == "rgb(255, 255, 0)"


def test_printed_text(seen):
    page = seen.page
    assert page.locator(".stream pre", has_text="macro avg").first.is_visible(), "a report of classes is not folded"
    folded = page.locator("details.stream", has_text="row 0")
    assert not folded.locator("pre").is_visible()
    assert all(f"row {i}\n" in folded.locator("pre").text_content() + "\n" for i in range(300))
    assert page.locator(".stream .ansi-red-fg").text_content() == "red"
    assert "beware" in text(seen)


def test_end_states(seen):
    assert "100%" in text(seen)
    assert "20/20" in text(seen)
    assert "0/20" not in text(seen).replace("20/20", "")
    assert "rich words" in text(seen)
    assert "The first frame of an animation" in seen.page.eval_on_selector_all("img", "all => all.map(i => i.alt)")


def test_what_cannot_be_shown_is_told(seen, made):
    said = "\n".join(made[2])
    assert "IntSlider" in text(seen)
    assert "Pipeline(" in text(seen)
    assert "alt.Chart(...)" in text(seen)
    for expected in (
        "an interactive widget is shown as text",
        "an Altair chart",
        "three dimensions",
        "a formula",
        "a map",
    ):
        assert re.search(rf"gallery, (cell \d+|text after cell \d+ .*): .*{expected}", said), (expected, said)


def test_charts_are_drawn(seen):
    page = seen.page
    states = page.eval_on_selector_all("figure.plot", "all => all.map(each => each.dataset.drawn)")
    assert states == ["yes"] * 5
    labels = page.eval_on_selector_all("figure", "all => all.map(each => each.getAttribute('aria-label') || '')")
    for title in ("A curve of dots", "A hill", "Dark by choice", "A flow", "Rings", "Frames"):
        assert any(title in label for label in labels), title
    dots = page.locator('figure[aria-label*="A curve of dots"]')
    assert dots.locator(".scatterlayer path.point").count() == 5000
    assert dots.evaluate("each => each.querySelector('.main-svg').getBoundingClientRect().width") <= 501
    own = page.locator('figure[aria-label*="Dark by choice"] .main-svg').first
    assert own.evaluate("each => getComputedStyle(each).backgroundColor") == "rgb(17, 17, 17)", "its own template"


def test_tags_of_cells(seen):
    page, shown = seen.page, text(seen)
    assert "cell gone" not in shown
    assert "input gone" in shown
    assert "print('input'" not in shown
    assert "print('output'" in shown
    assert "output gone" not in shown
    assert not page.locator("details.code pre", has_text="folded_input").is_visible()
    assert not page.locator("details.output .shown").is_visible()
    assert "folded output" in shown
    assert "never_run" in shown
    assert page.locator(".error", has_text="ZeroDivisionError").is_visible()
    assert "raw <words>" in shown
    assert page.locator("article b", has_text="raw html").count() == 1
    assert "raw latex" not in shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_asks_for_nothing(browser, made, scheme):
    with Visit(browser, made[0], viewport={"width": 390, "height": 844}, color_scheme=scheme) as visit:
        visit.draw_all()
        assert visit.sideways() <= 0
        assert visit.outside == []
        assert visit.complaints == []


def test_the_notebook_is_as_it_is_kept():
    notebook = nbformat.read(HOME / "gallery.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_nbconverts_own_page_draws_every_chart(browser, tmp_path):
    """`jupyter nbconvert --to html` with the option that the README names."""
    notebook = specimen.notebook(hostile=False)
    nbformat.write(notebook, tmp_path / "plain.ipynb")
    option = "--HTMLExporter.preprocessors=helpers.reporting.page.stock.PlotlyAsHtml"
    assert option in (paths.ROOT / "README.md").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", option, str(tmp_path / "plain.ipynb")]
    subprocess.run(command, cwd=paths.ROOT, check=True, capture_output=True)
    with Visit(browser, tmp_path / "plain.html", offline=True) as visit:
        visit.page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot .main-svg').length > 1")
        assert visit.page.locator(".js-plotly-plot").count() == 2
