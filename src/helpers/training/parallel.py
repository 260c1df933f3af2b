"""Trainings side by side: here, in processes of one thread, or on a Dask cluster; one call for a report's trainings.

Two processes of one thread beat one of two threads: the small networks of this series give a second thread too little
to do (benchmarks/folds.py measures it). What is trained is stored under the key of its own thread count, so it does not
matter which of the reports that share a training asks for it first, or how many it asks for at once. The kernels of a
build of several reports hand their trainings to one pool of such processes (`runtime.pool`). With
`DASK_SCHEDULER=tcp://host:8786` in the environment the same trainings go to a cluster, whose workers need no file
system in common with this process: images go out once, finished runs come back by value into the store, and equal
threads give equal bits.
"""

import contextlib
import functools
import json
import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import joblib

from helpers.data.dataset import Dataset, build_dataset
from helpers.models import architectures
from helpers.runtime import paths, pool, progress, run_store
from helpers.runtime import precision as precisions
from helpers.runtime.files import write_atomically
from helpers.training import fit, outcomes, workers
from helpers.training.outcomes import Run
from helpers.training.specs import TrainSpec, _source, key, kin

for _model in architectures.ARCHITECTURES:  # a key tells of the code that is loaded now, not of what is edited later
    _source(_model)

Specs = TrainSpec | Sequence | Mapping  # a training, or any nesting of lists and dictionaries of them


def train(
    specs: Specs,
    *,
    processes: int | None = None,
    threads: int | None = None,
    store: Path | None = None,
    finished: Callable[[Run], object] | None = None,
):
    """Train every spec, or take it from the store, and return the runs in the shape in which the specs came.

    specs: one TrainSpec, a list, a mapping name -> spec, or a mapping name -> list. processes: how many at a time; None
    is one for every `threads` cores, as far as memory allows; on a cluster it is up to its workers. threads: of each;
    None is one, but every core for a single TrainSpec that is trained here. A spec that comes twice is trained once,
    and of specs that differ only in their number of epochs the longest is trained and the others are taken from it on
    the way, where that is the same (`specs.kin`). store: as in `fit.run`. finished: called with each run as it ends; in
    the pool of a build, when all have. Raises ValueError for numbers below 1 and for an augmentation that is no part of
    the helpers without a store of its own, and whatever a training raises; what was finished before it stays in the
    store.
    """
    for name, value in (("threads", threads), ("processes", processes)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name}: got {value!r}; a whole number from 1 is allowed")
    outsider = next((type(spec.augmentation).__name__ for spec in _leaves(specs) if not _in_helpers(spec)), "")
    if outsider and store is None:  # a run of before would be taken for it
        raise ValueError(
            f"augmentation: got {outsider}, whose code no key tells of; allowed are those of the helpers, or any with "
            f"`store`, a folder of its own that is to be emptied whenever {outsider} changes"
        )
    finished, scheduler = finished or (lambda run: None), os.environ.get("DASK_SCHEDULER", "")
    if isinstance(specs, TrainSpec) and threads is None and not scheduler:
        there = _is_stored(key(specs), Path(store or paths.RUNS))
        with contextlib.nullcontext() if there else pool.alone(still=False):  # it is to have every core
            run = fit.run(specs, store=store)
        finished(run)
        return run
    flat, threads, store = _leaves(specs), threads or 1, Path(store or paths.RUNS)
    keys = [key(spec, threads=threads) for spec in flat]
    by_key = dict(zip(keys, flat, strict=True))
    stored = {name: spec for name, spec in by_key.items() if _is_stored(name, store)}  # no wait for what is in work
    runs = dict.fromkeys(by_key) | {
        name: outcomes.recall(spec, run_key=name, store=store) for name, spec in stored.items()
    }
    for run in filter(None, runs.values()):
        finished(run)
    missing = {name: spec for name, spec in by_key.items() if runs[name] is None}
    families, told = _families(missing), False
    if not missing:
        ended = iter(())
    elif scheduler:
        ended = _on_cluster(scheduler, families, threads)
    elif threads == 1 and (address := os.environ.get(pool.ADDRESS)) and all(map(_in_helpers, missing.values())):
        # All at once: while one of them is awaited this kernel counts as waiting, and what follows computes.
        ended = iter(list(_in_pool(address, families, store)))
        told = True
    else:
        processes = min(len(families), processes or workers.available(threads))
        tasks = (joblib.delayed(_work)(family, threads, store) for family in families)
        ended = workers.spread(tasks, processes=processes, threads=threads)
    members = (member for family in ended for member in family)
    for number, (name, reused, resumed_from, files) in enumerate(members, start=1):
        _install(store, name, files)
        run = outcomes.recall(by_key[name], run_key=name, store=store)
        if run is None:
            raise RuntimeError(f"run {name[:8]} of {by_key[name].model} was trained but is not in {store}")
        runs[name] = replace(run, reused=reused, resumed_from=resumed_from)
        finished(runs[name])
        if not told:
            progress.say(
                f"{run.spec.model} seed {run.spec.seed}, {run.spec.split.name} · {run.spec.epochs} epochs in "
                f"{progress.duration(run.seconds)} · {number} of {len(missing)} trainings done"
            )
    return _shaped(specs, iter([runs[name] for name in keys]))


