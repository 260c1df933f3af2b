"""Make the shipped model: `python -m helpers.predict.ship` trains, chooses, measures and writes reports/model/.

Candidates are compared on what is held out: MNIST's validation images under the conditions of
`helpers.predict.conditions`, and the written strokes of `helpers.predict.unseen`, which are other curves than those
practised with. Temperature and threshold come from the same images. MNIST's test images and scikit-learn's small digits
are looked at once, after every choice is made, to say what to expect.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from helpers.data import load
from helpers.evaluation import calibration, metrics, selective
from helpers.evaluation.predictor import NO_LABEL, Predictor
from helpers.models import architectures
from helpers.models.handwriting import Hand
from helpers.predict import conditions, pipeline, practice, shipped, sources, unseen
from helpers.runtime import run_store
from helpers.training import fit, outcomes, recipes, specs

HELD_OUT = 5_000  # training images; each of them is looked at under every condition
WRONG_SHARE = 0.002  # of what is accepted on the held-out images, all conditions together
FORMATS = ("8 x 8, 17 greys", "written strokes, 8 x 8")  # of scikit-learn's digits: what is said is also said without


@dataclass(frozen=True)
class Candidate:
    """How a network is trained: changes to the fast recipe, and how much it practises on (`practice.extended`)."""

    recipe: Mapping
    practice: Mapping = field(default_factory=lambda: {"strokes": 0, "scans": 0, "others": 0})


HAND = Hand(zoom=0.15, shift=1.5, shear=12.0)
CANDIDATES = {
    "other hands": Candidate({"model": "fast_e", "epochs": 10, "augmentation": HAND}),
    "practice": Candidate(
        {"model": "fast_e", "epochs": 14, "augmentation": HAND}, {"strokes": 20_000, "scans": 20_000, "others": 8_000}
    ),
}


@dataclass(frozen=True, eq=False)
class Sheet:
    """Pictures of one kind as the pipeline prepared them, and their labels."""

    name: str
    made: pipeline.Made
    labels: np.ndarray


def held_out_sheets(split, *, n: int) -> list[Sheet]:
    """Return `n` held-out images under every condition, the same ones each time, and written strokes, `n` each."""
    digits = split.x_val[:n]
    sheets = []
    for i, name in enumerate(conditions.CONDITIONS):
        pictures = (conditions.picture(image, name, seed=i * n + j) for j, image in enumerate(digits))
        sheets.append(Sheet(name, prepared(pictures), split.y_val[:n]))
    for treatment in unseen.TREATMENTS:
        pictures, labels = unseen.written(n, seed=len(sheets) * n, treatment=treatment)
        sheets.append(Sheet(treatment, prepared(pictures), labels))
    return sheets


def no_digits(n: int) -> Sheet:
    """Return `n` sheets with something on them that is no digit, labelled NO_LABEL: every answer is wrong."""
    return Sheet("no digits", prepared(unseen.no_digits(n, seed=0)), np.full(n, NO_LABEL))


def small_digits() -> Sheet:
    """Return scikit-learn's digits, prepared."""
    small = load.load_digits_8x8()
    return Sheet("scikit-learn digits, 8 x 8", prepared(small.images * np.float32(255 / 16)), small.labels)


def mnist_test(split) -> Sheet:
    """Return MNIST's test images, prepared as any other image."""
    return Sheet("MNIST test", prepared(split.x_test.astype(np.float32)), split.y_test)


def prepared(pictures: Iterable[np.ndarray]) -> pipeline.Made:
    """Return pictures, grey values (h, w) in 0..255 each, as the command prepares them."""
    pictures = list(pictures)
    return pipeline.make(sources.Work([""] * len(pictures), images=pictures), "auto")


def answers(sheet: Sheet, network: Predictor) -> tuple[np.ndarray, np.ndarray]:
    """Return digits int64 (n,), NO_LABEL where there is none, and how sure they are, float64 (n,).

    As the command answers; where preparing found something odd, so that a human looks in any case, it counts as 0.
    """
    work = sources.Work([""] * len(sheet.labels), images=list(sheet.made.images))
    found = list(pipeline.answer(work, sheet.made, network, threshold=0.0))
    digits = [NO_LABEL if one.digit is None else one.digit for one in found]
    return np.array(digits), np.array([0.0 if one.human else one.confidence for one in found])


