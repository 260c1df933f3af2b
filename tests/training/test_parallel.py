"""Trainings side by side: the same bits in processes, one after another and on a cluster; each once, whoever asks."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_fit import assert_same_run, make_split

from helpers.data import folds
from helpers.models.augmentation import Warp
from helpers.reporting.run.pool import Pool
from helpers.runtime import device, paths, pool, precision, run_store, sources
from helpers.training import fine_tuning, fit, outcomes, parallel, recipes, workers
from helpers.training import specs as specs_module

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
        assert_same_run(one, other)


def test_what_is_stored_starts_no_worker(side_by_side, specs, store, monkeypatch):
    monkeypatch.setattr(workers, "spread", lambda *_, **__: pytest.fail("a worker was started"))
    heard = []
    groups = {"both": specs[:2], "first": specs[:1], "alone": specs[1], "none": []}
    found = parallel.train(groups, store=store, finished=heard.append)
    assert sorted(run.spec.seed for run in heard) == [0, 1]
    assert [run.spec.seed for run in found["both"]] == [0, 1]
    assert [run.spec.seed for run in found["first"]] == [0]
    assert (list(found), found["alone"].spec.seed, found["none"]) == (list(groups), 1, [])
    assert all(run.reused for run in found["both"])
    assert parallel.train([], store=store) == []


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


def test_the_pool_of_a_build_trains_the_same_bits_each_once(side_by_side, specs, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "spread", lambda *_, **__: pytest.fail("the kernel started a worker of its own"))
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    wild = replace(specs[0], model="dr_simple", options={}, learning_rate=1e30, schedule="constant", epochs=1)
    with Pool(1, os.environ | {"DIGITS_THREADS": "1"}) as one:
        monkeypatch.setenv(pool.ADDRESS, one.address)
        runs = parallel.train({"both": specs[:2], "again": specs[2]}, store=tmp_path / "store")
        assert one.progress().done == 2
        for found, other in zip([*runs["both"], runs["again"]], side_by_side, strict=True):
            assert found.key == other.key
            assert_same_run(found, other)
        with pytest.raises(fit.Diverged, match="not finite"):
            parallel.train([wild], store=tmp_path / "store")
        with pytest.raises(pool.Stale, match="expected another"):  # of other code than this one's
            list(parallel._in_pool(one.address, [{"another": specs[0]}], tmp_path / "store"))
    assert run_store.store_size(tmp_path / "store")[0] == 2
    assert len(list((tmp_path / "build/staging/images").iterdir())) == 1, "images go out once"


def test_a_key_tells_of_the_code_that_is_loaded_not_of_what_is_edited_later(tmp_path):
    shutil.copytree(Path(sources.PACKAGE), tmp_path / "helpers", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    code = """
import sys
from pathlib import Path
from helpers.training import parallel, specs
with Path(sys.modules["helpers.training.step"].__file__).open("a") as edited:
    edited.write("\\ndef more():\\n    return 1\\n")
print(*[specs._source(model) for model in ("resnet8", "mlp")])
"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    wanted = " ".join(specs_module._source(model) for model in ("resnet8", "mlp"))
    found = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout.strip()
        for _ in range(2)
    ]
    assert found[0] == wanted
    assert found[1] not in ("", wanted), "a process that begins later has loaded what was edited"


class OfANotebook(Warp):
    """As a cell may define it: no other process knows it by its name."""


def test_what_only_this_notebook_knows_is_trained_by_itself(specs, tmp_path, monkeypatch):
    def spread(*_, **__):
        raise LookupError("in processes of its own")

    monkeypatch.setattr(workers, "spread", spread)
    monkeypatch.setenv(pool.ADDRESS, "nobody is to ask there")
    own = replace(specs[0], augmentation=OfANotebook(**vars(recipes.FAST_WARP)))
    with pytest.raises(LookupError):
        parallel.train([own], store=tmp_path)
    for asked in (own, [own], {"a": [specs[0], own]}):
        with pytest.raises(ValueError, match="augmentation: got OfANotebook, whose code no key tells of"):
            parallel.train(asked)


