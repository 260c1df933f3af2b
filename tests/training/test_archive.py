"""Records of finished runs: what goes in comes out, for the same spec on any machine and for no other."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_fit import make_split, small

from helpers.data import splits
from helpers.models import architectures
from helpers.reporting.run import freshness
from helpers.runtime import paths
from helpers.training import archive, check_records, fit, parallel, specs


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


def test_a_record_of_this_code_is_never_replaced(run):
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
    two = {"a": run.spec, "b": replace(run.spec, seed=1)}
    assert archive.collect(two, profile="standard") == {}
    assert asked == []
    smoke = archive.collect(two, profile="smoke")
    assert np.array_equal(smoke["a"].test_predictions, run.test_predictions)
    assert not (paths.REPORTS / "runs").exists()
    assert [(spec.seed, spec.epochs) for spec in asked.pop().values()] == [
        (run.spec.seed, 1),
        (1, 1),
    ]  # a taste of each
    own = archive.collect(two, profile="full", recorded=False)  # somebody's own digits
    assert list(own) == ["a", "b"]
    assert [spec.epochs for spec in asked.pop().values()] == [run.spec.epochs] * 2, "to their ends"
    assert not (paths.REPORTS / "runs").exists()
    archive.collect({"a": run.spec}, profile="full")
    assert asked == [run.spec], "alone, it gets every core"
    archive.collect({"a": run.spec}, profile="full")
    assert len(asked) == 1  # a record answers for its training, on whatever machine it was made
    assert list(archive.collect(two, profile="standard")) == ["a"]
    assert archive.collect(two, profile="standard", recorded=False) == {}, "records are of MNIST"


def test_a_record_says_which_code_made_it(run, monkeypatch):
    path = archive.record(run)
    assert archive.find(run.spec).standing == ""
    assert archive.is_current(archive.find(run.spec))
    with pytest.raises(ValueError, match="a committed record; only a run of the run store has weights"):
        archive.find(run.spec).load()
    monkeypatch.setattr(specs, "_source", lambda model: "another source")
    found = archive.find(run.spec)
    assert found.provenance.startswith(f"recorded {found.finished}, by earlier code, trained in")
    assert not archive.is_current(found)
    before = path.read_bytes()
    archive.record(run)  # trained again by the new code, so to say
    assert path.read_bytes() != before
    assert archive.is_current(archive.find(run.spec))


def as_before(path):
    """Make a record one of those that name neither source nor network."""
    document = json.loads(path.read_text())
    path.write_text(json.dumps({name: document[name] for name in document if name not in ("source", "architecture")}))
    return document


def test_a_record_of_another_network_is_no_answer(scratch, monkeypatch):
    """Filters cut from 16 and 16 to 8 and 8: once the same record would have answered."""
    spec = small(make_split(), model="recog", options={}, epochs=1)
    path = archive.record(fit.run(spec, store=scratch / "store"))
    smaller = lambda name, options, **how: real("dr_simple", options, **how)  # noqa: E731
    real = architectures.build
    for prepare in (lambda: None, lambda: as_before(path)):
        prepare()
        with monkeypatch.context() as patch:
            patch.setattr(architectures, "build", smaller)
            specs._architecture.cache_clear()
            archive._size.cache_clear()
            assert archive.find(spec) is None
        specs._architecture.cache_clear()
        archive._size.cache_clear()
        assert archive.find(spec) is not None
    # The same size, but other layers: told by the record itself, or by its check.
    monkeypatch.setattr(archive, "architecture", lambda spec: "other layers")
    assert archive.find(spec) is not None, "nothing is known of the network of an old record but its size"
    row = {"commit": "abc1234", "source": "s", "architecture": "layers of then", "repeats": "yes"}
    monkeypatch.setattr(archive, "checks", lambda: {path.stem: row})
    assert archive.find(spec) is None


def test_a_first_epoch_that_repeats_makes_it_a_run_of_todays_code(scratch, monkeypatch):
    spec = small(make_split(), epochs=3, schedule="one_cycle")
    run = fit.run(spec, store=scratch / "store")
    path = archive.record(run)
    as_before(path)
    assert archive.find(spec).standing == ", by earlier code"
    monkeypatch.setattr(check_records, "_splits", lambda *_: {spec.split.fingerprint: spec.split})
    monkeypatch.setattr(check_records, "_commit", lambda path: "abc1234")
    trained, epoch = [], fit._epoch
    monkeypatch.setattr(fit, "_epoch", lambda *args: trained.append(args[3]) or epoch(*args))
    monkeypatch.setattr(check_records.workers, "spread", lambda tasks, **_: [f(*a, **k) for f, a, k in tasks])
    known = check_records.check(store=scratch / "other")
    assert trained == [0], "the first epoch of three"
    assert known[path.stem]["repeats"] == "yes"
    found = archive.find(spec)
    assert ", first epoch repeated bit for bit by this code, trained in" in found.provenance
    assert archive.is_current(found)
    check_records.check(store=scratch / "other")
    assert trained == [0], "what repeats is not checked again"
    whole = fit.run(spec, store=scratch / "other")
    assert (whole.resumed_from, trained) == (1, [0, 1, 2])
    assert np.array_equal(whole.test_logits, run.test_logits)

    monkeypatch.setattr(specs, "_source", lambda model: "another source")
    assert archive.find(spec).standing == ", by earlier code (commit abc1234)"


@pytest.mark.parametrize("column", ["loss", "accuracy", "val_loss", "val_accuracy"])
def test_one_digit_that_differs_is_no_repetition(column, scratch, monkeypatch):
    spec = small(make_split(), epochs=1)
    path = archive.record(fit.run(spec, store=scratch / "store"))
    document = as_before(path)
    place = document["columns"].index(column)
    document["history"][0][place] = float(f"{document['history'][0][place] * 1.00001:.6g}")
    path.write_text(json.dumps(document | {"source": "of then"}))
    monkeypatch.setattr(check_records, "_splits", lambda *_: {spec.split.fingerprint: spec.split})
    monkeypatch.setattr(check_records.workers, "spread", lambda tasks, **_: [f(*a, **k) for f, a, k in tasks])
    known = check_records.check(store=scratch / "store")
    assert known[path.stem]["repeats"] == "no"
    assert archive.find(spec).standing.startswith(", by earlier code")
    monkeypatch.setattr(fit, "first_epoch", lambda *_, **__: pytest.fail("the same check again"))
    check_records.check(store=scratch / "store")


def test_committed_records_name_trainings_that_can_be_made_again():
    for path in sorted((paths.ROOT / "reports" / "runs").glob("*.json")):
        document = json.loads(path.read_text())
        spec = check_records.spec_of(document)
        assert spec is not None, path.name
        assert archive.path_of(spec).name == path.name
