"""One training from many seeds: a small committed record of what each left, and how far they spread.

A network is a draw: another seed, another score. A record under `reports/runs/seeds/` holds, for each seed of one
training, what its mean, its spread and a paired comparison need: which test images it misread, asked in one view and in
five, how many validation images it read, and its seconds. As with single records its name leaves out what only moves
the last digits (number format, threads, library versions); of each seed the record says them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.evaluation import calibration
from helpers.runtime import files, run_store
from helpers.training import archive, parallel
from helpers.training.outcomes import Run, recall
from helpers.training.specs import TrainSpec, identity

SCHEMA = 1
VIEWS = (1, 5)  # of a test image, averaged: both are recorded
DRAWS = 500  # averages of some of the networks that are tried; of 20 there are 15,504 fives


@dataclass(frozen=True, eq=False)
class Seeds:
    """What the same training left from several seeds.

    spec: of the first of them. runs: one row per seed (index), with seconds, threads, processor, precision, the day it
    finished, and the numbers of validation images read right in one view and in five ("validation 1", "validation 5").
    misread: views -> seed -> positions of test images, int64. averages: views -> size -> right test images of each of
    many averages of so many networks, int64; empty where none were recorded. earlier: seeds that earlier code trained.
    """

    spec: TrainSpec
    runs: pd.DataFrame
    misread: Mapping[int, Mapping[int, np.ndarray]]
    averages: Mapping[int, Mapping[int, np.ndarray]]
    parameters: int
    flops: int
    n_validation: int
    n_test: int
    earlier: int = 0

    def __len__(self) -> int:
        return len(self.runs)

    def accuracy(self, *, views: int = 5) -> np.ndarray:
        """Return the share of the test images that each seed's network reads right, float64 (seeds,)."""
        return np.array([1 - len(self.misread[views][seed]) / self.n_test for seed in self.runs.index])

    def validation(self, *, views: int = 5) -> np.ndarray:
        """Return the same of the validation images."""
        return self.runs[f"validation {views}"].to_numpy(float) / self.n_validation

    @property
    def machine(self) -> str:
        """Say in words on what they were trained."""
        kinds = {
            f"{row.threads} thread{'s' if row.threads > 1 else ''} of {row.processor}" for row in self.runs.itertuples()
        }
        return kinds.pop() if len(kinds) == 1 else f"{len(kinds)} kinds of machine"


def directory() -> Path:
    """Return where these records are kept."""
    return archive.directory() / "seeds"


def portable(spec: TrainSpec) -> dict:
    """Return what decides such a record on any machine: of a training all but the seed and the views."""
    return {name: value for name, value in archive.portable(spec).items() if name not in ("seed", "views")}


def path_of(spec: TrainSpec) -> Path:
    """Return where the record of this training is, or would be."""
    name = hashlib.sha256(run_store.canonical(portable(spec))).hexdigest()[:16]
    return directory() / f"{spec.model}-{name}.json"


def find(spec: TrainSpec) -> Seeds | None:
    """Return what is recorded of a training, None where nothing is, or only of another network.

    Raises ValueError for a damaged record.
    """
    path = path_of(spec)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path.name} is not a record of seeds: {error}") from error
    try:
        if document["schema"] != SCHEMA or document["spec"] != json.loads(run_store.canonical(portable(spec))):
            raise ValueError("another schema, or another training")
        return None if document["architecture"] != archive.architecture(spec) else _read(document, spec)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is not a record of seeds: {error}") from error


def _read(document: dict, spec: TrainSpec) -> Seeds:
    seeds = {int(seed): each for seed, each in document["seeds"].items()}
    source = identity(spec)["source"]
    told = ("seconds", "threads", "processor", "precision", "finished", "validation 1", "validation 5")
    runs = pd.DataFrame([{name: each[name] for name in told} for each in seeds.values()], index=list(seeds))
    return Seeds(
        spec=replace(spec, seed=min(seeds)),
        runs=runs.rename_axis("seed"),
        misread={
            views: {seed: np.array(each[f"misread {views}"].split(), dtype=np.int64) for seed, each in seeds.items()}
            for views in VIEWS
        },
        averages={
            int(views): {int(size): np.array(counts, np.int64) for size, counts in by_size.items()}
            for views, by_size in document["averages"].items()
        },
        earlier=sum(each["source"] != source for each in seeds.values()),
        **{name: document[name] for name in ("parameters", "flops", "n_validation", "n_test")},
    )


def record(run: Run) -> Path:
    """Add a finished run to the record of its training, atomically; return the record's path.

    Raises ValueError for a run without validation or test images.
    """
    spec, path = run.spec, path_of(run.spec)
    split = spec.split
    if not (len(split.y_val) and len(split.y_test)):
        raise ValueError(f"split: got {split.name} without validation or test images; both are needed")
    asked = {views: recall(replace(spec, views=views), run_key=run.key, store=run.directory.parent) for views in VIEWS}
    known = json.loads(path.read_text(encoding="utf-8")) if find(spec) is not None else {}
    hardware = {name: run.hardware[name] for name in ("threads", "processor", "precision")}
    each = {"seconds": round(run.seconds, 2), **hardware, "finished": datetime.now(UTC).date().isoformat()}
    each |= {"source": identity(spec)["source"]}
    for views, one in asked.items():
        each[f"validation {views}"] = int((one.val_predictions == split.y_val).sum())
        each[f"misread {views}"] = " ".join(map(str, np.flatnonzero(one.test_predictions != split.y_test)))
    seeds = known.get("seeds", {}) | {str(spec.seed): each}
    document = {
        "schema": SCHEMA,
        "spec": portable(spec),
        "architecture": archive.architecture(spec),
        "parameters": run.parameters,
        "flops": run.flops,
        "n_validation": len(split.y_val),
        "n_test": len(split.y_test),
        "averages": known.get("averages", {}),
        "seeds": dict(sorted(seeds.items(), key=lambda item: int(item[0]))),
    }
    files.write_atomically(path, json.dumps(document, indent=0, allow_nan=False) + "\n")
    return path


