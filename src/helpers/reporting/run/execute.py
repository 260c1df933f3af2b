"""Execute one notebook strictly: in its own process, within limits of time and memory, leaving nothing half-done."""

import contextlib
import json
import math
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

from helpers.reporting.run import environment as environments
from helpers.runtime import paths

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LONGEST = 2_000_000  # seconds
_LAST = 30.0  # seconds in which a worker ends that has done all
MARK = "DIGITS_OPENED"  # in the environment of all that an execution starts: a path that no other execution has


def pinned(threads: int | str) -> dict[str, str]:
    """Return what a kernel's environment says when it is to compute with so many threads."""
    return dict.fromkeys(("DIGITS_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))


@dataclass(frozen=True)
class Limits:
    """Wall-clock seconds for a notebook and for one cell, and bytes of memory for its whole process tree."""

    notebook_seconds: float = 3600.0
    cell_seconds: float = 2400.0
    memory_bytes: int = min(12 * 2**30, psutil.virtual_memory().total * 9 // 10)  # before the system picks a victim


@dataclass(frozen=True)
class Outcome:
    """How an execution ended: `error` is None when every cell ran; `cell` is the failing cell's number, from 1.

    opened: files below the root that the kernel read or looked for and did not write, as paths from the root; wrote:
    those that it wrote.
    """

    seconds: float
    error: str | None = None
    cell: int | None = None
    log: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    wrote: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """What the terminal shows while a notebook runs."""

    cell: int
    cells: int
    seconds: float
    line: str


def run(
    source: Path,
    output: Path,
    *,
    parameters: dict,
    results: Path,
    limits: Limits = Limits(),
    progress: Callable[[Progress], None] = lambda progress: None,
    environment: Mapping[str, str] = MappingProxyType({}),
    idle: Callable[[set[int]], float] | None = None,
) -> Outcome:
    """Execute a notebook file into `output`, its results into the directory `results`.

    `environment` is added to what `environment.for_kernel` says. What `progress` raises ends the execution and is
    passed on. `idle`: for how many seconds the processes with these numbers have waited for others, which count for no
    limit.

    The kernel and all that it started die with this call, however the call ends: an error, a limit, Ctrl-C. `output` is
    a scratch path: on failure it holds the notebook as far as it came, if anything came.
    """
    job = {
        "source": str(source),
        "output": str(output),
        "parameters": parameters,
        "cwd": str(paths.ROOT),
        # Whole seconds, and none would be no limit at all; more than 24 days are more than a poll can wait.
        "cell_timeout": min(max(1, math.ceil(limits.cell_seconds)), _LONGEST) if idle is None else _LONGEST,
    }
    started = time.monotonic()
    notes, home = output.with_suffix(".opened"), output.with_suffix(".home")
    home.mkdir(parents=True, exist_ok=True)
    places = {"DIGITS_RESULTS_DIR": str(results), "DIGITS_ROOT": str(paths.ROOT)}
    places |= {MARK: str(notes), "PYTHONSTARTUP": str(Path(__file__).with_name("watch.py"))}
    # A session of its own: Ctrl-C reaches this process alone, which then ends the children in order.
    worker = subprocess.Popen(
        [sys.executable, "-m", "helpers.reporting.run.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=environments.for_kernel(home) | dict(environment) | places,
        start_new_session=True,
    )
    events: queue.Queue[dict] = queue.Queue()
    threads = [
        threading.Thread(target=_read_events, args=(worker.stdout, events), daemon=True),
        threading.Thread(target=_read_stderr, args=(worker.stderr, events), daemon=True),
    ]
    log: deque[str] = deque(maxlen=200)
    error, failed_cell, cell, cells, line = None, None, 0, 0, ""
    known: dict[int, psutil.Process] = {}
    looked, memory, waited, cell_began = 0.0, 0, 0.0, 0.0
    try:
        with contextlib.suppress(BrokenPipeError):
            worker.stdin.write(json.dumps(job) + "\n")
            worker.stdin.flush()  # and left open: when this process is killed it closes, which ends the worker
        for thread in threads:
            thread.start()
        while error is None:
            try:
                event = events.get(timeout=0.5)
            except queue.Empty:
                event = {"event": "tick"}
            seconds = time.monotonic() - started
            match event["event"]:
                case "cell":
                    cell, cells, line = event["number"], event["total"], ""
                    cell_began = seconds - waited
                case "line":
                    line = event["text"]
                    log.append(line)
                case "error":
                    failed_cell = event["cell"] or cell or None
                    error = _explain(event, cell)
                case "done":
                    break
                case "tick" if worker.poll() is not None and events.empty() and not threads[0].is_alive():
                    error = f"the process running the notebook ended with status {worker.returncode} in cell {cell}"
                    failed_cell = cell or None
            if error is None and idle and seconds - waited - cell_began > limits.cell_seconds:
                error = f"cell {cell} ran longer than its time limit, {limits.cell_seconds:.0f} s"
                failed_cell = cell or None
            if error is None and seconds - waited > limits.notebook_seconds:
                error = f"stopped after {limits.notebook_seconds:.0f} s, the notebook's time limit, in cell {cell}"
                failed_cell = cell or None
            # A look at every process costs milliseconds, lines can come by the thousand, and here many may wait.
            if seconds - looked > (1.0 if idle else 0.5):
                looked, memory = seconds, _memory(worker.pid, known)
                waited = idle({*known}) if idle else 0.0
            if error is None and memory > limits.memory_bytes:
                error = (
                    f"stopped at {memory / 2**30:.1f} GiB of memory in cell {cell}; "
                    f"the limit is {limits.memory_bytes / 2**30:.1f} GiB"
                )
                failed_cell = cell or None
            progress(Progress(cell, cells, seconds - waited, line))  # as `Outcome` counts those of a run
        if error is None:
            error = _left_open(worker)
    finally:
        _memory(worker.pid, known)
        _end(worker, known, str(notes), threads)
    # A report says what its own work took, however many others had their turn before it.
    return Outcome(time.monotonic() - started - waited, error, failed_cell, tuple(log), *_noted(notes))


def _left_open(worker: subprocess.Popen) -> str | None:
    """Wait for the end of a worker that has done all; return what is wrong with it."""
    try:
        status = worker.wait(timeout=_LAST)
    except subprocess.TimeoutExpired:
        return f"every cell ran, but the process running the notebook had not ended {_LAST:.0f} s later"
    return f"the process running the notebook ended with status {status}" if status else None


def _noted(notes: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what `watch` noted: files that were read and never written, and those that were written."""
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
    read, written = ({line[2:] for line in lines if line.startswith(kind)} for kind in "rw")
    return tuple(sorted(read - written)), tuple(sorted(written))


def end_marked(mark: str) -> None:
    """End every other process that an execution started: also those that cut their ties, as by forking twice."""
    for _ in range(10):  # one may start another meanwhile
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):  # those of others cannot be looked into
                if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                    process.kill()
                    found.append(process)
        if not found:
            return
        psutil.wait_procs(found, timeout=1)


def _explain(event: dict, cell: int) -> str:
    """Return an event's error as text a reader can act on."""
    text = ANSI.sub("", event["text"])
    if event["name"] == "DeadKernelError":
        return f"the kernel died in cell {cell} (killed, or out of memory)"
    if event["name"] == "CellTimeoutError":
        return f"cell {cell} ran longer than its time limit: {text.splitlines()[0]}"
    return text if event["name"] in text else f"{event['name']}: {text}"


def _read_events(stream, events: queue.Queue) -> None:
    for text in stream:
        with contextlib.suppress(ValueError):
            events.put(json.loads(text))


def _read_stderr(stream, events: queue.Queue) -> None:
    for text in stream:
        events.put({"event": "line", "stream": "stderr", "text": text.rstrip()})


def _memory(pid: int, known: dict[int, psutil.Process]) -> int:
    """Return the resident bytes of a process and its descendants, remembering each so that all can be ended."""
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            known[process.pid] = process
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _end(
    worker: subprocess.Popen, known: dict[int, psutil.Process], mark: str, threads: list[threading.Thread]
) -> None:
    """End the worker and everything it started; a kernel would otherwise outlive it for seconds."""
    for process in known.values():
        with contextlib.suppress(psutil.Error):
            if process.is_running():
                process.kill()
    with contextlib.suppress(OSError):
        worker.kill()
    worker.wait()
    end_marked(mark)
    for sockets in Path(tempfile.gettempdir()).glob(f"nb-{worker.pid}-*"):
        shutil.rmtree(sockets, ignore_errors=True)
    for stream, thread in zip((worker.stdin, worker.stdout, worker.stderr), (None, *threads), strict=True):
        if thread and thread.ident:
            thread.join(timeout=5)
        # Closing waits for whoever reads; somebody who hides from us may hold the other end for ever.
        if not (thread and thread.is_alive()):
            with contextlib.suppress(OSError, ValueError):
                stream.close()
