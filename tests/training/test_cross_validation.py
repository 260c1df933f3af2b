"""Folds trained side by side: the same numbers in processes, one after another and on a cluster."""

import os
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from helpers.data import folds
from helpers.data.dataset import build_dataset
from helpers.runtime import device, precision, run_store
from helpers.training import cross_validation, fit, recipes, workers

pytestmark = [pytest.mark.slow]

TINY = {"epochs": 2, "batch_size": 16, "learning_rate": 0.05, "precision": "float32"}
RECIPE = partial(recipes.published, "dr_simple", optimizer="sgd", **TINY)
COLUMNS = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]


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


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def parallel(source, parts, store):
    return cross_validation.cross_validate(RECIPE, parts, source=source, processes=2, store=store)


def assert_same(a, b):
    assert [one.key for one in a] == [one.key for one in b]
    for one, other in zip(a, b, strict=True):
        assert np.array_equal(one.val_predictions, other.val_predictions)
        assert np.array_equal(one.test_predictions, other.test_predictions)
        assert one.history[COLUMNS].equals(other.history[COLUMNS])


def weights(trained, source, store):
    return cross_validation.full_run(RECIPE, trained, source=source, store=store).load().get_weights()


def test_each_fold_is_trained_by_a_pinned_worker_and_in_order(parallel, parts, source):
    assert [one.fold for one in parallel] == parts
    assert all((one.threads, one.model, one.epochs, one.reused) == (1, "dr_simple", 2, False) for one in parallel)
    assert len({one.key for one in parallel}) == 3
    assert (cross_validation.scores(parallel, source) > 0.5).all()
    for one in parallel:
        last = one.history["val_accuracy"].iloc[-1]
        assert last == pytest.approx(np.mean(one.val_predictions == source.labels[one.fold.val]))
        assert len(one.test_predictions) == 40


def test_one_after_another_gives_the_same_bits(parallel, parts, source, store, tmp_path):
    sequential = cross_validation.cross_validate(RECIPE, parts, source=source, processes=1, store=tmp_path)
    assert_same(parallel, sequential)
    a, b = weights(parallel[1], source, store), weights(sequential[1], source, tmp_path)
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_asking_again_starts_no_worker(parallel, parts, source, store, monkeypatch):
    monkeypatch.setattr(workers, "side_by_side", lambda *_: pytest.fail("a worker was started"))
    again = cross_validation.cross_validate(RECIPE, parts, source=source, store=store)
    assert all(one.reused for one in again)
    assert_same(parallel, again)


def test_only_what_is_missing_is_trained_and_order_is_kept(parallel, parts, source, store, monkeypatch):
    longer = partial(RECIPE, epochs=3)
    asked = []

    def pretend(jobs, *_):
        asked.extend(jobs)
        for position, (_, fold) in reversed(list(enumerate(jobs))):
            values = {"history": None, "seconds": 0.0, "parameters": 1, "threads": 1, "reused": False, "epochs": 3}
            values |= {"val_predictions": np.zeros(len(fold.val), int), "test_predictions": np.zeros(40, int)}
            yield position, {"key": f"new {fold.name}", "model": "dr_simple", **values}, {}

    monkeypatch.setattr(workers, "side_by_side", pretend)
    jobs = [(longer, parts[0]), (RECIPE, parts[0]), (longer, parts[1]), (RECIPE, parts[1])]
    found = cross_validation.train(jobs, source=source, store=store)
    assert [recipe for recipe, _ in asked] == [longer, longer]
    assert [one.key for one in found] == ["new fold 1 of 3", parallel[0].key, "new fold 2 of 3", parallel[1].key]


def test_a_run_is_a_run_wherever_it_was_trained(parallel, source, store, tmp_path):
    run = cross_validation.full_run(RECIPE, parallel[0], source=source, store=store)
    assert isinstance(run, fit.Run)
    assert run.reused
    assert np.array_equal(run.val_predictions, parallel[0].val_predictions)
    assert np.array_equal(run.spec.split.train_index, parallel[0].fold.train)
    assert fit.recall(run.spec, run_key="0" * 32, store=store) is None
    with pytest.raises(KeyError, match="no longer in the run store"):
        cross_validation.full_run(RECIPE, parallel[0], source=source, store=tmp_path)


