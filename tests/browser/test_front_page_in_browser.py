"""The front page in a browser, from disk: first paint, keyboard, search, order and filters, axe-core, phone, print."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import specimen
from test_pages import Visit, axe

from helpers import results
from helpers.reporting.front_page import index, leaderboard, scoreboard, search
from helpers.reporting.page import card, render, site
from helpers.reporting.run import own, plan
from helpers.runtime import paths

pytestmark = pytest.mark.browser

BEFORE_PAINT = 100_000  # bytes beside the page: style sheets, and the script that knows the reader's colours
SHOWN = "[...document.querySelectorAll('.scoreboard tr.line')].filter(line => line.checkVisibility())"


LINE = own._picture(np.eye(28, dtype=np.uint8)[None] * 255)
OWN = own.Own(
    source="a/path/without/any/place/to/break/it/" + "x" * 80,
    folder=Path("unused"),
    name="Digits_of_somebody_who_likes_very_long_names_without_a_blank.npz",
    checksum="0123456789abcdef" * 4,
    images="",
    train=4000,
    test=2000,
    unlabelled=28_000,
    digits=tuple(own.Digit(digit, 600, LINE) for digit in (0, 1, 2, 3, 5, 6, 7, 8, 9)),
    notes=("only nine digits occur", "3 of the 2,000 test images are in the training part, too."),
)

KEYS = ("figures.show(fig)", "figures.show(heat)", "picture alone")


def picture_of(directory: Path, slug: str, key: str) -> dict:
    """Write the card of the specimen with another key figure: a bar chart, a heat map, a picture."""
    notebook = specimen.notebook(hostile=False)
    for cell in notebook.cells:
        if key == "picture alone" and cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if "image/png" in each.get("data", {})]
        cell.metadata["tags"] = ["key-figure"] * (cell.source == key)
    card.write(directory, slug, notebook)
    return json.loads((directory / f"{slug}.json").read_text(encoding="utf-8"))["picture"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A front page over the results there are (or two made-up ones) and a page to find things in."""
    where = tmp_path_factory.mktemp("front")
    site.write_assets(where / "assets")
    page = render.render_page(specimen.notebook(hostile=False), slug="02_specimen", commit={})
    (where / "02_specimen.html").write_text(page, encoding="utf-8")
    parts = card.sections(specimen.notebook(hostile=False))
    odd = ["the-data", "Ångström’s café", "A naïve reader, 4 read as 9, k = 1 and nothing else"]
    index.write_script(
        where / "assets",
        search.script([("02_specimen", "Support vectors", parts), ("02_specimen", "Odd words", [odd])]),
    )
    pictures = [picture_of(where / "assets" / "cards", f"0{i}_specimen", key) for i, key in enumerate(KEYS, 2)]
    net = results.Row(
        "net", "60000/10000", "accuracy", 0.9968, 10_000, claim_id="hdr-cnn", parameters=5, seconds=35.0, model="fast"
    )
    short = results.Row(
        "short",
        "kaggle, validation",
        "accuracy",
        0.99,
        4200,
        claim_id="hwd-recog-40",
        note="2 epochs",
        short_budget=True,
        model="cnn",
    )
    reports = [results.Report("02_specimen", "standard", 0, "q", "a", (net, short))]
    entry = {"question": "What?", "answer": "This.", "executed_at": "2026-11-21", "seconds": 4.0, "reading_minutes": 3}
    entries = [
        index.IndexEntry(f"0{i}_specimen", f"Report {i}", picture=picture, stale=stale, **entry)
        for i, (picture, stale) in enumerate(zip(pictures, ("", "code cell 3 changed", ""), strict=True), 2)
    ]
    failed = index.IndexEntry("05_specimen", "Report 5", page=False, failed="failed/05_specimen.html")
    left_out = plan.Job("06_specimen", "Report 6", None, {}, {}, {}, "")
    made = {"claims": scoreboard.lines(reports), "boards": leaderboard.boards(reports), "commit": {"commit": "abc"}}
    (where / "index.html").write_text(index.render_index(entries, searchable=True, **made), encoding="utf-8")
    page = index.render_index([*entries, failed], searchable=True, own=OWN, left_out=[left_out], boards=made["boards"])
    (where / "own.html").write_text(page, encoding="utf-8")
    return where


@pytest.fixture
def visit(browser, folder):
    with Visit(browser, folder / "index.html") as visit:
        yield visit
        assert visit.complaints == []
        assert visit.outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", ["index.html", "own.html"])
def test_axe_finds_nothing_on_the_front_page(browser, folder, scheme, width, page):
    with Visit(browser, folder / page, color_scheme=scheme, viewport={"width": width, "height": 844}) as visit:
        visit.page.fill("#words", "digits")
        visit.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert visit.page.locator("#found li").count() > 0
        assert axe(visit) == []
        assert visit.sideways() <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_report(browser, folder, scheme):
    with Visit(browser, folder / "02_specimen.html", color_scheme=scheme) as visit:
        visit.draw_all()
        assert axe(visit) == []


COMMITTED = paths.REPORTS / "index.html"


