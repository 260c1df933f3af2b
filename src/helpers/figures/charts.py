"""Charts of finished results, as plotly figures with the common look: intervals and curves.

Fractions are drawn as percentages. Words on a chart take the page's text colour. Tables of numbers drawn as
coloured cells are in `matrices`.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from helpers.evaluation import metrics
from helpers.figures.style import PALETTE, figure_layout

LABEL = 26  # letters of a row's label in a line; more would leave no room for the rows on a phone

PERCENT = ".2~%"


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of `curves`: x and y of shape (m,), and a band from `low` to `high` where there is one."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    colour: str = PALETTE["svm"]
    dash: str = "solid"
    markers: bool = False


def intervals(
    labels: Sequence[str],
    values: Sequence[float] | Sequence[metrics.Interval],
    *,
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    colours: str | Sequence[str] = PALETTE["svm"],
    bars: bool = False,
    x_title: str = "accuracy",
    percent: bool = True,
    reference: tuple[float, str] | None = None,
) -> go.Figure:
    """Draw one point (or bar) with its interval a line, the first label on top.

    labels, values, low, high: n each; low and high are the limits themselves, not distances, and None where
    there is none. Values may be intervals (`metrics.Interval`) instead, which bring their own limits.
    colours: one, or n. reference: a value and its name, drawn as a vertical line. Bars start at zero. Raises
    ValueError for unequal lengths or an interval that does not contain its value.
    """
    if len(values) and hasattr(values[0], "estimate"):
        low, high = [one.low for one in values], [one.high for one in values]
        values = [one.estimate for one in values]
    labels, values = [str(label) for label in labels], np.asarray(values, dtype=float)
    low = values if low is None else _limits("low", low, values)
    high = values if high is None else _limits("high", high, values)
    if len(labels) != len(values) or len(labels) == 0:
        raise ValueError(f"labels and values must have one common length >= 1; got {len(labels)} and {len(values)}")
    if np.any(low > values + 1e-12) or np.any(high < values - 1e-12):
        raise ValueError("low and high must lie on either side of values")
    colours = [colours] * len(labels) if isinstance(colours, str) else list(colours)
    error = {
        "type": "data",
        "symmetric": False,
        "array": high - values,
        "arrayminus": values - low,
        "thickness": 2,
        "width": 5,
    }
    shown = [_percent(value) if percent else f"{value:.4g}" for value in values]
    limits = [
        f" [{_percent(a)}, {_percent(b)}]" if percent else f" [{a:.4g}, {b:.4g}]"
        for a, b in zip(low, high, strict=True)
    ]
    hover = [one + (two if b > a else "") for one, two, a, b in zip(shown, limits, low, high, strict=True)]
    common = {"y": labels, "x": values, "customdata": hover, "hovertemplate": "%{y}: %{customdata}<extra></extra>"}
    if bars:
        trace = go.Bar(
            **common,
            orientation="h",
            marker_color=colours,
            width=0.6,
            error_x=error | {"color": "rgba(128, 128, 128, 0.95)"},
        )
    else:
        trace = go.Scatter(**common, mode="markers", marker={"size": 11, "color": colours}, error_x=error)
        if len(set(colours)) == 1:
            trace.error_x.color = colours[0]
        else:  # plotly takes one error colour a trace
            trace.error_x.color = "rgba(128, 128, 128, 0.95)"
    fig = go.Figure(trace)
    # A label in several lines needs the room of as many.
    lines = max(len(textwrap.wrap(label, LABEL)) for label in labels)
    row = max(44 if len(labels) <= 8 or lines > 1 else 28, 8 + 18 * lines)
    figure_layout(fig, height=110 + row * len(labels))
    fig.update_layout(showlegend=False, margin_t=30 if reference else 10)
    fig.update_xaxes(title_text=x_title, tickformat=PERCENT if percent else None)
    # Inside-out order, so that the first label is on top; labels end a little before the axis.
    texts = ["<br>".join(f"{line}  " for line in textwrap.wrap(label, LABEL)) for label in labels]
    fig.update_yaxes(autorange="reversed", showgrid=False, ticks="", tickvals=labels, ticktext=texts)
    if reference is not None:
        _reference_line(fig, *reference)
    return fig


def curves(
    lines: Sequence[Curve],
    *,
    x_title: str,
    y_title: str,
    percent: bool = True,
    log_x: bool = False,
    mark: tuple[float, float, str] | None = None,
    height: int = 420,
) -> go.Figure:
    """Draw curves, each with its band in the same colour; mark is one point (x, y, words) to point at.

    Raises ValueError for no curve, or a curve whose x, y, low and high differ in length.
    """
    if not lines:
        raise ValueError("lines must hold at least one Curve")
    fig = go.Figure()
    for line in lines:
        sizes = {len(part) for part in (line.x, line.y, line.low, line.high) if part is not None}
        if len(sizes) != 1 or (line.low is None) != (line.high is None):
            raise ValueError(f"curve {line.name!r}: x, y, low and high must have one common length")
        if line.low is not None:
            fig.add_scatter(
                x=[*line.x, *list(line.x)[::-1]],
                y=[*line.high, *list(line.low)[::-1]],
                fill="toself",
                fillcolor=line.colour,
                opacity=0.18,
                mode="lines",
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=line.name,
            )
        fig.add_scatter(
            x=list(line.x),
            y=list(line.y),
            name=line.name,
            legendgroup=line.name,
            mode="lines+markers" if line.markers else "lines",
            line={"color": line.colour, "width": 2.5, "dash": line.dash},
            hovertemplate=f"{x_title} %{{x}}<br>{y_title} %{{y:{PERCENT if percent else '.4~g'}}}",
        )
    figure_layout(fig, height=height)
    fig.update_layout(
        showlegend=len(lines) > 1,
        margin_t=40 if len(lines) > 1 else 10,
        xaxis_title_text=x_title,
        yaxis_title_text=y_title,
    )
    fig.update_yaxes(tickformat=PERCENT if percent else None)
    if log_x:
        fig.update_xaxes(type="log", dtick=1)
    if mark is not None:
        x, y, words = mark
        middle = np.mean(
            [
                np.min([np.min(line.y if line.low is None else line.low) for line in lines]),
                np.max([np.max(line.y if line.high is None else line.high) for line in lines]),
            ]
        )
        fig.add_annotation(
            x=np.log10(x) if log_x else x,
            y=y,
            text=words,
            arrowcolor=PALETTE["published"],
            ax=44,
            ay=44 if y > middle else -44,  # towards the emptier half
        )
    return fig


def _reference_line(fig: go.Figure, value: float, name: str) -> None:
    fig.add_vline(x=value, line={"color": PALETTE["published"], "width": 2, "dash": "dash"})
    fig.add_annotation(
        x=value, y=1, yref="paper", yanchor="bottom", text=name, showarrow=False, font={"size": 13}
    )  # above the plot, where no point can hide it


def _limits(name: str, limits: Sequence[float | None], values: np.ndarray) -> np.ndarray:
    if len(limits) != len(values):
        raise ValueError(f"{name} must have {len(values)} entries; got {len(limits)}")
    return np.array([value if limit is None else limit for limit, value in zip(limits, values, strict=True)], float)


def _percent(value: float) -> str:
    return f"{100 * value:.2f}%"
