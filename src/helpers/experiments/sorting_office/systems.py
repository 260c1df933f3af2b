"""A network at work: its answers, the temperature that makes them honest, and the threshold below which it asks.

Everything is fitted on the validation part of the split that the network was trained on; the test part is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation import calibration, conformal, metrics, selective
from helpers.evaluation.predictor import Predictor
from helpers.experiments.sorting_office import postcodes
from helpers.training.fit import Run
from helpers.training.predictor import predictor_of


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
    def labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and labels, as the functions of `conformal` take them."""
        return self.probabilities, self.y_true

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
        return calibration.reliability(*self.pair)

    @property
    def trade_off(self) -> pd.DataFrame:
        """What every threshold does: see `selective.trade_off`."""
        return selective.trade_off(*self.pair)


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
    def cheapest(self) -> pd.Series:
        """The row of `costs` that costs least."""
        return selective.cheapest(self.costs)

    @property
    def threshold(self) -> float:
        """The confidence from which an answer is accepted: the cheapest on the validation part."""
        return float(self.cheapest["threshold"])

    @property
    def seconds(self) -> float:
        """Seconds of all its trainings together."""
        return sum(run.seconds for run in self.runs)

    @property
    def mark(self) -> tuple[float, float]:
        """On the test: the share of digits sent to a human, and the share wrong among the others."""
        count = self.tally()
        return 1 - count["accepted"] / count["n"], count["accepted_wrong"] / max(1, count["accepted"])

    def plans(self, prices: selective.Prices) -> pd.DataFrame:
        """Return what 1,000 letters of the test cost when a human is asked always, never, in doubt, by Chow's rule."""
        thresholds = {"always": 2.0, "never": 0.0, "in doubt": self.threshold}
        thresholds["by Chow's rule"] = selective.chow_threshold(prices)
        return selective.policies(*self.test.pair, thresholds=thresholds, prices=prices)

    def widest(self, miss_rate: float, *, n: int) -> tuple[np.ndarray, list[str], float]:
        """Return the n validation images with the widest sets, the digits of each, share of sets of several."""
        members = conformal.sets(self.val.probabilities, conformal.fit(*self.val.labelled, miss_rate=miss_rate))
        rows = np.argsort(self.val.confidence - members.sum(axis=1), kind="stable")[:n]
        words = ["".join(map(str, np.flatnonzero(members[row]))) or "none" for row in rows]
        return rows, words, float(np.mean(members.sum(axis=1) > 1))

    def coverage(self, miss_rate: float, *, by_class: bool) -> pd.DataFrame:
        """Fit sets on the validation part and measure them on the test: see `conformal.coverage`."""
        limits = conformal.fit(*self.val.labelled, miss_rate=miss_rate, by_class=by_class)
        return conformal.coverage(conformal.sets(self.test.probabilities, limits), self.test.y_true)

    def promised(self, miss_rate: float) -> str:
        """Say between which limits coverage lies for 95% of validation parts of this size: see `conformal.promised`."""
        low, high = conformal.promised(self.val.n, miss_rate=miss_rate)
        return f"{low:.2%} to {high:.2%}"

    def promises(self, miss_rates: Sequence[float]) -> pd.DataFrame:
        """Fit sets on the validation part, measure them on the test: see `conformal.overview`."""
        return conformal.overview(self.val.labelled, self.test.labelled, miss_rates=miss_rates)

    def tally(self, where: np.ndarray | None = None) -> dict[str, int]:
        """Count its answers to the test images, or to those of a mask: see `selective.tally`."""
        asked = slice(None) if where is None else where
        return selective.tally(*(part[asked] for part in self.test.pair), threshold=self.threshold)

    def codes(self, groups=None, *, digits: int, seed: int = 0) -> pd.DataFrame:
        """Compose codes of its answers to the test: see `postcodes.table`."""
        sure, right = self.test.pair
        return postcodes.table(right, sure >= self.threshold, digits=digits, groups=groups, seed=seed)

    def predictor(self, *, views: int | None = None) -> Predictor:
        """Load it, to be asked about any images."""
        return predictor_of(
            self.runs, key=self.key, temperature=self.temperature, threshold=self.threshold, views=views
        )


def build(key: str, runs: Sequence[Run], *, prices: selective.Prices) -> System:
    """Fit a temperature and choose the cheapest threshold on the validation part of the split that all runs share.

    Raises ValueError where they do not share one.
    """
    split = runs[0].spec.split
    if any(run.spec.split.fingerprint != split.fingerprint for run in runs):
        raise ValueError("runs: they were trained on different splits; one split is needed")
    logits = [calibration.ensemble([getattr(run, part) for run in runs]) for part in ("val_logits", "test_logits")]
    temperature = calibration.fit_temperature(logits[0], split.y_val)
    scaled, raw = (
        [Answers(calibration.softmax(x, temperature=t), y) for x, y in zip(logits, labels, strict=True)]
        for t, labels in ((temperature, (split.y_val, split.y_test)), (1.0, (split.y_val, split.y_test)))
    )
    costs = selective.costs(*scaled[0].pair, prices=prices)
    return System(key, list(runs), temperature, costs, *scaled, *raw, logits[1])
