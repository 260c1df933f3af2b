"""The ladder: every rung as the account describes it."""

import re
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from test_fit import make_split

from helpers.evaluation import comparison
from helpers.experiments.augmentation_annealing import ladder
from helpers.models import architectures, augmentation
from helpers.runtime import paths
from helpers.runtime.device import keras
from helpers.training import archive, fit, recipes

EVERY = (*ladder.RUNGS, *ladder.TENSORFLOW)
by_rung = pytest.mark.parametrize("rung", EVERY, ids=lambda rung: rung.claim_id)


@pytest.fixture(scope="module")
def split():
    return make_split()


def test_every_published_claim_of_the_ladder_is_a_rung():
    ids = pd.read_csv(paths.CLAIMS)["claim_id"]
    wanted = {name for name in ids if re.match(r"hwd-(recog|new|big)|drt-", name)}
    assert {rung.claim_id for rung in EVERY} == wanted
    assert len(EVERY) == len(wanted)


@by_rung
def test_values_are_the_published_ones(rung):
    row = pd.read_csv(paths.CLAIMS).set_index("claim_id").loc[rung.claim_id]
    assert rung.published == row["value"]
    assert (rung.n is None) == pd.isna(row["n"])
    stated = "competition" in row["note"] if isinstance(row["note"], str) else False
    assert (rung.competition is not None) == stated
    if stated:
        assert f"competition {rung.competition:.5f}" in row["note"]


@by_rung
def test_epochs_and_steps_are_those_of_the_account(rung):
    words = pd.read_csv(paths.CLAIMS).set_index("claim_id").loc[rung.claim_id, "system"]
    for pattern, value in ((r"(?<!after )\b(\d+) epochs", rung.epochs), (r"(\d+) steps per epoch", rung.steps)):
        found = re.search(pattern, words)
        assert not found or int(found[1]) == value
    assert ("ImageDataGenerator" in words) <= (rung.strength > 0)
    if "n/30" in words:
        assert rung.steps_of == 30
    if "min_lr" in words:
        assert f"min_lr {rung.minimum_rate:g}".replace("0.00001", "1e-5").replace("1e-05", "1e-5") in words


def test_each_step_changes_what_it_says_and_nothing_else():
    known = {rung.claim_id: rung for rung in EVERY}
    names = {f.name for f in fields(ladder.Rung)} - {"claim_id", "name", "change", "base"}
    changed = {
        rung.claim_id: {name for name in names if getattr(rung, name) != getattr(known[rung.base], name)}
        for rung in EVERY
        if rung.base
    }
    assert changed == {
        "hwd-recog-50": {"epochs"},
        "hwd-recog-bn": {"options"},
        "hwd-recog-dropout": {"options"},
        "hwd-recog-aug-840": {"strength", "epochs", "steps"},
        "hwd-recog-aug-1400": {"steps"},
        "hwd-recog-plateau": {"epochs", "minimum_rate"},
        "hwd-recog-plateau-minlr0": {"epochs", "steps", "steps_of", "minimum_rate"},
        "hwd-recog-aug-strong": {"strength"},
        "hwd-recog-no-dropout": {"options"},
        "hwd-recog-l2-all": {"l2"},
        "hwd-recog-l2-conv": {"l2", "l2_on"},
        "hwd-new-30": {"model", "options"},
        "hwd-new-50": {"epochs"},
        "hwd-new-aug-strong": {"strength"},
        "hwd-big": {"model", "epochs"},
        "hwd-new-75": {"epochs"},
        "hwd-new-100": {"epochs"},
        "drt-aug": {"strength", "minimum_rate"},
    }


