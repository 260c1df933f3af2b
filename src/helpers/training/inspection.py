"""Looking into trained networks: first-layer weights, and what the layers make of an image."""

import numpy as np

from helpers.runtime.device import keras
from helpers.training.fit import Run


def first_weights(run: Run, n: int | None = 40) -> np.ndarray:
    """Return the `n` strongest units of the first layer as images, float32 (n, h, w), strongest first.

    n: None for all in their own order, which is that of the digits where the first layer is also the last.
    A dense layer's unit has a weight for every pixel, a convolution's has one for each pixel of its small window
    (those of the first input channel are returned). Strength is the Euclidean norm of a unit's weights.
    """
    model = run.load()
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D))
    kernel = keras.ops.convert_to_numpy(layer.kernel).astype(np.float32)
    if isinstance(layer, keras.layers.Dense):
        images = kernel.T.reshape(-1, *run.spec.split.shape)
    else:
        images = kernel[:, :, 0, :].transpose(2, 0, 1)
    if n is None:
        return images
    strength = np.linalg.norm(images.reshape(len(images), -1), axis=1)
    return images[np.argsort(-strength, kind="stable")[:n]]


def feature_maps(run: Run, image: np.ndarray, *, n: int = 10) -> list[np.ndarray]:
    """Return what each convolution makes of `image` (h, w) uint8, after its ReLU: a list of float32 (n, h', w').

    Of every layer the `n` maps with the largest sum are kept.
    """
    model = run.load()
    rectified = []
    for layer in model.layers:
        relu = getattr(layer, "activation", None) is keras.activations.relu or isinstance(layer, keras.layers.ReLU)
        if relu and len(layer.output.shape) == 4:
            rectified.append(layer.output)
    outputs = keras.Model(model.input, rectified)(image[None, ..., None].astype(np.float32) / 255)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]  # Keras unpacks a list of one
    stacks = [keras.ops.convert_to_numpy(keras.ops.cast(maps, "float32"))[0].transpose(2, 0, 1) for maps in outputs]
    return [stack[np.argsort(-stack.sum(axis=(1, 2)), kind="stable")[:n]] for stack in stacks]
