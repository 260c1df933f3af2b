"""Trained networks as a predictor: one alone, or the mean of several."""

import os
from collections.abc import Sequence

import numpy as np

from helpers.evaluation import calibration
from helpers.evaluation.predictor import MEGABYTE, Predictor
from helpers.training import outcomes
from helpers.training.fit import Run, viewed


def predictor_of(
    runs: Sequence[Run],
    *,
    key: str,
    temperature: float = 1.0,
    threshold: float | None = None,
    views: int | None = None,
) -> Predictor:
    """Load one trained network, or several whose probabilities are averaged, to be asked again and again.

    key: of the palette. temperature divides the logits (of several: the logarithms of the mean probabilities). views:
    1 or 5 for test-time augmentation, as the spec says by default.
    """
    views = views or runs[0].spec.views
    networks = [outcomes.make_predictor(run.load()) for run in runs]

    def probabilities(images: np.ndarray) -> np.ndarray:
        logits = [viewed(network, images, views) for network in networks]
        whole = logits[0] if len(logits) == 1 else calibration.ensemble(logits)
        return calibration.softmax(whole, temperature=temperature)

    size = sum(os.path.getsize(run.directory / "model.keras") for run in runs) / MEGABYTE
    identity = [*(f"{run.key}, views: {views}" for run in runs), temperature, threshold]
    return Predictor(key, probabilities, size, threshold, identity)
