"""The intervals of means over splits and folds, against formulas written out."""

import numpy as np
import pytest
from scipy import stats

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


def test_limits_of_a_standard_deviation_hold_it_as_often_as_they_say():
    rng = np.random.default_rng(4)
    draws = rng.normal(3, 2, (2000, 5))
    limits = np.array([resampling.sd_limits(values) for values in draws])
    held = np.mean((limits[:, 0] <= 2) & (limits[:, 1] >= 2))
    assert held == pytest.approx(0.95, abs=0.02)
    assert (limits[:, 0] < limits[:, 1]).all()
    # How far too small the standard deviation of five values is on average, seen and not derived.
    assert resampling.sd_bias(5) == pytest.approx(rng.normal(0, 1, (200_000, 5)).std(axis=1, ddof=1).mean(), abs=0.003)
    assert np.isnan(resampling.sd_limits([0.5])).all()


def test_spread_is_told_apart_by_its_source():
    each, same = np.array([[0.9, 0.8, 0.7], [0.95, 0.85, 0.9]]), np.array([0.9, 0.92])
    table = resampling.spread_sources(each, same, n_val=100, n=300)["sd in points"] / 100
    assert table.iloc[0] == pytest.approx((0.1 + 0.05) / 2)
    assert table.iloc[1] == pytest.approx(0.01 * np.sqrt(2))
    assert table.iloc[2] == pytest.approx(np.sqrt(0.85 * 0.15 / 100))
    assert table.iloc[3] == pytest.approx(0.1 / np.sqrt(2))
    assert table.iloc[4] == pytest.approx(np.sqrt(0.85 * 0.15 / 300))
    few = resampling.spread_sources(each[:1], same[:1], n_val=1, n=3)
    assert few["sd in points"].isna().sum() == 2
    assert few["95% limits"].isna().all()


def test_a_spread_says_how_few_values_it_comes_from_and_what_they_leave_open():
    each = np.array([[0.9, 0.8, 0.7], [0.95, 0.85, 0.9]])
    table = resampling.spread_sources(each, np.array([0.9, 0.92, 0.91]), n_val=100, n=300)
    assert table["values"].dropna().tolist() == ["3, 2 times over", "3", "2"]
    assert table["values"].isna().tolist() == [False, False, True, False, True], "a formula has no values"
    # Of two values: chi-squared with one degree of freedom is a normal one squared.
    sd = abs(each[0].mean() - each[1].mean()) / np.sqrt(2)
    limits = [100 * sd / abs(stats.norm.ppf(q)) for q in (0.0125, 0.4875)]
    assert table["95% limits"].iloc[3] == f"{limits[0]:.3f} to {limits[1]:.3f}"
    assert table["95% limits"].notna().tolist() == [False, True, False, True, False]


def test_bands_are_in_order():
    one = resampling.summarise([0.9, 0.92, 0.94], n_train=200, n_test=100)
    bands = resampling.bands(one, resampling.metrics.wilson(276, 300))
    assert list(bands) == ["mean ± sd", "usual 95%", "widened 95%", "300 images"]
    assert bands["mean ± sd"] == pytest.approx((0.9, 0.92, 0.94))
    assert all(low < middle < high for low, middle, high in bands.values())


def test_corrected_interval_is_nadeau_and_bengios():
    repeats = resampling.Repeats(np.array([0.9, 0.92, 0.94, 0.96]), np.full(4, 900), np.full(4, 100))
    interval = resampling.corrected_interval(repeats)
    variance = np.var([0.9, 0.92, 0.94, 0.96], ddof=1)
    half = stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 1 / 9) * variance)
    assert (interval.low, interval.high) == pytest.approx((0.93 - half, 0.93 + half))


def test_corrected_interval_does_not_vanish_with_more_repeats():
    rng = np.random.default_rng(0)
    widths = []
    for n in (100, 10000):
        repeats = resampling.Repeats(rng.normal(0.97, 0.005, n), np.full(n, 1257), np.full(n, 540))
        interval = resampling.corrected_interval(repeats)
        widths.append(interval.high - interval.low)
    assert widths[1] > 0.8 * widths[0]


def test_spread_table_shows_both_intervals():
    repeats = resampling.Repeats(np.array([0.9, 0.92, 0.94, 0.96]), np.full(4, 900), np.full(4, 100))
    line = resampling.spread_table({"some": repeats}).loc["some"]
    assert (line["mean"], line["lowest"], line["highest"]) == pytest.approx((0.93, 0.9, 0.96))
    # 3.18245: the 97.5% point of t with 3 degrees of freedom; standard error 0.0258199 / 2
    assert line["naive interval"] == f"{93 - 3.18245 * 1.290994:.1f} to {93 + 3.18245 * 1.290994:.1f}"
    low, high = (float(text) for text in line["corrected interval"].split(" to "))
    assert high - low > 2 * 3.18245 * 1.290994
