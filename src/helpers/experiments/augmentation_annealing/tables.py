"""What the ladder's tables and sentences say: comparisons, recorded runs, and which run answers which claim."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from helpers import results
from helpers.data.splits import Split
from helpers.evaluation import metrics
from helpers.experiments.augmentation_annealing.ladder import Rung
from helpers.results import Row
from helpers.results.rows import MNIST
from helpers.training import conditions, outcomes
from helpers.training.outcomes import Run
from helpers.training.specs import TrainSpec

FORMATS = {"images": "{:+.0f}", "disagree": "{:.0f}", "p": "{:.2g}"}  # how the columns of `shown` are shown
BEST = "hwd-new-100"  # whose competition score is a claim of its own, hwd-kaggle-best


def in_words(images: pd.Series) -> str:
    """Return gains in images, indexed by step, as words: "*one* (+3), *another* (−2)", or "none"."""
    return ", ".join(f"*{name}* ({gain:+.0f})".replace("(-", "(−") for name, gain in images.items()) or "none"


def shown(steps: pd.DataFrame) -> pd.DataFrame:
    """Return `comparison.paired_tests` as a table to read, with FORMATS: range over repeats, how many tell it apart."""
    over = [f"{least:+d} to {most:+d}" for least, most in zip(steps["least"], steps["most"], strict=True)]
    seen = [f"{told} of {of}" for told, of in zip(steps["told apart"], steps["repeats"], strict=True)]
    table = steps[["from", "images"]].assign(**{"least to most": over, "disagree": steps["disagree"], "seen": seen})
    if (steps["repeats"] == 1).all():
        table = table.drop(columns="least to most")
    return table.assign(p=steps["p"]).rename_axis("rung")


def scores(records: Mapping[str, Run], labels: np.ndarray) -> pd.DataFrame:
    """Return accuracy, low, high on the validation images with `labels` (n,), and cost: one row per record.

    The machine is a column only where the records do not share one.
    """
    rows = {}
    for name, record in records.items():
        interval = metrics.accuracy(labels, record.val_predictions)
        rows[name] = {
            "accuracy": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "epochs": len(record.history),
            "recorded": record.finished,
            "seconds": record.seconds,
            "hardware": record.machine,
        }
    columns = ["accuracy", "low", "high", "epochs", "recorded", "seconds", "hardware"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("rung")
    return table.drop(columns="hardware") if table["hardware"].nunique() == 1 else table


def on_the_way(records: Mapping[str, Run]) -> dict[str, str]:
    """Return, for each record that is an early moment of a longer one, to the last digit, the name of the longest."""
    found = {}
    for name, record in records.items():
        n = len(record.history)
        longer = {
            other: len(each.history)
            for other, each in records.items()
            if len(each.history) > n and each.history[:n].equals(record.history)
        }
        if longer:
            found[name] = max(longer, key=longer.get)
    return found


def hours(records: Mapping[str, Run]) -> float:
    """Return the hours of training behind the records, counting once what a longer training passed on its way."""
    passed = on_the_way(records)
    return sum(record.seconds / 3600 for name, record in records.items() if name not in passed)


def together(records: Mapping[str, Run]) -> str:
    """Say what `outcomes.together` says of records, but count epochs that several of them share once, as `hours`."""
    passed = on_the_way(records)
    words = outcomes.together([replace(one, seconds=0.0) if name in passed else one for name, one in records.items()])
    return words + (", counting once the epochs that several share" if passed else "")


def recorded_in_words(ends: pd.DataFrame, published: pd.Series) -> str:
    """Say which steps between recorded runs can be told from luck, and what was published for them.

    ends: `comparison.paired_tests` of them; published: images gained, by the name of the step.
    """
    if ends.empty:
        return "Steps between recorded runs will be tested here, image by image, as soon as there are two of them."
    found = ends.loc[ends["told apart"] == 1, "images"]
    known = published.reindex(found.index).dropna()
    account = f" The account has {in_words(known)}." if len(known) else ""
    return f"Of the {len(ends)} steps between recorded runs, what can be told from luck: {in_words(found)}.{account}"


def claim_rows(
    rungs: Sequence[Rung],
    records: Mapping[str, Run],
    short: Mapping[str, Sequence[Run]],
    *,
    split: Split,
    trial: int = 0,
) -> list[Row]:
    """Return a row for every rung: of its recorded run where there is one, else of its short trainings.

    records: rung name -> record, trained on `split`. short: claim_id -> repeats on a short budget, with the same
    validation images; their rows are not judged (`Row.short_budget`). trial: the records
    are of trials of so many epochs (see `ladder.spec`) and say so in the same way; 0 for the published schedule. The
    rung of Kaggle's best score gets a second row, over the test images. The note of a record says where it is but an
    early moment of a longer one, and where its learning rate fell by these very validation images.
    """
    rows, passed = [], on_the_way(records)
    for rung in rungs:
        about = {"claim_id": rung.claim_id, "model": rung.colour, "section": "against-the-published-claims"}
        if trial:
            about["short_budget"] = True
            about["note"] = f"a trial of {trial} epochs, where the claim had {rung.epochs}"
        more = [f"an early moment of the training of {passed[rung.name]}"] if rung.name in passed else []
        watched = [] if rung.minimum_rate is None else ["its learning rate fell by these held-out images"]
        record = records.get(rung.name)
        rows.append(_row(rung, record, short[rung.claim_id], split.y_val, "validation", about, more + watched))
        if rung.claim_id == BEST:
            runs = short[rung.claim_id]
            labels = split.y_test if rung.name in records else runs[0].spec.split.y_test
            about["claim_id"] = "hwd-kaggle-best"
            rows.append(_row(rung, record, runs, labels, "test", about, more))
    return rows


def against_claims(rows: Sequence[Row], *, data: str = MNIST) -> pd.DataFrame:
    """Return `results.against_claims` in fewer columns, with one more that says which kind of run answers."""
    answering = [row for row in rows if row.claim_id is not None]
    kind = ["short" if row.short_budget else "to its end" for row in answering]
    table = results.against_claims(answering, data=data)
    return table[["published", "ours"]].assign(run=kind, difference=table["difference"], verdict=table["verdict"])


def _row(
    rung: Rung, record: Run | None, runs: Sequence, labels: np.ndarray, part: str, about: dict, more: Sequence[str]
) -> Row:
    answers = {"validation": "val_predictions", "test": "test_predictions"}[part]
    about = about | {"split": f"kaggle, {part}"}
    if record is not None:
        note = "; ".join(["published schedule, one seed", *more, record.provenance])
        about = {"note": note} | about | conditions.fields(record)
        return results.accuracy_row(rung.name, labels, getattr(record, answers), **about)
    about |= {"note": _short_note(rung, runs[0].spec), "short_budget": True} | conditions.fields(runs[0])
    if len(runs) > 1:
        every = metrics.mean_over_seeds([np.mean(getattr(run, answers) == labels) for run in runs])
        about |= {"mean": every.mean, "sd": every.sd, "seeds": every.n}
    return results.accuracy_row(f"{rung.name}, short", labels, getattr(runs[0], answers), **about)


def _short_note(rung: Rung, spec: TrainSpec) -> str:
    batches = spec.epochs * spec.steps
    return f"{batches:,} batches of {spec.batch}, not {rung.epochs} epochs"
