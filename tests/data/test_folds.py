"""Which rows are held out: against scikit-learn's own splitters and plain set arithmetic."""

import pickle

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from helpers.data import folds, load, splits
from helpers.data.dataset import build_dataset


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    return build_dataset("toy", rng.integers(0, 256, (600, 4, 4)).astype(np.uint8), rng.integers(0, 10, 600))


GROUPS = np.random.default_rng(1).integers(0, 40, 600)
ORACLES = {
    ("plain", False): KFold,
    ("stratified", False): StratifiedKFold,
    ("plain", True): GroupKFold,
    ("stratified", True): StratifiedGroupKFold,
}


@pytest.mark.parametrize(("kind", "grouped"), ORACLES)
def test_the_draw_is_that_of_scikit_learn(kind, grouped, source):
    groups = GROUPS if grouped else None
    found = folds.k_folds(source, 4, kind=kind, seed=3, groups=groups)
    oracle = ORACLES[kind, grouped](4, shuffle=True, random_state=3)
    for fold, (train, val) in zip(found, oracle.split(np.zeros((600, 1)), source.labels, groups), strict=True):
        assert np.array_equal(fold.train_index, train)
        assert np.array_equal(fold.val_index, val)
        assert len(fold.test_index) == 0


def test_every_row_is_held_out_once_and_groups_stay_whole(source):
    rows = np.arange(600)[::-2]
    found = folds.k_folds(source, 5, rows=rows, groups=GROUPS)
    assert sorted(np.concatenate([fold.val_index for fold in found]).tolist()) == sorted(rows.tolist())
    for fold in found:
        assert set(fold.train_index) | set(fold.val_index) == set(rows)
        assert not set(GROUPS[fold.train_index]) & set(GROUPS[fold.val_index])


def test_stratified_folds_hold_the_classes_in_proportion(source):
    counts = [np.bincount(source.labels[fold.val_index], minlength=10) for fold in folds.k_folds(source, 5)]
    assert np.ptp(counts, axis=0).max() <= 1
    plain = [
        np.bincount(source.labels[fold.val_index], minlength=10) for fold in folds.k_folds(source, 5, kind="plain")
    ]
    assert np.ptp(plain, axis=0).max() > 1


def test_a_fold_is_a_split_that_cuts_its_rows_when_asked(source):
    fold = folds.k_folds(source, 3, test=[5, 1])[1]
    assert not {"x_train", "y_val"} & set(vars(fold)), "nothing is cut before it is asked for"
    assert np.array_equal(fold.x_train, source.images[fold.train_index])
    assert np.array_equal(fold.y_val, source.labels[fold.val_index])
    assert np.array_equal(fold.x_test, source.images[[5, 1]])
    assert fold.x_train is fold.x_train
    assert not fold.x_train.flags.writeable
    rows = fold.train_index, fold.val_index, [5, 1]
    assert fold.fingerprint == splits.fingerprint(source.checksum, *rows)
    travelled = pickle.loads(pickle.dumps(fold))
    assert not {"x_train", "y_val"} & set(vars(travelled)), "images travel once, as the source"
    assert np.array_equal(travelled.x_train, fold.x_train)


def test_fingerprints_are_those_of_committed_records():
    assert load.make_split("nf264").fingerprint == "0cba9a3a632fe2e6"
    assert load.make_split("kaggle").fingerprint == "b58504aa52da2783"
    assert (
        load.make_split("standard", n_train=1000, n_validation=500, n_test=100, seed=3).fingerprint
        == "6a738040c5f6b267"
    )


def test_a_split_of_arrays_keeps_its_parts_apart(source):
    x, y = source.images, source.labels
    split = splits.of_arrays("apart", (x[:5], y[:5]), (x[5:7], y[5:7]), (x[:3], y[:3]))
    assert np.array_equal(split.x_train, x[:5])
    assert np.array_equal(split.y_val, y[5:7])
    assert np.array_equal(split.x_test, x[:3])
    assert split.shape == x.shape[1:]


def test_fingerprints_tell_folds_apart_and_agree_with_named_splits(source):
    many = [fold for repeat in folds.repeated(source, 3) for fold in repeat]
    assert len({fold.fingerprint for fold in many}) == 15
    assert folds.k_folds(source, seed=1)[0].fingerprint == many[5].fingerprint
    mnist = load.load_mnist()
    assert folds.nf264_holdout(mnist.pooled).fingerprint == load.make_split("nf264").fingerprint


def test_nf264_folds_are_the_published_ones_with_the_leak_kept():
    pooled = load.load_mnist().pooled
    found = folds.nf264_folds(pooled)
    order = np.argsort(pooled.labels, kind="stable")
    oracle = list(KFold(5, shuffle=True, random_state=1).split(order))
    for fold, (train, val) in zip(found, oracle, strict=True):
        assert np.array_equal(fold.train_index, order[train])
        assert np.array_equal(fold.val_index, order[val])
        assert len(fold.val_index) == 14_000
        assert np.bincount(pooled.labels[fold.test_index])[0] == 685  # as the project prints
        overlap = set(fold.test_index.tolist()) & set(fold.train_index.tolist())
        assert folds.seen(fold).sum() == len(overlap)
        assert 0.78 < len(overlap) / 7000 < 0.82
    assert sum(int((~folds.seen(fold)).sum()) for fold in found) == 7000  # each test image is new to one fold only
    assert not folds.seen(folds.nf264_holdout(pooled)).any()


def test_samples_and_disjoint_sets(source):
    small, rows = folds.sample(source, 100, seed=2)
    assert np.array_equal(small.images, source.images[rows])
    assert folds.sample(source, 0)[0] is source
    sets = folds.disjoint(source.labels, 7)
    assert sorted(np.concatenate(sets).tolist()) == list(range(600))
    counts = np.array([np.bincount(source.labels[rows], minlength=10) for rows in sets])
    assert np.ptp(counts, axis=0).max() <= 1


BAD = [
    (lambda s: folds.k_folds(s, 1), "n_splits = 1, expected 2..600, the number of rows"),
    (lambda s: folds.k_folds(s, 41, groups=GROUPS), r"n_splits = 41, expected 2..40, the number of groups"),
    (lambda s: folds.k_folds(s, kind="loo"), "kind = 'loo', expected one of stratified, plain"),
    (lambda s: folds.k_folds(s, groups=GROUPS[1:]), "groups has length 599, expected 600"),
    (lambda s: splits.make(s, "x", [0, 1], [1, 2]), "val: got 1 rows that are also in train, first 1"),
    (lambda s: splits.make(s, "x", [], [1]), "train: got no rows"),
    (lambda s: splits.make(s, "x", [0], [600]), "val: got rows 600..600; 0..599 are allowed"),
    (lambda s: folds.repeated(s, 0), "n_repeats = 0"),
    (lambda s: folds.disjoint(s.labels, 0), "n_sets = 0"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message[:24] for _, message in BAD])
def test_bad_arguments_are_named(call, message, source):
    with pytest.raises(ValueError, match=message):
        call(source)
