"""Prediction speed: images a second from files and from arrays, after the network is loaded, and the memory it takes.

    .venv/bin/python benchmarks/predict.py             # 10,000 files of each kind; about a minute on 2 cores
    .venv/bin/python benchmarks/predict.py --n 1000

Files are made of MNIST's test images in a folder that is removed afterwards. Wall seconds are measured from the first
image to the finished table; start-up (Python, TensorFlow, the network) is printed apart. Accuracy is printed to show
that the work was done.
"""

import argparse
import contextlib
import csv
import io
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.data import load
from helpers.runtime import precision

KINDS = {
    "28 x 28 PNG": lambda image: (Image.fromarray(image), "png"),
    "28 x 28 PNG, dark on light": lambda image: (Image.fromarray(255 - image), "png"),
    "100 x 100 JPEG": lambda image: (Image.fromarray(255 - image).resize((100, 100)), "jpg"),
    "200 x 200 colour PNG": lambda image: (Image.fromarray(255 - image).resize((200, 200)).convert("RGB"), "png"),
}


def predict(place: Path, output: Path) -> tuple[float, float, float, pd.DataFrame]:
    """Run the command; return (seconds of start-up, of the work, peak MB of the main process, table)."""
    start = time.perf_counter()
    script = (
        "import resource, sys; from helpers.predict import __main__ as command; status = command.main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr); sys.exit(status)"
    )
    main = "if __name__ == '__main__':\n    " + script  # processes that open images import this file
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".py") as file:
        file.write(main)
        file.flush()
        done = subprocess.run(
            [sys.executable, file.name, str(place), "--output", str(output)],
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
    wall = time.perf_counter() - start
    seconds = float(re.search(r"images in ([\d.]+) s", done.stderr)[1])
    with open(output, encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    return wall - seconds, seconds, float(done.stderr.split()[-1]), pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000, help="images of each kind (default 10,000)")
    n = parser.parse_args().n
    test = load.load_mnist().test
    images, labels = (np.resize(part, (n, *part.shape[1:])) for part in (test.images, test.labels))
    print(f"{n:,} images, {precision.available_threads()} threads")
    lines = {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind, make in KINDS.items():
            folder = Path(scratch) / kind.replace(" ", "_").replace(",", "")
            folder.mkdir()
            for i, image in enumerate(images):
                picture, suffix = make(image)
                buffer = io.BytesIO()
                picture.save(buffer, {"png": "PNG", "jpg": "JPEG"}[suffix])
                (folder / f"{i:06d}.{suffix}").write_bytes(buffer.getvalue())
            lines[kind] = measured(folder, Path(scratch) / "out.csv", labels)
        np.savez(Path(scratch) / "images.npz", images=images)
        lines["28 x 28 .npz"] = measured(Path(scratch) / "images.npz", Path(scratch) / "out.csv", labels)
    print(pd.DataFrame.from_dict(lines, orient="index").round(4).to_string())


def measured(place: Path, output: Path, labels: np.ndarray) -> dict:
    """Return a line of the table for one folder or file."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_up, seconds, megabytes, rows = predict(place, output)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    with contextlib.suppress(FileNotFoundError):
        output.unlink()
    return {
        "seconds": seconds,
        "images/s": len(rows) / seconds,
        "start-up s": start_up,
        "cpu s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak MB": megabytes,
        "accuracy": float(np.mean(rows["digit"].to_numpy() == labels.astype(str))),
    }


if __name__ == "__main__":
    main()
