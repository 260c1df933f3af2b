"""Training: a frozen TrainSpec in, a Run out, remembered in a store so that no network is trained twice.

A run is a function of its spec. Shuffling, warps and dropout come from (seed, epoch, step), the learning rate from
the step, and the state after each epoch is stored, so a training killed at any moment goes on from its last finished
epoch and ends with the very bits of an undisturbed one. Across machines the numbers may differ in the last digits:
another processor, number of threads or library version adds in another order, and each of these is part of the
run's identity.
"""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import layers, loops, models, paths, progress, run_store, schedules, warm_start
from helpers import precision as precisions
from helpers.backend import keras
from helpers.specs import TrainSpec, identity, key

__all__ = ["Diverged", "Run", "TrainSpec", "key", "load_model", "predict", "recall", "run", "summary", "viewed"]

HISTORY = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
_OURS = (layers.SpaceToDepth, layers.FusedBatchNormalization)  # importing them registers them for loading


class Diverged(RuntimeError):
    """The loss stopped being a number."""


@dataclass(frozen=True, eq=False)
class Run:
    """What a training ended with.

    history: one row per epoch (epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds).
    step_losses: float32, one per step. val_logits, test_logits: float32 (n, 10), averaged over `spec.views`.
    seconds: wall time of all epochs, in however many sittings, tracing included. reused: it came from the store.
    resumed_from: finished epochs found when this call began.
    """

    spec: TrainSpec
    key: str
    directory: Path
    history: pd.DataFrame
    step_losses: np.ndarray
    val_logits: np.ndarray
    test_logits: np.ndarray
    seconds: float
    predict_seconds: float
    parameters: int
    flops: int
    hardware: dict
    reused: bool
    resumed_from: int

    @property
    def images_per_second(self) -> float:
        """Training images per second of wall time."""
        images = self.spec.epochs * self.spec.steps * self.spec.batch
        return images / self.seconds if self.seconds else float("nan")

    @property
    def val_predictions(self) -> np.ndarray:
        """Predicted validation classes, int64 (n,)."""
        return np.argmax(self.val_logits, axis=1)

    @property
    def test_predictions(self) -> np.ndarray:
        """Predicted test classes, int64 (n,)."""
        return np.argmax(self.test_logits, axis=1)

    @property
    def cost(self) -> dict:
        """Return what a results row says about price: training seconds and number of parameters."""
        return {"seconds": self.seconds, "parameters": self.parameters}

    @property
    def provenance(self) -> str:
        """Say in words whether it was trained just now, how long it took and on how many threads."""
        threads = f"{self.hardware['threads']} thread" + ("s" if self.hardware["threads"] != 1 else "")
        if self.reused:
            return f"reused, trained in {self.seconds:.0f} s on {threads}"
        resumed = f", {self.resumed_from} epochs of it earlier" if self.resumed_from else ""
        return f"trained here in {self.seconds:.0f} s on {threads}{resumed}"

    def load(self) -> keras.Model:
        """Load the trained network, after verifying its hash."""
        record = run_store.load_record(run_store.Entry(self.directory.parent, self.key))
        return load_model(self.directory / "model.keras", sha256=record["files"]["model.keras"])


def run(spec: TrainSpec, *, store: Path | None = None) -> Run:
    """Train `spec`, or return what an earlier training of it left in the store (`paths.RUNS`).

    Whoever asks second for a run that is being trained waits for it. Raises Diverged when the loss becomes NaN or
    infinite, run_store.StoreFull when the disk is full; both leave the last finished epoch in the store.
    """
    entry = run_store.Entry(Path(store or paths.RUNS), key(spec))
    with entry.lock():
        try:
            record = run_store.load_record(entry)
            if record is not None:
                return _assemble(spec, entry, record, reused=True, resumed_from=0)
        except run_store.Corrupt as problem:
            progress.say(f"run store: {entry.key[:8]} {problem}; training it again")
            run_store.discard(entry)
        resumed_from = _train(spec, entry)
        record = run_store.load_record(entry)
        return _assemble(spec, entry, record, reused=False, resumed_from=resumed_from)


