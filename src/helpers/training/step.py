"""The compiled step of training: an epoch's batches as TensorFlow loops, made once for all trainings of a recipe.

Shuffled rows, warps and learning rates are all drawn outside, so an epoch is a function of (weights, optimizer state,
seed, epoch) and nothing else. Tracing a step and optimizing its graph takes half a second to a second, as long as the
shortest trainings of this series, and seeds, folds, learning rates and strengths of augmentation change nothing in it:
so a network and its steps are kept, and wiped clean for each training.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from helpers.models import architectures
from helpers.models.architectures import N_CLASSES
from helpers.runtime import precision as precisions
from helpers.runtime.device import keras
from helpers.training import fine_tuning, outcomes
from helpers.training.specs import TrainSpec

ops = keras.ops

# Steps per call of the compiled function: the loss is looked at (is it NaN?) after every chunk.
CHUNK = 64
KEPT = 4  # networks at a time: sweeps go round by seed or by fold as often as by network
LARGEST = 64 * 2**20  # bytes of weights and momenta; a ResNet-34 is not kept in memory for the sake of a second
_idle: dict[str, "Compiled"] = {}  # of this process, the latest last


def make_optimizer(name: str, *, learning_rate: float, momentum: float, nesterov: bool, weight_decay: float):
    """Return the Keras optimizer `name`; only "adamw" applies `weight_decay` itself (decoupled)."""
    if name == "sgd":
        return keras.optimizers.SGD(learning_rate, momentum=momentum, nesterov=nesterov and momentum > 0)
    if name == "adamw":
        return keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
    return {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[name](learning_rate)


def make_loss(name: str, label_smoothing: float):
    """Return f(labels, logits) -> mean loss: cross-entropy, or squared error of the softmax as some published."""

    def loss(labels, logits):
        target = ops.one_hot(labels, N_CLASSES, dtype="float32")
        if name == "mse":
            return ops.mean(ops.square(target - ops.softmax(logits)))
        target = target * (1 - label_smoothing) + label_smoothing / N_CLASSES
        return -ops.mean(ops.sum(target * ops.log_softmax(logits), axis=-1))

    return loss


def decayed(model: keras.Model, which: str) -> list[bool]:
    """Say for each trainable variable whether weight decay applies: all kernels, convolution kernels, or all."""
    ranks = [len(variable.shape) for variable in model.trainable_variables]
    least = {"kernels": 2, "conv": 4, "all": 0}[which]
    return [rank >= least for rank in ranks]


def load(images: np.ndarray, labels: np.ndarray) -> tuple:
    """Return uint8 `images` (n, h, w) and their `labels` (n,) as the steps take them."""
    import tensorflow as tf  # here, as `device` has it imported without its greetings

    return tf.constant(images), tf.constant(labels.astype(np.int32))


def make_steps(model, optimizer, loss, *, shape, weight_decay, decay, augmentation, multipliers=None):
    """Return f(data, rows, warps, rates) -> (losses of the steps float32, images classified right), compiled.

    shape: of an image. weight_decay: coupled, on the weights that `decay` names. augmentation: a Warp or its like, of
    which only what its `apply` does is built in. multipliers: of the gradient of each trainable variable, or None.
    data: of `load`; rows int32 (steps, batch), warps float32 (steps, batch, width), rates float32 (steps,). A chunk of
    steps is one TensorFlow loop: no Python, no host copies between them.
    """
    import tensorflow as tf

    variables = model.trainable_variables
    coupled = [weight_decay if d else 0.0 for d in decayed(model, decay)]

    def one_step(images, labels, rows, warps, rate):
        optimizer.learning_rate.assign(rate)
        batch, target = outcomes.prepare(tf.gather(images, rows)), tf.gather(labels, rows)
        if augmentation is not None:
            batch = augmentation.apply(batch, warps)
        with tf.GradientTape() as tape:
            logits = model(batch, training=True)
            value = loss(target, logits)
        gradients = tape.gradient(value, [v.value for v in variables])
        # Coupled decay (L2): the pull towards zero passes through the momentum like any other gradient.
        pulled = [g + c * v.value if c else g for g, c, v in zip(gradients, coupled, variables, strict=True)]
        if multipliers is not None:  # with SGD the same as a learning rate of its own for each variable
            pulled = [m * g for m, g in zip(multipliers, pulled, strict=True)]
        optimizer.apply(pulled, variables)
        hits = tf.equal(tf.argmax(logits, -1, output_type=tf.int32), target)
        return value, tf.reduce_sum(tf.cast(hits, tf.int32))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, *shape], tf.uint8),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, None, 8 if augmentation is None else augmentation.width], tf.float32),
            tf.TensorSpec([None], tf.float32),
        ],
        autograph=False,
    )
    def chunk(images, labels, rows, warps, rates):
        n_steps = tf.shape(rows)[0]

        def body(i, losses, correct):
            value, hits = one_step(images, labels, rows[i], warps[i], rates[i])
            return i + 1, losses.write(i, value), correct + hits

        start = (tf.constant(0), tf.TensorArray(tf.float32, n_steps), tf.constant(0))
        _, losses, correct = tf.while_loop(lambda i, *_: i < n_steps, body, start, parallel_iterations=1)
        return losses.stack(), correct

    def steps(data, rows, warps, rates) -> tuple[np.ndarray, int]:
        losses, correct = chunk(*data, tf.constant(rows), tf.constant(warps), tf.constant(rates))
        return losses.numpy(), int(correct)

    return steps


def seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of every dropout layer from (seed, epoch, position), as if no epoch had come before."""
    states = [v for v in model.non_trainable_variables if v.name == "seed_generator_state"]
    for position, state in enumerate(states):
        words = np.random.SeedSequence([seed, epoch, position]).generate_state(2)
        state.assign(ops.cast(words >> 1, state.dtype))  # 31 bits fit every integer type


