"""Mistakes counted by hand, label issues planted and found again, and sums done the slow way."""

import math

import numpy as np
import pytest
from scipy import special

from helpers.data import load
from helpers.evaluation import errors

LABELS = np.array([0, 0, 1, 1, 2, 2])
PROBABILITIES = np.array(
    [
        [0.7, 0.2, 0.1],  # right
        [0.1, 0.8, 0.1],  # wrong, gap 0.7
        [0.0, 1.0, 0.0],  # right
        [0.5, 0.1, 0.4],  # wrong, gap 0.4, loss -ln 0.1
        [0.3, 0.4, 0.3],  # wrong, gap 0.1
        [0.2, 0.2, 0.6],  # right
    ]
)


def test_mistakes_are_ranked_as_published():
    table = errors.ranked(PROBABILITIES, LABELS)
    assert table.index.tolist() == [1, 3, 4]
    assert table["true"].tolist() == [0, 1, 2]
    assert table["predicted"].tolist() == [1, 0, 1]
    assert table["gap"].to_numpy() == pytest.approx([0.7, 0.4, 0.1])
    assert table["confidence"].to_numpy() == pytest.approx([0.8, 0.5, 0.4])
    assert table["loss"].to_numpy() == pytest.approx([-math.log(0.1), -math.log(0.1), -math.log(0.3)])
    assert table["by_gap"].tolist() == [1, 2, 3]
    assert table["by_loss"].tolist() == [1, 2, 3]


def test_the_two_rankings_differ_where_they_should():
    # The second is less sure of its answer but gives the truth next to nothing.
    table = errors.ranked(np.array([[0.75, 0.25, 0.0], [0.55, 0.0, 0.45]]), np.array([1, 1]))
    assert table.loc[1, "loss"] > table.loc[0, "loss"]
    assert np.isfinite(table["loss"]).all(), "a probability of zero has a finite, huge loss"
    assert table.loc[1, "by_loss"] == 1
    assert table.loc[1, "by_gap"] == 1
    table = errors.ranked(np.array([[0.8, 0.19, 0.01], [0.5, 0.1, 0.4]]), np.array([1, 1]))
    assert table.index.tolist() == [0, 1]
    assert table.loc[1, "by_loss"] == 1


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        (np.ones((2, 3)), np.array([0, 1]), "sum to one"),
        (np.full((2, 2), 0.5), np.array([0]), "are needed"),
        (np.full((2, 2), 0.5), np.array([0.0, 1.0]), "whole numbers"),
    ],
)
def test_what_cannot_be_ranked_is_refused(probabilities, labels, words):
    with pytest.raises(ValueError, match=words):
        errors.ranked(probabilities, labels)


def test_pairs_are_counted():
    pairs = errors.confused_pairs(np.array([4, 4, 4, 9, 9, 1]), np.array([9, 9, 4, 4, 9, 7]))
    assert pairs.to_dict("list") == {
        "true": [4, 1, 9],
        "predicted": [9, 7, 4],
        "count": [2, 1, 1],
        "of": [3, 1, 2],
        "share": [2 / 3, 1.0, 0.5],
    }
    assert pairs.index.tolist() == ["4 as 9", "1 as 7", "9 as 4"]
    assert errors.confused_pairs(np.array([1, 2]), np.array([1, 2])).empty


def test_two_digits_are_told_apart_or_not():
    truth = np.array([4, 4, 4, 9, 9, 1])
    readers = {"some": np.array([9, 9, 4, 4, 9, 7]), "none": truth}
    table = errors.between(4, 9, readers, truth)
    assert table.loc["some"].tolist() == [2, 1, 3 / 4, "4 as 9 (2)"]
    assert table.loc["none"].tolist() == [0, 0, 0, "none"]


READERS = {
    "a": np.array([1, 1, 0, 0, 0, 0]),  # wrong about 0 and 1
    "b": np.array([1, 0, 1, 1, 0, 0]),  # wrong about 0, 2 and 3
    "c": np.array([0, 0, 0, 0, 0, 0]),  # never wrong
}
TRUTH = np.zeros(6, int)


def test_shared_mistakes():
    shared = errors.shared_mistakes(READERS, TRUTH)
    assert shared.loc["a", "b"] == 1 / 2
    assert shared.loc["b", "a"] == 1 / 3
    assert shared.loc["a", "c"] == 0
    assert shared.loc["a", "a"] == 1
    assert shared.loc["c"].isna().all()
    assert errors.missed_by(READERS, TRUTH).tolist() == [2, 1, 1, 1, 0, 0]
    two = {name: READERS[name] for name in "ab"}
    assert errors.expected_missed_by_all(two, TRUTH) == pytest.approx(6 * (2 / 6) * (3 / 6))
    with pytest.raises(ValueError, match="c has shape"):
        errors.missed_by({"c": TRUTH[:2]}, TRUTH)