def _leaves(specs: Specs) -> list[TrainSpec]:
    if isinstance(specs, TrainSpec):
        return [specs]
    parts = specs.values() if isinstance(specs, Mapping) else specs
    return [leaf for part in parts for leaf in _leaves(part)]


def _shaped(specs: Specs, runs: Iterator[Run]):
    if isinstance(specs, TrainSpec):
        return next(runs)
    if isinstance(specs, Mapping):
        return {name: _shaped(part, runs) for name, part in specs.items()}
    return [_shaped(part, runs) for part in specs]


def _families(specs: Mapping[str, TrainSpec]) -> list[dict[str, TrainSpec]]:
    """Return key -> spec of those that one training yields, the longest first, for each such training."""
    families: dict[object, dict[str, TrainSpec]] = {}
    for name, spec in specs.items():
        families.setdefault(kin(spec) or name, {})[name] = spec
    longest_first = [sorted(family.items(), key=lambda item: -item[1].epochs) for family in families.values()]
    return [dict(family) for family in longest_first]


def _work(
    family: Mapping[str, TrainSpec],
    threads: int,
    store: Path | None,
    source: Dataset | None = None,
    weights: bytes | None = None,
    *,
    silent: bool = True,
) -> list[tuple[str, bool, int, dict[str, bytes]]]:
    """Train the first spec and, by the way, the others; return (key, reused, resumed_from, files) of each.

    store: None is the worker's own, whose files are to travel. source, weights: what a spec on a cluster has lost.
    silent: as in `workers.pinned`.
    """
    travels = store is None
    store = store or paths.RUNS
    whole = {name: _whole(spec, source, weights, store) for name, spec in family.items()}
    (longest, spec), *others = whole.items()
    with workers.pinned(threads, silent=silent):
        for name, each in whole.items():
            if (found := key(each)) != name:
                raise pool.Stale(
                    f"run of {each.model}: got key {found[:8]} from a worker, expected {name[:8]}; only workers with "
                    "the same code, the same library versions and as many threads are allowed"
                )
        runs = {longest: fit.run(spec, milestones=sorted({each.epochs for _, each in others}), store=store)}
        for name, shorter in others:
            # Found in the store now, but where the longest was trained here, so was this on the way.
            found = fit.run(shorter, store=store)
            runs[name] = replace(found, reused=found.reused and runs[longest].reused)
    left = {
        name: {path.name: path.read_bytes() for path in run.directory.iterdir() if path.is_file()} if travels else {}
        for name, run in runs.items()
    }
    return [(name, run.reused, run.resumed_from, left[name]) for name, run in runs.items()]


def _whole(spec: TrainSpec, source: Dataset | None, weights: bytes | None, store: Path) -> TrainSpec:
    """Give a spec the dataset and the start file that it left behind; its images die with the training."""
    if weights is not None:
        path = store / "starts" / f"{spec.start.sha256}.keras"
        run_store.write(path, weights)
        spec = replace(spec, start=replace(spec.start, path=path))
    return replace(spec, split=replace(spec.split, source=source or spec.split.source))


