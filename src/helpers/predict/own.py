"""A reader for somebody's own digits: trained, chosen, calibrated and measured on them, beside the shipped network.

A few hundred images are too few to learn reading from, and plenty to learn somebody's forms from: so training begins
with the shipped network's weights, unless it was trained on these very images, as on MNIST's under another name. Own
digits are prepared as the command prepares any picture, and cut in three: what is trained on; what candidates are
compared and calibrated on; and the test part, looked at once, after every choice is made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.data import kaggle, load, splits
from helpers.data.dataset import Mnist
from helpers.data.own import assembling
from helpers.evaluation import calibration, metrics, selective
from helpers.evaluation.predictor import NO_LABEL, Predictor
from helpers.models.augmentation import Warp
from helpers.models.handwriting import Hand
from helpers.predict import practice, ship, shipped
from helpers.predict.ship import WRONG_SHARE, Sheet
from helpers.training import fine_tuning, fit, outcomes, recipes
from helpers.training.specs import TrainSpec

MOST_HELD_OUT = 5_000  # images to choose and calibrate on; a third of the training part where that is less
SAME = 0.995  # cosine, above which two images are one
FAMILIAR = 0.01  # share of images that the shipped network was trained on, above which it cannot be measured on them
PACE = 1_200  # images a second, in training, on two cores of AMD EPYC
LEAST_MIXED, MOST_MIXED = 2_000, 20_000  # MNIST images beside one's own
FURTHER = 20_000, 3, 30  # images to go through when training goes on, within so many passes
AFRESH = 150_000, 12, 60  # the same when it begins
SMALL = 5_000  # images, below which batches are smaller: 128 at a time would be too few steps

AS_IS, ALONE, MIXED, NEW = "as it is", "trained further on yours", "trained further on yours and MNIST's", "afresh"


@dataclass(frozen=True, eq=False)
class Own:
    """Somebody's digits as the network sees them. familiar: bool, test images that the shipped one was trained on.

    begun: whether training may begin with the shipped network. unlabelled: None where there are none.
    """

    source: Mnist
    digits: tuple[int, ...]
    train: Sheet
    val: Sheet
    test: Sheet
    unlabelled: Sheet | None
    familiar: np.ndarray
    begun: bool


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate on the held-out images: right bool (n,), sure float (n,), and what was found on them.

    spec, run: None for the shipped network as it is.
    """

    name: str
    logits: Callable[[np.ndarray], np.ndarray]
    temperature: float
    threshold: float
    right: np.ndarray
    sure: np.ndarray
    spec: TrainSpec | None = None
    run: fit.Run | None = None


