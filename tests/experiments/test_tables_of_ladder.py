"""What is said of the ladder: recorded runs answer claims, short ones stand beside them and are never judged."""

import fnmatch
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_fit import make_split

from helpers import results
from helpers.data.splits import Split
from helpers.experiments.augmentation_annealing import ladder, tables
from helpers.runtime import paths
from helpers.training import archive, fit

RUNGS = [ladder.find(name) for name in ("hwd-recog-40", "hwd-recog-50", "hwd-new-100")]


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split()


@pytest.fixture(scope="module")
def made(split, tmp_path_factory):
    """Two recorded rungs (of a trial each) and short repeats of all three."""
    scratch = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "REPORTS", scratch / "reports")
        plans = {
            rung.name: replace(ladder.spec(rung, split, trial=2), model="linear", options={}) for rung in RUNGS[:2]
        }
        for spec in plans.values():
            archive.record(fit.run(spec, store=scratch / "runs"))
        records = {name: archive.find(spec) for name, spec in plans.items()}
    short = {
        rung.claim_id: [
            fit.run(
                replace(ladder.spec(rung, split, budget="short", steps=3, seed=seed), model="linear", options={}),
                store=scratch / "runs",
            )
            for seed in (0, 1)
        ]
        for rung in RUNGS
    }
    return records, short


def test_hours_of_a_training_count_once(made):
    records, _ = made
    one, hour = next(iter(records.values())), 3600
    other = replace(one, history=one.history.assign(seconds=one.history["seconds"] + 1))
    both = {"a": replace(one, seconds=hour), "b": replace(other, seconds=2 * hour)}
    assert tables.hours(both) == pytest.approx(3)
    on_the_way = replace(one, history=one.history[:1], seconds=hour / 2)
    assert tables.hours(both | {"c": on_the_way}) == pytest.approx(3)
    assert tables.hours({}) == 0
    # Run by itself, the shorter one took other seconds for the epochs that both have.
    alone = replace(on_the_way, history=on_the_way.history.assign(seconds=on_the_way.history["seconds"] + 5))
    assert tables.hours(both | {"c": alone}) == pytest.approx(3)
    assert tables.on_the_way(both | {"c": alone})["c"] in both
    other_way = replace(alone, history=alone.history.assign(loss=alone.history["loss"] + 1))
    assert "c" not in tables.on_the_way(both | {"c": other_way})


def test_the_day_of_records_is_the_last_of_several(made):
    one = replace(next(iter(made[0].values())), finished="2026-01-02")
    assert tables.together({"a": one, "b": one}).startswith("recorded 2026-01-02")
    earlier = replace(one, finished="2026-01-01")
    assert tables.together({"a": one, "b": earlier}).startswith("recorded until 2026-01-02")


def test_epochs_that_trainings_share_are_said_once(made, split):
    records, short = made
    one, hour = next(iter(records.values())), 3600.0
    longest = pd.concat([one.history, one.history.assign(epoch=one.history["epoch"] + 2)], ignore_index=True)
    family = {
        "recogModel, 40 epochs": replace(one, history=one.history[:1], seconds=hour / 4),
        "50 epochs": replace(one, seconds=hour / 2),
        "newModel, 100": replace(one, history=longest, seconds=hour),
    }
    assert tables.on_the_way(family) == dict.fromkeys(list(family)[:2], "newModel, 100")
    said = tables.together(family)
    assert "3 trainings in 3,600 s in all" in said
    assert said.endswith("counting once the epochs that several share")
    assert "counting once" not in tables.together({"alone": one})
    notes = [row.note for row in tables.claim_rows(RUNGS, family, short, split=split)]
    assert ["an early moment of the training of newModel, 100" in note for note in notes] == [True, True, False, False]
    # Of these three only newModel lowers its rate by what is held out; the test images it never saw.
    watched = ["its learning rate fell by these held-out images" in note for note in notes]
    assert watched == [False, False, True, False]


def test_records_answer_and_short_runs_are_not_judged(made, split):
    records, short = made
    rows = tables.claim_rows(RUNGS, records, short, split=split)
    assert [row.claim_id for row in rows] == [*(rung.claim_id for rung in RUNGS), "hwd-kaggle-best"]
    assert [row.short_budget for row in rows] == [False, False, True, True]
    assert rows[0].value == np.mean(records["50 epochs"].val_predictions == split.y_val)
    assert "recorded 20" in rows[0].note
    assert rows[0].seeds == 1
    first, second = short["hwd-new-100"]
    assert rows[2].value == np.mean(first.val_predictions == split.y_val)
    assert rows[3].value == np.mean(first.test_predictions == split.y_test)
    assert rows[2].mean == pytest.approx(np.mean([np.mean(r.val_predictions == split.y_val) for r in (first, second)]))
    assert "100 epochs" in rows[2].note
    table = tables.against_claims(rows)
    assert table["run"].tolist() == ["to its end", "to its end", "short", "short"]
    assert table["difference"].tolist()[2:] == ["–", "–"]
    words = [one.verdict for one in results.verdicts(rows)]
    assert words[2:] == ["not comparable"] * 2
    assert words[0] != "not comparable"
    trials = tables.claim_rows(RUNGS, records, short, split=split, trial=2)
    assert {one.verdict for one in results.verdicts(trials)} == {"not comparable"}


