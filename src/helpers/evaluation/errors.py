"""Mistakes, one by one: how bad each is, which digits are confused, whose they are, and which labels to doubt.

Everything here works on probabilities and labels that exist already; nothing is trained. The numbers of images are
row numbers of the arrays given in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation import calibration, comparison, metrics

# Rows of MNIST's 10,000 test images whose label a majority of human reviewers did not confirm: C. G. Northcutt,
# A. Athalye and J. Mueller (2021), Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks,
# NeurIPS Datasets and Benchmarks; labelerrors.com.
DISPUTED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)


def ranked(probabilities, labels) -> pd.DataFrame:
    """List every mistake, the most confident first.

    probabilities: (n, k), rows summing to one; labels: int (n,). Indexed by `image`, the row number. Columns: true,
    predicted, confidence (probability of the predicted class), chance (probability given to the true one), gap
    (the difference of the two, the published ranking), loss (minus the natural logarithm of `chance`), by_gap and
    by_loss (places in the two rankings, from 1). Raises ValueError for shapes that do not fit or rows that do not sum
    to one.
    """
    probabilities, labels = _checked(probabilities, labels)
    rows = np.arange(len(labels))
    predicted = probabilities.argmax(axis=1)
    confidence, chance = probabilities[rows, predicted], probabilities[rows, labels]
    table = pd.DataFrame(
        {
            "true": labels,
            "predicted": predicted,
            "confidence": confidence,
            "chance": chance,
            "gap": confidence - chance,
            "loss": -np.log(np.maximum(chance, np.finfo(float).tiny)),
        },
        index=pd.Index(rows, name="image"),
    )[predicted != labels]
    for name in ("gap", "loss"):
        table[f"by_{name}"] = table[name].rank(ascending=False, method="first").astype(int)
    return table.sort_values(["gap", "loss"], ascending=False, kind="stable")


def confused_pairs(y_true, y_pred) -> pd.DataFrame:
    """Count every kind of mistake, the most frequent first, indexed by words such as "4 as 9".

    Columns: true, predicted, count, of (images with that true digit), share (count / of). Ties come in the order of
    the digits.
    """
    counts = metrics.confusion(y_true, y_pred)
    totals = counts.sum(axis=1)
    pairs = [(a, b) for a, b in zip(*np.nonzero(counts), strict=True) if a != b]
    table = pd.DataFrame(
        [{"true": int(a), "predicted": int(b), "count": int(counts[a, b]), "of": int(totals[a])} for a, b in pairs],
        columns=["true", "predicted", "count", "of"],
    )
    table["share"] = table["count"] / table["of"]
    table.index = pd.Index([f"{a} as {b}" for a, b in pairs], name="mistake", dtype=object)
    return table.sort_values(["count", "true", "predicted"], ascending=[False, True, True])


def between(a: int, b: int, predictions: Mapping[str, np.ndarray], y_true) -> pd.DataFrame:
    """Compare models in telling two digits apart: one row per model.

    Columns: "a as b", "b as a" (counts), "share" (of all its mistakes), "leads" (its most frequent mistake, with the
    count in brackets).
    """
    lines = {}
    for name, answers in predictions.items():
        counts, pairs = metrics.confusion(y_true, answers), confused_pairs(y_true, answers)
        leads = f"{pairs.index[0]} ({pairs['count'].iloc[0]})" if len(pairs) else "none"
        share = (counts[a, b] + counts[b, a]) / max(1, pairs["count"].sum())
        lines[name] = {f"{a} as {b}": counts[a, b], f"{b} as {a}": counts[b, a], "share": share, "leads": leads}
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("model")


def shared_mistakes(predictions: Mapping[str, np.ndarray], y_true) -> pd.DataFrame:
    """Say of each model's mistakes which share another model makes too: rows and columns are models.

    Entry (a, b) is the fraction of the images a misreads that b misreads as well (1 on the diagonal, NaN where a makes
    no mistake). Agreeing on the same wrong digit is not required. Raises ValueError for unequal lengths.
    """
    wrong = _wrong(predictions, y_true)
    both = wrong.T.astype(float) @ wrong
    with np.errstate(invalid="ignore"):
        share = both / wrong.sum(axis=0)[:, None]
    return pd.DataFrame(share, index=list(predictions), columns=list(predictions))


def missed_by(predictions: Mapping[str, np.ndarray], y_true) -> np.ndarray:
    """Count for each image how many of the models misread it: int64 (n,)."""
    return _wrong(predictions, y_true).sum(axis=1)


def expected_missed_by_all(predictions: Mapping[str, np.ndarray], y_true) -> float:
    """Return how many images all models would miss if their mistakes had nothing to do with one another."""
    return float(_wrong(predictions, y_true).mean(axis=0).prod() * len(y_true))


def halves(predictions: Mapping[str, np.ndarray], y_true) -> pd.DataFrame:
    """Compare each model's mistakes in the first and the second half of the images.

    Columns: first, second (mistakes), ratio (second / first), difference (metrics.Interval of the second half's error
    rate minus the first's, Newcombe).
    """
    wrong, middle = _wrong(predictions, y_true), len(y_true) // 2
    n_first, n_second = middle, len(y_true) - middle
    lines = {}
    for name, column in zip(predictions, wrong.T, strict=True):
        first, second = int(column[:middle].sum()), int(column[middle:].sum())
        lines[name] = {
            "first": first,
            "second": second,
            "ratio": second / first if first else np.nan,
            "difference": comparison.newcombe(second, n_second, first, n_first),
        }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("model")


def judged(predictions: Mapping[str, np.ndarray], y_true, rows=DISPUTED) -> pd.DataFrame:
    """Compare models with all labels as given and with those in `rows` set aside.

    Columns: "as given", "set aside" (metrics.Interval of the accuracy), "contradicts" (how many of `rows` it reads
    otherwise than labelled).
    """
    lines = {}
    for name, answers in predictions.items():
        given, without = set_aside(y_true, answers, rows)
        contradicts = int((np.asarray(answers)[list(rows)] != np.asarray(y_true)[list(rows)]).sum())
        lines[name] = {"as given": given, "set aside": without, "contradicts": contradicts}
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("model")


def set_aside(y_true, y_pred, rows=DISPUTED) -> tuple[metrics.Interval, metrics.Interval]:
    """Return the accuracy with all images, and without those in `rows` (row numbers)."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    rest = np.setdiff1d(np.arange(len(y_true)), rows)
    return metrics.accuracy(y_true, y_pred), metrics.accuracy(y_true[rest], y_pred[rest])


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """What confident learning makes of labels: which to doubt, and how often one digit seems to stand for another.

    joint: int64 (k, k), images labelled i (row) that are confidently j (column). thresholds: float64 (k,), how sure one
    must be to count as confident of a class. suspects: int64 row numbers off the diagonal, most suspicious first.
    suggested: int64, what each suspect seems to be. margin: float64, probability of the label minus that of the
    suggestion (the ranking, most negative first).
    """

    joint: np.ndarray
    thresholds: np.ndarray
    suspects: np.ndarray
    suggested: np.ndarray
    margin: np.ndarray

    @property
    def commonest(self) -> tuple[int, int, int]:
        """The most frequent doubt: label, what it looks like, how often."""
        off = self.joint - np.diag(self.joint.diagonal())
        label, looks_like = np.unravel_index(off.argmax(), off.shape)
        return int(label), int(looks_like), int(off.max())


def label_issues(probabilities, labels) -> LabelIssues:
    """Find labels to doubt, by confident learning.

    probabilities: (n, k) from a model that was not trained on these very rows (held-out folds); labels: int (n,).
    A class's threshold is the mean probability that images labelled so get for it; an image counts as confidently j
    when j is the likeliest of the classes whose threshold it reaches, and its label is in doubt when j is another.
    A class without images has no threshold (infinite), and nothing is taken for it. Raises ValueError for shapes that
    do not fit. Source: C. G. Northcutt, L. Jiang and I. Chuang (2021), Confident Learning: Estimating Uncertainty in
    Dataset Labels, JAIR 70, equations 1 and 2; suspects are the off-diagonal of the confident joint, ranked by margin.
    """
    probabilities, labels = _checked(probabilities, labels)
    n, k = probabilities.shape
    counts = np.bincount(labels, minlength=k)
    own = probabilities[np.arange(n), labels]
    sums = np.bincount(labels, weights=own, minlength=k)
    thresholds = np.divide(sums, counts, out=np.full(k, np.inf), where=counts > 0)
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    likeliest = confident.argmax(axis=1)
    sure = confident.max(axis=1) >= 0
    joint = np.zeros((k, k), dtype=np.int64)
    np.add.at(joint, (labels[sure], likeliest[sure]), 1)
    rows = np.flatnonzero(sure & (likeliest != labels))
    margin = own[rows] - probabilities[rows, likeliest[rows]]
    order = np.argsort(margin, kind="stable")
    return LabelIssues(joint, thresholds, rows[order], likeliest[rows][order], margin[order])


def out_of_fold(runs, n: int) -> np.ndarray:
    """Put the held-out probabilities of a cross-validation together: float64 (n, 10).

    runs: (rows, logits) of each fold, rows int (m,) and logits (m, 10). Raises ValueError unless every row from 0 to
    n - 1 is held out exactly once.
    """
    parts = [(np.asarray(rows), np.asarray(logits)) for rows, logits in runs]
    rows = np.concatenate([part[0] for part in parts])
    if not np.array_equal(np.sort(rows), np.arange(n)):
        raise ValueError(f"runs: hold out {len(rows)} rows; expected each of 0..{n - 1} exactly once")
    probabilities = np.empty((n, parts[0][1].shape[1]))
    probabilities[rows] = calibration.softmax(np.concatenate([part[1] for part in parts]))
    return probabilities


def _checked(probabilities, labels) -> tuple[np.ndarray, np.ndarray]:
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"probabilities {probabilities.shape}, labels {labels.shape} {labels.dtype}; (n, k) and whole numbers (n,) "
            "are needed"
        )
    if len(labels) and not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        raise ValueError("probabilities: rows must sum to one; pass logits through softmax first")
    return probabilities, labels.astype(np.int64)


def _wrong(predictions: Mapping[str, np.ndarray], y_true) -> np.ndarray:
    y_true = np.asarray(y_true)
    for name, answers in predictions.items():
        if np.shape(answers) != y_true.shape:
            raise ValueError(f"predictions: {name} has shape {np.shape(answers)}, labels have {y_true.shape}")
    return np.column_stack([np.asarray(answers) != y_true for answers in predictions.values()])
