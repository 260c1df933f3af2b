"""Somebody's own digits, as a build of the series on them needs them: what they are, and where their reports go."""

import base64
import io
import json
import os
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from helpers.reporting.run import freshness
from helpers.runtime import paths
from helpers.runtime.files import write_atomically

EXAMPLES = 3  # images of each digit that the front page shows
NAMED = "source.json"  # in the folder of a set of reports: whose it is
_ENDINGS = re.compile(r"(\.(csv|gz|npy|npz|parquet|pq|tar|tgz|zip))+$", re.IGNORECASE)


@dataclass(frozen=True)
class Digit:
    """One of the ten that occurs: how many labelled images there are of it, and a few as the address of a picture."""

    digit: int
    n: int
    picture: str


@dataclass(frozen=True)
class Own:
    """A file or a folder of digits. train, test, unlabelled: numbers of images; digits: those that occur, in order.

    source: its path as notebooks take it, from the root where it lies below it. folder: of its reports. checksum: of
    all labelled images and their labels. images: what rows of results call the test images, a digest of their labels.
    notes: what a reader should know of them, in sentences.
    """

    source: str
    folder: Path
    name: str
    checksum: str
    images: str
    train: int
    test: int
    unlabelled: int
    digits: tuple[Digit, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What there is, in a sentence."""
        from helpers.data.own.assembling import in_words

        more = f", {self.unlabelled:,} without labels" if self.unlabelled else ""
        there = in_words([each.digit for each in self.digits])
        return f"{self.train:,} training and {self.test:,} test images{more}, digits {there}."


@cache
def read(source: str) -> Own:
    """Read what a person calls their digits: a path, from the working directory unless it is absolute.

    Raises ValueError, naming what is wrong, for what is not there and for what `load.load_source` refuses.
    """
    from helpers.data import load  # NumPy: a build of MNIST does without
    from helpers.results.rows import digest_of

    place = Path(os.path.abspath(os.path.expanduser(source)))
    inside = place.is_relative_to(paths.ROOT)
    path = str(place.relative_to(paths.ROOT)) if inside else str(place)
    try:
        if not place.exists():
            raise FileNotFoundError("no such file or folder")
        found = load.load_source(path)
    except Exception as error:  # whatever a file can hold
        words = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
        raise ValueError(f"SOURCE={source}: {words}") from None
    labels = found.pooled.labels
    return Own(
        source=path,
        folder=_folder(place),
        name=found.name,
        checksum=found.pooled.checksum,
        images=digest_of(found.test.labels),
        train=len(found.train),
        test=len(found.test),
        unlabelled=len(found.unlabelled) if found.unlabelled else 0,
        digits=tuple(
            Digit(digit, len(rows), _picture(found.pooled.images[rows[:EXAMPLES]]))
            for digit in range(10)
            if len(rows := (labels == digit).nonzero()[0])
        ),
        notes=tuple(found.notes),
    )


def _picture(images: Any) -> str:
    """Return images (n, 28, 28), 0..255, one below the other, as the address of a picture: ink on nothing."""
    from PIL import Image

    ink = Image.fromarray(images.reshape(-1, images.shape[-1]))
    drawn, buffer = Image.new("L", ink.size), io.BytesIO()
    drawn.putalpha(ink)
    drawn.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def of_parameters(parameters: dict[str, Any]) -> Own | None:
    """Return the digits that a notebook was given as its `source`; None for MNIST, and for what is no digits."""
    source = parameters.get("source")
    if not isinstance(source, str) or not source:
        return None
    try:
        return read(str(paths.ROOT / Path(source).expanduser()))
    except ValueError:
        return None


def claim(digits: Own) -> None:
    """Note in the folder of a set of reports whose it is."""
    place = str(paths.ROOT / digits.source)
    if (freshness.read_state(digits.folder / NAMED) or {}).get("source") != place:
        write_atomically(digits.folder / NAMED, json.dumps({"source": place}, ensure_ascii=False) + "\n")


def told(digits: Own | None, left_out: list[str]) -> list[str]:
    """Return what a person at the terminal is told of their digits, and which reports are left out, in lines."""
    if digits is None:
        return []
    about = [f"{digits.name}: {digits.sentence}", *(f"{digits.name}: {note}" for note in digits.notes)]
    out = f"left out, as without a parameter `source` they take no digits of yours: {', '.join(left_out)}"
    return [*about, out] if left_out else about


def _folder(place: Path) -> Path:
    """Return where the reports go: by the name of the file or folder, unless that belongs to another one of this name.

    A folder belongs to a source as long as that is where it was.
    """
    stem = _ENDINGS.sub("", unicodedata.normalize("NFC", place.name))
    name = re.sub(r"[^\w.-]+", "-", stem)[:60].strip("-.") or "digits"
    home = paths.BUILD / "own" / name
    owner = (freshness.read_state(home / NAMED) or {}).get("source", str(place))
    taken = owner != str(place) and Path(owner).exists()
    return home.with_name(f"{name}-{freshness.digest(str(place))[:6]}") if taken else home
