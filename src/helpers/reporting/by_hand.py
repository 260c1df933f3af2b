"""`make run NOTEBOOK=02 seed=7`: one notebook with parameters of one's own, checked; its executed copy and its page.

papermill does the same, but only warns of a name that the notebook does not have, and takes a value of any type.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import nbformat

from helpers.reporting import produce
from helpers.reporting.page import pages
from helpers.reporting.run import execute, own, parameters, plan
from helpers.reporting.run.terminal import Terminal
from helpers.runtime import paths
from helpers.runtime.files import write_atomically

_ONLY_SOURCES = ("notebooks", "reports", "src", "data", "profiles", "studies", "tests")


def run(
    notebook: str, given: list[str], *, out: Path | None, profile: str, limits: execute.Limits, terminal: Terminal
) -> int:
    """Execute a notebook with `given`, NAME=VALUE each, over a profile's parameters; return 0, or 1 when it failed.

    The notebook goes to `out` (build/by_hand/NN_name.ipynb), its page beside it, its results to build/results/: the
    reports stay as they are. Raises ValueError, before anything runs, for a name, a value or a place that will not do.
    """
    job, *others = plan.choose(plan.plan(profile), notebook)
    if others:
        raise ValueError(f"NOTEBOOK={notebook}: got {len(others) + 1} notebooks; the name of one is allowed")
    if job.error:
        raise ValueError(job.error)
    overrides = job.overrides | _read(given, job)
    if overrides.get("source"):
        own.read(str(paths.ROOT / overrides["source"]))  # what is wrong with it is said before any kernel starts
    out = _place(out or paths.BUILD / "by_hand" / f"{job.slug}.ipynb")
    began = datetime.now(UTC).isoformat(timespec="seconds")
    scratch = paths.BUILD / "by_hand" / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    ran = produce.stage(
        nbformat.writes(job.notebook),
        job.slug,
        overrides,
        limits=asdict(limits),
        environment={},
        scratch=str(scratch),
        progress=lambda now: terminal.progress(job.slug, now),
    )
    executed = ran.executed or nbformat.writes(job.notebook)  # it may have ended before its first cell
    write_atomically(out, executed)
    if ran.error is None:
        write_atomically(out, nbformat.writes(produce.signed(ran, job.resolved | overrides, began)))
        if ran.results:
            write_atomically(paths.BUILD / "results" / f"{job.slug}.json", ran.results)
    page = pages.of_file(out, say=terminal.say)
    if ran.error is not None:
        terminal.failed(job.slug, ran.seconds, ran.error, page)
        return 1
    terminal.done(job.slug, ran.seconds)
    terminal.say(f"read {page}, made of {out}")
    return 0


def _read(given: list[str], job: plan.Job) -> dict:
    declared, found = parameters.declared(job.notebook), {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"got {text!r}; NAME=VALUE is allowed")
        found[name] = parameters.given(value, declared[name]) if name in declared else value
    return parameters.validate(found, declared, source=job.slug)


def _place(out: Path) -> Path:
    """Return where the executed notebook goes. Raises ValueError for a place where it would replace a source."""
    inside = out.resolve().relative_to(paths.ROOT).parts if out.resolve().is_relative_to(paths.ROOT) else ()
    if out.suffix != ".ipynb" or (len(inside) > 1 and inside[0] in _ONLY_SOURCES):
        raise ValueError(f"OUT: got {out}; a file NAME.ipynb outside of {', '.join(_ONLY_SOURCES)} is allowed")
    return out
