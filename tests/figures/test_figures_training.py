"""Figures of trainings: what is drawn is what was given."""

import numpy as np
import pandas as pd
import pytest

from helpers.figures import training as figures


@pytest.fixture
def history():
    return pd.DataFrame(
        {"epoch": [1, 2, 3], "loss": [3.0, 2, 1], "val_loss": [2.0, 1.5, 1.8], "val_accuracy": [0.5, 0.7, 0.6],
         "accuracy": [0.4, 0.6, 0.9]}
    )  # fmt: skip


def test_learning_curves_mark_the_best_held_out_epoch(history):
    fig = figures.learning_curves({"a": history, "b": history}, {"a": "#111111", "b": "#222222"})
    marked = [trace for trace in fig.data if trace.mode == "markers"]
    assert [(trace.x[0], trace.y[0]) for trace in marked] == [(2, 1.5)] * 2
    best = [t for t in figures.learning_curves({"a": history}, {"a": "#1"[:1] + "111"}, quantity="accuracy").data
            if t.mode == "markers"]  # fmt: skip
    assert best[0].y[0] == 0.7
    assert all("gl" not in trace.type for trace in fig.data)


def test_a_few_epochs_get_a_tick_each(history):
    few, many = history.iloc[:2], pd.concat([history] * 12).assign(epoch=range(1, 12 * len(history) + 1))
    for one, step in ((few, 1), (many, None)):
        fig = figures.learning_curves({"a": one}, {"a": "#111111"})
        assert fig.layout.xaxis.dtick == step


def test_learning_curves_without_validation(history):
    fig = figures.learning_curves({"a": history.assign(val_loss=np.nan)}, {"a": "#111111"})
    assert not [trace for trace in fig.data if trace.mode == "markers"]


def test_learning_curves_refuse(history):
    with pytest.raises(ValueError, match="quantity"):
        figures.learning_curves({"a": history}, {"a": "#111111"}, quantity="speed")
    with pytest.raises(ValueError, match="colours"):
        figures.learning_curves({"a": history}, {})


@pytest.fixture
def table():
    rows = {"cheap": (0.03, 1.0), "good": (0.01, 5.0), "worse": (0.02, 9.0)}
    frame = pd.DataFrame(rows, index=["error", "seconds"]).T
    return frame.assign(low=frame["error"] / 2, high=frame["error"] * 2, parameters=frame["seconds"] * 10)


def drawn(fig):
    """What is drawn in a panel: all but the marks of the legend, which have no place."""
    return [trace for trace in fig.data if trace.x[0] is not None]


def test_unbeaten_leaves_out_whoever_is_dearer_and_worse(table):
    assert figures.unbeaten(table["seconds"], table["error"]).tolist() == [True, True, False]
    twins = pd.Series([1.0, 1.0]), pd.Series([0.1, 0.1])
    assert figures.unbeaten(*twins).all()


def test_frontier_draws_every_network_in_every_panel(table):
    fig = figures.frontier(table, {"seconds": "s", "parameters": "weights"}, colours=["#111", "#222", "#333"])
    named = [trace for trace in drawn(fig) if trace.name in table.index]
    assert len(named) == 6
    assert named[0].error_y.array[0] == pytest.approx(0.03)
    assert fig.layout.xaxis.type == fig.layout.yaxis.type == "log"


def test_marks_tell_kinds_apart_and_are_hollow_off_the_frontier(table):
    kinds = ["diamond", "circle", "diamond"]
    fig = figures.frontier(table, {"seconds": "s"}, colours=["#111", "#222", "#333"], symbols=kinds)
    found = {trace.name: trace.marker.symbol for trace in drawn(fig) if trace.name in table.index}
    assert found == {"cheap": "diamond", "good": "circle", "worse": "diamond-open"}


def test_the_legend_has_one_mark_for_each_and_all_are_filled(table):
    kinds = ["diamond", "circle", "diamond"]
    fig = figures.frontier(
        table, {"seconds": "s", "parameters": "weights"}, colours=["#111", "#222", "#333"], symbols=kinds
    )
    legend = [trace for trace in fig.data if trace.showlegend is not False]
    assert [(trace.name, trace.marker.symbol) for trace in legend] == list(zip(table.index, kinds, strict=True))
    assert {trace.legendgroup for trace in drawn(fig) if trace.name in table.index} == set(table.index)


def test_a_measured_cost_has_no_frontier(table):
    costs = {"seconds": "s", "parameters": "weights"}
    fig = figures.frontier(table, costs, colours=["#111", "#222", "#333"], measured=["seconds"])
    lines = [trace for trace in fig.data if trace.mode == "lines"]
    assert [trace.xaxis for trace in lines] == ["x2"], "only the other panel has one"
    hollow = {
        (trace.xaxis, trace.name): trace.marker.symbol.endswith("-open") for trace in drawn(fig) if trace.marker.symbol
    }
    assert {name: hollow["x", name] for name in table.index} == dict.fromkeys(table.index, True)
    assert {name: hollow["x2", name] for name in table.index} == {"cheap": False, "good": False, "worse": True}
    with pytest.raises(ValueError, match="measured"):
        figures.frontier(table, costs, colours=["#1"] * 3, measured=["hours"])


def test_frontier_refuses(table):
    with pytest.raises(ValueError, match="lacks"):
        figures.frontier(table, {"flops": "f"}, colours=["#1"] * 3)
    with pytest.raises(ValueError, match="above 0"):
        figures.frontier(table.assign(seconds=0), {"seconds": "s"}, colours=["#1"] * 3)


def test_weight_sheet_is_symmetric_about_white():
    fig = figures.weight_sheet(np.array([[[1.0, -3.0]], [[0.0, 0.0]]]), titles=["a", "b"])
    assert [axes.images[0].get_clim() for axes in fig.axes] == [(-3, 3), (-1, 1)]
    with pytest.raises(ValueError, match="weights"):
        figures.weight_sheet(np.zeros((0, 2, 2)))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 1000, [1, 10, 100, 1000]),
        (9e4, 6e5, [1e5, 2e5, 5e5]),
        (0.003, 0.03, [0.003, 0.01, 0.03]),
        (0.8, 1.3, [0.8, 0.9, 1.0, 1.2, 1.4]),
        (10, 50, [10, 20, 50]),
    ],
)
def test_log_ticks_are_round_and_few(low, high, ticks):
    assert figures.log_ticks(low, high) == pytest.approx(ticks)


def test_axis_values_are_written_briefly():
    assert [figures._short(v) for v in (0.8, 50, 200_000, 1e7, 1.5e9)] == ["0.8", "50", "200k", "10M", "1.5G"]
