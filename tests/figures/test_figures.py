"""How figures, tables and computed prose reach the page."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from matplotlib.image import imread

from helpers.figures import style
from helpers.results import Conditions, conditions

PLOTLY = "application/vnd.plotly.v1+json"


@pytest.fixture
def shown(monkeypatch):
    calls = []

    def record(data, **more):
        if not isinstance(data, dict):
            data = data._repr_mimebundle_() if hasattr(data, "_repr_mimebundle_") else {"text/markdown": data.data}
        calls.append((data, more.get("metadata", {})))

    monkeypatch.setattr(style, "display", record)
    return calls


def test_plotly_carries_alt_and_caption(shown):
    fig = style.figure_layout(go.Figure(go.Bar(y=[1, 2])))
    style.show(fig, alt=" Two bars. ", caption="The second is higher.")
    (bundle, _), (said, marked) = shown
    assert said == {"text/markdown": "The second is higher."}
    assert marked == style.CAPTION, "for editors; a page has the figure's own"
    assert bundle[PLOTLY]["layout"]["meta"] == {"alt": "Two bars.", "caption": "The second is higher."}
    assert bundle[PLOTLY]["layout"]["height"] == 420
    assert bundle["text/plain"] == "Two bars."
    json.dumps(bundle, allow_nan=False)


def test_a_comparison_says_its_conditions_in_the_caption(shown):
    one = Conditions("test", 60_000, 8.0, 5, 0.1, "float32")
    compared = {"a": one, "b": replace(one, views=1)}
    style.show(
        style.figure_layout(go.Figure(go.Bar(y=[1, 2]))), alt="Two bars.", caption="b is higher.", compared=compared
    )
    style.table(pd.DataFrame({"accuracy": [0.9, 0.8]}, index=list("ab")), compared=compared)
    said = conditions.in_words(compared)
    assert "Different views of a test image: 5 (a); 1 (b)." in said
    assert shown[0][0][PLOTLY]["layout"]["meta"]["caption"] == f"b is higher. {said}"
    assert f"<caption>{said}</caption>" in shown[-1][0]["text/html"]


def test_the_look_is_dark_on_light_small_and_without_title():
    fig = style.figure_layout(go.Figure(go.Bar(y=[1]), layout={"title": {"text": "shout"}}), height=300)
    assert fig.layout.title.text is None
    assert fig.layout.height == 300
    look = fig.layout.template.layout
    for ground in (look.paper_bgcolor, look.plot_bgcolor):  # an editor's dark theme must not show through
        assert (_luminance(ground) + 0.05) / (_luminance(look.font.color) + 0.05) > 7
    assert fig.layout.font.color is None, "the page's theme sets it"
    assert len(fig.to_json()) < 3000


def test_matplotlib_is_a_crisp_png_with_alt_and_is_closed(shown):
    fig, axes = plt.subplots(figsize=(3, 2), dpi=100)
    axes.plot([1, 2])
    style.show(fig, alt="A line.", caption="It rises.")
    (bundle, metadata), (said, _) = shown
    assert said == {"text/markdown": "It rises."}
    pixels = imread(io.BytesIO(bundle["image/png"]), format="png")
    about = metadata["image/png"]
    assert (about["alt"], about["caption"], about["invert"]) == ("A line.", "It rises.", True)
    assert pixels.shape[1] // 2 == about["width"]
    assert 400 < pixels.shape[1] < 700  # 3 inches at twice 100 dpi, trimmed
    assert pixels[0, 0, 3] == 0  # transparent paper, so that a dark page can invert the ink
    assert metadata["needs_background"] == "light"  # and JupyterLab in its dark theme puts white under it
    assert not plt.fignum_exists(fig.number)


def test_a_picture_that_must_not_be_inverted_has_white_paper(shown):
    fig, axes = plt.subplots(figsize=(2, 2))
    axes.plot([1, 2])
    style.show(fig, alt="A line.", invert=False)
    ((bundle, metadata),) = shown
    assert metadata["image/png"]["invert"] is False
    assert "needs_background" not in metadata
    assert imread(io.BytesIO(bundle["image/png"]), format="png")[0, 0].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("alt", ["", "   ", None])
def test_empty_alt_is_refused(shown, alt):
    with pytest.raises(ValueError, match="alt"):
        style.show(go.Figure(go.Bar(y=[1])), alt=alt)
    assert shown == []


@pytest.mark.parametrize(
    ("figure", "named"),
    [
        (lambda: go.Figure(), "no traces"),
        (lambda: plt.figure(), "no axes"),
        (lambda: go.Figure(go.Scattergl(y=[1])), "WebGL"),
        (lambda: "a string", "fig must be"),
    ],
)
def test_figures_that_would_be_blank_are_refused(shown, figure, named):
    with pytest.raises(ValueError, match=named):
        style.show(figure(), alt="x")
    assert shown == []
    plt.close("all")


def test_table_escapes_and_marks_numbers(shown):
    frame = pd.DataFrame(
        {"<b>name": ["<script>", "a & b"], "share": [0.1234, None], "count": [12345, 6]}, index=["x<y", "z"]
    )
    style.table(frame, caption="5 < 6", formats={"share": "{:.1%}"})
    ((bundle, _),) = shown
    markup = bundle["text/html"]
    assert "<script>" not in markup
    assert "<b>" not in markup
    assert "<td>&lt;script&gt;</td>" in markup
    assert '<th scope="row">x&lt;y</th>' in markup
    assert "<caption>5 &lt; 6</caption>" in markup
    assert '<td class="num">12.3%</td>' in markup
    assert '<td class="num">–</td>' in markup
    assert '<td class="num">12,345</td>' in markup
    assert '<th scope="col" class="num">count</th>' in markup
    assert markup.startswith('<table class="data">')


def test_dates_do_not_break_and_phrases_have_room(shown):
    style.table(pd.DataFrame({"a": ["2026-11-21"], "b": ["fourteen words"], "c": ["fifteen letters"], "d": [1.5]}))
    ((bundle, _),) = shown
    cells = re.findall(r'<td(?: class="(\w+)")?>([^<]*)', bundle["text/html"])
    assert cells == [("id", "2026-11-21"), ("", "fourteen words"), ("text", "fifteen letters"), ("num", "1.5")]


def test_table_without_index_and_with_a_two_level_one(shown):
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("p", 1), ("q", 2)], names=["k", None]))
    style.table(frame)
    style.table(frame, index=False)
    assert shown[0][0]["text/html"].count('<th scope="row">') == 4
    assert shown[0][0]["text/html"].count('<th scope="col"') == 3
    assert 'scope="row"' not in shown[1][0]["text/html"]


def test_table_names_a_wrong_format():
    with pytest.raises(ValueError, match="shape"):
        style.table(pd.DataFrame({"share": [1]}), formats={"shape": ".1%"})


@pytest.mark.parametrize(
    ("text", "numeric"),
    [
        ("97.2% [95.2, 98.2]", True),
        ("+0.42 pp", True),
        ("−0.4 to +1.2", True),
        ("1,797", True),
        ("hwd-svm", False),
        ("3 images", False),
        ("28x28", False),
        ("97.00% of 540", True),
        ("99.12% ± 0.05", True),
        ("5 of them", False),
    ],
)
def test_which_text_counts_as_a_number(text, numeric):
    assert style._is_numeric(text, "") is numeric


def test_negative_numbers_in_prose_have_a_true_minus(shown):
    style.say("By -56%, (-3), at 1e-05 on 2026-11-21, pages 3-4, `-1`\n\n- 5 items")
    assert shown[-1][0]["text/markdown"] == "By −56%, (−3), at 1e-05 on 2026-11-21, pages 3-4, `-1`\n\n- 5 items"


def test_say_shows_markdown_and_refuses_nothing(shown):
    style.say(
        """
        We read **3** of 4.
        """
    )
    assert shown[0][0]["text/markdown"] == "We read **3** of 4."
    with pytest.raises(ValueError, match="text"):
        style.say("  ")


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("model", sorted(style.PALETTE))
def test_every_model_colour_can_be_seen_on_white_and_on_a_dark_page(model):
    luminance = _luminance(style.PALETTE[model])
    assert 1.05 / (luminance + 0.05) > 2.3
    assert (luminance + 0.05) / (_luminance("#15181c") + 0.05) > 2.3


def test_ten_digits_ten_colours():
    assert len(set(style.DIGIT_COLOURS)) == 10


def test_importing_the_style_loads_what_draws_and_nothing_that_computes_and_sets_the_renderer():
    """Every notebook begins with it; each of these would cost it a second or more."""
    code = (
        "import json, sys, helpers.figures.style; print(json.dumps(sorted(sys.modules))); "
        "import plotly.io; print(plotly.io.renderers.default)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules, renderer = done.stdout.splitlines()
    loaded = {name.split(".")[0] for name in json.loads(modules)}
    assert {"matplotlib", "plotly"} <= loaded
    slow = {"nbconvert", "nbformat", "papermill", "scipy", "seaborn", "sklearn", "statsmodels", "tensorflow", "keras"}
    assert not loaded & slow
    assert renderer == "plotly_mimetype"


def test_the_source_shown_is_the_source_itself(shown):
    style.show_source(style.figure_layout, style.say)
    ((bundle, _),) = shown
    text = bundle["text/markdown"]
    assert text.startswith("```python\ndef figure_layout(")
    assert text.index("def figure_layout(") < text.index("def say(")
    assert "display(Markdown(" in text, "the body, not only the signature"
    compile(text.removeprefix("```python\n").removesuffix("\n```"), "shown", "exec")  # with its indentation
    for bad in ((), (len,), (3,)):
        with pytest.raises(ValueError, match="things"):
            style.show_source(*bad)


def test_a_column_that_holds_words_is_flush_left_as_a_whole(shown):
    style.table(pd.DataFrame({"setting": [0.5, "none"], "images": [3, None]}))
    ((bundle, _),) = shown
    assert re.findall(r"<td([^>]*)>([^<]*)", bundle["text/html"]) == [
        (' class="id"', "0.5"),
        (' class="num"', "3"),
        ("", "none"),
        (' class="num"', "–"),
    ]
