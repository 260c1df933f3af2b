"""Records of one training from many seeds: what is kept of each, what is no answer, and what is trained again."""

import contextlib
import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from test_fit import make_split, small

from helpers.runtime import paths
from helpers.training import fit, many_seeds, parallel, workers
from helpers.training.many_seeds import Altered

SPLIT = make_split(64)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    return tmp_path


def toy(**changes):
    return small(SPLIT, **{"epochs": 1, "seed": 3, **changes})


@dataclass(frozen=True)
class Left:
    """What an altered training left, by hand."""

    seconds: float
    parameters: int
    flops: int
    hardware: dict
    val_logits: dict
    test_logits: dict


def answers(labels, wrong) -> np.ndarray:
    """Return logits that read every image as it is labelled, but for some positions."""
    read = labels.copy()
    read[list(wrong)] = (read[list(wrong)] + 1) % 10
    return np.eye(10, dtype=np.float32)[read]


def trained(spec, name) -> Left:
    """Misread as many images as the seed says, the first of validation and the last of the test; with five views one
    less.
    """
    y_val, y_test, n = spec.split.y_val, spec.split.y_test, spec.seed
    return Left(
        seconds=10.0 + n,
        parameters=7850,
        flops=15680,
        hardware={"threads": 1, "processor": "a toy", "precision": "float32", "memory": 1},
        val_logits={1: answers(y_val, range(n)), 5: answers(y_val, range(n - 1))},
        test_logits={1: answers(y_test, range(50 - n, 50)), 5: answers(y_test, range(51 - n, 50))},
    )


def altered(spec=None, **changes) -> Altered:
    told = {"name": "charmed", "settings": {"charm": 0.5}, "source": "aa", "train": trained}
    return Altered(spec or toy(), **{**told, **changes})


def keep(*seeds, **changes):
    for seed in seeds:
        training = altered(toy(seed=seed), **changes)
        path = many_seeds.record_altered(training, trained(training.spec, training.name))
    return path


def test_nothing_is_found_before_anything_is_recorded():
    assert many_seeds.find(toy()) is None
    assert many_seeds.find(altered()) is None
    assert many_seeds.collect({"a": toy(), "b": altered()}, 2, profile="standard") == {}


def test_what_a_run_left_is_found_again(scratch):
    runs = [fit.run(toy(seed=seed), store=scratch / "runs") for seed in (3, 4)]
    path, _ = (many_seeds.record(run) for run in runs)
    assert path.parent == paths.REPORTS / "runs" / "seeds"
    assert path.stem.startswith("linear-")
    found = many_seeds.find(toy(seed=99))  # of any seed
    assert found.runs.index.tolist() == [3, 4]
    assert len(found) == 2
    assert found.spec.seed == 3
    assert (found.n_validation, found.n_test, found.parameters, found.earlier) == (50, 50, 7850, 0)
    for views in (1, 5):
        for i, run in enumerate(runs):
            read = fit.predict(run, SPLIT.x_test, views=views).argmax(axis=1)
            assert found.misread[views][3 + i].tolist() == np.flatnonzero(read != SPLIT.y_test).tolist()
            assert found.accuracy(views=views)[i] == pytest.approx(np.mean(read == SPLIT.y_test))
            held_out = fit.predict(run, SPLIT.x_val, views=views).argmax(axis=1)
            assert found.validation(views=views)[i] == pytest.approx(np.mean(held_out == SPLIT.y_val))
    assert found.runs["seconds"].tolist() == pytest.approx([run.seconds for run in runs], abs=0.01)
    assert found.machine == f"{runs[0].threads} of {runs[0].hardware['processor']}"


