"""The atlas: data in, cards out, and in a browser every number stands beside the image that bears it."""

import base64
import io
import json
import re

import nbformat
import numpy as np
import pytest
from matplotlib.image import imread
from test_pages import Visit, contrast
from test_render import everything_inert, read

from helpers.data import load
from helpers.figures import atlas
from helpers.reporting.page import atlas as markup
from helpers.reporting.page import outputs, render, site
from helpers.runtime import paths

READERS = ("kNN", "SVM")
# Draws an image as a browser shows it and returns its ink: 255 minus the grey value, row by row.
INK = """image => {
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, i) => 255 - data[4 * i]);
}"""


@pytest.fixture(scope="module")
def mnist():
    return load.load_mnist()


@pytest.fixture(scope="module")
def made(mnist):
    """Cards of 24 test images, deliberately not in the order of their numbers, with two readers and neighbours."""
    rng = np.random.default_rng(3)
    rows = rng.choice(10_000, 24, replace=False)
    labels = mnist.test.labels
    read_as = (labels[rows] + 1 + np.arange(24) % 3) % 10
    right, wrong = labels, (labels + 1) % 10
    answers = {
        "kNN": np.where(np.arange(10_000) % 2, right, wrong),
        "SVM": np.where(np.arange(10_000) % 3, right, wrong),
    }
    near = rng.integers(0, 60_000, (24, 3))
    return atlas.cards(
        rows,
        mnist.test,
        read=read_as,
        sure=np.linspace(0.99, 0.2, 24),
        answers=answers,
        near=near,
        near_in=mnist.train,
        notes={int(rows[0]): "Disputed <b>label</b>."},
    )


def notebook_of(made):
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    payload = {"alt": "An atlas of cards", "caption": "Some *cards*.", "noun": "test image", "cards": made}
    payload["near_noun"] = "training image"
    output = new_output("display_data", data={atlas.MIME: payload, "text/plain": "An atlas"})
    cells = [
        new_markdown_cell("# An atlas\n\n## The cards"),
        new_code_cell("show()", outputs=[output], execution_count=1),
    ]
    return nbformat.from_dict({**new_notebook(cells=cells), "metadata": {"digits": {"profile": "standard"}}})


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    site.write_assets(folder / "assets")
    path = folder / "atlas.html"
    path.write_text(render.render_page(notebook_of(made), slug="08_atlas"), encoding="utf-8")
    return path


# Data and markup


def test_a_png_holds_the_very_pixels(mnist):
    for row in (0, 4740):
        decoded = imread(io.BytesIO(atlas.png(mnist.test.images[row])))
        assert np.array_equal(np.rint(decoded * 255).astype(int), 255 - mnist.test.images[row].astype(int))
    with pytest.raises(ValueError, match="uint8"):
        atlas.png(mnist.test.images[0].astype(float))


def test_cards_carry_number_label_and_pixels_of_the_same_row(made, mnist):
    for card in made:
        for part, source in [(card, mnist.test), *((near, mnist.train) for near in card["near"])]:
            decoded = imread(io.BytesIO(base64.b64decode(part["png"])))
            assert np.array_equal(np.rint(decoded * 255).astype(int), 255 - source.images[part["index"]].astype(int))
            assert part["label"] == source.labels[part["index"]]
        assert [name for name, _ in card["answers"]] == list(READERS)
    assert made[0]["note"]
    assert not made[1]["note"]


def test_cards_refuse_lengths_that_differ(mnist):
    test = mnist.test
    with pytest.raises(ValueError, match="read: got 1 entries, need 2"):
        atlas.cards([1, 2], test, read=[1], sure=[0.1, 0.2])
    with pytest.raises(ValueError, match="kNN"):
        atlas.cards([1], test, read=[1], sure=[0.1], answers={"kNN": test.labels[:5]})


def test_the_renderer_takes_the_same_kind_as_the_figure_gives():
    assert markup.MIME == atlas.MIME


