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
    told = [f"{told} of {of}" for told, of in zip(steps["told apart"], steps["repeats"], strict=True)]
    columns = {"least to most": over, "disagree": steps["disagree"], "told apart": told}
    table = steps[["from", "images"]].assign(**columns)
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
    # Not the seconds: a training that was run by itself took other ones for the same epochs.
    learned = {name: record.history.drop(columns="seconds") for name, record in records.items()}
    found = {}
    for name, history in learned.items():
        n = len(history)
        longer = {other: len(each) for other, each in learned.items() if len(each) > n and each[:n].equals(history)}
        if longer:
            found[name] = max(longer, key=longer.get)
    return found


def hours(records: Mapping[str, Run]) -> float:
    """Return the hours of training behind the records, counting once what a longer training passed on its way."""
    passed = on_the_way(records)
    return sum(record.seconds / 3600 for name, record in records.items() if name not in passed)


def together(records: Mapping[str, Run]) -> str:
    """Say what `outcomes.together` says of records, but count epochs that several of them share once, as `hours`.

    The day is the last one; where some are of earlier days, it says so.
    """
    passed = on_the_way(records)
    words = outcomes.together([replace(one, seconds=0.0) if name in passed else one for name, one in records.items()])
    if len({one.finished for one in records.values()}) > 1:
        words = words.replace("recorded ", "recorded until ", 1)
    return words + (", counting once the epochs that several share" if passed else "")


def recorded_in_words(ends: pd.DataFrame, published: pd.Series) -> str:
    """Say which steps between recorded runs can be told from the luck of the images, and what was published for them.

    ends: `comparison.paired_tests` of them; published: images gained, by the name of the step. There is one training of
    each, so of the luck of the seed nothing is known, and the words say that.
    """
    if ends.empty:
        return "Steps between recorded runs will be tested here, image by image, as soon as there are two of them."
    found = ends.loc[ends["told apart"] == 1, "images"]
    known = published.reindex(found.index).dropna()
    account = f" The account has {in_words(known)}." if len(known) else ""
    luck = "the luck of the images (one training each; other seeds were not tried)"
    return f"Of the {len(ends)} steps between recorded runs, what can be told from {luck}: {in_words(found)}.{account}"


def penalty_in_words(priced: Mapping[str, Sequence[int]], costs: pd.DataFrame) -> str:
    """Say whether what a penalty costs goes away when squared error is exchanged for cross-entropy.

    priced: images lost to the penalty, by seed, under "squared error" and "cross-entropy", in this order; costs:
    `comparison.paired_tests` of the same (there a loss is negative), by these names.
    """
    squared, entropy = (np.asarray(each) for each in priced.values())
    n, swing = len(squared), squared - entropy
    harms = (costs["images"] < 0) & (costs["told apart"] == costs["repeats"])  # as everywhere: in every repeat
    if harms["squared error"]:
        if not harms["cross-entropy"]:
            return (
                "With cross-entropy it is not told from luck in every repeat: on this budget the loss may be the whole "
                "story."
            )
        if swing.mean() <= 0:
            return "Cross-entropy takes away none of the harm: it is the penalty itself."
        return (
            f"Cross-entropy takes away {swing.mean() / squared.mean():.0%} of the harm; the rest is the penalty itself."
        )
    if (squared <= 0).all():
        return (
            "With squared error the penalty costs nothing in any repeat: on this budget there is no harm that the loss "
            "could explain."
        )
    # A cost too small for the test of one repeat may still be the same in all of them. Of one repeat nobody can say.
    if n == 1 or (squared <= 0).any() or abs(np.sign(swing).sum()) < n:
        why = "what it is, or what exchanging the loss changes about it, has not the same sign in all of them"
        why = "there is no other to agree with it" if n == 1 else why
        every = "in this one repeat" if n == 1 else "in every repeat"
        return f"With squared error the cost is not told from luck {every}, and {why}: the question stays open."
    told, moved = costs.loc["squared error", "told apart"], abs(swing)
    by = " to ".join(f"{one:,}" for one in dict.fromkeys((moved.min(), moved.max())))
    by += " images" if moved.max() > 1 else " image"
    goes = "goes with the loss" if (entropy <= 0).all() else "goes in part with the loss"
    goes, way = (goes, "lowers") if swing[0] > 0 else ("is not the squared error's", "raises")
    where = f"In only {told} of {n} repeats" if told else "In no single repeat"
    return (
        f"{where} is the cost under squared error told from luck, but its sign is the same in all {n}; exchanging the "
        f"loss {way} it by {by} in every one. On this budget the harm {goes}."
    )


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