def test_what_an_altered_training_left_is_found_again():
    path = keep(4, 11, 9, 3, name="charmed twice")
    assert path.stem.startswith("linear-charmed_twice-")
    found = many_seeds.find(altered(name="charmed twice"))
    assert found.runs.index.tolist() == [3, 4, 9, 11], "by number, not by letters"
    assert found.misread[1][3].tolist() == [47, 48, 49]
    assert found.misread[5][3].tolist() == [48, 49]
    assert found.accuracy().tolist() == pytest.approx([0.96, 0.94, 0.84, 0.80])
    assert found.accuracy(views=1).tolist() == pytest.approx([0.94, 0.92, 0.82, 0.78])
    assert found.validation(views=1).tolist() == pytest.approx([0.94, 0.92, 0.82, 0.78])
    assert found.runs["validation 5"].tolist() == [48, 47, 42, 40]
    assert found.runs["seconds"].tolist() == [13, 14, 19, 21]
    assert (found.parameters, found.flops, found.machine) == (7850, 15680, "1 thread of a toy")


def test_a_seed_that_comes_again_takes_the_place_of_the_earlier_one():
    keep(3, 4)
    again = replace(trained(toy(seed=4), ""), test_logits=trained(toy(seed=8), "").test_logits)
    many_seeds.record_altered(altered(toy(seed=4)), again)
    found = many_seeds.find(altered())
    assert found.runs.index.tolist() == [3, 4]
    assert len(found.misread[1][4]) == 8


@pytest.mark.parametrize(
    "other",
    [
        toy(),
        altered(name="cursed"),
        altered(settings={"charm": 0.6}),
        altered(toy(epochs=2)),
        altered(toy(learning_rate=0.1)),
        altered(small(make_split(64, 1), epochs=1)),
    ],
)
def test_another_training_has_another_record(other):
    path = keep(3)
    assert many_seeds.path_of(other) != path
    assert many_seeds.find(other) is None


def test_number_format_views_and_seed_do_not_matter(monkeypatch):
    keep(3)
    monkeypatch.setenv("DIGITS_PRECISION", "float32")
    assert many_seeds.find(altered(toy(precision="mixed_bfloat16", views=5, seed=0))) is not None


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_record_of_another_network_is_no_answer_and_is_begun_anew():
    path = keep(3, 4)
    rewrite(path, architecture="0" * 16)
    assert many_seeds.find(altered()) is None
    keep(5)
    assert many_seeds.find(altered()).runs.index.tolist() == [5]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 9},
        {"spec": {}},
        {"seeds": {"3": {}}},
        {"seeds": {"three": {}}},
        {"seeds": 7},
        {"n_test": None, "seeds": {"3": {"misread 1": "x"}}},
    ],
)
def test_a_damaged_record_is_an_error_that_names_it(change):
    path = keep(3)
    rewrite(path, **change)
    with pytest.raises(ValueError, match=path.name):
        many_seeds.find(altered())


def test_half_a_record_is_an_error_that_names_it():
    path = keep(3)
    path.write_text(path.read_text()[:200])
    with pytest.raises(ValueError, match=path.name):
        many_seeds.find(altered())


def test_seeds_of_earlier_code_are_counted():
    keep(3, 4)
    keep(5, source="bb")
    assert many_seeds.find(altered(source="aa")).earlier == 1
    assert many_seeds.find(altered(source="bb")).earlier == 2


def test_without_validation_images_nothing_is_recorded():
    bare = replace(SPLIT, val_index=SPLIT.val_index[:0])
    spec = replace(toy(), split=bare)
    with pytest.raises(ValueError, match="without validation or test images"):
        many_seeds.record_altered(altered(spec), trained(toy(), ""))


@pytest.fixture
def asked(monkeypatch):
    """Train in this very process, and keep what was asked for: (seed, epochs) of specs, (seed, name) of altered."""
    seen = []

    def train(specs, *, finished=lambda run: None):
        if isinstance(specs, dict):
            return {name: train(one) for name, one in specs.items()}
        each = [specs] if isinstance(specs, fit.TrainSpec) else specs
        runs = [fit.run(spec) for spec in each]
        seen.extend((spec.seed, spec.epochs) for spec in each)
        for run in runs:
            finished(run)
        return runs

    def spread(tasks, *, processes, threads):
        for function, args, kwargs in tasks:
            seen.append((args[2].seed, args[3]))
            yield function(*args, **kwargs)

    monkeypatch.setattr(parallel, "train", train)
    monkeypatch.setattr(workers, "spread", spread)
    monkeypatch.setattr(workers, "pinned", lambda threads: contextlib.nullcontext())
    return seen


