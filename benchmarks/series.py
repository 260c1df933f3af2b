"""How long the whole series takes a stranger: a fresh clone, its own environment, every command timed.

    .venv/bin/python benchmarks/series.py                        # all of it: about an hour on two cores
    .venv/bin/python benchmarks/series.py --steps setup reports nothing --keep /somewhere --extras data/qmnist

Clones the committed state into a temporary folder and runs there, in this order: `make setup`, `make reports` with
nothing trained yet, `make reports` again with nothing to do, `make reports FORCE=1` (every notebook executed again,
trainings remembered), `make smoke`, `make test`. Prints a table and writes docs/times.json, from which `make readme`
makes the table of times. The load beside each time is the machine's own one-minute average when the step began: where
it is not near zero, others were at work and the time is an upper bound. Downloads count as far as pip has no copy.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from helpers.runtime import paths
from helpers.runtime.device import hardware

STEPS = {
    "setup": (["setup"], "`make setup`: the environment"),
    "reports": (["reports"], "`make reports` after that: ten notebooks, nothing trained before"),
    "nothing": (["reports"], "`make reports` again, with nothing to do"),
    "again": (["reports", "FORCE=1"], "`make reports FORCE=1`: everything executed again, trainings remembered"),
    "smoke": (["smoke"], "`make smoke`"),
    "test": (["test"], "`make test`"),
}
TIMES = paths.ROOT / "docs" / "times.json"


def measure(step: str, clone: Path) -> dict:
    """Run one step in the clone; return what it was, its wall seconds, and the load before it. Exits on a failure."""
    targets, words = STEPS[step]
    load, begin = os.getloadavg()[0], time.perf_counter()
    done = subprocess.run(["make", *targets], cwd=clone, stdin=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"make {' '.join(targets)} failed with {done.returncode}; nothing is recorded")
    today = datetime.now(UTC).date().isoformat()
    return {"what": words, "seconds": round(seconds, 1), "load": round(load, 1), "measured": today}


def main() -> None:
    """Clone, measure, print, and keep the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--keep", type=Path, help="clone into this new folder and leave it there")
    parser.add_argument("--extras", type=Path, help="a folder with QMNIST's label files, to be copied into the clone")
    options = parser.parse_args()
    home = options.keep or Path(tempfile.mkdtemp(prefix="series-"))
    clone = home if options.keep else home / "clone"
    if not clone.exists():
        subprocess.run(["git", "clone", "--quiet", str(paths.ROOT), str(clone)], check=True)
    if options.extras:
        shutil.copytree(options.extras, clone / "data" / "qmnist", dirs_exist_ok=True)
    known = json.loads(TIMES.read_text(encoding="utf-8")) if TIMES.exists() else {"rows": {}}
    rows = {step: measure(step, clone) for step in options.steps}
    machine = hardware()
    about = {"machine": f"{machine['cores']} cores of {machine['processor']}, {machine['precision']}"}
    rows = {step: rows.get(step) or known["rows"].get(step) for step in STEPS}
    rows = {step: row for step, row in rows.items() if row}
    TIMES.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    for row in rows.values():
        print(f"{row['seconds']:9.1f} s   load {row['load']:4.1f}   {row['what']}")
    if not options.keep:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
