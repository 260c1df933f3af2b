"""Answers of long computations cached in the run store, so that a page made again reads what was computed before.

Networks have their own entries (see training). This is for whatever else is a function of its inputs and takes long:
sweeps, readings of damaged images. The key is made of the inputs, of the source that computes (`sources.digest_of`)
and of requirements.lock: when any of them changes, everything is computed anew. A measured time is not a function of
its inputs and is never cached, but for the seconds that a cached computation took.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import numpy as np
import pandas as pd

from helpers.runtime import paths, progress, run_store, sources


@dataclass(frozen=True, eq=False)
class Cached:
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
    modules: Sequence[str] = (),
    store: Path | None = None,
) -> Cached:
    """Return what `compute` returns, from the store (`paths.RUNS`, or `store`) when it was computed before.

    compute: a function that takes nothing; returns named arrays, none of type object. It may stand in a notebook: then
    its compiled code is in the key, with that of the notebook's functions and the helper modules that it names. inputs:
    JSON values and arrays, everything that decides the outcome besides code. modules: full names of helper modules that
    compute, where `compute` neither stands in them nor names them. Whoever asks second for what is being computed waits
    for it. Raises TypeError for inputs that are neither, ValueError for arrays of objects, files.DiskFull when the disk
    is full.
    """
    return _cached(compute, inputs, _source(compute, modules), store)


def frame(
    compute: Callable[[], pd.DataFrame], *, inputs: Mapping, modules: Sequence[str] = (), store: Path | None = None
) -> pd.DataFrame:
    """Return the table that `compute` returns, cached as `arrays` caches it.

    Its columns hold numbers, truth values or text without gaps, its index counts the rows.
    """

    def columns() -> dict[str, np.ndarray]:
        table = compute()
        texts = table.select_dtypes(exclude=["number", "bool"]).columns
        return {name: table[name].to_numpy(str if name in texts else None) for name in table}

    return pd.DataFrame(_cached(columns, inputs, _source(compute, modules), store).arrays)


def _cached(compute: Callable, inputs: Mapping, source: dict, store: Path | None) -> Cached:
    plain = {name: of_array(value) if isinstance(value, np.ndarray) else value for name, value in inputs.items()}
    identity = {"kind": "kept", "inputs": plain, **source}
    entry = run_store.Entry(Path(store or paths.RUNS), run_store.digest(run_store.canonical(identity))[:32])
    with entry.lock():
        try:
            if (record := run_store.load_record(entry)) is not None:
                data = run_store.read(entry.directory / "arrays.npz", record["arrays"])
                return Cached(run_store.from_npz(data), record["seconds"], True)
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
        return Cached(found, seconds, False)


def _source(compute: Callable, modules: Sequence[str]) -> dict:
    """Return what a key says of the code: the helper modules, and the compiled code of what stands outside them."""
    named, compiled, queue, seen = set(modules), [], [compute], set()
    while queue:
        value = queue.pop()
        if id(value) in seen or not isinstance(value, ModuleType | FunctionType | type):
            continue  # anything else is an input, which the caller gives
        seen.add(id(value))
        home = value.__name__ if isinstance(value, ModuleType) else value.__module__
        if home.split(".")[0] == "helpers":
            named.add(home)
        elif home == compute.__module__ and isinstance(value, FunctionType):
            compiled.append(_text(value.__code__, value.__doc__))
            queue += [value.__globals__.get(name) for name in _names(value.__code__)]
        elif home == compute.__module__ and isinstance(value, type):
            queue += vars(value).values()
        if isinstance(value, FunctionType) and home in (compute.__module__, *named):
            queue += [cell.cell_contents for cell in value.__closure__ or ()]
    return {
        "modules": sorted(named),
        "sources": sources.digest_of(named),
        "outside": [sources.digest(text) for text in sorted(compiled)],
        "lock": sources.file_digest(paths.ROOT / "requirements.lock"),
    }


def _names(code: CodeType) -> list[str]:
    return [
        *code.co_names,
        *(name for const in code.co_consts if isinstance(const, CodeType) for name in _names(const)),
    ]


def _text(code: CodeType, documentation: str | None = None) -> str:
    """Return what compiled code does, without places in a file or an order that changes from process to process."""
    consts = [sorted(const, key=repr) if isinstance(const, frozenset) else const for const in code.co_consts]
    consts = [const for const in consts if documentation is None or const != documentation]
    told = [_text(const) if isinstance(const, CodeType) else repr(const) for const in consts]
    return repr((code.co_code, told, code.co_names, code.co_varnames))
