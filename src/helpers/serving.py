"""Models as a service: one shape for networks, ensembles and classical models; how fast, how large, how good.

A `Reader` answers images with probabilities, whatever it is inside, and is timed the way it would be used.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import baselines, calibration, loops, metrics
from helpers.training import Run, _viewed

MEGABYTE = 1e6


@dataclass(frozen=True, eq=False)
class Reader:
    """A finished model: palette key, probabilities(uint8 images (n, h, w)) -> float64 (n, 10), and its size.

    megabytes: of the file, or of what a classical model keeps. graded: False for models whose answer is a bare label
    (probability 1 for it), so that there is no confidence to go by.
    """

    key: str
    probabilities: Callable[[np.ndarray], np.ndarray]
    megabytes: float
    graded: bool = True


def network(runs: Run | Sequence[Run], *, key: str, temperature: float = 1.0, views: int | None = None) -> Reader:
    """Load one trained network, or several whose probabilities are averaged, to be asked again and again.

    temperature divides the logits (of an ensemble: the logarithms of the mean probabilities). views: 1 or 5, as the
    spec says by default.
    """
    runs = [runs] if isinstance(runs, Run) else list(runs)
    predictors = [loops.make_predictor(run.load()) for run in runs]
    views = views or runs[0].spec.views

    def probabilities(images: np.ndarray) -> np.ndarray:
        logits = [_viewed(predictor, images, views) for predictor in predictors]
        whole = logits[0] if len(logits) == 1 else calibration.ensemble(logits)
        return calibration.softmax(whole, temperature=temperature)

    size = sum(os.path.getsize(run.directory / "model.keras") for run in runs)
    return Reader(key, probabilities, size / MEGABYTE)


def classical(model: baselines.Model, *, n_classes: int = 10) -> Reader:
    """Let a classical model, which answers with labels, answer with probabilities of 0 and 1."""
    return Reader(model.key, lambda x: np.eye(n_classes)[model.answer(x)], model.megabytes, graded=False)


@dataclass(frozen=True)
class Latency:
    """Milliseconds from asking to the answer for a batch: median and 95th percentile of `n` calls."""

    p50: float
    p95: float
    n: int


def latency(answer: Callable, images: np.ndarray, *, batch: int, seconds: float = 1.0, least: int = 5) -> Latency:
    """Time calls of `answer` on ever other batches of `images`, for so many seconds after one call to warm up.

    Every call has `batch` images (they are taken in turn and begin again at the end). At least `least` calls.
    """
    if batch < 1 or not len(images):
        raise ValueError(f"batch: got {batch!r} of {len(images)} images; at least 1 of 1 is needed")
    rows = np.arange(batch)
    answer(images[rows % len(images)])
    times, end = [], time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        chosen = images[(rows + len(times) * batch) % len(images)]
        start = time.perf_counter()
        answer(chosen)
        times.append(1000 * (time.perf_counter() - start))
    return Latency(float(np.median(times)), float(np.quantile(times, 0.95)), len(times))


def price_list(readers: Mapping[str, Reader], images, y_true, *, seconds: float = 1.0) -> pd.DataFrame:
    """Score and time every reader on images (n, h, w) with labels (n,).

    Columns: model (palette key), estimate, low, high (accuracy, Wilson 95%), p50 and p95 (ms for one image), p50_256
    and p95_256 (ms for 256), throughput (images a second, 256 at a time), megabytes. `seconds`: for each timing.
    """
    rows = {}
    for name, reader in readers.items():
        score = metrics.accuracy(y_true, reader.probabilities(images).argmax(axis=1))
        one, many = (latency(reader.probabilities, images, batch=n, seconds=seconds) for n in (1, 256))
        rows[name] = {
            "model": reader.key,
            "estimate": score.estimate,
            "low": score.low,
            "high": score.high,
            "p50": one.p50,
            "p95": one.p95,
            "p50_256": many.p50,
            "p95_256": many.p95,
            "throughput": 256_000 / many.p50,
            "megabytes": reader.megabytes,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model read")
