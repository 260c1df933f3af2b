"""What decides the outcome of a training, as one frozen value, and the key under which its run is stored."""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from helpers.models import architectures, schedules
from helpers.models.augmentation import Warp
from helpers.runtime import device, run_store, sources
from helpers.runtime import precision as precisions
from helpers.training import fine_tuning

if TYPE_CHECKING:  # a split is in the key by its content; how it was drawn need not be
    from helpers.data.splits import Split

# What trains, draws rows and warps, and predicts; with all that these import it decides weights and logits.
TRAINS = ("helpers.training.fit",)
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
LOSSES = ("cross_entropy", "mse")
DECAYS = ("kernels", "conv", "all")


@dataclass(frozen=True, eq=False)
class TrainSpec:
    """Everything that decides what a training ends with.

    model, options: a name in architectures.ARCHITECTURES and its options. split: what to train and be measured on.
    learning_rate: the peak; `schedule` (schedules.NAMES) shapes it. weight_decay: L2 pull per step on `decay`
    ("kernels", "conv" or "all" weights). steps_per_epoch: None for one pass; the last, partial batch is left out,
    and as rows are shuffled anew each epoch nobody is left out for long. augmentation: a Warp, or None.
    views: 1, or 5 to average predictions over shifted copies; it changes no weights and is not part of the key.
    start: trained weights to begin from, with a learning-rate multiplier for each part ("sgd" only); None for afresh.
    Raises ValueError for anything out of range, naming the argument and what is allowed.
    """

    model: str
    split: "Split"
    epochs: int = 1
    batch_size: int = 128
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "constant"
    schedule_options: Mapping = field(default_factory=dict)
    weight_decay: float = 0.0
    decay: str = "kernels"
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    augmentation: Warp | None = None
    steps_per_epoch: int | None = None
    options: Mapping = field(default_factory=dict)
    seed: int = 0
    precision: str = "auto"
    views: int = 1
    start: fine_tuning.Start | None = None

    def __post_init__(self):
        _choice("model", self.model, architectures.ARCHITECTURES)
        _choice("optimizer", self.optimizer, OPTIMIZERS)
        _choice("schedule", self.schedule, schedules.NAMES)
        _choice("loss", self.loss, LOSSES)
        _choice("decay", self.decay, DECAYS)
        _choice("views", self.views, (1, 5))
        _whole("epochs", self.epochs, least=0)
        _whole("batch_size", self.batch_size, least=1)
        _whole("seed", self.seed, least=0)
        if self.steps_per_epoch is not None:
            _whole("steps_per_epoch", self.steps_per_epoch, least=1)
        _within("learning_rate", self.learning_rate, self.learning_rate > 0, "a finite number above 0")
        _within("momentum", self.momentum, 0 <= self.momentum < 1, "from 0 to below 1")
        _within("weight_decay", self.weight_decay, self.weight_decay >= 0, "a finite number from 0")
        _within("label_smoothing", self.label_smoothing, 0 <= self.label_smoothing < 1, "from 0 to below 1")
        if not len(self.split.train_index):
            raise ValueError("split: has no training images; at least 1 is needed")
        if self.schedule == "plateau" and not len(self.split.val_index):
            raise ValueError("schedule: 'plateau' watches validation accuracy, and this split has no validation part")
        if self.start is not None and self.optimizer != "sgd":
            raise ValueError(f"start: got one with optimizer {self.optimizer!r}; with 'sgd' it is allowed")
        precisions.choose(self.precision)

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return self.steps_per_epoch or max(1, len(self.split.train_index) // self.batch_size)

    @property
    def batch(self) -> int:
        """Images per step: the batch size, or all images where there are fewer."""
        return min(self.batch_size, len(self.split.train_index))


def _choice(name: str, value, allowed) -> None:
    if value not in allowed:
        raise ValueError(f"{name}: got {value!r}; allowed are {', '.join(map(str, allowed))}")


def _whole(name: str, value, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: got {value!r}; a whole number from {least} is allowed")


def _within(name: str, value: float, inside: bool, allowed: str) -> None:
    if not (np.isfinite(value) and inside):
        raise ValueError(f"{name}: got {value!r}; allowed is {allowed}")


@cache
def _architecture(name: str, options: bytes, shape: tuple[int, int], precision: str) -> str:
    return architectures.describe(architectures.build(name, json.loads(options), shape=shape, precision=precision))


def describe(spec: TrainSpec, *, precision: str) -> str:
    """Return the network of a spec in words: every layer and all its settings."""
    return _architecture(spec.model, run_store.canonical(dict(spec.options)), spec.split.shape, precision)


def identity(spec: TrainSpec) -> dict:
    """Return everything that decides the outcome as JSON values; its hash is the run's key."""
    precision = precisions.choose(spec.precision)
    left_out = {"split", "views", "precision", "augmentation", "options", "schedule_options", "start"}
    plain = {f.name: getattr(spec, f.name) for f in fields(spec) if f.name not in left_out}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in plain.items()}
    warp = spec.augmentation
    # Only where there is one: a run that begins afresh keeps the key it always had.
    begun = {} if spec.start is None else {"start": spec.start.identity}
    return {
        **plain,
        **begun,
        "options": dict(spec.options),
        "schedule_options": dict(spec.schedule_options),
        "augmentation": warp and {f.name: float(getattr(warp, f.name)) for f in fields(warp)},
        "split": spec.split.fingerprint,
        "architecture": describe(spec, precision=precision),
        "precision": precision,
        "threads": device.threads(),
        "source": _source(spec.model),
        "versions": {name: _version(name) for name in ("keras", "tensorflow", "numpy")},
        "backend": "tensorflow",
    }


@cache  # the modules were loaded at the start; what is edited later counts for the next process
def _source(model: str) -> str:
    # Of the many networks, the one that is trained: a new one beside it makes no finished training old.
    chosen = sources.Part("helpers.models.architectures", frozenset({"build", model}), frozenset({"ARCHITECTURES"}))
    return sources.digest_of(TRAINS, part=chosen)


@cache
def _version(name: str) -> str:
    for candidate in (name, f"{name}-cpu"):
        try:
            return importlib.metadata.version(candidate)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def kin(spec: TrainSpec) -> bytes | None:
    """Return what trainings have in common that differ only in their number of epochs, None for one without kin.

    Of two such trainings the longer begins as the shorter one, bit for bit: rows, warps and dropout come from (seed,
    epoch). With a learning rate that looks ahead to the end no two are alike, nor are trainings of no epoch.
    """
    if spec.schedule not in schedules.STEADY or not spec.epochs:
        return None
    return run_store.canonical({name: value for name, value in identity(spec).items() if name != "epochs"})


def key(spec: TrainSpec, *, threads: int | None = None) -> str:
    """Return the run's name in the store: 32 hex characters of the hash of its identity.

    `threads`: of the process that trains it, where that is not this one.
    """
    whole = identity(spec) | ({"threads": threads} if threads else {})
    return hashlib.sha256(run_store.canonical(whole)).hexdigest()[:32]
