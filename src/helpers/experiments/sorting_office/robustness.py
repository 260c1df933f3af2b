"""What is left of each model on damaged images, and whether its doubts still protect it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.evaluation import calibration, corruptions, metrics, selective
from helpers.evaluation.predictor import Predictor
from helpers.runtime import cache, device


def measure(
    predictors: Mapping[str, Predictor],
    images: np.ndarray,
    y_true,
    *,
    severities: Sequence[int] = corruptions.SEVERITIES,
    mend: Callable[[np.ndarray], np.ndarray] | None = None,
    seed: int = 0,
    keep: bool = False,
) -> pd.DataFrame:
    """Read every corruption at every severity, and the clean images as severity 0 of a kind named "none".

    images: uint8 (n, h, w), labels (n,). mend: a function of this project, applied to the damaged images before anyone
    reads them. All models see the same damaged images. keep: cache what is found.

    Returns one row for each model, corruption and severity: model, corruption, severity, n, accuracy, and, where
    the model has a threshold, sent (share left to a human), accepted and accepted_wrong (images), and accepted_error.
    Raises ValueError when a model whose answers are to be cached does not say what decides them.
    """
    y_true = np.asarray(y_true)

    def compute() -> pd.DataFrame:
        return _measure(predictors, images, y_true, severities, mend, seed)

    if not keep:
        return compute()
    identities = {name: predictor.identity for name, predictor in predictors.items()}
    if unknown := [name for name, identity in identities.items() if identity is None]:
        raise ValueError(f"predictors: {', '.join(unknown)} cannot be cached; each needs an identity")
    inputs = {
        "images": images,
        "labels": y_true,
        "severities": list(severities),
        "seed": seed,
        "predictors": identities,
    }
    inputs |= {"mend": mend and mend.__qualname__, "threads": device.threads()}
    return cache.frame(compute, inputs=inputs, modules=[__name__, *([mend.__module__] if mend else [])])


def _measure(predictors, images, y_true, severities, mend, seed) -> pd.DataFrame:
    rows = []
    cases = [("none", 0), *((name, severity) for name in corruptions.CORRUPTIONS for severity in severities)]
    for name, severity in cases:
        damaged = images if name == "none" else corruptions.corrupt(images, name, severity=severity, seed=seed)
        damaged = mend(damaged) if mend else damaged
        for model, predictor in predictors.items():
            labels, confidence = calibration.top(predictor(damaged))
            count = selective.tally(confidence, labels == y_true, threshold=predictor.threshold or 0.0)
            row = {"model": model, "corruption": name, "severity": severity, "n": count["n"]}
            row["accuracy"] = count["right"] / count["n"]
            if predictor.threshold is not None:
                row |= {"sent": 1 - count["accepted"] / count["n"], "accepted": count["accepted"]}
                row["accepted_wrong"] = count["accepted_wrong"]
                row["accepted_error"] = count["accepted_wrong"] / max(1, count["accepted"])
            rows.append(row)
    return pd.DataFrame(rows)


def by_kind(table: pd.DataFrame, *, column: str = "accuracy") -> pd.DataFrame:
    """Return means over severities: a row for each model, a column for clean images, each corruption, and all of them.

    `all` is the mean over corruptions and severities, clean images left out, and rows are sorted by it.
    """
    damaged = table[table["severity"] > 0]
    wide = damaged.pivot_table(index="model", columns="corruption", values=column, aggfunc="mean", sort=False)
    clean = table[table["severity"] == 0].set_index("model")[column]
    wide.insert(0, "clean", clean)
    wide["all"] = damaged.groupby("model")[column].mean()
    wide.columns.name = None
    return wide.sort_values("all", ascending=False)


def accepted_error(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Pool a model's accepted answers over all kinds, by severity: sent, error with its 95% limits, n accepted."""
    own, rows = table[table["model"] == model], {}
    for severity, part in own.groupby("severity"):
        n, wrong = int(part["accepted"].sum()), int(part["accepted_wrong"].sum())
        error = metrics.wilson(wrong, max(1, n))
        rows[int(severity)] = {
            "n": n,
            "error unaided": 1 - part["accuracy"].mean(),
            "sent": part["sent"].mean(),
            "error": error.estimate,
            "low": error.low,
            "high": error.high,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("severity")


def tally(table: pd.DataFrame, model: str, *, severity: int) -> dict[str, int]:
    """Average a model's counts over the kinds of damage at one severity, as `selective.tally` counts them.

    n is the number of different images, not of damaged copies: copies of one image stand or fall together, and an
    interval made of all of them would be far too narrow.
    """
    own = table[(table["model"] == model) & (table["severity"] == severity)]
    n = int(own["n"].iloc[0])
    counts = {"right": own["accuracy"].mean() * n, "accepted": own["accepted"].mean()}
    counts["accepted_wrong"] = own["accepted_wrong"].mean()
    return {"n": n, **{name: round(count) for name, count in counts.items()}}
