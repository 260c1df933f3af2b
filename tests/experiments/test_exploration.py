"""Exploration: counts, maps and strokes against small cases done by hand, scipy and plain loops."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from helpers.experiments.eda import exploration
from helpers.runtime import cache

RNG = np.random.default_rng(5)


def pictures(n=40, h=9, w=7, rng=None):
    rng = rng or np.random.default_rng(1)
    return (rng.integers(0, 256, (n, h, w)) * (rng.random((n, h, w)) < 0.4)).astype(np.uint8)


def bar(angle=0.0, thickness=3, side=61, length=41):
    """A solid bar, leaning to the right by `angle` degrees."""
    y, x = np.mgrid[:side, :side] - side // 2
    shifted = x + np.tan(np.radians(angle)) * y  # rows above the middle (y < 0) move to the right
    return np.where((np.abs(shifted) <= thickness / 2) & (np.abs(y) <= length // 2), 255, 0).astype(np.uint8)


def test_balance_counts_shares_and_intervals():
    labels = np.array([0] * 30 + [1] * 60 + [3] * 10)
    frame = exploration.class_balance(labels, n_classes=4)
    assert frame["count"].tolist() == [30, 60, 0, 10]
    assert frame["share"].tolist() == [0.3, 0.6, 0.0, 0.1]
    for digit, count in enumerate((30, 60, 0, 10)):
        limits = stats.binomtest(count, 100).proportion_ci(method="wilson")
        assert frame.loc[digit, ["low", "high"]].tolist() == pytest.approx([limits.low, limits.high])


def test_chi_square_p_values_by_the_formula():
    labels = np.repeat(np.arange(4), (20, 30, 25, 25))
    statistic = (25 + 25 + 0 + 0) / 25
    assert exploration.uniformity_p_value(labels, n_classes=4) == pytest.approx(stats.chi2.sf(statistic, 3))
    other = np.repeat([0, 1], (10, 30))  # label 2 and up occur in neither
    table = np.array([[20.0, 30.0], [10.0, 30.0]])
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    statistic = ((table - expected) ** 2 / expected).sum()
    found = exploration.same_balance_p_value(labels[:50], other)
    assert found == pytest.approx(stats.chi2.sf(statistic, 1))
    assert exploration.same_balance_p_value(labels, np.tile(labels, 3)) == pytest.approx(1)


@pytest.mark.parametrize("labels", [[], [[1, 2]], [0.5, 1.0], [0, 10], [-1, 3]])
def test_labels_that_make_no_sense_are_refused(labels):
    with pytest.raises(ValueError, match="labels"):
        exploration.class_balance(labels)


def test_pixels_are_counted_as_a_loop_would():
    images = pictures()
    images[:, 0, 0] = 0
    images[:, 0, 1] = 9  # never varies, though it has ink
    use, fixed = exploration.pixel_use(images), exploration.never_varying(images)
    for row in range(9):
        for column in range(7):
            values = images[:, row, column].tolist()
            assert use[row, column] == sum(value > 0 for value in values)
            assert fixed[row, column] == (len(set(values)) == 1)
    levels = exploration.intensity_counts(images)
    assert levels.shape == (256,)
    assert levels.sum() == images.size
    assert levels[9] == sum(value == 9 for value in images.ravel().tolist())


def test_class_moments_are_those_of_each_class():
    images, labels = pictures(30), np.arange(30) % 3
    means, variances = exploration.class_moments(images, labels, n_classes=3)
    for label in range(3):
        own = np.array([image for image, one in zip(images, labels, strict=True) if one == label], dtype=float)
        assert means[label] == pytest.approx(own.sum(0) / 10)
        assert variances[label] == pytest.approx((own**2).sum(0) / 10 - means[label] ** 2)
    with pytest.raises(ValueError, match=r"labelled \[3\]"):
        exploration.class_moments(images, labels, n_classes=4)


def test_pca_agrees_with_the_singular_values():
    images = pictures(60)
    points, share = exploration.map_pca(images, n_components=3)
    flat = images.reshape(60, -1) - images.reshape(60, -1).mean(0)
    left, values, _ = np.linalg.svd(flat, full_matrices=False)
    assert share == pytest.approx(values[:3] ** 2 / (values**2).sum())
    assert np.abs(points) == pytest.approx(np.abs(left[:, :3] * values[:3]))


def test_tsne_parts_what_is_apart_and_repeats_itself(tmp_path, monkeypatch):
    prototypes = pictures(3, rng=np.random.default_rng(9))
    noise = np.random.default_rng(2).integers(0, 12, (60, 9, 7))
    labels = np.arange(60) % 3
    images = np.clip(prototypes[labels] + noise, 0, 255).astype(np.uint8)
    points = exploration.map_tsne(images, perplexity=10, seed=3)
    assert points.shape == (60, 2)
    assert exploration.neighbour_agreement(points, labels).estimate == 1
    assert np.array_equal(points, exploration.map_tsne(images, perplexity=10, seed=3))
    monkeypatch.setattr(cache.paths, "RUNS", tmp_path)
    for _ in range(2):
        assert np.array_equal(points, exploration.map_tsne(images, perplexity=10, seed=3, keep=True))
    assert len(list(tmp_path.glob("*/run.json"))) == 1


def test_neighbour_agreement_by_hand():
    points = np.array([[0.0, 0], [1, 0], [10, 0], [12, 0], [30, 0]])
    # Nearest others: 1, 0, 3, 2, 3; labels agree for the first two and the last.
    found = exploration.neighbour_agreement(points, [5, 5, 2, 7, 7])
    assert (found.estimate, found.n) == (3 / 5, 5)


@pytest.mark.parametrize("angle", [-30, -10, 0, 20])
def test_slant_of_a_leaning_bar(angle):
    frame = exploration.stroke_statistics(bar(angle)[None])
    assert frame["slant"][0] == pytest.approx(angle, abs=1)


@pytest.mark.parametrize("thickness", [3, 5, 7])
def test_width_and_extent_of_an_upright_bar(thickness):
    image = bar(0, thickness)
    frame = exploration.stroke_statistics(image[None])
    # Twice the area over the outline: of a bar w wide and 41 long that is 2 * 41 w / (2 * (41 + w)).
    assert frame["width"][0] == pytest.approx(41 * thickness / (41 + thickness))
    assert frame["height"][0] == 41
    assert frame["breadth"][0] == thickness
    assert frame["ink"][0] == pytest.approx(100 * 41 * thickness / 61**2)


def test_strokes_do_not_depend_on_where_the_digit_lies():
    image = bar(15)
    moved = ndimage.shift(image, (6, -7), order=0)
    frame = exploration.stroke_statistics(np.stack([image, moved]))
    assert frame.loc[0].to_numpy() == pytest.approx(frame.loc[1].to_numpy())


def test_an_empty_image_has_no_stroke():
    frame = exploration.stroke_statistics(np.zeros((1, 5, 5), np.uint8))
    assert frame["ink"][0] == 0
    assert frame.drop(columns="ink").isna().all(axis=None)


def test_compared_means_are_welch():
    a = pd.DataFrame({"x": RNG.normal(1, 1, 50), "y": RNG.normal(0, 3, 50)})
    b = pd.DataFrame({"x": RNG.normal(0, 2, 30), "y": RNG.normal(0, 1, 30)})
    a.loc[50] = [np.nan, 0.5]
    found = exploration.compare_means(a, b)
    x, z = a["x"].dropna(), b["x"]
    variance_x, variance_z = x.var() / len(x), z.var() / len(z)
    freedom = (variance_x + variance_z) ** 2 / (variance_x**2 / (len(x) - 1) + variance_z**2 / (len(z) - 1))
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance_x + variance_z)
    difference = x.mean() - z.mean()
    wanted = [x.mean(), z.mean(), difference, difference - half, difference + half]
    assert found.loc["x"].to_numpy() == pytest.approx(wanted)
    with pytest.raises(ValueError, match="columns"):
        exploration.compare_means(a, b[["x"]])


def test_look_alikes_of_an_ordered_file_stand_next_to_each_other():
    rng = np.random.default_rng(4)
    hands = pictures(20, rng=rng)
    ordered = np.clip(np.repeat(hands, 6, axis=0) + rng.integers(0, 5, (120, 9, 7)), 0, 255).astype(np.uint8)
    offsets = exploration.lookalike_offsets(ordered)
    assert np.abs(offsets).max() <= 5
    assert (offsets != 0).all()
    shuffled = exploration.lookalike_offsets(ordered[rng.permutation(120)])
    assert exploration.share_within(offsets, 5).estimate == 1
    share = exploration.share_within(shuffled, 5)
    assert share.low < exploration.chance_within(120, 5) < share.high


@pytest.mark.parametrize(("n", "window"), [(5, 1), (5, 4), (12, 3)])
def test_chance_is_the_share_of_pairs_counted_one_by_one(n, window):
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    near = sum(abs(i - j) <= window for i, j in pairs)
    assert exploration.chance_within(n, window) == pytest.approx(near / len(pairs))


def test_a_window_wider_than_the_file_is_refused():
    with pytest.raises(ValueError, match="window"):
        exploration.chance_within(10, 10)


@pytest.mark.parametrize("images", [np.zeros((3, 4)), np.zeros((3, 4, 4)), np.zeros((0, 4, 4), np.uint8)])
def test_images_of_another_kind_are_refused(images):
    with pytest.raises(ValueError, match="images"):
        exploration.pixel_use(images)
