"""The trial of fold intervals, against scikit-learn's own cross-validation."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

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
