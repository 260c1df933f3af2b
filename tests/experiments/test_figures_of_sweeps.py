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
