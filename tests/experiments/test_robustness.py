"""Robustness counted by hand."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.corruptions import CORRUPTIONS, corrupt
from helpers.evaluation.predictor import Predictor
from helpers.experiments.sorting_office import robustness, service
from helpers.runtime import cache


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setattr(cache.paths, "RUNS", tmp_path)


def bright(x):
    p = np.clip(x.reshape(len(x), -1).mean(axis=1) / 128, 0.01, 0.99)
    return np.stack([1 - p, p], axis=1)


@pytest.fixture
def readers():
    """One that sees whether the image is bright, one that never looks."""
    looks = Predictor("mlp", bright, 1.0, threshold=0.8, identity=["looks"])
    guesses = Predictor("chance", lambda x: np.tile([0.9, 0.1], (len(x), 1)), 0.0, identity=["guesses"])
    return {"looks": service.bare(looks), "guesses": service.bare(guesses)}


def test_measure_tells_what_each_reader_gets_right(readers):
    images = np.repeat(np.array([10, 200], np.uint8), 6)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    labels = np.repeat([0, 1], 6)
    table = robustness.measure(readers, images, labels)
    assert len(table) == 2 * 12 * (1 + len(CORRUPTIONS))
    for (reader, kind), part in table.groupby(["reader", "kind"]):
        p = bright(images if kind == "none" else corrupt(images, kind))
        p = p if reader == "looks" else np.tile([0.9, 0.1], (12, 1))
        assert part["image"].tolist() == list(range(12))
        assert part["right"].tolist() == (p.argmax(axis=1) == labels).tolist()
        assert part["accepted"].tolist() == (p.max(axis=1) >= (0.8 if reader == "looks" else 0)).tolist()


def made_up():
    """Two readers, two kinds, four images: a is wrong on 1 of clean, 2 of fog, 4 of noise; b on 0, 1, 1."""
    wrong = {("a", "none"): 1, ("a", "fog"): 2, ("a", "noise"): 4, ("b", "none"): 0, ("b", "fog"): 1, ("b", "noise"): 1}
    parts = []
    for (reader, kind), n in wrong.items():
        right = np.arange(4) >= n
        accepted = np.array([True, True, False, True]) & (reader == "b")
        part = {"reader": reader, "kind": kind, "image": np.arange(4), "right": right, "accepted": accepted}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def test_errors_are_means_and_mce_is_a_mean_of_ratios():
    shares = robustness.errors(made_up())
    assert shares.loc["a"].to_dict() == {"clean": 0.25, "fog": 0.5, "noise": 1.0, "mean": 0.75}
    found = robustness.summary(made_up(), baseline="a")
    assert found.loc["a", "mCE"] == 1
    assert found.loc["b", "mCE"] == pytest.approx((0.25 / 0.5 + 0.25 / 1) / 2)
    assert found.loc["b", "error"].estimate == 0.25
    assert found.loc["b", "n"] == 4
    assert found["sent"].to_dict() == pytest.approx({"a": 1, "b": 0.25})
    assert found.loc["a", "wrong of the rest"] is None
    assert found.loc["b", "wrong of the rest"].estimate == pytest.approx(2 / 6)
    trust = robustness.accepted_wrong(made_up())
    assert trust.loc["b"].to_dict() == pytest.approx({"clean": 0, "fog": 1 / 3, "noise": 1 / 3})
    assert trust.loc["a"].isna().all()
    shares = robustness.errors(made_up())
    assert list(trust.columns) == [name for name in shares.columns if name != "mean"], (
        "a row has one name in both tables"
    )


def test_damaged_copies_of_an_image_count_once():
    """Copies that stand or fall together say no more than one of them."""
    rng = np.random.default_rng(0)
    right = rng.random(200) < 0.7
    about = {"reader": "a", "image": np.arange(200), "right": right, "accepted": True}
    many = pd.concat([pd.DataFrame({**about, "kind": kind}) for kind in ["none", *"bcdefghi"]], ignore_index=True)
    found = robustness.summary(many, baseline="a").loc["a", "error"]
    half = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 200)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)


def test_a_kind_that_the_baseline_reads_without_mistakes_has_no_ratio():
    table = made_up()
    table.loc[(table["reader"] == "a") & (table["kind"] == "fog"), "right"] = True
    assert robustness.summary(table, baseline="a").loc["b", "mCE"] == pytest.approx(0.25)


def test_cached_readings_are_those_of_the_same_readers_and_images():
    images, labels, asked = np.full((2, 28, 28), 9, np.uint8), np.array([0, 1]), []

    def guess(x):
        asked.append(1)
        return np.tile([0.9, 0.1], (len(x), 1))

    def measure(identity, images=images, **more):
        reader = service.bare(Predictor("chance", guess, 0.0, 0.5, [identity]))
        return robustness.measure({"guesses": reader}, images, labels, **more)

    first = measure("a")
    n = len(asked)
    pd.testing.assert_frame_equal(measure("a"), first, check_dtype=False)
    assert len(asked) == n
    for number, more in enumerate([{"images": images + 1}, {"seed": 1}], start=2):
        measure("a", **more)
        assert len(asked) == number * n, more
    measure("b")
    assert len(asked) == 4 * n
    with pytest.raises(ValueError, match="readers: guesses cannot be cached"):
        robustness.measure({"guesses": service.bare(Predictor("chance", guess, 0.0))}, images, labels)
