"""Answers with more than one digit: sets that hold the true one as often as promised (split conformal prediction).

Score every calibration image by 1 - p(true class), take a quantile of the scores, and answer with every class whose
score stays below it. If new images are exchangeable with the calibration images, the sets hold the truth with at
least the promised probability, whatever the network. Sources: Sadinle, Lei and Wasserman (2019), Least ambiguous
set-valued classifiers with bounded error levels, JASA 114, 223-234; Angelopoulos and Bates (2023), Conformal
Prediction: A Gentle Introduction, Foundations and Trends in Machine Learning 16, 494-591.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.evaluation import metrics


def quantile(scores, *, miss_rate: float) -> float:
    """Return the ceil((n + 1) (1 - miss_rate))-th smallest of n scores; infinite where n is too small for that.

    Infinite means: only the set of all classes can keep the promise. Raises ValueError unless 0 < miss_rate < 1.
    """
    scores = np.sort(np.asarray(scores, np.float64))
    if not 0 < miss_rate < 1:
        raise ValueError(f"miss_rate: got {miss_rate!r}; a number strictly between 0 and 1 is allowed")
    # Rounded first: (n + 1) * 0.99 may come out a hair above a whole number.
    rank = int(np.ceil(np.round((len(scores) + 1) * (1 - miss_rate), 9)))
    return float(scores[rank - 1]) if rank <= len(scores) else float("inf")


def fit(probabilities, y_true, *, miss_rate: float, by_class: bool = False) -> np.ndarray:
    """Return the largest score that stays in a set, for each class: float64 (k,).

    probabilities: (n, k) of images held out from training, y_true: their labels (n,). by_class False: one limit for
    all, which promises coverage on average over classes. True: a limit from each class's own images, which promises
    it for every class and needs at least 1 / miss_rate - 1 images of each.
    """
    p, y_true = np.asarray(probabilities, np.float64), np.asarray(y_true)
    if p.ndim != 2 or y_true.shape != (len(p),):
        raise ValueError(f"probabilities, y_true: got {p.shape} and {y_true.shape}; (n, k) and (n,) are allowed")
    scores = 1 - p[np.arange(len(p)), y_true]
    if not by_class:
        return np.full(p.shape[1], quantile(scores, miss_rate=miss_rate))
    return np.array([quantile(scores[y_true == label], miss_rate=miss_rate) for label in range(p.shape[1])])


def sets(probabilities, limits) -> np.ndarray:
    """Return which classes each answer holds: bool (n, k) from probabilities (n, k) and limits (k,)."""
    return 1 - np.asarray(probabilities, np.float64) <= np.asarray(limits)


def covered(members: np.ndarray, y_true) -> np.ndarray:
    """Return whether each set holds the true class: bool (n,)."""
    return members[np.arange(len(members)), np.asarray(y_true)]


def coverage(members: np.ndarray, y_true) -> pd.DataFrame:
    """Return for each class, and for "all", how often the truth is in the set, and how large sets are.

    Columns: n, estimate, low, high (coverage, Wilson 95%), size (mean number of classes).
    """
    y_true, hits = np.asarray(y_true), covered(members, y_true)
    parts = {str(label): y_true == label for label in np.unique(y_true)} | {"all": np.ones(len(y_true), bool)}
    rows = {}
    for name, part in parts.items():
        held = metrics.wilson(int(hits[part].sum()), int(part.sum()))
        size = members[part].sum(axis=1).mean()
        rows[name] = {"n": held.n, "estimate": held.estimate, "low": held.low, "high": held.high, "size": size}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"n": int}).rename_axis("digit")


def promised(
    n: int, *, miss_rate: float, measured_on: int | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Return between which limits coverage lies for this share of calibration sets of n images.

    The promise holds on average over calibration sets; for one of them the coverage is Beta distributed, with
    parameters n + 1 - l and l = floor((n + 1) miss_rate). measured_on: so many new images coverage is counted on; their
    luck comes in addition, and the count is beta-binomial. None: the coverage that endless new images would show.
    Source: Vovk (2012), as in Angelopoulos and Bates (2023), section 3.2.
    """
    from scipy import stats  # imported where used: it costs a second

    left = int(np.floor(np.round((n + 1) * miss_rate, 9)))
    if left < 1:
        return 1.0, 1.0
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    if measured_on is None:
        both = stats.beta.ppf(ends, n + 1 - left, left)
    else:
        both = stats.betabinom.ppf(ends, measured_on, n + 1 - left, left) / measured_on
    return float(both[0]), float(both[1])


def overview(calibration, test, *, miss_rates: Sequence[float]) -> pd.DataFrame:
    """Fit sets at several miss rates and measure them: calibration and test are each (probabilities, labels).

    Returns one row for each miss rate and kind (one limit, or one per class): coverage with its 95% interval, that of
    the worst class, the shares of sets that hold none, one class or more, and the mean number of classes.
    """
    rows = {}
    for miss_rate in miss_rates:
        for by_class in (False, True):
            limits = fit(*calibration, miss_rate=miss_rate, by_class=by_class)
            members = sets(test[0], limits)
            table, size = coverage(members, test[1]), members.sum(axis=1)
            whole = table.loc["all"]
            rows[f"{1 - miss_rate:.1%}, {'per class' if by_class else 'one limit'}"] = {
                "coverage": metrics.Interval(whole["estimate"], whole["low"], whole["high"], 0.95, int(whole["n"])),
                "worst": f"{table['estimate'].drop('all').min():.1%}",
                "none": f"{np.mean(size == 0):.2%}",
                "one": f"{np.mean(size == 1):.2%}",
                "more": f"{np.mean(size > 1):.2%}",
                "size": f"{size.mean():.3f}",
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("promise")
