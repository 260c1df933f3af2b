"""Keras, imported quietly: TensorFlow greets on stderr before any log level can silence it.

In a notebook those lines would end up in the page. Every module that needs Keras takes it from here.
"""

import importlib
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from helpers.runtime.precision import available_threads, choose, cores, cpuinfo

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere for a while (native libraries do not write through `sys.stderr`)."""
    try:
        kept = os.dup(2)
    except OSError:  # no stderr at all
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


with silenced_stderr():
    keras = importlib.import_module("keras")
    if keras.backend.backend() == "tensorflow":
        threading = importlib.import_module("tensorflow").config.threading
        # Its first operation decides with how many threads TensorFlow computes, and that need not be a training's.
        with suppress(RuntimeError):  # it has been used before, by somebody else: `precision.threads` says what holds
            threading.set_intra_op_parallelism_threads(available_threads())
            threading.set_inter_op_parallelism_threads(available_threads())

# Each run traces its own step function on purpose; TensorFlow takes that for a mistake and says so.
logging.getLogger("tensorflow").setLevel(logging.ERROR)


@cache
def threads() -> int:
    """Pin the backend's threads and return their number (the first call decides, for the whole process).

    TensorFlow takes the setting only before its first operation; later, the number it already works with is kept.
    Operations are made deterministic at the same time, which on a processor costs nothing measurable.
    """
    wanted = available_threads()
    if keras.backend.backend() != "tensorflow":
        return wanted
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(wanted)
        tf.config.threading.set_inter_op_parallelism_threads(wanted)
    except RuntimeError:
        wanted = tf.config.threading.get_intra_op_parallelism_threads() or cores()  # 0 is as many as there are
    tf.config.experimental.enable_op_determinism()
    with silenced_stderr():
        tf.zeros(1)  # the first operation greets, too
    return wanted


def hardware() -> dict[str, str | int]:
    """Describe the machine for a report: processor, cores, threads, backend, precision chosen."""
    return {
        "processor": cpuinfo().get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "threads": threads(),
        "backend": keras.backend.backend(),
        "precision": choose(),
    }
