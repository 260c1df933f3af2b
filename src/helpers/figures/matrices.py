"""Tables of numbers as coloured cells, as plotly figures: score surfaces and confusion matrices.

Words take the page's text colour, so none is drawn on a coloured ground whose contrast a theme could spoil,
except where the ground is opaque and plotly chooses black or white by it.
"""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from helpers.figures.style import FAINT, PALETTE, figure_layout

# From see-through to a strong orange: zero stays paper, whichever colour the paper has.
_CLEAR_TO_ORANGE = [[0, "rgba(217, 108, 0, 0)"], [0.25, "rgba(217, 108, 0, 0.3)"], [1, "rgba(217, 108, 0, 0.85)"]]


def surface(
    values,
    x_labels: Sequence[str],
    y_labels: Sequence[str],
    *,
    x_title: str,
    y_title: str,
    best: tuple[int, int] | None = None,
    floor: float | None = None,
    percent: bool = True,
) -> go.Figure:
    """Draw a table of scores as coloured cells with the number in each; `best` = (row, column) is framed.

    values: (n_rows, n_columns), the first row at the bottom. floor: the value at which the colours start
    (default: the smallest), so that a few bad corners do not flatten the rest; numbers are always the true
    ones. Raises ValueError when the shape differs from the labels.
    """
    values = np.asarray(values, dtype=float)
    if values.shape != (len(y_labels), len(x_labels)):
        raise ValueError(f"values must have shape {(len(y_labels), len(x_labels))}; got {values.shape}")
    low = float(values.min()) if floor is None else float(floor)
    fig = go.Figure(
        go.Heatmap(
            z=np.maximum(values, low),
            x=list(range(len(x_labels))),
            y=list(range(len(y_labels))),
            text=[[f"{100 * one:.1f}" if percent else f"{one:.3g}" for one in row] for row in values],
            texttemplate="%{text}",
            textfont={"size": 13},
            colorscale="Cividis",  # even in lightness and the same to colour-blind eyes
            showscale=False,
            xgap=2,
            ygap=2,
            customdata=[[[x, y] for x in map(str, x_labels)] for y in map(str, y_labels)],
            hovertemplate=f"{x_title} %{{customdata[0]}}<br>{y_title} %{{customdata[1]}}<br>%{{text}}<extra></extra>",
        )
    )
    figure_layout(fig, height=90 + 52 * len(y_labels)).update_layout(margin_t=10)
    for axis, labels, title in (("x", x_labels, x_title), ("y", y_labels, y_title)):
        fig.update_layout(
            {
                f"{axis}axis": {
                    "tickvals": list(range(len(labels))),
                    "ticktext": [str(label) for label in labels],
                    "title": {"text": title},
                    "showgrid": False,
                    "zeroline": False,
                    "ticks": "",
                }
            }
        )
    if best is not None:
        row, column = best
        fig.add_shape(
            type="rect",
            x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5,
            line={"color": PALETTE["highlight"], "width": 4},
        )  # fmt: skip
    return fig


def confusion_matrix(counts, labels: Sequence[object] | None = None, *, height: int = 520) -> go.Figure:
    """Draw a confusion matrix in which the mistakes are what one sees: rows true, columns predicted.

    counts: (k, k) whole numbers. Colour goes to the off-diagonal alone; the diagonal keeps its numbers on a
    faint ground and empty cells stay empty. Raises ValueError for counts that are not square.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"counts must be square; got shape {counts.shape}")
    labels = [str(label) for label in (range(len(counts)) if labels is None else labels)]
    wrong = counts.astype(float)
    np.fill_diagonal(wrong, 0)
    rows, columns = np.nonzero(counts)
    fig = go.Figure(
        go.Heatmap(
            z=wrong,
            x=labels,
            y=labels,
            colorscale=_CLEAR_TO_ORANGE,
            zmin=0,
            zmax=max(1.0, wrong.max()),
            showscale=False,
            xgap=1,
            ygap=1,
            customdata=counts,
            hovertemplate="true %{y}, read as %{x}: %{customdata}<extra></extra>",
        )
    )
    fig.add_scatter(  # not the heatmap's own text: this one follows the page's text colour
        x=[labels[column] for column in columns],
        y=[labels[row] for row in rows],
        text=[
            f"<b>{counts[r, c]:,}</b>" if r != c else f"{counts[r, c]:,}" for r, c in zip(rows, columns, strict=True)
        ],
        mode="text",
        hoverinfo="skip",
        showlegend=False,
    )
    figure_layout(fig, height=height).update_layout(margin_t=10)
    for place in range(len(labels)):
        fig.add_shape(
            type="rect",
            x0=place - 0.5, x1=place + 0.5, y0=place - 0.5, y1=place + 0.5,
            line={"width": 0}, fillcolor=FAINT, layer="below",
        )  # fmt: skip
    fig.update_xaxes(title_text="read as", type="category", showgrid=False, zeroline=False, ticks="")
    fig.update_yaxes(
        title_text="truly", type="category", autorange="reversed", showgrid=False, zeroline=False, ticks=""
    )
    return fig
