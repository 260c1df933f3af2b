"""Figures of cross-validation: what is drawn is what was given."""

import numpy as np
import pandas as pd
import pytest

from helpers.experiments.kfold_cv import figures

RNG = np.random.default_rng(0)


def test_every_image_has_a_square_and_every_mistake_a_mark():
    seen, wrong = RNG.random(700) < 0.8, RNG.random(700) < 0.05
    fig = figures.seen_and_missed({"leaks": (seen, wrong), "honest": (np.zeros(700, bool), wrong)})
    grids = [np.array(trace.z, dtype=float) for trace in fig.data if trace.type == "heatmap"]
    assert [int((grid == 0).sum()) for grid in grids] == [seen.sum(), 0]
    assert [int((grid == 1).sum()) for grid in grids] == [700 - seen.sum(), 700]
    marks = [trace for trace in fig.data if trace.name == "misread"]
    for trace, grid, known in zip(marks, grids, (seen, np.zeros(700, bool)), strict=True):
        assert len(trace.x) == wrong.sum()
        on = np.array([grid[row, column] for row, column in zip(trace.y, trace.x, strict=True)])
        assert (on == 0).sum() == (wrong & known).sum()  # a mark stands on a square of its own kind
        assert len({(x, y) for x, y in zip(trace.x, trace.y, strict=True)}) == wrong.sum()
        assert trace.customdata.count("trained on before") == (wrong & known).sum()
    assert grids[0].shape[1] > 6 * grids[0].shape[0]
    assert [note.text for note in fig.layout.annotations] == ["leaks", "honest"]
    assert all("gl" not in trace.type for trace in fig.data)


def test_squares_need_matching_flags():
    flags = np.zeros(5, bool)
    for panels in ({}, {"a": (flags, flags[:4])}, {"a": (flags, np.zeros(5))}):
        with pytest.raises(ValueError, match="panels"):
            figures.seen_and_missed(panels)


def test_caterpillar_parts_those_that_miss():
    table = pd.DataFrame({"mean": [0.5, 0.6, 0.4], "naive low": [0.45, 0.59, 0.3], "naive high": [0.55, 0.62, 0.5]})
    fig = figures.caterpillar(table, 0.5)
    holds, misses = fig.data
    assert list(holds.x) == [0.4, 0.5]
    assert list(misses.x) == [0.6]
    assert list(misses.y) == [2]  # sorted by mean
    assert misses.error_x.array[0] == pytest.approx(0.02)
    assert "(1)" in misses.name
    with pytest.raises(ValueError, match="corrected low"):
        figures.caterpillar(table, 0.5, which="corrected")


def test_mistakes_are_counted_by_writer():
    fig = figures.mistakes_by_writer([0, 0, 2, 1, 0], [2.5, 1.5, 1.0])
    assert list(fig.data[0].y) == [3, 1, 1]
    assert list(fig.data[1].y) == [2.5, 1.5, 1.0]
    with pytest.raises(ValueError, match="expected: has 2 values, need 3"):
        figures.mistakes_by_writer([0, 2], [1.0, 1.0])
