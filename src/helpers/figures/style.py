"""The common look: one colour per model, and the one way to show a figure, a table or a computed sentence.

Every figure carries its own alternative text and a caption that states what was found, so that a page can be
read without seeing it. Here figures have light paper and dark ink, to be read in any editor; the page sets paper and
text for its light and its dark theme.
"""

import html
import inspect
import io
import json
import math
import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import plotly.graph_objects as go
from IPython.display import Markdown, display
from matplotlib.figure import Figure as MatplotlibFigure

from helpers.results import conditions

# The stock renderers embed, or fetch, megabytes of script a page. Set by the environment, because importing
# plotly.io's renderers costs seconds, which `show` does not need.
os.environ["PLOTLY_RENDERER"] = "plotly_mimetype"
if "plotly.io._renderers" in sys.modules:
    sys.modules["plotly.io._renderers"].renderers.default = "plotly_mimetype"

# One colour per kind of model, the same in every report. Built on Okabe and Ito's colour-blind-safe set
# (https://jfly.uni-koeln.de/color/), each colour dark enough for white paper, light enough for a dark page.
PALETTE: dict[str, str] = {
    "svm": "#0072b2",
    "knn": "#d98c00",
    "tree": "#8c6d31",
    "forest": "#3f8f4f",
    "boosting": "#999933",
    "linear": "#7a86b8",
    "mlp": "#c8649b",
    "cnn": "#d55e00",
    "cnn_shallow": "#3d9fd6",
    "cnn_deep": "#d55e00",
    "hdr": "#b5487d",
    "recog": "#3d9fd6",
    "new": "#d55e00",
    "big": "#a0522d",
    "fast": "#009e73",
    "resnet": "#aa4499",
    "ensemble": "#7b5cd6",
    "published": "#8a8a8a",
    "chance": "#a6a6a6",
    "highlight": "#cc3311",
}

# Petroff's ten-colour cycle (arXiv:2107.02270), made to stay apart for colour-blind readers.
DIGIT_COLOURS: tuple[str, ...] = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)

FAINT = "rgba(128, 128, 128, 0.25)"
PAPER, INK = "#fcfbf8", "#21242a"  # of a figure in an editor, whatever its theme; report.js sets those of a page
CAPTION = {"digits": "caption"}  # metadata of an output that only an editor shows: the page has the figure's own
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_AXIS = {
    "gridcolor": FAINT,
    "linecolor": "rgba(128, 128, 128, 0.6)",
    "zerolinecolor": FAINT,
    "ticks": "outside",
    "tickcolor": "rgba(128, 128, 128, 0.6)",
    "ticklen": 4,
    "automargin": True,
    "title": {"standoff": 10},
}
# Small on purpose: plotly's default template adds 7 KB to every figure of a page.
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 14, "color": INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "colorway": [PALETTE[name] for name in ("svm", "knn", "fast", "cnn_deep", "mlp", "ensemble", "tree")],
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hovermode": "closest",
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "title": {"text": ""}},
        "margin": {"l": 10, "r": 10, "t": 40, "b": 10},
    }
)

