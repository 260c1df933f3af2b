"""Training residual networks as published: what a step costs, which learning rate to take, whether it is worth it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.splits import Split
from helpers.evaluation import metrics
from helpers.models import architectures, schedules
from helpers.runtime import precision as precisions
from helpers.training import fine_tuning, parallel, recipes, step
from helpers.training.outcomes import Run
from helpers.training.specs import TrainSpec

BATCH = 64  # as published


def spec(model: str, split: Split, *, epochs: int, seed: int = 0, **changes) -> TrainSpec:
    """Return the training of a residual network: batch 64, one cycle, small warps.

    The account gives the batch size, the normalisation statistics and that images were augmented; SGD with Nesterov
    momentum, its rate, the weight decay and the warps are ours. `changes` replace any field of TrainSpec.
    """
    recipe = {
        "batch_size": BATCH,
        "learning_rate": 0.05,
        "momentum": 0.9,
        "nesterov": True,
        "schedule": "one_cycle",
        "weight_decay": 5e-4,
        "augmentation": recipes.FAST_WARP,
    }
    return TrainSpec(model, split, epochs=epochs, seed=seed, **{**recipe, **changes})


@dataclass(frozen=True, eq=False)
class RangeTest:
    """A short training under a rising rate: rates and losses float (n,), up to where the loss ceased to be a number.

    smooth: the losses averaged exponentially; suggestion: the rate at which that falls most steeply, to one digit.
    """

    rates: np.ndarray
    losses: np.ndarray
    smooth: np.ndarray
    suggestion: float
    seconds: float


def range_test(base: TrainSpec, *, steps: int = 150, lowest: float = 1e-4, highest: float = 3.0) -> RangeTest:
    """Train `base` for some steps while the learning rate rises from `lowest` to `highest` (Smith 2017).

    Raises ValueError unless 0 < lowest < highest.
    """
    if not 0 < lowest < highest:
        raise ValueError(f"lowest, highest: got {lowest!r}, {highest!r}; 0 < lowest < highest is needed")
    sweep = {"schedule": "exponential", "schedule_options": {"start": lowest / highest}, "learning_rate": highest}
    changed = {**vars(base), **sweep, "epochs": 1, "steps_per_epoch": steps, "views": 1}
    run = parallel.train(TrainSpec(**changed))
    rates = schedules.rates("exponential", steps, peak=highest, options=sweep["schedule_options"])
    kept = np.isfinite(run.step_losses)
    n = len(kept) if kept.all() else int(np.argmin(kept))
    suggestion = float(f"{schedules.suggest(rates, run.step_losses):.0e}")
    smooth = pd.Series(run.step_losses[:n]).ewm(alpha=0.05).mean().to_numpy()
    return RangeTest(rates[:n], run.step_losses[:n], smooth, suggestion, run.seconds)


def seconds_per_epoch(
    model: str, split: Split, *, options: Mapping | None = None, steps: int = 6, batch_size: int = BATCH, seed: int = 0
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
    start = time.perf_counter()
    take(data, *draws)
    return (time.perf_counter() - start) / steps * max(1, len(split.x_train) // batch_size)


def fine_tune(base: TrainSpec, weights: str, *, head_epochs: int = 1) -> list[Run]:
    """Train from a `.keras` file as the account describes: the head alone, then all, the early layers slowly.

    Returns the runs of both phases, none when `weights` is empty. Raises ValueError when the file does not fit.
    """
    if not weights:
        return []
    first = fine_tuning.from_file(weights, rates=fine_tuning.HEAD_ONLY)
    head = parallel.train(TrainSpec(**{**vars(base), "epochs": head_epochs, "start": first}))
    second = fine_tuning.from_file(head.directory / "model.keras", rates=fine_tuning.GENTLE)
    return [head, parallel.train(TrainSpec(**{**vars(base), "start": second}))]


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
