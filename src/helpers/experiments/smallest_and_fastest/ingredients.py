"""What may be put into a training that no TrainSpec says: an average of weights, another optimizer, teachers, sizes.

Each is a frozen dataclass with a hook for every place of a training that it may change.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from helpers.models import architectures, augmentation
from helpers.runtime.device import keras
from helpers.training import fit
from helpers.training.specs import TrainSpec

ops = keras.ops


@dataclass(frozen=True)
class Candidate:
    """What is put into a training; this one changes nothing. Its fields are its settings."""

    @property
    def words(self) -> str:
        """Say in one line what it is."""
        return "nothing put in"

    def side(self, done: float, full: int) -> int:
        """Return height and width of the images of a pass after which a share is done; `full` is that of the split."""
        return full

    def images(self, warp):
        """Return what is done to batches of images: a Warp, something that has all it has, or None for nothing."""
        return warp

    def network(self, model: keras.Model, spec: TrainSpec, store: Path | None):
        """Return what the step calls for logits, and asks for its `trainable_variables`."""
        return model

    def loss(self, loss):
        """Return f(labels, what the network gave) -> mean loss, from that of the spec."""
        return loss

    def optimizer(self, optimizer, model: keras.Model):
        """Return what the step applies gradients with, from the optimizer of the spec."""
        return optimizer

    def finish(self, optimizer, model: keras.Model) -> None:
        """Do to the trained network what is to be done before it reads."""


class _Beside:
    """An optimizer around another that keeps copies of variables beside it."""

    def __init__(self, inner, followed):
        self.inner, self.followed, self.learning_rate = inner, list(followed), inner.learning_rate

    def build(self, variables) -> None:
        self.inner.build(variables)
        self.count = keras.Variable(0, dtype="int32", trainable=False, name="count")
        self.copies = [keras.Variable(ops.convert_to_numpy(v), trainable=False, name="copy") for v in self.followed]

    @property
    def variables(self) -> list:
        return [*self.inner.variables, self.count, *self.copies]

    def apply(self, gradients, variables) -> None:
        self.inner.apply(gradients, variables)
        self.count.assign_add(1)
        self.follow()


class _Averaging(_Beside):
    decay: float

    def follow(self) -> None:
        # A plain mean until there are as many steps as the window is long: no step counts for more than another.
        share = ops.maximum(1 - self.decay, 1 / ops.cast(self.count, "float32"))
        for copy, variable in zip(self.copies, self.followed, strict=True):
            copy.assign_add(share * (variable.value - copy.value))


class _Slow(_Beside):
    every: int
    share: float

    def follow(self) -> None:
        now = ops.equal(self.count.value % self.every, 0)
        for slow, fast in zip(self.copies, self.followed, strict=True):
            met = slow.value + self.share * (fast.value - slow.value)
            slow.assign(ops.where(now, met, slow.value))
            fast.assign(ops.where(now, met, fast.value))


@dataclass(frozen=True)
class Averaged(Candidate):
    """Weights and normalization statistics averaged over the steps, exponentially (B. Polyak and A. Juditsky 1992)."""

    decay: float = 0.998

    @property
    def words(self) -> str:
        """Say in one line what it is."""
        return f"weights averaged over about the last {1 / (1 - self.decay):.0f} steps"

    def optimizer(self, optimizer, model):
        """Average whatever is a float: weights, and the statistics that normalise when predicting."""
        around = _Averaging(optimizer, [v for v in model.variables if "float" in v.dtype])
        around.decay = self.decay
        return around

    def finish(self, optimizer, model):
        """Put the averages into the network."""
        for variable, copy in zip(optimizer.followed, optimizer.copies, strict=True):
            variable.assign(copy.value)


@dataclass(frozen=True)
class Lookahead(Candidate):
    """Weights that go back part of the way every few steps (M. Zhang et al. 2019, Lookahead Optimizer)."""

    every: int = 5
    share: float = 0.5

    @property
    def words(self) -> str:
        """Say in one line what it is."""
        return f"Lookahead: every {self.every} steps back to {self.share:g} of the way that they went"

    def optimizer(self, optimizer, model):
        """Keep slow weights beside the fast ones; momenta are left as they are."""
        around = _Slow(optimizer, model.trainable_variables)
        around.every, around.share = self.every, self.share
        return around


class _Orthogonal(keras.optimizers.SGD):
    """Gradient descent whose steps of convolution kernels are made orthogonal; everything else as in SGD."""

    ratio: float
    beta: float
    orthogonal: Callable

    def update_step(self, gradient, variable, learning_rate):
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self.momentums[self._get_variable_index(variable)]
        momentum.assign(self.beta * momentum.value + gradient)
        ahead = ops.reshape(gradient + self.beta * momentum.value, (-1, variable.shape[-1]))
        turned = ops.reshape(self.orthogonal(ahead, 5), variable.shape)
        variable.assign_sub(learning_rate * self.ratio * turned)


@dataclass(frozen=True)
class Muon(Candidate):
    """Momentum made orthogonal by Newton and Schulz's iteration (K. Jordan et al. 2024, Muon), for convolutions.

    ratio: of their learning rate to that of the spec, with which gamma, beta and the last layer go on under SGD.
    """

    ratio: float = 0.1
    momentum: float = 0.6  # as in Jordan's training of CIFAR-10

    @property
    def words(self) -> str:
        """Say in one line what it is."""
        return f"Muon for the kernels, at {self.ratio:g} of the rate; gradient descent for the rest"

    def optimizer(self, optimizer, model):
        """Return gradient descent as of the spec, but for convolution kernels."""
        made = _Orthogonal(0.1, momentum=optimizer.momentum, nesterov=optimizer.nesterov)
        made.ratio, made.beta = self.ratio, self.momentum
        # Keras's own Muon takes matrices only and would train kernels by Adam; its iteration is used as it is.
        made.orthogonal = keras.optimizers.Muon().zeropower_via_newtonschulz5
        return made


@dataclass(frozen=True)
class Shrunk:
    """A Warp, or None, and then fewer pixels."""

    warp: augmentation.Warp | None
    side: int

    @property
    def width(self) -> int:
        return self.warp.width if self.warp else 8

    def draw(self, n, *, size, rng):
        return self.warp.draw(n, size=size, rng=rng) if self.warp else np.zeros((n, 8), np.float32)

    def apply(self, images, rows):
        images = self.warp.apply(images, rows) if self.warp else images
        return ops.image.resize(images, (self.side, self.side), antialias=True)


@dataclass(frozen=True)
class Growing(Candidate):
    """Small images in the first passes: less arithmetic (as in progressive resizing, J. Howard 2018)."""

    small: int = 20
    until: float = 0.5

    @property
    def words(self) -> str:
        """Say in one line what it is."""
        return f"images of {self.small} x {self.small} pixels in the first {self.until:.0%} of the passes"

    def side(self, done, full):
        """Return the small side at first."""
        return self.small if done <= self.until else full


@dataclass(frozen=True)
class _Lesson:
    """A student beside whose logits stand its teachers' mean probabilities of the same warped images."""

    student: keras.Model
    teachers: tuple[keras.Model, ...]
    temperature: float

    @property
    def trainable_variables(self) -> list:
        return self.student.trainable_variables

    def __call__(self, batch, training):
        taught = [ops.softmax(teacher(batch, training=False) / self.temperature) for teacher in self.teachers]
        mean = ops.stop_gradient(sum(taught) / len(taught))
        return ops.concatenate([self.student(batch, training=training), mean], axis=-1)


