"""Build the report series: execute what is stale, render what changed, move it into place, tell the terminal."""

import contextlib
import os
import shlex
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout

from helpers.reporting.compare import points
from helpers.reporting.front_page.index import write_index
from helpers.reporting.page import site
from helpers.reporting.page.pages import render
from helpers.reporting.run import execute, freshness, provenance
from helpers.reporting.run.plan import Job, note, noted, places, plan, reasons, render_reasons
from helpers.reporting.run.terminal import Terminal
from helpers.reporting.try_it import page as try_page
from helpers.runtime import paths
from helpers.runtime.files import write_atomically


@dataclass(frozen=True)
class _How:
    """What every notebook of a build has in common. stop: set when it is to end. environment: of the kernels."""

    profile: str
    force: bool
    limits: execute.Limits
    terminal: Terminal
    stop: threading.Event
    environment: dict[str, str]


def build(
    profile: str,
    *,
    only: str | None,
    force: bool,
    limits: execute.Limits,
    terminal: Terminal,
    jobs: int | None = None,
) -> int:
    """Bring every report of a profile up to date; return the exit status: 0, or 1 when a notebook or try.html failed.

    jobs: notebooks executed at a time, which share the cores; None is one for each core in the smoke profile, else one,
    as trainings make use of every core by themselves. A failure leaves the last good report in place, its notebook as
    `NN.failed.ipynb`, a readable page under `failed/`, and does not stop the others.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"JOBS={jobs}: at least 1 is needed")
    every = plan(profile)
    chosen = _choose(every, only)
    jobs = min(jobs or (points.cores() if profile == "smoke" else 1), len(chosen))
    threads = os.environ.get("DIGITS_THREADS") or max(1, points.cores() // jobs)
    environment = execute.pinned(threads) if jobs > 1 else {}
    how = _How(profile, force, limits, terminal, threading.Event(), environment)
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    lock = FileLock(paths.BUILD / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        terminal.say("another build is running; waiting for it to end")
        lock.acquire()
    with lock:
        _sweep(paths.BUILD)
        failures = executed = rendered = 0
        for job, why, failed in _outcomes(chosen, jobs, how):
            failures += failed
            executed += bool(why) and not failed
            if not failed and (why or render_reasons(job, profile)):
                render(job, profile)
                rendered += 1
                if not why:
                    terminal.say(f"{job.slug}: rendered again, nothing executed")
        # try.html has nothing to do with a profile: one, beside the committed reports, is enough.
        drawable = profile != "standard" or try_page.refresh(places(profile).pages, say=terminal.say)
        index = write_index(every, profile)
        fresh = len(chosen) - executed - failures
        terminal.say(
            f"{executed} executed, {rendered} rendered, {fresh} already fresh, {failures} failed"
            + f"; read {index.relative_to(paths.ROOT)}"
        )
    return 0 if drawable and not failures else 1


def _outcomes(chosen: list[Job], jobs: int, how: _How) -> Iterator[tuple[Job, list[str], bool]]:
    """Execute what is stale, `jobs` at a time; yield (job, why it was executed, whether it failed) as they end."""
    if jobs == 1:
        yield from (_bring(job, how) for job in chosen)
        return
    futures = {}

    def bring(job: Job):
        for name in job.components:  # those before it have started already, so nobody waits in a circle
            if before := futures.get(name.removeprefix("results of ")):
                before.exception()
        return _bring(job, how)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for job in chosen:
                futures[job.slug] = pool.submit(bring, job)
            for future in as_completed(futures.values()):
                yield future.result()
        finally:  # Ctrl-C, a full disk: end what runs and start nothing more
            how.stop.set()
            for future in futures.values():
                future.cancel()


def _bring(job: Job, how: _How) -> tuple[Job, list[str], bool]:
    """Execute a job if it is stale."""
    # A notebook may load results that one before it has just written.
    before = noted(job.slug, how.profile).get("components")
    job = replace(job, components=freshness.components(job.notebook, job.resolved, before=before))
    why = ["FORCE=1"] if how.force else reasons(job, how.profile)
    return job, why, bool(why) and not _execute(job, why, how)


def _execute(job: Job, why: list[str], how: _How) -> bool:
    """Execute one job and move its products into place; return whether it succeeded."""
    profile, terminal = how.profile, how.terminal
    where = places(profile)

    def progress(now: execute.Progress) -> None:
        if how.stop.is_set():
            raise KeyboardInterrupt
        terminal.progress(job.slug, now)

    (paths.BUILD / "staging").mkdir(exist_ok=True)
    # A name of its own: what a killed build's notebook may still write cannot be taken for this one's.
    staging = Path(tempfile.mkdtemp(prefix=f"{profile}-{job.slug}-", dir=paths.BUILD / "staging"))
    source, output = staging / "source.ipynb", staging / "executed.ipynb"
    nbformat.write(job.notebook, source)
    terminal.start(job.slug, why, noted(job.slug, profile).get("seconds"))
    began = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        outcome = execute.run(
            source,
            output,
            parameters=job.overrides,
            results=staging / "results",
            limits=how.limits,
            progress=progress,
            environment=how.environment,
        )
        write_atomically(where.logs / f"{job.slug}.log", "\n".join(outcome.log) + "\n")
        recorded = staging / "results" / f"{job.slug}.json"
        error = outcome.error
        if error is None and not recorded.exists():
            error = f"the notebook ran but recorded no results as {job.slug}"
        if error is None:
            from helpers import results

            try:
                results.load(job.slug, directory=recorded.parent)
            except ValueError as problem:
                error = f"the results it recorded are not valid: {problem}"
        if error is not None:
            _report_failure(job, profile, replace(outcome, error=error), output, terminal)
            return False
        executed = nbformat.read(output, as_version=4)
        executed.metadata.pop("papermill", None)  # holds this machine's paths
        executed.metadata["digits"] = {
            "profile": profile,
            "parameters": job.resolved,
            "seed": job.resolved.get("seed"),
            "data": provenance.data_checksums(),
            "seconds": outcome.seconds,
            "executed_at": began,
            **provenance.commit(),
            **provenance.machine(),
        }
        text = without_paths(nbformat.writes(executed), staging)
        write_atomically(where.executed / f"{job.slug}.ipynb", text)
        write_atomically(where.results / f"{job.slug}.json", recorded.read_text(encoding="utf-8"))
        known = {name: found for name, found in job.components.items() if not name.startswith(freshness.OPENED)}
        about = {"components": known | freshness.opened(outcome.opened), "executed": freshness.digest(text)}
        note(job.slug, profile, about | {"executed_at": began, "seconds": round(outcome.seconds, 1)})
        for stale in (where.failed / f"{job.slug}.html", where.executed / f"{job.slug}.failed.ipynb"):
            stale.unlink(missing_ok=True)
        terminal.done(job.slug, outcome.seconds)
        return True
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def without_paths(text: str, staging: Path) -> str:
    """Return text without this machine's directories: a path that a cell shows becomes relative to the root."""
    return text.replace(f"{staging}/", "").replace(f"{paths.ROOT}/", "")


