"""Thumbnails: the numbers of a figure land where they should, in every form in which plotly writes them."""

import base64
import io
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import plotly.graph_objects as go
import pytest
import specimen
from PIL import Image

from helpers.reporting.front_page import scales, sketch, thumbnails
from helpers.reporting.front_page.sections import Figure


def drawn(*traces, **layout) -> ElementTree.Element:
    return ElementTree.fromstring(sketch.svg({"data": list(traces), "layout": layout}, alt="a chart"))


def circles(root) -> np.ndarray:
    return np.array([[float(each.get("cx")), float(each.get("cy"))] for each in root.iter("circle")])


@pytest.mark.parametrize("packed", [False, True])
def test_dots_keep_their_places(packed):
    x, y = np.array([1.0, 2.0, 4.0]), np.array([10.0, 30.0, 20.0])
    figure = go.Figure(go.Scatter(x=x if packed else x.tolist(), y=y if packed else y.tolist(), mode="markers"))
    trace = json.loads(figure.to_json())["data"][0]
    assert isinstance(trace["x"], dict) == packed
    found = circles(drawn(trace))
    # Affine in x, and reversed in y since a drawing's y grows downwards.
    assert np.corrcoef(found[:, 0], x)[0, 1] == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(found[:, 1], y)[0, 1] == pytest.approx(-1, abs=1e-4)
    assert ((found > 0) & (found < [sketch.WIDTH, sketch.HEIGHT])).all()


def test_a_logarithmic_axis_spaces_by_ratio():
    found = circles(
        drawn({"type": "scatter", "mode": "markers", "x": [1, 10, 100], "y": [0, 0, 1]}, xaxis={"type": "log"})
    )
    steps = np.diff(found[:, 0])
    assert steps[0] == pytest.approx(steps[1], abs=0.15)


def test_bars_stand_on_zero_and_are_as_long_as_their_numbers():
    root = drawn({"type": "bar", "x": ["a", "b", "c"], "y": [1.0, 2.0, -1.0]})
    bars = [{name: float(bar.get(name)) for name in ("x", "y", "width", "height")} for bar in root.iter("rect")]
    assert bars[1]["height"] == pytest.approx(2 * bars[0]["height"], abs=0.2)
    assert bars[0]["y"] + bars[0]["height"] == pytest.approx(bars[2]["y"], abs=0.2), "the negative one hangs"
    lying = drawn({"type": "bar", "orientation": "h", "y": ["a", "b"], "x": [1.0, 2.0]})
    widths = [float(bar.get("width")) for bar in lying.iter("rect")]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)


def test_error_bars_reach_as_far_as_their_numbers():
    error = {"type": "data", "array": [0.5, 1.0], "arrayminus": [0.5, 0.0]}
    root = drawn({"type": "scatter", "mode": "markers", "x": [1, 2], "y": [5.0, 5.0], "error_y": error})
    whiskers = [path.get("d") for path in root.iter("path") if path.get("class") == "whisk"]
    ends = [[float(each) for each in re.findall(r"[\d.]+", path)] for path in whiskers]
    assert (ends[0][1] - ends[0][2]) == pytest.approx(ends[1][1] - ends[1][2], abs=0.2)
    assert ends[1][1] == pytest.approx(circles(root)[1][1], abs=0.1), "nothing below the second"


def test_lines_are_thinned_but_keep_their_ends():
    x = list(range(5000))
    root = drawn({"type": "scatter", "mode": "lines", "x": x, "y": [each % 7 for each in x]})
    (path,) = [path.get("d") for path in root.iter("path") if path.get("class") == "line"]
    assert path.count("L") < sketch.MOST_POINTS
    assert scales.thinned(x, 70)[0] == 0
    assert scales.thinned(x, 70)[-1] == 4999
    assert len(sketch.svg({"data": [{"x": x, "y": x, "mode": "markers"}] * 8}, alt="")) < 20_000


def test_panels_stand_side_by_side():
    left = {"type": "scatter", "mode": "markers", "x": [0, 1], "y": [0, 1]}
    root = drawn(
        left,
        {**left, "xaxis": "x2", "yaxis": "y2"},
        xaxis={"domain": [0, 0.45]},
        xaxis2={"domain": [0.55, 1]},
        yaxis2={},
    )
    found = circles(root)
    assert found[:2, 0].max() < sketch.WIDTH / 2 < found[2:, 0].min()


