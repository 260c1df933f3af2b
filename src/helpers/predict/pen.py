"""Digits written by nobody: the forms of `forms` with a hand's variety, drawn by a pen, as images of ink.

What varies is what varies between hands: proportions, the places of the points, slant, rotation, aspect, tremor and
the width of the pen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

LONGER = 112  # pixels of a drawing's longer side, from pen centre to pen centre
STEPS = 7  # points drawn between two points of a form
TREMORS = 3  # waves along a stroke


@dataclass(frozen=True, eq=False)
class Stroke:
    """Both ends of a stroke's range, float64 (k, 2) each, and where its corners are: bool (k,)."""

    first: np.ndarray
    second: np.ndarray
    corners: np.ndarray


def parse(first: str, second: str) -> list[Stroke]:
    """Read the two drawings of a form. Raises ValueError where they differ in points or corners."""
    strokes = []
    for one, other in zip(first.split(";"), second.split(";"), strict=True):
        ends = [
            np.array([[float(number) for number in point.rstrip("*").split(",")] for point in text.split()])
            for text in (one, other)
        ]
        marks = [[point.endswith("*") for point in text.split()] for text in (one, other)]
        if marks[0] != marks[1]:
            raise ValueError(f"form: got {one!r} and {other!r}; the same points and corners are allowed")
        strokes.append(Stroke(*ends, np.array(marks[0])))
    return strokes


def curve(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return curves through points (n, k, 2): float64 (n, m, 2), smooth but where corners (k,) says otherwise.

    Centripetal Catmull-Rom splines (Barry and Goldman 1988; Yuksel et al. 2011): they pass through every point and
    neither loop nor overshoot between two of them.
    """
    ends = [0, *np.flatnonzero(corners[1:-1]) + 1, points.shape[1] - 1]
    pieces = [_smooth(points[:, a : b + 1]) for a, b in pairwise(ends)]
    return np.concatenate([*(piece[:, :-1] for piece in pieces[:-1]), pieces[-1]], axis=1)


def _smooth(points: np.ndarray) -> np.ndarray:
    before, after = 2 * points[:, :1] - points[:, 1:2], 2 * points[:, -1:] - points[:, -2:-1]
    p = np.concatenate([before, points, after], axis=1)
    gaps = np.sqrt(np.maximum(np.linalg.norm(np.diff(p, axis=1), axis=2), 1e-3))
    parts = []
    for i in range(points.shape[1] - 1):
        knots = np.cumsum(np.pad(gaps[:, i : i + 3], ((0, 0), (1, 0))), axis=1)[:, :, None]
        t = knots[:, 1:2] + (knots[:, 2:3] - knots[:, 1:2]) * (np.arange(STEPS) / STEPS)[:, None]

        def between(a, b, low, high, t=t, knots=knots):
            start, end = knots[:, low : low + 1], knots[:, high : high + 1]
            return a + (b - a) * ((t - start) / (end - start))

        a = [between(p[:, i + j, None], p[:, i + j + 1, None], j, j + 1) for j in range(3)]
        b = [between(a[j], a[j + 1], j, j + 2) for j in range(2)]
        parts.append(between(b[0], b[1], 1, 2))
    return np.concatenate([*parts, points[:, -1:]], axis=1)


def skeletons(strokes: Sequence[Stroke], n: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return a form as `n` hands write it: for each stroke float64 (n, m, 2), y downwards, in no particular frame."""
    mix = rng.uniform(-0.1, 1.1, (n, 1, 1))
    slant = np.tan(np.radians(np.clip(rng.normal(6, 11, n), -18, 32)))
    angle = np.radians(np.clip(rng.normal(0, 5, n), -12, 12))
    wide = np.exp(np.clip(rng.normal(-0.1, 0.2, n), -0.5, 0.4))
    bend = np.clip(rng.normal(0, 0.05, (n, 2, 3)), -0.1, 0.1)
    size = np.where(rng.random(n) < 0.3, 1.0, 0.3)  # of the tremor
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], 1) @ np.stack(
        [np.stack([wide, -slant], -1), np.stack([np.zeros(n), np.ones(n)], -1)], 1
    )
    made = []
    for stroke in strokes:
        share = np.clip(mix + rng.normal(0, 0.15, (n, len(stroke.first), 1)), -0.2, 1.2)
        points = stroke.first + share * (stroke.second - stroke.first)
        path = curve(points + rng.normal(0, 1.8, points.shape), stroke.corners)
        along = np.linspace(0, 1, path.shape[1])[:, None]
        for _ in range(TREMORS):
            waves = len(stroke.first) * rng.uniform(0.3, 1.5, (n, 1, 1))
            wave = np.sin(2 * np.pi * (waves * along + rng.random((n, 1, 1))))
            path = path + wave * rng.normal(0, 1, (n, 1, 2)) * size[:, None, None]
        u = path / 50 - 1
        squares = np.stack([u[..., 0] ** 2, u[..., 0] * u[..., 1], u[..., 1] ** 2], axis=-1)
        made.append(50 * (u + squares @ bend.transpose(0, 2, 1)) @ matrix.transpose(0, 2, 1))
    return made


def draw(strokes: Sequence[np.ndarray], *, width: float, taper: float = 0.0) -> np.ndarray:
    """Return strokes (m, 2) each as ink, float32 (h, w) in 0..1, the longer side of their box LONGER pixels.

    width: of the pen, as a share of that side. taper: how much thinner a stroke ends than it begins, a share.
    """
    points = np.concatenate(strokes)
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    scale = LONGER / extent.max()
    thick = width * LONGER
    margin = int(thick / 2) + 4
    columns, rows = (int(side) + 2 * margin for side in extent * scale)
    picture = Image.new("L", (columns, rows))
    pen = ImageDraw.Draw(picture)
    for stroke in strokes:
        path = (stroke - low) * scale + margin
        radii = thick / 2 * (1 - taper * np.linspace(0, 1, len(path)))
        for (x, y), (to_x, to_y), radius in zip(path, path[1:], radii, strict=False):
            pen.line([x, y, to_x, to_y], fill=255, width=max(1, round(2 * radius)))
        for (x, y), radius in zip(path, radii, strict=True):
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    return np.asarray(picture, np.float32) / 255


def written(labels: np.ndarray, forms: Sequence[tuple], *, seed: int) -> list[np.ndarray]:
    """Write digits with the given labels, each in one of its forms at random: images as from `draw`.

    forms: (label, name, one end, other end), as in `forms`. Raises ValueError for a label without a form.
    """
    rng = np.random.default_rng(seed)
    chosen = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        own = [i for i, form in enumerate(forms) if form[0] == label]
        if not own:
            raise ValueError(f"labels: got {label}; forms of {sorted({form[0] for form in forms})} are allowed")
        here = labels == label
        chosen[here] = rng.choice(own, here.sum())
    images: list = [None] * len(labels)
    for i, form in enumerate(forms):
        rows = np.flatnonzero(chosen == i)
        paths = skeletons(parse(*form[2:]), len(rows), rng)
        widths, tapers = np.exp(rng.uniform(np.log(0.025), np.log(0.22), len(rows))), rng.uniform(-0.3, 0.5, len(rows))
        for j, row in enumerate(rows):
            images[row] = draw([path[j] for path in paths], width=widths[j], taper=tapers[j])
    return images
