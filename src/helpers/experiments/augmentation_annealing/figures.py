"""Figures of a ladder of results: steps that could be luck, learning rates over losses, what warps are worth."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from helpers.figures.style import FAINT, PALETTE, figure_layout
from helpers.models import schedules
from helpers.training.fit import Run

_PERCENT = ".2~%"
SCHEDULES = {
    "constant": PALETTE["published"],
    "plateau": PALETTE["mlp"],
    "step": PALETTE["knn"],
    "cosine": PALETTE["svm"],
    "one cycle": PALETTE["fast"],
}
# Ticks of a logarithmic axis of error rates: the first of these rows that has three in sight.
_ERRORS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
_FINE = sorted([*_ERRORS, 0.003, 0.007, 0.015, 0.03, 0.04, 0.07, 0.15, 0.3, 0.7])
_FINEST = [digits * power for power in (0.001, 0.01, 0.1) for digits in (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 8)]
_SYMBOLS = {True: "circle", False: "circle-open", None: "diamond-open"}  # told from its base, or without one


def ladder(
    frame: pd.DataFrame,
    *,
    visible: Mapping[str, bool],
    ours: pd.DataFrame | None = None,
    our_name: str = "ours",
) -> go.Figure:
    """Draw the error of each rung with its interval, the first on top, and a thread from rung to rung.

    frame: indexed by rung, columns colour (a key of the palette), accuracy, low, high (fractions) and, where there is
    one, competition (NaN for none). visible: rung -> whether its step could be told from its base: True fills the dot,
    False leaves it open; a rung without an entry, which is no step, is a diamond. ours: the same columns but
    competition, for some of the rungs, drawn below as squares (rows of no rung are left out). The axis is the error,
    logarithmic. Raises ValueError for missing columns, an unknown rung in `visible` or an accuracy of 1, which has no
    place on the axis.
    """
    missing = [name for name in ("colour", "accuracy", "low", "high") if name not in frame.columns]
    strangers = sorted(set(visible.keys()) - set(frame.index))
    if missing or strangers:
        raise ValueError(f"frame, visible: lacks {missing}, unknown {strangers}")
    if ours is not None:
        ours = ours[ours.index.isin(frame.index)]
    parts = [frame] if ours is None else [frame, ours]
    if any((part["accuracy"] >= 1).any() for part in parts):
        raise ValueError("frame, ours: an accuracy of 1 has no place on a logarithmic axis of errors")
    places = {name: place for place, name in enumerate(frame.index)}
    fig = go.Figure()
    fig.add_scatter(
        x=1 - frame["accuracy"],
        y=list(places.values()),
        mode="lines",
        line={"color": FAINT, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )
    for seen, words in ((True, "step could be seen"), (False, "step could be luck"), (None, "no step, the start")):
        names = [name for name in frame.index if visible.get(name) == seen]
        if not names:
            continue
        part = frame.loc[names]
        own = [PALETTE[colour] for colour in part["colour"]]
        line = {"width": 2, "color": own}
        marker = {"size": 11, "color": own, "symbol": _SYMBOLS[seen], "line": line}
        _points(fig, part, [places[name] for name in names], marker=marker, name=f"published; {words}")
    if "competition" in frame.columns and frame["competition"].notna().any():
        entered = frame[frame["competition"].notna()]
        fig.add_scatter(
            x=1 - entered["competition"],
            y=[places[name] for name in entered.index],
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 13, "color": PALETTE["published"], "line": {"width": 3}},
            name="competition score",
            customdata=[f"{name}: {100 * value:.3f}%" for name, value in entered["competition"].items()],
            hovertemplate="%{customdata} in the competition<extra></extra>",
        )
    if ours is not None and len(ours):
        marker = {"size": 9, "color": PALETTE["fast"], "symbol": "square"}
        _points(fig, ours, [places[name] + 0.3 for name in ours.index], marker=marker, name=our_name)
    _rows(fig, list(places))
    return fig


_LIFT = 6  # px: large errors lie where words are, and a dot is that high


def _rows(fig: go.Figure, names: Sequence[str]) -> None:
    """Give each name a row, the first on top, with its words above the line; errors fall to the right.

    Words beside the plot would leave a phone no room for it, and small errors, which are what it is about, end up
    where there are no words.
    """
    figure_layout(fig, height=130 + 38 * len(names))
    title = "misread, better to the right"
    errors = np.concatenate([np.asarray(trace.x, float) for trace in fig.data if trace.x is not None])
    low, high = np.nanmin(errors), np.nanmax(errors)
    enough = (row for row in (_ERRORS, _FINE) if sum(low <= tick <= high for tick in row) > 2)
    ticks = {"tickvals": next(enough, _FINEST), "tickformat": _PERCENT, "tickangle": 0}
    fig.update_xaxes(type="log", autorange="reversed", title_text=title, **ticks)
    places = list(range(len(names)))
    fig.update_yaxes(tickvals=places, showticklabels=False, range=[len(names) - 0.5, -0.8], zeroline=False, ticks="")
    for place, name in zip(places, names, strict=True):  # unlike labels of the axis inside it, these take the theme
        fig.add_annotation(
            x=0, xref="paper", xanchor="left", y=place, yanchor="bottom", yshift=_LIFT, text=name, showarrow=False
        )


def _points(fig: go.Figure, part: pd.DataFrame, places: Sequence[float], *, marker: dict, name: str) -> None:
    """Add errors with their intervals; the limits swap sides, as the error is 1 minus the accuracy."""
    hover = [
        f"{rung}: {100 * row.accuracy:.2f}% correct [{100 * row.low:.2f}, {100 * row.high:.2f}]"
        for rung, row in zip(part.index, part.itertuples(), strict=True)
    ]
    fig.add_scatter(
        x=1 - part["accuracy"],
        y=list(places),
        mode="markers",
        marker=marker,
        error_x={
            "type": "data",
            "symmetric": False,
            "array": part["accuracy"] - part["low"],
            "arrayminus": part["high"] - part["accuracy"],
            "thickness": 1.5,
            "width": 4,
            "color": "rgba(128, 128, 128, 0.8)",
        },
        name=name,
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
    )


def repeats(
    errors: Mapping[str, Sequence[float]], *, colours: Sequence[str], told_apart: Mapping[str, bool]
) -> go.Figure:
    """Draw the error of every repeat as a mark and their mean as a bar, one row a training, the first on top.

    errors: name -> shares of misread images, each above 0; colours: keys of the palette, one each. told_apart: name
    -> whether the step was told from its base in every repeat: dots are filled or open; diamonds without an entry, for
    what is only compared with. Logarithmic axis. Raises ValueError for an empty mapping, another
    number of colours, or an error of 0.
    """
    if not errors or len(colours) != len(errors) or min(min(values) for values in errors.values()) <= 0:
        raise ValueError(f"errors, colours: got {len(errors)} and {len(colours)}; errors above 0 and equal numbers")
    fig = go.Figure()
    for place, ((name, values), key) in enumerate(zip(errors.items(), colours, strict=True)):
        colour = PALETTE[key]
        outline = {"width": 2, "color": colour}
        fig.add_scatter(
            x=[np.mean(values)] * 2,
            y=[place - 0.18, place + 0.18],
            mode="lines",
            line={"color": colour, "width": 4},
            hoverinfo="skip",
        )
        fig.add_scatter(
            x=list(values),
            y=[place] * len(values),
            mode="markers",
            marker={"size": 10, "color": colour, "symbol": _SYMBOLS[told_apart.get(name)], "line": outline},
            name=name,
            hovertemplate=f"{name}: %{{x:{_PERCENT}}} misread<extra></extra>",
        )
    _rows(fig, list(errors))
    fig.update_layout(showlegend=False, margin_t=10, height=90 + 38 * len(errors))
    return fig


def annealing(runs: Mapping[str, Sequence[Run]], *, colours: Mapping[str, str] = SCHEDULES) -> go.Figure:
    """Draw learning rates over held-out losses, one colour per schedule, on one axis of epochs.

    runs: schedule -> repeats, which are thin lines; the mean of their losses is thick. The axis of the losses is
    logarithmic. Raises ValueError when a schedule has no colour, or there is none.
    """
    if not runs or set(runs) - set(colours):
        raise ValueError(f"runs, colours: got {[*runs]}; of {[*colours]} one or more are allowed")
    fig = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.38, 0.62])
    for name, repeats_ in runs.items():
        for rate in map(rates_used, repeats_):
            fig.add_scatter(
                x=rate["epoch"],
                y=rate["rate"],
                mode="lines",
                line={"color": colours[name], "width": 1.5},
                legendgroup=name,
                showlegend=False,
                name=name,
                hovertemplate=f"{name}: rate %{{y:.2~e}}<extra></extra>",
                row=1,
                col=1,
            )
        every = [run.history for run in repeats_]
        for history in every:
            fig.add_scatter(
                x=history["epoch"],
                y=history["val_loss"],
                mode="lines",
                opacity=0.35,
                line={"color": colours[name], "width": 1},
                legendgroup=name,
                showlegend=False,
                hoverinfo="skip",
                row=2,
                col=1,
            )
        fig.add_scatter(
            x=every[0]["epoch"],
            y=np.mean([history["val_loss"].to_numpy() for history in every], axis=0),
            mode="lines",
            line={"color": colours[name], "width": 3},
            legendgroup=name,
            name=name,
            hovertemplate=f"{name}, epoch %{{x}}: %{{y:.3~g}}<extra></extra>",
            row=2,
            col=1,
        )
    figure_layout(fig, height=560)
    fig.update_yaxes(title_text="learning rate", rangemode="tozero", row=1, col=1)
    marks = [digit * 10.0**power for power in range(-5, 2) for digit in (1, 2, 5)]
    fig.update_yaxes(title_text="held-out loss", type="log", tickvals=marks, tickformat="~g", row=2, col=1)
    fig.update_xaxes(title_text="epoch", row=2, col=1)
    return fig


def rates_used(run: Run) -> pd.DataFrame:
    """Return the learning rate over the training: columns epoch (0 to the number of epochs) and rate.

    One row per step; for a plateau two per epoch, as what it does depends on the run.
    """
    spec = run.spec
    if spec.schedule == "plateau":
        rate = run.history["learning_rate"].to_numpy()
        ends = np.arange(len(rate) + 1)
        return pd.DataFrame({"epoch": np.repeat(ends, 2)[1:-1], "rate": np.repeat(rate, 2)})
    total = spec.epochs * spec.steps
    rate = schedules.rates(spec.schedule, total, peak=spec.learning_rate, options=spec.schedule_options)
    return pd.DataFrame({"epoch": (np.arange(total) + 0.5) / spec.steps, "rate": rate})


def replacement(
    curves: Mapping[str, pd.DataFrame],
    points: pd.DataFrame,
    *,
    at: int,
    colours: Sequence[str] = (PALETTE["published"], PALETTE["fast"]),
) -> go.Figure:
    """Draw errors over the number of training images, and at one number how far other trainings reach to the right.

    curves: name -> frame (index images; columns mean, low, high), the first being the one that
    others are measured by. points: indexed by name, columns error and images (what the first curve needs for that
    error, NaN where it never gets there); they were trained on `at` images. Raises ValueError without curves, or with
    fewer colours than curves.
    """
    if not curves or len(colours) < len(curves):
        raise ValueError(f"curves, colours: a colour for each of {[*curves]} is needed; got {len(colours)}")
    colours = dict(zip(curves, colours, strict=False))
    fig = go.Figure()
    for name, frame in curves.items():
        fig.add_scatter(
            x=[*frame.index, *frame.index[::-1]],
            y=[*frame["high"], *frame["low"][::-1]],
            fill="toself",
            fillcolor=colours[name],
            opacity=0.18,
            mode="lines",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
        fig.add_scatter(
            x=list(frame.index),
            y=frame["mean"],
            mode="lines+markers",
            line={"color": colours[name], "width": 2.5},
            name=name,
            legendgroup=name,
            hovertemplate=f"{name}, %{{x:,}} images: %{{y:{_PERCENT}}} misread<extra></extra>",
        )
    for name, row in points.iterrows():
        reaches = np.isfinite(row["images"])
        fig.add_scatter(
            x=[at, row["images"]] if reaches else [at],
            y=[row["error"]] * (2 if reaches else 1),
            mode="lines+markers",
            line={"color": PALETTE["published"], "width": 1.5, "dash": "dot"},
            marker={"size": [10, 6][: 2 if reaches else 1], "color": PALETTE["highlight"], "symbol": "diamond"},
            showlegend=False,
            hovertemplate=f"{name}: %{{y:{_PERCENT}}}<br>like %{{x:,.0f}} images without<extra></extra>",
        )
    figure_layout(fig, height=440)
    fig.update_xaxes(type="log", title_text="training images", tickformat=",~d", dtick="D2")
    fig.update_yaxes(type="log", title_text="misread", tickvals=_ERRORS, tickformat=_PERCENT)
    return fig
