"""Which images are in a collection twice, exactly or almost.

Equal images are found by hashing; the closest pairs by comparing every image with every other, most of them
only in a projection that cannot make a close pair look distant.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits


def duplicate_groups(images: np.ndarray) -> list[tuple[int, ...]]:
    """Return the rows of images that are equal in every pixel, one tuple of two or more rows per group.

    The bytes of each image are the key of a hash table, which settles equal hashes by comparing the bytes:
    no collision can pass for a duplicate. Groups come in the order of their first row.
    """
    images = require_uint8(images)
    rows: dict[bytes, list[int]] = {}
    for row, image in enumerate(images):
        rows.setdefault(image.tobytes(), []).append(row)
    return [tuple(group) for group in rows.values() if len(group) > 1]


def closest_pairs(images: np.ndarray, *, n_pairs: int = 10, n_components: int = 48, block: int = 1024) -> pd.DataFrame:
    """Find the closest pairs among all n (n - 1) / 2 pairs of images, by Euclidean distance, exactly.

    images: uint8 (n, h, w), n >= 2. Columns: first < second (rows), distance (grey levels), sorted by these
    from the closest; fewer than n_pairs rows only if there are no more pairs.

    Projecting onto orthonormal directions (here the leading principal components) never makes a distance
    longer, so a pair whose projections are already further apart than the n_pairs-th best pair found so far
    can be dropped unseen; the few survivors are measured in whole numbers.
    """
    flat = require_uint8(images).reshape(len(images), -1)
    if len(flat) < 2 or n_pairs < 1:
        raise ValueError(f"images, n_pairs: got {len(flat)} images and {n_pairs} pairs, need at least 2 and 1")
    centred = flat - flat.mean(axis=0, dtype=np.float32)
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    directions = directions[:, -n_components:]
    points = np.concatenate([centred[start : start + 4096] @ directions for start in range(0, len(flat), 4096)])
    squares = np.einsum("ij,ij->i", points, points)[:, None]
    # One product then gives |p|^2 - 2 p.q + |q|^2; float32 loses at most the margin (50 terms, 2^-24 each).
    rows = np.hstack([-2 * points, squares, np.ones_like(squares)]).astype(np.float32)
    columns = np.hstack([points, np.ones_like(squares), squares]).astype(np.float32)
    margin = 4e-5 * float(squares.max())
    best = np.empty((0, 3), dtype=np.int64)  # squared distance, first, second
    limit = np.inf
    starts = range(0, len(flat), block)
    for top in starts:
        for left in range(top, len(flat), block):
            a, b = slice(top, top + block), slice(left, left + block)
            lower = rows[a] @ columns[b].T
            if top == left:
                lower[np.tril_indices(len(lower))] = np.inf
            if not np.isfinite(limit) and lower.size > 4 * n_pairs:
                # A first guess to start from: the exact lengths of the pairs whose projections are closest.
                guess = np.argpartition(lower, n_pairs - 1, axis=None)[:n_pairs]
                best, limit = _keep_best(
                    flat, best, guess // lower.shape[1] + top, guess % lower.shape[1] + left, n_pairs
                )
                best = best[:0]  # found again below, together with any ties
            first, second = np.nonzero(lower <= limit + margin)
            best, found = _keep_best(flat, best, first + top, second + left, n_pairs)
            limit = min(limit, found)
    frame = pd.DataFrame({"first": best[:, 1], "second": best[:, 2], "distance": np.sqrt(best[:, 0])})
    return frame


def closest_by_class(images: np.ndarray, labels) -> pd.DataFrame:
    """Find the closest two images of each label, exactly.

    Index: label, for every label with at least two images; columns: first < second (rows), distance (grey
    levels) and pairs (how many were compared).
    """
    images, labels = require_uint8(images), np.asarray(labels)
    members = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    members = {label: rows for label, rows in members.items() if len(rows) > 1}
    # One class a thread, as two threads inside each small product would mostly wait for each other.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(2) as pool:
        pairs = list(pool.map(lambda rows: closest_pairs(images[rows], n_pairs=1).iloc[0], members.values()))
    lines = {
        label: (rows[int(pair["first"])], rows[int(pair["second"])], pair["distance"], len(rows) * (len(rows) - 1) // 2)
        for (label, rows), pair in zip(members.items(), pairs, strict=True)
    }
    return pd.DataFrame.from_dict(lines, orient="index", columns=["first", "second", "distance", "pairs"])


def _keep_best(flat, best, first, second, n_pairs) -> tuple[np.ndarray, float]:
    """Merge candidate pairs into the best list; return it with the squared distance of its last entry."""
    for start in range(0, len(first), 20_000):
        i, j = first[start : start + 20_000], second[start : start + 20_000]
        keep = i < j
        i, j = i[keep], j[keep]
        difference = flat[i].astype(np.int32) - flat[j]
        squared = np.einsum("ij,ij->i", difference, difference)
        best = np.concatenate([best, np.stack([squared, i, j], axis=1).astype(np.int64)])
        best = best[np.lexsort((best[:, 2], best[:, 1], best[:, 0]))][:n_pairs]
    return best, float(best[-1, 0]) if len(best) >= n_pairs else np.inf


def require_uint8(images: np.ndarray) -> np.ndarray:
    """Return images as they are, or raise ValueError unless they are uint8 (n, h, w) with n >= 1."""
    images = np.asarray(images)
    if images.ndim != 3 or images.dtype != np.uint8 or 0 in images.shape:
        raise ValueError(f"images: got {images.dtype} of shape {images.shape}, need uint8 (n, h, w) with n >= 1")
    return images
