"""The published ladder as data: each rung, what it changed, and the training that it describes.

Published values are read from data/claims.csv. What the account leaves open is chosen once, here, and said in
`ASSUMED`: a reader may disagree, but need not guess.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from helpers import results
from helpers.data.splits import Split
from helpers.evaluation import metrics
from helpers.models import augmentation
from helpers.training.specs import TrainSpec

BUDGETS = ("published", "short")
ASSUMED = (
    "the layers of all three networks (helpers.models.architectures)",
    "the batch size of 50 where none is given",
    "dropout of one half in the dense layer",
    "warps as in Digit-Recognition-using-Tensorflow, and one and a half times as far where they are 'increased'",
    "validation accuracy as what the plateau rule watches",
    "ten epochs for bigModel, of which the account says only that they may have been too few",
)
_STRONGER = 1.5
RATE = 0.001  # Keras's default, which the account keeps
_PEAK = 0.002  # of a short one-cycle training; at 0.003 strongly warped images are not learned in time
# Batch normalisation predicts with moving averages, Keras's over some hundred batches. They begin at 0 and 1, and a
# short training ends before they have forgotten that: networks that fit their batches well then read at random.
# A shorter memory changes nothing in the training itself.
_MEMORY = 0.95
SLOW = ("big", "drt_cnn")  # a training of these takes as long as ten of recogModel


@dataclass(frozen=True)
class Rung:
    """One row of the published table.

    base: the rung that this one changed; change: how, in words. strength: of the warps, 0 for none. steps: per
    epoch; steps_of: or the training images divided by this; neither is one pass. minimum_rate: of the plateau rule,
    None for a constant rate. l2: the penalty's factor as Keras takes it, on the weights named by l2_on (see
    TrainSpec.decay).
    """

    claim_id: str
    name: str
    change: str
    base: str | None
    model: str
    epochs: int
    options: dict = field(default_factory=dict)
    strength: float = 0.0
    steps: int | None = None
    steps_of: int | None = None
    minimum_rate: float | None = None
    l2: float = 0.0
    l2_on: str = "kernels"
    batch_size: int = 50
    optimizer: str = "adam"
    loss: str = "mse"

    @property
    def claim(self) -> pd.Series:
        """The published row of data/claims.csv."""
        return results.claims().loc[self.claim_id]

    @property
    def published(self) -> float:
        """The published validation accuracy, a fraction."""
        return float(self.claim["value"])

    @property
    def n(self) -> int | None:
        """How many images the published accuracy rests on, None where nobody says."""
        return None if pd.isna(self.claim["n"]) else int(self.claim["n"])

    @property
    def colour(self) -> str:
        """Key of its network in the palette of the figures."""
        return {"drt_cnn": "mlp"}.get(self.model, self.model)

    @property
    def competition(self) -> float | None:
        """The published score in Kaggle's competition, None where there was no submission."""
        found = re.search(r"competition (0\.\d+)", str(self.claim["note"]))
        return float(found[1]) if found else None


