"""What report 10 tells of its systems in tables and rows, what they are measured against, and who wrote the digits."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from helpers import results
from helpers.data import load, writers
from helpers.data.splits import Split
from helpers.evaluation import metrics, selective
from helpers.experiments.sorting_office import service
from helpers.experiments.sorting_office.systems import System
from helpers.models.augmentation import Warp
from helpers.predict import shipped
from helpers.training import conditions

STUDENTS = 4  # the series of NIST's forms that high-school students filled in
TRAINED_ON = 55_000  # images of MNIST that the shipped network learned from: 5,000 are held out
_PERCENT = ("read right", "wrong of the rest", "accuracy", "error", "low", "high", "right unaided", "sent", "right",
            "wrong")  # fmt: skip
FORMATS = dict.fromkeys(_PERCENT, "{:.2%}") | {
    "codes": "{:.1%}",
    "threshold": "{:.1%}",
    "human": "{:.0f}",
    "misdelivered": "{:.1f}",
    "cost": "{:.2f}",
    "from": "{:.2f}",
    "to": "{:.2f}",
    "mCE": "{:.2f}",
}

# What may happen to an image in training (`helpers.models.handwriting.Hand`), and what is learned besides
# (`helpers.predict.practice`), in words.
_CHANGES = {
    "rotation": "turns",
    "zoom": "zooms",
    "shift": "shifts",
    "shear": "slants",
    "stretch": "stretching",
    "thickness": "thinner and thicker strokes",
    "coarse": "coarse grids",
    "blurred": "blur",
    "hardened": "hard contrast",
    "grain": "grain",
}
_PRACTICE = {
    "strokes": "written strokes",
    "scans": "digits scanned anew, some blurred, grainy or with gaps",
    "others": "pictures of no digit",
}


def seen_in_training(augmentation: Mapping[str, float] | Warp | None) -> str:
    """Return in words what happened to a network's images in training, from its augmentation or that of a record."""
    if augmentation is None:
        return "nothing but the images"
    values = augmentation if isinstance(augmentation, Mapping) else asdict(augmentation)
    return _listed([_CHANGES.get(name, name) for name, bound in values.items() if bound])


def practised(card: Mapping) -> str:
    """Return in words what the shipped network learned from besides MNIST's images; "" for nothing."""
    practice = card["held_out"].get("practice", {})
    return _listed([f"{n:,} {_PRACTICE.get(name, name)}" for name, n in practice.items() if n])


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + list(words[-1:]))


def writers_of(split: Split) -> np.ndarray | None:
    """Return who wrote each test image, int64 (n,); None where the writers' list of QMNIST has not been fetched."""
    return writers.load(load.load_mnist()).ids[split.test_index] if writers.present() else None


def halves_of(split: Split) -> dict[str, np.ndarray]:
    """Return which test images staff of the Census Bureau wrote and which students, bool (n,); nothing if unknown."""
    if not writers.present():
        return {}
    students = writers.load(load.load_mnist()).series[split.test_index] == STUDENTS
    return {"test, written by Census staff": ~students, "test, written by students": students}


def strangers(held_out: np.ndarray, tested: np.ndarray, halves: Mapping[str, np.ndarray]) -> tuple[pd.DataFrame, float]:
    """Compare mistakes on held-out images, whose writers wrote training images too, with those on the test.

    held_out, tested: whether each answer is right, bool; halves: parts of the test, as masks. Returns a table (n,
    wrong, error with its interval) and the p-value of Fisher's exact test of held-out against all of the test.
    """
    from scipy import stats  # imported where used: it costs a second

    parts = {"held out, known hands": held_out, "test, strangers": tested}
    parts |= {name: tested[where] for name, where in halves.items() if where.any()}
    found = {name: (len(right), int((~right).sum())) for name, right in parts.items()}
    table = [(n, wrong, metrics.wilson(wrong, n)) for n, wrong in found.values()]
    (n, wrong), (m, lost), *_ = found.values()
    p_value = stats.fisher_exact([[wrong, n - wrong], [lost, m - lost]]).pvalue
    return pd.DataFrame(table, columns=["n", "wrong", "error"], index=list(found)), float(p_value)


