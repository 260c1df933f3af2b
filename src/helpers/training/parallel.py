"""Several trainings side by side, each in a process of one thread: two of them beat one of two threads.

The small networks of this series give a second thread too little to do (benchmarks/folds.py measures it). What is
trained here is stored under the key of its own thread count, so it does not matter which of the reports that share a
training asks for it first, or how many it asks for at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import joblib

from helpers.runtime import paths, progress
from helpers.training import fit, workers
from helpers.training.fit import Run
from helpers.training.specs import TrainSpec, key, kin


def train(
    specs: Sequence[TrainSpec],
    *,
    processes: int | None = None,
    threads: int = 1,
    store: Path | None = None,
    finished: Callable[[Run], object] | None = None,
) -> list[Run]:
    """Train every spec, or take it from the store, and return the runs in the order given.

    processes: how many at a time; None is one for every `threads` cores, as far as memory allows. A spec that comes
    twice is trained once, and of specs that differ only in their number of epochs the longest is trained and the others
    are taken from it on the way, where that is the same (`specs.kin`). store: as in `fit.run`. finished: called
    with each run as it ends. Raises ValueError for numbers below 1, and whatever a training raises; what was finished
    before it stays in the store.
    """
    for name, value in (("threads", threads), ("processes", processes)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} = {value!r}, expected a whole number from 1")
    store = Path(store or paths.RUNS)
    keys = [key(spec, threads=threads) for spec in specs]
    by_key = dict(zip(keys, specs, strict=True))
    runs = {name: fit.recall(spec, run_key=name, store=store) for name, spec in by_key.items()}
    missing = {name: spec for name, spec in by_key.items() if runs[name] is None}
    finished = finished or (lambda run: None)
    for run in filter(None, runs.values()):
        finished(run)
    if missing:
        families = _families(missing)
        processes = min(len(families), processes or workers.available(threads))
        tasks = (joblib.delayed(_work)(family, threads, str(store)) for family in families)
        outcomes = workers.spread(tasks, processes=processes, threads=threads)
        members = (member for family in outcomes for member in family)
        for number, (name, reused, resumed_from) in enumerate(members, start=1):
            run = fit.recall(by_key[name], run_key=name, store=store)
            if run is None:
                raise RuntimeError(f"run {name[:8]} of {by_key[name].model} was trained but is not in {store}")
            runs[name] = replace(run, reused=reused, resumed_from=resumed_from)
            finished(runs[name])
            progress.say(
                f"{run.spec.model} seed {run.spec.seed} · {run.spec.epochs} epochs in {progress.duration(run.seconds)}"
                f" · {number} of {len(missing)} trainings done, {processes} at a time"
            )
    return [runs[name] for name in keys]


def _families(specs: Mapping[str, TrainSpec]) -> list[dict[str, TrainSpec]]:
    """Return key -> spec of those that one training yields, the longest first, for each such training."""
    families: dict[object, dict[str, TrainSpec]] = {}
    for name, spec in specs.items():
        families.setdefault(kin(spec) or name, {})[name] = spec
    longest_first = [sorted(family.items(), key=lambda item: -item[1].epochs) for family in families.values()]
    return [dict(family) for family in longest_first]


def train_groups(groups: Mapping[str, Sequence[TrainSpec]], **how) -> dict[str, list[Run]]:
    """Train groups of specs, say the seeds of each network, all side by side; `how` goes to `train`."""
    runs = iter(train([spec for specs in groups.values() for spec in specs], **how))
    return {name: [next(runs) for _ in specs] for name, specs in groups.items()}


def train_named(specs: Mapping[str, TrainSpec], **how) -> dict[str, Run]:
    """Train one spec for each name, all side by side; `how` goes to `train`."""
    return dict(zip(specs, train(list(specs.values()), **how), strict=True))


def _work(family: Mapping[str, TrainSpec], threads: int, store: str) -> list[tuple[str, bool, int]]:
    """Train the first spec and, by the way, the others; return (key, reused, resumed_from) of each."""
    (longest, spec), *others = family.items()
    with workers.pinned(threads):
        runs = {longest: fit.run(spec, milestones=sorted({each.epochs for _, each in others}), store=Path(store))}
        whole = runs[longest]
        for name, shorter in others:
            # Found in the store now, but where the longest was trained here, so was this on the way.
            found = fit.run(shorter, store=Path(store))
            runs[name] = replace(found, reused=found.reused and whole.reused)
    for name, run in runs.items():
        if run.key != name:
            message = f"a worker of {threads} threads stores {run.spec.model} as {run.key[:8]}, expected {name[:8]}"
            raise RuntimeError(message)
    return [(name, run.reused, run.resumed_from) for name, run in runs.items()]