@dataclass(frozen=True, eq=False)
class Compiled:
    """A network, what trains it (`make_steps`) and what reads with it (`outcomes.make_predictor`).

    untouched: the values of `variables` before any training; the initial kernels among them are of some seed.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    loss: object
    steps: object
    predictor: object
    untouched: tuple[np.ndarray, ...]

    @property
    def variables(self) -> list:
        """Everything that training changes: weights, statistics, states of dropout, momenta."""
        return [*self.model.variables, *self.optimizer.variables]


@contextmanager
def borrowed(spec: TrainSpec) -> Iterator[Compiled]:
    """Give the network of `spec` as it is before the first step, for one training at a time.

    It is kept for the next training of the recipe, unless this one fails or the network is large.
    """
    name = _recipe(spec)
    made = _idle.pop(name, None) or _compile(spec)
    for variable, value in zip(made.variables, made.untouched, strict=True):
        variable.assign(value)
    architectures.initialise(made.model, spec.seed)
    if spec.start is not None:
        fine_tuning.load_into(made.model, outcomes.load_model(spec.start.path, sha256=spec.start.sha256))
    yield made
    if sum(value.nbytes for value in made.untouched) <= LARGEST:
        _idle[name] = made
        for oldest in list(_idle)[:-KEPT]:
            _idle.pop(oldest, None)


def _recipe(spec: TrainSpec) -> str:
    """Return everything that is built into the network and its steps; the rest of a spec reaches them as arguments."""
    kind = None if spec.augmentation is None else type(spec.augmentation).__qualname__
    named = ("model", "optimizer", "momentum", "nesterov", "weight_decay", "decay", "loss", "label_smoothing")
    built_in = [getattr(spec, name) for name in named]
    started = None if spec.start is None else spec.start.identity
    surroundings = [precisions.choose(spec.precision), *spec.split.shape]
    return json.dumps([*built_in, dict(spec.options), kind, started, *surroundings], sort_keys=True, default=float)


def _compile(spec: TrainSpec) -> Compiled:
    precision, shape = precisions.choose(spec.precision), spec.split.shape
    model = architectures.build(spec.model, spec.options, seed=spec.seed, precision=precision, shape=shape)
    optimizer = make_optimizer(
        spec.optimizer,
        learning_rate=spec.learning_rate,
        momentum=spec.momentum,
        nesterov=spec.nesterov,
        weight_decay=spec.weight_decay,
    )
    optimizer.build(model.trainable_variables)
    loss = make_loss(spec.loss, spec.label_smoothing)
    steps = make_steps(
        model,
        optimizer,
        loss,
        shape=shape,
        # AdamW applies its own, decoupled decay.
        weight_decay=0.0 if spec.optimizer == "adamw" else spec.weight_decay,
        decay=spec.decay,
        augmentation=spec.augmentation,
        multipliers=fine_tuning.multipliers(model, spec.start),
    )
    variables = [*model.variables, *optimizer.variables]
    untouched = tuple(keras.ops.convert_to_numpy(variable).copy() for variable in variables)
    return Compiled(model, optimizer, loss, steps, outcomes.make_predictor(model), untouched)