def _report_failure(job: Job, profile: str, outcome: execute.Outcome, output: Path, terminal: Terminal) -> None:
    """Leave what a person needs to mend a failed run: the notebook, a readable page, the reproducing command."""
    from helpers.reporting.page import render as renderer

    where = places(profile)
    try:
        notebook = nbformat.read(output, as_version=4)
    except Exception:  # whatever was written before the end may be cut anywhere; the source still says what ran
        notebook = job.notebook
    notebook.metadata["digits_failed_cell"] = outcome.cell
    notebook = nbformat.reads(without_paths(nbformat.writes(notebook), output.parent), as_version=4)
    write_atomically(where.executed / f"{job.slug}.failed.ipynb", nbformat.writes(notebook))
    options = "".join(f" -p {k} {shlex.quote(str(v))}" for k, v in job.overrides.items())
    command = f"papermill notebooks/{job.slug}.ipynb build/out.ipynb{options}"
    page = renderer.render_failure(
        notebook,
        slug=job.slug,
        error=outcome.error,
        parameters=job.resolved,
        log_tail=list(outcome.log[-40:]),
        command=command,
    )
    site.write_assets(where.failed.parent / "assets")
    write_atomically(where.failed / f"{job.slug}.html", page)
    failure = where.failed / f"{job.slug}.html"
    terminal.failed(job.slug, outcome.seconds, outcome.error, failure.relative_to(paths.ROOT))


def _choose(jobs: list[Job], only: str | None) -> list[Job]:
    if only is None:
        return jobs
    chosen = [job for job in jobs if job.slug == only or job.slug.split("_")[0] == only.zfill(2)]
    if not chosen:
        raise ValueError(f"no notebook {only!r}; there are: {', '.join(job.slug for job in jobs)}")
    return chosen


def _sweep(directory: Path) -> None:
    """Remove what a killed build left behind; the caller holds the lock, so nobody is using it."""
    shutil.rmtree(directory / "staging", ignore_errors=True)
    for part in [*directory.rglob(".*.part"), *paths.REPORTS.rglob(".*.part")]:
        with contextlib.suppress(OSError):
            if abs(time.time() - part.stat().st_mtime) > 60:  # a clock set back must not keep it for ever
                part.unlink()
