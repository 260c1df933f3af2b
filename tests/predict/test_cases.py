"""Digits as people hand them in are read, or handed to a human: kinds of input made from MNIST's plainest digits."""

import itertools

import cases
import numpy as np
import pytest
from scipy import ndimage

from helpers.data import load
from helpers.data.pictures import lines
from helpers.data.pictures.preparing import Prepared, prepare
from helpers.predict import pipeline, shipped, sources

N = 40  # pictures of each kind
LEAST = {"tight_thin": 36, "tight_square": 35}  # of them, to be read right; 38 of the others


@pytest.fixture(scope="module")
def network():
    return shipped.load()


@pytest.fixture(scope="module")
def digits(network):
    """Test digits (image, label) that are read right and surely where nothing is in their way."""
    test = load.load_mnist().test
    chances = network(test.images[:400])
    sure = (chances.max(axis=1) >= network.threshold) & (chances.argmax(axis=1) == test.labels[:400])
    rows = np.flatnonzero(sure)[:N]
    return [(test.images[i], int(test.labels[i])) for i in rows]


def read(network, pictures):
    """Return (digit, accepted) of each picture: -1 for what cannot be read."""
    given = [np.ascontiguousarray(np.clip(picture, 0, 255), np.float32) for picture in pictures]
    work = sources.Work([""] * len(given), images=given)
    answers = pipeline.answer(work, pipeline.make(work, "auto"), network, threshold=network.threshold)
    return [(-1 if one.digit is None else one.digit, not one.human) for one in answers]


@pytest.mark.parametrize("kind", cases.KINDS)
def test_a_digit_is_found_whatever_lies_around_it(kind, network, digits):
    pictures = [cases.KINDS[kind](image, np.random.default_rng([5, i])) for i, (image, _) in enumerate(digits)]
    answers = read(network, pictures)
    right = [digit == label for (digit, _), (_, label) in zip(answers, digits, strict=True)]
    wrong = [accepted and not fine for (_, accepted), fine in zip(answers, right, strict=True)]
    assert sum(right) >= LEAST.get(kind, 38), [i for i, fine in enumerate(right) if not fine]
    assert sum(wrong) <= 1


def test_two_digits_go_to_a_human(network, digits):
    pairs = list(itertools.pairwise(digits))
    answers = read(network, [cases.two_digits(a[0], b[0], np.random.default_rng(i)) for i, (a, b) in enumerate(pairs)])
    assert sum(accepted for _, accepted in answers) <= 1


def test_a_dot_is_no_digit(network):
    answers = read(network, [cases.dot(np.random.default_rng(i)) for i in range(N)])
    assert not any(accepted for _, accepted in answers)


LETTERS_ACCEPTED = 0.2  # of letters that no digit looks like: the network knows digits only, and is sure of some


@pytest.mark.parametrize(
    ("kind", "most"),
    [("letter", LETTERS_ACCEPTED), ("scribble", 0.15), ("smiley", 0.1), ("cross", 0.1), ("blank", 0)],
)
def test_what_is_no_digit_seldom_passes(kind, most, network):
    answers = read(network, [cases.NON_DIGITS[kind](np.random.default_rng([7, i])) for i in range(N)])
    assert sum(accepted for _, accepted in answers) <= most * N


@pytest.mark.parametrize("dark", [False, True])
def test_mnist_s_digits_are_left_as_they_are(digits, dark):
    for image, _ in digits:
        made = prepare(255 - image.astype(np.float32) if dark else image.astype(np.float32))
        assert np.abs(made.image.astype(int) - image).mean() < 4
        assert not made.doubt


def test_what_has_mnist_s_form_is_read_as_handed_in_too(network, digits):
    """Bands turned to their negative, as nobody's preparation expects: read with and without it, and not accepted."""
    pages = []
    for image, _ in digits:
        page = image.copy()
        page[:, [*range(7), *range(21, 28)]] = 255 - page[:, [*range(7), *range(21, 28)]]
        pages.append(page.astype(np.float32))
    work = sources.Work(["a"] * N, list(range(N)), pages)
    made = pipeline.make(work, "auto")
    assert len(made.unchanged) >= N - 2
    answers = pipeline.answer(work, made, network, threshold=network.threshold)
    assert sum(answer.human for answer in answers) >= N - 1
    i = next(iter(made.unchanged))
    assert np.array_equal(made.unchanged[i], pages[i])
    both = network(np.stack([made.images[i], made.unchanged[i]])).mean(axis=0)
    assert (answers[i].digit, answers[i].confidence) == (both.argmax(), pytest.approx(both.max(), abs=1e-5))


def bold(digit, rng):
    """Cut out to the ink, black and white, a thick pen: often more ink than paper."""
    thick = cases.cut_out(ndimage.grey_dilation(digit, size=(3, 3)))
    return 255.0 * (cases.scaled(thick, *rng.integers(24, 64, 2)) < 128)


