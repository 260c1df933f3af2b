"""A notebook with everything ordinary that an editor puts into one, executed once and looked at in a browser."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from chromium import find_chromium
from PIL import Image
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
        HOME / "gallery.ipynb", home / "gallery.ipynb", parameters={}, results=home, limits=execute.Limits(1200, 900)
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
    cell = seen.page.locator("td[style*='background-color']")
    ground = "each => getComputedStyle(each).backgroundColor"
    assert cell.text_content() == "−2"
    assert cell.evaluate(ground) == "rgb(255, 255, 0)"
    other = seen.page.locator("tr[style*='--hover'] td", has_text="p").first
    other.hover()
    assert other.evaluate(ground) == "rgb(255, 217, 179)"
    assert seen.page.locator("th[style*=width]").evaluate("each => each.getBoundingClientRect().width") >= 200


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
    assert re.search(r"bar: 100% \|█{10}\| 20/20", text(seen)), (
        "tqdm's bar in a notebook reads as the one in a terminal"
    )
    assert re.search(r"Reading ━+ 100%", text(seen)), "rich's bar"
    assert re.search(r"Total params: 7,850", text(seen))
    assert seen.page.locator("pre", has_text="Total params").first.is_visible()
    assert "rich words" in text(seen)
    assert text(seen).count("An animation: its first frame.") == 2
    gif = seen.page.locator('img[alt="A moving GIF"]')
    assert gif.get_attribute("src").startswith("data:image/png"), "it stands still"
    assert "The first frame of an animation" in seen.page.eval_on_selector_all("img", "all => all.map(i => i.alt)")


def test_what_cannot_be_shown_is_told(seen, made):
    said = "\n".join(made[2])
    assert "IntSlider" in text(seen)
    assert "Pipeline(" in text(seen)
    assert "alt.Chart(...)" in text(seen)
    for expected in (
        "an interactive widget is shown as text",
        "an Altair chart",
        "a Bokeh chart",
        "a formula",
        "a map with tiles",
    ):
        assert re.search(rf"gallery, (cell \d+|text after cell \d+ .*): .*{expected}", said), (expected, said)


TITLES = {
    **dict.fromkeys(("A curve of dots", "Dark by choice", "A flow", "Rings", "Frames", "A choice"), "yes"),
    **dict.fromkeys(("A globe", "Countries"), "yes"),
    **dict.fromkeys(("A hill", "A cloud", "A matrix", "Side by side"), "words"),  # by WebGL, which this browser has not
}
STATES = "all => Object.fromEntries(all.map(each => [each.getAttribute('aria-label'), each.dataset.drawn]))"


def test_charts_are_drawn(seen):
    page = seen.page
    states = page.eval_on_selector_all("figure.plot", STATES)
    assert {title: next(state for label, state in states.items() if title in label) for title in TITLES} == TITLES
    assert len(states) == len(TITLES)
    dots = page.locator('figure[aria-label*="A curve of dots"]')
    assert dots.locator(".scatterlayer path.point").count() == 5000
    assert dots.evaluate("each => each.querySelector('.main-svg').getBoundingClientRect().width") <= 501
    own = page.locator('figure[aria-label*="Dark by choice"] .main-svg').first
    assert own.evaluate("each => getComputedStyle(each).backgroundColor") == "rgb(17, 17, 17)", "its own template"
    assert page.locator('figure[aria-label*="Countries"] .choropleth path.choroplethlocation').count() == 3
    assert page.locator('figure[aria-label*="A globe"] .layer.coastlines path').count() == 1
    hill = page.locator('figure[aria-label*="A hill"]')
    assert hill.locator(".stand-in").is_visible()
    assert "This browser has no WebGL" in hill.text_content()


def test_a_choice_in_a_chart_changes_what_is_drawn(seen):
    chart = seen.page.locator('figure[aria-label*="A choice"]')
    heights = (
        "each => [...each.querySelectorAll('.bars path')].map(bar => Math.round(bar.getBoundingClientRect().height))"
    )
    before = chart.evaluate(heights)
    chart.locator(".updatemenu-header").first.click()
    seen.page.locator(".updatemenu-dropdown-button", has_text="Second").click()
    seen.page.wait_for_timeout(500)
    assert chart.evaluate(heights) == before[::-1] != before


@pytest.fixture(scope="module")
def with_webgl(browser):
    """The same browser with an imitation of a graphics card."""
    running = browser.browser_type.launch(
        executable_path=find_chromium(), args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    )
    yield running
    running.close()


def test_webgl_draws_what_needs_it(with_webgl, made):
    context = with_webgl.new_context(viewport={"width": 1280, "height": 900})
    page, complaints, outside = context.new_page(), [], []
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("request", lambda asked: asked.url.startswith(("file:", "data:", "blob:")) or outside.append(asked.url))
    page.goto(made[0].as_uri())
    for title in [title for title, state in TITLES.items() if state == "words"]:
        figure = page.locator(f'figure[aria-label*="{title}"]')
        figure.scroll_into_view_if_needed()
        figure.locator("xpath=self::*[@data-drawn]").wait_for(timeout=60_000)
        assert figure.get_attribute("data-drawn") == "yes", title
        assert figure.locator(".no-webgl, .no-webgl p").count() == 0, title
        picture = Image.open(io.BytesIO(figure.locator(".canvas").screenshot())).convert("RGB")
        colours = picture.quantize(32).getcolors()
        assert len(colours) > 8, f"{title}: something in colours is painted"
    assert (complaints, outside) == ([], [])
    context.close()


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
    """`jupyter nbconvert --to html --execute` of a report, on small numbers and without any option."""
    notebook = nbformat.read(paths.NOTEBOOKS / "02_svm_sklearn_digits.ipynb", as_version=4)
    small = yaml.safe_load((paths.PROFILES / "smoke" / "02_svm_sklearn_digits.yaml").read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in small.items())
    nbformat.write(notebook, tmp_path / "02.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", str(tmp_path / "02.ipynb")]
    there = os.environ | {"DIGITS_RESULTS_DIR": str(tmp_path), "PYTHONPATH": str(paths.ROOT / "src")}
    there["JUPYTER_CONFIG_PATH"] = str(paths.ROOT)  # where the installed file came from, which may be older
    subprocess.run(command, cwd=paths.ROOT, env=there, check=True, capture_output=True)
    charts = (paths.REPORTS / "02_svm_sklearn_digits.html").read_text(encoding="utf-8").count('<figure class="plot"')
    assert charts >= 3
    with Visit(browser, tmp_path / "02.html", offline=True) as visit:
        visit.page.wait_for_function(
            "n => document.querySelectorAll('.js-plotly-plot .main-svg:first-child').length === n", arg=charts
        )
