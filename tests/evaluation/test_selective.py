"""Deciding: thresholds against brute force, conformal promises against simulation."""

import itertools

import numpy as np
import pytest

from helpers.evaluation import conformal, selective
from helpers.evaluation.selective import Prices


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    confidence = np.round(rng.beta(8, 1, 600), 2)  # rounded, so that many are equal
    return confidence, rng.random(600) < confidence


# --- one digit -------------------------------------------------------------------------------------------------------


def test_the_trade_off_agrees_with_trying_every_threshold(answers):
    confidence, correct = answers
    table = selective.trade_off(confidence, correct)
    assert np.array_equal(table["threshold"], np.unique(confidence))
    for row in table.itertuples():
        accepted = confidence >= row.threshold
        assert row.accepted == accepted.sum()
        assert row.wrong == (accepted & ~correct).sum()
        assert row.sent == pytest.approx(1 - accepted.mean())
        assert row.error == pytest.approx((~correct[accepted]).mean())


def test_the_threshold_is_the_lowest_that_keeps_its_promise(answers):
    confidence, correct = answers
    threshold = selective.threshold_for(confidence, correct, wrong_share=0.08)

    def share(t):
        return np.mean(~correct[confidence >= t])

    assert 0 < threshold < 1
    assert share(threshold) <= 0.08
    assert all(share(t) > 0.08 for t in np.unique(confidence[confidence < threshold]))
    assert selective.threshold_for(confidence, np.zeros(600, bool), wrong_share=0.08) == 1
    assert selective.threshold_for(confidence, np.ones(600, bool), wrong_share=0.08) == confidence.min()


def brute_cost(confidence, correct, threshold, prices, n_codes=200_000):
    """Price codes of digits drawn with replacement, one by one."""
    rows = np.random.default_rng(1).integers(0, len(confidence), (n_codes, prices.digits))
    asked = (confidence[rows] < threshold).any(axis=1)
    lost = ~asked & ~correct[rows].all(axis=1)
    human_lost = asked.mean() * prices.human_error
    return 1000 * (asked.mean() * prices.human + (lost.mean() + human_lost) * prices.misdelivered)


def test_costs_agree_with_a_simulated_post(answers):
    confidence, correct = answers
    prices = Prices(1.5, 0.1, human_error=0.02, digits=5)
    for threshold in (0.0, 0.5, 0.8, 0.95):
        found = selective.outcome(confidence, correct, threshold=threshold, prices=prices)
        assert found["cost"] == pytest.approx(brute_cost(confidence, correct, threshold, prices), rel=0.02)


def test_letters_lost_and_letters_asked_are_counted_one_by_one():
    """Every letter of two digits there can be, priced by a human who misreads a tenth of what he is given."""
    confidence, correct = np.array([0.9, 0.9, 0.8, 0.4, 0.3]), np.array([True, True, False, True, False])
    prices = Prices(2.0, 0.5, human_error=0.1, digits=2)
    asked = lost = money = 0.0
    for pair in itertools.product(range(5), repeat=2):
        if any(confidence[i] < 0.8 for i in pair):
            asked, lost, money = asked + 1, lost + 0.1, money + 0.5 + 0.1 * 2.0
        elif not all(correct[i] for i in pair):
            lost, money = lost + 1, money + 2.0
    found = selective.outcome(confidence, correct, threshold=0.8, prices=prices)
    assert (found["sent"], found["error"]) == (pytest.approx(0.4), pytest.approx(1 / 3))
    expected = {"human": 40 * asked, "misdelivered": 40 * lost, "cost": 40 * money}  # of 1,000 letters, not of 25
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    (row,) = selective.costs(confidence, correct, prices=prices).query("threshold == 0.8").to_dict("records")
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["lost_cost"] == pytest.approx(40 * 5 * 2.0)  # five pairs hold the sure mistake and no doubtful digit


