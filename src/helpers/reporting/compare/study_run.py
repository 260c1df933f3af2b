"""`make study STUDY=file`: run every point that is not finished, several at a time, and compare all on one page."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers import results
from helpers.reporting import produce
from helpers.reporting.build import locked
from helpers.reporting.compare import study_page
from helpers.reporting.compare.study import Point, Study, read
from helpers.reporting.page import site
from helpers.reporting.page.pages import render
from helpers.reporting.produce import Done, How, Ran
from helpers.reporting.run import execute
from helpers.reporting.run.plan import Job, noted, reasons, render_reasons
from helpers.reporting.run.terminal import Terminal
from helpers.runtime import paths
from helpers.runtime.files import explain, write_atomically


@dataclass(frozen=True)
class Found:
    """A point as the study has it: its results, or the error it ended with."""

    point: Point
    report: results.Report | None
    error: str
    seconds: float


def study(path: Path, *, jobs: int, force: bool, limits: execute.Limits, terminal: Terminal) -> int:
    """Bring a study up to date and write its page; return 0, or 1 when a point failed.

    With DASK_SCHEDULER in the environment the points run on that cluster, else `jobs` at a time here. Raises
    ValueError for whatever is wrong with the file, before anything runs, and RuntimeError when no cluster answers.
    """
    plan = read(path)
    if jobs < 1:
        raise ValueError(f"JOBS={jobs}: at least 1 is needed")
    with locked(plan.directory, f"study {plan.name} is running already", terminal):
        scratch = plan.directory / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)  # what a killed study left
        every = [produce.as_of_now(point.job, plan.where) for point in plan.points]
        waiting = [job for job in every if force or reasons(job, plan.where)]
        kept = len(every) - len(waiting)
        terminal.say(f"study {plan.name}: {_count(len(every))}, {kept} finished before, {len(waiting)} to run")
        errors = {}
        with _ways(plan, waiting, jobs, force, limits, terminal) as (how, at_a_time):
            for number, done in enumerate(produce.outcomes(waiting, at_a_time, how, _alone), start=1):
                errors[done.job.slug] = done.error or _rendered(done.job, plan)
                terminal.say(f"{number} of {len(waiting)} done")
        for job in every:
            if job not in waiting and render_reasons(job, plan.where):
                render(job, plan.where)
        site.write_assets(plan.directory / "assets")
        page = plan.directory / "index.html"
        write_atomically(page, study_page.render(plan, found(plan, errors)))
        shutil.rmtree(scratch, ignore_errors=True)
    failed = sum(map(bool, errors.values()))
    terminal.say(
        f"{_count(len(every))}: {len(waiting) - failed} executed, {kept} kept, {failed} failed; "
        f"read {page.relative_to(paths.ROOT)}"
    )
    return 1 if failed else 0


def found(plan: Study, errors: dict[str, str]) -> list[Found]:
    """Return the points with what they recorded; `errors` of this run, by name."""
    points = []
    for point in plan.points:
        name, error = point.job.slug, errors.get(point.job.slug, "")
        report = None if error else results.load(name, directory=plan.where.results)
        points.append(Found(point, report, error, 0.0 if error else noted(name, plan.where)["seconds"]))
    return points


@contextlib.contextmanager
def _ways(
    plan: Study, waiting: list[Job], jobs: int, force: bool, limits: execute.Limits, terminal: Terminal
) -> Iterator[tuple[How, int]]:
    """Give how points are run, and how many at a time: side by side here, or all of them on a Dask cluster."""
    address, jobs = os.environ.get("DASK_SCHEDULER", ""), max(1, min(jobs, len(waiting)))
    threads = produce.threads_for(produce.cores() if address else jobs)
    # A cluster that runs points has no workers for folds.
    environment = execute.pinned(threads) | {"DASK_SCHEDULER": ""}
    how = {"where": plan.where, "scratch": plan.directory / "scratch", "limits": limits, "terminal": terminal}
    how |= {"force": force, "environment": environment}
    if not waiting or not address:
        if waiting:
            terminal.say(f"{jobs} at a time, threads a point: {threads}")
        yield How(**how), jobs
        return
    from helpers.training.workers import connect

    terminal.say(f"on the Dask cluster at {address}, threads a point: {threads}")
    with connect(address) as client:
        local = How(**how)
        yield How(**how, stop=local.stop, run=_on(client, local)), len(waiting)


def _on(client, how: How) -> Callable[[Job, Callable], Ran]:
    """Return what runs a job on a cluster and waits for it. A point whose worker is lost is tried again."""

    def run(job: Job, progress: Callable) -> Ran:
        task = {"limits": asdict(how.limits), "environment": how.environment, "retries": 1, "pure": False}
        future = client.submit(produce.stage, *produce.task_of(job), **task)
        while not future.done():
            if how.stop.wait(0.1):
                future.cancel()
                raise KeyboardInterrupt
        return future.result()

    return run


def _alone(job: Job, how: How) -> Done:
    """Bring a point up to date; what breaks outside of its notebook fails that point, not the study."""
    try:
        return produce.bring(job, how)
    except Exception as error:  # a full disk, a lost worker
        words = f"{type(error).__name__}: {explain(error)}"
        how.terminal.say(f"{job.slug}: FAILED: {words}")
        return Done(job, ["it broke"], words)


def _rendered(job: Job, plan: Study) -> str:
    """Render a point's page; return what went wrong."""
    try:
        render(job, plan.where)
    except OSError as error:
        return f"its page could not be stored: {explain(error)}"
    return ""


def _count(n: int) -> str:
    return f"{n} point{'' if n == 1 else 's'}"
