"""How much of a computation is done in Python itself: a measure of speed that a busy machine does not change."""

import sys
from collections.abc import Callable


def steps(work: Callable) -> tuple[int, object]:
    """Return how many lines and calls of Python `work()` takes, and what it returns.

    What NumPy does to a million values is one step, a loop over them a million.
    """
    count, before = 0, sys.gettrace()

    def traced(frame, event, arg):
        nonlocal count
        count += 1
        return traced

    sys.settrace(traced)
    try:
        result = work()
    finally:
        sys.settrace(before)
    return count, result
