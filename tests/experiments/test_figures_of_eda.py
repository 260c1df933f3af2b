"""Figures of images and of whole collections: they show what they were given, and refuse what they cannot."""

import numpy as np
import pytest

from helpers.evaluation import metrics
from helpers.experiments.eda import figures
from helpers.figures import digits

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 5, 4)).astype(np.uint8)


def pictures(figure):
    return [np.asarray(one.get_array()) for one in figure.axes[0].images]


def places(figure):
    """The (left, top) of each picture, in the order drawn."""
    return [(one.get_extent()[0], one.get_extent()[3]) for one in figure.axes[0].images]


def texts(figure):
    return [one.get_text() for one in figure.axes[0].texts]


def test_a_sheet_holds_every_image_unchanged_in_reading_order():
    figure = digits.digit_sheet(IMAGES, "abcdefg", columns=3, rows=["x", "y", "z"], highlight=[True] + [False] * 6)
    assert all(np.array_equal(shown, given) for shown, given in zip(pictures(figure), IMAGES, strict=True))
    order = [(top, left) for left, top in places(figure)]
    assert order == sorted(order)
    assert len({top for top, _ in order}) == 3
    assert sorted(texts(figure)) == sorted("abcdefgxyz")
    colours = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colours["a"] == digits.WRONG != colours["b"]


def test_nothing_of_a_sheet_lies_outside_its_axes():
    axes = digits.digit_sheet(IMAGES, ["title"] * 7, columns=4).axes[0]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for one in axes.images:
        x0, x1, y1, y0 = one.get_extent()
        assert left <= x0 < x1 <= right
        assert top <= y0 < y1 <= bottom


def test_ink_is_dark_and_comparable_across_a_sheet():
    figure = digits.digit_sheet(np.stack([np.zeros((3, 3)), np.full((3, 3), 8), np.full((3, 3), 16)]))
    shades = [one.to_rgba(one.get_array())[0, 0, :3].mean() for one in figure.axes[0].images]
    assert shades[0] == pytest.approx(1)
    assert shades[0] > shades[1] > shades[2]
    assert shades[2] < 0.15


def test_moments_show_means_and_standard_deviations():
    figure = digits.moment_sheet(IMAGES.astype(float), IMAGES.astype(float) ** 2, range(7))
    shown = pictures(figure)
    assert np.allclose(shown[:7], IMAGES)
    assert np.allclose(shown[7:], IMAGES)
    assert texts(figure)[0] in ("0", "mean")


def test_pairs_are_followed_by_their_difference():
    shown = pictures(digits.pair_sheet(IMAGES[:3], IMAGES[3:6], ["a", "b", "c"]))
    for pair in range(3):
        first, second, difference = shown[3 * pair : 3 * pair + 3]
        assert np.array_equal(first, IMAGES[pair])
        assert np.array_equal(second, IMAGES[pair + 3])
        assert np.array_equal(difference, abs(IMAGES[pair].astype(int) - IMAGES[pair + 3]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: digits.digit_sheet(IMAGES[0]), "images"),
        (lambda: digits.digit_sheet(IMAGES[:0]), "images"),
        (lambda: digits.digit_sheet(IMAGES, ["one"]), "titles"),
        (lambda: digits.digit_sheet(IMAGES, rows=["one", "two"]), "rows"),
        (lambda: digits.pair_sheet(IMAGES[:2], IMAGES[:3], ["a", "b"]), "second"),
        (lambda: digits.pair_sheet(IMAGES[:2], IMAGES[:2], ["a"]), "titles"),
        (lambda: digits.moment_sheet(IMAGES, IMAGES[:2]), "variances"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_balance_dots_carry_shares_and_intervals():
    parts = [metrics.Interval(0.3, 0.2, 0.45, 0.95, 100), metrics.Interval(0.7, 0.6, 0.8, 0.95, 100)]
    fig = figures.balance_dots({"train": parts, "test": parts}, even=0.5)
    assert [trace.name for trace in fig.data] == ["train", "test"]
    trace = fig.data[0]
    assert list(trace.y) == [30, 70]
    assert list(trace.customdata) == [30, 70]
    assert np.array(trace.y) + trace.error_y.array == pytest.approx([45, 80])
    assert np.array(trace.y) - trace.error_y.arrayminus == pytest.approx([20, 60])


def test_the_pixel_map_crosses_out_exactly_the_constant_pixels():
    use = np.array([[0, 5], [100, 1]])
    fixed = np.array([[True, False], [True, False]])
    heat, crosses = figures.pixel_map(use, fixed, n=100).data
    assert sorted(zip(crosses.y, crosses.x, strict=True)) == [(0, 0), (1, 0)]
    assert np.isnan(np.array(heat.z)[:, 0]).all()
    assert np.array(heat.z)[:, 1] == pytest.approx([np.log10(0.05), -2])


def test_a_map_writes_each_digit_at_its_place_in_svg():
    points, labels = np.array([[0.123, 1], [2, 3], [4, 5]]), np.array([7, 1, 7])
    fig = figures.digit_map(points, labels, np.array([10, 11, 12]))
    assert {trace.type for trace in fig.data} == {"scatter"}
    sevens = next(trace for trace in fig.data if trace.name == "7")
    assert sevens.text == "7"
    assert np.array(sevens.x) == pytest.approx([0.12, 4])
    assert list(sevens.customdata) == [10, 12]


def test_grey_levels_add_up_to_everything():
    counts = np.zeros(256, int)
    counts[[0, 253]] = 80, 20
    bars = np.array(figures.intensity_bars(counts).data[0].y)
    assert np.nansum(bars) == pytest.approx(100)
    assert np.isnan(bars[1])