def prepare(source: Mnist, *, seed: int = 0, source_only: bool = False) -> Own:
    """Prepare every image, cut the training part in two, and find out which images the shipped network has seen."""
    split = load.make_split(
        "standard", n_validation=min(MOST_HELD_OUT, len(source.train) // 3), seed=seed, source=source
    )
    seen = [familiar(images, labels) for images, labels in ((split.x_val, split.y_val), (split.x_test, split.y_test))]
    return Own(
        source,
        tuple(assembling.digits(source.pooled.labels)),
        _sheet("train", split.x_train, split.y_train),
        _sheet("held out", split.x_val, split.y_val),
        _sheet("test", split.x_test, split.y_test),
        None if source.unlabelled is None else _sheet("unlabelled", source.unlabelled.images, None),
        seen[1],
        not source_only and np.concatenate(seen).mean() <= FAMILIAR,
    )


def familiar(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Say which images uint8 (n, 28, 28) are among MNIST's training images of the same digit: bool (n,).

    By the cosine of their pixels. Of MNIST's test digits none comes closer to another one of the training part than
    0.992; preparing an image again, as loading pictures from a folder does, leaves 99% of them above the limit.
    """
    train, found = load.load_mnist().train, np.zeros(len(images), bool)
    for digit in np.unique(labels):
        ours, theirs = labels == digit, train.labels == digit
        found[ours] = (_unit(images[ours]) @ _unit(train.images[theirs]).T).max(axis=1) > SAME
    return found


def _unit(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), -1).astype(np.float32)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1)


def _sheet(name: str, images: np.ndarray, labels: np.ndarray | None) -> Sheet:
    labels = np.full(len(images), NO_LABEL) if labels is None else labels
    return Sheet(name, ship.prepared(images.astype(np.float32)), labels)


def candidates(own: Own, base: Path, *, epochs: int | None = None, seed: int = 0) -> dict[str, TrainSpec]:
    """Return the trainings to compare, the one preferred among equals first: see the module.

    base: folder of the shipped network. epochs: passes over the training images; None is by their number.
    """
    card = shipped.load_card(base)
    parts = [(sheet.made.images, sheet.labels) for sheet in (own.val, own.test)]
    split = splits.of_arrays(own.source.name, _to_learn(own.train), *parts)
    if not own.begun:
        extended = practice.extended(split, **_practice(card, len(split.y_train), strokes=0), seed=seed)
        return {NEW: _spec(card, extended, AFRESH, epochs, seed, rate=0.3)}
    start = fine_tuning.from_file(base / shipped.WEIGHTS, rates=(1.0, 1.0, 1.0))
    how = {"rate": 0.01, "start": start}
    return {
        MIXED: _spec(card, _mixed(split, card, seed), FURTHER, epochs, seed, **how),
        ALONE: _spec(card, split, FURTHER, epochs, seed, **how),
    }


def _to_learn(sheet: Sheet) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels as the network will be asked: some pictures are read as they were handed in, too."""
    good, twice = [i for i, problem in enumerate(sheet.made.problems) if not problem], sheet.made.unchanged
    images = np.concatenate([sheet.made.images[good], *(image[None] for image in twice.values())])
    return images, sheet.labels[[*good, *twice]]


def _practice(card: dict, n: int, **changes) -> dict[str, int]:
    """Return how much to practise on beside `n` images, in the shipped network's proportions."""
    whole = len(load.load_mnist().train) - card["held_out"]["images"]
    return {name: round(many * n / whole) for name, many in card["held_out"]["practice"].items()} | changes


def _mixed(split: splits.Split, card: dict, seed: int) -> splits.Split:
    """Put MNIST's digits and practice beside one's own, which come as often again as makes them about half of all."""
    many = min(max(LEAST_MIXED, len(split.y_train)), MOST_MIXED)
    theirs = practice.extended(load.make_split("standard", n_train=many, seed=seed), **_practice(card, many), seed=seed)
    times = max(1, round(many / len(split.y_train)))
    images = np.concatenate([split.x_train] * times + [theirs.x_train])
    labels = np.concatenate([split.y_train] * times + [theirs.y_train])
    rest = (split.x_val, split.y_val), (split.x_test, split.y_test)
    return splits.of_arrays(f"{split.name} and MNIST", (images, labels), *rest)


def _spec(
    card: dict, split: splits.Split, budget, epochs: int | None, seed: int, *, rate: float, start=None
) -> TrainSpec:
    """Return a training of the shipped kind of network; gradients of small batches are noisier, so they count less."""
    made, n = card["run"]["spec"], len(split.y_train)
    images, least, most = budget
    small = n < SMALL
    warp = made["augmentation"]
    return recipes.fast(
        made["model"],
        split,
        views=1,
        options=made["options"],
        augmentation=warp and (Hand if "stretch" in warp else Warp)(**warp),
        epochs=epochs or int(np.clip(-(-images // n), least, most)),
        batch_size=32 if small else 128,
        learning_rate=rate / 3 if small and start is None else rate,
        start=start,
        seed=seed,
    )


def seconds(specs: Sequence[TrainSpec]) -> float:
    """Return about how long these trainings take on two cores."""
    return sum(spec.epochs * spec.steps * spec.batch for spec in specs) / PACE


def attempt(name: str, spec: TrainSpec, own: Own, base: Path) -> Trial:
    """Train a candidate, or recall it, and calibrate it on the held-out images."""
    run = fit.run(spec)
    return calibrated(name, outcomes.make_predictor(ship.plain_model(run)), own, base, spec=spec, run=run)


def calibrated(name: str, logits: Callable, own: Own, base: Path, **what) -> Trial:
    """Find a network's temperature and threshold on the held-out images.

    It is never surer than the shipped network, which was calibrated on tens of thousands: of a few hundred images a
    good network misreads none, and these alone would let it be certain of everything.
    """
    readable = np.array([not problem for problem in own.val.made.problems])
    fitted = calibration.fit_temperature(logits(own.val.made.images[readable]), own.val.labels[readable])
    temperature = max(fitted, float(shipped.load_card(base)["temperature"]))
    found, sure = answers(own.val, predictor(logits, temperature), own.digits)
    right = found == own.val.labels
    return Trial(name, logits, temperature, threshold_of(sure, right), right, sure, **what)


def threshold_of(sure: np.ndarray, right: np.ndarray, *, wrong_share: float = WRONG_SHARE) -> float:
    """Return the lowest threshold at which few of the accepted are wrong, by count and by what confidences state.

    A few hundred images can show no share as small as the wanted one: by count alone none of them would be wrong at a
    threshold that is far too low. 1 where none will do.
    """
    table = selective.trade_off(sure, right)
    stated = np.array([(1 - sure[sure >= threshold]).mean() for threshold in table["threshold"]])
    enough = table["threshold"][(table["error"] <= wrong_share) & (stated <= wrong_share)]
    return float(enough.iloc[0]) if len(enough) else 1.0


def predictor(logits: Callable, temperature: float) -> Predictor:
    """Return a network as the command asks it."""
    return Predictor("resnet", lambda images: calibration.softmax(logits(images), temperature=temperature), 0.0)


def answers(sheet: Sheet, network: Predictor, digits: Sequence[int] = range(10)) -> tuple[np.ndarray, np.ndarray]:
    """Return what `ship.answers` does; a digit that is not among `digits` is not sure: a human looks at it."""
    found, sure = ship.answers(sheet, network)
    return found, np.where(np.isin(found, digits), sure, 0.0)


def choose(trials: Sequence[Trial]) -> Trial:
    """Return the candidate that reads most of the held-out images; of equals the first."""
    return max(trials, key=lambda trial: trial.right.sum())


def average(trials: Sequence[Trial]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the logits of the mean of several networks' probabilities."""
    return lambda images: calibration.ensemble([trial.logits(images) for trial in trials])


def submitted(own: Own, logits: Callable, right: np.ndarray) -> tuple[np.ndarray, metrics.Interval]:
    """Return labels int64 (n,) for the unlabelled images, 0 where there is no digit, and the score to expect of them.

    right: bool, what the same network makes of the test part.
    """
    found, _ = answers(own.unlabelled, predictor(logits, 1.0))
    return np.maximum(found, 0), kaggle.expected_score(int(right.sum()), len(right), len(found))
