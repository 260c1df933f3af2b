"""Like with like: the conditions under which a number came about, and words for where those of several differ."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Conditions:
    """What must agree, or be named, before two accuracies stand side by side; None where it is unknown or has no sense.

    split: the images it was measured on. train_images: different images that it learned from. passes: over these, of
    what learns in passes. views: of every test image, whose answers are averaged (test-time augmentation); 1 for none.
    label_smoothing: of the training. precision: number format of the training, say "mixed_bfloat16".
    """

    split: str
    train_images: int | None = None
    passes: float | None = None
    views: int = 1
    label_smoothing: float | None = None
    precision: str | None = None

    def words(self, *, split: bool = False, brief: bool = False) -> str:
        """Say them in words, those that are known; the split only where asked for.

        brief: in a few words, and nothing of what is usual: one view of a test image, no label smoothing.
        """
        if brief:
            said = {
                "train_images": f"{self.train_images or 0:,} training images",
                "passes": f"{self.passes or 0:g} pass{'' if self.passes == 1 else 'es'}",
                "views": f"{self.views} views" if self.views > 1 else "",
                "label_smoothing": f"smoothing {self.label_smoothing:g}" if self.label_smoothing else "",
                "precision": _BITS.get(self.precision, self.precision),
            }
            return ", ".join(text for name, text in said.items() if text and getattr(self, name) is not None)
        names = [field for field in NAMES if split or field != "split"]
        names = [field for field in names if field != "views" or not _never_asked_twice([self])]
        return ", ".join(_worded(name, getattr(self, name)) for name in names if getattr(self, name) is not None)


NAMES = tuple(field.name for field in fields(Conditions))
_TITLES = {
    "split": "images",
    "train_images": "training images",
    "passes": "passes",
    "views": "views of a test image",
    "label_smoothing": "label smoothing",
    "precision": "arithmetic",
}
_PRECISION = {"mixed_bfloat16": "16-bit arithmetic (bfloat16)", "float32": "32-bit arithmetic"}
_PRECISION |= {"float64": "64-bit arithmetic"}
_BITS = {"mixed_bfloat16": "16-bit", "float32": "32-bit", "float64": "64-bit"}


def of(thing: Any) -> Conditions:
    """Return the conditions of a row of results, or of anything with the same fields."""
    return thing if isinstance(thing, Conditions) else Conditions(*(getattr(thing, name) for name in NAMES))


def differing(compared: Mapping[str, Any]) -> dict[str, dict[Any, list[str]]]:
    """Return field -> value -> names, of the fields in which rows or conditions, by name, do not all agree."""
    found: dict[str, dict[Any, list[str]]] = {name: {} for name in NAMES}
    for name, each in compared.items():
        for field, values in found.items():
            values.setdefault(getattr(of(each), field), []).append(name)
    return {field: values for field, values in found.items() if len(values) > 1}


def in_words(compared: Mapping[str, Any]) -> str:
    """Say under which conditions several results came about: what they share, then where they differ and who how.

    compared: name -> row of results or Conditions, at least one. What is unknown of all is left out.
    """
    if not compared:
        raise ValueError("compared: got none; at least one result is needed")
    apart, first = differing(compared), of(next(iter(compared.values())))
    unasked = {"views"} if _never_asked_twice([of(each) for each in compared.values()]) else set()
    same = [_worded(name, getattr(first, name)) for name in NAMES if name not in apart.keys() | unasked]
    same = [one for one in same if one]
    sentences = [f"{'All' if len(compared) > 1 else 'Here'}: {', '.join(same)}."] if same else []
    for name, values in apart.items():
        largest = max(values, key=lambda value: len(values[value]))
        groups = [_group(name, value, who) for value, who in values.items() if value != largest]
        # Where most agree, only the others need be named.
        most = f"all others {_bare(name, largest)}" if len(values[largest]) > 2 else None
        groups = [*groups, most] if most else [_group(name, value, who) for value, who in values.items()]
        sentences.append(f"Different {_TITLES[name]}: {'; '.join(groups)}.")
    return " ".join(sentences)


def _group(name: str, value: Any, who: list[str]) -> str:
    return _bare(name, value) if who == [value] else f"{_bare(name, value)} ({', '.join(who)})"


def _bare(name: str, value: Any) -> str:
    """Word a value beside the title of its field."""
    match value:
        case None:
            return "none"
        case int() | float() if name in ("train_images", "passes", "views", "label_smoothing"):
            return f"{value:,}" if name == "train_images" else f"{value:g}"
    return _worded(name, value)


def columns(compared: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table of the conditions that differ, one row per name, to be shown beside the results."""
    apart = differing(compared)
    rows = {name: {_TITLES[field]: getattr(of(each), field) for field in apart} for name, each in compared.items()}
    for row in rows.values():
        row |= {title: _BITS.get(value, value) for title, value in row.items() if title == _TITLES["precision"]}
    # As objects: beside fractions whole numbers would be written as fractions, too.
    return pd.DataFrame.from_dict(rows, orient="index", columns=[_TITLES[field] for field in apart], dtype=object)


def _never_asked_twice(compared: list[Conditions]) -> bool:
    """Whether nobody would expect more than one view: of what does not learn in passes."""
    return all(each.passes is None and each.views == 1 for each in compared)


def _worded(name: str, value: Any) -> str:
    if value is None:
        return ""
    match name:
        case "train_images":
            return f"{value:,} training images"
        case "passes":
            return f"{value:g} pass{'' if value == 1 else 'es'}"
        case "views":
            return "one view of a test image" if value == 1 else f"{value} views of a test image"
        case "label_smoothing":
            return f"label smoothing {value:g}" if value else "no label smoothing"
        case "precision":
            return _PRECISION.get(value, value)
    return str(value)
