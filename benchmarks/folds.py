"""Folds side by side against folds one after another: the same trainings, the same cores.

    .venv/bin/python benchmarks/folds.py            # four folds of 56,000 images, two networks; about 6 minutes
    .venv/bin/python benchmarks/folds.py --quick    # a tenth of the images; a minute or so

Two processes of one thread each, against one process of two threads (with more cores: one process a core, against
one for all). Every case runs in a fresh process of its own with a store that is thrown away, and the wall time
includes starting the workers and importing TensorFlow in them. `training.parallel` does the faster by default.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial

from helpers.data import folds, load
from helpers.runtime.precision import available_threads
from helpers.training import cross_validation, recipes

RECIPES = {
    "fast_b": partial(recipes.fast, "fast_b", epochs=1, views=1),
    "nf264_deep": partial(recipes.published, "nf264_deep", epochs=1, batch_size=128),
}


def measure(name: str, processes: int, threads: int, n: int, n_folds: int) -> None:
    """Train the folds and print wall seconds, and the seconds spent training, summed over folds."""
    source, _ = folds.sample(load.load_mnist().pooled, n)
    parts = folds.k_folds(source, 5)[:n_folds]
    with tempfile.TemporaryDirectory() as store:
        begin = time.perf_counter()
        runs = cross_validation.cross_validate(RECIPES[name], parts, processes=processes, threads=threads, store=store)
        wall = time.perf_counter() - begin
    print(wall, sum(run.seconds for run in runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="7,000 images instead of 70,000")
    parser.add_argument("--only", choices=list(RECIPES), help="one of the two networks")
    parser.add_argument("--repeats", type=int, default=1, help="of every case; the fastest counts (default: 1)")
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, *numbers = arguments.measure
        return measure(name, *map(int, numbers))
    cores, n = available_threads(), 7000 if arguments.quick else 0
    n_folds = max(4, cores)
    cases = {f"{cores} x 1": (cores, 1), f"1 x {cores}": (1, cores)}
    print(f"{n_folds} folds, {n or 70_000:,} images, {cores} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    print(f"{'network':<14}{'processes x threads':>22}{'wall s':>9}{'training s':>12}")
    for name in [arguments.only] if arguments.only else RECIPES:
        best: dict[str, tuple[float, float]] = {}
        for _ in range(arguments.repeats):
            for case, (processes, threads) in cases.items():
                command = [sys.executable, __file__, "--measure", name, *map(str, (processes, threads, n, n_folds))]
                how = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "encoding": "utf-8"}
                done = subprocess.run(command, check=True, **how)
                wall, training = map(float, done.stdout.split()[-2:])
                best[case] = min(best.get(case, (wall, training)), (wall, training))
        for case, (wall, training) in best.items():
            print(f"{name:<14}{case:>22}{wall:>9.1f}{training:>12.1f}")
        side_by_side, in_turn = (best[case][0] for case in cases)
        print(f"{name:<14}{'ratio':>22}{in_turn / side_by_side:>8.2f}x")
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
