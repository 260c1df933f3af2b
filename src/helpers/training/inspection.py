"""Looking into trained networks: first-layer weights, what the layers make of an image, time per image."""

import time
from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.evaluation import metrics
from helpers.models import architectures
from helpers.runtime.device import keras
from helpers.training import outcomes
from helpers.training.fit import Run


def made_of(names: Mapping[str, str]) -> pd.DataFrame:
    """Return the size of untrained networks: words -> a name in architectures.ARCHITECTURES.

    Columns: parameters, and MFLOP an image (one forward pass).
    """
    sizes = {words: architectures.size(architectures.build(name)) for words, name in names.items()}
    columns = {words: {"parameters": s.parameters, "MFLOP an image": s.flops / 1e6} for words, s in sizes.items()}
    return pd.DataFrame(columns).T.rename_axis("network")


def first_weights(run: Run, n: int = 40) -> np.ndarray:
    """Return the `n` strongest units of the first layer as images, float32 (n, h, w), strongest first.

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


def price_list(runs: Mapping[str, Run], *, seconds: float = 0.3) -> pd.DataFrame:
    """Return one row per run: held-out error with its 95% limits, and what it costs.

    seconds: of measuring the time of an answer, for each run; see `milliseconds_per_image`. Columns: error, low, high
    (fractions; an error of zero is shown as half an image, so that it has a logarithm), parameters, flops (one image),
    seconds (training), milliseconds (one answer).
    """
    rows = {}
    for name, run in runs.items():
        held = metrics.accuracy(run.spec.split.y_val, run.val_predictions)
        rows[name] = {
            "error": max(1 - held.estimate, 0.5 / held.n),
            "low": 1 - held.high,
            "high": 1 - held.low,
            "parameters": run.parameters,
            "flops": run.flops,
            "seconds": run.seconds,
            "milliseconds": milliseconds_per_image(run, seconds=seconds),
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)


def milliseconds_per_image(run: Run, *, batch: int = 1, seconds: float = 0.3) -> float:
    """Return the median time of one prediction over `batch` test images, divided by the batch, in ms.

    Measured for `seconds` of wall time (at least five predictions) after a warm-up; reading and scaling the images is
    included, five-view averaging is not.
    """
    predictor = outcomes.make_predictor(run.load())
    images = run.spec.split.x_test[np.arange(batch) % len(run.spec.split.x_test)]
    predictor(images)
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        predictor(images)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times)) / batch
