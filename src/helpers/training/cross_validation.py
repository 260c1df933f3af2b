"""Cross-validation: one network a fold, trained side by side, and repeated draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.data import folds
from helpers.data.dataset import Dataset
from helpers.data.splits import Split
from helpers.training import parallel
from helpers.training.outcomes import Run
from helpers.training.specs import TrainSpec

Recipe = Callable[[Split], TrainSpec]  # functools.partial(recipes.fast, "fast_b", epochs=1)


def cross_validate(recipe: Recipe, parts: Sequence[Split], **how) -> list[Run]:
    """Train one network a fold; `how` goes to `parallel.train`."""
    return parallel.train([recipe(part) for part in parts], **how)


def scores(runs: Sequence[Run]) -> np.ndarray:
    """Return each run's accuracy on what its fold held out, float64 (n_folds,)."""
    return np.array([np.mean(run.val_predictions == run.spec.split.y_val) for run in runs])


def held_out(runs: Sequence[Run]) -> np.ndarray:
    """Put the folds together: the class predicted for each row by the one network that held it out, int64 (n,).

    -1 where no fold held a row out. Raises ValueError when two folds held out the same row.
    """
    rows = np.concatenate([run.spec.split.val_index for run in runs])
    if len(np.unique(rows)) != len(rows):
        raise ValueError("runs: got rows held out by more than one fold; the folds of one repeat are allowed")
    predicted = np.full(len(runs[0].spec.split.source), -1, dtype=np.int64)
    predicted[rows] = np.concatenate([run.val_predictions for run in runs])
    return predicted


@dataclass(frozen=True, eq=False)
class Repeated:
    """Folds drawn again and again, and one fold trained again and again.

    first: the folds of the first draw. each: held-out accuracy, float64 (n_repeats, n_splits). same: that of the very
    first fold with `n_seeds` seeds. right: bool (n,), whether the folds of the first draw read each row right.
    """

    first: list[Split]
    each: np.ndarray
    same: np.ndarray
    right: np.ndarray


def repeat(recipe: Recipe, source: Dataset, *, n_repeats: int, n_seeds: int, seed: int = 0, **how) -> Repeated:
    """Train `n_repeats` draws of five folds, and the first fold with `n_seeds` seeds in all, one of them shared.

    recipe: takes a `seed` besides the split; draw i is made and trained with `seed + i`. how: of `parallel.train`.
    """
    draws = folds.repeated(source, n_repeats, seed=seed)
    specs = [recipe(fold, seed=seed + i) for i, draw in enumerate(draws) for fold in draw]
    specs += [recipe(draws[0][0], seed=seed + n_repeats + i) for i in range(n_seeds - 1)]
    runs = parallel.train(specs, **how)
    found, n = scores(runs), sum(map(len, draws))
    right = held_out(runs[: len(draws[0])]) == source.labels
    return Repeated(draws[0], found[:n].reshape(n_repeats, -1), np.append(found[0], found[n:]), right)