@pytest.mark.skipif(
    not COMMITTED.exists() or "index.css" not in COMMITTED.read_text(encoding="utf-8"),
    reason="the committed front page is not rendered yet",
)
def test_the_committed_front_page(browser):
    with Visit(browser, COMMITTED) as visit:
        assert axe(visit) == []
        links = visit.page.evaluate("[...document.links].map(each => each.getAttribute('href'))")
        anchors = {
            page.stem: set(re.findall(r' id="([^"]+)"', page.read_text(encoding="utf-8")))
            for page in paths.REPORTS.glob("[0-9]*.html")
        }
        for link in links:
            if link.startswith("https://"):  # leads out of the series
                continue
            page, _, anchor = link.partition("#")
            assert not page or (paths.REPORTS / page).exists(), link
            slug = page.removesuffix(".html")
            assert not anchor or slug not in anchors or anchor in anchors[slug], link
        visit.page.fill("#words", "leave-one-out")
        visit.page.wait_for_selector("#found li")
    assert COMMITTED.stat().st_size < 600_000
    assert (paths.ASSETS / "search.js").stat().st_size < 600_000


def test_the_first_paint_waits_for_little(browser, folder):
    """Not for the words to search in nor for what only acts, however long they take: here they never come."""
    page = folder / "index.html"
    context, asked, held = browser.new_context(), [], []

    def answer(route):
        name = route.request.url.rpartition("/")[2]
        asked.append(name)
        if name in ("index.js", "search.js"):
            held.append(name)
        else:
            route.continue_()

    try:
        visit = context.new_page()
        visit.route("**/assets/**", answer)
        visit.goto(page.as_uri(), wait_until="commit")
        visit.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
        assert sorted(held) == ["index.js", "search.js"]
        assert visit.locator("h1").is_visible()
        assert visit.evaluate("document.readyState") == "interactive", "the scripts are still to come"
    finally:
        context.close()
    before = [page.parent / "assets" / name for name in asked if name not in held]
    assert sum(path.stat().st_size for path in before) < BEFORE_PAINT, before


def test_landmarks_labels_and_order_of_focus(visit):
    page = visit.page
    for role, names in {
        "banner": 1,
        "main": 1,
        "contentinfo": 1,
        "search": 1,
    }.items():
        assert page.get_by_role(role).count() == names, role
    assert page.get_by_role("navigation", name="On this page").count() == 1
    assert page.get_by_role("searchbox", name="Search all reports").count() == 1
    for name in ("Project", "Verdict", "Order"):
        assert page.get_by_role("combobox", name=name).count() == 1
    for name in ("The reports", "Published claims beside ours", "All models"):
        assert page.get_by_role("region", name=name).count() == 1
    where = """() => {
      const each = document.activeElement;
      const top = each.getBoundingClientRect().top + scrollY * !each.closest('.bar, .skip');
      return [top, each.textContent.trim(), getComputedStyle(each).outlineStyle];
    }"""
    tops = []
    for _ in range(14):
        page.keyboard.press("Tab")
        tops.append(page.evaluate(where))
    assert tops[0][1] == "Skip to the text"
    places = [top for top, _, _ in tops]
    assert all(after >= before - 45 for before, after in itertools.pairwise(places)), tops
    assert all(outline == "solid" for *_, outline in tops), "what has the focus shows it"


def test_search_by_keyboard_alone(visit, folder):
    page = visit.page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "words"
    page.keyboard.type("cafe angstrom")
    assert page.locator("#hits").inner_text() == "1 section found"
    assert page.locator("#found li").inner_text().startswith("Ångström’s café")
    page.keyboard.press("Escape")
    assert page.input_value("#words") == ""
    assert page.locator("#found li").count() == 0
    page.keyboard.type("HIGH-SCHOOL students")
    first = page.locator("#found li").first
    assert first.locator("mark").all_inner_texts()[:2] == ["high-school", "students"]
    n = page.locator("#found li").count()
    assert n >= 3
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[...document.querySelectorAll('#found a')].indexOf(document.activeElement)") == 1
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "words"
    page.keyboard.press("Enter")
    page.wait_for_url("**/02_specimen.html#*", wait_until="commit")
    page.wait_for_selector("h1", state="attached")
    assert page.evaluate("document.querySelector(location.hash).tagName").startswith("H")


@pytest.mark.parametrize(
    ("words", "n"), [("naive", 1), ("k = 1", 1), ("zzz", 0), ("a", 0), ("ngstr", 1), ("<script>", 0), ("(", 0)]
)
def test_what_is_found(visit, words, n):
    visit.page.fill("#words", words)
    assert visit.page.locator("#found li").count() == n
    expected = {0: "", 1: "1 section found"}[n] if len(words) < 2 or n else "Nothing found"
    assert visit.page.locator("#hits").inner_text() in (expected, "")


