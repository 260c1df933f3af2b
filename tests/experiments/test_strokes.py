"""Strokes of the pen, measured on bars whose width, slant and size are known."""

import numpy as np
import pytest
from scipy import ndimage

from helpers.experiments.eda import strokes


def bar(angle=0.0, thickness=3, side=61, length=41):
    """A solid bar, leaning to the right by `angle` degrees."""
    y, x = np.mgrid[:side, :side] - side // 2
    shifted = x + np.tan(np.radians(angle)) * y  # rows above the middle (y < 0) move to the right
    return np.where((np.abs(shifted) <= thickness / 2) & (np.abs(y) <= length // 2), 255, 0).astype(np.uint8)


@pytest.mark.parametrize("angle", [-30, -10, 0, 20])
def test_slant_of_a_leaning_bar(angle):
    frame = strokes.measure(bar(angle)[None])
    assert frame["slant"][0] == pytest.approx(angle, abs=1)


@pytest.mark.parametrize("thickness", [3, 5, 7])
def test_width_and_extent_of_an_upright_bar(thickness):
    image = bar(0, thickness)
    frame = strokes.measure(image[None])
    # Twice the area over the outline: of a bar w wide and 41 long that is 2 * 41 w / (2 * (41 + w)).
    assert frame["width"][0] == pytest.approx(41 * thickness / (41 + thickness))
    assert frame["height"][0] == 41
    assert frame["breadth"][0] == thickness
    assert frame["ink"][0] == pytest.approx(100 * 41 * thickness / 61**2)


def test_strokes_do_not_depend_on_where_the_digit_lies():
    image = bar(15)
    moved = ndimage.shift(image, (6, -7), order=0)
    frame = strokes.measure(np.stack([image, moved]))
    assert frame.loc[0].to_numpy() == pytest.approx(frame.loc[1].to_numpy())


def test_an_empty_image_has_no_stroke():
    frame = strokes.measure(np.zeros((1, 5, 5), np.uint8))
    assert frame["ink"][0] == 0
    assert frame.drop(columns="ink").isna().all(axis=None)


@pytest.mark.parametrize("images", [np.zeros((3, 4)), np.zeros((3, 4, 4)), np.zeros((0, 4, 4), np.uint8)])
def test_images_of_another_kind_are_refused(images):
    with pytest.raises(ValueError, match="images"):
        strokes.measure(images)
