"""Written strokes: what is drawn has the parts and the holes that its digit has, whatever the hand."""

import numpy as np
import pytest
from scipy import ndimage

from helpers.predict import forms, pen

HOLES = {0: 1, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 1, 7: 0, 8: 2, 9: 1}
# Forms whose topology is their own: (digit, name) -> holes.
OWN = {(0, "slashed"): 2, (0, "slashed, leaning"): 2, (0, "overlapping"): None, (0, "from the side"): None}
OWN |= {(2, "looped"): 1, (3, "looped waist"): 1, (4, "closed"): 1, (4, "closed, stroke apart"): 1}
OWN |= {(4, "bolt, looped"): None, (8, "open at the top"): None, (8, "one stroke"): None, (8, "narrow"): None}
OWN |= {(6, name): None for name in ("curved", "straight", "small bowl", "hooked")}  # the bowl may stay open a little
OWN |= {(9, "like a g"): 2, (4, "bolt, crossed"): None}


def drawn(form, n=12, width=0.05):
    paths = pen.skeletons(pen.parse(*form[2:]), n, np.random.default_rng(3))
    return [pen.draw([path[i] for path in paths], width=width) for i in range(n)]


@pytest.mark.parametrize("form", forms.FORMS, ids=lambda form: f"{form[0]} {form[1]}")
def test_a_form_has_the_parts_and_the_holes_of_its_digit(form):
    label, name = form[:2]
    n_strokes = form[2].count(";") + 1
    holes = []
    for image in drawn(form):
        ink = image > 0.5
        assert not np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).any()  # whole, with paper around
        assert 1 <= ndimage.label(ink, np.ones((3, 3)))[1] <= n_strokes
        paper = ndimage.label(~ink)
        sizes = np.bincount(paper[0].ravel())[1:]
        holes.append((sizes > 12).sum() - 1)  # a few pixels between two strokes are no hole
    expected = OWN.get((label, name), HOLES[label])
    if expected is not None:
        assert np.median(holes) == expected


def test_every_digit_has_forms_of_different_names_and_those_that_fail_today_are_among_them():
    names = [form[:2] for form in forms.FORMS]
    assert len(set(names)) == len(names)
    assert {label for label, _ in names} == set(range(10))
    wanted = {(1, "long upstroke"), (4, "bolt, one stroke"), (7, "crossed low"), (9, "curled tail"), (0, "slashed")}
    assert wanted <= set(names)
    assert {form[0] for form in forms.NO_DIGITS} == {forms.NO_DIGIT}
    for form in (*forms.FORMS, *forms.NO_DIGITS):
        pen.parse(*form[2:])


def test_a_form_whose_ends_differ_in_points_is_refused():
    with pytest.raises(ValueError, match="same points and corners"):
        pen.parse("0,0 50,50* 100,0", "0,0 50,50 100,0")
    with pytest.raises(ValueError, match=r"shorter|longer"):
        pen.parse("0,0 1,1;2,2 3,3", "0,0 1,1")


def test_a_curve_goes_through_its_points_and_turns_only_at_corners():
    points = np.array([[[0, 0], [30, 80], [60, 20], [100, 100]]], float)
    path = pen.curve(points, np.zeros(4, bool))[0]
    assert np.allclose(path[:: pen.STEPS], points[0])
    bends = np.diff(np.unwrap(np.arctan2(*np.diff(path, axis=0).T)))
    assert np.abs(bends).max() < np.radians(80)  # smooth: turns of 130 degrees and more take several steps
    sharp = pen.curve(points, np.array([False, True, True, False]))[0]
    straight = [np.linspace(a, b, pen.STEPS + 1) for a, b in zip(points[0], points[0][1:], strict=False)]
    for i, line in enumerate(straight):  # between two corners a straight line, evenly stepped
        assert np.allclose(sharp[i * pen.STEPS : (i + 1) * pen.STEPS + 1], line, atol=1e-6)


def test_the_pen_has_the_width_that_was_asked_for():
    line = np.array([[0.0, 0.0], [0.0, 50.0], [0.0, 100.0]])
    for width in (0.05, 0.1, 0.2):
        middle = pen.draw([line], width=width)[pen.LONGER // 2]
        assert middle.sum() == pytest.approx(width * pen.LONGER, abs=1.6)


def test_written_digits_have_the_labels_asked_for_and_are_a_function_of_the_seed():
    labels = np.arange(40) % 10
    first, again, other = (pen.written(labels, forms.FORMS, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(a.shape == b.shape and np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    only_ones = [form for form in forms.FORMS if form[0] == 1]
    with pytest.raises(ValueError, match="labels: got 0"):
        pen.written(labels, only_ones, seed=1)