def test_halves():
    table = errors.halves(READERS, TRUTH)
    assert table.loc["b", ["first", "second"]].tolist() == [2, 1]
    assert table.loc["b", "ratio"] == 0.5
    assert math.isnan(table.loc["c", "ratio"])
    assert table.loc["b", "difference"].estimate == pytest.approx(1 / 3 - 2 / 3)
    assert table.loc["a", "difference"].low < -2 / 3 < table.loc["a", "difference"].high


def test_disputed_labels_are_set_aside():
    truth = np.zeros(10_000, int)
    read = truth.copy()
    read[[947, 1621, 5]] = 1
    given, without = errors.set_aside(truth, read)
    assert (given.estimate, given.n) == (0.9997, 10_000)
    assert (without.estimate, without.n) == (1 - 1 / 9985, 9985)
    table = errors.judged({"reader": read}, truth)
    assert table.loc["reader"].tolist() == [given, without, 2]
    assert len(errors.DISPUTED) == len(set(errors.DISPUTED)) == 15


def test_disputed_rows_are_those_of_the_published_list():
    """Its given labels, in its order; a row off by one would bear another."""
    published = [8, 0, 9, 4, 2, 5, 6, 6, 5, 5, 0, 1, 4, 6, 5]  # labelerrors.com, MNIST
    assert load.load_mnist().test.labels[list(errors.DISPUTED)].tolist() == published


def slow_label_issues(probabilities, labels):
    """Return threshold list, joint and suspects by the definition, image by image."""
    k = probabilities.shape[1]
    thresholds = [
        np.mean([p[j] for p, label in zip(probabilities, labels, strict=True) if label == j]) for j in range(k)
    ]
    joint, suspects = np.zeros((k, k), int), []
    for i, (p, label) in enumerate(zip(probabilities, labels, strict=True)):
        reached = [j for j in range(k) if p[j] >= thresholds[j]]
        if reached:
            j = max(reached, key=lambda one: p[one])
            joint[label, j] += 1
            if j != label:
                suspects.append((p[label] - p[j], i, j))
    return thresholds, joint, sorted(suspects)


def test_label_issues_follow_the_definition():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 300)
    probabilities = rng.dirichlet(np.ones(4), 300) * 0.4 + 0.6 * np.eye(4)[(labels + (rng.random(300) < 0.2)) % 4]
    found = errors.label_issues(probabilities, labels)
    thresholds, joint, suspects = slow_label_issues(probabilities, labels)
    assert found.thresholds == pytest.approx(thresholds)
    assert np.array_equal(found.joint, joint)
    assert found.suspects.tolist() == [i for _, i, _ in suspects]
    assert found.suggested.tolist() == [j for _, _, j in suspects]
    assert np.all(np.diff(found.margin) >= 0)
    pairs = [(int(labels[i]), int(j)) for i, j in zip(found.suspects, found.suggested, strict=True)]
    *pair, often = found.commonest
    assert pairs.count(tuple(pair)) == often == max(map(pairs.count, pairs))


def test_planted_label_errors_are_found_by_a_model_that_never_saw_them():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    x, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(5)
    planted = rng.choice(len(truth), 40, replace=False)
    labels = truth.copy()
    labels[planted] = (labels[planted] + rng.integers(1, 10, 40)) % 10
    probabilities = cross_val_predict(KNeighborsClassifier(7), x, labels, cv=5, method="predict_proba")
    found = errors.label_issues(probabilities, labels)
    hits = np.isin(found.suspects, planted)
    assert hits.sum() > 20, "most of the planted ones: the method prefers missing some to accusing many"
    assert hits[:20].mean() > 0.8, "and they come first"
    right = found.suggested[hits] == truth[found.suspects[hits]]
    assert right.mean() > 0.9


def test_clean_and_certain_labels_raise_no_suspicion():
    found = errors.label_issues(np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 0]))
    assert len(found.suspects) == 0
    assert np.array_equal(found.joint, np.diag([2, 1, 1]))
    missing = errors.label_issues(np.array([[0.1, 0.2, 0.7], [0.2, 0.1, 0.7], [0.6, 0.4, 0]]), np.array([0, 1, 1]))
    assert np.isinf(missing.thresholds[2]), "nothing is taken for a digit that does not occur"
    # By hand: a 0 needs 0.1, a 1 the mean of 0.1 and 0.4; the two labelled 1 are confidently 0.
    assert missing.suspects.tolist() == [2, 1]
    assert missing.suggested.tolist() == [0, 0]


def test_folds_are_put_together_row_by_row():
    logits = np.random.default_rng(2).normal(size=(5, 10))
    together = errors.out_of_fold([([3, 0], logits[[3, 0]]), ([1, 4, 2], logits[[1, 4, 2]])], 5)
    assert np.allclose(together, special.softmax(logits, axis=1))
    for rows in ([0, 1], [0, 1, 1], [0, 1, 3]):
        with pytest.raises(ValueError, match="exactly once"):
            errors.out_of_fold([(rows, logits[: len(rows)])], 3)
