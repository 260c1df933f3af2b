"""Check committed records against today's code: the first epoch of each is trained again and compared by every digit.

    make check-records                 all of them; some tens of minutes, in as many sittings as you like
    make check-records ONLY=recog      those whose name begins so

What comes out is kept in reports/runs/checks.csv, with the commit that wrote each record. A record repeats where loss,
accuracy, validation loss and validation accuracy of the first epoch are the recorded ones, in all recorded digits; then
it counts as a run of today's code. Number format and threads are those of the record. On another processor the last
digits may differ: then it does not repeat, which says nothing against it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import joblib
import pandas as pd

from helpers.data import folds, load
from helpers.data.splits import Split
from helpers.models import augmentation
from helpers.runtime import device, files, paths
from helpers.training import archive, fit, workers
from helpers.training.specs import TrainSpec, identity

COMPARED = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
COLUMNS = ["commit", "source", "architecture", "processor", "checked", "repeats"]


def check(names: str = "", *, store: Path | None = None) -> dict[str, dict]:
    """Check the records whose name begins with `names`, those excepted that are of today's code; return all checks.

    Those whose split is none of the series' are left out, and it is said. What is found is written as it comes.
    """
    known = {path.stem: {"commit": _commit(path)} for path in sorted(archive.directory().glob("*.json"))}
    for name, row in archive.checks().items():
        known[name] = row | {key: value for key, value in known.get(name, {}).items() if value}
    _write(known)
    wanted: dict[int, dict[str, TrainSpec]] = {}
    for name in known:
        path = archive.directory() / f"{name}.json"
        if not path.is_file() or not name.startswith(names):
            continue
        document = json.loads(path.read_text(encoding="utf-8"))
        spec = spec_of(document)
        if spec is None:
            print(f"{name}: split {document['spec']['split']} is none that is known here", file=sys.stderr)
        elif archive.standing(spec, document) is None:
            print(f"{name}: its network has other layers than today's", file=sys.stderr)
        elif archive.standing(spec, document) not in ("", archive.REPEATED) and not _failed(known[name], spec):
            wanted.setdefault(document["hardware"]["threads"], {})[name] = spec
    store = Path(store or paths.RUNS)
    for threads, specs in wanted.items():
        tasks = (joblib.delayed(_first)(name, spec, threads, store) for name, spec in specs.items())
        for name, row in workers.spread(tasks, processes=min(len(specs), workers.available(threads)), threads=threads):
            document = json.loads((archive.directory() / f"{name}.json").read_text(encoding="utf-8"))
            differing = differences(document, row)
            known[name] |= {
                "source": identity(specs[name])["source"],
                "architecture": archive.architecture(specs[name]),
                "processor": device.hardware()["processor"],
                "checked": datetime.now(UTC).date().isoformat(),
                "repeats": "no" if differing else "yes",
            }
            _write(known)
            print(f"{name}: " + (f"differs in {', '.join(differing)}" if differing else "repeats"), file=sys.stderr)
    return known


def differences(document: Mapping, row: list[float | None]) -> list[str]:
    """Return the columns in which a first epoch (`fit.first_epoch`) is not the recorded one, to the recorded digits."""
    then = dict(zip(document["columns"], document["history"][0], strict=True))
    now = dict(zip(document["columns"], row, strict=True))
    return [name for name in COMPARED if (None if now[name] is None else float(f"{now[name]:.6g}")) != then[name]]


def spec_of(document: Mapping) -> TrainSpec | None:
    """Return the training behind a record, in its number format; None where its split is none that is known."""
    fields = dict(document["spec"])
    n_validation = archive.count(document["validation"])
    split = _splits(n_validation, fields["seed"]).get(fields.pop("split"))
    if split is None:
        return None
    warp = fields.pop("augmentation")
    return TrainSpec(
        split=split,
        augmentation=warp and augmentation.Warp(**warp),
        precision=document["hardware"]["precision"],
        **fields,
    )


@cache
def _splits(n_validation: int, seed: int) -> dict[str, Split]:
    """Return fingerprint -> split of those that the series records trainings of."""
    pooled = load.load_mnist().pooled
    made = [
        load.make_split("standard", n_validation=n_validation, seed=seed),
        load.make_split("standard", n_validation=n_validation),
        load.make_split("kaggle"),
        *folds.nf264_folds(pooled),
        folds.nf264_holdout(pooled),
    ]
    return {split.fingerprint: split for split in made}


def _failed(row: Mapping, spec: TrainSpec) -> bool:
    """Return whether the same check, by this source on this processor, has failed before."""
    now = identity(spec)["source"], device.hardware()["processor"]
    return row.get("repeats") == "no" and (row["source"], row["processor"]) == now


def _first(name: str, spec: TrainSpec, threads: int, store: Path) -> tuple[str, list[float | None]]:
    with workers.pinned(threads):
        return name, fit.first_epoch(spec, store=store)


def _commit(path: Path) -> str:
    """Return the short name of the commit that last wrote a file, "" where git does not know."""
    command = ["git", "-C", str(path.parent), "log", "-1", "--format=%h", "--", path.name]
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _write(known: Mapping[str, Mapping]) -> None:
    table = pd.DataFrame.from_dict(known, orient="index", columns=COLUMNS).sort_index()
    text = table.rename_axis("record").to_csv(na_rep="", lineterminator="\n")
    files.write_atomically(archive.directory() / "checks.csv", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="?", default="", help="only records whose name begins so")
    known = check(parser.parse_args().names)
    repeating = sum(row.get("repeats") == "yes" for row in known.values())
    print(f"{repeating} of {len(known)} records repeat their first epoch: {archive.directory() / 'checks.csv'}")


if __name__ == "__main__":
    main()
