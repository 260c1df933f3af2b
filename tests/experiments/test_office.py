"""Systems at work: fitted on the validation part, measured on the test, and nothing the other way round."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from helpers import results
from helpers.data import splits
from helpers.evaluation import metrics, selective
from helpers.evaluation.predictor import Predictor
from helpers.experiments.sorting_office import office, outside, service, systems
from helpers.models.augmentation import Warp
from helpers.predict import shipped
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


def test_small_digits_are_pictures_of_full_greys():
    pictures, labels = outside.small_digits(40)
    assert pictures.shape == (40, 8, 8)
    assert labels.shape == (40,)
    assert (pictures.min(), pictures.max()) == (0, 255)


def test_a_stretched_picture_keeps_its_place_and_has_light_ink():
    picture = np.full((56, 56), 240.0)
    picture[:28, :28] = 0
    found = outside.stretched(picture)
    assert found.shape == (28, 28)
    assert (found[:13, :13] > 250).all()
    assert (found[15:, 15:] == 15).all()
    assert (outside.stretched(np.full((8, 8), 40.0)) == 40).all()


def test_two_ways_and_two_networks_are_crossed():
    images = np.zeros((3, 28, 28), np.uint8)
    images[:, 2:12, 3:5] = 255  # in a corner: only the form moves it to the middle

    def middle(x):
        found = (x[:, 14, 10:18].max(axis=1) > 100).astype(int)
        return np.eye(10)[found]

    networks = {
        "looks": Predictor("mlp", middle, 0.0, 0.5),
        "zero": Predictor("mlp", lambda x: middle(0 * x), 0.0, 0.5),
    }
    found = outside.two_by_two(networks, {"ones": (images, np.ones(3)), "noughts": (images, np.zeros(3))})
    assert [right.tolist() for right in found["ones"].values()] == [[read] * 3 for read in (False, True, False, False)]
    assert [right.mean() for right in found["noughts"].values()] == [1, 0, 1, 1]
    assert next(iter(found["ones"])) == "looks, brought to 28 x 28"


def test_what_a_network_saw_in_training_is_told_from_the_settings():
    assert office.seen_in_training(None) == "nothing but the images"
    assert office.seen_in_training({"rotation": 10.0, "zoom": 0.0, "shift": 2.0, "grain": 0.1}) == (
        "turns, shifts and grain"
    )
    assert office.seen_in_training(Warp(shift=0.0, shear=3.0)) == "turns, zooms and slants"
    assert office.practised({"held_out": {}}) == ""
    card = {"held_out": {"practice": {"strokes": 2000, "scans": 0, "others": 30}}}
    assert office.practised(card) == "2,000 written strokes and 30 pictures of no digit"


def test_every_condition_shows_every_digit():
    images = np.zeros((2, 28, 28), np.uint8)
    images[:, 4:24, 12:16] = 255
    pictures, labels = outside.varied(images, np.array([1, 7]))
    assert len(pictures) == len(labels)
    assert len(labels) % 2 == 0
    assert labels[:4].tolist() == [1, 7, 1, 7]


def some_answers(wrong, n=1000, sure=0.9):
    labels = np.zeros(n, int)
    return service.Answers((np.arange(n) < wrong).astype(int), np.full(n, sure), labels, 0.5)


def test_a_decision_has_costs_between_their_limits_and_those_of_clerks():
    table, by_clerks = office.decision({"a": some_answers(4), "b": some_answers(0)}, PRICES, clerk_error=0.01)
    assert by_clerks == pytest.approx(1000 * (0.05 + 0.01 * 2))
    share = 4 / 1000
    assert table.loc["a", "cost"] == pytest.approx(1000 * 2 * (1 - (1 - share) ** 5))
    for name, wrong in (("a", 4), ("b", 0)):
        limit = metrics.wilson(wrong, 1000)
        assert table.loc[name, "from"] <= 2000 * (1 - (1 - limit.low) ** 5) + 1e-9
        # No resample of so few mistakes reaches further than Wilson's upper limit.
        assert table.loc[name, "to"] == pytest.approx(2000 * (1 - (1 - limit.high) ** 5))
    assert table["n"].tolist() == [1000, 1000]


def test_digits_of_one_form_stand_or_fall_together_in_every_limit_of_a_decision():
    forms = np.repeat(np.arange(10), 100)
    place, bad = np.arange(1000) % 100, np.isin(forms, [0, 1])
    # Of two forms a tenth is misread and kept, another tenth read rightly and sent to a human.
    one = service.Answers(
        (bad & (place < 10)).astype(int), np.where(bad & (place >= 90), 0.2, 0.9), np.zeros(1000, int), 0.5
    )
    plain, _ = office.decision({"a": one, "b": one}, PRICES, clerk_error=0.01)
    table, _ = office.decision({"a": one, "b": one}, PRICES, clerk_error=0.01, groups={"a": forms, "b": None})
    assert table.loc["b"].astype(str).tolist() == plain.loc["b"].astype(str).tolist(), "unknown: by digit"
    assert table.loc["a", "cost"] == plain.loc["a", "cost"]
    # Of ten forms drawn with replacement the number of bad ones is binomial: its 2.5% and 97.5% points are 0 and 5.
    assert [stats.binom.ppf(q, 10, 0.2) for q in (0.025, 0.975)] == [0, 5]
    read = table.loc["a", "read right"]
    assert (read.low, read.high) == pytest.approx((0.95, 1.0))
    accepted, wrong = 0.95, 0.05  # with five of ten such forms
    by_machine = accepted**PRICES.digits
    lost = by_machine - (accepted - wrong) ** PRICES.digits
    assert table.loc["a", "to"] == pytest.approx(1000 * (PRICES.misdelivered * lost + (1 - by_machine) * PRICES.asking))
    assert table.loc["a", "from"] == pytest.approx(0.0)
    assert 0 < plain.loc["a", "from"] < plain.loc["a", "to"] < table.loc["a", "to"]
    rest, by_digit = (each.loc["a", "wrong of the rest"] for each in (table, plain))
    assert rest.low < by_digit.low
    assert rest.high == pytest.approx(wrong / accepted)


def test_answers_of_another_network_are_compared_with_no_claim(team):
    bill = pd.DataFrame({"p50": [1.0, 2.0, 3.0]}, index=list(team))
    seeds = metrics.mean_over_seeds([0.9, 0.92])
    rows = office.rows(team, bill=bill, seeds=seeds, claims={"final network": "hwd-new-100"}, split="toy")
    (answer,) = results.verdicts(rows)
    assert (answer.verdict, answer.reason) == ("not comparable", "another network and another test")
    assert [row.instead for row in rows if row.claim_id is None] == [""] * 5
    shipped_one = office.shipped_row(some_answers(3), split="toy", model="resnet", claim_id="nf264-production")
    assert results.verdicts([shipped_one])[0].reason.startswith("another network; ")
    assert office.shipped_row(some_answers(3), split="toy", model="resnet").instead == ""


def test_strangers_are_compared_by_fishers_test():
    held, tested = np.arange(500) >= 22, np.arange(1000) >= 25
    table, p = office.strangers(held, tested, {"first": np.arange(1000) < 100, "none": np.zeros(1000, bool)})
    assert table["wrong"].tolist() == [22, 25, 25]
    assert table["n"].tolist() == [500, 1000, 100]
    ways = [math.comb(500, k) * math.comb(1000, 47 - k) for k in range(48)]  # of sharing out 47 mistakes
    assert p == pytest.approx(sum(way for way in ways if way <= ways[22]) / math.comb(1500, 47))


def test_the_record_is_told_as_it_is():
    card = shipped.load_card()
    table = office.by_condition(card)
    shares = card["held_out"]["accuracy_by_candidate"][card["held_out"]["chosen"]]
    assert set(table.index) <= set(shares)
    assert all(table.loc[name, "read right"] == pytest.approx(shares[name]) for name in table.index)
    made_up = {"held_out": {"by_condition": {"x": {"n": 10, "accuracy": 0.9, "sent_to_human": 2,
                                                   "wrong_among_accepted": 1}},
                            "threshold_from_the_other_conditions": {"x": {"threshold": 0.7}}}}  # fmt: skip
    assert office.by_condition(made_up).loc["x"].to_dict() == pytest.approx(
        {"n": 10, "read right": 0.9, "sent": 0.2, "wrong of the rest": 1 / 8}
    )
    assert office.threshold_without(made_up, "x") == 0.7
    assert office.threshold_without(made_up, "y") is None


def test_the_shipped_row_has_the_conditions_of_the_record():
    card, row = shipped.load_card(), office.shipped_row(some_answers(3), split="toy", model="resnet")
    assert (row.value, row.n) == (0.997, 1000)
    assert row.passes == card["run"]["spec"]["epochs"]
    assert row.parameters == card["parameters"]
    assert row.train_images >= 55_000
    assert row.about_a_model