def test_folds_of_one_repeat_make_one_prediction_for_every_row(parallel, source):
    whole = cross_validation.held_out(parallel, source)
    for one in parallel:
        assert np.array_equal(whole[one.fold.val], one.val_predictions)
    assert (cross_validation.held_out(parallel[:1], source) == -1).sum() == len(parallel[0].fold.train)
    with pytest.raises(ValueError, match="more than one fold"):
        cross_validation.held_out([parallel[0], parallel[0]], source)


def test_an_error_in_a_worker_reaches_the_caller(parts, source, tmp_path):
    wild = partial(RECIPE, learning_rate=1e30, epochs=1)
    with pytest.raises(fit.Diverged, match="not finite"):
        cross_validation.cross_validate(wild, parts[:2], source=source, processes=2, store=tmp_path)


def test_bad_arguments_are_named(parts, source):
    with pytest.raises(ValueError, match="jobs: got none"):
        cross_validation.train([], source=source)
    with pytest.raises(ValueError, match="threads = 0"):
        cross_validation.train([(RECIPE, parts[0])], source=source, threads=0)
    with pytest.raises(ValueError, match="processes = True"):
        cross_validation.train([(RECIPE, parts[0])], source=source, processes=True)
    other = build_dataset("other", 255 - source.images, source.labels)
    with pytest.raises(ValueError, match="was not made of this dataset"):
        cross_validation.train([(RECIPE, parts[0])], source=other)
    with pytest.raises(ValueError, match="at least 2"):
        cross_validation.nested({"one": RECIPE}, parts, source=source)


def test_workers_fit_cores_and_memory(monkeypatch):
    monkeypatch.setenv("DIGITS_THREADS", "8")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    memory = type("Memory", (), {"available": 5 * workers.WORKER_BYTES + 1})
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    assert workers.available(1) == 5
    assert workers.available(2) == 4
    assert workers.available(100) == 1
    monkeypatch.delenv("DIGITS_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4}, raising=False)
    assert precision.available_threads() == 3
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert workers.available(1) == 1


def test_tensorflow_at_work_already_keeps_its_threads_and_they_are_named(monkeypatch):
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    def refuse(number):
        raise RuntimeError("Intra op parallelism cannot be modified after initialization.")

    monkeypatch.setenv("DIGITS_THREADS", "7")
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", refuse)
    for found, meant in ((5, 5), (0, cores)):  # 0: as many as there are cores
        monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda found=found: found)
        assert device.threads.__wrapped__() == meant


def test_nested_choice_never_looks_at_the_outer_fold(parallel, source, monkeypatch):
    outer = folds.k_folds(source, 2)
    looked = []

    # A recipe is a number here; its accuracy on a fold is known in advance, so that the choice can be checked.
    def pretend(jobs, *, source, **_):
        found = []
        for skill, fold in jobs:
            inner = len(fold.train) < 150
            looked.append((inner, fold))
            share = skill["inner"] if inner else skill["outer"]
            predicted = source.labels[fold.val].copy()
            wrong = np.arange(len(predicted)) >= round(share * len(predicted))
            predicted[wrong] = (predicted[wrong] + 1) % 10
            found.append(replace(parallel[0], fold=fold, val_predictions=predicted))
        return found

    monkeypatch.setattr(cross_validation, "train", pretend)
    candidates = {"flatters outside": {"inner": 0.6, "outer": 0.9}, "good inside": {"inner": 0.8, "outer": 0.7}}
    found = cross_validation.nested(candidates, outer, source=source, n_inner=3)
    assert found.chosen == ["good inside"] * 2
    np.testing.assert_allclose(found.scores, 0.7, atol=0.01)
    np.testing.assert_allclose(found.inner["flatters outside"], 0.6, atol=0.02)
    np.testing.assert_allclose(found.outer["flatters outside"], 0.9, atol=0.01)
    held = [set(fold.val) for inner, fold in looked if not inner]
    for inner, fold in looked:
        if inner:
            assert any(not (set(fold.train) | set(fold.val)) & outside for outside in held)


