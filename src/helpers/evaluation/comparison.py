"""Is one better than another? Differences with intervals, paired tests on the same images, and many tests at once."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from helpers.evaluation import metrics


@dataclass(frozen=True)
class PairedTest:
    """Two classifiers on the same images: how many only one of them got right, and the exact p-value."""

    only_a: int
    only_b: int
    p_value: float
    difference: float  # accuracy of a minus accuracy of b
    n: int


def newcombe(successes_a: int, n_a: int, successes_b: int, n_b: int, *, confidence: float = 0.95) -> metrics.Interval:
    """Return the interval of the difference a - b of two independent proportions, from their Wilson limits.

    `n` of the result is the smaller sample. Raises ValueError as `wilson` does.
    Source: method 10 of Newcombe (1998), Stat. Med. 17, 873-890.
    """
    a = metrics.wilson(successes_a, n_a, confidence=confidence)
    b = metrics.wilson(successes_b, n_b, confidence=confidence)
    difference = a.estimate - b.estimate
    low = difference - sqrt((a.estimate - a.low) ** 2 + (b.high - b.estimate) ** 2)
    high = difference + sqrt((a.high - a.estimate) ** 2 + (b.estimate - b.low) ** 2)
    return metrics.Interval(difference, low, high, confidence, min(a.n, b.n), unit="pp")


def mcnemar(correct_a, correct_b) -> PairedTest:
    """Test whether two classifiers differ, from the images that exactly one of them got right.

    `correct_a` and `correct_b` are boolean arrays of shape (n,) over the same images in the same order. The
    p-value is the exact two-sided binomial one; it is 1 when they never disagree.
    Source: McNemar (1947), Psychometrika 12, 153-157.
    """
    a, b = np.asarray(correct_a), np.asarray(correct_b)
    if a.dtype != bool or b.dtype != bool or a.ndim != 1 or a.shape != b.shape or len(a) == 0:
        raise ValueError(
            "correct_a and correct_b must be boolean arrays of one common length >= 1; "
            f"got {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        )
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return PairedTest(only_a, only_b, sign_test(only_a, only_b), (only_a - only_b) / len(a), len(a))


def sign_test(only_a: int, only_b: int) -> float:
    """Return the exact two-sided binomial p-value of so many images that only one of two got right; 1 for none."""
    from scipy import stats  # imported where used: it costs a second

    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def holm(p_values) -> np.ndarray:
    """Return p-values adjusted for their number by Holm's step-down method, in the order given.

    Source: Holm (1979), Scand. J. Stat. 6, 65-70.
    """
    p_values = np.asarray(p_values, dtype=float)
    if p_values.ndim != 1 or not np.all((p_values >= 0) & (p_values <= 1)):
        raise ValueError("p_values must be a one-dimensional array of numbers in 0..1")
    order = np.argsort(p_values, kind="stable")
    steps = np.minimum(1.0, p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted
