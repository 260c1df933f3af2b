"""Training: a frozen TrainSpec in, a Run out, remembered in a store so that no network is trained twice.

A run is a function of its spec. Shuffling, warps and dropout come from (seed, epoch, step), the learning rate from
the step, and the state after each epoch is stored, so a training killed at any moment goes on from its last finished
epoch and ends with the very bits of an undisturbed one. Across machines the numbers may differ in the last digits:
another processor, number of threads or library version adds in another order, and each of these is part of the
run's identity.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from helpers.models import architectures, schedules
from helpers.runtime import device, paths, progress, run_store
from helpers.runtime import precision as precisions
from helpers.runtime.device import keras
from helpers.training import outcomes, step
from helpers.training.outcomes import Run, load_model, predict, recall, summary, viewed
from helpers.training.specs import TrainSpec, identity, key

__all__ = ["Diverged", "Run", "TrainSpec", "key", "load_model", "predict", "recall", "run", "summary", "viewed"]


class Diverged(RuntimeError):
    """The loss stopped being a number."""


def run(spec: TrainSpec, *, milestones: Sequence[int] = (), store: Path | None = None) -> Run:
    """Train `spec`, or return what an earlier training of it left in the store (`paths.RUNS`).

    milestones: epochs after which the network is stored as the finished run of the spec with so many epochs, which
    it is, bit for bit, where the learning rate does not depend on when the training ends (`schedules.STEADY`).
    Whoever asks second for a run that is being trained waits for it. Raises Diverged when the loss becomes NaN or
    infinite, files.DiskFull when the disk is full; both leave the last finished epoch in the store. ValueError
    for a milestone that is not one of the spec's epochs, or a schedule that looks ahead.
    """
    earlier = _earlier(spec, milestones)
    entry = run_store.Entry(Path(store or paths.RUNS), key(spec))
    with entry.lock():
        try:
            record = run_store.load_record(entry)
            if record is not None:
                return outcomes.assemble(spec, entry, record, reused=True, resumed_from=0)
        except run_store.Corrupt as problem:
            progress.say(f"run store: {entry.key[:8]} {problem}; training it again")
            run_store.discard(entry)
        resumed_from = _train(spec, entry, earlier)
        record = run_store.load_record(entry)
        return outcomes.assemble(spec, entry, record, reused=False, resumed_from=resumed_from)


def first_epoch(spec: TrainSpec, *, store: Path | None = None) -> list[float | None]:
    """Return the first row of the history of `spec`, training one epoch of it where the store has none.

    The state after it stays in the store, and `run` goes on from there. None where a number is missing.
    """
    if not spec.epochs:
        raise ValueError("epochs: got 0; at least 1 is needed")
    entry = run_store.Entry(Path(store or paths.RUNS), key(spec))
    with entry.lock():
        try:
            record = run_store.load_record(entry)
        except run_store.Corrupt:
            run_store.discard(entry)
            record = None
        if record is not None:
            return record["history"][0]
        if run_store.load_checkpoint(entry) is None:
            _train(spec, entry, {}, last=1)
        return _row(run_store.load_checkpoint(entry)[1]["history"][0])


def _earlier(spec: TrainSpec, milestones: Sequence[int]) -> dict[int, TrainSpec]:
    """Return epoch -> the shorter spec that is finished after it."""
    for epoch in milestones:
        if not 0 < epoch < spec.epochs:
            raise ValueError(f"milestones: got {epoch!r}; epochs from 1 to {spec.epochs - 1} are allowed")
    if len(milestones) and spec.schedule not in schedules.STEADY:
        allowed = " and ".join(schedules.STEADY)
        raise ValueError(f"milestones: got a schedule {spec.schedule!r}, which depends on the end; {allowed} do not")
    return {epoch: replace(spec, epochs=epoch) for epoch in milestones}


def _draw(spec: TrainSpec, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (steps, batch) and warps (steps, batch, width) of an epoch, from (seed, epoch) alone."""
    n, needed = len(spec.split.train_index), spec.steps * spec.batch
    shuffle, warping = (np.random.default_rng([spec.seed, epoch, purpose]) for purpose in (0, 1))
    passes = [shuffle.permutation(n) for _ in range(-(-needed // n))]
    rows = np.concatenate(passes)[:needed].reshape(spec.steps, spec.batch).astype(np.int32)
    if spec.augmentation is None:
        return rows, np.zeros((*rows.shape, 8), np.float32)
    size = spec.split.shape
    warps = spec.augmentation.draw(needed, size=size, rng=warping)
    return rows, warps.reshape(*rows.shape, spec.augmentation.width)


def _train(
    spec: TrainSpec, entry: run_store.Entry, earlier: Mapping[int, TrainSpec], *, last: int | None = None
) -> int:
    """Train from the last finished epoch to the end and store the outcomes; return how many epochs were found.

    last: stop after so many epochs, with no outcome but the state after them.
    """
    clock = time.perf_counter()
    with step.borrowed(spec) as network:
        steps = partial(network.steps, step.load(spec.split.x_train, spec.split.y_train))
        found = run_store.load_checkpoint(entry)
        first, history, losses, logits = 0, [], np.zeros(0, np.float32), None
        if found is not None:
            first, arrays = found
            for i, variable in enumerate(network.variables):
                variable.assign(arrays[f"v{i}"])
            history, losses = [_row(row) for row in arrays["history"]], arrays["losses"]
        rates = schedules.rates(
            spec.schedule, spec.epochs * spec.steps, peak=spec.learning_rate, options=_shape_options(spec)
        ).reshape(spec.epochs, spec.steps)

        for epoch in range(first, last or spec.epochs):
            if spec.schedule == "plateau":
                watched = [row[4] for row in history]
                rates[epoch] = schedules.plateau_rate(watched, peak=spec.learning_rate, **spec.schedule_options)
            step.seed_dropout(network.model, spec.seed, epoch)
            values, correct = _epoch(spec, entry, steps, epoch, rates[epoch], bool(history))
            losses = np.concatenate([losses, values])
            val_loss, val_accuracy, logits = _validate(spec, network)
            now = time.perf_counter()
            accuracy = correct / (spec.steps * spec.batch)
            row = (epoch + 1, np.nanmean(values), accuracy, val_loss, val_accuracy, rates[epoch, -1], now - clock)
            history.append(_row(row))
            clock = now
            if epoch + 1 in earlier:  # before the checkpoint, so that a kill between the two loses nothing
                _finish_earlier(earlier[epoch + 1], entry, network, history, losses, logits)
            state = {f"v{i}": keras.ops.convert_to_numpy(variable) for i, variable in enumerate(network.variables)}
            table = np.array(history, dtype=np.float64)  # None becomes NaN
            run_store.save_checkpoint(entry, epoch + 1, {**state, "history": table, "losses": losses})
            _report(spec, history)
        if last is None:
            _finish(spec, entry, network, history, losses, logits)
    return first


def _shape_options(spec: TrainSpec) -> dict:
    return {} if spec.schedule == "plateau" else dict(spec.schedule_options)


def _row(row) -> list[float | None]:
    """Return a history row as JSON values: None where a number is missing."""
    return [float(value) if np.isfinite(value) else None for value in np.asarray(row, dtype=np.float64)]


def _epoch(spec, entry, steps, epoch, rates, has_checkpoint) -> tuple[np.ndarray, int]:
    """Take an epoch's steps; stop with Diverged at the first step whose loss is not finite."""
    rows, warps = _draw(spec, epoch)
    values, correct = np.full(spec.steps, np.nan, np.float32), 0
    for i in range(0, spec.steps, step.CHUNK):
        part = slice(i, i + step.CHUNK)
        values[part], hits = steps(rows[part], warps[part], rates[part])
        correct += hits
        finite = np.isfinite(values[part])
        if finite.all():
            continue
        bad = i + int(np.argmin(finite))
        values[bad:] = np.nan
        if spec.schedule == "exponential":
            break  # a range test is meant to blow up; it ends here
        kept = f"the last good state, after epoch {epoch}, is kept in {entry.directory}" if has_checkpoint else ""
        raise Diverged(
            f"the loss of {spec.model} is not finite at epoch {epoch + 1}, step {bad + 1} of {spec.steps}, learning "
            f"rate {rates[bad]:.3g}; a lower learning_rate helps. {kept or 'No epoch was finished before it.'}"
        )
    return values, correct


def _validate(spec: TrainSpec, network: step.Compiled) -> tuple[float, float, np.ndarray | None]:
    """Return (loss, accuracy, logits) on the validation part; NaN, NaN and None where there is none."""
    if not len(spec.split.val_index):
        return float("nan"), float("nan"), None
    logits = network.predictor(spec.split.x_val)
    value = float(network.loss(spec.split.y_val.astype(np.int32), logits))
    return value, float(np.mean(np.argmax(logits, axis=1) == spec.split.y_val)), logits


def _report(spec: TrainSpec, history) -> None:
    epoch, loss, accuracy, _, val_accuracy, _, seconds = history[-1]
    validation = "" if val_accuracy is None else f" · validation {val_accuracy:.2%}"
    left = np.median([row[-1] for row in history]) * (spec.epochs - epoch)
    progress.say(
        f"{spec.model} seed {spec.seed} · epoch {epoch:.0f}/{spec.epochs} · loss {loss:.4f} · train {accuracy:.2%}"
        f"{validation} · {spec.steps * spec.batch / seconds:,.0f} images/s · {progress.duration(left)} left"
    )


def _finish_earlier(spec, entry, network, history, losses, logits) -> None:
    """Store the network as it is as the finished run of the shorter `spec`, unless there is one."""
    shorter = run_store.Entry(entry.root, key(spec))
    with shorter.lock():  # while it is looked at, too: another process may be about to train it
        try:
            if run_store.load_record(shorter) is not None:
                return
        except run_store.Corrupt:
            run_store.discard(shorter)
        _finish(spec, shorter, network, history, losses, logits)


def _finish(spec, entry, network, history, losses, logits) -> None:
    """Store weights, losses and predictions, then the record that makes the run complete.

    logits: of the validation part, by this very state of the network; None where it was not asked.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.keras"
        network.model.save(path)
        weights = path.read_bytes()
    files = {
        "model.keras": run_store.write(entry.directory / "model.keras", weights),
        "losses.npz": run_store.write(entry.directory / "losses.npz", run_store.to_npz({"losses": losses})),
    }
    size = architectures.size(network.model)
    record = {
        "identity": identity(spec),
        "files": files,
        "history": history,
        "parameters": size.parameters,
        "flops": size.flops,
        "hardware": {**device.hardware(), "precision": precisions.choose(spec.precision)},
    }
    outcomes.predict_into(spec, entry, record, network.predictor, validation=logits)
    for checkpoint in entry.directory.glob("epoch-*.npz"):
        checkpoint.unlink(missing_ok=True)
