"""Cross-validation: networks of many folds trained side by side, in processes of their own or on a cluster.

Each worker has its threads pinned before its first TensorFlow operation and trains through `fit.run`, so every
network is in the run store under the same key whichever way it was trained, and equal threads give equal bits. With
`DASK_SCHEDULER=tcp://host:8786` in the environment the same jobs go to a Dask cluster, whose workers need no file
system in common with this process: images go out once, networks and predictions come back by value.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data import folds
from helpers.data.dataset import Dataset
from helpers.data.folds import Fold
from helpers.data.splits import Split
from helpers.runtime import paths, progress
from helpers.runtime.precision import available_threads
from helpers.training import workers

Recipe = Callable[[Split], "object"]  # a split in, a TrainSpec out: functools.partial(recipes.fast, "fast_b", epochs=1)


@dataclass(frozen=True, eq=False)
class Trained:
    """What a fold's network did: predicted classes int64 (n,) of `fold.val` and `fold.test`, history, price.

    key: its name in the run store. seconds: of training. threads: of the process that trained it. reused: it came from
    the store.
    """

    fold: Fold
    key: str
    model: str
    epochs: int
    history: pd.DataFrame
    val_predictions: np.ndarray
    test_predictions: np.ndarray
    seconds: float
    parameters: int
    threads: int
    reused: bool


def train(
    jobs: Sequence[tuple[Recipe, Fold]],
    *,
    source: Dataset,
    processes: int | None = None,
    threads: int | None = None,
    store: Path | None = None,
) -> list[Trained]:
    """Train a network for every (recipe, fold), several at a time, and return them in the order given.

    source: the dataset of which all folds were made. processes: how many at a time; None is one for every `threads`
    cores this process may use, as far as memory allows. threads: of each; None is one (several processes of one thread
    beat one of several: benchmarks/folds.py), but every core where there is a single job and no cluster. What the
    store (`paths.RUNS`) holds is not trained again. On a cluster `processes` is up to its workers. Raises ValueError
    for no jobs or a fold of another dataset, and whatever a training raises.
    """
    if not jobs:
        raise ValueError("jobs: got none, expected at least one (recipe, fold)")
    for name, value in (("threads", threads), ("processes", processes)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} = {value!r}, expected a whole number from 1, or None")
    scheduler, store = os.environ.get("DASK_SCHEDULER", ""), Path(store or paths.RUNS)
    threads = threads or (available_threads() if len(jobs) == 1 and not scheduler else 1)
    done = {place: found for place, job in enumerate(jobs) if (found := _recall(*job, source, threads, store))}
    missing = [place for place in range(len(jobs)) if place not in done]
    if not missing:
        outcomes = iter(())
    elif scheduler:
        outcomes = workers.on_cluster(scheduler, [jobs[place] for place in missing], source, threads)
    else:
        outcomes = workers.side_by_side([jobs[place] for place in missing], source, processes, threads, store)
    for number, (position, result, files) in enumerate(outcomes, start=1):
        place = missing[position]
        fold = jobs[place][1]
        workers.install(store, result["key"], files)
        done[place] = Trained(fold=fold, **result)
        right = float(np.mean(result["val_predictions"] == source.labels[fold.val])) if len(fold.val) else float("nan")
        progress.say(
            f"{result['model']}, {fold.name}: held out {right:.2%}, "
            f"{progress.duration(result['seconds'])}; {number} of {len(missing)} done"
        )
    return [done[place] for place in range(len(jobs))]


def cross_validate(recipe: Recipe, parts: Sequence[Fold], *, source: Dataset, **how) -> list[Trained]:
    """Train one network a fold; `how` goes to `train`."""
    return train([(recipe, fold) for fold in parts], source=source, **how)


def _recall(recipe: Recipe, fold: Fold, source: Dataset, threads: int, store: Path) -> Trained | None:
    from helpers.training import (
        fit,
        specs,  # here, as drawing folds need not wait for TensorFlow
    )

    spec = recipe(fold.cut(source))
    run = fit.recall(spec, run_key=specs.key(spec, threads=threads), store=store)
    return run and Trained(fold=fold, **workers.outcome(run))


def scores(trained: Sequence[Trained], source: Dataset) -> np.ndarray:
    """Return each fold's accuracy on what it held out, float64 (n_folds,)."""
    return np.array([np.mean(one.val_predictions == source.labels[one.fold.val]) for one in trained])


