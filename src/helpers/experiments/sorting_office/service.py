"""The system that is shipped, as an office gets it: pictures in, digits out, and a human asked in doubt."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from helpers.evaluation import calibration, metrics, selective
from helpers.evaluation.predictor import NO_LABEL, Predictor
from helpers.predict import pipeline, sources
from helpers.runtime import cache, device


@dataclass(frozen=True, eq=False)
class Reader:
    """Something that reads pictures: called with n of them for digits int64 (n,) and how sure they are, float64 (n,).

    threshold: the confidence from which an answer is accepted; identity: JSON values that decide its answers.
    """

    read: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    threshold: float
    identity: list | None

    def __call__(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return digits and confidences."""
        return self.read(pictures)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a reader answered: digits int64 (n,), sure float64 (n,), the true labels (n,) and its threshold."""

    digits: np.ndarray
    sure: np.ndarray
    labels: np.ndarray
    threshold: float

    @property
    def right(self) -> np.ndarray:
        """Whether each digit is right, bool (n,)."""
        return self.digits == self.labels

    @property
    def accepted(self) -> np.ndarray:
        """Whether each answer is accepted, bool (n,)."""
        return self.sure >= self.threshold

    @property
    def score(self) -> metrics.Interval:
        """The share read right, with its Wilson interval."""
        return metrics.wilson(int(self.right.sum()), len(self.labels))

    def tally(self, where: np.ndarray | None = None, *, threshold: float | None = None) -> dict[str, int]:
        """Count all answers, or those of a mask, at its threshold or another one: see `selective.tally`."""
        part = slice(None) if where is None else where
        return selective.tally(
            self.sure[part], self.right[part], threshold=self.threshold if threshold is None else threshold
        )


def bare(predictor: Predictor) -> Reader:
    """Let a predictor read images as they are; without a threshold it accepts all."""
    return Reader(
        lambda images: calibration.top(predictor(images)),
        predictor.threshold or 0.0,
        None if predictor.identity is None else ["as they are", *predictor.identity],
    )


def prepared(network: Predictor) -> Reader:
    """Let a network read as `helpers.predict` does, ink and paper found out: any pictures (h, w), grey 0..255.

    An answer that goes to a human for what the preparation found counts as sure by 0; what holds no digit as NO_LABEL.
    """

    def read(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pictures = [np.asarray(picture, np.float32) for picture in pictures]
        work = sources.Work([""] * len(pictures), images=pictures)
        found = pipeline.answer(work, pipeline.make(work, "auto"), network, threshold=0.0)
        digits = [NO_LABEL if one.digit is None else one.digit for one in found]
        return np.array(digits, np.int64), np.array([0.0 if one.human else one.confidence for one in found])

    return Reader(read, network.threshold, None if network.identity is None else ["prepared", *network.identity])


def answers(reader: Reader, pictures: np.ndarray, labels: np.ndarray) -> Answers:
    """Let a reader read pictures (n, h, w) with labels (n,); what it answers is cached where it has an identity."""

    def compute() -> dict[str, np.ndarray]:
        return dict(zip(("digits", "sure"), reader(pictures), strict=True))

    if reader.identity is None:
        found = compute()
    else:
        inputs = {"pictures": np.asarray(pictures), "reader": reader.identity, "threads": device.threads()}
        found = cache.arrays(compute, inputs=inputs, modules=[__name__]).arrays
    return Answers(found["digits"], found["sure"], np.asarray(labels), reader.threshold)


def trial_size(rate: float, tolerated: float, *, power: float = 0.9, most: int = 1_000_000) -> int | None:
    """Return how many accepted digits show that at most a share `tolerated` is wrong, if a share `rate` is.

    The least n, to two figures, at which the trial succeeds with a probability of `power`: that the upper 95% limit of
    the mistakes (Wilson's) is no more than `tolerated`. None where up to `most` would not do. Mistakes are taken as
    independent: where writers make several, more digits are needed. Raises ValueError for shares outside 0..1.
    """
    from scipy import stats  # imported where used: it costs a second

    for name, value in (("rate", rate), ("tolerated", tolerated), ("power", power)):
        if not 0 <= value < 1:
            raise ValueError(f"{name}: got {value!r}; a fraction from 0 to below 1 is allowed")
    n, z = 100, stats.norm.ppf(0.975)
    while n <= most:
        # Wilson's limit is the share at which the score test turns: so many mistakes may be made.
        allowed = np.floor(n * tolerated - z * np.sqrt(n * tolerated * (1 - tolerated)))
        if allowed >= 0 and stats.binom.cdf(allowed, n, rate) >= power:
            return n
        n += 10 ** (len(str(n)) - 2)
    return None
