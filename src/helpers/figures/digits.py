"""Pictures of digits: sheets, averages and pairs, drawn as dark ink on white paper.

Every figure is one mosaic in one set of axes (a hundred separate axes would take seconds to draw), sized so
that it is read at the width of the text. Hand the figure to `style.show`, which writes the PNG.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

INK = "#14171a"
QUIET = "#5b6470"
RULE = "#d5dae0"
WRONG = "#b3400e"
# From paper to ink, and from paper through blue to near black for spreads (variance, differences).
PAPER_TO_INK = LinearSegmentedColormap.from_list("paper-to-ink", ["#ffffff", "#14171a"])
PAPER_TO_BLUE = LinearSegmentedColormap.from_list("paper-to-blue", ["#ffffff", "#9ecae1", "#2171b5", "#08214a"])
WIDTH = 6.8  # inches; the text column of the page
PAIR_WIDTH = 2.9  # inches for two images and their difference


def digit_sheet(
    images: np.ndarray,
    titles: Sequence[object] | None = None,
    *,
    columns: int = 10,
    rows: Sequence[str] | None = None,
    highlight: Sequence[bool] | None = None,
    vmax: float | None = None,
) -> Figure:
    """Draw images in a grid, row by row, each with an optional short title above it.

    images: (n, h, w), n >= 1, any numeric type, 0 is paper; titles: n texts; columns: images in a row;
    rows: one label per row, written at the left; highlight: n flags, True prints the title in the warning
    colour; vmax: the value drawn as full ink (default: the largest value of all images, so that
    brightness is comparable across the sheet). Returns a matplotlib figure.
    Raises ValueError for an empty or misshapen stack and for titles, rows or highlight of another length.
    """
    images = _stack(images)
    n, columns = len(images), min(columns, len(images))
    n_rows = -(-n // columns)
    for name, given, wanted in (("titles", titles, n), ("highlight", highlight, n), ("rows", rows, n_rows)):
        if given is not None and len(given) != wanted:
            raise ValueError(f"{name}: got {len(given)}, need {wanted}")
    top = float(images.max()) if vmax is None else float(vmax)
    labels = [None] * n if titles is None else [str(title) for title in titles]
    flags = [False] * n if highlight is None else list(highlight)
    colours = [WRONG if flag else QUIET for flag in flags]
    return _mosaic(images, labels, columns, colours=colours, row_labels=rows, maps=[(PAPER_TO_INK, top)] * n)


def moment_sheet(means: np.ndarray, variances: np.ndarray, titles: Sequence[object] | None = None) -> Figure:
    """Draw the mean image of each class above its standard deviation.

    means, variances: (c, h, w), grey levels and squared grey levels; titles: c texts. The square root of
    the variance is drawn, so both rows are in grey levels; each row has its own scale. Raises ValueError
    when the two differ in shape.
    """
    means, variances = _stack(means), _stack(variances)
    if means.shape != variances.shape:
        raise ValueError(f"variances: got shape {variances.shape}, need that of means, {means.shape}")
    n, spread = len(means), np.sqrt(np.maximum(variances, 0))
    labels = [str(title) for title in titles] if titles is not None else [None] * n
    maps = [(PAPER_TO_INK, float(means.max()))] * n + [(PAPER_TO_BLUE, float(spread.max()))] * n
    return _mosaic(
        np.concatenate([means, spread]),
        labels + [None] * n,
        n,
        colours=[QUIET] * (2 * n),
        row_labels=("mean", "spread"),
        maps=maps,
    )


def pair_sheet(first: np.ndarray, second: np.ndarray, titles: Sequence[object], *, columns: int = 2) -> Figure:
    """Draw pairs of images side by side, with where they differ to the right of them.

    first, second: (n, h, w), 0 to 255; titles: n short texts, set above each triple;
    columns: triples in a row. The difference is |first - second| in blue on the same scale as the ink.
    Raises ValueError when shapes or lengths differ.
    """
    first, second = _stack(first).astype(float), _stack(second).astype(float)
    if first.shape != second.shape:
        raise ValueError(f"second: got shape {second.shape}, need that of first, {first.shape}")
    if len(titles) != len(first):
        raise ValueError(f"titles: got {len(titles)}, need {len(first)}")
    n, top = len(first), float(max(first.max(), second.max()))
    triples = np.stack([first, second, np.abs(first - second)], axis=1).reshape(3 * n, *first.shape[1:])
    labels = [text for title in titles for text in (str(title), None, None)]
    maps = [(PAPER_TO_INK, top), (PAPER_TO_INK, top), (PAPER_TO_BLUE, top)] * n
    columns = min(columns, n)
    return _mosaic(
        triples, labels, 3 * columns, colours=[QUIET] * (3 * n), maps=maps, group=3, full_width=PAIR_WIDTH * columns
    )


def _stack(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 3 or 0 in images.shape:
        raise ValueError(f"images: got shape {images.shape}, need (n, h, w) with n >= 1")
    return images


def _mosaic(images, titles, columns, *, colours, maps, row_labels=None, group=1, full_width=WIDTH) -> Figure:
    """Compose the picture; `group` neighbouring cells stand close together, groups stand apart."""
    n, height, width = images.shape
    n_rows = -(-n // columns)
    # Inches kept free at the left for the row labels, at 8.5 points about 0.07 a letter.
    left = 0.12 + 0.07 * max(len(str(text)) for text in row_labels) if row_labels is not None else 0.0
    gap, gap_group = width / 9, width / 2.2 if group > 1 else width / 9
    span = columns * (width + gap) - gap + (columns // group - 1) * (gap_group - gap)
    # A sheet of few columns is not blown up to the full width: a digit stays about 1.3 inches at most.
    scale = min((full_width - left) / span, 1.3 / width)  # inches for one pixel of a digit
    lines = [
        max((text.count("\n") + 1 for text in titles[start : start + columns] if text), default=0)
        for start in range(0, n, columns)
    ]
    # Where each row's pictures begin: rows without titles take no room for them.
    tops = np.cumsum([0.16 * count / scale for count in lines]) + np.arange(n_rows) * (height + height / 9)
    total = float(tops[-1]) + height

    figure = Figure(figsize=(left + span * scale + 0.02, total * scale + 0.02))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for position in range(n):
        row, column = divmod(position, columns)
        x, y = column * (width + gap) + (column // group) * (gap_group - gap), float(tops[row])
        colour_map, top = maps[position]
        axes.imshow(
            images[position],
            cmap=colour_map,
            vmin=0,
            vmax=top or 1,
            extent=(x, x + width, y + height, y),
            interpolation="nearest",
            aspect="auto",
        )
        axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=RULE, linewidth=0.6))
        if titles[position]:
            centre = x + (group * width + (group - 1) * gap) / 2
            text = {"ha": "center", "va": "bottom", "fontsize": 8, "linespacing": 1.15}
            axes.text(centre, y - 0.03 / scale, titles[position], color=colours[position], **text)
        if row_labels is not None and column == 0:
            axes.text(-0.08 / scale, y + height / 2, row_labels[row], ha="right", va="center", fontsize=8.5, color=INK)
    # Set last: imshow moves the limits to its own extent.
    axes.set(xlim=(-left / scale - 0.01 / scale, span + 0.01 / scale), ylim=(total + 0.01 / scale, -0.01 / scale))
    return figure