def test_of_what_may_be_dark_or_light_ink_the_surer_reading_counts(network, digits):
    """All but 1s, which stretched to fill a sheet are a sheet."""
    shown = [(image, label) for image, label in digits * 4 if label != 1]
    pages = [bold(image, np.random.default_rng(i)).astype(np.float32) for i, (image, _) in enumerate(shown)]
    made = pipeline.make(sources.Work([""] * len(pages), images=pages), "auto")
    answers = pipeline.answer(sources.Work([""] * len(pages), images=pages), made, network, threshold=network.threshold)
    light_alone = sum(polarity != "dark-on-light" for polarity in made.polarities)
    assert light_alone >= 4
    assert sum(one.polarity != "dark-on-light" for one in answers) <= light_alone / 2
    wrong = [one.digit != label for one, (_, label) in zip(answers, shown, strict=True)]
    assert sum(wrong) <= 0.05 * len(shown)
    assert sum(not one.human and fails for one, fails in zip(answers, wrong, strict=True)) <= 1


def test_a_picture_read_surely_both_ways_is_read_by_a_human():
    """A network that is sure of whatever it sees."""
    chances = np.eye(10, dtype=np.float32)
    page = np.zeros((28, 28), np.uint8)
    for sure, other, doubt, digit in ((0.99, 0.985, pipeline.TURNED, 3), (0.96, 0.97, "", 5), (0.97, 0.6, "", 3)):
        made = pipeline.Made(page[None], ["dark-on-light"], [""], [""], {}, {0: Prepared(page, "light-on-dark")})
        both = iter([sure * chances[[3]], other * chances[[5]]])
        (answer,) = pipeline.answer(sources.Work([""]), made, lambda _, both=both: next(both), threshold=0.95)
        assert (answer.doubt, answer.digit, answer.human) == (doubt, digit, bool(doubt))
        assert answer.polarity == ("light-on-dark" if digit == 5 else "dark-on-light")


@pytest.mark.parametrize("width", [3, 14, 30])
@pytest.mark.parametrize("reach", [0.1, 0.5, 0.95])
def test_a_one_keeps_its_upstroke(width, reach):
    """The whole of both strokes is in the picture: as wide, in proportion, as it was drawn."""
    rng = np.random.default_rng(0)
    left, low = 120 - reach * 70, 30 + reach * 75
    page = cases.strokes([[(left, low), (120, 30), (108, 170)]], rng, width=width)
    image = prepare(page.astype(np.float32)).image
    rows, columns = (np.flatnonzero(image.max(axis=axis) > 60) for axis in (1, 0))
    dark_rows, dark_columns = (np.flatnonzero(page.min(axis=axis) < 128) for axis in (1, 0))
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(np.ptp(dark_columns) / np.ptp(dark_rows), abs=0.12)


@pytest.mark.parametrize("lean", [-9, -3, 0, 4, 10])
def test_lines_go_and_the_stroke_that_crosses_them_stays(lean):
    stroke = np.zeros((120, 120))
    rows, columns = np.indices(stroke.shape)
    stroke[np.abs(columns - 60 - 0.2 * (rows - 60)) < 4] = 1
    stroke[:20] = stroke[100:] = 0
    ruled = np.zeros(stroke.shape, bool)
    for start in range(12, 105, 25):
        ruled |= np.abs(rows - start - lean * columns / 119) <= 0.7
    for turned in (False, True):
        both = np.maximum(stroke, 0.5 * ruled).astype(np.float32)
        given = both.T.copy() if turned else both
        found = lines.without_lines(given, given >= 0.12)
        found = found.T if turned else found
        assert np.array_equal(found[stroke > 0], both[stroke > 0])
        assert (found[ruled & (stroke == 0)] > 0).mean() < 0.08


@pytest.mark.parametrize("side", [56, 80, 120])
def test_a_digit_cut_out_closely_keeps_its_straight_strokes(side):
    """A 4 of straight strokes with a fine pen, to the very ink: its bar spans the picture as a ruling does a sheet."""
    page = cases.strokes([[(120, 160), (120, 40), (60, 125), (140, 125)]], np.random.default_rng(0), width=5)
    tight = cases.cut_out(255 - page)
    small = cases.scaled(tight, side, round(side * tight.shape[1] / len(tight)))
    image = prepare(np.where(small > 110, 0, 255).astype(np.float32)).image
    bar = (image > 60).sum(axis=1).max()
    stem = (image > 60).sum(axis=0).max()
    assert bar >= 10
    assert stem >= 18


def test_what_is_no_line_stays():
    page = np.zeros((100, 100), np.float32)
    page[10:22, 15:85] = 1  # the bar of a 7 and its stem
    page[10:90, 70:82] = 1
    assert lines.without_lines(page, page > 0) is page
