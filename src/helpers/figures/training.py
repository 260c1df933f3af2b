"""Figures of trainings: learning curves, the price of accuracy, weights as images."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure
from plotly.subplots import make_subplots

from helpers.figures.style import figure_layout

_INK = "#333333"


def learning_curves(
    histories: Mapping[str, pd.DataFrame], colours: Mapping[str, str], *, quantity: str = "loss", height: int = 380
) -> go.Figure:
    """Draw what was trained on (dashed) and what was held out (solid) against the epoch, one panel per network.

    histories: name -> frame with the columns epoch, `quantity` and val_`quantity`; colours: name -> colour.
    quantity: "loss" or "accuracy". The lowest held-out loss (or highest accuracy) is marked.
    Raises ValueError for an empty mapping, another quantity, or a network without a colour.
    """
    if quantity not in ("loss", "accuracy"):
        raise ValueError(f"quantity: got {quantity!r}; allowed are loss, accuracy")
    if not histories or set(histories) - set(colours):
        raise ValueError(f"colours: need one for each of {list(histories)}; got {list(colours)}")
    fig = make_subplots(1, len(histories), subplot_titles=list(histories), shared_yaxes=True, horizontal_spacing=0.04)
    for column, (name, history) in enumerate(histories.items(), start=1):
        parts = (("training", quantity, "dash"), ("held out", f"val_{quantity}", "solid"))
        for words, field, dash in parts:
            fig.add_scatter(
                x=history["epoch"],
                y=history[field],
                name=words,
                legendgroup=words,
                showlegend=column == 1,
                mode="lines",
                line={"color": colours[name], "dash": dash, "width": 2.5},
                hovertemplate=f"{name}, {words}<br>epoch %{{x}}: %{{y:.4~g}}<extra></extra>",
                row=1,
                col=column,
            )
        held_out = history[f"val_{quantity}"].to_numpy()
        if np.isfinite(held_out).any():
            best = int(np.nanargmin(held_out) if quantity == "loss" else np.nanargmax(held_out))
            fig.add_scatter(
                x=[history["epoch"].iloc[best]],
                y=[held_out[best]],
                mode="markers",
                marker={"size": 10, "color": colours[name], "symbol": "circle-open", "line": {"width": 2.5}},
                name="best held out",
                legendgroup="best",
                showlegend=column == 1,
                hovertemplate=f"{name}, best epoch %{{x}}: %{{y:.4~g}}<extra></extra>",
                row=1,
                col=column,
            )
    figure_layout(fig, height=height)
    fig.update_layout(margin={"t": 72}, legend={"y": 1.12, "yanchor": "bottom"})  # above the titles of the panels
    # Epochs are whole: of a few, every one gets its tick.
    longest = max(int(history["epoch"].max()) for history in histories.values())
    fig.update_xaxes(title_text="epoch", dtick=1 if longest <= 10 else None)
    fig.update_yaxes(title_text=quantity, tickformat=".2~%" if quantity == "accuracy" else None, col=1)
    fig.update_yaxes(rangemode="tozero" if quantity == "loss" else "normal")
    return fig


def frontier(
    table: pd.DataFrame,
    costs: Mapping[str, str],
    *,
    colours: Sequence[str],
    symbols: Sequence[str] | None = None,
    measured: Collection[str] = (),
    error: str = "error",
    height: int = 640,
) -> go.Figure:
    """Draw error against each cost in a panel of its own, with the frontier of what is not beaten on both.

    table: one row per network, indexed by name, with the columns `error`, "low", "high" (fractions) and every key
    of `costs`; costs: column -> words for its axis, two or four of them; colours, and plotly's symbols where they are
    not all circles: one per row. A mark on the frontier is filled. measured: costs that come out differently each time,
    seconds for one: in their panels no frontier is drawn, and no mark is filled. Both axes are logarithmic: cheaper is
    left, better is down. Raises ValueError for missing columns, for costs in `measured` that are not drawn, or values
    that are not positive, which a logarithm has no place for.
    """
    if unknown := set(measured) - set(costs):
        raise ValueError(f"measured: got {sorted(unknown)}; costs that are drawn are allowed: {list(costs)}")
    missing = [name for name in (error, "low", "high", *costs) if name not in table.columns]
    if missing or len(colours) != len(table):
        raise ValueError(f"table: lacks {missing}" if missing else f"colours: got {len(colours)}, need {len(table)}")
    if not (table[[error, *costs]].to_numpy(float) > 0).all():
        raise ValueError("table: errors and costs must be above 0 to be drawn on logarithmic axes")
    fig = make_subplots(-(-len(costs) // 2), 2, shared_yaxes=True, horizontal_spacing=0.05, vertical_spacing=0.17)
    symbols = symbols or ["circle"] * len(table)
    # The legend has marks of its own: whether one is filled differs from panel to panel.
    for name, colour, symbol in zip(table.index, colours, symbols, strict=True):
        marker = {"size": 12, "color": colour, "symbol": symbol}
        fig.add_scatter(x=[None], y=[None], name=str(name), legendgroup=str(name), mode="markers", marker=marker)
    for place, (column, words) in enumerate(costs.items()):
        row, col = place // 2 + 1, place % 2 + 1
        edge = unbeaten(table[column], table[error]) & (column not in measured)
        best = table[edge].sort_values(column)
        if column not in measured:
            fig.add_scatter(
                x=best[column],
                y=best[error],
                mode="lines",
                line={"color": "#8a8a8a", "width": 1.5, "dash": "dot", "shape": "hv"},
                name="not beaten on both",
                hoverinfo="skip",
                showlegend=False,
                row=row,
                col=col,
            )
        for (name, values), colour, symbol in zip(table.iterrows(), colours, symbols, strict=True):
            reach = {"array": [values["high"] - values[error]], "arrayminus": [values[error] - values["low"]]}
            fig.add_scatter(
                x=[values[column]],
                y=[values[error]],
                name=str(name),
                legendgroup=str(name),
                showlegend=False,
                mode="markers",
                marker={"size": 12, "color": colour, "symbol": symbol if edge[name] else f"{symbol}-open"},
                error_y={"type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": colour, **reach},
                hovertemplate=f"{name}<br>{words}: %{{x:.3~s}}<br>error %{{y:.2~%}}<extra></extra>",
                row=row,
                col=col,
            )
        fig.update_xaxes(title_text=words, type="log", row=row, col=col, tickangle=0)
        places = log_ticks(table[column].min(), table[column].max())
        fig.update_xaxes(tickvals=places, ticktext=[_short(place) for place in places], row=row, col=col)
    figure_layout(fig, height=height)
    places = log_ticks(table["low"].clip(lower=1e-4).min(), table["high"].max())
    fig.update_yaxes(type="log", tickvals=places, ticktext=[f"{100 * place:g}%" for place in places])
    fig.update_yaxes(title_text="error", col=1)
    return fig


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers for a logarithmic axis from `low` to `high` (both above 0).

    The coarsest of 1, 1-3, 1-2-5 and two finer series that puts three of them within the range.
    """
    fine = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)
    for mantissas in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), fine):
        decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        ticks = [float(f"{m * 10.0**d:.6g}") for d in decades for m in mantissas]
        ticks = [tick for tick in ticks if 0.9 * low <= tick <= 1.1 * high]
        if len(ticks) >= 3:
            return ticks
    return [low, high]


