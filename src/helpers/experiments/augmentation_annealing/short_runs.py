"""The experiments of the ladder on a short budget: each rung, another loss, falling rates, warps; all over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from helpers.data import load
from helpers.data.splits import Split
from helpers.experiments.augmentation_annealing import comparisons, ladder, learning_curve
from helpers.experiments.augmentation_annealing.ladder import Rung
from helpers.models import augmentation
from helpers.training import fit, parallel, recipes
from helpers.training.fit import Run

# Options of each way to let the rate fall; the names are those of helpers.models.schedules, with spaces.
WAYS: dict[str, dict] = {"plateau": {"minimum": 0.0}, "step": {}, "cosine": {}, "one cycle": {}}

SLOW = ("big", "drt_cnn")  # a training of these takes as long as ten of recogModel


@dataclass(frozen=True, eq=False)
class Climb:
    """Repeats of trainings, by name, and which of them are to be compared.

    runs: name -> repeats; bases: name -> the name it is compared with. errors, correct: of the held-out images of
    each repeat; steps: `comparisons.paired_steps`; twins: `comparisons.twins`.
    """

    runs: dict[str, list[Run]]
    bases: dict[str, str]
    colours: list[str] | None = None  # keys of the palette, one per training

    @cached_property
    def errors(self) -> dict[str, np.ndarray]:
        """Name -> share of misread held-out images of each repeat, float64 (seeds,)."""
        return {name: learning_curve.held_out_errors(runs) for name, runs in self.runs.items()}

    @cached_property
    def correct(self) -> dict[str, np.ndarray]:
        """Name -> which held-out images each repeat reads correctly, bool (seeds, n)."""
        return {name: learning_curve.held_out_correct(runs) for name, runs in self.runs.items()}

    @cached_property
    def steps(self) -> pd.DataFrame:
        """One row per comparison: `comparisons.paired_steps`."""
        return comparisons.paired_steps(self.correct, self.bases)

    @property
    def always(self) -> pd.Series:
        """Which comparisons were told apart in every repeat, bool."""
        return self.steps["told apart"] == self.steps["repeats"]

    @cached_property
    def twins(self) -> pd.DataFrame:
        """What repeats of the same training differ by; trainings with a single repeat are left out."""
        return comparisons.twins({name: hits for name, hits in self.correct.items() if len(hits) > 1})

    @property
    def rates(self) -> dict[str, list[pd.DataFrame]]:
        """Name -> learning rate of each repeat, as `learning_curve.rates_used`."""
        return {name: [learning_curve.rates_used(run) for run in runs] for name, runs in self.runs.items()}

    @property
    def histories(self) -> dict[str, list[pd.DataFrame]]:
        """Name -> history of each repeat, one row per epoch."""
        return {name: [run.history for run in runs] for name, runs in self.runs.items()}

    @property
    def seconds(self) -> float:
        """Seconds of all trainings."""
        return sum(run.seconds for runs in self.runs.values() for run in runs)

    @property
    def disagreement_per_error(self) -> float:
        """Images that exactly one of two twins reads correctly, per misread image: the median over the trainings."""
        misread = [np.mean(~self.correct[name], axis=0).sum() for name in self.twins.index]
        return float(np.median(self.twins["disagree"] / np.maximum(misread, 1)))

    @property
    def best(self) -> str:
        """The training with the least mean error."""
        return min(self.errors, key=lambda name: self.errors[name].mean())

    def seen(self) -> str:
        """Return in words the steps told apart in every repeat, with their mean gain in images."""
        return comparisons.in_words(self.steps.loc[self.always, "images"])


def climb(
    rungs: Sequence[Rung], split: Split, *, steps: int, n_seeds: int, seed: int = 0, slow_seeds: int = 1
) -> tuple[Climb, dict[str, list[Run]]]:
    """Train every rung on the short budget; return the climb, and claim_id -> repeats for each of the rungs.

    Rungs that are the same short training share it, under the name of the first and the number of the others.
    slow_seeds: repeats of the networks in SLOW.
    """
    groups = ladder.shared(rungs, split, steps=steps)
    names = {first: group[0].name + (f" (+{len(group) - 1})" if group[1:] else "") for first, group in groups.items()}
    specs = {}
    for first, group in groups.items():
        short = ladder.spec(group[0], split, budget="short", steps=steps)
        specs[names[first]] = seeded(short, slow_seeds if short.model in SLOW else n_seeds, seed=seed)
    runs = parallel.train_groups(specs)
    by_claim = {rung.claim_id: runs[names[first]] for first, group in groups.items() for rung in group}
    bases = {names[a]: names[b] for a, b in ladder.bases(groups).items()}
    return Climb(runs, bases, [group[0].colour for group in groups.values()]), by_claim


def seeded(spec: fit.TrainSpec, n_seeds: int, *, seed: int = 0) -> list[fit.TrainSpec]:
    """Return `spec` with the seeds seed, seed + 1, ..."""
    return [replace(spec, seed=seed + i) for i in range(n_seeds)]


def exchange_loss(by_claim: Mapping[str, Sequence[Run]], claims: Sequence[str]) -> Climb:
    """Train the short trainings of these claims, as far as they are there, with cross-entropy, and compare.

    by_claim: as `climb` returns it.
    """
    specs, bases = {}, {}
    for claim in claims:
        if claim in by_claim:
            name = ladder.find(claim).name
            specs[name] = [run.spec for run in by_claim[claim]]
            specs[f"{name}, cross-entropy"] = [replace(spec, loss="cross_entropy") for spec in specs[name]]
            bases[f"{name}, cross-entropy"] = name
    return Climb(parallel.train_groups(specs), bases, ["recog", "fast"] * len(bases))


def anneal(split: Split, *, epochs: int, steps: int, n_seeds: int, seed: int = 0) -> Climb:
    """Train the plateau rung with each of WAYS in turn: same peak, same number of epochs and of steps in them.

    The peak is the rate of the account. At three times that, a training that begins at its peak can stay for epochs
    where it is surely wrong, as the squared error is flat there: that would compare beginnings, not endings.
    """
    short = ladder.spec(ladder.find("hwd-recog-plateau"), split, budget="short")
    specs = {}
    for way, options in WAYS.items():
        name = way.replace(" ", "_")
        rate = {"learning_rate": ladder.RATE, "schedule": name, "schedule_options": options}
        specs[way] = seeded(replace(short, epochs=epochs, steps_per_epoch=steps, **rate), n_seeds, seed=seed)
    return Climb(parallel.train_groups(specs), dict.fromkeys([way for way in WAYS if way != "plateau"], "plateau"))


@dataclass(frozen=True, eq=False)
class WarpGrid:
    """Errors over strengths of the warps, at one number of images, and over numbers of images, with and without.

    by_strength, without, warped: as `learning_curve.table`. worth: indexed like by_strength without 0, columns error
    and images: how many unwarped images give the same error (NaN where none do).
    """

    at: int
    by_strength: pd.DataFrame
    without: pd.DataFrame
    warped: pd.DataFrame

    @property
    def worth(self) -> pd.DataFrame:
        """How many images without warps are as good as `at` images with warps of each strength."""
        error = self.by_strength["mean"].drop(0.0).rename("error")
        needed = [learning_curve.images_needed(self.without.index, self.without["mean"], one) for one in error]
        frame = pd.DataFrame({"error": error, "images": needed})
        return frame.set_axis([f"strength {strength:g}" for strength in error.index]).rename_axis("warps")


def warp_grid(
    sizes: Sequence[int],
    strengths: Sequence[float],
    *,
    at: int,
    steps: int,
    n_seeds: int,
    n_validation: int = 0,
    seed: int = 0,
) -> WarpGrid:
    """Train a small fast network on growing parts of the Kaggle division, with and without warps, and at `at` images
    with warps of every strength; every repeat draws its images anew.

    sizes: rising numbers of training images; strengths: multiples of augmentation.PUBLISHED, 0 and 1 among them.
    n_validation: held-out images; 0 for all there are.
    Raises ValueError when `at` is not one of the sizes, or 0 or 1 not among the strengths.
    """
    if at not in sizes or not {0, 1} <= set(strengths):
        raise ValueError(
            f"at, strengths: got {at!r} and {list(strengths)}; one of {list(sizes)}, and 0 and 1 among them"
        )
    small = {"options": {"width": 0.5}, "steps_per_epoch": steps, "views": 1}
    wanted = [(n, s) for n in sizes for s in (0, 1)] + [(at, s) for s in strengths]
    seeds = range(seed, seed + n_seeds)
    parts = {
        (n, one): load.make_split("kaggle", n_train=n, n_validation=n_validation, n_test=1000, seed=one)
        for n in sizes
        for one in seeds
    }
    warps = {s: augmentation.PUBLISHED.scaled(s) if s else None for s in {0, 1, *strengths}}
    specs = {
        (n, s): [recipes.fast("fast_b", parts[n, one], seed=one, augmentation=warps[s], **small) for one in seeds]
        for n, s in wanted
    }
    errors = {point: learning_curve.held_out_errors(runs) for point, runs in parallel.train_groups(specs).items()}
    return WarpGrid(
        at=at,
        by_strength=learning_curve.table({s: errors[at, s] for s in strengths}, name="strength"),
        without=learning_curve.table({n: errors[n, 0] for n in sizes}, name="images"),
        warped=learning_curve.table({n: errors[n, 1] for n in sizes}, name="images"),
    )


def warped(images: np.ndarray, strengths: Sequence[float], *, seed: int = 0) -> np.ndarray:
    """Return uint8 copies of `images` (n, h, w) at each strength in turn: (strengths * n, h, w); 0 leaves them be."""
    return np.concatenate(
        [augmentation.warp_images(images, augmentation.PUBLISHED.scaled(one), seed=seed) for one in strengths]
    )


def entry(split: Split, *, epochs: int, seed: int = 0) -> Run:
    """Train the network that enters the competition: fast net b by the fast recipe."""
    return fit.run(recipes.fast("fast_b", split, epochs=epochs, seed=seed))
