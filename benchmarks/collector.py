"""What Python's search for abandoned cycles costs: its own thresholds against those of `helpers/__init__.py`.

    .venv/bin/python benchmarks/collector.py        # about a minute

Both cases, in turn, import Keras on TensorFlow and train four networks on 600 images each, in fresh processes of one
thread. Processor seconds of both parts and the most memory that was held; the median of the repeats counts.
"""

import argparse
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHONS_OWN = (700, 10, 10)  # of Python 3.11 to 3.13
MODELS = ("mlp", "recog", "fast_b", "fast_e")


def measure(case: str) -> None:
    """Print processor seconds of the imports and of the trainings, and the peak of memory in MB."""
    import helpers  # noqa: F401  # sets the thresholds

    if case == "Python's":
        gc.set_threshold(*PYTHONS_OWN)
    from helpers.data import load
    from helpers.training import fit, recipes

    imported = time.process_time()
    split = load.make_split("standard", n_train=600, n_validation=100, n_test=100)
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as store:
        for model in MODELS:
            fit.run(recipes.fast(model, split, batch_size=32), store=Path(store))
    trained = time.process_time() - begin
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(imported, trained, kilobytes / 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="of each case (default: 3)")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        return measure(arguments.measure)
    found: dict[str, list] = {"Python's": [], "ours": []}
    environment = os.environ | {"DIGITS_THREADS": "1", "OMP_NUM_THREADS": "1"}
    for _ in range(arguments.repeats):
        for case, rows in found.items():
            command = [sys.executable, __file__, "--measure", case]
            how = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True, "env": environment}
            rows.append([float(word) for word in subprocess.run(command, check=True, **how).stdout.split()[-3:]])
    medians = {case: [statistics.median(column) for column in zip(*rows, strict=True)] for case, rows in found.items()}
    print(f"load {os.getloadavg()[0]:.1f}, {arguments.repeats} repeats\n")
    print(f"{'thresholds':<12}{'imports, s':>12}{'trainings, s':>14}{'peak, MB':>10}")
    for case, row in medians.items():
        print(f"{case:<12}{row[0]:>12.2f}{row[1]:>14.2f}{row[2]:>10.0f}")
    usual, ours = medians.values()
    print(f"{'ratio':<12}{usual[0] / ours[0]:>11.2f}x{usual[1] / ours[1]:>13.2f}x{usual[2] / ours[2]:>9.2f}x")


if __name__ == "__main__":
    main()
