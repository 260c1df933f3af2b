"""What the project knew at a revision: its results, run records and claims, read through git without a checkout."""

import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, fields

import pandas as pd

from helpers.results import Report
from helpers.results.rows import Row
from helpers.runtime import paths

RESULTS, RECORDS, CLAIMS = "reports/results/", "reports/runs/", "data/claims.csv"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Results by notebook, run records by name and the published claims of one moment.

    records: the JSON documents of `training.archive`. claims: as `results.claims()`. unreadable: what could not be
    read, in words.
    """

    name: str
    reports: dict[str, Report]
    records: dict[str, dict]
    claims: pd.DataFrame
    unreadable: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.reports or self.records)


def of_revision(revision: str) -> Snapshot:
    """Read a git revision of this project; nothing is checked out and nothing is written.

    Raises ValueError when this is not a git repository, git is missing, or there is no such revision.
    """
    _git("rev-parse", "--git-dir", otherwise=f"BASE={revision}: {paths.ROOT.name}/ is not in a git repository")
    # Whatever begins with a dash would be an option to git; --end-of-options makes it a name that does not exist.
    wrong = f"BASE={revision}: no such revision; a commit, branch or tag is needed, such as BASE=HEAD~1"
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", otherwise=wrong)
    commit = commit.decode().strip()
    about = _git("show", "--no-patch", "--format=%h of %cs, “%s”", commit, "--").decode(errors="replace").strip()
    listing = _git("ls-tree", "-r", "-z", commit, "--", RESULTS, RECORDS, CLAIMS).decode(errors="replace")
    blobs = {}
    for line in filter(None, listing.split("\0")):
        (mode, kind, blob), path = line.split("\t", 1)[0].split(), line.split("\t", 1)[1]
        if kind == "blob" and mode.startswith("100"):  # a file, not a link
            blobs[path] = blob
    return read(f"commit {about}", _contents(blobs))


def of_working_tree() -> Snapshot:
    """Read what lies in reports/ and data/ now, committed or not."""
    files = [paths.CLAIMS, *paths.RESULTS.glob("*.json"), *(paths.REPORTS / "runs").glob("*.json")]
    found = {path.relative_to(paths.ROOT).as_posix(): path.read_bytes() for path in sorted(files) if path.is_file()}
    return read("the working tree", found)


def read(name: str, files: Mapping[str, bytes]) -> Snapshot:
    """Return the snapshot that files (path in the project -> content) make; what cannot be read is told, not raised."""
    reports, records, unreadable = {}, {}, []
    claims = pd.DataFrame(columns=["source", "system", "split", "metric", "value", "n", "note"])
    for path, content in files.items():
        stem = path.rpartition("/")[2].removesuffix(".json")
        try:
            if path == CLAIMS:
                claims = pd.read_csv(io.BytesIO(content), index_col="claim_id").astype({"n": "Int64", "value": float})
            elif path.startswith(RESULTS) and path.endswith(".json") and not stem.startswith("."):
                reports[stem] = _report(json.loads(content))
            elif path.startswith(RECORDS) and path.endswith(".json") and not stem.startswith("."):
                records[stem] = _record(json.loads(content))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            unreadable.append(f"{path} of {name} cannot be read: {str(error)[:120]}")
    return Snapshot(name, reports, records, claims, tuple(unreadable))


def _report(document: dict) -> Report:
    """Build a report from another time's file: fields that rows no longer have are left out, new ones keep defaults."""
    known = {field.name for field in fields(Row)}
    rows = tuple(Row(**{name: value for name, value in row.items() if name in known}) for row in document["rows"])
    about = {field.name: document[field.name] for field in fields(Report) if field.name != "rows"}
    return Report(**about, rows=rows)


def _record(document: dict) -> dict:
    for name, kind in (("spec", dict), ("levels", int), ("test", str), ("validation", str)):
        if not isinstance(document[name], kind):
            raise ValueError(f"{name} must be a {kind.__name__}")
    return document


def _contents(blobs: Mapping[str, str]) -> dict[str, bytes]:
    """Return path -> content of git objects, all through one process."""
    if not blobs:
        return {}
    stream = _git("cat-file", "--batch", given="".join(f"{blob}\n" for blob in blobs.values()).encode())
    found, place = {}, 0
    for path in blobs:
        end = stream.index(b"\n", place)
        size = int(stream[place:end].split()[2])
        found[path] = stream[end + 1 : end + 1 + size]
        place = end + 2 + size
    return found


def _git(*arguments: str, otherwise: str = "", given: bytes | None = None) -> bytes:
    """Return what a git command prints. Raises ValueError with `otherwise`, or with git's own words, when it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=paths.ROOT, capture_output=True, input=given, timeout=120)
    except FileNotFoundError:
        raise ValueError("git is not installed, and comparing with a revision needs it") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        # "dubious ownership" and the like say more than that there is no repository.
        more = f" ({said[-1][:200]})" if said and "not a git repository" not in said[0] else ""
        raise ValueError((otherwise or f"git {arguments[0]} failed") + more)
    return done.stdout
