"""Calibration: known temperatures are found again, scores agree with other implementations, the bias is real."""

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sklearn_metrics

from helpers.evaluation import calibration


@pytest.fixture
def logits():
    return np.random.default_rng(1).normal(0, 3, (400, 10))


def drawn(probabilities, seed=0):
    """Draw a label for each row, with its probabilities."""
    u = np.random.default_rng(seed).random(len(probabilities))
    return (probabilities.cumsum(axis=1) < u[:, None]).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_softmax_agrees_with_scipy(logits, temperature):
    ours = calibration.softmax(logits, temperature=temperature)
    assert np.allclose(ours, special.softmax(logits / temperature, axis=1))
    assert np.allclose(calibration.softmax([[1000.0, 0.0]]), [[1, 0]])
    assert np.allclose(calibration.log_softmax(logits + 1000), special.log_softmax(logits, axis=1))  # no overflow


def test_an_ensemble_is_the_mean_of_probabilities(logits):
    other = logits[::-1] * 2
    mean = (special.softmax(logits, axis=1) + special.softmax(other, axis=1)) / 2
    assert np.allclose(calibration.softmax(calibration.ensemble([logits, other])), mean)
    assert np.allclose(calibration.softmax(calibration.ensemble([logits])), special.softmax(logits, axis=1))


@pytest.mark.parametrize("true_temperature", [0.3, 1.0, 2.5])
def test_a_known_temperature_is_found_again(true_temperature):
    logits = np.random.default_rng(2).normal(0, 2, (60_000, 10))
    labels = drawn(special.softmax(logits / true_temperature, axis=1))
    assert calibration.fit_temperature(logits, labels) == pytest.approx(true_temperature, rel=0.03)


def test_the_temperature_is_the_best_of_a_grid(logits):
    labels = drawn(special.softmax(logits / 2, axis=1), seed=3)
    found = calibration.fit_temperature(logits, labels)
    grid = np.geomspace(0.1, 20, 80)
    losses = [sklearn_metrics.log_loss(labels, special.softmax(logits / t, axis=1), labels=range(10)) for t in grid]
    assert calibration.log_loss(logits, labels, temperature=found) <= min(losses) + 1e-9
    assert found == pytest.approx(grid[np.argmin(losses)], rel=0.1)


def test_where_all_is_right_the_temperature_stops_at_its_bound(logits):
    assert calibration.fit_temperature(logits * 100, logits.argmax(axis=1)) < 0.1


def test_scores_agree_with_scikit_learn_and_the_definition(logits):
    labels = drawn(special.softmax(logits, axis=1))
    p = special.softmax(logits, axis=1)
    assert calibration.log_loss(logits, labels) == pytest.approx(sklearn_metrics.log_loss(labels, p, labels=range(10)))
    by_hand = np.mean([sum((p[i, k] - (labels[i] == k)) ** 2 for k in range(10)) for i in range(len(p))])
    assert calibration.brier(p, labels) == pytest.approx(by_hand)
    assert calibration.brier(np.eye(10)[labels], labels) == pytest.approx(0)
    assert calibration.brier(np.eye(10)[(labels + 1) % 10], labels) == pytest.approx(2)


def test_top_is_the_likeliest_class(logits):
    labels, confidence = calibration.top(calibration.softmax(logits))
    assert np.array_equal(labels, logits.argmax(axis=1))
    assert np.allclose(confidence, special.softmax(logits, axis=1).max(axis=1))


def test_ece_by_hand():
    confidence = np.array([0.9, 0.6, 0.8, 0.7])  # in two bins: {0.6, 0.7} and {0.8, 0.9}
    correct = np.array([True, False, True, True])
    by_hand = 0.5 * abs(0.65 - 0.5) + 0.5 * abs(0.85 - 1.0)
    assert calibration.expected_calibration_error(confidence, correct, n_bins=2) == pytest.approx(by_hand)
    assert calibration.expected_calibration_error(confidence, correct, n_bins=1) == pytest.approx(abs(0.75 - 0.75))


def test_a_perfectly_calibrated_model_scores_its_noise_and_no_zero():
    rng = np.random.default_rng(4)
    confidence = rng.uniform(0.5, 1, 500)
    noise = calibration.calibration_noise(confidence, n_draws=1000)
    seen = [calibration.expected_calibration_error(confidence, rng.random(500) < confidence) for _ in range(400)]
    assert noise.mean == pytest.approx(np.mean(seen), rel=0.05)
    assert np.mean(np.array(seen) <= noise.high) == pytest.approx(0.95, abs=0.04)
    assert noise.mean > 0.02
    assert calibration.calibration_noise(confidence, seed=5) == calibration.calibration_noise(confidence, seed=5)
    bold = calibration.expected_calibration_error(np.minimum(1, confidence + 0.1), rng.random(500) < confidence)
    assert bold > noise.high


