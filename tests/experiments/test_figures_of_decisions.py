"""Figures of decisions and of damage: what is drawn is what was given."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation import calibration, metrics, selective, timing
from helpers.evaluation.predictor import Predictor
from helpers.experiments.sorting_office import decision_figures as charts
from helpers.experiments.sorting_office import robustness_figures as wear


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    confidence = rng.beta(9, 1, 800)
    return confidence, rng.random(800) < confidence


def test_reliability_marks_groups_without_mistakes(answers):
    table = calibration.reliability(*answers)
    table.loc[0, ["wrong", "error", "low"]] = 0, 0.0, 0.0
    fig = charts.reliability_chart({"a": table}, colours=["fast"])
    diagonal, line = fig.data
    assert list(diagonal.x) == list(diagonal.y)
    assert line.marker.symbol[0] == "triangle-down-open"
    assert line.y[0] == pytest.approx(table["high"].iloc[0])
    assert line.error_y.array[0] == line.error_y.arrayminus[0] == 0
    seen = (table["wrong"] > 0).to_numpy()
    assert 0 < seen.sum() < len(seen)
    assert np.asarray(line.y)[seen] == pytest.approx(table["error"][seen].to_numpy())
    assert np.asarray(line.y)[~seen] == pytest.approx(table["high"][~seen].to_numpy())
    assert np.add(line.y, line.error_y.array) == pytest.approx(table["high"].to_numpy())
    assert fig.layout.xaxis.type == fig.layout.yaxis.type == "log"


def test_the_trade_off_has_a_ring_at_the_chosen_point(answers):
    table = selective.trade_off(*answers)
    fig = charts.trade_off_chart({"a": (table, "fast", (0.1, 0.02))}, most_sent=0.3)
    line, ring = fig.data
    assert max(line.x) <= 0.3
    assert line.x[0] == 0
    assert line.y[0] == pytest.approx((~answers[1]).mean())
    assert (ring.x[0], ring.y[0]) == (0.1, 0.02)
    assert len(line.x) <= 401
    assert fig.layout.yaxis.type == "log"
    lines = {"a": (table, "fast", (0.01, 0.02)), "b": (table, "svm", (0.0715, 0.02))}
    fig = charts.trade_off_chart(lines)
    assert fig.layout.xaxis.range[1] > 0.0715, "every ring lies within the axis"
    assert max(fig.data[0].x) > 0.05
    assert charts.trade_off_chart({"a": lines["a"]}).layout.xaxis.range[1] == 0.05
    surest = selective.trade_off(answers[0], np.ones(800, bool))
    line, ring = charts.trade_off_chart({"a": (surest, "fast", (0.1, 0.0))}).data
    assert set(line.y) == {ring.y[0]} == {0.5 / 800}


def test_costs_over_prices_have_bands_where_there_are_limits():
    table = pd.DataFrame({"misdelivered": [1.0, 10.0], "cost": [2.0, 20.0], "low": [1.0, 10.0], "high": [3.0, 30.0]})
    lines = {"a": (table, "fast"), "b": (table[["misdelivered", "cost"]], "published")}
    fig = charts.price_chart(lines, here=2.0)
    band, first, second = fig.data
    assert list(band.x) == [1, 10, 10, 1]
    assert list(band.y) == [3, 30, 10, 1]
    assert list(first.y) == list(second.y) == [2, 20]
    assert (first.line.dash, second.line.dash) == ("solid", "dash")
    assert fig.layout.shapes[0].x0 == 2
    assert fig.layout.xaxis.type == fig.layout.yaxis.type == "log"


def test_the_cost_is_split_into_its_parts(answers):
    prices = selective.Prices(1.0, 0.05)
    table = selective.costs(*answers, prices=prices)
    chosen = selective.cheapest(table)
    fig = charts.cost_chart(table, chosen=chosen)
    whole, lost, asking, point = fig.data
    assert np.allclose(np.add(lost.y, asking.y), whole.y)
    assert point.y[0] == pytest.approx(table["cost"].min())
    assert (point.x[0], point.y[0]) in zip(whole.x, whole.y, strict=True)  # though most rows are left out
    assert len(whole.x) < len(table[table["human"] <= max(whole.x)])
    assert list(whole.x) == sorted(whole.x)
    assert np.allclose(asking.y, np.array(asking.x) * prices.asking)


@pytest.fixture
def bill():
    images = np.zeros((40, 28, 28), np.uint8)
    predictors = {name: Predictor(name, lambda x: np.eye(10)[np.zeros(len(x), int)], 2.0) for name in ("mlp", "fast")}
    return timing.price_list(predictors, images, np.repeat([0, 1], [39, 1]), seconds=0)


def test_a_bill_is_worded(bill):
    assert timing.bill(bill).loc["mlp", "accuracy"] == "97.50%"


def test_what_is_known_is_not_measured_again():
    asked = []
    predictor = Predictor("mlp", lambda x: asked.append(len(x)) or np.eye(10)[np.zeros(len(x), int)], 2.0)
    known = {"mlp": metrics.wilson(3, 4)}
    bill = timing.price_list({"mlp": predictor}, np.zeros((7, 28, 28), np.uint8), np.zeros(7), known=known, seconds=0)
    assert bill.loc["mlp", "estimate"] == 0.75
    assert set(asked) == {1, 256}, "only the timings"


def test_the_table_of_damage_has_the_first_row_on_top():
    shares = pd.DataFrame({"one": [0.031, np.nan], "two": [0.5, 0.995]}, index=["fog", "mean"])
    fig = wear.damage_table(shares)
    assert fig.layout.yaxis.ticktext == ("mean", "fog")  # the first row of a heatmap is its lowest
    assert fig.layout.xaxis.ticktext == ("one", "two")
    assert [list(row) for row in fig.data[0].text] == [["", "100"], ["3.1", "50"]]
    assert np.isnan(np.asarray(fig.data[0].z, float)[0, 0])