def test_claims_can_be_filtered(visit):
    page, n = visit.page, len(results.claims())
    assert page.evaluate(f"{SHOWN}.length") == n
    page.select_option('[data-filter="verdict"]', "higher")
    assert page.evaluate(f"{SHOWN}.map(line => line.id)") == ["claim-hdr-cnn"]
    assert page.locator(".tools [role=status]").inner_text() == f"1 of {n} claims"
    assert page.locator("tr.source:visible").count() == 1
    page.select_option('[data-filter="verdict"]', "short budget")
    assert page.evaluate(f"{SHOWN}.map(line => line.id)") == ["claim-hwd-recog-40"]
    assert page.locator("#claim-hwd-recog-40 sup").inner_text() == "a"  # said once, as a note: two tables have it
    assert "2 epochs" in page.locator("ul.notes").inner_text()
    page.select_option('[data-filter="verdict"]', "")
    page.select_option('[data-filter="source"]', "Digit Recognizer")
    assert page.evaluate(f"{SHOWN}.length") == (results.claims()["source"] == "Digit Recognizer").sum()
    page.evaluate("location.hash = '#claim-hdr-cnn'")
    page.wait_for_function("() => document.querySelector('#claim-hdr-cnn').checkVisibility()")


def test_claims_can_be_sorted_by_press_and_by_choice(visit):
    page = visit.page
    at_first = page.evaluate(f"{SHOWN}.map(line => line.id)")
    published = results.claims()["value"].to_dict()
    head = page.get_by_role("button", name="Published")
    head.focus()
    page.keyboard.press("Enter")
    order = [published[each.removeprefix("claim-")] for each in page.evaluate(f"{SHOWN}.map(line => line.id)")]
    assert order == sorted(published.values(), reverse=True)
    assert page.locator('th[data-key="published"]').get_attribute("aria-sort") == "descending"
    assert page.locator("tr.source:visible").count() == 0
    page.keyboard.press("Enter")
    order = [published[each.removeprefix("claim-")] for each in page.evaluate(f"{SHOWN}.map(line => line.id)")]
    assert order == sorted(published.values())
    page.keyboard.press("Enter")
    assert page.evaluate(f"{SHOWN}.map(line => line.id)") == at_first
    page.select_option("[data-order]", "ours")
    ids = page.evaluate(f"{SHOWN}.map(line => line.id)")
    assert ids[:2] == ["claim-hdr-cnn", "claim-hwd-recog-40"], "what was not run comes last"


def test_on_a_phone_each_project_is_one_line_until_it_is_pressed(browser, folder):
    phone = {"width": 390, "height": 844}
    with Visit(browser, folder / "index.html", viewport=phone, has_touch=True, is_mobile=True) as visit:
        page = visit.page
        assert page.evaluate(f"{SHOWN}.length") == 0
        heads = page.locator(".scoreboard tr.source button")
        assert heads.count() == page.locator(".scoreboard tr.source").count() > 1
        assert " claims: " in page.locator(".scoreboard .sum").first.inner_text()
        heads.first.tap()
        source = heads.first.inner_text()
        assert page.evaluate(f"{SHOWN}.length") == (results.claims()["source"] == source).sum()
        assert heads.first.get_attribute("aria-expanded") == "true"
        assert axe(visit) == []
        page.evaluate("location.hash = '#claim-hdr-cnn'")
        page.wait_for_function("() => document.querySelector('#claim-hdr-cnn').checkVisibility()")
        page.select_option('[data-filter="verdict"]', "short budget")
        assert page.evaluate(f"{SHOWN}.map(line => line.id)") == ["claim-hwd-recog-40"], "what is asked for is shown"


def test_without_scripts_everything_is_there(browser, folder):
    with Visit(browser, folder / "index.html", java_script_enabled=False) as visit:
        assert not visit.page.locator(".finder").is_visible()
        assert not visit.page.locator(".claims .tools").is_visible()
        assert visit.page.locator(".scoreboard tr.line").count() == len(results.claims())
        assert visit.page.locator(".models summary").first.is_visible()


def test_on_paper_all_tables_are_open_and_tools_are_gone(visit):
    visit.page.emulate_media(media="print")
    visit.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert visit.page.evaluate("[...document.querySelectorAll('.models details')].every(each => each.open)")
    visit.page.set_viewport_size({"width": 670, "height": 950})  # A4 between our margins
    assert visit.sideways() <= 0
    widths = visit.page.evaluate("[...document.querySelectorAll('.ledger')].map(each => each.scrollWidth)")
    assert max(widths) <= 670
    for selector in (".finder", ".claims .tools", ".bar"):
        assert not visit.page.locator(selector).first.is_visible(), selector
    visit.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert visit.page.evaluate("[...document.querySelectorAll('.models details')].map(each => each.open)") == [
        True,
        False,
    ]


def test_thumbnails_are_drawn_and_fit(visit):
    boxes = visit.page.evaluate("""[...document.querySelectorAll('.thumbnail > *')].map(each => {
        const box = each.getBoundingClientRect();
        return [box.width, box.height, (each.getAttribute('aria-label') || each.alt || '').length];
    })""")
    assert len(boxes) == 3
    assert all(200 <= width <= 260 and 80 <= height <= 170 and alt for width, height, alt in boxes), boxes
