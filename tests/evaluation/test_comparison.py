"""Paired tests against statsmodels, what differences in images can show, and learning curves read backwards."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as exact_mcnemar
from statsmodels.stats.multitest import multipletests

from helpers.evaluation import comparison


@pytest.mark.parametrize("n", [77, 430])
def test_sizes_that_fit_printed_shares(n):
    rng = np.random.default_rng(n)
    counts = rng.integers(n // 2, n, 12)
    rounded = [f"{round(k / n, 5):.5f}" for k in counts]
    cut = [f"{np.floor(k / n * 1e5) / 1e5:.5f}" for k in counts]
    for printed in (rounded, cut):
        found = comparison.consistent_sizes(printed, smallest=50, largest=500)
        assert n in found
        # Brute force: does any whole number of images print like this?
        slow = [
            m
            for m in range(50, 501)
            if all(
                any(float(text) - 0.5001e-5 <= k / m < float(text) + 1.0001e-5 for k in range(m + 1))
                for text in (p.rstrip("0").ljust(7, "0") for p in printed)
            )
        ]
        assert set(found) <= {*slow} | {m for m in found if any(p.endswith("0") for p in printed)}
        assert set(slow) <= set(found)
    with pytest.raises(ValueError, match="printed"):
        comparison.consistent_sizes(["99%"])


def pair(only_a, only_b, n=400):
    a, b = np.ones(n, bool), np.ones(n, bool)
    b[:only_a] = False
    a[only_a : only_a + only_b] = False
    return a, b


def oracle(only_a, only_b):
    return exact_mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue


@pytest.mark.parametrize("comparisons_", [1, 17])
def test_the_smallest_difference_by_brute_force(comparisons_):
    level = 0.05 / comparisons_
    best = next(d for d in range(1, 99) if oracle(d, 0) <= level)
    assert comparison.smallest_difference(comparisons=comparisons_) == best
    for disagreements in (3, 8, 40, 41, 120):
        gaps = [a - b for a in range(disagreements + 1) if (b := disagreements - a) <= a and oracle(a, b) <= level]
        expected = min(gaps, default=disagreements + 1)
        assert comparison.smallest_difference(disagreements, comparisons=comparisons_) == expected
    with pytest.raises(ValueError, match="alpha"):
        comparison.smallest_difference(alpha=2)


def test_the_typical_gap_by_tossing_coins():
    tosses = np.random.default_rng(0).integers(0, 2, (40_000, 36)).sum(axis=1)
    assert comparison.typical_gap(36) == pytest.approx(np.abs(2 * tosses - 36).mean(), rel=0.02)
    assert [comparison.typical_gap(d) for d in (0, 1, 2)] == pytest.approx([0, 1, 1])
    with pytest.raises(ValueError, match="disagreements"):
        comparison.typical_gap(-1)


def test_paired_tests_follow_statsmodels():
    counts = {"b": [(20, 2), (9, 4)], "c": [(0, 0), (1, 14)]}  # only the model, only its base; two seeds
    correct = {name: np.array([pair(*c)[0] for c in cs]) for name, cs in counts.items()}
    correct |= {f"base {name}": np.array([pair(*c)[1] for c in cs]) for name, cs in counts.items()}
    table = comparison.paired_tests(correct, {name: f"base {name}" for name in counts})
    p = [oracle(*c) for cs in counts.values() for c in cs]
    _, adjusted, *_ = multipletests(p, method="holm")
    assert table.loc["b", "images"] == np.mean([18, 5])
    assert (table.loc["c", "least"], table.loc["c", "most"]) == (-13, 0)
    assert table["disagree"].tolist() == [17.5, 7.5]
    assert table["told apart"].tolist() == [(adjusted[:2] <= 0.05).sum(), (adjusted[2:] <= 0.05).sum()]
    assert table["p"].tolist() == pytest.approx([adjusted[:2].max(), adjusted[2:].max()])
    assert comparison.paired_tests(correct, {}).columns.tolist() == table.columns.tolist()
    fewer = comparison.paired_tests({"a": correct["b"][:1], "z": correct["base b"]}, {"a": "z"})
    assert (fewer.loc["a", "repeats"], fewer.loc["a", "images"]) == (1, 18)
    with pytest.raises(ValueError, match="must be"):
        comparison.paired_tests({"a": correct["b"], "z": correct["b"][:1]}, {"a": "z"})


def test_a_repeat_that_says_the_opposite_is_not_told_apart():
    counts = [(40, 5), (40, 5), (5, 40)]  # each clear by itself; the third speaks for the base
    assert max(oracle(*each) for each in counts) < 0.001
    correct = {"a": np.array([pair(*each)[0] for each in counts]), "z": np.array([pair(*each)[1] for each in counts])}
    table = comparison.paired_tests(correct, {"a": "z"})
    assert (table.loc["a", "least"], table.loc["a", "most"]) == (-35, 35)
    assert table.loc["a", "told apart"] == 2


def test_between_seeds_counts_every_pair():
    a, b = pair(3, 5)
    table = comparison.between_seeds({"x": np.array([a, b, b])})
    assert table.loc["x", "pairs"] == 3
    assert table.loc["x", "disagree"] == pytest.approx((8 + 8 + 0) / 3)
    assert (table.loc["x", "fewest"], table.loc["x", "most"]) == (0, 8)
    assert (table.loc["x", "difference"], table.loc["x", "largest"]) == (pytest.approx(4 / 3), 2)
    with pytest.raises(ValueError, match="repeat"):
        comparison.between_seeds({"x": a[None]})


def test_images_needed_inverts_a_power_law():
    n = np.array([500, 1000, 2000, 4000, 8000])
    errors = 3 * n**-0.5
    for wanted in (500, 700, 1500, 6000, 8000):
        assert comparison.images_needed(n, errors, 3 * wanted**-0.5) == pytest.approx(wanted)


def test_images_needed_says_when_the_curve_does_not_reach():
    assert np.isnan(comparison.images_needed([1, 2], [0.2, 0.1], 0.05))
    assert np.isnan(comparison.images_needed([1, 2], [0.2, 0.1], 0.3))


def test_a_chance_rise_does_not_count():
    assert comparison.images_needed([10, 100, 1000, 10_000], [0.4, 0.1, 0.2, 0.05], 0.2) < 100
    for wrong in (([1], [0.1]), ([2, 1], [0.2, 0.1]), ([1, 2], [0.2, 0.0])):
        with pytest.raises(ValueError, match="n_images"):
            comparison.images_needed(*wrong, 0.1)


def test_overlap_bounds_hold_for_every_possible_overlap():
    n = 40
    for wrong_a, wrong_b in [(3, 9), (0, 6), (5, 5), (30, 25)]:
        low, high = comparison.overlap_bounds(wrong_a, wrong_b, n)
        least = max(0, wrong_a + wrong_b - n)
        every = []
        for shared in range(least, min(wrong_a, wrong_b) + 1):
            discordant = wrong_a + wrong_b - 2 * shared
            every.append(stats.binomtest(wrong_a - shared, discordant).pvalue if discordant else 1.0)
        assert low == pytest.approx(min(every))
        assert high == pytest.approx(max(every))


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 5), (0, 6), (9, 1), (10, 1), (60, 79), (32, 51), (7, 7)])
def test_the_paired_interval_leaves_zero_out_exactly_where_mcnemar_says_so(only_a, only_b):
    n = 200
    a = np.r_[np.ones(only_a, bool), np.zeros(only_b, bool), np.ones(n - only_a - only_b, bool)]
    b = np.r_[np.zeros(only_a, bool), np.ones(only_b, bool), np.ones(n - only_a - only_b, bool)]
    test, interval = comparison.mcnemar(a, b), comparison.paired_interval(only_a, only_b, n)
    assert interval.estimate == pytest.approx(test.difference)
    assert interval.low <= interval.estimate <= interval.high
    assert (interval.low > 0 or interval.high < 0) == (test.p_value < 0.05)


def test_two_that_never_disagree_differ_by_nothing():
    interval = comparison.paired_interval(0, 0, 50)
    assert (interval.low, interval.estimate, interval.high) == (0, 0, 0)


def test_from_how_many_shared_mistakes_two_are_told_apart():
    found = comparison.shared_to_tell_apart(60, 79)
    p = {shared: stats.binomtest(60 - shared, 139 - 2 * shared).pvalue for shared in range(61)}
    assert found == min(shared for shared, value in p.items() if value < 0.05)
    assert comparison.shared_to_tell_apart(60, 62) is None
    assert comparison.shared_to_tell_apart(0, 30) == 0
