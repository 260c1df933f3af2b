"""The shipped network: weights beside a small JSON file that says how they were made and measured."""

import json
from pathlib import Path

from helpers.evaluation.predictor import MEGABYTE, Predictor
from helpers.runtime import paths

DIRECTORY = paths.REPORTS / "model"
CARD = "digits.json"
WEIGHTS = "digits.keras"
CURE = "restore both from the repository (git restore reports/model), or make them (python -m helpers.predict.ship)"


def load_card(directory: Path | None = None) -> dict:
    """Return the JSON file beside the weights. Raises ValueError where it is missing or not what it should be."""
    path = Path(directory or DIRECTORY) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        temperature, threshold = float(card["temperature"]), float(card["threshold"])
        if not (0 < temperature < 100 and 0 <= threshold <= 1 and len(card["sha256"]) == 64):
            raise ValueError("temperature, threshold or sha256 out of range")
    except FileNotFoundError:
        raise ValueError(f"model: there is no {path}; {CURE}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"model: {path} is damaged ({error}); {CURE}") from error
    return card


def digits(directory: Path | None = None) -> list[int]:
    """Return the digits that the network was made for: all ten, unless its card says otherwise."""
    return load_card(directory).get("digits", list(range(10)))


def load(directory: Path | None = None) -> Predictor:
    """Load the network after checking its SHA-256, in Keras's safe mode; its `model` answers with logits.

    Raises ValueError where that fails.
    """
    directory = Path(directory or DIRECTORY)
    card = load_card(directory)
    from helpers.evaluation import calibration  # these take seconds; a wrong request should not
    from helpers.runtime import device
    from helpers.training import fit, outcomes

    device.threads()
    try:
        network = outcomes.make_predictor(fit.load_model(directory / WEIGHTS, sha256=card["sha256"]))
    except ValueError as error:
        raise ValueError(f"model: {directory / WEIGHTS} does not serve ({error}); {CURE}") from error
    temperature, threshold = float(card["temperature"]), float(card["threshold"])
    return Predictor(
        "resnet",
        lambda images: calibration.softmax(network(images), temperature=temperature),
        (directory / WEIGHTS).stat().st_size / MEGABYTE,
        threshold,
        ["shipped", card["sha256"], temperature, threshold],
        network,
    )