def _short(value: float) -> str:
    """Write an axis value briefly: 200k, 10M, 1.2."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def unbeaten(cost: pd.Series, error: pd.Series) -> pd.Series:
    """Say for each row whether no other row is at least as good on both and better on one: bool, same index."""
    costs, errors = cost.to_numpy(float), error.to_numpy(float)
    cheaper, better = costs[:, None] >= costs[None, :], errors[:, None] >= errors[None, :]
    strictly = (costs[:, None] > costs[None, :]) | (errors[:, None] > errors[None, :])
    return pd.Series(~(cheaper & better & strictly).any(axis=1), index=cost.index)


def weight_sheet(weights: np.ndarray, *, columns: int = 10, titles: Sequence[str] | None = None) -> Figure:
    """Draw weights as images: red where ink speaks for the unit, blue where it speaks against, white for zero.

    weights: (n, h, w). Each image has its own scale, because units differ in size and what matters is the pattern.
    Returns a matplotlib figure. Raises ValueError for an empty or misshapen stack, or titles of another length.
    """
    weights = np.asarray(weights, float)
    if weights.ndim != 3 or 0 in weights.shape:
        raise ValueError(f"weights: got shape {weights.shape}, need (n, h, w) with n >= 1")
    if titles is not None and len(titles) != len(weights):
        raise ValueError(f"titles: got {len(titles)}, need {len(weights)}")
    columns = min(columns, len(weights))
    rows = -(-len(weights) // columns)
    side = 6.8 / max(columns, 6)
    fig = Figure(figsize=(side * columns, rows * (side + (0.2 if titles else 0))))
    for place, image in enumerate(weights):
        axes = fig.add_subplot(rows, columns, place + 1)
        reach = np.abs(image).max() or 1.0
        axes.imshow(image, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(edgecolor="#bbbbbb", linewidth=0.6)
        if titles is not None:
            axes.set_title(titles[place], fontsize=8.5, color=_INK, pad=2)
    fig.subplots_adjust(
        left=0.005,
        right=0.995,
        bottom=0.01,
        top=0.9 if titles else 0.99,
        wspace=0.25 if not titles else 0.06,
        hspace=0.25 if not titles else 0.06,
    )
    return fig
