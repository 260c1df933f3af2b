"""Make the shipped model: `python -m helpers.predict.ship` trains, chooses, measures and writes reports/model/.

Candidates are compared on training images held out and put under the conditions of `helpers.predict.conditions`;
temperature and threshold come from the same held-out images. MNIST's test images and scikit-learn's small digits are
looked at once, after every choice is made, to say what to expect.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.data import load
from helpers.evaluation import calibration, metrics, selective
from helpers.evaluation.predictor import Predictor
from helpers.models import architectures
from helpers.models.handwriting import Hand
from helpers.predict import conditions, preparing, shipped
from helpers.runtime import run_store
from helpers.training import fit, outcomes, recipes, specs

HELD_OUT = 5_000  # training images
PER_CONDITION = 1_000
WRONG_SHARE = 0.002  # of what is accepted on the held-out images, all conditions together

CANDIDATES = {
    "warps only": {"model": "fast_e", "epochs": 4},
    "other hands": {"model": "fast_e", "epochs": 10, "augmentation": Hand(zoom=0.15, shift=1.5, shear=12.0)},
}


@dataclass(frozen=True, eq=False)
class Sheet:
    """Prepared images (n, 28, 28) of one kind with their labels."""

    name: str
    images: np.ndarray
    labels: np.ndarray


def held_out_sheets(split, *, n: int) -> list[Sheet]:
    """Return the held-out images under every condition; each condition gets `n` of them, by turns."""
    sheets = []
    for i, name in enumerate(conditions.CONDITIONS):
        rows = (np.arange(n) + i * n) % len(split.x_val)
        sheets.append(Sheet(name, conditions.prepared(split.x_val[rows], name, seed=i * n), split.y_val[rows]))
    return sheets


def small_digits() -> Sheet:
    """Return scikit-learn's digits, prepared."""
    small = load.load_digits_8x8()
    images = [preparing.prepare(image.astype(np.float32) * (255 / 16)).image for image in small.images]
    return Sheet("scikit-learn digits, 8 x 8", np.stack(images), small.labels)


def mnist_test(split) -> Sheet:
    """Return MNIST's test images, prepared as any other image."""
    images = [preparing.prepare(image.astype(np.float32)).image for image in split.x_test]
    return Sheet("MNIST test", np.stack(images), split.y_test)


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
    wanted = {**CANDIDATES[name], **changes}
    return recipes.fast(wanted.pop("model"), split, views=1, **wanted)


def plain_model(run: fit.Run):
    """Return the trained network with float32 arithmetic: the same answers on every processor, to rounding."""
    model = architectures.build(run.spec.model, run.spec.options, precision="float32")
    model.set_weights(run.load().get_weights())
    return model


def ship(directory: Path, *, n: int = PER_CONDITION, candidates=tuple(CANDIDATES), split=None, **changes) -> dict:
    """Train the candidates, write the best of them with its card to `directory`; return the card."""
    split = split or load.make_split("standard", n_validation=HELD_OUT)
    sheets = held_out_sheets(split, n=n)
    labels = np.concatenate([sheet.labels for sheet in sheets])
    trained, compared = {}, {}
    for name in candidates:
        run = fit.run(candidate_spec(name, split, **changes))
        predictor = outcomes.make_predictor(plain_model(run))
        logits = [predictor(sheet.images) for sheet in sheets]
        shares = {
            sheet.name: float(np.mean(scores.argmax(axis=1) == sheet.labels))
            for sheet, scores in zip(sheets, logits, strict=True)
        }
        trained[name] = (run, predictor, np.concatenate(logits))
        compared[name] = {"mean": float(np.mean(list(shares.values()))), **shares}
        print(f"{name}: {compared[name]['mean']:.2%} on held-out images; {run.provenance}", file=sys.stderr)
    best = max(compared, key=lambda name: compared[name]["mean"])
    run, predictor, logits = trained[best]
    temperature = calibration.fit_temperature(logits, labels)
    right = logits.argmax(axis=1) == labels
    before, sure = (calibration.softmax(logits, temperature=t).max(axis=1) for t in (1, temperature))
    threshold = selective.threshold_for(sure, right, wrong_share=WRONG_SHARE)
    network = Predictor(
        "resnet", lambda images: calibration.softmax(predictor(images), temperature=temperature), 0.0, threshold
    )
    size = architectures.size(run.load())
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
            "calibration_error_before": calibration.expected_calibration_error(before, right),
            "calibration_error_after": calibration.expected_calibration_error(sure, right),
            "sent_to_human": int((sure < threshold).sum()),
            "wrong_among_accepted": int(((sure >= threshold) & ~right).sum()),
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
