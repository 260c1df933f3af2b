"""How long an answer takes: one image at a time and many at once, with accuracy and size beside it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.evaluation import metrics
from helpers.evaluation.predictor import Predictor
from helpers.runtime import pool


@dataclass(frozen=True)
class Latency:
    """Milliseconds from asking to the answer for a batch: median and 95th percentile of `n` calls."""

    p50: float
    p95: float
    n: int


def latency(answer: Callable, images: np.ndarray, *, batch: int, seconds: float = 1.0, least: int = 5) -> Latency:
    """Time calls of `answer` on ever other batches of `images`, for so many seconds after one call to warm up.

    Every call has `batch` images (they are taken in turn and begin again at the end). At least `least` calls. In a
    build nobody else computes meanwhile; around many of them `pool.alone` makes them wait for that once.
    """
    if batch < 1 or not len(images):
        raise ValueError(f"batch: got {batch!r} of {len(images)} images; at least 1 of 1 is needed")
    rows = np.arange(batch)
    answer(images[rows % len(images)])
    with pool.alone():
        times, end = [], time.perf_counter() + seconds
        while len(times) < least or time.perf_counter() < end:
            chosen = images[(rows + len(times) * batch) % len(images)]
            start = time.perf_counter()
            answer(chosen)
            times.append(1000 * (time.perf_counter() - start))
    return Latency(float(np.median(times)), float(np.quantile(times, 0.95)), len(times))


def price_list(
    predictors: Mapping[str, Predictor],
    images,
    y_true,
    *,
    known: Mapping[str, metrics.Interval] = MappingProxyType({}),
    seconds: float = 1.0,
) -> pd.DataFrame:
    """Score and time every predictor on images (n, h, w) with labels (n,).

    known: accuracies on these very images that need not be measured again, by name.

    Columns: model (palette key), estimate, low, high (accuracy, Wilson 95%), p50 and p95 (ms for one image), p50_256
    and p95_256 (ms for 256), throughput (images a second, 256 at a time), megabytes. `seconds`: for each timing.
    """
    rows, times = {}, {}
    scores = {name: known.get(name) or metrics.accuracy(y_true, one.labels(images)) for name, one in predictors.items()}
    with pool.alone():
        for name, predictor in predictors.items():
            times[name] = [latency(predictor, images, batch=n, seconds=seconds) for n in (1, 256)]
    for name, predictor in predictors.items():
        score, (one, many) = scores[name], times[name]
        rows[name] = {
            "model": predictor.key,
            "estimate": score.estimate,
            "low": score.low,
            "high": score.high,
            "p50": one.p50,
            "p95": one.p95,
            "p50_256": many.p50,
            "p95_256": many.p95,
            "throughput": 256_000 / many.p50,
            "megabytes": predictor.megabytes,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def bill(table: pd.DataFrame) -> pd.DataFrame:
    """Return `price_list` in words, for showing: accuracy, medians / 95th percentiles in ms, images a second, MB."""
    return pd.DataFrame(
        {
            "accuracy": [f"{value:.2%}" for value in table["estimate"]],
            "ms for 1": _pairs(table["p50"], table["p95"]),
            "for 256": _pairs(table["p50_256"], table["p95_256"]),
            "images/s": [f"{value:,.0f}" for value in table["throughput"]],
            "MB": [_short(value) for value in table["megabytes"]],
        },
        index=table.index,
    )


def _pairs(first: pd.Series, second: pd.Series) -> list[str]:
    """Write pairs of numbers that stay on one line."""
    return [f"{_short(a)}\u00a0/\u00a0{_short(b)}" for a, b in zip(first, second, strict=True)]


def _short(value: float) -> str:
    """Write a positive number with about three digits."""
    return f"{value:,.{max(0, 2 - int(np.floor(np.log10(max(value, 0.01)))))}f}"
