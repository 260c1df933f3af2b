"""Cross-validation: folds put together, and repeated, against trainings whose outcome is known in advance."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.data import folds
from helpers.data.dataset import build_dataset
from helpers.training import cross_validation, fit, parallel, recipes

TINY = {"epochs": 2, "batch_size": 16, "learning_rate": 0.05, "precision": "float32"}
RECIPE = partial(recipes.published, "dr_simple", optimizer="sgd", **TINY)


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 300)
    prototypes = rng.integers(0, 256, (10, 28, 28))
    images = np.clip(prototypes[labels] + rng.normal(0, 110, (300, 28, 28)), 0, 255).astype(np.uint8)
    return build_dataset("toy", images, labels)


@pytest.fixture(scope="module")
def parts(source):
    return folds.k_folds(source, 3, test=np.arange(40))


@pytest.mark.slow
def test_folds_are_trained_in_order_and_make_one_prediction_for_every_row(parts, source, tmp_path):
    runs = cross_validation.cross_validate(RECIPE, parts, processes=1, store=tmp_path)
    assert [run.spec.split for run in runs] == parts
    scores = cross_validation.scores(runs)
    assert (scores > 0.5).all()
    whole = cross_validation.held_out(runs)
    for run, score in zip(runs, scores, strict=True):
        part = run.spec.split
        assert run.history["val_accuracy"].iloc[-1] == pytest.approx(score)
        assert np.mean(run.val_predictions == source.labels[part.val_index]) == score
        assert len(run.test_predictions) == 40
        assert np.array_equal(whole[part.val_index], run.val_predictions)
    assert (cross_validation.held_out(runs[:1]) == -1).sum() == len(parts[0].train_index)
    with pytest.raises(ValueError, match="more than one fold"):
        cross_validation.held_out([runs[0], runs[0]])


def made_up(spec, predicted):
    return SimpleNamespace(spec=spec, val_predictions=predicted)


def test_repeats_and_seeds_share_their_first_fold(source, monkeypatch):
    asked = []

    def train(specs, *, store):
        asked.extend((spec.seed, spec.split.fingerprint) for spec in specs)
        return [made_up(spec, (spec.split.y_val + (i == 0)) % 10) for i, spec in enumerate(specs)]

    monkeypatch.setattr(parallel, "train", train)
    found = cross_validation.repeat(RECIPE, source, n_repeats=2, n_seeds=3, seed=5, store="anywhere")
    draws = folds.repeated(source, 2, seed=5)
    expected = [(5 + i, fold.fingerprint) for i, draw in enumerate(draws) for fold in draw]
    assert asked == [*expected, (7, draws[0][0].fingerprint), (8, draws[0][0].fingerprint)]
    assert found.each.tolist() == [[0, 1, 1, 1, 1], [1, 1, 1, 1, 1]]
    assert found.same.tolist() == [0, 1, 1]
    assert np.array_equal(np.flatnonzero(~found.right), np.sort(draws[0][0].val_index))


def test_an_error_of_a_training_reaches_the_caller(parts, tmp_path):
    with pytest.raises(fit.Diverged, match="not finite"):
        cross_validation.cross_validate(partial(RECIPE, learning_rate=1e30, epochs=1), parts[:2], store=tmp_path)
