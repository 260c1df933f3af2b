"""One training from many seeds: a small committed record of what each left, and how far they spread.

A network is a draw: another seed, another score. A record under `reports/runs/seeds/` holds, for each seed of one
training, what its mean, its spread and a paired comparison need: which test images it misread, asked in one view and in
five, how many validation images it read, and its seconds. As with single records its name leaves out what only moves
the last digits (number format, threads, library versions); of each seed the record says them.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from helpers.runtime import files, progress, run_store
from helpers.training import archive, parallel, workers
from helpers.training.outcomes import Run, recall
from helpers.training.specs import TrainSpec, identity

SCHEMA = 1
VIEWS = (1, 5)  # of a test image, averaged: both are recorded
SMOKE_SEEDS = 2


@dataclass(frozen=True)
class Altered:
    """A training with something done to it that its spec does not say.

    name, settings: of what is done, as JSON values. source: a digest of the code that trains so. train: f(spec, name)
    -> what it left: `seconds`, `parameters`, `flops` and `hardware` as of a Run, `val_logits` and `test_logits` by
    number of views; a function of a module, so that other processes can call it.
    """

    spec: TrainSpec
    name: str
    settings: Mapping
    source: str
    train: Callable


Training = TrainSpec | Altered


def spec_of(training: Training) -> TrainSpec:
    """Return the spec of a training, altered or not."""
    return training.spec if isinstance(training, Altered) else training


def seeded(training: Training, seed: int) -> Training:
    """Return the same training from another seed."""
    spec = replace(spec_of(training), seed=seed)
    return replace(training, spec=spec) if isinstance(training, Altered) else spec


def source_of(training: Training) -> str:
    """Return the digest of the code that would train it today."""
    return training.source if isinstance(training, Altered) else identity(training)["source"]


@dataclass(frozen=True, eq=False)
class Seeds:
    """What the same training left from several seeds.

    spec: of the first of them. runs: one row per seed (index), with seconds, threads, processor, precision, the day it
    finished, the numbers of validation images read right in one view and in five ("validation 1", "validation 5"), and
    "earlier", whether earlier code trained it. misread: views -> seed -> positions of test images, int64.
    """

    spec: TrainSpec
    runs: pd.DataFrame
    misread: Mapping[int, Mapping[int, np.ndarray]]
    parameters: int
    flops: int
    n_validation: int
    n_test: int

    def __len__(self) -> int:
        return len(self.runs)

    def accuracy(self, *, views: int = 5) -> np.ndarray:
        """Return the share of the test images that each seed's network reads right, float64 (seeds,)."""
        return np.array([1 - len(self.misread[views][seed]) / self.n_test for seed in self.runs.index])

    def validation(self, *, views: int = 5) -> np.ndarray:
        """Return the same of the validation images."""
        return self.runs[f"validation {views}"].to_numpy(float) / self.n_validation

    @property
    def earlier(self) -> int:
        """Count the seeds that earlier code trained."""
        return int(self.runs["earlier"].sum())

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


def portable(training: Training) -> dict:
    """Return what decides such a record on any machine: of a training all but the seed and the views."""
    told = archive.portable(spec_of(training))
    altered = isinstance(training, Altered)
    done = {"altered": {"name": training.name, "settings": dict(training.settings)}} if altered else {}
    return {name: value for name, value in told.items() if name not in ("seed", "views")} | done


def path_of(training: Training) -> Path:
    """Return where the record of this training is, or would be."""
    name = hashlib.sha256(run_store.canonical(portable(training))).hexdigest()[:16]
    done = [training.name.replace(" ", "_")] if isinstance(training, Altered) else []
    return directory() / f"{'-'.join([spec_of(training).model, *done, name])}.json"


def find(training: Training) -> Seeds | None:
    """Return what is recorded of a training, None where nothing is, or only of another network.

    Raises ValueError for a damaged record.
    """
    path, spec = path_of(training), spec_of(training)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path.name} is not a record of seeds: {error}") from error
    try:
        if document["schema"] != SCHEMA or document["spec"] != json.loads(run_store.canonical(portable(training))):
            raise ValueError("another schema, or another training")
        return None if document["architecture"] != archive.architecture(spec) else _read(document, training)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} is not a record of seeds: {error}") from error