def decision(
    read: Mapping[str, service.Answers],
    prices: selective.Prices,
    *,
    clerk_error: float,
    groups: Mapping[str, np.ndarray | None] | None = None,
    seed: int = 0,
) -> tuple[pd.DataFrame, float]:
    """Return what a system does with digits of several kinds, and what 1,000 letters cost if clerks read all.

    clerk_error: the share of all codes that a clerk misreads; that of the codes which the machine sends is in `prices`.
    groups: name -> who wrote each digit, or on which form it stands (n,): then all limits take these as the sample, and
    not single digits, which stand or fall together. Columns: n, read right (with interval), sent (share to a human),
    wrong of the rest (with interval, no narrower than that by digit, for mistakes are few), cost and from, to (its
    limits; of 1,000 letters: see `selective.cost_interval`).
    """
    table = selective.prospects({name: each.tally() for name, each in read.items()}, digits=prices.digits)
    table = table.rename(columns={"accuracy": "read right"}).drop(columns="codes")
    table.insert(0, "n", [len(each.labels) for each in read.values()])
    groups = {name: who for name, who in (groups or {}).items() if who is not None}
    for name, who in groups.items():
        right, sure = read[name].right, read[name].accepted
        table.at[name, "read right"] = writers.clustered(who, right, seed=seed)
        few = table.at[name, "wrong of the rest"]
        if few is not None and len(np.unique(who[sure])) > 1:
            people = writers.clustered(who[sure], ~right[sure], seed=seed)
            few = replace(few, low=min(few.low, people.low), high=max(few.high, people.high))
            table.at[name, "wrong of the rest"] = few
    limits = [
        selective.cost_interval(each.accepted, each.right, prices, groups=groups.get(name), seed=seed)
        for name, each in read.items()
    ]
    table["cost"], table["from"], table["to"] = zip(*[(one.estimate, one.low, one.high) for one in limits], strict=True)
    by_hand = replace(prices, human_error=clerk_error)
    return table.rename_axis("digits"), 1000 * by_hand.asking


def by_condition(card: Mapping) -> pd.DataFrame:
    """Return how the shipped network read the held-out images that its threshold was chosen on, from its record.

    A row for each condition: n, read right, and, where the record says it, sent (share to a human), wrong of the rest.
    """
    held = card["held_out"]
    if "by_condition" not in held:
        shares = held["accuracy_by_candidate"][held["chosen"]]
        known = {name: share for name, share in shares.items() if not name.startswith(("mean", "augrc"))}
        rows = {name: {"n": held["per_condition"], "read right": share} for name, share in known.items()}
    else:
        rows = {
            name: {
                "n": one["n"],
                "read right": one["accuracy"],
                "sent": one["sent_to_human"] / one["n"],
                "wrong of the rest": one["wrong_among_accepted"] / max(1, one["n"] - one["sent_to_human"]),
            }
            for name, one in held["by_condition"].items()
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("condition")


def threshold_without(card: Mapping, condition: str) -> float | None:
    """Return the threshold that all conditions but one ask for, from the record; None where it does not say."""
    found = card["held_out"].get("threshold_from_the_other_conditions", {}).get(condition)
    return None if found is None else float(found["threshold"])


def shipped_row(answers: service.Answers, *, split: str, **about) -> results.Row:
    """Return the row of the shipped system's accuracy, with the conditions that its record states.

    Whatever claim it answers was made of another network.
    """
    card = shipped.load_card()
    run, practised = card["run"], card["held_out"].get("practice", {})
    given = {
        "seconds": run["seconds"],
        "parameters": card["parameters"],
        "train_images": TRAINED_ON + sum(practised.values()),
        "passes": float(run["spec"]["epochs"]),
        "label_smoothing": run["spec"]["label_smoothing"],
        "precision": run["hardware"]["precision"],
    }
    given["instead"] = "another network" if about.get("claim_id") else ""
    made = sum(practised.values())
    given["note"] = f"{TRAINED_ON:,} images of MNIST and {made:,} made for practice" if made else ""
    return results.accuracy_row("shipped system", answers.labels, answers.digits, split=split, **given, **about)


def rows(
    team: Mapping[str, System],
    *,
    bill: pd.DataFrame,
    seeds: metrics.SeedSummary,
    claims: Mapping[str, str],
    **about,
) -> list[results.Row]:
    """Return two rows of results for every system: its test accuracy, and the milliseconds of one answer (median).

    bill: as from `timing.price_list`; seeds: of the final network's accuracy; claims: name -> claim_id, of another
    network and another test, so that nothing is judged; about: fields of Row for all of them.
    """
    found = []
    for name, one in team.items():
        final = name == "final network"
        epochs = one.runs[0].spec.epochs
        system = name if final else f"{name}, {epochs} pass{'es' if epochs != 1 else ''}"
        system = f"{name} final networks" if len(one.runs) > 1 else system
        fields = {"model": one.key, **about}
        spread = {"mean": seeds.mean, "sd": seeds.sd, "seeds": seeds.n} if final else {}
        cost = conditions.fields(one.runs[0])
        cost |= {"seconds": one.seconds, "parameters": sum(run.parameters for run in one.runs)}
        other = "another network and another test" if name in claims else ""
        score = {"claim_id": claims.get(name), "instead": other, **fields, **spread, **cost}
        found.append(results.accuracy_row(system, one.test.y_true, one.test.probabilities.argmax(axis=1), **score))
        found.append(results.Row(system, metric="milliseconds", value=bill.loc[name, "p50"], n=None, **fields))
    return found


def formats(table: pd.DataFrame) -> dict[str, str]:
    """Return how this report's columns of numbers are written, for those that `table` has."""
    return {name: FORMATS[name] for name in table.select_dtypes("number").columns if name in FORMATS}