def _climb() -> tuple[Rung, ...]:
    rungs: dict[str, Rung] = {}

    def step(claim: str, name: str, change: str, base: str = "", **changes) -> None:
        before = rungs.get(base) or Rung("", "", "", None, "recog", 40)
        about = {"claim_id": f"hwd-{claim}", "name": name, "change": change, "base": before.claim_id or None}
        rungs[claim] = replace(before, **about, **changes)

    norm, both = {"batch_norm": True}, {"batch_norm": True, "dropout": 0.5}
    step("recog-40", "recogModel, 40 epochs", "the start")
    step("recog-50", "50 epochs", "10 epochs more", "recog-40", epochs=50)
    step("recog-bn", "batch normalisation", "batch normalisation after each convolution", "recog-50", options=norm)
    step("recog-dropout", "dense dropout", "dropout in the dense layer", "recog-bn", options=both)
    words = "warped images; 30 epochs of 840 steps"
    step("recog-aug-840", "warps, 840 steps", words, "recog-dropout", strength=1.0, epochs=30, steps=840)
    step("recog-aug-1400", "1,400 steps", "1,400 steps an epoch", "recog-aug-840", steps=1400)
    words = "the rate halved after 3 epochs without gain; 50 epochs"
    step("recog-plateau", "plateau rule", words, "recog-aug-1400", epochs=50, minimum_rate=1e-5)
    words = "no lower limit of the rate; as many steps as a thirtieth of the images; 30 epochs"
    to_zero = {"epochs": 30, "steps": None, "steps_of": 30, "minimum_rate": 0.0}
    step("recog-plateau-minlr0", "plateau to zero", words, "recog-plateau", **to_zero)
    step("recog-aug-strong", "stronger warps", "stronger warps", "recog-plateau-minlr0", strength=_STRONGER)
    words = "dropout removed, warps as before"
    step("recog-no-dropout", "no dropout", words, "recog-plateau-minlr0", options=norm)
    step("recog-l2-all", "L2 on all layers", "L2 penalty on all layers", "recog-no-dropout", l2=0.01)
    words = "L2 penalty on the convolutions only"
    step("recog-l2-conv", "L2 on convolutions", words, "recog-no-dropout", l2=0.01, l2_on="conv")
    step("new-30", "newModel, 30 epochs", "another network, newModel", "recog-no-dropout", model="new", options={})
    step("new-50", "newModel, 50", "20 epochs more", "new-30", epochs=50)
    step("new-aug-strong", "newModel, stronger warps", "stronger warps", "new-50", strength=_STRONGER)
    step("big", "bigModel", "a larger network, bigModel", "new-30", model="big", epochs=10)
    step("new-75", "newModel, 75", "25 epochs more, warps as before", "new-50", epochs=75)
    step("new-100", "newModel, 100", "25 epochs more", "new-75", epochs=100)
    return tuple(rungs.values())


RUNGS: tuple[Rung, ...] = _climb()

_TENSORFLOW = Rung(
    "drt-no-aug", "drt CNN, no warps", "the start", None, "drt_cnn", 30,
    batch_size=86, optimizer="rmsprop", loss="cross_entropy",
)  # fmt: skip
# The other account with warps: two rungs, with cross-entropy.
TENSORFLOW: tuple[Rung, ...] = (
    _TENSORFLOW,
    replace(
        _TENSORFLOW,
        claim_id="drt-aug",
        name="drt CNN, warps and plateau",
        base="drt-no-aug",
        change="warped images and the plateau rule",
        strength=1.0,
        minimum_rate=1e-5,
    ),
)


