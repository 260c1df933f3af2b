"""One measured number with its interval: what it is about, how it was measured, what it cost."""

import hashlib
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.evaluation import metrics

MNIST = "MNIST"  # the data of every row that does not say otherwise, and what the published claims are about
FRACTIONS = {"accuracy", "error_rate", "precision", "recall", "f1"}
# Test sets that several reports use under several names, with the size by which a part of one is told from the whole.
_NF264 = r"(nf264,? (7,000 )?|56000/7000/7000 ?)"
TEST_SETS = (
    (
        "mnist",
        "MNIST’s own test images",
        10_000,
        r"standard( test(, [\d,]+ to train)?)?|(60,?000|55,?000/5,?000|50,?000/10,?000)/10,?000( test)?",
    ),
    ("nf264", "The test images of NF264 Project 2", 7_000, _NF264 + r"(test( images)?)?"),
    ("kaggle", "Test images in Kaggle’s proportions", 28_000, r"kaggle( proportions|,? (28,000 )?test( images)?)"),
    ("kaggle-held", "Held-out images in Kaggle’s proportions", 4_200, r"kaggle,? (validation|holdout|held out)"),
    ("nf264-held", "The validation images of NF264 Project 2", 7_000, _NF264 + r"validation"),
    (
        "all",
        "All of MNIST, each image by a model that had not learned from it",
        70_000,
        r"5 folds of 14,?000|nf264 folds|five folds of whole writers|pooled, leave-one-out",
    ),
)
MOST_MISREAD = 1000  # positions written down with a row: 5 KB


@dataclass(frozen=True)
class Row:
    """One measured number: which system, on which split, by which metric, over how many images.

    `value` of an accuracy is a fraction in 0..1; `low` and `high` are its 95% Wilson limits and fill
    themselves when `n` is known. `mean` and `sd` are over `seeds` repetitions; `seconds` is the time it took;
    `parameters` the size of the model; `section` the heading of the report that shows it; `model` a key of
    the palette.
    train_images, passes, views, label_smoothing, precision: the conditions, see `conditions.Conditions`; a row without
    them stands beside no other. seen: the share of the test images that it was trained on, 0 for an honest test.
    short_budget: its training was much shorter than that of its claim, against which it is therefore not judged.
    instead: what answers its claim in place of the claim's own system or test, in words ("another network"), so that it
    is not judged either.
    `misread` says which of the n images an accuracy counts as mistakes (`misread`), "" where that is not known.
    Raises ValueError on construction for anything that is not finite or out of range.
    """

    system: str
    split: str
    metric: str
    value: float
    n: int | None
    claim_id: str | None = None
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    sd: float | None = None
    seeds: int = 1
    seconds: float | None = None
    parameters: int | None = None
    section: str | None = None
    model: str | None = None
    note: str = ""
    misread: str = ""
    train_images: int | None = None
    passes: float | None = None
    views: int = 1
    label_smoothing: float | None = None
    precision: str | None = None
    seen: float = 0.0
    short_budget: bool = False
    instead: str = ""

    def __post_init__(self):
        for name in ("system", "split", "metric"):
            check(is_text(getattr(self, name)), name, getattr(self, name), "a non-empty string")
        for name in ("claim_id", "section", "model", "precision"):
            value = getattr(self, name)
            check(value is None or is_text(value), name, value, "a non-empty string or None")
        for name in ("note", "instead"):
            check(isinstance(getattr(self, name), str), name, getattr(self, name), "a string")
        for name, least in (("n", 1), ("parameters", 0), ("train_images", 0)):
            self._set(name, _whole(name, getattr(self, name), least=least, optional=True))
        for name in ("seeds", "views"):
            self._set(name, _whole(name, getattr(self, name), least=1))
        for name in ("passes", "label_smoothing"):
            self._set(name, _number(name, getattr(self, name), optional=True))
            check((getattr(self, name) or 0) >= 0, name, getattr(self, name), ">= 0")
        self._set("seen", _number("seen", self.seen))
        check(0 <= self.seen <= 1, "seen", self.seen, "a fraction in 0..1")
        check(isinstance(self.short_budget, bool), "short_budget", self.short_budget, "True or False")
        self._set("value", _number("value", self.value))
        if self.metric == "accuracy" and self.n is not None and self.low is None and self.high is None:
            check(0 <= self.value <= 1, "value", self.value, "a fraction in 0..1")
            interval = metrics.wilson(round(self.value * self.n), self.n)
            # A mean over seeds need not be a whole number of images: keep the estimate inside its interval.
            self._set("low", min(interval.low, self.value))
            self._set("high", max(interval.high, self.value))
        for name in ("low", "high", "mean", "sd", "seconds"):
            self._set(name, _number(name, getattr(self, name), optional=True))
        if self.metric in FRACTIONS:
            for name in ("value", "low", "high", "mean"):
                number = getattr(self, name)
                check(number is None or 0 <= number <= 1, name, number, "a fraction in 0..1")
        check((self.low is None) == (self.high is None), "low", self.low, "given together with high")
        if self.low is not None:
            check(self.low <= self.value <= self.high, "low, high", (self.low, self.high), "around value")
        check(self.sd is None or (self.sd >= 0 and self.seeds >= 2), "sd", self.sd, ">= 0, with seeds >= 2")
        check(self.seconds is None or self.seconds >= 0, "seconds", self.seconds, ">= 0")
        if told := read_rightly(self):
            agree = self.metric == "accuracy" and int(told[1].sum()) == round(self.value * self.n)
            check(agree, "misread", self.misread[:60], "as many images as the accuracy says")

    @property
    def about_a_model(self) -> bool:
        """Whether this is the accuracy of something that learned."""
        return self.metric == "accuracy" and (self.model is not None or self.parameters is not None)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def accuracy_row(system: str, y_true, y_pred, *, split: str, **more) -> Row:
    """Return the row for an accuracy from labels of shape (n,), with the misread images; `more`: other fields."""
    return interval_row(system, metrics.accuracy(y_true, y_pred), split=split, misread=misread(y_true, y_pred), **more)