def _read(document: dict, training: Training) -> Seeds:
    seeds = {int(seed): each for seed, each in document["seeds"].items()}
    source = source_of(training)
    told = ("seconds", "threads", "processor", "precision", "finished", "validation 1", "validation 5")
    runs = pd.DataFrame([{name: each[name] for name in told} for each in seeds.values()], index=list(seeds))
    runs["earlier"] = [each["source"] != source for each in seeds.values()]
    return Seeds(
        spec=replace(spec_of(training), seed=min(seeds)),
        runs=runs.rename_axis("seed"),
        misread={
            views: {seed: np.array(each[f"misread {views}"].split(), dtype=np.int64) for seed, each in seeds.items()}
            for views in VIEWS
        },
        **{name: document[name] for name in ("parameters", "flops", "n_validation", "n_test")},
    )


def record(run: Run) -> Path:
    """Add a finished run to the record of its training, atomically; return the record's path.

    Raises ValueError for a run without validation or test images.
    """
    store = run.directory.parent
    asked = {views: recall(replace(run.spec, views=views), run_key=run.key, store=store) for views in VIEWS}
    return _add(run.spec, run, {views: (one.val_logits, one.test_logits) for views, one in asked.items()})


def record_altered(training: Altered, left) -> Path:
    """Add what an altered training left, as `record` does."""
    return _add(training, left, {views: (left.val_logits[views], left.test_logits[views]) for views in VIEWS})


