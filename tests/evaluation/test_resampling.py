"""The intervals of fold means, against formulas written out and scikit-learn's own cross-validation."""

import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from helpers.data import folds
from helpers.evaluation import resampling


def test_the_two_intervals_written_out():
    values = np.array([0.992643, 0.992, 0.992429, 0.992714, 0.990929])
    one = resampling.summarise(values, n_train=56_000, n_test=14_000)
    t = stats.t.ppf(0.975, 4)
    half = t * values.std(ddof=1) / np.sqrt(5)
    assert (one.mean, one.sd) == pytest.approx((values.mean(), values.std(ddof=1)))
    assert (one.naive.low, one.naive.high) == pytest.approx((one.mean - half, one.mean + half))
    wide = t * values.std(ddof=1) * np.sqrt(1 / 5 + 1 / 4)
    assert (one.corrected.low, one.corrected.high) == pytest.approx((one.mean - wide, one.mean + wide))
    assert str(one) == "99.21% ± 0.07"
    with pytest.raises(ValueError, match="values"):
        resampling.summarise([0.9], n_train=4, n_test=1)


def test_luck_of_the_images_is_what_a_simulation_finds():
    draws = np.random.default_rng(0).binomial(500, 0.9, 20_000) / 500
    assert resampling.luck_of_the_images(0.9, 500) == pytest.approx(draws.std(), rel=0.02)


def test_the_trial_is_scikit_learns_cross_validation_of_one_neighbour():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 240)
    images = np.clip(rng.integers(0, 256, (4, 5, 5))[labels] + rng.normal(0, 120, (240, 5, 5)), 0, 255).astype(np.uint8)
    table = resampling.trial(images, labels, n_sets=3, seed=5)
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
    table = resampling.pd.DataFrame({"naive low": [0.1, 0.3, 0.5], "naive high": [0.3, 0.4, 0.9]})
    assert resampling.coverage(table, 0.3, "naive") == 2
    assert resampling.coverage(table, 0.45, "naive") == 0


def test_spread_is_told_apart_by_its_source():
    each, same = np.array([[0.9, 0.8, 0.7], [0.95, 0.85, 0.9]]), np.array([0.9, 0.92])
    table = resampling.spread_sources(each, same, n_val=100, n=300)["sd in points"] / 100
    assert table.iloc[0] == pytest.approx((0.1 + 0.05) / 2)
    assert table.iloc[1] == pytest.approx(0.01 * np.sqrt(2))
    assert table.iloc[2] == pytest.approx(np.sqrt(0.85 * 0.15 / 100))
    assert table.iloc[3] == pytest.approx(0.1 / np.sqrt(2))
    assert table.iloc[4] == pytest.approx(np.sqrt(0.85 * 0.15 / 300))
    assert resampling.spread_sources(each[:1], same[:1], n_val=1, n=3)["sd in points"].isna().sum() == 2


def test_bands_are_in_order():
    one = resampling.summarise([0.9, 0.92, 0.94], n_train=200, n_test=100)
    bands = resampling.bands(one, resampling.metrics.wilson(276, 300))
    assert list(bands) == ["mean ± sd", "usual 95%", "widened 95%", "300 images"]
    assert bands["mean ± sd"] == pytest.approx((0.9, 0.92, 0.94))
    assert all(low < middle < high for low, middle, high in bands.values())
