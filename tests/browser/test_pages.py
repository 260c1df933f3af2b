"""Pages as a reader's browser sees them: opened from disk in headless Chromium, committed reports included."""

import importlib.util
import itertools
import re
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import specimen
from nbformat.v4 import new_markdown_cell, new_notebook, new_output

from helpers.experiments.sorting_office import robustness_figures
from helpers.figures import charts, style
from helpers.reporting.front_page import index, scoreboard
from helpers.reporting.page import glossary, render, site
from helpers.runtime import paths

pytestmark = pytest.mark.browser

BUDGET = 1_500_000  # bytes a page, without the shared assets
REPORTS = sorted(paths.REPORTS.glob("*.html"))
# True where something of the figure's data has been painted: a mark with an area or a length.
PAINTED = """figure => {
  const marks = ['.mlayer path', '.mlayer image', '.mlayer text', '.pielayer path', '.polarlayer path',
                 '.sankey path', '.treemaplayer path', '.shapelayer path', '.imagelayer image', '.table text'];
  return [...figure.querySelectorAll(marks.join(','))].some(mark => {
    const box = mark.getBoundingClientRect();
    return box.width > 1 || box.height > 1;
  });
}"""
FITS = """() => [...document.querySelectorAll('figure.plot')].every(
  figure => figure.querySelector('.canvas.sliding') ||
            figure.querySelector('svg.main-svg').getBoundingClientRect().width <= figure.clientWidth + 1)"""


@cache
def everyday(browser):
    """The context that most visits share, so that plotly's five megabytes are compiled once and not for each."""
    context = browser.new_context()
    anything = Path(__file__).resolve().parents[2] / "LICENSE"
    context.new_page().goto(anything.as_uri())  # stays open, and with it the process
    return context


