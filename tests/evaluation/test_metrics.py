"""Metrics against published worked examples and independent calculations."""

from fractions import Fraction
from math import comb, sqrt

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.multitest import multipletests

from helpers.evaluation import comparison, metrics


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe (1998), Stat. Med. 17, 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_examples(successes, n, low, high):
    interval = metrics.wilson(successes, n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(1, 1), (524, 540), (9971, 10000), (3, 7)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_limits_solve_the_score_equation(successes, n, confidence):
    # By definition the limits are the p at which the observed share lies z standard errors of p away.
    z, share = stats.norm.ppf(0.5 + confidence / 2), successes / n

    def score(p):
        return (share - p) ** 2 * n - z**2 * p * (1 - p)

    interval = metrics.wilson(successes, n, confidence=confidence)
    assert interval.estimate == share
    assert interval.low == pytest.approx(brentq(score, 1e-12, share - 1e-9), abs=1e-7)
    high = 1.0 if successes == n else brentq(score, share + 1e-9, 1 - 1e-12)
    assert interval.high == pytest.approx(high, abs=1e-7)


@pytest.mark.parametrize(
    ("a", "n_a", "b", "n_b", "low", "high"),
    [  # Newcombe (1998), Stat. Med. 17, 873-890, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0000),
    ],
)
def test_newcombe_gives_the_published_examples(a, n_a, b, n_b, low, high):
    interval = comparison.newcombe(a, n_a, b, n_b)
    assert interval.estimate == pytest.approx(a / n_a - b / n_b)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_newcombe_changes_sign_with_the_order():
    forth, back = comparison.newcombe(90, 100, 80, 120), comparison.newcombe(80, 120, 90, 100)
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: metrics.wilson(1, 0), "n: got"),
        (lambda: metrics.wilson(5, 4), "successes"),
        (lambda: metrics.wilson(-1, 4), "successes"),
        (lambda: metrics.wilson(0.5, 4), "successes"),
        (lambda: metrics.wilson(1, 4, confidence=1.0), "confidence"),
        (lambda: comparison.newcombe(1, 2, 3, 2), "successes"),
        (lambda: metrics.accuracy([1, 2], [1]), "y_true"),
        (lambda: metrics.accuracy([], []), "y_true"),
        (lambda: comparison.mcnemar([0, 1], [1, 1]), "correct_a"),
        (lambda: comparison.holm([0.2, 1.2]), "p_values"),
        (lambda: comparison.holm([0.2, float("nan")]), "p_values"),
        (lambda: metrics.mean_over_seeds([1.0]), "values"),
        (lambda: metrics.mean_over_seeds([1.0, float("inf")]), "values"),
        (lambda: metrics.confusion([0, 10], [0, 1]), "labels"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_interval_reads_as_a_sentence_with_no_more_decimals_than_it_can_carry():
    assert str(metrics.wilson(1, 1)) == "100.0% [20.7, 100.0]"
    assert str(metrics.wilson(9912, 10000)).startswith("99.12% [98.9")
    assert str(comparison.newcombe(56, 70, 48, 80)) == "+20.0 pp [+5.2, +33.4]"


def test_accuracy_counts_matches():
    interval = metrics.accuracy(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4]))
    assert (interval.estimate, interval.n) == (0.75, 4)


def test_mcnemar_is_the_exact_binomial_test_of_the_disagreements():
    rng = np.random.default_rng(3)
    a, b = rng.random(500) < 0.97, rng.random(500) < 0.93
    test = comparison.mcnemar(a, b)
    assert test.only_a == sum(x and not y for x, y in zip(a, b, strict=True))
    assert test.only_b == sum(y and not x for x, y in zip(a, b, strict=True))
    m, k = test.only_a + test.only_b, min(test.only_a, test.only_b)
    by_hand = min(1, 2 * sum(Fraction(comb(m, i), 2**m) for i in range(k + 1)))
    assert test.p_value == pytest.approx(float(by_hand))
    assert test.p_value == pytest.approx(stats.binomtest(test.only_b, m).pvalue)
    assert test.difference == pytest.approx(a.mean() - b.mean())


def test_mcnemar_of_two_that_never_disagree():
    same = np.array([True, False, True])
    assert comparison.mcnemar(same, same).p_value == 1.0


def test_holm_against_statsmodels_and_by_hand():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert comparison.holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    p = np.random.default_rng(0).random(25) ** 3
    assert comparison.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert len(comparison.holm([])) == 0


def test_mean_over_seeds_is_the_t_interval():
    summary = metrics.mean_over_seeds([0.98, 0.985, 0.99])
    assert summary.mean == pytest.approx(0.985)
    assert summary.sd == pytest.approx(0.005)
    # 4.30265: the 97.5% point of t with 2 degrees of freedom, from a printed table
    assert summary.high - summary.mean == pytest.approx(4.30265 * 0.005 / sqrt(3), rel=1e-5)
    assert summary.mean - summary.low == pytest.approx(summary.high - summary.mean)


def test_confusion_has_true_labels_in_rows():
    matrix = metrics.confusion([4, 4, 9], [9, 4, 9])
    assert matrix.shape == (10, 10)
    assert (matrix[4, 9], matrix[9, 4], matrix[4, 4], matrix[9, 9]) == (1, 0, 1, 1)
    assert matrix.sum() == 3


def test_per_class_by_hand():
    frame = metrics.per_class([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 1])
    assert list(frame.index) == [0, 1, 2]
    assert frame.loc[0].tolist() == pytest.approx([1.0, 2 / 3, 0.8, 3])
    assert frame.loc[1].tolist() == pytest.approx([0.5, 1.0, 2 / 3, 2])
    assert frame.loc[2].tolist() == pytest.approx([0.0, 0.0, 0.0, 1])
