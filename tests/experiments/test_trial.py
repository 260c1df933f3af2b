"""The trial of fold intervals, against scikit-learn's own cross-validation."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from helpers.data import folds
from helpers.experiments.kfold_cv import trial


def test_the_trial_is_scikit_learns_cross_validation_of_one_neighbour():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 240)
    images = np.clip(rng.integers(0, 256, (4, 5, 5))[labels] + rng.normal(0, 120, (240, 5, 5)), 0, 255).astype(np.uint8)
    table = trial.trial(images, labels, n_sets=3, seed=5)
    for number, rows in enumerate(folds.disjoint(labels, 3, seed=5)):
        x, y = images[rows].reshape(len(rows), -1).astype(float), labels[rows]
        oracle = cross_val_score(
            KNeighborsClassifier(1, algorithm="brute"),
            x,
            y,
            cv=StratifiedKFold(5, shuffle=True, random_state=5 + number),
        )
        assert table["mean"].iloc[number] == pytest.approx(oracle.mean())
        assert table["sd"].iloc[number] == pytest.approx(oracle.std(ddof=1))
    assert table["mean"].between(0.3, 0.99).all()


def test_coverage_counts_intervals_that_hold_the_truth():
    table = pd.DataFrame({"naive low": [0.1, 0.3, 0.5], "naive high": [0.3, 0.4, 0.9]})
    assert trial.coverage(table, 0.3, "naive") == 2
    assert trial.coverage(table, 0.45, "naive") == 0


def test_a_choice_is_scikit_learns_nested_search_over_the_same_candidates():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 300)
    images = np.clip(rng.integers(0, 256, (3, 6, 6))[labels] + rng.normal(0, 160, (300, 6, 6)), 0, 255).astype(np.uint8)
    images[:, 0] = 0  # always empty: nobody looks there
    table = trial.choices(images, labels, n_sets=2, size=60, n_candidates=4, n_pixels=5, seed=3)
    draw = np.random.default_rng([3, 8])  # the drawing of pixels is the definition of a candidate, not its outcome
    alive = np.arange(6, 36)
    looks = [draw.choice(alive, size=5, replace=False) for _ in range(4)]
    search = [("columns", FunctionTransformer(columns)), ("near", KNeighborsClassifier(1, algorithm="brute"))]
    for number, rows in enumerate(folds.disjoint(labels, 2, seed=3)):
        few, rest = train_test_split(rows, train_size=60, stratify=labels[rows], random_state=3 + number)
        x, y = images.reshape(300, -1).astype(float), labels
        cv = StratifiedKFold(5, shuffle=True, random_state=3 + number)
        grid = GridSearchCV(
            Pipeline(search), {"columns__kw_args": [{"look": look} for look in looks]}, cv=cv, scoring="accuracy"
        )
        inside = [
            grid.fit(x[few][train], y[few][train]).score(x[few][held], y[few][held])
            for train, held in cv.split(x[few], y[few])
        ]
        assert table["nested"].iloc[number] == pytest.approx(np.mean(inside))
        grid.fit(x[few], y[few])
        assert table["best mean"].iloc[number] == pytest.approx(grid.best_score_)
        assert table["average"].iloc[number] == pytest.approx(grid.cv_results_["mean_test_score"].mean())
        assert table["fresh"].iloc[number] == pytest.approx(grid.score(x[rest], y[rest]))
    with pytest.raises(ValueError, match="size: got 150"):
        trial.choices(images, labels, n_sets=2, size=150, n_candidates=2, n_pixels=5)


def columns(x, look):
    return x[:, look]


def test_a_digit_with_a_single_image_in_a_set_does_not_stop_the_choice():
    rng = np.random.default_rng(0)
    labels = np.append(np.arange(119) % 3, 9)
    images = (rng.integers(0, 60, (120, 6, 6)) + 60 * labels[:, None, None] % 256).astype(np.uint8)
    found = trial.choices(images, labels, n_sets=2, size=40, n_candidates=3, n_pixels=8)
    assert len(found) == 2
    assert found.notna().all(axis=None)
