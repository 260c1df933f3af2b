"""Which of several arrays are images and which labels, and which of them train and which test."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

IMAGE_WORDS = r"x|images?|imgs?|pixels?|data|features?|digits"
LABEL_WORDS = r"y|labels?|targets?|class(es)?"
PARTS = {"train": r"train", "test": r"test|t10k", "validation": r"(^|[^a-z])(val|valid|validation|dev)($|[^a-z])"}

Pair = tuple[np.ndarray | None, np.ndarray | None]  # images, labels; as they are in the file


def part_of(word: str) -> str:
    """Return what a name says that something is for: "train", "test", "validation", or "" where it does not say."""
    return next((part for part, pattern in PARTS.items() if re.search(pattern, word.lower())), "")


@dataclass(frozen=True, eq=False)
class Piece:
    """An array of images, of labels, or of both, of which only the head has been looked at.

    name: for messages. word: the file's name or the array's key, by which it is told what the piece is for. kind:
    "images", "labels" or "both". read: returns images and labels, None for what it has not.
    """

    name: str
    word: str
    kind: str
    read: Callable[[], Pair]

    @property
    def part(self) -> str:
        """What it is for, as its word says."""
        return part_of(self.word)


@dataclass(frozen=True, eq=False)
class Part:
    """Images (n, h, w) and their labels (n,), None where there are none; `name` and `label_name` are for messages."""

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    label_name: str = ""


def together(pieces: Sequence[Piece], *, name: str) -> dict[str, Part]:
    """Return the parts that pieces make: "train" always, "test", "validation" and "unlabelled" where there are such.

    Pieces whose word names no part are the training part where no other claims it; labelled ones that are alone are
    it, too, whatever they are called. Raises ValueError, before anything large is read, for images without labels to
    train with, labels without images, and two arrays for one purpose.
    """
    sorted_out = {part: [piece for piece in pieces if piece.part == part] for part in ("", *PARTS)}
    sorted_out["train"] = sorted_out["train"] or sorted_out[""]
    chosen = {part: _chosen(sorted_out[part], name) for part in PARTS}
    for part in ("test", "validation"):  # mnist_test.csv alone is what there is to learn from
        if not chosen["train"] and "both" in chosen[part]:
            chosen["train"], chosen[part] = chosen[part], {}
    if "both" not in chosen["train"]:
        there = ", ".join(piece.name for piece in pieces)
        raise ValueError(
            f"{name}: no labels for training images; got {there}; a column named label, or as many labels in a file or "
            "array of their own (labels.csv, y_train), are needed"
        )
    plan = {part: found["both"] for part, found in chosen.items() if "both" in found}
    if "images" in chosen["test"]:
        plan["unlabelled"] = chosen["test"]["images"]
    return {part: _read(found) for part, found in plan.items()}


def _chosen(pieces: list[Piece], name: str) -> dict[str, tuple[Piece, ...]]:
    """Return for one part "both": what gives labelled images, and "images": what has no labels."""
    whole = _only([piece for piece in pieces if piece.kind == "both"], name, "")
    images = _only([piece for piece in pieces if piece.kind == "images"], name, IMAGE_WORDS)
    labels = _only([piece for piece in pieces if piece.kind == "labels"], name, LABEL_WORDS)
    found = {}
    if whole:
        found["both"] = (whole,)
    elif images and labels:
        found["both"], images, labels = (images, labels), None, None
    if labels:
        raise ValueError(
            f"{labels.name}: got labels{' beside others' if whole else ' without images'}; one for each "
            "image is allowed"
        )
    if images:
        found["images"] = (images,)
    return found


def _only(pieces: list[Piece], name: str, words: str) -> Piece | None:
    """Return the piece there is; of several the one whose word is one of the usual ones."""
    if len(pieces) > 1 and words:
        usual = [piece for piece in pieces if re.search(rf"(^|[^a-z])({words})($|[^a-z])", piece.word.lower())]
        pieces = usual or pieces
    if len(pieces) > 1:
        there = " and ".join(piece.name for piece in pieces[:3])
        raise ValueError(f"{name}: got {there} for the same purpose; one of them is allowed")
    return pieces[0] if pieces else None


def _read(found: tuple[Piece, ...]) -> Part:
    images, labels = found[0].read()
    if len(found) == 2:
        labels = found[1].read()[1]
    return Part(found[0].name, images, labels, found[-1].name)