def test_a_heat_map_is_one_pixel_a_cell_with_its_first_row_at_the_foot():
    scale = [[0, "rgb(0,0,0)"], [1, "#ff0000"]]
    root = drawn({"type": "heatmap", "z": [[0.0, 1.0], [None, 0.5]], "colorscale": scale})
    (image,) = root.iter("image")
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(image.get("href").partition(",")[2]))))
    assert pixels[1, 0].tolist() == [0, 0, 0, 255]
    assert pixels[1, 1].tolist() == [255, 0, 0, 255]
    assert pixels[0, 0, 3] == 0, "a missing cell is clear"
    assert 126 <= pixels[0, 1, 0] <= 129


def test_hostile_figures_stay_drawings():
    bad = specimen.SCRIPT + specimen.IMAGE
    hostile = {"type": "scatter", "mode": "text", "x": [1, 2], "y": [1, 2], "text": ["<", '"'], "line": {"color": bad}}
    text = str(sketch.svg({"data": [hostile, {"type": bad, "x": [bad], "y": [bad]}], "layout": {}}, alt=bad))
    root = ElementTree.fromstring(text)
    assert {each.tag for each in root.iter()} <= {"svg", "path", "text"}
    assert not [name for each in root.iter() for name in each.attrib if name.startswith("on")]
    assert [each.text for each in root.iter("text")] == ["<", '"']
    assert {each.get("fill") for each in root.iter("text")} == {"currentColor"}


@pytest.mark.parametrize(
    ("colour", "kept"),
    [
        ("#0072b2", True),
        ("rgb(0, 114, 178)", True),
        ("teal", True),
        ("#000000", False),  # ink that only the light page shows
        ("#fdfdfd", False),
        ("url(#x)", False),
        ('red" onload="x', False),
        (None, False),
    ],
)
def test_only_colours_that_both_themes_show_are_kept(colour, kept):
    assert scales.safe_colour(colour) == (colour if kept else None)


def test_what_cannot_be_drawn_is_left_out():
    assert list(drawn({"type": "sankey", "node": {}}, {"type": "scatter", "visible": "legendonly", "x": [1], "y": [1]}))
    assert "None" not in sketch.svg({"data": [{"x": [None, 1], "y": [2, None]}], "layout": {}}, alt="")


def picture(width, height, **more) -> Figure:
    buffer = io.BytesIO()
    Image.new("RGBA", (width, height), (10, 20, 30, 255)).save(buffer, "PNG")
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Figure("", 'a "picture"', source=source, **more)


@pytest.mark.parametrize(
    ("size", "shown"),
    [((1404, 1366), (240, 150)), ((1404, 316), (240, 150)), ((304, 336), (136, 150)), ((200, 100), (100, 50))],
)
def test_pictures_shrink_to_a_card(size, shown):
    found = str(thumbnails.of(picture(*size, invert=True)))
    width, height = (int(each) for each in re.findall(r'(?:width|height)="(\d+)"', found))
    assert abs(width - shown[0]) <= 1
    assert abs(height - shown[1]) <= 1
    assert 'class="invert"' in found
    assert "a &quot;picture&quot;" in found
    assert len(found) < 4_000


@pytest.mark.parametrize(
    "source", ["", "data:image/png;base64,AAAA", "http://example.org/x.png", "data:image/svg+xml,x"]
)
def test_what_is_no_picture_gives_no_thumbnail(source):
    assert thumbnails.of(Figure("", "x", source=source)) == ""
    assert thumbnails.of(None) == ""


@pytest.mark.parametrize(
    "trace",
    [5, {"x": 5, "y": {"bdata": "!"}}, {"type": "heatmap", "z": [[1, 2], [3]]}, {"marker": 3, "x": [1], "y": [1]}],
)
def test_a_figure_of_unknown_shape_gives_no_thumbnail_and_no_error(trace):
    assert thumbnails.of(Figure("", "x", chart={"data": [trace], "layout": {}})) == ""
