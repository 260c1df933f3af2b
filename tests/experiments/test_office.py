"""Systems at work: fitted on the validation part, measured on the test, and nothing the other way round."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import special

from helpers.data import splits
from helpers.evaluation import metrics, selective
from helpers.experiments.sorting_office import office, outside, systems
from helpers.training.specs import TrainSpec


def make_run(seed, *, model="fast_e", fingerprint="toy", sharpness=2.0):
    """Return what of a training a system looks at: a spec and logits, here of a made-up reader."""
    rng = np.random.default_rng([7, seed])
    labels = np.random.default_rng(1).integers(0, 10, (2, 600))
    logits = rng.normal(0, 1.5, (2, 600, 10)) + 5 * np.eye(10)[labels]
    images = np.zeros((600, 28, 28), np.uint8)
    split = splits.of_arrays("toy", (images[:1], labels[0][:1]), (images, labels[0]), (images, labels[1]))
    split = replace(split, fingerprint=fingerprint)

    class Made:
        spec = TrainSpec(model, split, precision="float32")
        val_logits, test_logits = sharpness * logits
        test_predictions = logits[1].argmax(axis=1)
        seconds, parameters, hardware = 3.0, 10, {"precision": "float32"}

    return Made()


PRICES = selective.Prices(2.0, 0.05)


@pytest.fixture(scope="module")
def team():
    runs = [make_run(seed) for seed in range(3)]
    members = {
        "perceptron": ("mlp", [make_run(9, model="mlp")]),
        "final network": ("fast", runs[:1]),
        "average of 3": ("ensemble", runs),
    }
    return {name: systems.build(key, each, prices=PRICES) for name, (key, each) in members.items()}


def test_an_average_costs_all_its_trainings(team):
    assert [one.seconds for one in team.values()] == [3.0, 3.0, 9.0]


def test_a_single_network_answers_by_its_softmax_at_the_fitted_temperature(team):
    one = team["final network"]
    twice = systems.build("fast", [make_run(0, sharpness=4.0)], prices=PRICES)
    assert twice.temperature == pytest.approx(2 * one.temperature, rel=1e-3)
    assert np.allclose(twice.test.probabilities, one.test.probabilities, atol=1e-4)
    expected = special.softmax(make_run(0).test_logits / one.temperature, axis=1)
    assert np.allclose(one.test.probabilities, expected)
    assert np.allclose(one.val_raw.probabilities, special.softmax(make_run(0).val_logits, axis=1))
    assert one.test.wrong == (make_run(0).test_predictions != one.test.y_true).sum()
    assert one.test.score.estimate == pytest.approx(1 - one.test.wrong / one.test.n)
    assert one.val.doubt == pytest.approx(1 - one.val.probabilities.max(axis=1).mean())


def test_an_average_is_the_mean_of_probabilities(team):
    mean = np.mean([special.softmax(make_run(seed).test_logits, axis=1) for seed in range(3)], axis=0)
    assert np.allclose(team["average of 3"].test_raw.probabilities, mean)
    assert team["average of 3"].test.wrong <= team["final network"].test.wrong


def test_temperature_and_threshold_ignore_the_test(team):
    run = make_run(0)
    before = systems.build("fast", [run], prices=PRICES)
    old = run.spec.split
    parts = (old.x_train, old.y_train), (old.x_val, old.y_val), (old.x_test, old.y_test[::-1])
    run.spec = replace(run.spec, split=splits.of_arrays("toy", *parts))
    after = systems.build("fast", [run], prices=PRICES)
    assert (before.temperature, before.threshold) == (after.temperature, after.threshold)
    assert before.test.wrong != after.test.wrong
    assert before.threshold == selective.cheapest(selective.costs(*before.val.pair, prices=PRICES))["threshold"]


def test_a_tally_counts_at_the_threshold(team):
    one = team["final network"]
    count, (sure, right) = one.tally(), one.test.pair
    assert count["accepted"] == (sure >= one.threshold).sum()
    assert count["accepted_wrong"] == ((sure >= one.threshold) & ~right).sum()
    assert one.tally(np.arange(600) < 300)["n"] == 300
    assert one.costs.loc[one.costs["threshold"] == one.threshold, "cost"].item() == one.costs["cost"].min()


def test_tables_and_rows_of_the_team(team):
    table = pd.DataFrame({"accuracy": [0.5], "other": [1], "cost": [2.0]})
    assert office.formats(table) == {"accuracy": "{:.2%}", "cost": "{:.2f}"}
    bill = pd.DataFrame({"p50": [1.0, 2.0, 3.0]}, index=list(team))
    seeds = metrics.mean_over_seeds([0.9, 0.92])
    rows = office.rows(team, bill=bill, seeds=seeds, claims={"final network": "hwd-new-100"}, split="toy")
    scores, times = rows[::2], rows[1::2]
    assert [row.claim_id for row in scores] == [None, "hwd-new-100", None]
    assert [row.value for row in times] == [1.0, 2.0, 3.0]
    assert [row.system for row in scores] == [row.system for row in times]
    assert {(row.train_images, row.passes, row.precision) for row in scores} == {(1, 1, "float32")}
    assert scores[0].system == "perceptron, 1 pass"
    assert (scores[1].mean, scores[1].seeds, scores[2].parameters) == (seeds.mean, 2, 30)


def test_runs_of_different_splits_are_refused():
    with pytest.raises(ValueError, match="different splits"):
        systems.build("fast", [make_run(0), make_run(1, fingerprint="other")], prices=PRICES)


def test_small_digits_come_in_the_form_of_mnist():
    images, labels = outside.small_digits(40)
    assert images.shape == (40, 28, 28)
    assert labels.shape == (40,)
    inked = images > 30
    heights = [np.ptp(np.flatnonzero(one.any(axis=1))) + 1 for one in inked]
    widths = [np.ptp(np.flatnonzero(one.any(axis=0))) + 1 for one in inked]
    assert np.abs(np.maximum(heights, widths) - 20).max() <= 2
    assert images.max() == 255


def test_mending_brings_a_moved_digit_back_and_leaves_blanks():
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 12:15] = 255
    moved = np.roll(image, (3, 6), axis=(0, 1))
    both = outside.mended(np.stack([image, moved, np.zeros_like(image)]))
    assert np.array_equal(both[0], both[1])
    assert not both[2].any()
    assert outside.mended(image[:0][None][:0].reshape(0, 28, 28)).shape == (0, 28, 28)
