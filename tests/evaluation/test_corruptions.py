"""Corruptions: pure, seeded, stronger with severity, and each what its name says; robustness counted by hand."""

import numpy as np
import pytest
from scipy import ndimage

from helpers.evaluation import corruptions
from helpers.evaluation.corruptions import CORRUPTIONS, corrupt

every_kind = pytest.mark.parametrize("name", CORRUPTIONS)


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


@every_kind
def test_pure_seeded_and_of_the_same_kind(images, name):
    before = images.copy()
    once = corrupt(images, name, severity=3, seed=4)
    assert np.array_equal(images, before)
    assert once.dtype == np.uint8
    assert once.shape == images.shape
    assert np.array_equal(once, corrupt(images, name, severity=3, seed=4))
    assert np.array_equal(once[:7], corrupt(images[:7], name, severity=3, seed=4)), "depends on what comes after"
    assert np.array_equal(corrupt(images, name, severity=0), images)
    if name not in ("blur", "contrast"):  # nothing random in these
        assert not np.array_equal(once, corrupt(images, name, severity=3, seed=5))


@every_kind
def test_severities_do_more_and_more_harm(images, name):
    harm = [np.abs(corrupt(images, name, severity=s).astype(float) - images).mean() for s in corruptions.SEVERITIES]
    assert np.all(np.diff(harm) > 0)
    assert harm[0] > 0


def test_noise_has_the_stated_spread():
    grey = np.full((50, 28, 28), 128, np.uint8)
    assert corrupt(grey, "noise", severity=2).std() == pytest.approx(CORRUPTIONS["noise"].levels[1], rel=0.03)


def test_blur_is_gaussian_and_stays_within_each_image(images):
    sigma = CORRUPTIONS["blur"].levels[3]
    expected = np.stack([ndimage.gaussian_filter(one.astype(float), sigma, mode="constant") for one in images])
    assert np.abs(corrupt(images, "blur", severity=4) - expected).max() <= 0.51


def nearest(found, candidates):
    """Return for each image which candidate it is, and the largest mean difference from it."""
    gaps = np.stack([np.abs(found.astype(float) - one).mean(axis=(1, 2)) for one in candidates])
    return gaps.argmin(axis=0), gaps.min(axis=0).max()


def test_rotation_is_by_the_stated_angle_to_either_side(images):
    angle = CORRUPTIONS["rotation"].levels[2]
    sides = [
        np.stack([ndimage.rotate(one.astype(float), turn, reshape=False, order=1) for one in images])
        for turn in (-angle, angle)
    ]
    which, gap = nearest(corrupt(images, "rotation", severity=3), sides)
    assert gap < 0.5
    assert 8 < which.sum() < 32


def test_scale_makes_smaller_or_larger(images):
    factor = CORRUPTIONS["scale"].levels[4]
    expected = []
    for size in (1 / factor, factor):
        offset = 13.5 - 13.5 / size
        warped = [ndimage.affine_transform(x.astype(float), np.eye(2) / size, offset, order=1) for x in images]
        expected.append(np.stack(warped))
    which, gap = nearest(corrupt(images, "scale", severity=5), expected)
    assert gap < 0.5
    assert 8 < which.sum() < 32


def test_shift_moves_the_mass_by_the_stated_distance(images):
    moved = corrupt(images, "shift", severity=2)
    centres = [np.array([ndimage.center_of_mass(one.astype(float)) for one in stack]) for stack in (images, moved)]
    distance = np.linalg.norm(centres[1] - centres[0], axis=1)
    assert np.median(distance) == pytest.approx(CORRUPTIONS["shift"].levels[1], abs=0.1)
    assert np.ptp(np.arctan2(*(centres[1] - centres[0]).T)) > 3  # in all directions


def test_thickness_grows_some_strokes_and_thins_the_others(images):
    change = corrupt(images, "thickness", severity=4).astype(float) - images
    grown = change.sum(axis=(1, 2)) > 0
    assert 8 < grown.sum() < 32
    assert change[grown].min() >= -1
    assert change[~grown].max() <= 1
    whole = corruptions._spread(images, 2, ndimage.grey_dilation)
    ball = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 2)
    assert np.array_equal(whole[0], ndimage.grey_dilation(images[0], footprint=ball, mode="constant"))


def test_contrast_keeps_the_order_of_greys_and_loses_the_stated_share(images):
    found = corrupt(images, "contrast", severity=3).astype(float)
    lost = CORRUPTIONS["contrast"].levels[2]
    assert np.ptp(found) == pytest.approx((1 - lost) * np.ptp(images), abs=1)
    assert np.corrcoef(found.ravel(), images.ravel())[0, 1] > 0.999


def test_a_blot_is_a_square_and_the_rest_is_untouched(images):
    side = CORRUPTIONS["occlusion"].levels[2]
    grey = np.full((200, 28, 28), 128, np.uint8)
    changed = corrupt(grey, "occlusion", severity=3) != 128
    assert changed.sum(axis=(1, 2)).max() <= (side + 1) ** 2
    assert changed.sum(axis=(1, 2)).min() >= (side - 1) ** 2
    assert {0, 255} == set(np.unique(corrupt(grey, "occlusion", severity=3)[changed]))


def test_stripes_add_ink_only(images):
    found = corrupt(images, "stripes", severity=3)
    assert (found >= images).all()
    paper = corrupt(np.zeros((100, 28, 28), np.uint8), "stripes", severity=3)
    assert paper.mean() / 255 == pytest.approx(CORRUPTIONS["stripes"].levels[2] / 9, rel=0.05)


def test_corruptions_refuse(images):
    with pytest.raises(ValueError, match="name"):
        corrupt(images, "coffee", severity=1)
    with pytest.raises(ValueError, match="severity"):
        corrupt(images, "blur", severity=6)
    with pytest.raises(ValueError, match="images"):
        corrupt(images.astype(float), "blur", severity=1)