def _in_pool(address: str, families: Sequence[Mapping[str, TrainSpec]], store: Path) -> Iterator[list[tuple]]:
    """Have families trained, one thread each, by the pool of the build that this kernel belongs to; say how it goes."""
    asked, names, done = [], {}, 0
    for family in families:
        first = next(iter(family.values()))
        images = paths.BUILD / "staging" / "images" / first.split.source.checksum
        if not images.exists():  # once for all kernels and workers
            write_atomically(images, run_store.to_npz({"images": first.split.source.images, **_labels(first)}))
        call = pool.Call(
            pickle.dumps((_pooled, (_light(family), store.absolute(), images, first.split.source.name))),
            leaves=frozenset(f"{store.absolute()}/{name}" for name in family),
            cost=_operations(first),
            label=f"{first.model} seed {first.seed}, {first.split.name}",
        )
        names[call] = list(family)
        asked.append(call)
    for call, ended in pool.calls(address, asked):
        done += len(names[call])
        progress.say(f"{call.label} · {done} of {sum(map(len, families))} trainings done")
        # Another kernel had asked for the very same: it is in the store.
        yield ended or [(name, True, 0, {}) for name in names[call]]


def _in_helpers(spec: TrainSpec) -> bool:
    """Whether keys, and processes that train for several notebooks, know the augmentation: not if a notebook's own."""
    return spec.augmentation is None or type(spec.augmentation).__module__.startswith("helpers.")


def _labels(spec: TrainSpec) -> dict:
    return {} if spec.split.source.labels is None else {"labels": spec.split.source.labels}


def _pooled(family: Mapping[str, TrainSpec], store: Path, images: Path, name: str) -> list[tuple]:
    return _work(family, 1, store, _dataset(images, name), silent=False)  # what it says is kept, see `_Worker`


@functools.lru_cache(2)
def _dataset(path: Path, name: str) -> Dataset:
    arrays = run_store.from_npz(path.read_bytes())
    return build_dataset(name, arrays["images"], arrays.get("labels"))


def _light(family: Mapping[str, TrainSpec]) -> dict[str, TrainSpec]:
    """Return specs without their images, so that they weigh little; in the number format that this machine takes."""
    light = {}
    for name, spec in family.items():
        start = spec.start and replace(spec.start, path=Path(spec.start.path).absolute())
        split, precision = replace(spec.split, source=None), precisions.choose(spec.precision)
        light[name] = replace(spec, split=split, start=start, precision=precision)
    return light


def _operations(spec: TrainSpec) -> float:
    """Estimate the floating-point operations of a training: of a pass back it takes two forward, and predictions."""
    split = spec.split
    passes = 3 * spec.epochs * spec.steps * spec.batch
    asked = (spec.epochs + spec.views) * len(split.val_index) + spec.views * len(split.test_index)
    return float(passes + asked) * _of_one_image(spec.model, run_store.canonical(dict(spec.options)), split.shape)


@functools.cache
def _of_one_image(model: str, options: bytes, shape: tuple[int, int]) -> int:
    return architectures.size(architectures.build(model, json.loads(options), shape=shape)).flops


def _is_stored(name: str, store: Path) -> bool:
    return (store / name / run_store.RECORD).exists()


def _on_cluster(address: str, families: Sequence[Mapping[str, TrainSpec]], threads: int) -> Iterator[list[tuple]]:
    """Train families on a Dask cluster; a training whose worker is lost is tried once more."""
    with workers.connect(address) as client:
        sources, futures = {}, []
        for family in families:
            first = next(iter(family.values()))
            source = first.split.source
            if source.checksum not in sources:
                sources[source.checksum] = client.scatter(source, broadcast=True, hash=False)
            weights = first.start and first.start.path.read_bytes()
            task = (_work, _light(family), threads, None, sources[source.checksum], weights)
            futures.append(client.submit(*task, retries=1, pure=False))
        yield from workers.results(client, futures)


def _install(store: Path, run_key: str, files: Mapping[str, bytes]) -> None:
    """Put a run that came by value into the store, its record last; whoever reads it verifies every hash."""
    if not files:
        return
    entry = run_store.Entry(store, run_key)
    with entry.lock():
        for name in sorted(files, key=lambda name: name == run_store.RECORD):
            run_store.write(entry.directory / Path(name).name, files[name])
