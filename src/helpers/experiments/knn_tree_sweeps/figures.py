"""Figures of classical models: sweeps of one setting, what an answer costs, neighbours, importances."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure

from helpers.figures.charts import PERCENT, Curve, curves, intervals
from helpers.figures.digits import digit_sheet
from helpers.figures.style import PALETTE, figure_layout

_CROWDED = 0.006  # accuracies closer than this share a line of text
COLOURS = ("knn", "svm", "fast", "mlp")


def sweep_chart(
    scores: Mapping[str, pd.DataFrame | Mapping],
    *,
    x_title: str,
    colours: Sequence[str] = COLOURS,
    log_x: bool = True,
    mark: tuple[float, str] | None = None,
    printed: Mapping[float, float] | None = None,
) -> go.Figure:
    """Draw accuracy over one setting, a curve for each table.

    scores: name -> table as from `estimators.accuracies`: the index is x; estimate and, for a band, low and high are
    fractions. A name that ends in "one-hot" is dotted. colours: palette keys, in order. mark: a place on the
    first curve and words for it. printed: published accuracies by x, dashed in grey, a lone one as a dot.
    A logarithmic axis of few places has its ticks there.
    """
    lines = []
    for (name, table), colour in zip(scores.items(), colours, strict=False):
        band = {side: table[side].to_list() for side in ("low", "high") if side in table}
        dash = "dot" if name.endswith("one-hot") else "solid"
        x, y = table.index.to_list(), table["estimate"].to_list()
        lines.append(Curve(name, x, y, **band, colour=PALETTE[colour], dash=dash, markers=len(x) < 20))
    if printed:
        x, y = list(printed), list(printed.values())
        lines.append(Curve("printed", x, y, colour=PALETTE["published"], dash="dash", markers=True))
    first = next(iter(scores.values()))
    point = (mark[0], float(first["estimate"].loc[mark[0]]), mark[1]) if mark else None
    fig = curves(lines, x_title=x_title, y_title="accuracy", log_x=log_x, mark=point)
    if log_x and len(first) < 20:
        fig.update_xaxes(tickvals=first.index.to_list(), ticktext=[f"{x:,}" for x in first.index])
    elif log_x:
        fig.update_xaxes(dtick=1, tickformat=",")
    return fig


def cost_chart(frame: pd.DataFrame, *, height: int = 480) -> go.Figure:
    """Draw accuracy over the time of one answer; the area of a dot is the memory the model takes.

    frame: as from `estimators.cost_table`. The time axis is logarithmic.
    """
    fig = go.Figure()
    low, high = np.log10(frame["milliseconds"].min()), np.log10(frame["milliseconds"].max())
    middle = (low + high) / 2
    size = np.sqrt(frame["megabytes"] / frame["megabytes"].max())
    for (name, row), share in zip(frame.iterrows(), size, strict=True):
        fig.add_scatter(
            x=[row["milliseconds"]],
            y=[row["estimate"]],
            error_y={
                "array": [row["high"] - row["estimate"]],
                "arrayminus": [row["estimate"] - row["low"]],
                "width": 0,
                "thickness": 1.5,
            },
            mode="markers",
            marker={"size": 9 + 45 * share, "color": PALETTE[row["model"]], "opacity": 0.65, "line": {"width": 0}},
            customdata=[[row["megabytes"]]],
            hovertemplate=(
                f"{name}<br>%{{x:.3~g}} ms a digit<br>%{{y:{PERCENT}}}<br>%{{customdata[0]:.3~g}} MB<extra></extra>"
            ),
            cliponaxis=False,
        )
        right = np.log10(row["milliseconds"]) > middle  # words turn inwards, where there is room
        near = (frame["estimate"] - row["estimate"]).abs() < _CROWDED
        crowded = (near & (np.log10(frame["milliseconds"]) > middle)).sum() > 1 and right
        # Of two dots at about one height, the upper one has its words above it, the lower one below.
        above = row["estimate"] >= frame["estimate"][near].max()
        fig.add_annotation(
            x=np.log10(row["milliseconds"]),
            y=row["estimate"],
            text=name,
            showarrow=False,
            xanchor="right" if right else "left",
            xshift=(8 + 24 * share) * (-1 if right else 1),
            yshift=(12 if above else -12) if crowded else 0,
        )
    figure_layout(fig, height=height)
    fig.update_layout(showlegend=False)
    fig.update_xaxes(type="log", title="milliseconds for one digit", range=[low - 0.3, high + 0.4], dtick=1)
    fig.update_yaxes(title="accuracy", tickformat=PERCENT)
    return fig


def score_chart(rows: Sequence) -> go.Figure:
    """Draw the accuracies of result rows with their intervals, in the order given, in the models' colours."""
    return intervals(
        [row.system for row in rows],
        [row.value for row in rows],
        low=[row.low for row in rows],
        high=[row.high for row in rows],
        colours=[PALETTE[row.model] for row in rows],
    )


