"""What is left of each reader on damaged images, beside a named one, and whether its doubts still protect it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.data import writers
from helpers.evaluation import corruptions
from helpers.experiments.sorting_office.service import Reader
from helpers.runtime import cache, device

CLEAN = "none"


def measure(readers: Mapping[str, Reader], images: np.ndarray, y_true, *, seed: int = 0) -> pd.DataFrame:
    """Let every reader read every corruption, and the clean images as a kind named "none"; cached.

    images: uint8 (n, h, w), labels (n,); all readers see the same damaged images. Returns a row for each reader, kind
    and image: reader, kind, image (its position), right and accepted (bool). Raises ValueError for a reader without an
    identity.
    """
    y_true = np.asarray(y_true)
    identities = {name: reader.identity for name, reader in readers.items()}
    if unknown := [name for name, identity in identities.items() if identity is None]:
        raise ValueError(f"readers: {', '.join(unknown)} cannot be cached; each needs an identity")
    inputs = {"images": images, "labels": y_true, "seed": seed, "readers": identities, "threads": device.threads()}
    return cache.frame(lambda: _measure(readers, images, y_true, seed), inputs=inputs, modules=[__name__])


def _measure(readers, images, y_true, seed) -> pd.DataFrame:
    parts = []
    for kind in (CLEAN, *corruptions.CORRUPTIONS):
        damaged = images if kind == CLEAN else corruptions.corrupt(images, kind, seed=seed)
        for name, reader in readers.items():
            digits, sure = reader(damaged)
            about = {"reader": name, "kind": kind, "image": np.arange(len(images))}
            parts.append(pd.DataFrame({**about, "right": digits == y_true, "accepted": sure >= reader.threshold}))
    return pd.concat(parts, ignore_index=True)


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """Return the share wrong: a row for each reader, a column for clean images, for each kind and for their mean.

    The mean is over the kinds of damage, clean images left out. The order is that of the table.
    """
    wide = 1 - table.pivot_table(index="reader", columns="kind", values="right", aggfunc="mean", sort=False)
    wide.columns.name = None
    kinds = [name for name in wide.columns if name != CLEAN]
    return wide.assign(mean=wide[kinds].mean(axis=1)).rename(columns={CLEAN: "clean"})


def accepted_wrong(table: pd.DataFrame) -> pd.DataFrame:
    """Return the share wrong among accepted answers, by reader and kind (as `errors`); NaN where none was accepted."""
    sure = table[table["accepted"]]
    wide = 1 - sure.pivot_table(index="reader", columns="kind", values="right", aggfunc="mean", sort=False)
    wide.columns.name = None
    wide = wide.reindex(index=table["reader"].unique(), columns=table["kind"].unique())
    return wide.rename(columns={CLEAN: "clean"})


def summary(table: pd.DataFrame, *, baseline: str, seed: int = 0) -> pd.DataFrame:
    """Return for each reader, over all kinds of damage: error, mCE, sent, wrong of the rest, and n.

    error: mean over kinds, with a 95% interval for which images are drawn with all their damaged copies, which stand
    or fall together. mCE: the mean over kinds of the error over that of `baseline`, whose own is 1 (mean corruption
    error; Hendrycks and Dietterich 2019, arXiv:1903.12261); a kind that the baseline reads without mistakes is left
    out. sent: share left to a human. wrong of the rest: among accepted answers, with its interval, None where there is
    none. n: different images.
    """
    shares = errors(table).drop(columns=["clean", "mean"])
    rows, fallible = {}, shares.columns[shares.loc[baseline] > 0]
    for name in shares.index:
        own = table[(table["reader"] == name) & (table["kind"] != CLEAN)]
        rest = own[own["accepted"]]
        rows[name] = {
            "error": writers.clustered(own["image"], ~own["right"].to_numpy(bool), seed=seed),
            "mCE": float((shares.loc[name, fallible] / shares.loc[baseline, fallible]).mean()),
            "sent": 1 - len(rest) / len(own),
            "wrong of the rest": None,
            "n": own["image"].nunique(),
        }
        if rest["image"].nunique() > 1:
            wrong = ~rest["right"].to_numpy(bool)
            rows[name]["wrong of the rest"] = writers.clustered(rest["image"], wrong, seed=seed)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("reader")
