"""Which steps of a ladder can be told apart: what counting images can show, and paired tests over our own runs.

Two networks read the same images, so they are compared image by image. A test that treats the two scores as
independent samples throws that away and is not offered here.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from helpers.evaluation import comparison
from helpers.experiments.augmentation_annealing.ladder import RUNGS, Rung

# How the columns of `shown` and `published_steps` are shown.
FORMATS = {"images": "{:+.0f}", "disagree": "{:.0f}", "p": "{:.2g}"}
PUBLISHED_FORMATS = {"images": "{:+d}", "points": "{:+.2f}", "best p": "{:.2g}", "adjusted": "{:.2g}"}


def consistent_sizes(printed: Sequence[str], *, smallest: int = 1000, largest: int = 10_000) -> list[int]:
    """Return every number of images n of which all printed fractions can be whole shares.

    printed: decimal fractions as text, such as "0.9938"; a share k/n is printed as its digits, rounded or cut off.
    Zeros at the end say nothing: some tables are padded with them. Raises ValueError for text that is no decimal
    fraction.
    """
    values = []
    for text in printed:
        whole, point, digits = text.partition(".")
        if whole != "0" or not point or not digits.isdecimal():
            raise ValueError(f"printed: got {text!r}; decimal fractions such as '0.9938' are allowed")
        digits = digits.rstrip("0") or "0"
        values.append((int(digits), 10 ** len(digits)))
    sizes = np.arange(smallest, largest + 1)
    fits = np.ones(len(sizes), bool)
    for digits, scale in values:
        # k/n lies within [digits - 1/2, digits + 1) / scale: half a unit below if rounded up, one above if cut off.
        least = -((-(2 * digits - 1) * sizes) // (2 * scale))
        fits &= least * scale < (digits + 1) * sizes
    return sizes[fits].tolist()


def best_case_p(difference: int) -> float:
    """Return the smallest p-value that any paired test could give two networks that differ by so many images.

    It is that of the exact McNemar test when one network is right wherever the other is, and on `difference` images
    more: two-sided, 2 / 2**difference. Any images on which they disagree both ways make it larger.
    Source: McNemar (1947), Psychometrika 12, 153-157, with the binomial distribution in place of its approximation.
    """
    return min(1.0, 2.0 ** (1 - abs(difference)))


def smallest_difference(disagreements: int | None = None, *, alpha: float = 0.05, comparisons: int = 1) -> int:
    """Return the least difference in images at which the exact McNemar test reaches `alpha / comparisons`.

    disagreements: images that exactly one of the two networks reads correctly; None for the most favourable case,
    where all of them speak for the same network, so that the difference is their number. Otherwise the difference
    has the same parity as the number. With too few disagreements for any verdict the answer is their number plus
    one, which cannot happen. Raises ValueError for alpha outside 0..1 or counts below 0 (comparisons: 1).
    Source: the exact binomial form of McNemar (1947), Psychometrika 12, 153-157; `comparisons` is Bonferroni's
    division, the first and strictest step of Holm (1979), Scand. J. Stat. 6, 65-70.
    """
    from scipy import stats  # imported where used: it costs a second

    if not 0 < alpha < 1 or comparisons < 1 or (disagreements is not None and disagreements < 0):
        raise ValueError(
            f"alpha, comparisons, disagreements: got {alpha!r}, {comparisons!r}, {disagreements!r}; "
            "allowed are 0 < alpha < 1, from 1, and from 0 or None"
        )
    level = alpha / comparisons
    if disagreements is None:
        return int(1 + np.ceil(np.log2(1 / level)))
    losses = np.arange(disagreements // 2 + 1)
    p_values = np.minimum(1, 2 * stats.binom.cdf(losses, disagreements, 0.5))
    enough = np.flatnonzero(p_values <= level)
    return int(disagreements - 2 * losses[enough[-1]]) if len(enough) else disagreements + 1


def typical_gap(disagreements: float) -> float:
    """Return by how many images two equally good networks differ on average, if they disagree on so many.

    The mean of |2 B - d| for B binomial over d fair tosses; d is rounded to a whole number. Networks that are not quite
    equally good, as repeats of a training never are, differ by more. Raises ValueError for d below 0.
    """
    from scipy import stats  # imported where used: it costs a second

    if not disagreements >= 0:
        raise ValueError(f"disagreements: got {disagreements!r}; a number from 0 is allowed")
    d = round(disagreements)
    wins = np.arange(d + 1)
    return float(np.sum(np.abs(2 * wins - d) * stats.binom.pmf(wins, d, 0.5)))


def published_steps(rungs: Sequence[Rung] = RUNGS, *, alpha: float = 0.05) -> pd.DataFrame:
    """Say for each published step whether any paired test could have seen it; one row per rung with a base.

    Columns: step (in words), images (more read correctly than by its base), points (percentage points), best p (see
    `best_case_p`), adjusted (by Holm over all steps), visible (adjusted <= alpha). There are no published
    predictions, so this bounds what could be said; it is no test.
    """
    by_id = {rung.claim_id: rung for rung in rungs}
    rows = {}
    for rung in rungs:
        if rung.base is None:
            continue
        base = by_id[rung.base]
        images = round(rung.published * rung.n) - round(base.published * base.n)
        rows[rung.name] = {
            "step": rung.change,
            "from": base.name,
            "images": images,
            "points": 100 * images / rung.n,
            "best p": best_case_p(images),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("rung")
    frame["adjusted"] = comparison.holm(frame["best p"])
    frame["visible"] = frame["adjusted"] <= alpha
    return frame


def paired_steps(correct: Mapping[str, np.ndarray], bases: Mapping[str, str], *, alpha: float = 0.05) -> pd.DataFrame:
    """Compare each rung with the one it changed, seed by seed, on the same images.

    correct: rung -> bool (seeds, n), which images each repeat read correctly; bases: rung -> the rung it is compared
    with, in the order wanted; a rung with fewer repeats is compared with as many of its base. One exact McNemar test
    per step and seed, Holm-corrected over all of them. Columns: images (mean gain), least and most (over seeds),
    disagree (mean number of images that exactly one of the two reads correctly), told apart (repeats in which the
    adjusted p <= alpha), repeats, p (the largest adjusted one).
    Raises ValueError when a rung and its base were not read on the same number of images, or the base has fewer
    repeats.
    """
    tests = []
    columns = ["from", "images", "least", "most", "disagree", "told apart", "repeats", "p"]
    for rung, base in bases.items():
        a, b = np.asarray(correct[rung]), np.asarray(correct[base])
        if a.ndim != 2 or b.ndim != 2 or len(a) > len(b) or a.shape[1] != b.shape[1]:
            raise ValueError(f"correct: {rung} is {a.shape} and {base} {b.shape}; both must be (seeds, n), one n")
        tests += [(rung, base, comparison.mcnemar(x, y)) for x, y in zip(a, b[: len(a)], strict=True)]
    adjusted = comparison.holm([test.p_value for *_, test in tests])
    rows = {}
    for rung, base in bases.items():
        found = [(test, p) for (name, _, test), p in zip(tests, adjusted, strict=True) if name == rung]
        gains = [test.only_a - test.only_b for test, _ in found]
        rows[rung] = {
            "from": base,
            "images": float(np.mean(gains)),
            "least": min(gains),
            "most": max(gains),
            "disagree": float(np.mean([test.only_a + test.only_b for test, _ in found])),
            "told apart": sum(p <= alpha for _, p in found),
            "repeats": len(found),
            "p": float(max(p for _, p in found)),
        }
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("rung")


def in_words(images: pd.Series) -> str:
    """Return gains in images, indexed by step, as words: "*one* (+3), *another* (−2)", or "none"."""
    return ", ".join(f"*{name}* ({gain:+.0f})".replace("(-", "(−") for name, gain in images.items()) or "none"


def shown(steps: pd.DataFrame) -> pd.DataFrame:
    """Return `paired_steps` as a table to read (with FORMATS): range over the repeats, in how many it was seen."""
    over = [f"{least:+d} to {most:+d}" for least, most in zip(steps["least"], steps["most"], strict=True)]
    seen = [f"{told} of {of}" for told, of in zip(steps["told apart"], steps["repeats"], strict=True)]
    table = steps[["from", "images"]].assign(**{"least to most": over, "disagree": steps["disagree"], "seen": seen})
    if (steps["repeats"] == 1).all():
        table = table.drop(columns="least to most")
    return table.assign(p=steps["p"])


def twins(correct: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Compare repeats of the same training that differ in nothing but the seed, all pairs of each rung.

    correct: rung -> bool (seeds, n) with at least two seeds. Columns: disagree (mean number of images that exactly
    one twin reads correctly), difference (mean of the absolute differences in images), largest (of these), pairs.
    Raises ValueError for a rung with fewer than two repeats.
    """
    rows = {}
    for rung, repeats in correct.items():
        pairs = [comparison.mcnemar(a, b) for a, b in combinations(np.asarray(repeats), 2)]
        if not pairs:
            raise ValueError(f"correct: {rung} has {len(repeats)} repeat; at least 2 are needed")
        gaps = [abs(pair.only_a - pair.only_b) for pair in pairs]
        rows[rung] = {
            "disagree": float(np.mean([pair.only_a + pair.only_b for pair in pairs])),
            "difference": float(np.mean(gaps)),
            "largest": max(gaps),
            "pairs": len(pairs),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rung")
