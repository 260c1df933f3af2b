"""Tables of numbers as coloured cells, as plotly figures.

Words take the page's text colour, so none is drawn on a coloured ground whose contrast a theme could spoil,
except where the ground is opaque and plotly chooses black or white by it.
"""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from helpers.figures.style import PALETTE, figure_layout


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
    ones. A NaN is an empty cell. Raises ValueError when the shape differs from the labels.
    """
    values = np.asarray(values, dtype=float)
    if values.shape != (len(y_labels), len(x_labels)):
        raise ValueError(f"values must have shape {(len(y_labels), len(x_labels))}; got {values.shape}")
    low = float(np.nanmin(values)) if floor is None else float(floor)
    fig = go.Figure(
        go.Heatmap(
            z=np.maximum(values, low),
            x=list(range(len(x_labels))),
            y=list(range(len(y_labels))),
            text=[[_number(one, percent) for one in row] for row in values],
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


def _number(value: float, percent: bool) -> str:
    if np.isnan(value):
        return ""
    return f"{100 * value:.1f}" if percent else f"{value:.3g}"
