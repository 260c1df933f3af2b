"""A network with its compiled steps, made once for all trainings of a recipe and wiped clean for each.

Tracing a training step and optimizing its graph takes half a second to a second, as long as the shortest trainings of
this series, and seeds, folds, learning rates and strengths of augmentation change nothing in it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from helpers.models import architectures
from helpers.runtime import precision as precisions
from helpers.runtime.device import keras
from helpers.training import fine_tuning, loops, outcomes
from helpers.training.specs import TrainSpec

KEPT = 4  # at a time: sweeps go round by seed or by fold as often as by network
LARGEST = 64 * 2**20  # bytes of weights and momenta; a ResNet-34 is not kept in memory for the sake of a second
_idle: dict[str, "Compiled"] = {}  # of this process, the latest last


@dataclass(frozen=True, eq=False)
class Compiled:
    """A network, what trains it and what reads with it.

    untouched: the values of `variables` before any training; the initial kernels among them are of some seed.
    plain: for saving, the network without the optimizer that Keras's own trainer attaches; our loop attaches none, and
    there it is `model` itself.
    """

    model: keras.Model
    plain: keras.Model
    optimizer: keras.optimizers.Optimizer
    loss: object
    loop: object
    predictor: object
    untouched: tuple[np.ndarray, ...]

    @property
    def variables(self) -> list:
        """Everything that training changes: weights, statistics, states of dropout, momenta."""
        return [*self.model.variables, *self.optimizer.variables]


@contextmanager
def borrowed(spec: TrainSpec) -> Iterator[Compiled]:
    """Give the network of `spec` as it is before the first step, for one training at a time.

    It is kept for the next training of the recipe, unless this one fails, the network is large, or the loop is the
    portable one: Keras's trainer has state of its own on some backends.
    """
    name = _recipe(spec)
    made = _idle.pop(name, None) or _compile(spec)
    for variable, value in zip(made.variables, made.untouched, strict=True):
        variable.assign(value)
    architectures.initialise(made.model, spec.seed)
    if spec.start is not None:
        fine_tuning.load_into(made.model, outcomes.load_model(spec.start.path, sha256=spec.start.sha256))
    yield made
    if not loops.portable() and sum(value.nbytes for value in made.untouched) <= LARGEST:
        _idle[name] = made
        for oldest in list(_idle)[:-KEPT]:
            _idle.pop(oldest, None)


def _shape(spec: TrainSpec) -> tuple[int, int]:
    return spec.split.x_train.shape[1:]


def _recipe(spec: TrainSpec) -> str:
    """Return everything that is built into the network and its steps; the rest of a spec reaches them as arguments."""
    kind = None if spec.augmentation is None else type(spec.augmentation).__qualname__
    named = ("model", "optimizer", "momentum", "nesterov", "weight_decay", "decay", "loss", "label_smoothing")
    built_in = [getattr(spec, name) for name in named]
    started = None if spec.start is None else spec.start.identity
    surroundings = [precisions.choose(spec.precision), loops.portable(), *_shape(spec)]
    return json.dumps([*built_in, dict(spec.options), kind, started, *surroundings], sort_keys=True, default=float)


def _compile(spec: TrainSpec) -> Compiled:
    precision = precisions.choose(spec.precision)
    build = partial(
        architectures.build, spec.model, spec.options, seed=spec.seed, precision=precision, shape=_shape(spec)
    )
    model = build()
    plain = build() if loops.portable() else model
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
        shape=_shape(spec),
        # AdamW applies its own, decoupled decay.
        weight_decay=0.0 if spec.optimizer == "adamw" else spec.weight_decay,
        decay=spec.decay,
        augmentation=spec.augmentation,
        multipliers=fine_tuning.multipliers(model, spec.start),
    )
    variables = [*model.variables, *optimizer.variables]
    untouched = tuple(keras.ops.convert_to_numpy(variable).copy() for variable in variables)
    return Compiled(model, plain, optimizer, loss, loop, loops.make_predictor(model), untouched)
