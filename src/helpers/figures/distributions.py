"""Distributions and counts drawn with seaborn: spreads of samples, histograms, violins, confusion matrices.

Dark ink on nothing, like the sheets of digits: `style.show` lets the dark theme invert it. Fractions are drawn as
percentages.
"""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from helpers.figures.digits import INK, QUIET, RULE, WIDTH
from helpers.figures.style import PALETTE

FIRST, SECOND = PALETTE["svm"], PALETTE["cnn_deep"]
PAPER_TO_ORANGE = LinearSegmentedColormap.from_list("paper-to-orange", ["#ffffff", "#f9c99a", "#d96c00"])
SIZE = 11  # points; on a phone the picture is shrunk, and its words with it
LABEL = 28  # letters of a row's label in a line; more would leave no room for the rows


def spread(
    samples: Mapping[str, Sequence[float]],
    *,
    intervals: Mapping[str, tuple[float, float, float]] | None = None,
    colours: str | Sequence[str] = FIRST,
    x_title: str = "accuracy",
    percent: bool = True,
    reference: tuple[float, str] | None = None,
    seed: int = 0,
) -> Figure:
    """Draw every value of each sample as a dot, a row a sample, with a bar at the mean.

    samples: name -> values, one or more; colours: one, or one a sample. intervals: name -> (low, middle, high), drawn
    under the dots of the sample of that name, or in a row of its own below the samples. reference: a value and its
    name, a dashed line. Dots are moved up and down by `seed` so that equal values stay visible. Raises ValueError for
    an empty sample, another number of colours, or limits out of order.
    """
    intervals = intervals or {}
    colours = [colours] * len(samples) if isinstance(colours, str) else list(colours)
    if not samples or min(len(values) for values in samples.values()) == 0:
        raise ValueError(f"samples: got {[len(v) for v in samples.values()]} values; at least one in each is needed")
    if len(colours) != len(samples):
        raise ValueError(f"colours: got {len(colours)}; one, or one for each of {len(samples)} samples is needed")
    if wrong := {name: limits for name, limits in intervals.items() if list(limits) != sorted(limits)}:
        raise ValueError(f"intervals: got {wrong}; low <= middle <= high is needed")
    names = list(dict.fromkeys([*samples, *intervals]))
    long = pd.DataFrame([(name, value) for name, values in samples.items() for value in values], columns=["row", "x"])
    fig, axes = _axes(0.7 + 0.62 * len(names))
    state = np.random.get_state()  # noqa: NPY002 - seaborn draws its jitter from the global generator
    np.random.seed(seed)  # noqa: NPY002
    sns.stripplot(
        long, x="x", y="row", hue="row", order=names, hue_order=list(samples), palette=colours, orient="h", ax=axes,
        jitter=0.22 if len(long) > 8 * len(samples) else False, size=6, alpha=0.5, linewidth=0, legend=False, zorder=2,
    )  # fmt: skip
    np.random.set_state(state)  # noqa: NPY002
    for name, (low, middle, high) in intervals.items():
        place = names.index(name) + (0.36 if name in samples else 0)
        axes.errorbar(middle, place, xerr=[[middle - low], [high - middle]], color=INK, fmt="o", ms=5, capsize=4, lw=2)
    for place, values in enumerate(samples.values()):
        axes.plot([np.mean(values)] * 2, [place - 0.28, place + 0.28], color=INK, lw=2.5, zorder=3)
    axes.set(xlabel=x_title, ylabel="", ylim=(len(names) - 0.4, -0.5))
    axes.set_yticks(range(len(names)), [textwrap.fill(name, LABEL) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=RULE, lw=0.8)
    if percent:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    if reference is not None:
        axes.axvline(reference[0], color=QUIET, ls="--", lw=1.5, zorder=1)
        above = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points", "xytext": (0, 3)}
        axes.annotate(
            reference[1], (reference[0], 1), ha="center", va="bottom", color=QUIET, fontsize=SIZE - 1, **above
        )
    return fig


def histogram(samples: Mapping[str, Sequence[float]], *, bins: np.ndarray, x_title: str) -> Figure:
    """Draw how each sample is distributed over `bins` (edges): the share of all its values, in per cent, as steps.

    Values outside the edges are left out of the picture, not of the share. Raises ValueError for an empty sample.
    """
    if not samples or min(len(values) for values in samples.values()) == 0:
        raise ValueError(f"samples: got {[len(v) for v in samples.values()]} values; at least one in each is needed")
    parts = [pd.DataFrame({"x": v, "sample": name, "share": 100 / len(v)}) for name, v in samples.items()]
    fig, axes = _axes(3.2)
    sns.histplot(
        pd.concat(parts, ignore_index=True), x="x", hue="sample", weights="share", bins=list(bins), element="step",
        palette=[FIRST, SECOND, *list(PALETTE.values())[4:]][: len(samples)], alpha=0.18, lw=1.8, ax=axes,
    )  # fmt: skip
    axes.set(xlabel=x_title, ylabel="share of the images (%)", xlim=(bins[0], bins[-1]))
    axes.grid(axis="y", color=RULE, lw=0.8)
    _legend_above(axes, len(samples))
    return fig


def violins(frame: pd.DataFrame, *, x: str, y: str, halves: str, y_title: str) -> Figure:
    """Draw the distribution of column y for every value of column x, as violins cut in two by column `halves`.

    The three lines in each half are its quartiles. Raises ValueError unless `halves` has exactly two values.
    """
    if frame[halves].nunique() != 2:
        raise ValueError(f"halves: column {halves!r} has {frame[halves].nunique()} values; 2 are needed")
    fig, axes = _axes(3.4)
    sns.violinplot(
        frame, x=x, y=y, hue=halves, split=True, inner="quart", palette=[FIRST, SECOND], alpha=0.65, cut=0,
        density_norm="width", width=0.9, linewidth=0.9, linecolor=INK, ax=axes,
    )  # fmt: skip
    axes.set(ylabel=y_title)
    axes.grid(axis="y", color=RULE, lw=0.8)
    _legend_above(axes, 2)
    return fig


def confusion(counts, labels: Sequence[object] | None = None) -> Figure:
    """Draw a confusion matrix in which the mistakes are what one sees: rows true, columns predicted.

    counts: (k, k) whole numbers. Colour goes to the off-diagonal alone; the diagonal keeps its numbers on a grey ground
    and empty cells stay empty. Raises ValueError for counts that are not square.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"counts: got shape {counts.shape}; a square table is needed")
    labels = list(map(str, range(len(counts)) if labels is None else labels))
    right = np.eye(len(counts), dtype=bool)
    fig, axes = _axes(0.6 * WIDTH)
    text = np.where(counts > 0, np.vectorize("{:,}".format, otypes=[str])(counts), "")
    common = {"annot": text, "fmt": "", "cbar": False, "linewidths": 1, "linecolor": RULE, "ax": axes}
    common |= {"xticklabels": labels, "yticklabels": labels}
    wrong = np.where(right, 0, counts)
    bold = {"annot_kws": {"color": INK, "fontsize": SIZE, "fontweight": "bold"}}
    sns.heatmap(wrong, mask=right, cmap=PAPER_TO_ORANGE, vmin=0, vmax=max(1, wrong.max()), **common, **bold)
    quiet = {"annot_kws": {"color": INK, "fontsize": SIZE - 1}}
    sns.heatmap(0 * wrong, mask=~right, cmap=["#e4e7eb"], **common, **quiet)
    axes.set(xlabel="read as", ylabel="truly")
    axes.tick_params(length=0, rotation=0)
    return fig


def _axes(height: float) -> tuple[Figure, Axes]:
    """Return a figure of the text's width, `height` inches high, and its axes in the common look."""
    fig = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = fig.add_subplot()
    sns.despine(ax=axes)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(QUIET)
    axes.tick_params(labelsize=SIZE - 1, color=QUIET, labelcolor=INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(size=SIZE, color=INK)
    return fig, axes


def _legend_above(axes: Axes, columns: int) -> None:
    sns.move_legend(axes, "lower left", bbox_to_anchor=(0, 1), ncol=columns, title=None, frameon=False, fontsize=SIZE)