def spec(
    rung: Rung, split: Split, *, budget: str = "published", seed: int = 0, steps: int = 300, trial: int = 0
) -> TrainSpec:
    """Return the training of a rung on `split` (usually "kaggle", whose hold-out has the published size).

    budget: "published" for its epochs, steps and learning-rate rule; "short" for one cycle of the learning rate over
    `steps` batches, with the same network, batches, warps, loss and penalty; only the moving averages of batch
    normalisation forget faster (0.95 in place of 0.99). Rungs that differ only in how long they train, or by which
    rule the rate falls, are one and the same short training. trial: for trying out, at most so many epochs of at most
    so many steps in place of the published ones; 0 for those.
    Keras's L2 of factor f adds f * w * w to the loss, a pull of 2 f w: twice the factor is TrainSpec's weight_decay.
    Raises ValueError for another budget, or what TrainSpec refuses.
    """
    if budget not in BUDGETS:
        raise ValueError(f"budget: got {budget!r}; allowed are {', '.join(BUDGETS)}")
    common = {
        "batch_size": rung.batch_size,
        "optimizer": rung.optimizer,
        "loss": rung.loss,
        "weight_decay": 2 * rung.l2,
        "decay": rung.l2_on,
        "augmentation": augmentation.PUBLISHED.scaled(rung.strength) if rung.strength else None,
        "options": rung.options,
        "seed": seed,
    }
    if budget == "short":
        normalised = rung.model in ("new", "big") or rung.options.get("batch_norm")
        common["options"] = {**rung.options, "momentum": _MEMORY} if normalised else rung.options
        return TrainSpec(
            rung.model, split, epochs=1, steps_per_epoch=steps, learning_rate=_PEAK, schedule="one_cycle", **common
        )
    if rung.minimum_rate is not None:
        common |= {"schedule": "plateau", "schedule_options": {"minimum": rung.minimum_rate}}
    per_epoch = max(1, len(split.x_train) // rung.steps_of) if rung.steps_of else rung.steps
    epochs = min(rung.epochs, trial or rung.epochs)
    per_epoch = min(trial, per_epoch or trial) if trial else per_epoch
    return TrainSpec(rung.model, split, epochs=epochs, steps_per_epoch=per_epoch, learning_rate=RATE, **common)


def shorter(asked: int, n: int, *, of: int, least: int = 1) -> int:
    """Return how many batches a training of n images gets, where one of `of` images gets `asked`; at least `least`.

    Fewer in proportion to the square root of the number of images: each is then seen more often than among many, as few
    images need it, and the training still ends sooner.
    """
    return max(min(asked, least), round(asked * min(1.0, (n / of) ** 0.5)))


def halvings(n: int, *, least: int = 50, most: int = 5) -> list[int]:
    """Return n, its half, its quarter and so on, `most` numbers at most and none below `least` but n, rising."""
    return [n >> times for times in range(most - 1, 0, -1) if n >> times >= least] + [n]


def find(claim_id: str) -> Rung:
    """Return the rung of a claim; raises ValueError for a claim that is none of the ladder's."""
    for rung in (*RUNGS, *TENSORFLOW):
        if rung.claim_id == claim_id:
            return rung
    raise ValueError(f"claim_id: got {claim_id!r}; the rungs are {', '.join(rung.claim_id for rung in RUNGS)}")


def shared(rungs: Sequence[Rung], split: Split, *, steps: int = 300) -> dict[str, list[Rung]]:
    """Group rungs whose short trainings are the same: name of the first, "(+3)" for three others -> rungs, in order."""
    groups: dict[tuple, list[Rung]] = {}
    for rung in rungs:
        short = spec(rung, split, budget="short", steps=steps)
        identity = (short.model, str(short.options), short.augmentation, short.weight_decay, short.decay, short.loss)
        groups.setdefault(identity, []).append(rung)
    return {group[0].name + (f" (+{len(group) - 1})" if group[1:] else ""): group for group in groups.values()}


def bases(groups: Mapping[str, Sequence[Rung]]) -> dict[str, str]:
    """Return for each group of rungs, by name, the group that its first rung changed, where that is among them."""
    place = {rung.claim_id: name for name, group in groups.items() for rung in group}
    return {name: place[group[0].base] for name, group in groups.items() if group[0].base in place}


def published_table(rungs: Sequence[Rung] = RUNGS) -> pd.DataFrame:
    """Return the published ladder, one row per rung, indexed by name.

    Columns: base (the rung that this one changed, or None), change, colour (a key of the palette), accuracy, low and
    high (Wilson, 95%), errors (misread images, a whole number), n, competition. Raises ValueError for an accuracy that
    is not a whole number of images within its printed digits.
    """
    rows, names = {}, {rung.claim_id: rung.name for rung in rungs}
    for rung in rungs:
        right = round(rung.published * rung.n)
        if abs(right / rung.n - rung.published) > 0.6e-4:  # the account prints four to six decimals
            raise ValueError(f"{rung.claim_id}: {rung.published} is not a whole number of {rung.n} images")
        interval = metrics.wilson(right, rung.n)
        rows[rung.name] = {
            "base": names.get(rung.base),
            "change": rung.change,
            "colour": rung.colour,
            "accuracy": rung.published,
            "low": interval.low,
            "high": interval.high,
            "errors": rung.n - right,
            "n": rung.n,
            "competition": np.nan if rung.competition is None else rung.competition,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rung")
