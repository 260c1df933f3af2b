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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers.data import load
from helpers.evaluation import calibration, metrics, selective
from helpers.evaluation.predictor import Predictor
from helpers.models import architectures
from helpers.models.handwriting import Hand
from helpers.predict import conditions, practice, preparing, shipped, unseen
from helpers.predict.decoding import Unreadable
from helpers.runtime import run_store
from helpers.training import fit, outcomes, recipes, specs

HELD_OUT = 5_000  # training images; each of them is looked at under every condition
WRONG_SHARE = 0.002  # of what is accepted on the held-out images, all conditions together
WRITTEN = "written strokes"
FORMAT = "8 x 8, 17 greys"  # of scikit-learn's digits: what is said of them is also said without it


@dataclass(frozen=True)
class Candidate:
    """How a network is trained: changes to the fast recipe, and how much it practises on (`practice.extended`)."""

    recipe: Mapping
    practice: Mapping = field(default_factory=lambda: {"strokes": 0, "scans": 0, "others": 0})


HAND = Hand(zoom=0.15, shift=1.5, shear=12.0)
CANDIDATES = {
    "other hands": Candidate({"model": "fast_e", "epochs": 10, "augmentation": HAND}),
    "practice": Candidate(
        {"model": "fast_e", "epochs": 12, "augmentation": HAND}, {"strokes": 11_000, "scans": 20_000, "others": 6_000}
    ),
}


@dataclass(frozen=True, eq=False)
class Sheet:
    """Prepared images (n, 28, 28) of one kind with their labels."""

    name: str
    images: np.ndarray
    labels: np.ndarray


def held_out_sheets(split, *, n: int) -> list[Sheet]:
    """Return `n` held-out images under every condition, the same ones each time, and `n` written strokes."""
    sheets = [
        Sheet(name, conditions.prepared(split.x_val[:n], name, seed=i * n), split.y_val[:n])
        for i, name in enumerate(conditions.CONDITIONS)
    ]
    pictures, labels = unseen.written(n, seed=len(sheets) * n)
    return [*sheets, Sheet(WRITTEN, _prepared(pictures), labels)]


