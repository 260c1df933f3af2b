"""The command behind the Makefile: `python -m helpers.reporting build|status|run|page|diff|study`."""

import argparse
import math
import os
import sys
from pathlib import Path

from helpers.reporting import build, by_hand
from helpers.reporting.run import environment, execute, freshness, own, plan
from helpers.reporting.run.terminal import Terminal
from helpers.runtime.files import explain
from helpers.runtime.progress import duration, speak


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return 0, 1 when a notebook failed, 2 for a wrong request, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m helpers.reporting", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="execute what is stale, render what changed")
    builder.add_argument("--notebook", help="one notebook, by number or name")
    builder.add_argument("--force", action="store_true", help="execute even what is fresh")
    builder.add_argument("--jobs", type=int, help="notebooks in work at a time, at most; as many as memory allows")
    status = commands.add_parser("status", help="say what is fresh and what is stale, and why")
    runner = commands.add_parser("run", help="run one notebook with parameters of your own, which are checked")
    runner.add_argument("notebook", help="by number or name")
    runner.add_argument("given", nargs="*", metavar="NAME=VALUE", help="parameters, values as YAML")
    runner.add_argument("--out", type=Path, help="where the executed notebook goes, its page beside it")
    for command in (builder, status, runner):
        command.add_argument("--profile", default="standard", choices=plan.PROFILES)
    for command in (builder, status):
        command.add_argument("--source", default="", help="your own digits, into build/own/: data/README.md says which")
    studier = commands.add_parser("study", help="run a notebook over lists of parameters")
    studier.add_argument("file", help="a YAML file, such as studies/seeds.yaml")
    studier.add_argument("--jobs", type=int, default=1, help="points at a time")
    studier.add_argument("--force", action="store_true", help="run even finished points again")
    for command in (builder, studier, runner):
        limits = execute.Limits()
        command.add_argument("--timeout", type=float, default=limits.notebook_seconds, help="seconds per notebook")
        command.add_argument("--cell-timeout", type=float, default=limits.cell_seconds, help="seconds per cell")
        command.add_argument("--memory", type=float, default=limits.memory_bytes / 2**30, help="GiB per notebook")
    pager = commands.add_parser("page", help="make a page of a notebook that was executed by hand, beside it")
    pager.add_argument("file", help="an executed notebook, such as papermill or JupyterLab leaves")
    differ = commands.add_parser("diff", help="compare the committed results with those of a git revision")
    differ.add_argument("--base", default="HEAD", help="a commit, branch or tag")
    options = parser.parse_args(arguments)
    speak()
    terminal = Terminal()
    try:
        _same_project(Path.cwd())
        if options.command == "status":
            return _status(options.profile, options.source, terminal)
        if options.command == "page":
            from helpers.reporting.page import pages

            terminal.say(f"read {pages.of_file(Path(options.file), say=terminal.say)}")
            return 0
        if options.command == "diff":
            from helpers.reporting.compare import diff  # pandas and scipy: only this needs them

            return diff.diff(options.base, terminal=terminal)
        for name in ("timeout", "cell_timeout", "memory"):
            if not 0 < getattr(options, name) < math.inf:  # nor nan, which no number reaches
                raise ValueError(f"{name.upper()}: got {getattr(options, name)}; a finite number above 0 is allowed")
        limits = execute.Limits(options.timeout, options.cell_timeout, int(options.memory * 2**30))
        if options.command == "run":
            how = {"out": options.out, "profile": options.profile, "limits": limits, "terminal": terminal}
            return by_hand.run(options.notebook, options.given, **how)
        if options.command == "study":
            from helpers.reporting.compare import study_run

            how = {"jobs": options.jobs, "force": options.force, "limits": limits, "terminal": terminal}
            return study_run.study(Path(options.file), **how)
        how = {"jobs": options.jobs, "limits": limits, "terminal": terminal, "source": options.source}
        return build.build(options.profile, only=options.notebook, force=options.force, **how)
    except (ValueError, OSError, RuntimeError) as error:
        terminal.say(f"error: {explain(error)}")
        return 2
    except KeyboardInterrupt:
        terminal.say("interrupted; finished reports stay, the unfinished one was left as it was")
        return 130


def _same_project(here: Path) -> None:
    """Raise ValueError in another copy of the project: its reports would be made from this one's code, and in it."""
    ours = Path(__file__).resolve().parents[3]
    there = next((each for each in (here, *here.parents) if (each / "src/helpers/reporting").is_dir()), ours)
    if not (os.environ.get("DIGITS_ROOT") or there.samefile(ours)):
        raise ValueError(f"this Python works on {ours}, not on {there}; there `make setup` makes one of its own")


def _status(profile: str, source: str, terminal: Terminal) -> int:
    """Print each report's state, and whether its page is of these very sources; return 1 when one cannot be run."""
    digits = own.read(source) if source else None
    where = plan.places(profile, digits)
    every, out = plan.parted(plan.plan(profile, digits), digits)
    for job in every:
        if job.error:
            terminal.say(f"{job.slug:28} cannot be run: {job.error}")
            continue
        why = plan.reasons(job, where)
        page = [] if why else plan.render_reasons(job, where)
        if why:
            state = "stale: " + "; ".join(why[:3]) + (f"; and {len(why) - 3} more" if len(why) > 3 else "")
        else:
            state = "page stale: " + page[0] if page else "fresh"
        terminal.say(f"{job.slug:28} {state}")
        about = plan.noted(job.slug, where)
        html = where.pages / f"{job.slug}.html"
        if "html" not in about or not html.exists():
            terminal.say(f"{'':28} no rendered report")
            continue
        changed = freshness.why_stale(about["components"], job.components)
        if about["page"] != job.page:
            changed = changed or ["prose, title or template changed"]
        if freshness.digest(html.read_bytes()) != about["html"]:
            text = "the page on disk is not the one that was rendered"
        elif changed:
            text = f"the page on disk is of other sources: {'; '.join(changed[:3])}"
        else:
            when = f"{about['executed_at']}, {duration(about['seconds'])}"
            text = f"the page on disk was rendered from these very sources ({when})"
        terminal.say(f"{'':28} {text}")
    for words in [*plan.skipped(profile), *own.told(digits, [job.slug for job in out])]:
        terminal.say(words)
    return 1 if any(job.error for job in every) else 0


if __name__ == "__main__":
    os.environ.update(environment.plain_matplotlib())  # what this process draws is for everybody
    sys.exit(main())
