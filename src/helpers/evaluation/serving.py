"""Models as a service: one shape for networks, ensembles and classical models; how fast, how large, how good.

A `Reader` answers images with probabilities, whatever it is inside, and is timed the way it would be used.
"""

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.classical import estimators
from helpers.data.splits import Split
from helpers.evaluation import calibration, metrics
from helpers.runtime.device import hardware
from helpers.training import loops
from helpers.training.fit import Run, viewed

__all__ = ["Reader", "hardware"]

MEGABYTE = 1e6


@dataclass(frozen=True, eq=False)
class Reader:
    """A finished model: palette key, probabilities(uint8 images (n, h, w)) -> float64 (n, 10), and its size.

    megabytes: of the file, or of what a classical model keeps. threshold: the confidence from which an answer is
    accepted; None for models that answer with a bare label (probability 1), where there is no confidence to go by.
    identity: JSON values that decide its answers, None where nobody wrote them down. networks: those that it asks,
    name -> logits(images), and combine: what makes their answers, in this order, its own; models that share a network
    can share what it answers (`ask`).
    """

    key: str
    probabilities: Callable[[np.ndarray], np.ndarray]
    megabytes: float
    threshold: float | None = None
    identity: list | None = None
    networks: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None
    combine: Callable[[list[np.ndarray]], np.ndarray] | None = None

    def ask(self, images: np.ndarray, answered: dict[str, np.ndarray]) -> np.ndarray:
        """Return `probabilities(images)`; each network's logits are taken from `answered`, or left there.

        answered: what networks have answered to these very images, by name.
        """
        if not self.networks:
            return self.probabilities(images)
        for name, network in self.networks.items():
            if name not in answered:
                answered[name] = network(images)
        return self.combine([answered[name] for name in self.networks])


def network(
    runs: Sequence[Run],
    *,
    key: str,
    temperature: float = 1.0,
    threshold: float | None = None,
    views: int | None = None,
) -> Reader:
    """Load one trained network, or several whose probabilities are averaged, to be asked again and again.

    temperature divides the logits (of an ensemble: the logarithms of the mean probabilities). views: 1 or 5, as the
    spec says by default.
    """
    views = views or runs[0].spec.views
    networks = {f"{run.key}, views: {views}": _looks(run, views) for run in runs}

    def combine(logits: list[np.ndarray]) -> np.ndarray:
        whole = logits[0] if len(logits) == 1 else calibration.ensemble(logits)
        return calibration.softmax(whole, temperature=temperature)

    return Reader(
        key,
        lambda images: combine([look(images) for look in networks.values()]),
        sum(os.path.getsize(run.directory / "model.keras") for run in runs) / MEGABYTE,
        threshold,
        [*networks, temperature, threshold],
        networks,
        combine,
    )


def _looks(run: Run, views: int) -> Callable[[np.ndarray], np.ndarray]:
    predictor = loops.make_predictor(run.load())
    return lambda images: viewed(predictor, images, views)


def classical(model: estimators.Model, *, n_classes: int = 10, identity: list | None = None) -> Reader:
    """Let a classical model, which answers with labels, answer with probabilities of 0 and 1."""
    return Reader(model.key, lambda x: np.eye(n_classes)[model.answer(x)], model.megabytes, identity=identity)


def classics(split: Split, *, n_trees: int, n_components: int = 40, seed: int = 0) -> dict[str, Reader]:
    """Fit the neighbours and the forest of the earlier reports on the training part of a split."""
    data = (split.x_train, split.y_train)
    near = estimators.knn(*data, k=3, weights="distance", n_components=n_components)
    # scikit-learn's threads set and restore the process's warning filters, and lose them when two do it at once.
    with warnings.catch_warnings():
        forest = estimators.forest(*data, n_trees=n_trees, seed=seed)
    forest.kept.set_params(n_jobs=1)  # for one image, starting threads takes longer than asking the trees
    made = {f"kNN, {n_components} components": near, f"forest of {n_trees}": forest}
    return {name: classical(model, identity=[name, split.fingerprint, seed]) for name, model in made.items()}


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


def price_list(
    readers: Mapping[str, Reader],
    images,
    y_true,
    *,
    known: Mapping[str, metrics.Interval] = MappingProxyType({}),
    seconds: float = 1.0,
) -> pd.DataFrame:
    """Score and time every reader on images (n, h, w) with labels (n,).

    known: accuracies on these very images that need not be measured again, by name.

    Columns: model (palette key), estimate, low, high (accuracy, Wilson 95%), p50 and p95 (ms for one image), p50_256
    and p95_256 (ms for 256), throughput (images a second, 256 at a time), megabytes. `seconds`: for each timing.
    """
    rows = {}
    for name, reader in readers.items():
        score = known.get(name) or metrics.accuracy(y_true, reader.probabilities(images).argmax(axis=1))
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