def measured(sheet: Sheet, network: Predictor) -> dict:
    """Return what a network makes of a sheet, as JSON values."""
    labels, sure = answers(sheet, network)
    return told(labels == sheet.labels, sure, network.threshold)


def told(right: np.ndarray, sure: np.ndarray, threshold: float) -> dict:
    """Return how many answers are right, how many a human gets, and how many of the rest are wrong, as JSON values."""
    count = selective.tally(sure, right, threshold=threshold)
    interval = metrics.wilson(count["right"], count["n"])
    return {
        "n": count["n"],
        "right": count["right"],
        "accuracy": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "sent_to_human": count["n"] - count["accepted"],
        "wrong_among_accepted": count["accepted_wrong"],
        "mean_confidence": float(sure.mean()),
    }


def candidate_spec(name: str, split, **changes):
    """Return the training of a candidate; `changes` replace fields (a test trains less)."""
    candidate = CANDIDATES[name]
    wanted = {**candidate.recipe, **changes}
    return recipes.fast(wanted.pop("model"), practice.extended(split, **candidate.practice), views=1, **wanted)


def plain_model(run: fit.Run):
    """Return the trained network with float32 arithmetic: the same answers on every processor, to rounding."""
    model = architectures.build(run.spec.model, run.spec.options, precision="float32")
    model.set_weights(run.load().get_weights())
    return model


@dataclass(frozen=True, eq=False)
class Trial:
    """A trained candidate on what is held out: right bool (n,) and sure (n,) for each sheet, sure of no digits."""

    run: fit.Run
    network: Predictor
    temperature: float
    right: list[np.ndarray]
    sure: list[np.ndarray]
    strangers: np.ndarray
    before: float  # calibration error at temperature 1


def attempt(spec, sheets: Sequence[Sheet], strangers: Sheet) -> Trial:
    """Train a candidate, find its temperature on the held-out sheets, and let it answer them."""
    run = fit.run(spec)
    logits_of = outcomes.make_predictor(plain_model(run))
    logits = np.concatenate([logits_of(sheet.made.images) for sheet in sheets])
    labels = np.concatenate([sheet.labels for sheet in sheets])
    temperature = calibration.fit_temperature(logits, labels)
    at_first, sure_at_first = calibration.top(calibration.softmax(logits))
    network = Predictor("resnet", lambda images: calibration.softmax(logits_of(images), temperature=temperature), 0.0)
    found = [answers(sheet, network) for sheet in sheets]
    return Trial(
        run,
        network,
        temperature,
        [digits == sheet.labels for (digits, _), sheet in zip(found, sheets, strict=True)],
        [sure for _, sure in found],
        answers(strangers, network)[1],
        calibration.expected_calibration_error(sure_at_first, at_first == labels),
    )


def compared(trial: Trial, names: Sequence[str]) -> dict:
    """Return how a candidate does on the held-out sheets, as JSON values.

    mean_without: the mean without the small digits' format. augrc: of all sheets together, once with the no digits,
    every answer to which is wrong.
    """
    shares = {name: float(right.mean()) for name, right in zip(names, trial.right, strict=True)}
    sure, right = np.concatenate(trial.sure), np.concatenate(trial.right)
    wrong = np.zeros(len(trial.strangers), bool)
    return {
        "mean": float(np.mean(list(shares.values()))),
        "mean_without": float(np.mean([share for name, share in shares.items() if name not in FORMATS])),
        "augrc": selective.augrc(sure, right),
        "augrc_with_no_digits": selective.augrc(np.append(sure, trial.strangers), np.append(right, wrong)),
        **shares,
    }


