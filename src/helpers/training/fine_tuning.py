"""Training that begins from trained weights: where they come from, and how fast each part of the network may change.

The early layers of a trained network see edges that serve every task; the head knows only the task it was trained for.
So the head is trained first, then everything, the early layers slowly (J. Howard and S. Ruder, 2018, Universal Language
Model Fine-tuning for Text Classification, section 3.2).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.runtime.device import keras

GENTLE = (0.01, 0.1, 1.0)


@dataclass(frozen=True)
class Start:
    """Weights to begin from, and learning-rate multipliers of the first half, the second half and the head.

    A multiplier of 0 freezes a part (its normalization statistics still follow the data). `path` is not part of a
    run's identity; the hash of the file is.
    """

    path: Path
    sha256: str
    rates: tuple[float, float, float] = GENTLE

    def __post_init__(self):
        if (
            len(self.rates) != 3
            or not all(np.isfinite(rate) and rate >= 0 for rate in self.rates)
            or not any(self.rates)
        ):
            raise ValueError(f"rates: got {self.rates!r}; three finite numbers from 0, not all 0, are allowed")

    @property
    def identity(self) -> dict:
        """Return what of it decides a run's outcome, as JSON values."""
        return {"sha256": self.sha256, "rates": [float(rate) for rate in self.rates]}


def from_file(path: str | Path, *, rates: tuple[float, float, float] = GENTLE) -> Start:
    """Return a start from a `.keras` file. Raises ValueError when there is no such file.

    Whoever names a file vouches for it: it is opened in Keras's safe mode, which refuses code but has had holes.
    """
    path = Path(path).expanduser()
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(f"weights: got {str(path)!r}; an existing .keras file is needed")
    return Start(path, hashlib.sha256(path.read_bytes()).hexdigest(), rates)


def load_into(model: keras.Model, source: keras.Model) -> int:
    """Copy weights from `source` layer by layer; return how many arrays were copied.

    The networks must have the same layers; only the last one, which names the classes, may differ in shape and then
    keeps its own weights. Raises ValueError where they do not fit.
    """
    ours, theirs = ([layer for layer in one.layers if layer.weights] for one in (model, source))
    if len(ours) != len(theirs):
        raise ValueError(f"weights: have {len(theirs)} layers with weights; {model.name} has {len(ours)}")
    copied = 0
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=True), start=1):
        shapes = [[tuple(weight.shape) for weight in layer.weights] for layer in (mine, other)]
        if shapes[0] == shapes[1]:
            mine.set_weights(other.get_weights())
            copied += len(shapes[0])
        elif place < len(ours):
            raise ValueError(f"weights: layer {place} has {shapes[1]}; {model.name} needs {shapes[0]} there")
    return copied


def groups(model: keras.Model) -> list[int]:
    """Return for each trainable variable its part: 0 and 1 for the halves of the body, 2 for the head.

    The head is what comes after the last image-shaped tensor; the body is halved by its number of layers with weights.
    """
    body = [layer for layer in model.layers if layer.weights and len(layer.output.shape) == 4]
    first = {id(layer) for layer in body[: (len(body) + 1) // 2]}
    second = {id(layer) for layer in body} - first
    part = {}
    for layer in model.layers:
        which = 0 if id(layer) in first else 1 if id(layer) in second else 2
        part |= {id(variable): which for variable in layer.trainable_variables}
    return [part[id(variable)] for variable in model.trainable_variables]


def multipliers(model: keras.Model, start: Start | None) -> list[float] | None:
    """Return the learning-rate multiplier of each trainable variable, None for all alike."""
    return None if start is None else [float(start.rates[part]) for part in groups(model)]
