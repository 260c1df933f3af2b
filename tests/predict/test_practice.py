"""What the shipped network practises on: more training images and nothing else, in MNIST's form, labels as written."""

import ast
import inspect

import numpy as np
import pytest

from helpers.data import load
from helpers.data.pictures import preparing
from helpers.predict import practice, unseen


@pytest.fixture(scope="module")
def split():
    return load.make_split("standard", n_validation=100, n_train=300, n_test=60)


def in_mnist_form(images):
    """The digit's longer side is 20 pixels and its centre of mass near the middle, counted by another route."""
    for image in images:
        rows, columns = np.nonzero(image)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 <= preparing.DIGIT
        mass = image.astype(float)
        centre = [(mass.sum(axis=1 - axis) * np.arange(28)).sum() / mass.sum() for axis in (0, 1)]
        assert max(abs(place - preparing.CENTRE) for place in centre) < 4.6  # at most pushed back from the edge


def test_practice_is_added_to_the_training_part_alone(split):
    more = practice.extended(split, strokes=50, scans=40, others=30)
    assert np.array_equal(more.x_train[:300], split.x_train)
    assert np.array_equal(more.y_train[:300], split.y_train)
    assert np.array_equal(more.x_val, split.x_val)
    assert np.array_equal(more.x_test, split.x_test)
    added = more.y_train[300:]
    assert np.bincount(added[:50], minlength=10).tolist() == [5] * 10
    assert added[50:90].max() <= 9
    assert np.bincount(added[90:], minlength=10).tolist() == [3] * 10  # by lot
    assert len(added) == 120
    in_mnist_form(more.x_train[300:])
    assert more.fingerprint == practice.extended(split, strokes=50, scans=40, others=30).fingerprint
    assert practice.extended(split, strokes=0, scans=0, others=0) is split


def test_a_scan_is_still_its_digit(split):
    images = split.x_train[:80]
    made = practice.scanned_anew(images, seed=0)
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(made, images, strict=True)]
    other = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(made, np.roll(images, 1, axis=0), strict=True)]
    assert np.median(alike) > 0.7 > np.quantile(other, 0.9)


def test_the_choice_sees_other_curves_than_those_practised_with():
    imported = {
        getattr(node, "module", None) or name.name
        for node in ast.walk(ast.parse(inspect.getsource(unseen)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert not any("helpers" in module for module in imported)
    sheets, labels = unseen.written(60, seed=1)
    assert np.bincount(labels).tolist() == [6] * 10
    kept = practice.written(600, seed=1)
    for sheet, label in zip(sheets[:10], labels, strict=False):
        found = preparing.prepare(sheet).image.ravel()
        closest = max(np.corrcoef(found, image.ravel())[0, 1] for image in kept[0][kept[1] == label])
        assert 0.4 < closest < 0.99  # the same digit, but nobody's copy


@pytest.mark.parametrize("treatment", unseen.TREATMENTS)
def test_what_happens_to_a_written_sheet_leaves_the_digit(treatment):
    rng, alike = np.random.default_rng(0), []
    for i, (_, make) in enumerate(unseen.WRITTEN):
        grey = unseen.picture(make(rng), rng)
        ways = unseen.TREATMENTS[treatment]
        found = ways[i % len(ways)](grey, rng)
        polarity = "light-on-dark" if ways == (unseen.counted,) else "dark-on-light"
        pair = (preparing.prepare(grey), preparing.prepare(found, polarity=polarity))
        alike.append(np.corrcoef(*(one.image.ravel() for one in pair))[0, 1])
    assert np.median(alike) > 0.75


def test_sheets_of_the_choice_are_whole_and_a_function_of_the_seed():
    for sheets in (unseen.written(40, seed=2)[0], unseen.no_digits(24, seed=2)):
        for sheet in sheets:
            edge = np.concatenate([sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]])
            assert edge.min() > sheet.min() + 20  # nothing touches the edge
    again = unseen.written(40, seed=2)[0]
    assert all(np.array_equal(a, b) for a, b in zip(unseen.written(40, seed=2)[0], again, strict=True))
