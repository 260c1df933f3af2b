"""What scratch projects of the tests have in common."""

from pathlib import Path

from helpers.runtime import paths


def lend_data(root: Path) -> None:
    """Give a scratch project the real digits and the first of the published claims.

    With all of them each build of a notebook of three lines would import scipy.stats, which takes as long as the rest:
    for the intervals of published numbers that no test of building looks at (tests/reporting/test_front_page.py does).
    """
    (root / "data").mkdir()
    (root / "data" / "mnist").symlink_to(paths.DATA / "mnist")
    claims = (paths.DATA / "claims.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (root / "data" / "claims.csv").write_text("".join(claims[:2]), encoding="utf-8")
