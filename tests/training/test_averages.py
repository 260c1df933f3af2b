"""Averages of several networks: what is read by random picks, what is recorded, and what is not made twice."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from test_fit import make_split, small

from helpers.runtime import paths
from helpers.training import averages, fit

SPLIT = make_split(64)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    return tmp_path


def networks(n, first=3, **changes):
    return [small(SPLIT, epochs=1, seed=seed, **changes) for seed in range(first, first + n)]


def test_averages_are_of_probabilities_and_of_different_networks():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 2, (4, 60, 10)), rng.integers(0, 10, 60)
    odds = np.exp(logits)
    chances = odds / odds.sum(axis=2, keepdims=True)

    def right(*networks) -> int:
        return int((chances[list(networks)].mean(axis=0).argmax(axis=1) == labels).sum())

    whole = averages.averaged(list(logits), labels, 4)
    assert whole.tolist() == [right(0, 1, 2, 3)] * averages.DRAWS
    pairs = averages.averaged(list(logits), labels, 2)
    assert set(pairs.tolist()) == {right(*pair) for pair in combinations(range(4), 2)}
    exact = np.mean([right(*pair) for pair in combinations(range(4), 2)])
    assert pairs.mean() == pytest.approx(exact, abs=4 * pairs.std() / 20 + 1e-9)
    assert set(averages.averaged(list(logits), labels, 1).tolist()) == {right(i) for i in range(4)}
    for size in (0, 5):
        with pytest.raises(ValueError, match=rf"size: got {size}; 1 to 4"):
            averages.averaged(list(logits), labels, size)


def test_a_team_of_two_trainings_is_recorded_with_held_out_and_test_images():
    """Two networks of either training, all four averaged: one pick, whose answers are worked out here."""
    both = networks(2) + networks(2, batch_size=16)
    assert averages.collect({"both": both}, (4,), profile="standard") == {}, "nothing is trained where none asks"
    found = averages.collect({"both": both, "one": both[:2]}, (1, 4, 15), profile="full")
    team = found["both"]
    assert (team.networks, team.n_validation, team.n_test) == (4, 50, 50)
    assert set(team.test[5]) == {1, 4}, "there are no fifteen networks"
    assert set(found["one"].test[1]) == {1}
    for part, labels in (("val", SPLIT.y_val), ("test", SPLIT.y_test)):
        runs = [fit.run(replace(spec, views=5)) for spec in both]
        logits = [getattr(run, f"{part}_logits").astype(float) for run in runs]
        odds = [np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in logits]
        counts = (team.validation if part == "val" else team.test)[5]
        assert set(counts[4].tolist()) == {int((sum(odds).argmax(axis=1) == labels).sum())}
        assert set(counts[1].tolist()) == {int((one.argmax(axis=1) == labels).sum()) for one in logits}
    again = averages.collect({"both": both[::-1]}, (4,), profile="standard")
    assert again == {}, "named by the trainings in their order"


def test_recorded_averages_need_no_networks(monkeypatch):
    team = networks(3)
    before = averages.collect({"team": team}, (1, 3), profile="full")["team"].test
    monkeypatch.setattr(averages.parallel, "train", lambda *_, **__: pytest.fail("the networks are elsewhere"))
    after = averages.collect({"team": team}, (1, 3, 15), profile="full")["team"].test
    assert {n: {size: one.tolist() for size, one in by.items()} for n, by in after.items()} == {
        n: {size: one.tolist() for size, one in by.items()} for n, by in before.items()
    }
    with pytest.raises(pytest.fail.Exception):
        averages.collect({"team": team}, (2,), profile="full")


def test_averages_of_more_networks_stay_and_other_sizes_join_them():
    averages.collect({"team": networks(3)}, (3,), profile="full")
    more = averages.collect({"team": networks(3)}, (2,), profile="full")["team"]
    assert set(more.test[1]) == set(more.validation[5]) == {2, 3}
    fewer = averages.collect({"team": networks(2)}, (1, 2), profile="full")["team"]
    assert fewer.networks == 3
    assert set(fewer.test[1]) == {2, 3}
    others = averages.collect({"team": networks(3, first=7)}, (2,), profile="full")["team"]
    assert (others.networks, set(others.test[1])) == (3, {2}), "of other seeds: made anew"
    grown = averages.collect({"team": networks(4)}, (2,), profile="full")["team"]
    assert (grown.networks, set(grown.test[1])) == (4, {2}), "picks among three say nothing of those among four"


def test_networks_of_earlier_code_are_averaged_anew(monkeypatch):
    averages.collect({"team": networks(3)}, (2,), profile="full")
    monkeypatch.setattr(averages, "identity", lambda spec: {"source": "another"})
    asked, trains = [], averages.parallel.train
    monkeypatch.setattr(averages.parallel, "train", lambda specs: asked.append(len(specs)) or trains(specs))
    averages.collect({"team": networks(3)}, (2,), profile="full")
    assert asked == [3, 3], "in one view and in five"
    averages.collect({"team": networks(3)}, (2,), profile="full")
    assert asked == [3, 3]


def test_networks_that_learned_from_other_images_are_no_team():
    elsewhere = small(make_split(32), epochs=1)
    with pytest.raises(ValueError, match="different splits"):
        averages.collect({"team": [*networks(1), elsewhere]}, (1,), profile="standard")


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 1}', '{"schema": 0, "trainings": []}', "[]"])
def test_a_damaged_record_is_named(text):
    path = averages.path_of(networks(1))
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"{path.name} is not a record of averages"):
        averages.find(networks(1))
