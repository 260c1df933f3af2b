"""Whole validation curves, the plain way and ours, side by side on the same data.

    .venv/bin/python benchmarks/classical.py            # NF264's split; about 12 minutes on 2 cores
    .venv/bin/python benchmarks/classical.py --quick    # a tenth of the images; seconds

Plain: refit and score for every k; fit a tree for every depth and criterion. Ours: `validation_curves`. Prints a table
with the ratios, how many predictions differ, and the peak memory of our part (measured first).
"""

import argparse
import os
import resource
import sys
from time import perf_counter

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from helpers.classical import validation_curves
from helpers.data import load
from helpers.runtime import precision


def timed(function, repeats: int = 1):
    """Return the last result and the median of the seconds over `repeats` calls."""
    seconds = []
    for _ in range(repeats):
        begin = perf_counter()
        result = function()
        seconds.append(perf_counter() - begin)
    return result, float(np.median(seconds))


def plain_knn(x_train, y_train, x):
    return np.stack(
        [KNeighborsClassifier(n_neighbors=k).fit(x_train, y_train).predict(x) for k in validation_curves.KS]
    )


def one_call_knn(x_train, y_train, x):
    return KNeighborsClassifier().fit(x_train, y_train).kneighbors(x, max(validation_curves.KS))[1]


def plain_trees(x_train, y_train, x, depths):
    return np.array(
        [
            [
                DecisionTreeClassifier(criterion=criterion, max_depth=depth, random_state=0)
                .fit(x_train, y_train)
                .predict(x)
                for depth in depths
            ]
            for criterion in validation_curves.CRITERIA
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5,600 training and 700 validation images")
    parser.add_argument("--only", choices=("knn", "tree"), help="one half of the benchmark")
    parser.add_argument("--repeats", type=int, default=3, help="of our kNN sweep; the median counts (default: 3)")
    arguments = parser.parse_args()
    small = {"n_train": 5600, "n_validation": 700} if arguments.quick else {}
    split = load.make_split("nf264", **small)
    y_train = split.y_train
    x_train, x = split.x_train.reshape(len(split.x_train), -1), split.x_val.reshape(len(split.x_val), -1)
    # As NF264 gave them to scikit-learn; ours takes the pixels as they are, the ranking is the same.
    as_floats = x_train.astype(np.float32) / 255, x.astype(np.float32) / 255
    print(f"{len(x_train):,} training and {len(x):,} validation images, {precision.available_threads()} processors")

    knn = tree = None
    if arguments.only != "tree":
        knn, knn_seconds = timed(lambda: validation_curves.knn_sweep(x_train, y_train, x=x), arguments.repeats)
    if arguments.only != "knn":
        tree, tree_seconds = timed(lambda: validation_curves.tree_sweep(x_train, y_train, x=x))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9

    rows = []
    if knn:
        plain, seconds = timed(lambda: plain_knn(as_floats[0], y_train, as_floats[1]))
        _, one_call = timed(lambda: one_call_knn(*as_floats[:1], y_train, as_floats[1]))
        differing = int((plain != knn.predictions).sum())
        rows.append((f"kNN, {len(knn.ks)} values of k", seconds, knn_seconds, differing, plain.size))
        rows.append(("  one scikit-learn search alone", one_call, knn_seconds, None, 0))
    if tree:
        plain, seconds = timed(lambda: plain_trees(*as_floats[:1], y_train, as_floats[1], tree.depths))
        differing = int((plain != tree.predictions[:, 0]).sum())
        rows.append((f"tree, {plain[..., 0].size} settings", seconds, tree_seconds, differing, plain.size))
    print(f"\n{'sweep':<32}{'plain s':>9}{'ours s':>9}{'ratio':>8}   differing predictions")
    for name, seconds, ours, differing, total in rows:
        last = "" if differing is None else f"{differing:,} of {total:,} ({differing / total:.2%})"
        print(f"{name:<32}{seconds:>9.1f}{ours:>9.2f}{seconds / ours:>7.1f}x   {last}")
    if tree:
        worst = (plain != tree.predictions[:, 0]).sum(axis=-1)
        for criterion, line in zip(tree.criteria, worst, strict=True):
            print(f"  {criterion} by depth {tree.depths[0]}..{tree.depths[-1]}: {' '.join(map(str, line))}")
    busy = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"\npeak memory of our sweeps, data included: {peak:.2f} GB{busy}")


if __name__ == "__main__":
    main()
