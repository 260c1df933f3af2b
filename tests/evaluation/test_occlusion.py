"""Occlusion on models whose attention is known, and squares counted by hand."""

import numpy as np
import pytest

from helpers.evaluation import occlusion
from helpers.figures import overlays


def corner(images):
    """Score class 0 by the ink in the top left 4 x 4, class 1 by the ink in the bottom right 4 x 4."""
    ink = images.astype(float) / 255
    return np.stack([ink[:, :4, :4].sum(axis=(1, 2)), ink[:, -4:, -4:].sum(axis=(1, 2))], axis=1)


def test_squares_cover_every_pixel_and_change_nothing_else():
    image = np.random.default_rng(0).integers(1, 256, (12, 10)).astype(np.uint8)
    for size, stride in ((1, 1), (3, 1), (3, 2), (5, 1), (5, 3)):
        copies, masks = occlusion.covered(image, size=size, stride=stride, fill=0)
        assert masks.any(axis=0).all(), (size, stride)
        assert np.array_equal(copies == 0, masks), "covered where the mask says, and nowhere else"
        assert np.all((copies == image) | masks)
    assert len(occlusion.covered(image, size=1)[0]) == 120
    assert masks[0].sum() == 9, "a square of 5 at the corner has 3 x 3 pixels within"


def test_the_map_is_hot_where_the_model_looks():
    image = np.full((1, 28, 28), 255, np.uint8)
    heat = occlusion.occlusion(corner, image, [0])[0]
    assert heat[:4, :4].min() > 0
    assert np.all(heat[10:, 10:] == 0)
    assert heat[:4, :4].mean() > heat[4:8, :4].mean(), "and fades outside"
    margin = occlusion.occlusion(corner, image, [0], [1])[0]
    assert margin[:4, :4].min() > 0
    assert margin[-4:, -4:].max() < 0, "what speaks for the other class is below zero"


def test_a_square_of_one_pixel_gives_the_models_own_weights():
    rng = np.random.default_rng(1)
    weights, images = rng.normal(size=(64, 2)), rng.integers(0, 256, (3, 8, 8)).astype(np.uint8)
    heat = occlusion.occlusion(lambda x: x.reshape(len(x), -1) @ weights, images, [0, 1, 0], [1, 0, 1], size=1)
    for image, one, own, other in zip(images, heat, (0, 1, 0), (1, 0, 1), strict=True):
        expected = image * (weights[:, own] - weights[:, other]).reshape(8, 8)
        # Where a pixel is 0, its copy scores as the image does: to a rounding error of sums of some thousands.
        assert one == pytest.approx(expected, abs=1e-9)


def test_ink_shows_what_is_missing():
    image = np.zeros((1, 28, 28), np.uint8)
    assert np.all(occlusion.occlusion(corner, image, [0]) == 0), "paper on paper moves nothing"
    heat = occlusion.occlusion(corner, image, [1], [0], fill=255)[0]
    assert heat[:4, :4].min() > 0, "ink here would speak for the rival"
    assert heat[-4:, -4:].max() < 0


def test_two_digits_are_told_apart_where_they_differ():
    a, b = np.zeros((3, 28, 28), np.uint8), np.zeros((2, 28, 28), np.uint8)
    a[:, -4:, -4:], b[:, :4, :4] = 200, 100
    means, maps = occlusion.told_apart(corner, a, b, 1, 0, size=3)
    assert means[:, -1, -1].tolist() == [200, 0]
    assert maps[0, :4, :4].min() > 0, "ink in the top left makes a 1 look like a 0"
    assert maps[0, 10:18, 10:18].max() == 0
    assert maps[1, :4, :4].min() > 0, "and a gap there a 0 like a 1"
    assert maps[1, -4:, -4:].max() == 0, "where there is no ink a gap changes nothing"


def test_squares_that_do_not_fit_are_refused():
    image = np.zeros((8, 8), np.uint8)
    for how in ({"size": 9}, {"size": 0}, {"size": 3, "stride": 3}, {"stride": 0}):
        with pytest.raises(ValueError, match="allowed"):
            occlusion.covered(image, **how)
    with pytest.raises(ValueError, match="one class"):
        occlusion.occlusion(corner, image[None], [0, 1])


def test_a_veil_is_red_for_and_blue_against_and_absent_at_zero():
    image = np.zeros((4, 4), np.uint8)
    heat = np.zeros((4, 4))
    heat[0, 0], heat[1, 1], heat[2, 2] = 1.0, -1.0, 0.5
    picture = overlays.blended(image, heat)
    assert picture[3, 3] == pytest.approx([1, 1, 1])
    assert picture[0, 0, 0] > picture[0, 0, 2] + 0.3
    assert picture[1, 1, 2] > picture[1, 1, 0] + 0.3
    assert picture[0, 0, 1] < picture[2, 2, 1] < 1, "half as strong"
    assert overlays.blended(np.full((4, 4), 255), 0 * heat).max() < 0.1, "ink stays dark"
    assert len(overlays.overlay_sheet(np.stack([image] * 5), np.stack([heat] * 5), list("abcde")).get_axes()) == 5
    with pytest.raises(ValueError, match="titles"):
        overlays.overlay_sheet(image[None], heat[None], ["a", "b"])
    with pytest.raises(ValueError, match="one common shape"):
        overlays.overlay_sheet(image[None], heat[None, :2])
