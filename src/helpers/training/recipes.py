"""Ready-made training specs: the fast recipe, and the published ones as far as their accounts give them."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import pandas as pd

from helpers.data.splits import Split
from helpers.models import augmentation
from helpers.training.specs import TrainSpec

FAST_WARP = augmentation.Warp(rotation=10.0, zoom=0.1, shift=2.0)

_SGD = {"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "batch_size": 64, "epochs": 15}
_ADAM = {"optimizer": "adam", "learning_rate": 0.001, "batch_size": 128}

# Epochs, batch sizes and optimizers as published; where an account is silent: Keras's habits, batch 128.
PUBLISHED: dict[str, dict] = {
    "nf264_shallow": _SGD,
    "nf264_deep": _SGD,
    "hdr_cnn": {**_ADAM, "epochs": 10},
    "dr_simple": {**_ADAM, "epochs": 10},
    "dr_double_conv": {**_ADAM, "epochs": 10},
    "drt_cnn": {"optimizer": "rmsprop", "learning_rate": 0.001, "batch_size": 86, "epochs": 30},
    "mlp": {**_ADAM, "epochs": 20},
}


def fast(model: str, split: Split, *, epochs: int = 1, seed: int = 0, **changes) -> TrainSpec:
    """Return the series' own recipe: SGD with Nesterov momentum, one cycle of the learning rate, small warps.

    `changes` replace any field of TrainSpec.
    """
    recipe = {
        "learning_rate": 0.3,
        "momentum": 0.9,
        "nesterov": True,
        "schedule": "one_cycle",
        "weight_decay": 5e-4,
        "label_smoothing": 0.1,
        "augmentation": FAST_WARP,
        "views": 5,
    }
    return TrainSpec(model, split, epochs=epochs, seed=seed, **{**recipe, **changes})


def final(split: Split, *, seed: int = 0, **changes) -> TrainSpec:
    """Return the training of the series' final network: fast net e, eight passes of the fast recipe.

    Reports that study it (its mistakes, its confidence, its cost) ask for the same spec and share the run.
    """
    return fast("fast_e", split, seed=seed, **{"epochs": 8, **changes})


def finals(split: Split, n_seeds: int, *, seed: int = 0, **changes) -> list[TrainSpec]:
    """Return the trainings of the final network from the seeds seed, seed + 1, ...: those that are averaged."""
    return [final(split, seed=seed + i, **changes) for i in range(n_seeds)]


def published(model: str, split: Split, *, seed: int = 0, **changes) -> TrainSpec:
    """Return the training as published for `model`; `changes` replace any field (say fewer epochs).

    Raises ValueError for a model without a published recipe.
    """
    if model not in PUBLISHED:
        raise ValueError(f"model: got {model!r}; published recipes exist for {', '.join(PUBLISHED)}")
    return TrainSpec(model, split, seed=seed, **{**PUBLISHED[model], **changes})


def settings(trainings: Mapping[str, TrainSpec]) -> pd.DataFrame:
    """Return every setting of these trainings in words, to be shown: one row per training, one column per field.

    Momentum is said only of gradient descent: the other optimizers have no use for it.
    """
    rows = {}
    for name, spec in trainings.items():
        values = {f.name: getattr(spec, f.name) for f in fields(spec)} | {"split": spec.split.name}
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
