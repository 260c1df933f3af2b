"""Run the points of a study: here, several at a time, or on a Dask cluster; what comes back is text, never a path."""

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat

from helpers.reporting.compare.study import Point
from helpers.reporting.run import execute, provenance


@dataclass(frozen=True)
class Ran:
    """How a point ended: error None when every cell ran; executed and results are the texts of its two files."""

    seconds: float
    error: str | None
    cell: int | None
    log: tuple[str, ...]
    executed: str
    results: str
    about: dict


class Stopped(Exception):
    """The study was interrupted; the notebook that was running is ended."""


def run_point(
    source: str,
    slug: str,
    parameters: dict,
    *,
    limits: Mapping[str, float],
    threads: int,
    scratch: str | None = None,
    stop: threading.Event | None = None,
) -> dict:
    """Execute a notebook (its source as text) in the project's own worker and return the fields of `Ran`.

    threads: for TensorFlow and the numeric libraries. scratch: where its temporary directory goes. It needs no file
    of the machine that asked, so it travels to a cluster as it is.
    """

    def look(progress: execute.Progress) -> None:
        if stop is not None and stop.is_set():
            raise Stopped

    with tempfile.TemporaryDirectory(prefix="point-", dir=scratch, ignore_cleanup_errors=True) as home:
        path, output, results = Path(home, "source.ipynb"), Path(home, "executed.ipynb"), Path(home, "results")
        path.write_text(source, encoding="utf-8")
        outcome = execute.run(
            path,
            output,
            parameters=parameters,
            results=results,
            limits=execute.Limits(**limits),
            progress=look,
            # A cluster that runs points has no workers for folds.
            environment=execute.pinned(threads) | {"DASK_SCHEDULER": ""},
        )
        recorded = results / f"{slug}.json"
        error = outcome.error
        if error is None and not recorded.exists():
            error = f"the notebook ran but recorded no results as {slug}"
        return {
            "seconds": outcome.seconds,
            "error": error,
            "cell": outcome.cell,
            "log": outcome.log,
            "executed": _text(output).replace(f"{home}/", ""),
            "results": _text(recorded),
            "about": {"data": provenance.data_checksums(), "threads": threads, **provenance.machine()},
        }


def here(points: list[Point], *, jobs: int, threads: int, limits: execute.Limits, scratch: Path) -> Iterator[tuple]:
    """Run points, `jobs` at a time, each in a process of its own; yield (point, Ran) as they end."""
    scratch.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {}
        try:
            for point in points:
                how = {"limits": asdict(limits), "threads": threads, "scratch": str(scratch), "stop": stop}
                waiting[pool.submit(run_point, *_task(point), **how)] = point
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), _ran(future)
        finally:  # Ctrl-C, or whoever asked has had enough: end what runs and start nothing more
            stop.set()
            for future in waiting:
                future.cancel()


def on_cluster(address: str, points: list[Point], *, threads: int, limits: execute.Limits) -> Iterator[tuple]:
    """Run points on the workers of a Dask cluster; yield (point, Ran). A point whose worker is lost is tried again.

    Raises RuntimeError when `distributed` is not installed or no scheduler or worker answers.
    """
    from helpers.training.workers import connect

    with connect(address) as client:
        from distributed import as_completed

        how = {"limits": asdict(limits), "threads": threads, "retries": 1, "pure": False}
        waiting = {client.submit(run_point, *_task(point), **how): point for point in points}
        for future in as_completed(list(waiting), loop=client.loop):
            yield waiting[future], _ran(future)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _task(point: Point) -> tuple[str, str, dict]:
    return nbformat.writes(point.notebook), point.slug, point.overrides


def _ran(future) -> Ran:
    """Return what a finished future holds; what broke outside of the notebook fails that point, not the study."""
    try:
        return Ran(**future.result())
    except Exception as error:  # a full disk, a lost worker
        return Ran(0.0, f"{type(error).__name__}: {error}", None, (), "", "", {})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
