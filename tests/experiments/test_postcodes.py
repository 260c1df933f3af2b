"""Codes of several digits against enumeration, the formula, and hands made up."""

import itertools

import numpy as np
import pytest

from helpers.experiments.sorting_office import postcodes


def test_codes_agree_with_the_list_of_all_codes():
    correct = np.array([True, True, False, True, True, True, False])
    accepted = np.array([True, True, True, False, True, True, False])
    codes = list(itertools.product(range(7), repeat=3))
    kept = [all(accepted[i] for i in code) for code in codes]
    right = [all(accepted[i] and correct[i] for i in code) for code in codes]
    found = postcodes.independent(correct, accepted, digits=3)
    assert found.sent == pytest.approx(1 - np.mean(kept))
    assert found.right == pytest.approx(np.mean(right))
    assert found.wrong == pytest.approx(np.mean(kept) - np.mean(right))


def test_drawn_codes_agree_with_the_formula():
    rng = np.random.default_rng(3)
    correct, accepted = rng.random(5000) < 0.97, rng.random(5000) < 0.95
    drawn = postcodes.simulate(correct, accepted, n_codes=200_000)
    computed = postcodes.independent(correct, accepted)
    for name in ("right", "sent", "wrong"):
        assert getattr(drawn, name) == pytest.approx(getattr(computed, name), abs=0.004)


def test_mistakes_of_one_hand_hit_fewer_codes():
    groups = np.repeat(np.arange(20), 10)
    correct = groups != 7  # one writer of twenty is always misread
    together = postcodes.simulate(correct, groups=np.random.default_rng(0).permutation(20)[groups], n_codes=5000)
    apart = postcodes.simulate(correct, n_codes=20_000)
    assert together.right == pytest.approx(0.95)
    assert together.wrong == pytest.approx(0.05)
    assert apart.right == pytest.approx(0.95**5, abs=0.01)
    assert postcodes.consecutive(correct).right == pytest.approx(0.95)


def test_no_digit_comes_twice_in_a_code():
    correct = np.array([False, True, True, True, True])
    assert postcodes.simulate(correct, digits=5, n_codes=100).right == 0  # every code holds the wrong one
    pairs = postcodes.simulate(np.array([False, True, False, True]), groups=[0, 0, 1, 1], digits=2, n_codes=100)
    assert pairs.right == 0


def test_the_table_has_a_row_for_every_way():
    rng = np.random.default_rng(4)
    correct, accepted = rng.random(1000) < 0.99, rng.random(1000) < 0.9
    table = postcodes.table(correct, accepted, groups=np.arange(1000) // 10)
    assert len(table) == 4
    sums = table[["sent", "right", "wrong"]].sum(axis=1)
    assert np.allclose(sums, 1)
    assert len(postcodes.table(correct, accepted)) == 3


def test_codes_refuse():
    with pytest.raises(ValueError, match="correct"):
        postcodes.independent([1, 0])
    with pytest.raises(ValueError, match="accepted"):
        postcodes.independent(np.ones(3, bool), np.ones(2, bool))
    with pytest.raises(ValueError, match="at least 5"):
        postcodes.consecutive(np.ones(3, bool))
    with pytest.raises(ValueError, match="groups"):
        postcodes.simulate(np.ones(3, bool), groups=[1])
