"""Are stated probabilities true? Temperature scaling, and how to measure what is left.

A network is calibrated when, of all answers given with 99% confidence, 99% are right. Softmax outputs are rarely
so: label smoothing makes them too modest, training to the last example too bold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation import metrics

N_BINS = 15  # as in Guo et al. 2017
COLDEST, HOTTEST = 0.02, 50.0  # where a fitted temperature is looked for
# Stated chances of error at which a reliability diagram is cut: few answers of a good network lie above 1%.
EDGES = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0)


def log_softmax(logits) -> np.ndarray:
    """Return log probabilities float64 (n, k) of logits (n, k). Raises ValueError for another shape or NaN."""
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"logits: got shape {logits.shape}; (n, k) with k >= 2 is allowed")
    if np.isnan(logits).any() or np.isposinf(logits).any():
        raise ValueError("logits: some are NaN or infinite; finite numbers are allowed")
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def softmax(logits, *, temperature: float = 1.0) -> np.ndarray:
    """Return probabilities float64 (n, k): the softmax of logits (n, k) divided by a temperature above 0."""
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature: got {temperature!r}; a finite number above 0 is allowed")
    return np.exp(log_softmax(np.asarray(logits, np.float64) / temperature))


def ensemble(logits: Sequence[np.ndarray]) -> np.ndarray:
    """Return the logarithm of the mean of several networks' softmax probabilities: (n, k) each, (n, k) in all.

    Its softmax is that mean, so that it is used like any network's logits. Raises ValueError for none.
    """
    if not len(logits):
        raise ValueError("logits: got none; those of at least one network are needed")
    return np.logaddexp.reduce([log_softmax(one) for one in logits], axis=0) - np.log(len(logits))


def log_loss(logits, y_true, *, temperature: float = 1.0) -> float:
    """Return the mean of -log p(true class), in nats, at a temperature."""
    y_true = _labels(y_true, len(logits))
    return float(-log_softmax(np.asarray(logits, np.float64) / temperature)[np.arange(len(y_true)), y_true].mean())


def fit_temperature(logits, y_true) -> float:
    """Return the temperature that makes the labels most likely: logits (n, k), labels (n,), held out from training.

    One number for all images: it changes no answer, only how sure it is. Above 1 it makes answers less sure. Where
    every label is right the best temperature would be 0; it ends at COLDEST then.
    Source: Guo et al. (2017), On Calibration of Modern Neural Networks, ICML.
    """
    from scipy import optimize  # imported where used: it costs a second

    logits, y_true = np.asarray(logits, np.float64), _labels(y_true, len(logits))
    found = optimize.minimize_scalar(  # convex in 1/T, so without a second valley in log T
        lambda log_t: log_loss(logits, y_true, temperature=float(np.exp(log_t))),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(np.exp(found.x))


def top(probabilities) -> tuple[np.ndarray, np.ndarray]:
    """Return (labels int64 (n,), confidence float64 (n,)): the likeliest class and its probability."""
    probabilities = np.asarray(probabilities)
    labels = probabilities.argmax(axis=1)
    return labels, probabilities[np.arange(len(labels)), labels]


def brier(probabilities, y_true) -> float:
    """Return the mean squared distance between probabilities (n, k) and the truth: 0 is perfect, 2 the worst.

    Source: Brier (1950), Monthly Weather Review 78, 1-3 (his form, summed over the classes).
    """
    y_true = _labels(y_true, len(probabilities))
    p = np.asarray(probabilities, np.float64)
    return float((p**2).sum(axis=1).mean() - 2 * p[np.arange(len(p)), y_true].mean() + 1)


def reliability(confidence, correct, *, edges: Sequence[float] = EDGES, least: int = 1) -> pd.DataFrame:
    """Sort answers by their stated chance of error, and count how many were wrong.

    confidence: (n,) in 0..1; correct: bool (n,); edges: rising from 0 to 1, cuts of 1 - confidence (a bin includes
    its upper edge). A bin of fewer than `least` answers is joined with the one below it, from the most doubtful on (and
    the lowest with the one above), so that no answer is left out. Returns one row for each bin that holds something:
    stated (mean), n, wrong, error, low, high (Wilson 95%), fractions.
    """
    doubt, correct = 1 - _confidence(confidence), _correct(correct, len(confidence))
    if not (np.all(np.diff(edges) > 0) and edges[0] == 0 and edges[-1] == 1):
        raise ValueError(f"edges: got {list(edges)}; numbers rising from 0 to 1 are allowed")
    place = np.clip(np.searchsorted(edges, doubt, side="left") - 1, 0, len(edges) - 2)
    for each in np.unique(place)[:0:-1]:
        if (place == each).sum() < least:
            place[place == each] = place[place < each].max()
    if len(bins := np.unique(place)) > 1 and (place == bins[0]).sum() < least:
        place[place == bins[0]] = bins[1]
    rows = []
    for each in np.unique(place):
        inside = place == each
        wrong = metrics.wilson(int((~correct[inside]).sum()), int(inside.sum()))
        stated = doubt[inside].mean()
        rows.append((stated, wrong.n, int((~correct[inside]).sum()), wrong.estimate, wrong.low, wrong.high))
    return pd.DataFrame(rows, columns=["stated", "n", "wrong", "error", "low", "high"])


def expected_calibration_error(confidence, correct, *, n_bins: int = N_BINS) -> float:
    """Return the mean gap between confidence and accuracy over bins of equally many answers (ECE), a fraction.

    A finite sample never scores 0: within every bin chance alone opens a gap, and gaps do not cancel. What a
    perfectly calibrated model would get is in `calibration_noise`; an ECE means nothing without it.
    Source: Naeini et al. (2015), AAAI; bins of equal numbers as in Nguyen and O'Connor (2015), EMNLP.
    """
    confidence, correct = _confidence(confidence), _correct(correct, len(confidence))
    order = np.argsort(confidence, kind="stable")
    return float(_gaps(confidence[order], correct[order][None, :], n_bins)[0])


@dataclass(frozen=True)
class Noise:
    """The ECE that chance alone gives a perfectly calibrated model: its mean and its 95th percentile, fractions."""

    mean: float
    high: float


def calibration_noise(confidence, *, n_bins: int = N_BINS, n_draws: int = 2000, seed: int = 0) -> Noise:
    """Return what the ECE would be if every stated confidence were true, by drawing right and wrong accordingly.

    The same confidences, each answer right with just the probability it states, `n_draws` times: the bias of the
    ECE for this sample. Source: the consistency resampling of Bröcker and Smith (2007), Weather and Forecasting 22.
    """
    confidence, rng = np.sort(_confidence(confidence)), np.random.default_rng(seed)
    drawn = []
    for start in range(0, n_draws, 200):  # in parts, to keep memory small
        many = min(200, n_draws - start)
        drawn.append(_gaps(confidence, rng.random((many, len(confidence))) < confidence, n_bins))
    drawn = np.concatenate(drawn)
    return Noise(float(drawn.mean()), float(np.quantile(drawn, 0.95)))


def compare(systems: Mapping[str, tuple[np.ndarray, float]], y_true, *, seed: int = 0) -> pd.DataFrame:
    """Measure each system, given as (logits (n, k), temperature), as it is and at its temperature.

    Returns a table with two rows a system: T (temperature), confidence (mean), accuracy, ECE, chance (its mean under
    perfect calibration), limit (the 95th percentile of the same), log loss, Brier (score).
    """
    y_true, rows = np.asarray(y_true), {}
    for name, (logits, temperature) in systems.items():
        for words, t in (("", 1.0), (", scaled", temperature)):
            probabilities = softmax(logits, temperature=t)
            labels, confidence = top(probabilities)
            noise = calibration_noise(confidence, seed=seed)
            rows[f"{name}{words}"] = {
                "T": t,
                "confidence": confidence.mean(),
                "accuracy": (labels == y_true).mean(),
                "ECE": expected_calibration_error(confidence, labels == y_true),
                "chance": noise.mean,
                "limit": noise.high,
                "log loss": log_loss(logits, y_true, temperature=t),
                "Brier": brier(probabilities, y_true),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def candidates(logits: Mapping[str, Sequence[np.ndarray]], y_true) -> pd.DataFrame:
    """Compare recipes on held-out images, each by the logits (n, k) of several networks that differ in their seed.

    Returns a row for one network of each recipe (means over seeds) and one for the average of all: networks, accuracy
    (mean), least and most (over seeds), log loss (at the temperature that suits each best). Log loss sees more than
    accuracy: it asks how sure an answer was, right or wrong, where accuracy counts a handful of mistakes.
    """
    y_true, rows = _labels(y_true, len(y_true)), {}
    for name, each in logits.items():
        for words, systems in (("one", list(each)), (f"average of {len(each)}", [ensemble(each)])):
            hits = [float((np.argmax(one, axis=1) == y_true).mean()) for one in systems]
            losses = [log_loss(one, y_true, temperature=fit_temperature(one, y_true)) for one in systems]
            rows[f"{name}, {words}"] = {
                "networks": 1 if words == "one" else len(each),
                "accuracy": np.mean(hits),
                "least": min(hits),
                "most": max(hits),
                "log loss": np.mean(losses),
            }
    return pd.DataFrame.from_dict(rows, orient="index").astype({"networks": int}).rename_axis("recipe")


def _gaps(confidence: np.ndarray, correct: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the ECE of each row of `correct` (m, n), for confidences (n,) in rising order."""
    n = len(confidence)
    if n_bins < 1:
        raise ValueError(f"n_bins: got {n_bins!r}; a whole number from 1 is allowed")
    cuts = np.unique(np.linspace(0, n, min(n_bins, n) + 1).astype(int))
    signed = confidence - correct
    return np.abs(np.add.reduceat(signed, cuts[:-1], axis=1)).sum(axis=1) / n


def _confidence(confidence) -> np.ndarray:
    confidence = np.asarray(confidence, np.float64)
    # Sums of ten probabilities can pass 1 by rounding.
    if confidence.ndim != 1 or not len(confidence) or not np.all((confidence >= 0) & (confidence <= 1 + 1e-9)):
        raise ValueError(f"confidence: got shape {confidence.shape}; probabilities (n,) with n >= 1 are allowed")
    return np.minimum(confidence, 1.0)


def _correct(correct, n: int) -> np.ndarray:
    correct = np.asarray(correct)
    if correct.dtype != bool or correct.shape != (n,):
        raise ValueError(f"correct: got {correct.dtype} {correct.shape}; bool ({n},) is allowed")
    return correct


def _labels(y_true, n: int) -> np.ndarray:
    y_true = np.asarray(y_true)
    if y_true.shape != (n,) or not n or not np.issubdtype(y_true.dtype, np.integer):
        raise ValueError(f"y_true: got {y_true.dtype} {y_true.shape}; whole numbers ({n},), n >= 1, are allowed")
    return y_true
