"""What is left of each model on damaged images, and whether its doubts still protect it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import corruptions, metrics
from helpers.serving import Reader


def measure(
    readers: Mapping[str, Reader],
    images: np.ndarray,
    y_true,
    *,
    threshold: Mapping[str, float] | None = None,
    severities: Sequence[int] = corruptions.SEVERITIES,
    mend: Callable[[np.ndarray], np.ndarray] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Read every corruption at every severity, and the clean images as severity 0 of a kind named "none".

    images: uint8 (n, h, w), labels (n,). threshold: for some readers, the confidence from which an answer is accepted.
    mend: applied to the damaged images before anyone reads them. All readers see the same damaged images.

    Returns one row for each reader, corruption and severity: reader, corruption, severity, n, accuracy, and, where
    there is a threshold, sent (share left to a human) and accepted_error (share wrong among the others).
    """
    threshold, y_true, rows = threshold or {}, np.asarray(y_true), []
    cases = [("none", 0), *((name, severity) for name in corruptions.CORRUPTIONS for severity in severities)]
    for name, severity in cases:
        damaged = images if name == "none" else corruptions.corrupt(images, name, severity=severity, seed=seed)
        damaged = mend(damaged) if mend else damaged
        for reader_name, reader in readers.items():
            probabilities = reader.probabilities(damaged)
            correct = probabilities.argmax(axis=1) == y_true
            row = {"reader": reader_name, "corruption": name, "severity": severity, "n": len(y_true)}
            row["accuracy"] = correct.mean()
            if reader_name in threshold:
                accepted = probabilities.max(axis=1) >= threshold[reader_name]
                row["sent"] = 1 - accepted.mean()
                row["accepted"] = int(accepted.sum())
                row["accepted_wrong"] = int((accepted & ~correct).sum())
                row["accepted_error"] = row["accepted_wrong"] / max(1, row["accepted"])
            rows.append(row)
    return pd.DataFrame(rows)


def by_kind(table: pd.DataFrame, *, column: str = "accuracy") -> pd.DataFrame:
    """Return means over severities: a row for each reader, a column for clean images, each corruption, and all of them.

    `all` is the mean over corruptions and severities, clean images left out, and rows are sorted by it.
    """
    damaged = table[table["severity"] > 0]
    wide = damaged.pivot_table(index="reader", columns="corruption", values=column, aggfunc="mean", sort=False)
    clean = table[table["severity"] == 0].set_index("reader")[column]
    wide.insert(0, "clean", clean)
    wide["all"] = damaged.groupby("reader")[column].mean()
    wide.columns.name = None
    return wide.sort_values("all", ascending=False)


def ranks(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the place of every reader in each column of `by_kind`, 1 for the best; equals share the better place."""
    return summary.rank(ascending=False, method="min").astype(int)


def severest_kept(table: pd.DataFrame, reader: str, *, limit: float) -> pd.Series:
    """Return for each corruption the severity up to which a reader's accuracy stays at `limit` or above (0 to 5)."""
    own = table[(table["reader"] == reader) & (table["severity"] > 0)]
    kept = own.assign(kept=own["accuracy"] >= limit).sort_values("severity").groupby("corruption", sort=False)["kept"]
    return kept.apply(lambda flags: int(np.cumprod(flags).sum()))


def accepted_error(table: pd.DataFrame, reader: str) -> pd.DataFrame:
    """Pool a reader's accepted answers over all kinds, by severity: sent, error with its 95% limits, n accepted."""
    own, rows = table[table["reader"] == reader], {}
    for severity, part in own.groupby("severity"):
        n, wrong = int(part["accepted"].sum()), int(part["accepted_wrong"].sum())
        error = metrics.wilson(wrong, max(1, n))
        rows[int(severity)] = {
            "n": n,
            "error without asking": 1 - part["accuracy"].mean(),
            "sent": part["sent"].mean(),
            "error": error.estimate,
            "low": error.low,
            "high": error.high,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("severity")
