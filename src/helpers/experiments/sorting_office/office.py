"""The tables of a sorting office: several systems side by side, and the people behind the digits."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from helpers import results
from helpers.classical import estimators
from helpers.data import load, writers
from helpers.data.splits import Split
from helpers.evaluation import calibration, errors, metrics, selective
from helpers.evaluation.predictor import Predictor
from helpers.experiments.sorting_office.systems import System, build
from helpers.training import archive, recipes
from helpers.training.fit import Run

NAMES = {  # architecture -> what the report calls it, palette key
    "mlp": ("perceptron", "mlp"),
    "nf264_shallow": ("NF264 shallow", "cnn_shallow"),
    "nf264_deep": ("NF264 deep", "cnn_deep"),
    "fast_b": ("fast net b", "tree"),
    "fast_e": ("final network", "fast"),
}
OLDER = ("mlp", "nf264_shallow", "nf264_deep")  # trained the published way, for comparison
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
    if not writers.present():
        return None
    source = load.load_mnist()
    if len(split.test_index) and split.test_index.max() >= len(source.pooled):
        raise ValueError(f"split: has test row {split.test_index.max()}, and MNIST has {len(source.pooled):,} images")
    return writers.load(source).ids[split.test_index]


def people(one: System, ids: np.ndarray | None, *, seed: int = 0) -> str:
    """Say how sure its test accuracy is with people, not images, as the sample: see `writers.clustered`."""
    if ids is None:
        return "not known here (the list of writers is fetched by `make extras`)"
    return f"{writers.clustered(ids, one.test.correct, seed=seed)}"


def undisputed(split: Split) -> np.ndarray:
    """Return which test images of the standard split have a label that people do not dispute: bool (n,)."""
    return ~np.isin(split.test_index - len(load.load_mnist().train), errors.DISPUTED)


def hire(groups: Sequence[Sequence[Run]], *, prices: selective.Prices) -> dict[str, System]:
    """Fit a temperature and choose the cheapest threshold for each system: one training, or several to be averaged.

    All trainings of a system must share one split, whose validation part decides. Returns them by name (`NAMES`).
    """
    team = {}
    for runs in groups:
        model = runs[0].spec.model
        name, key = NAMES.get(model, (model, "cnn")) if len(runs) == 1 else (f"average of {len(runs)}", "ensemble")
        team[name] = build(key, runs, prices=prices)
    return team


def candidates(groups: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """Compare recipes on the validation part: see `calibration.candidates`; adds the seconds of training."""
    labels = next(iter(groups.values()))[0].spec.split.y_val
    table = calibration.candidates({name: [run.val_logits for run in runs] for name, runs in groups.items()}, labels)
    seconds = [(np.mean([run.seconds for run in runs]), sum(run.seconds for run in runs)) for runs in groups.values()]
    return table.assign(seconds=np.ravel(seconds))


def offers(team: Mapping[str, System], *, prices: selective.Prices) -> pd.DataFrame:
    """Return what each system does to 1,000 letters of the test at its threshold: see `selective.offers`."""
    thresholds = {name: one.threshold for name, one in team.items()}
    return selective.offers({name: one.test.pair for name, one in team.items()}, thresholds=thresholds, prices=prices)


def trade_offs(team: Mapping[str, System], names: Sequence[str]) -> dict[str, tuple]:
    """Return (what every threshold does to the test, palette key, the chosen point) of some systems, to be drawn."""
    return {name: (team[name].test.trade_off, team[name].key, team[name].mark) for name in names}


def measured(team: Mapping[str, System], *, seed: int = 0) -> pd.DataFrame:
    """Measure calibration on the test, as trained and scaled: see `calibration.compare`."""
    labels = next(iter(team.values())).test.y_true
    systems = {name: (one.test_logits, one.temperature) for name, one in team.items()}
    return calibration.compare(systems, labels, seed=seed)


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


def tallies(predictors: Mapping[str, Predictor], images: np.ndarray, y_true) -> dict[str, dict[str, int]]:
    """Let models answer images (n, h, w), and count: see `selective.tally`; without a threshold all is accepted."""
    found = {}
    for name, predictor in predictors.items():
        labels, confidence = calibration.top(predictor(images))
        found[name] = selective.tally(confidence, labels == np.asarray(y_true), threshold=predictor.threshold or 0.0)
    return found


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
        cost = {"seconds": one.seconds, "parameters": sum(run.parameters for run in one.runs)}
        score = {"claim_id": claims.get(name), **fields, **spread, **cost}
        found.append(results.accuracy_row(system, one.test.y_true, one.test.probabilities.argmax(axis=1), **score))
        found.append(results.Row(system, metric="milliseconds", value=bill.loc[name, "p50"], n=None, **fields))
    return found


def on_everything(finals: Sequence[Run], *, profile: str) -> tuple[str, list[results.Row]]:
    """Return what the final networks read when nothing is held out: a sentence, and the results row for it.

    The same seeds, trained on the training and the held-out images of `finals` together, as far as they are recorded
    (see `archive.collect`, which trains them in the full profile); an empty sentence and no row before there are
    two of them.
    """
    first = finals[0].spec
    sizes = {"n_train": len(first.split.x_train) + len(first.split.x_val), "n_test": len(first.split.x_test)}
    split = load.make_split("standard", **sizes, seed=first.seed)
    specs = recipes.finals(split, len(finals), seed=first.seed, epochs=first.epochs)
    records = list(archive.collect({f"{spec.seed}": spec for spec in specs}, profile=profile).values())
    if len(records) < 2:
        return "", []
    each = [float(np.mean(record.test_predictions == split.y_test)) for record in records]
    seeds, name = metrics.mean_over_seeds(each), f"final network, all {sizes['n_train']:,} training images"
    about = {"model": "fast", "mean": seeds.mean, "sd": seeds.sd, "seeds": seeds.n, "note": records[0].provenance}
    about |= {"split": "standard test", "section": "the-held-out-test", **records[0].cost}
    held = float(np.mean([np.mean(run.test_predictions == split.y_test) for run in finals]))
    sentence = (
        f"And what does it cost to hold images out? Trained on all {sizes['n_train']:,}, the same recipe reads on "
        f"average **{seeds.mean:.2%}** ({seeds.n} seeds, from {min(each):.2%} to {max(each):.2%}; "
        f"{records[0].provenance}): a difference of {100 * (seeds.mean - held):+.2f} points."
    )
    return sentence, [results.accuracy_row(name, split.y_test, records[0].test_predictions, **about)]


def formats(table: pd.DataFrame) -> dict[str, str]:
    """Return how the columns of this report's tables are written, for those that `table` has."""
    return {name: FORMATS[name] for name in table.columns if name in FORMATS}
