"""What many seeds of the same trainings tell: means with intervals, differences seed by seed, rows of results."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation import metrics
from helpers.models import architectures
from helpers.models.layers import FusedBatchNormalization
from helpers.results import Conditions, accuracy_row
from helpers.training import conditions
from helpers.training.many_seeds import Seeds
from helpers.training.specs import TrainSpec


@dataclass(frozen=True)
class Elsewhere:
    """A number that somebody else published; what: in words, mean: of many trainings, or else the best of them."""

    what: str
    who: str
    address: str
    accuracy: float
    weights: int | None = None
    seconds: float | None = None
    mean: bool = False

    def link(self, words: str) -> str:
        """Return words that lead to where it was published, as Markdown."""
        return f"[{words}]({self.address})"


ELSEWHERE = (
    # The accuracy is in the name of the network's file; training stopped by the test images, whose best state was kept.
    Elsewhere(
        "fewest weights found above 99%", "J. Warner", "https://github.com/JoshWarn/Parameter-Efficient-MNIST", 0.9903,
        weights=697,
    ),
    Elsewhere(
        "99% soonest, on a GTX 1660 Ti", "T. Oikarinen", "https://github.com/tuomaso/train_mnist_fast", 0.99,
        seconds=0.76,
    ),
    Elsewhere(
        "fifteen networks averaged, mean of 100 trials", "C. Deotte", "https://github.com/cdeotte/MNIST-CNN-99.75",
        0.99745, mean=True,
    ),
    Elsewhere("two layers of averages, the best", "An et al.", "https://arxiv.org/abs/2008.10400", 0.9991),
)  # fmt: skip


def folded(spec: TrainSpec) -> int:
    """Return how many weights a trained network needs to read, its normalization folded into the kernels.

    Scale, mean and variance of a filter become part of its kernel; one number of four is left, added to what it finds.
    """
    model = architectures.build(spec.model, spec.options, shape=spec.split.shape)
    normalised = [layer for layer in model.layers if isinstance(layer, FusedBatchNormalization)]
    return model.count_params() - 3 * sum(layer.gamma.shape[0] for layer in normalised)


def table(found: Mapping[str, Seeds], *, views: int, above: float = 0.99) -> pd.DataFrame:
    """Return what the seeds of each training read of the test images in so many views, one row per training.

    Columns: weights, MFLOP (of an answer, all views), passes, seeds, mean, sd, low and high (95%, t, of the mean over
    seeds on these very images), above (the share of seeds that read more than `above`).
    """
    rows = {}
    for name, seeds in found.items():
        scores = seeds.accuracy(views=views)
        over = metrics.mean_over_seeds(scores)
        rows[name] = {
            "weights": seeds.parameters,
            "MFLOP": seeds.flops * views / 1e6,
            "passes": conditions.of(seeds.spec).passes,
            "seeds": len(seeds),
            "mean": over.mean,
            "sd": over.sd,
            "low": over.low,
            "high": over.high,
            "above": float(np.mean(scores > above)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def conditions_of(seeds: Seeds, *, views: int, split: str) -> Conditions:
    """Return under which conditions the seeds were trained and asked; the number format is the recorded one."""
    told = conditions.of(seeds.spec, split=split, views=views)
    formats = sorted(set(seeds.runs["precision"]))
    return Conditions(**{**vars(told), "precision": formats[0] if len(formats) == 1 else None})


def together(found: Mapping[str, Seeds], *, views: int, split: str) -> dict[str, Conditions]:
    """Return these conditions by name, for `style.show` and `style.table`."""
    return {name: conditions_of(seeds, views=views, split=split) for name, seeds in found.items()}


def paired(found: Mapping[str, Seeds], base: str, *, views: int) -> pd.DataFrame:
    """Return what each training gains over `base` on the held-out images, seed by seed, in percentage points.

    Only seeds that both have count. Columns: gain (mean), sd, low and high (95%, t, of the mean), seeds, worse and
    better (seeds in which it read fewer, or more). Trainings with fewer than two common seeds are left out.
    """
    rows, ours = {}, _held_out(found[base], views)
    for name, seeds in found.items():
        gains = 100 * (_held_out(seeds, views) - ours).dropna()
        if name == base or len(gains) < 2:
            continue
        over = metrics.mean_over_seeds(gains.to_list())
        rows[name] = {"gain": over.mean, "sd": over.sd, "low": over.low, "high": over.high, "seeds": over.n}
        rows[name] |= {"worse": int((gains < 0).sum()), "better": int((gains > 0).sum())}
    columns = ["gain", "sd", "low", "high", "seeds", "worse", "better"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("change")


def _held_out(seeds: Seeds, views: int) -> pd.Series:
    return pd.Series(seeds.validation(views=views), index=seeds.runs.index)


def row(system: str, seeds: Seeds, labels: np.ndarray, *, views: int, **more):
    """Return the row of results of a training: the first seed's accuracy, with the mean over all of them."""
    first = seeds.runs.index[0]
    answers = np.array(labels)
    wrong = seeds.misread[views][first]
    answers[wrong] = (answers[wrong] + 1) % 10  # which other digit was read is not recorded, and not needed here
    over = metrics.mean_over_seeds(seeds.accuracy(views=views))
    about = {n: v for n, v in vars(conditions_of(seeds, views=views, split="x")).items() if n != "split"}
    about |= {"seconds": float(seeds.runs["seconds"].median()), "parameters": seeds.parameters}
    about |= {"mean": over.mean, "sd": over.sd, "seeds": over.n}
    return accuracy_row(system, labels, answers, **about, **more)
