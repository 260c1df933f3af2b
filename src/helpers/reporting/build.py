"""Build the report series: execute what is stale, render what changed, write the front page, tell the terminal."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.reporting import produce
from helpers.reporting.front_page.index import write_index
from helpers.reporting.page.pages import join, render
from helpers.reporting.run import execute, gone, own
from helpers.reporting.run.plan import choose, parted, places, plan, render_reasons, skipped
from helpers.reporting.run.terminal import Terminal
from helpers.reporting.try_it import page as try_page
from helpers.runtime import paths


def build(
    profile: str,
    *,
    only: str | None,
    force: bool,
    limits: execute.Limits,
    terminal: Terminal,
    jobs: int | None = None,
    source: str = "",
) -> int:
    """Bring every report of a profile up to date; return the exit status: 0, or 1 when a notebook or try.html failed.

    jobs: notebooks executed at a time, which share the cores; None is one for each core in the smoke profile, else one,
    as trainings make use of every core by themselves. A failure leaves the last good report in place, its notebook as
    `NN.failed.ipynb`, a readable page under `failed/`, and does not stop the others. What a notebook left that
    is no more is taken away. source: somebody's own digits, see `own.read`; "" is MNIST. Raises ValueError, before
    anything is made, for what is wrong with the request.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"JOBS={jobs}: at least 1 is needed")
    digits = own.read(source) if source else None
    where = places(profile, digits)
    every, out = parted(plan(profile, digits), digits)
    chosen = every if only is None else choose(every, only, out)
    for words in [*skipped(profile), *own.told(digits, [job.slug for job in out])]:
        terminal.say(words)
    jobs = min(jobs or (produce.cores() if profile == "smoke" else 1), len(chosen))
    environment = execute.pinned(produce.threads_for(jobs)) if jobs > 1 else {}
    how = produce.How(where, paths.BUILD / "staging", limits, terminal, force, environment)
    with locked(paths.BUILD, "another build is running", terminal):
        _sweep(paths.BUILD)
        if digits:
            own.claim(digits)
        failures = executed = rendered = 0
        for done in produce.outcomes(chosen, jobs, how, produce.bring):
            failures += bool(done.error)
            executed += bool(done.why) and not done.error
            if not done.error and (done.why or render_reasons(done.job, where)):
                render(done.job, where, terminal.say)
                rendered += 1
                if not done.why:
                    terminal.say(f"{done.job.slug}: rendered again, nothing executed")
        for words in gone.take_away([job.slug for job in every], where):
            terminal.say(words)
        join(every, where)
        # try.html has nothing to do with a profile: one, beside the committed reports, is enough.
        drawable = where.pages != paths.REPORTS or try_page.refresh(where.pages, say=terminal.say)
        index = write_index(every, where, left_out=out)
        fresh = len(chosen) - executed - failures
        terminal.say(
            f"{executed} executed, {rendered} rendered, {fresh} already fresh, {failures} failed"
            + f"; read {index.relative_to(paths.ROOT)}"
        )
    return 0 if drawable and not failures else 1


@contextlib.contextmanager
def locked(directory: Path, busy: str, terminal: Terminal) -> Iterator[None]:
    """Hold a directory's lock, made if need be; say that it is busy before waiting for another process."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        terminal.say(f"{busy}; waiting for it to end")
        lock.acquire()
    with lock:
        yield


def _sweep(directory: Path) -> None:
    """Remove what a killed build left behind; the caller holds the lock, so nobody is using it."""
    shutil.rmtree(directory / "staging", ignore_errors=True)
    for part in [*directory.rglob(".*.part"), *paths.REPORTS.rglob(".*.part")]:
        with contextlib.suppress(OSError):
            if abs(time.time() - part.stat().st_mtime) > 60:  # a clock set back must not keep it for ever
                part.unlink()
