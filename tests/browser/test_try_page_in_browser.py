"""try.html in a browser, from disk: it answers as Python does, and it can be drawn on in every way it promises."""

import base64
import io
import json
import math

import cases
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from test_pages import Visit, axe

from helpers.data import load
from helpers.data.pictures import decoding
from helpers.predict import conditions, pipeline, shipped, sources
from helpers.reporting.page import site
from helpers.reporting.try_it import page as try_page
from helpers.runtime import paths

pytestmark = pytest.mark.browser

PLAIN, CHANGED = 500, 65  # MNIST test images as they are, and under each of eight conditions: 1,020 in all
EACH_KIND = 12  # of each kind of input, with all that lies around digits
TIE = 0.002  # probabilities closer than twice the tolerance may swap places


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page made of the present sources; the committed one may be of older ones until `make reports`."""
    folder = tmp_path_factory.mktemp("pages")
    site.write_assets(folder / "assets")
    try_page.write(folder, paths.REPORTS / "model")
    return folder / try_page.PAGE


@pytest.fixture
def visit(browser, made):
    with Visit(browser, made) as visit:
        yield visit
        assert visit.complaints == []
        assert visit.outside == []


@pytest.fixture(scope="module")
def open_page(browser, made):
    """The page for tests that only compute in it; opening it takes longer than they do."""
    with Visit(browser, made) as visit:
        yield visit.page
        assert visit.complaints == []
        assert visit.outside == []


def pictures() -> list[np.ndarray]:
    """Grey values 0..255 of all kinds and sizes: float32 (h, w)."""
    test, small = load.load_mnist().test.images, load.load_digits_8x8().images
    kinds = [name for name in conditions.CONDITIONS for _ in range(PLAIN if name == "as MNIST" else CHANGED)]
    assert len(kinds) >= 1000
    found = [conditions.picture(test[i], name, seed=i) for i, name in enumerate(kinds)]
    found += [image * np.float32(255 / 16) for image in small[:150]]
    rng = np.random.default_rng(0)
    for image in test[5000:5020].astype(np.float32):
        shadow = np.add.outer(*np.linspace(-1, 1, 2 * 112).reshape(2, 112) * rng.uniform(-50, 50, (2, 1)))
        found.append((190 + shadow) * (1 - 0.6 * np.kron(image, np.ones((4, 4))) / 255))
        sheet = rng.normal(230, 2, (300, 240))  # a small digit somewhere on a sheet, and a speck
        top, left = rng.integers(0, 200, 2)
        sheet[top : top + 28, left : left + 28] -= 0.7 * image
        sheet[(top + 100) % 296 :, (left + 100) % 236 :][:2, :2] = 20
        found.append(np.clip(sheet, 0, 255))
    for k, kind in enumerate(cases.KINDS.values()):  # with all that lies around digits
        found += [kind(test[i], np.random.default_rng([k, i])) for i in range(6000 + 20 * k, 6000 + 20 * k + EACH_KIND)]
    found += [cases.two_digits(test[i], test[i + 1], np.random.default_rng(i)) for i in range(7000, 7000 + EACH_KIND)]
    for image in test[8000:8040]:  # MNIST's form, but not its light: to be read as handed in, too
        bands = image.copy()
        bands[:, :7] = 255 - bands[:, :7]
        found += [bands if rng.uniform() < 0.5 else np.maximum(image, rng.integers(0, 140, (28, 28)))]
    found += [np.full((40, 50), tone) for tone in (0, 255, 128)] + [rng.normal(128, 5, (64, 64)), np.zeros((3, 9))]
    for image in test[9000:9060]:  # cut out closely and bold: as much ink as paper
        bold = cases.cut_out(ndimage.grey_dilation(image, size=(3, 3)))
        found.append(255 * (cases.scaled(bold, *rng.integers(16, 40, 2)) < 128))
    return [np.ascontiguousarray(image, np.float32) for image in found]


# Grey values travel as a file: fifty megabytes of them as text would take longer than all the reading.
ANSWERS = """async sizes => {
  const values = new Float32Array(await document.querySelector('#pictures').files[0].arrayBuffer());
  const shipped = Digits.load(document.querySelector('#model').textContent);
  let start = 0;
  return sizes.map(([height, width]) => {
    const picture = values.slice(start, start += height * width);
    try {
      const prepared = Digits.prepare(Digits.image(height, width, picture));
      const { polarity, doubt, chances } = shipped.read(prepared);
      return [btoa(String.fromCharCode(...prepared.seen)), `${polarity} ${doubt}`, chances];
    } catch (problem) {
      if (!(problem instanceof Digits.Blank)) throw problem;
      return [null, problem.message, null];
    }
  });
}"""


@pytest.mark.slow
def test_it_prepares_and_answers_as_python_does(visit, tmp_path):
    given = pictures()
    (tmp_path / "pictures").write_bytes(b"".join(image.tobytes() for image in given))
    chooser = "Object.assign(document.createElement('input'), { type: 'file', id: 'pictures' })"
    visit.page.evaluate(f"document.body.append({chooser})")
    visit.page.set_input_files("#pictures", tmp_path / "pictures")
    answers = visit.page.evaluate(ANSWERS, [image.shape for image in given])
    network, work = shipped.load(), sources.Work([""] * len(given), images=given)
    made = pipeline.make(work, "auto")
    expected = pipeline.answer(work, made, network, threshold=network.threshold)
    read = []
    for i, (one, (seen, words, chances)) in enumerate(zip(expected, answers, strict=True)):
        if one.problem:
            assert (seen, words) == (None, one.problem), i
            continue
        assert seen is not None, f"{i}: {words}"
        grey = np.frombuffer(base64.b64decode(seen), np.uint8).reshape(28, 28)
        off = np.abs(grey.astype(int) - made.images[i]).max()
        assert off <= 1, f"image {i} differs by {off} grey levels"
        found = np.array(chances)
        assert found.max() == pytest.approx(one.confidence, abs=1e-3), i
        if one.confidence - one.second_confidence > TIE:
            assert words == f"{one.polarity} {one.doubt}", i
            assert found.argmax() == one.digit, i
        if abs(one.confidence - network.threshold) > TIE:
            assert (found.max() < network.threshold or bool(one.doubt)) == one.human, i
        read.append(one)
    assert len(given) - 16 <= len(read) <= len(given) - 4, "blank sheets are refused, and hardly anything else"
    assert len(made.unchanged) >= 15
    assert len(made.turned) >= 20
    assert sum(bool(one.doubt) for one in read) >= 10
    assert sum(one.confidence - one.second_confidence > TIE for one in read) >= 1200


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def painted(mode: str, size: tuple[int, int]) -> Image.Image:
    """A coloured, partly see-through picture of any mode: nothing that decoding could get right by chance."""
    rows, columns = np.indices((size[1], size[0])) / max(size)
    waves = [127 + 120 * np.sin(20 * rows * k + 9 * columns / k) for k in (1, 2, 3)]
    alpha = np.where((rows - 0.3) ** 2 + (columns - 0.3) ** 2 < 0.09, 255, 0 if mode == "RGBA" else 255)
    if mode == "purple":  # red is as blue everywhere, and luminance hides what green and red show
        red = np.where(waves[0] > 127, 200, 0)
        return Image.fromarray(np.dstack([red, np.where(red, 0, 141), red]).astype(np.uint8), "RGB")
    whole = Image.fromarray(np.dstack([*waves, alpha]).astype(np.uint8), "RGBA")
    return whole if mode == "RGBA" else whole.convert(mode)


def decoded(page, image: Image.Image) -> np.ndarray:
    """Return the grey values that the page makes of an image, given as a PNG file: float64 (h, w)."""
    height, width, url = page.evaluate(
        """async text => {
          const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
          const { height, width, values } = await Digits.readFile(new File([bytes], 'a.png', { type: 'image/png' }));
          const reader = new FileReader();
          const read = new Promise(done => { reader.onload = () => done(reader.result); });
          reader.readAsDataURL(new Blob([Float64Array.from(values)]));
          return [height, width, await read];
        }""",
        base64.b64encode(encoded(image)).decode("ascii"),
    )
    return np.frombuffer(base64.b64decode(url.partition(",")[2]), np.float64).reshape(height, width)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "purple"])
@pytest.mark.parametrize("size", [(90, 60), (1300, 1101)])
def test_it_decodes_files_as_python_does(open_page, tmp_path, mode, size):
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(painted(mode, size)))
    expected, found = decoding.read_image(path), decoded(open_page, painted(mode, size))
    assert found.shape == expected.shape
    if mode != "RGBA" and max(size) <= decoding.WORKING_SIDE:
        assert np.array_equal(found, expected), "the same float32, however its sums are rounded"
    # Pillow rounds colours that were multiplied by their opacity, and averages of blocks.
    assert np.abs(found - expected).max() <= (2.01 if mode == "RGBA" else 1.01)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_it_takes_each_of_the_256_greys_as_it_is(open_page, mode):
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(greys).convert(mode)
    assert np.array_equal(decoded(open_page, image), greys)
    assert np.array_equal(decoding.to_grey(image), greys)


def stroke(visit, points) -> None:
    """Draw a line with the mouse; points are shares of the paper's side."""
    box = visit.page.locator("#paper").bounding_box()
    for i, (x, y) in enumerate(points):
        visit.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if not i:
            visit.page.mouse.down()
    visit.page.mouse.up()


