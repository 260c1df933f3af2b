"""Files of any kind: told apart by their content, read within limits, unpacked where they are archives."""

import gzip
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from helpers.data.formats import GZIP_MAGIC

MOST_BYTES = 2_000_000_000  # of one file, or of an archive, unpacked
MOST_MEMBERS = 200_000  # of an archive
HEAD = 1 << 18  # bytes: two rows of a table of 512 x 512 pixels may not fit, hundreds of 28 x 28 do
JUNK = ("__macosx", "thumbs.db", "desktop.ini")  # what systems leave in folders unasked
_MAGIC = (
    (b"PAR1", "parquet"),
    (b"\x93NUMPY", "npy"),
    (b"\x89PNG", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"BM", "picture"),
    (b"GIF8", "picture"),
    (b"II*\0", "picture"),
    (b"MM\0*", "picture"),
    (b"RIFF", "picture"),
    *((b"P%d" % kind, "picture") for kind in range(1, 7)),
)


@dataclass(frozen=True)
class File:
    """A file and what messages call it, which for one out of an archive is no path."""

    path: Path
    name: str

    def head(self, n: int = HEAD) -> bytes:
        """Return the first bytes, unpacked where they are gzip. Raises ValueError where these are damaged."""
        return _read(self, n)

    def read(self) -> bytes:
        """Return all bytes, unpacked where they are gzip. Raises ValueError if damaged, empty or beyond the limit."""
        data = _read(self, MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError(f"{self.name}: got more than {MOST_BYTES:,} bytes unpacked; as many are allowed")
        if not data:
            raise ValueError(f"{self.name}: the file is empty")
        return data


def _read(file: File, most: int) -> bytes:
    with open(file.path, "rb") as stream:
        packed = stream.read(2) == GZIP_MAGIC
        stream.seek(0)
        if not packed:
            return stream.read(most)
        try:
            return gzip.GzipFile(fileobj=stream).read(most)
        except EOFError as error:
            raise ValueError(f"{file.name}: the gzip data is cut short; fetch the file again") from error
        except (OSError, zlib.error) as error:
            raise ValueError(f"{file.name}: the gzip data is damaged ({error}); fetch the file again") from error


def kind_of(file: File) -> str:
    """Return what a file is: "table", "idx", "npy", "npz", "zip", "parquet", "picture", or "" for anything else."""
    head = file.head()
    if head.startswith(b"PK") or file.path.suffix.lower() in (".zip", ".npz"):
        return "npz" if file.path.suffix.lower() == ".npz" or _holds_arrays(file.path) else "zip"
    if is_idx(head) or re.search(r"[-.]idx[13]-ubyte", file.path.name.lower()):
        return "idx"
    if found := [kind for magic, kind in _MAGIC if head.startswith(magic)]:
        return found[0]
    named = file.path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))
    return "table" if named or _like_a_table(head) else ""


def is_idx(head: bytes) -> bool:
    """Say whether bytes begin as an IDX file: two zeros, a type of number, how many dimensions."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in (8, 9, 11, 12, 13, 14)


def _holds_arrays(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def _like_a_table(head: bytes) -> bool:
    """Say whether text is rows of pixels, or one label a row, whatever its file is called."""
    lines = head.split(b"\n")[:3]
    if lines[0].count(b",") >= 15:
        return True
    return len(lines) > 1 and lines[1].strip().isdigit() and len(lines[0].strip()) < 20


def listing(folder: File) -> tuple[list[File], list[File]]:
    """Return the files and the subfolders of a folder, each sorted by name, without hidden ones and systems' own."""
    entries = sorted(path for path in folder.path.iterdir() if path.name[0] != "." and path.name.lower() not in JUNK)
    named = [File(path, f"{folder.name}/{path.name}") for path in entries]
    return [file for file in named if file.path.is_file()], [file for file in named if file.path.is_dir()]


@contextmanager
def unpacked(archive: File) -> Iterator[File]:
    """Unpack a .zip into a folder that lasts as long as the context.

    Raises ValueError for a damaged or encrypted archive, for names that lead out of it, and before anything is written
    for more than 200,000 files or 2 GB.
    """
    with tempfile.TemporaryDirectory(prefix="digits-") as place:
        try:
            with zipfile.ZipFile(archive.path) as opened:
                members = [one for one in opened.infolist() if not one.is_dir()]
                _check_members(archive.name, members)
                for member in members:
                    target = Path(place, *PurePosixPath(member.filename).parts)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(member) as source, open(target, "wb") as sink:
                        shutil.copyfileobj(source, sink)  # zipfile gives no more than the size that was checked
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            raise ValueError(f"{archive.name}: not a usable .zip: {error}") from error
        yield File(Path(place), archive.name)


def _check_members(name: str, members: list[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    if total > MOST_BYTES or len(members) > MOST_MEMBERS:
        raise ValueError(
            f"{name}: got {len(members):,} files of {total:,} bytes unpacked; up to {MOST_MEMBERS:,} of "
            f"{MOST_BYTES:,} are allowed"
        )
    for member in members:
        parts = PurePosixPath(member.filename).parts
        if ".." in parts or PurePosixPath(member.filename).is_absolute() or "\\" in member.filename:
            raise ValueError(f"{name}: got a member named {member.filename!r}; names below the archive are allowed")
