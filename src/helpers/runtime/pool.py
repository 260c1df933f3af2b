"""How a kernel of a build asks its pool: for trainings, and to have the machine alone while something is timed.

A kernel finds the pool (`reporting.run.pool`) by an environment variable, hands in calls as bytes, and waits while
holding nothing. Outside of a build of several reports there is no pool, and `alone` has nothing to do.
"""

import contextlib
import os
import pickle
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection

ADDRESS = "DIGITS_POOL"  # in a kernel's environment: the socket of its build's pool
WORKER_BYTES = 1_500_000_000  # TensorFlow 0.8 GB, and a split's images with what they become on the way
_held = threading.Event()  # set while this process has the machine alone: all of its threads have it


class Stale(RuntimeError):
    """A worker has loaded other code than whoever asks; a new one may not."""


@dataclass(frozen=True, eq=False)
class Call:
    """What a kernel asks for: a pickled (function, arguments), and what the pool may know of it.

    leaves: names of the runs it puts into the store. cost: floating-point operations, roughly; it orders the queue.
    """

    pickled: bytes
    leaves: frozenset[str]
    cost: float
    label: str


def calls(address: str, asked: Sequence[Call]) -> Iterator:
    """Have calls made by the pool at `address`; yield (call, what it returned) as they end.

    What a call leaves may be there already, when another kernel had asked for it: then None. Raises what a call raises;
    those that have not begun are then dropped. Raises RuntimeError inside of `alone`, where no call is made.
    """
    if _held.is_set():
        raise RuntimeError("trainings cannot be asked for while the machine is held alone")
    with contextlib.closing(Client(address, family="AF_UNIX")) as connection:
        asking = [(each.pickled, each.leaves, each.cost, each.label) for each in asked]
        connection.send(("calls", os.getpid(), asking))
        with _leaving(connection):
            for _ in asked:
                try:
                    number, good, answer = connection.recv()
                except (EOFError, OSError):
                    raise RuntimeError("the build that trains for this notebook has ended") from None
                value = answer and pickle.loads(answer)
                if not good:
                    raise value
                yield asked[number], value


@contextlib.contextmanager
def alone(*, still: bool = True) -> Iterator[None]:
    """Hold every core of a build while this lasts: no call of any kernel is made; nothing to do outside of a build.

    still: other kernels are stopped meanwhile, too. What then runs in here must take no lock that one of them may hold,
    as those of the run store. What is held already is not asked for again.
    """
    address = os.environ.get(ADDRESS, "")
    if not address or _held.is_set():
        yield
        return
    with contextlib.closing(Client(address, family="AF_UNIX")) as connection:
        connection.send(("alone", os.getpid(), still))
        with _leaving(connection):
            try:
                connection.recv()
            except (EOFError, OSError):
                raise RuntimeError("the build of this notebook has ended") from None
            _held.set()
            try:
                yield
            finally:
                _held.clear()


@contextlib.contextmanager
def _leaving(connection: Connection) -> Iterator[None]:
    """Say at the end that this process wants no more: closing says so, too, but not while a forked child lives."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            connection.send(None)
