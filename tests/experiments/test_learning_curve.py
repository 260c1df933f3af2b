"""Curves over repeats: what an error is worth in images, and the rates a run really used."""

import numpy as np
import pandas as pd
import pytest
from test_fit import make_split, small

from helpers.experiments.augmentation_annealing import learning_curve
from helpers.models import schedules
from helpers.training import fit


def test_images_needed_inverts_a_power_law():
    n = np.array([500, 1000, 2000, 4000, 8000])
    errors = 3 * n**-0.5
    for wanted in (500, 700, 1500, 6000, 8000):
        assert learning_curve.images_needed(n, errors, 3 * wanted**-0.5) == pytest.approx(wanted)


def test_images_needed_says_when_the_curve_does_not_reach():
    assert np.isnan(learning_curve.images_needed([1, 2], [0.2, 0.1], 0.05))
    assert np.isnan(learning_curve.images_needed([1, 2], [0.2, 0.1], 0.3))


def test_a_chance_rise_does_not_count():
    assert learning_curve.images_needed([10, 100, 1000, 10_000], [0.4, 0.1, 0.2, 0.05], 0.2) < 100
    for wrong in (([1], [0.1]), ([2, 1], [0.2, 0.1]), ([1, 2], [0.2, 0.0])):
        with pytest.raises(ValueError, match="n_images"):
            learning_curve.images_needed(*wrong, 0.1)


def test_table_has_mean_and_range():
    table = learning_curve.table({100: [0.1, 0.3], 200: [0.05, 0.05]}, name="images")
    assert table.loc[100].tolist() == [pytest.approx(0.2), 0.1, 0.3, 2]
    assert table.index.name == "images"


@pytest.fixture(scope="module")
def split():
    return make_split()


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "step"])
def test_rates_are_those_of_the_schedule(split, tmp_path, name):
    run = fit.run(small(split, schedule=name), store=tmp_path)
    used = learning_curve.rates_used(run)
    assert np.array_equal(used["rate"], schedules.rates(name, 20, peak=0.05))
    assert used["epoch"].iloc[0] == pytest.approx(0.05)
    assert used["epoch"].iloc[-1] == pytest.approx(1.95)


def test_rates_of_a_plateau_are_what_happened(split, tmp_path):
    # A rate that cannot improve anything: the rule fires after every epoch but the first.
    options = {"patience": 1, "minimum": 0.0}
    spec = small(split, epochs=4, schedule="plateau", schedule_options=options, learning_rate=1e-12)
    run = fit.run(spec, store=tmp_path)
    used = learning_curve.rates_used(run)
    assert used["epoch"].tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
    np.testing.assert_allclose(used["rate"], np.repeat([1e-12, 1e-12, 5e-13, 2.5e-13], 2), rtol=1e-5)


def test_errors_and_hits_agree(split, tmp_path):
    runs = [fit.run(small(split, seed=seed), store=tmp_path) for seed in (0, 1)]
    correct = learning_curve.held_out_correct(runs)
    assert correct.shape == (2, 50)
    np.testing.assert_allclose(learning_curve.held_out_errors(runs), 1 - correct.mean(axis=1))
    other = fit.run(small(make_split(seed=1)), store=tmp_path)
    with pytest.raises(ValueError, match="different images"):
        learning_curve.held_out_correct([*runs, other])
    assert isinstance(runs[0].history, pd.DataFrame)