def test_the_choice_is_the_cheapest_and_asks_least(answers):
    confidence, correct = answers
    prices = Prices(2.0, 0.15, digits=3)
    chosen = selective.cheapest(selective.costs(confidence, correct, prices=prices))
    costs = {
        t: selective.outcome(confidence, correct, threshold=t, prices=prices)["cost"] for t in np.unique(confidence)
    }
    assert chosen["cost"] == pytest.approx(min(costs.values()))
    assert chosen["threshold"] == min(t for t, cost in costs.items() if cost <= min(costs.values()) + 1e-9)
    same = selective.cheapest(selective.costs(confidence, np.ones(600, bool), prices=prices))  # never wrong: never ask
    assert same["sent"] == 0


def test_of_equally_cheap_choices_the_one_that_asks_least_is_taken():
    """Asking costs just what a mistake costs, so whom to ask of the two mistakes makes no difference."""
    confidence, correct = np.array([0.9, 0.8, 0.7, 0.6, 0.6]), np.array([True, True, True, False, False])
    table = selective.costs(confidence, correct, prices=Prices(2.0, 2.0, digits=1))
    assert table["cost"].tolist() == pytest.approx([800, 800, 1200, 1600])
    assert table["threshold"].tolist() == [0.6, 0.7, 0.8, 0.9]
    assert selective.cheapest(table)["threshold"] == 0.6


def test_chows_rule_is_the_cheapest_threshold_of_a_calibrated_reader():
    rng = np.random.default_rng(2)
    confidence = np.round(rng.uniform(0.5, 1, 400_000), 3)
    correct = rng.random(400_000) < confidence
    prices = Prices(1.0, 0.1, human_error=0.05, digits=1)
    assert selective.chow_threshold(prices) == pytest.approx(0.85)
    assert selective.cheapest(selective.costs(confidence, correct, prices=prices))["threshold"] == pytest.approx(
        0.85, abs=0.02
    )


def test_policies_are_outcomes_by_name(answers):
    prices = Prices(1, 0.05)
    table = selective.policies(*answers, thresholds={"all": 0.0, "none": 2.0, "some": 0.9}, prices=prices)
    assert table.loc["none", "cost"] == pytest.approx(1000 * prices.asking)
    assert table.loc["all", "human"] == 0
    assert table.loc["some", "sent"] == pytest.approx((answers[0] < 0.9).mean())


def test_the_limits_of_a_cost_are_the_costs_at_the_limits_of_the_mistakes():
    prices = Prices(2.0, 0.03, human_error=0.005)
    found = selective.cost_limits({"n": 10_000, "accepted": 9_760, "accepted_wrong": 4}, prices)

    def cost(wrong):
        machine = 0.976**5
        return 1000 * (2 * (machine - (0.976 - wrong) ** 5) + (1 - machine) * 0.04)

    z, n, k = 1.959964, 10_000, 4  # Wilson's limits, written out
    middle, half = k + z * z / 2, z * (k * (1 - k / n) + z * z / 4) ** 0.5
    assert found.estimate == pytest.approx(cost(k / n))
    assert found.low == pytest.approx(cost((middle - half) / (n + z * z)), rel=1e-5)
    assert found.high == pytest.approx(cost((middle + half) / (n + z * z)), rel=1e-5)
    nothing = selective.cost_limits({"n": 50, "accepted": 0, "accepted_wrong": 0}, prices)
    assert (nothing.low, nothing.high) == pytest.approx((40, 40))  # nobody is asked but the clerk


