"""A network at work: its answers, the temperature that makes them honest, and the threshold below which it asks.

Everything is fitted on the validation part of the split that the network was trained on; the test part is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation import calibration, metrics, selective
from helpers.training.fit import Run

LEAST = 50  # answers in a group of a reliability diagram, at least


@dataclass(frozen=True, eq=False)
class Answers:
    """Probabilities float64 (n, k) and the true labels (n,)."""

    probabilities: np.ndarray
    y_true: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the answer, (n,)."""
        return self.probabilities.max(axis=1)

    @property
    def correct(self) -> np.ndarray:
        """Whether the answer is right, bool (n,)."""
        return self.probabilities.argmax(axis=1) == self.y_true

    @property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """Confidence and correctness, as the functions of `selective` and `calibration` take them."""
        return self.confidence, self.correct

    @property
    def score(self) -> metrics.Interval:
        """The accuracy with its Wilson interval."""
        return metrics.wilson(self.n - self.wrong, self.n)

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.y_true)

    @property
    def wrong(self) -> int:
        """Number of wrong answers."""
        return int((~self.correct).sum())

    @property
    def doubt(self) -> float:
        """Mean stated chance of error."""
        return float(1 - self.confidence.mean())

    @property
    def doubts(self) -> pd.DataFrame:
        """How often answers are wrong, by the chance of error that they state: see `calibration.reliability`."""
        return calibration.reliability(*self.pair, least=LEAST)


@dataclass(frozen=True, eq=False)
class System:
    """One network, or several averaged: palette key, trainings, fitted temperature and chosen threshold.

    costs: what each threshold costs on the validation part, as from `selective.costs`. val, test: answers at that
    temperature; val_raw, test_raw: as trained. test_logits: float64 (n, 10).
    """

    key: str
    runs: Sequence[Run]
    temperature: float
    costs: pd.DataFrame
    val: Answers
    test: Answers
    val_raw: Answers
    test_raw: Answers
    test_logits: np.ndarray

    @property
    def threshold(self) -> float:
        """The confidence from which an answer is accepted: the cheapest on the validation part."""
        return float(selective.cheapest(self.costs)["threshold"])

    @property
    def seconds(self) -> float:
        """Seconds of all its trainings together."""
        return sum(run.seconds for run in self.runs)

    def tally(self, where: np.ndarray | None = None) -> dict[str, int]:
        """Count its answers to the test images, or to those of a mask: see `selective.tally`."""
        asked = slice(None) if where is None else where
        return selective.tally(*(part[asked] for part in self.test.pair), threshold=self.threshold)


def build(key: str, runs: Sequence[Run], *, prices: selective.Prices) -> System:
    """Fit a temperature and choose the cheapest threshold on the validation part of the split that all runs share.

    Raises ValueError where they do not share one.
    """
    split = runs[0].spec.split
    if any(run.spec.split.fingerprint != split.fingerprint for run in runs):
        raise ValueError("runs: they were trained on different splits; one split is needed")
    val, test = (calibration.ensemble([getattr(run, part) for run in runs]) for part in ("val_logits", "test_logits"))
    temperature = calibration.fit_temperature(val, split.y_val)
    scaled = Answers(calibration.softmax(val, temperature=temperature), split.y_val)
    return System(
        key=key,
        runs=list(runs),
        temperature=temperature,
        costs=selective.costs(*scaled.pair, prices=prices),
        val=scaled,
        test=Answers(calibration.softmax(test, temperature=temperature), split.y_test),
        val_raw=Answers(calibration.softmax(val), split.y_val),
        test_raw=Answers(calibration.softmax(test), split.y_test),
        test_logits=test,
    )
