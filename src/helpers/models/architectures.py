"""Every architecture of the series: one function per network, from images to the last hidden tensor.

Each takes a Keras tensor of float images in [0, 1], shape (n, h, w, 1), and returns what the output layer reads.
`build` adds that layer: ten logits, float32. The softmax belongs to the loss, where it is computed without overflow.
Where a published account does not give its layers, the function says so: they are our choice of the kind it describes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from helpers.models.layers import FusedBatchNormalization, SpaceToDepth
from helpers.models.residual_blocks import resnet8, resnet34
from helpers.runtime import device
from helpers.runtime import precision as precisions
from helpers.runtime.device import keras

layers = keras.layers

N_CLASSES = 10


@dataclass(frozen=True)
class Size:
    """Trainable and fixed weights, and floating-point operations of one forward pass on one image."""

    parameters: int
    flops: int


def linear(x):
    """Softmax regression: every pixel has a weight for every digit, and nothing lies between."""
    return layers.Flatten()(x)


def mlp(x, *, units: Sequence[int] = (512, 512), dropout: float = 0.0):
    """Multilayer perceptron; the accounts do not give its layers."""
    x = layers.Flatten()(x)
    for width in units:
        x = layers.Dense(width, activation="relu", kernel_initializer="glorot_uniform")(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return x


def nf264_shallow(x):
    """NF264 Project 2's shallow network, as printed there."""
    x = layers.Conv2D(32, 3, activation="relu", kernel_initializer="he_uniform")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    return layers.Dense(100, activation="relu", kernel_initializer="he_uniform")(x)


def nf264_deep(x):
    """NF264 Project 2's deep network, as printed there."""
    x = layers.Conv2D(32, 3, activation="relu", kernel_initializer="he_uniform")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(64, 3, activation="relu", kernel_initializer="he_uniform")(x)
    x = layers.Conv2D(64, 3, activation="relu", kernel_initializer="he_uniform")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    return layers.Dense(100, activation="relu", kernel_initializer="he_uniform")(x)


def hdr_cnn(x, *, dropout: float = 0.25):
    """Hand-written-digit-recognition's network; the account gives three convolutions, the sizes are ours."""
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    return layers.Dense(64, activation="relu")(x)


