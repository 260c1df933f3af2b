"""Lines for whoever waits at a terminal, kept out of the reports."""

import io
import os
import sys
from typing import TextIO


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


def speak() -> None:
    """Let standard output and error show what their encoding lacks (LC_ALL=C) as escapes instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def unheard(stream: TextIO) -> None:
    """Send what is still written to a stream nowhere: whoever read it has left (`make status | head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def duration(seconds: float | None) -> str:
    """Return seconds as a person says them: "8.4 s", "42 s", "3 min 05 s", "2 h 10 min"; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