@by_rung
def test_a_published_training_is_the_rung(rung, split):
    one = ladder.spec(rung, split, seed=3)
    assert (one.model, one.epochs, one.batch_size, one.seed) == (rung.model, rung.epochs, rung.batch_size, 3)
    assert one.loss == ("cross_entropy" if rung.claim_id.startswith("drt") else "mse")
    assert one.learning_rate == 0.001
    assert one.schedule == ("plateau" if rung.minimum_rate is not None else "constant")
    if one.schedule == "plateau":
        assert one.schedule_options == {"minimum": rung.minimum_rate}
    expected = {840: 840, 1400: 1400}.get(rung.steps, len(split.x_train) // (rung.steps_of or rung.batch_size))
    assert one.steps == expected
    assert (one.augmentation is None) == (rung.strength == 0)
    if rung.strength:
        assert one.augmentation.rotation == pytest.approx(10 * rung.strength)
        assert one.augmentation.shift == pytest.approx(2.8 * rung.strength)


def test_the_penalty_pulls_as_keras_does(split):
    rung = next(rung for rung in EVERY if rung.claim_id == "hwd-recog-l2-all")
    weights = keras.Variable(np.array([1.0, -3.0], np.float32))
    penalty = keras.regularizers.L2(0.01)
    moved = [float(penalty(keras.ops.convert_to_tensor(w))) for w in ([1.001, -3.0], [0.999, -3.0])]
    slope = (moved[0] - moved[1]) / 0.002
    assert ladder.spec(rung, split).weight_decay * float(weights[0]) == pytest.approx(slope, rel=1e-2)


@by_rung
def test_a_short_training_keeps_everything_but_length_and_rate(rung, split):
    long, short = (ladder.spec(rung, split, budget=budget, steps=40) for budget in ladder.BUDGETS)
    assert short.epochs * short.steps == 40
    assert short.schedule == "one_cycle"
    kept = ("model", "batch_size", "optimizer", "loss", "weight_decay", "decay", "augmentation", "seed")
    assert all(getattr(long, name) == getattr(short, name) for name in kept)
    faster = (
        {"momentum": 0.95}
        if "BatchNorm" in architectures.describe(architectures.build(rung.model, rung.options))
        else {}
    )
    assert dict(short.options) == {**long.options, **faster}


def test_a_shorter_memory_changes_predictions_and_not_the_training(split, tmp_path):
    base = replace(ladder.spec(ladder.find("hwd-recog-bn"), split, budget="short", steps=12), precision="float32")
    slow = replace(base, options={"batch_norm": True})
    runs = [fit.run(spec, store=tmp_path) for spec in (base, slow)]
    # Two graphs compute the same sums, and nothing makes them round alike; the memory changes a thousand times that.
    np.testing.assert_allclose(runs[1].step_losses, runs[0].step_losses, rtol=1e-4)
    assert np.abs(runs[1].val_logits - runs[0].val_logits).max() > 0.1
    for a, b in zip(*([v.numpy() for v in run.load().trainable_variables] for run in runs), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-4)


def test_rungs_share_a_short_training_exactly_when_it_is_the_same(split):
    groups = ladder.shared(EVERY, split)
    assert [rung.claim_id for rung in groups["warps, 840 steps (+3)"]] == [
        "hwd-recog-aug-840", "hwd-recog-aug-1400", "hwd-recog-plateau", "hwd-recog-plateau-minlr0",
    ]  # fmt: skip
    keys = [{fit.key(ladder.spec(rung, split, budget="short")) for rung in group} for group in groups.values()]
    assert all(len(found) == 1 for found in keys)
    assert len(set.union(*keys)) == len(groups)
    assert sum(map(len, groups.values())) == len(EVERY)


def test_groups_stand_on_the_groups_that_they_changed(split):
    groups = ladder.shared(EVERY, split)
    bases = ladder.bases(groups)
    start = "recogModel, 40 epochs (+1)"
    assert bases["batch normalisation"] == start  # its own base, 50 epochs, is the same short training
    assert bases["no dropout"] == "warps, 840 steps (+3)"
    assert set(groups) - set(bases) == {start, "drt CNN, no warps"}
    few = ladder.shared([rung for rung in EVERY if "l2" in rung.claim_id], split)
    assert ladder.bases(few) == {}


def test_the_other_accounts_training_is_found_by_its_recipe(split):
    plateau = {"schedule": "plateau", "schedule_options": {"minimum": 1e-5}}
    for rung, changes in zip(ladder.TENSORFLOW, ({}, {"augmentation": augmentation.PUBLISHED, **plateau}), strict=True):
        asked = recipes.published("drt_cnn", split, seed=3, **changes)
        assert archive.path_of(asked) == archive.path_of(ladder.spec(rung, split, seed=3))


@by_rung
def test_a_trial_is_small(rung, split):
    one = ladder.spec(rung, split, trial=2)
    assert (one.epochs, one.steps) == (2, 2)
    assert one.schedule == ladder.spec(rung, split).schedule


def test_a_wrong_budget_is_refused(split):
    with pytest.raises(ValueError, match="published, short"):
        ladder.spec(EVERY[0], split, budget="long")


def test_a_short_training_runs(split, tmp_path):
    rung = next(rung for rung in EVERY if rung.claim_id == "hwd-recog-l2-conv")
    run = fit.run(ladder.spec(rung, split, budget="short", steps=3), store=tmp_path)
    assert len(run.step_losses) == 3


def test_the_published_table_counts_images():
    table = ladder.published_table()
    assert table["errors"].tolist() == [round((1 - rung.published) * 4200) for rung in ladder.RUNGS]
    assert table.loc["batch normalisation", "base"] == "50 epochs"
    assert table.index[table["base"].isna()].tolist() == ["recogModel, 40 epochs"]
    assert ((table["low"] < table["accuracy"]) & (table["accuracy"] < table["high"])).all()
    with pytest.raises(ValueError, match="whole number of 540"):
        ladder.published_table([replace(ladder.RUNGS[0], claim_id="hwd-svm-70-30")])


def test_warps_are_the_published_ones():
    assert (augmentation.PUBLISHED.rotation, augmentation.PUBLISHED.zoom) == (10, 0.1)


def test_the_account_held_out_4200_images_and_nothing_smaller():
    printed = [f"{rung.published:.6f}" for rung in ladder.RUNGS]
    assert comparison.consistent_sizes(printed) == [4200, 8400]
    scores = [f"{rung.competition:.5f}" for rung in ladder.RUNGS if rung.competition]
    assert 7000 in comparison.consistent_sizes(scores)
    assert max(comparison.consistent_sizes(scores, largest=10_000)) < 7010


def test_few_images_get_fewer_batches_by_the_square_root_of_their_number():
    assert ladder.shorter(250, 37_800, of=37_800) == 250
    assert ladder.shorter(250, 9_450, of=37_800) == 125, "a quarter of the images, half the batches"
    assert ladder.shorter(250, 100_000, of=37_800) == 250, "never more than asked"
    assert ladder.shorter(250, 1, of=37_800) == 1
    assert ladder.shorter(200, 80, of=8_000, least=60) == 60
    assert ladder.shorter(10, 80, of=8_000, least=60) == 10


def test_sizes_of_a_learning_curve_are_halved_from_all_there_are():
    assert ladder.halvings(970) == [60, 121, 242, 485, 970]
    assert ladder.halvings(270) == [67, 135, 270]
    assert ladder.halvings(40) == [40]