class Visit:
    """One page newly opened, with all that it complained about or asked for.

    special: what a context of its own is made with, say `has_touch`.
    """

    def __init__(self, browser, path: Path, *, viewport: dict | None = None, color_scheme: str = "light", **special):
        self.context = browser.new_context(**special) if special else everyday(browser)
        self.page = self.context.new_page()
        self.page.set_viewport_size(viewport or {"width": 1280, "height": 900})
        self.page.emulate_media(color_scheme=color_scheme)
        self.complaints, self.outside = [], []
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("pageerror", lambda problem: self.complaints.append(str(problem)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("a dialog"), dialog.dismiss()))
        self.page.on("request", self._note)
        self.page.goto(path.as_uri())
        self.home = self.page.url

    def _note(self, request):
        if not request.url.startswith(("file://", "data:", "blob:")):
            self.outside.append(request.url)

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        if self.context is everyday(self.context.browser):
            self.page.evaluate("localStorage.clear()")  # what was chosen here is not for the next visit
            self.page.close()
        else:
            self.context.close()

    def draw_all(self) -> list:
        """Bring every plotly figure into view and wait until it says that it is drawn."""
        figures = self.page.locator("figure.plot")
        for i in range(figures.count()):
            figures.nth(i).scroll_into_view_if_needed()
            self.page.wait_for_function("i => document.querySelectorAll('figure.plot')[i].dataset.drawn", arg=i)
        return figures.all()

    def sideways(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


EVERY_IMPACT = frozenset(("minor", "moderate", "serious", "critical"))


def axe(visit, *, impacts: frozenset | set = EVERY_IMPACT, empty: str = "") -> list[str]:
    """Return what axe-core finds wrong, as "rule: first element"; what matches `empty` is empty while it looks."""
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None:
        pytest.skip("axe-playwright-python is not installed")
    source = Path(package.submodule_search_locations[0]) / "axe.min.js"
    visit.page.evaluate(source.read_text(encoding="utf-8") + ";0")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    # Of what was in order only the number of rules comes back: every element of it would take longer than the look.
    found = visit.page.evaluate(
        """async ([tags, empty]) => {
          const full = empty ? [...document.querySelectorAll(empty)] : [];
          const contents = full.map(each => [...each.childNodes]);
          full.forEach(each => each.replaceChildren());
          const found = await axe.run(document, { runOnly: tags, resultTypes: ['violations'] });
          full.forEach((each, i) => each.append(...contents[i]));
          const wrong = found.violations.map(each => [each.impact, `${each.id}: ${each.nodes[0].html.slice(0, 160)}`]);
          return [found.passes.length, wrong];
        }""",
        [rules, empty],
    )
    assert found[0] > 15, "axe looked at the page"
    return [what for impact, what in found[1] if impact in impacts]


def check(browser, path: Path, *, impacts: set[str] | None = None) -> None:
    """Check what must hold for every page of the series, also that axe-core finds nothing of these impacts."""
    assert path.stat().st_size <= BUDGET
    with Visit(browser, path) as visit:
        for figure in visit.draw_all():
            label = figure.get_attribute("aria-label")
            assert label.strip()
            assert figure.get_attribute("data-drawn") == "yes", label
            assert figure.locator("svg.main-svg").count() >= 1, label
            assert figure.evaluate(PAINTED), f"nothing is painted in: {label}"
        page = visit.page
        page.wait_for_function(FITS)
        assert page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
        assert page.evaluate("[...document.images].every(each => each.alt.trim())")
        assert page.evaluate(
            "[...document.querySelectorAll('a[href^=\"#\"]')].every(a => document.querySelector(a.hash))"
        )
        assert page.evaluate("document.querySelectorAll('h1, main').length") == 2
        assert visit.sideways() <= 0
        if impacts:
            # axe asks for files that the page's policy forbids, and the browser complains: what came before counts.
            assert (visit.complaints, visit.outside) == ([], [])
            # What plotly draws and the colours of code are judged in the specimen; here they are thousands of elements,
            # which take axe as long as all the rest.
            assert axe(visit, impacts=impacts, empty="svg.main-svg, pre") == []
            visit.complaints.clear()
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_function(FITS)
        assert visit.sideways() <= 0, "on a phone"
        assert page.evaluate(
            "[...document.querySelectorAll('caption')].every(each => each.getBoundingClientRect().right < innerWidth)"
        ), "a wide table is scrolled, its caption is not"
        assert page.evaluate(
            "[...document.querySelectorAll('.pan img')].every(each => each.getBoundingClientRect().width >= 559)"
        ), "what is written in a wide picture can be read"
        if page.locator('[data-switch="code"]:visible').count():
            page.click('[data-switch="code"]')
            assert visit.sideways() <= 0, "on a phone, with the code folded"
        assert page.evaluate("window.__pwned === undefined")
        assert page.url == visit.home
        assert visit.outside == []
        assert visit.complaints == []


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """The specimen, harmless and hostile, and an index, as files with the assets beside them."""
    folder = tmp_path_factory.mktemp("site")
    site.write_assets(folder / "assets")
    made = {}
    for name, hostile in (("plain", False), ("hostile", True)):
        made[name] = folder / f"{name}.html"
        page = render.render_page(
            specimen.notebook(hostile=hostile), slug=name, previous=("index", "Before"), next=None, commit={}
        )
        made[name].write_text(page, encoding="utf-8")
    made["index"] = folder / "index.html"
    entries = [index.IndexEntry("01_eda", "Looking", "What is there?", "70,000 digits.", seconds=61.0)]
    made["index"].write_text(index.render_index(entries, claims=scoreboard.lines([])), encoding="utf-8")
    made["failure"] = folder / "failure.html"
    made["failure"].write_text(
        render.render_failure(
            specimen.notebook(),
            slug="02",
            error="ZeroDivisionError" + specimen.SCRIPT,
            parameters={"a": specimen.IMAGE},
            log_tail=[specimen.SCRIPT],
            command="make",
        ),
        encoding="utf-8",
    )
    return made


@pytest.mark.parametrize("name", ["plain", "hostile", "index", "failure"])
def test_specimen_pages(browser, pages, name):
    check(browser, pages[name])


def test_a_page_opened_on_a_phone(browser, pages):
    with Visit(
        browser, pages["plain"], viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    ) as visit:
        visit.draw_all()
        assert visit.page.evaluate(FITS)
        assert visit.sideways() <= 0
        assert not visit.page.locator("nav.contents ol").is_visible(), "the contents are folded"
        visit.page.click("nav.contents summary")
        visit.page.click("nav.contents ol a >> nth=1")
        assert not visit.page.locator("nav.contents ol").is_visible()
        assert visit.complaints == []


# Words of a chart that reach beyond it, and names of rows or columns that plotly left out for want of room.
LOST = """() => [...document.querySelectorAll('figure.plot')].flatMap(figure => {
  const box = figure.querySelector('.canvas').getBoundingClientRect();
  const layout = figure.querySelector('.canvas')._fullLayout;
  const all = [...figure.querySelectorAll('svg.main-svg text')];
  const words = all.filter(text => getComputedStyle(text).display !== 'none');
  const cut = words.filter(text => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1;
  }).map(text => text.textContent);
  const names = ['xaxis', 'yaxis'].flatMap(axis => (layout[axis] || {}).ticktext || []);
  const drawn = words.map(text => text.textContent.trim());
  return [...cut, ...names.filter(name => !drawn.includes(name.replaceAll('<br>', '').trim()))];
})"""


def test_what_is_written_in_a_chart_is_whole_on_a_phone(browser, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(style, "display", lambda data, **more: shown.append(new_output("display_data", data=data)))
    labels, kinds = ["a label of some twenty-six", "b"], [f"sort of damage {i}" for i in range(4)]
    systems = ["shipped system", "shipped network, unprepared", "average of 5", "final network", "NF264 deep"]
    title = "points gained over a constant rate, on 10,000 images"
    damaged = robustness_figures.damage_table(pd.DataFrame(0.5, index=kinds, columns=systems))
    for fig in (charts.intervals(labels, [0.5, 0.6], x_title=title, percent=False), damaged):
        style.show(fig, alt="a chart")
    site.write_assets(tmp_path / "assets")
    notebook = new_notebook(cells=[new_markdown_cell("# Charts"), specimen.timed("charts()", *shown)])
    page = render.render_page(notebook, slug="charts", previous=None, next=None, commit={})
    (tmp_path / "charts.html").write_text(page, encoding="utf-8")
    with Visit(browser, tmp_path / "charts.html", viewport={"width": 390, "height": 844}) as visit:
        visit.draw_all()
        assert visit.page.evaluate(LOST) == []


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_committed_reports(browser, path):
    """The front page and try.html meet axe in test_front_page_browser.py and test_try_page_browser.py."""
    check(browser, path, impacts={"serious", "critical"} if path.stem[0].isdigit() else None)


def colours(visit: Visit) -> tuple[str, str, str]:
    """Return the colours of the page's ground, of its text and of the text in its first chart."""
    tick = "getComputedStyle(document.querySelector('figure.plot .xtick text')).fill"
    return tuple(
        visit.page.evaluate(what)
        for what in ("getComputedStyle(document.body).backgroundColor", "getComputedStyle(document.body).color", tick)
    )


def luminance(colour: str) -> float:
    """Return WCAG 2's relative luminance of a CSS rgb() colour."""
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_the_switch(browser, pages, scheme):
    with Visit(browser, pages["plain"], color_scheme=scheme) as visit:
        visit.draw_all()
        ground, ink, tick = colours(visit)
        assert (luminance(ground) > 0.5) == (scheme == "light")
        assert tick == ink
        visit.page.click('[data-switch="theme"]')
        visit.page.wait_for_function(
            "old => getComputedStyle(document.querySelector('figure.plot .xtick text')).fill !== old", arg=tick
        )
        other_ground, other_ink, other_tick = colours(visit)
        assert (luminance(other_ground) > 0.5) == (scheme == "dark")
        assert other_tick == other_ink
        visit.page.reload()
        assert colours_of_page(visit) == other_ground, "the choice is remembered"
        visit.page.click('[data-switch="theme"]')
        assert colours_of_page(visit) == ground
        assert visit.complaints == []


def colours_of_page(visit: Visit) -> str:
    return visit.page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["plain", "index"])
def test_text_has_enough_contrast(browser, pages, scheme, name):
    """Every visible text against the nearest painted ground behind it: 4.5 to 1 (WCAG 2 AA)."""
    collect = """() => {
      const found = [];
      const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) {
        const element = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || element.closest('script, .canvas')) continue;
        let ground = element;
        while (ground && /, 0\\)$/.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
        found.push([getComputedStyle(element).color, getComputedStyle(ground || document.body).backgroundColor,
                    walk.currentNode.data.trim().slice(0, 30)]);
      }
      return found;
    }"""
    with Visit(browser, pages[name], color_scheme=scheme) as visit:
        pairs = [pair for pair in visit.page.evaluate(collect) if pair[1].startswith("rgb(")]
        assert len(pairs) > 30
        weak = [(text, ink, ground) for ink, ground, text in pairs if contrast(ink, ground) < 4.5]
        assert weak == []


def test_code_stands_in_plain_sight_until_it_is_folded(browser, pages):
    count = "document.querySelectorAll('details.code[open]').length"
    with Visit(browser, pages["plain"]) as visit:
        cells = visit.page.locator("details.code")
        assert visit.page.evaluate(count) == cells.count()
        cells.first.locator("summary").click()
        assert visit.page.evaluate(count) == cells.count() - 1, "each cell folds by itself"
        visit.page.click('[data-switch="code"]')
        assert visit.page.evaluate(count) == 0
        assert visit.page.get_attribute('[data-switch="code"]', "aria-pressed") == "false"
        visit.page.reload()
        visit.page.wait_for_function(f"() => {count} === 0")  # the choice is remembered
        visit.page.click('[data-switch="code"]')
        assert visit.page.evaluate(count) == cells.count()


def test_without_plotly_the_description_stands_in(browser, pages, tmp_path):
    alone = tmp_path / "alone.html"
    alone.write_text(pages["plain"].read_text(encoding="utf-8"), encoding="utf-8")
    with Visit(browser, alone) as visit:
        stand_in = visit.page.locator("figure.plot .stand-in").first
        stand_in.scroll_into_view_if_needed()
        assert stand_in.inner_text() == "Bars of three accuracies"
        assert stand_in.is_visible()


def test_words_that_a_chart_takes_away_are_not_found_before_it_is_drawn(browser, pages):
    never = "requestIdleCallback = () => {}; IntersectionObserver = class { observe() {} unobserve() {} };"
    with Visit(browser, pages["plain"], device_scale_factor=1) as visit:  # a context of its own
        visit.page.add_init_script(never)
        visit.page.reload()
        assert visit.page.locator("figure.plot[data-drawn]").count() == 0
        assert not visit.page.evaluate("() => window.find('Bars of three accuracies')")
        assert visit.page.evaluate("() => window.find('the')"), "words that stand there are"


def test_without_scripts_everything_can_still_be_read(browser, pages):
    with Visit(browser, pages["plain"], java_script_enabled=False) as visit:
        assert visit.page.locator("details.code pre").first.is_visible()
        assert visit.page.locator("figure.plot .stand-in").first.is_visible()
        assert not visit.page.locator('[data-switch="theme"]').is_visible(), "no switch that does nothing"


@pytest.mark.parametrize("clipboard", [True, False])
def test_code_is_copied_and_said_so(browser, pages, clipboard):
    """Also where the browser gives a page from disk no clipboard: then a selection is copied."""
    with Visit(browser, pages["plain"], permissions=["clipboard-read", "clipboard-write"]) as visit:
        page = visit.page
        if not clipboard:
            page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('forbidden')); }")
        button = page.get_by_role("button", name="Copy this code").first
        assert button.evaluate("each => getComputedStyle(each).opacity") == "0"
        button.focus()
        assert button.evaluate("each => getComputedStyle(each).opacity") == "1"
        page.keyboard.press("Enter")
        page.locator("main > [role=status]", has_text="Code copied").wait_for(state="attached")  # no eval: the policy
        assert page.evaluate("navigator.clipboard.readText()") == "import numpy as np\nfrom helpers.data import load"
        assert page.evaluate("document.activeElement.textContent") == "Copied", "the focus stays"


