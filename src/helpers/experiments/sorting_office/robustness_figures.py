"""Figures of models in service: what an answer costs, and what damage does to each model."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.matrices import surface
from helpers.figures.style import PALETTE, figure_layout

_PERCENT = ".2~%"


def latency_chart(table: pd.DataFrame, *, hollow: Sequence[str] = (), height: int = 460) -> go.Figure:
    """Draw error against the time of one answer, asked singly (left) and in batches of 256 (right), on log axes.

    table: as from `timing.price_list`. The dot is the median, the line to the right ends at the 95th percentile, the
    upright line is the error's 95% interval. hollow: names drawn as rings. An error of zero is drawn at half an image.
    """
    fig = make_subplots(
        1, 2, shared_yaxes=True, horizontal_spacing=0.05, subplot_titles=("one at a time", "256 at a time")
    )
    for name, row in table.iterrows():
        symbol = "circle-open" if name in hollow else "circle"
        error = max(1 - row["estimate"], 1e-5)
        for column, (p50, p95) in enumerate((("p50", "p95"), ("p50_256", "p95_256")), start=1):
            share = 1 if column == 1 else 256
            fig.add_scatter(
                x=[row[p50] / share],
                y=[error],
                error_x={
                    "array": [max(0.0, row[p95] - row[p50]) / share],
                    "arrayminus": [0.0],
                    "width": 4,
                    "thickness": 1.2,
                },
                error_y={
                    "array": [1 - row["low"] - error],
                    "arrayminus": [max(0.0, error - max(1 - row["high"], 1e-5))],
                    "width": 0,
                    "thickness": 1.2,
                },
                mode="markers",
                marker={"size": 12, "color": PALETTE[row["model"]], "symbol": symbol},
                name=str(name),
                legendgroup=str(name),
                showlegend=column == 1,
                customdata=[[row[p95] / share, row["megabytes"]]],
                hovertemplate=f"{name}<br>%{{x:.3~g}} ms an image (p95 %{{customdata[0]:.3~g}})<br>error "
                f"%{{y:{_PERCENT}}}<br>%{{customdata[1]:.3~g}} MB<extra></extra>",
                row=1,
                col=column,
            )
    figure_layout(fig, height=height)
    fig.update_layout(margin={"t": 105}, legend={"y": 1.1})
    fig.update_xaxes(title_text="ms an image", type="log", dtick=1)
    fig.update_yaxes(type="log", tickformat=_PERCENT, tickvals=[d * 10.0**p for p in range(-5, 0) for d in (1, 2, 5)])
    fig.update_yaxes(title_text="error", col=1)
    return fig


def damage_curves(table: pd.DataFrame, colours: Mapping[str, str], *, height: int = 760) -> go.Figure:
    """Draw accuracy over severity, one panel for each corruption, one line for each model.

    table: as from `robustness.measure`; colours: model -> palette key, in the order of the legend. Severity 0 is the
    clean image. Models that are no networks are dotted.
    """
    kinds = [kind for kind in table["corruption"].unique() if kind != "none"]
    rows = -(-len(kinds) // 3)
    fig = make_subplots(
        rows, 3, shared_yaxes=True, shared_xaxes=True, subplot_titles=kinds, horizontal_spacing=0.03,
        vertical_spacing=0.07,
    )  # fmt: skip
    for model, key in colours.items():
        own = table[table["model"] == model]
        clean = own.loc[own["severity"] == 0, "accuracy"].tolist()
        for place, kind in enumerate(kinds):
            part = own[own["corruption"] == kind].sort_values("severity")
            fig.add_scatter(
                x=[0, *part["severity"]],
                y=clean + part["accuracy"].tolist(),
                mode="lines",
                line={"color": PALETTE[key], "width": 2, "dash": "dot" if key in ("knn", "forest") else "solid"},
                name=model,
                legendgroup=model,
                showlegend=place == 0,
                hovertemplate=f"{model}<br>{kind}, severity %{{x}}: %{{y:.1%}}<extra></extra>",
                row=place // 3 + 1,
                col=place % 3 + 1,
            )
    figure_layout(fig, height=height)
    fig.update_layout(margin={"t": 110}, legend={"y": 1.06})
    fig.update_yaxes(tickformat=".0%", range=[0, 1.02])
    fig.update_xaxes(dtick=1)
    fig.update_xaxes(title_text="severity", row=rows)
    return fig


def damage_table(summary: pd.DataFrame) -> go.Figure:
    """Draw accuracies by model and corruption as coloured cells: `summary` as from `robustness.by_kind`."""
    upright = summary.iloc[::-1]  # the first row on top
    fig = surface(upright.to_numpy(), list(upright.columns), list(upright.index), x_title="", y_title="", floor=0.3)
    # Whole percents: on a phone there is room for two digits a cell.
    fig.data[0].update(text=[[f"{100 * value:.0f}" for value in row] for row in upright.to_numpy()], textfont_size=12)
    fig.update_xaxes(side="top", tickangle=-60)
    return fig.update_layout(height=110 + 40 * len(summary))


def accepted_table(table: pd.DataFrame, model: str) -> go.Figure:
    """Draw one model's error among accepted answers by corruption and severity: table as from `robustness.measure`."""
    own = table[(table["model"] == model) & (table["severity"] > 0)]
    wide = own.pivot_table(index="corruption", columns="severity", values="accepted_error", sort=False).iloc[::-1]
    fig = surface(wide.to_numpy(), list(map(str, wide.columns)), list(wide.index), x_title="severity", y_title="")
    fig.data[0].update(zmax=float(np.nanmax([0.05, wide.to_numpy().max()])), zmin=0)
    return fig.update_layout(height=90 + 36 * len(wide))
