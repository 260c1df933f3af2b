"""What there is to read: files, folders of any size, and arrays of images, as a stream of pieces of work.

Nothing here holds more than a bounded number of names or images, whatever is asked for.
"""

import heapq
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np

from helpers.data.pictures.decoding import Unreadable
from helpers.predict import arrays

CHUNK = 128  # files per piece of work
NAMES = 50_000  # names of a folder held in memory; more are sorted on disk


@dataclass(frozen=True, eq=False)
class Work:
    """A piece of work: either files to open, or images of one array (with `problems` for rows that have none).

    names: what the table calls each. indices: position in the array, None for files.
    """

    names: list[str]
    indices: list[int] | None = None
    images: list[np.ndarray | str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)


@dataclass
class Found:
    """How many images are known of so far; `complete` once no more can turn up."""

    total: int = 0
    complete: bool = False


def stream(places: list[str], *, skip: Path | None = None, found: Found | None = None) -> Iterator[Work]:
    """Yield work for every place in turn: a file, a folder (with its subfolders) or an array (.npz, .npy, .csv).

    Order: as the places are given; in a folder its files by name, then its subfolders by name. Names that begin with
    a dot and links to folders are passed over, and so is the file `skip` (the table that is being written).
    """
    found = Found() if found is None else found
    waiting: list[str] = []
    for name in chain.from_iterable(_names(place, skip, found) for place in places):
        is_array = Path(name).suffix.lower() in arrays.SUFFIXES and Path(name).is_file()
        if not is_array:
            waiting.append(name)
        if waiting and (is_array or len(waiting) == CHUNK):
            yield Work(waiting)
            waiting = []
        if is_array:
            found.total -= 1  # counted as a file; its images count instead
            yield from _array(name, found)
    found.complete = True
    if waiting:
        yield Work(waiting)


def _array(place: str, found: Found) -> Iterator[Work]:
    try:
        for start, images in arrays.blocks(Path(place)):
            found.total += len(images)
            yield Work([place] * len(images), list(range(start, start + len(images))), images)
    except Unreadable as problem:  # one row for it; blocks before the damage have theirs already
        found.total += 1
        yield Work([place], None, [str(problem)])


def _names(place: str, skip: Path | None, found: Found) -> Iterator[str]:
    """Yield the files at a place, each counted once."""
    if os.path.isdir(place):
        yield from walk(place, skip=skip, found=found)
    else:
        found.total += 1
        yield place


def walk(folder: str, *, skip: Path | None = None, found: Found | None = None) -> Iterator[str]:
    """Yield the paths of everything in `folder` but folders, sorted by name, then of its subfolders likewise."""
    skipped = None if skip is None else os.path.realpath(skip)
    with ExitStack() as stack:
        files, folders = Names(stack), Names(stack)
        try:
            listing = os.scandir(folder)
        except OSError:
            if found is not None:
                found.total += 1
            yield folder  # whoever opens it will say that it cannot be listed
            return
        with listing as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.add(entry.name)
                elif not entry.is_dir() and (skipped is None or os.path.realpath(entry.path) != skipped):
                    files.add(entry.name)
        if found is not None:
            found.total += files.count
        for name in files.sorted():
            yield os.path.join(folder, name)
        for name in folders.sorted():
            yield from walk(os.path.join(folder, name), skip=skip, found=found)


class Names:
    """Any number of names, given back sorted, with at most NAMES of them in memory."""

    def __init__(self, stack: ExitStack):
        self._stack, self._held, self._runs, self.count = stack, [], [], 0

    def add(self, name: str) -> None:
        """Take one more name."""
        self._held.append(name)
        self.count += 1
        if len(self._held) == NAMES:
            run = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - the stack closes it
            self._stack.enter_context(run)
            run.writelines(json.dumps(name) + "\n" for name in sorted(self._held))  # a name may hold a newline
            self._runs.append(run)
            self._held = []

    def sorted(self) -> Iterator[str]:
        """Yield all names in order."""
        for run in self._runs:
            run.seek(0)
        return heapq.merge(sorted(self._held), *(map(json.loads, run) for run in self._runs))


def peek(work: Iterator[Work], n: int) -> tuple[list[Work], bool]:
    """Take pieces of work until they hold more than `n` images; return them, and whether that was all."""
    taken: list[Work] = []
    for piece in islice(work, n + 1):
        taken.append(piece)
        if sum(map(len, taken)) > n:
            return taken, False
    return taken, True
