"""Short experiments: the right trainings, compared with the right ones."""

import numpy as np
import pytest
from test_fit import make_split

from helpers.experiments.augmentation_annealing import comparisons, ladder, short_runs
from helpers.models import schedules
from helpers.runtime import paths
from helpers.training import fit


@pytest.fixture(autouse=True, scope="module")
def scratch(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "RUNS", tmp_path_factory.mktemp("runs"))
        yield


@pytest.fixture(scope="module")
def split():
    return make_split()


@pytest.fixture(scope="module")
def climbed(split):
    rungs = [ladder.find(name) for name in ("hwd-recog-40", "hwd-recog-50", "hwd-recog-bn")]
    return short_runs.climb(rungs, split, steps=3, n_seeds=2, seed=5)


def test_rungs_that_are_the_same_are_trained_once(climbed, split):
    climb, by_claim = climbed
    assert list(climb.runs) == ["recogModel, 40 epochs (+1)", "batch normalisation"]
    assert by_claim["hwd-recog-40"] is by_claim["hwd-recog-50"]
    assert climb.bases == {"batch normalisation": "recogModel, 40 epochs (+1)"}
    assert [run.spec.seed for run in by_claim["hwd-recog-bn"]] == [5, 6]
    assert climb.colours == ["recog", "recog"]
    means = {name: np.mean(errors) for name, errors in climb.errors.items()}
    assert means[climb.best] == min(means.values())
    assert climb.seconds == pytest.approx(sum(run.seconds for runs in climb.runs.values() for run in runs))


def test_a_climb_compares_what_it_says(climbed, split):
    climb, _ = climbed
    hits = {name: np.array([run.val_predictions == split.y_val for run in runs]) for name, runs in climb.runs.items()}
    expected = comparisons.paired_steps(hits, climb.bases)
    assert climb.steps.equals(expected)
    assert climb.always.tolist() == (expected["told apart"] == 2).tolist()
    assert climb.twins.equals(comparisons.twins(hits))
    assert climb.errors["batch normalisation"].tolist() == pytest.approx(1 - hits["batch normalisation"].mean(axis=1))
    ratios = [t / (~h).sum(axis=1).mean() for t, h in zip(climb.twins["disagree"], hits.values(), strict=True)]
    assert climb.disagreement_per_error == pytest.approx(np.median(ratios))
    assert climb.seen() == "none" or "batch" in climb.seen()


def test_only_the_loss_is_exchanged(climbed):
    _, by_claim = climbed
    both = short_runs.exchange_loss(by_claim, ["hwd-recog-bn", "hwd-big"])
    assert list(both.runs) == ["batch normalisation", "batch normalisation, cross-entropy"]
    for before, after in zip(*both.runs.values(), strict=True):
        old, new = fit.identity(before.spec), fit.identity(after.spec)
        assert {name for name in old if old[name] != new[name]} == {"loss"}


def test_ways_to_anneal_differ_in_nothing_else(split):
    climb = short_runs.anneal(split, epochs=3, steps=2, n_seeds=1)
    assert list(climb.runs) == ["plateau", "step", "cosine", "one cycle"]
    assert {runs[0].spec.schedule for runs in climb.runs.values()} <= set(schedules.NAMES)
    assert set(climb.bases.values()) == {"plateau"}
    found = [fit.identity(runs[0].spec) for runs in climb.runs.values()]
    different = {name for name in found[0] if len({str(one[name]) for one in found}) > 1}
    assert different == {"schedule", "schedule_options"}


def test_warps_on_growing_parts():
    grid = short_runs.warp_grid([60, 120], [0.0, 1.0, 2.0], at=60, steps=3, n_seeds=2, n_validation=400)
    assert grid.by_strength.index.tolist() == [0, 1, 2]
    assert grid.without.index.tolist() == grid.warped.index.tolist() == [60, 120]
    assert grid.by_strength.loc[0, "mean"] == grid.without.loc[60, "mean"]
    assert grid.by_strength.loc[1, "mean"] == grid.warped.loc[60, "mean"]
    assert grid.worth.index.tolist() == ["strength 1", "strength 2"]
    assert grid.worth["error"].tolist() == grid.by_strength["mean"].tolist()[1:]
    with pytest.raises(ValueError, match="at, strengths"):
        short_runs.warp_grid([60], [0.0, 2.0], at=60, steps=3, n_seeds=1)
    misread = grid.by_strength["mean"] * 2 * 400  # two repeats of 400 images
    assert misread.tolist() == pytest.approx(misread.round().tolist(), abs=1e-6)


def test_warped_rows_grow_in_strength(split):
    images = split.x_train[:4]
    rows = short_runs.warped(images, [0.0, 1.0, 3.0])
    assert rows.shape == (12, 28, 28)
    assert np.array_equal(rows[:4], images)
    moved = [np.abs(part.astype(int) - images).mean() for part in (rows[4:8], rows[8:])]
    assert moved[0] > 0
    assert not np.array_equal(rows[4:8], rows[8:])


def test_the_entry_is_the_fast_recipe(split):
    run = short_runs.entry(split, epochs=1, seed=3)
    assert (run.spec.model, run.spec.epochs, run.spec.seed, run.spec.views) == ("fast_b", 1, 3, 5)
