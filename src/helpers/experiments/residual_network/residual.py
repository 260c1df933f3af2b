"""Residual networks weighed: what a pass costs, what a network is made of, whether it is worth it."""

import time
from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.data.splits import Split
from helpers.evaluation import metrics
from helpers.models import architectures
from helpers.runtime import pool
from helpers.runtime import precision as precisions
from helpers.training import recipes, step


def seconds_per_epoch(
    model: str, split: Split, *, options: Mapping | None = None, steps: int = 6, batch_size: int = 64, seed: int = 0
) -> float:
    """Measure some training steps of a network and extrapolate to an epoch over `split`.

    The first steps, which include compiling, are not counted; nothing is stored. The network is thrown away.
    """
    network = architectures.build(model, options, seed=seed, precision=precisions.choose("auto"))
    optimizer = step.make_optimizer("sgd", learning_rate=0.01, momentum=0.9, nesterov=True, weight_decay=0.0)
    optimizer.build(network.trainable_variables)
    rows = np.arange(steps * batch_size).reshape(steps, batch_size) % len(split.x_train)
    warps = recipes.FAST_WARP.draw(rows.size, size=split.x_train.shape[1:], rng=np.random.default_rng(seed))
    take = step.make_steps(
        network,
        optimizer,
        step.make_loss("cross_entropy", 0.0),
        shape=split.x_train.shape[1:],
        weight_decay=5e-4,
        decay="kernels",
        augmentation=recipes.FAST_WARP,
    )
    data = step.load(split.x_train, split.y_train)
    draws = rows.astype(np.int32), warps.reshape(steps, batch_size, -1), np.full(steps, 0.01, np.float32)
    take(data, *draws)
    with pool.alone():
        start = time.perf_counter()
        take(data, *draws)
        seconds = time.perf_counter() - start
    return seconds / steps * max(1, len(split.x_train) // batch_size)


def made_of(networks: Mapping[str, str]) -> pd.DataFrame:
    """Describe networks, name -> architecture: convolutions (those on the ways around included), weights, operations.

    Operations are floating-point operations of one image's forward pass.
    """
    rows = {}
    for name, architecture in networks.items():
        model = architectures.build(architecture)
        size, kinds = architectures.size(model), [type(layer).__name__ for layer in model.layers]
        rows[name] = {"convolutions": kinds.count("Conv2D"), "weights": size.parameters, "operations": size.flops}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def worth(scores: Mapping[str, metrics.Interval], made: pd.DataFrame) -> pd.DataFrame:
    """Return each system's test error beside what it is made of, for `figures.training.frontier`.

    scores: name -> accuracy; what follows a comma in a name is left out in looking it up in `made` (`made_of`).
    Columns: error (none at all is shown as half an image), low, high, weights, operations.
    """
    rows = {}
    for name, score in scores.items():
        error = {"error": max(1 - score.estimate, 0.5 / score.n), "low": 1 - score.high, "high": 1 - score.low}
        rows[name] = error | made.loc[name.partition(",")[0], ["weights", "operations"]].to_dict()
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)
