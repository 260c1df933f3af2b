"""Keras, imported quietly: TensorFlow greets on stderr before any log level can silence it.

In a notebook those lines would end up in the page. Every module that needs Keras takes it from here.
"""

import importlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from helpers.precision import available_threads

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