def test_set(split: str, n: int | None) -> str | None:
    """Return the key of the test set that a row was measured on, None for a part of one or another one."""
    for key, _, whole, pattern in TEST_SETS:
        if n == whole and re.fullmatch(pattern, split.strip(), re.IGNORECASE):
            return key
    return None


def misread(y_true, y_pred) -> str:
    """Write down which images of labels (n,) are misread: a digest of the labels, a colon, the rising positions.

    The digest tells one test from another, as positions mean nothing elsewhere. Empty for more than 1,000.
    """
    y_true = np.asarray(y_true)
    wrong = np.flatnonzero(y_true != np.asarray(y_pred))
    if len(wrong) > MOST_MISREAD:
        return ""
    return f"{digest_of(y_true)}: {' '.join(map(str, wrong))}".rstrip()


def digest_of(labels) -> str:
    """Return 16 hex digits that tell the labels (n,) of one test from those of another."""
    return hashlib.sha256(np.asarray(labels).astype(np.uint8).tobytes()).hexdigest()[:16]


def read_rightly(row: Row) -> tuple[str, np.ndarray] | None:
    """Return the digest of a row's labels and which images it read rightly, bool (n,); None where nobody wrote it down.

    Raises ValueError for a `misread` that is not as `misread` writes it.
    """
    if not row.misread:
        return None
    found = re.fullmatch(r"([0-9a-f]{16}):((?: \d+)*)", row.misread)
    check(found is not None and row.n is not None, "misread", row.misread[:60], "a digest, a colon and positions")
    wrong = np.array(found[2].split(), dtype=np.int64)
    inside = (np.diff(wrong) > 0).all() and (not len(wrong) or wrong[-1] < row.n)
    check(bool(inside), "misread", row.misread[:60], f"rising positions below {row.n}")
    right = np.ones(row.n, bool)
    right[wrong] = False
    return found[1], right


def interval_row(system: str, interval: metrics.Interval, *, split: str, metric: str = "accuracy", **more) -> Row:
    """Return the row for an estimate that comes with its own interval; `more` is any other field of Row."""
    return Row(system, split, metric, interval.estimate, interval.n, low=interval.low, high=interval.high, **more)


def check(condition: bool, name: str, value: Any, allowed: str) -> None:
    """Raise ValueError naming the field, what came and what is allowed, unless the condition holds."""
    if not condition:
        raise ValueError(f"{name} must be {allowed}; got {value!r}")


def is_text(value: Any) -> bool:
    """Return whether a value is a string with something in it."""
    return isinstance(value, str) and bool(value.strip())


def _number(name: str, value: Any, *, optional: bool = False) -> float | None:
    if value is None and optional:
        return None
    try:
        number = float("nan") if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    check(math.isfinite(number), name, value, "a finite number")
    return number


def _whole(name: str, value: Any, *, least: int, optional: bool = False) -> int | None:
    if value is None and optional:
        return None
    number = _number(name, value)
    check(number == int(number) and number >= least, name, value, f"a whole number >= {least}")
    return int(number)
