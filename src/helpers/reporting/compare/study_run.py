"""`make study STUDY=file`: run every point that is not finished, several at a time, and compare all on one page."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout

from helpers import results
from helpers.reporting.build import without_paths
from helpers.reporting.compare import points, study_page
from helpers.reporting.compare.points import Ran
from helpers.reporting.compare.study import Point, Study, read
from helpers.reporting.page import render as renderer
from helpers.reporting.page import site
from helpers.reporting.run import execute, freshness, provenance
from helpers.reporting.run.terminal import Terminal
from helpers.runtime import paths
from helpers.runtime.files import explain, write_atomically
from helpers.runtime.progress import duration


@dataclass(frozen=True)
class Found:
    """A point as the study has it: its results, or the error it ended with."""

    point: Point
    report: results.Report | None
    error: str
    seconds: float
    kept: bool  # finished before this call


def study(path: Path, *, jobs: int, force: bool, limits: execute.Limits, terminal: Terminal) -> int:
    """Bring a study up to date and write its page; return 0, or 1 when a point failed.

    With DASK_SCHEDULER in the environment the points run on that cluster, else `jobs` at a time here. Raises
    ValueError for whatever is wrong with the file, before anything runs, and RuntimeError when no cluster answers.
    """
    plan = read(path)
    if jobs < 1:
        raise ValueError(f"JOBS={jobs}: at least 1 is needed")
    plan.directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(plan.directory / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        terminal.say(f"study {plan.name} is running already; waiting for it to end")
        lock.acquire()
    with lock:
        shutil.rmtree(plan.directory / "scratch", ignore_errors=True)  # what a killed study left
        waiting = [point for point in plan.points if force or _why(plan, point)]
        kept = len(plan.points) - len(waiting)
        terminal.say(f"study {plan.name}: {_count(len(plan.points))}, {kept} finished before, {len(waiting)} to run")
        failed = _run(plan, waiting, jobs, limits, terminal)
        found = [_found(plan, point, point not in waiting) for point in plan.points]
        site.write_assets(plan.directory / "assets")
        page = plan.directory / "index.html"
        write_atomically(page, study_page.render(plan, found))
        shutil.rmtree(plan.directory / "scratch", ignore_errors=True)
    terminal.say(
        f"{_count(len(plan.points))}: {len(waiting) - failed} executed, {kept} kept, {failed} failed; "
        f"read {page.relative_to(paths.ROOT)}"
    )
    return 1 if failed else 0


def _run(plan: Study, waiting: list[Point], jobs: int, limits: execute.Limits, terminal: Terminal) -> int:
    """Run points and store each as it ends; return how many failed."""
    failed = 0
    for number, (point, ran) in enumerate(_stream(plan, waiting, jobs, limits, terminal), start=1):
        try:
            error = _store(plan, point, ran)
        except OSError as problem:  # a full disk: the others may still find room once this point's scratch is gone
            error = f"its products could not be stored: {explain(problem)}"
        failed += bool(error)
        last = [line for line in error.splitlines() if line.strip()][-1] if error else ""
        outcome = f"FAILED after {duration(ran.seconds)}: {last}" if error else f"executed in {duration(ran.seconds)}"
        terminal.say(f"[{number}/{len(waiting)}] {point.label}: {outcome}")
    return failed


def _stream(plan: Study, waiting: list[Point], jobs: int, limits: execute.Limits, terminal: Terminal) -> Iterator:
    address = os.environ.get("DASK_SCHEDULER", "")
    if not waiting:
        return iter(())
    pinned = os.environ.get("DIGITS_THREADS", "")
    if pinned and not (pinned.isdecimal() and int(pinned) > 0):
        raise ValueError(f"DIGITS_THREADS: got {pinned!r}; a whole number from 1 is allowed")
    if address:
        threads = int(pinned or 1)
        terminal.say(f"on the Dask cluster at {address}, threads a point: {threads}")
        return points.on_cluster(address, waiting, threads=threads, limits=limits)
    jobs = min(jobs, len(waiting))
    threads = int(pinned or max(1, points.cores() // jobs))
    terminal.say(f"{jobs} at a time, threads a point: {threads}")
    return points.here(waiting, jobs=jobs, threads=threads, limits=limits, scratch=plan.directory / "scratch")


def _why(plan: Study, point: Point) -> list[str]:
    """Return why a point must be run, in words; empty when it is finished and none of its sources has changed."""
    home = plan.directory / "points" / point.name
    state = freshness.read_state(home / "state.json")
    why = freshness.why_stale(state and state.get("components"), point.components)
    for name in ("executed.ipynb", f"{point.slug}.json"):
        if not why and _digest(home / name) != state["files"].get(name):
            why.append(f"{name} is missing or not what was written")
    return why


def _store(plan: Study, point: Point, ran: Ran) -> str:
    """Write what a point left, its state last, and its page; return its error, "" when it succeeded."""
    home = plan.directory / "points" / point.name
    page = plan.directory / f"{point.name}.html"
    (home / "state.json").unlink(missing_ok=True)  # from here until its end the point is not finished
    write_atomically(home / "log.txt", "\n".join(ran.log) + "\n")
    error = ran.error
    if error is None:
        write_atomically(home / f"{point.slug}.json", ran.results)
        try:
            results.load(point.slug, directory=home)
        except ValueError as problem:
            error = f"the results it recorded are not valid: {problem}"
    notebook = _notebook(ran.executed, point)
    notebook.metadata.pop("papermill", None)  # holds a machine's paths
    if error is not None:
        write_atomically(home / "failed.json", json.dumps({"error": error, "seconds": ran.seconds}))
        options = "".join(f" -p {name} {value}" for name, value in point.overrides.items())
        failure = renderer.render_failure(
            notebook,
            slug=point.name,
            error=error,
            parameters=point.resolved,
            log_tail=list(ran.log[-40:]),
            command=f"papermill notebooks/{point.slug}.ipynb build/out.ipynb{options}",
        )
        write_atomically(page, without_paths(failure, plan.directory))
        return error
    began = datetime.now(UTC).isoformat(timespec="seconds")
    seed, profile = point.resolved.get("seed"), point.resolved.get("profile", "standard")
    about = {"profile": profile, "parameters": point.resolved, "seed": seed, "seconds": ran.seconds}
    notebook.metadata["digits"] = about | {"executed_at": began, **provenance.commit(), **ran.about}
    write_atomically(home / "executed.ipynb", without_paths(nbformat.writes(notebook), plan.directory))
    write_atomically(page, renderer.render_page(notebook, slug=point.slug))
    (home / "failed.json").unlink(missing_ok=True)
    files = {name: _digest(home / name) for name in ("executed.ipynb", f"{point.slug}.json")}
    state = {"components": point.components, "executed_at": began, "seconds": ran.seconds, "files": files}
    write_atomically(home / "state.json", json.dumps(state, indent=1, sort_keys=True))
    return ""


def _found(plan: Study, point: Point, kept: bool) -> Found:
    home = plan.directory / "points" / point.name
    state = freshness.read_state(home / "state.json")
    if state is None:
        failure = freshness.read_state(home / "failed.json") or {}
        return Found(point, None, failure.get("error", "it did not run"), failure.get("seconds", 0.0), kept)
    return Found(point, results.load(point.slug, directory=home), "", state["seconds"], kept)


def _notebook(text: str, point: Point) -> nbformat.NotebookNode:
    try:
        return nbformat.reads(text, as_version=4)
    except Exception:  # cut anywhere by whatever ended it; the source still says what was to run
        return nbformat.from_dict(point.notebook)


def _digest(path: Path) -> str | None:
    return freshness.digest(path.read_bytes()) if path.is_file() else None


def _count(n: int) -> str:
    return f"{n} point{'' if n == 1 else 's'}"
