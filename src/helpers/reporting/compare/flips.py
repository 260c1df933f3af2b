"""Which test images are read differently than before: run records and results of two snapshots, image by image."""

import base64
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from helpers.data import load
from helpers.data.splits import Split
from helpers.evaluation import comparison
from helpers.figures.atlas import png
from helpers.reporting.compare.differences import Change
from helpers.results.rows import digest_of, read_rightly

SPLITS = ("standard", "nf264", "kaggle")
SEEDS = range(10)  # of the splits that are tried when the images of a record are looked for


@dataclass(frozen=True)
class Flip:
    """One test image read differently: its place in the test part, label and classes; label None where unknown.

    Where the classes are not known, then and now are True for right and False for wrong. png: base64, "" where the
    image is unknown.
    """

    index: int
    label: int | None
    then: int | bool
    now: int | bool
    png: str = ""


@dataclass(frozen=True)
class Pair:
    """A network then and now on the same n test images.

    differs: field of the spec -> (then, now), empty for the very same spec trained anew, None where results tell, which
    name no spec. lost: right then and wrong now; gained: the other way round; p_value: of McNemar's exact test on these
    two.
    """

    name: str
    differs: dict[str, tuple] | None
    n: int
    right_then: int
    right_now: int
    lost: int
    gained: int
    p_value: float
    flips: tuple[Flip, ...]


def pairs(then: Mapping[str, dict], now: Mapping[str, dict]) -> tuple[list[Pair], list[str], list[str]]:
    """Return networks recorded at both moments, and the names of the records that appeared and that went.

    Records meet by name (the same spec); those left over meet the one most like them of the same model, seed, split
    and number of test images, and what differs between the two specs is told.
    """
    both = [(name, name) for name in then if name in now]
    old, new = [name for name in then if name not in now], [name for name in now if name not in then]
    for name in list(new):
        like = [other for other in old if _same_test(then[other], now[name])]
        if like:
            nearest = min(like, key=lambda other: len(_differing(then[other]["spec"], now[name]["spec"])))
            both.append((nearest, name))
            old.remove(nearest)
            new.remove(name)
    found = [_pair(then[a], now[b]) for a, b in both if then[a]["test"] and now[b]["test"]]
    return sorted(found, key=lambda pair: -(pair.lost + pair.gained)), new, old


def of_rows(changes: Iterable[Change]) -> list[Pair]:
    """Return the systems that read some test images differently, as far as results say which images they misread.

    A row counts when it says so then and now, of the very same labels.
    """
    found = []
    for change in changes:
        then, now = map(read_rightly, (change.then, change.now))
        if not then or not now or then[0] != now[0] or (then[1] == now[1]).all():
            continue
        flipped, test = np.flatnonzero(then[1] != now[1]), comparison.mcnemar(then[1], now[1])
        images, labels = _part(now[0]) or (None, None)
        known = [("", None) if images is None else (_picture(images[i]), int(labels[i])) for i in flipped]
        flips = tuple(
            Flip(int(i), label, bool(then[1][i]), bool(now[1][i]), picture)
            for i, (picture, label) in zip(flipped, known, strict=True)
        )
        rights = int(then[1].sum()), int(now[1].sum())
        name = f"{change.now.system} in report {change.notebook.split('_')[0]}"
        found.append(Pair(name, None, len(now[1]), *rights, test.only_a, test.only_b, test.p_value, flips))
    return sorted(found, key=lambda pair: -(pair.lost + pair.gained))


@cache
def _part(digest: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return images and labels of the held-out or test part whose labels have this digest, None for another one."""
    for name in SPLITS:
        split = load.make_split(name, seed=0, source=load.load_mnist())
        for images, labels in ((split.x_test, split.y_test), (split.x_val, split.y_val)):
            if digest_of(labels) == digest:
                return images, labels
    return None


def _picture(image: np.ndarray) -> str:
    return base64.b64encode(png(image)).decode()


def unpack(text: str) -> np.ndarray:
    """Return, for each image, by how many classes (mod 10) a record's prediction lies from the label: 0 is right."""
    raw = np.frombuffer(zlib.decompress(base64.b85decode(text)), np.uint8) if text else np.empty(0, np.uint8)
    return raw[: len(raw) // 2].astype(np.int64)


def split_of(record: dict) -> Split | None:
    """Return the split of the embedded data that a record was trained on; None where it is none of the usual ones."""
    return _split(str(record["spec"].get("split")), len(unpack(record["validation"])))


@cache
def _split(fingerprint: str, n_validation: int) -> Split | None:
    for name in SPLITS:
        for seed in SEEDS:
            how = {"n_validation": n_validation if name == "standard" else 0, "seed": seed}
            try:
                split = load.make_split(name, **how, source=load.load_mnist())
            except (ValueError, OSError):
                break
            if split.fingerprint == fingerprint:
                return split
            if not how["n_validation"]:
                break  # nothing is drawn, so every seed gives the same
    return None


def _pair(then: dict, now: dict) -> Pair:
    a, b = unpack(then["test"]), unpack(now["test"])
    test = comparison.mcnemar(a == 0, b == 0)
    flipped = np.flatnonzero(a != b)
    split = split_of(now) if len(flipped) else None
    return Pair(
        name=f"{now['spec'].get('model', 'network')}, seed {now['spec'].get('seed', '?')}",
        differs=_differing(then["spec"], now["spec"]),
        n=len(a),
        right_then=int((a == 0).sum()),
        right_now=int((b == 0).sum()),
        lost=test.only_a,
        gained=test.only_b,
        p_value=test.p_value,
        flips=tuple(_flip(int(i), int(a[i]), int(b[i]), split) for i in flipped),
    )


def _flip(index: int, then: int, now: int, split: Split | None) -> Flip:
    if split is None or index >= len(split.y_test):
        return Flip(index, None, then == 0, now == 0)
    label = int(split.y_test[index])
    return Flip(index, label, (label + then) % 10, (label + now) % 10, _picture(split.x_test[index]))


def _same_test(then: dict, now: dict) -> bool:
    alike = all(then["spec"].get(name) == now["spec"].get(name) for name in ("model", "seed", "split"))
    return alike and len(unpack(then["test"])) == len(unpack(now["test"]))


def _differing(then: dict, now: dict) -> dict[str, tuple]:
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return {name: (then.get(name), now.get(name)) for name in names}
