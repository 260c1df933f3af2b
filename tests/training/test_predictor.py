"""Trained networks as a predictor, against the logits their trainings left."""

import numpy as np
import pytest

from helpers.data import load
from helpers.evaluation import calibration
from helpers.training import fit, recipes
from helpers.training.predictor import predictor_of


def test_the_mean_of_networks_is_that_of_their_probabilities(tmp_path):
    split = load.make_split("standard", n_train=200, n_test=20, n_validation=20)
    runs = [fit.run(recipes.fast("fast_b", split, seed=s), store=tmp_path) for s in (0, 1)]
    one = predictor_of(runs[:1], key="fast", temperature=2.0)
    assert np.allclose(one(split.x_test), calibration.softmax(runs[0].test_logits, temperature=2), atol=1e-3)
    both = predictor_of(runs, key="ensemble", temperature=0.5)
    expected = calibration.softmax(calibration.ensemble([run.test_logits for run in runs]), temperature=0.5)
    assert np.allclose(both(split.x_test), expected, atol=1e-3)
    assert both.megabytes == pytest.approx(2 * one.megabytes, rel=0.01)