def test_the_same_training_for_another_store_is_another(specs, tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    monkeypatch.setattr(pool, "calls", lambda address, asked: heard.extend(asked) or iter(()))
    monkeypatch.chdir(tmp_path)
    for place in (Path("a"), tmp_path / "b", tmp_path / "a"):
        assert not list(parallel._in_pool("", [{"key": specs[0]}], place))
    first, other, again = (call.leaves for call in heard)
    assert first == again == {f"{tmp_path / 'a'}/key"}
    assert not first & other


def test_a_single_training_is_made_by_who_has_the_machine_alone(specs, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    with Pool(1, os.environ | {"DIGITS_THREADS": "1"}) as one:
        monkeypatch.setenv(pool.ADDRESS, one.address)
        with pool.alone():
            run = parallel.train(specs[0], store=tmp_path / "store")
            with pytest.raises(RuntimeError, match="cannot be asked for while the machine is held alone"):
                parallel.train(specs[1:2], store=tmp_path / "store")
        assert not run.reused
        assert one.progress().done == 0


def test_a_kernel_does_not_count_as_waiting_while_it_takes_runs_from_the_store(
    side_by_side, specs, store, tmp_path, monkeypatch
):
    log, said, recall = [], [], outcomes.recall

    def calls(address, asked):
        try:
            yield from ((each, None) for each in asked)  # as if another kernel had asked for them
        finally:
            log.append("left the pool")

    monkeypatch.setenv(pool.ADDRESS, "somewhere")
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    monkeypatch.setattr(pool, "calls", calls)
    monkeypatch.setattr(parallel, "_is_stored", lambda name, store: False)
    monkeypatch.setattr(outcomes, "recall", lambda *args, **named: log.append("recall") or recall(*args, **named))
    monkeypatch.setattr(parallel.progress, "say", said.append)
    found = parallel.train(specs, store=store)
    assert [run.key for run in found] == [run.key for run in side_by_side]
    assert log == ["left the pool", "recall", "recall"]
    assert [line.split(" · ")[1] for line in said] == ["1 of 2 trainings done", "2 of 2 trainings done"]


def test_what_takes_longer_counts_more(specs):
    short = specs[0]
    assert parallel._operations(replace(short, epochs=4)) > 1.5 * parallel._operations(short)
    wide = replace(short, options={"width": 1.0})
    assert parallel._operations(wide) > 4 * parallel._operations(short)
    assert parallel._operations(replace(short, views=5)) > parallel._operations(replace(short, views=1))


def test_bad_numbers_are_named(specs):
    with pytest.raises(ValueError, match="processes: got 0"):
        parallel.train(specs, processes=0)
    with pytest.raises(ValueError, match="threads: got True"):
        parallel.train(specs, threads=True)


def test_a_single_training_gets_every_core_of_this_process(specs, tmp_path, monkeypatch):
    heard = []
    run = parallel.train(specs[0], store=tmp_path, finished=heard.append)
    assert heard == [run]
    assert run.key == fit.key(specs[0])
    assert run.hardware["threads"] == device.threads()
    again = parallel.train(specs[0], store=tmp_path, threads=1)
    assert again.hardware["threads"] == 1


def test_workers_fit_cores_and_memory(monkeypatch):
    monkeypatch.setenv("DIGITS_THREADS", "8")
    memory = type("Memory", (), {"available": 5 * workers.WORKER_BYTES + 1})
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    assert workers.available(1) == 5
    assert workers.available(2) == 4
    assert workers.available(100) == 1
    monkeypatch.delenv("DIGITS_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4}, raising=False)
    assert precision.available_threads() == 3


def test_tensorflow_at_work_already_keeps_its_threads_and_they_are_named(monkeypatch):
    import tensorflow as tf

    def refuse(number):
        raise RuntimeError("Intra op parallelism cannot be modified after initialization.")

    monkeypatch.setenv("DIGITS_THREADS", "7")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4}, raising=False)
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", refuse)
    for found, meant in ((5, 5), (0, 3)):  # 0: as many as there are cores
        monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda found=found: found)
        assert device.threads.__wrapped__() == meant


def test_a_worker_with_other_threads_or_another_key_says_so(specs, tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITS_THREADS", os.environ.get("DIGITS_THREADS", "1"))
    monkeypatch.setattr(device, "threads", lambda: 7)
    with pytest.raises(RuntimeError, match=r"threads = 1, but this worker's TensorFlow already works with 7"):
        parallel._work({"a": specs[0]}, 1, tmp_path)
    monkeypatch.setattr(device, "threads", lambda: 1)
    with pytest.raises(RuntimeError, match=r"expected another; only workers with the same code, the same library"):
        parallel._work({"another": specs[0]}, 1, tmp_path)


def test_a_file_that_came_by_value_cannot_leave_its_directory(tmp_path):
    parallel._install(tmp_path, "a" * 32, {"../../evil": b"x", "run.json": b"{}"})
    assert not (tmp_path.parent / "evil").exists()
    assert sorted(path.name for path in (tmp_path / ("a" * 32)).iterdir()) == ["evil", "run.json"]


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


def test_a_dask_cluster_gives_the_same_bits_by_value(cluster, side_by_side, specs, tmp_path, monkeypatch):
    """A mapping of trainings on different splits of two datasets, one of them begun from a file of this machine."""
    source = specs[0].split.source
    start = fine_tuning.from_file(side_by_side[0].directory / "model.keras")
    asked = {
        "folds": [replace(specs[0], split=part) for part in folds.k_folds(source, 2)],
        "same": specs[1],
        "other data": replace(specs[0], split=make_split(seed=1), views=5),
        "begun": replace(specs[0], start=start, schedule="constant"),
        "shorter": replace(specs[0], start=start, schedule="constant", epochs=1),
    }
    here = tmp_path / "here"
    with monkeypatch.context() as patch:
        patch.setattr(workers, "spread", lambda *_, **__: pytest.fail("trained here"))
        remote = parallel.train(asked, store=tmp_path / "remote")
        single = parallel.train(specs[0], store=tmp_path / "remote")
    assert run_store.store_size(cluster / "build" / "runs")[0] == 7
    monkeypatch.delenv("DASK_SCHEDULER")
    local = parallel.train(asked, processes=1, store=here)
    for one, other in zip(remote.pop("folds"), local.pop("folds"), strict=True):
        assert_same_run(one, other)
    for name, run in remote.items():
        assert run.key == local[name].key
        assert not run.reused
        assert_same_run(run, local[name])
    assert_same_run(single, side_by_side[0])
    monkeypatch.setenv("DASK_SCHEDULER", "tcp://127.0.0.1:9")  # nobody: what came by value needs no cluster
    assert all(run.reused for run in parallel.train(asked, store=tmp_path / "remote")["folds"])


def test_a_scheduler_that_does_not_answer_is_named(specs, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("DASK_SCHEDULER", "tcp://127.0.0.1:9")
    real = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda address, **how: real(address, **{**how, "timeout": 1}))
    with pytest.raises(RuntimeError, match=r"DASK_SCHEDULER=tcp://127\.0\.0\.1:9: no scheduler answers"):
        parallel.train(specs, store=tmp_path)
