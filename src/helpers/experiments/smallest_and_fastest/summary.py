"""What many seeds of the same trainings tell: means with intervals, differences seed by seed, rows of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation import comparison, metrics
from helpers.models import architectures
from helpers.models.layers import FusedBatchNormalization
from helpers.results import Conditions, accuracy_row
from helpers.training import averages, conditions
from helpers.training.averages import Team
from helpers.training.many_seeds import Seeds
from helpers.training.specs import TrainSpec


@dataclass(frozen=True)
class Elsewhere:
    """An accuracy that somebody else published; mean: of so many `seeds`, where known, or else the best of many."""

    who: str
    address: str
    accuracy: float
    weights: int | None = None
    seconds: float | None = None
    mean: bool = False
    seeds: int | None = None

    def link(self, words: str) -> str:
        """Return words that lead to where it was published, as Markdown."""
        return f"[{words}]({self.address})"


ELSEWHERE = (
    # The accuracy is in the name of the network's file; training stopped by the test images, whose best state was kept.
    Elsewhere(
        "J. Warner", "https://github.com/JoshWarn/Parameter-Efficient-MNIST", 0.9903,
        weights=697,
    ),
    # The mean of the list of what its trainings ended with, which lies there beside the script.
    Elsewhere(
        "J. Warner", "https://github.com/JoshWarn/Parameter-Efficient-MNIST/blob/main/997_saved_acc.txt", 0.98761,
        weights=997, mean=True, seeds=223,
    ),
    Elsewhere(
        "T. Oikarinen", "https://github.com/tuomaso/train_mnist_fast", 0.99,
        seconds=0.76, mean=True,
    ),
    Elsewhere(
        "C. Deotte", "https://github.com/cdeotte/MNIST-CNN-99.75",
        0.99745, mean=True,
    ),
    Elsewhere("An et al.", "https://arxiv.org/abs/2008.10400", 0.9991),
)  # fmt: skip


def weights(spec: TrainSpec) -> int:
    """Return how many weights Keras keeps of the network of a training, running averages included."""
    return architectures.build(spec.model, spec.options, shape=spec.split.shape).count_params()


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
    seeds on these very images), widely low and high (95% of the mean on other images of the kind, too), above (the
    share of seeds that read more than `above`). Of one seed there is no sd, and low and high are the mean.
    """
    rows = {}
    for name, seeds in found.items():
        scores = seeds.accuracy(views=views)
        over = mean_of(scores)
        # How often each image is misread, over seeds: its spread between images is that of a mean over seeds.
        often = np.bincount(np.concatenate([seeds.misread[views][seed] for seed in seeds.runs.index]).astype(int))
        images = (often / len(seeds)) ** 2
        variance = images.sum() / seeds.n_test - (1 - over.mean) ** 2
        reach = np.hypot(over.mean - over.low, 1.96 * np.sqrt(variance / seeds.n_test))
        rows[name] = {
            "weights": seeds.parameters,
            "MFLOP": seeds.flops * views / 1e6,
            "passes": conditions.of(seeds.spec).passes,
            "seeds": len(seeds),
            "mean": over.mean,
            "sd": over.sd,
            "low": over.low,
            "high": min(1.0, over.high),
            "widely low": over.mean - reach,
            "widely high": min(1.0, over.mean + reach),
            "above": float(np.mean(scores > above)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def mean_of(values: Sequence[float]) -> metrics.SeedSummary:
    """Return the mean with its sd and 95% t interval; of a single value that value, without sd."""
    if len(values) > 1:
        return metrics.mean_over_seeds(list(values))
    return metrics.SeedSummary(float(values[0]), float("nan"), float(values[0]), float(values[0]), 1)


def gained(of: Seeds, over: Seeds, *, views: int, views_over: int) -> metrics.SeedSummary:
    """Return by how many percentage points of the test images one training reads more than another, seed by seed.

    The same training asked in two numbers of views is compared with itself. Raises ValueError for no common seed.
    """
    ours, theirs = (
        pd.Series(seeds.accuracy(views=n), index=seeds.runs.index) for seeds, n in ((of, views), (over, views_over))
    )
    common = (100 * (ours - theirs)).dropna()
    if common.empty:
        raise ValueError("of, over: got no common seed; at least 1 is needed")
    return mean_of(common.to_list())


def chance_of_best(scores: Sequence[float], level: float, *, of: int) -> float:
    """Return how likely the best of so many further seeds reaches `level`, where scores are normal draws.

    Mean and spread are those that the scores leave possible (Jeffreys' prior), which of few scores is much. Raises
    ValueError for fewer than two scores.
    """
    from scipy import stats  # imported where used: it costs a second

    if len(scores) < 2:
        raise ValueError(f"scores: got {len(scores)}; at least 2 are needed")
    over, rng, draws = mean_of(scores), np.random.default_rng(0), 100_000
    sd = over.sd * np.sqrt((over.n - 1) / rng.chisquare(over.n - 1, draws))
    mean = over.mean + sd * rng.standard_normal(draws) / np.sqrt(over.n)
    return float(np.mean(1 - stats.norm.cdf((level - mean) / sd) ** of))


def averages_table(teams: Mapping[str, Team]) -> pd.DataFrame:
    """Return what averages of networks read, one row per (networks, averaged, views): means over the random picks.

    Columns: held out and mean (of the validation and of the test images), error (the standard error of `mean`, by
    leaving out each network in turn: the jackknife of Efron and Stein 1981, Ann. Statist. 9, 586-596; it is too large,
    the more the larger the picks are, so NaN where these take more than half of the networks).
    """
    rows = {}
    for name, team in teams.items():
        for views, by_size in team.test.items():
            for size, right in by_size.items():
                members = averages.draws(team.networks, size)
                spread = np.nan
                if 2 * size <= team.networks:
                    means = [right[~(members == one).any(axis=1)].mean() for one in range(team.networks)]
                    spread = np.sqrt((team.networks - 1) / team.networks * ((means - np.mean(means)) ** 2).sum())
                rows[name, size, views] = {
                    "held out": team.validation[views][size].mean() / team.n_validation,
                    "mean": right.mean() / team.n_test,
                    "error": spread / team.n_test,
                }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["held out", "mean", "error"])
    frame.index = pd.MultiIndex.from_tuples(rows, names=["networks", "averaged", "views"])
    return frame


def conditions_of(seeds: Seeds, *, views: int | None, split: str) -> Conditions:
    """Return under which conditions the seeds were trained and asked; the number format is the recorded one.

    views: None where what stands side by side says it by itself, as rows of both.
    """
    told = conditions.of(seeds.spec, split=split, views=views or 1)
    formats = sorted(set(seeds.runs["precision"]))
    return Conditions(**{**vars(told), "views": views, "precision": formats[0] if len(formats) == 1 else None})


def together(found: Mapping[str, Seeds], *, views: int | None, split: str) -> dict[str, Conditions]:
    """Return these conditions by name, for `style.show` and `style.table`."""
    return {name: conditions_of(seeds, views=views, split=split) for name, seeds in found.items()}


def held_out(found: Mapping[str, Seeds], *, views: int) -> pd.DataFrame:
    """Return the per cent of held-out images read right, one row per seed and one column per training."""
    return pd.DataFrame(
        {name: pd.Series(100 * seeds.validation(views=views), index=seeds.runs.index) for name, seeds in found.items()}
    )


def paired(scores: pd.DataFrame, base: str, *, shared: bool = True) -> pd.DataFrame:
    """Return what each training gains over `base`, seed by seed; scores: in per cent, a row per seed, NaN for none.

    shared: of few seeds, whether chance is taken to be alike for all changes: a score is that of its seed plus what its
    change is worth plus chance, least squares for a two-way layout, so that all changes tell how large chance is. Or
    else each change tells its own, by Student's paired t. Columns: gain, low and high (95% of the gain, each for
    itself), seeds (that both have), p (adjusted by Holm's method for the number of changes); attrs "sd": of a
    difference between two scores of a seed (not shared: the median), "freedom": of its estimate (not shared: least).
    Trainings with fewer than two seeds in common with the base are left out.
    """
    from scipy import stats  # imported where used: it costs a second

    columns = ["gain", "low", "high", "seeds", "p"]
    if base not in scores:
        return pd.DataFrame(columns=columns).rename_axis("change")
    scores = scores.loc[scores[base].notna()]
    scores = scores.loc[:, scores.notna().sum() >= 2]
    changes = [name for name in scores if name != base]
    if not changes or base not in scores:
        return pd.DataFrame(columns=columns).rename_axis("change")
    counts = scores[changes].notna().sum().to_numpy()
    if shared:
        gain, errors, sd, freedom = _two_way(scores, changes)
    else:
        differences = scores[changes].sub(scores[base], axis=0)
        gain, spread, freedom = differences.mean().to_numpy(), differences.std().to_numpy(), counts - 1
        errors, sd = spread / np.sqrt(counts), float(np.median(spread))
    reach = stats.t.ppf(0.975, freedom) * errors
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.nan_to_num(2 * stats.t.sf(np.abs(gain) / errors, freedom), nan=1.0)
    made = dict(zip(columns, (gain, gain - reach, gain + reach, counts, comparison.holm(p)), strict=True))
    gains = pd.DataFrame(made, index=pd.Index(changes, name="change"))
    gains.attrs = {"freedom": int(np.min(freedom)), "sd": sd}
    return gains


def _two_way(scores: pd.DataFrame, changes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Return gains, their standard errors, the sd of a difference and the degrees of freedom, chance being shared."""
    long = scores.stack().dropna().rename_axis(["seed", "change"])
    of_change = np.stack([long.index.get_level_values("change") == name for name in changes], axis=1)
    of_seed = np.stack([long.index.get_level_values("seed") == seed for seed in scores.index], axis=1)
    design = np.concatenate([of_change, of_seed], axis=1).astype(float)
    worth, _, rank, _ = np.linalg.lstsq(design, long.to_numpy(), rcond=None)
    freedom = len(long) - int(rank)
    variance = ((long.to_numpy() - design @ worth) ** 2).sum() / freedom
    errors = np.sqrt(variance * np.diag(np.linalg.pinv(design.T @ design)))[: len(changes)]
    return worth[: len(changes)], errors, float(np.sqrt(2 * variance)), freedom


def row(system: str, seeds: Seeds, labels: np.ndarray, *, views: int, **more):
    """Return the row of results of a training: the first seed's accuracy, with the mean over all of them."""
    first = seeds.runs.index[0]
    answers = np.array(labels)
    wrong = seeds.misread[views][first]
    answers[wrong] = (answers[wrong] + 1) % 10  # which other digit was read is not recorded, and not needed here
    over = mean_of(seeds.accuracy(views=views))
    about = {n: v for n, v in vars(conditions_of(seeds, views=views, split="x")).items() if n != "split"}
    about |= {"parameters": seeds.parameters, "seeds": over.n}  # seconds: some of them were trained beside other work
    about |= {"mean": over.mean, "sd": over.sd} if over.n > 1 else {}
    return accuracy_row(system, labels, answers, **about, **more)
