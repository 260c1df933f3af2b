"""Say where a report comes from: commit, data, library versions, processor."""

import functools
import hashlib
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from helpers.runtime import paths

LIBRARIES = (
    "tensorflow-cpu",
    "tensorflow",
    "keras",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
)
LIBRARIES += ("plotly", "seaborn", "matplotlib", "papermill", "nbconvert")


@functools.cache
def commit() -> dict:
    """Return {"commit": short hash or "unknown", "dirty": bool}; reports/ itself does not make a tree dirty."""
    head = _git("rev-parse", "--short=12", "HEAD")
    # A person's own setting may be to look at no new files.
    changed = _git("status", "--porcelain", "--untracked-files=normal", "--", ".", ":(exclude)reports")
    return {"commit": head or "unknown", "dirty": bool(changed)}


@functools.cache
def machine() -> dict:
    """Return the processor's name, Python's version and the versions of the libraries that shape results."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"processor": _processor(), "python": platform.python_version(), "versions": versions}


@functools.cache
def data_checksums() -> dict[str, str]:
    """Return file name -> SHA-256 of the embedded data, as read now."""
    files = sorted(paths.MNIST.glob("*.gz"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _processor() -> str:
    """Return the processor's name and the number of cores this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return f"{name}, {cores} cores"


def _git(*arguments: str) -> str:
    try:
        how = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "timeout": 20}
        done = subprocess.run(["git", *arguments], cwd=paths.ROOT, **how)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
