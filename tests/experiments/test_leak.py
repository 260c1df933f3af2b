"""The leak and the strangers: put together from known answers, so that every count can be checked by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers import results
from helpers.data import folds
from helpers.data.dataset import build_dataset
from helpers.experiments.kfold_cv import leak, strangers
from helpers.training import cross_validation
from helpers.training.specs import TrainSpec


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    return build_dataset("toy", rng.integers(0, 256, (400, 28, 28)).astype(np.uint8), rng.integers(0, 10, 400))


@pytest.fixture(scope="module")
def parts(source):
    return [*folds.nf264_folds(source), folds.nf264_holdout(source)]


def answer(source, fold, wrong_when_new, epochs=4):
    """A reader who knows by heart what it trained on, and misreads the first few new images of each part."""

    def read(rows):
        predicted = source.labels[rows].copy()
        new = np.flatnonzero(~np.isin(rows, fold.train_index))[:wrong_when_new]
        predicted[new] = (predicted[new] + 1) % 10
        return predicted

    history = pd.DataFrame({"accuracy": np.linspace(0.5, 1.0, epochs)})
    return SimpleNamespace(
        val_predictions=read(fold.val_index),
        test_predictions=read(fold.test_index),
        history=history,
        finished="",
        reused=False,
        threads="1 thread",
        seconds=2.0,
        parameters=7,
        spec=TrainSpec("linear", fold, epochs=epochs),
        hardware={"precision": "float32"},
    )


@pytest.fixture(scope="module")
def answers(source, parts):
    return [answer(source, fold, wrong) for fold, wrong in zip(parts, [5, 4, 2, 3, 4, 6], strict=True)]


def test_every_way_of_asking_is_counted(parts, answers):
    found = leak.examine(answers)
    assert found.best == 2
    n_new = int((~folds.seen(parts[2])).sum())
    missed = min(2, n_new)
    expected = {"leaking": (40, missed), "seen": (40 - n_new, 0), "new": (n_new, missed), "apart": (40, 6)}
    n_missed = [min(w, int((~folds.seen(p)).sum())) for w, p in zip([5, 4, 2, 3, 4], parts[:5], strict=True)]
    expected["by_new"] = (40, sum(n_missed))
    # By hand: the six first images are misread by the one apart, of which fold 3 has trained on some.
    known = int(folds.seen(parts[2])[:6].sum())
    expected |= {"apart, seen": (40 - n_new, known), "apart, new": (n_new, 6 - known)}
    for part, (n, wrong) in expected.items():
        interval = found.accuracy(part)
        assert (interval.n, round(interval.n * (1 - interval.estimate))) == (n, wrong), part
    table = found.table()
    ways = ("leaking", "seen", "new", "by_new", "apart", "apart, new")
    assert table["misread"].tolist() == [expected[p][1] for p in ways]
    first = np.flatnonzero(~folds.seen(parts[2]))[:missed]  # what the leaking network misreads
    both = int((first < 6).sum())
    test = found.on_new()
    assert (test.only_a, test.only_b, test.n) == (6 - known - both, missed - both, n_new)
    assert (found.memory, found.epochs, found.cost["seconds"]) == (1.0, 4, 10.0)
    (seen, wrong), (none, apart) = found.panels().values()
    assert not (seen & wrong).any()
    assert not none.any()
    assert apart.sum() == 6


def test_who_reads_new_digits_better_is_settled_only_where_all_looks_agree(parts, answers):
    def look(only_leaking, only_apart, both=20):
        n = only_leaking + only_apart + both
        leaking, apart = np.zeros(n, int), np.zeros(n, int)
        leaking[only_leaking : only_leaking + only_apart] = apart[:only_leaking] = 1  # wrong
        seen = np.zeros(n, bool)
        return replace(leak.examine(answers), labels=np.zeros(n, int), seen=seen, leaking=leaking, apart=apart)

    p_values, better = leak.on_new_judged([look(1, 8)])
    assert (p_values.round(3).tolist(), better) == ([0.039], -1)
    # A second look doubles the smallest p-value, so what one look told apart two may not.
    p_values, better = leak.on_new_judged([look(1, 8), look(7, 2)])
    assert (p_values.round(3).tolist(), better) == ([0.078, 0.18], 0)
    assert leak.on_new_judged([look(1, 8), look(2, 7)])[1] == 0
    assert leak.on_new_judged([look(1, 20), look(2, 7)])[1] == -1
    assert leak.on_new_judged([look(20, 1), look(7, 2)])[1] == 1
    assert leak.on_new_judged([look(1, 20), look(7, 2)])[1] == 0, "the other way round"
    assert leak.on_new_judged([look(1, 20), look(4, 4)])[1] == 0, "a tie points nowhere"
    assert leak.on_new_judged([look(0, 0)])[1] == 0


def test_rows_on_a_short_budget_are_not_judged(source, parts, answers):
    short = leak.examine(answers)
    rows = leak.rows(short, len(source), section="here")
    assert [row.claim_id for row in rows] == ["nf264-cv-mean", "nf264-final", None, None]
    assert rows[0].value == pytest.approx(np.mean(short.fold_scores))
    assert rows[0].n == 400
    assert (rows[0].seeds, rows[0].mean, rows[0].sd) == (1, None, None), "folds are no seeds"
    assert all(one.verdict == "not comparable" for one in results.verdicts(rows))
    long = [answer(source, fold, 1, epochs=20) for fold in parts]
    rows = leak.rows(leak.examine(long), len(source), section="here")
    assert all(one.verdict != "not comparable" for one in results.verdicts(rows))
    assert [row.seen > 0 for row in rows] == [False, True, False, False], "of the best fold's test most is known"
    assert {(row.passes, row.views, row.label_smoothing, row.precision) for row in rows} == {(20, 1, 0, "float32")}
    assert rows[1].seen == pytest.approx(leak.examine(long).seen.mean())


def test_parts_that_do_not_fit_are_refused(source, answers):
    with pytest.raises(ValueError, match="has trained on test images"):
        leak.examine(answers[:5])
    with pytest.raises(ValueError, match="new to no fold or to several"):
        leak.examine(answers[1:])
    other = folds.k_folds(source, test=[1, 2])
    with pytest.raises(ValueError, match="different test images"):
        leak.examine([*(answer(source, fold, 1) for fold in other), answers[-1]])


def test_the_division_counts_what_leaks(parts):
    table = leak.division(parts)
    assert table["of the test"].eq(40).all()
    assert table["already trained on"].iloc[-1] == 0
    assert (40 - table["already trained on"].iloc[:5]).sum() == 40
    assert table["held out"].tolist() == [80] * 5 + [40]


def test_strangers_are_counted_as_people(source):
    rng = np.random.default_rng(1)
    ids, series = rng.integers(0, 50, 400), rng.choice([0, 1, 4], 400)
    bad = np.isin(ids, [3, 4, 5])  # three hands nobody can read
    first = folds.k_folds(source)
    mixed = cross_validation.Repeated(first, np.zeros((1, 5)), np.zeros(1), np.ones(400, bool))
    found = strangers.compare(ids, series, ~bad, mixed=mixed)
    assert found.mistakes.sum() == bad.sum()
    assert (found.mistakes > 0).sum() == 3
    assert found.worst_tenth == 1.0
    assert found.wider > 2
    assert found.difference.estimate == pytest.approx(bad.mean())
    assert 0 <= found.difference.low < bad.mean() < found.difference.high
    assert found.shared == np.isin(ids[first[0].val_index], ids[first[0].train_index]).mean()
    assert list(found.intervals)[2:] == list(strangers.SERIES)
    student = np.isin(series, 4)
    assert found.intervals["high-school students"].estimate == pytest.approx((~bad)[student].mean())
