"""Corruptions: pure, seeded, stronger with severity, and each what its name says; robustness counted by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from helpers.evaluation import corruptions, serving
from helpers.evaluation.corruptions import CORRUPTIONS, corrupt
from helpers.experiments.sorting_office import outside, robustness
from helpers.runtime import cache

every_kind = pytest.mark.parametrize("name", CORRUPTIONS)


@pytest.fixture(scope="module")
def images():
    """Blobs and bars somewhat like digits: ink in the middle, paper around."""
    rng = np.random.default_rng(0)
    canvas = np.zeros((40, 28, 28), np.float32)
    for image in canvas:
        for _ in range(3):
            row, column, tall = rng.integers(6, 14, 3)
            image[row : row + tall, column : column + 3] = 255
    return ndimage.gaussian_filter(canvas, (0, 0.6, 0.6)).clip(0, 255).astype(np.uint8)


@every_kind
def test_pure_seeded_and_of_the_same_kind(images, name):
    before = images.copy()
    once = corrupt(images, name, severity=3, seed=4)
    assert np.array_equal(images, before)
    assert once.dtype == np.uint8
    assert once.shape == images.shape
    assert np.array_equal(once, corrupt(images, name, severity=3, seed=4))
    assert np.array_equal(once[:7], corrupt(images[:7], name, severity=3, seed=4)), "depends on what comes after"
    assert np.array_equal(corrupt(images, name, severity=0), images)
    if name not in ("blur", "contrast"):  # nothing random in these
        assert not np.array_equal(once, corrupt(images, name, severity=3, seed=5))


@every_kind
def test_severities_do_more_and_more_harm(images, name):
    harm = [np.abs(corrupt(images, name, severity=s).astype(float) - images).mean() for s in corruptions.SEVERITIES]
    assert np.all(np.diff(harm) > 0)
    assert harm[0] > 0


def test_noise_has_the_stated_spread():
    grey = np.full((50, 28, 28), 128, np.uint8)
    assert corrupt(grey, "noise", severity=2).std() == pytest.approx(CORRUPTIONS["noise"].levels[1], rel=0.03)


def test_blur_is_gaussian_and_stays_within_each_image(images):
    sigma = CORRUPTIONS["blur"].levels[3]
    expected = np.stack([ndimage.gaussian_filter(one.astype(float), sigma, mode="constant") for one in images])
    assert np.abs(corrupt(images, "blur", severity=4) - expected).max() <= 0.51


def nearest(found, candidates):
    """Return for each image which candidate it is, and the largest mean difference from it."""
    gaps = np.stack([np.abs(found.astype(float) - one).mean(axis=(1, 2)) for one in candidates])
    return gaps.argmin(axis=0), gaps.min(axis=0).max()


def test_rotation_is_by_the_stated_angle_to_either_side(images):
    angle = CORRUPTIONS["rotation"].levels[2]
    sides = [
        np.stack([ndimage.rotate(one.astype(float), turn, reshape=False, order=1) for one in images])
        for turn in (-angle, angle)
    ]
    which, gap = nearest(corrupt(images, "rotation", severity=3), sides)
    assert gap < 0.5
    assert 8 < which.sum() < 32


def test_scale_makes_smaller_or_larger(images):
    factor = CORRUPTIONS["scale"].levels[4]
    expected = []
    for size in (1 / factor, factor):
        offset = 13.5 - 13.5 / size
        warped = [ndimage.affine_transform(x.astype(float), np.eye(2) / size, offset, order=1) for x in images]
        expected.append(np.stack(warped))
    which, gap = nearest(corrupt(images, "scale", severity=5), expected)
    assert gap < 0.5
    assert 8 < which.sum() < 32


def test_shift_moves_the_mass_by_the_stated_distance(images):
    moved = corrupt(images, "shift", severity=2)
    centres = [np.array([ndimage.center_of_mass(one.astype(float)) for one in stack]) for stack in (images, moved)]
    distance = np.linalg.norm(centres[1] - centres[0], axis=1)
    assert np.median(distance) == pytest.approx(CORRUPTIONS["shift"].levels[1], abs=0.1)
    assert np.ptp(np.arctan2(*(centres[1] - centres[0]).T)) > 3  # in all directions


def test_thickness_grows_some_strokes_and_thins_the_others(images):
    change = corrupt(images, "thickness", severity=4).astype(float) - images
    grown = change.sum(axis=(1, 2)) > 0
    assert 8 < grown.sum() < 32
    assert change[grown].min() >= -1
    assert change[~grown].max() <= 1
    whole = corruptions._spread(images, 2, ndimage.grey_dilation)
    ball = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 2)
    assert np.array_equal(whole[0], ndimage.grey_dilation(images[0], footprint=ball, mode="constant"))


def test_contrast_keeps_the_order_of_greys_and_loses_the_stated_share(images):
    found = corrupt(images, "contrast", severity=3).astype(float)
    lost = CORRUPTIONS["contrast"].levels[2]
    assert np.ptp(found) == pytest.approx((1 - lost) * np.ptp(images), abs=1)
    assert np.corrcoef(found.ravel(), images.ravel())[0, 1] > 0.999


def test_a_blot_is_a_square_and_the_rest_is_untouched(images):
    side = CORRUPTIONS["occlusion"].levels[2]
    grey = np.full((200, 28, 28), 128, np.uint8)
    changed = corrupt(grey, "occlusion", severity=3) != 128
    assert changed.sum(axis=(1, 2)).max() <= (side + 1) ** 2
    assert changed.sum(axis=(1, 2)).min() >= (side - 1) ** 2
    assert {0, 255} == set(np.unique(corrupt(grey, "occlusion", severity=3)[changed]))


def test_stripes_add_ink_only(images):
    found = corrupt(images, "stripes", severity=3)
    assert (found >= images).all()
    paper = corrupt(np.zeros((100, 28, 28), np.uint8), "stripes", severity=3)
    assert paper.mean() / 255 == pytest.approx(CORRUPTIONS["stripes"].levels[2] / 9, rel=0.05)


def test_examples_show_every_kind(images):
    sheet = corruptions.examples(images[0])
    assert sheet.shape == (45, 28, 28)
    assert np.array_equal(sheet[4], corrupt(images[:1], "noise", severity=5)[0])


def test_corruptions_refuse(images):
    with pytest.raises(ValueError, match="name"):
        corrupt(images, "coffee", severity=1)
    with pytest.raises(ValueError, match="severity"):
        corrupt(images, "blur", severity=6)
    with pytest.raises(ValueError, match="images"):
        corrupt(images.astype(float), "blur", severity=1)


# --- robustness ------------------------------------------------------------------------------------------------------


@pytest.fixture
def readers():
    """One that sees whether the image is bright, one that never looks."""

    def bright(x):
        p = np.clip(x.reshape(len(x), -1).mean(axis=1) / 128, 0.01, 0.99)
        return np.stack([1 - p, p], axis=1)

    return {
        "looks": serving.Reader("mlp", bright, 1.0, threshold=0.8),
        "guesses": serving.Reader("chance", lambda x: np.tile([0.9, 0.1], (len(x), 1)), 0.0),
    }


def test_measure_counts_what_each_reader_gets_right(readers):
    images = np.repeat(np.array([10, 200], np.uint8), 6)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    labels = np.repeat([0, 1], 6)
    table = robustness.measure(readers, images, labels, severities=[1, 5])
    assert len(table) == 2 * (1 + 2 * len(CORRUPTIONS))
    clean = table[table["severity"] == 0].set_index("reader")
    assert clean["accuracy"].tolist() == [1.0, 0.5]
    assert clean.loc["looks", "sent"] == 0
    for row in table[table["reader"] == "looks"].itertuples():
        damaged = images if row.severity == 0 else corrupt(images, row.corruption, severity=row.severity)
        p = readers["looks"].probabilities(damaged)
        correct, kept = p.argmax(axis=1) == labels, p.max(axis=1) >= 0.8
        assert row.accuracy == correct.mean()
        assert row.accepted == kept.sum()
        assert row.accepted_wrong == (kept & ~correct).sum()
    mended = robustness.mending(readers, images, labels, mend=lambda x: images)
    assert mended.loc["looks, mended"].eq(1).all()
    assert mended.loc["looks", "all"] < 1


def test_summaries_of_robustness():
    rows = [("a", "none", 0, 1.0), ("a", "blur", 1, 0.9), ("a", "blur", 2, 0.5), ("a", "noise", 1, 0.8),
            ("a", "noise", 2, 0.7), ("b", "none", 0, 0.9), ("b", "blur", 1, 0.9), ("b", "blur", 2, 0.9),
            ("b", "noise", 1, 0.9), ("b", "noise", 2, 0.9)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["reader", "corruption", "severity", "accuracy"])
    summary = robustness.by_kind(table)
    assert summary.index.tolist() == ["b", "a"]
    assert summary.loc["a"].to_dict() == pytest.approx({"clean": 1, "blur": 0.7, "noise": 0.75, "all": 0.725})
    assert robustness.moved_most(summary) in [("a", 1, 2), ("b", 2, 1)]
    counts = table.assign(n=10, accepted=8, accepted_wrong=2, sent=0.2)
    pooled = robustness.accepted_error(counts, "a")
    assert pooled.loc[1, "error"] == pytest.approx(4 / 16)
    assert pooled.loc[1, "error unaided"] == pytest.approx(0.15)
    assert robustness.tally(counts, "a", severity=2) == {"n": 10, "right": 6, "accepted": 8, "accepted_wrong": 2}


# --- serving ---------------------------------------------------------------------------------------------------------


def test_latency_times_the_calls_it_makes():
    calls = []
    images = np.arange(10, dtype=np.uint8)[:, None, None]
    found = serving.latency(lambda x: calls.append(x[:, 0, 0].tolist()), images, batch=4, seconds=0, least=5)
    assert found.n == 5
    assert len(calls) == 6  # one to warm up
    assert calls[1:4] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    assert 0 <= found.p50 <= found.p95
    with pytest.raises(ValueError, match="batch"):
        serving.latency(len, images, batch=0)


def test_price_list_scores_and_weighs(readers):
    images = np.repeat(np.array([10, 200], np.uint8), 3)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    table = serving.price_list(readers, images, np.repeat([0, 1], 3), seconds=0.01)
    assert table["estimate"].tolist() == [1.0, 0.5]
    assert table["megabytes"].tolist() == [1.0, 0.0]
    assert table["throughput"].to_numpy() == pytest.approx(256_000 / table["p50_256"].to_numpy())


def test_networks_and_classical_models_become_readers(tmp_path):
    from helpers.classical import estimators
    from helpers.data import load
    from helpers.evaluation import calibration
    from helpers.training import fit, recipes

    split = load.make_split("standard", n_train=200, n_test=20, n_validation=20)
    runs = [fit.run(recipes.fast("fast_b", split, seed=s), store=tmp_path) for s in (0, 1)]
    one = serving.network(runs[:1], key="fast", temperature=2.0)
    assert np.allclose(
        one.probabilities(split.x_test), calibration.softmax(runs[0].test_logits, temperature=2), atol=1e-3
    )
    both = serving.network(runs, key="ensemble", temperature=0.5)
    expected = calibration.softmax(calibration.ensemble([run.test_logits for run in runs]), temperature=0.5)
    assert np.allclose(both.probabilities(split.x_test), expected, atol=1e-3)
    assert both.megabytes == pytest.approx(2 * one.megabytes, rel=0.01)
    bare = serving.classical(estimators.knn(split.x_train, split.y_train, k=1))
    assert np.array_equal(bare.probabilities(split.x_train[:9]).argmax(axis=1), split.y_train[:9])
    assert bare.threshold is None


def test_networks_that_several_readers_share_are_asked_once():
    asked = []

    def network(images):
        asked.append(len(images))
        return images.reshape(len(images), -1)[:, :2].astype(float)

    mean = serving.Reader("mlp", None, 1.0, networks={"a": network, "b": network}, combine=lambda x: sum(x) / 2)
    alone = serving.Reader("mlp", None, 1.0, networks={"a": network}, combine=lambda x: x[0])
    images, answered = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), {}
    np.testing.assert_array_equal(mean.ask(images, answered), images.reshape(3, 4)[:, :2])
    np.testing.assert_array_equal(alone.ask(images, answered), images.reshape(3, 4)[:, :2])
    assert asked == [3, 3]
    alone.ask(images, {})
    assert asked == [3, 3, 3]


def test_kept_readings_are_those_of_the_same_readers_and_images(tmp_path, monkeypatch):
    monkeypatch.setattr(cache.paths, "RUNS", tmp_path)
    images, labels, asked = np.full((2, 28, 28), 9, np.uint8), np.array([0, 1]), []

    def guess(x):
        asked.append(1)
        return np.tile([0.9, 0.1], (len(x), 1))

    def measure(*identity, images=images, **more):
        reader = serving.Reader("chance", guess, 0.0, 0.5, list(identity))
        return robustness.measure({"guesses": reader}, images, labels, severities=[1], keep=True, **more)

    first = measure("a")
    n = len(asked)
    pd.testing.assert_frame_equal(measure("a"), first, check_dtype=False)
    assert len(asked) == n
    for number, more in enumerate([{"images": images + 1}, {"seed": 1}, {"mend": outside.mended}], start=2):
        measure("a", **more)
        assert len(asked) == number * n, more
    measure("b")
    assert len(asked) == 5 * n
    with pytest.raises(ValueError, match="readers: guesses cannot be kept"):
        robustness.measure({"guesses": serving.Reader("chance", guess, 0.0)}, images, labels, keep=True)
