"""Preparing clean drawings whose outcome can be worked out by hand, pixel for pixel."""

import numpy as np
import pytest

from helpers.data.pictures import levels
from helpers.data.pictures.preparing import prepare


def sheet(*parts, side=64):
    """Return a white sheet with black, or greyer, rectangles: (top, left, height, width, share of full ink)."""
    page = np.full((side, side), 255, np.float32)
    for top, left, height, width, ink in parts:
        page[top : top + height, left : left + width] = 255 * (1 - ink)
    return page


@pytest.mark.parametrize(
    ("height", "width", "top", "left"),
    [  # its middle pixel, (length - 1) / 2, comes to 14: half a pixel short of it is rounded towards the end
        (20, 3, 5, 13),
        (20, 4, 5, 13),
        (20, 5, 5, 12),
        (20, 6, 5, 12),
        (20, 7, 5, 11),
        (3, 20, 13, 5),
        (4, 20, 13, 5),
    ],
)
def test_a_bar_comes_to_lie_where_its_middle_says(height, width, top, left):
    expected = np.zeros((28, 28), np.uint8)
    expected[top : top + height, left : left + width] = 255
    assert np.array_equal(prepare(sheet((31, 17, height, width, 1))).image, expected)
    assert np.array_equal(prepare(255 - sheet((9, 30, height, width, 1))).image, expected)


def test_the_mass_is_centred_and_not_the_box():
    """An L of 80 + 40 pixels: mass at column (80 x 1.5 + 40 x 8.5) / 120 = 3.83, row (80 x 9.5 + 40 x 17.5) / 120."""
    expected = np.zeros((28, 28), np.uint8)
    expected[2:22, 10:14] = 255  # 14 - 12.17 = 1.83, 14 - 3.83 = 10.17
    expected[18:22, 14:24] = 255
    assert np.array_equal(prepare(sheet((20, 24, 20, 4, 1), (36, 28, 4, 10, 1))).image, expected)


def extent(page):
    strong = prepare(page).image > 128
    return tuple(int(np.ptp(np.flatnonzero(strong.any(axis=axis)))) + 1 for axis in (1, 0))


def test_a_spot_of_less_than_a_fiftieth_of_the_ink_is_dirt():
    bar = (20, 20, 20, 5, 1)  # 100 pixels
    assert extent(sheet(bar)) == (20, 5)
    assert extent(sheet(bar, (25, 27, 2, 1, 1))) == (20, 5), "2 of 102"
    assert extent(sheet(bar, (25, 27, 3, 1, 1))) == (20, 8), "3 of 103"


def test_what_is_fainter_than_an_eighth_or_so_is_no_part_of_the_digit():
    bar = (20, 20, 20, 4, 1)
    assert extent(sheet(bar, (40, 20, 2, 4, 0.10))) == (20, 4)
    assert extent(sheet(bar, (40, 20, 2, 4, 0.14))) == (18, 4), "20 of 22 pixels, all made to fit 20"


def test_strength_is_the_share_of_full_ink_on_clean_paper():
    page = sheet((20, 20, 20, 6, 1), (20, 26, 20, 1, 0.5), (20, 27, 20, 1, 0.25)) * 0.8 + 30
    for grey, polarity in ((page, "dark-on-light"), (255 - page, "light-on-dark")):
        found = levels.ink_strength(grey, polarity)
        assert [found[30, column] for column in (18, 22, 26, 27, 28)] == pytest.approx([0, 1, 0.5, 0.25, 0], abs=1e-6)


def test_the_grain_of_paper_is_no_ink():
    """Three standard deviations above the middle: one pixel of paper in 740 is darker, were it normal."""
    page = sheet((20, 20, 24, 6, 1), side=80) * 0.6 + 70
    page += np.random.default_rng(0).normal(0, 4, page.shape)
    found = levels.ink_strength(page.astype(np.float32), "dark-on-light")
    paper = np.ones(page.shape, bool)
    paper[20:44, 20:26] = False
    assert np.mean(found[paper] > 0) < 0.006
    assert found[paper].max() < 0.1
    assert found[~paper].min() > 0.85


def test_the_threshold_lies_in_the_middle_of_a_gap():
    assert levels.otsu(np.repeat([0.0, 100.0], [70, 30])) == pytest.approx(50, abs=0.2)
    assert levels.otsu(np.repeat([10.0, 20.0, 90.0], [50, 40, 30])) == pytest.approx(55, abs=0.4)


def test_ranks_are_values_that_occur():
    values = np.array([5.0, 1, 9, 7, 3])
    assert [levels.ranked(values, share) for share in (0, 0.1, 0.25, 0.5, 0.9, 1)] == [1, 1, 3, 5, 9, 9]
    assert levels.ranked(np.array([1.0, 2, 3, 4]), 0.5) == 3, "the upper of two in the middle"