# Also "97.2% [95.2, 98.2]", "-1.0 to +2.9", "97.00% of 540": numbers that read best set flush right.
_NUMBER = r"[+\-−–±]?\d[\d,.]*\s?(%|pp|s|ms)?"
_NUMERIC_TEXT = re.compile(rf"^{_NUMBER}(\s(\[.*\]|(to|of|±) {_NUMBER}))?$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
PHRASE = 14  # letters; in a narrow table a longer text would be broken into a word a line
X_TITLE = 26  # letters in a line of an x title: it stands below the plot, which long labels narrow on a phone


def figure_layout(fig: go.Figure, *, height: int = 420) -> go.Figure:
    """Give a plotly figure the common look and return it.

    `height` is in CSS pixels; the width follows the page. The title is removed: the caption says it better.
    """
    fig.update_layout(template=TEMPLATE, height=height, title=None, autosize=True, width=None)
    return fig


def show(
    fig: go.Figure | MatplotlibFigure,
    *,
    alt: str,
    caption: str = "",
    invert: bool = True,
    compared: Mapping[str, Any] | None = None,
) -> None:
    """Display a plotly or matplotlib figure with its alternative text and caption.

    `alt` says what a reader would see; `caption` states the finding (computed, not typed). `compared`: name -> row of
    results, or Conditions, of what stands side by side in it: the caption then says what they share (images, training
    images, passes, views, label smoothing, arithmetic) and who differs in what. `invert` concerns
    matplotlib pictures only: True (dark ink on transparent paper) lets the dark theme invert them, False
    keeps their colours on white paper. A matplotlib figure is closed afterwards. The caption follows as an output of
    its own, marked `CAPTION`, for editors, which know nothing of a figure's metadata.

    Raises ValueError when `alt` is empty, the figure has nothing in it, or a plotly trace needs WebGL (blank
    under the report's content security policy).
    """
    caption = _with_conditions(caption, compared)
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("alt must be a sentence that says what the figure shows; got an empty one")
    if isinstance(fig, go.Figure):
        _show_plotly(fig, alt=alt.strip(), caption=caption.strip())
    elif isinstance(fig, MatplotlibFigure):
        data, metadata = png(fig, alt=alt.strip(), caption=caption.strip(), invert=invert)
        light = {"needs_background": "light"} if invert else {}  # JupyterLab lays it on white in its dark theme
        about = {"image/png": metadata, **light}
        display({"image/png": data, "text/plain": metadata["alt"]}, raw=True, metadata=about)
    else:
        raise ValueError(f"fig must be a plotly or matplotlib figure; got {type(fig).__name__}")
    show_caption(caption)


def _with_conditions(caption: str, compared: Mapping[str, Any] | None) -> str:
    if compared is None:
        return caption
    return f"{caption.strip().removesuffix('.')}. {conditions.in_words(compared)}".removeprefix(". ")


def show_caption(text: str) -> None:
    """Display a caption under the figure before it where a notebook is edited; a page leaves it out. Nothing for ""."""
    if text.strip():
        display({"text/markdown": text.strip()}, raw=True, metadata=CAPTION)


def _show_plotly(fig: go.Figure, *, alt: str, caption: str) -> None:
    if not fig.data:
        raise ValueError("fig has no traces: there is nothing to show")
    webgl = sorted({trace.type for trace in fig.data if "gl" in trace.type})
    if webgl:
        raise ValueError(f"fig has WebGL traces {webgl}; use their SVG kin, such as px.scatter(render_mode='svg')")
    for axis in fig.select_xaxes(lambda axis: len(axis.title.text or "") > X_TITLE):
        axis.title.text = "<br>".join(textwrap.wrap(axis.title.text, X_TITLE))
    fig.update_layout(meta={"alt": alt, "caption": caption})
    config = {"displaylogo": False, "showSendToCloud": False, "responsive": True}  # for editors: a page has its own
    bundle = {"application/vnd.plotly.v1+json": json.loads(fig.to_json()) | {"config": config}, "text/plain": alt}
    display(bundle, raw=True)


def png(fig: MatplotlibFigure, *, alt: str, caption: str = "", invert: bool = True) -> tuple[bytes, dict]:
    """Return a matplotlib figure as a PNG, and what a page must know of it; the figure is closed afterwards.

    Raises ValueError when the figure has nothing in it.
    """
    if not fig.get_axes():
        raise ValueError("fig has no axes: there is nothing to show")
    buffer = io.BytesIO()
    fig.savefig(
        buffer,
        format="png",
        dpi=2 * fig.dpi,  # drawn at half size by the page: crisp on a fine screen
        bbox_inches="tight",
        transparent=invert,
        facecolor="none" if invert else "white",
    )
    plt.close(fig)
    data = buffer.getvalue()
    width, height = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))  # the PNG header
    size = {"width": width // 2, "height": height // 2}
    return data, {"alt": alt, "caption": caption, "invert": bool(invert), **size}


def say(text: str) -> None:
    """Display computed Markdown prose: a reading whose numbers come from variables, negative ones with a true minus."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError("text must be a non-empty string")
    parts = re.split(r"(`[^`]*`)", inspect.cleandoc(text))  # code stays as it is
    parts[::2] = [re.sub(r"(?<![\w.,–-])-(?=\d)", "−", part) for part in parts[::2]]
    display(Markdown("".join(parts)))


def show_source(*things: Callable) -> None:
    """Display the source of functions or classes, as it stands in its file: what a page shows cannot be out of date.

    Raises ValueError for none, or for what Python has no source of (a built-in, a partial: pass its function).
    """
    if not things:
        raise ValueError("things: got none; at least one function or class is needed")
    blocks = []
    for thing in things:
        try:
            blocks.append(textwrap.dedent(inspect.getsource(thing)).rstrip())
        except (TypeError, OSError) as error:
            raise ValueError(f"things: {thing!r} has no source to show; a function or class is needed") from error
    display(Markdown("```python\n" + "\n\n\n".join(blocks) + "\n```"))


def table(
    frame: pd.DataFrame,
    *,
    caption: str = "",
    formats: dict[str, str] | None = None,
    index: bool = True,
    compared: Mapping[str, Any] | None = None,
) -> None:
    """Display a DataFrame as a plain HTML table, every cell escaped and numbers marked for alignment.

    `compared`: as in `show`. `formats` maps a column to a format such as "{:.1%}" (or ".1%"). Without one, whole
    numbers get thousands separators and floats four significant digits; missing values show as a dash.

    Raises ValueError when `formats` names a column that the frame lacks.
    """
    formats, caption = formats or {}, _with_conditions(caption, compared)
    unknown = [column for column in formats if column not in frame.columns]
    if unknown:
        raise ValueError(f"formats names {unknown}; the columns are {list(frame.columns)}")
    head = [str(name) if name is not None else "" for name in frame.index.names] if index else []
    head += [str(column) for column in frame.columns]
    # A column that holds a word is flush left as a whole: numbers among words have no digits to stand under.
    numeric = [
        bool(len(frame)) and all(_is_numeric(value, formats.get(name, "")) for value in frame.iloc[:, place])
        for place, name in enumerate(frame.columns)
    ]
    body = []
    for key, values in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        keys = (key if isinstance(key, tuple) else (key,)) if index else ()
        cells = [f'<th scope="row"{_kind(_text(one, ""))}>{html.escape(_text(one, ""))}</th>' for one in keys]
        cells += [
            _cell(value, formats.get(name, ""), flag)
            for name, value, flag in zip(frame.columns, values, numeric, strict=True)
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    tops = "".join(
        f'<th scope="col"{_num(flag)}>{html.escape(name)}</th>'
        for name, flag in zip(head, [False] * (len(head) - len(numeric)) + numeric, strict=True)
    )
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    markup = f'<table class="data">{title}<thead><tr>{tops}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    display({"text/html": markup, "text/plain": frame.to_string(index=index)}, raw=True)


def _kind(text: str) -> str:
    """Mark what must not break at its hyphens, dates, and phrases, which need some room."""
    if _DATE.fullmatch(text):
        return ' class="id"'
    return ' class="text"' if len(text) > PHRASE else ""


def _num(flag: bool) -> str:
    return ' class="num"' if flag else ""


def _is_missing(value) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _is_numeric(value, spec: str) -> bool:
    text = _text(value, spec)
    return text == "–" or bool(_NUMERIC_TEXT.match(text))


def _cell(value, spec: str, numeric: bool) -> str:
    text = _text(value, spec)
    among_words = (
        ' class="id"' if not numeric and _NUMERIC_TEXT.match(text) else ""
    )  # or the page takes it for a number
    return f"<td{_num(numeric) or _kind(text) or among_words}>{html.escape(text)}</td>"


def _text(value, spec: str) -> str:
    if _is_missing(value):
        return "–"
    if spec:
        return spec.format(value) if "{" in spec else format(value, spec)
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        return f"{float(value):.4g}"
    return str(value)
