"""What many seeds tell, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.data import load
from helpers.experiments.smallest_and_fastest import summary
from helpers.results.conditions import in_words
from helpers.training import averages, recipes
from helpers.training.many_seeds import Seeds


@pytest.fixture(scope="module")
def split():
    return load.make_split("standard", n_train=256, n_validation=100, n_test=200)


def seeds(split, *, right, wrong, first=0, **changes):
    """Return what a training left: right held-out images, and misread test images, of each seed."""
    spec = recipes.fast("fast_small", split, epochs=3, options={"filters": (2, 2, 2, 2, 2)}, **changes)
    index = pd.Index(range(first, first + len(right)), name="seed")
    runs = pd.DataFrame(
        {"seconds": 1.5, "precision": "float32", "earlier": False, "validation 1": right, "validation 5": right}, index
    )
    misread = {views: {seed: np.array(one) for seed, one in zip(index, wrong, strict=True)} for views in (1, 5)}
    return Seeds(spec, runs, misread, parameters=264, flops=500_000, n_validation=100, n_test=200)


def test_the_table_holds_means_intervals_and_the_share_above(split):
    found = seeds(split, right=[1, 2, 3], wrong=[[5], [5, 7], [1, 2, 3]])
    (row,) = summary.table({"a": found}, views=5, above=0.989).to_dict("records")
    assert row["mean"] == pytest.approx(1 - 2 / 200)
    assert row["sd"] == pytest.approx(1 / 200)
    # Student's t for two degrees of freedom, from a printed table.
    assert row["mean"] - row["low"] == pytest.approx(4.303 * (1 / 200) / 3**0.5, rel=1e-3)
    assert row["high"] == 1, "no more than all"
    assert row["above"] == pytest.approx(2 / 3), "0.995 and 0.99 are above 0.989, 0.985 is not"
    assert (row["weights"], row["passes"], row["seeds"], row["MFLOP"]) == (264, 3, 3, 2.5)


def test_differences_are_taken_between_the_same_seeds(split):
    """Of two trainings, where a model of seed and change is nothing but the paired t test, worked out by hand."""
    base = seeds(split, right=[90, 80, 70, 60], wrong=[[]] * 4)
    other = seeds(split, right=[83, 72, 64], wrong=[[]] * 3, first=1)  # of seeds 1, 2 and 3
    alone = seeds(split, right=[50], wrong=[[]])
    scores = summary.held_out({"base": base, "other": other, "alone": alone}, views=5)
    assert scores["other"].isna().tolist() == [True, False, False, False]
    found = summary.paired(scores, "base")
    assert found.index.tolist() == ["other"], "one common seed tells nothing of a spread"
    row = found.loc["other"]
    assert row["gain"] == pytest.approx((3 + 2 + 4) / 3)
    assert row["seeds"] == 3
    # t = 3 / (1 / sqrt 3) = 5.196 with two degrees of freedom: p = 0.0351 by a printed table, and the quantile 4.303.
    assert row["p"] == pytest.approx(0.0351, abs=2e-4)
    assert (row["low"], row["high"]) == (pytest.approx(3 - 4.3027 / 3**0.5, abs=1e-3), pytest.approx(5.484, abs=1e-3))
    assert found.attrs["freedom"] == 2


def test_all_changes_share_one_estimate_of_chance():
    """Against scipy's and a textbook's two-way layout: residuals after seed and change, (3 - 1)(4 - 1) of them free."""
    right = {"base": [90, 80, 70, 60], "a": [92, 81, 73, 60], "b": [85, 78, 66, 59]}
    found = summary.paired(pd.DataFrame(right, dtype=float), "base")
    grid = np.array(list(right.values()), float)
    residuals = grid - grid.mean(axis=0) - grid.mean(axis=1, keepdims=True) + grid.mean()
    error = np.sqrt(2 * (residuals**2).sum() / 6 / 4)
    assert found.attrs["freedom"] == 6
    assert found["gain"].tolist() == pytest.approx([1.5, -3.0])
    p = [2 * stats.t.sf(abs(gain) / error, 6) for gain in (1.5, -3.0)]
    assert found["p"].tolist() == pytest.approx([p[0], 2 * p[1]]), "Holm's method: the smaller of two counts twice"
    assert found["high"].tolist() == pytest.approx([gain + stats.t.ppf(0.975, 6) * error for gain in (1.5, -3.0)])
    fewer = {"base": right["base"], "a": right["a"], "b": right["b"][:3]}
    found = summary.paired(pd.DataFrame({name: pd.Series(one, dtype=float) for name, one in fewer.items()}), "base")
    assert found.attrs["freedom"] == 5
    assert found.loc["b", "seeds"] == 3
    assert found.loc["a", "gain"] == pytest.approx(1.5)
    assert summary.paired(pd.DataFrame({"base": [1.0, 2.0]}), "base").empty
    assert summary.paired(pd.DataFrame({"a": [1.0, 2.0]}), "base").empty


def test_with_many_seeds_each_change_tells_its_own_chance():
    """Against scipy's paired t test; one restless change widens no other's interval."""
    rng = np.random.default_rng(1)
    base = rng.normal(99, 0.1, 20)
    scores = pd.DataFrame({"base": base, "calm": base + rng.normal(0.1, 0.01, 20), "wild": base + rng.normal(0, 1, 20)})
    found = summary.paired(scores, "base", shared=False)
    for name in ("calm", "wild"):
        told = stats.ttest_rel(scores[name], base)
        ends = told.confidence_interval()
        assert found.loc[name, ["low", "high"]].tolist() == pytest.approx([ends.low, ends.high])
    assert found.loc["calm", "p"] == pytest.approx(2 * stats.ttest_rel(scores["calm"], base).pvalue)
    assert (found.attrs["freedom"], found["seeds"].tolist()) == (19, [20, 20])
    wider = summary.paired(scores, "base").loc["calm"]
    assert wider["high"] - wider["low"] > 10 * (found.loc["calm", "high"] - found.loc["calm", "low"])


def test_the_best_of_many_seeds_is_uncertain_where_few_are_known():
    scores = np.random.default_rng(3).normal(0.985, 0.001, 4000)
    # Of so many, mean and spread are known: the best of a hundred exceeds mean + 2 sd with 1 - (1 - 0.02275) ** 100.
    sure = summary.chance_of_best(scores, scores.mean() + 2 * scores.std(ddof=1), of=100)
    assert sure == pytest.approx(1 - 0.97725**100, abs=0.02)
    # Of three, one more seed lies above by Student's t: (0.987 - 0.985) / (0.001 * sqrt(1 + 1/3)) with two degrees.
    one = summary.chance_of_best([0.984, 0.985, 0.986], 0.987, of=1)
    assert one == pytest.approx(stats.t.sf(2 / (4 / 3) ** 0.5, 2), abs=0.004)
    with pytest.raises(ValueError, match="scores: got 1"):
        summary.chance_of_best([0.9], 0.95, of=100)


def test_folding_leaves_one_number_of_four_for_each_filter(split):
    spec = recipes.fast("fast_small", split, options={"filters": (3, 4, 4, 5, 7)})
    assert summary.folded(spec) == 75 + 9 * (12 + 16 + 20 + 35) + (3 + 4 + 4 + 5 + 7) + 7 * 10 + 10
    assert summary.weights(spec) == summary.folded(spec) + 3 * (3 + 4 + 4 + 5 + 7)


def test_a_row_of_results_says_mean_and_seeds_and_which_images_the_first_misread(split):
    found = seeds(split, right=[1, 2], wrong=[[5, 9], []])
    row = summary.row("small", found, split.y_test, views=5, split="test", model="fast")
    assert row.value == pytest.approx(0.99)
    assert row.misread.split(": ")[1] == "5 9"
    assert (row.mean, row.seeds, row.views, row.passes, row.precision) == (pytest.approx(0.995), 2, 5, 3, "float32")
    assert row.seconds is None, "trained beside other work"
    alone = summary.row("one", seeds(split, right=[1], wrong=[[5]]), split.y_test, views=1, split="test", model="fast")
    assert (alone.seeds, alone.sd) == (1, None)


def test_what_others_published_has_an_address_and_is_no_more_than_all():
    for one in summary.ELSEWHERE:
        assert one.link("it") == f"[it]({one.address})"
        assert one.address.startswith("https://")
        assert 0.5 < one.accuracy < 1


def test_other_images_move_a_mean_by_how_differently_images_are_misread(split):
    # Of 200 images one is misread by both seeds, two by one: shares 1, 1/2, 1/2; mean 0.01, mean square 1.5 / 200.
    found = seeds(split, right=[1, 2], wrong=[[5, 6], [5, 7]])
    row = summary.table({"a": found}, views=1).loc["a"]
    assert row["widely low"] == pytest.approx(0.99 - 1.96 * np.sqrt((1.5 / 200 - 1e-4) / 200))
    lone = summary.table({"a": seeds(split, right=[1], wrong=[[]])}, views=1).loc["a"]
    assert (lone["low"], lone["high"], lone["widely high"]) == (1, 1, 1)
    assert np.isnan(lone["sd"])


def test_gains_on_the_test_are_of_the_same_seeds_or_of_the_same_networks_asked_oftener(split):
    few, many = seeds(split, right=[1, 1], wrong=[[1], [1, 2]]), seeds(split, right=[1], wrong=[[1, 2, 3]], first=1)
    assert summary.gained(few, many, views=5, views_over=5).mean == pytest.approx(0.5), "one of 200, of seed 1 alone"
    few.misread[5][0] = np.array([], int)
    assert summary.gained(few, few, views=5, views_over=1).mean == pytest.approx(0.25)
    with pytest.raises(ValueError, match="no common seed"):
        summary.gained(few, seeds(split, right=[1], wrong=[[]], first=7), views=5, views_over=5)


def test_the_error_of_a_mean_of_averages_comes_from_leaving_networks_out():
    members = averages.draws(4, 1)[:, 0]
    singles, held_out = np.array([190, 192, 194, 196]), np.array([90, 91, 92, 95])
    one = averages.Team(4, {5: {1: held_out[members]}}, {5: {1: singles[members]}}, n_validation=100, n_test=200)
    found = summary.averages_table({"four": one, "again": one})
    assert found.index.tolist() == [("four", 1, 5), ("again", 1, 5)]
    shares, row = singles / 200, found.iloc[0]
    assert row["mean"] == pytest.approx(shares[members].mean())
    assert row["held out"] == pytest.approx(held_out[members].mean() / 100)
    # Of averages of one the jackknife is the textbook's standard error, but for the uneven draws.
    assert row["error"] == pytest.approx(shares.std(ddof=1) / 2, rel=0.1)


def test_where_rows_say_their_views_the_caption_does_not(split):
    found = {"one": seeds(split, right=[1, 2], wrong=[[], []])}
    assert "view" in in_words(summary.together(found, views=5, split="x"))
    assert "view" not in in_words(summary.together(found, views=None, split="x"))
