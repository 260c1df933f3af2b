"""Figures of a whole collection: label shares, grey levels, pixel use, two-dimensional maps."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from helpers.evaluation import metrics
from helpers.figures.style import DIGIT_COLOURS, PALETTE, figure_layout

TRAIN, TEST = PALETTE["svm"], PALETTE["cnn_deep"]
BLUE = "rgba(0,114,178,{})"


def balance_dots(shares: Mapping[str, Sequence[metrics.Interval]], *, even: float = 0.1) -> go.Figure:
    """Draw the share of each digit as a dot with its interval, one colour per collection.

    shares: name -> the share of digit 0, 1, ..., as fractions; even: the share marked by a dashed line.
    """
    fig = go.Figure()
    for place, (name, parts) in enumerate(shares.items()):
        shift = 0.16 * (place - (len(shares) - 1) / 2)
        fig.add_scatter(
            x=np.arange(len(parts)) + shift,
            y=[100 * one.estimate for one in parts],
            customdata=[round(one.estimate * one.n) for one in parts],
            text=[str(digit) for digit in range(len(parts))],
            error_y={
                "array": [100 * (one.high - one.estimate) for one in parts],
                "arrayminus": [100 * (one.estimate - one.low) for one in parts],
                "thickness": 1.5,
                "width": 0,
            },
            mode="markers",
            marker={"size": 9, "color": (TRAIN, TEST)[place % 2], "symbol": ("circle", "diamond")[place % 2]},
            name=name,
            hovertemplate="%{text}: %{customdata:,} images, %{y:.2f}%<extra>" + name + "</extra>",
        )
    fig.add_hline(y=100 * even, line={"dash": "dash", "color": PALETTE["chance"], "width": 1.5})
    fig.update_xaxes(title="digit", tickvals=list(range(len(parts))), showgrid=False, zeroline=False)
    fig.update_yaxes(title="share of the images (%)")
    return figure_layout(fig, height=360)


def intensity_bars(counts: np.ndarray) -> go.Figure:
    """Draw how often each grey level occurs, on a logarithmic axis; counts: (256,), from 0 to 255."""
    share = 100 * np.asarray(counts) / np.sum(counts)
    fig = go.Figure()
    fig.add_bar(
        x=np.arange(len(share)),
        y=np.where(share > 0, share, np.nan),
        marker={"color": TRAIN, "line": {"width": 0}},
        hovertemplate="grey level %{x}: %{y:.3g}% of all pixels<extra></extra>",
    )
    fig.update_xaxes(
        title="grey level: 0 is paper, 255 is full ink",
        tickvals=[0, 64, 128, 191, 255],
        range=[-3, 258],
        showgrid=False,
        zeroline=False,
    )
    ticks = [0.01, 0.1, 1, 10, 100]
    fig.update_yaxes(type="log", title="share of all pixels (%)", tickvals=ticks, ticktext=[f"{t:g}" for t in ticks])
    fig.update_layout(bargap=0.1, showlegend=False, margin={"t": 10})
    return figure_layout(fig, height=320)


def pixel_map(use: np.ndarray, constant: np.ndarray, *, n: int) -> go.Figure:
    """Draw in how many of n images each pixel carries ink, and hatch those that never vary.

    use: counts (h, w); constant: bool (h, w). Colour is logarithmic, since edge pixels are used a thousand
    times less often than those of the middle.
    """
    share = np.where(constant, np.nan, np.maximum(use, 0.5) / n)
    bottom = min(-1.0, float(np.floor(np.nanmin(np.log10(share)))))
    ticks = np.arange(0, bottom - 1, -2)  # every second power of ten: on a phone there is room for few words
    words = ["all" if tick == 0 else f"1 in {10 ** -int(tick):,}" for tick in ticks]
    fig = go.Figure()
    fig.add_heatmap(
        z=np.log10(share),
        customdata=use,
        xgap=1,
        ygap=1,
        zmin=bottom,
        zmax=0,
        colorscale=[[0, BLUE.format(0.08)], [0.5, BLUE.format(0.45)], [1, BLUE.format(1)]],
        colorbar={
            "orientation": "h",
            "y": 1.01,
            "yanchor": "bottom",
            "len": 0.6,
            "thickness": 10,
            "outlinewidth": 0,
            "tickvals": ticks,
            "ticktext": words,
            "title": {"text": "images with ink in the pixel", "side": "top"},
        },
        hovertemplate="row %{y}, column %{x}: inked in %{customdata:,} of " + f"{n:,}<extra></extra>",
        hoverongaps=False,
    )
    rows, columns = np.nonzero(constant)
    fig.add_scatter(
        x=columns,
        y=rows,
        mode="markers",
        marker={"symbol": "x-thin", "size": 7, "line": {"width": 1.5, "color": TEST}},
        hovertemplate="row %{y}, column %{x}: never varies<extra></extra>",
        name="never varies",
    )
    height, width = use.shape
    figure_layout(fig, height=560)
    fig.update_xaxes(range=[-0.5, width - 0.5], constrain="domain", showgrid=False, zeroline=False)
    fig.update_yaxes(range=[height - 0.5, -0.5], scaleanchor="x", constrain="domain", showgrid=False, zeroline=False)
    fig.update_layout(showlegend=False)
    return fig


def digit_map(
    points: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, axes: tuple[str, str] = ("", "")
) -> go.Figure:
    """Draw each image as its own numeral at its place in the plane, one colour a digit.

    points: (n, 2); labels: (n,); rows: (n,) shown on hovering; axes: titles of the two axes, "" for maps whose
    axes mean nothing. Numerals can be told apart without seeing colours. SVG only, so keep n at a few thousand.
    """
    points = np.round(np.asarray(points, dtype=float), 2).astype(np.float32)
    fig = go.Figure()
    for digit in np.unique(labels):
        chosen = labels == digit
        colour = DIGIT_COLOURS[int(digit) % len(DIGIT_COLOURS)]
        fig.add_scatter(
            x=points[chosen, 0],
            y=points[chosen, 1],
            customdata=np.asarray(rows)[chosen].astype(np.int32),
            mode="text",
            text=str(digit),
            textfont={"size": 11, "color": colour},
            name=str(digit),
            showlegend=False,
            hovertemplate=f"{digit}, image %{{customdata:,}}<extra></extra>",
        )
    figure_layout(fig, height=560)
    meant = any(axes)
    quiet = {"showgrid": False, "zeroline": False, "showline": meant, "showticklabels": meant}
    fig.update_xaxes(title=axes[0], ticks="outside" if meant else "", **quiet)
    fig.update_yaxes(title=axes[1], ticks="outside" if meant else "", **quiet)
    fig.update_layout(margin={"t": 10})
    return fig
