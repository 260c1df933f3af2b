"""Pictures drawn with seaborn hold what they were given: every dot, share, quartile and count in its place."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from helpers.figures import distributions


def dots(axes):
    return [np.asarray(one.get_offsets()) for one in axes.collections if len(one.get_offsets()) > 1]


def test_a_spread_shows_every_value_in_its_row_the_mean_and_the_limits():
    samples = {"a": [0.9, 0.92, 0.97], "b": [0.8, 0.9]}
    limits = {"b": (0.7, 0.85, 0.95), "all": (0.6, 0.8, 0.81)}
    (axes,) = distributions.spread(samples, intervals=limits, colours=["#112233", "#445566"]).axes
    first, second = dots(axes)[:2]
    assert sorted(first[:, 0]) == samples["a"]
    assert sorted(second[:, 0]) == samples["b"]
    assert set(np.round(first[:, 1])) == {0}
    assert set(np.round(second[:, 1])) == {1}
    means = [
        line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) > 1
    ]
    assert means == pytest.approx([0.93, 0.85])
    bars = [one.get_segments()[0][:, 0].tolist() for one in axes.collections if hasattr(one, "get_segments")]
    assert bars == [pytest.approx([0.7, 0.95]), pytest.approx([0.6, 0.81])]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "all"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top


def test_a_spread_repeats_by_seed_and_leaves_the_generator_alone():
    values = {"a": np.linspace(0, 1, 40)}

    def heights(seed):
        return dots(distributions.spread(values, seed=seed).axes[0])[0][:, 1].tolist()

    np.random.seed(3)  # noqa: NPY002
    wanted = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    once = heights(1)
    assert np.random.random() == wanted  # noqa: NPY002
    assert once == heights(1) != heights(2)


def test_a_histogram_is_of_all_values_not_only_of_those_inside():
    fig = distributions.histogram({"a": [1, 1, 5, 99], "b": [3] * 5}, bins=np.array([0, 2, 4, 6]), x_title="t")
    tops = [one.get_paths()[0].vertices[:, 1] for one in fig.axes[0].collections]
    assert sorted(top.max() for top in tops) == [50, 100]
    a = next(top for top in tops if top.max() == 50)
    assert {0, 25, 50} == set(a)


def test_violins_carry_the_quartiles_of_each_half():
    frame = pd.DataFrame({"digit": [0] * 8, "size": [1, 2, 3, 4, 11, 12, 13, 14], "part": ["a"] * 4 + ["b"] * 4})
    (axes,) = distributions.violins(frame, x="digit", y="size", halves="part", y_title="size").axes
    lines = [line.get_ydata()[0] for line in axes.lines]
    assert lines == pytest.approx([1.75, 2.5, 3.25, 11.75, 12.5, 13.25])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


def test_confusion_colours_mistakes_only_and_writes_every_count_in_its_cell():
    counts = np.array([[1050, 3, 0], [0, 47, 1], [0, 0, 5]])
    (axes,) = distributions.confusion(counts, ["p", "q", "r"]).axes
    written = {}
    for one in axes.texts:
        x, y = one.get_position()
        if one.get_text():
            written[int(y), int(x)] = (one.get_text(), one.get_fontweight())
    assert {place: text for place, (text, _) in written.items()} == {
        (0, 0): "1,050", (0, 1): "3", (1, 1): "47", (1, 2): "1", (2, 2): "5",
    }  # fmt: skip
    assert {place for place, (_, weight) in written.items() if weight == "bold"} == {(0, 1), (1, 2)}
    mistakes, diagonal = axes.collections
    colours = mistakes.get_facecolors().reshape(3, 3, 4)
    assert tuple(colours[0, 1]) == to_rgba("#d96c00")
    assert colours[1, 0, :3] == pytest.approx([1, 1, 1])
    assert len({tuple(colour) for colour in diagonal.get_facecolors()[[0, 4, 8]]}) == 1
    assert axes.get_ylim() == (3, 0)  # row 0 on top, as the table is read


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: distributions.spread({}), "samples"),
        (lambda: distributions.spread({"s": []}), "samples"),
        (lambda: distributions.spread({"s": [1]}, colours=[]), "colours"),
        (lambda: distributions.spread({"s": [1]}, intervals={"s": (0.9, 0.8, 0.95)}), "intervals"),
        (lambda: distributions.histogram({"s": []}, bins=np.arange(3), x_title=""), "samples"),
        (lambda: distributions.violins(pd.DataFrame({"a": [1]}), x="a", y="a", halves="a", y_title=""), "halves"),
        (lambda: distributions.confusion([[1, 2]]), "counts"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
