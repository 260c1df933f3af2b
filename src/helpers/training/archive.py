"""Small committed records of finished trainings, so that hours of computing survive without their weights.

The run store holds weights for one machine; a record (at most 30 KB under `reports/runs/`) holds what figures and
tables need: the spec, the history, and for every validation and test image the predicted class and its probability.
A record answers the same spec on any machine, so its name leaves out what only moves the last digits of a number:
number format, threads, library versions. The record itself says all of these, and which network and source made it.
A record of another network is no answer. One of another source is, for readers, and says that earlier code made it;
it counts as a run of today's code once its first epoch, trained again, has given the recorded numbers bit for bit
(`make check-records`, see `check_records`).
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.models import architectures
from helpers.runtime import files, paths, run_store
from helpers.training import parallel
from helpers.training.outcomes import HISTORY, Run
from helpers.training.specs import TrainSpec, describe, identity

SCHEMA = 1
LARGEST = 30_000  # bytes of one record
_LOCAL = ("architecture", "precision", "threads", "versions", "backend", "source")
# A probability is kept to half a percent; where a network is unsure of many images that takes too much room, and
# coarser steps are taken.
_LEVELS = (200, 100, 50, 20)
REPEATED = ", first epoch repeated bit for bit by this code"


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


def checks() -> dict[str, dict]:
    """Return name of a record -> what is known of its making: a row of reports/runs/checks.csv, {} where there is none.

    commit: that wrote the record. source, architecture: digests of the code and the network under which its first epoch
    was trained again, on `processor`, the day `checked`; repeats: "yes" where every number was the recorded one.
    """
    path = directory() / "checks.csv"
    if not path.is_file():
        return {}
    return pd.read_csv(path, index_col="record", dtype=str, keep_default_na=False).to_dict(orient="index")


def architecture(spec: TrainSpec) -> str:
    """Return a digest of the network of a spec: its layers and their settings, in float32."""
    return run_store.digest(describe(spec, precision="float32").encode())[:16]


@cache
def _size(model: str, options: bytes, shape: tuple[int, int]) -> architectures.Size:
    return architectures.size(architectures.build(model, json.loads(options), shape=shape))


def standing(spec: TrainSpec, document: Mapping) -> str | None:
    """Return what a record is to today's code, in words to follow a date: "" when that made it, None for no answer.

    Old records name neither source nor network; of these the network's size must be today's, and what is known besides
    is in `checks`.
    """
    known = checks().get(path_of(spec).stem, {})
    size = _size(spec.model, run_store.canonical(dict(spec.options)), spec.split.shape)
    ours, source = architecture(spec), identity(spec)["source"]
    if (document["parameters"], document["flops"]) != (size.parameters, size.flops):
        return None
    if document.get("architecture", known.get("architecture") or ours) != ours:
        return None
    if document.get("source") == source:
        return ""
    if known.get("repeats") == "yes" and known["source"] == source:
        return REPEATED
    return ", by earlier code" + (f" (commit {known['commit']})" if known.get("commit") else "")


def is_current(run: Run | None) -> bool:
    """Return whether a record, as `find` returns it, counts as a run of today's code."""
    return run is not None and run.standing in ("", REPEATED)


def record(run: Run) -> Path:
    """Write a finished run's record, atomically, and return its path; a record of today's code is left as it is.

    Raises ValueError for a run that has no labels to be compared with, or a record above 30 KB.
    """
    path = path_of(run.spec)
    if path.exists() and is_current(find(run.spec)):
        return path
    text = json.dumps(_document(run), allow_nan=False, separators=(",", ":")) + "\n"
    files.write_atomically(path, text)
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
        "source": identity(run.spec)["source"],
        "architecture": architecture(run.spec),
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
    """Return the record of a spec, from whatever machine, or None; its `standing` says what it is to today's code.

    Raises ValueError for a damaged one.
    """
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


def _read(document: dict, spec: TrainSpec) -> Run | None:
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}; got {document['schema']!r}")
    stands = standing(spec, document)
    if stands is None:
        return None
    validation = _unpack(document["validation"], spec.split.y_val, document["levels"])
    test = _unpack(document["test"], spec.split.y_test, document["levels"])
    return Run(
        spec=spec,
        key=path_of(spec).stem,
        history=pd.DataFrame(document["history"], columns=document["columns"], dtype=float),
        val_predictions=validation[0],
        test_predictions=test[0],
        standing=stands,
        **{name: document[name] for name in ("seconds", "parameters", "flops", "hardware", "finished")},
    )


def collect(specs: Mapping[str, TrainSpec], *, profile: str, recorded: bool = True) -> dict[str, Run]:
    """Return the outcome of trainings that are too long for every day, by name; those not yet recorded are left out.

    In the "full" profile each is trained (or taken from the run store), several side by side, and recorded as it ends,
    unless there is a record of today's code already, whatever machine left it; in the "smoke" profile trained for one
    epoch and not recorded; in any other only what has been recorded is returned, and says which code made it.
    recorded: False for somebody's own digits, of which no record is written or looked for; "full" trains them.
    """
    if profile == "smoke":
        return parallel.train({name: replace(spec, epochs=min(1, spec.epochs)) for name, spec in specs.items()})
    if not recorded:
        return parallel.train(specs) if profile == "full" else {}
    missing = [spec for spec in specs.values() if not is_current(find(spec))]
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


def count(text: str) -> int:
    """Return for how many images a part of a record holds predictions."""
    return len(zlib.decompress(base64.b85decode(text))) // 2 if text else 0


def _unpack(text: str, labels: np.ndarray, n_levels: int = _LEVELS[0]) -> tuple[np.ndarray, np.ndarray]:
    raw = np.frombuffer(zlib.decompress(base64.b85decode(text)), np.uint8) if text else np.empty(0, np.uint8)
    if len(raw) != 2 * len(labels):
        raise ValueError(f"it holds {len(raw) // 2} predictions for {len(labels)} labels")
    steps, levels = raw[: len(labels)].astype(np.int64), raw[len(labels) :]
    return (labels + steps) % 10, levels / n_levels
