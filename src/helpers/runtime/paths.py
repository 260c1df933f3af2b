"""Where things are: every directory the project reads or writes, from one root.

`DIGITS_ROOT` moves the root (tests build in a scratch tree); `DIGITS_RESULTS_DIR` is set by the report
builder while a notebook runs, so that results are staged and moved into place only when the run succeeds.
"""

import os
from pathlib import Path

ROOT = Path(os.environ.get("DIGITS_ROOT") or Path(__file__).resolve().parents[3])

DATA = ROOT / "data"
MNIST = DATA / "mnist"
CLAIMS = DATA / "claims.csv"
NOTEBOOKS = ROOT / "notebooks"
PROFILES = ROOT / "profiles"
REPORTS = ROOT / "reports"
RESULTS = REPORTS / "results"
ASSETS = REPORTS / "assets"
BUILD = ROOT / "build"
RUNS = BUILD / "runs"


def results_directory() -> Path:
    """Return where a notebook's results go.

    Under `make reports` a staging directory; by hand (plain papermill, JupyterLab) `build/results`, so that
    an experiment never overwrites the committed results.
    """
    return Path(os.environ.get("DIGITS_RESULTS_DIR") or BUILD / "results")
