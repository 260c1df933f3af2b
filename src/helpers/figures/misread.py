"""Figures of mistakes: sheets of misread images, how sure the reader was, two halves of a test."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure

from helpers.figures import charts, digits, distributions, overlays
from helpers.figures.style import PALETTE


def sheet(
    images: np.ndarray,
    rows: Sequence[int],
    labels: np.ndarray,
    read: np.ndarray,
    *,
    under: Sequence[str] | None = None,
    numbered: bool = False,
    columns: int = 10,
) -> Figure:
    """Draw images by row number, each with its label and what was read; in colour where the two differ.

    images (n, h, w), labels and read (n,) are whole datasets. under: a second line for each; numbered: a first line
    with the row number. Raises ValueError when `under` has another length than `rows`.
    """
    rows = np.asarray(rows)
    labels, read = np.asarray(labels)[rows], np.asarray(read)[rows]
    titles = [f"{a} as {b}" for a, b in zip(labels, read, strict=True)]
    if numbered:
        titles = [f"no. {row}\n{title}" for row, title in zip(rows, titles, strict=True)]
    if under is not None:
        titles = [f"{title}\n{words}" for title, words in zip(titles, under, strict=True)]
    highlight = (labels != read) if (labels == read).any() else None  # all in colour would say nothing
    return digits.digit_sheet(images[rows], titles, columns=columns, highlight=highlight)


def veiled(images: np.ndarray, mistakes: pd.DataFrame, maps: np.ndarray) -> Figure:
    """Draw mistakes (rows of `errors.ranked`) under their occlusion maps (n, h, w); images: the whole dataset."""
    titles = [f"{one.true} as {one.predicted}\nno. {one.Index}" for one in mistakes.itertuples()]
    return overlays.overlay_sheet(images[mistakes.index], maps, titles)


def confidence(sure: np.ndarray, right: np.ndarray, *, n: int = 400, seed: int = 0) -> Figure:
    """Draw how sure the reader was, float (m,), where it was right, bool (m,), and where not: at most n dots each."""
    sure, right = np.asarray(sure), np.asarray(right)
    rng = np.random.default_rng(seed)
    parts = {"read as labelled": sure[right], "misread": sure[~right]}
    drawn = {name: rng.choice(values, min(n, len(values)), replace=False) for name, values in parts.items()}
    colours = [PALETTE["fast"], PALETTE["highlight"]]
    return distributions.spread(drawn, colours=colours, x_title="probability of the digit read", seed=seed)


def halves(table: pd.DataFrame, keys: Sequence[str]) -> go.Figure:
    """Draw by how much the second half is harder for each reader: `errors.halves`, with a palette key for each."""
    return charts.intervals(
        list(table.index),
        list(table["difference"]),
        colours=[PALETTE[key] for key in keys],
        x_title="error rate, last half minus first",
        reference=(0.0, "equally hard"),
    )
