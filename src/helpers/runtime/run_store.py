"""The run store on disk: one directory per trained network, named by the hash of everything that decided it.

Nothing in it is trusted: every file is read together with the SHA-256 that was written down for it, and whatever
does not match is thrown away and trained again. Files are written whole or not at all, so that a process killed at any
moment leaves either the old one or the new one.
"""

import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np

from helpers.runtime import files

RECORD = "run.json"


class Corrupt(Exception):
    """A stored file is missing, damaged, or not the one that was written."""


@dataclass(frozen=True)
class Entry:
    """The directory of one run; `key` is the hash of its identity."""

    root: Path
    key: str

    @property
    def directory(self) -> Path:
        return self.root / self.key

    def lock(self) -> filelock.FileLock:
        """Return the lock that whoever trains or reads this run must hold; the system frees it on a kill."""
        files.make_directory(self.root)
        return filelock.FileLock(self.root / f"{self.key}.lock")


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hex characters."""
    return hashlib.sha256(data).hexdigest()


def canonical(value) -> bytes:
    """Return `value` as JSON bytes that depend on its content only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def write(path: Path, data: bytes) -> str:
    """Write `data` to `path` atomically and return its SHA-256. Raises files.DiskFull when the disk is full."""
    files.write_atomically(path, data)
    return digest(data)


def read(path: Path, sha256: str) -> bytes:
    """Return the bytes of `path`. Raises Corrupt unless they have this SHA-256."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Corrupt(f"{path.name} cannot be read: {error.strerror}") from error
    if digest(data) != sha256:
        raise Corrupt(f"{path.name} is not the file that was stored")
    return data


def to_npz(arrays: dict[str, np.ndarray]) -> bytes:
    """Return named arrays as the bytes of an .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def from_npz(data: bytes) -> dict[str, np.ndarray]:
    """Return the named arrays of an .npz file; never unpickles."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def save_checkpoint(entry: Entry, epoch: int, arrays: dict[str, np.ndarray]) -> None:
    """Store the state after `epoch` finished epochs, then drop older ones. The file's name carries its hash."""
    data = to_npz(arrays)
    path = entry.directory / f"epoch-{epoch:05d}-{digest(data)}.npz"
    write(path, data)
    for old in entry.directory.glob("epoch-*.npz"):
        if old != path:
            old.unlink(missing_ok=True)


def load_checkpoint(entry: Entry) -> tuple[int, dict[str, np.ndarray]] | None:
    """Return (finished epochs, arrays) of the newest intact checkpoint, or None; damaged ones are removed."""
    for leftover in entry.directory.glob(".*.part"):
        leftover.unlink(missing_ok=True)
    for path in sorted(entry.directory.glob("epoch-*.npz"), reverse=True):
        _, epoch, sha256 = path.stem.split("-", 2)
        try:
            return int(epoch), from_npz(read(path, sha256))
        except Corrupt:
            path.unlink(missing_ok=True)
    return None


def save_record(entry: Entry, record: dict) -> None:
    """Write the record that completes a run: from now on asking again is a cache hit."""
    write(entry.directory / RECORD, canonical({**record, "sha256": digest(canonical(record))}))


def load_record(entry: Entry) -> dict | None:
    """Return the record, None where the run is not finished. Raises Corrupt where it does not match its own hash."""
    try:
        data = (entry.directory / RECORD).read_bytes()
    except FileNotFoundError:
        return None
    try:
        record = json.loads(data)
        sha256 = record.pop("sha256")
    except (ValueError, KeyError, AttributeError) as error:
        raise Corrupt(f"{RECORD} is not a record") from error
    if digest(canonical(record)) != sha256:
        raise Corrupt(f"{RECORD} was changed after it was written")
    return record


def discard(entry: Entry) -> None:
    """Remove everything stored under this entry (hold its lock)."""
    shutil.rmtree(entry.directory, ignore_errors=True)


def store_size(root: Path) -> tuple[int, int]:
    """Return (number of finished runs, bytes) of the store at `root`."""
    files = [path for path in root.rglob("*") if path.is_file()] if root.is_dir() else []
    return sum(path.name == RECORD for path in files), sum(path.stat().st_size for path in files)
