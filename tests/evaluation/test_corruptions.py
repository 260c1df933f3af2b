"""The fifteen corruptions: pure, seeded, each what its words say."""

import numpy as np
import pytest
from scipy import ndimage

from helpers.evaluation.corruptions import CORRUPTIONS, corrupt

every_kind = pytest.mark.parametrize("name", CORRUPTIONS)
CERTAIN = {"scale", "brightness", "stripe", "canny edges"}  # nothing in them is left to chance


@pytest.fixture(scope="module")
def images():
    """Blobs and bars somewhat like digits: ink in the middle, paper around."""
    rng = np.random.default_rng(0)
    canvas = np.zeros((40, 28, 28), np.float32)
    for image in canvas:
        for _ in range(3):
            row, column, tall = rng.integers(6, 14, 3)
            image[row : row + tall, column : column + 3] = 255
    return ndimage.gaussian_filter(canvas, (0, 0.6, 0.6)).clip(0, 255).astype(np.uint8)


def test_they_are_the_fifteen_of_mnist_c():
    published = "shot impulse glass motion shear scale rotate brightness translate stripe fog spatter dotted zigzag"
    assert [name.split()[0] for name in CORRUPTIONS] == [*published.split(), "canny"]


@every_kind
def test_pure_seeded_and_of_the_same_kind(images, name):
    before = images.copy()
    once = corrupt(images, name, seed=4)
    assert np.array_equal(images, before)
    assert once.dtype == np.uint8
    assert once.shape == images.shape
    assert not np.array_equal(once, images)
    assert np.array_equal(once, corrupt(images, name, seed=4))
    assert np.array_equal(once[:7], corrupt(images[:7], name, seed=4)), "depends on what comes after"
    assert np.array_equal(once, corrupt(images, name, seed=5)) == (name in CERTAIN)


def test_shot_noise_counts_grains(images):
    found = corrupt(np.full((60, 28, 28), 255, np.uint8), "shot noise").astype(float)
    assert (found == 0).mean() == pytest.approx(np.exp(-3), rel=0.05)  # no grain at all
    assert not corrupt(np.zeros((1, 28, 28), np.uint8), "shot noise").any()


def test_impulses_are_full_or_nothing():
    found = corrupt(np.full((60, 28, 28), 128, np.uint8), "impulse noise")
    assert set(np.unique(found)) == {0, 128, 255}
    assert (found == 255).mean() == pytest.approx(0.085, rel=0.05)
    assert (found == 0).mean() == pytest.approx(0.085, rel=0.05)


@pytest.mark.parametrize("name", ["glass blur", "motion blur"])
def test_blurs_keep_the_ink_and_spread_it(images, name):
    found = corrupt(images, name).astype(float)
    assert found.sum() == pytest.approx(images.sum(dtype=float), rel=0.05)
    assert (found > 12).sum() > (images > 12).sum()


def test_motion_blur_spreads_along_one_line():
    dot = np.zeros((1, 41, 41), np.uint8)
    dot[0, 20, 20] = 255
    for seed in range(6):
        ink = corrupt(dot, "motion blur", seed=seed)[0].astype(float)
        spread = np.linalg.eigvalsh(np.cov(np.indices(ink.shape).reshape(2, -1), aweights=ink.ravel()))
        assert spread[1] > 10 * spread[0]
        assert spread[1] == pytest.approx(9, rel=0.2)


def nearest(found, candidates):
    """Return for each image which candidate it is, and the largest mean difference from it."""
    gaps = np.stack([np.abs(found.astype(float) - one).mean(axis=(1, 2)) for one in candidates])
    return gaps.argmin(axis=0), gaps.min(axis=0).max()


def test_rotation_is_by_the_stated_angle_to_either_side(images):
    angle = np.rad2deg(0.4)
    sides = [
        np.stack([ndimage.rotate(one.astype(float), turn, reshape=False, order=1) for one in images])
        for turn in (-angle, angle)
    ]
    which, gap = nearest(corrupt(images, "rotate"), sides)
    assert gap < 0.5
    assert 8 < which.sum() < 32


def test_scaling_shrinks_about_the_middle(images):
    expected = [ndimage.affine_transform(x.astype(float), np.eye(2) / 0.7, 13.5 - 13.5 / 0.7, order=1) for x in images]
    assert np.abs(corrupt(images, "scale") - np.stack(expected)).max() <= 1


