"""Residual networks after K. He, X. Zhang, S. Ren and J. Sun (2016), Deep Residual Learning for Image Recognition.

Two convolutions and a way around them: a block has to learn only what to *add* to its input, and the gradient has an
open road back to the first layer. The forms here are the basic block of the paper's version 1, for 28 x 28 images.
"""

from collections.abc import Callable, Sequence

from helpers.models.layers import FusedBatchNormalization
from helpers.runtime.device import keras

layers = keras.layers

MEAN, SD = 0.1307, 0.3081  # of the pixels of MNIST's training images, in 0..1: the usual normalisation statistics


def convolution(x, filters: int, size: int, stride: int):
    """Convolve without a bias, which the normalization after it would take out again."""
    return layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(
        x
    )


def residual_block(x, filters: int, stride: int, normalise: Callable):
    """Add f(x), two normalised convolutions, to x, which a 1 x 1 convolution fits where shapes change."""
    way_around = x
    if stride > 1 or x.shape[-1] != filters:
        way_around = normalise(convolution(x, filters, 1, stride))
    f = layers.ReLU()(normalise(convolution(x, filters, 3, stride)))
    f = normalise(convolution(f, filters, 3, 1))
    return layers.ReLU()(layers.Add()([f, way_around]))


def resnet34(
    x,
    *,
    blocks: Sequence[int] = (3, 4, 6, 3),
    widths: Sequence[int] = (64, 128, 256, 512),
    large_stem: bool = True,
    fused: bool = True,
    units: int = 512,
    dropout: float = 0.25,
):
    """ResNet-34 with the head of the fastai library.

    blocks, widths: residual blocks per stage and their filters; each stage but the first halves the image. large_stem:
    a 7 x 7 convolution with stride 2 and pooling, as for photographs, or a 3 x 3 convolution and pooling. fused: use
    batch normalization that runs as one operation, or Keras's own (same formula). units: of the hidden layer in the
    head, 0 for none. The head: mean and largest value of each map side by side, then normalization and dropout around
    one hidden layer, dropout doubled after it.
    """

    def normalise(x):
        kind = FusedBatchNormalization if fused else layers.BatchNormalization
        return kind(momentum=0.9, epsilon=1e-5)(x)

    x = layers.Rescaling(1 / SD, offset=-MEAN / SD)(x)
    x = convolution(x, widths[0], 7 if large_stem else 3, 2 if large_stem else 1)
    x = layers.ReLU()(normalise(x))
    x = layers.MaxPooling2D(3 if large_stem else 2, strides=2, padding="same")(x)
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
        for number in range(count):
            x = residual_block(x, width, 2 if stage and not number else 1, normalise)
    x = layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)])
    x = layers.Dropout(dropout)(normalise(x))
    if units:
        x = layers.ReLU()(layers.Dense(units, kernel_initializer="he_normal")(x))
        x = layers.Dropout(min(0.9, 2 * dropout))(normalise(x))
    return x


def resnet8(x, *, widths: Sequence[int] = (32, 64, 128), blocks: Sequence[int] = (1, 1, 1), **options):
    """The same in small: 3 x 3 stem, one block a stage, three stages. options: of resnet34."""
    return resnet34(x, **{"blocks": blocks, "widths": widths, "large_stem": False, "units": 0, **options})
