"""Folds of whole writers: how well a network reads people whose hand it has never seen."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data import writers
from helpers.evaluation import metrics
from helpers.training import cross_validation

SERIES = {"high-school students": (4,), "Census Bureau staff": (0, 1)}


@dataclass(frozen=True, eq=False)
class Strangers:
    """The same network on folds of whole writers, beside folds that deal everybody's digits out to all.

    shared: in a random fold, the share of held-out digits whose writer also wrote training digits. known: accuracy on
    the random folds. difference: known minus strangers, on the same images, with people as the sample. people: one row
    a writer (writers.by_writer). intervals: accuracy on strangers as if images were independent, with people as the
    sample, and by group of people.
    """

    shared: float
    known: metrics.Interval
    difference: metrics.Interval
    people: pd.DataFrame
    intervals: dict[str, metrics.Interval]

    @property
    def mistakes(self) -> np.ndarray:
        """Misread digits of each writer, int64 (n_writers,)."""
        return (self.people["n"] - self.people["right"]).to_numpy()

    @property
    def wider(self) -> float:
        """How many times as wide the interval is with people as the sample."""
        images, people = list(self.intervals.values())[:2]
        return (people.high - people.low) / (images.high - images.low)

    @property
    def worst_tenth(self) -> float:
        """The share of all mistakes made on the tenth of the writers with the most."""
        ordered = np.sort(self.mistakes)[::-1]
        return float(ordered[: -(-len(ordered) // 10)].sum() / max(1, ordered.sum()))


def compare(
    ids: np.ndarray, series: np.ndarray, right: np.ndarray, *, mixed: cross_validation.Repeated, seed: int = 0
) -> Strangers:
    """Set what networks read of strangers beside the random folds of `mixed`.

    ids, series: int64 (n,), writer and NIST series of each image. right: bool (n,), read right by a network that had
    trained on no digit of its writer.
    """
    intervals = {
        "as if images were independent": metrics.wilson(int(right.sum()), len(right)),
        "people as the sample": writers.clustered(ids, right, seed=seed),
    }
    for words, members in SERIES.items():
        mask = np.isin(series, members)
        if len(np.unique(ids[mask])) > 1:
            intervals[words] = writers.clustered(ids[mask], right[mask], seed=seed)
    first = mixed.first[0]
    return Strangers(
        shared=float(np.isin(ids[first.val_index], ids[first.train_index]).mean()),
        known=metrics.wilson(int(mixed.right.sum()), len(mixed.right)),
        difference=writers.clustered_difference(ids, mixed.right, right, seed=seed),
        people=writers.by_writer(ids, right),
        intervals=intervals,
    )
