"""Averages of several networks: how many images random picks among trained ones read, in small committed records.

One average is one draw, and the best of many a lucky one. A record under `reports/runs/averages/` is of a team, the
networks of one training from many seeds or of several trainings together, and holds for each of many random picks of so
many networks how many validation and test images their mean probabilities read, in one view and in five.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from helpers.evaluation import calibration
from helpers.runtime import files, run_store
from helpers.training import archive, many_seeds, parallel
from helpers.training.many_seeds import VIEWS
from helpers.training.specs import TrainSpec, identity

SCHEMA = 1
DRAWS = 500  # picks that are tried; of 20 networks there are 15,504 fives
PARTS = ("validation", "test")

Counts = Mapping[int, Mapping[int, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Team:
    """What averages of random picks among some networks read.

    networks: how many there were to pick from. validation, test: views -> size of a pick -> images that each of the
    picks (`draws`) reads right, int64 (DRAWS,); of n_validation and n_test.
    """

    networks: int
    validation: Counts
    test: Counts
    n_validation: int
    n_test: int


def directory() -> Path:
    """Return where these records are kept."""
    return archive.directory() / "averages"


def portable(specs: Sequence[TrainSpec]) -> list[dict]:
    """Return which trainings and networks they come from, whatever their seeds, as JSON values.

    Raises ValueError for trainings on different images: their answers cannot be averaged.
    """
    told = {run_store.canonical(many_seeds.portable(spec)): archive.architecture(spec) for spec in specs}
    trainings = [{**json.loads(one), "architecture": architecture} for one, architecture in told.items()]
    if len({one["split"] for one in trainings}) != 1:
        raise ValueError("specs: got trainings on different splits, or none; one split is allowed")
    return trainings


def path_of(specs: Sequence[TrainSpec]) -> Path:
    """Return where the record of this team is, or would be."""
    name = hashlib.sha256(run_store.canonical(portable(specs))).hexdigest()[:16]
    return directory() / f"{'-'.join(dict.fromkeys(spec.model for spec in specs))}-{name}.json"


def find(specs: Sequence[TrainSpec]) -> Team | None:
    """Return what is recorded of a team, of whatever number of networks; None where nothing is.

    Raises ValueError for a damaged record.
    """
    path = path_of(specs)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA or document["trainings"] != portable(specs):
            raise ValueError("another schema, or another team")
        counts = {
            part: {
                int(views): {int(size): np.array(right, np.int64) for size, right in by_size.items()}
                for views, by_size in document[part].items()
            }
            for part in PARTS
        }
        return Team(**counts, **{name: document[name] for name in ("networks", "n_validation", "n_test")})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} is not a record of averages: {error}") from error


def collect(teams: Mapping[str, Sequence[TrainSpec]], sizes: Sequence[int], *, profile: str) -> dict[str, Team]:
    """Return by name what averages of so many networks of each team read; teams without a record are left out.

    teams: name -> one spec for each network. In the "full" profile what is missing, or was made of networks of earlier
    code, is recorded, and networks that are not in the store are trained; a record of today's code that has all seeds
    asked for and more stays as it is, as it knows more.
    """
    if profile == "full":
        for specs in teams.values():
            _record(specs, sizes)
    found = {name: find(specs) for name, specs in teams.items()}
    return {name: team for name, team in found.items() if team is not None}


def _record(specs: Sequence[TrainSpec], sizes: Sequence[int]) -> None:
    known, asked = find(specs), _asked(specs)
    now = known is not None and json.loads(path_of(specs).read_text(encoding="utf-8"))["made of"]
    if now and all(one in now for one in asked) and len(now) > len(asked):
        return
    there = now == asked
    missing = [size for size in sizes if size <= len(specs) and not (there and size in known.test[VIEWS[0]])]
    if not missing:
        return
    split = specs[0].split
    labels = {"validation": split.y_val, "test": split.y_test}
    made = {part: {str(views): {} for views in VIEWS} for part in PARTS}
    for views in VIEWS:
        runs = parallel.train([replace(spec, views=views) for spec in specs])
        for part, logits in {"validation": [r.val_logits for r in runs], "test": [r.test_logits for r in runs]}.items():
            kept = getattr(known, part)[views] if there else {}
            new = {size: averaged(logits, labels[part], size) for size in missing}
            made[part][str(views)] = {str(size): right.tolist() for size, right in sorted({**kept, **new}.items())}
    sizes_of = {"n_validation": len(split.y_val), "n_test": len(split.y_test)}
    told = {"schema": SCHEMA, "trainings": portable(specs), "networks": len(specs), "made of": asked}
    document = told | sizes_of | made
    files.write_atomically(path_of(specs), json.dumps(document, allow_nan=False) + "\n")


def _asked(specs: Sequence[TrainSpec]) -> list[list]:
    """Return of each network the number of its training, its seed, and the digest of the code that trains it."""
    trainings = portable(specs)
    numbers = [trainings.index(portable([spec])[0]) for spec in specs]
    return [[number, spec.seed, identity(spec)["source"]] for number, spec in zip(numbers, specs, strict=True)]


def draws(n: int, size: int, *, seed: int = 0) -> np.ndarray:
    """Return which of n networks each of DRAWS averages of `size` takes, int64 (DRAWS, size); no network twice in one.

    Raises ValueError for a size that is not 1 to n.
    """
    if not 1 <= size <= n:
        raise ValueError(f"size: got {size}; 1 to {n}, the number of networks, is allowed")
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(n, size, replace=False) for _ in range(DRAWS)])


def averaged(logits: Sequence[np.ndarray], labels: np.ndarray, size: int) -> np.ndarray:
    """Return how many images the averages of `draws` read right, int64 (DRAWS,).

    logits: float (n, 10) of each network; probabilities are averaged. Picks share networks: their mean is that of all
    averages, their spread is smaller than among averages of fresh networks.
    """
    chances = np.stack([calibration.softmax(one) for one in logits])
    picked = draws(len(logits), size)
    return np.array([(chances[rows].mean(axis=0).argmax(axis=1) == labels).sum() for rows in picked], np.int64)
