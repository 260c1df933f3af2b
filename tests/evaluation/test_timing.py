"""Predictors answer, are timed, scored and weighed."""

import numpy as np
import pytest

from helpers.evaluation import timing
from helpers.evaluation.predictor import NO_LABEL, Predictor, labelling


def test_labels_become_probabilities_of_0_and_1_and_back():
    given = np.array([3, NO_LABEL, 0])
    predictor = labelling("knn", lambda images: given[: len(images)], np.zeros(250_000))
    images = np.zeros((3, 28, 28), np.uint8)
    assert predictor(images).tolist() == [np.eye(10)[3].tolist(), [0] * 10, np.eye(10)[0].tolist()]
    assert predictor.labels(images).tolist() == given.tolist()
    assert predictor.megabytes == 2
    assert predictor.threshold is None


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


def test_latency_times_the_calls_it_makes():
    calls = []
    images = np.arange(10, dtype=np.uint8)[:, None, None]
    found = timing.latency(lambda x: calls.append(x[:, 0, 0].tolist()), images, batch=4, seconds=0, least=5)
    assert found.n == 5
    assert len(calls) == 6  # one to warm up
    assert calls[1:4] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    assert 0 <= found.p50 <= found.p95
    with pytest.raises(ValueError, match="batch"):
        timing.latency(len, images, batch=0)


def test_price_list_scores_and_weighs(predictors):
    images = np.repeat(np.array([10, 200], np.uint8), 3)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    table = timing.price_list(predictors, images, np.repeat([0, 1], 3), seconds=0.01)
    assert table["estimate"].tolist() == [1.0, 0.5]
    assert table["megabytes"].tolist() == [1.0, 0.0]
    assert table["throughput"].to_numpy() == pytest.approx(256_000 / table["p50_256"].to_numpy())


def test_latency_is_the_median_on_a_clock_that_only_the_calls_move(monkeypatch):
    """40 ms to warm up, then 9 + n ms for n images, and one call stalls for a second."""
    now, asked = [50.0], []

    def predictor(images):
        asked.append(len(images))
        now[0] += 0.04 if len(asked) == 1 else 1.0 if len(asked) == 3 else (9 + len(images)) / 1000

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    images = np.zeros((20, 28, 28), np.uint8)
    for batch, wanted in ((1, 10.0), (64, 73.0)):  # 20 images come round and round
        asked.clear()
        assert timing.latency(predictor, images, batch=batch, seconds=0.0).p50 == pytest.approx(wanted)
        assert asked == [batch] * 6, "one to warm up and at least five"
    asked.clear()
    timing.latency(predictor, images, batch=1, seconds=1.995)
    assert len(asked) == 1 + 1 + 1 + 99, "as many as begin within the time: one, the one that stalls, and 10 ms each"