@dataclass(frozen=True)
class Distilled(Candidate):
    """Targets from trained networks, on the very images that the student sees (G. Hinton et al. 2015; L. Beyer 2022).

    The teachers are the spec's own training without label smoothing, which would blur what they know of likeness (R.
    Müller et al. 2019), from the next seeds. share: of their targets in the loss, the rest is that of the labels.
    """

    teachers: int = 3
    share: float = 0.5
    temperature: float = 2.0

    @property
    def words(self) -> str:
        """Say in one line what it is."""
        return f"{self.share:.0%} of the loss from {self.teachers} trained networks, on the same warped images"

    def network(self, model, spec, store):
        """Return the student with its teachers, which are trained first where the run store has none."""
        seeds = range(spec.seed + 1, spec.seed + 1 + self.teachers)
        runs = [fit.run(replace(spec, label_smoothing=0.0, seed=seed), store=store) for seed in seeds]
        return _Lesson(model, tuple(run.load() for run in runs), self.temperature)

    def loss(self, loss):
        """Return the mixture; the square of the temperature makes up for the smaller gradients."""

        def mixed(labels, given):
            logits, taught = given[:, : architectures.N_CLASSES], given[:, architectures.N_CLASSES :]
            likeness = -ops.mean(ops.sum(taught * ops.log_softmax(logits / self.temperature), axis=-1))
            return (1 - self.share) * loss(labels, logits) + self.share * self.temperature**2 * likeness

        return mixed
