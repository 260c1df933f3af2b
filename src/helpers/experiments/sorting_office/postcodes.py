"""From digits to codes: how often is a whole code read right, and does it matter who wrote its digits?

If every digit were read right with probability p, independently, a code of d digits would be with p^d. But the digits
of one code come from one hand: mistakes gather in the letters of few writers, and then fewer codes are hit.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Codes:
    """Shares of codes: right, sent to a human, and wrong."""

    right: float
    sent: float
    wrong: float


def independent(correct, accepted=None, *, digits: int = 5) -> Codes:
    """Compute codes from the shares of digits alone: correct and accepted are bool (n,), accepted None means all."""
    correct, accepted = _check(correct, accepted, digits)
    a, right = accepted.mean(), (correct & accepted).mean()
    return Codes(float(right**digits), float(1 - a**digits), float(a**digits - right**digits))


def simulate(correct, accepted=None, *, digits: int = 5, n_codes: int = 100_000, groups=None, seed: int = 0) -> Codes:
    """Compose codes of real digits, no digit twice in a code, and read them.

    groups: (n,) any labels, such as the writers: all digits of a code then come from one group (one of fewer than
    `digits` members repeats itself); None takes all for one group. Every digit leads equally many codes: there are as
    many codes as digits, times as often as n_codes needs.
    """
    correct, accepted = _check(correct, accepted, digits)
    rng, n = np.random.default_rng(seed), len(correct)
    groups = np.zeros(n, int) if groups is None else np.asarray(groups)
    if groups.shape != correct.shape:
        raise ValueError(f"groups: got shape {groups.shape}; one label for each digit, {correct.shape}, is allowed")
    _, place, size = np.unique(groups, return_inverse=True, return_counts=True)
    begin = np.repeat(np.cumsum(size) - size, size)  # of the group, for each position of the sorted digits
    within, size = np.arange(n) - begin, np.repeat(size, size)
    steps = np.arange(digits)
    found = []
    for _ in range(max(1, round(n_codes / n))):
        order = np.lexsort((rng.random(n), place))  # the groups one after the other, each shuffled
        rows = order[begin[:, None] + (within[:, None] + steps) % size[:, None]]
        found.append(_read(correct[rows], accepted[rows]))
    return Codes(*np.mean([(one.right, one.sent, one.wrong) for one in found], axis=0).tolist())


def consecutive(correct, accepted=None, *, digits: int = 5) -> Codes:
    """Cut the digits, in the order given, into codes; what is left at the end is dropped."""
    correct, accepted = _check(correct, accepted, digits)
    n = len(correct) // digits * digits
    if not n:
        raise ValueError(f"correct: got {len(correct)} digits; at least {digits}, one code, are needed")
    return _read(correct[:n].reshape(-1, digits), accepted[:n].reshape(-1, digits))


def table(correct, accepted, *, digits: int = 5, groups=None, seed: int = 0) -> pd.DataFrame:
    """Return codes composed in several ways, with every digit answered and with doubtful ones sent to a human.

    Columns, shares of codes: right unaided (every digit answered); and sent, right and wrong where doubtful digits
    send their code to a human. One row for each way to compose codes: computed under independence, of random digits,
    of digits in the order of the file, and of one group each where groups are given.
    """
    ways = {
        "computed, digits independent": lambda sure: independent(correct, sure, digits=digits),
        "drawn at random": lambda sure: simulate(correct, sure, digits=digits, seed=seed),
        "neighbours in the file": lambda sure: consecutive(correct, sure, digits=digits),
    }
    if groups is not None:
        ways["drawn from one writer"] = lambda sure: simulate(correct, sure, digits=digits, groups=groups, seed=seed)
    both = {name: (way(None), way(accepted)) for name, way in ways.items()}
    rows = {name: {"right unaided": everything.right, **vars(careful)} for name, (everything, careful) in both.items()}
    columns = ["right unaided", "sent", "right", "wrong"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("codes")


def _read(correct: np.ndarray, accepted: np.ndarray) -> Codes:
    read, right = accepted.all(axis=1), (correct & accepted).all(axis=1)
    return Codes(float(right.mean()), float(1 - read.mean()), float((read & ~right).mean()))


def _check(correct, accepted, digits: int) -> tuple[np.ndarray, np.ndarray]:
    correct = np.asarray(correct)
    accepted = np.ones(correct.shape, bool) if accepted is None else np.asarray(accepted)
    if correct.ndim != 1 or not len(correct) or {correct.dtype, accepted.dtype} != {np.dtype(bool)}:
        raise ValueError(f"correct: got {correct.dtype} {correct.shape}; bool (n,) with n >= 1 is allowed")
    if accepted.shape != correct.shape:
        raise ValueError(f"accepted: got shape {accepted.shape}; that of correct, {correct.shape}, is allowed")
    if digits < 1:
        raise ValueError(f"digits: got {digits!r}; a whole number from 1 is allowed")
    return correct, accepted
