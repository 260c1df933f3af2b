"""Robustness counted by hand."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.corruptions import CORRUPTIONS, corrupt
from helpers.evaluation.predictor import Predictor
from helpers.experiments.sorting_office import outside, robustness
from helpers.runtime import cache


@pytest.fixture
def predictors():
    """One that sees whether the image is bright, one that never looks."""

    def bright(x):
        p = np.clip(x.reshape(len(x), -1).mean(axis=1) / 128, 0.01, 0.99)
        return np.stack([1 - p, p], axis=1)

    return {
        "looks": Predictor("mlp", bright, 1.0, threshold=0.8),
        "guesses": Predictor("chance", lambda x: np.tile([0.9, 0.1], (len(x), 1)), 0.0),
    }


def test_measure_counts_what_each_model_gets_right(predictors):
    images = np.repeat(np.array([10, 200], np.uint8), 6)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    labels = np.repeat([0, 1], 6)
    table = robustness.measure(predictors, images, labels, severities=[1, 5])
    assert len(table) == 2 * (1 + 2 * len(CORRUPTIONS))
    clean = table[table["severity"] == 0].set_index("model")
    assert clean["accuracy"].tolist() == [1.0, 0.5]
    assert clean.loc["looks", "sent"] == 0
    for row in table[table["model"] == "looks"].itertuples():
        damaged = images if row.severity == 0 else corrupt(images, row.corruption, severity=row.severity)
        p = predictors["looks"](damaged)
        correct, accepted = p.argmax(axis=1) == labels, p.max(axis=1) >= 0.8
        assert row.accuracy == correct.mean()
        assert row.accepted == accepted.sum()
        assert row.accepted_wrong == (accepted & ~correct).sum()
    mended = robustness.by_kind(robustness.measure(predictors, images, labels, mend=lambda x: images))
    assert mended.loc["looks"].eq(1).all()
    assert robustness.by_kind(table).loc["looks", "all"] < 1


def test_summaries_of_robustness():
    rows = [("a", "none", 0, 1.0), ("a", "blur", 1, 0.9), ("a", "blur", 2, 0.5), ("a", "noise", 1, 0.8),
            ("a", "noise", 2, 0.7), ("b", "none", 0, 0.9), ("b", "blur", 1, 0.9), ("b", "blur", 2, 0.9),
            ("b", "noise", 1, 0.9), ("b", "noise", 2, 0.9)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "corruption", "severity", "accuracy"])
    summary = robustness.by_kind(table)
    assert summary.index.tolist() == ["b", "a"]
    assert summary.loc["a"].to_dict() == pytest.approx({"clean": 1, "blur": 0.7, "noise": 0.75, "all": 0.725})
    counts = table.assign(n=10, accepted=8, accepted_wrong=2, sent=0.2)
    pooled = robustness.accepted_error(counts, "a")
    assert pooled.loc[1, "error"] == pytest.approx(4 / 16)
    assert pooled.loc[1, "error unaided"] == pytest.approx(0.15)
    assert robustness.tally(counts, "a", severity=2) == {"n": 10, "right": 6, "accepted": 8, "accepted_wrong": 2}


def test_cached_readings_are_those_of_the_same_predictors_and_images(tmp_path, monkeypatch):
    monkeypatch.setattr(cache.paths, "RUNS", tmp_path)
    images, labels, asked = np.full((2, 28, 28), 9, np.uint8), np.array([0, 1]), []

    def guess(x):
        asked.append(1)
        return np.tile([0.9, 0.1], (len(x), 1))

    def measure(*identity, images=images, **more):
        predictor = Predictor("chance", guess, 0.0, 0.5, list(identity))
        return robustness.measure({"guesses": predictor}, images, labels, severities=[1], keep=True, **more)

    first = measure("a")
    n = len(asked)
    pd.testing.assert_frame_equal(measure("a"), first, check_dtype=False)
    assert len(asked) == n
    for number, more in enumerate([{"images": images + 1}, {"seed": 1}, {"mend": outside.mended}], start=2):
        measure("a", **more)
        assert len(asked) == number * n, more
    measure("b")
    assert len(asked) == 5 * n
    with pytest.raises(ValueError, match="predictors: guesses cannot be cached"):
        robustness.measure({"guesses": Predictor("chance", guess, 0.0)}, images, labels, keep=True)
