"""Write files whole or not at all, and say in words why one could not be written."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from helpers.runtime import paths

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(OSError):
    """The disk has no room left for a file."""

    def __str__(self) -> str:
        return self.strerror


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, text as UTF-8, and the directory it lies in. Raises as `replacing` does."""
    make_directory(path.parent)
    with replacing(path) as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path, mode: str = "wb", **how) -> Iterator[IO]:
    """Open a new file that takes the place of `path` when the block ends, and leaves no trace when it fails.

    It lies beside it until then, and is on the disk before it is moved, so that whatever happens, the old file or the
    new one is there, whole. `mode` and `how` are those of `open`, the permissions those of any new file. Raises
    DiskFull when the disk is full, other errors of the system as OSError about `path`.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(part, mode, **how) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(error.errno, _full(path), str(path)) from error
        if error.filename in (str(part), part):  # the scratch name says nothing to anybody
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        part.unlink(missing_ok=True)


def make_directory(directory: Path) -> None:
    """Make a directory and those above it. Raises DiskFull when the disk is full."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskFull(error.errno, _full(directory), str(directory)) if error.errno in _FULL else error from error


def explain(error: Exception) -> str:
    """Return what an error means to the person at the terminal: a full disk and a forbidden place in plain words."""
    if not isinstance(error, OSError) or not error.errno:
        return str(error)
    if error.errno in _FULL:
        return _full(error.filename)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        where = f" ({_relative(error.filename)})" if error.filename else ""
        return f"no permission to write{where}: {error.strerror}; make it writable and run again. Nothing was changed"
    return str(error)


def _full(name: str | bytes | Path | None) -> str:
    where = f" ({_relative(name)})" if name else ""
    return (
        f"the disk is full{where}; free some space (`make clean` empties build/) and run again. Nothing is "
        "half-written: what is finished stays, a training goes on from its last finished epoch, the rest is made again"
    )


def _relative(name: str | bytes | Path) -> str:
    path = Path(os.fsdecode(name))
    return str(path.relative_to(paths.ROOT)) if path.is_relative_to(paths.ROOT) else str(path)
