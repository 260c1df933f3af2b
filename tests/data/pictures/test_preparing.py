"""Into MNIST's form: MNIST comes out as it went in, whatever its size, place, polarity and light; blanks are told."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from helpers.data import load
from helpers.data.pictures import levels, resampling
from helpers.data.pictures.decoding import Unreadable
from helpers.data.pictures.preparing import prepare


@pytest.fixture(scope="module")
def digits():
    return load.load_mnist().test.images[:60]


def likeness(a, b):
    """Correlation of two images, the better of all moves by up to a pixel: centring rounds to whole pixels."""
    moves = [np.roll(a, (down, right), axis=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return max(np.corrcoef(moved.ravel().astype(float), b.ravel().astype(float))[0, 1] for moved in moves)


def enlarged(digit, side):
    return np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC), np.float32)


@pytest.mark.parametrize("dark", [False, True])
def test_mnist_passes_nearly_unchanged(digits, dark):
    for digit in digits:
        made = prepare(255 - digit.astype(np.float32) if dark else digit.astype(np.float32))
        assert made.polarity == ("dark-on-light" if dark else "light-on-dark")
        assert likeness(made.image, digit) > 0.97
    difference = [np.abs(prepare(d.astype(np.float32)).image.astype(int) - d).mean() for d in digits]
    assert np.median(difference) < 0.5


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("side", [45, 70, 200, 500])
def test_larger_moved_and_fainter_it_comes_back(digits, dark, side):
    rng = np.random.default_rng(side)
    alike = []
    for digit in digits[:15]:
        page = np.pad(enlarged(digit, side), rng.integers(0, side, (2, 2)))
        page = 40 + page * 0.5
        made = prepare(255 - page if dark else page)
        assert made.polarity == ("dark-on-light" if dark else "light-on-dark")
        alike.append(likeness(made.image, digit))
    assert min(alike) > 0.85
    assert np.median(alike) > 0.95


def test_the_form_is_mnist_s(digits):
    rng = np.random.default_rng(0)
    for digit in digits:
        wide = enlarged(digit, 150)[:, : rng.integers(120, 150)]
        image = prepare(np.pad(wide, 30)).image
        rows, columns = np.flatnonzero(image.max(axis=1)), np.flatnonzero(image.max(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        assert image.max() == 255
        mass = ndimage.center_of_mass(image.astype(float))
        assert np.abs(np.array(mass) - 14).max() <= 0.51


def test_the_aspect_is_kept():
    page = np.zeros((200, 300), np.float32)
    page[50:150, 100:120] = 255
    image = prepare(page).image
    assert np.ptp(np.flatnonzero(image.max(axis=1))) + 1 == 20
    assert np.ptp(np.flatnonzero(image.max(axis=0))) + 1 == 4


def test_polarity_can_be_given(digits):
    page = 255 - digits[0].astype(np.float32)
    right, wrong = (prepare(page, polarity=p) for p in ("dark-on-light", "light-on-dark"))
    assert likeness(right.image, digits[0]) > 0.97
    assert wrong.polarity == "light-on-dark"
    assert likeness(wrong.image, digits[0]) < 0.5
    with pytest.raises(ValueError, match=r"polarity.*dark-on-light"):
        prepare(page, polarity="both")


def test_polarity_of_digits_cut_out_closely(digits):
    for digit in digits:
        rows, columns = (np.flatnonzero(digit.max(axis=axis) > 128) for axis in (1, 0))
        tight = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if min(tight.shape) < 9:
            continue  # an upright 1 cut out closely is all ink: nobody could tell
        for side in (16, 32):
            small = np.asarray(Image.fromarray(tight).resize((side, side)), np.float32)
            assert levels.find_polarity(small) == "light-on-dark"
            assert levels.find_polarity(255 - small) == "dark-on-light"


ROWS, COLUMNS = np.indices((160, 160)) / 160
LIGHT = {
    "slope": (120 + 110 * COLUMNS, 0.85),
    "corner": (240 * np.exp(-((ROWS - 0.3) ** 2)), 0.85),
    "shadow": (230 * ndimage.gaussian_filter(np.where(COLUMNS + 0.3 * ROWS > 0.6, 0.55, 1.0), 8), 0.65),
}


@pytest.mark.parametrize("name", LIGHT)
def test_uneven_light_is_taken_away(digits, name):
    lit, least = LIGHT[name]
    rng = np.random.default_rng(0)
    alike = []
    for digit in digits[:25]:
        ink = np.clip(np.pad(enlarged(digit, 120), 20) / 255, 0, 1)
        made = prepare(np.clip(lit * (1 - 0.8 * ink) + rng.normal(0, 3, lit.shape), 0, 255))
        assert made.polarity == "dark-on-light"
        alike.append(likeness(made.image, digit))
    assert min(alike) > least
    assert np.median(alike) > 0.92


def test_specks_do_not_move_the_digit(digits):
    rng = np.random.default_rng(0)
    for digit in digits[:20]:
        page = np.pad(enlarged(digit, 112), 20)
        for row, column in rng.integers(2, 148, (4, 2)):
            page[row : row + 2, column : column + 2] = 255
        assert likeness(prepare(page).image, digit) > 0.8


def test_a_small_digit_on_a_large_sheet_keeps_its_detail(digits):
    for digit in digits[:10]:
        sheet = np.full((500, 500), 250, np.float32)
        sheet[300:356, 90:146] -= 0.9 * enlarged(digit, 56)
        assert likeness(prepare(sheet).image, digit) > 0.93


BLANKS = {
    "black": (np.zeros((28, 28)), "all black"),
    "white": (np.full((60, 40), 255.0), "all white"),
    "grey": (np.full((60, 40), 128.0), "all of one tone"),
    "faint": (np.pad(np.full((10, 4), 8.0), 10), "blank"),
    "grain": (np.random.default_rng(0).normal(128, 20, (64, 64)), "stands out"),
    "too small": (np.eye(3) * 255, "3 x 3 pixels"),
    "a line": (np.zeros((1, 500)), "500 x 1 pixels"),
}


@pytest.mark.parametrize("name", BLANKS)
def test_blank_images_are_told(name):
    page, message = BLANKS[name]
    with pytest.raises(Unreadable, match=message):
        prepare(page.astype(np.float32))


def test_from_8_x_8(digits):
    for digit in digits[:20]:
        rows, columns = (np.flatnonzero(digit.max(axis=axis) > 60) for axis in (1, 0))
        tight = Image.fromarray(digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        scale = 8 / max(tight.size)
        small = tight.resize([max(2, round(length * scale)) for length in tight.size], Image.Resampling.BOX)
        page = np.zeros((8, 8), np.float32)
        page[: small.size[1], : small.size[0]] = np.asarray(small)
        assert likeness(prepare(page).image, digit) > 0.75


def triangles(n_in, n_out):
    """The weights of the formula, (n_out, n_in)."""
    reach = max(1, n_in / n_out)
    weights = np.zeros((n_out, n_in))
    for i in range(n_out):
        for j in range(n_in):
            weights[i, j] = max(0, 1 - abs((j + 0.5) - (i + 0.5) * n_in / n_out) / reach)
    return weights / weights.sum(axis=1, keepdims=True)


def test_resampling_is_the_formula_it_says():
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 1, (37, 61)).astype(np.float32)
    for height, width in ((20, 33), (37, 61), (74, 20), (5, 122)):
        expected = triangles(37, height) @ picture @ triangles(61, width).T
        np.testing.assert_allclose(resampling.resize(picture, height, width), expected, atol=1e-4)


def test_otsu_is_the_best_of_all_thresholds():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(60, 12, 900), rng.normal(180, 15, 200)]).round()

    def between(t):
        low, high = values[values <= t], values[values > t]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    candidates = np.arange(values.min(), values.max())
    best = max(map(between, candidates))
    assert between(levels.otsu(values)) > 0.999 * best
    assert levels.otsu(np.full(9, 7.0)) == 7


def test_anything_at_all_is_prepared_or_refused():
    rng = np.random.default_rng(0)
    for _ in range(150):
        shape = rng.integers(1, 70, 2)
        page = rng.uniform(0, 255, shape) * (rng.uniform(size=shape) < rng.uniform())
        try:
            image = prepare(page.astype(np.float32)).image
        except Unreadable:
            continue
        assert image.shape == (28, 28)
        assert image.max() == 255
