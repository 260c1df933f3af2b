"""Figures of decisions and of damage: what is drawn is what was given."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation import calibration, conformal, metrics, selective, timing
from helpers.evaluation.predictor import Predictor
from helpers.experiments.sorting_office import decision_figures as charts
from helpers.experiments.sorting_office import robustness
from helpers.experiments.sorting_office import robustness_figures as wear
from helpers.figures.style import PALETTE


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    confidence = rng.beta(9, 1, 800)
    return confidence, rng.random(800) < confidence


def test_reliability_marks_groups_without_mistakes(answers):
    table = calibration.reliability(*answers)
    table.loc[0, ["wrong", "error", "low"]] = 0, 0.0, 0.0
    fig = charts.reliability_chart({"a": table}, colours=["fast"], least=0)
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
    few = charts.reliability_chart({"a": table}, colours=["fast"], least=20).data[1]
    assert len(few.x) == (table["n"] >= 20).sum() < len(table)


def test_the_trade_off_has_a_ring_at_the_chosen_point(answers):
    table = selective.trade_off(*answers)
    fig = charts.trade_off_chart({"a": (table, "fast", (0.1, 0.02))}, most_sent=0.3)
    line, ring = fig.data
    assert max(line.x) <= 0.3
    assert line.x[0] == 0
    assert line.y[0] == pytest.approx((~answers[1]).mean())
    assert (ring.x[0], ring.y[0]) == (0.1, 0.02)
    assert len(line.x) <= 401


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


def test_coverage_is_drawn_beside_the_promise():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    members = rng.random((300, 3)) < 0.9
    table = conformal.coverage(members, labels)
    fig = charts.coverage_chart({"one": table, "two": table}, promise=0.9)
    assert fig.layout.shapes[0].y0 == 0.9
    assert list(fig.data[0].y) == pytest.approx(table["estimate"].tolist())
    assert fig.layout.xaxis.ticktext == ("0", "1", "2", "all")
    assert all(a < b for a, b in zip(fig.data[0].x, fig.data[1].x, strict=True))
    with pytest.raises(ValueError, match="zip"):
        charts.coverage_chart(dict.fromkeys("abc", table), promise=0.9)


@pytest.fixture
def bill():
    images = np.zeros((40, 28, 28), np.uint8)
    predictors = {name: Predictor(name, lambda x: np.eye(10)[np.zeros(len(x), int)], 2.0) for name in ("mlp", "fast")}
    return timing.price_list(predictors, images, np.repeat([0, 1], [39, 1]), seconds=0)


def test_latency_is_drawn_an_image_in_both_panels(bill):
    fig = wear.latency_chart(bill, hollow=["fast"])
    assert len(fig.data) == 4
    single, batch = fig.data[:2]
    assert single.x[0] == pytest.approx(bill["p50"].iloc[0])
    assert batch.x[0] == pytest.approx(bill["p50_256"].iloc[0] / 256)
    assert single.y[0] == pytest.approx(1 / 40)
    assert [trace.marker.symbol for trace in fig.data] == ["circle", "circle", "circle-open", "circle-open"]
    words = timing.bill(bill)
    assert words.loc["mlp", "accuracy"] == "97.50%"


def test_what_is_known_is_not_measured_again():
    asked = []
    predictor = Predictor("mlp", lambda x: asked.append(len(x)) or np.eye(10)[np.zeros(len(x), int)], 2.0)
    known = {"mlp": metrics.wilson(3, 4)}
    bill = timing.price_list({"mlp": predictor}, np.zeros((7, 28, 28), np.uint8), np.zeros(7), known=known, seconds=0)
    assert bill.loc["mlp", "estimate"] == 0.75
    assert set(asked) == {1, 256}, "only the timings"


@pytest.fixture
def damage():
    images = np.random.default_rng(2).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    answer = np.eye(10)[np.arange(20) % 10] * 0.9
    predictor = Predictor("mlp", lambda x: answer, 1.0, threshold=0.5)
    labels = np.arange(20) % 10
    labels[:4] = 9
    return robustness.measure({"one": predictor}, images, labels)


def test_damage_is_drawn_from_the_clean_image_on(damage):
    fig = wear.damage_curves(damage, {"one": "mlp"})
    assert len(fig.data) == 9
    assert list(fig.data[0].x) == [0, 1, 2, 3, 4, 5]
    assert fig.data[0].y[0] == damage["accuracy"].iloc[0]
    assert fig.data[0].line.color == PALETTE["mlp"]
    titles = [note.text for note in fig.layout.annotations]
    assert titles == damage["corruption"].unique()[1:].tolist()


def test_tables_of_damage(damage):
    summary = pd.concat([robustness.by_kind(damage), robustness.by_kind(damage) / 2])
    summary.index = ["best", "worst"]
    fig = wear.damage_table(summary)
    assert fig.layout.yaxis.ticktext == ("worst", "best")  # the first row of a heatmap is its lowest
    assert fig.data[0].text[1][0] == f"{100 * summary.iloc[0, 0]:.0f}"
    cells = wear.accepted_table(damage, "one").data[0]
    assert np.asarray(cells.text).shape == (9, 5)
    wrong = damage[damage["severity"] > 0]["accepted_error"].iloc[0]
    assert cells.text[-1][0] == f"{100 * wrong:.1f}"
