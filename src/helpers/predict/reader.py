"""The shipped network: weights beside a small JSON file that says how they were made and measured."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.runtime import paths

DIRECTORY = paths.REPORTS / "model"
CARD = "digits.json"
WEIGHTS = "digits.keras"


@dataclass(frozen=True, eq=False)
class Reader:
    """A network that answers with calibrated probabilities.

    logits: uint8 (n, 28, 28) -> float32 (n, 10). temperature: what logits are divided by. threshold: confidence below
    which a digit goes to a human. card: everything else the JSON file says.
    """

    logits: Callable[[np.ndarray], np.ndarray]
    temperature: float
    threshold: float
    card: dict

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities float32 (n, 10) for prepared images, uint8 (n, 28, 28)."""
        return softmax(self.logits(images) / np.float32(self.temperature))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def load_card(directory: Path | None = None) -> dict:
    """Return the JSON file beside the weights. Raises ValueError where it is missing or not what it should be."""
    path = Path(directory or DIRECTORY) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        temperature, threshold = float(card["temperature"]), float(card["threshold"])
        if not (0 < temperature < 100 and 0 <= threshold <= 1 and len(card["sha256"]) == 64):
            raise ValueError("temperature, threshold or sha256 out of range")
    except FileNotFoundError:
        raise ValueError(f"model: there is no {path}; `python -m helpers.predict.ship` makes it") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"model: {path} is damaged ({error}); restore it from the repository") from error
    return card


def load(directory: Path | None = None) -> Reader:
    """Load the network after checking its SHA-256, in Keras's safe mode. Raises ValueError where that fails."""
    card = load_card(directory)
    from helpers.runtime import device
    from helpers.training import (
        fit,
        loops,  # TensorFlow takes seconds; a wrong request should not
    )

    device.threads()
    model = fit.load_model(Path(directory or DIRECTORY) / WEIGHTS, sha256=card["sha256"])
    return Reader(loops.make_predictor(model), float(card["temperature"]), float(card["threshold"]), card)
