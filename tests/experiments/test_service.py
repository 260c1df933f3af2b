"""The shipped system as an office gets it: what the command answers, and how much must be tried."""

import numpy as np
import pytest
from scipy import stats

from helpers.evaluation import metrics
from helpers.evaluation.predictor import NO_LABEL, Predictor
from helpers.experiments.sorting_office import outside, service
from helpers.predict import pipeline, shipped, sources
from helpers.runtime import cache


def sure_of_three(images):
    return np.tile(np.eye(10)[3] * 0.8 + 0.02, (len(images), 1))


def test_it_answers_as_the_command_does():
    network = shipped.load()
    pictures, labels = outside.small_digits(30)
    found = service.prepared(network)(pictures)
    work = sources.Work([""] * 30, images=list(pictures))
    rows = pipeline.answer(work, pipeline.make(work, "auto"), network, threshold=network.threshold)
    assert found[0].tolist() == [NO_LABEL if one.digit is None else one.digit for one in rows]
    assert (found[1] < network.threshold).tolist() == [one.human for one in rows]
    assert (found[0] == labels).mean() > 0.8


def test_what_holds_no_digit_is_wrong_and_sent_to_a_human():
    pictures = np.zeros((2, 28, 28), np.uint8)
    pictures[1, 4:24, 13:15] = 255
    reader = service.prepared(Predictor("resnet", sure_of_three, 0.0, 0.5))
    found = service.answers(reader, pictures, np.array([3, 3]))
    assert found.digits.tolist() == [NO_LABEL, 3]
    assert found.sure[0] == 0
    assert found.tally() == {"n": 2, "right": 1, "accepted": 1, "accepted_wrong": 0}
    assert found.score.estimate == 0.5


def test_answers_are_counted_at_any_threshold_and_for_any_part():
    found = service.Answers(np.array([1, 2, 3]), np.array([0.9, 0.6, 0.7]), np.array([1, 2, 0]), 0.65)
    assert found.accepted.tolist() == [True, False, True]
    assert found.tally() == {"n": 3, "right": 2, "accepted": 2, "accepted_wrong": 1}
    assert [found.tally(threshold=each)["accepted"] for each in (0.8, 0.0)] == [1, 3]
    assert found.tally(np.array([True, True, False])) == {"n": 2, "right": 2, "accepted": 1, "accepted_wrong": 0}


def test_answers_are_cached_by_reader_and_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(cache.paths, "RUNS", tmp_path)
    asked = []

    def network(images):
        asked.append(len(images))
        return sure_of_three(images)

    pictures = np.full((2, 28, 28), 9, np.uint8)
    for identity, more in (("a", 0), ("a", 0), ("b", 0), ("a", 1)):
        reader = service.bare(Predictor("resnet", network, 0.0, 0.5, [identity]))
        service.answers(reader, pictures + np.uint8(more), np.zeros(2))
    assert len(asked) == 3


def succeeds(n, rate, tolerated):
    """The probability that a trial of n digits ends with an upper limit that is tolerated, over every outcome."""
    wins = [k for k in range(int(tolerated * n) + 1) if metrics.wilson(k, n).high <= tolerated]
    return float(stats.binom.pmf(wins, n, rate).sum())


@pytest.mark.parametrize(("rate", "tolerated"), [(0.0, 0.003), (0.001, 0.003), (0.01, 0.02)])
def test_a_trial_is_just_large_enough_to_succeed_nine_times_in_ten(rate, tolerated):
    n = service.trial_size(rate, tolerated)
    assert succeeds(n, rate, tolerated) >= 0.9
    step = 10 ** (len(str(n)) - 2)
    assert all(succeeds(less, rate, tolerated) < 0.9 for less in (n - step, n - 2 * step, round(0.7 * n)))
    assert str(n).rstrip("0") == str(n)[:2].rstrip("0"), "to two figures"


def test_a_trial_whose_expected_mistakes_would_just_do_is_too_small():
    # With three in a thousand tolerated and half of one made, 1,900 digits pass if exactly the expected 1 is wrong.
    assert metrics.wilson(1, 1900).high <= 0.003
    assert succeeds(1900, 0.0005, 0.003) < 0.8
    assert service.trial_size(0.0005, 0.003) > 1900
    assert service.trial_size(0.0005, 0.003, power=0.5) <= 1900


def test_no_trial_shows_what_is_not_so():
    assert service.trial_size(0.004, 0.003) is None
    with pytest.raises(ValueError, match="tolerated"):
        service.trial_size(0.0, 3.0)