def test_only_missing_seeds_are_trained(asked):
    keep(4)
    wanted = {"plain": toy(), "charmed": altered()}
    found = many_seeds.collect(wanted, 3, profile="full")
    assert asked == [(3, 1), (4, 1), (5, 1), (3, "charmed"), (5, "charmed")]
    assert {name: seeds.runs.index.tolist() for name, seeds in found.items()} == {name: [3, 4, 5] for name in wanted}
    asked.clear()
    assert many_seeds.collect(wanted, 3, profile="full").keys() == wanted.keys()
    assert asked == []
    assert many_seeds.collect(wanted, 4, profile="full")["charmed"].runs.index.tolist() == [3, 4, 5, 6]
    assert asked == [(6, 1), (6, "charmed")]


def test_seeds_of_earlier_code_are_trained_again(asked):
    keep(3, 4)
    many_seeds.collect({"charmed": altered(source="bb")}, 2, profile="full")
    assert asked == [(3, "charmed"), (4, "charmed")]
    many_seeds.collect({"plain": toy()}, 1, profile="full")
    path = many_seeds.path_of(toy())
    path.write_text(path.read_text().replace('"source": "', '"source": "0'))
    many_seeds.collect({"plain": toy()}, 1, profile="full")
    assert asked[2:] == [(3, 1), (3, 1)]
    assert many_seeds.find(toy()).earlier == 0


def test_what_was_finished_before_an_interruption_is_kept(asked):
    def dies(spec, name):
        if spec.seed == 5:
            raise KeyboardInterrupt
        return trained(spec, name)

    with pytest.raises(KeyboardInterrupt):
        many_seeds.collect({"charmed": altered(train=dies)}, 4, profile="full")
    assert many_seeds.find(altered()).runs.index.tolist() == [3, 4]


def test_fewer_seeds_than_recorded_are_the_first_ones():
    keep(3, 4, 5)
    found = many_seeds.collect({"charmed": altered()}, 2, profile="standard")["charmed"]
    assert found.runs.index.tolist() == [3, 4]
    assert len(found.accuracy()) == 2


def test_a_smoke_test_trains_two_seeds_for_one_epoch_and_records_nothing(asked):
    found = many_seeds.collect({"plain": toy(epochs=2), "charmed": altered(toy(epochs=2))}, 20, profile="smoke")
    assert {name: seeds.runs.index.tolist() for name, seeds in found.items()} == {"plain": [3, 4], "charmed": [3, 4]}
    assert set(asked) == {(3, 1), (4, 1)}
    assert found["charmed"].accuracy().tolist() == pytest.approx([0.96, 0.94])
    assert found["charmed"].validation(views=1).tolist() == pytest.approx([0.94, 0.92])
    read = fit.run(toy(seed=4, epochs=1, views=5)).test_predictions
    assert found["plain"].misread[5][4].tolist() == np.flatnonzero(read != SPLIT.y_test).tolist()
    assert not many_seeds.directory().exists()


def test_what_is_not_to_be_recorded_is_trained_and_forgotten(asked):
    keep(3, 4)
    found = many_seeds.collect({"plain": toy(), "charmed": altered()}, 3, profile="standard", recorded=False)
    assert {name: seeds.runs.index.tolist() for name, seeds in found.items()} == {
        "plain": [3, 4, 5],
        "charmed": [3, 4, 5],
    }
    assert set(asked) == {(3, 1), (4, 1), (5, 1)}
    assert [path.name for path in many_seeds.directory().iterdir()] == [many_seeds.path_of(altered()).name]


def test_only_the_seeds_that_are_asked_for_are_told(asked):
    for seed in (3, 4, 5):
        many_seeds.record(fit.run(toy(seed=seed)))
    told = many_seeds.collect({"plain": toy(seed=4)}, 5, profile="standard")["plain"]
    assert told.runs.index.tolist() == [4, 5]
    assert [list(by_seed) for by_seed in told.misread.values()] == [[4, 5], [4, 5]]
    assert many_seeds.collect({"plain": toy(seed=9)}, 5, profile="standard") == {}
