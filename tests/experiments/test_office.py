"""Systems at work: fitted on the validation part, measured on the test, and nothing the other way round."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import special

from helpers.data import load, splits
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
        seconds, parameters = 3.0, 10

    return Made()


PRICES = selective.Prices(2.0, 0.05)


@pytest.fixture(scope="module")
def team():
    runs = [make_run(seed) for seed in range(3)]
    return office.hire([[make_run(9, model="mlp")], runs[:1], runs], prices=PRICES)


def test_names_and_sizes(team):
    assert list(team) == ["perceptron", "final network", "average of 3"]
    assert [one.seconds for one in team.values()] == [3.0, 3.0, 9.0]
    assert [one.key for one in team.values()] == ["mlp", "fast", "ensemble"]


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


def test_mark_tally_and_plans_agree(team):
    one = team["final network"]
    sent, error = one.mark
    count = one.tally()
    assert sent == pytest.approx(1 - count["accepted"] / count["n"])
    assert error == pytest.approx(count["accepted_wrong"] / count["accepted"])
    half = np.arange(600) < 300
    assert one.tally(half)["n"] == 300
    plans = one.plans(PRICES)
    assert plans.loc["always", "cost"] == pytest.approx(1000 * PRICES.asking)
    assert plans.loc["in doubt", "sent"] == pytest.approx(sent)
    assert one.cheapest["cost"] == pytest.approx(one.costs["cost"].min())


def test_sets_come_from_the_validation_part(team):
    one = team["perceptron"]
    rows, words, several = one.widest(0.02, n=10)
    assert len(rows) == len(words) == 10
    assert max(map(len, words)) == len(words[0])
    assert 0 <= several <= 1
    table = one.coverage(0.05, by_class=False)
    assert table.loc["all", "estimate"] == pytest.approx(0.95, abs=0.03)
    assert len(one.promises([0.05, 0.01])) == 4


def test_tables_of_the_team(team):
    offers = office.offers(team, prices=PRICES)
    assert list(offers.index) == list(team)
    assert offers.loc["final network", "accuracy"] == pytest.approx(team["final network"].test.score.estimate)
    assert set(office.formats(offers)) <= set(offers.columns)
    assert len(office.measured(team)) == 6
    lines = office.trade_offs(team, ["perceptron"])
    assert lines["perceptron"][2] == team["perceptron"].mark
    bill = pd.DataFrame({"p50": [1.0, 2.0, 3.0]}, index=list(team))
    seeds = metrics.mean_over_seeds([0.9, 0.92])
    rows = office.rows(team, bill=bill, seeds=seeds, claims={"final network": "hwd-new-100"}, split="toy")
    scores, times = rows[::2], rows[1::2]
    assert [row.claim_id for row in scores] == [None, "hwd-new-100", None]
    assert [row.value for row in times] == [1.0, 2.0, 3.0]
    assert [row.system for row in scores] == [row.system for row in times]
    assert scores[0].system == "perceptron, 1 pass"
    assert (scores[1].mean, scores[1].seeds, scores[2].parameters) == (seeds.mean, 2, 30)
    held = office.candidates({"e": [make_run(0), make_run(1)]})
    assert held["seconds"].tolist() == [3.0, 6.0]
    assert held.iloc[0]["least"] <= held.iloc[0]["accuracy"] <= held.iloc[0]["most"]


def test_what_is_read_when_nothing_is_held_out(monkeypatch):
    asked = {}

    class Recorded:
        cost, provenance = {"seconds": 9.0, "parameters": 10}, "recorded some day"

        def __init__(self, spec):
            labels = spec.split.y_test
            self.test_predictions = np.where(np.arange(600) < 6 * spec.seed, (labels + 1) % 10, labels)

    def collect(specs, *, profile):
        asked[profile] = list(specs.values())
        return {} if profile == "none" else {name: Recorded(spec) for name, spec in specs.items()}

    monkeypatch.setattr(office.archive, "collect", collect)
    runs = [make_run(seed) for seed in range(2)]
    for seed, run in enumerate(runs):
        run.spec = replace(
            run.spec, split=load.make_split("standard", n_train=40, n_validation=20, n_test=600), seed=seed
        )
    assert office.on_everything(runs, profile="none") == ("", [])
    sentence, (row,) = office.on_everything(runs, profile="full")
    split = asked["full"][0].split
    assert (len(split.x_train), len(split.x_val), len(split.x_test)) == (60, 0, 600)
    assert [(spec.model, spec.seed, spec.epochs) for spec in asked["full"]] == [("fast_e", 0, 1), ("fast_e", 1, 1)]
    assert (row.value, row.mean, row.seeds, row.n) == (1.0, pytest.approx(0.995), 2, 600)
    assert "99.50%** (2 seeds, from 99.00% to 100.00%; recorded some day)" in sentence
    before = np.mean([run.test_predictions == split.y_test for run in runs])
    assert f"a difference of {100 * (0.995 - before):+.2f} points" in sentence


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


def test_the_shipped_network_is_introduced_only_where_it_took_part():
    assert outside.introduce(pd.DataFrame({"accuracy": ["x"]}, index=["other"])) == ""
    assert "**98%**" in outside.introduce(pd.DataFrame({"accuracy": ["98%"]}, index=["shipped network"]))
    kept = pd.DataFrame({"all": [0.8, 0.9]}, index=["final network", "shipped network"])
    assert "90.0%" in outside.hardened(kept)
    assert outside.hardened(kept[:1]) == ""
