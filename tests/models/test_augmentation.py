"""Warps: against SciPy's resampling, bounds, determinism."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from helpers.models import augmentation
from helpers.models.augmentation import Warp


def images(n=4, seed=0):
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.uniform(0, 255, (n, 28, 28)), (0, 1.5, 1.5))


def test_no_warp_changes_nothing():
    pictures = images().astype(np.uint8)
    assert np.array_equal(augmentation.warp_images(pictures, Warp(0, 0, 0, 0)), pictures)


def test_agrees_with_scipy():
    pictures = images().astype(np.float32)
    rows = augmentation.transforms(Warp(20, 0.2, 3, 10), 4, rng=np.random.default_rng(5))
    ours = np.asarray(augmentation.apply(pictures[..., None], rows))[..., 0]
    for picture, row, warped in zip(pictures, rows.astype(float), ours, strict=True):
        # SciPy counts (row, column); our rows are (column, row)
        matrix = np.array([[row[4], row[3]], [row[1], row[0]]])
        expected = ndimage.affine_transform(picture, matrix, offset=(row[5], row[2]), order=1, mode="constant")
        inside = (slice(6, -6), slice(6, -6))
        np.testing.assert_allclose(warped[inside], expected[inside], atol=0.05)


class Furthest:
    """A generator that draws every amount at its upper bound."""

    def uniform(self, low, high, size):
        return np.full(size, float(high))


@pytest.mark.parametrize(
    ("warp", "before", "after"),
    [  # (pixels right of the centre, below it): by hand, as one would move a sheet of paper
        (Warp(30, 0, 0), (6, 0), (6 * np.sqrt(0.75), -3)),  # against the clock: what was right goes up
        (Warp(30, 0, 0), (0, 6), (3, 6 * np.sqrt(0.75))),
        (Warp(0, 0.25, 0), (4, -4), (5, -5)),  # a quarter larger
        (Warp(0, 0, 3), (2, 1), (5, 4)),  # right and down
        (Warp(0, 0, 0, 45), (0, 5), (-5, 5)),  # below goes left, above goes right: it leans as italics do
        (Warp(90, 0.5, 1), (4, 0), (1.5, -7.5)),  # moved to (5, 1), turned to (1, -5), enlarged by half
    ],
)
def test_positive_amounts_turn_enlarge_move_and_lean_as_they_say(warp, before, after):
    down, right = np.mgrid[:28, :28] - 13.5
    picture = np.exp(-((right - before[0]) ** 2 + (down - before[1]) ** 2) / 4).astype(np.float32)
    rows = augmentation.transforms(warp, 1, rng=Furthest())
    moved = np.asarray(augmentation.apply(picture[None, ..., None], rows))[0, ..., 0]
    found = (moved * right).sum() / moved.sum(), (moved * down).sum() / moved.sum()
    assert found == pytest.approx(after, abs=0.05)


def test_a_turn_is_that_of_pillow():
    picture = images(1)[0].astype(np.float32)
    rows = augmentation.transforms(Warp(30, 0, 0), 1, rng=Furthest())
    ours = np.asarray(augmentation.apply(picture[None, ..., None], rows))[0, ..., 0]
    expected = np.asarray(Image.fromarray(picture).rotate(30, Image.Resampling.BILINEAR))  # against the clock
    inside = (slice(7, -7), slice(7, -7))
    np.testing.assert_allclose(ours[inside], expected[inside], atol=0.5)


def test_a_pure_shift_moves_by_whole_pixels():
    picture = np.zeros((1, 28, 28, 1), np.float32)
    picture[0, 10, 12] = 1
    row = np.array([[1, 0, -3, 0, 1, 2, 0, 0]], np.float32)  # read from (x - 3, y + 2): content goes right and up
    moved = np.asarray(augmentation.apply(picture, row))[0, ..., 0]
    assert np.argwhere(moved == 1).tolist() == [[8, 15]]


def test_amounts_stay_within_their_bounds_and_use_them():
    warp = Warp(rotation=10, zoom=0, shift=2, shear=0)
    rows = augmentation.transforms(warp, 5000, rng=np.random.default_rng(0)).astype(float)
    angles = np.degrees(np.arctan2(rows[:, 3], rows[:, 0]))
    assert 9.9 < np.abs(angles).max() <= 10.0001
    assert abs(angles.mean()) < 0.5
    centre = rows[:, [0, 1, 3, 4]].reshape(-1, 2, 2) @ [13.5, 13.5] + rows[:, [2, 5]] - 13.5
    assert 1.99 < np.abs(centre).max() <= 2.0001
    zoomed = augmentation.transforms(Warp(0, 0.1, 0), 5000, rng=np.random.default_rng(0))
    assert 1 / 1.1 - 1e-4 <= zoomed[:, 0].min() < zoomed[:, 0].max() <= 1 / 0.9 + 1e-4
    assert abs(np.corrcoef(zoomed[:, 0], zoomed[:, 4])[0, 1]) < 0.05  # drawn per axis


def test_the_same_seed_gives_the_same_warps():
    pictures = images().astype(np.uint8)
    first, again, other = (augmentation.warp_images(pictures, Warp(), seed=s) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("bad", [{"rotation": -1}, {"zoom": 1.0}, {"shift": float("nan")}, {"shear": float("inf")}])
def test_bad_bounds_are_refused_by_name(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Warp(**bad)


def test_bad_images_are_refused():
    with pytest.raises(ValueError, match=r"images.*\(n, h, w\)"):
        augmentation.warp_images(np.zeros((28, 28), np.uint8), Warp())


def test_scaled():
    assert Warp(10, 0.1, 2, 4).scaled(0.5) == Warp(5, 0.05, 1, 2)


def test_a_warp_draws_and_applies_as_the_functions_do():
    pictures = images().astype(np.float32)[..., None]
    rows = Warp(20, 0.2, 3, 10).draw(4, size=(28, 28), rng=np.random.default_rng(5))
    expected = augmentation.transforms(Warp(20, 0.2, 3, 10), 4, rng=np.random.default_rng(5))
    assert rows.shape == (4, Warp.width)
    assert np.array_equal(rows, expected)
    assert np.array_equal(Warp().apply(pictures, rows), augmentation.apply(pictures, expected))