NOUGHT = [(0.5 + 0.2 * math.sin(a / 5), 0.5 - 0.33 * math.cos(a / 5)) for a in range(33)]
ONE = [(0.5, 0.15 + 0.07 * i) for i in range(11)]
SEVEN = [(0.28 + 0.045 * i, 0.2) for i in range(11)] + [(0.73 - 0.03 * i, 0.2 + 0.06 * i) for i in range(11)]


def shown(visit) -> dict:
    rows = visit.page.locator(".bars li .value").all_inner_texts()
    return {
        "digit": visit.page.inner_text("#digit"),
        "headline": visit.page.inner_text("#headline"),
        "detail": visit.page.inner_text("#detail"),
        "chances": [float(text.strip("%")) if text != "–" else None for text in rows],
    }


@pytest.mark.parametrize("chalk", [False, True])
@pytest.mark.parametrize(("points", "digit"), [(NOUGHT, "0"), (ONE, "1"), (SEVEN, "7")], ids=["0", "1", "7"])
def test_a_drawn_digit_is_read(visit, points, digit, chalk):
    visit.page.set_checked("#chalk", chalk)
    stroke(visit, points)
    seen = shown(visit)
    assert seen["digit"] == digit
    assert max(seen["chances"]) == seen["chances"][int(digit)] > 80
    polarity = "light on dark" if chalk else "dark on light"
    assert f"Found: {polarity}." in visit.page.inner_text("#facts")
    assert visit.page.text_content("#said").startswith(f"{digit}. ")
    assert visit.page.locator("#nearest span").all_inner_texts().count(digit) >= 3
    assert not visit.page.is_visible("#hint")


