"""Where trainings run side by side: processes of this machine, or the workers of a Dask cluster.

Both take jobs of (recipe, fold) and yield (position, outcome, files) as they finish. A worker imports what it needs
by itself; what comes back is plain values.
"""

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import joblib

from helpers.data import folds
from helpers.data.folds import Fold
from helpers.runtime import run_store

WORKER_BYTES = 1_500_000_000  # TensorFlow 0.8 GB, and a fold's images with what they become on the way
_ONE_AT_A_TIME = threading.Lock()  # a Dask worker may run several tasks in one process; Keras wants one
# loky replaces a worker that has grown by 300 MB, as TensorFlow does over several trainings; no job is lost by it.
warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)


def available(threads: int = 1) -> int:
    """Return how many workers of `threads` threads this machine has cores and memory for, at least 1.

    On another backend than TensorFlow it is 1: that is how a graphics card is used, and it is not shared.
    """
    import psutil

    from helpers.runtime.precision import available_threads

    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return 1
    memory = psutil.virtual_memory().available // WORKER_BYTES
    return max(1, min(available_threads() // threads, int(memory)))


def side_by_side(jobs, source, processes: int | None, threads: int, store: Path) -> Iterator[tuple]:
    """Run jobs in processes; joblib writes the images to a file once and every worker maps it."""
    yield from spread(
        (
            joblib.delayed(work)(position, recipe, fold, source.images, source.labels, threads, str(store), False)
            for position, (recipe, fold) in enumerate(jobs)
        ),
        processes=min(len(jobs), processes or available(threads)),
        threads=threads,
    )


def spread(tasks, *, processes: int, threads: int) -> Iterator:
    """Run joblib's delayed calls in `processes` processes of `threads` threads; yield what they return as they end.

    One at a time needs no process of its own where this one works with as many threads.
    """
    if processes == 1:
        from helpers.runtime import device

        if device.threads() == threads:
            yield from (function(*args, **kwargs) for function, args, kwargs in tasks)
            return
    # With n_jobs=1 joblib would stay in this process, whose threads are pinned already: it gets two and feeds one.
    how = {"n_jobs": max(2, processes), "pre_dispatch": processes, "batch_size": 1}
    with joblib.parallel_config(backend="loky", inner_max_num_threads=threads):
        yield from joblib.Parallel(**how, return_as="generator_unordered")(tasks)


def on_cluster(address: str, jobs, source, threads: int) -> Iterator[tuple]:
    """Run jobs on the workers of a Dask cluster; a job whose worker is lost is tried once more.

    Raises RuntimeError when `distributed` is not installed or no scheduler or worker answers.
    """
    with connect(address) as client:
        from distributed import as_completed

        images, labels = client.scatter([source.images, source.labels], broadcast=True)
        futures = [
            client.submit(work, position, recipe, fold, images, labels, threads, None, True, retries=1, pure=False)
            for position, (recipe, fold) in enumerate(jobs)
        ]
        for future in as_completed(futures, loop=client.loop):
            yield future.result()


@contextlib.contextmanager
def connect(address: str) -> Iterator:
    """Yield a client of the Dask cluster at `address`, which has at least one worker.

    Raises RuntimeError when `distributed` is not installed or no scheduler or worker answers.
    """
    try:
        from distributed import Client
    except ImportError as missing:
        raise RuntimeError("DASK_SCHEDULER is set, but there is no `distributed`: pip install distributed") from missing
    try:
        client = Client(address, timeout=20, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"DASK_SCHEDULER={address}: no scheduler answers there ({error})") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=60)
        except TimeoutError as error:
            raise RuntimeError(f"DASK_SCHEDULER={address}: the scheduler has no workers") from error
        yield client


def work(position: int, recipe, fold: Fold, images, labels, threads: int, store: str | None, ship: bool) -> tuple:
    """Train in a worker; return (position, outcome, the run's files by name when they are to travel).

    store None is the worker's own.
    """
    with pinned(threads):
        from helpers.training import fit

        run = fit.run(recipe(folds.split_of(fold, images, labels)), store=Path(store) if store else None)
    files = {path.name: path.read_bytes() for path in run.directory.iterdir() if path.is_file()} if ship else {}
    return position, outcome(run), files


@contextlib.contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Hold this worker for one training on `threads` threads, silently.

    Raises RuntimeError when the process already works with another number.
    """
    os.environ["DIGITS_THREADS"] = str(threads)  # read at TensorFlow's first operation, which is still to come
    with _ONE_AT_A_TIME:
        from helpers.runtime import device
        from helpers.runtime.device import silenced_stderr

        if (found := device.threads()) != threads:
            raise RuntimeError(
                f"threads = {threads}, but this worker's TensorFlow already works with {found}; start it anew, "
                f"with DIGITS_THREADS={threads} in its environment"
            )
        with silenced_stderr():  # a notebook would print a worker's progress into the page
            yield


def outcome(run) -> dict:
    """Return what a training ended with as values that travel: everything of validation.Trained but its fold."""
    return {
        "key": run.key,
        "model": run.spec.model,
        "epochs": run.spec.epochs,
        "history": run.history,
        "val_predictions": run.val_predictions,
        "test_predictions": run.test_predictions,
        "seconds": run.seconds,
        "parameters": run.parameters,
        "threads": run.hardware["threads"],
        "reused": run.reused,
    }


def install(store: Path, run_key: str, files: Mapping[str, bytes]) -> None:
    """Put a run that came by value into the store, its record last; whoever reads it verifies every hash."""
    if not files:
        return
    entry = run_store.Entry(store, run_key)
    with entry.lock():
        for name in sorted(files, key=lambda name: name == run_store.RECORD):
            run_store.write(entry.directory / Path(name).name, files[name])
