"""Learning rates: shapes at their known points, and Keras's own callback as the oracle for the plateau."""

import keras
import numpy as np
import pytest

from helpers.models import schedules


def test_one_cycle_rises_for_a_fifth_then_falls_to_nothing():
    rates = schedules.rates("one_cycle", 1000, peak=0.3)
    assert rates.dtype == np.float32
    assert np.argmax(rates) in (199, 200)
    assert rates.max() == pytest.approx(0.3, rel=0.01)
    assert rates[0] < 0.002
    assert rates[-1] < 0.0005
    assert (np.diff(rates[:200]) > 0).all()
    assert (np.diff(rates[200:]) < 0).all()


def test_other_shapes():
    assert schedules.rates("constant", 5, peak=0.1).tolist() == pytest.approx([0.1] * 5)
    cosine = schedules.rates("cosine", 1000, peak=1.0)
    assert cosine[500] == pytest.approx(0.5, abs=0.01)
    assert (np.diff(cosine) < 0).all()
    steps = schedules.rates("step", 100, peak=1.0)
    assert sorted(set(np.round(steps, 6).tolist())) == pytest.approx([0.01, 0.1, 1.0])
    assert steps[49] == 1.0
    assert steps[50] == pytest.approx(0.1)
    sweep = schedules.rates("exponential", 100, peak=1.0)
    assert np.diff(np.log(sweep)) == pytest.approx(np.log(1e5) / 100, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [  # at the middle of each of five steps: 0.1, 0.3, 0.5, 0.7, 0.9 of the training
        ("one_cycle", {"warm_up": 0.4}, [0.25, 0.75, 5 / 6, 0.5, 1 / 6]),
        ("one_cycle", {"warm_up": 0.2, "end": 0.2}, [0.5, 0.9, 0.7, 0.5, 0.3]),
        ("cosine", {}, [(1 + np.cos(np.radians(18 + 36 * i))) / 2 for i in range(5)]),
        ("cosine", {"warm_up": 0.4}, [0.25, 0.75, (1 + np.sqrt(0.75)) / 2, 0.5, (1 - np.sqrt(0.75)) / 2]),
        ("step", {"at": (0.5, 0.8)}, [1, 1, 0.1, 0.1, 0.01]),  # from the step at a half on
        ("exponential", {"start": 1e-5}, [10**-4.5, 10**-3.5, 10**-2.5, 10**-1.5, 10**-0.5]),
    ],
)
def test_a_rate_is_that_at_the_middle_of_its_step(name, options, expected):
    found = schedules.rates(name, 5, peak=2.0, options=options)
    assert found / 2 == pytest.approx(expected, rel=1e-5)


def test_a_rate_depends_on_the_step_alone():
    assert np.array_equal(*(schedules.rates("one_cycle", 90, peak=0.3)[40:] for _ in range(2)))


@pytest.mark.parametrize("seed", range(20))
def test_plateau_agrees_with_keras(seed):
    accuracies = np.round(np.random.default_rng(seed).uniform(0.97, 0.99, 25), 4).tolist()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="val_accuracy", mode="max", patience=3, factor=0.5, min_lr=1e-3, min_delta=1e-4
    )
    callback.set_model(model)
    callback.on_train_begin()
    for i, accuracy in enumerate(accuracies):
        callback.on_epoch_end(i, {"val_accuracy": accuracy})
        ours = schedules.plateau_rate(accuracies[: i + 1], peak=0.01, minimum=1e-3)
        assert ours == pytest.approx(float(model.optimizer.learning_rate), rel=1e-6)


def test_suggestion_lies_on_the_slope_of_a_known_curve():
    rates = schedules.rates("exponential", 400, peak=10.0)
    losses = 2.3 - 2 / (1 + np.exp(-4 * (np.log10(rates) + 2)))  # steepest at 0.01
    losses[rates > 1] = np.nan
    assert 0.004 < schedules.suggest(rates, losses, smoothing=0.5) < 0.03


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match=r"schedule: got 'linear'.*one_cycle"):
        schedules.rates("linear", 10, peak=0.1)
    for peak in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="learning_rate"):
            schedules.rates("constant", 10, peak=peak)
    with pytest.raises(ValueError, match="warm_up"):
        schedules.rates("one_cycle", 10, peak=0.1, options={"warm_up": 1.0})
    with pytest.raises(ValueError, match="at least 10"):
        schedules.suggest(np.ones(5), np.ones(5))


def test_the_noise_of_the_first_steps_suggests_nothing():
    rates = np.geomspace(1e-4, 3, 150)
    curve = 2.3 - 2 / (1 + (0.05 / rates) ** 2) + (rates / 1.5) ** 4
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.15, 150)
        assert 0.01 < schedules.suggest(rates, curve + noise) < 0.6, seed
