"""Folders of picture files named by label, prepared as `predict` prepares a picture."""

import hashlib
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain

import numpy as np

from helpers.data.own import files
from helpers.data.own.files import File
from helpers.data.own.pieces import Part, part_of
from helpers.data.pictures.decoding import Unreadable, read_image
from helpers.data.pictures.preparing import DIGIT, SIDE, prepare
from helpers.runtime import cache, progress

DIGITS = tuple("0123456789")
CHUNK = 128  # files per piece of work
FEW = 2_000  # files that are prepared before other processes have begun
FIRST = 20  # files that are tried before all are
NAMED = 3  # files that a message names

Plan = dict[str, list[tuple[int, File]]]  # part -> label and picture file; -1 where there is no label


def layout(folder: File) -> Plan:
    """Return part -> labels and files, where folders are named 0 to 9, here or below train, test and so on.

    Pictures that lie in a test folder by themselves are "unlabelled". Empty for any other folder. Raises ValueError
    where other folders stand beside those named by digits.
    """
    if found := _labelled(folder):
        return {"train": found}
    plan: Plan = {}
    for below in files.listing(folder)[1]:
        part = part_of(below.path.name)
        if part and (found := _labelled(below)):
            plan.setdefault(part, []).extend(found)
        elif part == "test":
            loose = [(-1, file) for file in files.listing(below)[0] if files.kind_of(file) == "picture"]
            plan |= {"unlabelled": loose} if loose else {}
    return plan if plan.keys() - {"unlabelled"} else {}


def _labelled(folder: File) -> list[tuple[int, File]]:
    below = files.listing(folder)[1]
    digits = [one for one in below if one.path.name in DIGITS]
    others = [one.path.name for one in below if one.path.name not in DIGITS]
    if digits and others:
        raise ValueError(
            f"{folder.name}: got folders named {', '.join(map(repr, others[:NAMED]))} beside those named by digits; "
            "0 to 9 are allowed"
        )
    return [(int(one.path.name), file) for one in digits for file in files.listing(one)[0]]


def read(plan: Plan, *, name: str, least: int) -> tuple[dict[str, Part], list[str]]:
    """Return the parts of a plan with their pictures in MNIST's form, and sentences on what was left out or is odd.

    Prepared once, kept in the store by the content of the files. Raises ValueError for fewer than `least` labelled
    files, and where most cannot be read: before all are tried, where none of the first ones can.
    """
    labelled = sum(len(found) for part, found in plan.items() if part != "unlabelled")
    if labelled < least:
        raise ValueError(f"{name}: got {labelled} labelled pictures; {least} or more are needed")
    everything = [file for found in plan.values() for _, file in found]
    spread = everything[:: -(-len(everything) // FIRST)]
    if all(_prepared(file.path)[1] for file in spread):
        raise ValueError(_unreadable(name, len(spread), [(file, _prepared(file.path)[1]) for file in spread]))
    images, problems, doubts = _all(everything, name)
    bad = [(file, problem) for file, problem in zip(everything, problems, strict=True) if problem]
    if 2 * len(bad) > len(everything):
        raise ValueError(_unreadable(name, len(everything), bad))
    notes = [f"Pictures were brought to MNIST's form: {SIDE} x {SIDE} pixels, the digit's longer side {DIGIT}."]
    if bad:
        notes.append(f"{len(bad):,} of {len(everything):,} files could not be read and were left out: {_named(bad)}.")
    if odd := [(file, doubt) for file, doubt in zip(everything, doubts, strict=True) if doubt]:
        notes.append(f"{len(odd):,} of {len(everything):,} pictures are doubtful: {_named(odd)}.")
    parts, at, good = {}, 0, problems == ""
    for part, found in plan.items():
        mine = slice(at, at + len(found))
        at += len(found)
        labels = np.array([label for label, _ in found], np.int64)[good[mine]]
        parts[part] = Part(f"{name} {part}", images[mine][good[mine]], labels if part != "unlabelled" else None, name)
    return {part: one for part, one in parts.items() if len(one.images)}, notes


def _named(some: list[tuple[File, str]]) -> str:
    told = "; ".join(f"{file.name} ({why})" for file, why in some[:NAMED])
    return f"{told}; and others" if len(some) > NAMED else told


def _unreadable(name: str, n: int, bad: list[tuple[File, str]]) -> str:
    return f"{name}: {len(bad):,} of {n:,} files could not be read as pictures: {_named(bad)}"


def _all(everything: Sequence[File], name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (n, 28, 28), zeros where there is a problem, and per file a problem and a doubt, "" for none."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # An unguarded script, begun again in a process that is to help it: it would wait for itself for ever.
        raise RuntimeError("pictures are loaded while a helping process begins")
    digest = hashlib.sha256()
    for file in everything:
        digest.update(hashlib.sha256(file.path.read_bytes()).digest())
    paths = [str(file.path) for file in everything]

    def compute() -> dict[str, np.ndarray]:
        if len(paths) > FEW:
            progress.say(f"preparing {len(paths):,} pictures of {name}")
        images, problems, doubts = zip(*_run(paths), strict=True)
        return {"images": np.stack(images), "problems": np.array(problems), "doubts": np.array(doubts)}

    found = cache.arrays(compute, inputs={"pictures": digest.hexdigest()}, modules=[__name__]).arrays
    return found["images"], found["problems"], found["doubts"]


def _run(paths: list[str]) -> list[tuple[np.ndarray, str, str]]:
    chunks = [paths[at : at + CHUNK] for at in range(0, len(paths), CHUNK)]
    if len(paths) <= FEW:
        return list(chain.from_iterable(map(_chunk, chunks)))
    # Not forked: TensorFlow's threads would be lost in the copy, their locks would not.
    try:
        with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
            return list(chain.from_iterable(pool.map(_chunk, chunks)))
    except BrokenProcessPool as error:
        raise ValueError(
            f"{len(paths):,} pictures: a process that prepared them ended abruptly; a script that loads pictures needs "
            "`if __name__ == '__main__':` around what it does, and otherwise one of the files breaks its decoder"
        ) from error


def _chunk(paths: list[str]) -> list[tuple[np.ndarray, str, str]]:
    return [_prepared(path) for path in paths]


def _prepared(path) -> tuple[np.ndarray, str, str]:
    try:
        found = prepare(read_image(path))
    except Unreadable as problem:
        return np.zeros((SIDE, SIDE), np.uint8), str(problem), ""
    return found.image, "", found.doubt
