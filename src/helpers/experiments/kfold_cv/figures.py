"""Figures of cross-validation: what a network had seen, intervals that miss, people."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.style import PALETTE, figure_layout

SEEN, NEW, WRONG = "#b8b8b8", PALETTE["cnn_shallow"], PALETTE["highlight"]
NAIVE, CORRECTED = PALETTE["svm"], PALETTE["knn"]


def seen_and_missed(panels: Mapping[str, tuple[np.ndarray, np.ndarray]], *, height: int = 0) -> go.Figure:
    """Draw every test image as a small square, one panel a network: trained on before, new, and misread.

    panels: title -> (seen, wrong), both bool (n,), in one common order of images. Images that were trained on stand at
    the left. Raises ValueError for no panel, or arrays that are not bool or differ in length.
    """
    sizes = {array.shape for pair in panels.values() for array in pair}
    if len(sizes) != 1 or any(array.dtype != bool for pair in panels.values() for array in pair):
        raise ValueError(
            f"panels: need bool arrays of one common length, at least one panel; got shapes {sorted(sizes)}"
        )
    n = sizes.pop()[0]
    n_rows = max(1, round(np.sqrt(n / 9)))  # nine times as wide as high
    columns = -(-n // n_rows)
    fig = make_subplots(len(panels), 1, subplot_titles=list(panels), vertical_spacing=0.34 / len(panels))
    for number, (seen, wrong) in enumerate(panels.values(), start=1):
        order = np.argsort(~seen, kind="stable")
        place = np.empty(n, dtype=int)
        place[order] = np.arange(n)
        cells = np.full(n_rows * columns, np.nan)
        cells[:n] = (~seen[order]).astype(float)
        grid = cells.reshape(columns, n_rows).T  # filled column by column, so that each kind is one block
        fig.add_heatmap(
            z=[[None if np.isnan(value) else int(value) for value in line] for line in grid],
            zmin=0, zmax=1, colorscale=[[0, SEEN], [1, NEW]], showscale=False, hoverinfo="skip", row=number, col=1,
        )  # fmt: skip
        fig.add_scatter(
            x=place[wrong] // n_rows,
            y=place[wrong] % n_rows,
            mode="markers",
            marker={"symbol": "square", "size": 7, "color": WRONG, "line": {"color": "white", "width": 1}},
            customdata=["trained on before" if one else "new to it" for one in seen[wrong]],
            hovertemplate="misread, %{customdata}<extra></extra>",
            name="misread",
            legendgroup="misread",
            showlegend=number == 1,
            row=number,
            col=1,
        )
    for name, colour in (("trained on before", SEEN), ("new to the network", NEW)):
        marker = {"symbol": "square", "size": 11, "color": colour}
        fig.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=name, hoverinfo="skip")
    figure_layout(fig, height=height or 70 + 175 * len(panels))
    fig.update_layout(legend={"y": -0.02, "yanchor": "top"}, margin={"t": 34, "b": 40})
    fig.update_xaxes(visible=False, range=[-0.8, columns - 0.2])
    fig.update_yaxes(visible=False, range=[n_rows - 0.2, -0.8])
    fig.update_annotations(font_size=14, x=0, xanchor="left")
    return fig


def caterpillar(table: pd.DataFrame, truth: float, *, which: str = "naive", x_title: str = "accuracy") -> go.Figure:
    """Draw each data set's interval as a line, sorted by its mean, those that miss the truth in red.

    table: as from `trial.trial`, fractions; which: "naive" or "corrected". Raises ValueError for columns that are
    not there.
    """
    low, high = f"{which} low", f"{which} high"
    if missing := [name for name in ("mean", low, high) if name not in table.columns]:
        raise ValueError(f"which = {which!r}: the table lacks {missing}")
    ordered = table.sort_values("mean").reset_index(drop=True)
    holds = (ordered[low] <= truth) & (truth <= ordered[high])
    fig = go.Figure()
    for mask, colour, name in ((holds, NAIVE, "interval holds the truth"), (~holds, WRONG, "interval misses it")):
        part = ordered[mask]
        fig.add_scatter(
            x=part["mean"], y=part.index, mode="markers", name=f"{name} ({len(part)})",
            marker={"size": 5, "color": colour},
            error_x={"type": "data", "symmetric": False, "array": part[high] - part["mean"],
                     "arrayminus": part["mean"] - part[low], "thickness": 2, "width": 0, "color": colour},
            hovertemplate="mean of five folds %{x:.2~%}<extra></extra>",
        )  # fmt: skip
    fig.add_vline(x=truth, line={"color": PALETTE["published"], "width": 2, "dash": "dash"})
    figure_layout(fig, height=120 + 7 * len(table))
    fig.update_layout(showlegend=True)
    fig.update_xaxes(title_text=x_title, tickformat=".2~%")
    fig.update_yaxes(visible=False, range=[-1, len(table)])
    return fig


def mistakes_by_writer(mistakes: Sequence[int], expected: Sequence[float]) -> go.Figure:
    """Draw how many writers had 0, 1, 2, ... digits misread, and how many would if all were equally legible.

    mistakes: one count a writer; expected: number of writers at 0, 1, 2, ..., as from `writers.expected_mistakes`.
    Raises ValueError when `expected` does not reach the largest count.
    """
    counts = np.bincount(np.asarray(mistakes, dtype=int))
    if len(expected) < len(counts):
        raise ValueError(f"expected: has {len(expected)} values, need {len(counts)}, up to the most mistakes")
    fig = go.Figure()
    fig.add_bar(
        x=np.arange(len(counts)), y=counts, name="writers", marker_color=PALETTE["fast"],
        hovertemplate="%{y} writers with %{x} misread<extra></extra>",
    )  # fmt: skip
    fig.add_scatter(
        x=np.arange(len(expected)), y=np.asarray(expected, dtype=float), mode="lines+markers",
        name="if all hands were equally legible", line={"color": PALETTE["highlight"], "width": 2},
        hovertemplate="%{y:.1f} writers expected with %{x} misread<extra></extra>",
    )  # fmt: skip
    figure_layout(fig, height=360)
    fig.update_xaxes(title_text="misread digits of one writer", dtick=max(1, len(counts) // 12), zeroline=False)
    fig.update_yaxes(title_text="writers")
    return fig