def test_translation_is_by_whole_pixels_to_four_corners(images):
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3)))
    corners = [padded[:, down : down + 28, right : right + 28] for down in (0, 6) for right in (0, 6)]
    which, gap = nearest(corrupt(images, "translate"), corners)
    assert gap == 0
    assert set(which) == {0, 1, 2, 3}


def test_a_sheared_bar_leans_by_the_stated_slope():
    bar = np.zeros((20, 28, 28), np.uint8)
    bar[:, 8:20, 13:15] = 255
    places = np.arange(28) @ corrupt(bar, "shear").astype(float).transpose(0, 2, 1)  # of the ink in each row, weighted
    mass = corrupt(bar, "shear").astype(float).sum(axis=2)
    slopes = (places[:, 18] / mass[:, 18] - places[:, 9] / mass[:, 9]) / 9
    assert np.abs(slopes) == pytest.approx(0.4, abs=0.02)
    assert len(set(np.sign(slopes))) == 2


def test_brightness_adds_and_a_stripe_inverts(images):
    assert np.abs(corrupt(images, "brightness") - np.minimum(255, images + 127.5)).max() <= 0.51
    found = corrupt(images, "stripe")
    assert np.array_equal(found[:, :, 7:21], images[:, :, 7:21])
    assert np.array_equal(found[:, :, :7], 255 - images[:, :, :7])
    assert np.array_equal(found[:, :, 21:], 255 - images[:, :, 21:])


def test_fog_dims_the_digit_behind_a_smooth_cloud(images):
    found = corrupt(images, "fog").astype(float)
    cloud = corrupt(np.zeros_like(images), "fog").astype(float)  # the same seed, the same cloud
    assert np.abs(found - cloud - images / 3.5).max() <= 1
    assert cloud.min() == 0
    assert cloud.max() == pytest.approx(255 * 2.5 / 3.5, abs=1)
    steps = np.abs(np.diff(cloud, axis=2)).mean()
    assert steps < 0.4 * np.abs(cloud - np.roll(cloud, 14, axis=2)).mean()


@pytest.mark.parametrize("name", ["spatter", "dotted line", "zigzag"])
def test_ink_is_added_and_none_taken(images, name):
    assert (corrupt(images, name) >= images).all()
    paper = corrupt(np.zeros((200, 28, 28), np.uint8), name) > 127
    shares = {"spatter": 0.2, "dotted line": 0.035, "zigzag": 0.12}
    assert paper.mean() == pytest.approx(shares[name], rel=0.5)
    assert (paper.sum(axis=(1, 2)) > 10).all()


def test_a_dotted_line_has_gaps_and_a_zigzag_bends():
    paper = np.zeros((20, 28, 28), np.uint8)
    dots = [ndimage.label(one > 60, structure=np.ones((3, 3)))[1] for one in corrupt(paper, "dotted line")]
    whole = [ndimage.label(one > 60, structure=np.ones((3, 3)))[1] for one in corrupt(paper, "zigzag")]
    assert min(dots) >= 3
    assert max(whole) == 1
    for one in corrupt(paper, "zigzag"):
        places = np.argwhere(one > 127)
        across = np.linalg.svd(places - places.mean(axis=0))[2][1]
        assert np.ptp((places - places.mean(axis=0)) @ across) > 3


def test_edges_run_around_a_square_and_nowhere_else():
    square = np.zeros((1, 28, 28), np.uint8)
    square[0, 8:20, 8:20] = 255
    found = corrupt(square, "canny edges")[0] == 255
    rim = np.zeros((28, 28), bool)
    rim[7:21, 7:21] = True
    rim[9:19, 9:19] = False
    assert not found[~rim].any()
    assert (found.sum(axis=0)[9:19] == 2).all()
    assert (found.sum(axis=1)[9:19] == 2).all()
    faint = corrupt((square > 0).astype(np.uint8) * 8, "canny edges")
    assert not faint.any()


def test_corruptions_refuse(images):
    with pytest.raises(ValueError, match="name"):
        corrupt(images, "coffee")
    with pytest.raises(ValueError, match="images"):
        corrupt(images.astype(float), "fog")
