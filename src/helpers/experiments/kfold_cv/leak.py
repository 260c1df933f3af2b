"""A test set that was partly trained on: which images, and what they do to the score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import results
from helpers.data import folds
from helpers.data.splits import Split
from helpers.evaluation import comparison, metrics
from helpers.training import conditions, cross_validation, outcomes
from helpers.training.outcomes import Run

PUBLISHED_EPOCHS = 20


def division(parts: Sequence[Split]) -> pd.DataFrame:
    """Count what each network trains on, holds out and is tested on, and how much of the test it trains on."""
    lines = {
        part.name: {
            "trained on": len(part.train_index),
            "held out": len(part.val_index),
            "of the test": len(part.test_index),
            "already trained on": int(folds.seen(part).sum()),
            "share": float(folds.seen(part).mean()),
        }
        for part in parts
    }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("network")


@dataclass(frozen=True, eq=False)
class Leak:
    """The best of k folds' networks on a test of which it has trained on a part, and the same test asked honestly.

    labels: int64 (n,) of the test. seen: bool (n,), what the best network had trained on. leaking: its predictions.
    by_new: each image read by the one network that held it out. apart: by a network that trained on none of the test.
    fold_scores: held-out accuracy of each fold, float64 (k,). memory: accuracy of the best network on its training
    images in its last pass. origin: where the networks come from. cost, cost_apart: what rows of results say of the
    folds' networks, with the seconds of all, and of the one apart.
    """

    labels: np.ndarray
    seen: np.ndarray
    leaking: np.ndarray
    by_new: np.ndarray
    apart: np.ndarray
    fold_scores: np.ndarray
    memory: float
    epochs: int
    origin: str
    cost: dict
    cost_apart: dict

    @property
    def best(self) -> int:
        """The fold whose network was taken, from 0."""
        return int(self.fold_scores.argmax())

    def accuracy(self, part: str) -> metrics.Interval:
        """Return accuracy with its interval.

        part: "leaking", "by_new" or "apart" (all images); of the leaking network "seen" or "new"; and "apart, seen" or
        "apart, new" on the same two kinds of images.
        """
        whose, _, kind = part.rpartition(", ")
        if kind in ("seen", "new"):
            rows = self.seen if kind == "seen" else ~self.seen
            return metrics.accuracy(self.labels[rows], (self.apart if whose else self.leaking)[rows])
        return metrics.accuracy(self.labels, getattr(self, part))

    def misread(self, part: str) -> int:
        """Return the number of images misread; part as in `accuracy`."""
        one = self.accuracy(part)
        return round(one.n * (1 - one.estimate))

    def on_new(self) -> comparison.PairedTest:
        """Return McNemar's test on the images new to both: the leaking network (a) and the one trained apart (b)."""
        rows = ~self.seen
        leaking, apart = (read[rows] == self.labels[rows] for read in (self.leaking, self.apart))
        return comparison.mcnemar(leaking, apart)

    def table(self) -> pd.DataFrame:
        """Return images, mistakes and accuracy of every way of asking."""
        ways = {
            "best fold, all images": "leaking",
            "… trained on": "seen",
            "… new to it": "new",
            "each by the fold it was new to": "by_new",
            "trained on the 80% only": "apart",
            "… the images new to both": "apart, new",
        }
        lines = {}
        for words, part in ways.items():
            one = self.accuracy(part)
            lines[words] = {"images": one.n, "misread": self.misread(part), "accuracy": str(one)}
        return pd.DataFrame.from_dict(lines, orient="index").rename_axis("who reads what")

    def panels(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return the two panels of `figures.folds.seen_and_missed`."""
        titles = [
            (f"best fold's network: {self.accuracy('leaking').estimate:.2%}", self.seen, self.leaking),
            (f"trained on the 80% only: {self.accuracy('apart').estimate:.2%}", np.zeros_like(self.seen), self.apart),
        ]
        return {title: (seen, predicted != self.labels) for title, seen, predicted in titles}


def examine(runs: Sequence[Run]) -> Leak:
    """Put together what k fold networks and one trained apart answered.

    runs: k folds, then the one apart. Raises ValueError when their tests differ, the last has trained on the test, or
    an image is new to no fold or to several.
    """
    *k, last = runs
    *parts, apart = [run.spec.split for run in runs]
    if any(not np.array_equal(part.test_index, apart.test_index) for part in parts):
        raise ValueError("runs: got folds with different test images; the same rows in the same order are needed")
    if folds.seen(apart).any():
        raise ValueError(f"runs: the last, {apart.name}, has trained on test images; none is allowed")
    new = np.stack([~folds.seen(part) for part in parts])
    if not (new.sum(axis=0) == 1).all():
        raise ValueError("runs: got a test image that is new to no fold or to several; exactly one is needed")
    predicted, scores = np.stack([run.test_predictions for run in k]), cross_validation.scores(k)
    best = int(scores.argmax())
    return Leak(
        labels=apart.y_test,
        seen=~new[best],
        leaking=predicted[best],
        by_new=predicted[new.argmax(axis=0), np.arange(len(apart.test_index))],
        apart=last.test_predictions,
        fold_scores=scores,
        memory=float(k[best].history["accuracy"].iloc[-1]),
        epochs=len(k[best].history),
        origin=_origin(runs),
        cost=conditions.fields(k[0]) | {"seconds": float(sum(run.seconds for run in k))},
        cost_apart=conditions.fields(last),
    )


def on_new_judged(looks: Sequence[Leak], *, alpha: float = 0.05) -> tuple[np.ndarray, int]:
    """Return the p-values of `Leak.on_new`, corrected for their number by Holm's method, and who reads new ones better.

    looks: the same two networks, trained in several ways; the first is the one that is judged. The second is 1 for the
    leaking network or -1 for the one apart, if the first look tells them apart and every other points the same way;
    else 0, not settled: to ask twice and report the answer that one likes would be no test.
    """
    tests = [look.on_new() for look in looks]
    p_values = comparison.holm([test.p_value for test in tests])
    ways = {int(np.sign(test.difference)) for test in tests}
    return p_values, ways.pop() if p_values[0] <= alpha and len(ways) == 1 else 0


def _origin(runs: Sequence[Run]) -> str:
    """Say in words where the networks come from: records, or trainings of today."""
    if any(run.finished for run in runs):
        return outcomes.together(runs)
    seconds, verb = (
        sum(run.seconds for run in runs),
        "reused, trained" if all(r.reused for r in runs) else "trained here",
    )
    return f"{runs[0].spec.epochs} passes, {verb} in {seconds:,.0f} s on {runs[0].threads} each"


def rows(leak: Leak, n: int, *, section: str) -> list[results.Row]:
    """Return what the networks say as results, the two that answer claims first; n: images in all folds together.

    Fewer passes than published keep such a row from being judged.
    """
    short = leak.epochs < PUBLISHED_EPOCHS
    note = f"{leak.epochs} passes of {PUBLISHED_EPOCHS}" if short else leak.origin
    about = {"model": "cnn_deep", "section": section}
    k = metrics.mean_over_seeds(leak.fold_scores)
    # Folds are no seeds: each trained on other images. So the row has their mean, and no spread over seeds.
    mean = {"claim_id": "nf264-cv-mean", "note": note, "short_budget": short}
    test = about | {"split": f"nf264, {len(leak.labels):,} test images"}
    one = {name: value for name, value in leak.cost.items() if name != "seconds"}
    claimed = {"claim_id": "nf264-final", "note": note, "short_budget": short, "seen": float(leak.seen.mean())}
    each, apart = (
        f"nf264_deep, {words}" for words in ("each image by the fold that held it out", "trained on the 80% only")
    )
    return [
        results.Row("nf264_deep, five folds", "nf264 folds", "accuracy", k.mean, n, **mean, **leak.cost, **about),
        results.accuracy_row("nf264_deep, best of five folds", leak.labels, leak.leaking, **claimed, **one, **test),
        results.accuracy_row(each, leak.labels, leak.by_new, **one, **test),
        results.accuracy_row(apart, leak.labels, leak.apart, **leak.cost_apart, **test),
    ]