@pytest.fixture
def cluster(tmp_path_factory, monkeypatch):
    """Two worker processes with a file system root of their own: nothing is shared with this process."""
    distributed = pytest.importorskip("distributed")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(elsewhere),
        env={"DIGITS_ROOT": str(elsewhere), "TF_CPP_MIN_LOG_LEVEL": "2"},
    ) as running:
        monkeypatch.setenv("DASK_SCHEDULER", running.scheduler_address)
        yield elsewhere


def test_a_dask_cluster_gives_the_same_bits_by_value(cluster, parallel, parts, source, store, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "side_by_side", lambda *_: pytest.fail("trained here"))
    remote = cross_validation.cross_validate(RECIPE, parts, source=source, store=tmp_path)
    assert_same(parallel, remote)
    assert [one.fold for one in remote] == parts
    assert run_store.store_size(cluster / "build" / "runs")[0] == 3  # trained there
    a, b = weights(parallel[2], source, store), weights(remote[2], source, tmp_path)
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    monkeypatch.setattr(workers, "on_cluster", lambda *_: pytest.fail("asked the cluster again"))
    assert all(one.reused for one in cross_validation.cross_validate(RECIPE, parts, source=source, store=tmp_path))


def test_a_scheduler_that_does_not_answer_is_named(parts, source, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("DASK_SCHEDULER", "tcp://127.0.0.1:9")
    real = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda address, **how: real(address, **{**how, "timeout": 1}))
    with pytest.raises(RuntimeError, match=r"DASK_SCHEDULER=tcp://127\.0\.0\.1:9: no scheduler answers"):
        cross_validation.cross_validate(RECIPE, parts, source=source, store=tmp_path)


def test_a_file_that_came_by_value_cannot_leave_its_directory(tmp_path):
    workers.install(tmp_path, "a" * 32, {"../../evil": b"x", "run.json": b"{}"})
    assert not (tmp_path.parent / "evil").exists()
    assert sorted(path.name for path in (tmp_path / ("a" * 32)).iterdir()) == ["evil", "run.json"]


def test_a_worker_with_other_threads_says_so(parts, source, monkeypatch):
    monkeypatch.setenv("DIGITS_THREADS", os.environ.get("DIGITS_THREADS", "1"))
    monkeypatch.setattr(device, "threads", lambda: 7)
    with pytest.raises(RuntimeError, match=r"threads = 1, but this worker's TensorFlow already works with 7"):
        workers.work(0, RECIPE, parts[0], source.images, source.labels, 1, None, False)


def test_repeats_and_seeds_share_their_first_fold(source, monkeypatch):
    asked = []

    def pretend(jobs, *, source, store):
        asked.extend((recipe.keywords["seed"], fold.fingerprint) for recipe, fold in jobs)
        return [
            cross_validation.Trained(f, "", "", 1, None, (source.labels[f.val] + (i == 0)) % 10, None, 0.0, 1, 1, False)
            for i, (_, f) in enumerate(jobs)
        ]

    monkeypatch.setattr(cross_validation, "train", pretend)
    found = cross_validation.repeat(RECIPE, source, n_repeats=2, n_seeds=3, seed=5, store="anywhere")
    draws = folds.repeated(source, 2, seed=5)
    expected = [(5 + i, fold.fingerprint) for i, draw in enumerate(draws) for fold in draw]
    assert asked == [*expected, (7, draws[0][0].fingerprint), (8, draws[0][0].fingerprint)]
    assert found.each.tolist() == [[0, 1, 1, 1, 1], [1, 1, 1, 1, 1]]
    assert found.same.tolist() == [0, 1, 1]
    assert np.array_equal(np.flatnonzero(~found.right), np.sort(draws[0][0].val))


def test_a_single_job_gets_every_core_and_workers_with_other_threads_are_new(parts, source, tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITS_THREADS", "2")
    (one,) = cross_validation.cross_validate(RECIPE, parts[:1], source=source, store=tmp_path)
    (same,) = cross_validation.cross_validate(RECIPE, parts[:1], source=source, store=tmp_path, threads=1)
    assert (one.threads, same.threads) == (2, 1)
    assert one.key != same.key