def test_what_runs_past_the_edge_says_so_and_takes_the_keyboard(browser, pages):
    with Visit(browser, pages["plain"], viewport={"width": 390, "height": 844}) as visit:
        page = visit.page
        wide = page.locator(".scroll[data-past]").first
        assert wide.get_attribute("data-past") == "right"
        shadow = "(each, side) => getComputedStyle(each, side).opacity"
        page.wait_for_function("each => getComputedStyle(each, '::after').opacity === '1'", arg=wide.element_handle())
        assert wide.evaluate(shadow, "::before") == "0"
        edge = "each => each.getBoundingClientRect().right"
        assert wide.evaluate(edge) <= 390
        wide.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("each => each.dataset.past.startsWith('left')", arg=wide.element_handle())
        fitting = ".scroll:not([data-past]), pre:not([data-past])"
        assert page.evaluate(
            f"[...document.querySelectorAll('{fitting}')].every(e => e.scrollWidth <= e.clientWidth + 2)"
        )
        assert not page.locator(".scroll:not([data-past])[tabindex]").count(), "no stop where nothing moves"


@pytest.mark.parametrize("touch", [True, False])
def test_the_tool_bar_of_a_chart_covers_nothing(browser, pages, touch):
    special = {"has_touch": True, "is_mobile": True} if touch else {}
    with Visit(browser, pages["plain"], **special) as visit:
        chart = visit.draw_all()[0]
        if touch:
            assert visit.page.locator(".modebar").count() == 0
        else:
            chart.hover()
            bar, drawing = (chart.locator(each).bounding_box() for each in (".modebar", ".canvas"))
            assert bar["y"] + bar["height"] <= drawing["y"] + 4