def test_the_markup_is_inert_well_formed_and_labelled(page, made):
    reader = read(page.read_text(encoding="utf-8"))
    everything_inert(reader, own_scripts={"assets/report.js"})
    assert reader.broken == []
    assert reader.stack == []
    assert len([one for one in reader.of("details") if "data-label" in one]) == len(made)
    assert all("open" in one for one in reader.of("details") if "data-label" in one), "readable without scripts"
    assert all(image["alt"].strip() for image in reader.of("img"))
    assert "Disputed <b>label</b>." in " ".join(reader.text), "a note is text, whatever it says"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda card: card | {"png": 'x"><script>window.__pwned=1</script>'},
        lambda card: card | {"index": "<b>1"},
        lambda card: {name: value for name, value in card.items() if name != "near"},
        lambda card: card | {"answers": ["kNN"]},
    ],
)
def test_what_is_no_atlas_becomes_a_sentence(made, spoil):
    for payload in ({"alt": "a", "cards": [spoil(made[0])]}, {"cards": 3}, "text", None):
        shown = outputs.bundle_html({atlas.MIME: payload}, {})
        assert shown == '<p class="quiet">An atlas stood here that cannot be read.</p>'


def test_hostile_words_in_an_atlas_stay_words(made):
    bad = "<img src=x onerror=alert(1)>"
    card = made[0] | {"note": bad, "answers": [[bad, 3]]}
    shown = markup.to_html({"alt": bad + '"', "caption": bad, "noun": bad, "near_noun": bad, "cards": [card]})
    reader = read(shown)
    everything = [attributes for _, attributes in reader.elements]
    assert not [a for a in everything if any(name.startswith("on") for name in a)]
    assert all(image["src"].startswith("data:image/png;base64,") for image in reader.of("img"))


@pytest.mark.parametrize(
    ("answers", "others"), [([], ""), ([3], "none"), ([5], "all"), ([3, 3], "none"), ([5, 3], "some"), ([5, 7], "all")]
)
def test_a_card_says_how_many_of_the_others_misread_it(made, answers, others):
    card = made[0] | {"label": 3, "answers": [[f"reader {i}", answer] for i, answer in enumerate(answers)]}
    page = markup.to_html({"alt": "a", "cards": [card]})
    assert re.findall(r'data-others="(\w*)"', page) == [others]
    assert page.count('<b class="off">') == sum(answer != 3 for answer in answers)
    choices = re.findall(r'data-filter="others">(.*?)</select>', page)
    assert [re.findall(r'value="(\w+)"', one) for one in choices] == ([["none", "some", "all"]] if answers else [])


def test_every_confidence_falls_under_one_filter_and_that_one_says_so(made):
    """The script shows a card where low <= sure < high, on the four decimals that the card bears."""
    page = markup.to_html({"alt": "a", "cards": made[:1]})
    choices = re.search(r'data-filter="sure">(.*?)</select>', page)[1]
    bounds = [tuple(map(float, one.split())) for one in re.findall(r'<option value="([\d. ]+)">', choices)]
    words = re.findall(r'<option value="[\d. ]+">([^<]+)', choices)
    assert words == ["below 50%", "50% to 80%", "80% and above"]
    for sure in (0.0, 0.1, 0.4999, 0.5, 0.65, 0.7999, 0.8, 0.9, 0.9999, 1.0):
        (bears,) = re.findall(
            r'data-sure="([\d.]+)"', markup.to_html({"alt": "a", "cards": [made[0] | {"sure": sure}]})
        )
        assert float(bears) == sure
        assert [low <= sure < high for low, high in bounds] == [sure < 0.5, 0.5 <= sure < 0.8, sure >= 0.8], sure


# In a browser


def visible(visit) -> list[int]:
    cards = visit.page.locator(".atlas ol > li:not([hidden]) > details")
    return [int(card.get_attribute("data-index")) for card in cards.all()]


