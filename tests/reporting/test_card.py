"""What a page says of itself: sections to search, anchors to link to, and a small picture of its key figure."""

import base64
import io
import json

import numpy as np
import pytest
import specimen
from PIL import Image

from helpers.reporting.page import card, outputs, render

BLUE, ORANGE = (0, 114, 178), (217, 140, 0)


def pixels(png: bytes) -> np.ndarray:
    """The red, green, blue and alpha of a picture, int (height, width, 4)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(int)


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture is opaque and of about that colour."""
    return (np.abs(picture[..., :3] - colour).max(axis=-1) < 24) & (picture[..., 3] > 200)


def drawn(*traces: dict, **layout) -> np.ndarray:
    return pixels(card.picture(outputs.PLOTLY, {"data": list(traces), "layout": layout}))


def test_sections_have_the_anchors_and_words_of_the_page():
    notebook = specimen.notebook(hostile=False)
    found = card.sections(notebook)
    assert [anchor for anchor, *_ in found] == ["", "the-data", "a-closer-look", "the-test", "the-test-2"]
    page = render.render_page(notebook, slug="02_specimen", commit={})
    assert all(f'id="{anchor}"' in page for anchor, *_ in found if anchor)
    texts = {anchor: text for anchor, _, text in found}
    assert texts[""].startswith("The digits were written by high-school students")
    assert "The SVM leads, the tree trails." in texts["the-data"], "captions are searched"
    assert "The SVM reads 98.6%." in texts["a-closer-look"], "what was computed is searched"
    assert "column 0 column 1" in texts["a-closer-look"], "words in neighbouring cells stay apart"
    everything = " ".join(texts.values())
    for unwanted in ("import numpy", "epoch 0 done", "ZeroDivisionError", "#", "<"):
        assert unwanted not in everything, unwanted


def test_source_that_a_cell_shows_is_not_searched():
    shown = [
        {"output_type": "display_data", "data": {"text/markdown": "Before.\n\n```python\nlayers = 3\n```\n\nAfter."}}
    ]
    assert outputs.words(shown) == "Before. After."


def test_the_key_figure_is_the_marked_one_or_the_first_chart_or_the_first_picture():
    notebook = specimen.notebook(hostile=False)
    assert card.key_figure(notebook)[2] == "Bars of three accuracies"
    marked = next(cell for cell in notebook.cells if "heat" in cell.source)
    marked.metadata["tags"] = ["key-figure"]
    assert card.key_figure(notebook)[2] == "A heat map with two marks"
    marked.outputs = marked.outputs[1:]
    assert card.key_figure(notebook)[2:] == ("A grey ramp", True)
    notebook.cells = notebook.cells[:2]
    assert card.key_figure(notebook) is None


def test_a_card_carries_its_picture(tmp_path):
    card.write(tmp_path, "02_specimen", specimen.notebook(hostile=True))
    about = json.loads((tmp_path / "02_specimen.json").read_text(encoding="utf-8"))
    assert about["title"].startswith("Support vectors & eight pixels")
    assert (about["picture"]["width"], about["picture"]["height"]) == (240, 150)
    assert about["picture"]["src"].startswith("data:image/png;base64,")
    assert len(about["picture"]["src"]) < 20_000
    empty = specimen.notebook()
    empty.cells = empty.cells[:2]
    card.write(tmp_path, "03_words", empty)
    assert json.loads((tmp_path / "03_words.json").read_text(encoding="utf-8"))["picture"] is None


def test_a_line_rises_where_its_numbers_do_on_a_clear_ground():
    line = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "line": {"color": "#0072b2"}}
    picture = drawn(line)
    assert picture.shape == (300, 480, 4)
    rows, columns = np.nonzero(near(picture, BLUE))
    assert np.corrcoef(rows, columns)[0, 1] < -0.95, "the first row is the top"
    assert (picture[..., 3] == 0).mean() > 0.9


def test_bars_stand_as_high_as_they_are_and_lie_when_they_lie():
    bar = {"type": "bar", "x": ["a", "b"], "y": [1, 3], "marker": {"color": "rgb(217, 140, 0)"}}
    heights = near(drawn(bar), ORANGE).sum(axis=0)
    assert heights[360] == pytest.approx(3 * heights[120], rel=0.1)
    lying = {"type": "bar", "x": [1, 3], "y": ["a", "b"], "orientation": "h", "marker": {"color": "#d98c00"}}
    widths = near(drawn(lying), ORANGE).sum(axis=1)
    assert widths[75] == pytest.approx(3 * widths[225], rel=0.1)


def test_packed_numbers_axes_and_panels_are_understood():
    packed = {"dtype": "f8", "bdata": base64.b64encode(np.array([1.0, 10.0, 100.0]).tobytes()).decode()}
    dots = {"type": "scatter", "mode": "markers", "x": packed, "y": [1, 1, 1], "marker": {"color": "#0072b2"}}
    right = dots | {"xaxis": "x2", "yaxis": "y2", "marker": {"color": "#d98c00"}}
    axis = {"type": "log", "domain": [0, 0.45]}
    picture = drawn(dots, right, xaxis=axis, xaxis2={"domain": [0.55, 1]})
    columns = np.flatnonzero(near(picture, BLUE).any(axis=0))
    assert columns.max() < 240 < np.flatnonzero(near(picture, ORANGE).any(axis=0)).min()
    middle = (columns.min() + columns.max()) / 2
    assert near(picture, BLUE)[:, round(middle)].any(), "10 lies half way from 1 to 100"
    upside = drawn(dots | {"y": [1, 2, 3]}, yaxis={"autorange": "reversed"})
    rows, columns = np.nonzero(near(upside, BLUE))
    assert np.corrcoef(rows, columns)[0, 1] > 0.8


def test_what_cannot_be_drawn_costs_nothing():
    assert card.picture("image/png", "bm90IGEgcGljdHVyZQ==") is None
    assert card.picture(outputs.PLOTLY, {"data": [{"type": "scatter", "x": {"bdata": "?"}, "y": [1]}]}) is None
    assert card.picture(outputs.PLOTLY, {"data": [{"type": "bar", "x": ["a"], "y": ["not a number", 2]}]}) is None


@pytest.mark.parametrize(("size", "small"), [((600, 300), (480, 300)), ((3000, 100), (480, 100)), ((40, 30), (40, 30))])
def test_pictures_are_shrunk_never_enlarged_and_cut_where_far_too_long(size, small):
    png = card.picture("image/png", base64.b64encode(specimen.png(*size)).decode())
    assert pixels(png).shape[1::-1] == small