def test_it_answers_while_the_stroke_is_drawn(visit):
    box = visit.page.locator("#paper").bounding_box()
    said = visit.page.text_content("#said")
    for i, (x, y) in enumerate(NOUGHT):
        visit.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if not i:
            visit.page.mouse.down()
    visit.page.locator("#digit", has_text="0").wait_for()
    assert visit.page.text_content("#said") == said, "a screen reader is told at the end of the stroke"
    visit.page.mouse.up()
    assert visit.page.text_content("#said").startswith("0. ")


def test_undo_and_clear_take_back(visit):
    page = visit.page
    start = shown(visit)
    assert start["digit"] == "7", "it begins with an example"
    stroke(visit, ONE)
    stroke(visit, [(0.25, 0.5), (0.75, 0.5)])
    crossed = shown(visit)
    page.click("#clear")
    assert shown(visit) == {
        "digit": "",
        "headline": "Nothing here yet",
        "detail": "Draw a digit, or take one of those below.",
        "chances": [None] * 10,
    }
    page.click("#undo")
    assert shown(visit) == crossed
    page.click("#undo")
    assert shown(visit)["digit"] == "1"
    page.keyboard.press("Control+z")
    assert shown(visit) == start
    page.click("#undo")
    assert shown(visit)["headline"] == "Nothing here yet"
    assert page.is_disabled("#undo")


