"""Training speed: Keras's `fit` as published against our engine, and the time to a given accuracy.

    .venv/bin/python benchmarks/training.py            # all of it; about 20 minutes on 2 quiet cores
    .venv/bin/python benchmarks/training.py --quick    # a tenth of the images, one seed; a minute or two

Prints three tables. (1) Seconds per epoch of NF264's deep network on the same images in the same process. (2) Test
accuracy and seconds of our recipe, median over seeds; every training is done afresh, in a store that is thrown away.
(3) Arithmetic per second of each, against the processor's own speed at multiplying matrices, measured here. Wall
seconds mean little on a busy machine, so processor seconds and the load are printed beside them.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data import load
from helpers.models import architectures
from helpers.runtime import device, precision
from helpers.runtime.device import keras
from helpers.training import fit, recipes

TRAIN_PASSES = 3  # a training step is reckoned as three forward passes: forward, and two products backward


def measured(function) -> tuple[object, float, float]:
    """Return (result, wall seconds, processor seconds) of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def matrix_peak(dtype: str, *, side: int = 2048, repeats: int = 8) -> float:
    """Return the best GFLOP/s of a square matrix product in `dtype`."""
    import tensorflow as tf

    a = tf.cast(tf.random.stateless_uniform((side, side), (0, 1)), dtype)
    multiply = tf.function(lambda x: tf.linalg.matmul(x, x))
    multiply(a)
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        multiply(a).numpy()
        seconds.append(time.perf_counter() - begin)
    return 2 * side**3 / min(seconds) / 1e9


def keras_fit(split, *, batch_size: int) -> tuple[float, float]:
    """Return (wall, processor) seconds of the second epoch of the published training, in plain Keras."""
    x, y = split.x_train[..., None].astype(np.float32) / 255, keras.utils.to_categorical(split.y_train, 10)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([architectures.build("nf264_deep", precision="float32"), keras.layers.Softmax()])
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:1024], y[:1024], batch_size=batch_size, verbose=0)  # tracing is not counted, here or below
    _, wall, cpu = measured(lambda: model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0))
    return wall, cpu


def engine(split, store, *, batch_size: int, number_format: str) -> tuple[float, float]:
    """Return (wall, processor) seconds per epoch of the same network in our engine, after the first epoch."""
    changes = {"batch_size": batch_size, "precision": number_format}
    _, _, cpu_one = measured(lambda: fit.run(recipes.published("nf264_deep", split, epochs=1, **changes), store=store))
    two, _, cpu_two = measured(
        lambda: fit.run(recipes.published("nf264_deep", split, epochs=2, **changes), store=store)
    )
    return float(two.history["seconds"].iloc[1]), cpu_two - cpu_one


def per_epoch(split, store) -> pd.DataFrame:
    """Compare ways of training NF264's deep network for one epoch."""
    flops = TRAIN_PASSES * architectures.size(architectures.build("nf264_deep")).flops * len(split.x_train)
    ways = {"Keras fit, float32, batch 64 (as published)": lambda: keras_fit(split, batch_size=64)}
    ways["Keras fit, float32, batch 128"] = lambda: keras_fit(split, batch_size=128)
    for name in ("float32", precision.choose()):
        for batch in (64, 128):
            ways[f"ours, {name}, batch {batch}"] = lambda n=name, b=batch: engine(
                split, store, batch_size=b, number_format=n
            )
    rows = {}
    for name, way in ways.items():
        wall, cpu = way()
        rows[name] = {"seconds": wall, "cpu s": cpu, "GFLOP/s": flops / wall / 1e9, "load": os.getloadavg()[0]}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.insert(1, "times faster", table["seconds"].iloc[0] / table["seconds"])
    return table


def to_accuracy(split, store, *, seeds: int, plans) -> pd.DataFrame:
    """Train each (network, epochs) plan for every seed; return medians of accuracy and time."""
    rows = {}
    for name, epochs in plans:
        accuracies, walls, cpus, rate = [], [], [], []
        for seed in range(seeds):
            spec = recipes.fast(name, split, epochs=epochs, seed=seed)
            run, _, cpu = measured(lambda spec=spec: fit.run(spec, store=store))
            accuracies.append(float(np.mean(run.test_predictions == split.y_test)))
            walls.append(run.seconds)
            cpus.append(cpu)
            rate.append(TRAIN_PASSES * run.flops * run.images_per_second / 1e9)
        rows[f"{name}, {epochs} epochs"] = {
            "accuracy": np.median(accuracies),
            "lowest": min(accuracies),
            "highest": max(accuracies),
            "seconds": np.median(walls),
            "cpu s": np.median(cpus),
            "GFLOP/s": np.median(rate),
            "load": os.getloadavg()[0],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the images, one seed")
    parser.add_argument("--only", choices=("epoch", "accuracy"), help="one of the first two tables")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each plan (default 3)")
    arguments = parser.parse_args()
    n_train, seeds = (6000, 1) if arguments.quick else (None, arguments.seeds)
    plans = [("fast_b", 1), ("fast_b", 2), ("fast_b", 4)] + ([] if arguments.quick else [("fast_e", 8)])
    pd.set_option("display.width", 160)
    print(", ".join(f"{name}: {value}" for name, value in device.hardware().items()))
    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch)
        if arguments.only != "accuracy":
            nf264 = load.make_split("nf264", n_train=n_train and 5600)
            print("\nOne epoch of NF264's deep network\n", per_epoch(nf264, store).round(2).to_string(), sep="")
        if arguments.only != "epoch":
            standard = load.make_split("standard", n_train=n_train)
            table = to_accuracy(standard, store, seeds=seeds, plans=plans)
            print(f"\nTest accuracy (five views), median of {seeds} seeds\n", table.round(4).to_string(), sep="")
    peaks = {name: matrix_peak(name) for name in ("float32", "bfloat16")}
    print("\nMatrix products:", ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in peaks.items()))


if __name__ == "__main__":
    main()
