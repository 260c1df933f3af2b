"""Build the report series: execute what is stale, render what changed, write the front page, tell the terminal."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from helpers.reporting import produce
from helpers.reporting.front_page.index import write_index
from helpers.reporting.page.pages import join, render
from helpers.reporting.run import environment, execute, gone, own
from helpers.reporting.run.plan import Job, Places, choose, parted, places, plan, reasons, render_reasons, skipped
from helpers.reporting.run.pool import PREFIX, Pool
from helpers.reporting.run.terminal import Terminal
from helpers.reporting.try_it import page as try_page
from helpers.runtime import paths
from helpers.runtime.files import explain, write_atomically
from helpers.runtime.pool import ADDRESS, WORKER_BYTES
from helpers.runtime.precision import available_threads

_CONTAINER = Path("/sys/fs/cgroup")
_SOCKET = "socket"  # in the scratch folder of a pool: where its socket is


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

    jobs: notebooks that are in work at a time, at most; None is as many as there is memory for. Their trainings go
    through one pool of processes, one for each core if memory allows. One at a time, as is the full profile and what
    trains on a Dask cluster, each has processes of its own. A failure leaves the last good report in place, its
    notebook as `NN.failed.ipynb`, a readable page under `failed/`, and does not stop the others. What a notebook left
    that is no more is taken away. source: somebody's own digits, see `own.read`; "" is MNIST. Raises ValueError, before
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
    one_by_one = profile == "full" or bool(os.environ.get("DASK_SCHEDULER"))
    jobs = min(jobs or (1 if one_by_one else at_once()), len(chosen))
    scratch = paths.BUILD / "staging"
    with locked(paths.BUILD, "another build is running", terminal):
        _sweep(paths.BUILD)
        if digits:
            own.claim(digits)
        failures = executed = rendered = 0
        with contextlib.ExitStack() as stack:
            how = produce.How(where, scratch, limits, terminal, force)
            in_work, since = set(), datetime.now().astimezone().isoformat(timespec="seconds")
            if jobs > 1:
                how = replace(how, **_pooled(stack, scratch, limits))
                in_work = {job.slug for job in chosen if not job.error and (force or reasons(job, where))}
                stack.callback(write_index, every, where, left_out=out)  # also after Ctrl-C nothing is in work
            if in_work:
                write_index(every, where, left_out=out, in_work=in_work, since=since)
            for done in produce.outcomes(chosen, jobs, how, produce.bring):
                wrong = done.error
                if not wrong and (done.why or render_reasons(done.job, where)):
                    wrong = _rendered(done.job, where, terminal)
                    rendered += not wrong
                    if not done.why and not wrong:
                        terminal.say(f"{done.job.slug}: rendered again, nothing executed")
                failures += bool(wrong)
                executed += bool(done.why) and not wrong
                if in_work or done.why:  # what it found stands there at once, also where one runs after the other
                    in_work.discard(done.job.slug)
                    write_index(every, where, left_out=out, in_work=in_work, since=since)
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


def _rendered(job: Job, where: Places, terminal: Terminal) -> str:
    """Render a report's page; return what went wrong, which fails that report and no other."""
    try:
        render(job, where, terminal.say)
    except OSError:  # a full disk is full for all
        raise
    except Exception as error:  # whatever its outputs hold
        words = f"its page could not be rendered: {type(error).__name__}: {explain(error)}"
        terminal.say(f"{job.slug}: FAILED: {words}\n  the last good report, if there is one, stays in place")
        return words
    return ""


def _processes() -> int:
    """Return how many processes, kernels or those that train, there is memory for."""
    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):  # a container may have less than the machine; "max": it has not
        limit, used = (int((_CONTAINER / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        free = min(free, limit - used)
    return max(0, free) // WORKER_BYTES


def trainings() -> int:
    """Return how many trainings at a time there are cores (or DIGITS_THREADS) and memory for, beside two notebooks."""
    return max(1, min(available_threads(), _processes() - 2))


def at_once() -> int:
    """Return how many notebooks there is memory for beside those trainings; 1, one after the other, at the least."""
    return max(1, _processes() - trainings())


def _pooled(stack: contextlib.ExitStack, scratch: Path, limits: execute.Limits) -> dict:
    """Start a pool for the trainings of all kernels; return what it adds to how jobs are done.

    Kernels compute with as many threads as alone, so that they find what they found alone, and a training has one.
    """
    home = scratch / "pool"
    home.mkdir(parents=True, exist_ok=True)
    stack.callback(shutil.rmtree, scratch / "images", ignore_errors=True)
    stack.callback(shutil.rmtree, home, ignore_errors=True)
    settings = environment.for_kernel(home) | execute.pinned(1) | {"DIGITS_ROOT": str(paths.ROOT)}
    pool = stack.enter_context(Pool(trainings(), settings, memory=limits.memory_bytes))
    write_atomically(home / _SOCKET, pool.address)
    return {"pool": pool, "environment": {ADDRESS: pool.address}}


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
    with contextlib.suppress(OSError):
        sockets = Path((directory / "staging" / "pool" / _SOCKET).read_text(encoding="utf-8")).parent
        if sockets.name.startswith(PREFIX):
            shutil.rmtree(sockets, ignore_errors=True)
    shutil.rmtree(directory / "staging", ignore_errors=True)
    for part in [*directory.rglob(".*.part"), *paths.REPORTS.rglob(".*.part")]:
        with contextlib.suppress(OSError):
            if abs(time.time() - part.stat().st_mtime) > 60:  # a clock set back must not keep it for ever
                part.unlink()
