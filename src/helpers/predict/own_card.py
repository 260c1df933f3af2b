"""The card of a reader for somebody's own digits: what it is, how it was chosen, what it reaches; and that in words."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.data.own import assembling
from helpers.evaluation import comparison, metrics
from helpers.models import architectures
from helpers.predict import ship, shipped
from helpers.predict.own import Own, Trial, answers, predictor
from helpers.predict.ship import WRONG_SHARE
from helpers.training import specs

SHIPPED = "the shipped network"
EXAMPLES = 14  # test images that the page offers
ALPHA = 0.05


def about(own: Own) -> list[str]:
    """Say in sentences what the digits are, and what becomes of them."""
    parts = [len(sheet.labels) for sheet in (own.train, own.val, own.test)]
    lines = [
        f"{sum(parts):,} labelled images of the digits {assembling.in_words(own.digits)}: {parts[0]:,} to train on, "
        f"{parts[1]:,} to choose and calibrate on, {parts[2]:,} to measure at the end "
        f"(checksum {own.source.pooled.checksum[:12]})"
    ]
    if unread := sum(bool(problem) for sheet in (own.train, own.val, own.test) for problem in sheet.made.problems):
        lines.append(f"{unread:,} of them show no digit that can be found; in training they are left out")
    if known := int(own.familiar.sum()):
        lines.append(
            f"{known:,} of the {parts[2]:,} test images are MNIST's, and the shipped network was trained on them: what "
            "it makes of these says nothing" + ("" if own.begun else ", so training begins afresh, on yours alone")
        )
    return lines


def describe(own: Own, trials: Sequence[Trial], best: Trial, base: Path) -> tuple[dict, np.ndarray]:
    """Return the card of a network, but for its weights' hash, and which test images it reads: bool (n,).

    The test part is looked at here, once. base: folder of the shipped network, which reads it, too; images that it was
    trained on are left out of the comparison.
    """
    found, sure = answers(own.test, predictor(best.logits, best.temperature), own.digits)
    right = found == own.test.labels
    base_card, n = shipped.load_card(base), len(best.right)
    if best.run is None:
        size, run = base_card, base_card["run"]
    else:
        size, spec = vars(architectures.size(best.run.load())), specs.identity(best.run.spec)
        del spec["architecture"]  # the weights file says it, in full
        run = {"key": best.run.key, "seconds": best.run.seconds, "hardware": best.run.hardware, "spec": spec}
    card = {
        "weights": shipped.WEIGHTS,
        "temperature": best.temperature,
        "threshold": best.threshold,
        "threshold_rule": f"at most {WRONG_SHARE:.1%} wrong among the accepted of {n:,} held-out images, as counted "
        "and as their confidences state",
        "parameters": size["parameters"],
        "flops": size["flops"],
        "digits": list(own.digits),
        "own": {
            "name": own.source.name,
            "checksum": own.source.pooled.checksum,
            "train": len(own.train.labels),
            "test": len(own.test.labels),
            "unlabelled": 0 if own.unlabelled is None else len(own.unlabelled.labels),
            "familiar": int(own.familiar.sum()),
            "notes": list(own.source.notes),
        },
        "held_out": {
            "images": n,
            "by_candidate": {one.name: ship.told(one.right, one.sure, one.threshold) for one in trials},
            "chosen": best.name,
        },
        "measured_once_at_the_end": {own.source.name: ship.told(right, sure, best.threshold)},
        "compared": _compared(own, right, base),
        "promised": promised(int((sure >= best.threshold).sum()), int((~right & (sure >= best.threshold)).sum())),
        "examples": examples(own, right, sure, best.threshold),
        "run": run,
    }
    return card, right


def _compared(own: Own, right: np.ndarray, base: Path) -> dict | None:
    """Compare with the shipped network on the test images that it was not trained on; None where there is none."""
    new = ~own.familiar
    if not new.any():
        return None
    network = shipped.load(base)
    found, sure = ship.answers(own.test, network)
    theirs = found == own.test.labels
    test = comparison.mcnemar(right[new], theirs[new])
    return {
        "right": int(right[new].sum()),
        "shipped": ship.told(theirs[new], sure[new], network.threshold),
        "only_own": test.only_a,
        "only_shipped": test.only_b,
        "p_value": test.p_value,
    }


def examples(own: Own, right: np.ndarray, sure: np.ndarray, threshold: float, *, n: int = EXAMPLES) -> list[dict]:
    """Return test images for the page to offer: of each digit one that is read, then those hardest to read."""
    images, labels = own.source.test.images, own.test.labels
    plain = [np.flatnonzero((labels == digit) & right & (sure >= threshold))[:1] for digit in own.digits]
    hard = np.lexsort((sure, right))  # misread ones first, then the least sure
    rows = list(dict.fromkeys(np.concatenate([*plain, hard]).astype(int).tolist()))[:n]
    return [
        {
            "from": f"test {i}",
            "label": int(labels[i]),
            "side": int(images.shape[1]),
            "top": 255,
            "pixels": base64.b64encode(images[i].tobytes()).decode("ascii"),
        }
        for i in rows
    ]


def sentences(card: dict) -> list[str]:
    """Say in sentences which network was chosen, what it reaches, whether it is better, and what nobody can promise."""
    held, other = card["held_out"], card["compared"]
    ((name, found),) = card["measured_once_at_the_end"].items()
    lines = [
        f"chosen: {held['chosen']}. Of the {held['images']:,} held-out images are read: "
        + "; ".join(f"{one['right']:,} {words}" for words, one in held["by_candidate"].items()),
        f"of {name}'s {found['n']:,} test images it reads {_reads(found)}",
    ]
    if other is None:
        lines.append(f"{SHIPPED} was trained on every one of these images: there is nothing to compare")
    else:
        theirs = other["shipped"]
        those = "the same images" if theirs["n"] == found["n"] else f"the {theirs['n']:,} of them that it has not seen"
        lines += [f"of {those} {SHIPPED} reads {_reads(theirs)}", _verdict(other)]
    lines.append(card["promised"])
    if len(card["digits"]) < 10:
        lines.append(
            f"it was made for the digits {assembling.in_words(card['digits'])}: where it reads another, a human looks"
        )
    return lines


def _reads(found: dict) -> str:
    kept = found["n"] - found["sent_to_human"]
    return (
        f"{metrics.wilson(found['right'], found['n'])}; it keeps {kept:,} ({kept / found['n']:.1%}), of which "
        f"{found['wrong_among_accepted']:,} are wrong, and sends the rest to a human"
    )


def _verdict(other: dict) -> str:
    ours, theirs, p = other["only_own"], other["only_shipped"], other["p_value"]
    verdict = "the two cannot be told apart"
    if p < ALPHA:
        verdict = "yours is better" if ours > theirs else f"yours is worse: keep to {SHIPPED}"
    return f"{verdict}: yours alone reads {ours:,} of these, {SHIPPED} alone {theirs:,} (McNemar, p = {p:.2g})"


def promised(kept: int, wrong: int) -> str:
    """Say which share of wrong answers so many accepted ones can show, of which so many are wrong."""
    if not kept:
        return "it is sure of none, so that a human looks at every image: more images to train on are needed"
    high = metrics.wilson(wrong, kept).high
    if high <= WRONG_SHARE:
        return f"of what it keeps at most {high:.2%} are wrong (95%): the {WRONG_SHARE:.1%} aimed at is shown"
    return (
        f"of what it keeps up to {high:.2%} may be wrong (95%): {kept:,} images cannot show the {WRONG_SHARE:.1%} "
        f"aimed at, which takes {least_to_show(WRONG_SHARE):,} without a mistake"
    )


def least_to_show(share: float) -> int:
    """Return how many answers without a mistake it takes for the upper 95% limit (Wilson) to come down to a share.

    The limit is z^2 / (n + z^2) then.
    """
    from scipy import stats  # imported where used: it costs a second

    squared = stats.norm.ppf(0.975) ** 2
    return int(np.ceil(squared * (1 / share - 1)))
