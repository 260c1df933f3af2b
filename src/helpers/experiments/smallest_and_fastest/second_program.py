"""What the recipe, written a second time for a GPU, left of many seeds of each change.

The program is benchmarks/second_program.py, and its record lies beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.experiments.smallest_and_fastest import summary
from helpers.results import Conditions
from helpers.runtime import paths

IMAGES = 60_000  # MNIST's training images: whatever is not held out is learned from
RECORD = paths.ROOT / "benchmarks" / "second_program.json"


@dataclass(frozen=True, eq=False)
class Part:
    """Trainings that are compared seed by seed: seed i of each is read on the same held-out images.

    about: one row per training, with weights, passes, warp (times the recipe's), smoothing, held_out (images), device
    and finished (the day). misread: views -> images misread, one row per seed (NaN for none) and one column per
    training that was asked in so many.
    """

    about: pd.DataFrame
    misread: Mapping[int, pd.DataFrame]

    def scores(self, *, views: int = 5) -> pd.DataFrame:
        """Return the per cent of held-out images read right, one row per seed and one column per training."""
        wrong = self.misread[views]
        return 100 * (1 - wrong / self.about.loc[wrong.columns, "held_out"])

    def conditions(self, *, views: int = 5) -> dict[str, Conditions]:
        """Return under which conditions each training was made and asked."""
        return {
            str(name): Conditions(
                split=f"{int(one.held_out):,} held-out images",
                train_images=IMAGES - int(one.held_out),
                passes=float(one.passes),
                views=views,
                label_smoothing=float(one.smoothing),
                precision="mixed_bfloat16",
            )
            for name, one in self.about.loc[self.misread[views].columns].iterrows()
        }


@dataclass(frozen=True, eq=False)
class Record:
    """parts: "ingredients" (30,000 held out, the same for all seeds) and "makes" (sixths, by turns)."""

    parts: Mapping[str, Part]

    @property
    def device(self) -> str:
        """Say in words on what it was trained."""
        return " and ".join(sorted({one for part in self.parts.values() for one in part.about["device"]}))


def load(path: str | Path = RECORD) -> Record:
    """Read the record. Raises ValueError for a damaged one."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        parts = {name: _part(trainings) for name, trainings in document["parts"].items()}
        return Record(parts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{Path(path).name} is not a record of the second program: {error}") from error


def _part(trainings: Mapping[str, Mapping]) -> Part:
    told = ("weights", "passes", "warp", "smoothing", "held out", "device", "finished")
    rows = {name: {key.replace(" ", "_"): one[key] for key in told} for name, one in trainings.items()}
    views = sorted({int(key.split()[1]) for one in trainings.values() for key in one if key.startswith("misread ")})
    wrong = {}
    for number in views:
        counts = {name: one[f"misread {number}"] for name, one in trainings.items() if f"misread {number}" in one}
        wrong[number] = pd.DataFrame({name: pd.Series(one) for name, one in counts.items()}).rename_axis("seed")
    return Part(pd.DataFrame.from_dict(rows, orient="index").rename_axis("training"), wrong)


def makes(part: Part, bases: Mapping[str, str], *, views: int = 5) -> pd.DataFrame:
    """Return what each training reads, and by how many points more than its base, seed by seed: one row for each.

    bases: training -> the one that it is compared with; a training without one is left out. Columns: weights, passes,
    warp, smoothing, seeds, mean (of the held-out images), gain, low and high (95%, t; NaN for a base itself). Each six
    seeds read every image once and share most of what they learn from: the intervals are approximate.
    """
    scores, rows = part.scores(views=views), {}
    for name, base in bases.items():
        over = summary.mean_of((scores[name] - scores[base]).dropna().to_list())
        about = part.about.loc[name, ["weights", "passes", "warp", "smoothing"]].to_dict()
        gain = dict(zip(("gain", "low", "high"), (over.mean, over.low, over.high), strict=True))
        gain = dict.fromkeys(gain, np.nan) if name == base else gain
        rows[name] = about | {"seeds": over.n, "mean": scores[name].mean() / 100} | gain
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("training")


def side_by_side(theirs: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """Return the gains of two tables of `summary.paired` in words, those of the first on top, as "+0.01 (0 to +0.02)".

    Columns: second program and this series (words, empty where a change was not trained), p (words, of the first) and
    seeds (of this series).
    """
    order = [*theirs["gain"].sort_values().index, *ours["gain"].drop(theirs.index, errors="ignore").sort_values().index]
    found = pd.DataFrame(index=pd.Index(order, name="change"))
    found["second program"] = _words(theirs).reindex(order).fillna("")
    chance = {name: f"{p:.2g}" if p >= 0.001 else "< 0.001" for name, p in theirs["p"].items()}
    found["p"] = pd.Series(chance, dtype=object).reindex(order).fillna("")
    found["this series"] = _words(ours).reindex(order).fillna("")
    found["seeds"] = ours["seeds"].reindex(order).astype(float)
    return found


def _words(gains: pd.DataFrame) -> pd.Series:
    rows = gains[["gain", "low", "high"]].itertuples()
    told = {one.Index: f"{one.gain:+.3f} ({one.low:+.3f} to {one.high:+.3f})".replace("-", "−") for one in rows}
    return pd.Series(told, dtype=object)