def test_what_is_taken_back_while_it_is_drawn_draws_no_further(visit):
    """Ctrl+Z, Clear or another picture in the middle of a stroke: what the hand still does is no part of anything."""
    page = visit.page
    start = shown(visit)
    box = page.locator("#paper").bounding_box()

    def to(x: float, y: float) -> None:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    for take_back in (
        lambda: page.keyboard.press("Control+z"),
        lambda: page.evaluate("document.querySelector('#clear').click()"),
        lambda: page.evaluate("document.querySelector('.examples button').click()"),
    ):
        to(0.5, 0.2)
        page.mouse.down()
        to(0.5, 0.4)
        take_back()
        taken = shown(visit)
        to(0.5, 0.8)
        page.mouse.up()
        assert shown(visit) == taken
        assert visit.complaints == []
        page.click("#undo") if taken != start else None
    stroke(visit, ONE)
    assert shown(visit)["digit"] == "1", "the next stroke is drawn as ever"


def test_keys_draw(visit):
    page = visit.page
    page.focus("#paper")
    for _ in range(14):
        page.keyboard.press("ArrowUp")
    assert shown(visit)["digit"] == "7", "the pen is still up: the example lies there"
    page.keyboard.press("Space")
    for _ in range(26):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert shown(visit)["digit"] == "1"
    page.keyboard.press("Delete")
    assert shown(visit)["digit"] == ""
    order = [page.evaluate("document.activeElement.id")]
    while len(order) < 6:
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id"))
    assert order == ["paper", "undo", "clear", "choose", "thickness", "chalk"]


def test_a_finger_draws_and_does_not_scroll(browser, made):
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "device_scale_factor": 3}
    with Visit(browser, made, **options) as visit:
        page = visit.page
        box = page.locator("#paper").bounding_box()
        assert page.evaluate("document.querySelector('#paper').width") == pytest.approx(3 * box["width"], abs=1.5)
        fingers = visit.context.new_cdp_session(page)
        for i, (x, y) in enumerate(SEVEN):
            point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            kind = "touchMove" if i else "touchStart"
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert shown(visit)["digit"] == "7"
        assert "dark on light" in page.inner_text("#facts"), "it is the drawing, not the example"
        assert page.evaluate("window.scrollY") == 0
        assert page.locator(".bars li").last.bounding_box()["y"] < 844, "the bars can be seen while drawing"
        assert visit.sideways() <= 0
        assert visit.complaints == []


def test_examples_show_what_python_makes_of_them_and_their_label(visit):
    card = shipped.load_card()
    examples = json.loads(visit.page.text_content("#model"))["examples"]
    buttons = visit.page.locator(".examples button")
    assert buttons.count() == len(examples) >= 12
    verdicts = set()
    for button, example in zip(buttons.all(), examples, strict=True):
        button.click()
        seen = shown(visit)
        sure = max(seen["chances"])
        assert sure < 100
        verdicts.add(seen["headline"])
        expected = "Read by the machine" if sure >= 100 * card["threshold"] - 0.05 else "Send to a human"
        assert seen["headline"] == expected, (example["from"], sure)
        assert f"{example['from']}: its label is {example['label']}." in visit.page.inner_text("#facts")
        assert f"A {example['label']}," in button.get_attribute("aria-label")
    assert len(verdicts) == 2, "plain and hard ones"


