"""Figures of sweeps: what is drawn is what was given."""

import numpy as np
import pandas as pd
import pytest

from helpers.experiments.knn_tree_sweeps import figures


def test_sweep_chart_draws_what_it_is_given():
    table = pd.DataFrame({"estimate": [0.5, 0.75], "low": [0.4, 0.7], "high": [0.6, 0.8]}, index=[1, 2])
    fig = figures.sweep_chart({"a": table, "a, one-hot": table[["estimate"]]}, x_title="k", printed={2: 0.7})
    drawn = {trace.name: trace for trace in fig.data if trace.name}
    assert list(drawn["a"].y) == [0.5, 0.75]
    assert drawn["a, one-hot"].line.dash == "dot"
    assert list(drawn["printed"].x) == [2]
    assert list(fig.layout.xaxis.tickvals) == [1, 2]


def test_neighbour_sheet_needs_one_label_for_each_query():
    images = np.ones((2, 4, 4))
    with pytest.raises(ValueError, match="argument"):
        figures.neighbour_sheet(images, [1], np.ones((2, 3, 4, 4)), np.ones((2, 3), int))
    assert figures.neighbour_sheet(images, [1, 2], np.ones((2, 3, 4, 4)), np.ones((2, 3), int)).axes


def test_digit_dots_are_where_the_scores_are():
    scores = pd.DataFrame({"precision": [0.9, 0.5], "recall": [0.8, 0.7]}, index=[3, 7])
    fig = figures.digit_dots({"kNN": scores, "tree": scores / 2}, colours={"kNN": "knn", "tree": "tree"})
    drawn = {trace.name: (list(trace.x), list(trace.y), trace.marker.symbol) for trace in fig.data}
    assert drawn["kNN, recall"] == ([0.8, 0.7], ["3", "7"], "circle")
    assert drawn["tree, precision"] == ([0.45, 0.25], ["3", "7"], "circle-open")


def test_luck_chart_has_the_quantiles_and_the_marks():
    drawn = pd.DataFrame({"validation": np.arange(101) / 100, "test": np.arange(101) / 200})
    fig = figures.luck_chart(drawn, {"printed": {"validation": 0.3, "test": 0.1}})
    box, mark = fig.data
    assert (list(box.median), list(box.q1), list(box.q3)) == ([0.5, 0.25], [0.25, 0.125], [0.75, 0.375])
    assert list(box.lowerfence) == pytest.approx([0.025, 0.0125])
    assert list(box.upperfence) == pytest.approx([0.975, 0.4875])
    assert (list(mark.x), list(mark.y)) == ([0.3, 0.1], ["validation", "test"])
