"""Execute what is stale, several notebooks at a time, here or elsewhere, and move what they leave into place.

A notebook of a profile and a point of a study are the same to it: a job, and places where its products go.
"""

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import nbformat

from helpers.reporting.page import render as renderer
from helpers.reporting.page import site
from helpers.reporting.run import execute, freshness, own, provenance
from helpers.reporting.run.parameters import as_option
from helpers.reporting.run.plan import Job, Places, note, noted, reasons
from helpers.reporting.run.pool import Pool
from helpers.reporting.run.terminal import Terminal
from helpers.runtime import paths
from helpers.runtime.files import write_atomically
from helpers.runtime.precision import cores


@dataclass(frozen=True)
class Ran:
    """How a notebook ended: error None when every cell ran; executed and results are the texts of its two files."""

    seconds: float
    error: str | None
    cell: int | None = None
    log: tuple[str, ...] = ()
    executed: str = ""
    results: str = ""
    opened: tuple[str, ...] = ()  # as `execute.Outcome` says
    about: dict = field(default_factory=dict)  # data and machine it ran on


@dataclass(frozen=True)
class How:
    """What all jobs have in common. environment: of the kernels. stop: set when they are to end.

    pool: where their trainings are made, if not by each kernel for itself.
    run: given a job and whom to tell of progress, what its execution left; by default it is executed here.
    """

    where: Places
    scratch: Path
    limits: execute.Limits
    terminal: Terminal
    force: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    run: Callable[[Job, Callable], Ran] | None = None
    pool: Pool | None = None


@dataclass(frozen=True)
class Done:
    """A job, why it was executed (nothing when it was fresh), and the error it ended with ("" when it did not)."""

    job: Job
    why: list[str]
    error: str = ""


def outcomes(jobs: list[Job], at_a_time: int, how: How, do: Callable[[Job, How], Done]) -> Iterator[Done]:
    """Do something with jobs, so many at a time (`bring` them up to date, say); yield each outcome as it comes.

    They start in their order, each after those before it whose results it loads. With a pool the next one starts when
    few enough of those that run compute; those that wait for their trainings do not.
    """
    if at_a_time == 1 and not how.pool:
        yield from (do(job, how) for job in jobs)
        return
    waiting, running = list(jobs), {}
    core = how.pool.core if how.pool else contextlib.nullcontext
    with ThreadPoolExecutor(at_a_time) as threads:
        try:
            while waiting or running:
                while job := _next(waiting, running, at_a_time, how.pool):
                    waiting.remove(job)
                    running[threads.submit(do, job, how)] = job
                ended, _ = wait(running, timeout=0.2 if how.pool else None, return_when=FIRST_COMPLETED)
                if how.pool:
                    how.terminal.calls(how.pool.progress())
                for future in ended:
                    del running[future]
                    with core():  # whoever takes the outcome makes a page of it
                        yield future.result()
        finally:  # Ctrl-C, a full disk: end what runs and start nothing more
            how.stop.set()
            for future in running:
                future.cancel()


def _next(waiting: Sequence[Job], running: Mapping[Future, Job], at_a_time: int, pool: Pool | None) -> Job | None:
    """Return the job to start now, if any: the first that loads no results of one before it that has not ended."""
    if len(running) >= at_a_time or (pool and running and not pool.room(len(running))):
        return None
    unfinished = {job.slug for job in running.values()}
    for job in waiting:
        if not unfinished & {name.removeprefix("results of ") for name in job.components}:
            return job
        unfinished.add(job.slug)
    return None