def test_limits_of_costs_let_both_vary_what_is_accepted_and_what_is_wrong():
    rng = np.random.default_rng(4)
    accepted, correct = rng.random(400) < 0.9, rng.random(400) < 0.9
    prices = Prices(1.0, 0.3)

    def cost(rows):
        share, good = accepted[rows].mean(), (accepted & correct)[rows].mean()
        return 1000 * (share**5 - good**5 + 0.3 * (1 - share**5))

    found = selective.cost_interval(accepted, correct, prices, n_resamples=6000)
    assert found.estimate == pytest.approx(cost(np.arange(400)))
    drawn = [cost(rng.integers(0, 400, 400)) for _ in range(6000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    counts = {"n": 400, "accepted": int(accepted.sum()), "accepted_wrong": int((accepted & ~correct).sum())}
    fixed = selective.cost_limits(counts, prices)
    # Drawn one by one, and no narrower than with the share accepted as it is.
    assert found.low == pytest.approx(min(low, fixed.low), abs=0.05 * (high - low))
    assert found.high == pytest.approx(max(high, fixed.high), abs=0.05 * (high - low))
    groups = rng.permutation(np.repeat(np.arange(20), 20))
    by_group = selective.cost_interval(accepted, correct, prices, groups=groups, n_resamples=6000)
    members = [np.flatnonzero(groups == each) for each in range(20)]
    drawn = [cost(np.concatenate([members[i] for i in rng.integers(0, 20, 20)])) for _ in range(3000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert by_group.low == pytest.approx(min(low, fixed.low), abs=0.06 * (high - low))
    assert by_group.high == pytest.approx(max(high, fixed.high), abs=0.06 * (high - low))
    with pytest.raises(ValueError, match="groups: got 1"):
        selective.cost_interval(accepted, correct, prices, groups=np.zeros(400))


def test_mistakes_that_were_not_made_are_allowed_for():
    """No resample has one, and yet the limit of 100 faultless digits is not nothing."""
    everything = np.ones(100, bool)
    found = selective.cost_interval(everything, everything, Prices(2.0, 0.03))
    z = 1.959964
    assert (found.estimate, found.low) == (0, 0)
    assert found.high == pytest.approx(2000 * (1 - (1 - z * z / (100 + z * z)) ** 5), rel=1e-5)


def test_costs_over_prices_are_costs_at_each():
    count, prices = {"n": 1000, "accepted": 900, "accepted_wrong": 5}, Prices(2.0, 0.03, human_error=0.01)
    table = selective.costs_by_price(count, prices, [0.5, 8.0])
    for row in table.itertuples():
        one = selective.cost_limits(count, Prices(row.misdelivered, 0.03, human_error=0.01))
        assert (row.cost, row.low, row.high) == (one.estimate, one.low, one.high)


def test_a_difference_in_cost_agrees_with_drawing_digits_one_by_one():
    rng = np.random.default_rng(3)
    a, b = ((rng.random(300) < 0.9, rng.random(300) < right) for right in (0.9, 0.97))
    prices = Prices(1.0, 0.1)

    def cost(pair, rows):
        taken, right = (part[rows] for part in pair)
        share, good = taken.mean(), (taken & right).mean()
        return 1000 * (share**5 - good**5 + 0.1 * (1 - share**5))

    found = selective.cost_difference(a, b, prices, n_resamples=3000)
    assert found.estimate == pytest.approx(cost(a, np.arange(300)) - cost(b, np.arange(300)))
    drawn = [rng.integers(0, 300, 300) for _ in range(3000)]
    low, high = np.quantile([cost(a, rows) - cost(b, rows) for rows in drawn], [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.08 * (high - low))
    same = selective.cost_difference(a, a, prices)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)


def test_a_machine_pays_from_where_savings_meet_its_price():
    letters = selective.break_even(8.0, once=50_000, yearly=2_000, years=5)
    assert letters * 8.0 / 1000 * 5 == pytest.approx(50_000 + 5 * 2_000)
    assert selective.break_even(0.0, once=1, yearly=1, years=1) == np.inf
    with pytest.raises(ValueError, match="years"):
        selective.break_even(1.0, once=1, yearly=1, years=0)


def test_offers_count_each_model_at_its_own_threshold(answers):
    correct = answers[1]
    prices = Prices(1.0, 0.05)
    table = selective.offers({"a": answers, "b": answers}, thresholds={"a": 0.9, "b": 0.0}, prices=prices)
    assert table["threshold"].tolist() == [0.9, 0.0]
    row = table.loc["a"]
    assert row["accuracy"] == pytest.approx(correct.mean())
    assert row["codes"] == pytest.approx(correct.mean() ** 5)
    assert row["cost"] == pytest.approx(selective.outcome(*answers, threshold=0.9, prices=prices)["cost"])
    assert table.loc["b", "human"] == 0


def test_offers_do_not_look_for_a_better_threshold():
    """By hand: never asking would be cheapest here, and still every doubtful letter goes to a human, as told."""
    found = selective.offers(
        {"a": (np.array([0.9, 0.6, 0.5, 0.4]), np.ones(4, bool))},
        thresholds={"a": 0.9},
        prices=Prices(5.0, 2.0, digits=1),
    )
    assert found.loc["a", ["threshold", "human", "misdelivered", "cost"]].tolist() == pytest.approx([0.9, 750, 0, 1500])


def test_prospects_count(answers):
    confidence, correct = answers
    count = selective.tally(confidence, correct, threshold=0.9)
    kept = confidence >= 0.9
    assert count == {
        "n": 600,
        "right": correct.sum(),
        "accepted": kept.sum(),
        "accepted_wrong": (kept & ~correct).sum(),
    }
    table = selective.prospects({"here": count, "nowhere": {**count, "accepted": 0, "accepted_wrong": 0}})
    assert table.loc["here", "accuracy"].estimate == pytest.approx(correct.mean())
    assert table.loc["here", "sent"] == f"{1 - kept.mean():.2%}"
    assert table.loc["here", "wrong of the rest"].estimate == pytest.approx((~correct[kept]).mean())
    assert table.loc["nowhere", "wrong of the rest"] is None


def test_decisions_refuse(answers):
    with pytest.raises(ValueError, match="misdelivered"):
        Prices(0, 1)
    with pytest.raises(ValueError, match="human_error"):
        Prices(1, 1, human_error=1)
    with pytest.raises(ValueError, match="digits"):
        Prices(1, 1, digits=0)
    with pytest.raises(ValueError, match="correct"):
        selective.trade_off([0.5], [1])
    with pytest.raises(ValueError, match="NaN"):
        selective.trade_off([np.nan], np.array([True]))


# --- sets ------------------------------------------------------------------------------------------------------------


def world(n, seed):
    """Probabilities that are poor guesses, and labels from other probabilities: nothing a promise could lean on."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    logits = rng.normal(0, 1, (n, 4)) + 2.0 * np.eye(4)[labels] * (1 + labels[:, None])  # class 0 is the hardest
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True), labels


def test_the_quantile_is_the_promised_order_statistic():
    scores = np.arange(1, 100) / 100  # 99 of them: (99 + 1) * 0.9 = the 90th
    assert conformal.quantile(scores, miss_rate=0.1) == pytest.approx(0.90)
    assert conformal.quantile(scores, miss_rate=0.01) == pytest.approx(0.99)
    assert conformal.quantile(scores[:50], miss_rate=0.01) == float("inf")


def test_the_promise_is_kept_on_average_and_within_its_spread():
    got = []
    for seed in range(300):
        p, y = world(400, seed)
        members = conformal.sets(p[200:], conformal.fit(p[:200], y[:200], miss_rate=0.1))
        got.append(conformal.covered(members, y[200:]).mean())
    # Exactly ceil(201 * 0.9) / 201 for continuous scores; the error of 300 means is about 0.002.
    assert np.mean(got) == pytest.approx(181 / 201, abs=0.006)


def test_the_spread_between_calibration_sets_is_that_of_theory():
    p_new, y_new = world(20_000, 999)
    got = []
    for seed in range(300):
        p, y = world(200, seed)
        got.append(conformal.covered(conformal.sets(p_new, conformal.fit(p, y, miss_rate=0.1)), y_new).mean())
    low, high = conformal.promised(200, miss_rate=0.1)
    assert np.quantile(got, [0.025, 0.975]) == pytest.approx([low, high], abs=0.012)
    assert conformal.promised(50, miss_rate=0.01) == (1.0, 1.0)


@pytest.mark.parametrize(("n", "miss_rate"), [(99, 0.1), (19, 0.1), (200, 0.1), (500, 0.01)])
def test_the_promised_limits_are_those_of_an_order_statistic_of_uniform_scores(n, miss_rate):
    """Coverage is where the limit lies among uniform scores: the ceil((n + 1) (1 - miss_rate))-th smallest of n."""
    rank = int(np.ceil(round((n + 1) * (1 - miss_rate), 9)))
    draws = np.sort(np.random.default_rng(0).random((20_000, n)), axis=1)[:, rank - 1]
    low, high = conformal.promised(n, miss_rate=miss_rate)
    shares = np.mean(draws < low), np.mean(draws > high)
    assert shares == pytest.approx((0.025, 0.025), abs=0.005)


def test_coverage_counted_on_few_images_has_their_luck_in_addition():
    """The true coverage is drawn first, as above, and then how many of the new images it holds."""
    rng = np.random.default_rng(0)
    limits = np.sort(rng.random((20_000, 200)), axis=1)[:, 180]  # the ceil(201 * 0.9) = 181st smallest
    counted = rng.binomial(400, limits) / 400
    low, high = conformal.promised(200, miss_rate=0.1, measured_on=400)
    outside = np.mean(counted < low), np.mean(counted > high)
    assert outside == pytest.approx((0.022, 0.025), abs=0.004)  # whole images: a little less than 0.025 each
    exact = conformal.promised(200, miss_rate=0.1)
    assert low < exact[0]
    assert high > exact[1]
    assert conformal.promised(200, miss_rate=0.1, measured_on=20_000) == pytest.approx(exact, abs=1e-3)
    assert conformal.promised(50, miss_rate=0.01, measured_on=400) == (1.0, 1.0)


def test_limits_per_class_protect_the_hard_class():
    p, y = world(20_000, 0)
    fit = {"calibration": (p[:10_000], y[:10_000]), "test": (p[10_000:], y[10_000:])}
    one, each = (
        conformal.coverage(
            conformal.sets(fit["test"][0], conformal.fit(*fit["calibration"], miss_rate=0.1, by_class=flag)),
            fit["test"][1],
        )
        for flag in (False, True)
    )
    assert one.loc["all", "estimate"] == pytest.approx(0.9, abs=0.01)
    assert one.loc["0", "estimate"] < 0.85
    assert np.allclose(each["estimate"], 0.9, atol=0.03)
    assert one.loc["0", "n"] == (fit["test"][1] == 0).sum()


def test_too_few_images_of_a_class_give_sets_of_everything():
    p, y = world(60, 0)
    limits = conformal.fit(p, y, miss_rate=0.01, by_class=True)
    assert np.isinf(limits).all()
    assert conformal.sets(p, limits).all()


def test_the_overview_measures_both_kinds():
    p, y = world(4000, 1)
    table = conformal.overview((p[:2000], y[:2000]), (p[2000:], y[2000:]), miss_rates=[0.1, 0.02])
    assert len(table) == 4
    assert table["coverage"].iloc[0].estimate == pytest.approx(0.9, abs=0.03)
    assert float(table["size"].iloc[2]) > float(table["size"].iloc[0])
    with pytest.raises(ValueError, match="miss_rate"):
        conformal.quantile([0.1], miss_rate=0)
    with pytest.raises(ValueError, match="y_true"):
        conformal.fit(p, y[:5], miss_rate=0.1)


def test_augrc_is_the_mean_over_all_coverages_counted_one_by_one():
    rng = np.random.default_rng(4)
    confidence, correct = rng.random(50), rng.random(50) < 0.8
    ranked = correct[np.argsort(-confidence)]
    joint = [sum(not ranked[i] for i in range(accepted)) / 50 for accepted in range(1, 51)]
    assert selective.augrc(confidence, correct) == pytest.approx(sum(joint) / 50)
    assert selective.augrc(correct.astype(float), correct) < selective.augrc(confidence, correct)
    assert selective.augrc([0.5, 0.4], np.array([True, True])) == 0
