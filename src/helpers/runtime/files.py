"""Write files whole or not at all, and say in words why one could not be written."""

import errno
import os
from pathlib import Path

from helpers.runtime import paths


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: beside it first, to the disk, then moved into place."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # not the scratch name, which says nothing to anybody
        raise
    finally:
        part.unlink(missing_ok=True)


def explain(error: Exception) -> str:
    """Return what an error means to the person at the terminal: a full disk and a forbidden place in plain words."""
    if not isinstance(error, OSError) or not error.errno:
        return str(error)
    where = f" ({_relative(error.filename)})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"the disk is full{where}; free some space (`make clean` empties build/) and run again. "
            "Nothing is half-written: what is finished stays, the rest is made again"
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"no permission to write{where}: {error.strerror}; make it writable and run again. Nothing was changed"
    return str(error)


def _relative(name: str | bytes) -> str:
    path = Path(os.fsdecode(name))
    return str(path.relative_to(paths.ROOT)) if path.is_relative_to(paths.ROOT) else str(path)
