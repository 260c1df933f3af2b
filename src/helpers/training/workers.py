"""Where work runs side by side: processes of this machine, or the workers of a Dask cluster."""

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator

import joblib

from helpers.runtime.pool import WORKER_BYTES
from helpers.runtime.precision import available_threads

_ONE_AT_A_TIME = threading.Lock()  # a Dask worker may run several tasks in one process; Keras wants one
# loky replaces a worker that has grown by 300 MB, as TensorFlow does over several trainings; no job is lost by it.
warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)


def available(threads: int = 1) -> int:
    """Return how many workers of `threads` threads this machine has cores and memory for, at least 1."""
    import psutil

    memory = psutil.virtual_memory().available // WORKER_BYTES
    return max(1, min(available_threads() // threads, int(memory)))


def spread(tasks, *, processes: int, threads: int) -> Iterator:
    """Run joblib's delayed calls in `processes` processes of `threads` threads; yield what they return as they end.

    One at a time needs no process of its own where this one works with as many threads. joblib writes large arrays to a
    file once, and every worker maps it.
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


def results(client, futures) -> Iterator:
    """Yield what futures of a cluster return, as they end; raises what a task raised."""
    from distributed import as_completed

    for future in as_completed(futures, loop=client.loop):
        yield future.result()


@contextlib.contextmanager
def pinned(threads: int, *, silent: bool = True) -> Iterator[None]:
    """Hold this worker for one training on `threads` threads.

    silent: standard error goes nowhere meanwhile; not where somebody keeps it, to see what a worker died of. Raises
    RuntimeError when the process already works with another number.
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
        # A notebook would print a worker's progress into the page.
        with silenced_stderr() if silent else contextlib.nullcontext():
            yield
