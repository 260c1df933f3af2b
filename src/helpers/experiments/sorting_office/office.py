"""What report 10 tells of its systems in tables and rows, what they are measured against, and who wrote the digits."""

import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from helpers import results
from helpers.classical import estimators
from helpers.data import load, writers
from helpers.data.splits import Split
from helpers.evaluation import metrics
from helpers.evaluation.predictor import Predictor
from helpers.experiments.sorting_office.systems import System
from helpers.training import conditions

_PERCENT = ("accuracy", "least", "most", "confidence", "ECE", "chance", "limit", "error", "error unaided",
            "low", "high", "right unaided", "sent", "right", "wrong")  # fmt: skip
FORMATS = dict.fromkeys(_PERCENT, "{:.2%}") | {
    "codes": "{:.1%}",
    "threshold": "{:.1%}",
    "T": "{:.2f}",
    "log loss": "{:.4f}",
    "Brier": "{:.4f}",
    "human": "{:.0f}",
    "misdelivered": "{:.1f}",
    "cost": "{:.2f}",
    "seconds": "{:.0f}",
}


def writers_of(split: Split) -> np.ndarray | None:
    """Return who wrote each test image, int64 (n,); None where the writers' list of QMNIST has not been fetched."""
    return writers.load(load.load_mnist()).ids[split.test_index] if writers.present() else None


def classics(split: Split, *, n_trees: int = 50, n_components: int = 40, seed: int = 0) -> dict[str, Predictor]:
    """Fit the neighbours and a forest, half that of the earlier report, on the training part of a split."""
    data = (split.x_train, split.y_train)
    near = estimators.knn(*data, k=3, weights="distance", n_components=n_components)
    # scikit-learn's threads set and restore the process's warning filters, and lose them when two do it at once.
    with warnings.catch_warnings():
        forest = estimators.forest(*data, n_trees=n_trees, seed=seed)
    forest.model.set_params(n_jobs=1)  # for one image, starting threads takes longer than asking the trees
    made = {f"kNN, {n_components} components": near, f"forest of {n_trees}": forest}
    return {name: replace(model, identity=[name, split.fingerprint, seed]) for name, model in made.items()}


def rows(
    team: Mapping[str, System],
    *,
    bill: pd.DataFrame,
    seeds: metrics.SeedSummary,
    claims: Mapping[str, str],
    **about,
) -> list[results.Row]:
    """Return two rows of results for every system: its test accuracy, and the milliseconds of one answer (median).

    bill: as from `timing.price_list`; seeds: of the final network's accuracy; claims: name -> claim_id; about: fields
    of Row for all of them.
    """
    found = []
    for name, one in team.items():
        final = name == "final network"
        epochs = one.runs[0].spec.epochs
        system = name if final else f"{name}, {epochs} pass{'es' if epochs != 1 else ''}"
        system = f"{name} final networks" if len(one.runs) > 1 else system
        fields = {"model": "fast" if name == "fast net b" else one.key, **about}
        spread = {"mean": seeds.mean, "sd": seeds.sd, "seeds": seeds.n} if final else {}
        cost = conditions.fields(one.runs[0])
        cost |= {"seconds": one.seconds, "parameters": sum(run.parameters for run in one.runs)}
        score = {"claim_id": claims.get(name), **fields, **spread, **cost}
        found.append(results.accuracy_row(system, one.test.y_true, one.test.probabilities.argmax(axis=1), **score))
        found.append(results.Row(system, metric="milliseconds", value=bill.loc[name, "p50"], n=None, **fields))
    return found


def formats(table: pd.DataFrame) -> dict[str, str]:
    """Return how the columns of this report's tables are written, for those that `table` has."""
    return {name: FORMATS[name] for name in table.columns if name in FORMATS}