def test_reliability_counts_every_answer_once():
    rng = np.random.default_rng(5)
    confidence = rng.beta(20, 1, 3000)
    correct = rng.random(3000) < confidence
    table = calibration.reliability(confidence, correct)
    assert table["n"].sum() == 3000
    assert table["wrong"].sum() == (~correct).sum()
    assert table["stated"].is_monotonic_increasing
    assert ((table["low"] <= table["error"]) & (table["error"] <= table["high"])).all()
    inside = (1 - confidence > 0.01) & (1 - confidence <= 0.02)
    row = table[(table["stated"] > 0.01) & (table["stated"] <= 0.02)].iloc[0]
    assert row["n"] == inside.sum()
    assert row["error"] == pytest.approx((~correct[inside]).mean())
    assert np.mean((table["low"] <= table["stated"]) & (table["stated"] <= table["high"])) >= 0.8


def test_small_bins_of_reliability_are_joined_and_none_is_left_out():
    doubt = np.repeat([0.1, 0.3, 0.6, 0.9], [40, 3, 30, 4])
    correct = doubt < 0.5
    edges = (0.0, 0.25, 0.5, 0.75, 1.0)
    table = calibration.reliability(1 - doubt, correct, edges=edges, least=10)
    assert table["n"].tolist() == [43, 34]  # 0.9 joins 0.6, and 0.3 joins 0.1
    assert table["wrong"].tolist() == [0, 34]
    assert table["stated"].iloc[1] == pytest.approx((30 * 0.6 + 4 * 0.9) / 34)
    lowest = calibration.reliability(1 - doubt[38:], correct[38:], edges=edges, least=10)
    assert lowest["n"].tolist() == [39]
    assert calibration.reliability(1 - doubt, correct, edges=edges)["n"].tolist() == [40, 3, 30, 4]


def test_a_bin_of_reliability_holds_its_upper_edge_and_not_its_lower():
    doubt = np.array([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])  # halves of halves: 1 - confidence is exact
    correct = np.array([True, True, False, True, False, False])
    table = calibration.reliability(1 - doubt, correct, edges=(0.0, 0.25, 0.5, 1.0))
    assert table["n"].tolist() == [3, 1, 2]
    assert table["wrong"].tolist() == [1, 0, 2]
    assert table["stated"].tolist() == [0.125, 0.5, 0.875]


def test_compare_measures_before_and_after():
    logits = np.random.default_rng(6).normal(0, 2, (4000, 10))
    labels = drawn(special.softmax(logits, axis=1))
    table = calibration.compare({"bold": (3 * logits, 3.0)}, labels)
    assert list(table.index) == ["bold", "bold, scaled"]
    before, after = table.iloc[0], table.iloc[1]
    assert before["ECE"] > 5 * before["limit"]
    assert after["ECE"] < 1.5 * after["limit"]
    assert before["accuracy"] == after["accuracy"]
    assert after["log loss"] < before["log loss"]
    assert after["Brier"] < before["Brier"]


def test_candidates_compare_one_network_with_the_average(logits):
    labels = drawn(special.softmax(logits, axis=1))
    seeds = [logits + np.random.default_rng(seed).normal(0, 2, logits.shape) for seed in range(3)]
    table = calibration.candidates({"a": seeds}, labels)
    hits = [(one.argmax(axis=1) == labels).mean() for one in seeds]
    assert table.iloc[0][["accuracy", "least", "most"]].tolist() == pytest.approx([np.mean(hits), min(hits), max(hits)])
    assert table["networks"].tolist() == [1, 3]
    assert table["log loss"].iloc[1] < table["log loss"].iloc[0]


def test_refusals(logits):
    with pytest.raises(ValueError, match="temperature"):
        calibration.softmax(logits, temperature=0)
    with pytest.raises(ValueError, match="logits"):
        calibration.softmax(np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="logits"):
        calibration.ensemble([])
    with pytest.raises(ValueError, match="y_true"):
        calibration.fit_temperature(logits, np.zeros(3, int))
    with pytest.raises(ValueError, match="confidence"):
        calibration.expected_calibration_error([1.2], np.array([True]))
    with pytest.raises(ValueError, match="correct"):
        calibration.reliability([0.5], np.array([1]))
    with pytest.raises(ValueError, match="edges"):
        calibration.reliability([0.5], np.array([True]), edges=(0, 0.5))
