"""When to answer and when to ask a human: error among the accepted, and what a threshold costs.

Everything here works on the confidence of each answer and on whether it was right. A digit is accepted when its
confidence reaches the threshold; a letter is sorted by machine when all digits of its code are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from helpers.evaluation import metrics


@dataclass(frozen=True)
class Prices:
    """What the two outcomes of a letter cost that is not sorted rightly by machine, in the same money.

    misdelivered: a letter sent to a wrong place. human: reading one code. human_error: the share of codes that the
    human reads wrongly (they are misdelivered too). digits: how many a code has.
    """

    misdelivered: float
    human: float
    human_error: float = 0.0
    digits: int = 5

    def __post_init__(self):
        for name in ("misdelivered", "human"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name}: got {value!r}; a price above 0 is allowed")
        if not 0 <= self.human_error < 1:
            raise ValueError(f"human_error: got {self.human_error!r}; a fraction from 0 to below 1 is allowed")
        if self.digits < 1:
            raise ValueError(f"digits: got {self.digits!r}; a whole number from 1 is allowed")

    @property
    def asking(self) -> float:
        """The price of asking a human, his mistakes included."""
        return self.human + self.human_error * self.misdelivered


def trade_off(confidence, correct) -> pd.DataFrame:
    """Return what every possible threshold does, from accepting all answers to accepting the surest alone.

    confidence: (n,); correct: bool (n,). One row for each distinct confidence (equal ones are accepted together):
    threshold (the least confidence accepted), accepted (n), wrong (among them), sent (share left to a human), error
    (share wrong among the accepted).
    """
    confidence, correct = _pair(confidence, correct)
    order = np.argsort(-confidence, kind="stable")
    ranked, wrong = confidence[order], np.cumsum(~correct[order])
    last = np.flatnonzero(np.append(np.diff(ranked) < 0, True))  # of each group of equal confidences
    n, wrong = last + 1, wrong[last]
    frame = pd.DataFrame(
        {
            "threshold": ranked[last],
            "accepted": n,
            "wrong": wrong,
            "sent": 1 - n / len(ranked),
            "error": wrong / n,
        }
    )
    return frame.iloc[::-1].reset_index(drop=True)


def augrc(confidence, correct) -> float:
    """Return the area under the generalised risk-coverage curve, a fraction: 0 is best, half the error rate is chance.

    The mean, over all coverages, of the share of all answers that are accepted and wrong: what goes wrong unseen,
    whatever the threshold. Answers of equal confidence count in the order given. Source: Traub et al. (2024),
    Overcoming Common Flaws in the Evaluation of Selective Classification Systems, NeurIPS.
    """
    confidence, correct = _pair(confidence, correct)
    wrong = ~correct[np.argsort(-confidence, kind="stable")]
    return float(np.cumsum(wrong).mean() / len(wrong))


def threshold_for(confidence, correct, *, wrong_share: float) -> float:
    """Return the lowest threshold at which at most `wrong_share` of the accepted answers are wrong; 1 where none is.

    To be given images that the network was not trained on, and not those on which the result is reported.
    """
    table = trade_off(confidence, correct)
    enough = table["threshold"][table["error"] <= wrong_share]
    return float(enough.iloc[0]) if len(enough) else 1.0


def letter_costs(table: pd.DataFrame, prices: Prices, *, n: int | np.ndarray) -> pd.DataFrame:
    """Add to a table as from `trade_off`, over n digits, what 1,000 letters cost at each threshold.

    n: one number, or one for each row.
    With a the share of digits accepted and e the share accepted and wrong, a code of d digits goes to a human with
    probability 1 - a^d and is misdelivered with a^d - (a - e)^d: the digits of a code are taken as independent.
    Adds, for 1,000 letters: human and misdelivered (letters), lost_cost (of the letters that the machine
    misdelivers) and cost (all together).
    """
    accepted, wrong = table["accepted"] / n, table["wrong"] / n
    by_machine = accepted**prices.digits
    lost = by_machine - (accepted - wrong) ** prices.digits
    asked = 1 - by_machine
    return table.assign(
        human=1000 * asked,
        misdelivered=1000 * (lost + asked * prices.human_error),
        lost_cost=1000 * lost * prices.misdelivered,
        cost=1000 * (lost * prices.misdelivered + asked * prices.asking),
    )


def costs(confidence, correct, *, prices: Prices) -> pd.DataFrame:
    """Return `trade_off` with what 1,000 letters cost at each threshold: see `letter_costs`."""
    return letter_costs(trade_off(confidence, correct), prices, n=len(np.asarray(confidence)))


def cheapest(table: pd.DataFrame) -> pd.Series:
    """Return the row of a table of `costs` with the lowest cost, of equals the one that asks least often.

    The table should come from images that the network was not trained on, and not from those on which the result is
    reported.
    """
    return table.loc[table["cost"].idxmin()]


def chow_threshold(prices: Prices) -> float:
    """Return the confidence below which asking is cheaper, if confidences are true: no image is needed for it.

    An answer is worth giving while its chance of error times the price of an error stays below the price of asking.
    For a code of several digits this looks at one doubtful digit among sure ones. Source: Chow (1970), On optimum
    recognition error and reject tradeoff, IEEE Transactions on Information Theory 16, 41-46.
    """
    return max(0.0, 1 - prices.asking / prices.misdelivered)


def outcome(confidence, correct, *, threshold: float, prices: Prices) -> dict[str, float]:
    """Return what one threshold does to 1,000 letters: sent, error (of digits), human, misdelivered, cost."""
    confidence, correct = _pair(confidence, correct)
    accepted = confidence >= threshold
    n, wrong = int(accepted.sum()), int((accepted & ~correct).sum())
    row = pd.DataFrame({"accepted": [n], "wrong": [wrong]})
    money = letter_costs(row, prices, n=len(confidence)).iloc[0]
    return {
        "sent": 1 - n / len(confidence),
        "error": wrong / n if n else 0.0,
        **{name: float(money[name]) for name in ("human", "misdelivered", "cost")},
    }


def cost_limits(count: Mapping[str, int], prices: Prices) -> metrics.Interval:
    """Return what 1,000 letters cost, with the limits that so few mistakes allow, from counts as `tally` makes them.

    The limits are the costs at the 95% Wilson limits of the share of all digits that is accepted and wrong; the share
    accepted, which rests on many more digits, is taken as it is. Not a share but money: `unit` is "".
    """
    n, accepted = count["n"], count["accepted"]
    wrong = metrics.wilson(count["accepted_wrong"], n)
    shares = np.array([wrong.estimate, wrong.low, wrong.high])
    rows = pd.DataFrame({"accepted": [accepted] * 3, "wrong": np.minimum(n * shares, accepted)})
    cost, low, high = letter_costs(rows, prices, n=n)["cost"]
    return metrics.Interval(float(cost), float(low), float(high), wrong.confidence, n, unit="")


def cost_interval(
    accepted, correct, prices: Prices, *, groups=None, n_resamples: int = 4000, seed: int = 0
) -> metrics.Interval:
    """Return what 1,000 letters cost with limits that let both vary: what is accepted and what of it is wrong.

    accepted, correct: bool (n,). groups: (n,), who wrote each digit, or its form: groups are drawn with replacement,
    each with all its digits, and the middle 95% of the costs is kept (percentile bootstrap: Davison and Hinkley 1997);
    without groups, digits are drawn. No resample knows a mistake that was not made, so the limits of `cost_limits`
    count where they reach further. Not a share but money: `unit` is "". Raises ValueError for fewer than 2 groups.
    """
    accepted, correct = np.asarray(accepted), np.asarray(correct)
    found = np.column_stack([accepted, accepted & ~correct, np.ones(len(accepted))]).astype(np.int64)
    if groups is not None:
        names, place = np.unique(groups, return_inverse=True)
        if len(names) < 2:
            raise ValueError(f"groups: got {len(names)}; at least 2 are needed to draw from")
        found = np.column_stack([np.bincount(place, weights=column) for column in found.T]).astype(np.int64)
    kinds, times = np.unique(found, axis=0, return_counts=True)  # groups with the same counts are drawn as one
    drawn = np.random.default_rng(seed).multinomial(len(found), times / len(found), n_resamples) @ kinds
    table = pd.DataFrame({"accepted": drawn[:, 0], "wrong": drawn[:, 1]})
    low, high = np.quantile(letter_costs(table, prices, n=drawn[:, 2])["cost"], [0.025, 0.975])
    counts = {"n": len(accepted), "accepted": accepted.sum(), "accepted_wrong": (accepted & ~correct).sum()}
    few = cost_limits({name: int(count) for name, count in counts.items()}, prices)
    limits = min(float(low), few.low), max(float(high), few.high)
    return metrics.Interval(few.estimate, *limits, few.confidence, few.n, unit="")


def costs_by_price(count: Mapping[str, int], prices: Prices, misdelivered: Sequence[float]) -> pd.DataFrame:
    """Return `cost_limits` at several prices of a misdelivered letter: columns misdelivered, cost, low, high."""
    rows = [(each, cost_limits(count, replace(prices, misdelivered=each))) for each in misdelivered]
    table = [(each, one.estimate, one.low, one.high) for each, one in rows]
    return pd.DataFrame(table, columns=["misdelivered", "cost", "low", "high"])


def cost_difference(a, b, prices: Prices, *, n_resamples: int = 4000, seed: int = 0) -> metrics.Interval:
    """Return what 1,000 letters cost more with a than with b, which read the same digits, with a 95% interval.

    a, b: (accepted bool (n,), correct bool (n,)) each. Digits are drawn with replacement, both answers to a digit
    together, and the middle 95% of the differences is kept (percentile bootstrap: Davison and Hinkley 1997).
    """
    answers = np.array([a[0], ~np.asarray(a[1]) & a[0], b[0], ~np.asarray(b[1]) & b[0]], dtype=np.int64)
    n = answers.shape[1]
    kinds, times = np.unique(answers, axis=1, return_counts=True)  # of at most nine kinds each digit is one
    drawn = np.random.default_rng(seed).multinomial(n, times / n, n_resamples)
    counts = np.vstack([times, drawn]) @ kinds.T

    def cost(columns: np.ndarray) -> np.ndarray:
        table = pd.DataFrame({"accepted": columns[:, 0], "wrong": columns[:, 1]})
        return letter_costs(table, prices, n=n)["cost"].to_numpy()

    difference = cost(counts[:, :2]) - cost(counts[:, 2:])
    low, high = np.quantile(difference[1:], [0.025, 0.975])
    return metrics.Interval(float(difference[0]), float(low), float(high), 0.95, n, unit="")


def break_even(saving: float, *, once: float, yearly: float, years: float) -> float:
    """Return from how many letters a year a machine pays for itself; infinite where it saves nothing.

    saving: on 1,000 letters; once: its price and installation; yearly: its upkeep; years: that it serves.
    """
    if not years > 0:
        raise ValueError(f"years: got {years!r}; a number above 0 is allowed")
    return 1000 * (once / years + yearly) / saving if saving > 0 else float("inf")


def policies(confidence, correct, *, thresholds: Mapping[str, float], prices: Prices) -> pd.DataFrame:
    """Return the outcome of several thresholds side by side, one row each, indexed by their names."""
    rows = {name: outcome(confidence, correct, threshold=t, prices=prices) for name, t in thresholds.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")


def offers(answers: Mapping[str, tuple], *, thresholds: Mapping[str, float], prices: Prices) -> pd.DataFrame:
    """Return what each model does to 1,000 letters at its own threshold.

    answers: name -> (confidence (n,), correct (n,)). Columns: accuracy, codes (share right if nothing is sent, digits
    taken as independent), threshold, human, misdelivered, cost.
    """
    rows = {}
    for name, found in answers.items():
        accuracy = float(np.mean(found[1]))
        money = outcome(*found, threshold=thresholds[name], prices=prices)
        rows[name] = {"accuracy": accuracy, "codes": accuracy**prices.digits, "threshold": thresholds[name]}
        rows[name] |= {column: money[column] for column in ("human", "misdelivered", "cost")}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def tally(confidence, correct, *, threshold: float) -> dict[str, int]:
    """Count answers: n, right, accepted, and accepted_wrong (accepted and wrong)."""
    confidence, correct = _pair(confidence, correct)
    accepted = confidence >= threshold
    counts = {"n": len(correct), "right": correct.sum(), "accepted": accepted.sum()}
    return {name: int(count) for name, count in {**counts, "accepted_wrong": (accepted & ~correct).sum()}.items()}


def prospects(tallies: Mapping[str, Mapping[str, int]], *, digits: int = 5) -> pd.DataFrame:
    """Return what to expect in each situation, from counts as `tally` makes them.

    Columns: accuracy (with its 95% interval), codes (right if nothing is sent, digits taken as independent), sent (of
    digits, to a human), and wrong of the rest (with its interval).
    """
    rows = {}
    for name, count in tallies.items():
        accuracy = metrics.wilson(count["right"], count["n"])
        rest = metrics.wilson(count["accepted_wrong"], count["accepted"]) if count["accepted"] else None
        rows[name] = {
            "accuracy": accuracy,
            "codes": f"{accuracy.estimate**digits:.1%}",
            "sent": f"{1 - count['accepted'] / count['n']:.2%}",
            "wrong of the rest": rest,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("situation")


def _pair(confidence, correct) -> tuple[np.ndarray, np.ndarray]:
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct)
    if confidence.ndim != 1 or not len(confidence) or correct.dtype != bool or correct.shape != confidence.shape:
        raise ValueError(
            f"confidence and correct: got {confidence.shape} and {correct.dtype} {correct.shape}; "
            "numbers (n,) and bool (n,) with n >= 1 are allowed"
        )
    if np.isnan(confidence).any():
        raise ValueError("confidence: some are NaN; numbers are allowed")
    return confidence, correct
