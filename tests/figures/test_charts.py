"""Charts say what they were given: positions, intervals, numbers in cells."""

import numpy as np
import pytest

from helpers.evaluation import metrics
from helpers.figures import charts, matrices


def test_intervals_are_limits_not_distances():
    fig = charts.intervals(["a", "b"], [0.9, 0.95], low=[0.85, None], high=[0.93, None])
    (trace,) = fig.data
    assert list(trace.x) == [0.9, 0.95]
    assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(0.85)
    assert trace.x[0] + trace.error_x.array[0] == pytest.approx(0.93)
    assert trace.error_x.array[1] == 0
    assert trace.customdata[0] == "90.00% [85.00%, 93.00%]"
    assert trace.customdata[1] == "95.00%"


def test_intervals_bring_their_own_limits():
    score = metrics.wilson(90, 100)
    (trace,) = charts.intervals(["a"], [score]).data
    assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(score.low)
    assert trace.x[0] + trace.error_x.array[0] == pytest.approx(score.high)


def test_bars_begin_at_zero():
    fig = charts.intervals(["a"], [0.9], bars=True, reference=(0.97, "published"))
    assert fig.data[0].type == "bar"
    assert fig.data[0].base is None
    assert fig.layout.shapes[0].x0 == 0.97
    assert fig.layout.annotations[0].text == "published"


def test_a_curve_and_its_band():
    fig = charts.curves(
        [charts.Curve("c", [1, 10], [0.5, 0.6], low=[0.4, 0.5], high=[0.7, 0.8])],
        x_title="n",
        y_title="accuracy",
        log_x=True,
        mark=(10, 0.6, "here"),
    )
    band, line = fig.data
    assert list(zip(band.x, band.y, strict=True)) == [(1, 0.7), (10, 0.8), (10, 0.5), (1, 0.4)]
    assert list(line.y) == [0.5, 0.6]
    assert fig.layout.annotations[0].x == 1  # plotly's logarithmic axes are annotated in powers of ten


def test_surface_keeps_the_true_numbers_below_the_floor():
    fig = matrices.surface(
        [[0.1, 0.5], [0.9, 0.8]], ["1", "2"], ["x", "y"], x_title="a", y_title="b", best=(1, 0), floor=0.4
    )
    (trace,) = fig.data
    assert trace.text[0][0] == "10.0"
    assert trace.z[0][0] == 0.4
    frame = fig.layout.shapes[0]
    assert ((frame.x0 + frame.x1) / 2, (frame.y0 + frame.y1) / 2) == (0, 1)


def test_a_cell_without_a_number_is_empty_and_colours_nothing():
    (trace,) = matrices.surface([[np.nan, 0.5], [0.9, np.nan]], ["1", "2"], ["x", "y"], x_title="a", y_title="b").data
    assert [list(row) for row in trace.text] == [["", "50.0"], ["90.0", ""]]
    assert np.isnan(trace.z[0][0])
    assert np.nanmin(trace.z) == 0.5


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: charts.intervals(["a"], [1, 2]), "labels"),
        (lambda: charts.intervals([], []), "labels"),
        (lambda: charts.intervals(["a"], [0.5], low=[0.6]), "low and high"),
        (lambda: charts.intervals(["a"], [0.5], low=[0.1, 0.2]), "low"),
        (lambda: charts.curves([], x_title="x", y_title="y"), "lines"),
        (lambda: charts.curves([charts.Curve("c", [1], [1, 2])], x_title="x", y_title="y"), "'c'"),
        (lambda: charts.curves([charts.Curve("c", [1], [1], low=[0])], x_title="x", y_title="y"), "'c'"),
        (lambda: matrices.surface([[1]], ["a", "b"], ["c"], x_title="", y_title=""), "values"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_no_figure_needs_webgl_or_carries_its_own_text_colour():
    fig = charts.intervals(["a"], [0.5])
    assert all("gl" not in trace.type for trace in fig.data)
    assert fig.layout.font.color is None


def test_a_label_of_several_lines_has_the_room_of_as_many():
    """Lines of 14 pixels stand 18 apart; labels of three lines would run into each other in rows for two."""
    short = [f"row {i}" for i in range(12)]
    long = [*short[1:], "a rectangle of three to nine pixels a side erased in half of all the images that are seen"]
    heights = [charts.intervals(labels, [0.5] * 12).layout.height for labels in (short, long)]
    lines = charts.intervals(long, [0.5] * 12).layout.yaxis.ticktext[-1].count("<br>") + 1
    assert lines >= 3
    assert heights[1] >= 12 * 18 * lines > heights[0]
