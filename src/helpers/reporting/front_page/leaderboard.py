"""All models of the series, ranked on each test set, and which of them chance could put in the leader's place."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from helpers.reporting.front_page import scoreboard
from helpers.reporting.page import wording
from helpers.reporting.run.own import Own
from helpers.results import conditions
from helpers.results.rows import TEST_SETS, read_rightly, test_set

LEVEL = 0.05
WATCHED = ("kaggle-held", "nf264-held")  # boards of held-out images: trainings were watched by them, they are no test
OTHER = "other"  # the board of all models measured on images of their own
_LATENCY = re.compile(r"(latency|milliseconds|ms)(_p50|_median|_per_(digit|image))?(_ms)?", re.IGNORECASE)


@dataclass(frozen=True)
class Standing:
    """One model on one test set. `against` says how it compares with the leader, `because` on what grounds.

    value: where several seeds were trained their mean, so that no lucky draw leads; the interval is around it.
    """

    system: str
    value: float
    n: int
    low: float | None
    high: float | None
    seeds: int
    sd: float | None
    parameters: int | None
    seconds: float | None
    milliseconds: float | None
    model: str
    slug: str
    section: str
    note: str = ""
    conditions: str = ""  # how it was trained and asked, in words
    seen: float = 0.0  # share of the test that it was trained on
    first: float | None = None  # accuracy of the first seed, where `value` is a mean
    right: tuple | None = None  # what `rows.read_rightly` says, of the first seed
    rank: int | None = None  # None: not ranked
    against: str = ""  # "leader", "indistinguishable", "behind", "unknown" or "" for the unranked
    because: str = ""  # on what grounds; of the unranked, why not or on what they were measured


@dataclass(frozen=True)
class Board:
    """The models that were measured on the very same images, best first."""

    key: str
    title: str
    n: int
    standings: tuple[Standing, ...]

    @property
    def leader(self) -> Standing | None:
        """The best of those that are ranked."""
        return next((each for each in self.standings if each.rank == 1), None)

    @property
    def level_with_leader(self) -> int:
        """How many others are indistinguishable from the leader."""
        return sum(each.against == "indistinguishable" for each in self.standings)


def boards(
    reports: Iterable[Any], *, anchors: Mapping[str, Iterable[str]] | None = None, own: Own | None = None
) -> list[Board]:
    """Rank the accuracies of all reports on each test set that several of them share.

    `reports` are `helpers.results.Report`s. Only rows about a model (with a palette key or a number of parameters)
    count. Models that were trained on some of the test (`Row.seen`) stand below, unranked; those on other images than a
    whole common test set make the last board, which has no order of merit. Each says under which conditions it came
    about: on one board stand models that learned from 55,000 images and from 60,000, asked once and five times.

    Test sets of somebody's `own` digits have no names: what tells them apart is the labels of their images, in order,
    and each of which two models or more were asked has a board.
    """
    reports = list(reports)
    speeds = _speeds(reports)
    sets = _of_own(reports, own) if own else TEST_SETS
    groups: dict[str, list[Standing]] = {key: [] for key, *_ in sets} | {OTHER: []}
    for report in reports:
        for row in report.rows:
            if row.n is None or not row.about_a_model:
                continue
            key = (_images(row) if own else test_set(row.split, row.n)) or OTHER
            key = key if key in groups else OTHER
            section = scoreboard.section_of(row.section, (anchors or {}).get(report.notebook))
            names = ("system", "n", "seeds", "sd", "parameters", "seconds", "note", "seen")
            fields = {name: getattr(row, name) for name in names} | _typical(row)
            place = {"slug": report.notebook, "section": section, "model": row.model or ""}
            speed = speeds.get((report.notebook, row.system), speeds.get(("", row.system)))
            place["conditions"] = (
                conditions.of(row).words(brief=True) if row.train_images is not None else "conditions not recorded"
            )
            why = f"{row.split}: {row.n:,} image{'s' if row.n > 1 else ''}" if key == OTHER else ""
            groups[key].append(Standing(**fields, **place, milliseconds=speed, because=why, right=read_rightly(row)))
    others = tuple(groups.pop(OTHER))
    titles = {key: (title, n) for key, title, n, *_ in sets}
    found = [Board(key, *titles[key], _ranked(rows)) for key, rows in groups.items() if rows]
    return [*found, Board(OTHER, "Measured on other images, each as it says", 0, others)] if others else found


def _typical(row: Any) -> dict[str, float | None]:
    """Return value and interval of a row: around the mean where it has one over several seeds."""
    if row.mean is None or row.seeds < 2:
        return {"value": row.value, "low": row.low, "high": row.high}
    from helpers.evaluation import metrics

    around = metrics.wilson(round(row.mean * row.n), row.n)
    return {"value": row.mean, "low": around.low, "high": around.high, "first": row.value}


def _images(row: Any) -> str:
    """Return what tells the images of a row from others: a digest of their labels; nothing where it is not known."""
    found = read_rightly(row)
    return found[0] if found else ""


def _of_own(reports: Iterable[Any], own: Own) -> list[tuple[str, str, int]]:
    """Return key, title and size of each set of images of which several models were asked: the test images first."""
    rows = [row for report in reports for row in report.rows if row.about_a_model and _images(row)]
    counts = Counter(map(_images, rows))
    found = []
    for key in sorted((key for key, n in counts.items() if n > 1), key=lambda key: (key != own.images, -counts[key])):
        same = [row for row in rows if _images(row) == key]
        names = ", ".join(dict.fromkeys(row.split for row in same))
        title = f"The test images of {own.name}" if key == own.images else f"The same images: {names}"
        found.append((key, title, same[0].n))
    return found


def compare(leader: Standing, other: Standing) -> tuple[str, str]:
    """Say whether `other` can be told from `leader`: "indistinguishable", "behind" or "unknown", and why.

    Of several seeds the first is asked. Where both say which images they read rightly, McNemar's exact test decides.
    Where not, only the numbers of mistakes are known, and the test is made at both ends of what the overlap of mistakes
    could be: where both ends agree, nothing needs to be guessed; else it is unknown.
    """
    from helpers.evaluation import comparison  # scipy: only the index needs it

    if leader.right and other.right and leader.right[0] == other.right[0]:
        test = comparison.mcnemar(leader.right[1], other.right[1])
        word = "behind" if test.p_value < LEVEL and test.difference > 0 else "indistinguishable"
        return word, f"McNemar, {wording.p_value(test.p_value)}"
    shares = [1 - (each.value if each.first is None else each.first) for each in (leader, other)]
    wrong = [round(share * leader.n) for share in shares]
    if any(abs(share * leader.n - errors) > 1e-3 for share, errors in zip(shares, wrong, strict=True)):
        return "unknown", "an average of several runs"
    nested, disjoint = comparison.overlap_bounds(*wrong, leader.n)
    if disjoint < LEVEL:
        return "behind", f"any overlap: {wording.p_value(disjoint).replace('=', '≤')}"
    if nested >= LEVEL:
        return "indistinguishable", f"any overlap: {wording.p_value(nested).replace('=', '≥')}"
    return "unknown", "overlap of mistakes not on record"


def _ranked(rows: list[Standing]) -> tuple[Standing, ...]:
    rows = sorted(_once(rows), key=lambda each: (-each.value, each.parameters or 0, each.system))
    fair = [each for each in rows if not each.seen]
    seen = [replace(each, because=f"{each.seen:.0%} of the test was in its training") for each in rows if each.seen]
    found = []
    for i, each in enumerate(fair):
        word, why = ("leader", "") if i == 0 else compare(fair[0], each)
        better = sum(other.value > each.value for other in fair)
        found.append(replace(each, rank=better + 1 if i else 1, against=word, because=why))
    return (*found, *seen)


def _once(rows: list[Standing]) -> list[Standing]:
    """Leave out a run that another report shows again; keep the row of more seeds, then the one that knows more.

    It is the same run where time, to the digit, and score are the same, or network, conditions and misread images.
    """
    kept: list[Standing] = []
    for each in rows:
        place = next((i for i, other in enumerate(kept) if _same(each, other)), None)
        if place is None:
            kept.append(each)
            continue
        known = ("seconds", "milliseconds", "parameters")
        more, less = sorted((kept[place], each), key=lambda one: -one.seeds)
        if more.seeds == less.seeds and more.parameters is None and less.parameters is not None:
            more, less = less, more
        rest = {name: getattr(less, name) for name in known if getattr(more, name) is None}
        kept[place] = replace(more, **rest)
    return kept


def _same(one: Standing, other: Standing) -> bool:
    first, second = (each.value if each.first is None else each.first for each in (one, other))
    if first != second:
        return False
    if one.seconds is not None and one.seconds == other.seconds:
        return True
    if one.right is None or other.right is None or one.right[0] != other.right[0] or first == 1:
        return False
    alike = (one.parameters, one.conditions) == (other.parameters, other.conditions)
    return alike and one.parameters is not None and np.array_equal(one.right[1], other.right[1])


def _speeds(reports: Iterable[Any]) -> dict[tuple[str, str], float]:
    """Collect milliseconds a digit by (report, system), from rows that record them under any of the usual names.

    A system that only another report has timed is found under ("", system).
    """
    found = {}
    for report in reports:
        for row in report.rows:
            if _LATENCY.fullmatch(row.metric):
                found.setdefault((report.notebook, row.system), row.value)
                found.setdefault(("", row.system), row.value)
    return found
