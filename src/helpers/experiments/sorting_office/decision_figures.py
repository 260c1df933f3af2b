"""Figures of decisions: is stated doubt true, what does asking a human buy, do sets keep their promise."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from helpers.figures.style import PALETTE, figure_layout

_QUIET = "#8a8a8a"
_PERCENT = ".3~%"


def reliability_chart(
    tables: Mapping[str, pd.DataFrame], *, colours: Sequence[str] = ("cnn_deep", "fast")
) -> go.Figure:
    """Draw how often answers were wrong against how often they should be by their own account, on log axes.

    tables: name -> as from `calibration.reliability`; colours: palette keys, in order. On the dashed line doubt is
    true; below it the model is too modest, above too bold. A group in which nothing was wrong is a hollow triangle
    at the upper limit of its interval: all that is known is that the truth lies below. Dots grow with the number of
    answers.
    """
    fig = go.Figure()
    start = min(float(table["stated"].clip(lower=1e-5).min()) for table in tables.values()) / 2
    fig.add_scatter(
        x=[start, 1], y=[start, 1], mode="lines", line={"color": _QUIET, "dash": "dash"}, name="doubt that is true",
        hoverinfo="skip",
    )  # fmt: skip
    most = max(int(table["n"].max()) for table in tables.values())
    for (name, table), key in zip(tables.items(), colours, strict=True):
        seen = table["wrong"] > 0
        shown = table["error"].where(seen, table["high"])
        words = [f"{row.wrong} of {row.n:,} wrong, {row.error:.2%}" for row in table.itertuples()]
        fig.add_scatter(
            x=table["stated"].clip(lower=1e-5),
            y=shown,
            mode="markers+lines",
            line={"color": PALETTE[key], "width": 1.5},
            marker={
                "color": PALETTE[key],
                "size": 8 + 14 * np.sqrt(table["n"] / most),
                "symbol": np.where(seen, "circle", "triangle-down-open"),
                "line": {"width": 1.5},
            },
            error_y={
                "array": (table["high"] - shown).where(seen, 0),
                "arrayminus": (shown - table["low"]).where(seen, 0),
                "thickness": 1.2,
                "width": 3,
            },
            name=name,
            customdata=words,
            hovertemplate=f"{name}<br>stated chance of error %{{x:{_PERCENT}}}<br>%{{customdata}}<extra></extra>",
        )
    figure_layout(fig, height=460)
    fig.update_xaxes(title_text="stated chance of error", type="log", tickformat=_PERCENT, dtick=1)
    fig.update_yaxes(title_text="share that was wrong", type="log", tickformat=_PERCENT, dtick=1)
    return fig


def trade_off_chart(
    lines: Mapping[str, tuple[pd.DataFrame, str, tuple[float, float]]], *, most_sent: float = 0.05, height: int = 440
) -> go.Figure:
    """Draw the error among accepted answers, on a log axis, against the share sent to a human.

    most_sent: where the axis ends, unless a chosen threshold sends more: then a little beyond that.
    lines: name -> (table as from `selective.trade_off`, palette key, (sent, error) of the chosen threshold, a ring).
    Where none is wrong, half a mistake is drawn: a log axis knows no zero.
    """
    fig = go.Figure()
    most_sent = max(most_sent, *(1.1 * mark[0] for _, _, mark in lines.values()))
    for name, (table, key, mark) in lines.items():
        part = _thinned(table[table["sent"] <= most_sent])
        least = 0.5 / table["accepted"].max()
        mark = (mark[0], max(mark[1], least))
        fig.add_scatter(
            x=part["sent"], y=part["error"].clip(lower=least), mode="lines", name=name, legendgroup=name,
            line={"color": PALETTE[key], "width": 2.5, "shape": "hv"},
            hovertemplate=f"{name}<br>sent %{{x:{_PERCENT}}}<br>wrong among the rest %{{y:{_PERCENT}}}<extra></extra>",
        )  # fmt: skip
        fig.add_scatter(
            x=[mark[0]], y=[mark[1]], mode="markers", showlegend=False, legendgroup=name,
            marker={"size": 14, "color": PALETTE[key], "symbol": "circle-open", "line": {"width": 3}},
            hovertemplate=f"{name}, chosen<br>sent %{{x:{_PERCENT}}}<br>wrong %{{y:{_PERCENT}}}<extra></extra>",
            cliponaxis=False,
        )  # fmt: skip
    figure_layout(fig, height=height)
    fig.update_xaxes(title_text="digits sent to a human", tickformat=_PERCENT, range=[-0.02 * most_sent, most_sent])
    fig.update_yaxes(title_text="wrong among the rest", tickformat=_PERCENT, type="log", dtick=1)
    return fig


def price_chart(
    lines: Mapping[str, tuple[pd.DataFrame, str]], *, here: float, money: str = "euros", height: int = 420
) -> go.Figure:
    """Draw what 1,000 letters cost over the price of a misdelivered one, log axes, with bands where there are limits.

    lines: name -> (table as from `selective.costs_by_price`, palette key); without low and high a line is dashed.
    here: the price in force, an upright line.
    """
    fig = go.Figure()
    for name, (table, key) in lines.items():
        banded = "low" in table
        if banded:
            fig.add_scatter(
                x=[*table["misdelivered"], *table["misdelivered"][::-1]], y=[*table["high"], *table["low"][::-1]],
                fill="toself", fillcolor=PALETTE[key], opacity=0.18, mode="lines", line={"width": 0}, hoverinfo="skip",
                name=name, legendgroup=name, showlegend=False,
            )  # fmt: skip
        fig.add_scatter(
            x=table["misdelivered"], y=table["cost"], mode="lines", name=name, legendgroup=name,
            line={"color": PALETTE[key], "width": 2.5, "dash": "solid" if banded else "dash"},
            hovertemplate=f"{name}<br>%{{x:.3~g}} {money} a misdelivered letter<br>%{{y:.3~g}} {money}<extra></extra>",
        )  # fmt: skip
    figure_layout(fig, height=height)
    fig.add_vline(x=here, line={"color": _QUIET, "dash": "dot"})
    fig.update_xaxes(title_text=f"{money} for a misdelivered letter", type="log", dtick=1)
    fig.update_yaxes(title_text=f"{money} for 1,000 letters", type="log", dtick=1)
    return fig


def cost_chart(table: pd.DataFrame, *, chosen: pd.Series, money: str = "euros", height: int = 400) -> go.Figure:
    """Draw what 1,000 letters cost against how many of them a human reads, well past the chosen point.

    table: as from `selective.costs`; chosen: one row of it (`table.loc[i]`). The total is split into what
    misdelivered letters cost and what asking costs.
    """
    part = table[table["human"] <= max(150, 1.8 * chosen["human"])]
    part = part.loc[_thinned(part).index.union([chosen.name])]  # the line passes through the chosen point
    asking = part["cost"] - part["lost_cost"]
    fig = go.Figure()
    for name, values, key, dash in (
        ("all together", part["cost"], "fast", "solid"),
        ("misdelivered letters", part["lost_cost"], "highlight", "dot"),
        ("asking", asking, "svm", "dash"),
    ):
        fig.add_scatter(
            x=part["human"], y=values, name=name, mode="lines",
            line={"color": PALETTE[key], "dash": dash, "width": 2.5},
            hovertemplate=f"{name}<br>%{{x:.1f}} of 1,000 letters to a human<br>%{{y:.2f}} {money}<extra></extra>",
        )  # fmt: skip
    fig.add_scatter(
        x=[chosen["human"]], y=[chosen["cost"]], mode="markers", name="chosen",
        marker={"size": 14, "color": PALETTE["fast"], "symbol": "circle-open", "line": {"width": 3}},
        hovertemplate=f"chosen: %{{y:.2f}} {money}<extra></extra>",
    )  # fmt: skip
    figure_layout(fig, height=height)
    fig.update_xaxes(title_text="letters read by a human, of 1,000")
    fig.update_yaxes(title_text=f"{money} for 1,000 letters", rangemode="tozero")
    return fig


def _thinned(table: pd.DataFrame, n: int = 400) -> pd.DataFrame:
    """Keep at most about n rows, evenly by position and the first and last, so that a page stays small."""
    if len(table) <= n:
        return table
    return table.iloc[np.unique(np.linspace(0, len(table) - 1, n).astype(int))]
