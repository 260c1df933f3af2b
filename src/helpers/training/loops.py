"""The inner loop of training: one epoch's steps, compiled with TensorFlow or portable over Keras's backends.

Both loops take the same shuffled rows, warps and learning rates, all drawn outside, so an epoch is a function of
(weights, optimizer state, seed, epoch) and nothing else.
"""

import os

import numpy as np

from helpers.models.architectures import N_CLASSES
from helpers.runtime.device import keras

ops = keras.ops

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
LOSSES = ("cross_entropy", "mse")
DECAYS = ("kernels", "conv", "all")
# Steps per call of the compiled function: the loss is looked at (is it NaN?) after every chunk.
CHUNK = 64
_EVALUATION_BATCH = 500


def make_optimizer(name: str, *, learning_rate: float, momentum: float, nesterov: bool, weight_decay: float):
    """Return the Keras optimizer `name`; only "adamw" applies `weight_decay` itself (decoupled)."""
    if name == "sgd":
        return keras.optimizers.SGD(learning_rate, momentum=momentum, nesterov=nesterov and momentum > 0)
    if name == "adamw":
        return keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
    return {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[name](learning_rate)


def decayed(model: keras.Model, which: str) -> list[bool]:
    """Say for each trainable variable whether weight decay applies: all kernels, convolution kernels, or all."""
    ranks = [len(variable.shape) for variable in model.trainable_variables]
    least = {"kernels": 2, "conv": 4, "all": 0}[which]
    return [rank >= least for rank in ranks]


def make_loss(name: str, label_smoothing: float):
    """Return f(labels, logits) -> mean loss: cross-entropy, or squared error of the softmax as some published."""

    def loss(labels, logits):
        target = ops.one_hot(labels, N_CLASSES, dtype="float32")
        if name == "mse":
            return ops.mean(ops.square(target - ops.softmax(logits)))
        target = target * (1 - label_smoothing) + label_smoothing / N_CLASSES
        return -ops.mean(ops.sum(target * ops.log_softmax(logits), axis=-1))

    return loss


def _prepare(images):
    return ops.expand_dims(ops.cast(images, "float32"), -1) / 255.0


class CompiledLoop:
    """Steps as one TensorFlow loop over a chunk: no Python, no host copies between steps."""

    def __init__(self, model, optimizer, loss, *, shape, weight_decay, decay, augmentation, multipliers=None):
        import tensorflow as tf

        self._tf = tf
        variables = model.trainable_variables
        coupled = [weight_decay if d else 0.0 for d in decayed(model, decay)]

        def one_step(images, labels, rows, warps, rate):
            optimizer.learning_rate.assign(rate)
            batch, target = _prepare(tf.gather(images, rows)), tf.gather(labels, rows)
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
            steps = tf.shape(rows)[0]

            def body(i, losses, correct):
                value, hits = one_step(images, labels, rows[i], warps[i], rates[i])
                return i + 1, losses.write(i, value), correct + hits

            start = (tf.constant(0), tf.TensorArray(tf.float32, steps), tf.constant(0))
            _, losses, correct = tf.while_loop(lambda i, *_: i < steps, body, start, parallel_iterations=1)
            return losses.stack(), correct

        self._chunk = chunk

    def load(self, images, labels):
        """Return uint8 `images` (n, h, w) and their `labels` as the steps take them."""
        return self._tf.constant(images), self._tf.constant(labels.astype(np.int32))

    def steps(self, data, rows, warps, rates) -> tuple[np.ndarray, int]:
        """Take one step per row of `rows` (steps, batch) of `data`, which `load` returned.

        Returns the losses of the steps and the number of images classified right.
        """
        constant = self._tf.constant
        losses, correct = self._chunk(*data, constant(rows), constant(warps), constant(rates))
        return losses.numpy(), int(correct)


class PortableLoop:
    """The same steps through `train_on_batch`, on whichever backend Keras runs (slower on TensorFlow)."""

    def __init__(self, model, optimizer, loss, *, shape, weight_decay, decay, augmentation, multipliers=None):
        if multipliers is not None:
            raise ValueError("start: learning rates by part need the compiled loop, which is TensorFlow's")
        self._model, self._augmentation = model, augmentation
        for variable, applies in zip(model.trainable_variables, decayed(model, decay), strict=True):
            variable.regularizer = keras.regularizers.L2(weight_decay / 2) if applies and weight_decay else None
        model.compile(optimizer=optimizer, loss=loss, metrics=[_hits], jit_compile="auto")

    def load(self, images, labels):
        """Return uint8 `images` (n, h, w) and their `labels` as the steps take them."""
        return images, labels.astype(np.int32)

    def steps(self, data, rows, warps, rates) -> tuple[np.ndarray, int]:
        """Do what `CompiledLoop.steps` does."""
        (images, labels), losses, correct = data, [], 0.0
        for index, warp, rate in zip(rows, warps, rates, strict=True):
            batch = _prepare(images[index])
            batch = self._augmentation.apply(batch, warp) if self._augmentation is not None else batch
            self._model.optimizer.learning_rate = float(rate)
            self._model.reset_metrics()
            result = self._model.train_on_batch(batch, labels[index], return_dict=True)
            losses.append(float(result["loss"]))
            correct += float(result["_hits"]) * len(index)
        return np.array(losses, np.float32), round(correct)


def _hits(labels, logits):
    return ops.cast(ops.equal(ops.argmax(logits, -1), ops.cast(ops.reshape(labels, (-1,)), "int64")), "float32")


def portable() -> bool:
    """Return whether the portable loop is used: on other backends than TensorFlow, or where `DIGITS_LOOP=portable`."""
    return keras.backend.backend() != "tensorflow" or os.environ.get("DIGITS_LOOP") == "portable"


def make_loop(*args, **kwargs):
    """Return the compiled loop, or the portable one where it is needed (`portable`).

    shape: of an image. weight_decay: coupled, on the weights that `decay` names. augmentation: a Warp or its like, of
    which only what its `apply` does is built in. multipliers: of the gradient of each trainable variable, or None.
    """
    return (PortableLoop if portable() else CompiledLoop)(*args, **kwargs)


def make_predictor(model: keras.Model):
    """Return f(uint8 images (n, h, w)) -> float32 logits (n, 10), batched; no dropout, moving statistics."""

    def forward(images):
        return model(_prepare(images), training=False)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        shape = [None, *model.input_shape[1:3]]
        forward = tf.function(forward, input_signature=[tf.TensorSpec(shape, tf.uint8)], autograph=False)

    def predict(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), _EVALUATION_BATCH)
        parts = [ops.convert_to_numpy(forward(images[i : i + _EVALUATION_BATCH])) for i in starts]
        return np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, N_CLASSES), np.float32)

    return predict


def seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of every dropout layer from (seed, epoch, position), as if no epoch had come before."""
    states = [v for v in model.non_trainable_variables if v.name == "seed_generator_state"]
    for position, state in enumerate(states):
        words = np.random.SeedSequence([seed, epoch, position]).generate_state(2)
        state.assign(ops.cast(words >> 1, state.dtype))  # 31 bits fit every backend's integer type
