"""Trainings side by side: the same bits as one after another, each once, whoever asks first."""

from dataclasses import replace

import numpy as np
import pytest
from test_fit import make_split

from helpers.runtime import device, run_store
from helpers.training import fit, parallel, recipes, workers

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def specs():
    split = make_split()
    tiny = {"batch_size": 16, "learning_rate": 0.05, "precision": "float32", "epochs": 2}
    return [recipes.fast("fast_b", split, seed=seed, options={"width": 0.25}, **tiny) for seed in (0, 1, 0)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def side_by_side(specs, store):
    return parallel.train(specs, processes=2, store=store)


def test_runs_come_in_order_and_each_is_trained_once(side_by_side, specs, store):
    assert [run.spec.seed for run in side_by_side] == [0, 1, 0]
    assert [run.reused for run in side_by_side] == [False] * 3
    assert all(run.hardware["threads"] == 1 for run in side_by_side)
    assert run_store.store_size(store)[0] == 2
    for run, spec in zip(side_by_side, specs, strict=True):
        assert run.key == fit.key(spec, threads=1)
        assert len(run.test_predictions) == len(spec.split.x_test)


def test_one_at_a_time_gives_the_same_bits(side_by_side, specs, tmp_path):
    alone = parallel.train(specs[:2], processes=1, store=tmp_path)
    for one, other in zip(side_by_side, alone, strict=False):
        assert one.key == other.key
        assert np.array_equal(one.test_logits, other.test_logits)
        assert all(
            np.array_equal(a, b) for a, b in zip(one.load().get_weights(), other.load().get_weights(), strict=True)
        )


def test_what_is_stored_starts_no_worker(side_by_side, specs, store, monkeypatch):
    monkeypatch.setattr(workers, "spread", lambda *_, **__: pytest.fail("a worker was started"))
    heard = []
    groups = parallel.train_groups({"both": specs[:2], "first": specs[:1]}, store=store, finished=heard.append)
    assert sorted(run.spec.seed for run in heard) == [0, 1]
    assert {name: [run.spec.seed for run in runs] for name, runs in groups.items()} == {"both": [0, 1], "first": [0]}
    assert all(run.reused for runs in groups.values() for run in runs)
    named = parallel.train_named({"b": specs[1], "a": specs[0]}, store=store)
    assert {name: run.spec.seed for name, run in named.items()} == {"b": 1, "a": 0}


def test_one_at_a_time_on_the_same_threads_stays_in_this_process(specs, monkeypatch, tmp_path):
    monkeypatch.setenv("DIGITS_THREADS", "1")
    monkeypatch.setattr(device, "threads", lambda: 1)
    monkeypatch.setattr(workers.joblib, "Parallel", lambda *_, **__: pytest.fail("a worker was started"))
    (run,) = parallel.train(specs[:1], store=tmp_path)
    assert run.key == fit.key(specs[0], threads=1)


def test_lengths_of_one_training_are_one_training(specs, tmp_path, monkeypatch):
    steady = [replace(specs[0], schedule="constant", epochs=epochs) for epochs in (1, 3, 2)]
    other = replace(specs[1], schedule="constant", epochs=1)
    trained, epoch = [], fit._epoch
    monkeypatch.setenv("DIGITS_THREADS", "1")
    monkeypatch.setattr(device, "threads", lambda: 1)  # so that it stays in this process and can be counted
    monkeypatch.setattr(fit, "_epoch", lambda *args: trained.append(args[0].seed) or epoch(*args))
    heard = []
    runs = parallel.train([*steady, other], processes=1, store=tmp_path, finished=heard.append)
    assert sorted(trained) == [0, 0, 0, 1], "three epochs give the trainings of one, two and three"
    assert [run.spec.epochs for run in runs] == [1, 3, 2, 1]
    assert not any(run.reused for run in runs)
    assert len(heard) == 4
    alone = fit.run(steady[2], store=tmp_path / "alone")
    assert np.array_equal(alone.test_logits, runs[2].test_logits)
    assert [len(run.history) for run in runs] == [1, 3, 2, 1]


def test_an_error_reaches_the_caller_and_what_was_finished_stays(specs, tmp_path):
    # A network without batch normalisation, which would catch even this.
    wild = replace(specs[0], model="dr_simple", options={}, learning_rate=1e30, schedule="constant", epochs=1)
    with pytest.raises(fit.Diverged, match="not finite"):
        parallel.train([specs[1], wild], processes=1, store=tmp_path)
    assert run_store.store_size(tmp_path)[0] == 1


def test_bad_numbers_are_named(specs):
    with pytest.raises(ValueError, match="processes = 0"):
        parallel.train(specs, processes=0)
    with pytest.raises(ValueError, match="threads = True"):
        parallel.train(specs, threads=True)
    assert parallel.train([]) == []
