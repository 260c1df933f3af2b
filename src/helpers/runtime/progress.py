"""Lines for whoever waits at a terminal, kept out of the reports."""

import os
import sys


def say(line: str) -> None:
    """Write `line` to the terminal.

    In a notebook kernel everything printed becomes part of the page, so there the line goes to the kernel's own
    stderr, which `make reports` passes on to the terminal and the page never sees.
    """
    stream = sys.stderr
    original = getattr(stream, "_original_stdstream_copy", None)  # ipykernel's copy of the true stderr
    try:
        if original is not None:
            os.write(original, (line + "\n").encode())
        else:
            print(line, file=stream, flush=True)
    except (OSError, ValueError):
        pass  # a closed terminal is no reason to stop a training


def duration(seconds: float) -> str:
    """Return seconds as '42 s', '3 min 05 s' or '2 h 10 min'."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"
