"""Figures of a ladder: what is drawn is what was given, and what could be luck is drawn as such."""

import numpy as np
import pandas as pd
import pytest
from test_fit import make_split, small

from helpers.experiments.augmentation_annealing import figures
from helpers.figures.style import PALETTE
from helpers.models import schedules
from helpers.training import fit


@pytest.fixture(scope="module")
def split():
    return make_split()


@pytest.fixture
def frame():
    rows = {"one": (0.98, 0.97, 0.99, np.nan), "two": (0.99, 0.985, 0.995, 0.991), "three": (0.95, 0.94, 0.96, 0.94)}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", "low", "high", "competition"])
    return frame.assign(colour=["recog", "new", "big"])


COLOURS = ["recog", "new", "big"]


def trace(fig, name):
    return next(t for t in fig.data if t.name and name in t.name)


def test_open_dots_are_steps_that_could_be_luck(frame):
    fig = figures.ladder(frame, visible={"two": False, "three": True})
    seen, luck, start = (trace(fig, words) for words in ("could be seen", "could be luck", "no step"))
    assert list(luck.y) == [1]
    assert luck.x[0] == pytest.approx(0.01)
    assert luck.marker.symbol == "circle-open"
    assert (list(seen.y), seen.marker.symbol) == ([2], "circle")
    assert list(seen.marker.color) == [PALETTE["big"]]
    assert (list(start.y), start.marker.symbol) == ([0], "diamond-open"), "the first rung is no step that was seen"
    # An error's lower limit is the accuracy's upper one.
    assert list(seen.error_x.arrayminus) == pytest.approx([0.01])
    assert list(luck.error_x.array) == pytest.approx([0.005])
    assert list(trace(fig, "competition").y) == [1, 2]
    assert [(a.text, a.y) for a in fig.layout.annotations] == [("one", 0), ("two", 1), ("three", 2)]
    assert fig.layout.yaxis.range[0] > fig.layout.yaxis.range[1]  # the first on top


def test_ours_stand_beside_theirs(frame):
    fig = figures.ladder(frame, visible={}, ours=frame.loc[["three"]], our_name="recorded")
    with_stranger = frame.rename({"one": "four"}).loc[["four", "three"]]
    again = figures.ladder(frame, visible={}, ours=with_stranger, our_name="recorded")
    assert len(trace(again, "recorded").y) == 1
    mine = trace(fig, "recorded")
    assert mine.x[0] == pytest.approx(0.05)
    assert 2 < mine.y[0] < 2.5


def test_ladder_refuses(frame):
    with pytest.raises(ValueError, match="four"):
        figures.ladder(frame, visible={"four": True})
    with pytest.raises(ValueError, match="lacks"):
        figures.ladder(frame.drop(columns="low"), visible={})
    with pytest.raises(ValueError, match="logarithmic"):
        figures.ladder(frame.assign(accuracy=1.0, high=1.0), visible={})


def test_repeats_are_all_drawn():
    errors = {"a": [0.01, 0.02, 0.06], "b": [0.01], "c": [0.02]}
    fig = figures.repeats(errors, colours=COLOURS, told_apart={"b": False, "c": True})
    dots = [t for t in fig.data if t.mode == "markers"]
    assert list(dots[0].x) == errors["a"]
    assert fig.data[0].x[0] == pytest.approx(0.03)
    assert [t.marker.symbol for t in dots] == ["diamond-open", "circle-open", "circle"]
    with pytest.raises(ValueError, match="errors"):
        figures.repeats({"a": [0.0]}, colours=COLOURS[:1], told_apart={})


def test_annealing_puts_rates_over_losses(split, tmp_path):
    runs = {
        "step": [fit.run(small(split, schedule="step", seed=seed), store=tmp_path) for seed in (0, 1)],
        "cosine": [fit.run(small(split, schedule="cosine", seed=seed), store=tmp_path) for seed in (0, 1)],
    }
    fig = figures.annealing(runs)
    above, below = ([t for t in fig.data if t.yaxis == axis] for axis in ("y", "y2"))
    assert len(above) == 4
    assert len(below) == 6
    thick = [t for t in below if t.line.width == 3]
    assert [t.name for t in thick] == ["step", "cosine"]
    losses = [run.history["val_loss"] for run in runs["step"]]
    assert list(thick[0].y) == pytest.approx((losses[0] + losses[1]) / 2)
    with pytest.raises(ValueError, match="colours"):
        figures.annealing({"zigzag": runs["step"]})


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "step"])
def test_rates_are_those_of_the_schedule(split, tmp_path, name):
    run = fit.run(small(split, schedule=name), store=tmp_path)
    used = figures.rates_used(run)
    assert np.array_equal(used["rate"], schedules.rates(name, 20, peak=0.05))
    assert used["epoch"].iloc[0] == pytest.approx(0.05)
    assert used["epoch"].iloc[-1] == pytest.approx(1.95)


def test_rates_of_a_plateau_are_what_happened(split, tmp_path):
    # A rate that cannot improve anything: the rule fires after every epoch but the first.
    options = {"patience": 1, "minimum": 0.0}
    spec = small(split, epochs=4, schedule="plateau", schedule_options=options, learning_rate=1e-12)
    run = fit.run(spec, store=tmp_path)
    used = figures.rates_used(run)
    assert used["epoch"].tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
    np.testing.assert_allclose(used["rate"], np.repeat([1e-12, 1e-12, 5e-13, 2.5e-13], 2), rtol=1e-5)


def test_replacement_reaches_to_the_images_it_is_worth():
    curve = pd.DataFrame({"mean": [0.25, 0.1], "low": [0.2, 0.1], "high": [0.3, 0.1]}, index=[100, 1000])
    points = pd.DataFrame({"error": [0.15, 0.05], "images": [300, np.nan]}, index=["mild", "strong"])
    fig = figures.replacement({"without": curve}, points, at=100)
    reached = [list(t.x) for t in fig.data if t.line.dash == "dot"]
    assert reached == [[100, 300], [100]]
    assert trace(fig, "without").y[0] == pytest.approx(0.25)
    assert fig.layout.xaxis.type == fig.layout.yaxis.type == "log"
    with pytest.raises(ValueError, match="colour"):
        figures.replacement({"without": curve}, points, colours=(), at=100)
    assert all("gl" not in t.type for t in fig.data)


@pytest.mark.parametrize("errors", [[0.012, 0.018], [0.004, 0.3], [0.021, 0.045]])
def test_an_axis_of_errors_has_two_ticks_in_sight(errors):
    fig = figures.repeats({"a": errors[:1], "b": errors[1:]}, colours=COLOURS[:2], told_apart={"b": False})
    ticks = np.array(fig.layout.xaxis.tickvals)
    assert 2 <= ((ticks >= errors[0]) & (ticks <= errors[1])).sum() <= 7
    assert (np.diff(ticks) > 0).all()
