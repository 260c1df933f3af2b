"""Looking before learning: what is in a collection of digit images, before any model sees it.

Counts, pixels that never vary, two-dimensional maps and the shape of the pen strokes. Everything
takes plain arrays and returns plain arrays, data frames or small frozen values.
"""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from helpers.classical import nearest_neighbours
from helpers.evaluation import metrics
from helpers.experiments.eda.duplicates import require_uint8
from helpers.runtime import cache

INK = 128  # grey level from which a pixel counts as ink when strokes are measured


def class_balance(labels, *, n_classes: int = 10) -> pd.DataFrame:
    """Count each label and give its share of the whole with a 95% Wilson interval.

    labels: integers 0..n_classes-1, shape (n,). Index: digit; columns: count, share, low, high (fractions).
    """
    counts = _counts(labels, n_classes)
    intervals = [metrics.wilson(int(count), int(counts.sum())) for count in counts]
    columns = {name: [getattr(one, name) for one in intervals] for name in ("estimate", "low", "high")}
    frame = pd.DataFrame({"count": counts, **columns}, index=pd.RangeIndex(n_classes, name="digit"))
    return frame.rename(columns={"estimate": "share"})


def uniformity_p_value(labels, *, n_classes: int = 10) -> float:
    """Return the p-value of Pearson's chi-square test that all labels are equally common."""
    return float(stats.chisquare(_counts(labels, n_classes)).pvalue)


def same_balance_p_value(labels_a, labels_b, *, n_classes: int = 10) -> float:
    """Return the p-value of the chi-square test that two sets have the same label shares.

    Labels that occur in neither set are left out, since they say nothing about a difference.
    """
    table = np.stack([_counts(labels_a, n_classes), _counts(labels_b, n_classes)])
    return float(stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False).pvalue)


def _counts(labels, n_classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) == 0 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels: got {labels.dtype} of shape {labels.shape}, need integers of shape (n,), n >= 1")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(f"labels: got {labels.min()}..{labels.max()}, allowed is 0..{n_classes - 1}")
    return np.bincount(labels, minlength=n_classes)


def intensity_counts(images: np.ndarray) -> np.ndarray:
    """Count how often each grey level 0..255 occurs in uint8 images; int64, shape (256,)."""
    return np.bincount(require_uint8(images).ravel(), minlength=256)


def pixel_use(images: np.ndarray) -> np.ndarray:
    """Count for each pixel the images in which it carries any ink (is above 0); int64, shape (h, w)."""
    return np.count_nonzero(require_uint8(images), axis=0).astype(np.int64)


def never_varying(images: np.ndarray) -> np.ndarray:
    """Mark the pixels that have one and the same value in every image; bool, shape (h, w)."""
    images = require_uint8(images)
    return images.min(axis=0) == images.max(axis=0)


def class_moments(images: np.ndarray, labels, *, n_classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the variance (ddof 0) image of each label, float64 (n_classes, h, w).

    Grey levels and squared grey levels. Raises ValueError when a label has no image.
    """
    images, labels = require_uint8(images), np.asarray(labels)
    missing = np.flatnonzero(_counts(labels, n_classes) == 0)
    if len(missing):
        raise ValueError(f"labels: none of the images is labelled {missing.tolist()}; every class needs one")
    groups = [images[labels == label] for label in range(n_classes)]
    return np.stack([group.mean(axis=0) for group in groups]), np.stack([group.var(axis=0) for group in groups])


def map_pca(images: np.ndarray, *, n_components: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Project images onto their leading principal components.

    Returns coordinates, float64 (n, n_components) in grey levels, and the share of the variance that each
    component carries. The sign of a component is arbitrary; scikit-learn fixes it by its largest weight.
    """
    pca = PCA(n_components, svd_solver="covariance_eigh", random_state=seed)
    return pca.fit_transform(
        require_uint8(images).reshape(len(images), -1).astype(np.float64)
    ), pca.explained_variance_ratio_


def map_tsne(
    images: np.ndarray, *, seed: int = 0, perplexity: float = 30.0, n_components: int = 30, keep: bool = False
) -> np.ndarray:
    """Lay images out in the plane so that near neighbours stay near: t-SNE on leading principal components.

    Returns float64 (n, 2) without unit: only who is close to whom means anything, not the distance between
    clusters or their size. perplexity is about the number of neighbours each point tries to keep, below n.
    keep: the map, for the next time (see `kept`).
    Source: van der Maaten and Hinton (2008), J. Mach. Learn. Res. 9, 2579-2605.
    """
    if keep:
        how = {"seed": seed, "perplexity": perplexity, "n_components": n_components}
        inputs = how | {"images": images}
        return cache.arrays(lambda: {"map": map_tsne(images, **how)}, inputs=inputs, modules=[__name__]).arrays["map"]
    points, _ = map_pca(images, n_components=min(n_components, len(images) - 1, images[0].size), seed=seed)
    tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, max_iter=750)
    # Its threads meet after each of hundreds of short steps: on a busy machine two are far slower than one.
    with threadpool_limits(1):
        return tsne.fit_transform(points).astype(np.float64)


