"""Seconds an epoch of a residual network: batch normalization as one operation against Keras's own.

    .venv/bin/python benchmarks/residual.py              # a minute or two
    .venv/bin/python benchmarks/residual.py --steps 40   # steadier

Measures some training steps of ResNet-34 and of the small residual network at batch 64 on 28 x 28 images, warps
included, and extrapolates to an epoch over 60,000 images. The first steps, which compile, are left out.
Fused and ordinary take turns, so that a busy minute hits both.
"""

import argparse
import os

import numpy as np
import pandas as pd

from helpers.data import load
from helpers.experiments.residual_network import residual
from helpers.runtime import device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="steps of each measurement (default 10)")
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each, the quickest counts (default 2)")
    arguments = parser.parse_args()
    split = load.make_split("standard")
    rows = {}
    for model in ("resnet8", "resnet34"):
        found = {True: [], False: []}
        for _ in range(arguments.repeats):
            for fused, times in found.items():
                options = {"fused": fused}
                times.append(residual.seconds_per_epoch(model, split, options=options, steps=arguments.steps))
        fused, ordinary = (float(np.min(times)) for times in found.values())
        rows[model] = {"fused s": fused, "ordinary s": ordinary, "gain": ordinary / fused, "load": os.getloadavg()[0]}
    print(", ".join(f"{name}: {value}" for name, value in device.hardware().items()))
    print(f"Seconds an epoch of 60,000 images, extrapolated from {arguments.steps} steps (best of {arguments.repeats})")
    print(pd.DataFrame.from_dict(rows, orient="index").round(2).to_string())


if __name__ == "__main__":
    main()