def left_out(trial: Trial, names: Sequence[str]) -> dict:
    """Return for each sheet what the threshold does to it that the other sheets ask for, as JSON values.

    This is what a threshold does to a kind of image that it was not chosen on; the FORMATS count as one kind.
    """
    outcome = {}
    for i, name in enumerate(names):
        kind = FORMATS if name in FORMATS else (name,)
        others = [j for j, other in enumerate(names) if other not in kind]
        threshold = _threshold([trial.sure[j] for j in others], [trial.right[j] for j in others])
        count = selective.tally(trial.sure[i], trial.right[i], threshold=threshold)
        outcome[name] = {"threshold": threshold, "accepted": count["accepted"], "wrong": count["accepted_wrong"]}
    return outcome


def _threshold(sure: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> float:
    return selective.threshold_for(np.concatenate(sure), np.concatenate(right), wrong_share=WRONG_SHARE)


def ship(directory: Path, *, n: int = HELD_OUT, candidates=tuple(CANDIDATES), split=None, **changes) -> dict:
    """Train the candidates, write the best of them with its card to `directory`; return the card.

    n: held-out images per condition.
    """
    split = split or load.make_split("standard", n_validation=HELD_OUT)
    sheets, strangers = held_out_sheets(split, n=n), no_digits(max(1, n // 2))
    names, trials, table = [sheet.name for sheet in sheets], {}, {}
    for name in candidates:
        trials[name] = attempt(candidate_spec(name, split, **changes), sheets, strangers)
        table[name] = compared(trials[name], names)
        print(f"{name}: {table[name]['mean']:.2%} on held-out images; {trials[name].run.provenance}", file=sys.stderr)
    best = max(table, key=lambda name: table[name]["mean"])
    trial = trials[best]
    threshold = _threshold(trial.sure, trial.right)
    network = replace(trial.network, threshold=threshold)
    run, size = trial.run, architectures.size(trial.run.load())
    sure, right = np.concatenate(trial.sure), np.concatenate(trial.right)
    by_condition = {name: told(*pair, threshold) for name, *pair in zip(names, trial.right, trial.sure, strict=True)}
    last = {sheet.name: measured(sheet, network) for sheet in (mnist_test(split), small_digits())}
    card = {
        "weights": shipped.WEIGHTS,
        "sha256": write_weights(run, directory),
        "temperature": trial.temperature,
        "threshold": threshold,
        "threshold_rule": f"at most {WRONG_SHARE:.1%} wrong among the accepted held-out images of all conditions",
        "parameters": size.parameters,
        "flops": size.flops,
        "held_out": {
            "images": len(split.x_val),
            "per_condition": n,
            "accuracy_by_candidate": table,
            "chosen": best,
            "practice": dict(CANDIDATES[best].practice),
            "calibration_error_before": trial.before,
            "calibration_error_after": calibration.expected_calibration_error(sure[sure > 0], right[sure > 0]),
            "sent_to_human": int((sure < threshold).sum()),
            "wrong_among_accepted": int(((sure >= threshold) & ~right).sum()),
            "by_condition": by_condition,
            "threshold_from_the_other_conditions": left_out(trial, names),
            "no_digits": {"n": len(trial.strangers), "accepted": int((trial.strangers >= threshold).sum())},
        },
        "measured_once_at_the_end": last,
        "run": {"key": run.key, "seconds": run.seconds, "hardware": run.hardware, "spec": specs.identity(run.spec)},
    }
    del card["run"]["spec"]["architecture"]  # the weights file says it, in full
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    run_store.write(directory / shipped.CARD, text.encode())
    return card


def write_weights(run: fit.Run, directory: Path) -> str:
    """Write a run's network to `directory`, with float32 arithmetic; return the file's SHA-256."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / shipped.WEIGHTS
        plain_model(run).save(path)
        return run_store.write(directory / shipped.WEIGHTS, path.read_bytes())


def main(arguments: list[str] | None = None) -> int:
    """Make the model and say what it reached."""
    parser = argparse.ArgumentParser(prog="python -m helpers.predict.ship", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=shipped.DIRECTORY, help="folder for the weights and digits.json")
    card = ship(parser.parse_args(arguments).output)
    for name, result in card["measured_once_at_the_end"].items():
        print(f"{name}: {result['accuracy']:.2%} [{result['low']:.2%}, {result['high']:.2%}], n = {result['n']:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