def test_files_are_chosen_dropped_and_pasted(visit):
    page = visit.page
    two = load.load_mnist().test.images[1]
    scan = encoded(Image.fromarray(255 - np.kron(two, np.ones((5, 5), np.uint8))))
    page.set_input_files("#file", {"name": "two.png", "mimeType": "image/png", "buffer": scan})
    page.locator("#digit", has_text="2").wait_for()
    for event, carrier in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.click("#clear")
        page.evaluate(
            """([event, carrier, text]) => {
              const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
              const files = new DataTransfer();
              files.items.add(new File([bytes], 'two.png', { type: 'image/png' }));
              const kind = event === 'drop' ? DragEvent : ClipboardEvent;
              document.body.dispatchEvent(new kind(event, { bubbles: true, cancelable: true, [carrier]: files }));
            }""",
            [event, carrier, base64.b64encode(scan).decode("ascii")],
        )
        page.locator("#digit", has_text="2").wait_for()


@pytest.mark.parametrize(
    ("content", "headline", "words"),
    [
        (b"", "No picture", "empty"),
        (b"this is no picture", "No picture", "not an image"),
        (encoded(Image.new("L", (40, 40), 255)), "No digit here", "blank: it is all white"),
        (encoded(Image.new("L", (40, 3), 255)), "No digit here", "40 x 3 pixels; at least 4 x 4 are needed"),
    ],
    ids=["empty", "text", "blank", "thin"],
)
def test_what_cannot_be_read_is_called_what_it_is(visit, content, headline, words):
    visit.page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": content})
    visit.page.locator("#detail", has_text=words).wait_for()
    assert shown(visit)["headline"] == headline
    assert words in visit.page.text_content("#said")
    stroke(visit, ONE)
    assert shown(visit)["digit"] == "1"


@pytest.mark.parametrize(("kind", "words"), [("two", "two digits?"), ("dot", "no digit?")])
def test_more_than_one_digit_or_none_goes_to_a_human_in_words(visit, kind, words):
    test, rng = load.load_mnist().test.images, np.random.default_rng(0)
    picture = cases.two_digits(test[0], test[1], rng) if kind == "two" else cases.dot(rng)
    content = encoded(Image.fromarray(np.uint8(np.clip(picture, 0, 255))))
    visit.page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": content})
    visit.page.locator("#detail", has_text=words).wait_for()
    assert shown(visit)["headline"] == "Send to a human"
    assert words in visit.page.text_content("#said")


def test_the_pen_changes(visit):
    visit.page.fill("#thickness", "3")
    stroke(visit, ONE)
    thin = visit.page.evaluate("Digits.drawn = document.querySelector('#paper').toDataURL()")
    visit.page.click("#clear")
    visit.page.fill("#thickness", "20")
    stroke(visit, ONE)
    assert visit.page.evaluate("document.querySelector('#paper').toDataURL()") != thin
    assert shown(visit)["digit"] == "1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(browser, made, scheme, width):
    with Visit(browser, made, color_scheme=scheme, viewport={"width": width, "height": 844}) as visit:
        for index in (0, 8):  # one that is accepted, one that may not be
            visit.page.locator(".examples button").nth(index).click()
            assert axe(visit) == []
        visit.page.click("#clear")
        assert axe(visit) == []
        assert visit.sideways() <= 0
        assert visit.page.is_checked("#chalk") == (scheme == "dark")


def test_paper(visit):
    visit.page.emulate_media(media="print")
    assert not visit.page.is_visible("#undo")
    assert visit.page.is_visible("#paper")
    assert visit.page.is_visible(".bars")
    assert visit.page.pdf(format="A4").startswith(b"%PDF")


def test_it_leads_back(visit):
    links = set(visit.page.evaluate("[...document.links].map(each => each.getAttribute('href'))"))
    assert {"index.html", "10_sorting_office.html", "08_error_analysis.html"} <= links
    for link in links:
        page = link.partition("#")[0]
        assert not page or (paths.REPORTS / page).exists(), link