def collect(
    trainings: Mapping[str, TrainSpec], n_seeds: int, *, profile: str, sizes: Sequence[int] = (), alone: bool = False
) -> dict[str, Seeds]:
    """Return by name what the seeds seed, seed + 1, ... of each training left; those without a record are left out.

    In the "full" profile seeds that are missing from a record, or were trained by earlier code, are trained and
    recorded as they end; in the "smoke" profile two seeds are trained for one epoch, into a record that is thrown away;
    in any other only what has been recorded is returned. sizes: of averages of several networks that are to be
    recorded, too. alone: one training at a time, with every core, whose seconds are then a stopwatch's.
    """
    if profile == "smoke":
        return {name: _small(spec) for name, spec in trainings.items()}
    if profile == "full":
        wanted = [replace(spec, seed=spec.seed + i) for spec in trainings.values() for i in range(n_seeds)]
        missing = [spec for spec in wanted if not _recorded(spec)]
        for group in [[spec] for spec in missing] if alone else [missing] if missing else []:
            parallel.train(group[0] if alone else group, finished=record)
        for spec in trainings.values() if sizes else ():
            _record_averages([replace(spec, seed=spec.seed + i) for i in range(n_seeds)], sizes)
    found = {name: find(spec) for name, spec in trainings.items()}
    return {name: _first(seeds, n_seeds) for name, seeds in found.items() if seeds is not None}


def _recorded(spec: TrainSpec) -> bool:
    """Return whether today's code has left this very seed in the record."""
    path = path_of(spec)
    if find(spec) is None:
        return False
    each = json.loads(path.read_text(encoding="utf-8"))["seeds"].get(str(spec.seed))
    return each is not None and each["source"] == identity(spec)["source"]


def _first(seeds: Seeds, n: int) -> Seeds:
    return seeds if len(seeds) <= n else replace(seeds, runs=seeds.runs.iloc[:n])


def _small(spec: TrainSpec) -> Seeds:
    """Train two seeds for one epoch and return them as a record would."""
    runs = parallel.train([replace(spec, seed=spec.seed + i, epochs=1) for i in range(2)])
    split, told = spec.split, []
    asked = {views: parallel.train([replace(run.spec, views=views) for run in runs]) for views in VIEWS}
    for i, run in enumerate(runs):
        right = {f"validation {views}": int((asked[views][i].val_predictions == split.y_val).sum()) for views in VIEWS}
        told.append({"seconds": run.seconds, **run.hardware, "finished": "today", **right})
    wrong = {
        views: {run.spec.seed: np.flatnonzero(run.test_predictions != split.y_test) for run in asked[views]}
        for views in VIEWS
    }
    index = pd.Index([run.spec.seed for run in runs], name="seed")
    about = {"n_validation": len(split.y_val), "n_test": len(split.y_test)}
    size = {"parameters": runs[0].parameters, "flops": runs[0].flops}
    return Seeds(spec, pd.DataFrame(told, index=index), wrong, {}, **about, **size)


def averaged(logits: Sequence[np.ndarray], labels: np.ndarray, size: int, *, draws: int = DRAWS, seed: int = 0):
    """Return how many images averages of `size` of several networks read right, int64 (draws,).

    logits: float (n, 10) of each network; probabilities are averaged. Each draw takes `size` different networks, so
    draws overlap: their mean is that of all averages, their spread is smaller than among averages of fresh networks.
    Raises ValueError for a size that is not 1 to the number of networks.
    """
    if not 1 <= size <= len(logits):
        raise ValueError(f"size: got {size}; 1 to {len(logits)}, the number of networks, is allowed")
    chances = np.stack([calibration.softmax(one) for one in logits])
    rng = np.random.default_rng(seed)
    picked = [rng.choice(len(logits), size, replace=False) for _ in range(draws)]
    return np.array([(chances[rows].mean(axis=0).argmax(axis=1) == labels).sum() for rows in picked], np.int64)


def _record_averages(specs: Sequence[TrainSpec], sizes: Sequence[int]) -> None:
    """Add averages to the record of a training all of whose runs are in the store."""
    path, made = path_of(specs[0]), {}
    for views in VIEWS:
        runs = parallel.train([replace(spec, views=views) for spec in specs])
        logits = [run.test_logits for run in runs]
        made[views] = {
            size: averaged(logits, specs[0].split.y_test, size).tolist() for size in sizes if size <= len(logits)
        }
    document = json.loads(path.read_text(encoding="utf-8")) | {"averages": made}
    files.write_atomically(path, json.dumps(document, indent=0, allow_nan=False) + "\n")