def _add(training: Training, left, logits: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> Path:
    """Add one seed; logits: views -> those of the validation and of the test images."""
    spec, path = spec_of(training), path_of(training)
    split = spec.split
    if not (len(split.y_val) and len(split.y_test)):
        raise ValueError(f"split: got {split.name} without validation or test images; both are needed")
    known = json.loads(path.read_text(encoding="utf-8")) if find(training) is not None else {}
    hardware = {name: left.hardware[name] for name in ("threads", "processor", "precision")}
    each = {"seconds": round(left.seconds, 2), **hardware, "finished": datetime.now(UTC).date().isoformat()}
    each |= {"source": source_of(training)}
    for views, (val, test) in logits.items():
        each[f"validation {views}"] = int((val.argmax(axis=1) == split.y_val).sum())
        each[f"misread {views}"] = " ".join(map(str, np.flatnonzero(test.argmax(axis=1) != split.y_test)))
    seeds = known.get("seeds", {}) | {str(spec.seed): each}
    document = {
        "schema": SCHEMA,
        "spec": portable(training),
        "architecture": archive.architecture(spec),
        "parameters": left.parameters,
        "flops": left.flops,
        "n_validation": len(split.y_val),
        "n_test": len(split.y_test),
        "seeds": dict(sorted(seeds.items(), key=lambda item: int(item[0]))),
    }
    files.write_atomically(path, json.dumps(document, indent=0, allow_nan=False) + "\n")
    return path


def collect(
    trainings: Mapping[str, Training],
    n_seeds: int,
    *,
    profile: str,
    recorded: bool = True,
) -> dict[str, Seeds]:
    """Return by name what the seeds seed, seed + 1, ... of each training left; those without a record are left out.

    In the "full" profile seeds that are missing from a record, or were trained by earlier code, are trained and
    recorded as they end; in the "smoke" profile two seeds are trained for one epoch, into a record that is thrown away;
    in any other only what has been recorded is returned. recorded: False for somebody's own digits, of which no record
    is written or looked for: these are trained, whatever the profile.
    """
    if profile == "smoke":
        return _trained({name: _cut(training) for name, training in trainings.items()}, SMOKE_SEEDS)
    if not recorded:
        return _trained(trainings, n_seeds)
    if profile == "full":
        wanted = [seeded(one, spec_of(one).seed + i) for i in range(n_seeds) for one in trainings.values()]
        missing = [training for training in wanted if not _recorded(training)]
        plain = [training for training in missing if not isinstance(training, Altered)]
        if plain:
            parallel.train(plain, finished=record)
        for training, left in _train_altered([one for one in missing if isinstance(one, Altered)]):
            record_altered(training, left)
    found = {name: find(training) for name, training in trainings.items()}
    chosen = {
        name: _of(seeds, range(spec_of(trainings[name]).seed, spec_of(trainings[name]).seed + n_seeds))
        for name, seeds in found.items()
        if seeds is not None
    }
    return {name: seeds for name, seeds in chosen.items() if len(seeds)}


def _train_altered(trainings: Sequence[Altered]) -> Iterator[tuple[Altered, object]]:
    """Yield each training and what it left, as they end: side by side, on one thread each."""
    processes = min(len(trainings), workers.available()) if trainings else 0
    tasks = (joblib.delayed(_pinned)(i, one.train, one.spec, one.name) for i, one in enumerate(trainings))
    for i, left in workers.spread(tasks, processes=processes, threads=1) if processes else ():
        progress.say(f"{spec_of(trainings[i]).model}, {trainings[i].name}, in {progress.duration(left.seconds)}")
        yield trainings[i], left


def _pinned(number: int, train: Callable, spec: TrainSpec, name: str) -> tuple[int, object]:
    with workers.pinned(1):
        return number, train(spec, name)


def _recorded(training: Training) -> bool:
    """Return whether today's code has left this very seed in the record."""
    found, seed = find(training), spec_of(training).seed
    return found is not None and seed in found.runs.index and not found.runs.loc[seed, "earlier"]


def _of(seeds: Seeds, asked: range) -> Seeds:
    kept = seeds.runs[seeds.runs.index.isin(asked)]
    misread = {views: {seed: by_seed[seed] for seed in kept.index} for views, by_seed in seeds.misread.items()}
    return replace(seeds, runs=kept, misread=misread)


def _cut(training: Training) -> Training:
    spec = replace(spec_of(training), epochs=1)
    return replace(training, spec=spec) if isinstance(training, Altered) else spec


def _trained(trainings: Mapping[str, Training], n_seeds: int) -> dict[str, Seeds]:
    """Train so many seeds of each, the unaltered ones side by side, and return them as records would."""
    specs = {
        name: [replace(spec_of(one), seed=spec_of(one).seed + i) for i in range(n_seeds)]
        for name, one in trainings.items()
    }
    plain = {name: one for name, one in specs.items() if not isinstance(trainings[name], Altered)}
    asked = {
        views: parallel.train({name: [replace(spec, views=views) for spec in one] for name, one in plain.items()})
        for views in VIEWS  # the second time all are in the store
    }
    found = {}
    for name, training in trainings.items():
        if isinstance(training, Altered):
            left = [training.train(spec, training.name) for spec in specs[name]]
            logits = {views: [(one.val_logits[views], one.test_logits[views]) for one in left] for views in VIEWS}
        else:
            left = asked[VIEWS[0]][name]
            logits = {views: [(run.val_logits, run.test_logits) for run in asked[views][name]] for views in VIEWS}
        found[name] = _seeds(specs[name], left, logits)
    return found


def _seeds(specs: Sequence[TrainSpec], left: Sequence, logits: Mapping[int, Sequence[tuple]]) -> Seeds:
    split, told, wrong = specs[0].split, [], {views: {} for views in VIEWS}
    for i, one in enumerate(left):
        right = {f"validation {views}": int((logits[views][i][0].argmax(1) == split.y_val).sum()) for views in VIEWS}
        told.append({"seconds": one.seconds, **one.hardware, "finished": "today", "earlier": False, **right})
        for views in VIEWS:
            wrong[views][specs[i].seed] = np.flatnonzero(logits[views][i][1].argmax(1) != split.y_test)
    runs = pd.DataFrame(told, index=pd.Index([one.seed for one in specs], name="seed"))
    sizes = {"parameters": left[0].parameters, "flops": left[0].flops}
    return Seeds(specs[0], runs, wrong, **sizes, n_validation=len(split.y_val), n_test=len(split.y_test))
