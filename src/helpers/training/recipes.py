"""Training recipes, each once and with every setting named: the series' own, and the published ones.

Epochs, batch sizes and optimizers are as published; where an account is silent: Keras's habits, batch 128, no warps.
`changes` replace any field of TrainSpec. The published ladder of report 06 is data, in its own module.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace

import pandas as pd

from helpers.data.splits import Split
from helpers.models import augmentation
from helpers.training.specs import TrainSpec

FAST_WARP = augmentation.Warp(rotation=10.0, zoom=0.1, shift=2.0)
# Batches that a training of few images gets at least. Batch normalisation predicts with averages over some hundred of
# them: eight passes over 600 images are 32, after which fast_e reads 16% of a test and, after 200, 99%.
ENOUGH = 150
FEW = f"Few images are passed over more often than many, until a training has {ENOUGH} batches."


def fast(model: str, split: Split, *, epochs: int = 1, seed: int = 0, **changes) -> TrainSpec:
    """Return the series' own recipe: SGD with Nesterov momentum, one cycle of the learning rate, small warps."""
    recipe = TrainSpec(
        model,
        split,
        epochs=epochs,
        batch_size=128,
        optimizer="sgd",
        learning_rate=0.3,
        momentum=0.9,
        nesterov=True,
        schedule="one_cycle",
        weight_decay=5e-4,
        decay="kernels",
        loss="cross_entropy",
        label_smoothing=0.1,
        augmentation=FAST_WARP,
        views=5,
        seed=seed,
    )
    return replace(recipe, **changes)


def passes(asked: int, split: Split, *, batch_size: int = 128) -> int:
    """Return how many passes over few training images make ENOUGH batches; `asked` where these already do.

    For somebody's own digits: passes meant for MNIST's 60,000 images would end before a network has learned anything.
    """
    return max(asked, -(-ENOUGH // max(1, len(split.train_index) // batch_size)))


def final(split: Split, *, seed: int = 0, **changes) -> TrainSpec:
    """Return the training of the series' final network: fast net e, eight passes of the fast recipe.

    Reports that study it (its mistakes, its confidence, its cost) ask for the same spec and share the run.
    """
    return fast("fast_e", split, seed=seed, **{"epochs": 8, **changes})


def finals(split: Split, n_seeds: int, *, seed: int = 0, **changes) -> list[TrainSpec]:
    """Return the trainings of the final network from the seeds seed, seed + 1, ...: those that are averaged."""
    return [final(split, seed=seed + i, **changes) for i in range(n_seeds)]


def nf264(model: str, split: Split, *, seed: int = 0, **changes) -> TrainSpec:
    """Return NF264 Project 2's training of its shallow or its deep network: SGD with momentum at a constant rate."""
    recipe = TrainSpec(
        model,
        split,
        epochs=15,
        batch_size=64,
        optimizer="sgd",
        learning_rate=0.01,
        momentum=0.9,
        nesterov=False,
        schedule="constant",
        weight_decay=0.0,
        loss="cross_entropy",
        label_smoothing=0.0,
        augmentation=None,
        views=1,
        seed=seed,
    )
    return replace(recipe, **changes)


def nf264_cross_validated(split: Split, *, seed: int = 0, **changes) -> TrainSpec:
    """Return NF264 Project 2's training of its deep network in each fold: twenty passes in batches of 32."""
    return nf264("nf264_deep", split, seed=seed, **{"epochs": 20, "batch_size": 32, **changes})


def adam(model: str, split: Split, *, seed: int = 0, **changes) -> TrainSpec:
    """Return the training of hdr_cnn and the Digit Recognizer networks: Adam at Keras's rate, ten passes."""
    recipe = TrainSpec(
        model,
        split,
        epochs=10,
        batch_size=128,
        optimizer="adam",
        learning_rate=0.001,
        schedule="constant",
        weight_decay=0.0,
        loss="cross_entropy",
        label_smoothing=0.0,
        augmentation=None,
        views=1,
        seed=seed,
    )
    return replace(recipe, **changes)


def mlp(model: str, split: Split, *, seed: int = 0, **changes) -> TrainSpec:
    """Return the training of the multilayer perceptron: Adam at Keras's rate, twenty passes."""
    return adam(model, split, seed=seed, **{"epochs": 20, **changes})


def tensorflow(model: str, split: Split, *, seed: int = 0, **changes) -> TrainSpec:
    """Return Digit-Recognition-using-Tensorflow's training without warps: RMSprop, thirty passes in batches of 86."""
    return adam(model, split, seed=seed, **{"optimizer": "rmsprop", "epochs": 30, "batch_size": 86, **changes})


PUBLISHED: dict[str, Callable[..., TrainSpec]] = {
    "nf264_shallow": nf264,
    "nf264_deep": nf264,
    "hdr_cnn": adam,
    "drt_cnn": tensorflow,
    "dr_simple": adam,
    "dr_double_conv": adam,
    "mlp": mlp,
}


def published(model: str, split: Split, *, seed: int = 0, **changes) -> TrainSpec:
    """Return the training as published for `model`; `changes` replace any field (say fewer epochs).

    Raises ValueError for a model without a published recipe.
    """
    if model not in PUBLISHED:
        raise ValueError(f"model: got {model!r}; published recipes exist for {', '.join(PUBLISHED)}")
    return PUBLISHED[model](model, split, seed=seed, **changes)


def settings(trainings: Mapping[str, TrainSpec]) -> pd.DataFrame:
    """Return every setting of these trainings in words, to be shown: one row per training, one column per field.

    Momentum is said only of gradient descent: the other optimizers have no use for it.
    """
    rows = {}
    for name, spec in trainings.items():
        values = {f.name: getattr(spec, f.name) for f in fields(spec)} | {"split": spec.split.name}
        values["steps_per_epoch"] = spec.steps_per_epoch or "one pass"
        values |= {} if spec.optimizer == "sgd" else {"momentum": None, "nesterov": None}
        rows[name] = {setting: _words(value) for setting, value in values.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def _words(value) -> str:
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items()) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)