def bring(job: Job, how: How) -> Done:
    """Execute a job if it is stale, and store what it left. What was there stays when it fails."""
    if job.error:
        how.terminal.say(f"{job.slug}: FAILED: {job.error}\n  the last good report, if there is one, stays in place")
        return Done(job, [], job.error)
    job = as_of_now(job, how.where)  # a notebook may load results that one before it has just written
    why = ["FORCE=1"] if how.force else reasons(job, how.where)
    if not why:
        return Done(job, [])

    def progress(now: execute.Progress) -> None:
        if how.stop.is_set():
            raise KeyboardInterrupt
        how.terminal.progress(job.slug, now)

    how.terminal.start(job.slug, why, noted(job.slug, how.where).get("seconds"))
    began = datetime.now(UTC).isoformat(timespec="seconds")
    how.scratch.mkdir(parents=True, exist_ok=True)
    task = {"limits": asdict(how.limits), "environment": how.environment, "scratch": str(how.scratch)}
    if how.run:
        ran = how.run(job, progress)
    elif how.pool:
        with how.pool.kernel():
            ran = stage(*task_of(job), **task, progress=progress, idle=how.pool.idle)
    else:
        ran = stage(*task_of(job), **task, progress=progress)
    if ran.error is None and job.recorded and not ran.results:  # of a study's points only results are compared
        ran = replace(ran, error=f"the notebook ran but recorded no results as {job.recorded}")
    write_atomically(how.where.logs / f"{job.slug}.log", "\n".join(ran.log) + "\n")
    if ran.error is not None:
        page = _store_failure(job, ran, how.where)
        how.terminal.failed(job.slug, ran.seconds, ran.error, page.relative_to(paths.ROOT))
        return Done(job, why, ran.error)
    _store(job, ran, began, how.where)
    how.terminal.done(job.slug, ran.seconds)
    return Done(job, why)


def as_of_now(job: Job, where: Places) -> Job:
    """Return a job with what its numbers depend on as it stands now."""
    before = noted(job.slug, where).get("components")
    return replace(job, components=freshness.components(job.notebook, job.resolved, before=before))


def task_of(job: Job) -> tuple[str, str, dict]:
    """Return what `stage` needs to know of a job: its source, the name it records results under, its parameters."""
    return nbformat.writes(job.notebook), job.recorded or job.slug, job.overrides


def stage(
    source: str,
    recorded: str,
    parameters: dict,
    *,
    limits: Mapping[str, float],
    environment: Mapping[str, str],
    scratch: str | None = None,
    progress: Callable[[execute.Progress], None] = lambda now: None,
    idle: Callable[[set[int]], float] | None = None,
) -> Ran:
    """Execute a notebook, given as text, in a temporary directory in `scratch`, and return what it left as text.

    It needs no file of whoever asked, so it travels to another machine as it is.
    """
    # A name of its own: what a killed build's notebook may still write cannot be taken for this one's.
    with tempfile.TemporaryDirectory(prefix=f"{recorded}-", dir=scratch, ignore_cleanup_errors=True) as home:
        path, output, results = Path(home, "source.ipynb"), Path(home, "executed.ipynb"), Path(home, "results")
        path.write_text(source, encoding="utf-8")
        outcome = execute.run(
            path,
            output,
            parameters=parameters,
            results=results,
            limits=execute.Limits(**limits),
            progress=progress,
            environment=environment,
            idle=idle,
        )
        error = outcome.error or _wrong(recorded, results, outcome.wrote)
        return Ran(
            outcome.seconds,
            error,
            outcome.cell,
            outcome.log,
            # A path of this machine that a cell shows becomes relative to the root.
            _text(output).replace(f"{home}/", "").replace(f"{paths.ROOT}/", ""),
            _text(results / f"{recorded}.json"),
            outcome.opened,
            {"data": _read_of(provenance.data_checksums(), outcome.opened), **provenance.machine()},
        )


def _wrong(recorded: str, results: Path, wrote: tuple[str, ...]) -> str | None:
    """Return what is wrong with what a notebook recorded, which may be nothing; None when nothing is."""
    others = sorted(path.stem for path in results.glob("[!.]*.json") if path.stem != recorded)
    if others:
        return f"results.save: got {others[0]!r}; a notebook records under its own name, {recorded!r}"
    if written := [name for name in wrote if name.startswith("reports/results/")]:
        return f"{written[0]} was written by a cell; results.save under the notebook's own name is allowed"
    if not (results / f"{recorded}.json").exists():
        return None
    from helpers.results import load

    try:
        found = load(recorded, directory=results).notebook
    except ValueError as problem:
        return f"the results it recorded are not valid: {problem}"
    return None if found == recorded else f"the results it recorded are of {found!r}; {recorded!r} is allowed"


