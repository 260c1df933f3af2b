"""Which rows are held out in turn: folds of a dataset, plain, stratified or by writer; each fold is a Split."""

import warnings
from collections.abc import Sequence

import numpy as np

from helpers.data import splits
from helpers.data.dataset import Dataset, build_dataset
from helpers.data.splits import Split

KINDS = ("stratified", "plain")


def k_folds(
    source: Dataset,
    n_splits: int = 5,
    *,
    kind: str = "stratified",
    seed: int = 0,
    rows=None,
    groups=None,
    test=(),
) -> list[Split]:
    """Cut `source` into `n_splits` parts and hold each out in turn.

    kind: "stratified" keeps the classes in proportion, "plain" leaves them to chance. rows: only these, in this order
    (None is all). groups: int (len(source),), say writers, no one of whom is then on both sides; with "stratified"
    the classes are kept as nearly in proportion as whole groups allow. test: rows that every fold's network
    predicts besides, wherever they lie. The draw is scikit-learn's (KFold, StratifiedKFold, GroupKFold,
    StratifiedGroupKFold, shuffled by `seed`). Raises ValueError for another kind, fewer than 2 parts, more parts
    than rows or groups, or groups of another length.
    """
    from sklearn import model_selection  # here, as loading MNIST need not wait for it

    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}, expected one of {', '.join(KINDS)}")
    rows = np.arange(len(source)) if rows is None else np.asarray(rows, dtype=np.int64)
    if groups is not None and len(groups) != len(source):
        raise ValueError(f"groups has length {len(groups)}, expected {len(source)}, one for each image of the source")
    members = None if groups is None else np.asarray(groups)[rows]
    available = len(rows) if groups is None else len(np.unique(members))
    if not 2 <= n_splits <= available:
        what = "rows" if groups is None else "groups"
        raise ValueError(f"n_splits = {n_splits}, expected 2..{available}, the number of {what}")
    name = {"stratified": "Stratified", "plain": ""}[kind] + ("KFold" if groups is None else "GroupKFold")
    splitter = getattr(model_selection, name)(n_splits, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # a digit with fewer images than there are parts cannot be in each of them
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        pairs = list(splitter.split(np.zeros((len(rows), 1)), source.labels[rows], members))
    return [
        splits.make(source, f"fold {number} of {n_splits}", rows[train], rows[val], test)
        for number, (train, val) in enumerate(pairs, start=1)
    ]


def repeated(source: Dataset, n_repeats: int, *, n_splits: int = 5, seed: int = 0, **how) -> list[list[Split]]:
    """Draw k folds `n_repeats` times, with seeds `seed`, `seed + 1`, ...; `how` goes to `k_folds`."""
    if n_repeats < 1:
        raise ValueError(f"n_repeats = {n_repeats}, expected 1 or more")
    return [k_folds(source, n_splits, seed=seed + repeat, **how) for repeat in range(n_repeats)]


def nf264_folds(source: Dataset) -> list[Split]:
    """Cut as NF264 Project 2 did: all rows, sorted by digit, then five parts of a shuffle with a fixed seed.

    Each fold's `test` is the project's 'unseen' test part, on which it scored its best fold's network, although four
    fifths of it lie in that network's training part: the leak, kept.
    """
    from sklearn.model_selection import KFold

    order = np.argsort(source.labels, kind="stable")
    *_, test = splits.nf264_rows(source.labels)
    cuts = KFold(n_splits=5, shuffle=True, random_state=1).split(order)
    return [
        splits.make(source, f"fold {number} of 5", train=order[train], val=order[held], test=test)
        for number, (train, held) in enumerate(cuts, start=1)
    ]


def nf264_holdout(source: Dataset) -> Split:
    """Return NF264's 80/10/10 division: the network trained on it has seen no test image."""
    return splits.make(source, "trained on the 80% only", *splits.nf264_rows(source.labels))


def seen(fold: Split) -> np.ndarray:
    """Say for each row of `fold.test_index` whether the fold trains on it: bool (n_test,)."""
    return np.isin(fold.test_index, fold.train_index)


def sample(source: Dataset, n: int, *, seed: int = 0) -> tuple[Dataset, np.ndarray]:
    """Draw a smaller dataset of `n` images, classes in proportion; 0 is all. Returns it and its rows, int64 (n,)."""
    if not n:
        return source, np.arange(len(source))
    rows = splits.stratified_rows(source.labels, n, seed=seed)
    return build_dataset(f"{n:,} of {source.name}", source.images[rows], source.labels[rows]), rows


def disjoint(labels: np.ndarray, n_sets: int, *, seed: int = 0) -> Sequence[np.ndarray]:
    """Deal all rows out to `n_sets` sets without a row in common, the classes in proportion.

    Returns int64 arrays whose lengths differ by at most the number of classes.
    """
    if not 1 <= n_sets <= len(labels):
        raise ValueError(f"n_sets = {n_sets}, expected 1..{len(labels)}, the number of rows")
    mixed = np.random.default_rng([seed, 7]).permutation(len(labels))
    mixed = mixed[np.argsort(labels[mixed], kind="stable")]
    return [np.sort(mixed[start::n_sets]) for start in range(n_sets)]