def held_out(trained: Sequence[Trained], source: Dataset) -> np.ndarray:
    """Put the folds together: the class predicted for each row by the one network that held it out, int64 (n,).

    -1 where no fold held a row out. Raises ValueError when two folds held out the same row.
    """
    rows = np.concatenate([one.fold.val for one in trained])
    if len(np.unique(rows)) != len(rows):
        raise ValueError("trained: some rows are held out by more than one fold; pass the folds of one repeat")
    predicted = np.full(len(source), -1, dtype=np.int64)
    predicted[rows] = np.concatenate([one.val_predictions for one in trained])
    return predicted


def full_run(recipe: Recipe, trained: Trained, *, source: Dataset, store: Path | None = None):
    """Return the `fit.Run` behind a Trained, with its spec, images and network. KeyError: no longer stored."""
    from helpers.training import fit

    run = fit.recall(recipe(trained.fold.cut(source)), run_key=trained.key, store=store)
    if run is None:
        raise KeyError(f"run {trained.key[:8]} of {trained.fold.name} is no longer in the run store")
    return run


@dataclass(frozen=True, eq=False)
class Repeated:
    """Folds drawn again and again, and one fold trained again and again.

    first: the folds of the first draw. each: held-out accuracy, float64 (n_repeats, n_splits). same: that of the very
    first fold with `n_seeds` seeds. right: bool (n,), whether the folds of the first draw read each row right.
    """

    first: list[Fold]
    each: np.ndarray
    same: np.ndarray
    right: np.ndarray


def repeat(recipe: Recipe, source: Dataset, *, n_repeats: int, n_seeds: int, seed: int = 0, **how) -> Repeated:
    """Train `n_repeats` draws of five folds, and the first fold with `n_seeds` seeds in all, one of them shared.

    recipe: takes a `seed` besides the split; draw i is made and trained with `seed + i`. `how` goes to `train`.
    """
    draws = folds.repeated(source, n_repeats, seed=seed)
    jobs = [(partial(recipe, seed=seed + i), fold) for i, draw in enumerate(draws) for fold in draw]
    jobs += [(partial(recipe, seed=seed + n_repeats + i), draws[0][0]) for i in range(n_seeds - 1)]
    trained = train(jobs, source=source, **how)
    found, n = scores(trained, source), sum(map(len, draws))
    right = held_out(trained[: len(draws[0])], source) == source.labels
    return Repeated(draws[0], found[:n].reshape(n_repeats, -1), np.append(found[0], found[n:]), right)


@dataclass(frozen=True, eq=False)
class Nested:
    """A choice made anew inside each outer fold, and what it scored outside.

    inner, outer: mean inner accuracy and outer accuracy, one row per outer fold, one column per candidate.
    chosen: the candidate each outer fold took, its best in `inner`. scores: outer accuracy of that one, float64.
    """

    inner: pd.DataFrame
    outer: pd.DataFrame
    chosen: list[str]
    scores: np.ndarray

    def table(self) -> pd.DataFrame:
        """Return one row per outer fold: the inner means, what was chosen, and what it scored outside."""
        return self.inner.add_prefix("inside, ").assign(chosen=self.chosen, outside=self.scores)


def nested(
    candidates: Mapping[str, Recipe], outer: Sequence[Fold], *, source: Dataset, n_inner: int = 3, seed: int = 0, **how
) -> Nested:
    """Choose among recipes by an inner cross-validation within each outer fold's training part.

    So the images that judge the outcome took no part in the choice. Every candidate is trained on the outer folds too,
    which shows what choosing by the outer scores themselves would have promised. `how` goes to `train`. Source:
    Varma and Simon (2006), Bias in error estimation when using cross-validation for model selection.
    """
    if len(candidates) < 2:
        raise ValueError(f"candidates: got {len(candidates)}, expected at least 2 to choose from")
    inner = [folds.k_folds(source, n_inner, seed=seed, rows=fold.train) for fold in outer]
    names, parts = list(candidates), [*zip(*inner, strict=True), outer]
    trained = train(
        [(candidates[name], fold) for part in parts for name in names for fold in part], source=source, **how
    )
    table = scores(trained, source).reshape(n_inner + 1, len(names), len(outer))
    index = pd.Index([fold.name for fold in outer], name="outer fold")
    within = pd.DataFrame(table[:-1].mean(axis=0).T, index=index, columns=names)
    without = pd.DataFrame(table[-1].T, index=index, columns=names)
    chosen = [str(name) for name in within.idxmax(axis=1)]
    return Nested(within, without, chosen, np.array([without.loc[f, c] for f, c in zip(index, chosen, strict=True)]))
