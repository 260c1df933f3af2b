"""Answers of long computations kept in the run store, so that a page made again reads what was computed before.

Networks have their own entries (see training). This is for whatever else is a function of its inputs and takes long:
sweeps, readings of damaged images. The key is made of the inputs, of the source that computes (`sources.digest_of`)
and of requirements.lock: when any of them changes, everything is computed anew. A measured time is not a function of
its inputs and is never kept, but for the seconds that a kept computation took.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.runtime import paths, progress, run_store, sources


@dataclass(frozen=True, eq=False)
class Kept:
    """Named arrays, the wall seconds it took to compute them, and whether that was earlier."""

    arrays: dict[str, np.ndarray]
    seconds: float
    reused: bool


def of_array(array: np.ndarray) -> list:
    """Return what stands for an array among the inputs: its type, its shape and the SHA-256 of its content."""
    array = np.ascontiguousarray(array)
    return [array.dtype.str, list(array.shape), run_store.digest(array.tobytes())]


def arrays(
    compute: Callable[[], Mapping[str, np.ndarray]],
    *,
    inputs: Mapping,
    modules: Sequence[str],
    store: Path | None = None,
) -> Kept:
    """Return what `compute` returns, from the store (`paths.RUNS`, or `store`) when it was computed before.

    compute: takes nothing; returns named arrays, none of type object. inputs: JSON values and arrays, everything that
    decides the outcome besides code. modules: full names of the helper modules that compute. Whoever asks second for
    what is being computed waits for it. Raises TypeError for inputs that are neither, ValueError for arrays of objects,
    and files.DiskFull when the disk is full.
    """
    plain = {name: of_array(value) if isinstance(value, np.ndarray) else value for name, value in inputs.items()}
    identity = {
        "kind": "kept",
        "inputs": plain,
        "modules": sorted(modules),
        "sources": sources.digest_of(modules),
        "lock": sources.file_digest(paths.ROOT / "requirements.lock"),
    }
    entry = run_store.Entry(Path(store or paths.RUNS), run_store.digest(run_store.canonical(identity))[:32])
    with entry.lock():
        try:
            if (record := run_store.load_record(entry)) is not None:
                data = run_store.read(entry.directory / "arrays.npz", record["arrays"])
                return Kept(run_store.from_npz(data), record["seconds"], True)
        except run_store.Corrupt as problem:
            progress.say(f"run store: {entry.key[:8]} {problem}; computing it again")
            run_store.discard(entry)
        start = time.perf_counter()
        found = {name: np.asarray(value) for name, value in compute().items()}
        seconds = time.perf_counter() - start
        if objects := [name for name, value in found.items() if value.dtype.hasobject]:
            raise ValueError(f"arrays of objects cannot be kept: {', '.join(objects)}")
        sha256 = run_store.write(entry.directory / "arrays.npz", run_store.to_npz(found))
        run_store.save_record(entry, {"identity": identity, "arrays": sha256, "seconds": seconds})
        return Kept(found, seconds, False)


def frame(compute: Callable[[], pd.DataFrame], **how) -> pd.DataFrame:
    """Return the table that `compute` returns, kept as `arrays` keeps it; `how` goes there.

    Its columns hold numbers, truth values or text without gaps, its index counts the rows.
    """

    def columns() -> dict[str, np.ndarray]:
        table = compute()
        texts = table.select_dtypes(exclude=["number", "bool"]).columns
        return {name: table[name].to_numpy(str if name in texts else None) for name in table}

    return pd.DataFrame(arrays(columns, **how).arrays)
