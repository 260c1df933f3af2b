"""How good, and how sure: proportions with intervals, spread over seeds, confusion."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence limits, as fractions; `n` is the number of images behind it."""

    estimate: float
    low: float
    high: float
    confidence: float
    n: int
    unit: str = "%"  # "%" for a proportion, "pp" (percentage points) for a difference of two

    def __str__(self) -> str:
        digits = 2 if self.n >= 2000 else 1  # more decimals than the sample can carry would only mislead
        sign = "+" if self.unit == "pp" else ""
        numbers = [f"{100 * value:{sign}.{digits}f}" for value in (self.estimate, self.low, self.high)]
        gap = " " if self.unit == "pp" else ""
        return f"{numbers[0]}{gap}{self.unit} [{numbers[1]}, {numbers[2]}]"


@dataclass(frozen=True)
class SeedSummary:
    """The mean over repeated seeds, their standard deviation, and a t interval for the mean."""

    mean: float
    sd: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.2%} ± {100 * self.sd:.2f} ({self.n} seeds)"


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of a proportion, without continuity correction.

    Unlike the textbook p ± 1.96 standard errors it stays inside 0..1 and keeps its coverage near 0 and 1,
    where accuracies live. Raises ValueError for `n` < 1, `successes` outside 0..n, or `confidence` outside
    (0, 1). Source: Wilson (1927), J. Am. Stat. Assoc. 22, 209-212; method 3 of Newcombe (1998), Stat. Med. 17,
    857-872.
    """
    from scipy import stats  # imported where used: it costs a second

    if n != int(n) or n < 1:
        raise ValueError(f"n: got {n!r}; a whole number from 1 is allowed")
    if successes != int(successes) or not 0 <= successes <= n:
        raise ValueError(f"successes: got {successes!r}; a whole number in 0..{n} is allowed")
    successes, n = int(successes), int(n)
    limits = stats.binomtest(successes, n).proportion_ci(_confidence(confidence), method="wilson")
    return Interval(successes / n, max(0.0, float(limits.low)), min(1.0, float(limits.high)), confidence, n)


def accuracy(y_true, y_pred, *, confidence: float = 0.95) -> Interval:
    """Return the fraction of labels predicted right, with its Wilson interval.

    Both arguments are label arrays of shape (n,). Raises ValueError when they differ in shape or are empty.
    """
    y_true, y_pred = _labels(y_true, y_pred)
    return wilson(int((y_true == y_pred).sum()), len(y_true), confidence=confidence)


def mean_over_seeds(values, *, confidence: float = 0.95) -> SeedSummary:
    """Return mean, standard deviation (n - 1) and t interval of one score per independent seed.

    The interval speaks of the mean over seeds on *this* test set, not of new images. Raises ValueError for
    fewer than two values or a value that is not finite.
    """
    from scipy import stats  # imported where used: it costs a second

    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"values must be at least two finite numbers; got {values.tolist()}")
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + _confidence(confidence) / 2, len(values) - 1)) * sd / sqrt(len(values))
    return SeedSummary(mean, sd, mean - half, mean + half, len(values))


def per_class(y_true, y_pred) -> pd.DataFrame:
    """Return precision, recall, F1 (fractions) and support (images) for each label that occurs.

    A class that was never predicted has precision 0.
    """
    from sklearn.metrics import precision_recall_fscore_support  # imported where used: it costs a second

    y_true, y_pred = _labels(y_true, y_pred)
    labels = np.union1d(y_true, y_pred)
    columns = precision_recall_fscore_support(y_true, y_pred, labels=labels, zero_division=0)
    frame = pd.DataFrame(
        dict(zip(("precision", "recall", "f1", "support"), columns, strict=True)),
        index=pd.Index(labels, name="digit"),
    )
    return frame.astype({"support": int})


def confusion(y_true, y_pred, *, n_classes: int = 10) -> np.ndarray:
    """Return the (n_classes, n_classes) count matrix: row = true label, column = predicted label."""
    from sklearn.metrics import confusion_matrix  # imported where used: it costs a second

    y_true, y_pred = _labels(y_true, y_pred)
    present = np.union1d(y_true, y_pred)
    if present[0] < 0 or present[-1] >= n_classes:
        raise ValueError(f"labels must lie in 0..{n_classes - 1}; got {present[0]}..{present[-1]}")
    return confusion_matrix(y_true, y_pred, labels=np.arange(n_classes)).astype(np.int64)


def _confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1; got {confidence!r}")
    return confidence


def _labels(y_true, y_pred) -> tuple[np.ndarray, np.ndarray]:
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.ndim != 1 or y_true.shape != y_pred.shape or len(y_true) == 0:
        raise ValueError(
            "y_true and y_pred must be label arrays of one common length >= 1; "
            f"got shapes {y_true.shape} and {y_pred.shape}"
        )
    return y_true, y_pred
