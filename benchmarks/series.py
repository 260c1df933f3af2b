"""How long the whole series takes a stranger: a fresh clone, its own environment, every command timed.

    .venv/bin/python benchmarks/series.py                        # all of it: about an hour on two cores
    .venv/bin/python benchmarks/series.py --steps setup reports nothing --keep /somewhere --extras data/qmnist

Clones the committed state into a temporary folder and runs there, in this order: `make setup`, `make reports` with
nothing trained yet, `make reports` again with nothing to do, `make reports FORCE=1` (every notebook executed again,
trainings remembered), `make smoke`, `make test`. Prints a table and writes docs/times.json, from which `make readme`
makes the table of times. Processor time is user and system time of every process that a step started, also of those
that outlived whoever started them. The load beside each time is the machine's own one-minute average when the step
began: where it is not near zero, others were at work and the wall time is an upper bound. Downloads count as far as pip
has no copy.
"""

import argparse
import contextlib
import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from helpers.runtime import paths
from helpers.runtime.precision import choose, cores, cpuinfo

STEPS = {
    "setup": (["setup"], "`make setup`: the environment"),
    "reports": (["reports"], "`make reports` after that: all notebooks, nothing trained before"),
    "nothing": (["reports"], "`make reports` again, with nothing to do"),
    "again": (["reports", "FORCE=1"], "`make reports FORCE=1`: everything executed again, trainings remembered"),
    "smoke": (["smoke"], "`make smoke`"),
    "test": (["test"], "`make test`"),
}
TIMES = paths.ROOT / "docs" / "times.json"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h


def run(command: list[str], cwd: Path) -> tuple[int, float]:
    """Run a command; return its exit status and the processor seconds of it and of all that it started.

    A process counts once somebody has waited for it. Those that nobody waits for (the workers of a kernel that was
    ended) are left to this process, which waits for them; where the system is not Linux they are missing.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    process, seconds, status = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL), 0.0, None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, code, usage = os.wait4(-1, 0 if status is None else os.WNOHANG)
            if not pid:  # somebody still runs, and is none of ours to wait for
                break
            seconds += usage.ru_utime + usage.ru_stime
            status = os.waitstatus_to_exitcode(code) if pid == process.pid else status
    process.returncode = status
    return status, seconds


def machine() -> str:
    """Return the processor with its family and model, as the name alone may say little, cores and number format."""
    about = cpuinfo()
    named = {"family": about.get("cpu family"), "model": about.get("model")}
    numbers = [f"{word} {number}" for word, number in named.items() if number]
    name = about.get("model name") or platform.processor() or platform.machine()
    told = f" ({', '.join(numbers)})" if numbers else ""
    return f"{cores()} cores of {name}{told}, {choose()}"


def measure(step: str, clone: Path) -> dict:
    """Run one step in the clone; return what it was, its wall and processor seconds, load and machine.

    Exits on a failure.
    """
    targets, words = STEPS[step]
    load, begin = os.getloadavg()[0], time.perf_counter()
    status, spent = run(["make", *targets], clone)
    seconds = time.perf_counter() - begin
    if status:
        sys.exit(f"make {' '.join(targets)} failed with {status}; nothing is recorded")
    today = datetime.now(UTC).date().isoformat()
    times = {"seconds": round(seconds, 1), "processor_seconds": round(spent, 1), "cores": cores()}
    return {"what": words, **times, "load": round(load, 1), "measured": today, "machine": machine()}


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
    rows = {step: rows.get(step) or known["rows"].get(step) for step in STEPS}
    # Rows of before each row said its machine are of the one that the file names.
    rows = {step: {"machine": known.get("machine", "")} | row for step, row in rows.items() if row}
    TIMES.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    for row in rows.values():
        spent = f"{row['processor_seconds']:9.1f} s of processors" if "processor_seconds" in row else ""
        print(f"{row['seconds']:9.1f} s {spent:26}   load {row['load']:4.1f}   {row['what']}")
    if not options.keep:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