def test_a_wide_heat_map_slides_on_a_phone(browser, pages):
    """Eleven columns with numbers in them: each column keeps room for its number."""
    columns, texts = list(range(11)), [["99.9"] * 11] * 3
    trace = {"type": "heatmap", "z": [[1] * 11] * 3, "x": columns, "text": texts, "texttemplate": "%{text}"}
    book = new_notebook(cells=[specimen.timed("show()", specimen.plotly_output(trace, alt="A field of numbers"))])
    path = pages["plain"].with_name("wide.html")
    path.write_text(render.render_page(book, slug="wide", commit={}), encoding="utf-8")
    phone = {"width": 390, "height": 844}
    with Visit(browser, path, viewport=phone, has_touch=True, is_mobile=True) as visit:
        visit.draw_all()
        boxes = visit.page.evaluate(
            "[...document.querySelectorAll('.heatmaplayer text')].slice(0, 11)"
            ".map(each => each.getBoundingClientRect().toJSON())"
        )
        assert len(boxes) == 11
        for left, right in itertools.pairwise(boxes):
            assert left["right"] < right["left"]
        assert visit.page.locator(".canvas.sliding[data-past]").count() == 1
        assert visit.sideways() <= 0


def test_labels_below_a_chart_keep_apart_on_a_phone(browser, pages):
    values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 30]
    ticks = {"type": "log", "tickvals": values, "ticktext": [str(value) for value in values]}
    curve = specimen.plotly_output({"x": values, "y": values}, alt="Many", xaxis=ticks)
    names = ["a", "bb", "ccc", "dddd", "the longest of all"]
    field = {"type": "heatmap", "z": [[1] * 5] * 2, "x": list(range(5))}
    labelled = {"tickvals": list(range(5)), "ticktext": names}
    cells = [
        specimen.timed("c()", curve),
        specimen.timed("f()", specimen.plotly_output(field, alt="F", xaxis=labelled)),
    ]
    path = pages["plain"].with_name("labels.html")
    path.write_text(render.render_page(new_notebook(cells=cells), slug="labels"), encoding="utf-8")
    with Visit(browser, path, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as visit:
        visit.draw_all()
        shown = visit.page.evaluate(
            "[...document.querySelectorAll('figure.plot')].map(figure => [...figure.querySelectorAll('.xtick text')]"
            ".filter(each => each.textContent.trim() && getComputedStyle(each).opacity !== '0')"
            ".map(each => [each.textContent, each.getBoundingClientRect().left, each.getBoundingClientRect().right]))"
        )
    assert len(shown[0]) >= 6
    for left, right in itertools.pairwise(shown[0]):
        assert left[2] < right[1], (left, right)
    assert [text for text, *_ in shown[1]] == names, "none is left out"


def test_on_paper_code_is_wrapped_and_charts_fit(browser, pages):
    with Visit(browser, pages["plain"], color_scheme="dark") as visit:
        visit.draw_all()
        visit.page.emulate_media(media="print", color_scheme="dark")
        visit.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        visit.page.wait_for_function(
            "() => [...document.querySelectorAll('svg.main-svg')].every(s => s.getBoundingClientRect().width <= 660)"
        )
        assert visit.page.locator("details.code pre").first.is_visible()
        assert visit.page.evaluate(
            "[...document.querySelectorAll('details.code pre')].every(pre => pre.scrollWidth <= pre.clientWidth)"
        )
        for selector in ("details.code > summary", ".bar", "nav.contents"):
            assert not visit.page.locator(selector).first.is_visible(), selector
        ground, ink, tick = colours(visit)
        assert luminance(ground) > 0.9
        assert contrast(ink, ground) > 7
        assert contrast(tick, ground) > 7
        visit.page.emulate_media(media="screen")
        visit.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        visit.page.wait_for_function(
            "() => document.querySelector('figure.plot svg.main-svg').getBoundingClientRect().width > 700"
        )


def test_the_glossary_and_a_page_without_headings_are_as_wide_as_any(browser, pages):
    folder = pages["plain"].parent
    glossary.write(folder)
    bare = folder / "bare.html"
    bare.write_text(render.render_page(new_notebook(cells=[new_markdown_cell("word " * 200)]), slug="bare"))
    for path in (folder / "glossary.html", bare):
        with Visit(browser, path) as visit:
            widths = "[...document.querySelectorAll('.prose p')].map(each => each.getBoundingClientRect().width)"
            assert max(visit.page.evaluate(widths)) > 500, path.name
            assert visit.sideways() <= 0


def test_a_table_wider_than_the_sheet_is_made_smaller_and_nothing_else(browser, pages):
    """Else the browser would shrink the whole document to the width of its widest table."""
    wide = "".join(f"<td>{'unbreakable' * 2}{i}</td>" for i in range(9))
    tables = [f"<table><tr>{row}</tr></table>" for row in (wide, "<td>narrow</td>")]
    cells = [specimen.timed("t()", new_output("display_data", {"text/html": each})) for each in tables]
    path = pages["plain"].with_name("tables.html")
    path.write_text(render.render_page(new_notebook(cells=cells), slug="tables"), encoding="utf-8")
    with Visit(browser, path) as visit:
        visit.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        visit.page.emulate_media(media="print")
        visit.page.set_viewport_size({"width": 650, "height": 900})
        assert visit.sideways() <= 0
        zooms = visit.page.evaluate("[...document.querySelectorAll('.scroll > table')].map(each => each.style.zoom)")
        assert 0.2 < float(zooms[0]) < 0.6
        assert zooms[1] == ""
        visit.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert visit.page.evaluate("document.querySelector('.scroll > table').style.zoom") == ""


def test_keyboard_reaches_the_text_first(browser, pages):
    with Visit(browser, pages["plain"]) as visit:
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.hash") == "#content"
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate("document.activeElement.id") == "content"
