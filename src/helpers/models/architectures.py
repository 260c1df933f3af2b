"""Every architecture of the series by name, as uncompiled Keras models that return logits.

A model takes float images in [0, 1], shape (n, h, w, 1), and returns float32 logits (n, 10): the softmax belongs to
the loss, where it is computed without overflow. Where a published account does not give its layers, `note` says
what was chosen.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from helpers.models import residual_blocks
from helpers.models.layers import FusedBatchNormalization, SpaceToDepth
from helpers.runtime import device
from helpers.runtime import precision as precisions
from helpers.runtime.device import keras

layers = keras.layers

N_CLASSES = 10


@dataclass(frozen=True)
class Architecture:
    """One entry of ARCHITECTURES: `build(inputs, **options)` returns the last hidden tensor."""

    title: str
    build: Callable
    note: str = ""


@dataclass(frozen=True)
class Size:
    """Trainable and fixed weights, and floating-point operations of one forward pass on one image."""

    parameters: int
    flops: int


def _conv(x, filters: int, size: int = 3, *, padding: str = "valid", init: str = "glorot_uniform"):
    return layers.Conv2D(filters, size, padding=padding, activation="relu", kernel_initializer=init)(x)


def _mlp(x, *, units: Sequence[int] = (512, 512), dropout: float = 0.0, init: str = "glorot_uniform"):
    x = layers.Flatten()(x)
    for width in units:
        x = layers.Dense(width, activation="relu", kernel_initializer=init)(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return x


def _nf264_shallow(x):
    x = layers.MaxPooling2D()(_conv(x, 32, init="he_uniform"))
    return _mlp(x, units=(100,), init="he_uniform")


def _nf264_deep(x):
    x = layers.MaxPooling2D()(_conv(x, 32, init="he_uniform"))
    x = _conv(_conv(x, 64, init="he_uniform"), 64, init="he_uniform")
    return _mlp(layers.MaxPooling2D()(x), units=(100,), init="he_uniform")


def _hdr_cnn(x, *, dropout: float = 0.25):
    x = layers.MaxPooling2D()(_conv(x, 32))
    x = layers.MaxPooling2D()(_conv(x, 64))
    x = layers.Dropout(dropout)(_conv(x, 64))
    return _mlp(x, units=(64,))


def _drt_cnn(x, *, dropout: float = 0.25):
    for filters, size in ((32, 5), (64, 3)):
        x = _conv(_conv(x, filters, size, padding="same"), filters, size, padding="same")
        x = layers.Dropout(dropout)(layers.MaxPooling2D()(x))
    return _mlp(x, units=(256,), dropout=dropout)


def _dr_double_conv(x):
    for _ in range(2):
        x = layers.MaxPooling2D()(_conv(x, 64))
    return _mlp(x, units=(128,))


def _stages(x, stages, *, batch_norm: bool, dropout: float, momentum: float):
    """Stack stages of (filters, kernel size, number of convolutions), each ended by pooling and dropout.

    momentum: of the moving averages that normalise when predicting; it does not touch the training.
    """
    for filters, size, repeats in stages:
        for _ in range(repeats):
            x = layers.Conv2D(filters, size, padding="same", use_bias=not batch_norm)(x)
            x = FusedBatchNormalization(momentum=momentum, epsilon=1e-3)(x) if batch_norm else x
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return x


def _recog(x, *, batch_norm: bool = False, dropout: float = 0.0, momentum: float = 0.99):
    x = _stages(x, ((32, 5, 1), (64, 3, 1)), batch_norm=batch_norm, dropout=0.0, momentum=momentum)
    return _mlp(x, units=(128,), dropout=dropout)


def _new(x, *, dropout: float = 0.25, momentum: float = 0.99):
    x = _stages(x, ((32, 3, 2), (64, 3, 2)), batch_norm=True, dropout=dropout, momentum=momentum)
    return _mlp(x, units=(256,), dropout=2 * dropout)


def _big(x, *, dropout: float = 0.25, momentum: float = 0.99):
    x = _stages(x, ((64, 3, 2), (128, 3, 2), (256, 3, 2)), batch_norm=True, dropout=dropout, momentum=momentum)
    return _mlp(x, units=(512,), dropout=2 * dropout)


def _block(x, filters: int, size: int = 3, *, padding: str = "valid", pool: bool = False):
    """Convolve, pool, normalise, rectify: pooling before the normalization leaves it a quarter of the work."""
    # Normalization hides the size of a kernel, but a step turns a small kernel further than a large one: kernels
    # of 0.4 times He's size learn 0.15 points more in one epoch (mean of three seeds on held-out images).
    small = keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")
    x = layers.Conv2D(filters, size, padding=padding, use_bias=False, kernel_initializer=small)(x)
    x = layers.MaxPooling2D()(x) if pool else x
    return layers.ReLU()(FusedBatchNormalization()(x))


def _fast_b(x, *, width: float = 1.0):
    x = SpaceToDepth()(x)
    for filters, pool in ((32, False), (64, False), (64, True), (128, False)):
        x = _block(x, int(filters * width), pool=pool)
    return layers.GlobalMaxPooling2D()(x)


def _fast_e(x, *, width: float = 1.0):
    plan = ((32, 5, "valid", True), (32, 3, "same", False), (64, 3, "valid", True), (64, 3, "same", False))
    for filters, size, padding, pool in (*plan, (128, 3, "valid", False)):
        x = _block(x, int(filters * width), size, padding=padding, pool=pool)
    return layers.GlobalMaxPooling2D()(x)


_UNPUBLISHED = "the account does not give its layers; these are our choice of the kind it describes"

ARCHITECTURES: dict[str, Architecture] = {
    "mlp": Architecture("multilayer perceptron", _mlp, _UNPUBLISHED),
    "linear": Architecture("softmax regression", lambda x: layers.Flatten()(x)),
    "nf264_shallow": Architecture("NF264 shallow CNN", _nf264_shallow),
    "nf264_deep": Architecture("NF264 deep CNN", _nf264_deep),
    "hdr_cnn": Architecture("Hand-written-digit-recognition CNN", _hdr_cnn, _UNPUBLISHED + " (3 convolutions, 32/64)"),
    "drt_cnn": Architecture("Digit-Recognition-using-Tensorflow CNN", _drt_cnn),
    "dr_simple": Architecture("Digit Recognizer simple network", lambda x: _mlp(x, units=(128,)), _UNPUBLISHED),
    "dr_double_conv": Architecture("Digit Recognizer double convolutions and pooling", _dr_double_conv, _UNPUBLISHED),
    "recog": Architecture("Hand-written-digits recogModel", _recog, _UNPUBLISHED),
    "new": Architecture("Hand-written-digits newModel", _new, _UNPUBLISHED),
    "big": Architecture("Hand-written-digits bigModel", _big, _UNPUBLISHED),
    "fast_b": Architecture("fast net b: space-to-depth, 4 convolutions", _fast_b),
    "fast_e": Architecture("fast net e: 5 convolutions", _fast_e),
    "resnet34": Architecture("ResNet-34 with fastai's head", residual_blocks.residual),
    "resnet8": Architecture("residual network of 3 blocks", residual_blocks.small),
}


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
        hidden = ARCHITECTURES[name].build(inputs, **(options or {}))
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
