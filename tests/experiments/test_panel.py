"""Readers on an easy split, look-alikes found by brute force, writers made up, and no image read by its own pupil."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_fit import make_split

from helpers.data.dataset import build_dataset
from helpers.experiments.error_analysis import panel
from helpers.training import cross_validation, recipes


def test_the_panel_reads_an_easy_split():
    split = make_split()
    knn, found = panel.nearest(split, k=3)
    squared = ((split.x_test[:, None].astype(float) - split.x_train[None].astype(float)) ** 2).sum(axis=(2, 3))
    assert np.array_equal(found.indices[:, 0], squared.argmin(axis=1))
    svm = panel.support_vectors(split, n_train=200, n_components=20)
    for reader in (knn, svm):
        assert reader.predictions.shape == split.y_test.shape
        assert reader.score(split.y_test).estimate > 0.9
        assert reader.seconds > 0
    again = panel.support_vectors(split, n_train=200, n_components=20)
    assert (svm.predictions != again.predictions).sum() <= 1  # of 50: a near tie may turn on the last digit of an axis


def test_look_alikes_are_others_even_among_duplicates():
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (40, 6, 6)).astype(np.uint8)
    images[7] = images[30]  # the duplicate comes first in the order of rows
    rows = np.array([30, 7, 3])
    found = panel.look_alikes(images, rows, k=3)
    flat = images.reshape(40, -1).astype(float)
    for row, near in zip(rows, found, strict=True):
        squared = ((flat - flat[row]) ** 2).sum(axis=1)
        squared[row] = np.inf
        assert near.tolist() == np.argsort(squared, kind="stable")[:3].tolist()
    assert found[0, 0] == 7
    assert found[1, 0] == 30


def test_hands_count_people_and_halves(monkeypatch):
    known = SimpleNamespace(ids=np.array([9, 1, 1, 2, 2, 3]), series=np.array([0, 4, 4, 4, 0, 0]))
    monkeypatch.setattr(panel.writers, "present", lambda: True)
    monkeypatch.setattr(panel.writers, "load", lambda source: known)
    rows, right = np.array([1, 2, 3, 4, 5]), np.array([False, False, True, False, True])
    found = panel.hands(None, rows, right)
    assert found.students == (1.0, pytest.approx(1 / 3))
    assert (found.writers, found.clumsy, found.most) == (3, 2, 2)
    assert found.accuracy.estimate == pytest.approx(2 / 5)
    monkeypatch.setattr(panel.writers, "present", lambda: False)
    assert panel.hands(None, rows, right) is None


def test_out_of_fold_asks_networks_that_have_not_seen_the_image(tmp_path, monkeypatch):

    split = make_split()
    source = build_dataset("toy", split.x_train, split.y_train)
    asked = []

    def cross_validate(recipe, parts):
        asked.extend(parts)
        assert recipe(split).label_smoothing == 0
        assert not any(np.intersect1d(part.train_index, part.val_index).size for part in parts)
        return [SimpleNamespace(spec=SimpleNamespace(split=p), val_logits=10 * np.eye(10)[p.y_val]) for p in parts]

    monkeypatch.setattr(cross_validation, "cross_validate", cross_validate)
    monkeypatch.setattr(panel, "asker", lambda run: lambda images: np.log(np.full((len(images), 10), 0.1)))
    found = panel.out_of_fold(source, split.x_test, n=200, n_folds=4)
    rows, held = found.rows, found.probabilities
    assert np.allclose(found.elsewhere, 0.1)
    assert found.elsewhere.shape == (len(split.x_test), 10)
    assert len(asked) == 4
    assert len(np.unique(rows)) == len(rows) == 200
    assert np.array_equal(held.argmax(axis=1), source.labels[rows]), "put back in the order of rows"
    assert np.allclose(held.sum(axis=1), 1)


def test_all_that_later_sections_ask_for_is_trained_at_once(monkeypatch):
    from helpers.data import load
    from helpers.training import parallel, specs

    calls, asked = [], []

    def train(wanted):
        calls.append([specs.key(spec, threads=1) for spec in wanted])
        return [SimpleNamespace(test_predictions=spec.model, seconds=0) for spec in wanted]

    def cross_validate(recipe, parts):
        asked.extend(specs.key(recipe(part), threads=1) for part in parts)
        raise InterruptedError

    monkeypatch.setattr(parallel, "train", train)
    monkeypatch.setattr(cross_validation, "cross_validate", cross_validate)
    source = load.load_mnist().train
    final = recipes.fast("fast_e", load.make_split("standard", n_train=300, seed=1), epochs=2)
    epochs = {"seed": 1, "n": 300, "mlp_epochs": 2, "cnn_epochs": 1}
    runs = panel.train_all([final], source, **epochs, n_folds=3, fold_epochs=1)
    assert [run.test_predictions for run in runs] == ["fast_e"]
    panel.networks(**epochs)
    with pytest.raises(InterruptedError):
        panel.out_of_fold(source, source.images[:2], n=300, n_folds=3, epochs=1, seed=1)
    everything, networks = calls
    assert len(everything) == 1 + 2 + 3
    assert set(networks) | set(asked) == set(everything[1:])
