"""Number format and threads for training: chosen from what the processor can do, stated, and overridable.

`DIGITS_PRECISION` (float32 or mixed_bfloat16) and `DIGITS_THREADS` (a count) override the choice for a whole
process; a `TrainSpec` may name its precision as well. Both are part of a run's identity, because a different
number of threads adds the same numbers up in another order.
"""

import os
from functools import cache
from pathlib import Path

PRECISIONS = ("float32", "mixed_bfloat16")
# A processor with one of these multiplies bfloat16 numbers in hardware. Without them bfloat16 is emulated, and slower.
_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


@cache
def cpuinfo() -> dict[str, str]:
    """Return the first processor's entry of /proc/cpuinfo, {} where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text()  # noqa: PLW1514 - the code decides what trainings are stored under
    except OSError:
        return {}
    entries = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in entries}


def has_bfloat16() -> bool:
    """Return whether the processor computes with bfloat16 in hardware."""
    return bool(_BF16_FLAGS & set(cpuinfo().get("flags", "").split()))


def choose(requested: str = "auto") -> str:
    """Return "float32" or "mixed_bfloat16".

    `requested` "auto" takes `DIGITS_PRECISION` when set, and else what the hardware favours. Raises ValueError
    for any other name.
    """
    name = os.environ.get("DIGITS_PRECISION", "auto") if requested == "auto" else requested
    if name == "auto":
        return "mixed_bfloat16" if has_bfloat16() else "float32"
    if name not in PRECISIONS:
        raise ValueError(f"precision: got {name!r}; allowed are auto, {', '.join(PRECISIONS)}")
    return name


def available_threads() -> int:
    """Return how many threads to compute with: `DIGITS_THREADS`, or the cores this process may use."""
    text = os.environ.get("DIGITS_THREADS", "")
    if text and not (text.isdecimal() and int(text) > 0):
        raise ValueError(f"DIGITS_THREADS: got {text!r}; a whole number from 1 is allowed")
    if text:
        return int(text)
    return cores()


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
