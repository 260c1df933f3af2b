"""Support vector helpers against brute force, scikit-learn's own scores and the known make-up of the data."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from helpers.classical import svm as sv


@pytest.fixture(scope="module")
def digits():
    bunch = load_digits()
    return bunch.data, bunch.target, sv.find_forms(bunch.target)


def test_forms_are_found_in_a_made_up_file():
    mixed = [0, 9, 5, 5, 6, 5, 0, 9, 8, 9, 8, 4, 1, 7, 7, 3] * 4
    form = [*range(10)] * 3 + mixed
    labels = form + form[:20] + form[22:] + form[1:]  # images missing in the middle and at the beginning
    expected = [0] * len(form) + [1] * (len(form) - 2) + [2] * (len(form) - 1)
    assert sv.find_forms(labels).tolist() == expected


def test_the_small_digits_are_fourteen_forms_of_the_asked_digits(digits):
    _, labels, forms = digits
    assert len(np.unique(forms)) == 14
    assert np.all(np.diff(forms) >= 0)
    assert np.bincount(forms).min() > 110
    # The tail of every form, whose digits were asked for in one mixed order, begins with the same digits.
    for form in range(14):
        text = "".join(map(str, labels[forms == form]))
        assert "09556509898417735100" in text or "09556509898417735120" in text or "9556509898417735" in text


def test_first_of_each_is_the_first():
    rows = sv.first_of_each([1, 0, 1, 0, 0, 1], [0, 0, 0, 1, 1, 1])
    assert rows.tolist() == [[1, 0], [3, 5]]
    with pytest.raises(ValueError, match="group 1 has no image labelled 1"):
        sv.first_of_each([0, 1, 0], [0, 0, 1])


def test_neighbours_in_group_against_brute_force():
    rng = np.random.default_rng(0)
    x, labels, groups = rng.normal(size=(60, 3)), rng.integers(0, 2, 60), rng.integers(0, 3, 60)
    hits, chance = 0, 0.0
    for i in range(60):
        rivals = [j for j in range(60) if j != i and labels[j] == labels[i]]
        nearest = min(rivals, key=lambda j: np.linalg.norm(x[i] - x[j]))
        hits += groups[nearest] == groups[i]
        chance += np.mean([groups[j] == groups[i] for j in rivals]) / 60
    found, level = sv.neighbours_in_group(x, labels, groups)
    assert found.estimate == pytest.approx(hits / 60)
    assert level == pytest.approx(chance)


def test_repeats_keep_groups_whole_and_repeat_by_seed(digits):
    _, y, forms = digits

    class Watch(DummyClassifier):
        pairs = []  # noqa: RUF012 - shared by the clones on purpose

        def fit(self, x, y):
            self.pairs.append(x)
            return super().fit(x, y)

    rows = np.arange(len(y))[:, None]
    repeats = sv.repeated_splits(Watch(), rows, y, n_repeats=5, test_share=0.3, groups=forms, seed=3)
    for train in Watch.pairs:
        inside = np.unique(forms[train.ravel()])
        assert len(inside) == 10
        assert np.isin(forms, inside).sum() == len(train)  # no form is cut in two
    again = sv.repeated_splits(Watch(), rows, y, n_repeats=5, test_share=0.3, groups=forms, seed=3)
    assert repeats.accuracies.tolist() == again.accuracies.tolist()
    other = sv.repeated_splits(Watch(), rows, y, n_repeats=5, test_share=0.3, groups=forms, seed=4)
    assert repeats.accuracies.tolist() != other.accuracies.tolist()


def test_repeats_give_the_true_accuracy(digits):
    _, y, _ = digits
    rows = np.arange(len(y))[:, None]
    model = DummyClassifier(strategy="constant", constant=8)
    repeats = sv.repeated_splits(model, rows, y, n_repeats=30, test_share=0.3)
    assert repeats.mean == pytest.approx((y == 8).mean(), abs=0.01)
    assert set(repeats.n_test) == {540}
    assert set(repeats.n_train) == {1257}


def test_one_image_passes_who_guesses_it():
    x, y = np.arange(20.0)[:, None], np.array([0, 1] * 9 + [1, 1])
    readers = {label: DummyClassifier(strategy="constant", constant=label) for label in (0, 1)}
    table = sv.sit_one_image(readers, x, y, groups=np.repeat([0, 1], 10), n_ability=18, n_folds=2)
    assert table["right"].to_dict() == {0: False, 1: True}
    assert table.loc[1, "ability"].estimate == pytest.approx(9 / 18)


@pytest.mark.parametrize("grouped", [True, False])
def test_surface_is_scikit_learns_cross_validation(digits, grouped):
    x, y, forms = (part[:400] for part in digits)
    found = sv.validation_surface(
        x, y, penalties=[1, 10], gammas=[1e-4, 1e-3, 1e-1], n_folds=3, groups=forms if grouped else None, seed=5
    )
    folds = GroupKFold(3) if grouped else StratifiedKFold(3, shuffle=True, random_state=5)
    for row, penalty in enumerate([1, 10]):
        for column, gamma in enumerate([1e-4, 1e-3, 1e-1]):
            scores = cross_val_score(SVC(C=penalty, gamma=gamma), x, y, cv=folds, groups=forms if grouped else None)
            assert found.accuracy[row, column] == pytest.approx(scores.mean())
            assert found.sd[row, column] == pytest.approx(scores.std(ddof=1))
    assert found.accuracy[found.best] == found.accuracy.max()
    assert found.accuracy[:, 2].max() < 0.6  # a kernel so narrow that it only knows the training images


def test_ties_go_to_the_simplest_boundary():
    # Two far-apart clumps: every reasonable pair separates them without a mistake.
    x = np.concatenate([np.zeros((20, 2)), np.full((20, 2), 5.0)])
    x += np.random.default_rng(0).normal(scale=0.1, size=x.shape)
    found = sv.validation_surface(x, np.repeat([0, 1], 20), penalties=[1, 10], gammas=[0.1, 1], n_folds=4)
    assert found.accuracy.min() == 1
    assert (found.penalty, found.gamma) == (1, 0.1)


@pytest.mark.parametrize("bad", [[], [1, 0.5], [0, 1]])
def test_surface_refuses_a_bad_grid(bad):
    with pytest.raises(ValueError, match="gammas"):
        sv.validation_surface(np.eye(4), np.arange(4), penalties=[1], gammas=bad)


def test_the_heaviest_vectors_are_support_vectors_of_their_class_in_falling_weight(digits):
    x, y, _ = (part[:500] for part in digits)
    model = SVC(gamma=0.001).fit(x, y)
    rows = sv.heaviest(model, y, per_class=4)
    weight = dict(zip(model.support_, np.abs(model.dual_coef_).sum(axis=0), strict=True))
    for label, chosen in enumerate(rows):
        assert np.all(y[chosen] == label)
        left = [w for row, w in weight.items() if y[row] == label and row not in chosen]
        weights = [weight[row] for row in chosen]
        assert weights == sorted(weights, reverse=True)
        assert weights[-1] >= max(left)
    with pytest.raises(ValueError, match="per_class"):
        sv.heaviest(model, y, per_class=500)


def test_what_is_not_a_support_vector_can_be_forgotten(digits):
    x, y, _ = digits
    model = SVC(gamma=0.001).fit(x[:1000], y[:1000])
    kept = SVC(gamma=0.001).fit(x[model.support_], y[model.support_])
    assert np.array_equal(model.predict(x[1000:]), kept.predict(x[1000:]))