# What stands in each card and how its pictures look, read in one go: asking for each piece would take a minute.
CARDS = """ink => {
  const look = eval(ink);
  const text = (where, what) => where.querySelector(what).textContent;
  return [...document.querySelectorAll('.atlas ol > li > details')].map(card => ({
    number: text(card, 'summary .number'),
    ink: look(card.querySelector('summary img')),
    alt: card.querySelector('summary img').alt,
    more: text(card, '.more'),
    near: [...card.querySelectorAll('.more li')].map(
      item => [text(item, '.number'), look(item.querySelector('img')), text(item, 'b')]),
  }));
}"""


def assert_pictures_belong(visit, mnist) -> None:
    """Compare the pixels of every picture with the row whose number stands beside it, as text."""
    cards = visit.page.evaluate(CARDS, INK)
    assert len(cards) == 24
    for card in cards:
        number = int(card["number"].replace("test image", ""))
        assert np.array_equal(np.array(card["ink"]).reshape(28, 28), mnist.test.images[number]), number
        assert card["alt"] == f"Test image {number}"
        assert f"Labelled {mnist.test.labels[number]}," in card["more"]
        assert len(card["near"]) == 3
        for row, ink, label in card["near"]:
            assert np.array_equal(np.array(ink).reshape(28, 28), mnist.train.images[int(row)])
            assert label == str(mnist.train.labels[int(row)])


@pytest.mark.browser
def test_every_number_stands_beside_its_image_whatever_is_chosen(browser, page, made, mnist):
    with Visit(browser, page) as visit:
        assert visible(visit) == [card["index"] for card in made]
        assert_pictures_belong(visit, mnist)
        visit.page.select_option("[data-order]", label="by number")
        assert visible(visit) == sorted(card["index"] for card in made)
        assert_pictures_belong(visit, mnist)
        visit.page.select_option('[data-filter="sure"]', index=1)
        visit.page.locator(".atlas summary:visible").first.click()
        assert_pictures_belong(visit, mnist)
        assert visit.complaints == []


@pytest.mark.browser
def test_filters_show_what_they_say(browser, page, made):
    def missed(card):
        return sum(answer != card["label"] for _, answer in card["answers"])

    wanted = {
        ("label", str(made[0]["label"])): lambda card: card["label"] == made[0]["label"],
        ("read", str(made[0]["read"])): lambda card: card["read"] == made[0]["read"],
        ("sure", "0.5 0.8"): lambda card: 0.5 <= card["sure"] < 0.8,
        ("others", "none"): lambda card: missed(card) == 0,
        ("others", "some"): lambda card: missed(card) == 1,
        ("others", "all"): lambda card: missed(card) == 2,
    }
    with Visit(browser, page) as visit:
        for (name, value), fits in wanted.items():
            visit.page.select_option(f'[data-filter="{name}"]', value)
            expected = [card["index"] for card in made if fits(card)]
            assert 0 < len(expected) < len(made), "the test needs cards on both sides"
            assert visible(visit) == expected, (name, value)
            assert visit.page.inner_text('.atlas [role="status"]') == f"{len(expected)} of {len(made)} images shown"
            visit.page.click('[data-act="reset"]')
            assert visible(visit) == [card["index"] for card in made]
        visit.page.select_option('[data-filter="others"]', "none")
        visit.page.select_option('[data-filter="sure"]', "0.5 0.8")
        both = [card["index"] for card in made if missed(card) == 0 and 0.5 <= card["sure"] < 0.8]
        assert visible(visit) == both


@pytest.mark.browser
def test_cards_open_one_at_a_time_and_by_keyboard(browser, page):
    opened = "document.querySelectorAll('.atlas details[open]').length"
    focused = "document.activeElement.closest('details').dataset.index"
    with Visit(browser, page) as visit:
        assert visit.page.evaluate(opened) == 0
        order = visible(visit)
        visit.page.locator(".atlas summary").first.focus()
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate(opened) == 1
        assert visit.page.locator(".atlas details[open] .more").is_visible()
        visit.page.keyboard.press("ArrowRight")
        assert int(visit.page.evaluate(focused)) == order[1]
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate(opened) == 1, "the first has closed"
        visit.page.keyboard.press("ArrowLeft")
        assert int(visit.page.evaluate(focused)) == order[0]