def digit_dots(scores: Mapping[str, pd.DataFrame], *, colours: Mapping[str, str]) -> go.Figure:
    """Draw precision and recall of each digit as dots, the digits downwards, one colour a model.

    scores: name -> table as from `metrics.per_class`; colours: name -> palette key. Recall is filled, precision is not.
    """
    fig = go.Figure()
    for name, table in scores.items():
        for kind, symbol in (("recall", "circle"), ("precision", "circle-open")):
            fig.add_scatter(
                x=table[kind].to_list(),
                y=[str(digit) for digit in table.index],
                mode="markers",
                marker={"size": 11, "symbol": symbol, "color": PALETTE[colours[name]], "line": {"width": 2}},
                name=f"{name}, {kind}",
                hovertemplate=f"%{{y}}: %{{x:{PERCENT}}}<extra>{name}, {kind}</extra>",
            )
    figure_layout(fig, height=440)
    fig.update_xaxes(title="precision, recall", tickformat=PERCENT)
    fig.update_yaxes(title="digit", type="category", autorange="reversed")
    return fig


def luck_chart(drawn: pd.DataFrame, marks: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Draw how each column of `drawn` is distributed, a box downwards for each, and marks on the boxes.

    Boxes hold the middle half, whiskers 95% of the values. marks: name -> column -> value; the first in grey.
    """
    fig = go.Figure()
    low, q1, median, q3, high = (drawn.quantile(share).to_list() for share in (0.025, 0.25, 0.5, 0.75, 0.975))
    fig.add_box(
        y=list(drawn),
        q1=q1,
        median=median,
        q3=q3,
        lowerfence=low,
        upperfence=high,
        orientation="h",
        marker_color=PALETTE["knn"],
        name="shuffled within the digits",
        width=0.4,
    )
    for (name, values), colour, symbol in zip(
        marks.items(), ("published", "highlight"), ("diamond", "circle"), strict=False
    ):
        fig.add_scatter(
            x=[values[column] for column in drawn],
            y=list(drawn),
            mode="markers",
            marker={"size": 12, "color": PALETTE[colour], "symbol": symbol},
            name=name,
            hovertemplate=f"%{{y}}: %{{x:{PERCENT}}}<extra>{name}</extra>",
        )
    figure_layout(fig, height=260)
    fig.update_xaxes(title="accuracy of one neighbour", tickformat=PERCENT)
    fig.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    return fig


def neighbour_sheet(queries: np.ndarray, right: Sequence[int], nearest: np.ndarray, labels: np.ndarray) -> Figure:
    """Draw query digits, one a line, each followed by its nearest training digits.

    queries: (n, h, w) with their true labels; nearest: (n, m, h, w), labels: int (n, m). A neighbour that
    carries another label than the query is titled in the warning colour.
    """
    images, titles, flags = [], [], []
    for query, true, row, marks in zip(queries, right, nearest, labels, strict=True):
        images += [query, *row]
        titles += ["", *(str(mark) for mark in marks)]
        flags += [False, *(mark != true for mark in marks)]
    names = [f"this is {true}" for true in right]
    return digit_sheet(np.stack(images), titles, columns=nearest.shape[1] + 1, rows=names, highlight=flags)


def importance_sheet(maps: Mapping[str, np.ndarray], *, shape: tuple[int, int]) -> Figure:
    """Draw where models look: each (h * w,) a picture of that shape, inked up to its own maximum."""
    pictures = [np.reshape(values, shape) / np.max(values) for values in maps.values()]
    return digit_sheet(np.stack(pictures), list(maps), columns=len(maps))