def neighbour_agreement(points: np.ndarray, labels) -> metrics.Interval:
    """Return the share of points whose nearest other point has the same label, with its interval.

    points: (n, ...) images or coordinates, n >= 2. It is the leave-one-out accuracy of a 1-nearest-neighbour
    rule, so it says how much of the labels survives in a map.
    """
    labels = np.asarray(labels)
    nearest = nearest_neighbours.search(points, k=1).indices[:, 0]
    return metrics.accuracy(labels, labels[nearest])


def stroke_statistics(images: np.ndarray) -> pd.DataFrame:
    """Measure ink, stroke width, slant and size of each digit.

    Columns: ink (per cent of a wholly black field); width (pixels, twice the ink area over its outline, the
    width of a long bar); slant (degrees from upright, positive leans right; from the second moments of the
    ink, tan = -mu_xy / mu_yy); height and breadth (pixels, extent of pixels at or above half ink). Images
    without any ink give NaN, except ink 0.
    """
    images = require_uint8(images)
    _, height, width = images.shape
    weight = images.astype(np.float32)
    mass = weight.sum(axis=(1, 2), dtype=np.float64)
    y, x = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    down, across = weight.sum(axis=2, dtype=np.float64), weight.sum(axis=1, dtype=np.float64)
    solid = np.pad(images >= INK, ((0, 0), (1, 1), (1, 1)))
    outline = sum(np.count_nonzero(np.diff(solid.view(np.int8), axis=axis), axis=(1, 2)) for axis in (1, 2))
    area = np.count_nonzero(solid, axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_y, mean_x = down @ y / mass, across @ x / mass
        moment_yy = down @ y**2 / mass - mean_y**2
        moment_xy = np.einsum("nij,i,j->n", weight, y, x, optimize=True) / mass - mean_x * mean_y
        slant = np.degrees(np.arctan2(-moment_xy, moment_yy))
        columns = {"ink": 100 * mass / (255 * height * width), "width": 2 * area / outline, "slant": slant}
    frame = pd.DataFrame(columns)
    for name, axis in (("height", 2), ("breadth", 1)):
        frame[name] = np.where(area > 0, _extent(solid.any(axis=axis)), np.nan)
    frame.loc[mass == 0, ["width", "slant"]] = np.nan
    return frame


def _extent(marked: np.ndarray) -> np.ndarray:
    """Return last - first + 1 of the marked positions in each row."""
    return marked.shape[1] - marked.argmax(axis=1) - marked[:, ::-1].argmax(axis=1)


def compare_means(a: pd.DataFrame, b: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Compare two groups column by column: their means and the interval of the difference a - b.

    Spreads may differ (Welch (1947), Biometrika 34, 28-35); NaN values are left out. Index: the columns of a;
    columns: mean_a, mean_b, difference, low, high. Raises ValueError when the two have other columns.
    """
    if list(a.columns) != list(b.columns):
        raise ValueError(f"b: got columns {list(b.columns)}, need those of a, {list(a.columns)}")
    lines = {}
    for name in a.columns:
        first, second = a[name].dropna(), b[name].dropna()
        interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval(confidence)
        means = (first.mean(), second.mean())
        lines[name] = (*means, means[0] - means[1], interval.low, interval.high)
    columns = ["mean_a", "mean_b", "difference", "low", "high"]
    return pd.DataFrame.from_dict(lines, orient="index", columns=columns, dtype=float)


def lookalike_offsets(images: np.ndarray) -> np.ndarray:
    """Return how many places further down the file each image's nearest other image stands; int64 (n,).

    Negative means further up. In a shuffled file any offset is as likely as any other that fits; where runs of
    images come from one hand, small ones are far too common.
    """
    nearest = nearest_neighbours.search(images, k=1).indices[:, 0].astype(np.int64)
    return nearest - np.arange(len(nearest))


def share_within(offsets, window: int) -> metrics.Interval:
    """Return the share of offsets of at most `window` places either way, with its interval."""
    close = np.abs(np.asarray(offsets)) <= window
    return metrics.wilson(int(close.sum()), len(close))


def chance_within(n: int, window: int) -> float:
    """Return the share of ordered pairs of different places 0..n-1 that lie at most `window` apart.

    Raises ValueError unless 1 <= window < n.
    """
    if not 1 <= window < n:
        raise ValueError(f"window: got {window}, allowed is 1 to {n - 1}")
    return window * (2 * n - window - 1) / (n * (n - 1))