def drt_cnn(x, *, dropout: float = 0.25):
    """Digit-Recognition-using-Tensorflow's network, as printed there."""
    x = layers.Conv2D(32, 5, padding="same", activation="relu")(x)
    x = layers.Conv2D(32, 5, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(256, activation="relu")(x)
    return layers.Dropout(dropout)(x)


def dr_simple(x):
    """Digit Recognizer's simple network; the account does not give its layers."""
    x = layers.Flatten()(x)
    return layers.Dense(128, activation="relu")(x)


def dr_double_conv(x):
    """Digit Recognizer's network of "double convolutions and pooling"; the account does not give its layers."""
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    return layers.Dense(128, activation="relu")(x)


def recog(x, *, batch_norm: bool = False, dropout: float = 0.0, momentum: float = 0.99):
    """Hand-written-digits' recogModel; the account does not give its layers.

    momentum: of the moving averages that normalise when predicting; it does not touch the training.
    """
    for filters, size in ((32, 5), (64, 3)):
        x = layers.Conv2D(filters, size, padding="same", use_bias=not batch_norm)(x)
        x = FusedBatchNormalization(momentum=momentum, epsilon=1e-3)(x) if batch_norm else x
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    return layers.Dropout(dropout)(x) if dropout else x


def new(x, *, dropout: float = 0.25, momentum: float = 0.99):
    """Hand-written-digits' newModel; the account does not give its layers. momentum: as in recog."""
    for filters in (32, 64):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = FusedBatchNormalization(momentum=momentum, epsilon=1e-3)(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(256, activation="relu")(x)
    return layers.Dropout(2 * dropout)(x)


def big(x, *, dropout: float = 0.25, momentum: float = 0.99):
    """Hand-written-digits' bigModel; the account does not give its layers. momentum: as in recog."""
    for filters in (64, 128, 256):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = FusedBatchNormalization(momentum=momentum, epsilon=1e-3)(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(512, activation="relu")(x)
    return layers.Dropout(2 * dropout)(x)


def fast_block(x, filters: int, size: int = 3, *, padding: str = "valid", pool: bool = False):
    """Convolve, pool, normalise, rectify: pooling before the normalization leaves it a quarter of the work."""
    # Normalization hides the size of a kernel, but a step turns a small kernel further than a large one: kernels
    # of 0.4 times He's size learn 0.15 points more in one epoch (mean of three seeds on held-out images).
    small = keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")
    x = layers.Conv2D(filters, size, padding=padding, use_bias=False, kernel_initializer=small)(x)
    x = layers.MaxPooling2D(2)(x) if pool else x
    x = FusedBatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    return layers.ReLU()(x)


def fast_b(x, *, width: float = 1.0):
    """Fast net b: 2 x 2 pixels folded into channels, four convolutions, no dense layer. width: times all filters."""
    x = SpaceToDepth()(x)
    x = fast_block(x, int(32 * width))
    x = fast_block(x, int(64 * width))
    x = fast_block(x, int(64 * width), pool=True)
    x = fast_block(x, int(128 * width))
    return layers.GlobalMaxPooling2D()(x)


def fast_e(x, *, width: float = 1.0):
    """Fast net e: five convolutions, no dense layer. width: times all filters."""
    x = fast_block(x, int(32 * width), 5, pool=True)
    x = fast_block(x, int(32 * width), 3, padding="same")
    x = fast_block(x, int(64 * width), 3, pool=True)
    x = fast_block(x, int(64 * width), 3, padding="same")
    x = fast_block(x, int(128 * width), 3)
    return layers.GlobalMaxPooling2D()(x)


def fast_small(x, *, filters: Sequence[int] = (3, 4, 4, 5, 7), head: str = "max"):
    """Fast net e with its five numbers of filters named one by one, for networks of few weights.

    head: what is kept of a filter over all places, its "max" as in fast_e or its "mean". Raises ValueError for another.
    """
    heads = {"max": layers.GlobalMaxPooling2D, "mean": layers.GlobalAveragePooling2D}
    if head not in heads:
        raise ValueError(f"head: got {head!r}; {' and '.join(heads)} are allowed")
    first, second, third, fourth, fifth = filters
    x = fast_block(x, first, 5, pool=True)
    x = fast_block(x, second, 3, padding="same")
    x = fast_block(x, third, 3, pool=True)
    x = fast_block(x, fourth, 3, padding="same")
    x = fast_block(x, fifth, 3)
    return heads[head]()(x)


def fast_se(x, *, ratio: int = 4):
    """Fast net e with squeeze and excitation after each block: each channel weighed by what the whole image shows.

    ratio: of channels to the units between (J. Hu et al. 2018, Squeeze-and-Excitation Networks, section 3).
    """
    for filters, size, padding, pool in (
        *((32, 5, "valid", True), (32, 3, "same", False), (64, 3, "valid", True)),
        *((64, 3, "same", False), (128, 3, "valid", False)),
    ):
        x = fast_block(x, filters, size, padding=padding, pool=pool)
        weight = layers.GlobalAveragePooling2D(keepdims=True)(x)
        weight = layers.Dense(filters // ratio, activation="relu")(weight)
        x = layers.Multiply()([x, layers.Dense(filters, activation="sigmoid")(weight)])
    return layers.GlobalMaxPooling2D()(x)


@keras.saving.register_keras_serializable(package="digits")
class Depthwise(layers.Conv2D):
    """A convolution in as many groups as channels, as TensorFlow can train it on a processor."""

    def call(self, inputs):
        """Convolve each channel with a kernel of its own."""
        kernels = keras.ops.transpose(self.kernel, (0, 1, 3, 2))
        return keras.ops.depthwise_conv(inputs, kernels, padding=self.padding)


def fast_separable(x, *, filters: Sequence[int] = (7, 10, 10, 11, 12), slope: float = 0.2):
    """Few weights: a convolution, a pooling, separable convolutions, and no normalization, which has four each.

    A separable convolution has one kernel for each channel and then mixes channels, place by place; none surrounds its
    input with zeros. slope: of leaky ReLUs below zero. A kind of network that J. Warner took to 99% with 697 weights.
    """
    first, *rest = filters
    x = layers.Conv2D(first, 3, kernel_initializer="he_normal")(x)
    x = layers.LeakyReLU(negative_slope=slope)(x)
    x = layers.MaxPooling2D(2)(x)
    for width in rest:
        x = Depthwise(x.shape[-1], 3, groups=x.shape[-1], use_bias=False)(x)
        x = layers.Conv2D(width, 1)(x)
        x = layers.LeakyReLU(negative_slope=slope)(x)
    return layers.GlobalAveragePooling2D()(x)


_ALL = (
    *(linear, mlp, nf264_shallow, nf264_deep, hdr_cnn, drt_cnn, dr_simple, dr_double_conv),
    *(recog, new, big, fast_b, fast_e, fast_small, fast_separable, fast_se, resnet34, resnet8),
)
ARCHITECTURES: dict[str, Callable] = {function.__name__: function for function in _ALL}


def build(
    name: str,
    options: Mapping | None = None,
    *,
    seed: int = 0,
    precision: str = "auto",
    shape: tuple[int, int] = (28, 28),
) -> keras.Model:
    """Build the uncompiled model `name`: float images (n, h, w, 1) in [0, 1] -> float32 logits (n, 10).

    `options` goes to the architecture (say {"dropout": 0.2}). The initial weights depend on `seed` alone, whatever
    was built before. Raises ValueError for an unknown name or option, saying which exist.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"model: got {name!r}; allowed are {', '.join(ARCHITECTURES)}")
    device.threads()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precisions.choose(precision))
    try:
        inputs = keras.Input((*shape, 1), name="image")
        hidden = ARCHITECTURES[name](inputs, **(options or {}))
        logits = layers.Dense(N_CLASSES, dtype="float32", name="logits")(hidden)
        model = keras.Model(inputs, logits, name=name)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise ValueError(f"options of model {name!r}: {error}") from error
    finally:
        keras.config.set_dtype_policy(before)
    initialise(model, seed)
    return model


def initialise(model: keras.Model, seed: int) -> None:
    """Draw every kernel again from its own initializer, seeded by (seed, position of the layer)."""
    for position, layer in enumerate(model.layers):
        if getattr(layer, "kernel", None) is None:
            continue
        config = {**layer.kernel_initializer.get_config(), "seed": seed * 1000 + position}
        draw = type(layer.kernel_initializer).from_config(config)
        layer.kernel.assign(draw(layer.kernel.shape, dtype="float32"))


def describe(model: keras.Model) -> str:
    """Return the architecture as JSON without the counters Keras puts into layer names.

    Two builds of the same architecture give the same text, so it can be hashed.
    """
    text = model.to_json()
    names = sorted(enumerate(layer.name for layer in model.layers), key=lambda item: -len(item[1]))
    for position, name in names:
        text = text.replace(f'"{name}"', f'"layer_{position}"')
    return text


def size(model: keras.Model) -> Size:
    """Count the parameters, and the FLOPs of one image's forward pass (a multiply-add is two).

    Convolutions and dense layers only: everything else is below 2% of the work in these networks.
    """
    flops = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            positions = layer.output.shape[1] * layer.output.shape[2]
            flops += 2 * positions * math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Dense):
            flops += 2 * math.prod(layer.kernel.shape)
    return Size(parameters=int(model.count_params()), flops=int(flops))