@pytest.mark.browser
def test_can_you_read_it(browser, page, made):
    with Visit(browser, page) as visit:
        visit.page.click('[data-act="quiz"]')
        assert visit.page.locator(".atlas .answer:visible").count() == 0
        first = visit.page.locator(".atlas ol > li > details").first
        first.locator("summary").click()
        assert not first.locator(".more").is_visible(), "the answer waits for yours"
        assert first.locator(".ask").is_visible()
        first.locator(f'.ask button:text-is("{made[0]["label"]}")').click()
        assert first.locator(".more").is_visible()
        assert not first.locator(".ask").is_visible()
        assert f"You read {made[0]['label']}." in first.locator(".more").inner_text()
        second = visit.page.locator(".atlas ol > li > details").nth(1)
        second.locator("summary").focus()
        visit.page.keyboard.press(str(made[1]["read"]))
        assert second.locator(".more").is_visible()
        status = visit.page.inner_text('.atlas [role="status"]')
        assert "you tried 2: 1 as labelled, 1 as the network" in status
        visit.page.click('[data-act="quiz"]')
        assert visit.page.locator(".atlas .answer:visible").count() == len(made)
        assert "you tried" not in visit.page.inner_text('.atlas [role="status"]')


@pytest.mark.browser
def test_without_scripts_every_card_stands_open(browser, page, made):
    with Visit(browser, page, java_script_enabled=False) as visit:
        assert visit.page.locator(".atlas .more:visible").count() == len(made)
        assert visit.page.locator(".atlas .answer:visible").count() == len(made)
        assert not visit.page.locator(".atlas .tools").is_visible(), "no control that does nothing"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read_in_both_themes(browser, page, scheme):
    ground = "getComputedStyle(document.body).backgroundColor"
    with Visit(browser, page, viewport={"width": 390, "height": 844}, color_scheme=scheme) as visit:
        visit.page.locator(".atlas summary").first.click()
        assert visit.sideways() <= 0
        for selector in (".atlas .number", ".atlas .answer", ".atlas .more p", ".atlas .off", ".atlas select"):
            ink = visit.page.locator(selector).first.evaluate("each => getComputedStyle(each).color")
            assert contrast(ink, visit.page.evaluate(ground)) >= 4.5, selector
        visit.page.click('[data-act="quiz"]')
        visit.page.locator(".atlas summary").first.click()
        assert visit.sideways() <= 0
        box = visit.page.locator(".ask button:visible").first.bounding_box()
        assert min(box["width"], box["height"]) >= 24, "large enough for a finger (WCAG 2.5.8)"
        assert visit.complaints == []


def test_an_editor_sees_a_sheet(made, mnist, monkeypatch):
    shown = []
    monkeypatch.setattr(atlas, "display", lambda data, **more: shown.append(data))
    atlas.show(made, mnist.test, alt="Cards")
    (data,) = shown
    assert data["image/png"][:8] == b"\x89PNG\r\n\x1a\n"
    assert json.loads(json.dumps(data[atlas.MIME]))["cards"][0]["index"] == made[0]["index"]
    with pytest.raises(ValueError, match="alt"):
        atlas.show(made, mnist.test, alt=" ")


REPORTS = sorted(path for path in paths.REPORTS.glob("*.html") if 'class="atlas"' in path.read_text(encoding="utf-8"))
CARD = re.compile(
    r'<details open data-index="(\d+)" data-label="(\d)" data-read="(\d)".*?<summary><img class="invert" '
    r'alt="(Test|Training) image (\d+)".*?base64,([^"]+)">.*?</summary>'
)


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_committed_atlases_show_the_images_they_name(path, mnist):
    found = CARD.findall(path.read_text(encoding="utf-8"))
    assert found
    for index, label, read_as, part, number, picture in found:
        source = mnist.test if part == "Test" else mnist.train
        decoded = imread(io.BytesIO(base64.b64decode(picture)))
        assert index == number
        assert np.array_equal(np.rint(decoded * 255).astype(int), 255 - source.images[int(index)].astype(int)), index
        assert source.labels[int(index)] == int(label) != int(read_as)
