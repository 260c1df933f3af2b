"""Take away what a notebook left that is no more: its page, its results, its entry in the manifest."""

import os

from helpers.reporting.run import freshness, plan
from helpers.reporting.run.plan import Places
from helpers.runtime import paths
from helpers.runtime.files import make_directory


def take_away(slugs: list[str], where: Places) -> list[str]:
    """Move the products of reports that are not among `slugs` to build/removed/; return what was done, in words.

    Nothing is deleted: what had not been committed can be had back from there.
    """
    there = freshness.read_state(where.pages / "manifest.json") or {}
    said = []
    for slug in sorted(set(there) - set(slugs)):
        for path in _products(slug, where):
            if path.is_file():
                target = paths.BUILD / "removed" / slug / path.relative_to(where.pages.parent)
                make_directory(target.parent)
                os.replace(path, target)
        plan.note(slug, where, None)
        back = "; `git restore reports` brings back what was committed" if where.pages == paths.REPORTS else ""
        said.append(
            f"{slug}: the notebook is gone; its page, results and manifest entry went to build/removed/{slug}{back}"
        )
    return said


def _products(slug: str, where: Places):
    page = f"{slug}.html"
    yield from (where.pages / page, where.pages / "notebooks" / f"{slug}.ipynb", where.failed / page)
    yield from (where.results / f"{slug}.json", where.cards / f"{slug}.json", where.logs / f"{slug}.log")
    yield from (where.executed / f"{slug}.ipynb", where.executed / f"{slug}.failed.ipynb")
