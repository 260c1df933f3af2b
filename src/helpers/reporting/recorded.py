"""Which images each recorded run read rightly, from `reports/runs/`, without loading what trains networks.

A record stores every prediction as a step from its label (see `helpers.run_records`): right is a step of zero, so
neither labels nor images are needed here.
"""

import base64
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Recorded:
    """One recorded run: `test` and `validation` are bool (n,), whether each image was read rightly."""

    name: str
    parameters: int
    seconds: float
    test: np.ndarray
    validation: np.ndarray


def load_all(directory: Path) -> list[Recorded]:
    """Read every record in a directory, in the order of names; a file that is no record is left out."""
    found = []
    for path in sorted(directory.glob("[!.]*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["schema"] != SCHEMA:
                continue
            found.append(
                Recorded(
                    path.stem,
                    int(document["parameters"]),
                    float(document["seconds"]),
                    _right(document["test"]),
                    _right(document["validation"]),
                )
            )
        except (OSError, ValueError, KeyError, TypeError, zlib.error):
            continue
    return found


def match(records: list[Recorded], *, value: float, n: int, parameters: int | None, seconds: float | None):
    """Return what the run behind a result got right, bool (n,), or None unless exactly one record fits.

    It fits when the size of the network, the training time to a thousandth, the number of images and the number
    read rightly all agree: a result does not name its run, and a likely guess would not do.
    """
    if parameters is None or seconds is None:
        return None
    fitting = []
    for record in records:
        if record.parameters != parameters or abs(record.seconds - seconds) > 1e-3 * seconds:
            continue
        parts = [part for part in (record.test, record.validation) if len(part) == n]
        fitting += [part for part in parts if abs(int(part.sum()) - value * n) < 1e-6 * n]
    return fitting[0] if len(fitting) == 1 else None


def _right(text: str) -> np.ndarray:
    raw = np.frombuffer(zlib.decompress(base64.b85decode(text)), np.uint8) if text else np.empty(0, np.uint8)
    return raw[: len(raw) // 2] == 0
