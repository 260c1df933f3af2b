"""Is one better than another? Differences with intervals, paired tests on the same images, and many tests at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np
import pandas as pd

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


def overlap_bounds(wrong_a: int, wrong_b: int, n: int) -> tuple[float, float]:
    """Return McNemar's exact p-value when the fewer mistakes are all among the more, and when they share fewest.

    For two classifiers on the same n images of which only the numbers of mistakes are known. With these fixed, the
    p-value grows with the number of images on which the two disagree, so every possible overlap lies between these.
    """
    least, most = max(0, wrong_a + wrong_b - n), min(wrong_a, wrong_b)
    nested, apart = (sign_test(wrong_a - shared, wrong_b - shared) for shared in (most, least))
    return nested, apart


def shared_to_tell_apart(wrong_a: int, wrong_b: int, *, alpha: float = 0.05) -> int | None:
    """Return from how many shared mistakes on the exact McNemar test reaches `alpha`; None where it never does."""
    shared = range(min(wrong_a, wrong_b) + 1)
    return next((one for one in shared if sign_test(wrong_a - one, wrong_b - one) < alpha), None)


def paired_interval(only_a: int, only_b: int, n: int, *, confidence: float = 0.95) -> metrics.Interval:
    """Return the interval of the difference a - b in accuracy on the same n images, given how many they disagree on.

    only_a, only_b: images that only a, or only b, reads correctly. The exact binomial limits of the share of these that
    speak for a, so it leaves zero out exactly where McNemar's exact test says so.
    Source: Clopper and Pearson (1934), Biometrika 26, 404-413; conditional, as McNemar's test is.
    """
    from scipy import stats  # imported where used: it costs a second

    found, apart = (only_a - only_b) / n, only_a + only_b
    if not apart:
        return metrics.Interval(0.0, 0.0, 0.0, confidence, n, unit="pp")
    limits = stats.binomtest(only_a, apart).proportion_ci(confidence, method="exact")
    low, high = ((2 * limit - 1) * apart / n for limit in (limits.low, limits.high))
    return metrics.Interval(found, float(low), float(high), confidence, n, unit="pp")


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


def paired_tests(correct: Mapping[str, np.ndarray], bases: Mapping[str, str], *, alpha: float = 0.05) -> pd.DataFrame:
    """Compare each model with its base, seed by seed, on the same images; one row per model.

    correct: name -> bool (seeds, n), which images each repeat read correctly; bases: name -> the one it is compared
    with, in the order wanted; a model with fewer repeats is compared with as many of its base. One exact McNemar test
    per pair and seed, Holm-corrected over all of them. Columns: from (the base), images (mean gain), least and most
    (over seeds), disagree (mean number of images that exactly one of the two reads correctly), told apart (repeats in
    which the adjusted p <= alpha and the gain has the sign of the mean one), repeats, p (the largest adjusted one).
    Raises ValueError when a model and its base were not read on the same number of images, or the base has fewer
    repeats.
    """
    tests = []
    columns = ["from", "images", "least", "most", "disagree", "told apart", "repeats", "p"]
    for name, base in bases.items():
        a, b = np.asarray(correct[name]), np.asarray(correct[base])
        if a.ndim != 2 or b.ndim != 2 or len(a) > len(b) or a.shape[1] != b.shape[1]:
            raise ValueError(f"correct: {name} is {a.shape} and {base} {b.shape}; both must be (seeds, n), one n")
        tests += [(name, mcnemar(x, y)) for x, y in zip(a, b[: len(a)], strict=True)]
    adjusted = holm([test.p_value for _, test in tests])
    rows = {}
    for name, base in bases.items():
        found = [(test, p) for (tested, test), p in zip(tests, adjusted, strict=True) if tested == name]
        gains = [test.only_a - test.only_b for test, _ in found]
        rows[name] = {
            "from": base,
            "images": float(np.mean(gains)),
            "least": min(gains),
            "most": max(gains),
            "disagree": float(np.mean([test.only_a + test.only_b for test, _ in found])),
            "told apart": sum(p <= alpha and gain * sum(gains) > 0 for (_, p), gain in zip(found, gains, strict=True)),
            "repeats": len(found),
            "p": float(max(p for _, p in found)),
        }
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def between_seeds(correct: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Compare repeats of the same training that differ in nothing but the seed, all pairs of each; one row per model.

    correct: name -> bool (seeds, n), which images each repeat read correctly, at least two seeds. Columns: disagree
    (mean number of images that exactly one of two reads correctly), fewest and most (of these), difference (mean of the
    absolute differences in images), largest (of these), pairs. Raises ValueError for a model with fewer than two
    repeats.
    """
    rows = {}
    for name, repeats in correct.items():
        pairs = [mcnemar(a, b) for a, b in combinations(np.asarray(repeats), 2)]
        if not pairs:
            raise ValueError(f"correct: {name} has {len(repeats)} repeat; at least 2 are needed")
        gaps = [abs(pair.only_a - pair.only_b) for pair in pairs]
        disagreements = [pair.only_a + pair.only_b for pair in pairs]
        rows[name] = {
            "disagree": float(np.mean(disagreements)),
            "fewest": min(disagreements),
            "most": max(disagreements),
            "difference": float(np.mean(gaps)),
            "largest": max(gaps),
            "pairs": len(pairs),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def smallest_difference(disagreements: int | None = None, *, alpha: float = 0.05, comparisons: int = 1) -> int:
    """Return the least difference in images at which the exact McNemar test reaches `alpha / comparisons`.

    disagreements: images that exactly one of the two networks reads correctly; None for the most favourable case,
    where all of them speak for the same network, so that the difference is their number. Otherwise the difference
    has the same parity as the number. With too few disagreements for any verdict the answer is their number plus
    one, which cannot happen. Raises ValueError for alpha outside 0..1 or counts below 0 (comparisons: 1).
    Source: the exact binomial form of McNemar (1947), Psychometrika 12, 153-157; `comparisons` is Bonferroni's
    division, the first and strictest step of Holm (1979), Scand. J. Stat. 6, 65-70.
    """
    from scipy import stats  # imported where used: it costs a second

    if not 0 < alpha < 1 or comparisons < 1 or (disagreements is not None and disagreements < 0):
        raise ValueError(
            f"alpha, comparisons, disagreements: got {alpha!r}, {comparisons!r}, {disagreements!r}; "
            "allowed are 0 < alpha < 1, from 1, and from 0 or None"
        )
    level = alpha / comparisons
    if disagreements is None:
        return int(1 + np.ceil(np.log2(1 / level)))
    losses = np.arange(disagreements // 2 + 1)
    p_values = np.minimum(1, 2 * stats.binom.cdf(losses, disagreements, 0.5))
    enough = np.flatnonzero(p_values <= level)
    return int(disagreements - 2 * losses[enough[-1]]) if len(enough) else disagreements + 1


def typical_gap(disagreements: float) -> float:
    """Return by how many images two equally good networks differ on average, if they disagree on so many.

    The mean of |2 B - d| for B binomial over d fair tosses; d is rounded to a whole number. Networks that are not quite
    equally good, as repeats of a training never are, differ by more. Raises ValueError for d below 0.
    """
    from scipy import stats  # imported where used: it costs a second

    if not disagreements >= 0:
        raise ValueError(f"disagreements: got {disagreements!r}; a number from 0 is allowed")
    d = round(disagreements)
    wins = np.arange(d + 1)
    return float(np.sum(np.abs(2 * wins - d) * stats.binom.pmf(wins, d, 0.5)))


def consistent_sizes(printed: Sequence[str], *, smallest: int = 1000, largest: int = 10_000) -> list[int]:
    """Return every number of images n of which all printed fractions can be whole shares.

    printed: decimal fractions as text, such as "0.9938"; a share k/n is printed as its digits, rounded or cut off.
    Zeros at the end say nothing: some tables are padded with them. Raises ValueError for text that is no decimal
    fraction.
    """
    values = []
    for text in printed:
        whole, point, digits = text.partition(".")
        if whole != "0" or not point or not digits.isdecimal():
            raise ValueError(f"printed: got {text!r}; decimal fractions such as '0.9938' are allowed")
        digits = digits.rstrip("0") or "0"
        values.append((int(digits), 10 ** len(digits)))
    sizes = np.arange(smallest, largest + 1)
    fits = np.ones(len(sizes), bool)
    for digits, scale in values:
        # k/n lies within [digits - 1/2, digits + 1) / scale: half a unit below if rounded up, one above if cut off.
        least = -((-(2 * digits - 1) * sizes) // (2 * scale))
        fits &= least * scale < (digits + 1) * sizes
    return sizes[fits].tolist()


def images_needed(n_images: Sequence[float], errors: Sequence[float], error: float) -> float:
    """Return how many training images the curve `errors` over `n_images` needs to come down to `error`.

    Straight lines between the points on double-logarithmic axes, where learning curves are nearly straight; a curve
    that rises by chance is first made level (running minimum). NaN when `error` lies outside what the curve covers.
    Raises ValueError for fewer than two points, sizes that do not rise, or errors that are not above 0.
    """
    n, e = np.asarray(n_images, float), np.asarray(errors, float)
    if n.shape != e.shape or len(n) < 2 or (np.diff(n) <= 0).any() or n[0] <= 0 or (e <= 0).any():
        raise ValueError("n_images, errors: two or more rising sizes, each with an error above 0, are allowed")
    level = np.minimum.accumulate(e)
    if not level[-1] <= error <= level[0]:
        return float("nan")
    # np.interp wants rising abscissae: walk the errors from the smallest.
    return float(np.exp(np.interp(np.log(error), np.log(level[::-1]), np.log(n[::-1]))))
