"""The command behind the Makefile: `python -m helpers.reporting build|status|page|diff|study`."""

import argparse
import sys
from pathlib import Path

from helpers.reporting import build
from helpers.reporting.run import execute, freshness, plan
from helpers.reporting.run.terminal import Terminal
from helpers.runtime.files import explain
from helpers.runtime.progress import duration


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return 0, 1 when a notebook failed, 2 for a wrong request, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m helpers.reporting", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="execute what is stale, render what changed")
    builder.add_argument("--notebook", help="one notebook, by number or name")
    builder.add_argument("--force", action="store_true", help="execute even what is fresh")
    builder.add_argument("--jobs", type=int, help="notebooks at a time; one for each core in smoke, else one")
    status = commands.add_parser("status", help="say what is fresh and what is stale, and why")
    for command in (builder, status):
        command.add_argument("--profile", default="standard", choices=plan.PROFILES)
    studier = commands.add_parser("study", help="run a notebook over lists of parameters")
    studier.add_argument("file", help="a YAML file, such as studies/seeds.yaml")
    studier.add_argument("--jobs", type=int, default=1, help="points at a time")
    studier.add_argument("--force", action="store_true", help="run even finished points again")
    for command in (builder, studier):
        limits = execute.Limits()
        command.add_argument("--timeout", type=float, default=limits.notebook_seconds, help="seconds per notebook")
        command.add_argument("--cell-timeout", type=float, default=limits.cell_seconds, help="seconds per cell")
        command.add_argument("--memory", type=float, default=limits.memory_bytes / 2**30, help="GiB per notebook")
    pager = commands.add_parser("page", help="make a page of a notebook that was executed by hand, beside it")
    pager.add_argument("file", help="an executed notebook, such as papermill or JupyterLab leaves")
    differ = commands.add_parser("diff", help="compare the results with those of a git revision")
    differ.add_argument("--base", default="HEAD", help="a commit, branch or tag")
    options = parser.parse_args(arguments)
    terminal = Terminal()
    try:
        if options.command == "status":
            return _status(options.profile, terminal)
        if options.command == "page":
            from helpers.reporting.page import pages

            terminal.say(f"read {pages.of_file(Path(options.file), say=terminal.say)}")
            return 0
        if options.command == "diff":
            from helpers.reporting.compare import diff  # pandas and scipy: only this needs them

            return diff.diff(options.base, terminal=terminal)
        if min(options.timeout, options.cell_timeout, options.memory) <= 0:
            raise ValueError("limits must be positive: --timeout, --cell-timeout (seconds), --memory (GiB)")
        limits = execute.Limits(options.timeout, options.cell_timeout, int(options.memory * 2**30))
        if options.command == "study":
            from helpers.reporting.compare import study_run

            how = {"jobs": options.jobs, "force": options.force, "limits": limits, "terminal": terminal}
            return study_run.study(Path(options.file), **how)
        how = {"jobs": options.jobs, "limits": limits, "terminal": terminal}
        return build.build(options.profile, only=options.notebook, force=options.force, **how)
    except (ValueError, OSError, RuntimeError) as error:
        terminal.say(f"error: {explain(error)}")
        return 2
    except KeyboardInterrupt:
        terminal.say("interrupted; finished reports stay, the unfinished one was left as it was")
        return 130


def _status(profile: str, terminal: Terminal) -> int:
    """Print each report's state here, and whether the page on disk was rendered from these very sources."""
    where = plan.places(profile)
    for job in plan.plan(profile):
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