def _read_of(checksums: Mapping[str, str], opened: Iterable[str]) -> dict[str, str]:
    """Return the data files, of all that are embedded, that a notebook read: a page does not claim those it did not."""
    names = {Path(name).name for name in opened if Path(name).parent.name == paths.MNIST.name}
    return {name: one for name, one in checksums.items() if name in names}


def threads_for(at_a_time: int) -> int:
    """Return how many threads each of so many notebooks gets: DIGITS_THREADS, or its share of the cores."""
    pinned = os.environ.get("DIGITS_THREADS", "")
    if pinned and not (pinned.isdecimal() and int(pinned) > 0):
        raise ValueError(f"DIGITS_THREADS: got {pinned!r}; a whole number from 1 is allowed")
    return int(pinned or max(1, cores() // at_a_time))


def signed(ran: Ran, parameters: dict, began: str) -> nbformat.NotebookNode:
    """Return an executed notebook that says of itself when, where and with which parameters it ran."""
    notebook = nbformat.reads(ran.executed, as_version=4)
    notebook.metadata.pop("papermill", None)  # holds a machine's paths
    digits = own.of_parameters(parameters)
    notebook.metadata["digits"] = {
        "profile": parameters.get("profile", "standard"),
        "parameters": parameters,
        "seed": parameters.get("seed"),
        "seconds": ran.seconds,
        "executed_at": began,
        **provenance.commit(),
        **ran.about,
    }
    if digits:
        about = notebook.metadata["digits"]
        about["own"] = {"name": digits.name, "sentence": digits.sentence}
        about["data"] = about.get("data", {}) | {digits.name: digits.checksum}
    return notebook


def _store(job: Job, ran: Ran, began: str, where: Places) -> None:
    """Move the products of a run into place, and note it last; what a failure left before goes."""
    text = nbformat.writes(signed(ran, job.resolved, began))
    write_atomically(where.executed / f"{job.slug}.ipynb", text)
    if ran.results:
        write_atomically(where.results / f"{job.slug}.json", ran.results)
    else:
        (where.results / f"{job.slug}.json").unlink(missing_ok=True)
    known = {name: found for name, found in job.components.items() if not name.startswith(freshness.OPENED)}
    about = {"components": known | freshness.opened(ran.opened, job.resolved), "executed": freshness.digest(text)}
    about["results"] = freshness.digest(ran.results) if ran.results else ""
    note(job.slug, where, about | {"executed_at": began, "seconds": round(ran.seconds, 1)})
    for stale in (where.failed / f"{job.slug}.html", where.executed / f"{job.slug}.failed.ipynb"):
        stale.unlink(missing_ok=True)


def _store_failure(job: Job, ran: Ran, where: Places) -> Path:
    """Leave what a person needs to mend a failed run, and return its page; the reproducing command stands on it."""
    try:
        notebook = nbformat.reads(ran.executed, as_version=4)
    except Exception:  # whatever was written before the end may be cut anywhere; the source still says what ran
        notebook = nbformat.from_dict(job.notebook)
    notebook.metadata["digits_failed_cell"] = ran.cell
    write_atomically(where.executed / f"{job.slug}.failed.ipynb", nbformat.writes(notebook))
    source = job.recorded or job.slug
    page = renderer.render_failure(
        notebook,
        slug=job.slug,
        error=ran.error,
        parameters=job.resolved,
        log_tail=list(ran.log[-40:]),
        command=f".venv/bin/papermill notebooks/{source}.ipynb build/out.ipynb{as_option(job.overrides)}",
    )
    site.write_assets(where.failed.parent / "assets")
    write_atomically(where.failed / f"{job.slug}.html", page)
    return where.failed / f"{job.slug}.html"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