def _prepared(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Bring pictures into MNIST's form; one that cannot be read stays empty."""
    made = np.zeros((len(pictures), preparing.SIDE, preparing.SIDE), np.uint8)
    for i, picture in enumerate(pictures):
        with suppress(Unreadable):
            made[i] = preparing.prepare(picture).image
    return made


def small_digits() -> Sheet:
    """Return scikit-learn's digits, prepared."""
    small = load.load_digits_8x8()
    pictures = [image.astype(np.float32) * (255 / 16) for image in small.images]
    return Sheet("scikit-learn digits, 8 x 8", _prepared(pictures), small.labels)


def mnist_test(split) -> Sheet:
    """Return MNIST's test images, prepared as any other image."""
    return Sheet("MNIST test", _prepared([image.astype(np.float32) for image in split.x_test]), split.y_test)


def measured(sheet: Sheet, network: Predictor) -> dict:
    """Return what a network makes of a sheet, as JSON values."""
    labels, sure = calibration.top(network(sheet.images))
    count = selective.tally(sure, labels == sheet.labels, threshold=network.threshold)
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


def compare(sheets: Sequence[Sheet], logits: Sequence[np.ndarray], strangers: np.ndarray) -> dict:
    """Return how a candidate does on the held-out sheets, as JSON values.

    strangers: its logits on images of no digit. augrc: of all sheets together at the best temperature, once without and
    once with the strangers, every answer to which is wrong. mean_without: the mean without the small digits' format.
    """
    shares = {
        sheet.name: float(np.mean(scores.argmax(axis=1) == sheet.labels))
        for sheet, scores in zip(sheets, logits, strict=True)
    }
    labels, together = np.concatenate([sheet.labels for sheet in sheets]), np.concatenate(logits)
    temperature = calibration.fit_temperature(together, labels)
    right = together.argmax(axis=1) == labels
    sure, odd = (calibration.top(calibration.softmax(z, temperature=temperature))[1] for z in (together, strangers))
    wrong = np.zeros(len(odd), bool)
    return {
        "mean": float(np.mean(list(shares.values()))),
        "mean_without": float(np.mean([share for name, share in shares.items() if name != FORMAT])),
        "augrc": selective.augrc(sure, right),
        "augrc_with_no_digits": selective.augrc(np.append(sure, odd), np.append(right, wrong)),
        **shares,
    }


def left_out(sheets: Sequence[Sheet], sure: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> dict:
    """Return for each sheet what the threshold does to it that the other sheets ask for, as JSON values.

    sure, right: confidence and outcome of each sheet's answers. This is what a threshold does to a kind of image that
    it was not chosen on.
    """
    told = {}
    for i, sheet in enumerate(sheets):
        others = [j for j in range(len(sheets)) if j != i]
        threshold = selective.threshold_for(
            np.concatenate([sure[j] for j in others]),
            np.concatenate([right[j] for j in others]),
            wrong_share=WRONG_SHARE,
        )
        count = selective.tally(sure[i], right[i], threshold=threshold)
        told[sheet.name] = {"threshold": threshold, "accepted": count["accepted"], "wrong": count["accepted_wrong"]}
    return told


def ship(directory: Path, *, n: int = HELD_OUT, candidates=tuple(CANDIDATES), split=None, **changes) -> dict:
    """Train the candidates, write the best of them with its card to `directory`; return the card.

    n: held-out images per condition.
    """
    split = split or load.make_split("standard", n_validation=HELD_OUT)
    sheets = held_out_sheets(split, n=n)
    strangers = _prepared(unseen.no_digits(n // 5, seed=0))
    labels = np.concatenate([sheet.labels for sheet in sheets])
    trained, compared = {}, {}
    for name in candidates:
        run = fit.run(candidate_spec(name, split, **changes))
        predictor = outcomes.make_predictor(plain_model(run))
        logits = [predictor(sheet.images) for sheet in sheets]
        odd = predictor(strangers)
        trained[name] = (run, predictor, logits, odd)
        compared[name] = compare(sheets, logits, odd)
        print(f"{name}: {compared[name]['mean']:.2%} on held-out images; {run.provenance}", file=sys.stderr)
    best = max(compared, key=lambda name: compared[name]["mean"])
    run, predictor, parts, odd = trained[best]
    logits = np.concatenate(parts)
    temperature = calibration.fit_temperature(logits, labels)
    right = logits.argmax(axis=1) == labels
    before, sure = (calibration.softmax(logits, temperature=t).max(axis=1) for t in (1, temperature))
    threshold = selective.threshold_for(sure, right, wrong_share=WRONG_SHARE)
    network = Predictor(
        "resnet", lambda images: calibration.softmax(predictor(images), temperature=temperature), 0.0, threshold
    )
    size = architectures.size(run.load())
    ends = np.cumsum([len(sheet.labels) for sheet in sheets])[:-1]
    odd_sure = calibration.softmax(odd, temperature=temperature).max(axis=1)
    last = {sheet.name: measured(sheet, network) for sheet in (mnist_test(split), small_digits())}
    card = {
        "weights": shipped.WEIGHTS,
        "sha256": _write_weights(run, directory),
        "temperature": temperature,
        "threshold": threshold,
        "threshold_rule": f"at most {WRONG_SHARE:.1%} wrong among the accepted held-out images of all conditions",
        "parameters": size.parameters,
        "flops": size.flops,
        "held_out": {
            "images": len(split.x_val),
            "per_condition": n,
            "accuracy_by_candidate": compared,
            "chosen": best,
            "practice": dict(CANDIDATES[best].practice),
            "calibration_error_before": calibration.expected_calibration_error(before, right),
            "calibration_error_after": calibration.expected_calibration_error(sure, right),
            "sent_to_human": int((sure < threshold).sum()),
            "wrong_among_accepted": int(((sure >= threshold) & ~right).sum()),
            "by_condition": {sheet.name: measured(sheet, network) for sheet in sheets},
            "threshold_from_the_other_conditions": left_out(sheets, np.split(sure, ends), np.split(right, ends)),
            "no_digits": {"n": len(odd), "accepted": int((odd_sure >= threshold).sum())},
        },
        "measured_once_at_the_end": last,
        "run": {"key": run.key, "seconds": run.seconds, "hardware": run.hardware, "spec": specs.identity(run.spec)},
    }
    del card["run"]["spec"]["architecture"]  # the weights file says it, in full
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    run_store.write(directory / shipped.CARD, text.encode())
    return card


def _write_weights(run: fit.Run, directory: Path) -> str:
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