def test_scores_say_when_and_where(made, split):
    table = tables.scores(made[0], split.y_val)
    assert table.index.tolist() == ["recogModel, 40 epochs", "50 epochs"]
    assert (table["low"] <= table["accuracy"]).all()
    assert table["epochs"].tolist() == [2, 2]
    assert "hardware" not in table  # both were trained here
    elsewhere = {name: replace(run, hardware={**run.hardware, "processor": name}) for name, run in made[0].items()}
    assert tables.scores(elsewhere, split.y_val)["hardware"].str.contains(r"\d threads? of ").all()
    assert tables.scores({}, split.y_val).empty


@pytest.fixture
def tests():
    names = ["from", "images", "least", "most", "disagree", "told apart", "repeats", "p"]
    rows = {"50 epochs": ("recogModel, 40 epochs", -3.4, -5, 2, 17.5, 1, 2, 0.04)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=names)


def test_comparisons_as_they_are_read(tests):
    read = tables.shown(tests)
    assert read["least to most"].tolist() == ["-5 to +2"]
    assert read["told apart"].tolist() == ["1 of 2"]
    assert set(tables.FORMATS) <= set(read.columns)
    assert "least to most" not in tables.shown(tests.assign(repeats=1))
    assert tables.in_words(pd.Series({"one": 3.4, "another": -2})) == "*one* (+3), *another* (−2)"
    assert tables.in_words(pd.Series(dtype=float)) == "none"


def test_steps_between_recorded_runs_in_words(tests):
    published = pd.Series({"50 epochs": -1, "batch normalisation": 5})
    said = tables.recorded_in_words(tests, published)
    assert "from the luck of the images (one training each; other seeds were not tried)" in said
    assert said.endswith("tried): *50 epochs* (−3). The account has *50 epochs* (−1).")
    assert tables.recorded_in_words(tests, published[1:]).endswith("tried): *50 epochs* (−3).")
    luck = tests.assign(**{"told apart": 0})
    assert tables.recorded_in_words(luck, published).endswith("tried): none.")
    assert "as soon as" in tables.recorded_in_words(tests[:0], published)


@pytest.mark.parametrize(
    ("squared", "entropy", "told", "said"),
    [
        (
            [20, 20, 17],
            [-15, -14, -14],
            (0, 0),
            "In no single repeat * all 3; * lowers it by 31 to 35 images * goes with the loss.",
        ),
        (
            [20, 20, 17],
            [5, -14, -14],
            (1, 0),
            "In only 1 of 3 repeats * lowers it by 15 to 34 * goes in part with the loss.",
        ),
        ([2, 2], [1, 1], (0, 0), "* lowers it by 1 image in every one. *"),
        ([20, 17], [30, 27], (0, 0), "* raises it by 10 images * not the squared error's."),
        ([20, -2, 17], [0, -30, 1], (0, 0), "* in every repeat, and what it is, * the question stays open."),
        ([20, 20, 17], [20, 0, 0], (0, 0), "* has not the same sign in all of them: the question stays open."),
        ([20], [-15], (0, 0), "* in this one repeat, and there is no other * stays open."),
        ([-3, 0], [5, 5], (0, 0), "* costs nothing in any repeat: *"),
        ([40, 60], [1, 0], (2, 0), "With cross-entropy it is not told from luck in every repeat: * whole story."),
        ([40, 60], [50, 70], (2, 2), "Cross-entropy takes away none of the harm*"),
        ([40, 60], [20, 30], (2, 2), "Cross-entropy takes away 50% of the harm; *"),
    ],
)
def test_whether_the_cost_of_a_penalty_goes_with_the_loss(squared, entropy, told, said):
    priced = {"squared error": squared, "cross-entropy": entropy}
    about = {"images": [-np.mean(squared), -np.mean(entropy)], "told apart": told, "repeats": len(squared)}
    words = tables.penalty_in_words(priced, pd.DataFrame(about, index=[*priced]))
    assert fnmatch.fnmatchcase(words, said), words