def recall(spec: TrainSpec, *, run_key: str | None = None, store: Path | None = None) -> Run | None:
    """Return the finished run of `spec` from the store, None where there is none; trains nothing.

    `run_key`: the name it is stored under, when a process with other threads, or another machine, trained it.
    """
    entry = run_store.Entry(Path(store or paths.RUNS), run_key or key(spec))
    with entry.lock():
        try:
            record = run_store.load_record(entry)
            return record and _assemble(spec, entry, record, reused=True, resumed_from=0)
        except run_store.Corrupt:
            return None


def _draw(spec: TrainSpec, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (steps, batch) and warps (steps, batch, width) of an epoch, from (seed, epoch) alone."""
    n, needed = len(spec.split.x_train), spec.steps * spec.batch
    shuffle, warping = (np.random.default_rng([spec.seed, epoch, purpose]) for purpose in (0, 1))
    passes = [shuffle.permutation(n) for _ in range(-(-needed // n))]
    rows = np.concatenate(passes)[:needed].reshape(spec.steps, spec.batch).astype(np.int32)
    if spec.augmentation is None:
        return rows, np.zeros((*rows.shape, 8), np.float32)
    size = spec.split.x_train.shape[1:]
    warps = spec.augmentation.draw(needed, size=size, rng=warping)
    return rows, warps.reshape(*rows.shape, spec.augmentation.width)


def _train(spec: TrainSpec, entry: run_store.Entry) -> int:
    """Train from the last finished epoch to the end and store the outcome; return how many epochs were found."""
    clock = time.perf_counter()
    shape, precision = spec.split.x_train.shape[1:], precisions.choose(spec.precision)
    model = models.build(spec.model, spec.options, seed=spec.seed, precision=precision, shape=shape)
    if spec.start is not None:
        warm_start.load_into(model, load_model(spec.start.path, sha256=spec.start.sha256))
    optimizer = loops.make_optimizer(
        spec.optimizer,
        learning_rate=spec.learning_rate,
        momentum=spec.momentum,
        nesterov=spec.nesterov,
        weight_decay=spec.weight_decay,
    )
    optimizer.build(model.trainable_variables)
    loss = loops.make_loss(spec.loss, spec.label_smoothing)
    loop = loops.make_loop(
        model,
        optimizer,
        loss,
        images=spec.split.x_train,
        labels=spec.split.y_train,
        # AdamW applies its own, decoupled decay.
        weight_decay=0.0 if spec.optimizer == "adamw" else spec.weight_decay,
        decay=spec.decay,
        augmentation=spec.augmentation,
        multipliers=warm_start.multipliers(model, spec.start),
    )
    predictor = loops.make_predictor(model)
    variables = [*model.variables, *optimizer.variables]
    found = run_store.load_checkpoint(entry)
    first, history, losses = 0, [], np.zeros(0, np.float32)
    if found is not None:
        first, arrays = found
        for i, variable in enumerate(variables):
            variable.assign(arrays[f"v{i}"])
        history, losses = [_row(row) for row in arrays["history"]], arrays["losses"]
    rates = schedules.rates(
        spec.schedule, spec.epochs * spec.steps, peak=spec.learning_rate, options=_shape_options(spec)
    ).reshape(spec.epochs, spec.steps)

    for epoch in range(first, spec.epochs):
        if spec.schedule == "plateau":
            watched = [row[4] for row in history]
            rate = schedules.plateau_rate(watched, peak=spec.learning_rate, **spec.schedule_options)
            rates[epoch] = rate
        loops.seed_dropout(model, spec.seed, epoch)
        values, correct = _epoch(spec, entry, loop, epoch, rates[epoch], bool(history))
        losses = np.concatenate([losses, values])
        val_loss, val_accuracy = _validate(spec, predictor, loss)
        now = time.perf_counter()
        accuracy = correct / (spec.steps * spec.batch)
        row = (epoch + 1, np.nanmean(values), accuracy, val_loss, val_accuracy, rates[epoch, -1], now - clock)
        history.append(_row(row))
        clock = now
        state = {f"v{i}": keras.ops.convert_to_numpy(variable) for i, variable in enumerate(variables)}
        table = np.array(history, dtype=np.float64)  # None becomes NaN
        run_store.save_checkpoint(entry, epoch + 1, {**state, "history": table, "losses": losses})
        _report(spec, history)
    _finish(spec, entry, model, history, losses)
    return first


def _shape_options(spec: TrainSpec) -> dict:
    return {} if spec.schedule == "plateau" else dict(spec.schedule_options)


def _row(row) -> list[float | None]:
    """Return a history row as JSON values: None where a number is missing."""
    return [float(value) if np.isfinite(value) else None for value in np.asarray(row, dtype=np.float64)]


def _epoch(spec, entry, loop, epoch, rates, has_checkpoint) -> tuple[np.ndarray, int]:
    """Take an epoch's steps; stop with Diverged at the first step whose loss is not finite."""
    rows, warps = _draw(spec, epoch)
    values, correct = np.full(spec.steps, np.nan, np.float32), 0
    for i in range(0, spec.steps, loops.CHUNK):
        part = slice(i, i + loops.CHUNK)
        values[part], hits = loop.steps(rows[part], warps[part], rates[part])
        correct += hits
        finite = np.isfinite(values[part])
        if finite.all():
            continue
        step = i + int(np.argmin(finite))
        values[step:] = np.nan
        if spec.schedule == "exponential":
            break  # a range test is meant to blow up; it ends here
        kept = f"the last good state, after epoch {epoch}, is kept in {entry.directory}" if has_checkpoint else ""
        raise Diverged(
            f"the loss of {spec.model} is not finite at epoch {epoch + 1}, step {step + 1} of {spec.steps}, learning "
            f"rate {rates[step]:.3g}; a lower learning_rate helps. {kept or 'No epoch was finished before it.'}"
        )
    return values, correct


def _validate(spec: TrainSpec, predictor, loss) -> tuple[float, float]:
    """Return (loss, accuracy) on the validation part, NaN where there is none."""
    if not len(spec.split.x_val):
        return float("nan"), float("nan")
    logits = predictor(spec.split.x_val)
    value = float(loss(spec.split.y_val.astype(np.int32), logits))
    return value, float(np.mean(np.argmax(logits, axis=1) == spec.split.y_val))


def _report(spec: TrainSpec, history) -> None:
    epoch, loss, accuracy, _, val_accuracy, _, seconds = history[-1]
    validation = "" if val_accuracy is None else f" · validation {val_accuracy:.2%}"
    left = np.median([row[-1] for row in history]) * (spec.epochs - epoch)
    progress.say(
        f"{spec.model} seed {spec.seed} · epoch {epoch:.0f}/{spec.epochs} · loss {loss:.4f} · train {accuracy:.2%}"
        f"{validation} · {spec.steps * spec.batch / seconds:,.0f} images/s · {progress.duration(left)} left"
    )


def _finish(spec, entry, model, history, losses) -> None:
    """Store weights, losses and predictions, then the record that makes the run complete."""
    shape, precision = spec.split.x_train.shape[1:], precisions.choose(spec.precision)
    plain = models.build(spec.model, spec.options, precision=precision, shape=shape)
    plain.set_weights(model.get_weights())  # without the optimizer and whatever else training attached
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.keras"
        plain.save(path)
        weights = path.read_bytes()
    files = {
        "model.keras": run_store.write(entry.directory / "model.keras", weights),
        "losses.npz": run_store.write(entry.directory / "losses.npz", run_store.to_npz({"losses": losses})),
    }
    size = models.size(plain)
    record = {
        "identity": identity(spec),
        "files": files,
        "history": history,
        "predict_seconds": {},
        "parameters": size.parameters,
        "flops": size.flops,
        "hardware": {**precisions.hardware(), "precision": precision},
    }
    _predict_into(spec, entry, record, plain)
    for checkpoint in entry.directory.glob("epoch-*.npz"):
        checkpoint.unlink(missing_ok=True)


def _assemble(spec: TrainSpec, entry: run_store.Entry, record: dict, *, reused: bool, resumed_from: int) -> Run:
    """Read and verify every file of a finished run; predictions over more views are made the first time asked."""
    blobs = {name: run_store.read(entry.directory / name, sha256) for name, sha256 in record["files"].items()}
    wanted = f"logits-{spec.views}.npz"
    if wanted not in blobs:
        model = load_model(entry.directory / "model.keras", sha256=record["files"]["model.keras"])
        blobs[wanted], record = _predict_into(spec, entry, record, model)
    arrays = run_store.from_npz(blobs[wanted])
    return Run(
        spec=spec,
        key=entry.key,
        directory=entry.directory,
        history=pd.DataFrame(record["history"], columns=HISTORY, dtype=float),
        step_losses=run_store.from_npz(blobs["losses.npz"])["losses"],
        val_logits=arrays["val"],
        test_logits=arrays["test"],
        seconds=float(sum(row[-1] for row in record["history"])),
        predict_seconds=record["predict_seconds"][wanted],
        parameters=record["parameters"],
        flops=record["flops"],
        hardware=record["hardware"],
        reused=reused,
        resumed_from=resumed_from,
    )


def _predict_into(spec, entry, record, model):
    start = time.perf_counter()
    predictor = loops.make_predictor(model)
    parts = {"val": spec.split.x_val, "test": spec.split.x_test}
    logits = {name: viewed(predictor, images, spec.views) for name, images in parts.items()}
    name, data = f"logits-{spec.views}.npz", run_store.to_npz(logits)
    seconds = {**record["predict_seconds"], name: time.perf_counter() - start}
    files = {**record["files"], name: run_store.write(entry.directory / name, data)}
    record = {**record, "files": files, "predict_seconds": seconds}
    run_store.save_record(entry, record)
    return data, record


def viewed(predictor, images: np.ndarray, views: int) -> np.ndarray:
    """Return logits float32 (n, 10) of uint8 `images` (n, h, w), averaged over 1 or 5 views.

    Five are the image itself, counted twice, and moved by one pixel in each of four directions. predictor: of
    `loops.make_predictor`.
    """
    if views == 1 or not len(images):
        return predictor(images)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    height, width = images.shape[1:]
    total = 2 * predictor(images)
    for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
        total += predictor(np.ascontiguousarray(padded[:, down : down + height, right : right + width]))
    return total / 6


def load_model(path: str | Path, *, sha256: str | None = None) -> keras.Model:
    """Load a `.keras` file of ours, in Keras's safe mode.

    `sha256` is the hash that was written down for it; by default the one in the run's record beside it. A file
    can carry code, so without a matching hash nothing is loaded: raises ValueError.
    """
    path = Path(path)
    try:
        if sha256 is None:
            entry = run_store.Entry(path.resolve().parent.parent, path.resolve().parent.name)
            sha256 = (run_store.load_record(entry) or {}).get("files", {}).get(path.name)
        if sha256 is None:
            raise run_store.Corrupt(f"{path.name} has no run record beside it")
        run_store.read(path, sha256)
    except run_store.Corrupt as problem:
        raise ValueError(f"path: {problem}; only networks whose hash this project wrote down are loaded") from problem
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def predict(network: Run | keras.Model, images: np.ndarray, *, views: int = 1) -> np.ndarray:
    """Return logits float32 (n, 10) for uint8 `images` (n, h, w), averaged over 1 or 5 views."""
    model = network.load() if isinstance(network, Run) else network
    return viewed(loops.make_predictor(model), images, views)


def summary(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return one row per run, for the reader: size, epochs, validation accuracy, time and where it came from."""
    rows = {
        name: {
            "parameters": run.parameters,
            "epochs": run.spec.epochs,
            "training loss": run.history["loss"].iloc[-1] if len(run.history) else float("nan"),
            "validation accuracy": _accuracy(run.val_logits, run.spec.split.y_val),
            "seconds": run.seconds,
            "images/s": run.images_per_second,
            "origin": "reused" if run.reused else "trained here",
        }
        for name, run in runs.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def _accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(np.argmax(logits, axis=1) == labels)) if len(labels) else float("nan")
