"""Small committed records of finished trainings, so that hours of computing survive without their weights.

The run store holds weights for one machine; a record (at most 30 KB under `reports/runs/`) holds what figures and
tables need: the spec, the history, and for every validation and test image the predicted class and its probability.
A record answers the same spec on any machine, so its key leaves out what only moves the last digits of a number:
number format, threads, library versions and backend. The record itself says all of these.
"""

import base64
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.runtime import paths, run_store
from helpers.training import parallel
from helpers.training.outcomes import HISTORY, Run
from helpers.training.specs import TrainSpec, identity

SCHEMA = 1
LARGEST = 30_000  # bytes of one record
_LOCAL = ("architecture", "precision", "threads", "versions", "backend", "source")
# A probability is kept to half a percent; where a network is unsure of many images that takes too much room, and
# coarser steps are taken.
_LEVELS = (200, 100, 50, 20)


def directory() -> Path:
    """Return where records are kept."""
    return paths.REPORTS / "runs"


def portable(spec: TrainSpec) -> dict:
    """Return what decides a run on any machine, as JSON values."""
    return {name: value for name, value in identity(spec).items() if name not in _LOCAL} | {"views": spec.views}


def path_of(spec: TrainSpec) -> Path:
    """Return where the record of this spec is, or would be."""
    name = hashlib.sha256(run_store.canonical(portable(spec))).hexdigest()[:16]
    return directory() / f"{spec.model}-{name}.json"


def record(run: Run) -> Path:
    """Write a finished run's record, atomically, and return its path; an existing one is left as it is.

    Raises ValueError for a run that has no labels to be compared with, or a record above 30 KB.
    """
    path = path_of(run.spec)
    if path.exists():
        return path
    text = json.dumps(_document(run), allow_nan=False, separators=(",", ":")) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(beside, 0o644)  # mkstemp makes it private
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return path


def _document(run: Run) -> dict:
    split = run.spec.split
    document = {
        "schema": SCHEMA,
        "spec": portable(run.spec),
        "finished": datetime.now(UTC).date().isoformat(),
        "seconds": round(run.seconds, 2),
        "parameters": run.parameters,
        "flops": run.flops,
        "hardware": run.hardware,
        "versions": identity(run.spec)["versions"],
        "columns": HISTORY,
        "history": [[None if np.isnan(x) else float(f"{x:.6g}") for x in row] for row in run.history.to_numpy(float)],
    }
    for levels in _LEVELS:
        packed = {
            "levels": levels,
            "validation": _pack(run.val_logits, split.y_val, levels),
            "test": _pack(run.test_logits, split.y_test, levels),
        }
        size = len(json.dumps(document | packed, separators=(",", ":"))) + 1
        if size <= LARGEST:
            return document | packed
    raise ValueError(f"record of {run.spec.model}: {size:,} bytes; at most {LARGEST:,} are allowed")


def find(spec: TrainSpec) -> Run | None:
    """Return the record of a spec, from whatever machine, or None. Raises ValueError for a damaged one."""
    path = path_of(spec)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path.name} is not a run record: {error}") from error
    try:
        if document["spec"] != json.loads(run_store.canonical(portable(spec))):
            raise ValueError("its spec is another one")
        return _read(document, spec)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise ValueError(f"{path.name} is not a run record of this spec: {error}") from error


def _read(document: dict, spec: TrainSpec) -> Run:
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}; got {document['schema']!r}")
    validation = _unpack(document["validation"], spec.split.y_val, document["levels"])
    test = _unpack(document["test"], spec.split.y_test, document["levels"])
    return Run(
        spec=spec,
        key=path_of(spec).stem,
        history=pd.DataFrame(document["history"], columns=document["columns"], dtype=float),
        val_predictions=validation[0],
        test_predictions=test[0],
        **{name: document[name] for name in ("seconds", "parameters", "flops", "hardware", "finished")},
    )


def collect(specs: Mapping[str, TrainSpec], *, profile: str) -> dict[str, Run]:
    """Return the outcome of trainings that are too long for every day, by name; those not yet recorded are left out.

    In the "full" profile each is trained (or taken from the run store), several side by side, and recorded as it ends,
    unless a record is there already, whatever machine left it; in the "smoke" profile trained for one epoch and not
    recorded; in any other only what has been recorded is returned.
    """
    if profile == "smoke":
        return parallel.train({name: replace(spec, epochs=min(1, spec.epochs)) for name, spec in specs.items()})
    missing = [spec for spec in specs.values() if not path_of(spec).exists()]
    if profile == "full" and missing:
        # A single one gets every core.
        parallel.train(missing if len(missing) > 1 else missing[0], finished=record)
    found = {name: find(spec) for name, spec in specs.items()}
    return {name: run for name, run in found.items() if run is not None}


def _pack(logits: np.ndarray, labels: np.ndarray, n_levels: int = _LEVELS[0]) -> str:
    """Return predicted classes and top probabilities as text: classes as steps from the label, so mostly zeros."""
    if len(logits) != len(labels):
        raise ValueError(f"labels: got {len(labels)} for {len(logits)} predictions; one each is needed")
    if not len(logits):
        return ""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    confidence = 1 / np.exp(shifted).sum(axis=1)
    steps = ((np.argmax(logits, axis=1) - labels) % 10).astype(np.uint8)
    levels = np.rint(confidence * n_levels).astype(np.uint8)
    return base64.b85encode(zlib.compress(steps.tobytes() + levels.tobytes(), 9)).decode()


def _unpack(text: str, labels: np.ndarray, n_levels: int = _LEVELS[0]) -> tuple[np.ndarray, np.ndarray]:
    raw = np.frombuffer(zlib.decompress(base64.b85decode(text)), np.uint8) if text else np.empty(0, np.uint8)
    if len(raw) != 2 * len(labels):
        raise ValueError(f"it holds {len(raw) // 2} predictions for {len(labels)} labels")
    steps, levels = raw[: len(labels)].astype(np.int64), raw[len(labels) :]
    return (labels + steps) % 10, levels / n_levels
