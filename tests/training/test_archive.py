"""Records of finished runs: what goes in comes out, for the same spec on any machine and for no other."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_fit import make_split, small

from helpers.data import splits
from helpers.reporting.run import freshness
from helpers.runtime import paths
from helpers.training import archive, fit, parallel


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPORTS", tmp_path / "reports")
    return tmp_path


@pytest.fixture
def run(scratch):
    return fit.run(small(make_split()), store=scratch / "store")


def test_nothing_is_found_before_anything_is_recorded(scratch):
    assert archive.find(small(make_split())) is None


def test_what_goes_in_comes_out(run):
    path = archive.record(run)
    assert path.parent == paths.REPORTS / "runs"
    assert path.stat().st_size <= 30_000
    found = archive.find(small(make_split()))
    assert np.array_equal(found.test_predictions, run.test_logits.argmax(axis=1))
    assert np.array_equal(found.val_predictions, run.val_logits.argmax(axis=1))
    odds = np.exp(run.test_logits.astype(float))
    _, confidence = archive._unpack(json.loads(path.read_text())["test"], run.spec.split.y_test)
    assert np.allclose(confidence, (odds / odds.sum(axis=1, keepdims=True)).max(axis=1), atol=0.0026)
    assert np.allclose(found.history, run.history, rtol=1e-5)
    assert found.cost == pytest.approx(run.cost, abs=0.01)
    assert found.provenance.startswith(f"recorded {found.finished}, trained in")


def test_the_number_format_and_threads_do_not_matter(run, monkeypatch):
    archive.record(run)
    monkeypatch.setenv("DIGITS_PRECISION", "float32")
    assert archive.find(replace(run.spec, precision="mixed_bfloat16")) is not None


@pytest.mark.parametrize("change", [{"seed": 1}, {"epochs": 3}, {"learning_rate": 0.01}, {"views": 5}])
def test_another_spec_has_another_record(run, change):
    archive.record(run)
    assert archive.find(replace(run.spec, **change)) is None


def test_other_data_have_another_record(run):
    archive.record(run)
    assert archive.find(replace(run.spec, split=make_split(seed=1))) is None


def test_a_record_is_never_replaced(run):
    path = archive.record(run)
    path.write_text(path.read_text().replace('"seconds":', '"seconds": 1000'))
    kept = path.read_text()
    assert archive.record(run) == path
    assert path.read_text() == kept


@pytest.mark.parametrize("field", ["test", "validation", "spec", "history", "schema"])
def test_a_damaged_record_is_an_error_that_names_it(run, field):
    path = archive.record(run)
    document = json.loads(path.read_text())
    document[field] = {"test": document["validation"], "validation": "", "spec": {}, "history": 3, "schema": 9}[field]
    if field == "test":
        document["test"] = document["test"][:40]
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=path.name):
        archive.find(run.spec)
    path.write_text("{")
    with pytest.raises(ValueError, match="not a run record"):
        archive.find(run.spec)


def test_a_run_with_the_longest_published_history_fits(scratch):
    """Kaggle's proportions, a hundred epochs, and probabilities of the most awkward kind."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 28_000)
    logits = rng.normal(0, 1, (28_000, 10))
    logits[np.arange(28_000), labels] += rng.gamma(9, 1, 28_000)
    packed = archive._pack(logits, labels)
    assert len(packed) < 23_000
    classes, _ = archive._unpack(packed, labels)
    assert np.array_equal(classes, logits.argmax(axis=1))


def test_an_unsure_network_is_recorded_in_coarser_steps(run):
    """Probabilities all over the place hardly compress; the classes are kept whatever happens."""
    rng = np.random.default_rng(0)
    n = 28_000
    labels = rng.integers(0, 10, n)
    old, images = run.spec.split, np.zeros((n, 28, 28), np.uint8)
    wide = splits.of_arrays("wide", (old.x_train, old.y_train), (old.x_val, old.y_val), (images, labels))
    logits = rng.normal(0, 1, (n, 10)).astype(np.float32)
    logits[np.arange(n), labels] += rng.normal(4, 2, n)
    unsure = replace(run, spec=replace(run.spec, split=wide), test_logits=logits)
    path = archive.record(unsure)
    assert path.stat().st_size <= archive.LARGEST
    assert json.loads(path.read_text())["levels"] < 200
    found = archive.find(unsure.spec)
    assert np.array_equal(found.test_predictions, logits.argmax(axis=1))
    odds = np.exp(logits.astype(float))
    document = json.loads(path.read_text())
    _, confidence = archive._unpack(document["test"], labels, document["levels"])
    assert np.allclose(confidence, (odds / odds.sum(axis=1, keepdims=True)).max(axis=1), atol=0.026)


def test_a_new_record_makes_its_readers_stale(run):
    code = "from helpers.training import archive"
    before = freshness.recorded_runs(code)
    path = archive.record(run)
    assert freshness.recorded_runs(code) == {**before, f"run record {path.name}": freshness.digest(path.read_bytes())}
    assert freshness.recorded_runs("from helpers.evaluation import metrics") == {}


def test_collect_trains_and_records_in_the_full_profile_only(run, monkeypatch):
    asked = []

    def train(specs, *, finished=None):
        asked.append(specs)
        if isinstance(specs, dict):
            return {name: replace(run, spec=spec) for name, spec in specs.items()}
        for spec in specs if isinstance(specs, list) else [specs]:
            finished(replace(run, spec=spec))

    monkeypatch.setattr(parallel, "train", train)
    specs = {"a": run.spec, "b": replace(run.spec, seed=1)}
    assert archive.collect(specs, profile="standard") == {}
    assert asked == []
    smoke = archive.collect(specs, profile="smoke")
    assert np.array_equal(smoke["a"].test_predictions, run.test_predictions)
    assert not (paths.REPORTS / "runs").exists()
    assert [(spec.seed, spec.epochs) for spec in asked.pop().values()] == [
        (run.spec.seed, 1),
        (1, 1),
    ]  # a taste of each
    archive.collect({"a": run.spec}, profile="full")
    assert asked == [run.spec], "alone, it gets every core"
    archive.collect({"a": run.spec}, profile="full")
    assert len(asked) == 1  # a record answers for its training, on whatever machine it was made
    assert list(archive.collect(specs, profile="standard")) == ["a"]
